"""groth16py's steps, in the job's folder: `python native.py setup|prove|verify|tamper-... HOME INSTANCE`. Its set-up is INSECURE."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main(role: str, home: Path, instance: Path) -> dict[str, Any]:
    """One step. The circuit and the witness are those of snarkjs, made again here."""
    sys.path.insert(0, str(home / "pip"))
    import groth16py

    begin = time.perf_counter()
    if role == "setup":
        subprocess.run(["node", str(home / "peer.mjs"), "compile", str(instance)], check=True, stdout=subprocess.DEVNULL)
        proving, verifying = groth16py.setup("chain.r1cs")
        proving.save("proving.key"), verifying.save("verifying.key")
        return {"seconds": time.perf_counter() - begin}
    if role == "prove":
        key = groth16py.ProvingKey.load("proving.key")
        begin = time.perf_counter()
        proof = groth16py.prove_wtns(key, "witness.wtns")
        seconds = time.perf_counter() - begin
        Path("proof.bin").write_bytes(proof)
        return {"seconds": seconds, "proof_bytes": 128}
    publics = [int(value) for value in json.loads(Path("public.json").read_text())]
    proof = Path("proof.bin").read_bytes()
    if role == "tamper-byte":
        proof = proof[:-1] + bytes([proof[-1] ^ 1])
    elif role == "tamper-most":
        publics[2] -= 1
    elif role == "tamper-end":
        publics[0] ^= 1
    verifier = groth16py.Verifier(groth16py.VerifyingKey.load("verifying.key"))
    begin = time.perf_counter()
    try:
        accepted = verifier.verify(proof, publics)
    except (groth16py.EncodingError, groth16py.VerificationError):
        accepted = False
    return {"seconds": time.perf_counter() - begin, "accepted": accepted}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
