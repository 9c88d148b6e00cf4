"""Two buildings and headquarters with a public log: epochs published in time, a claim, and an inspection that draws in both. By commands.

The proof systems are stubs; drand's real round 1000 draws.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from inspect_fixtures import AGREEMENT, CHECK, DRAW, EPOCHS, METERS, OPEN, PARTIES, ROUNDS, START, Folder

from claims.base.units import format_time
from claims.inspection.part import OpeningPart
from claims.lab.store import Store
from tests.inspection.test_open_sites import prove as prove_opened
from tests.inspection.test_open_sites import verify as verify_opened
from tests.lab.test_tables import Prover

SITES = {"hall-1": "north", "hall-2": "south", "hall-3": "south"}
CLAIM = ("--claim", "alpha-0.claim")
SEALED = ("--carry-key", "carry.key")
HQ = ("-s", "alpha.store", "-a", "agreement.toml")
USAGE = {
    "north": "hall-1,0,run-1,200\nhall-1,0,,100\nhall-1,1,run-1,300\nhall-1,2,run-2,300\nhall-1,2,side,100\n",
    "south": "hall-2,0,run-1,200\nhall-2,1,run-1,200\nhall-2,2,run-2,120\nhall-2,2,,20\n",
}
CHECKPOINTS = f"name,parents,branch,epoch,weights\nrun-1,,,1,{'aa' * 32}\nrun-2,run-1,no,2,{'bb' * 32}\n"


LOST = USAGE | {"south": USAGE["south"] + "hall-3,0,run-1,100\nhall-3,0,,90\n"}
"""hall-3 burns after its first epoch."""


def at(site: str) -> tuple[str, ...]:
    return "-s", f"{site}.store", "-a", "agreement.toml"


@pytest.fixture(scope="module", autouse=True)
def stubs() -> Iterator[None]:
    made = Prover()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.prove.prove_claim", made.prove)
        patch.setattr("circuits.verify.verify_claim_proof", made.verify)
        patch.setattr("circuits.open_records.prove_opening", prove_opened)
        patch.setattr("circuits.opening.verify_opening", verify_opened)
        yield


def build(
    folder: Folder, chips: dict[str, int], usage: dict[str, str], lost: str | None = None, carry: tuple[str, ...] = ()
) -> Folder:
    """Everything up to the moment at which round 1000 draws. ``lost``: a meter that burns before epoch 1 is sealed. ``carry``: options
    of what travels."""
    run, path = folder.run, folder.path
    if carry:
        run("building", "key", carry[1])
    keys = {name: run("keygen", f"{name}.key", "--no-passphrase").strip() for name in (*PARTIES, "cosign", "log")}
    opening = run("lab", "init", "alpha", "-s", "alpha.store", "--opening", "foundation=1e20 FLOP").strip()
    meters = "".join(
        run("meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", chips[name], "-k", f"{name}.key", "--no-passphrase")
        + f'site = "{SITES[name]}"\n'
        for name in chips
    )
    text = AGREEMENT.format(start=format_time(START), opening=opening, meters=meters, **keys)
    text = text.replace("draws = 8\n", "draws = 60\n")  # keys are new each time: some are of every meter and epoch, but for 1 in 1,000
    share = "" if lost is None else 'lost = "50 %"\n'
    (path / "agreement.toml").write_text(text.replace("log_rows = 16\n", f"log_rows = 16\nregistry_rows = 16\n{share}"))
    for item in ROUNDS:
        (path / f"{item['round']}.json").write_text(json.dumps(item))
    run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    run("lab", "tags", "run-1", "run-2", "side", *HQ, "-n", 0, "-o", "0.tags", *carry)
    for site in usage:
        run("building", "init", "alpha", site, "-s", f"{site}.store")
        run("building", "tags", "0.tags", *at(site), *carry)
        (path / f"{site}.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{usage[site]}")
        run("import", "readings", f"{site}.csv", *at(site))
    (path / "checkpoints.csv").write_text(CHECKPOINTS)
    run("import", "checkpoints", "checkpoints.csv", *HQ)

    def hand_in(first: int, last: int) -> None:
        for meter in chips:
            if meter != lost or first == 0:
                run("epoch", "seal", meter, *at(SITES[meter]), "--unsigned", "-k", f"{meter}.key", "--through", last)
        for site in usage:
            run("building", "report", *at(site), "-n", 0, "--from", first, "-o", f"{site}-{first}.report")
            run("lab", "take", f"{site}-{first}.report", *HQ)

    hand_in(0, 0)
    if lost is not None:
        run("meter", "lost", lost, *HQ, "-k", "alpha.key", "--from-epoch", 1, "--yes")
        run("building", "lost", f"alpha-lost-{lost}-1.entry", *at(SITES[lost]))
        folder.append(f"alpha-lost-{lost}-1.entry")
    hand_in(1, 1)
    run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", 1)
    hand_in(2, EPOCHS - 1)
    refused = run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", EPOCHS - 1, code=2)
    assert "work toward side has no checkpoint" in refused, "every allotted tag is in the period's last head"
    run("lab", "snapshot", "side", *HQ, "-n", 0, "--parent", "foundation")
    run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", EPOCHS - 1)
    for meter in chips:
        if meter != lost:
            run("meter", "close", meter, *at(SITES[meter]), "-n", 0, "-k", f"{meter}.key", "--yes")
    for site in usage:
        for _ in range(2):  # interrupted, and run again
            run("building", "prove", *at(site), "-n", 0, *carry)
        run("lab", "take", f"alpha-0.{site}.summary", *HQ, *carry)
    run("lab", "close", *HQ, "-n", 0)
    run("prove", *HQ, "-n", 0, "-k", "alpha.key")
    folder.append(*(f"alpha-epoch-{epoch}.entry" for epoch in range(EPOCHS)), "alpha-0.entry")
    folder.cosign(START + EPOCHS * 60 + 1)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return build(Folder(tmp_path_factory.mktemp("inspected")), METERS, USAGE)


@pytest.fixture
def folder(made: Folder, tmp_path: Path) -> Folder:
    shutil.copytree(made.path, tmp_path / "copy")
    return Folder(tmp_path / "copy")


def test_an_inspection_draws_in_both_buildings(folder: Folder) -> None:
    run = folder.run
    assert "store of site" in run(*OPEN, code=2), "headquarters has no reading"
    drawn = {SITES[draw.meter] for draw in folder.drawn().draws}
    assert drawn == {"north", "south"}
    for site in sorted(drawn):
        run("building", "open", "-s", f"{site}.store", *DRAW, *CLAIM)
        assert (folder.path / f"alpha-0.{site}.part").stat().st_mode & 0o777 == 0o600
    assert "store of site" in run(*OPEN, "--part", "alpha-0.north.part", code=2)
    run(*OPEN, "--part", "alpha-0.north.part", "--part", "alpha-0.south.part")
    assert "Nothing is recorded yet" in run(*CHECK)
    run(*CHECK, "-k", "beta.key", "--finding", "agrees")
    assert [site for site, _ in folder.opening().binding.proofs] == ["north", "south", None]


def test_a_part_that_was_changed_opens_nothing(folder: Folder) -> None:
    run, path = folder.run, folder.path
    for site in ("north", "south"):
        run("building", "open", "-s", f"{site}.store", *DRAW, *CLAIM)
    part = OpeningPart.decode((path / "alpha-0.north.part").read_bytes())
    assert part.site == "north" and part.readings
    (path / "both.part").write_bytes((path / "alpha-0.south.part").read_bytes())
    assert "given twice" in run(*OPEN, "--part", "alpha-0.south.part", "--part", "both.part", code=2)
    (path / "bad.part").write_bytes(part.encode()[:-2])
    run(*OPEN, "--part", "bad.part", code=2)
    run("building", "open", *DRAW, *CLAIM, "-s", "alpha.store", code=2)


def test_the_claim_is_judged_with_log_and_roots_of_both(folder: Folder) -> None:
    run = folder.run
    for name in PARTIES:
        run("agreement", "sign", "agreement.toml", "-k", f"{name}.key")
    verify = ("verify", "alpha-0.claim", "-a", "agreement.toml", "--log", "log", "--jobs", 1)
    text = run(*verify, code=3)
    assert "roots" not in text and "inspection" in text, text
    (folder.path / "alpha-0.south.roots").unlink()
    assert "the roots file of site south" in run(*verify, code=3)


def test_what_was_published_is_what_meters_signed(folder: Folder) -> None:
    with Store.open(folder.path / "alpha.store") as hq:
        for meter in METERS:
            with Store.open(folder.path / f"{SITES[meter]}.store") as store:
                own, taken = store.epoch_seals(0, meter), hq.epoch_seals(0, meter)
            assert [(s.epoch, s.root, s.signature) for s in own] == [(s.epoch, s.root, s.signature) for s in taken]
            assert all(seal.seed for seal in own) and not any(seal.seed for seal in taken), "no seed leaves a building"


def test_a_building_whose_meter_burnt_answers_an_inspection(tmp_path: Path) -> None:
    """Draws of what is lost are visits; each draws another one, in any building, so every building needs the claim's list."""
    folder = build(Folder(tmp_path), METERS | {"hall-3": 8}, LOST, lost="hall-3", carry=SEALED)
    run = folder.run
    for site in USAGE:
        run("building", "open", "-s", f"{site}.store", *DRAW, *CLAIM, *SEALED)
    for name in ("alpha-0.north.part", "alpha-0.south.summary", "0.tags"):
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"standstill-sealed") and not any(word in data for word in (b"run-1", b"hall", b"tag", b"alpha"))
    parts = ("--part", "alpha-0.north.part", "--part", "alpha-0.south.part")
    assert "--carry-key" in run(*OPEN, *parts, code=2)
    run("building", "key", "other.key")
    assert "sealed under another key" in run(*OPEN, *parts, "--carry-key", "other.key", code=2)
    run(*OPEN, *parts, *SEALED)
    drawn = json.loads(run("inspect", "draw", "--lab", "alpha", *DRAW, *CLAIM, "--json"))
    assert {item["meter"] for item in drawn["visits"]} == {"hall-3"} and len(drawn["draws"]) == 60
    assert "to be visited" in run("inspect", "draw", "--lab", "alpha", *DRAW, *CLAIM)
    (folder.path / "other.claim").write_bytes(b"another")
    assert "not the claim that the log names" in run("building", "open", "-s", "south.store", *DRAW, "--claim", "other.claim", code=2)
    assert "VISIT hall-3" in run(*CHECK)
    run(*CHECK, "-k", "beta.key", "--finding", "agrees")
    opened = {(item.meter, item.opening.reading.epoch) for item in folder.opening().readings}
    assert {(meter, epoch) for meter, epoch in opened if meter == "hall-3"} == {("hall-3", 0)}
    assert [site for site, _ in folder.opening().binding.proofs] == ["north", "south", None]


