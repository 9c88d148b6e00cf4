"""Transfers of cap that would mint some: late, twice, in a circle, void, left out, after an amendment, and mirrors with other dates."""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import world
from folders import PLAIN, TEXT, Made
from lab_fixtures import make_agreement

from circuits.claim import claim_program, public_interactions
from claims.agreement.check import validate
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import Caps, Lab, LogTerms, Meter, Party
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.claim.allowance_file import decode_allowance, encode_allowance
from claims.claim.allowances import Transfer, counting_total, listed_total, misjudged, transfers_of
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import TransferEntry
from claims.claim.evidence import TwoEntries
from claims.claim.lists import TOTAL, Limit
from claims.claim.published import PublishedEntries
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.reader import LogView, open_log
from claims.tlog.writer import LogWriter
from claims.verify.claim import verify_claim
from claims.verify.log import allowance_dates, log_trust
from tests.site.test_fuzz import ask, encoded
from zk.options import STD
from zk.security import security_report

LABS = {"a": 1, "b": 2, "c": 3, "d": 4}
OTHERS = {"op": 5, "x": 6, "y": 7}
COSIGN = {name: 30 + seed for name, seed in (LABS | OTHERS).items()}
CAP, PERIOD = 12, 1


def lab(name: str, seed: int, total: int = CAP, ceiling: int | None = 2 * CAP, since: int = 0) -> Lab:
    meter = Meter(name, "hall", "h100", 1, world.key(60 + seed).public_key().public_bytes_raw())
    return Lab(name, 16, (seed,) * 8, since, Caps(total, 1, 100, None), (meter,), ceiling=ceiling)


def agreed(*labs: Lab, quorum: int = 1, amends: bytes | None = None) -> Agreement:
    """Labs a to d, each with a total of 12 units and a ceiling of 24; the operator op and the rivals x and y."""
    seeds = sorted((LABS | OTHERS).items())
    keys = {name: [world.key(n).public_key().public_bytes_raw() for n in (seed, COSIGN[name])] for name, seed in seeds}
    own = labs or tuple(lab(name, seed) for name, seed in LABS.items())
    log = LogTerms("log.example/caps", "op", world.key(50).public_key().public_bytes_raw(), quorum)
    made = replace(make_agreement(), parties=tuple(Party(name, *keys[name]) for name, _ in seeds), labs=own, log=log)
    validate(made, lambda field, what, hint: MalformedFile(f"{field}: {what}", hint=hint))
    return made


TERMS = agreed()
BEGIN = TERMS.period_span(PERIOD)[0]


def transfer(giver: str, receiver: str, amount: int, serial: int = 1, period: int = PERIOD, terms: Agreement = TERMS) -> TransferEntry:
    """A transfer that both labs signed."""
    entry = TransferEntry(terms.digest, giver, receiver, period, serial, amount)
    entry = replace(entry, accepted=world.key(LABS[receiver]).sign(entry.acceptance))
    return sign_entry(world.key(LABS[giver]), entry)


ASKED: list[tuple[dict[str, Any], list[list[str]]]] = []
"""Every log of this file with what Python says of its transfers: the page is asked the same."""


@pytest.fixture(scope="module", autouse=True)
def _page_counts_alike() -> Iterator[None]:
    yield
    if shutil.which("node") is not None and ASKED:
        found = ask({"task": "transfers", "cases": [case for case, _ in ASKED]})
        differ = [(case["dates"], said, other) for (case, said), other in zip(ASKED, found, strict=True) if said != other]
        assert not differ, differ[:3]


def asked(terms: Agreement, found: tuple[Transfer, ...], entries: list[bytes], **how: Any) -> tuple[Transfer, ...]:
    """The same transfers, of which the page is asked when the file is done."""
    case = {"agreement": encoded(canonical_bytes(terms)), "period": PERIOD, "entries": [encoded(item) for item in entries]}
    ASKED.append(({"heads": None, "dates": None} | case | how, [[item.digest.hex(), item.void, item.state, item.text] for item in found]))
    return found


