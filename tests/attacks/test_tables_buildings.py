"""A lab of three stores that wants a false claim: it owns every store, key and program, and changes whatever it likes in its files.

The proof system is a stub that proves what is true and knows one proof of each statement; what an attacker cannot do is prove
something else. Each attempt ends in a refusal, and no claim that verifies is left behind.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run

from circuits.chain import summary_head
from circuits.statement import summary_header
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.keys import load_key_file
from claims.claim.file import Claim, SiteHead, decode_claim, sign_claim
from claims.claim.handover import TagRow, Tags
from claims.claim.records import LedgerSecrets, fresh_elements
from claims.lab.sites import take_tags
from claims.lab.store import Store
from claims.verify.claim import verify_claim
from claims.verify.tables import proofs_in
from tests.lab.test_buildings import HQ, at, enrolled, measured, summary, terms_of
from tests.lab.test_tables import Prover
from zk.errors import ZkError


@pytest.fixture(scope="module", autouse=True)
def prover() -> Iterator[Prover]:
    with Prover().in_place() as made:
        yield made


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Period 0 with both summaries taken, and the registry closed; the buildings have signed, and proven, too."""
    place = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDSTILL_STATE", str(place / "state"))
        enrolled(place)
        run(place, "lab", "tags", "run", "only-north", "spare", *HQ, "-n", 0, "-o", "period-0.tags")
        for site in ("north", "south"):
            run(place, "building", "tags", "period-0.tags", *at(site))
        measured(place)
        for site in ("north", "south"):
            shutil.copy(place / f"{site}.store", place / f"{site}.unproven")
            run(place, "building", "prove", *at(site), "-n", 0)
        shutil.copy(place / "hq.store", place / "hq.empty")
        run(place, "lab", "take", "alpha-0.north.summary", "alpha-0.south.summary", *HQ)
        (place / "checkpoints.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,base,1\nonly-north,CHECKPOINT,base,3\n")
        run(place, "import", "checkpoints", "checkpoints.csv", *HQ)
        run(place, "lab", "snapshot", "spare", *HQ, "-n", 0, "--root")
        run(place, "lab", "close", *HQ, "-n", 0)
    return place