def test_all_meters_of_a_building_burnt(tmp_path: Path) -> None:
    """What they sealed before is opened under the log: there is no proof of that building."""
    folder = build(Folder(tmp_path), {"hall-1": 8, "hall-3": 8}, LOST | {"south": "hall-3,0,run-1,100\n"}, lost="hall-3")
    run = folder.run
    for site in USAGE:
        run("building", "open", "-s", f"{site}.store", *DRAW, *CLAIM)
    run(*OPEN, "--part", "alpha-0.north.part", "--part", "alpha-0.south.part")
    run(*CHECK, "-k", "beta.key", "--finding", "agrees")
    assert [site for site, _ in folder.opening().binding.proofs] == ["north", None]
    opened = {(item.meter, item.opening.reading.epoch) for item in folder.opening().readings}
    assert opened == {("hall-1", 0), ("hall-1", 1), ("hall-1", 2), ("hall-3", 0)}


def test_what_burnt_is_back(tmp_path: Path) -> None:
    """An inspector's word in the log, taken at headquarters and in the building: from the next period on the meter seals again."""
    chips = METERS | {"hall-3": 8}
    folder = build(Folder(tmp_path), chips, LOST, lost="hall-3")
    run = folder.run
    for name in PARTIES:
        run("agreement", "sign", "agreement.toml", "-k", f"{name}.key")
    say = ("inspect", "back", "hall-3", "--lab", "alpha", "-a", "agreement.toml", "--log", "log")
    by_beta = ("--inspector", "beta", "-k", "beta.key")
    assert "no terminal" in run(*say, "-n", 1, *by_beta, code=2)
    assert "name a period that has not begun" in run(*say, "-n", 0, *by_beta, "--yes", code=2)
    assert "somebody else what is back" in run(*say, "-n", 1, "--inspector", "alpha", "-k", "alpha.key", "--yes", code=2)
    run(*say, "-n", 1, "--inspector", "beta", "-k", "delta.key", "--yes", code=2)
    assert not (tmp_path / "beta-alpha-back-hall-3-3.entry").exists()
    told = run(*say, "-n", 1, *by_beta, "--yes")
    assert "lost from epoch 1 on" in told and "cannot be taken back" in told
    folder.append("beta-alpha-back-hall-3-3.entry")
    south = ("meter", "back", "beta-alpha-back-hall-3-3.entry", *at("south"))
    assert "is lost" in run("epoch", "seal", "hall-3", *at("south"), "--unsigned", "-k", "hall-3.key", "--through", 3, code=2)
    assert json.loads(run("meter", "back", "beta-alpha-back-hall-3-3.entry", *HQ, "--json"))["meters"] == ["hall-3"]
    assert run(*south) == run(*south), "again changes nothing"
    run("meter", "back", "beta-alpha-back-hall-3-3.entry", *at("north"), code=2)
    assert "in epoch 2" in late_usage(folder, 2) and "in epoch 1" in late_usage(folder, 1)
    run("lab", "tags", "run-3", *HQ, "-n", 1, "-o", "1.tags")
    for site, rows in {"north": "hall-1,3,run-3,200\n", "south": "hall-2,4,run-3,60\nhall-3,5,run-3,100\n"}.items():
        run("building", "tags", "1.tags", *at(site))
        (tmp_path / f"{site}.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{rows}")
        run("import", "readings", f"{site}.csv", *at(site))
    for meter in chips:
        run("epoch", "seal", meter, *at(SITES[meter]), "-k", f"{meter}.key", "--through", 5)
        run("meter", "close", meter, *at(SITES[meter]), "-n", 1, "-k", f"{meter}.key", "--yes")
    for site in USAGE:
        run("building", "report", *at(site), "-n", 1, "-o", f"{site}-3.report")
        run("building", "prove", *at(site), "-n", 1)
        run("lab", "take", f"{site}-3.report", f"alpha-1.{site}.summary", *HQ)
    run("lab", "snapshot", "run-3", *HQ, "-n", 1, "--parent", "run-2")
    run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", 5)
    run("lab", "close", *HQ, "-n", 1)
    run("prove", *HQ, "-n", 1, "-k", "alpha.key")
    folder.append(*(f"alpha-epoch-{epoch}.entry" for epoch in (3, 4, 5)), "alpha-1.entry")
    folder.cosign(START + 2 * EPOCHS * 60 + 1)
    given = ("-a", "agreement.toml", "--log", "log", "--jobs", 1, "-p", "alpha-0.claim", "--now", START + 2 * EPOCHS * 60 + 2)
    text = run("verify", "alpha-1.claim", *given)
    assert text.startswith("PROVEN") and "lost" not in text, text


def late_usage(folder: Folder, epoch: int) -> str:
    """What an import says of work of the burnt meter in an epoch that it lost, and one that it did not."""
    (folder.path / "late.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\nhall-3,{epoch},,10\nhall-3,4,,10\n")
    return folder.run("import", "readings", "late.csv", *at("south"), code=2)
