"""Attacks on the opening table: chains of the wrong kind, the wrap-around, openings under another meter's number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_opening import READ, SMALL, USED, failures, trace_of

from circuits.opening import COLUMNS, OpenedReading
from zk.field import P


def _column(name: str) -> int:
    return COLUMNS.index(name)


@pytest.mark.parametrize("shift", [1, 7, 64 - USED + 2, 63])
def test_a_table_that_is_turned_says_the_same_and_no_more(shift: int) -> None:
    """The table is a cycle: chains that wrap around its end are chains; what they open stays what it is."""
    turned = np.roll(trace_of(), shift, axis=1)
    assert failures(turned) == []
    lied = dataclasses.replace(SMALL, readings=(dataclasses.replace(READ[0], index=READ[0].index + 1), *READ[1:]))
    assert failures(turned, lied)


@pytest.mark.parametrize("chain", [0, 1, 3, P - 1])
def test_a_reading_cannot_be_opened_under_another_number(chain: int) -> None:
    """The second meter's reading, its row renumbered to another chain, or to none."""
    shown = dataclasses.replace(SMALL, readings=(READ[3],), entries=())
    trace = trace_of(shown)
    row = next(r for r in range(64) if trace[_column("open"), r])
    trace[_column("chain"), row] = chain
    lied = dataclasses.replace(shown, readings=(OpenedReading(1, *dataclasses.astuple(READ[3])[1:]),))
    assert "chain_stays" in {failure.constraint for failure in failures(trace, lied)}


@pytest.mark.parametrize("value", [2, P - 1])
def test_open_is_no_multiplicity(value: int) -> None:
    """Two openings cannot be counted against each other by a multiplicity other than 0 and 1."""
    trace = trace_of()
    for row in range(64):
        if trace[_column("open"), row]:
            changed = trace.copy()
            changed[_column("open"), row] = value
            assert "open_is_a_bit" in {failure.constraint for failure in failures(changed)}


def test_open_outside_of_records_sends_nothing() -> None:
    """`open`, `key` and `first` are free on headers, ends and padding: no row there says anything for it."""
    trace = trace_of()
    kinds = np.add.reduce([trace[_column(kind)] for kind in ("rd", "e0", "e1", "e2", "e3", "e4")])
    for row in np.flatnonzero(kinds == 0):
        after = (int(row) + 1) % 64
        trace[_column("open"), row] = 1
        if trace[_column("rd"), after] == 0:
            trace[_column("first"), row] = 1
        trace[_column("key"), row] = 5
    assert failures(trace) == []