@pytest.fixture
def place(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(ready, target)
    monkeypatch.setenv("STANDSTILL_STATE", str(target / "state"))
    return target


def change(path: Path, *statements: str) -> None:
    """Change a store as no command would: its triggers are taken out."""
    db = sqlite3.connect(path)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def no_claim(place: Path, *steps: tuple[object, ...]) -> None:
    """Going on from here ends in a refusal, and leaves no claim that verifies."""
    codes = []
    for step in (*steps, ("prove", *HQ, "-n", 0, "-k", "lab.key")):
        try:
            run(place, *step)
            codes.append(0)
        except (AssertionError, ClaimsError, ZkError):
            codes.append(1)
            break
    path = place / "alpha-0.claim"
    if path.exists():
        with pytest.raises(ClaimsError):
            verify_claim(path.read_bytes(), terms_of(place), proofs=proofs_in(place, set(decode_claim(path.read_bytes()).proofs)).get)
    else:
        assert codes[-1] == 1


def test_without_a_change_the_claim_is_proven(place: Path) -> None:
    run(place, "prove", *HQ, "-n", 0, "-k", "lab.key")
    claim = decode_claim((place / "alpha-0.claim").read_bytes())
    assert verify_claim(claim.encode(), terms_of(place), proofs=proofs_in(place, set(claim.proofs)).get).proof is not None


LEAST = "(SELECT MIN(tag) FROM records WHERE site = 'north' AND tag > 2)"
AT_HEADQUARTERS = {
    "a record says less": ["UPDATE records SET work = work - 1 WHERE site = 'north' AND tag = 2"],
    "a record of a run says less": [f"UPDATE records SET work = work - 1 WHERE site = 'north' AND tag = {LEAST}"],
    "a record says nothing": ["UPDATE records SET work = 0 WHERE site = 'north'"],
    "a record is left out": [f"DELETE FROM records WHERE site = 'north' AND tag = {LEAST}"],
    "all records of a site are left out": ["DELETE FROM records WHERE site = 'south'"],
    "a record too many": ["INSERT INTO records SELECT 0, 'south', 2, 5"],
    "records of two sites exchanged": [
        "UPDATE records SET site = 'x' WHERE site = 'north'", "UPDATE records SET site = 'north' WHERE site = 'south'",
        "UPDATE records SET site = 'south' WHERE site = 'x'"],
    "work moved from one site's record to another's": [
        "UPDATE records SET work = work - 1000 WHERE site = 'north' AND tag = (SELECT tag FROM records WHERE site = 'south')",
        "UPDATE records SET work = work + 1000 WHERE site = 'south'"],
    "another IV": ["UPDATE summaries SET iv = trailer WHERE site = 'north'"],
    "another trailer": ["UPDATE summaries SET trailer = iv WHERE site = 'north'"],
    "another site's summary head": ["UPDATE summaries SET head = (SELECT head FROM summaries WHERE site = 'south') WHERE site = 'north'"],
    "a summary that is gone": ["DELETE FROM summaries WHERE site = 'north'"],
    "proofs exchanged": [
        "UPDATE proofs SET site = 'x' WHERE site = 'north'", "UPDATE proofs SET site = 'north' WHERE site = 'south'",
        "UPDATE proofs SET site = 'south' WHERE site = 'x'"],
    "one proof for two sites": ["UPDATE proofs SET proof = (SELECT proof FROM proofs WHERE site = 'south')"],
    "a proof that is gone": ["DELETE FROM proofs WHERE site = 'north'"],
    "a site's proof as the registry's": ["INSERT INTO proofs SELECT period, '', agreement, proof FROM proofs WHERE site = 'north'"],
    "a meter's head of another": ["UPDATE ledgers SET head = (SELECT head FROM ledgers WHERE meter = 'hall-3') WHERE meter = 'hall-1'"],
    "a head with another's signature": [
        "UPDATE ledgers SET signature = (SELECT signature FROM ledgers WHERE meter = 'hall-3') WHERE meter = 'hall-1'"],
    "a meter that has signed nothing": ["DELETE FROM ledgers WHERE meter = 'hall-2'"],
    "other epoch roots under a head": ["UPDATE ledgers SET roots = zeroblob(32) WHERE meter = 'hall-1'"],
    "an entry's work is less": ["UPDATE entries SET work = zeroblob(8), cumulative = zeroblob(8) WHERE kind = 3"],
    "unattributed work is less": ["UPDATE entries SET work = zeroblob(8), cumulative = zeroblob(8) WHERE kind = 6"],
    "an entry is gone": ["DELETE FROM entries WHERE position = (SELECT MAX(position) FROM entries)"],
    "a run's entry is an opening": ["UPDATE entries SET kind = 1 WHERE kind = 3"],
    "an earlier head": ["UPDATE registry_heads SET head = (SELECT head FROM registry_heads WHERE period = -1) WHERE period = 0"],
    "a period that is another": ["UPDATE summaries SET period = 1", "UPDATE records SET period = 1"],
}  # fmt: skip


@pytest.mark.parametrize("attempt", AT_HEADQUARTERS)
def test_headquarters_that_changes_its_store(place: Path, attempt: str) -> None:
    change(place / "hq.store", *AT_HEADQUARTERS[attempt])
    no_claim(place)


BUSY = "period = 0 AND tag > 2"
IN_A_BUILDING = {
    "a reading says less": [f"UPDATE readings SET work = work - 1 WHERE {BUSY}"],
    "a reading is idle": [f"UPDATE readings SET tag = 1, work = 0 WHERE {BUSY}"],
    "a reading is gone": [f"DELETE FROM readings WHERE {BUSY}"],
    "chip-seconds moved to idle time": [f"UPDATE readings SET chip_seconds = chip_seconds - 1 WHERE {BUSY}"],
    "work of one run as another's": [
        f"UPDATE readings SET tag = (SELECT MAX(tag) FROM allotted WHERE tag <> readings.tag) WHERE {BUSY}"],
    "work of a run as unattributed": [f"UPDATE readings SET tag = 2 WHERE {BUSY}"],
    "an epoch told as another": [f"UPDATE readings SET epoch = epoch + 1 WHERE {BUSY}"],
    "another IV of a ledger": ["UPDATE ledgers SET iv = trailer"],
    "a head of the meter's own that is older": ["UPDATE ledgers SET head = iv"],
}  # fmt: skip


@pytest.mark.parametrize("attempt", IN_A_BUILDING)
@pytest.mark.parametrize("site", ["north", "south"])
def test_a_building_that_changes_its_store(place: Path, attempt: str, site: str) -> None:
    """Before it proves: nothing that its meters did not sign is handed in; and what it handed in before is not handed in changed."""
    shutil.move(place / f"{site}.unproven", place / "false.store")
    (place / f"alpha-0.{site}.summary").unlink()
    shutil.move(place / "hq.empty", place / "hq.store")
    change(place / "false.store", *IN_A_BUILDING[attempt])
    with pytest.raises((AssertionError, ClaimsError, ZkError)):
        run(place, "building", "prove", "-s", "false.store", "-a", "agreement.toml", "-n", 0)
    assert not (place / f"alpha-0.{site}.summary").exists()


# ---- claims made of true parts --------------------------------------------------------------------------------


@pytest.fixture
def claim(place: Path) -> Claim:
    run(place, "prove", *HQ, "-n", 0, "-k", "lab.key")
    return decode_claim((place / "alpha-0.claim").read_bytes())


def test_summaries_that_fit_other_records_are_not_the_claims(place: Path, claim: Claim) -> None:
    """The lab knows every secret, and makes heads of whatever records it likes: the proofs are about those of its meters."""
    terms, key, made = terms_of(place), load_key_file(place / "lab.key"), summary(place, "north")
    header = summary_header(terms.digest, "alpha", "north", 0)
    secrets = LedgerSecrets(fresh_elements(), fresh_elements())
    (tag, work), *rest = made.records
    for records in ((), made.records[1:], made.records[:1], ((tag, work - 1), *rest), ((tag, 0), *rest), made.records):
        head = summary_head(secrets.iv, header, records, secrets.trailer)
        sites = (replace(claim.sites[0], head=head), claim.sites[1])
        false = sign_claim(replace(claim, sites=sites), key)
        with pytest.raises(ClaimRejected, match="proof: site north"):
            verify_claim(false.encode(), terms, proofs=proofs_in(place, set(false.proofs)).get)


def test_sites_of_a_claim_are_the_agreements(place: Path, claim: Claim) -> None:
    terms, key = terms_of(place), load_key_file(place / "lab.key")
    north, south = claim.sites
    other = SiteHead("west", north.head, north.proof, north.roots)
    for sites in ((north,), (south,), (north, south, other), (replace(north, name="north2"), south), ()):
        registry = claim.registry_proof if sites else b""
        false = sign_claim(replace(claim, sites=tuple(sorted(sites, key=lambda site: site.name)), registry_proof=registry), key)
        with pytest.raises(ClaimRejected) as caught:
            verify_claim(false.encode(), terms, proofs=proofs_in(place, set(false.proofs)).get)
        assert caught.value.check == "meters"


# ---- what travels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [
    "", " ", "run ", "a|b", "none", "Unknown", "n/a", "idle", "UNATTRIBUTED", "\x1b[2Jrun", "run\nnext", "run\u202enur", "x" * 201,
    " @period-0", "a|b @period-0", "idle @period-3",
])  # fmt: skip
def test_a_tags_file_with_names_that_no_checkpoint_can_have(place: Path, name: str) -> None:
    """Whoever changes it on its way puts no words into a building's books that files read as something else, or a terminal obeys."""
    tags = Tags.decode((place / "period-0.tags").read_bytes())
    top = max(row.tag for row in tags.rows)
    bad = Tags.decode(replace(tags, rows=(*tags.rows, TagRow(name, top + 1, None))).encode())
    with Store.open(place / "north.store") as store:
        before = store.names()
        with pytest.raises(ClaimsError):
            take_tags(store, terms_of(place), bad)
        assert store.names() == before
        assert take_tags(store, terms_of(place), replace(bad, rows=(*tags.rows, TagRow("run 2", top + 1, None)))) == 1
        assert take_tags(store, terms_of(place), replace(bad, rows=(*tags.rows, TagRow("run 3 @period-0", top + 2, None)))) == 1


