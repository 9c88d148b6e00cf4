"""One large JSON object read value by value: of a list in it no more than one item is there at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["JsonReader"]

_SPACE = re.compile(r"[ \t\r\n]*")


class JsonReader:
    """Reads one object of a text, value by value."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._decoder = json.JSONDecoder()

    def _sign(self, *allowed: str) -> str:
        """The next sign, which must be one of these. Raises ValueError."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        sign = self._text[self._at : self._at + 1]
        if sign not in allowed or not sign:
            raise ValueError(f"at character {self._at}, {' or '.join(allowed)} is due")
        self._at += 1
        return sign

    def value(self) -> Any:
        """The next value."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        value, self._at = self._decoder.raw_decode(self._text, self._at)
        return value

    def keys(self, *, inner: bool = False) -> Iterator[str]:
        """Keys of the object; the caller reads each value. ``inner``: it is a value of another one."""
        self._sign("{")
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise ValueError("a key is not a text")
            self._sign(":")
            yield key
            if self._sign(",", "}") == "}":
                break
        if not inner and _SPACE.match(self._text, self._at).end() != len(self._text):  # type: ignore[union-attr]
            raise ValueError("something follows the object")

    def items(self) -> Iterator[Any]:
        """Values of the list that comes next."""
        self._sign("[")
        if self._text[_SPACE.match(self._text, self._at).end() :][:1] == "]":  # type: ignore[union-attr]
            self._sign("]")
            return
        while True:
            yield self.value()
            if self._sign(",", "]") == "]":
                return
