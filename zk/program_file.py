"""Programs from elsewhere: what makes one usable, and the decoder of PROTOCOL.md section 4's encoding.

A program that this package compiled is usable by construction; a file, or a program object that somebody made by hand, is checked
here before anything runs it. Columns, constraints and interactions of a decoded program have numbers for names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice, pairwise

from zk.air import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, PUB, REG, SEL, SUB, Program
from zk.errors import AirError
from zk.field import DEGREE, P

MAX_WIDTH = 65535  # words of a leaf: the width is hashed as a u16
MAX_BYTES = 1 << 24
MAX_INDEX = 1 << 24
N_SELECTORS = 3


def check_program(program: Program) -> None:
    """Everything that PROTOCOL.md section 4 asks of a usable program.

    Raises:
        AirError: it refers to what does not exist, or gives something twice or never.
    """
    if not program.groups:
        raise AirError("the program has no interaction; the protocol needs at least one")
    if not 0 < program.n_columns <= MAX_WIDTH or not DEGREE * program.n_aux <= MAX_WIDTH:
        raise AirError(f"a leaf has 1 to {MAX_WIDTH} words")
    if not 0 <= program.n_registers <= len(program.ops) + 1 or not 0 <= program.n_publics <= MAX_INDEX:
        raise AirError("more registers than ops, or more public inputs than an operand can name")
    if not all(type(c) is int and 0 <= c < P for c in program.constants):
        raise AirError("a constant is not an integer in [0, p)")
    grouped = sorted(i for group in program.groups for i in group if i != -1)
    if grouped != list(range(len(program.interactions))) or any(i < 0 for i, _ in program.groups):
        raise AirError("the groups do not hold every interaction exactly once")
    columns = program.next_columns
    if any(a >= b for a, b in pairwise(columns)) or not all(0 <= c < program.n_columns for c in columns):
        raise AirError("the columns read in the next row are not ascending columns")
    _check_ops(program)


def _check_ops(program: Program) -> None:
    limits = {COL: program.n_columns, CONST: len(program.constants), SEL: N_SELECTORS, PUB: program.n_publics}
    following, written = set(program.next_columns), set[int]()
    asserted, given = 0, list[tuple[int, int, int]]()
    for at, (op, dst, a, b) in enumerate(program.ops):
        for word in (a, b) if op in (ADD, SUB, MUL) else (a,):
            kind, index = word >> 24, word & 0xFFFFFF
            exists = index in written if kind == REG else index in following if kind == NEXT else 0 <= index < limits.get(kind, 0)
            if not exists:
                raise AirError(f"op {at} reads what does not exist: {word:#010x}")
        if op in (ADD, SUB, MUL):
            if not 0 <= dst < program.n_registers:
                raise AirError(f"op {at} writes to register {dst} of {program.n_registers}")
            written.add(dst)
        elif op == ASSERT:
            if b != asserted:
                raise AirError(f"op {at} asserts constraint {b}, {asserted} is next")
            asserted += 1
        elif op in (MSG, NUM):
            given.append((op, dst, b))
        else:
            raise AirError(f"op {at} has the unknown code {op}")
    if asserted != program.n_constraints:
        raise AirError(f"{asserted} constraints are asserted of {program.n_constraints}")
    if sum(n + m for n, m in program.interactions) != len(given) or not all(n > 0 and m > 0 for n, m in program.interactions):
        raise AirError("not every numerator and message element is given exactly once")
    expected = [(NUM, i, k) for i, (count, _) in enumerate(program.interactions) for k in range(count)]
    expected += [(MSG, i, k) for i, (_, count) in enumerate(program.interactions) for k in range(count)]
    if sorted(given) != sorted(expected):
        raise AirError("not every numerator and message element is given exactly once")


def decode_program(data: bytes) -> Program:
    """The program that these bytes encode, checked.

    Raises:
        AirError: they are no encoding of a usable program, or longer than 16 MiB.
    """
    if len(data) % 4 or len(data) > MAX_BYTES:
        raise AirError("a program is a whole number of 32-bit words, at most 16 MiB")
    words = iter(struct.unpack(f">{len(data) // 4}I", data))
    try:
        columns, registers, publics, constraints = _take(words, 4)
        constants = _take(words, next(words))
        flat = _take(words, 4 * next(words))
        ops = tuple(zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True))
        interactions, groups = _pairs(words), _pairs(words)
        following = _take(words, next(words))
    except StopIteration as end:
        raise AirError("the program ends too soon") from end
    if next(words, None) is not None:
        raise AirError("something follows the program")
    program = Program(
        n_columns=columns, n_registers=registers, n_publics=publics, constants=constants, ops=ops, n_constraints=constraints,
        interactions=interactions, groups=tuple((i, -1 if j == 0xFFFFFFFF else j) for i, j in groups), next_columns=following,
        names=_numbers("column", columns, len(ops)), constraint_names=_numbers("constraint", constraints, len(ops)),
        interaction_names=_numbers("interaction", len(interactions), len(ops)),
    )  # fmt: skip
    check_program(program)
    return program


def _take(words: Iterator[int], count: int) -> tuple[int, ...]:
    """The next `count` words. Raises StopIteration where there are fewer."""
    taken = tuple(islice(words, count))
    if len(taken) < count:
        raise StopIteration
    return taken


def _pairs(words: Iterator[int]) -> tuple[tuple[int, int], ...]:
    flat = _take(words, 2 * next(words))
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _numbers(word: str, count: int, ops: int) -> tuple[str, ...]:
    """Names for a decoded program's parts; none for a count that no program of so many ops can have (`check_program` refuses it)."""
    return tuple(f"{word} {i}" for i in range(count)) if count <= max(ops, MAX_WIDTH) else ()