def test_names_exchanged_after_they_were_taken_change_nothing(place: Path) -> None:
    tags = Tags.decode((place / "period-0.tags").read_bytes())
    names = [row.name for row in tags.rows][1:] + [tags.rows[0].name]
    other = replace(tags, rows=tuple(replace(row, name=name) for row, name in zip(tags.rows, names, strict=True)))
    with Store.open(place / "north.store") as store:
        before = store.names()
        assert take_tags(store, terms_of(place), other) == 0 and store.names() == before


# ---- what summaries show ---------------------------------------------------------------------------------------


def heads(records: tuple[tuple[int, int], ...], count: int) -> list[int]:
    header = summary_header(bytes(32), "alpha", "north", 0)
    made = (summary_head(fresh_elements(), header, records, fresh_elements()) for _ in range(count))
    return [word for head in made for word in head]


def test_heads_of_one_tag_and_of_many_look_alike() -> None:
    """Every word of a head is uniform, whatever is behind it: the mean is within five deviations, and no head comes twice."""
    count, prime = 40, 127 * 2**24 + 1
    for records in ((), ((2, 0),), ((2, 2**56 - 1),), tuple((tag, tag) for tag in range(2, 60))):
        words = heads(records, count)
        deviation = prime / (12 * len(words)) ** 0.5
        assert len(set(words)) == len(words) and abs(sum(words) / len(words) - prime / 2) < 5 * deviation


