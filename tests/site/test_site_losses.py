"""Losses over time, by both verifiers: random words in the log, of the lab and of others, and random lists of two claims."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
import world
from folders import SEEDS, TEXT

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.base.errors import ClaimRejected
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry, LossEntry
from claims.claim.file import Claim
from claims.claim.lists import LOST_METER, LOST_SITE, Loss
from claims.claim.published import PublishedEntries
from claims.verify.losses import check_history
from tests.site.page_node import needs_node
from tests.site.test_fuzz import ask, encoded
from tests.site.test_site_tables import cut

PERIOD = 1


@dataclass
class Case:
    """Two claims, of which the first may be none, and the log."""

    claim: Claim
    before: Claim | None
    entries: list[bytes]

    def python(self, terms: Agreement) -> str:
        published = PublishedEntries(terms, enumerate(self.entries))
        try:
            check_history(self.claim, terms, None if self.before is None else (self.before, terms), published)
        except ClaimRejected as error:
            return error.check
        return ""


def losses(rng: random.Random, terms: Agreement, first: int) -> tuple[Loss, ...]:
    """What a claim lists: meters or sites, each meter once, often from the first epoch on."""
    lab, found, gone = terms.lab("alpha"), [], set()
    named = [(LOST_METER, meter.name, meter.site) for meter in lab.meters] + [(LOST_SITE, site.name, site.name) for site in lab.sites]
    for kind, name, site in named:
        if rng.random() < 0.35 and (site is None or site not in gone):
            gone.add(site)
            found.append(Loss(kind, name, rng.choice([first, first, first, first + rng.randrange(4)])))
    return tuple(sorted(found))


def words(rng: random.Random, terms: Agreement, listed: Iterable[Loss]) -> list[bytes]:
    """Epochs' entries in order, words between them: those that the list needs, most of the time, and others."""
    lab, said = terms.lab("alpha"), list[tuple[int, LossEntry]]()
    names = [(LOST_METER, meter.name) for meter in lab.meters] + [(LOST_SITE, site.name) for site in lab.sites]
    for loss in sorted(listed):
        if rng.random() < 0.8:
            entry = LossEntry(terms.digest, "alpha", "alpha", loss.kind, loss.name, 1, loss.first_epoch)
            said.append((loss.first_epoch - rng.choice([0, 0, 0, 1, -1]), entry))
    for _ in range(rng.randrange(3)):
        author, word, epoch = rng.choice(["alpha", "beta", "delta"]), rng.choice([1, 2, 2]), rng.choice([4, 4, 5, 6, 7, 8])
        said.append((rng.randrange(3, 9), LossEntry(terms.digest, author, "alpha", *rng.choice(names), word, epoch)))
    out = []
    for epoch in range(4, 8):
        for before, entry in said:
            if before == epoch or epoch == 4 and before < 4:
                out.append(encode_entry(sign_entry(world.key(SEEDS[entry.author] if rng.random() < 0.95 else 77), entry)))
        if rng.random() < 0.98:
            out.append(encode_entry(sign_entry(world.key(1), EpochEntry(terms.digest, "alpha", epoch, bytes([epoch]) * 32, bytes(32)))))
    return out + [encode_entry(sign_entry(world.key(SEEDS[entry.author]), entry)) for before, entry in said if before > 7]


def make(seed: int, terms: Agreement) -> Case:
    rng = random.Random(seed)
    before = None if rng.random() < 0.3 else world.claim(terms, 0, losses=losses(rng, terms, 0))
    kept = () if before is None else tuple(Loss(loss.kind, loss.name, 4) for loss in before.losses)
    listed = kept if kept and rng.random() < 0.7 else losses(rng, terms, 4)
    needed = set(listed) - set(kept) if rng.random() < 0.8 else listed
    return Case(world.claim(terms, PERIOD, losses=listed), before, words(rng, terms, needed))


def compare(seeds: Iterable[int]) -> Counter[str]:
    """How often each check failed; fails where the verifiers differ."""
    found: Counter[str] = Counter()
    for terms in map(parse_agreement, (TEXT, cut(TEXT))):
        cases = [make(seed, terms) for seed in seeds]
        python = [case.python(terms) for case in cases]
        asked = [
            {"claim": encoded(case.claim.encode()), "before": None if case.before is None else encoded(case.before.encode()),
             "entries": [*map(encoded, case.entries)]} for case in cases
        ]  # fmt: skip
        answers = ask({"task": "histories", "agreement": encoded(canonical_bytes(terms)), "cases": asked})
        javascript = [answer.get("ok", answer.get("check")) for answer in answers]
        assert [pair for pair in zip(seeds, python, javascript, strict=True) if pair[1] != pair[2]] == []
        found.update(python)
    return found


@needs_node
def test_losses_over_time_are_judged_alike() -> None:
    checks = compare(range(60))
    assert checks[""] > 30 and checks["log"] > 15 and checks["continuity"] > 5


@needs_node
@pytest.mark.slow
def test_thousands_of_losses_over_time_are_judged_alike() -> None:
    checks = compare(range(1000, 2500))
    assert min(checks[which] for which in ("", "log", "continuity")) > 200
