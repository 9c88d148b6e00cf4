"""Writes the published constraint program, and the names of its columns and constraints, as Coq files.

    python proofs/embed.py           write proofs/Words.v and proofs/Names.v
    python proofs/embed.py --check   exit 1 unless they are what this would write

The words are those of tests/vectors/claim_std.program, in order, nothing else. Names are a convenience: a wrong name makes a proof fail,
and no theorem's statement rests on one that is not a column of circuits/gadgets.py.
"""

from __future__ import annotations

import re
import struct
import sys
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from circuits.claim import claim_program  # noqa: E402
from circuits.gadgets import COLUMNS, KINDS, PUBLICS  # noqa: E402
from zk.air import ASSERT, CONST, operand  # noqa: E402

PROGRAM = HERE.parent / "tests/vectors/claim_std.program"
CHUNK = 512


def words() -> list[int]:
    """The program file as unsigned 32-bit integers."""
    data = PROGRAM.read_bytes()
    return list(struct.unpack(f">{len(data) // 4}I", data))


def digest() -> str:
    """The program's digest, as circuits/README.md section 9 prints it."""
    return sha256(b"standstill/program/v1" + PROGRAM.read_bytes()).hexdigest()


def without(values: list[int], number: int) -> list[int]:
    """The words with constraint `number` deleted: it asserts the constant 0.

    Raises:
        ValueError: the program has no such constraint.
    """
    n_constants = values[4]
    zero = operand(CONST, values[5 : 5 + n_constants].index(0))
    first = 5 + n_constants + 1
    for at in range(first, first + 4 * values[first - 1], 4):
        if values[at] == ASSERT and values[at + 3] == number:
            return [*values[: at + 2], zero, *values[at + 3 :]]
    raise ValueError(f"no constraint {number}")


def words_file(values: list[int]) -> str:
    """Words.v: these words in chunks."""
    lines = ["(* Made by proofs/embed.py from tests/vectors/claim_std.program. Digest:", f"   {digest()} *)"]
    lines += ["From Coq Require Import ZArith List.", "Import ListNotations.", "Local Open Scope Z_scope.", ""]
    chunks = [values[i : i + CHUNK] for i in range(0, len(values), CHUNK)]
    for i, chunk in enumerate(chunks):
        rows = [" ".join(f"{v};" for v in chunk[j : j + 12]) for j in range(0, len(chunk), 12)]
        lines += [f"Definition w{i} : list Z := [", "\n".join(rows).rstrip(";"), "].", ""]
    lines += ["Definition words : list Z := " + " ++ ".join(f"w{i}" for i in range(len(chunks))) + ".", ""]
    return "\n".join(lines)


def names_file() -> str:
    """Names.v: positions of columns (c_), kinds (K_), publics (u_) and constraints (k_) as notations."""
    lines = ["(* Made by proofs/embed.py from circuits/gadgets.py and the compiled circuit. *)"]
    lines += ["From Coq Require Import ZArith.", ""]

    def note(name: str, value: int) -> None:
        lines.append(f"Notation {re.sub(r'[^A-Za-z0-9_]', '_', name)} := ({value})%Z (only parsing).")

    for name, at in COLUMNS.offsets.items():
        note(f"c_{name}", at)
    for at, name in enumerate(KINDS):
        note(f"K_{name}", at)
    note("K_padding", len(KINDS))
    for at, name in enumerate(PUBLICS):
        note(f"u_{name.replace('[', '_').replace(']', '')}", at)
    for at, name in enumerate(claim_program().constraint_names):
        if at >= 164:
            note(f"k_{name.replace('[', '_').replace(']', '')}", at)
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    """Writes or compares the two files."""
    if claim_program().encode() != PROGRAM.read_bytes():
        print("tests/vectors/claim_std.program is not what circuits/claim.py compiles to")
        return 1
    made = {HERE / "Words.v": words_file(words()), HERE / "Names.v": names_file()}
    if "--check" in arguments:
        stale = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
        if stale:
            print(f"{', '.join(stale)}: not the published program; run python proofs/embed.py")
        return int(bool(stale))
    for path, text in made.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
