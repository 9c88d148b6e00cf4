"""Dates in what commands print; on the page they are tests/site/test_text.py's."""

from __future__ import annotations

import pytest

from claims.base.dates import readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it ends at 2026-01-03T00:00:00Z", "it ends at 3 Jan 2026, 00:00 UTC"),
        ("(2026-01-03T00:00:09Z)\n2026-12-31T23:59:00Z.", "(3 Jan 2026, 00:00:09 UTC)\n31 Dec 2026, 23:59 UTC."),
        ("2026-01-03T00:00:00Z: no", "3 Jan 2026, 00:00 UTC: no"),
    ],
)
def test_times_are_said_in_words(text: str, shown: str) -> None:
    assert readable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "standstill status FOLDER --now 2026-01-03T00:00:00Z",
        'write it like "2026-01-03T00:00:00Z"',
        "'2026-01-03T00:00:00Z' is not a time",
        "hall-1,2026-01-03T00:00:00Z,2026-01-03T06:00:00Z,run/1,8",
        "pods-2026-01-03T00:00:00Z.json: exists already",
        "/tmp/2026-01-03T00:00:00Z/log",
        "2026-02-30T00:00:00Z 2026-01-03T24:00:00Z 2026-01-03T00:00:00.123Z x2026-01-03T00:00:00Z",
    ],
)
def test_what_somebody_may_copy_stays(text: str) -> None:
    assert readable(text) == text
