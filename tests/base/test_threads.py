"""Checks in threads: the same answers in the same order, and the first failure."""

from __future__ import annotations

import pytest

from claims.base.threads import in_threads


@pytest.mark.parametrize("count", [0, 5, 1000])
def test_answers_come_in_order(count: int) -> None:
    assert list(in_threads(lambda item: item * 2, range(count))) == [2 * item for item in range(count)]


@pytest.mark.parametrize("count", [5, 1000])
def test_the_first_failure_is_raised_after_what_came_before(count: int) -> None:
    seen = []
    with pytest.raises(ZeroDivisionError):
        for value in in_threads(lambda item: 1 // (item - 3), range(count)):
            seen.append(value)
    assert len(seen) <= 3