def judged(*entries: TransferEntry, terms: Agreement = TERMS, dates: dict[int, int | None] | None = None) -> tuple[Transfer, ...]:
    """Transfers of period 1 in this order, each dated an hour before the period unless something else is said."""
    data, known = [encode_entry(entry) for entry in entries], dict.fromkeys(range(len(entries)), BEGIN - 3600) | (dates or {})
    found = transfers_of(PublishedEntries(terms, enumerate(data)), PERIOD, lambda index, _: known[index])
    return asked(terms, found, data, dates=known)


def totals(found: Iterable[Transfer], terms: Agreement = TERMS) -> dict[str, int]:
    found = tuple(found)
    return {item.name: counting_total(terms, item.name, PERIOD, found) for item in terms.labs}


# ---- whole or not at all, in log order, nothing clamped -----------------------------------------------------


def test_a_transfer_moves_what_it_says() -> None:
    found = judged(transfer("a", "b", 5))
    assert found[0].counts and totals(found) == {"a": 7, "b": 17, "c": 12, "d": 12}
    assert "5e12 FLOP moved from a to b" in found[0].text


def test_nothing_is_clamped() -> None:
    """One unit more than there is, and the whole transfer is void; nor does a part of it count."""
    found = judged(transfer("a", "b", 5), transfer("a", "c", 8), transfer("a", "d", 7))
    assert [item.counts for item in found] == [True, False, True]
    assert "more than its own agreed total" in found[1].void and totals(found) == {"a": 0, "b": 17, "c": 12, "d": 19}


def test_a_circle_mints_nothing() -> None:
    """Three caps of 12 stay 36, however often they go round."""
    ring = [transfer(x, y, 12, serial) for serial in (1, 2, 3) for x, y in (("a", "b"), ("b", "c"), ("c", "a"))]
    found = judged(*ring)
    assert sum(item.counts for item in found) == 3 and totals(found) == {"a": 12, "b": 12, "c": 12, "d": 12}


def test_what_was_received_cannot_be_given() -> None:
    found = judged(transfer("a", "b", 12), transfer("b", "c", 12), transfer("b", "c", 1, 2))
    assert [item.counts for item in found] == [True, True, False] and totals(found)["c"] == 24


def test_the_ceiling_holds_whatever_a_lab_gives_away() -> None:
    """A gift makes no room: one that nobody dates would else let a lab receive more than its ceiling."""
    tight = agreed(*(lab(name, seed, ceiling=15) for name, seed in LABS.items()))
    gift, received = transfer("a", "d", 12, terms=tight), transfer("b", "a", 4, terms=tight)
    found = judged(gift, received, transfer("b", "a", 3, 2, terms=tight), terms=tight, dates={0: None})
    assert "above its ceiling, 1.5e13 FLOP" in found[1].void and found[2].counts
    assert totals(found, tight)["a"] == 15


def test_without_a_ceiling_nothing_is_received() -> None:
    none = agreed(*(lab(name, seed, ceiling=None if name == "b" else 24) for name, seed in LABS.items()))
    assert "no ceiling" in judged(transfer("a", "b", 1, terms=none), terms=none)[0].void


def test_a_void_one_takes_no_room() -> None:
    found = judged(transfer("a", "b", 13), transfer("a", "b", 12, 2))
    assert [bool(item.void) for item in found] == [True, False]


def test_voids_follow_the_index_alone() -> None:
    """An earlier one that is dated late, or not at all, uses up what it gives on every mirror alike."""
    entries = (transfer("a", "b", 8), transfer("a", "c", 8))
    for dates in ({}, {0: None}, {0: BEGIN}, {0: BEGIN + 5, 1: None}):
        found = judged(*entries, dates=dates)
        assert not found[0].void and "more than its own" in found[1].void and not found[1].counts
    swapped = judged(*entries[::-1])
    assert [item.counts for item in swapped] == [True, False] and totals(swapped)["c"] == 20


