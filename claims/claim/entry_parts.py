"""Parts of log entries: how a field of a body is written and read, carefully or at a glance, and what all kinds have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from claims.base.canonical import Reader, Writer, is_name
from claims.base.errors import MalformedFile
from claims.base.hybrid import KEY_SIZES, SIGNATURE_SIZES

__all__ = ["BITS", "KEY", "SIGNATURE", "Identity", "Kind", "Part", "raw_bytes"]

Identity = tuple[object, ...]
BITS, SIGNATURE, KEY = -1, -2, -3


@dataclass(frozen=True)
class Part:
    """A field of a body: a name (``size`` 0), a number of so many bytes, a digest (32), bits behind their number of bytes (-1), or a
    signature (-2), or a key or none (-3), behind its u16 length; ``values``: of a number that is a choice."""

    field: str
    what: str
    size: int = 0
    most: int | None = None
    values: Mapping[int, str] | None = None

    def write(self, out: Writer, value: Any) -> None:
        if not self.size:
            out.name(value)
        elif self.size == BITS:
            if len(value) > 32 or value[-1:] == b"\0":
                raise MalformedFile(f"{self.what} are not at most 32 bytes, the last of them not 0")
            out.uint(len(value), 1)
            out.raw(value)
        elif self.size == SIGNATURE:
            out.signature(value)
        elif self.size == KEY:
            if len(value) not in (0, *KEY_SIZES):
                raise MalformedFile(f"{self.what} is neither a key nor nothing")
            out.uint(len(value), 2)
            out.raw(value)
        elif self.size >= 32:
            raw_bytes(out, value, self.size)
        else:
            if not self._fits(value):
                raise MalformedFile(f"{value!r} is not {self.what}")
            if self.most is not None and type(value) is int and value > self.most:
                raise MalformedFile(f"{self.what} {value} is more than {self.most}")
            out.uint(value, self.size)

    def read(self, read: Reader) -> Any:
        if not self.size:
            return read.name(self.what)
        if self.size == BITS:
            bits = read.raw(read.uint(1, self.what, 32), self.what)
            if bits[-1:] == b"\0":
                raise read.fail(f"the last byte of {self.what} is 0")
            return bits
        if self.size == SIGNATURE:
            return read.signature(self.what)
        if self.size == KEY:
            if (size := read.uint(2, self.what)) not in (0, *KEY_SIZES):
                raise read.fail(f"{self.what} is neither a key nor nothing")
            return read.raw(size, self.what)
        if self.size >= 32:
            return read.raw(self.size, self.what)
        value = read.uint(self.size, self.what, self.most)
        if not self._fits(value):
            raise read.fail(f"{value} is not {self.what}")
        return value

    def glance(self, data: bytes, at: int) -> tuple[Any, int]:
        """What :meth:`read` gives, and where it ends; None for a value that has to be looked at more closely. Too few bytes pass."""
        size = self.size
        if size >= 32:
            return data[at : at + size], at + size
        if size > 0:
            value = int.from_bytes(data[at : at + size], "big")
            return (value if (self.most is None or value <= self.most) and self._fits(value) else None), at + size
        if size in (SIGNATURE, KEY):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            return (data[at + 2 : end] if end - at - 2 in (SIGNATURE_SIZES if size == SIGNATURE else (0, *KEY_SIZES)) else None), end
        end = at + 1 + (data[at] if at < len(data) else 0)
        if not size:
            return _name(data[at + 1 : end]), end
        bits = data[at + 1 : end]
        return (bits if end - at <= 33 and bits[-1:] != b"\0" else None), end

    def _fits(self, value: object) -> bool:
        return self.values is None or value in self.values


class Kind:
    """What all kinds of entries have. Fields stand in the order of ``parts``, between the agreement's digest and the signature."""

    kind: ClassVar[int]
    parts: ClassVar[tuple[Part, ...]]
    one_of: ClassVar[tuple[str, ...]]
    """Fields of which, together, there may be one entry."""
    agreement: bytes

    @property
    def identity(self) -> Identity:
        """What there may be one of."""
        return (self.kind, self.agreement, *(getattr(self, name) for name in self.one_of))


def raw_bytes(out: Writer, value: bytes, size: int = 32) -> None:
    if len(value) != size:
        raise MalformedFile(f"a log entry has a digest or signature that is not of {size} bytes")
    out.raw(value)


@lru_cache(4096)
def _name(data: bytes) -> str | None:
    text = data.decode("ascii", "replace")
    return text if is_name(text) else None
