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

SITES = {"hall-1": "north", "hall-2": "south"}
HQ = ("-s", "alpha.store", "-a", "agreement.toml")
USAGE = {
    "north": "hall-1,0,run-1,200\nhall-1,0,,100\nhall-1,1,run-1,300\nhall-1,2,run-2,300\nhall-1,2,side,100\n",
    "south": "hall-2,0,run-1,200\nhall-2,1,run-1,200\nhall-2,2,run-2,120\nhall-2,2,,20\n",
}
CHECKPOINTS = f"name,parents,branch,epoch,weights\nrun-1,,,1,{'aa' * 32}\nrun-2,run-1,no,2,{'bb' * 32}\n"


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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Everything up to the moment at which round 1000 draws."""
    folder = Folder(tmp_path_factory.mktemp("inspected"))
    run, path = folder.run, folder.path
    keys = {name: run("keygen", f"{name}.key", "--no-passphrase").strip() for name in (*PARTIES, "cosign", "log")}
    opening = run("lab", "init", "alpha", "-s", "alpha.store", "--opening", "foundation=1e20 FLOP").strip()
    meters = "".join(
        run("meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", chips, "-k", f"{name}.key", "--no-passphrase")
        + f'site = "{SITES[name]}"\n'
        for name, chips in METERS.items()
    )
    text = AGREEMENT.format(start=format_time(START), opening=opening, meters=meters, **keys)
    (path / "agreement.toml").write_text(text.replace("log_rows = 16\n", "log_rows = 16\nregistry_rows = 16\n"))
    for item in ROUNDS:
        (path / f"{item['round']}.json").write_text(json.dumps(item))
    run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    run("lab", "tags", "run-1", "run-2", "side", *HQ, "-n", 0, "-o", "0.tags")
    for meter, site in SITES.items():
        run("building", "init", "alpha", site, "-s", f"{site}.store")
        run("building", "tags", "0.tags", *at(site))
        (path / f"{site}.csv").write_text(f"meter,epoch,checkpoint,chip_seconds\n{USAGE[site]}")
        run("import", "readings", f"{site}.csv", *at(site))
        for epoch in (1, EPOCHS - 1):
            run("epoch", "seal", meter, *at(site), "--unsigned", "-k", f"{meter}.key", "--through", epoch)
            run("building", "report", *at(site), "-n", 0, "--from", 0 if epoch == 1 else 2, "-o", f"{site}-{epoch}.report")
    (path / "checkpoints.csv").write_text(CHECKPOINTS)
    run("import", "checkpoints", "checkpoints.csv", *HQ)
    run("lab", "take", "north-1.report", "south-1.report", *HQ)
    run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", 1)
    run("lab", "take", "north-2.report", "south-2.report", *HQ)
    refused = run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", EPOCHS - 1, code=2)
    assert "work toward side has no checkpoint" in refused, "every allotted tag is in the period's last head"
    run("lab", "snapshot", "side", *HQ, "-n", 0, "--parent", "foundation")
    run("epoch", "publish", *HQ, "-k", "alpha.key", "--through", EPOCHS - 1)
    for meter, site in SITES.items():
        run("meter", "close", meter, *at(site), "-n", 0, "-k", f"{meter}.key", "--yes")
        run("building", "prove", *at(site), "-n", 0)
    run("lab", "take", "alpha-0.north.summary", "alpha-0.south.summary", *HQ)
    run("lab", "close", *HQ, "-n", 0)
    run("prove", *HQ, "-n", 0, "-k", "alpha.key")
    folder.append(*(f"alpha-epoch-{epoch}.entry" for epoch in range(EPOCHS)), "alpha-0.entry")
    folder.cosign(START + EPOCHS * 60 + 1)
    return folder


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
        run("building", "open", "-s", f"{site}.store", *DRAW)
        assert (folder.path / f"alpha-0.{site}.part").stat().st_mode & 0o777 == 0o600
    assert "store of site" in run(*OPEN, "--part", "alpha-0.north.part", code=2)
    run(*OPEN, "--part", "alpha-0.north.part", "--part", "alpha-0.south.part")
    assert "Nothing is recorded yet" in run(*CHECK)
    run(*CHECK, "-k", "beta.key", "--finding", "agrees")
    assert [site for site, _ in folder.opening().binding.proofs] == ["north", "south", None]


def test_a_part_that_was_changed_opens_nothing(folder: Folder) -> None:
    run, path = folder.run, folder.path
    for site in ("north", "south"):
        run("building", "open", "-s", f"{site}.store", *DRAW)
    part = OpeningPart.decode((path / "alpha-0.north.part").read_bytes())
    assert part.site == "north" and part.readings
    (path / "both.part").write_bytes((path / "alpha-0.south.part").read_bytes())
    assert "given twice" in run(*OPEN, "--part", "alpha-0.south.part", "--part", "both.part", code=2)
    (path / "bad.part").write_bytes(part.encode()[:-2])
    run(*OPEN, "--part", "bad.part", code=2)
    run("building", "open", *DRAW, "-s", "alpha.store", code=2)


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
        for meter, site in SITES.items():
            with Store.open(folder.path / f"{site}.store") as store:
                own, taken = store.epoch_seals(0, meter), hq.epoch_seals(0, meter)
            assert [(s.epoch, s.root, s.signature) for s in own] == [(s.epoch, s.root, s.signature) for s in taken]
            assert all(seal.seed for seal in own) and not any(seal.seed for seal in taken), "no seed leaves a building"
