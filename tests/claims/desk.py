"""An operator's desk: a lab with two meters, every command in this process, under a clock that the test sets."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from claims import clock
from claims.cli import main
from claims.store import Store
from claims.units import time_from_text

HOUR = 3600
DAY = 24 * HOUR
START = time_from_text("2026-11-01T00:00:00Z")
AGREEMENT = """format = "standstill-agreement/{format}"
name = "desk"
start = 2026-11-01T00:00:00Z
epoch = "1 h"
period = "5 d"
periods = 6
[rules]
charge = "peak"
residue = "charge-every-lineage"
[[party]]
name = "lab"
key = "{lab}"
[[chip]]
name = "h100"
peak = "1.979e15 FLOP/s"
note = "FP8 dense"
[[lab]]
name = "lab"
log_rows = 16
{opening}
[lab.caps]
total = "1e26 FLOP"
unattributed = "1e26 FLOP"
lineage = "1e26 FLOP"
{meters}"""


class Terminal(io.StringIO):
    """Standard input of somebody who types an answer."""

    def isatty(self) -> bool:
        return True


class Desk:
    """The folder with ``lab.store``, ``agreement.toml``, ``lab.key`` and ``keys/hall-1.key``, ``keys/hall-2.key``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        from claims.agreement_file import FORMAT

        self.folder, self._patch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        self.at(START)
        Path("keys").mkdir()
        key = self.run("keygen", "lab.key", "--no-passphrase").strip()
        opening = self.run("lab", "init", "lab", "-s", "lab.store").strip()
        meters = "".join(
            self.run("meter", "init", name, "--lab", "lab", "--chip", "h100", "--chips", 8, "-k", f"keys/{name}.key", "--no-passphrase")
            for name in ("hall-1", "hall-2")
        )
        number = FORMAT.rpartition("/")[2]
        Path("agreement.toml").write_text(AGREEMENT.format(format=number, lab=key, opening=opening, meters=meters))

    def at(self, moment: int) -> None:
        """Set the machine's clock, Unix seconds."""
        self._patch.setattr(clock, "now", lambda: moment)

    def answers(self, text: str) -> None:
        """Sit down at a terminal and type."""
        self._patch.setattr(sys, "stdin", Terminal(text))

    def run(self, *arguments: object, code: int = 0) -> str:
        """A command; its output, errors included."""
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        text = "".join(self._capsys.readouterr())
        assert exit.value.code == code, text
        return text

    def usage(self, *rows: str, code: int = 0) -> str:
        """Import rows ``meter,epoch,checkpoint,chip_seconds``."""
        Path("usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\n" + "".join(f"{row}\n" for row in rows))
        return self.run("import", "readings", "usage.csv", *self.books, code=code)

    def work(self, *periods: int) -> None:
        """Unattributed work of both meters in the first and last hour of periods."""
        epochs = [epoch for period in periods for epoch in (120 * period, 120 * period + 119)]
        self.usage(*(f"{meter},{epoch},,3600" for epoch in epochs for meter in ("hall-1", "hall-2")))

    books = ("-s", "lab.store", "-a", "agreement.toml")

    def close(self, period: int, *options: object, meters: tuple[str, ...] = ("--all",), code: int = 0) -> str:
        """``meter close`` with the folder of keys."""
        return self.run("meter", "close", *meters, *self.books, "-n", period, "--keys", "keys", *options, code=code)

    def signed(self, period: int, meter: str = "hall-1") -> bool:
        """Whether the meter's head of a period is in the store."""
        with Store.open("lab.store") as store:
            return store.signed_head(period, meter) is not None

    def sealed(self, meter: str = "hall-1") -> int | None:
        """The last epoch that the meter has sealed."""
        with Store.open("lab.store") as store:
            return store.last_sealed(meter)