def test_no_order_and_no_dates_add_up_to_more_than_the_caps() -> None:
    """Hundreds of random logs: the sum never changes, and nobody is above its ceiling or below nothing."""
    for seed in range(40):
        rng = random.Random(seed)
        caps = {name: (rng.randrange(1, 20), rng.choice([None, 20, 30])) for name in LABS}
        terms = agreed(*(lab(name, n, caps[name][0], caps[name][1]) for name, n in LABS.items()))
        pairs = [rng.sample(sorted(LABS), 2) for _ in range(12)]
        entries = [transfer(x, y, rng.randrange(1, 16), serial, terms=terms) for serial, (x, y) in enumerate(pairs)]
        for _ in range(3):
            dates = {i: rng.choice([None, BEGIN - 1, BEGIN, BEGIN + 1, 0]) for i in range(12)}
            found = judged(*entries, terms=terms, dates=dates)
            after = totals(found, terms)
            assert sum(after.values()) == sum(total for total, _ in caps.values())
            assert all(0 <= after[name] <= max(total, ceiling or 0) for name, (total, ceiling) in caps.items())


# ---- before the period begins, by one date for all rows -------------------------------------------------------


@pytest.mark.parametrize(("date", "counts"), [(BEGIN - 1, True), (BEGIN, False), (BEGIN + 1, False), (None, False), (0, True)])
def test_it_is_dated_before_the_period_begins(date: int | None, counts: bool) -> None:
    found = judged(transfer("a", "b", 5), dates={0: date})
    assert found[0].counts is counts and totals(found)["b"] == (17 if counts else 12)
    assert found[0].state.startswith("counts" if counts else "does not count")


class Mirrors:
    """A log with real heads, and copies of it that lack some."""

    def __init__(self, folder: Path, terms: Agreement = TERMS) -> None:
        self.log, self.terms, self.folder = folder / "log", terms, folder

    def add(self, at: int, *entries: TransferEntry, by: str = "x") -> None:
        key = world.key(50)
        opened = LogWriter.open(self.log, key) if self.log.exists() else LogWriter.create(self.log, "log.example/caps", key)
        with opened as writer:
            writer.append([encode_entry(entry) for entry in entries], now=at)
        self.cosigned(at, by)

    def cosigned(self, at: int, by: str) -> None:
        for name in by.split():
            memory = LogMemory.load(self.folder / f"{name}.memory", log_trust(self.terms))
            cosign(self.log, world.key(COSIGN[name]), name, memory, at)

    def view(self, exclude: str = "") -> LogView:
        return open_log(self.log, log_trust(self.terms), exclude=set(exclude.split()))

    def found(self, exclude: str = "") -> tuple[Transfer, ...]:
        view = self.view(exclude)
        entries = [*view.entries, *view.tail]
        published = PublishedEntries(self.terms, enumerate(entries), view.size)
        heads = [path.read_bytes() for path in (self.log / "checkpoint", *(self.log / "checkpoints").glob("*"))]
        found = transfers_of(published, PERIOD, allowance_dates(view, self.terms))
        return asked(self.terms, found, entries, heads=[encoded(head) for head in heads])


def test_neither_giver_nor_receiver_nor_operator_dates_it(tmp_path: Path) -> None:
    """The labs' own cosignatures come in time, a rival's when the period has begun."""
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 100, transfer("a", "b", 5), by="a b op")
    mirror.add(BEGIN + 10, transfer("c", "d", 1, period=2), by="x")
    (found,) = mirror.found()
    assert (found.date, found.counts) == (BEGIN + 10, False)
    mirror = Mirrors(tmp_path / "third")
    (tmp_path / "third").mkdir()
    mirror.add(BEGIN - 100, transfer("a", "b", 5), by="a b op c")
    assert mirror.found()[0].counts


