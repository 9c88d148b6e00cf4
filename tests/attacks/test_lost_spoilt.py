"""An honest lab lost a meter: rivals, hosts and copies of the log that want its claim rejected, and the page beside Python.

What a copy of the log lacks is missing, and rejects nothing; a rival's word ends what a lab has to list, and never what it may list.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pytest
import world
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS

from claims.agreement.model import canonical_bytes
from claims.agreement.terms import Amends
from claims.base.errors import ClaimsError
from claims.claim.entries import decode_entry, sign_entry
from claims.claim.entry_kinds import Entry, LossEntry
from claims.claim.lists import LOST_METER, LOST_SITE, Loss
from claims.lab.losing import lose
from claims.lab.losses import losses_of
from claims.lab.meter import SoftwareMeter
from claims.tlog.reader import open_log
from claims.tlog.source import FolderSource
from claims.verify.log import log_trust
from tests.attacks.judged import verdict
from tests.attacks.test_lost import LOSABLE, LOST_2, Folder, finished, lab, run
from tests.lab.test_tables import Prover, prover  # noqa: F401
from tests.site.make_claim_vectors import bundle
from tests.site.page_node import needs_node

STILL_LOST = Loss(LOST_METER, "hall-2", 4)
JUDGE = Path(__file__).parents[1] / "site" / "judge.mjs"


@pytest.fixture
def folder(tmp_path: Path, any_proof: None, page_agrees: None) -> Folder:
    """hall-2 burns in epoch 2 of period 0, as alpha says in time."""
    made = Folder(tmp_path / "folder", LOSABLE)
    made.publish(0, made.lost_roots(0, 2), (LOST_2,), {2: 2})
    return made


# ---- rivals ------------------------------------------------------------------------------------------------------


def test_rivals_who_say_that_it_is_back_take_no_claim_away(folder: Folder) -> None:
    """Said so late that the lab's next entry is the one of epoch 4, whatever it would answer."""
    for author in ("beta", "delta"):
        folder.say(4, folder.end() + 650, author=author, word=2)
    folder.publish(1, folder.lost_roots(1, 4), (STILL_LOST,))
    assert folder.judged_as(1) == "proven"


def test_who_lists_on_what_is_back_has_zero_roots_from_the_first_epoch_on(folder: Folder) -> None:
    """It is decided with the entry of epoch 4, and not when the period is over."""
    folder.say(4, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.lost_roots(1, 5), (STILL_LOST,))
    assert folder.judged_as(1) == "rejected log"


def test_what_is_back_is_not_lost_later_without_a_word(folder: Folder) -> None:
    folder.say(4, folder.end() + 650, author="beta", word=2)
    folder.publish(1, folder.lost_roots(1, 5), (Loss(LOST_METER, "hall-2", 5),))
    assert folder.judged_as(1) == "rejected log"


def test_words_of_rivals_and_strangers_about_other_things_change_nothing(folder: Folder) -> None:
    """That something is lost, or back that is not lost, or no meter; and in alpha's name, under another key."""
    for change in (
        {"author": "beta", "word": 1}, {"author": "beta", "word": 1, "name": "hall-1"}, {"author": "beta", "word": 2, "name": "hall-1"},
        {"author": "beta", "word": 2, "what": 2}, {"author": "delta", "word": 2, "name": "hall-3"},
    ):  # fmt: skip
        folder.say(4, folder.end() + 650, **change)  # type: ignore[arg-type]
    for name, word in (("hall-1", 1), ("hall-2", 2)):
        folder.add(folder.end() + 650, sign_entry(world.key(2), LossEntry(folder.terms.digest, "alpha", "alpha", 1, name, word, 4)))
    folder.publish(1, folder.lost_roots(1, 4), (STILL_LOST,))
    assert folder.judged_as(1) == "proven"


# ---- copies of the log -------------------------------------------------------------------------------------------


