"""Canonical binary and JSON encodings: one encoding per value, nothing left over, every length bounded.

Binary values are big-endian. A *text* or *bytes* value is a u32 length and then its bytes; a *name* is a u8
length and ASCII bytes; a *head* is eight field elements, u32 each, all below p.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from claims.base.errors import MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES

__all__ = [
    "FIELD_PRIME",
    "NAME_RULE",
    "Reader",
    "Writer",
    "head_from_bytes",
    "head_from_hex",
    "head_to_bytes",
    "head_to_hex",
    "is_name",
    "to_json",
]

FIELD_PRIME = 2**31 - 2**24 + 1
"""KoalaBear, the field of heads (``zk.field`` has the arithmetic)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAME_RULE = "1 to 64 of a-z 0-9 . _ - and a letter or digit first"

Head = tuple[int, ...]

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)  # a text that does not end goes to the end: else quadratic
MAX_NESTING = 16
"""Depth of brackets that any of our JSON formats could need, with room to spare."""


def is_name(text: str) -> bool:
    """Whether ``text`` may name a party, lab, meter or chip class."""
    return _NAME.fullmatch(text) is not None


def head_to_hex(head: Head) -> str:
    """Eight field elements as 64 lower-case hex digits, big-endian."""
    return head_to_bytes(head).hex()


def head_to_bytes(head: Head) -> bytes:
    """Eight field elements as 32 bytes. Raises MalformedFile unless each is below p."""
    if len(head) != 8 or any(type(word) is not int or not 0 <= word < FIELD_PRIME for word in head):
        raise MalformedFile("a head is not eight canonical field elements")
    return b"".join(word.to_bytes(4, "big") for word in head)


def head_from_bytes(data: bytes) -> Head:
    """Inverse of :func:`head_to_bytes`."""
    head = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4))
    if len(data) != 32 or any(word >= FIELD_PRIME for word in head):
        raise MalformedFile("a head is not eight canonical field elements")
    return head


def head_from_hex(text: str) -> Head:
    """Inverse of :func:`head_to_hex`; refuses upper case, wrong lengths and words of p or more."""
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise MalformedFile("a head is not 64 lower-case hex digits")
    return head_from_bytes(bytes.fromhex(text))


def to_json(value: object) -> bytes:
    """Canonical JSON: keys sorted, two-space indent, ASCII, one newline at the end."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def from_json(data: bytes, **options: Any) -> Any:
    """json.loads for hostile bytes: UTF-8, and nested at most MAX_NESTING deep.

    Raises:
        ValueError: anything that is not such JSON.
    """
    check_nesting(data)
    return json.loads(data.decode("utf-8"), **options)


def check_nesting(data: bytes) -> None:
    """Check that JSON is nested at most MAX_NESTING deep. Raises ValueError.

    The interpreter's own limit is no guard: a library that raises it lets deep nesting overflow the stack of the C parser.
    """
    depth = 0
    for bracket in _BRACKETS.finditer(data):
        mark = bracket[0]
        depth += 1 if mark in (b"[", b"{") else -1 if mark in (b"]", b"}") else 0
        if depth > MAX_NESTING:
            raise ValueError(f"nested deeper than {MAX_NESTING}")


class Writer:
    """Appends canonical values; ``data`` is the result. Values out of range raise MalformedFile."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @property
    def data(self) -> bytes:
        """Everything written so far."""
        return b"".join(self._parts)

    def raw(self, data: bytes) -> None:
        """Bytes as they are, of a length that the format fixes."""
        self._parts.append(data)

    def uint(self, value: int, size: int) -> None:
        """An unsigned integer of ``size`` bytes."""
        if type(value) is not int or not 0 <= value < 256**size:
            raise MalformedFile(f"{value!r} does not fit in {size} bytes")
        self._parts.append(value.to_bytes(size, "big"))

    def flag(self, value: bool) -> None:
        """A boolean as one byte, 0 or 1."""
        self.uint(int(value), 1)

    def name(self, text: str) -> None:
        """A name under :data:`NAME_RULE`."""
        if not is_name(text):
            raise MalformedFile(f"{text!r} is not a name ({NAME_RULE})")
        self.uint(len(text), 1)
        self.raw(text.encode("ascii"))

    def blob(self, data: bytes) -> None:
        """Bytes with a u32 length before them."""
        self.uint(len(data), 4)
        self.raw(data)

    def text(self, text: str) -> None:
        """UTF-8 text with a u32 byte length before it."""
        self.blob(text.encode("utf-8"))

    def signature(self, data: bytes) -> None:
        """A signature of either kind, with a u16 length before it."""
        if len(data) not in SIGNATURE_SIZES:
            raise MalformedFile(f"a signature has {len(data)} bytes, not {SIGNATURE_SIZES[0]} or {SIGNATURE_SIZES[1]}")
        self.uint(len(data), 2)
        self.raw(data)

    def head(self, head: Iterable[int]) -> None:
        """Eight field elements."""
        self.raw(head_to_bytes(tuple(head)))


class Reader:
    """Reads what :class:`Writer` wrote and refuses everything else.

    Args:
        data: the hostile bytes.
        error: the exception to raise, made with what is wrong and the byte position.
    """

    def __init__(self, data: bytes, error: type[MalformedFile] = MalformedFile) -> None:
        self._data = bytes(data)
        self._at = 0
        self._error = error

    @property
    def offset(self) -> int:
        """Position of the next byte."""
        return self._at

    def fail(self, what: str) -> MalformedFile:
        """The exception for the present position."""
        return self._error(what, self._at)

    def raw(self, size: int, what: str) -> bytes:
        """Exactly ``size`` bytes."""
        if size > len(self._data) - self._at:
            raise self.fail(f"the file ends inside {what}")
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece

    def uint(self, size: int, what: str, maximum: int | None = None) -> int:
        """An unsigned integer of ``size`` bytes, at most ``maximum``."""
        value = int.from_bytes(self.raw(size, what), "big")
        if maximum is not None and value > maximum:
            raise self.fail(f"{what} is {value}, more than {maximum}")
        return value

    def name(self, what: str) -> str:
        """A name under :data:`NAME_RULE`."""
        data = self.raw(self.uint(1, what), what)
        text = data.decode("ascii", errors="replace")
        if not is_name(text):
            raise self.fail(f"{what} is not a name")
        return text

    def blob(self, what: str, maximum: int) -> bytes:
        """Bytes with a u32 length before them, at most ``maximum``."""
        return self.raw(self.uint(4, f"the length of {what}", maximum), what)

    def signature(self, what: str) -> bytes:
        """A signature of either kind, with a u16 length before it; which kind it has to be is for the signer's key to say."""
        size = self.uint(2, f"the length of {what}")
        if size not in SIGNATURE_SIZES:
            raise self.fail(f"{what} has {size} bytes, not {SIGNATURE_SIZES[0]} or {SIGNATURE_SIZES[1]}")
        return self.raw(size, what)

    def head(self, what: str) -> Head:
        """Eight field elements below p."""
        data = self.raw(32, what)
        try:
            return head_from_bytes(data)
        except MalformedFile:
            raise self.fail(f"{what} is not eight canonical field elements") from None

    def end(self) -> None:
        """Refuse bytes after the last value."""
        if self._at != len(self._data):
            raise self.fail(f"{len(self._data) - self._at} bytes follow the end")