def test_every_row_sees_one_date(tmp_path: Path) -> None:
    """The log as it is read for the giver's row, the receiver's, a third lab's, or nobody's."""
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 100, transfer("a", "b", 5), by="b")
    mirror.add(BEGIN - 90, transfer("c", "d", 3), by="a c d y")
    seen = [[(item.digest, item.void, item.date) for item in mirror.found(row)] for row in ("", "a", "b", "x", "op")]
    assert all(rows == seen[0] for rows in seen) and [date for _, _, date in seen[0]] == [BEGIN - 90, BEGIN - 90]


def test_a_mirror_without_the_dating_head_is_stricter_and_mints_nothing(tmp_path: Path) -> None:
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 100, transfer("a", "b", 5))
    mirror.add(BEGIN + 100, transfer("c", "d", 5))
    assert [item.counts for item in mirror.found()] == [True, False]
    (mirror.log / "checkpoints/1").unlink()
    later = mirror.found()
    assert [item.date for item in later] == [BEGIN + 100, BEGIN + 100] and totals(later) == {"a": 12, "b": 12, "c": 12, "d": 12}


def test_a_head_that_nobody_cosigned_dates_nothing(tmp_path: Path) -> None:
    mirror = Mirrors(tmp_path)
    mirror.add(BEGIN - 200, transfer("c", "d", 1, period=2))
    mirror.add(BEGIN - 100, transfer("a", "b", 5), by="")
    (found,) = mirror.found()
    assert found.date is None and not found.counts and not found.void


def test_an_agreement_has_enough_others_to_date_every_transfer() -> None:
    for quorum in (1, 2, 3, 4):
        assert agreed(quorum=quorum)  # x, y and two labs
    with pytest.raises(MalformedFile, match="nothing could date a transfer from b to a, which has a ceiling: 4 parties"):
        agreed(quorum=5)
    assert agreed(*(lab(name, seed, ceiling=None) for name, seed in LABS.items()), quorum=5).log is not None
    with pytest.raises(MalformedFile, match="no \\[log\\] dates transfers"):
        validate(replace(TERMS, log=None), lambda field, what, hint: MalformedFile(f"{field}: {what}", hint=hint))


# ---- each counts once, where both owe a claim ------------------------------------------------------------------


def test_the_same_one_again_counts_once() -> None:
    once = transfer("a", "b", 5)
    again = replace(once, signature=bytes(64))
    again = replace(again, signature=world.key(1).sign(b"something else"))
    found = judged(once, once, again, transfer("a", "b", 5, 2))
    assert [item.entry.serial for item in found] == [1, 2] and totals(found)["a"] == 2


def test_equal_content_with_another_serial_is_another_transfer() -> None:
    assert totals(judged(transfer("a", "b", 5), transfer("a", "b", 5, 7)))["b"] == 22


def test_two_amounts_under_one_serial_are_evidence_against_the_giver() -> None:
    one, two = transfer("a", "b", 5), transfer("a", "b", 6)
    published = PublishedEntries(TERMS, enumerate(map(encode_entry, (one, two))))
    assert [item.amount for item, _ in published.transfers(PERIOD)] == [5]
    assert len(published.conflicts_of("a", PERIOD)) == 1 and not published.conflicts_of("b", PERIOD)
    item = TwoEntries.of(encode_entry(one), encode_entry(two))
    item.check(TERMS)
    assert item.against(TERMS) == ("a", PERIOD)


