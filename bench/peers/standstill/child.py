"""`python -m bench.peers.standstill.child prove INSTANCE | verify [byte|most|end|readings]`, in the job's folder."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

PROOF, STATEMENT = Path("proof.bin"), Path("statement.json")


def prove_step(instance: Path) -> dict[str, Any]:
    """One proof, the chain of hashes included. Kernels are loaded first."""
    from bench import chain_sum
    from bench.children import Stopwatch
    from zk.kernels.warmup import warm_up

    warm_up()
    readings, most = _read(instance)
    chain_sum.program()
    watch = Stopwatch()
    inputs, end = chain_sum.absorb(readings)
    statement = chain_sum.Statement(len(readings.values), chain_sum.START, end, most)
    proof = chain_sum.prove_chain(statement, readings, progress=watch, inputs=inputs)
    seconds = time.perf_counter() - watch.start
    PROOF.write_bytes(proof)
    fields = {"readings": statement.readings, "start": statement.start, "end": statement.end, "most": statement.most}
    STATEMENT.write_text(json.dumps(fields), encoding="utf-8")
    return {"seconds": seconds, "proof_bytes": len(proof), "phases": watch.phases}


def _read(instance: Path) -> tuple[Any, int]:
    """Readings and T of an instance. numpy reads the numbers: a Python object for each of a million takes longer than the file."""
    import numpy as np

    from bench import chain_sum

    head, values, nonces = re.split(rb', "(?:values|nonces)": ', instance.read_bytes())
    columns = [np.fromstring(text.translate(None, b"[]}"), dtype=np.uint64, sep=",") for text in (values, nonces)]
    return chain_sum.Readings(columns[0], np.ascontiguousarray(columns[1].reshape(-1, 4).T)), int(json.loads(head + b"}")["most"])


def verify_step(tamper: str) -> dict[str, Any]:
    """The pure-Python verifier on what `prove` left, after the tampering that is asked for."""
    from bench import chain_sum
    from zk.errors import ZkError

    fields, proof = json.loads(STATEMENT.read_text(encoding="utf-8")), bytearray(PROOF.read_bytes())
    if tamper == "byte":
        proof[len(proof) // 2] ^= 1
    end = (fields["end"][0] ^ (tamper == "end"), *fields["end"][1:])
    readings, most = fields["readings"] + (tamper == "readings"), fields["most"] - (tamper == "most")
    statement = chain_sum.Statement(readings, tuple(fields["start"]), end, most)
    start = time.perf_counter()
    try:
        report = chain_sum.verify_chain(statement, bytes(proof))
    except ZkError as error:
        return {"accepted": False, "reason": str(error), "seconds": time.perf_counter() - start}
    seconds = time.perf_counter() - start
    bits = {"security_bits": round(report.unique_decoding.bits, 1), "list_bits": round(report.johnson.bits, 1)}
    return {"accepted": True, "seconds": seconds, **bits}


if __name__ == "__main__":
    result = prove_step(Path(sys.argv[2])) if sys.argv[1] == "prove" else verify_step("".join(sys.argv[2:3]))
    print(json.dumps(result))
