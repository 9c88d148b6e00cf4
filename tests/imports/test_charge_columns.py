"""Spans charged as columns: what is charged, from which line, and what is reported, is the same as span by span."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from import_world import START, agreement_of

from claims.base.errors import ClaimsError
from claims.claim.records import Usage
from claims.imports import charge as module
from claims.imports import charge_columns
from claims.imports.charge import Charged, Source, Span, Window, charge
from claims.lab.store import Store

EPOCH_MS = 600_000
AGREEMENT = agreement_of({"m": ("h100", 100), "n": ("mi300x", 8)}, epoch=600, epochs=6, periods=3)
LENGTH = EPOCH_MS * 18
ORIGIN = START * 1000
LABELS = (None, "a", " a", "b", "Unattributed", "c/1")


def some_spans(rng: Random, *, beyond: int) -> list[Span]:
    spans = []
    for line in range(rng.randrange(1, 40)):
        begin = rng.randrange(-beyond, LENGTH + beyond)
        stop = min(begin + rng.choice((0, 1, 999, EPOCH_MS, rng.randrange(LENGTH))), LENGTH + beyond)
        held = rng.choice("mn"), rng.choice(LABELS), ORIGIN + begin, ORIGIN + stop, rng.randrange(8)
        spans.append(Span(Source("f", line + 2), *held, slack=rng.random() < 0.4))
    return spans


def outcome(folder: Path, spans: list[Span], window: Window, skip: bool, earlier: list[Usage]) -> Any:
    """What the store holds, names for tags, and the report; or the refusal."""
    report = Charged()
    with Store.create(folder / "alpha.store", "alpha") as store:
        store.add_usage(0, "n", earlier)
        try:
            charge(store, AGREEMENT, spans, kind="test", label="f", files=[b"f"], report=report, window=window, skip_outside=skip)
        except ClaimsError as error:
            return str(error)
        rows = store._query("SELECT period, meter, epoch, place, line, tag, chip_ms, work FROM usage WHERE import > 0 ORDER BY 1, 2, 3, 4")
        return [tuple(store.name(value) if place == 5 else value for place, value in enumerate(row)) for row in rows], vars(report)


@pytest.mark.parametrize("seed", range(40))
def test_columns_charge_what_spans_charge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rng = Random(seed)
    monkeypatch.setattr(charge_columns, "PARTS", rng.choice((2, 1 << 20)))
    spans = some_spans(rng, beyond=rng.choice((0, 2 * EPOCH_MS)))
    edges = sorted(rng.sample(range(LENGTH), 2))
    window = rng.choice((Window(), Window(ORIGIN + edges[0], ORIGIN + edges[1]), Window(None, ORIGIN + edges[1])))
    earlier = [Usage(epoch, 2, rng.randrange(8 * EPOCH_MS), None) for epoch in range(rng.randrange(6))]
    given = spans, window, rng.random() < 0.7, earlier
    (tmp_path / "columns").mkdir()
    quick = outcome(tmp_path / "columns", *given)
    monkeypatch.setattr(module, "columns_of", lambda *_: None)
    assert quick == outcome(tmp_path, *given)


def test_plain_spans_are_charged_as_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_charge_spans", None)
    spans = [Span(Source("f", 2), "m", "a", ORIGIN, ORIGIN + LENGTH, 3)]
    spans.append(Span(Source("f", 3), "m", "a", ORIGIN, ORIGIN + 1000, 3, slack=True))
    rows, report = outcome(tmp_path, spans, Window(), False, [])
    assert sum(row[6] for row in rows) == 3 * LENGTH + 3000 and report["slack_ms"] == 3000


@pytest.mark.parametrize("bad", [
    {"label": "idle"}, {"chips": 9}, {"start": ORIGIN - 5}, {"stop": ORIGIN + LENGTH + 5}, {"label": "x|y"},
])  # fmt: skip
def test_a_bad_span_is_named_by_its_line(tmp_path: Path, bad: dict[str, Any]) -> None:
    good = {"meter": "n", "label": "a", "start": ORIGIN, "stop": ORIGIN + 1000, "chips": 1}
    spans = [Span(Source("f", line), **(good | (bad if line == 3 else {}))) for line in range(2, 6)]
    text = outcome(tmp_path, spans, Window(), False, [])
    assert isinstance(text, str) and text.startswith("f:3: ")
