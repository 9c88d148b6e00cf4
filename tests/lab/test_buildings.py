"""A lab with two buildings and headquarters, each with a store of its own, by commands; the proof system is a stub."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.file import parse_agreement
from claims.agreement.signatures import epoch_root_message, ledger_head_message
from claims.base.errors import ClaimRejected, ClaimsError, MalformedFile
from claims.base.keys import public_bytes
from claims.claim.file import decode_claim
from claims.claim.handover import SiteReport, SiteSummary, Tags
from claims.lab.renewal import verifies
from claims.lab.sites import take_report, take_summary, take_tags
from claims.lab.store import Store
from claims.lab.store_file import StoreError
from claims.verify.claim import verify_claim
from claims.verify.roots import roots_in
from claims.verify.tables import proofs_in
from tests.attacks.test_tables import TEXT
from tests.lab.test_tables import Prover

METERS = {"hall-1": "north", "hall-2": "north", "hall-3": "south"}
HQ = ("-s", "hq.store", "-a", "agreement.toml")
LAST = 3
"""The last epoch of period 0."""


@pytest.fixture(scope="module", autouse=True)
def prover() -> Iterator[Prover]:
    with Prover().in_place() as made:
        yield made


def at(site: str) -> tuple[str, ...]:
    return "-s", f"{site}.store", "-a", "agreement.toml"


def enrolled(place: Path, terms: str = "") -> None:
    """Keys, three stores, and the agreement that all have. ``terms``: more of the lab's."""
    key = run(place, "keygen", "lab.key", "--no-passphrase").strip()
    opening = run(place, "lab", "init", "alpha", "-s", "hq.store", "--opening", "base=1e21 FLOP").strip()
    for site in ("north", "south"):
        run(place, "building", "init", "alpha", site, "-s", f"{site}.store")
    meters = "".join(
        run(place, "meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", f"{name}.key", "--no-passphrase")
        + f'site = "{site}"\n'
        for name, site in METERS.items()
    )
    text = TEXT.format(alpha=key, opening=opening, meters=meters).replace('unattributed = "1e20 FLOP"', 'unattributed = "5e20 FLOP"')
    (place / "agreement.toml").write_text(text.replace("registry_rows = 16\n", f"registry_rows = 16\n{terms}"))
    run(place, "agreement", "sign", "agreement.toml", "-k", "lab.key")


