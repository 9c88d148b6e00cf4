"""Exact amounts, and bounded JSON."""

from __future__ import annotations

import sys
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims.base.canonical import from_json
from claims.base.errors import QuantityError
from claims.base.units import (
    cap_from_text,
    flop_from_text,
    format_duration,
    format_time,
    format_work,
    peak_from_text,
    seconds_from_text,
    time_from_text,
)


@pytest.mark.parametrize(
    ("text", "peak"),
    [("1.5e16 FLOP/s", 15000), ("15 PFLOP/s", 15000), ("1 FLOP/s", 1), ("1000000000001 FLOP/s", 2), ("989.4 TFLOP/s", 990)],
)
def test_peaks_round_up(text: str, peak: int) -> None:
    assert peak_from_text(text) == peak


@pytest.mark.parametrize(
    ("text", "cap"),
    [("1e25 FLOP", 10**13), ("999999999999 FLOP", 0), ("1.9999 TFLOP", 1), ("9007199254740993e12 FLOP", 2**53 + 1)],
)
def test_caps_round_down(text: str, cap: int) -> None:
    assert cap_from_text(text) == cap


@pytest.mark.parametrize(
    "text",
    ["", "1", "1e25", "-1 FLOP", "1e-3 FLOP", "1,5 FLOP", "1e25 FLOP/s", "1e100 FLOP", ".5 FLOP", "\u0663 FLOP", "1 FLOP\n"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        flop_from_text(text, rate=False)


@given(st.integers(0, 2**64 - 1))
def test_work_reads_back_exactly(units: int) -> None:
    assert flop_from_text(format_work(units), rate=False) == Fraction(units) * 10**12


@given(st.integers(1, 10**9))
def test_durations_read_back(seconds: int) -> None:
    assert seconds_from_text(format_duration(seconds)) == seconds


@given(st.integers(0, 253402300799))
def test_times_read_back(seconds: int) -> None:
    assert time_from_text(format_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-01-01", "2026-01-01T00:00:00+01:00"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        time_from_text(text)


def test_deep_json_is_refused_whatever_the_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(1_000_000)
        for bad in (b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[" * 17 + b"]" * 17, b"\xff", b"{"):
            with pytest.raises(ValueError):
                from_json(bad)
    finally:
        sys.setrecursionlimit(limit)
    assert from_json(b'{"a": [1, {"b": "x"}]}') == {"a": [1, {"b": "x"}]}


def test_brackets_in_texts_neither_count_nor_hide_nesting() -> None:
    assert from_json(b'{"a": "[[[' + b"[" * 500 + b'", "b": "\\"]"}')["b"] == '"]'
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(1_000_000)
        for closers in (b'"' + b"]" * 200_000 + b'"', b'"\\"' + b"}" * 200_000 + b'"'):
            with pytest.raises(ValueError, match="nested deeper"):
                from_json(b"[" + closers + b", " + b"[" * 200_000 + b"]" * 200_000 + b"]")
    finally:
        sys.setrecursionlimit(limit)


def test_a_text_that_does_not_end_takes_no_time() -> None:
    """The guard against nesting once began anew at each escaped quote: 64 KB took 15 s, 8 MB days."""
    begin = time.process_time()
    for data in (b'"' + b'\\"' * 32_000, b'{"a": "' + b'\\"' * 32_000 + b"\\"):
        with pytest.raises(ValueError):
            from_json(data)
    assert time.process_time() - begin < 5
