"""Files of a checkpoint that belong together: shards of an index, parts of a distributed checkpoint.

    model.safetensors.index.json   {"weight_map": {tensor: shard file}}
    *.distcp                       PyTorch distributed checkpoint: its .metadata is written last (never unpickled)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from claims.canonical import from_json
from claims.imports.safetensors import Tensor
from claims.imports.weights import Found, WeightsError, is_safetensors, opened, read_exactly, read_header

__all__ = ["check_sets"]

MAX_INDEX = 64 << 20
_INDEX = (".safetensors.index.json", ".bin.index.json")


def check_sets(files: Sequence[Found], *, follow_links: bool = False) -> None:
    """Check that what an index or a distributed checkpoint names is there, and that indexed tensors are in their shards.

    Raises:
        WeightsError: a shard is missing, an index names a tensor that its shard lacks, or lacks one that it has.
    """
    by_path = {file.path: file for file in files}
    for file in files:
        folder = file.path.rpartition("/")[0]
        prefix = folder + "/" if folder else ""
        if file.path.lower().endswith(".distcp") and f"{prefix}.metadata" not in by_path:
            raise WeightsError(file.path, "a part of a distributed checkpoint without its .metadata", "is it still being saved?")
        if file.path.lower().endswith(_INDEX):
            _check_index(file, prefix, by_path, follow_links)


def _check_index(index: Found, prefix: str, by_path: dict[str, Found], follow_links: bool) -> None:
    shards: dict[str, set[str]] = {}
    for tensor, shard in _weight_map(index, follow_links).items():
        if not isinstance(shard, str) or shard != os.path.basename(shard):
            raise WeightsError(index.path, f"tensor {tensor[:80]!r} is not mapped to a file name")
        shards.setdefault(shard, set()).add(tensor)
    for shard, names in sorted(shards.items()):
        file = by_path.get(prefix + shard)
        if file is None:
            raise WeightsError(index.path, f"its shard {shard[:80]} is missing", "download or save the checkpoint again")
        if not is_safetensors(shard):
            continue
        there = {tensor.name for tensor in _tensors(file, follow_links)}
        if there != names:
            odd = sorted(there ^ names)[0]
            which = "lacks" if odd in names else "has, unlike the index,"
            raise WeightsError(file.path, f"it {which} the tensor {odd[:80]!r}", "files of two checkpoints?")


def _weight_map(index: Found, follow_links: bool) -> dict[str, object]:
    if index.size > MAX_INDEX:
        raise WeightsError(index.path, f"an index of more than {MAX_INDEX} bytes")
    with opened(index, follow_links) as handle:
        data = read_exactly(handle, index.size, index)
    try:
        table = from_json(data)
    except (ValueError, RecursionError) as error:
        raise WeightsError(index.path, f"not JSON: {str(error)[:80]}") from None
    names = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(names, dict):
        raise WeightsError(index.path, "it has no weight_map")
    return names


def _tensors(file: Found, follow_links: bool) -> list[Tensor]:
    with opened(file, follow_links) as handle:
        return read_header(handle, file, hashlib.sha256())
