"""A lab whose meters stand in a table, in one group, with classes of their own leaves: from the agreement to a claim, by commands."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk import DAY, HOUR, START, Desk

from claims.agreement.file import load_agreement
from claims.base.errors import ClaimRejected
from claims.claim.entries import decode_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.file import decode_claim
from claims.claim.roots import Roots
from claims.verify.roots import check_roots
from tests.agreement.test_meter_table import without_meters
from tests.lab.test_tables import Prover, prover  # noqa: F401

PERIOD = 5 * DAY
NAME = "fleet.meters.csv"


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    text = Path("agreement.toml").read_text()
    Path("meters.toml").write_text(text.replace("[[meter]]\n", '[[meter]]\ngroup = "rack"\n'))
    lines = desk.run("agreement", "meters", "meters.toml", "-o", NAME)
    text = without_meters(text).replace("[[chip]]\n", "[[chip]]\nreadings = 8\n").replace("log_rows = 16", 'log_rows = 16\nlost = "50 %"')
    Path("agreement.toml").write_text(f"{text}\n{lines}")
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key", "--yes")
    desk.at(START + 30 * HOUR)
    desk.usage("hall-1,0,run,20000", "hall-2,3,run,9000")
    return desk


class Logged:
    """The log, as far as roots go: the entries that `epoch publish` wrote."""

    def __init__(self) -> None:
        self.agreement = load_agreement("agreement.toml")
        entries = [decode_entry(path.read_bytes()) for path in Path("entries").iterdir()]
        self._roots = {entry.epoch: entry.root for entry in entries if isinstance(entry, EpochEntry)}

    def epoch(self, lab: str, epoch: int) -> tuple[Any, int]:
        return SimpleNamespace(root=self._roots[epoch]), epoch


def finish(desk: Desk) -> None:
    desk.run("lab", "snapshot", "run", *desk.books, "-n", 0, "--root")
    desk.run("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries")
    desk.run("lab", "close", *desk.books, "-n", 0)
    desk.run("prove", *desk.books, "-n", 0, "-k", "lab.key")


def test_a_fleet_goes_from_its_table_to_a_claim(fleet: Desk, prover: Prover) -> None:  # noqa: F811
    desk = fleet
    desk.at(START + PERIOD)
    said = desk.run("meter", "close", "hall-1", *desk.books, "-n", 0, "-k", "keys/hall-1.key", "--yes", "--clock-is-right", code=2)
    assert "group rack: meter hall-2 has not sealed every epoch of period 0" in said
    desk.close(0, "--yes", "--clock-is-right")
    finish(desk)
    claim, file = decode_claim(Path("lab-0.claim").read_bytes()), Path("lab-0.roots").read_bytes()
    assert [name for name, _ in Roots.decode(file).meters] == ["rack"] and len({meter.roots_digest for meter in claim.meters}) == 1
    check_roots(claim, [io.BytesIO(file)], Logged())  # type: ignore[arg-type]
    assert desk.run("verify", "lab-0.claim", "-a", "agreement.toml", "--now", START + PERIOD).startswith("PROVEN")
    Path(NAME).rename("elsewhere")
    said = desk.run("verify", "lab-0.claim", "-a", "agreement.toml", "--now", START + PERIOD, code=2)
    assert "its meters are in fleet.meters.csv, which is not beside it" in said


def test_a_spoiler_in_a_group_is_lost_and_the_group_goes_on(fleet: Desk, prover: Prover) -> None:  # noqa: F811
    desk = fleet
    desk.at(START + 30 * HOUR)
    desk.run("epoch", "seal", "--all", *desk.books, "--keys", "keys", "--clock-is-right")
    desk.run("meter", "lost", "hall-2", *desk.books, "-k", "lab.key", "--from-epoch", 30, "--yes")
    desk.at(START + PERIOD)
    desk.close(0, "--yes", "--clock-is-right")
    finish(desk)
    claim, file = decode_claim(Path("lab-0.claim").read_bytes()), Path("lab-0.roots").read_bytes()
    assert len({meter.roots_digest for meter in claim.meters}) == 1
    check_roots(claim, [io.BytesIO(file)], Logged())  # type: ignore[arg-type]
    assert desk.run("verify", "lab-0.claim", "-a", "agreement.toml", "--now", START + PERIOD).startswith("PROVEN")
    changed = bytearray(file)
    changed[-1] ^= 1
    with pytest.raises(ClaimRejected, match="signed other epoch roots"):
        check_roots(claim, [io.BytesIO(bytes(changed))], Logged())  # type: ignore[arg-type]