def measured(place: Path, period: int = 0, name: str = "run") -> None:
    """A period's readings in both buildings, and what meters signed."""
    first = 4 * period
    rows = {
        "north": f"hall-1,{first},{name},20000\nhall-2,{first + 1},,3600\nhall-1,{first + 2},only-north,500\n",
        "south": f"hall-3,{first},{name},9000\n",
    }
    for site, text in rows.items():
        (place / f"{site}.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{text}")
        run(place, "import", "readings", f"{site}.csv", *at(site))
    for meter, site in METERS.items():
        run(place, "meter", "close", meter, *at(site), "-n", period, "-k", f"{meter}.key", "--yes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything of period 0 up to the summaries that buildings made; headquarters has taken none."""
    place = tmp_path_factory.mktemp("buildings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDSTILL_STATE", str(place / "state"))
        enrolled(place)
        run(place, "lab", "tags", "run", "only-north", *HQ, "-n", 0, "-o", "period-0.tags")
        for site in ("north", "south"):
            run(place, "building", "tags", "period-0.tags", *at(site))
        measured(place)
        for site in ("north", "south"):
            run(place, "building", "prove", *at(site), "-n", 0)
            run(place, "building", "report", *at(site), "-n", 0, "-o", f"{site}.report")
    return place


@pytest.fixture
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(folder, target)
    monkeypatch.setenv("STANDSTILL_STATE", str(target / "state"))
    return target


def summary(place: Path, site: str) -> SiteSummary:
    return SiteSummary.decode((place / f"alpha-0.{site}.summary").read_bytes())


def terms_of(place: Path) -> Any:
    return parse_agreement((place / "agreement.toml").read_text())


def claimed(place: Path) -> None:
    run(place, "lab", "take", "alpha-0.north.summary", "alpha-0.south.summary", *HQ)
    (place / "checkpoints.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,base,1\n")
    run(place, "import", "checkpoints", "checkpoints.csv", *HQ)
    run(place, "lab", "snapshot", "only-north", *HQ, "-n", 0, "--root")
    run(place, "lab", "close", *HQ, "-n", 0)
    run(place, "prove", *HQ, "-n", 0, "-k", "lab.key")


def test_two_buildings_and_headquarters_make_one_claim(place: Path) -> None:
    claimed(place)
    claim = decode_claim((place / "alpha-0.claim").read_bytes())
    assert [site.name for site in claim.sites] == ["north", "south"]
    verdict = verify_claim(claim.encode(), terms_of(place), proofs=proofs_in(place, set(claim.proofs)).get,
                           roots=roots_in(place, {site.roots for site in claim.sites}))  # fmt: skip
    assert not [item for item in verdict.missing if item.kind not in ("signatures",)]
    with Store.open(place / "hq.store") as store:
        assert store.readings(0, "hall-1") == [] and store.count_readings(0) == 0, "headquarters sees no reading"
        one_run = next(entry for entry in store.entries() if entry.name == "run")
        assert one_run.work == 29000 * 1979, "one run in two buildings is one entry"
    run(place, "prove", *HQ, "-n", 0, "-k", "lab.key")  # the same files again


def test_a_building_has_no_registry_and_files_are_private(place: Path) -> None:
    for site in ("north", "south"):
        assert stat.S_IMODE((place / f"alpha-0.{site}.summary").stat().st_mode) == 0o600
        with Store.open(place / f"{site}.store") as store:
            assert store.site == site and store.entries() == [] and store.registry_heads() == []
    assert stat.S_IMODE((place / "period-0.tags").stat().st_mode) == 0o600
    text = repr(summary(place, "north"))
    assert "iv=" not in text and "records" not in text and "proof=" not in text
    for command in (
        ("lab", "close", *at("north"), "-n", 0), ("lab", "tags", "x", *at("north"), "-n", 0, "-o", "x.tags"),
        ("lab", "status", *at("north"), "-n", 0), ("lab", "snapshot", "run", *at("north"), "-n", 0, "--root"),
        ("lab", "take", "north.report", *at("north")), ("prove", *at("north"), "-n", 0, "-k", "lab.key"),
        ("epoch", "publish", *at("north"), "-k", "lab.key"),
    ):  # fmt: skip
        assert "this is the store of site north" in run(place, *command, code=2), command
    assert "headquarters" in run(place, "import", "checkpoints", _checkpoints(place), *at("north"), code=2)
    assert "north" in run(place, "meter", "close", "hall-3", *at("north"), "-n", 0, "-k", "hall-3.key", "--yes", code=2)
    assert "no site's own store" in run(place, "building", "prove", *HQ, "-n", 0, code=2)


def _checkpoints(place: Path) -> str:
    (place / "own.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,,1\n")
    return "own.csv"


def test_what_is_made_again_is_the_same_file(place: Path, prover: Prover) -> None:
    before, made = (place / "alpha-0.north.summary").read_bytes(), len(prover.made)
    run(place, "building", "prove", *at("north"), "-n", 0)
    (place / "alpha-0.north.summary").unlink()
    run(place, "building", "prove", *at("north"), "-n", 0)
    assert (place / "alpha-0.north.summary").read_bytes() == before and len(prover.made) == made
    assert SiteSummary.decode(before).encode() == before


def test_a_summary_is_taken_once(place: Path) -> None:
    assert "verified and kept" in run(place, "lab", "take", "alpha-0.north.summary", *HQ)
    assert "taken before" in run(place, "lab", "take", "alpha-0.north.summary", *HQ)
    made, terms = summary(place, "north"), terms_of(place)
    with Store.open(place / "hq.store") as store:
        for other in (replace(made, proof=made.proof[:-1]), replace(made, proof=made.proof[:-1] + b"x")):
            with pytest.raises(ClaimsError, match="another one was taken"):
                take_summary(store, terms, other)
        assert store.records(0, "north") == made.records
    with pytest.raises(sqlite3.IntegrityError), Store.open(place / "hq.store") as store:
        store._db.execute("DELETE FROM records")


def other_head(made: SiteSummary, terms: Any, **changes: Any) -> SiteSummary:
    """The summary with other records, under the head that they have."""
    from circuits.chain import summary_head
    from circuits.statement import summary_header

    changed = replace(made, **changes)
    report = changed.report
    header = summary_header(terms.digest, report.lab, report.site, report.period)
    return replace(changed, head=summary_head(changed.secrets.iv, header, changed.records, changed.secrets.trailer))


def test_false_summaries_are_not_kept(place: Path) -> None:
    """Every one leaves the store as it was."""
    terms, made, south = terms_of(place), summary(place, "north"), summary(place, "south")
    (tag, work), *rest = made.records
    report, less = made.report, ((tag, work - 1), *rest)
    cases: list[tuple[SiteSummary, type[ClaimsError], str]] = [
        (replace(made, records=less), ClaimsError, "head is not that of its records"),
        (replace(made, records=tuple(rest)), ClaimsError, "head is not that of its records"),
        (replace(made, secrets=south.secrets), ClaimsError, "head is not that of its records"),
        (other_head(made, terms, records=less), ClaimRejected, "proof"),
        (other_head(made, terms, records=tuple(rest)), ClaimRejected, "proof"),
        (other_head(made, terms, records=made.records[:-1]), ClaimRejected, "proof"),
        (other_head(made, terms, records=((2, work), *rest) if tag != 2 else ((2, work + 1), *rest)), ClaimRejected, "proof"),
        (other_head(made, terms, records=(*made.records[:-1], (2**24 - 1, made.records[-1][1]))), ClaimsError, "not allotted"),
        (other_head(made, terms, report=replace(report, period=1)), ClaimsError, "tags that were not allotted"),
        (other_head(made, terms, report=replace(report, site="south")), ClaimsError, "heads of its meters|other meters"),
        (replace(made, proof=south.proof), ClaimRejected, "proof"),
        (replace(made, report=replace(report, agreement=bytes(32))), ClaimsError, "another agreement"),
        (replace(made, report=replace(report, lab="beta")), ClaimsError, "of lab beta"),
        (replace(made, report=replace(report, period=7)), ClaimsError, "period"),
        (replace(made, report=replace(report, meters=report.meters[1:])), ClaimsError, "heads of its meters"),
        (replace(made, report=south.report), ClaimsError, "head is not that of its records"),
    ]  # fmt: skip
    with Store.open(place / "hq.store") as store:
        for bad, kind, words in cases:
            with pytest.raises(kind, match=words):
                take_summary(store, terms, bad)
            assert store.summary(0, "north") is None and store.epoch_seal("hall-1", 0) is None and store.records(0, "north") == ()


def test_reports_are_signed_and_in_order(place: Path) -> None:
    terms, report = terms_of(place), SiteReport.decode((place / "north.report").read_bytes())
    first, *others = report.meters
    (root, signature), *more = first.epochs
    bad = [
        (replace(report, meters=(replace(first, epochs=((bytes(32), signature), *more)), *others)), "does not verify|not valid|signature"),
        (replace(report, meters=(replace(first, epochs=((root, bytes(64)), *more)), *others)), "signature"),
        (replace(report, meters=tuple(others)), "other meters"), (replace(report, site="south"), "other meters"),
        (replace(report, first=1), "epochs that are not"), (replace(report, agreement=bytes(32)), "another agreement"),
    ]  # fmt: skip
    part = replace(report, first=1, count=3, meters=tuple(replace(meter, epochs=meter.epochs[1:], head=None) for meter in report.meters))
    headless = replace(report, count=0, meters=tuple(replace(meter, epochs=()) for meter in report.meters))
    with Store.open(place / "hq.store") as store:
        for one, words in [*bad, (part, "epoch 0 is not here"), (headless, "other epoch roots")]:
            with pytest.raises(ClaimsError, match=words):
                take_report(store, terms, one)
            assert store.epoch_seal("hall-1", 0) is None
        assert take_report(store, terms, report) == 4 and take_report(store, terms, report) == 0
        assert store.epoch_seal("hall-1", 0).seed is None  # type: ignore[union-attr]
        with pytest.raises(StoreError, match="site's store"):
            store.ledger_secrets(0, "hall-1")


def test_a_site_without_a_summary_keeps_the_period_open(place: Path) -> None:
    run(place, "lab", "take", "alpha-0.north.summary", "south.report", *HQ)
    (place / "checkpoints.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,base,1\n")
    run(place, "import", "checkpoints", "checkpoints.csv", *HQ)
    run(place, "lab", "snapshot", "only-north", *HQ, "-n", 0, "--root")
    assert "site south has not handed in" in run(place, "lab", "close", *HQ, "-n", 0, code=2)


def test_a_tag_that_no_site_used_is_accounted_for(place: Path) -> None:
    run(place, "lab", "tags", "spare", *HQ, "-n", 0, "-o", "more.tags")
    run(place, "lab", "take", "alpha-0.north.summary", "alpha-0.south.summary", *HQ)
    (place / "checkpoints.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,base,1\nonly-north,CHECKPOINT,base,3\n")
    run(place, "import", "checkpoints", "checkpoints.csv", *HQ)
    assert "spare has a tag" in run(place, "lab", "close", *HQ, "-n", 0, code=2)
    run(place, "lab", "snapshot", "spare", *HQ, "-n", 0, "--root")
    run(place, "lab", "close", *HQ, "-n", 0)
    assert "published to its end" in run(place, "lab", "tags", "late", *HQ, "-n", 0, "-o", "late.tags", code=2)


# ---- tags --------------------------------------------------------------------------------------------------


def test_a_building_seals_nothing_without_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    enrolled(tmp_path)
    (tmp_path / "a.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-3,0,run,9000\n")
    assert "no tag from headquarters" in run(tmp_path, "import", "readings", "a.csv", *at("south"), code=2)
    run(tmp_path, "lab", "tags", "run", *HQ, "-n", 0, "-o", "0.tags")
    run(tmp_path, "building", "tags", "0.tags", *at("south"))
    (tmp_path / "a.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-3,0,run,9000\nhall-3,4,run,100\n")
    run(tmp_path, "import", "readings", "a.csv", *at("south"))
    run(tmp_path, "epoch", "seal", "hall-3", *at("south"), "-k", "hall-3.key", "--through", 3)
    seal = ("epoch", "seal", "hall-3", *at("south"), "-k", "hall-3.key", "--through", 4)
    assert "no tag from headquarters for period 1" in run(tmp_path, *seal, code=2)
    assert "is one period's alone" in run(tmp_path, "lab", "tags", "run", *HQ, "-n", 1, "-o", "1.tags", code=2)
    run(tmp_path, "lab", "snapshot", "run", *HQ, "-n", 0, "--parent", "base")
    run(tmp_path, "lab", "tags", "run", *HQ, "-n", 1, "-o", "1.tags")
    run(tmp_path, "building", "tags", "1.tags", *at("south"))
    run(tmp_path, *seal)
    with Store.open(tmp_path / "south.store") as store, Store.open(tmp_path / "hq.store") as hq:
        old, new = store.epoch_readings("hall-3", 0)[0].tag, store.epoch_readings("hall-3", 4)[0].tag
        assert (hq.name(old), hq.name(new)) == ("run @period-0", "run") and old != new
    run(tmp_path, "building", "tags", "0.tags", *at("south"))  # again: nothing new


def test_nothing_is_booked_to_a_checkpoint_after_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDSTILL_STATE", str(tmp_path / "state"))
    enrolled(tmp_path)
    (tmp_path / "checkpoints.csv").write_text("name,kind,parents,epoch\nrun,CHECKPOINT,base,1\n")
    run(tmp_path, "import", "checkpoints", "checkpoints.csv", *HQ)
    run(tmp_path, "lab", "tags", "run", *HQ, "-n", 0, "-o", "0.tags")
    run(tmp_path, "building", "tags", "0.tags", *at("south"))
    (tmp_path / "a.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-3,2,run,9000\n")
    text = run(tmp_path, "import", "readings", "a.csv", *at("south"))
    seal = ("epoch", "seal", "hall-3", *at("south"), "-k", "hall-3.key", "--through", 3)
    assert "saved in epoch 1" in run(tmp_path, *seal, code=2), text


def test_tags_of_another_place_are_refused(place: Path) -> None:
    terms, tags = terms_of(place), Tags.decode((place / "period-0.tags").read_bytes())
    first, *rest = tags.rows
    taken = replace(tags, rows=(replace(first, tag=first.tag ^ 1), *rest))
    with Store.open(place / "north.store") as store:
        for bad in (replace(tags, agreement=bytes(32)), replace(tags, lab="beta"), replace(tags, period=9), taken, replace(tags, period=1)):
            with pytest.raises(ClaimsError):
                take_tags(store, terms, bad)
        assert take_tags(store, terms, tags) == 0


@pytest.mark.parametrize(("kind", "name"), [(Tags, "period-0.tags"), (SiteReport, "north.report"), (SiteSummary, "alpha-0.north.summary")])
def test_files_between_stores_are_canonical(folder: Path, kind: Any, name: str) -> None:
    data = (folder / name).read_bytes()
    made = kind.decode(data)
    assert made.encode() == data
    step = max(1, len(data) // 60)
    for at_ in range(0, len(data), step):
        with pytest.raises(MalformedFile):
            kind.decode(data[:at_])
        changed = data[:at_] + bytes([data[at_] ^ 1]) + data[at_ + 1 :]
        try:
            other = kind.decode(changed)
        except MalformedFile:
            continue
        assert other != made and other.encode() == changed
    with pytest.raises(MalformedFile):
        kind.decode(data + b"\0")


# ---- a meter that burnt --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def burnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hall-2, in the north, is lost from epoch 2 on; headquarters has said so, and has the reports of two epochs."""
    place = tmp_path_factory.mktemp("burnt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDSTILL_STATE", str(place / "state"))
        enrolled(place, 'lost = "60 %"\n')
        run(place, "lab", "tags", "run", *HQ, "-n", 0, "-o", "0.tags")
        rows = {"north": "hall-1,0,run,20000\nhall-2,1,run,3600\n", "south": "hall-3,0,run,9000\n"}
        for site, text in rows.items():
            run(place, "building", "tags", "0.tags", *at(site))
            (place / f"{site}.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{text}")
            run(place, "import", "readings", f"{site}.csv", *at(site))
        for meter, site in METERS.items():
            run(place, "epoch", "seal", meter, *at(site), "-k", f"{meter}.key", "--through", 1)
        run(place, "building", "report", *at("north"), "-n", 0, "-o", "north-1.report")
        run(place, "lab", "take", "north-1.report", *HQ)
        run(place, "meter", "lost", "hall-2", *HQ, "-k", "lab.key", "--from-epoch", 2, "--yes", "-o", "loss.entry")
    return place


def test_a_building_with_a_lost_meter_hands_in_the_rest(burnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "copy"
    shutil.copytree(burnt, place)
    monkeypatch.setenv("STANDSTILL_STATE", str(place / "state"))
    run(place, "building", "lost", "loss.entry", *at("north"))
    run(place, "building", "lost", "loss.entry", *at("north"))
    assert "not about what site south lost" in run(place, "building", "lost", "loss.entry", *at("south"), code=2)
    for meter in ("hall-1", "hall-3"):
        run(place, "meter", "close", meter, *at(METERS[meter]), "-n", 0, "-k", f"{meter}.key", "--yes")
    for site in ("north", "south"):
        run(place, "building", "prove", *at(site), "-n", 0)
        run(place, "lab", "take", f"alpha-0.{site}.summary", *HQ)
        assert "taken before" in run(place, "lab", "take", f"alpha-0.{site}.summary", *HQ)
    run(place, "lab", "snapshot", "run", *HQ, "-n", 0, "--root")
    run(place, "lab", "close", *HQ, "-n", 0)
    run(place, "prove", *HQ, "-n", 0, "-k", "lab.key")
    claim = decode_claim((place / "alpha-0.claim").read_bytes())
    assert [(loss.name, loss.first_epoch) for loss in claim.losses] == [("hall-2", 2)]
    verdict = verify_claim(claim.encode(), terms_of(place), proofs=proofs_in(place, set(claim.proofs)).get)
    assert verdict.proof is not None
    with Store.open(place / "hq.store") as store:
        work = store.work_by_tag(0)
        assert work[2] == 4 * 8 * 3600 * 1979, "the lost meter's whole period at peak, once"


def test_a_building_that_does_not_know_of_a_loss_hands_in_nothing(burnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "copy"
    shutil.copytree(burnt, place)
    monkeypatch.setenv("STANDSTILL_STATE", str(place / "state"))
    for meter in ("hall-1", "hall-2"):
        run(place, "meter", "close", meter, *at("north"), "-n", 0, "-k", f"{meter}.key", "--yes")
    run(place, "building", "prove", *at("north"), "-n", 0)
    with pytest.raises(ClaimsError, match="same losses|proof"), Store.open(place / "hq.store") as store:
        take_summary(store, terms_of(place), summary(place, "north"))
    run(place, "building", "report", *at("north"), "-n", 0, "-o", "all.report")
    assert "do not know the same losses of meter hall-2" in run(place, "lab", "take", "all.report", *HQ, code=2)


def test_a_report_after_a_meters_key_changed(place: Path) -> None:
    """What the building signed again takes the place of what was taken here, an older report does not, and nobody else's key counts."""
    old, new = (Ed25519PrivateKey.generate() for _ in range(2))
    given = SiteReport.decode((place / "north.report").read_bytes())
    terms = terms_of(place)
    keys = terms.with_keys({}, {("alpha", "hall-1"): public_bytes(new)}, {})

    def signed(key: Ed25519PrivateKey, first: int) -> SiteReport:
        """The report with hall-1's signatures from an epoch on, and of the period, by a key."""
        meter, other = given.meters
        assert meter.head is not None
        epochs = tuple(
            (root, key.sign(epoch_root_message(terms.digest, "alpha", "hall-1", epoch, root))) if epoch >= first else (root, signature)
            for epoch, (root, signature) in enumerate(meter.epochs, given.first)
        )
        head, digest, _ = meter.head
        last = key.sign(ledger_head_message(terms.digest, "alpha", "hall-1", 0, head, digest))
        return replace(given, meters=(replace(meter, epochs=epochs, head=(head, digest, last)), other))

    with Store.open(place / "hq.store") as store:
        take_report(store, terms, given)
        before = store.signed_roots(terms.digest, "hall-1")
        for report in (signed(new, 2), given):
            take_report(store, keys, report)
            roots = store.signed_roots(terms.digest, "hall-1")
            assert roots[:2] == before[:2] and [root for _, root, _ in roots] == [root for _, root, _ in before]
            assert all(verifies(public_bytes(new), signature, epoch_root_message(terms.digest, "alpha", "hall-1", epoch, root))
                       for epoch, root, signature in roots[2:])  # fmt: skip
            (head,) = store.signed_heads(terms.digest, "hall-1")
            message = ledger_head_message(terms.digest, "alpha", "hall-1", 0, head.head, head.roots_digest)
            assert verifies(public_bytes(new), head.signature, message)
        with pytest.raises(ClaimsError, match="does not verify"):
            take_report(store, keys, signed(old, 3))
        with pytest.raises(ClaimsError, match="does not verify"):
            take_report(store, terms, signed(new, 3))
