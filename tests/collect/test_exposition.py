"""The text format: what exporters write, and what a hostile one may write."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from fake_exporter import Gpu, render
from hypothesis import given
from hypothesis import strategies as st

from claims.imports.exposition import MAX_LABELS, MAX_LINE, Line, NotExposition, parse_exposition


def one(text: str) -> Line:
    (line,) = parse_exposition(text.encode() + b"\n")
    return line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up 1", Line("up", {}, "1", None)),
        ("up{} 1", Line("up", {}, "1", None)),
        ('a_b:c{x="1",y="2"} 1.5e-3 1767225600000', Line("a_b:c", {"x": "1", "y": "2"}, "1.5e-3", 1767225600000)),
        ('a{x="1",} +Inf', Line("a", {"x": "1"}, "+Inf", None)),
        ('a{ x = "1" , y="2" }  NaN  -5', Line("a", {"x": "1", "y": "2"}, "NaN", -5)),
        ('a {x="}"}\t.5', Line("a", {"x": "}"}, ".5", None)),
        ('a{x="q\\"b\\\\s\\nn"}7', Line("a", {"x": 'q"b\\s\nn'}, "7", None)),
        ("up nan", Line("up", {}, "nan", None)),
        ("up -inf 5", Line("up", {}, "-inf", 5)),
        ("up N/A", Line("up", {}, "N/A", None)),
        ("up 0x10", Line("up", {}, "0x10", None)),
        ("up 1up 2", Line("up", {}, "1up", 2)),
        ('a{x="\u00e9, \U0001f600"} 1', Line("a", {"x": "\u00e9, \U0001f600"}, "1", None)),
    ],
)
def test_lines_of_the_format(text: str, expected: Line) -> None:
    assert one(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "up", "up ", "1up 1", "up1.5x 1", "up 1 2 3", "up 1 2.5", "up 1 two", "up 1 # {} 2", "up 1{x=\"1\"} 2", "up " + "1" * 65, "up{",
        'up{x="1" 1', 'up{x="1"', 'up{x=1} 1', 'up{x="1"y="2"} 1', 'up{x="1",,y="2"} 1', 'up{,} 1', 'up{x="1",x="2"} 1',
        'up{x="\\t"} 1', 'up{x="\\"} 1', 'up{1x="1"} 1', '{x="1"} 1', "up 1\r", "up\x001", 'up{x="1"} 1 ' + "9" * 20,
        "up " + "1" * MAX_LINE, "up{" + ",".join(f'l{n}="1"' for n in range(MAX_LABELS + 1)) + "} 1", "up\u00a01", "up \uff11",
    ],
)  # fmt: skip
def test_anything_else_refuses_the_whole_text(text: str) -> None:
    with pytest.raises(NotExposition, match="line 2 is malformed"):
        list(parse_exposition(b"good 1\n" + text.encode() + b"\nmore 2\n"))


@pytest.mark.parametrize("ending", ["# EOF", "# EOF\n"])
def test_openmetrics_has_seconds_and_exemplars(ending: str) -> None:
    text = '# TYPE a counter\na_total{x="1"} 5 1767225600.1239 # {trace_id="} # {"} 0.67 1767225600.5\nb 1 1767225600\nc 2 1.7672256e9\n'
    assert list(parse_exposition((text + 'd 3 # {} 1\n' + ending).encode())) == [
        Line("a_total", {"x": "1"}, "5", 1_767_225_600_123), Line("b", {}, "1", 1_767_225_600_000),
        Line("c", {}, "2", 1_767_225_600_000), Line("d", {}, "3", None),
    ]  # fmt: skip


def test_nothing_follows_the_end_of_openmetrics() -> None:
    with pytest.raises(NotExposition, match="more follows"):
        list(parse_exposition(b"a 1\n# EOF\nb 2\n"))


def test_comments_and_empty_lines_are_skipped() -> None:
    assert list(parse_exposition(b"# HELP x y\n\n  \n#\n# anything { \n")) == []


def test_a_text_that_was_cut_off_or_is_not_utf_8_is_refused() -> None:
    whole = render([Gpu("GPU-1"), Gpu("GPU-2")])
    assert len(list(parse_exposition(whole))) == 14
    for end in range(1, len(whole)):
        if whole[end - 1 : end] != b"\n":
            with pytest.raises(NotExposition):
                list(parse_exposition(whole[:end]))
    with pytest.raises(NotExposition, match="not UTF-8"):
        list(parse_exposition(b"up 1\xff\n"))


label = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.dictionaries(st.from_regex(r"\A[a-z_]{1,8}\Z"), label, max_size=4), st.integers(0, 10**9), st.integers(0, 9))
def test_what_an_exporter_escapes_is_read_back(labels: dict[str, str], whole: int, part: int) -> None:
    quoted = {k: v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for k, v in labels.items()}
    text = "m{" + ",".join(f'{k}="{v}"' for k, v in quoted.items()) + f"}} {whole}.{part}\n"
    lines = list(parse_exposition(text.encode()))
    assert lines == [Line("m", labels, f"{whole}.{part}", None)] and Fraction(lines[0].value) >= whole


@given(st.binary(max_size=200) | st.text(alphabet='ab{}",=\\ \n#1.e+-N', max_size=60).map(str.encode))
def test_no_bytes_do_more_than_fail_the_poll(data: bytes) -> None:
    try:
        list(parse_exposition(data))
    except NotExposition:
        pass


@pytest.mark.parametrize("piece", ['a="', "} ", '\\"', " ", "{", ',a="x"', "\\", "} 1 "])
def test_no_line_takes_long(piece: str) -> None:
    line = 'up{x="' + piece * ((MAX_LINE - 10) // len(piece))
    begin = time.process_time()
    for ending in ("", '"', '"}', '"} {'):
        with pytest.raises(NotExposition):
            list(parse_exposition((line + ending + "\n").encode()))
    assert time.process_time() - begin < 10  # seconds of this process; it takes milliseconds
