"""Rows of usage as columns: the same as row by row, whatever stands in them, and nothing that grows with the file but what is kept."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from import_world import START, agreement_of

from claims.imports import rows as module
from claims.imports import usage_columns
from claims.imports.rows import ImportRefused
from claims.imports.usage import import_usage
from claims.imports.usage_columns import Plain
from claims.imports.usage_rows import UsageReader
from claims.lab.store import Store

AGREEMENT = agreement_of({"a": ("h100", 16), "b": ("mi300x", 8)}, epoch=600, epochs=6, periods=4)
END = 600 * 24 * 1000
TIMES = ("start", "stop", "chips")


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def spans(rng: Random, count: int, *, beyond: int = 0) -> str:
    """Rows of jobs, some of which may lie outside the periods by as much as ``beyond``."""
    text = "meter,start,stop,checkpoint,chips\n"
    for _ in range(count):
        begin = rng.randrange(-beyond, END + beyond)
        stop = min(begin + rng.choice((1, 999, 600_000, 3_000_000)), END + beyond)
        label = rng.choice(("", "run-1", "run-2", "idle", "Unattributed", " run-1 "))
        text += f"{rng.choice('ab')},{START * 1000 + begin},{START * 1000 + max(stop, begin + 1)},{label},{rng.randrange(1, 9)}\n"
    return text


def epochs(rng: Random, count: int) -> str:
    amounts = ("1", "0", "2.0005", "3e2", "77")
    rows = (f"{rng.choice('ab')},{rng.randrange(24)},{rng.choice(('', 'x', 'idle'))},{rng.choice(amounts)}" for _ in range(count))
    return "meter,epoch,checkpoint,chip_seconds\n" + "\n".join(rows) + "\n"


def read(path: Path, text: str, *, skip: bool = False) -> tuple[Any, ...]:
    path.write_text(text)
    reader = UsageReader(AGREEMENT, "alpha", path, skip_outside=skip)
    try:
        reader.read()
    except ImportRefused as error:
        return (str(error), error.line)
    parts = [(*part[:3], reader._names[part[1]]) for part in reader._parts[["meter", "label", "line"]].tolist()]
    named = [(meter, name, line) for meter, _, line, name in parts]
    return (reader.rows, reader.skipped, reader.repeats, reader.chip_ms(), reader.unattributed_ms(), reader.periods(), reader.digest,
            named, reader._parts[["epoch", "chip_ms", "work"]].tolist())  # fmt: skip


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "work_out", lambda self, rows: None)


@pytest.mark.parametrize("seed", range(12))
def test_columns_are_what_rows_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = Random(seed)
    monkeypatch.setattr(module, "BLOCK", rng.choice((1, 7, 64)))
    monkeypatch.setattr(usage_columns, "PARTS", rng.choice((3, 1 << 20)))
    beyond = rng.choice((0, 2_000_000))
    text = spans(rng, 150, beyond=beyond) if seed % 3 else epochs(rng, 150)
    text += "".join(rng.choices(text.splitlines(keepends=True)[1:], k=3))
    path, skip = tmp_path / "usage.csv", bool(seed & 1)
    quick = read(path, text, skip=skip)
    one_by_one(monkeypatch)
    assert quick == read(path, text, skip=skip)


@pytest.mark.parametrize("row", [
    "c,1767225600000,1767225601000,x,1", "a,1767225600000,1767225600000,x,1", "a,1767225600000,1767225601000,x,17",
    "a,1767225600000,1767225601000,x,9999999999999999999", "a,1767225600000,1767225601000,x,1.5", "a,now,1767225601000,x,1",
    "a,1767225600000,1767225601000,x,", "a,1767225500000,1767225601000,x,1", "a,1767225600000,9999999999999,x,1", "a,1,2,x",
    '"a,1767225600000,1767225601000,x,1', "a,1767225600000,1767225601000,x|y,1", "a,1767225600000,1767225601000,\udcff,1", "a,,,x,1",
])  # fmt: skip
@pytest.mark.parametrize("block", [4, 1 << 11])
def test_a_bad_row_among_good_ones_is_named_as_before(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, block: int
) -> None:
    """By its line, and whatever stands after it."""
    monkeypatch.setattr(module, "BLOCK", block)
    path, refusals = tmp_path / "usage.csv", []
    late = row.startswith('"') or "|" in row  # found at the end of the file, or when the names are stored
    text = spans(Random(1), 9) + row + "\n" + spans(Random(2), 9).partition("\n")[2] + ("" if late else "a,?,?,?,?\n")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for _ in range(2):
        with pytest.raises(ImportRefused) as caught:
            import_usage(store, AGREEMENT, path)
        refusals.append(str(caught.value))
        one_by_one(monkeypatch)
    assert refusals[0] == refusals[1] and caught.value.line == (20 if row.startswith('"') else 11), refusals
    assert store.imports() == []


def test_plain_rows_are_worked_out_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UsageReader, "_take_one_by_one", None)
    assert read(tmp_path / "usage.csv", spans(Random(3), 200))[0] == 200
    assert read(tmp_path / "usage.csv", epochs(Random(3), 200))[0] == 200


def test_a_row_that_stands_twice_is_found_in_another_block_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 5)
    text = "meter,epoch,checkpoint,chip_seconds\n" + "".join(f"a,{k},x,{k}\n" for k in range(20)) + "a, 3,x,3\na,3,y,3\na,3,x,3\n"
    assert read(tmp_path / "usage.csv", text)[2] == [(5, 22), (5, 24)]


def test_little_is_kept_of_each_row(tmp_path: Path) -> None:
    import tracemalloc

    text = "meter,epoch,checkpoint,chip_seconds\n" + "".join(f"a,{k % 24},run-{k % 7},{k % 5 + 1}\n" for k in range(40_000))
    path = tmp_path / "usage.csv"
    path.write_text(text)
    tracemalloc.start()
    UsageReader(AGREEMENT, "alpha", path, skip_outside=False).read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000, peak  # all rows as Python objects take 12 MB
