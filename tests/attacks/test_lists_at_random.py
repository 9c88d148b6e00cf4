"""Claims whose lists are true, or not, at random, in folders with random logs: ``status``, the page, and a judge of this file's own.

That judge is written from FORMATS.md section 5, FORMATS-log.md sections 8 and 9 and FORMATS-inspection.md I10 alone. It knows what was
appended, by whom it was cosigned and when, and which heads the mirror left out. It says what a row must be: a state that is better for
the lab is a false claim that got through, a worse one an honest lab that was refused.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import world
from folders import SEEDS, Made

from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_ledger_head
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, Entry, EpochEntry, JoulesEntry, LossEntry, TransferEntry
from claims.claim.file import MeterHead, SiteHead
from claims.claim.lists import LOST_METER, LOST_SITE, Limit, Loss, Over
from claims.claim.losses import NO_HEAD
from claims.claim.power import absent_bits
from claims.claim.roots import Roots
from tests.attacks.test_allowances import gift
from tests.attacks.test_page_publisher import FED
from tests.site.test_site_tables import cut

pytestmark = pytest.mark.usefixtures("any_proof", "page_agrees")

CHIPS = {"hall-1": 8, "hall-2": 16}
SITES = {"hall-1": "north", "hall-2": "south"}
UNATTRIBUTED, LINEAGE, FREEZE = 10**8, 10**11, 5 * 10**10
CEILING, PER = 3 * 10**10, 4
WHOLE = FED.replace("ceiling =", 'lost = "40 %"\nceiling =', 1)
LESS = WHOLE.replace('total = "1e22 FLOP"', 'total = "5e21 FLOP"', 1).replace('lost = "40 %"', 'lost = "70 %"')
"""An amendment: alpha has half the total, may lose more, and now and then hall-2 has another key."""


@dataclass
class Story:
    """A folder and what is in it. ``entries``: all of the log, in order; ``heads``: sizes, and who cosigned when, as mirrored."""

    made: Made
    rng: random.Random
    sites: bool
    entries: list[Entry] = field(default_factory=list)
    heads: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    terms: list[Agreement] = field(default_factory=list)
    """Under which each period's claim is made."""
    keys: dict[str, int] = field(default_factory=lambda: dict(world.METERS))

    def caps(self, period: int) -> tuple[int, int]:
        """Alpha's total, units of 10^12 FLOP, and the share that it may lose, parts per million."""
        return (5 * 10**9, 700_000) if self.is_amended(period) else (10**10, 400_000)

    def is_amended(self, period: int) -> bool:
        return self.terms[period] is not self.terms[0]

    def under(self, period: int) -> list[Entry]:
        """The entries under the agreement that holds in a period."""
        return [entry for entry in self.entries if entry.agreement == self.terms[period].digest]

    def say(self, at: int, *entries: Entry, by: str = "delta") -> None:
        """Appends what is new, and has it cosigned."""
        known = [encode_entry(entry) for entry in self.entries]
        new = [entry for entry in entries if encode_entry(entry) not in known]
        if new:
            self.entries += new
            self.made.add(at, *new, by=by)
            self.heads.append((len(self.entries), dict.fromkeys(by.split(), at)))

    def place(self, entry: Entry) -> int:
        """Where it stands in the log."""
        return self.entries.index(entry)


# ---- the judge ---------------------------------------------------------------------------------------------------


