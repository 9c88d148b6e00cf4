"""Commands of an honest lab's operator, and the files that they are given, for the tests of one wrong command."""

from __future__ import annotations

from pathlib import Path

from desk import DAY, Desk

from claims.lab.store import Store

PERIOD = 5 * DAY
JOBS = "meter,start,stop,checkpoint,chips\n"
ROWS = "meter,epoch,checkpoint,chip_seconds\n"
SAVED = "name,parents,time\n"
JOB = "hall-1,2026-11-01T00:00:00Z,2026-11-01T02:30:00Z,run,3\n"
PAUSE = '\n[pause]\ndeciders = ["lab"]\nquorum = 1\ntrigger = "x"\nlifts = "y"\n'
SEAL = ("epoch", "seal", "hall-1", "-s", "lab.store", "-a", "agreement.toml", "-k", "keys/hall-1.key")
SIGN = ("agreement", "sign", "agreement.toml", "-k", "lab.key")
NEXT = ("-s", "lab.store", "-a", "next.toml")
SEAL_NEXT = ("epoch", "seal", "hall-1", *NEXT, "-k", "keys/hall-1.key")
SET_ASIDE = ("lab", "set-aside", *NEXT, "--backup", "before")
ENTRY = "entries/lab-epoch-0.entry"
COUNTER = ("log", "countersign", ENTRY, "-a", "agreement.toml", "-k")


def load(desk: Desk, kind: str, text: str, *options: object, code: int = 0, agreement: str = "agreement.toml") -> str:
    """Import a file of this text."""
    Path("file.csv").write_text(text)
    return desk.run("import", kind, "file.csv", "-s", "lab.store", "-a", agreement, *options, code=code)


def total(desk: Desk) -> int:
    """Chip-milliseconds of all usage."""
    with Store.open("lab.store") as store:
        return sum(item.chip_ms for period in range(6) for meter in ("hall-1", "hall-2") for item in store.usage(period, meter))


def change(name: str, *changes: tuple[str, str], target: str = "agreement.toml") -> None:
    """Write another agreement."""
    text = Path(name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(target).write_text(text)


def amendment(desk: Desk, period: int, *changes: tuple[str, str], of: str | None = None) -> None:
    """``next.toml``: the agreement amended from a period on."""
    digest = of or desk.run("agreement", "digest", "agreement.toml").strip()
    rules = (f'[amends]\ndigest = "{digest}"\nfrom_period = {period}\n[rules]')
    change("agreement.toml", ("[rules]", rules), ('name = "desk"', 'name = "next"'), *changes, target="next.toml")


def sign_next(desk: Desk) -> str:
    return desk.run("agreement", "sign", "next.toml", "-k", "lab.key")
