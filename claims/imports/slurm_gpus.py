"""GPUs in Slurm's AllocTRES: whole ones, MIG slices, shares.

    gres/gpu=8,gres/gpu:h200=8   8 whole        gres/gpu:a100_1g.5gb=2,gres/gpu=2   2 slices        gres/shard=4   4 shares
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from claims.base.errors import ClaimsError
from claims.imports.rows import Row

__all__ = ["Gpus", "gpus_of"]

_TRES = re.compile(r"gres/(gpu|shard|mps)(:[^=,]{1,128})?=([0-9]{1,9})")
_SLICE = re.compile(r"(?<![0-9a-z])[1-7]g\.[0-9]{1,3}gb", re.IGNORECASE)
"""A MIG profile in a GPU's type, as in a100_1g.5gb. A GPU has at most seven."""


class Gpus(NamedTuple):
    """What a job held: GPUs that are its own, MIG slices, units of ``gres/shard`` or ``gres/mps``."""

    whole: int
    slices: int
    shards: int


def gpus_of(row: Row) -> Gpus:
    """GPUs in AllocTRES. ``gres/gpu`` and the sum of its types count the same devices: the larger is taken.

    Raises:
        ImportRefused: a count that cannot be read.
    """
    try:
        text = row.get("alloctres")
        return _parsed(text) if len(text) <= 500 else _parsed.__wrapped__(text)  # what is kept is bounded
    except ClaimsError as error:
        raise row.refuse(error.what, error.hint) from None


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Gpus:
    untyped, typed, slices, shards = 0, 0, 0, 0
    for part in map(str.strip, text.split(",")):
        match = _TRES.fullmatch(part)
        if match is None:
            if re.match(r"gres/(gpu|shard|mps)\b", part, re.IGNORECASE):
                raise ClaimsError(f"alloctres {part[:60]!r} is not like gres/gpu:h200=8")
            continue
        count = int(match[3])
        if match[1] != "gpu":
            shards += count
        elif not match[2]:
            untyped += count
        elif _SLICE.search(match[2]):
            slices += count
        else:
            typed += count
    return Gpus(max(untyped - slices, typed), slices, shards)
