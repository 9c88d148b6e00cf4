"""A store is read whole, to see that it is not damaged, by the first command of each day, and whenever that is asked for.

When it was found whole stands in this user's own cache, by its path and by which file lies there: a file that takes its place, such as
a restored backup, is read anew. Without the cache every command reads it.
"""

from __future__ import annotations

import os
from pathlib import Path

from claims.base import clock
from claims.base.cache import open_cache
from claims.lab.store import Store

__all__ = ["DAY", "open_daily"]

DAY = 86400
"""Seconds for which it counts."""
_KIND = "store-whole"


def open_daily(path: Path, *, check: bool = False) -> Store:
    """Open a store; read it whole if ``check``, or if that was not done in the last 24 hours. Raises StoreError."""
    with open_cache() as cache:
        key = _key(path)
        found = None if cache is None or key is None or check else cache.get(_KIND, key, 8)
        age = -1 if found is None else clock.now() - int.from_bytes(found, "big")
        lately = 0 <= age < DAY
        store = Store.open(path, check=not lately)
        if cache is not None and key is not None and not lately:
            cache.put(_KIND, key, clock.now().to_bytes(8, "big"))
    return store


def _key(path: Path) -> bytes | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return b"\0".join((os.fsencode(os.path.realpath(path)), f"{status.st_dev} {status.st_ino}".encode()))
