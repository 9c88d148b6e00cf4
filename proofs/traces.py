"""Rows of an honest trace through the Coq interpreter, and the same with one byte changed.

The interpreter of Machine.v must give, on every row, what zk/check.py gives: all constraints, numerators and messages,
compared as one sum with weights modulo p. On the honest rows no constraint fails; where one byte is changed, one does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests/circuits")]

import claim_samples  # noqa: E402
from claim_forge import unchecked_trace  # noqa: E402

from circuits.claim import claim_program, public_vector  # noqa: E402
from circuits.gadgets import COLUMNS  # noqa: E402
from zk.air import ASSERT, MSG, NUM  # noqa: E402
from zk.check import evaluate  # noqa: E402
from zk.field import P  # noqa: E402

WEIGHT = 3

COQ = """
From Coq Require Import ZArith List Bool FMapPositive.
From Standstill Require Import Machine Program.
Import ListNotations.
Local Open Scope Z_scope.

Definition leaves_of (here there sels publics : list Z) (l : leaf) : Z :=
  match l with
  | Col n => nth (Z.to_nat n) here 0 | Next n => nth (Z.to_nat n) there 0
  | Sel n => nth (Z.to_nat n) sels 0 | Pub n => nth (Z.to_nat n) publics 0
  end.
Definition events here there sels publics := run Fp (leaves_of here there sels publics) (ops the_program) (Regs.empty Z).
Definition refuses (evs : list (event * Z)) : bool :=
  existsb (fun ev => match fst ev with Assert _ => negb (snd ev =? 0) | _ => false end) evs.
Definition digest_of (evs : list (event * Z)) : Z := fold_left (fun acc ev => (acc * WEIGHT + snd ev) mod p) evs 0.
Definition publics_ : list Z := [PUBLICS].
Definition table : list (list Z) := [ROWS].
Definition selectors_ : list (list Z) := [SELECTORS].
Fixpoint pairs (rows sels : list (list Z)) : list (bool * Z) :=
  match rows, sels with
  | here :: (there :: _) as rest, s :: ss => let e := events here there s publics_ in (refuses e, digest_of e) :: pairs (tl rows) ss
  | _, _ => []
  end.
Definition expected : list (bool * Z) := [EXPECTED].
Lemma as_expected : pairs table selectors_ = expected.
Proof. vm_compute. reflexivity. Qed.
"""


def numbers(values: object) -> str:
    """A Coq list's inside."""
    return "; ".join(str(int(v)) for v in values)  # type: ignore[attr-defined]


def check(folder: Path, coqc: Callable[[Path, str], str]) -> list[str]:
    """Runs both traces; what does not come out as it should, as text."""
    statement, witness = claim_samples.small()
    trace, layout = unchecked_trace(statement, witness)
    program, publics = claim_program(), public_vector(statement)
    changed = trace.copy()
    reading = int(np.flatnonzero(trace[COLUMNS.index("busy")])[0])
    changed[COLUMNS.index("byte", 6), reading] ^= 1
    failures = []
    for name, table, refused in (("Honest", trace, False), ("Changed", changed, True)):
        window = np.arange(layout.used + 2)
        n = table.shape[1]
        selectors = np.stack([window == 0, window == n - 1, window != n - 1]).astype(np.uint64)
        here, there = (table[:, rows].astype(np.uint64) for rows in (window, window + 1))
        values = evaluate(program, publics, here, there, selectors)
        expected = []
        for i in range(len(window)):
            outputs = []
            for code, dst, _, b in program.ops:
                if code == ASSERT:
                    outputs.append(values.constraints[b, i])
                elif code in (MSG, NUM):
                    outputs.append((values.messages if code == MSG else values.numerators)[dst][b, i])
            total = 0
            for v in outputs:
                total = (total * WEIGHT + int(v)) % P
            expected.append((bool(values.constraints[:, i].any()), total))
        if any(flag for flag, _ in expected) != refused:
            failures.append(f"{name}: zk/check.py says otherwise")
        text = COQ.replace("WEIGHT", str(WEIGHT)).replace("PUBLICS", numbers(publics))
        text = text.replace("ROWS", ";\n".join(f"[{numbers(table[:, r])}]" for r in [*window, window[-1] + 1]))
        text = text.replace("SELECTORS", "; ".join(f"[{numbers(selectors[:, i])}]" for i in range(len(window))))
        text = text.replace("EXPECTED", "; ".join(f"({str(flag).lower()}, {total})" for flag, total in expected))
        (folder / f"{name}.v").write_text(text)
        coqc(folder, name)
        print(f"{name} trace: {len(window)} rows, {sum(flag for flag, _ in expected)} refused, outputs as zk/check.py's", flush=True)
    return failures
