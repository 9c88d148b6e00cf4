"""The process of one proof: `python -m claims.cluster.child JOB_KEY`. Reads u64 length and a sealed table, writes the sealed result.

Of its own, so that a proof can be ended, and its memory comes back. It ends when its input does: then its worker is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading

from claims.base.errors import MalformedFile
from claims.cluster.sealed import JOB, RESULT, read_job_key, seal, unseal
from claims.cluster.table import OtherVersion, decode_table

__all__ = ["PROOF", "REFUSED", "main"]

PROOF, REFUSED = b"p", b"r"
"""First byte of what is sealed: a proof; JSON {kind, what}. ``kind``: WitnessError where the records are at fault."""


def main(key_path: str) -> None:
    """Run one task."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints is taken for a result
    key = read_job_key(key_path)
    sealed = source.read(int.from_bytes(source.read(8), "big"))
    threading.Thread(target=_end_with, args=(source,), daemon=True).start()
    task, data = unseal(key, JOB, sealed)
    del sealed
    target.write(seal(key, RESULT, task, _result(data)))
    target.flush()
    os._exit(0)


def _result(data: bytes) -> bytes:
    from zk.errors import WitnessError, ZkError

    try:
        return PROOF + _prove(data)
    except (WitnessError, OtherVersion) as error:
        kind, what = "WitnessError" if isinstance(error, WitnessError) else "OtherVersion", str(error)
    except (ZkError, MalformedFile, MemoryError, OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        kind, what = type(error).__name__, str(error)
    return REFUSED + json.dumps({"kind": kind, "what": what[:2000]}).encode()


def _prove(data: bytes) -> bytes:
    from circuits.prove import prove_claim
    from zk.kernels.warmup import compile_once

    statement, witness = decode_table(data)
    compile_once()
    return prove_claim(statement, witness)


def _end_with(source: object) -> None:
    with contextlib.suppress(OSError):
        source.read()  # type: ignore[attr-defined]
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
