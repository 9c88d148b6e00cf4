"""A large file of this user is read whole, to see that it is not damaged, once a day, and whenever that is asked for.

When it was found whole stands in this user's own cache, by its path and by which file lies there: a file that takes its place, such as
a restored backup, is read anew. Without the cache it is read each time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from claims.base import clock
from claims.base.cache import open_cache

__all__ = ["DAY", "daily"]

DAY = 86400
"""Seconds for which it counts."""


@contextlib.contextmanager
def daily(kind: str, path: Path, *, anew: bool = False) -> Iterator[bool]:
    """Whether a file is to be read whole: if ``anew``, or if that was not done in the last 24 hours. The block does it, or raises."""
    with open_cache() as cache:
        key = _key(path)
        found = None if cache is None or key is None or anew else cache.get(kind, key, 8)
        age = -1 if found is None else clock.now() - int.from_bytes(found, "big")
        lately = 0 <= age < DAY
        yield not lately
        if cache is not None and key is not None and not lately:
            cache.put(kind, key, clock.now().to_bytes(8, "big"))


def _key(path: Path) -> bytes | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return b"\0".join((os.fsencode(os.path.realpath(path)), f"{status.st_dev} {status.st_ino}".encode()))
