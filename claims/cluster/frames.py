"""Between ``prove`` and its courier: frames of plain bytes over the courier's input and output.

    kind (1 byte) || number (u32) || length (u64) || payload
"""

from __future__ import annotations

import struct
from typing import BinaryIO

__all__ = ["ERROR", "JOB", "NEXT", "RESULT", "STATE", "DIED", "SEALED", "UNREADY", "read_frame", "write_frame"]

JOB, NEXT, RESULT, STATE, ERROR = b"j", b"n", b"r", b"s", b"e"
"""To the courier JOB: memory (u64) and a sealed table; the first frame's is the most memory of any (u64) and the scheduler's
address; an empty one: no more.
From it NEXT: send one more; RESULT: of that number, as ``claims.cluster.worker`` made it; STATE: JSON {workers, running}; ERROR: JSON
{what, hint}, the last."""
SEALED, DIED, UNREADY = b"s", b"d", b"u"
"""First byte of a result. SEALED: what follows is for the job key; DIED: the exit code of a proof's process, i32; UNREADY: why there was
none."""
_HEAD = struct.Struct(">cIQ")
_LIMIT = 1 << 33


def write_frame(target: BinaryIO, kind: bytes, number: int, payload: bytes = b"") -> None:
    """Write one frame, at once."""
    target.write(_HEAD.pack(kind, number, len(payload)) + payload)
    target.flush()


def read_frame(source: BinaryIO, limit: int = _LIMIT) -> tuple[bytes, int, bytes] | None:
    """Kind, number and payload of the next frame; None at the end, or where what comes is no frame of at most ``limit`` bytes."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, number, size = _HEAD.unpack(head)
    if size > limit:
        return None
    payload = source.read(size)
    return None if len(payload) < size else (kind, number, payload)