class Copied(Folder):
    """A folder that keeps a copy of its log after every entry, as a host has one of any age."""

    def add(self, at: int, *entries: Entry, by: str = "delta") -> None:
        super().add(at, *entries, by=by)
        self.copies.append(self.folder.parent / f"log-{len(self.copies)}")
        shutil.copytree(self.folder / "log", self.copies[-1])

    @cached_property
    def copies(self) -> list[Path]:
        return []

    def bundled(self, log: Path) -> str:
        """A copy as the page's verifier takes it."""
        view = open_log(FolderSource(log), log_trust(self.terms))
        return base64.b64encode(bundle([(log / "checkpoint").read_bytes()], view.entries)).decode()

    def judged_in_js(self, period: int, logs: Sequence[str | None]) -> list[str]:
        """Verdict, check and what is missing of a claim by the page's verifier, with each of these logs. A proof never holds there."""

        def text(path: str) -> str:
            return base64.b64encode((self.folder / path).read_bytes()).decode()

        agreement = base64.b64encode(canonical_bytes(self.terms)).decode()
        own = {"claim": text(f"claims/alpha-{period}.claim"), "agreement": agreement, "signatures": text("agreement.sigs")}
        requests = [
            {
                "files": {**own, "log": log},
                "previous": [text(f"claims/alpha-{p}.claim") for p in range(period)], "previousAccepted": False, "now": self.end(1) + 700,
                "previousRoots": [text(f"claims/alpha-{p}.roots") for p in range(period)], "roots": [text(f"claims/alpha-{period}.roots")],
                "proofs": [],
            }
            for log in logs
        ]  # fmt: skip
        request = json.dumps({"task": "cases", "requests": requests})
        done = subprocess.run(["node", str(JUDGE)], input=request, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return [" ".join(filter(None, (item["verdict"], item.get("check")))) for item in json.loads(done.stdout)]


@pytest.fixture
def copied(tmp_path: Path, any_proof: None) -> Copied:
    """hall-2 burns in epoch 2, and beta says in time that it is back from epoch 4 on, as it is."""
    made = Copied(tmp_path / "folder", LOSABLE)
    made.publish(0, made.lost_roots(0, 2), (LOST_2,), {2: 2})
    made.say(4, made.end() + 650, author="beta", word=2)
    made.publish(1, made.roots(1), ())
    return made


def test_a_copy_of_the_log_of_any_age_rejects_no_honest_claim(copied: Copied) -> None:
    """What it lacks, a loss or its end, is missing: the claim is incomplete until a newer copy is here, or proven."""
    last = copied.copies.index(copied.copies[-1])
    for period, whole in ((0, last - 6), (1, last)):
        found = []
        for place, log in enumerate(copied.copies):
            (code, said), wanted = alone(copied, period, log), (0, "PROVEN") if place >= whole else (3, "INCOMPLETE")
            found.append((place, code, said))
            assert (code, said.split()[0]) == wanted, found
    for period in (0, 1):
        assert alone(copied, period, None)[0] == 3, "without the log"


@needs_node
def test_the_page_rejects_none_for_it_either(copied: Copied) -> None:
    """Its proofs, which are none, are all that fails."""
    logs = [None, *map(copied.bundled, copied.copies[::5])]
    for period in (0, 1):
        assert {*copied.judged_in_js(period, logs)} == {"REJECTED proof"}


def test_a_later_claim_is_not_rejected_where_the_reader_has_no_log(copied: Copied) -> None:
    """Both are honest, and without the log nobody can see that hall-2 is back."""
    code, said = alone(copied, 1, None)
    assert code == 3 and "log" in said and "continuity" not in said


def alone(made: Copied, period: int, log: Path | None) -> tuple[int, str]:
    """`verify` of a claim with a copy of the log."""
    before = [x for p in range(period) for x in ("-p", made.folder / "claims" / f"alpha-{p}.claim")]
    given = () if log is None else ("--log", log)
    path, now = made.folder / "claims" / f"alpha-{period}.claim", made.end(1) + 700
    return made._short(made.run("verify", path, "-a", made.folder / "agreement.toml", *given, *before, "--now", now, "--json"))


# ---- an amendment that comes later -------------------------------------------------------------------------------


@pytest.mark.parametrize("seals", [True, False])
def test_a_loss_that_was_said_under_an_amended_agreement_is_said_again(tmp_path: Path, seals: bool) -> None:
    """It counts under neither: the lab is told, and once that is set aside the meter is lost under the agreement that counts."""
    store, old = lab(tmp_path)
    run(store, old, lost=False)
    if seals:
        for epoch in (EPOCHS, EPOCHS + 1):
            SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal_epoch(store, old, epoch)
    lose(store, old, "hall-b", LAB_KEY, EPOCHS)
    new = dataclasses.replace(old, amends=Amends(old.digest, 1))
    store.note_amendment(old.digest, new.digest, 1)
    with pytest.raises(ClaimsError, match="under the agreement that this one amends") as caught:
        lose(store, new, "hall-b", LAB_KEY, EPOCHS)
    assert "set-aside" in caught.value.hint
    store.set_aside(old.digest, 1, EPOCHS)
    assert not store.any_lost()
    assert decode_entry(lose(store, new, "hall-b", LAB_KEY, EPOCHS)).agreement == new.digest
    run(store, new, 1, lost=False)
    assert losses_of(store, new, 1) == (Loss(LOST_METER, "hall-b", EPOCHS),)


def test_a_loss_of_a_period_before_the_amendment_is_not_set_aside(tmp_path: Path) -> None:
    store, old = lab(tmp_path)
    run(store, old)
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal_epoch(store, old, EPOCHS)
    new = dataclasses.replace(old, amends=Amends(old.digest, 1))
    store.note_amendment(old.digest, new.digest, 1)
    store.set_aside(old.digest, 1, EPOCHS)
    assert decode_entry(lose(store, new, "hall-b", LAB_KEY, 2)).agreement == old.digest, "again, the same entry"
    run(store, new, 1, lost=False)
    assert losses_of(store, new, 1) == (Loss(LOST_METER, "hall-b", EPOCHS),)


def test_a_lost_site_that_an_amendment_renames_is_its_meters(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    """There is no site of the old name to list, and the claim lists what was in it; with a meter more in a site, too."""
    store, old = lab(tmp_path, sites=True)
    run(store, old, site=True)
    first = finished(store, old)[0]
    own = old.labs[0]
    meters = tuple(dataclasses.replace(meter, site={"north": "north", "south": "west"}[str(meter.site)]) for meter in own.meters)
    new = dataclasses.replace(old, labs=(dataclasses.replace(own, meters=meters),), amends=Amends(old.digest, 1))
    run(store, new, 1, lost=False)
    second, _, proofs = finished(store, new, 1)
    assert first.losses == (Loss(LOST_SITE, "south", 2),) and second.losses == (Loss(LOST_METER, "hall-b", EPOCHS),)
    assert verdict(second, new, first, previous_agreements=[old], previous_accepted=True, proofs=proofs).word == "PROVEN"
