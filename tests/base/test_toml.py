"""One grammar of TOML on every Python: what version 1.1 adds is refused, with its line, whatever ``tomllib`` would do."""

from __future__ import annotations

import pytest
import world

from claims.agreement.file import parse_agreement
from claims.base.errors import AgreementError
from claims.base.toml import TomlError, parse_toml

BEYOND = {
    "a = {b = 1,\nc = 2}\n": 1,
    "a = {b = 1, c = 2, }\n": 1,
    "a = {\n}\n": 1,
    "x = 1\na = [{b = {c = 1}\n}]\n": 2,
    'a = {b = 1, # why\n c = 2}\n': 1,
    'x = """\n\n"""\na = "\\e[0m"\n': 4,
    'a = "\\x41"\n': 1,
    'a = """\n\n\\\\ \\x41"""\n': 3,
    '"\\x61" = 1\n': 1,
    "a = 2026-01-01T00:00Z\n": 1,
    "x = 1\na = 07:32\n": 2,
    "a = 07:32:00\n": 1,
    "a = 2026-01-01T00:00:00.000000001Z\n": 1,
    "a = 2026-01-01T00:00:00.0Z\n": 1,
    "a = 2026-01-01T00:00:00\n": 1,
    "a = 2026-01-01T01:00:00+01:00\n": 1,
    "a = [\n2026-01-01T00:00:00Z,\n2026-01-01 00:00Z]\n": 3,
    "\ufeffa = 1\n": 1,
    "a = 1\nb = " + "[" * 17 + "]" * 17 + "\n": 2,
}


@pytest.mark.parametrize("text", BEYOND)
def test_what_is_not_in_the_grammar_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(TomlError) as caught:
        parse_toml(text)
    assert caught.value.line == BEYOND[text] and "not TOML:" not in caught.value.what and caught.value.hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a = {b = 1, c = [1,\n2,\n]}\n", {"b": 1, "c": [1, 2]}),
        ('a = {b = """\n,}"""}\n', {"b": ",}"}),
        ("a = '\\e \\x41 , } 07:32'\n", "\\e \\x41 , } 07:32"),
        ('a = "\\\\e \\u0041 {\\",}" # 07:32 {,}\n', '\\e A {",}'),
        ('"a" = ""\n', ""),
        ("a = [ [1, ], ]\r\n", [[1]]),
    ],
)
def test_what_is_in_the_grammar_is_read(text: str, value: object) -> None:
    assert parse_toml(text) == {"a": value}


def test_agreements_are_read_by_it() -> None:
    start = next(line for line in world.TEXT.splitlines() if line.startswith("start"))
    number = world.TEXT.splitlines().index(start) + 1
    for time in ("2026-01-01T00:00:00.0000000009Z", "2026-01-01T00:00Z"):
        with pytest.raises(AgreementError, match=f"a.toml:{number}: not a time in UTC with whole seconds"):
            parse_agreement(world.TEXT.replace(start, f"start = {time}"), "a.toml")
    with pytest.raises(AgreementError, match="a.toml:1: the file begins with a byte order mark; save"):
        parse_agreement("\ufeff" + world.TEXT, "a.toml")
    assert parse_agreement(world.TEXT.replace("\n", "\r\n")) == world.agreement()
