"""Files of a checkpoint that belong together: shards of an index, parts of a distributed checkpoint.

    model.safetensors.index.json   {"weight_map": {tensor: shard file}}
    model-00001-of-00003.bin       numbered shards: all are there, and all in the index if one is
    *.distcp                       PyTorch distributed checkpoint: its .metadata is written last (never unpickled)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

from claims.base.canonical import from_json
from claims.imports.safetensors import Tensor
from claims.imports.weights_files import Found, WeightsError, is_safetensors, opened, read_exactly, read_header

__all__ = ["check_sets"]

MAX_INDEX = 64 << 20
_INDEX = (".safetensors.index.json", ".bin.index.json")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".distcp", ".gguf")
_NUMBERED = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})(\.[a-z0-9]+)", re.IGNORECASE | re.DOTALL)
_AGAIN = "download or save the checkpoint again"


def check_sets(files: Sequence[Found], *, follow_links: bool = False) -> None:
    """Check that what an index or a distributed checkpoint names is there, and that indexed tensors are in their shards.

    Raises:
        WeightsError: a shard is missing or empty, an index omits one, names a tensor that its shard lacks, or lacks one
            that it has.
    """
    by_path = {file.path: file for file in files}
    empty = next((file for file in files if not file.size and file.path.lower().endswith(_WEIGHTS)), None)
    if empty is not None:
        raise WeightsError(empty.path, "a file of weights that is empty", _AGAIN)
    _check_numbers([file.path for file in files if file.path.lower().endswith(_WEIGHTS)])
    for file in files:
        folder = file.path.rpartition("/")[0]
        prefix = folder + "/" if folder else ""
        if file.path.lower().endswith(".distcp") and f"{prefix}.metadata" not in by_path:
            raise WeightsError(file.path, "a part of a distributed checkpoint without its .metadata", "is it still being saved?")
        if file.path.lower().endswith(_INDEX):
            _check_index(file, prefix, by_path, follow_links)


def _check_numbers(paths: Sequence[str], index: str = "") -> None:
    """Of numbered shards all must be among ``paths`` (which an index names)."""
    sets: dict[tuple[str, int, str], set[int]] = {}
    for path in paths:
        match = _NUMBERED.fullmatch(path)
        if match is not None:
            sets.setdefault((match[1], int(match[3]), match[4]), set()).add(int(match[2]))
    for (stem, count, suffix), numbers in sorted(sets.items()):
        if numbers not in (set(range(1, count + 1)), set(range(count))):
            what = f"{len(numbers)} of the {count} shards {stem[-80:]}-*-of-{count:05d}{suffix} are there"
            raise WeightsError(index, what if not index else f"it names {what[: -len(' are there')]}", _AGAIN)


def _check_index(index: Found, prefix: str, by_path: dict[str, Found], follow_links: bool) -> None:
    shards: dict[str, set[str]] = {}
    for tensor, shard in _weight_map(index, follow_links).items():
        if not isinstance(shard, str) or shard != os.path.basename(shard):
            raise WeightsError(index.path, f"tensor {tensor[:80]!r} is not mapped to a file name")
        shards.setdefault(shard, set()).add(tensor)
    _check_numbers(sorted(shards), index.path)
    for shard, names in sorted(shards.items()):
        file = by_path.get(prefix + shard)
        if file is None:
            raise WeightsError(index.path, f"its shard {shard[:80]} is missing", _AGAIN)
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