def test_another_signature_of_the_receiver_contradicts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver whose signatures differ each time cannot make the giver contradict itself."""
    one = transfer("a", "b", 5)
    two = sign_entry(world.key(1), replace(one, accepted=bytes(64)))
    monkeypatch.setattr("claims.claim.entries.check_signature", lambda *_: None)
    published = PublishedEntries(TERMS, enumerate(map(encode_entry, (one, two))))
    assert not published.conflicts and [item for item, _ in published.transfers(PERIOD)] == [one]
    with pytest.raises(BadSignature, match="do not contradict"):
        TwoEntries.of(encode_entry(one), encode_entry(two)).check(TERMS)


@pytest.mark.parametrize("change", [
    {"agreement": b"o" * 32}, {"receiver": "a"}, {"receiver": "x"}, {"giver": "x"}, {"amount": 0}, {"period": 3}, {"amount": 6},
    {"serial": 2}, {"receiver": "c"}, {"accepted": bytes(64)}, {"period": 2},
])  # fmt: skip
def test_an_entry_that_both_did_not_sign_as_it_stands_is_passed_over(change: dict[str, object]) -> None:
    entry = replace(transfer("a", "b", 5), **change)  # type: ignore[arg-type]
    entry = sign_entry(world.key(LABS.get(entry.giver, 6)), entry)
    with pytest.raises((ClaimRejected, BadSignature)):
        check_entry(entry, TERMS)
    assert judged(entry) == ()


def test_another_party_signs_for_nobody() -> None:
    stolen = sign_entry(world.key(LABS["c"]), transfer("a", "b", 5))
    assert judged(stolen) == () and decode_entry(encode_entry(stolen)) == stolen


def test_both_labs_owe_a_claim_for_the_period() -> None:
    later = agreed(*(lab(name, seed, since=2 if name == "b" else 0) for name, seed in LABS.items()))
    for pair in (("a", "b"), ("b", "a")):
        entry = transfer(*pair, 5, terms=later)
        with pytest.raises(ClaimRejected, match="makes no claim for period 1"):
            check_entry(entry, later)
        check_entry(transfer(*pair, 5, period=2, terms=later), later)


def test_an_amendment_takes_no_transfer_over() -> None:
    """What was given under the agreement before names its digest, also for periods after the amendment."""
    lower = agreed(*(lab(name, seed, total=6) for name, seed in LABS.items()))
    assert judged(transfer("a", "b", 5), terms=lower) == ()
    assert totals(judged(transfer("a", "b", 6, terms=lower), terms=lower), lower) == {"a": 0, "b": 12, "c": 6, "d": 6}


def test_caps_of_the_period_itself_bind() -> None:
    labs = [lab(name, seed) for name, seed in LABS.items()]
    labs[0] = replace(labs[0], caps_from=((PERIOD, replace(labs[0].caps, total=4)),))
    assert judged(transfer("a", "b", 5, terms=agreed(*labs)), terms=agreed(*labs))[0].void


# ---- what a claim lists ---------------------------------------------------------------------------------------


def claim_of(name: str, *listed: Transfer):  # type: ignore[no-untyped-def]
    return replace(world.claim(world.agreement()), lab=name, period=PERIOD, transfers=tuple(sorted(item.digest for item in listed)))


def test_a_given_one_that_is_left_out_is_over() -> None:
    gift, other = judged(transfer("a", "b", 5), transfer("a", "c", 2))
    assert misjudged(claim_of("a", gift, other), TERMS, (gift, other)) == []
    reasons = misjudged(claim_of("a", other), TERMS, (gift, other))
    assert "its total is 1e13 FLOP" in reasons[0] and "not listed: 5e12 FLOP moved from a to b" in reasons[1]
    assert len(misjudged(claim_of("a"), TERMS, (gift, other))) == 3


def test_a_received_one_that_is_not_in_time_here_is_over_here() -> None:
    entries = (transfer("a", "b", 5),)
    (here,), (there,) = judged(*entries), judged(*entries, dates={0: BEGIN})
    for listed in (here, there):  # a claim has the entry's digest, whatever its date
        assert misjudged(claim_of("b", listed), TERMS, (here,)) == []
        assert "dated" in misjudged(claim_of("b", listed), TERMS, (there,))[1]
        assert "does not date it" in misjudged(claim_of("b", listed), TERMS, judged(*entries, dates={0: None}))[1]
    assert listed_total(TERMS, "b", PERIOD, [here.digest], [here]) == listed_total(TERMS, "b", PERIOD, [here.digest], [there]) == 17


def test_a_void_one_raises_nobodys_cap() -> None:
    found = judged(transfer("a", "b", 12), transfer("a", "c", 12, 2))
    assert "void" in misjudged(claim_of("c", found[1]), TERMS, found)[1]
    assert misjudged(claim_of("c"), TERMS, found) == []


def test_one_mirror_never_finds_more_than_the_sum_of_caps_within_them() -> None:
    """Every list of every lab, on every mirror: those not over are within the caps of all together."""
    entries = (transfer("a", "b", 5), transfer("b", "a", 4), transfer("a", "c", 7))
    choices = [c for n in range(4) for c in itertools.combinations(range(3), n)]
    for dates in ({}, {0: None}, {1: BEGIN}, {0: BEGIN, 2: None}, {0: None, 1: None, 2: None}):
        found = judged(*entries, dates=dates)
        best = {}
        for name in LABS:
            within = [0]
            for choice in choices:
                listed = [found[i] for i in choice if found[i].toward(name)]
                if not misjudged(claim_of(name, *listed), TERMS, found):
                    within.append(listed_total(TERMS, name, PERIOD, [item.digest for item in listed], found))
            best[name] = max(within)
        assert sum(best.values()) == sum(item.caps.total for item in TERMS.labs)


def test_lists_that_no_lab_can_have_are_refused() -> None:
    found = judged(transfer("a", "b", 12), transfer("a", "c", 12, 2))
    with pytest.raises(ClaimRejected, match="between other labs"):
        listed_total(TERMS, "d", PERIOD, [found[0].digest], found)
    with pytest.raises(ClaimRejected, match="no total cap that can be"):
        listed_total(TERMS, "a", PERIOD, [item.digest for item in found], found)


# ---- files ----------------------------------------------------------------------------------------------------


def test_an_accepted_transfer_is_one_canonical_file() -> None:
    entry = replace(transfer("a", "b", 5), signature=b"")
    data = encode_allowance(entry)
    assert decode_allowance(data) == entry
    spelt = (data.replace(b'"serial": 1', b'"serial": 01'), data.replace(b'"b"', b'"B"'), data.replace(b'"amount": 5', b'"amount": -5'))
    for bad in (data[:-1], *spelt, b"{}"):
        with pytest.raises(MalformedFile):
            decode_allowance(bad)
    raw = encode_entry(transfer("a", "b", 5))
    assert len(raw) < 1024 and decode_entry(raw) == transfer("a", "b", 5)
    assert hashlib.sha256(raw).digest() == judged(transfer("a", "b", 5))[0].digest
    for bad in (raw + b"\0", raw[:-1], raw[:49] + b"\1A" + raw[51:]):
        with pytest.raises(MalformedFile):
            decode_entry(bad)


# ---- verdicts on claims, by verify and status ------------------------------------------------------------------


CEILED = TEXT.replace("log_rows = 16\n", 'log_rows = 16\nceiling = "3e22 FLOP"\n')
CEILED = CEILED.replace("log_rows = 17\n", 'log_rows = 17\nceiling = "3e22 FLOP"\n')
CEILED = CEILED.replace("since_period = 2\n", "")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_agrees: None) -> Made:
    seen: list[int] = []

    def check(statement, proof, *_):  # type: ignore[no-untyped-def]
        seen.append(statement.total_cap)
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)
    folder = Made(tmp_path / "folder", CEILED)
    folder.caps_seen = seen  # type: ignore[attr-defined]
    return folder


def gift(made: Made, giver: str, receiver: str, amount: int, period: int = 0, serial: int = 1) -> TransferEntry:
    entry = TransferEntry(made.terms.digest, giver, receiver, period, serial, amount)
    entry = replace(entry, accepted=world.key(world.PARTIES[receiver]).sign(entry.acceptance))
    return sign_entry(world.key(world.PARTIES[giver]), entry)


def listing(made: Made, *entries: TransferEntry, **changes: object):  # type: ignore[no-untyped-def]
    return made.draft(transfers=tuple(sorted(hashlib.sha256(encode_entry(entry)).digest() for entry in entries)), **changes)


def claimed(made: Made, claim) -> str:  # type: ignore[no-untyped-def]
    """Alpha's row and, the same, its verdict."""
    made.epochs()
    made.claim(claim=claim)
    now = made.end() + 7200
    row = made.row(now)
    word = made.alone(0, now, "--signatures", made.folder / "agreement.sigs")[1]
    assert word.split(" ")[0] == {"proven": "PROVEN", "over": "OVER", "pending": "INCOMPLETE", "rejected": "REJECTED",
                                  "late": "INCOMPLETE", "under inspection": "INCOMPLETE"}[row.state], (word, row)  # fmt: skip
    return f"{row.state}: {row.reason}"


