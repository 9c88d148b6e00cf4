"""Toy AIRs for tests: small, but with every feature of the program format.

`sums` has a range table, two-fraction and one-fraction LogUp groups, several numerators, a message of degree 2, all
three selectors, reads of the next row, a public input and a public interaction. `counter` is the least that the protocol
allows: two columns and one interaction.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from zk.air import Builder, Columns, Program, compile_air
from zk.field import P
from zk.options import INSECURE_TEST, Options

RANGE, TOTAL, MARKED, SQUARE = 1, 2, 3, 4
TOY_OPTIONS = INSECURE_TEST
LOG_ROWS = 8

SUMS_COLUMNS = Columns(
    {"value": 1, "total": 1, "table": 1, "count": 1, "mark": 1, "marked": 2, "shuffled": 1, "product": 1}
)


def sums_constraints(b: Builder) -> None:
    """The values, each below N, add up to a total that the public interaction names; marked ones are counted apart."""
    row, after = b.row, b.next
    value, total, table, mark = row.one("value"), row.one("total"), row.one("table"), row.one("mark")
    b.assert_zero("total_starts", b.is_first * (total - value - b.public("start")))
    b.assert_zero("total_accumulates", b.is_transition * (after.one("total") - total - after.one("value")))
    b.assert_zero("table_starts", b.is_first * table)
    b.assert_zero("table_counts", b.is_transition * (after.one("table") - table - 1))
    b.assert_zero("mark_is_bit", mark * (mark - 1))
    b.assert_zero("product_is_cube", row.one("product") - value * value * mark)
    b.interact("value_in_range", 1, (RANGE, value))
    b.interact("range_table", -1 * row.one("count"), (RANGE, table))
    b.interact("total_is_public", b.is_last, (TOTAL, total, 7))
    b.interact("marked_sum", (mark, mark * value), (MARKED, 9))
    last_marked = [-1 * b.is_last * column for column in row.many("marked")]
    b.interact("marked_is_summed", last_marked, (MARKED, 9))
    b.interact("square_sent", 1, (SQUARE, value * value))
    b.interact("square_received", -1, (SQUARE, row.one("shuffled") * row.one("shuffled")))


def counter_constraints(b: Builder) -> None:
    """A column counts up from a public start; its last value is named by the public interaction."""
    row, after = b.row, b.next
    b.assert_zero("starts", b.is_first * (row.one("n") - b.public("start")))
    b.assert_zero("counts", b.is_transition * (after.one("n") - row.one("n") - 1))
    b.interact("last", b.is_last, (TOTAL, row.one("n")))


SUMS = compile_air(SUMS_COLUMNS, ["start"], sums_constraints)
COUNTER = compile_air(Columns({"n": 1, "spare": 1}), ["start"], counter_constraints)

Interactions = list[tuple[int, list[int]]]


@dataclass
class Instance:
    """A program, a statement and a witness. `trace`: canonical integers, one list of N per column."""

    program: Program
    publics: list[int]
    public_interactions: Interactions
    trace: list[list[int]] = field(repr=False)
    log_rows: int = LOG_ROWS
    options: Options = TOY_OPTIONS

    def column(self, name: str) -> list[int]:
        """The trace column of that name."""
        return self.trace[self.program.names.index(name)]

    def but(self, **changes: object) -> Instance:
        """A copy with fields replaced; the trace is copied too."""
        return replace(self, **{"trace": [list(c) for c in self.trace], **changes})  # type: ignore[arg-type]

    def statement(self) -> tuple[Program, list[int], Interactions, int]:
        """The arguments of `verify` before the proof."""
        return self.program, self.publics, self.public_interactions, self.log_rows

    def option_words(self) -> list[int]:
        """The eight u32."""
        data = self.options.encode()
        return [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]


def sums(
    values: Sequence[int] | None = None,
    marks: Sequence[int] | None = None,
    *,
    log_rows: int = LOG_ROWS,
    start: int = 5,
    options: Options = TOY_OPTIONS,
    rng: random.Random | None = None,
) -> Instance:
    """A true instance of `SUMS`. values: N integers in [0, N), random when absent; marks: N bits."""
    n = 1 << log_rows
    draw = (rng or secrets.SystemRandom()).randrange
    value = list(values) if values is not None else [draw(n) for _ in range(n)]
    mark = list(marks) if marks is not None else [draw(2) for _ in range(n)]
    total, running = [], start
    for v in value:
        running = (running + v) % P
        total.append(running)
    count = [0] * n
    for v in value:
        count[v % n] += 1
    marked_count, marked_sum = sum(mark), sum(v for v, m in zip(value, mark, strict=True) if m) % P
    free = [draw(P) for _ in range(n - 1)]  # read on the last row only
    trace = [
        value, total, list(range(n)), count, mark, [*free, marked_count], [*free, marked_sum],
        [*value[1:], value[0]], [v * v * m % P for v, m in zip(value, mark, strict=True)],
    ]  # fmt: skip
    return Instance(SUMS, [start], [(P - 1, [TOTAL, running, 7])], trace, log_rows, options)


def counter(
    *,
    log_rows: int = LOG_ROWS,
    start: int = 3,
    spare: Sequence[int] | None = None,
    options: Options = TOY_OPTIONS,
    rng: random.Random | None = None,
) -> Instance:
    """A true instance of `COUNTER`; nothing constrains the column `spare`, random when absent."""
    n = 1 << log_rows
    draw = (rng or secrets.SystemRandom()).randrange
    trace = [[(start + i) % P for i in range(n)], list(spare) if spare is not None else [draw(P) for _ in range(n)]]
    last = (start + n - 1) % P
    return Instance(COUNTER, [start], [(P - 1, [TOTAL, last])], trace, log_rows, options)
