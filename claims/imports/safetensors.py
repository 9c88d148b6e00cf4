"""The header of a safetensors file, read as hostile: bounded, no duplicate keys, ranges that tile the data.

    u64 LE header length || JSON header || data        {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}

<https://github.com/huggingface/safetensors>. No tensor is interpreted here: its bytes are hashed as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claims.base.canonical import from_json
from claims.base.errors import ClaimsError

__all__ = ["MAX_HEADER", "BadSafetensors", "Tensor", "TensorHasher", "parse_header"]

MAX_HEADER = 32 << 20
"""Longest header, bytes. Headers of published models have a few MiB at most."""
MAX_TENSORS = 100_000
"""Most tensors of a file: published models have some thousands. It bounds time and memory before anything is parsed."""
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
_MAX_DIMENSIONS = 255
_U64 = 2**64


class BadSafetensors(ClaimsError):
    """A file is not well-formed safetensors."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file. ``begin``, ``end``: byte range in the data, relative to its start."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise BadSafetensors("a key occurs twice in the header")
    return table


def parse_header(header: bytes, data_size: int) -> list[Tensor]:
    """Tensors in the order of their data, whose ranges are checked to tile ``data_size`` bytes.

    Raises:
        BadSafetensors: not JSON, too many tensors, a field of another type, ranges with gaps or overlaps, sizes that do not fit.
    """
    if not header.startswith(b"{"):
        raise BadSafetensors("the header does not begin with a brace")
    if any(header.count(mark) > most * MAX_TENSORS for mark, most in ((b"{", 1), (b"[", 2), (b",", 32))):
        raise BadSafetensors(f"the header has more than {MAX_TENSORS} tensors", "split the file")
    try:
        table = from_json(header, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadSafetensors(f"the header is not JSON: {str(error)[:80]}") from None
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadSafetensors("__metadata__ is not a table of texts")
    tensors = sorted((_tensor(name, entry) for name, entry in table.items()), key=lambda t: (t.begin, t.end))
    at = 0
    for tensor in tensors:
        if tensor.begin != at:
            raise BadSafetensors(f"tensor {tensor.name[:80]!r} begins at byte {tensor.begin}, {at} is due")
        at = tensor.end
    if at != data_size:
        raise BadSafetensors(f"the tensors end at byte {at} of {data_size}", "was the file cut off?")
    return tensors


def _tensor(name: str, entry: object) -> Tensor:
    where = f"tensor {name[:80]!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise BadSafetensors(f"{where} has other fields than dtype, shape, data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not 1 <= len(dtype) <= 64 or not dtype.isascii():
        raise BadSafetensors(f"{where}: its dtype is not a short text")
    if not _naturals(shape) or len(shape) > _MAX_DIMENSIONS:
        raise BadSafetensors(f"{where}: its shape is not a list of at most {_MAX_DIMENSIONS} whole numbers")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise BadSafetensors(f"{where}: its data_offsets are not two ascending whole numbers")
    bits = _BITS.get(dtype)
    elements = 0 if 0 in shape else 1
    for size in shape if elements else ():
        elements *= size
        if elements > _U64:
            raise BadSafetensors(f"{where}: its shape has more than 2^64 elements")
    if bits is not None and elements * bits != 8 * (offsets[1] - offsets[0]):
        raise BadSafetensors(f"{where}: {elements} x {dtype} do not fill {offsets[1] - offsets[0]} bytes")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadSafetensors(f"{where}: its name is not Unicode text") from None
    return Tensor(name, dtype, tuple(shape), offsets[0], offsets[1])


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < _U64 for item in value)


class TensorHasher:
    """SHA-256 of every tensor's bytes while the data streams by, in order."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors
        self._index, self._at = 0, 0
        self._state = hashlib.sha256()
        self.digests: list[bytes] = []
        self._finish()

    def update(self, data: memoryview) -> None:
        """The next bytes of the data section."""
        while len(data):
            if self._index == len(self._tensors):
                return
            part = data[: self._tensors[self._index].end - self._at]
            self._state.update(part)
            self._at += len(part)
            data = data[len(part) :]
            self._finish()

    def _finish(self) -> None:
        while self._index < len(self._tensors) and self._at == self._tensors[self._index].end:
            self.digests.append(self._state.digest())
            self._state = hashlib.sha256()
            self._index += 1
