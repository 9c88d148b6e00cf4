"""Spans become usage: exact sums rounded up, windows that tile, slack that never overfills, one transaction."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_world import PEAKS, START, agreement_of, by_epoch, totals
from lab_fixtures import EPOCH, METER_KEYS, make_agreement

from claims.base.errors import ClaimsError
from claims.imports import charge as module
from claims.imports.charge import Charged, Source, Span, Window, charge
from claims.imports.charge_columns import Sums
from claims.imports.slurm import import_slurm
from claims.imports.slurm_rows import SlurmOptions
from claims.imports.tables import Clock, JobMap, NodeMap
from claims.imports.usage import import_usage
from claims.imports.usage_rows import UsageReader
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import open_registry
from claims.lab.store import Store

EPOCH_MS = 600_000
PEAK = agreement_of({"m": ("h100", 100), "n": ("mi300x", 8)}, epoch=600, epochs=6, periods=3)
METERED = agreement_of({"m": ("h100", 100), "n": ("mi300x", 8)}, epoch=600, epochs=6, periods=3, charge_peak=False)
LENGTH = EPOCH_MS * 18
ORIGIN = START * 1000


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "alpha.store", "alpha") as opened:
        yield opened


def put(store: Store, agreement, *spans: Span, window: Window | None = None, skip_outside: bool = False) -> Charged:
    report = Charged()
    charge(
        store, agreement, spans, kind="test", label="f", files=[b"f"], report=report, window=window, skip_outside=skip_outside
    )
    return report


def span(start: int, stop: int, chips: object = 1, meter: str = "m", label: str | None = None, **rest: object) -> Span:
    return Span(Source("f", 7), meter, label, ORIGIN + start, ORIGIN + stop, Fraction(chips), **rest)  # type: ignore[arg-type]


SPANS = st.lists(
    st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH), st.fractions(0, 3, max_denominator=1000), st.sampled_from([None, "a", "b"])),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(SPANS, st.lists(st.integers(0, LENGTH), max_size=4))
def test_windows_tile_and_never_charge_less_than_the_exact_sum(
    tmp_path_factory: pytest.TempPathFactory, raw: list[tuple], cuts: list[int]
) -> None:
    spans = [span(min(a, b), max(a, b), chips, label=label) for a, b, chips, label in raw]
    exact = sum(((item.stop - item.start) * item.chips for item in spans), Fraction())
    edges = sorted({0, LENGTH, *cuts})
    with Store.create(tmp_path_factory.mktemp("c") / "s", "alpha") as store:
        for a, b in zip(edges, edges[1:], strict=False):
            put(store, PEAK, *spans, window=Window(ORIGIN + a, ORIGIN + b))
        charged = sum(totals(store, PEAK).values())
    assert exact <= charged < exact + len(spans) * len(edges) + 1
    if all(item.chips.denominator == 1 for item in spans):
        assert charged == exact


@settings(max_examples=60, deadline=None)
@given(SPANS)
def test_metered_agreements_charge_at_peak_what_has_no_work(tmp_path_factory: pytest.TempPathFactory, raw: list[tuple]) -> None:
    spans = [span(min(a, b), max(a, b), chips, label=label) for a, b, chips, label in raw]
    with Store.create(tmp_path_factory.mktemp("c") / "s", "alpha") as store:
        put(store, METERED, *spans)
        usage = [item for period in range(3) for item in store.usage(period, "m")]
    assert sum(item.work or 0 for item in usage) * 1000 >= sum(item.chip_ms for item in usage) * PEAKS["h100"]


def test_known_work_is_split_exactly_and_cut_in_proportion(store: Store) -> None:
    whole = span(0, 3 * EPOCH_MS, 2, work=Fraction(10**15))
    put(store, METERED, whole, window=Window(ORIGIN, ORIGIN + EPOCH_MS))
    put(store, METERED, whole, window=Window(ORIGIN + EPOCH_MS, ORIGIN + 3 * EPOCH_MS))
    assert [item.work for item in store.usage(0, "m")] == [334, 334, 333]


def test_slack_is_charged_last_and_only_where_there_is_room(store: Store) -> None:
    report = put(store, PEAK, span(0, 2 * EPOCH_MS, 8, "n", slack=True), span(0, EPOCH_MS, 5, "n"))
    assert by_epoch(store, PEAK, "n") == {0: 8 * EPOCH_MS, 1: 8 * EPOCH_MS}
    assert (report.slack_ms, report.full_ms) == (11 * EPOCH_MS, 5 * EPOCH_MS)
    again = put(store, PEAK, span(0, EPOCH_MS, 8, "n", slack=True), window=Window(ORIGIN))
    assert again.slack_ms == 0 and by_epoch(store, PEAK, "n")[0] == 8 * EPOCH_MS


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (span(0, 5, 101), "f:7: it held 101 chips, meter m has 100"),
        (span(0, 5, label="idle"), "busy time cannot be called idle"),
        (span(0, 5, label="x" * 201), "cannot name a checkpoint"),
        (span(-5, 5), "outside the agreement's periods"),
        (span(0, LENGTH + 1), "outside the agreement's periods"),
        (span(0, 5, work=Fraction(10**99)), "which no claim can hold"),
    ],
)
def test_bad_spans_charge_nothing(store: Store, bad: Span, message: str) -> None:
    with pytest.raises(ClaimsError, match=message):
        put(store, METERED, span(0, 1000, label="good"), bad)
    assert totals(store, METERED) == {} and store.find_tag("good") is None


def test_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 5)
    with pytest.raises(ClaimsError, match="more than 5 rows"):
        put(store, PEAK, span(0, LENGTH))
    monkeypatch.setattr(module, "MAX_SPANS", 1)
    with pytest.raises(ClaimsError, match="more than 1 spans"):
        put(store, PEAK, span(0, 5), span(0, 5))


def test_what_was_imported_can_be_sealed_and_late_rows_are_refused(store: Store, tmp_path: Path) -> None:
    agreement = make_agreement(open_registry(store, ()))
    header = "JobIDRaw|JobName|State|Start|End|ElapsedRaw|AllocTRES|NodeList\n"
    row = "{0}|j|COMPLETED|2026-01-01T00:00:{1:02d}|2026-01-01T00:03:00|{2}|gres/gpu=8|n1\n"
    options = SlurmOptions(Clock.of("UTC"), NodeMap(default="hall-a"), JobMap())
    (tmp_path / "one").write_text(header + row.format(1, 7, 173))
    import_slurm(store, agreement, tmp_path / "one", options)
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, 0)
    busy = {}
    for reading in store.readings(0, "hall-a"):
        busy[reading.epoch] = busy.get(reading.epoch, 0) + (reading.chip_seconds if reading.tag == 2 else 0)
    assert busy == {0: (EPOCH - 7) * 8, 1: EPOCH * 8, 2: EPOCH * 8, 3: 8}
    (tmp_path / "two").write_text(header + row.format(2, 3, 177).replace("gpu=8", "gpu=1"))
    with pytest.raises(ClaimsError, match="sign|seal"):
        import_slurm(store, agreement, tmp_path / "two", options)


def test_names_write_no_lines_of_the_report() -> None:
    report = Charged(notes=["3 steps before run\n9 chip-seconds charged on 1 meters, periods [0]"])
    assert not any("\n" in line for line in report.lines())


def test_the_store_is_not_locked_while_a_file_is_read(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: dict[str, bool] = {}
    whole = module._charge_span

    def watched(item: Span, *rest: object) -> None:
        locked["slack" if item.slack else item.label or ""] = store._db.in_transaction
        whole(item, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_charge_span", watched)
    put(store, PEAK, span(0, 5000, Fraction(1, 2), label="a"), span(5000, 6000, label="a", slack=True))
    assert locked == {"a": False, "slack": True}
    add, fill = Sums.add, Sums.fill
    monkeypatch.setattr(Sums, "add", lambda *rest: (locked.update(add=store._db.in_transaction), add(*rest)))
    monkeypatch.setattr(Sums, "fill", lambda *rest: (locked.update(fill=store._db.in_transaction), fill(*rest)))
    put(store, PEAK, span(0, 5000, label="a"), span(5000, 6000, label="a", slack=True), window=Window(ORIGIN))
    assert (locked["add"], locked["fill"]) == (False, True)
    read = UsageReader.read
    monkeypatch.setattr(UsageReader, "read", lambda self: (locked.update(file=store._db.in_transaction), read(self)))
    (tmp_path / "usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\nm,2,a,10\n")
    import_usage(store, PEAK, tmp_path / "usage.csv")
    assert locked["file"] is False
