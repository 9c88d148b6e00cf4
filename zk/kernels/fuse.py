"""Larger operations for the interpreter: what a program's ADD, SUB, MUL and ASSERT do together, in fewer passes over memory.

The interpreter (vm.py) loads the operands of every operation and stores its result. Where a result is used once, by an operation
that could have computed it on the way, `fuse` leaves it out. It rewrites a program (n, 4) of [opcode, dst, a, b] to (m, 6) of
[opcode, dst, a, b, c, d]; unused places are 0. Values are the same, as field elements are exact. What is new:

    MADD 6   dst = c + a K                K: entry b of the constants, its bare index
    CUBE 7   dst = (a + b)^3              b: an operand of kind CONST
    ADD3 8   dst = a + b + c
    ADD4 9   dst = a + b + c + d
    DIFF 10  total += coefs[dst] (a - b)  an ASSERT of a difference

Registers are given anew, by last use. Slow twin: tests/zk/kernels/test_fuse.py.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zk.kernels.opcodes import (
    ADD,
    ADD3,
    ADD4,
    ASSERT,
    CONST,
    CUBE,
    DIFF,
    INDEX_BITS,
    INDEX_MASK,
    MADD,
    MSG,
    MUL,
    NUM,
    REG,
    SUB,
)

Ops = npt.NDArray[np.int32]


@dataclass
class _Node:
    """One operation; operands >= 0 as in a program, -1 - k for the value of node k. `tag`: dst of MSG and NUM; index of a coefficient."""

    code: int
    operands: list[int]
    tag: tuple[int, int] = (0, 0)
    constant: int = 0
    merged: bool = False


def fuse(ops: Ops) -> tuple[Ops, int]:
    """The program with larger operations, (m, 6) int32, and the number of registers that it needs."""
    nodes = _nodes(ops)
    uses = [0] * len(nodes)
    for node in nodes:
        for x in node.operands:
            if x < 0:
                uses[-1 - x] += 1
    for node in reversed(nodes):
        if not node.merged:
            _merge(nodes, uses, node)
    return _allocate(nodes)


def _nodes(ops: Ops) -> list[_Node]:
    """The program in single-assignment form."""
    held: dict[int, int] = {}
    nodes: list[_Node] = []
    for code, dst, a, b in ops.tolist():
        operands = [held[x & INDEX_MASK] if x >> INDEX_BITS == REG else x for x in ((a, b) if code <= MUL else (a,))]
        nodes.append(_Node(code, operands, (0, 0) if code <= MUL else (dst, b)))
        if code <= MUL:
            held[dst] = -len(nodes)
    return nodes


def _is_constant(x: int) -> bool:
    return x >= 0 and x >> INDEX_BITS == CONST


def _merge(nodes: list[_Node], uses: list[int], node: _Node) -> None:
    """Takes into `node` what only it uses. Nodes are visited from the last to the first, so what is taken in is not visited."""

    def alone(x: int, code: int) -> _Node | None:
        """The node behind an operand, if it is of this opcode and used nowhere else."""
        found = nodes[-1 - x] if x < 0 else None
        return found if found is not None and found.code == code and uses[-1 - x] == 1 and not found.merged else None

    def scaled(x: int) -> _Node | None:
        """A product with a constant that is used nowhere else, as (factor, constant) in this order."""
        found = alone(x, MUL)
        if found is None or not any(map(_is_constant, found.operands)):
            return None
        found.operands.sort(key=_is_constant)
        return found

    if node.code == ASSERT and (found := alone(node.operands[0], SUB)) is not None:
        node.code, node.operands, found.merged = DIFF, found.operands, True
    elif node.code == MUL:
        _merge_cube(nodes, uses, node)
    elif node.code == ADD:
        first, second = node.operands
        if (found := scaled(second)) is None:
            first, found = second, scaled(first)
        if found is not None:
            node.code, node.constant, found.merged = MADD, found.operands[1] & INDEX_MASK, True
            node.operands = [found.operands[0], first]
        else:
            terms = list(node.operands)
            for _ in range(2):
                for place, x in enumerate(terms):
                    inner = alone(x, ADD)
                    if inner is not None and not any(scaled(y) for y in inner.operands):
                        terms[place : place + 1], inner.merged = inner.operands, True
                        break
            node.code, node.operands = (ADD, ADD3, ADD4)[len(terms) - 2], terms


def _merge_cube(nodes: list[_Node], uses: list[int], node: _Node) -> None:
    """MUL to CUBE where it is one of a sum with a constant."""
    for square, base in (node.operands, node.operands[::-1]):
        if square >= 0 or base >= 0 or uses[-1 - square] != 1 or uses[-1 - base] != 3:
            continue
        inner, total = nodes[-1 - square], nodes[-1 - base]
        if inner.code == MUL and inner.operands == [base, base] and total.code == ADD and any(map(_is_constant, total.operands)):
            inner.merged = total.merged = True
            node.code, node.operands = CUBE, sorted(total.operands, key=_is_constant)


def _allocate(nodes: list[_Node]) -> tuple[Ops, int]:
    """Rows of the new program, with a register for each value from where it is made to where it is last used."""
    last = {x: place for place, node in enumerate(nodes) if not node.merged for x in node.operands if x < 0}
    free: list[int] = []
    held: dict[int, int] = {}
    count, rows = 0, []
    for place, node in enumerate(nodes):
        if node.merged:
            continue
        operands = [held[x] if x < 0 else x for x in node.operands]
        for x in set(node.operands):
            if x < 0 and last[x] == place:
                free.append(held.pop(x))
        dst = node.tag[0]
        if node.code not in (ASSERT, MSG, NUM, DIFF):
            if not free:
                free.append(count)
                count += 1
            dst = held[-1 - place] = free.pop()
            if -1 - place not in last:
                free.append(held[-1 - place])
        rows.append(_row(node, dst, operands))
    return np.array(rows, dtype=np.int32).reshape(-1, 6), count


def _row(node: _Node, dst: int, operands: list[int]) -> list[int]:
    if node.code in (ASSERT, MSG, NUM):
        return [node.code, dst, operands[0], node.tag[1], 0, 0]
    if node.code == DIFF:
        return [DIFF, node.tag[1], *operands, 0, 0]
    if node.code == MADD:
        return [MADD, dst, operands[0], node.constant, operands[1], 0]
    return [node.code, dst, *operands, 0, 0, 0, 0][:6]
