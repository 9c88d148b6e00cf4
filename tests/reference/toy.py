"""A toy AIR with every feature of the protocol, and its trace: for tests of prover and verifier.

Columns a, b, t, m, x: a_{i+1} = a_i^2 + b_i from the public `start` to the public `end`; x = b^3; every b is
looked up in the table column t = 0, 1, ..., with multiplicities m; a message with two numerators; one public
interaction.
"""

from __future__ import annotations

import random
from functools import cache

from tests.reference.slow_prover import slow_prove
from zk.air import Builder, Columns, Program, compile_air
from zk.errors import ZkError
from zk.field import P
from zk.options import INSECURE_TEST, Options
from zk.verifier import verify

TABLE, END, PAIR = 7, 9, 11
COLUMNS = Columns({"a": 1, "b": 1, "t": 1, "m": 1, "x": 1, "s": 2})


def _constraints(b: Builder) -> None:
    row, following = b.row, b.next
    a, value, table = row.one("a"), row.one("b"), row.one("t")
    b.assert_zero("starts", b.is_first * (a - b.public("start")))
    b.assert_zero("steps", b.is_transition * (following.one("a") - a * a - value))
    b.assert_zero("ends", b.is_last * (a - b.public("end")))
    b.assert_zero("table_starts", b.is_first * table)
    b.assert_zero("table_steps", b.is_transition * (following.one("t") - table - 1))
    b.assert_equal("cube", row.one("x"), value * value * value)
    b.interact("use", 1, [TABLE, value])
    b.interact("table", 0 - row.one("m"), [TABLE, table])
    b.interact("end", b.is_last, [END, a, table])
    b.interact("pair_out", [row.one("s", 0), row.one("s", 1)], [PAIR, value])
    b.interact("pair_back", [0 - row.one("s", 0), 0 - row.one("s", 1)], [PAIR, row.one("b") * 1 + 0 * table])


def program() -> Program:
    """The toy's program. Publics: start, end."""
    return compile_air(COLUMNS, ["start", "end"], _constraints)


def instance(log_rows: int, seed: int = 0) -> tuple[list[int], list[tuple[int, list[int]]], list[list[int]]]:
    """Publics, public interactions and trace columns (canonical) of a true statement."""
    n, rng = 1 << log_rows, random.Random(seed)
    b = [rng.randrange(n) for _ in range(n)]
    a = [rng.randrange(P)]
    for value in b[:-1]:
        a.append((a[-1] * a[-1] + value) % P)
    t = list(range(n))
    m = [0] * n
    for value in b:
        m[value] += 1
    s = [[rng.randrange(P) for _ in range(n)] for _ in range(2)]
    trace = [a, b, t, m, [pow(v, 3, P) for v in b], *s]
    return [a[0], a[-1]], [(P - 1, [END, a[-1], n - 1])], trace


LOG_ROWS = 8
Statement = tuple[list[int], list[tuple[int, list[int]]]]


@cache
def slow_proof(options: Options = INSECURE_TEST, seed: int = 0) -> bytes:
    """A proof of instance(LOG_ROWS, seed), always the same bytes. About two seconds, then cached."""
    publics, interactions, trace = instance(LOG_ROWS, seed)
    return slow_prove(program(), publics, interactions, trace, LOG_ROWS, options, rng=random.Random(seed))


def rejection(proof: object, options: Options = INSECURE_TEST, **changed: object) -> ZkError | None:
    """What verify raises for instance(LOG_ROWS, 0) with arguments changed; None where it accepts."""
    publics, interactions, _ = instance(LOG_ROWS)
    arguments = {
        "program": program(), "publics": publics, "public_interactions": interactions, "log_rows": LOG_ROWS,
        "proof": proof, "options": options, "floor_bits": 0.0, "allow_insecure": True,
    }  # fmt: skip
    try:
        verify(**{**arguments, **changed})  # type: ignore[arg-type]
    except ZkError as error:
        return error
    return None
