"""Makes the golden proof of a compute claim under `std`: `python -m tests.vectors.make_claim`, from the repository's root.

Provenance: zk/prover.py on the honest sample `rich` of tests/circuits/claim_samples.py, randomness from the operating system, so
a new run gives new bytes. Program, statement and proof are stored apart from circuits/: both verifiers must accept the
vector as it is. To be made again whenever the claim's program or the `std` options change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.reference import verifier as reference
from tests.toy import Instance
from zk.air import Program
from zk.options import STD

FOLDER = Path(__file__).parent
NAME = "claim_std"


def decode(data: bytes) -> Program:
    """The program of an encoding, without names."""
    parsed = reference.Program(data)
    return Program(
        n_columns=parsed.n_columns,
        n_registers=parsed.n_registers,
        n_publics=parsed.n_publics,
        constants=tuple(parsed.constants),
        ops=tuple((op, dst, a, b) for op, dst, a, b in parsed.ops),
        n_constraints=parsed.n_constraints,
        interactions=tuple((n, m) for n, m in parsed.interactions),
        groups=tuple((i, -1 if j == reference.ALONE else j) for i, j in parsed.groups),
        next_columns=tuple(parsed.next_columns),
        names=(),
        constraint_names=(),
        interaction_names=(),
    )


def load() -> tuple[Instance, bytes]:
    """The stored vector."""
    data = json.loads((FOLDER / f"{NAME}.json").read_text())
    program = decode((FOLDER / f"{NAME}.program").read_bytes())
    interactions = [(multiplicity, message) for multiplicity, message in data["public_interactions"]]
    item = Instance(program, data["publics"], interactions, [], data["log_rows"], STD)
    return item, (FOLDER / f"{NAME}.proof").read_bytes()


def main() -> None:
    """Proves the sample and writes the vector's three files."""
    from circuits.claim import claim_program, public_interactions, public_vector
    from circuits.prove import prove_claim
    from tests.circuits import claim_samples

    statement, witness = claim_samples.rich()
    proof = prove_claim(statement, witness)
    data = {
        "provenance": "python -m tests.vectors.make_claim: honest sample `rich`, options std, fresh randomness",
        "program_digest": claim_program().digest().hex(),
        "proof_sha256": hashlib.sha256(proof).hexdigest(),
        "log_rows": statement.log_rows,
        "publics": public_vector(statement),
        "public_interactions": public_interactions(statement),
        "options_words": [int.from_bytes(STD.encode()[i : i + 4], "big") for i in range(0, 32, 4)],
    }
    (FOLDER / f"{NAME}.json").write_text(json.dumps(data) + "\n")
    (FOLDER / f"{NAME}.program").write_bytes(claim_program().encode())
    (FOLDER / f"{NAME}.proof").write_bytes(proof)
    print(len(proof), "bytes")


if __name__ == "__main__":
    main()