def test_a_claim_is_proven_under_its_agreed_total_less_what_it_gave(made: Made) -> None:
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    assert claimed(made, listing(made, entry)).startswith("proven: proven") and made.caps_seen[-1] == 6 * 10**9  # type: ignore[attr-defined]
    state = made.at(made.end() + 7200)
    text = "\n".join(state.lines())
    assert "caps of all labs together in period 0: 2e22 FLOP" in text and state.moved[0].stated is None  # beta has no claim
    assert "total cap 6e21 FLOP after transfers, 1e22 FLOP agreed; 4e21 FLOP moved" in text
    assert "4e21 FLOP moved from alpha to beta (serial 1): counts" in text


def test_a_claim_that_leaves_a_gift_out_is_over(made: Made) -> None:
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    found = claimed(made, listing(made))
    assert found.startswith("over: its total is 1e22 FLOP with the transfers that it lists, and 6e21 FLOP") and "not listed" in found
    state = made.at(made.end() + 7200)
    assert state.holds == "no" and "dated 2025-12-31T23:50:00Z; alpha is over" in "\n".join(state.lines())


def test_a_receiver_counts_more_where_the_log_dates_it_and_is_over_where_it_does_not(made: Made) -> None:
    entry = gift(made, "beta", "alpha", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    claim = listing(made, entry)
    assert claimed(made, claim).startswith("proven") and made.caps_seen[-1] == 14 * 10**9  # type: ignore[attr-defined]
    made.drop("log/checkpoints/1")  # another mirror, without the head that dates it
    row = made.row(made.end() + 7200)
    assert row.state == "over" and "when the period had begun" in row.reason and made.caps_seen[-1] == 14 * 10**9  # type: ignore[attr-defined]


def test_a_late_gift_raises_nothing(made: Made) -> None:
    entry = gift(made, "beta", "alpha", 4 * 10**9)
    made.add(made.terms.start + 60, entry)
    assert claimed(made, listing(made, entry)).startswith("over")


def test_a_listed_entry_that_is_not_in_the_log_leaves_the_claim_open(made: Made) -> None:
    found = claimed(made, listing(made, gift(made, "beta", "alpha", 4 * 10**9)))
    assert found.startswith(("pending", "late")) and not made.caps_seen  # type: ignore[attr-defined]


def test_a_transfer_for_another_period_is_not_in_this_ones_list(made: Made) -> None:
    entry = gift(made, "beta", "alpha", 4 * 10**9, period=1)
    made.add(made.terms.start - 600, entry)
    assert claimed(made, listing(made, entry)).startswith(("pending", "late"))


def test_a_stated_limit_is_above_the_total_after_transfers(made: Made) -> None:
    """A claim over its total states what is agreed after its transfers, not before: else it would say less than it is over."""
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    wrong = listing(made, entry, limits=(Limit(TOTAL, 10**10, 2**34),))
    assert claimed(made, wrong).startswith("rejected: lists: the claim states a limit in place of another total")


def test_a_claim_over_what_its_gifts_left(made: Made) -> None:
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    found = claimed(made, listing(made, entry, limits=(Limit(TOTAL, 6 * 10**9, 2**33),)))
    assert found.startswith("over: total compute") and made.caps_seen[-1] == 2**33  # type: ignore[attr-defined]


def test_without_a_log_nothing_can_be_listed(tmp_path: Path) -> None:
    plain = parse_agreement(PLAIN)
    with pytest.raises(ClaimRejected, match="no log to date any"):
        verify_claim(world.claim(plain, transfers=(bytes(32),)).encode(), plain)
