"""Makes the golden proofs of compute claims and of an opening under `std`.

Run `python -m tests.vectors.make_claim` from the repository's root.

Provenance: zk/prover.py on honest samples of tests/circuits, randomness from the operating system, so
a new run gives new bytes. Program, statement and proof are stored apart from circuits/: both verifiers must accept the
vector as it is. To be made again whenever a program or the `std` options change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from tests.reference import verifier as reference
from tests.toy import Instance
from zk.air import Program
from zk.options import STD

FOLDER = Path(__file__).parent
NAME = "claim_std"
NAMES = {
    NAME: "honest sample `rich`",
    "site_std": "the first of its two sites",
    "registry_std": "the registry of its two sites",
    "opening_std": "two meters and a registry, some records opened",
}


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


def load(name: str = NAME) -> tuple[Instance, bytes]:
    """A stored vector: one of NAMES."""
    data = json.loads((FOLDER / f"{name}.json").read_text())
    program = decode((FOLDER / f"{data['program']}.program").read_bytes())
    interactions = [(multiplicity, message) for multiplicity, message in data["public_interactions"]]
    item = Instance(program, data["publics"], interactions, [], data["log_rows"], STD)
    return item, (FOLDER / f"{name}.proof").read_bytes()


def write(name: str, program: str, compiled: Program, proof: bytes, log_rows: int, publics: Sequence[int], terms: object) -> None:
    """The files of one vector; vectors of one program share its file."""
    data = {
        "provenance": f"python -m tests.vectors.make_claim: {NAMES[name]}, options std, fresh randomness",
        "program": program,
        "program_digest": compiled.digest().hex(),
        "proof_sha256": hashlib.sha256(proof).hexdigest(),
        "log_rows": log_rows,
        "publics": list(publics),
        "public_interactions": terms,
        "options_words": [int.from_bytes(STD.encode()[i : i + 4], "big") for i in range(0, 32, 4)],
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(data) + "\n")
    (FOLDER / f"{program}.program").write_bytes(compiled.encode())
    (FOLDER / f"{name}.proof").write_bytes(proof)
    print(name, len(proof), "bytes")


def main() -> None:
    """Proves the samples and writes the vectors' files."""
    from circuits.claim import claim_program, public_interactions, public_vector
    from circuits.open_records import prove_opening
    from circuits.opening import opening_program, public_messages
    from circuits.prove import prove_claim
    from tests.circuits import claim_samples, test_opening

    site, _, registry = claim_samples.cut(*claim_samples.rich(), [[0], [1]])
    for name, (statement, witness) in ((NAME, claim_samples.rich()), ("site_std", site), ("registry_std", registry)):
        proof, publics = prove_claim(statement, witness), public_vector(statement)
        write(name, NAME, claim_program(), proof, statement.log_rows, publics, public_interactions(statement))
    opened = test_opening.STATEMENT
    proof = prove_opening(opened, test_opening.WITNESS)
    write("opening_std", "opening_std", opening_program(), proof, opened.log_rows, (), public_messages(opened))


if __name__ == "__main__":
    main()
