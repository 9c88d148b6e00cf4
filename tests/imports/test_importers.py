"""Importers: exact splits at epoch boundaries, nothing dropped, and refusals that name file, line and remedy."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_fixtures import EPOCH, METER_KEYS, START, make_agreement, make_lab
from lab_fixtures import PERIODS as N_PERIODS

from claims.base.errors import ClaimsError, MissingDependency
from claims.claim.records import Usage
from claims.imports.checkpoints import import_checkpoints
from claims.imports.rows import ImportRefused
from claims.imports.usage import import_usage
from claims.imports.usage_rows import split_interval
from claims.lab.meter import SoftwareMeter
from claims.lab.store import Store
from claims.lab.store_file import StoreError

AGREEMENT = make_agreement()
SPAN_MS = EPOCH * AGREEMENT.epochs_per_period * N_PERIODS * 1000


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def write(folder: Path, text: str, name: str = "usage.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def all_usage(store: Store, meter: str = "hall-a") -> list[Usage]:
    return [u for period in range(N_PERIODS) for u in store.usage(period, meter)]


@given(st.integers(0, SPAN_MS - 1), st.integers(1, SPAN_MS))
def test_splitting_conserves_time_and_respects_boundaries(start: int, length: int) -> None:
    stop = min(start + length, SPAN_MS)
    parts = split_interval(START * 1000 + start, START * 1000 + stop, AGREEMENT)
    assert sum(ms for _, ms in parts) == stop - start
    assert [e for e, _ in parts] == list(range(start // (EPOCH * 1000), (stop - 1) // (EPOCH * 1000) + 1))
    assert all(0 < ms <= EPOCH * 1000 for _, ms in parts)


def test_a_job_over_epochs_and_periods_is_split_exactly(store: Store, tmp_path: Path) -> None:
    text = "meter,start,stop,checkpoint,chips\nhall-a,2026-01-01T00:03:30.250Z,2026-01-01T01:04:30+01:00,run-1,8\n"
    report = import_usage(store, AGREEMENT, write(tmp_path, text))
    tag = store.find_tag("run-1")
    assert store.usage(0, "hall-a") == [Usage(3, tag, 29_750 * 8, None)]
    assert store.usage(1, "hall-a") == [Usage(4, tag, 30_000 * 8, None)]
    assert (report.rows, report.periods, report.chip_ms) == (1, {0, 1}, {"hall-a": 59_750 * 8})


def test_chip_seconds_and_metered_work_split_in_proportion_and_sum_exactly(store: Store, tmp_path: Path) -> None:
    ms = START * 1000
    text = f"meter,start,stop,checkpoint,chip_seconds,work_flop\nhall-a,{ms + 59_000},{ms + 62_000},r,10.0005,1.0000000000001e14\n"
    import_usage(store, AGREEMENT, write(tmp_path, text))
    usage = all_usage(store)
    assert [u.epoch for u in usage] == [0, 1]
    assert sum(u.chip_ms for u in usage) == 10_001 and sum(u.work or 0 for u in usage) == 101


def test_time_without_a_checkpoint_is_unattributed_and_idle_is_what_is_left(store: Store, tmp_path: Path) -> None:
    text = "meter,epoch,checkpoint,chip_seconds\n# a remark\nhall-a,0,,5\nhall-a,0,unknown,6\n"
    text += "hall-a,0,idle,400\n\nhall-a,1,Unattributed,7\n"
    report = import_usage(store, AGREEMENT, write(tmp_path, text))
    assert [(u.epoch, u.tag, u.chip_ms) for u in all_usage(store)] == [(0, 2, 5000), (0, 2, 6000), (1, 2, 7000)]
    assert report.unattributed_ms == 18_000 and report.rows == 4


GOOD = "hall-a,0,run,5\n"


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            "meter,epoch,checkpoint,chip_seconds",
            "hall-z,0,run,5",
            "gives lab alpha no meter 'hall-z'; its meters are hall-a, hall-b",
        ),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,12,run,5", "12|not one of the agreement's periods"),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,-1,run,5", "not a whole number"),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,0,run,-5", "not a number of the form"),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,0,run,nan", "not a number of the form"),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,0,run", "3 fields where the header has 4"),
        ("meter,epoch,checkpoint,chip_seconds", ",0,run,5", "column meter is empty"),
        ("meter,epoch,checkpoint,chip_seconds", "hall-a,,run,5", "either an epoch, or a start and a stop"),
        ("meter,epoch,checkpoint,chip_seconds", 'hall-a,0,"run,5', "not CSV"),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,2026-01-01T00:00:00,2026-01-01T00:00:01Z,run,5",
            "no offset from UTC",
        ),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,2026-01-01T00:00:02Z,2026-01-01T00:00:01Z,run,5",
            "stops before it starts",
        ),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,2026-01-01T00:00:00Z,2026-01-01T00:00:01Z,run,9",
            "held 9 chips, meter hall-a has 8",
        ),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,2025-12-31T23:59:59Z,2026-01-01T00:00:01Z,run,8",
            "outside the agreement's periods",
        ),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,yesterday,2026-01-01T00:00:01Z,run,8",
            "start 'yesterday' is not a time",
        ),
        (
            "meter,start,stop,checkpoint,chips",
            "hall-a,2026-01-01T00:00:00Z,2036-01-01T00:00:01Z,run,8",
            "longer than the agreement",
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_imported(
    store: Store, tmp_path: Path, header: str, row: str, message: str
) -> None:
    good = "hall-b,0,run,5\n" if "epoch" in header else "hall-b,2026-01-01T00:00:00Z,2026-01-01T00:00:01Z,run,2\n"
    path = write(tmp_path, f"{header}\n{good}{row}\n")
    with pytest.raises(ImportRefused, match=message) as caught:
        import_usage(store, AGREEMENT, path)
    assert (caught.value.source, caught.value.line) == ("usage.csv", 3)
    assert str(caught.value).startswith("usage.csv:3: ")
    assert all_usage(store, "hall-b") == [] and store.find_tag("run") is None
    import_usage(store, AGREEMENT, write(tmp_path, f"{header}\n{good}"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"meter,epoch,checkpoint,chip_seconds,colour\n", "column 'colour' is not known"),
        (b"meter,meter\n", "a column occurs twice"),
        (b"", "the file is empty"),
        (b"meter,epoch\nhall-\xff,1\n", "usage.csv:2: the text is not UTF-8"),
    ],
)
def test_a_bad_file_is_refused(store: Store, tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "usage.csv"
    path.write_bytes(data)
    with pytest.raises(ImportRefused, match=message):
        import_usage(store, AGREEMENT, path)
    with pytest.raises(ImportRefused, match="cannot be read"):
        import_usage(store, AGREEMENT, tmp_path / "missing.csv")


def test_overlapping_jobs_beyond_the_chips_are_refused_with_advice(store: Store, tmp_path: Path) -> None:
    rows = "".join(f"hall-a,2026-01-01T00:00:00Z,2026-01-01T00:00:50Z,run-{i},5\n" for i in range(2))
    path = write(tmp_path, "meter,start,stop,checkpoint,chips\n" + rows)
    with pytest.raises(
        ImportRefused, match=r"epoch 0 would hold 500 busy chip-seconds, its chips have 480: usage.csv:2, usage.csv:3; overlapping jobs"
    ):
        import_usage(store, AGREEMENT, path)
    assert all_usage(store) == []


def test_a_file_is_charged_once(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, "meter,epoch,checkpoint,chip_seconds\n" + GOOD)
    import_usage(store, AGREEMENT, path)
    with pytest.raises(StoreError, match="imported before, as usage.csv"):
        import_usage(store, AGREEMENT, path)
    assert len(all_usage(store)) == 1


def test_jobs_outside_are_skipped_only_when_asked_and_counted(store: Store, tmp_path: Path) -> None:
    text = "meter,start,stop,checkpoint,chips\nhall-a,2020-01-01T00:00:00Z,2020-01-01T00:00:01Z,run,5\n"
    text += "hall-a,2026-01-01T00:00:00Z,2026-01-01T00:00:01Z,run,5\n"
    report = import_usage(store, AGREEMENT, write(tmp_path, text), skip_outside=True)
    assert (report.rows, report.skipped) == (1, 1)
    straddling = text.replace("2020-01-01T00:00:01Z", "2026-01-01T00:00:01Z")
    with pytest.raises(ImportRefused):
        import_usage(store, AGREEMENT, write(tmp_path, straddling), skip_outside=True)


def test_parquet_reads_as_csv_does_or_says_what_is_missing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "usage.parquet"
    path.write_bytes(b"PAR1")
    pyarrow = pytest.importorskip("pyarrow") if _has_pyarrow() else None
    if pyarrow is None:
        with pytest.raises(MissingDependency, match="pip install pyarrow"):
            import_usage(store, AGREEMENT, path)
        return
    with pytest.raises(ImportRefused, match="not a Parquet file"):
        import_usage(store, AGREEMENT, path)
    from pyarrow import parquet

    columns = {"meter": ["hall-a"], "epoch": [3], "checkpoint": ["run"], "chip_seconds": [7]}
    parquet.write_table(pyarrow.table(columns), path)
    import_usage(store, AGREEMENT, path)
    assert [(u.epoch, u.chip_ms) for u in all_usage(store)] == [(3, 7000)]


def _has_pyarrow() -> bool:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def test_imported_time_can_be_sealed_and_is_late_after(tmp_path: Path) -> None:
    store, agreement = make_lab(tmp_path)
    text = "meter,start,stop,checkpoint,chips\nhall-a,2026-01-01T00:00:00.001Z,2026-01-01T00:04:00Z,,8\n"
    import_usage(store, agreement, write(tmp_path, text))
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0)
    assert {r.tag for r in store.readings(0, "hall-a")} == {2}
    with pytest.raises(ClaimsError, match="has signed period 0"):
        import_usage(store, agreement, write(tmp_path, text.replace(",8\n", ",7\n")))


CHECKPOINTS = "name,kind,parents,time,declared_flop,weights,branch\n"


def test_checkpoints_are_noted_with_parents_and_exact_declared_work(store: Store, tmp_path: Path) -> None:
    text = CHECKPOINTS + f"llama,external,,2026-01-01T00:00:00Z,1.0000000000001e14,{'ab' * 32},\n"
    text += "a,,llama,2026-01-01T00:01:00Z,,,yes\nb,checkpoint,llama,2026-01-01T00:01:30Z,,,\nm,merge,a|b,2026-01-01T00:03:59Z,,,\n"
    assert import_checkpoints(store, AGREEMENT, write(tmp_path, text)).noted == 4
    drafts = store.drafts(0)
    assert [(d.name, d.kind, d.parents, d.epoch, d.declared, d.branch) for d in drafts] == [
        ("llama", "EXTERNAL", (), 0, 101, None),
        ("a", "CHECKPOINT", ("llama",), 1, 0, True),
        ("b", "CHECKPOINT", ("llama",), 1, 0, None),
        ("m", "MERGE", ("a", "b"), 3, 0, None),
    ]
    assert drafts[0].weights == b"\xab" * 32


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "x,checkpoint,missing,2026-01-01T00:00:00Z,,,",
            "its parent missing is not in the registry; add the parent first",
        ),
        ("x,merge,a,2026-01-01T00:00:00Z,,,", "MERGE has 2 parents, not 1"),
        ("x,merge,a|a,2026-01-01T00:00:00Z,,,", "two different parents"),
        ("x,external,,2026-01-01T00:00:00Z,,,", "declare the work that made them"),
        ("x,opening,,2026-01-01T00:00:00Z,,,", "'OPENING' is not a kind"),
        ("x,checkpoint,a,2026-01-01T00:00:00Z,1e20,,", "only weights from outside declare work"),
        ("x,checkpoint,a,2027-01-01T00:00:00Z,,,", "not one of the agreement's periods"),
        ("x,checkpoint,a,2026-01-01T00:00:00Z,,zz,", "not a SHA-256"),
        ("x,checkpoint,a,2026-01-01T00:00:00Z,,,maybe", "neither yes nor no"),
        ("a,checkpoint,,2026-01-01T00:00:00Z,,,", "in the registry already"),
        ("idle,checkpoint,,2026-01-01T00:00:00Z,,,", "not a checkpoint's name"),
    ],
)
def test_a_bad_checkpoint_imports_none(store: Store, tmp_path: Path, row: str, message: str) -> None:
    path = write(tmp_path, CHECKPOINTS + "a,checkpoint,,2026-01-01T00:00:00Z,,,\n" + row + "\n", "ckpt.csv")
    with pytest.raises(ImportRefused, match=message) as caught:
        import_checkpoints(store, AGREEMENT, path)
    assert caught.value.line == 3
    assert store.drafts(0) == [] and store.find_tag("a") is None


def test_meters_of_another_agreement_are_not_confused(store: Store, tmp_path: Path) -> None:
    lab = AGREEMENT.labs[0]
    fewer = dataclasses.replace(AGREEMENT, labs=(dataclasses.replace(lab, meters=lab.meters[1:]),))
    with pytest.raises(ImportRefused, match="no meter 'hall-a'"):
        import_usage(store, fewer, write(tmp_path, "meter,epoch,checkpoint,chip_seconds\n" + GOOD))


def test_work_without_chip_seconds_is_charged_over_several_epochs(store: Store, tmp_path: Path) -> None:
    ms = START * 1000
    text = f"meter,start,stop,checkpoint,chips,work_flop\nhall-a,{ms},{ms + 3 * EPOCH * 1000},r,0,1e14\n"
    import_usage(store, AGREEMENT, write(tmp_path, text))
    assert sum(u.work or 0 for u in all_usage(store)) == 100


def test_a_file_whose_name_is_not_unicode_is_remembered(store: Store, tmp_path: Path) -> None:
    text = "meter,epoch,checkpoint,chip_seconds\nhall-a,0,,5\n"
    path = write(tmp_path, text, os.fsdecode(b"usage\xff.csv"))
    import_usage(store, AGREEMENT, path)
    with pytest.raises(StoreError, match="imported before, as usage"):
        import_usage(store, AGREEMENT, path)


def test_no_run_is_taken_for_a_remark(store: Store, tmp_path: Path) -> None:
    """A first column of names: what begins with a hash is charged, or refused."""
    import_usage(store, AGREEMENT, write(tmp_path, "checkpoint,meter,epoch,chip_seconds\n#7,hall-a,0,5\n"))
    assert [(store.name(u.tag), u.chip_ms) for u in all_usage(store)] == [("#7", 5000)]
    with pytest.raises(ImportRefused, match="1 fields where the header has 4"):
        import_usage(store, AGREEMENT, write(tmp_path, "checkpoint,meter,epoch,chip_seconds\n# a remark\n", "other.csv"))


def test_nanoseconds_widen_an_interval_too(store: Store, tmp_path: Path) -> None:
    text = "meter,start,stop,checkpoint,chips\nhall-a,2026-01-01T00:00:00.000999999Z,2026-01-01T00:00:01.000000001Z,r,1\n"
    import_usage(store, AGREEMENT, write(tmp_path, text))
    assert [u.chip_ms for u in all_usage(store)] == [1001]
