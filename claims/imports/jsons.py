"""JSON of others: bounded, exact numbers, refusals that name the file and the field."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.base.canonical import from_json
from claims.imports.charge import Source
from claims.imports.inputs import name_of, read_input

__all__ = ["exact", "load_object", "parse_object", "shown", "whole"]

MAX_JSON = 256 << 20
_MAX_EXPONENT = 60


def parse_object(text: str | bytes, source: Source) -> dict[str, Any]:
    """A JSON object with decimals kept exact. Raises ImportRefused."""
    try:
        value = from_json(text.encode() if isinstance(text, str) else text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise source.refuse(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(value, dict):
        raise source.refuse("not a JSON object")
    return value


def load_object(path: Path, limit: int = MAX_JSON) -> tuple[dict[str, Any], bytes]:
    """The JSON object in a file, and the file's bytes. Raises ImportRefused."""
    data = read_input(path, limit)
    return parse_object(data, Source(name_of(path))), data


def shown(value: object) -> str:
    """A short text of a value, for messages; lists and tables (which may be nested deep) by their type."""
    simple = value is None or isinstance(value, str | int | Decimal)
    return str(value)[:40] if simple else type(value).__name__


def whole(table: dict[str, Any], key: str, source: Source, *, most: int, least: int = 0) -> int:
    """A whole number, also where it is written as text. Raises ImportRefused."""
    value = table.get(key)
    if isinstance(value, str) and re.fullmatch(r" *[0-9]{1,18} *", value):
        value = int(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 20 and value == int(value):
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise source.refuse(f"{key} {shown(value)!r} is not a whole number from {least} to {most}")
    return value


def exact(table: dict[str, Any], key: str, source: Source) -> Fraction:
    """A number that is finite and not negative, exactly. Raises ImportRefused."""
    value = table.get(key)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= _MAX_EXPONENT:
        value = Fraction(value)
    if isinstance(value, float):  # JSON has no such numbers, but trainers write them
        hint = "the trainer added up more than it could hold: give a file from before that, or correct a copy"
        raise source.refuse(f"{key} is {value}, and has to be a finite number", hint)
    if value is None or type(value) not in (int, Fraction) or not 0 <= value <= 10**_MAX_EXPONENT:
        raise source.refuse(f"{key} {shown(table.get(key))!r} is not a number that is finite and not negative")
    return Fraction(value)
