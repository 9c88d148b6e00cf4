"""What may stand in a text, and dates in words: FORMATS.md, Python and JavaScript say the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from claims.base.text import HIDDEN, MAX_PROSE, SPACES, is_key_name, is_prose
from claims.site.words import moment, readable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VECTORS = json.loads((HERE.parent / "vectors" / "text.json").read_text())
LENGTHS = {"x" * MAX_PROSE: True, "x" * (MAX_PROSE + 1): False, "\U0001f600" * MAX_PROSE: True}
NAME_LENGTHS = {"x" * 255: True, "x" * 256: False, "\u00e9" * 127 + "x": True, "\u00e9" * 128: False}
LAST = 0x10FFFF

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@cache
def javascript() -> Any:
    """What judge.mjs answers about all of it."""
    prose = [text for text, _ in VECTORS["prose"]] + list(LENGTHS)
    names = [text for text, _ in VECTORS["names"]] + list(NAME_LENGTHS)
    request = json.dumps({"task": "text", "prose": prose, "names": names})
    done = subprocess.run(["node", str(HERE / "judge.mjs")], input=request, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def changes(judge: Callable[[str], bool]) -> list[int]:
    """The code points whose verdict differs from that of the one before, which begins as True."""
    verdicts = [True, *(judge(chr(code)) for code in range(LAST + 1))]
    return [code for code, (before, now) in enumerate(pairwise(verdicts)) if before != now]


def ends(ranges: list[tuple[int, int]]) -> list[int]:
    """`changes` of a judge that refuses exactly these ranges."""
    points = {point: None for first, last in sorted(ranges) for point in (first, last + 1)}
    refused = [any(first <= point <= last for first, last in ranges) for point in points]
    found = [point for point, before, now in zip(points, [False, *refused], refused, strict=False) if before != now]
    return [point for point in found if point <= LAST]


def test_the_ranges_are_those_of_the_text() -> None:
    text = (ROOT / "claims" / "FORMATS.md").read_text()
    block = text[text.index("    0000-001F ") :].split("\n\n")[0]
    listed = [(int(first, 16), int(last or first, 16)) for first, last in re.findall(r"\b([0-9A-F]{4,6})(?:-([0-9A-F]{4,6}))?\b", block)]
    listed += [(plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(2, 14)]  # what "..." stands for
    assert sorted(listed) == sorted(HIDDEN)
    line = re.search(r"and spaces: U\+([0-9A-F -]+)\.", (ROOT / "claims" / "FORMATS-log.md").read_text())
    assert line is not None
    spaces = [part.split("-") for part in line[1].split()]
    assert [(int(part[0], 16), int(part[-1], 16)) for part in spaces] == list(SPACES)


def test_every_code_point_alone() -> None:
    hidden = [item for item in HIDDEN if item != (0, 0x1F)] + [(0, 9), (11, 0x1F)]
    assert changes(is_prose) == ends(hidden)
    assert changes(is_key_name) == ends([*HIDDEN, *SPACES, (0x2B, 0x2B)])


@needs_node
def test_javascript_judges_every_code_point_alike() -> None:
    assert javascript()["proseChanges"] == changes(is_prose)
    assert javascript()["nameChanges"] == changes(is_key_name)


@needs_node
def test_vectors() -> None:
    for kind, judge, lengths in (("prose", is_prose, LENGTHS), ("names", is_key_name, NAME_LENGTHS)):
        cases = [*map(tuple, VECTORS[kind]), *lengths.items()]
        assert [judge(text) for text, _ in cases] == [good for _, good in cases]
        assert javascript()[kind] == [good for _, good in cases]


@needs_node
def test_dates_in_words() -> None:
    """A time without a four-digit year is a number of seconds, and a day that no calendar has stays as it was written."""
    times = [0, 59, 1767225600, 1767229845, 253402300799, 253402300800, 8 * 10**12, 2**53 - 1, -62135596800, -62135596801]
    stamps = ["2026-01-31T23:59:59Z", "2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z", "2026-02-30T10:00:00Z", "2026-13-01T00:00:00Z",
              "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]  # fmt: skip
    request = json.dumps({"task": "moments", "times": times, "stamps": stamps})
    done = subprocess.run(["node", str(HERE / "judge.mjs")], input=request, capture_output=True, text=True, check=True)
    words = [re.sub("<[^>]*>", "", str(moment(time))) for time in times]
    assert words[4:6] == ["31 Dec 9999, 23:59:59 UTC", "second 253402300800"]
    read = [re.sub("<[^>]*>", "", str(readable(stamp))) for stamp in stamps]
    assert json.loads(done.stdout) == {"times": words, "stamps": read} and read[3] == stamps[3]