def test_what_is_published_has_one_size_whatever_was_done(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run or three, work or none: the claim, its roots files and its entry have the same sizes."""
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    shutil.copytree(ready, tmp_path / "busy")
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "busy" / "state"))
    run(tmp_path / "busy", "prove", *HQ, "-n", 0, "-k", "lab.key")
    idle = tmp_path / "idle"
    idle.mkdir()
    monkeypatch.setenv("STANDSTILL_STATE", str(idle / "state"))
    enrolled(idle)
    for meter, site in (("hall-1", "north"), ("hall-2", "north"), ("hall-3", "south")):
        run(idle, "meter", "close", meter, *at(site), "-n", 0, "-k", f"{meter}.key", "--idle", "--yes")
    for site in ("north", "south"):
        run(idle, "building", "prove", *at(site), "-n", 0)
        run(idle, "lab", "take", f"alpha-0.{site}.summary", *HQ)
    run(idle, "lab", "close", *HQ, "-n", 0)
    run(idle, "prove", *HQ, "-n", 0, "-k", "lab.key")

    def sizes(place: Path) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in place.glob("alpha-0.*") if not path.name.endswith((".summary", ".proof"))}

    assert sizes(tmp_path / "busy") == sizes(idle) and len(sizes(idle)) == 4


def test_a_summary_is_never_in_what_is_published(place: Path, claim: Claim) -> None:
    made = summary(place, "north")
    with Store.open(place / "north.store") as store:
        secret: Any = store.summary(0, "north")
    private = [b"".join(word.to_bytes(4, "big") for word in part) for part in (secret.secrets.iv, secret.secrets.trailer)]
    published = [path for path in place.glob("alpha-0.*") if path.suffix != ".summary"]
    assert len(published) >= 6 and made.secrets == secret.secrets
    for path in published:
        assert not any(part in path.read_bytes() for part in private), path
