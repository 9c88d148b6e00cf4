"""groth16py's steps, in the job's folder: `python native.py setup|prove|verify|tamper-... HOME INSTANCE SHARED`.

Circuit, INSECURE keys and witness are those of snarkjs. The last line of output is a JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROOF, PROVING, VERIFYING, PUBLIC = Path("proof.bin"), "proving.key", "verifying.key", Path("public.json")
END, MOST = 0, 2


def setup(groth16py: Any, home: Path, instance: Path, shared: Path) -> dict[str, Any]:
    """The common keys, and their copy in groth16py's format."""
    command = ["node", str(home / "peer.mjs"), "setup", str(instance), str(shared)]
    said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    begin = time.perf_counter()
    proving, verifying = groth16py.import_zkey(str(shared / "chain.zkey"))
    proving.save(PROVING)
    verifying.save(VERIFYING)
    seconds = time.perf_counter() - begin
    return {**said, "seconds": said["seconds"] + seconds, "phases": {**said["phases"], "import": seconds}}


def prove(groth16py: Any) -> dict[str, Any]:
    """A proof, and beside it the public values that the witness begins with."""
    key = groth16py.ProvingKey.load(PROVING)
    begin = time.perf_counter()
    proof = groth16py.prove_wtns(key, "witness.wtns")
    seconds = time.perf_counter() - begin
    PROOF.write_bytes(proof)
    PUBLIC.write_text(json.dumps(publics("witness.wtns")), encoding="utf-8")
    return {"seconds": seconds, "proof_bytes": 128}


def publics(path: str, count: int = 3, width: int = 32) -> list[str]:
    """Wires 1 to 3 of a .wtns file: after magic and version, sections of kind, size and body; the second one has the values."""
    with open(path, "rb") as file:
        file.seek(12)
        while True:
            kind, size = int.from_bytes(file.read(4), "little"), int.from_bytes(file.read(8), "little")
            if kind == 2:
                file.seek(width, 1)
                return [str(int.from_bytes(file.read(width), "little")) for _ in range(count)]
            if size == 0:
                raise ValueError(f"{path} has no values")
            file.seek(size, 1)


def verify(groth16py: Any, change: str) -> dict[str, Any]:
    """The verdict, after a change to the proof or to the public values."""
    statement, proof = [int(value) for value in json.loads(PUBLIC.read_text(encoding="utf-8"))], PROOF.read_bytes()
    if change == "byte":
        proof = proof[:-1] + bytes([proof[-1] ^ 1])
    statement[MOST] -= change == "most"
    statement[END] += change == "end"
    verifier = groth16py.Verifier(groth16py.VerifyingKey.load(VERIFYING))
    begin = time.perf_counter()
    try:
        accepted = verifier.verify(proof, statement)
    except (groth16py.EncodingError, groth16py.VerificationError):
        accepted = False
    return {"seconds": time.perf_counter() - begin, "accepted": accepted}


def main(role: str, home: Path, instance: Path, shared: Path) -> dict[str, Any]:
    """One step."""
    sys.path.insert(0, str(home / "pip"))
    import groth16py

    if role == "setup":
        return setup(groth16py, home, instance, shared)
    if role == "prove":
        return prove(groth16py)
    if role != "verify" and not role.startswith("tamper-"):
        raise SystemExit(f"no role {role}")
    return verify(groth16py, role.removeprefix("tamper-"))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *(Path(argument) for argument in sys.argv[2:5]))))