def hours(story: Story, period: int) -> dict[int, int]:
    """Epochs of a period to the place of the lab's entry."""
    own = [entry for entry in story.under(period) if isinstance(entry, EpochEntry)]
    return {entry.epoch: story.place(entry) for entry in own if entry.epoch // PER == period}


def said(story: Story, period: int, meter: str, word: int) -> set[int]:
    """Epochs of the period from which on a meter was said to be lost (1) or back (2), before that epoch's entry."""
    places, names = hours(story, period), {(1, meter), *([(2, SITES[meter])] if story.sites else [])}
    own = [e for e in story.under(period) if isinstance(e, LossEntry) and e.word == word and (e.what, e.name) in names]
    right = [entry for entry in own if (entry.author == "alpha") == (word == 1) and (word == 1 or entry.epoch % PER == 0)]
    return {entry.epoch for entry in right if story.place(entry) < places.get(entry.epoch, -1)}


def listed(losses: tuple[Loss, ...]) -> dict[str, int]:
    """Lost meters to their first epochs."""
    return {name: loss.first_epoch for loss in losses for name in CHIPS if loss.name == (name if loss.kind == LOST_METER else SITES[name])}


def dated(story: Story, entry: TransferEntry) -> int | None:
    """When somebody other than operator, giver and receiver had cosigned it."""
    barred, at = {"gamma", entry.giver, entry.receiver}, story.place(entry)
    return min((time for size, by in story.heads if size > at for name, time in by.items() if name not in barred), default=None)


def moves(story: Story, period: int) -> list[tuple[TransferEntry, str]]:
    """Transfers for a period in order, each "void", "counts" or "late"."""
    given, received, found = dict[str, int](), dict[str, int](), []
    caps = {"alpha": story.caps(period)[0], "beta": 10**10}
    for entry in story.under(period):
        if not isinstance(entry, TransferEntry) or entry.period != period:
            continue
        gave, got = given.get(entry.giver, 0) + entry.amount, received.get(entry.receiver, 0) + entry.amount
        if gave > caps[entry.giver] or caps[entry.receiver] + got > CEILING:
            found.append((entry, "void"))
            continue
        given[entry.giver], received[entry.receiver] = gave, got
        date = dated(story, entry)
        found.append((entry, "counts" if date is not None and date < story.terms[0].period_span(period)[0] else "late"))
    return found


def toward(entry: TransferEntry) -> int:
    return entry.amount if entry.receiver == "alpha" else -entry.amount


def power(story: Story, period: int, lost: dict[str, int]) -> str:
    """The verdict's line."""
    absent = 0
    for epoch, place in hours(story, period).items():
        own = story.entries[place]
        digest = story.terms[period].digest
        joules = [e for e in story.entries[:place] if isinstance(e, JoulesEntry) and (e.agreement, e.epoch) == (digest, epoch)]
        shown = len({entry.leaf for entry in joules}) == 1 and not own.absent  # type: ignore[union-attr]
        absent += not shown or epoch >= lost.get("hall-1", 10**9)
    return f"1 of 2 meters under a feed, {absent} of {PER} hours absent"


def _still(story: Story, period: int, before: dict[str, Any] | None) -> dict[str, int]:
    """What the claim before lists as lost, but for a meter that has another key since."""
    lost = {} if before is None else listed(before["losses"])
    return {name: first for name, first in lost.items() if before is not None and before["keys"][name] == story.keys[name]}


def judge(story: Story, period: int) -> tuple[str, set[str]]:
    """A row's state, and of a rejection the checks that fail."""
    claim, fails = story.claims[period], set[str]()
    before = story.claims[period - 1] if period else None
    if before is not None and judge(story, period - 1)[0] not in ("proven", "over"):
        word = judge(story, period - 1)[0]
        return ("rejected" if word == "rejected" else "pending"), {"continuity"}
    losses, limits, (total, may) = claim["losses"], claim["limits"], story.caps(period)
    lost, epochs = listed(losses), range(PER * period, PER * period + PER)
    bad = len({name for loss in losses for name in listed((loss,))}) < sum(len(listed((loss,))) for loss in losses)
    bad = bad or any(not listed((loss,)) or loss.first_epoch not in epochs for loss in losses)
    if bad:
        return "rejected", {"lists"}
    own = {hashlib.sha256(encode_entry(entry)).digest(): (entry, how) for entry, how in moves(story, period)}
    known = all(digest in own for digest in claim["transfers"])
    moved = sum(toward(own[digest][0]) for digest in claim["transfers"]) if known else 0
    seconds = sum(CHIPS[name] * (epochs[-1] + 1 - first) for name, first in lost.items())
    share = -(-seconds * 10**6 // (sum(CHIPS.values()) * PER))
    agreed = {1: total + moved, 2: UNATTRIBUTED, 3: LINEAGE, 4: FREEZE, 5: may}
    stated = {limit.which: limit.stated for limit in limits}
    if known and not 0 <= agreed[1] < 2**64:
        fails.add("lists")
    if known and (any(agreed[limit.which] != limit.agreed for limit in limits) or stated.get(5, may) != max(share, may)):
        fails.add("lists")
    zero = {name: [e for e, root in zip(epochs, roots, strict=True) if root == bytes(32)] for name, roots in claim["roots"].items()}
    if any(zero[name] != [epoch for epoch in epochs if epoch >= lost.get(name, 10**9)] for name in CHIPS):
        fails.add("log")
    still = _still(story, period, before)
    for name in CHIPS:
        goes_on = name in still and lost.get(name) == epochs[0]
        if name in still and not goes_on and epochs[0] not in said(story, period, name, 2):
            fails.add("continuity")
        if name in lost and not goes_on and lost[name] not in said(story, period, name, 1):
            fails.add("log")
        if any(lost.get(name, 10**9) > first for first in said(story, period, name, 1)):
            fails.add("log")
    due = () if before is None else (*before["overs"], *(Over(period - 1, x.which, x.agreed, x.stated) for x in before["limits"]))
    if claim["overs"] != due:
        fails.add("continuity")
    if fails:
        return "rejected", fails
    if not known:
        return "pending", fails
    most = total + sum(toward(entry) for entry, how in own.values() if how == "counts")
    return ("over" if limits or agreed[1] > most else "proven"), fails


# ---- the story ---------------------------------------------------------------------------------------------------


def _words(story: Story, epoch: int) -> list[Entry]:
    """What may be said of losses before an epoch's entry; some of it by who may not, or of another epoch."""
    rng, out = story.rng, []
    for name in CHIPS:
        if rng.random() < 0.12:
            what, target = (2, SITES[name]) if story.sites and rng.random() < 0.5 else (1, name)
            at = epoch if rng.random() < 0.8 else max(0, epoch + rng.choice((-1, 1, 4)))
            out.append(_loss(story, "alpha" if rng.random() < 0.9 else "beta", what, target, 1, at))
        if rng.random() < (0.5 if epoch % PER == 0 else 0.05):
            out.append(_loss(story, rng.choice(("beta", "delta", "alpha")), 1, name, 2, epoch))
    return out


def _loss(story: Story, author: str, what: int, name: str, word: int, epoch: int) -> Entry:
    terms = story.terms[-1] if story.rng.random() < 0.95 else story.terms[0]
    entry = LossEntry(terms.digest, author, "alpha", what, name, word, epoch)
    return sign_entry(world.key(SEEDS[author]), entry)


def _joules(story: Story, epoch: int) -> list[Entry]:
    leaves = story.rng.choice(((1,), (1,), (1,), (), (1, 2), (1, 1)))
    made = [JoulesEntry(story.terms[-1].digest, "hall-feed", epoch, bytes([leaf]) * 32) for leaf in leaves]
    return [sign_entry(world.key(80), entry) for entry in made]


def _truth(story: Story, period: int, before: dict[str, Any] | None) -> dict[str, int]:
    """What an honest lab lists as lost by what is in the log so far, the period's epochs still to come: their entries are appended last."""
    lost = {}
    still = _still(story, period, before)
    for name in CHIPS:
        words = said(story, period, name, 1)
        if name in still and PER * period not in said(story, period, name, 2):
            words = words | {PER * period}
        if words:
            lost[name] = min(words)
    return lost


def _list(story: Story, lost: dict[str, int]) -> tuple[Loss, ...]:
    kinds = {name: (LOST_SITE, SITES[name]) if story.sites and story.rng.random() < 0.4 else (LOST_METER, name) for name in lost}
    return tuple(sorted(Loss(*kinds[name], first) for name, first in lost.items()))


def _false_losses(story: Story, losses: tuple[Loss, ...], period: int) -> tuple[Loss, ...]:
    """One thing wrong with a list."""
    rng, found = story.rng, list(losses)
    if found and rng.random() < 0.7:
        at = rng.randrange(len(found))
        if rng.random() < 0.5:
            del found[at]
        else:
            found[at] = replace(found[at], first_epoch=max(0, found[at].first_epoch + rng.choice((-1, 1))))
    else:
        name = rng.choice(list(CHIPS))
        if name not in {loss.name for loss in found}:
            found.append(Loss(LOST_METER, name, PER * period + rng.randrange(PER)))
    return tuple(sorted(found))


def _limits(story: Story, total: int, share: int) -> tuple[Limit, ...]:
    """The share where it has to be stated; a cap that is over, and now and then a limit that says something else."""
    rng, out, (agreed_total, may) = story.rng, {}, story.caps(len(story.claims))
    if share > may:
        out[5] = Limit(5, may, share)
    if rng.random() < 0.25:
        which, agreed = rng.choice(((1, total), (2, UNATTRIBUTED), (3, LINEAGE), (4, FREEZE)))
        out[which] = Limit(which, agreed, 1 << agreed.bit_length())
    if rng.random() < 0.1:
        which = rng.choice((1, 2, 5))
        agreed = {1: agreed_total, 2: UNATTRIBUTED - 1, 5: may}[which]
        out[which] = Limit(which, agreed, 1 << agreed.bit_length() if which < 5 else 800_000)
    if 5 in out and rng.random() < 0.1:
        del out[5]
    return tuple(out[which] for which in sorted(out))


def _publish_hours(story: Story, period: int, roots: dict[str, tuple[bytes, ...]], words: dict[int, list[Entry]]) -> None:
    terms, rng = story.terms[-1], story.rng
    for at, epoch in enumerate(range(PER * period, PER * period + PER)):
        root = lab_epoch_root([(name, each[at]) for name, each in roots.items()])
        bits = absent_bits(1, {0} if rng.random() < 0.15 else set())
        own = sign_entry(world.key(1), EpochEntry(terms.digest, "alpha", epoch, root, bytes(32), absent=bits))
        joules, moment = _joules(story, epoch), terms.epoch_span(epoch)[1] + 60
        late = rng.random() < 0.1
        story.say(moment, *words[epoch], *([] if late else joules), own, *(joules if late else []), *_after(story, epoch))


def _after(story: Story, epoch: int) -> list[Entry]:
    """Words that come too late."""
    late = story.rng.random() < 0.06
    return [_loss(story, "alpha", 1, story.rng.choice(list(CHIPS)), 1, epoch)] if late else []


def _gifts(story: Story) -> None:
    """Transfers for both periods, in time and not, under heads that this one or that one cosigned."""
    terms, rng = story.made.terms, story.rng
    for serial in range(rng.randrange(5)):
        giver, receiver = rng.choice((("alpha", "beta"), ("beta", "alpha")))
        entry = gift(story.made, giver, receiver, rng.choice((10**9, 6 * 10**9, 10**10, 10**10 + 1)), rng.randrange(2), serial)
        story.say(terms.start - 900 + 60 * serial, entry, by=rng.choice(("delta", "delta", "alpha beta gamma", "gamma", "alpha delta")))


def _claim(story: Story, period: int) -> None:
    """A period's hours and its claim: honest in most of its lists, in most stories."""
    rng, made = story.rng, story.made
    if period and rng.random() < 0.3:
        if rng.random() < 0.5:
            story.keys["hall-2"] = 13
        made.amend(_text(story, LESS).replace(world.public(12), world.public(story.keys["hall-2"])))
    story.terms[period:] = [made.terms]
    terms = made.terms
    before = story.claims[period - 1] if period else None
    epochs = range(PER * period, PER * period + PER)
    words = {epoch: _words(story, epoch) for epoch in epochs}
    shadow = replace(story, entries=[*story.entries])
    for epoch in epochs:
        mark = EpochEntry(terms.digest, "alpha", epoch, bytes(32), bytes(32))
        shadow.entries += [*(entry for entry in words[epoch] if entry not in shadow.entries), mark]
    losses = _list(story, _truth(shadow, period, before))
    if rng.random() < 0.25:
        losses = _false_losses(story, losses, period)
    lost = listed(losses)
    ends = lost if rng.random() < 0.93 else {**lost, rng.choice(list(CHIPS)): rng.choice(epochs)}
    roots = {name: tuple(bytes(32) if e >= ends.get(name, 10**9) else bytes([e + 1]) * 32 for e in epochs) for name in CHIPS}
    _publish_hours(story, period, roots, words)
    found = moves(story, period)
    honest = [e for e, how in found if how != "void" and (e.giver == "alpha" or how == "counts")]
    chosen = honest if rng.random() < 0.7 else [e for e, _ in found if rng.random() < 0.5]
    transfers = tuple(sorted(hashlib.sha256(encode_entry(entry)).digest() for entry in chosen))
    if rng.random() < 0.05:
        transfers = tuple(sorted({*transfers, bytes(32)}))
    seconds = sum(CHIPS[name] * max(0, epochs[-1] + 1 - first) for name, first in lost.items())
    share = -(-seconds * 10**6 // (sum(CHIPS.values()) * PER))
    limits = _limits(story, max(0, story.caps(period)[0] + sum(map(toward, chosen))), min(share, 10**6))
    due = () if before is None else (*before["overs"], *(Over(period - 1, x.which, x.agreed, x.stated) for x in before["limits"]))
    overs = due if rng.random() < 0.85 or not due else due[:-1]
    _file(story, period, roots, {"losses": losses, "limits": limits, "overs": overs, "transfers": transfers})


def _file(story: Story, period: int, roots: dict[str, tuple[bytes, ...]], lists: dict[str, Any]) -> None:
    made, terms, gone = story.made, story.terms[period], {loss.name for loss in lists["losses"]}
    meters = []
    for name, each in roots.items():
        head, digest = world.head(1000 * period + world.METERS[name]), roots_digest(each)
        sign = sign_ledger_head(world.key(story.keys[name]), terms.digest, "alpha", name, period, head, digest)
        lost = name in gone or (story.sites and SITES[name] in gone)
        meters.append(MeterHead(name, NO_HEAD, digest, bytes(64)) if lost else MeterHead(name, head, digest, sign))
    first, where = PER * period, made.folder / "claims"
    where.mkdir(exist_ok=True)
    whole = Roots(terms.digest, "alpha", period, first, first + PER - 1, tuple(roots.items()))
    more: dict[str, Any] = {}
    if story.sites:
        more = _sites(story, period, whole, gone)
    elif gone & {"north", "south"}:
        raise AssertionError("no sites")
    claim = world.claim(terms, period, meters=tuple(meters), **lists, **more)
    data = made.file(claim, None if story.sites else whole.encode())
    named = claim.site_roots if story.sites else hashlib.sha256(whole.encode()).digest()
    entry = ClaimEntry(terms.digest, "alpha", period, hashlib.sha256(data).digest(), named)
    story.say(made.end(period) + 600, sign_entry(world.key(1), entry))
    story.claims.append({**lists, "roots": roots, "keys": dict(story.keys)})


def _sites(story: Story, period: int, whole: Roots, gone: set[str]) -> dict[str, Any]:
    where, heads = story.made.folder / "claims", []
    for at, (meter, each) in enumerate(whole.meters):
        site, proof = SITES[meter], b"SSPF proof %d %d" % (period, at)
        roots = replace(whole, meters=((meter, each),)).encode()
        (where / f"alpha-{period}.{site}.roots").write_bytes(roots)
        (where / f"alpha-{period}.{site}.proof").write_bytes(proof)
        kept = (NO_HEAD, bytes(32)) if site in gone else (world.head(500 + at), hashlib.sha256(proof).digest())
        heads.append(SiteHead(site, *kept, hashlib.sha256(roots).digest()))
    (where / f"alpha-{period}.registry.proof").write_bytes(b"SSPF proof r%d" % period)
    return {"proof": b"", "sites": tuple(heads), "registry_proof": hashlib.sha256(b"SSPF proof r%d" % period).digest()}


def _mirror(story: Story) -> None:
    """A mirror that lacks some of the older heads."""
    kept = []
    for size, by in story.heads:
        if size < len(story.entries) and story.rng.random() < 0.15:
            story.made.drop(f"log/checkpoints/{size}")
        else:
            kept.append((size, by))
    story.heads = kept


def _text(story: Story, text: str) -> str:
    return cut(text) if story.sites else text


def told(folder: Path, seed: int) -> list[str]:
    """What became of each period of a story; the judge has to say the same."""
    rng = random.Random(seed)
    sites = rng.random() < 0.4
    folder.mkdir()
    story = Story(Made(folder / "folder", cut(WHOLE) if sites else WHOLE), rng, sites)
    story.terms = [story.made.terms]
    _gifts(story)
    for period in (0, 1):
        _claim(story, period)
    _mirror(story)
    out = []
    for period in (0, 1):
        row, (state, checks) = story.made.row(story.made.end(1) + 700, period), judge(story, period)
        assert row.state == state and (state != "rejected" or row.check in checks), (seed, period, state, checks, row.state, row.reason)
        if state in ("proven", "over"):
            lost = listed(story.claims[period]["losses"])
            assert row.power is not None and row.power.line() == power(story, period, lost), (seed, period)
        out.append(f"{state} {row.check or ''}".strip())
    return out


def test_stories_are_judged_as_the_formats_say(tmp_path: Path) -> None:
    found = {word for seed in range(7) for word in told(tmp_path / str(seed), seed)}
    assert {"proven", "over"} <= found and any(word.startswith("rejected") for word in found)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(100, 500, 50))
def test_hundreds_of_stories_are_judged_as_the_formats_say(tmp_path: Path, first: int) -> None:
    found = {word for seed in range(first, first + 50) for word in told(tmp_path / str(seed), seed)}
    assert {"proven", "over", "rejected lists", "rejected log", "rejected continuity"} <= found


