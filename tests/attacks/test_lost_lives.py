"""Random lives of a lab that loses meters and gets them back: every claim that its store makes holds, and no other list of losses does."""

from __future__ import annotations

import dataclasses
import io
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS, PERIODS, public, with_sites

from circuits.relation import check_witness
from claims.agreement.model import Agreement
from claims.agreement.terms import InspectionTerms, LogTerms, Party
from claims.base.errors import ClaimRejected, ClaimsError
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import LossEntry
from claims.claim.file import Claim, sign_claim
from claims.claim.limits import limits_of
from claims.claim.lists import LOST_METER, LOST_SITE, Loss
from claims.claim.losses import check_losses
from claims.claim.published import PublishedEntries
from claims.claim.records import Usage
from claims.lab.epochs import publish_epoch
from claims.lab.losing import lose, next_lost, take_back
from claims.lab.losses import lost_from
from claims.lab.meter import SoftwareMeter
from claims.lab.prove import roots_files
from claims.lab.registry import close_period
from claims.lab.witness import assemble
from claims.verify.losses import check_history
from claims.verify.roots import check_roots
from tests.attacks.test_lost import lab

BETA, GAMMA, LOG = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (71, 72, 73))


class Life:
    """A lab, its log, and what it claimed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.store, terms = lab(folder, share=10**6)
        parties = (Party("alpha", public(LAB_KEY)), Party("beta", public(BETA)), Party("gamma", public(GAMMA)))
        cuts = {0: None, 1: dict.fromkeys(METER_KEYS, "north")}
        terms = with_sites(terms, cuts[seed % 3]) if seed % 3 in cuts else terms
        log = LogTerms("log.example/x", "gamma", public(LOG), 1)
        self.terms: Agreement = dataclasses.replace(terms, parties=parties, log=log, inspection=InspectionTerms(1, 0, 60))
        self.entries: list[bytes] = []
        self.claims: list[Claim] = []

    @property
    def published(self) -> PublishedEntries:
        return PublishedEntries(self.terms, enumerate(self.entries))

    def lost(self, name: str, epoch: int) -> bool:
        return lost_from(self.store, self.terms.labs[0].meter(name), epoch) is not None

    def lose(self, name: str, epoch: int) -> None:
        """A meter, or its site where nothing of it is lost yet, is lost from an epoch on."""
        meter = self.terms.labs[0].meter(name)
        mates = [other.name for other in self.terms.labs[0].meters if other.site == meter.site]
        site = meter.site is not None and not any(self.lost(mate, epoch) for mate in mates) and self.rng.random() < 0.5
        assert next_lost(self.store, self.terms, (meter,)) == epoch
        self.entries.append(lose(self.store, self.terms, meter.site if site else name, LAB_KEY, epoch, site=site))  # type: ignore[arg-type]

    def back(self, name: str, epoch: int, known: bool) -> None:
        """Beta says that a meter is back; the lab takes it to heart, or does not."""
        entry = sign_entry(BETA, LossEntry(self.terms.digest, "beta", "alpha", LOST_METER, name, 2, epoch))
        self.entries.append(encode_entry(entry))
        if known:
            decoded = decode_entry(self.entries[-1])
            assert isinstance(decoded, LossEntry) and take_back(self.store, self.terms, decoded) == (name,)

    def live(self) -> None:
        for period in range(PERIODS):
            for epoch in range(EPOCHS * period, EPOCHS * (period + 1)):
                self._epoch(epoch)
            for name, key in METER_KEYS.items():
                if not self.lost(name, EPOCHS * (period + 1) - 1):
                    SoftwareMeter(name, key).seal(self.store, self.terms, period)
            close_period(self.store, self.terms, period)
            made = assemble(self.store, self.terms, period)
            for table in made.tables:
                assert table.witness is not None
                check_witness(table.statement, table.witness)
            self.claims.append(sign_claim(made.claim, LAB_KEY))

    def _epoch(self, epoch: int) -> None:
        for name, key in METER_KEYS.items():
            if epoch % EPOCHS == 0 and epoch and self.lost(name, epoch - 1) and self.rng.random() < 0.5:
                self.back(name, epoch, known=self.rng.random() < 0.7)
            if not self.lost(name, epoch) and self.rng.random() < 0.15:
                self.lose(name, epoch)
            if not self.lost(name, epoch):
                self.store.add_usage(epoch // EPOCHS, name, [Usage(epoch, 2, 1000, None)])
                SoftwareMeter(name, key).seal_epoch(self.store, self.terms, epoch)
        self.entries.append(publish_epoch(self.store, self.terms, epoch, LAB_KEY))

    def judge(self, claim: Claim, roots: dict[Any, bytes], before: Claim | None) -> str:
        """The check that a claim fails, of those that look at losses."""
        try:
            check_losses(self.terms, claim)
            limits_of(self.terms, claim)
            check_roots(claim, [io.BytesIO(data) for data in roots.values()], self.published)
            check_history(claim, self.terms, None if before is None else (before, self.terms), self.published)
        except ClaimRejected as error:
            return error.check
        return ""

    def other_lists(self, claim: Claim) -> list[tuple[Loss, ...]]:
        """Each loss left out, later, earlier, as a site or a meter; another one too many."""
        own, found = self.terms.labs[0], []
        for at, loss in enumerate(claim.losses):
            rest = (*claim.losses[:at], *claim.losses[at + 1 :])
            found.append(rest)
            found += [tuple(sorted((*rest, dataclasses.replace(loss, first_epoch=loss.first_epoch + by)))) for by in (-1, 1)]
        listed = {loss.name for loss in claim.losses}
        gone = {meter.site for meter in own.meters if meter.name in listed} | listed
        for meter in own.meters:
            if meter.name not in listed and (meter.site is None or meter.site not in gone):
                found += [tuple(sorted((*claim.losses, Loss(LOST_METER, meter.name, claim.first_epoch + by)))) for by in range(EPOCHS)]
                found += [] if meter.site is None else [tuple(sorted((*claim.losses, Loss(LOST_SITE, meter.site, claim.last_epoch))))]
        return found


def lives(folder: Path, seeds: range) -> tuple[int, int]:
    """Losses that were claimed, and false lists that were refused."""
    true, false = 0, 0
    for seed in seeds:
        (place := folder / str(seed)).mkdir()
        life = Life(place, seed)
        life.live()
        for period, claim in enumerate(life.claims):
            before = life.claims[period - 1] if period else None
            roots = roots_files(life.store, life.terms, period)
            assert life.judge(claim, roots, before) == "", (seed, period)
            true += len(claim.losses)
            for losses in life.other_lists(claim):
                false += 1
                other = dataclasses.replace(claim, losses=losses)
                assert life.judge(other, roots, before) in ("lists", "log", "continuity"), (seed, losses)
        life.store.close()
    return true, false


def test_lives_of_labs_that_lose_meters(tmp_path: Path) -> None:
    """Of 12 in sites of their own, 13 in one site, which is lost whole and then by meters, 14 in one table."""
    true, false = lives(tmp_path, range(12, 15))
    assert true > 5 and false > 20


@pytest.mark.slow
def test_a_hundred_lives(tmp_path: Path) -> None:
    true, false = lives(tmp_path, range(100, 200))
    assert true > 200 and false > 1000


def test_what_is_lost_is_said_under_the_head_of_the_log(tmp_path: Path) -> None:
    """A store is no place to lose what is published: an epoch that is out is not lost any more, by meter or by site."""
    life = Life(tmp_path, 3)
    for epoch in range(3):
        for name, key in METER_KEYS.items():
            SoftwareMeter(name, key).seal_epoch(life.store, life.terms, epoch)
        publish_epoch(life.store, life.terms, epoch, LAB_KEY)
    for name, site in (("hall-a", False), ("north", True)):
        for epoch in (0, 2, 4):
            with pytest.raises(ClaimsError, match="epoch 3 is the first"):
                lose(life.store, life.terms, name, LAB_KEY, epoch, site=site)
