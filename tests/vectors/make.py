"""Makes the golden proofs of this folder: `python -m tests.vectors.make`, from the repository's root.

Provenance: tests/reference/slow_prover.py on the toy AIRs of tests/toy.py, randomness from a seeded generator, so that anyone
gets the same bytes. The options are insecure ones; a proof with seeded randomness hides nothing. Both verifiers must accept
them, today and in every later version of format 1 (tests/tampering/test_vectors.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests import toy
from tests.reference.slow_prover import slow_prove
from tests.toy import Instance
from zk.options import Options

FOLDER = Path(__file__).parent
ONE_LAYER = replace(toy.TOY_OPTIONS, name="INSECURE-ONE-LAYER", log_final_rows=5)
NO_LAYER = replace(toy.TOY_OPTIONS, name="INSECURE-NO-LAYER", log_final_rows=8, query_grinding=0, round_grinding=0)
WIDE = replace(toy.TOY_OPTIONS, name="INSECURE-WIDE", log_blowup=3, queries=5, slack_shift=1, log_final_rows=4, salt_bytes=32)

MAKERS: dict[str, Callable[[random.Random], Instance]] = {
    "sums": lambda rng: toy.sums(rng=rng),
    "counter": lambda rng: toy.counter(rng=rng),
    "counter_one_layer": lambda rng: toy.counter(rng=rng, options=ONE_LAYER),
    "counter_no_layer": lambda rng: toy.counter(rng=rng, options=NO_LAYER),
    "sums_wide": lambda rng: toy.sums(rng=rng, options=WIDE),
}


def make(name: str) -> tuple[Instance, bytes]:
    """The instance and its proof, the same in every run."""
    rng = random.Random(f"standstill golden proof {name}")
    item = MAKERS[name](rng)
    proof = slow_prove(*item.statement()[:3], item.trace, item.log_rows, item.options, rng=rng)
    return item, proof


def load(name: str) -> tuple[Instance, bytes]:
    """The stored vector. The instance has no trace: a verifier needs none."""
    data = json.loads((FOLDER / f"{name}.json").read_text())
    program = {"sums": toy.SUMS, "counter": toy.COUNTER}[data["air"]]
    interactions = [(multiplicity, message) for multiplicity, message in data["public_interactions"]]
    options = Options(**data["options"])
    return Instance(program, data["publics"], interactions, [], data["log_rows"], options), bytes.fromhex(data["proof"])


def document(name: str, item: Instance, proof: bytes) -> str:
    """The vector as JSON."""
    fields = Options.__dataclass_fields__
    data = {
        "provenance": f"python -m tests.vectors.make (seeded, INSECURE options), vector {name}",
        "air": name.split("_")[0],
        "program": item.program.encode().hex(),
        "publics": item.publics,
        "public_interactions": item.public_interactions,
        "log_rows": item.log_rows,
        "options": {field: getattr(item.options, field) for field in fields},
        "options_words": item.option_words(),
        "proof": proof.hex(),
    }
    return json.dumps(data, indent=1) + "\n"


def names() -> Iterator[str]:
    """Names of all vectors."""
    return iter(MAKERS)


if __name__ == "__main__":
    for vector in names():
        (FOLDER / f"{vector}.json").write_text(document(vector, *make(vector)))
        print(vector)
