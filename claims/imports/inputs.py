"""Files as operators hand them over: plain or gzip, from a path or from standard input (``-``), bounded either way."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from pathlib import Path

from claims.imports.rows import MAX_FILE, ImportRefused, read_bytes

__all__ = ["name_of", "read_input"]

_GZIP = b"\x1f\x8b"


def name_of(path: Path) -> str:
    """The file's name, for messages."""
    return "standard input" if str(path) == "-" else path.name


def read_input(path: Path, limit: int = MAX_FILE) -> bytes:
    """The contents, unpacked where they are gzip. ``limit``: bytes, packed and unpacked.

    Raises:
        ImportRefused: unreadable, too long, or gzip that is damaged or cut off.
    """
    name = name_of(path)
    data = sys.stdin.buffer.read(limit + 1) if str(path) == "-" else read_bytes(path, limit)
    if data.startswith(_GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ImportRefused(name, None, f"not a whole gzip file: {error}", "copy or compress it again") from None
    if len(data) > limit:
        raise ImportRefused(name, None, f"it is longer than {limit} bytes", "split it")
    return data
