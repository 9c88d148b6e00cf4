"""The interpreter against a second one on plain integers."""

from typing import Any

import numpy as np
import pytest

from zk.kernels import logup, quotient, vm
from zk.kernels._memory import mont_array
from zk.kernels.field import ext_mul_int as mul
from zk.kernels.field import ext_pow_int, from_mont
from zk.kernels.opcodes import ADD, ASSERT, COL, CONST, MSG, MUL, NEXT, NUM, REG, SEL, SUB, operand

P = 2**31 - 2**24 + 1
ORDER = P**5


def plus(x: Any, y: Any) -> list[int]:
    return [(int(a) + int(b)) % P for a, b in zip(x, y, strict=True)]


def minus(x: Any, y: Any) -> list[int]:
    return [(int(a) - int(b)) % P for a, b in zip(x, y, strict=True)]


def times(x: Any, factor: int) -> list[int]:
    return [int(a) * int(factor) % P for a in x]


class Case:
    """A random program on random columns."""

    def __init__(self, seed: int, rows: int, cosets: int, interactions: int = 5) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.rows, self.cosets, self.columns, self.registers = rows, cosets, 6, 9
        ops = []
        for r in range(self.registers):
            ops.append([ADD, r, operand(COL, r % 6), operand(NEXT, (r + 1) % 6)])

        def pick() -> int:
            kind = int(rng.integers(0, 5))
            return operand(kind, int(rng.integers(0, [self.registers, 6, 6, 4, 3][kind])))

        self.constraints = 0
        for _ in range(150):
            code = int(rng.integers(0, 6))
            if code == ASSERT:
                ops.append([ASSERT, 0, pick(), self.constraints])
                self.constraints += 1
            elif code in (MSG, NUM):
                ops.append([code, int(rng.integers(0, interactions)), pick(), int(rng.integers(0, 3))])
            else:
                ops.append([code, int(rng.integers(0, self.registers)), pick(), pick()])
        a, b, c, k = operand(COL, 0), operand(NEXT, 1), operand(COL, 2), operand(CONST, 1)
        for shape in (  # what fuse.py makes larger operations of, with its result in register 0
            [[ADD, 1, a, k], [MUL, 2, 1, 1], [MUL, 0, 2, 1]],
            [[MUL, 1, a, k], [ADD, 0, b, 1]],
            [[ADD, 1, a, b], [ADD, 0, 1, c]],
            [[ADD, 1, a, b], [ADD, 2, c, operand(SEL, 1)], [ADD, 0, 1, 2]],
            [[SUB, 0, a, b]],
        ):
            ops += [*shape, [ASSERT, 0, operand(REG, 0), self.constraints]]
            self.constraints += 1
        ops.append([ADD, 0, a, b])
        for k in range(40):  # long queues
            ops.append([ASSERT, 0, operand(REG, k % 9), self.constraints])
            ops.append([MSG, 2, operand(COL, k % 6), k % 3])
            self.constraints += 1
        self.ops = np.array(ops, dtype=np.int32)
        self.consts = rng.integers(0, P, 4, dtype=np.uint32)
        self.main = rng.integers(0, P, (6, cosets, rows + 3), dtype=np.uint32)
        self.main[..., rows] = self.main[..., 0]
        self.selectors = rng.integers(0, P, (3, cosets, rows), dtype=np.uint32)
        self.beta, self.gamma = rng.integers(0, P, (3, 5)), rng.integers(0, P, (3, 5))
        self.alpha = rng.integers(0, P, 5)
        self.groups = [(0, 1), (2, -1), (4, 3)]

    def challenges(self) -> vm.Challenges:
        return vm.Challenges(self.alpha, self.beta, self.gamma)

    def row(self, j: int, i: int, coefs: Any) -> tuple[list[int], list[list[int]], list[list[int]]]:
        """(sum of assertions, fp, num) of one row."""
        regs = [0] * self.registers
        total = [0] * 5
        fp, num = [list(self.alpha) for _ in range(5)], [[0] * 5 for _ in range(5)]

        def value(x: int) -> int:
            kind, k = x >> 24, x & 0xFFFFFF
            if kind == REG:
                return regs[k]
            if kind == COL:
                return int(self.main[k, j, i])
            if kind == NEXT:
                return int(self.main[k, j, (i + 1) % self.rows])
            return int(self.consts[k]) if kind == CONST else int(self.selectors[k, j, i])

        for code, dst, a, b in self.ops.tolist():
            if code == ASSERT:
                total = plus(total, times(coefs[b], value(a)))
            elif code == MSG:
                fp[dst] = plus(fp[dst], times(self.beta[b], value(a)))
            elif code == NUM:
                num[dst] = plus(num[dst], times(self.gamma[b], value(a)))
            else:
                x, y = value(a), value(b)
                regs[dst] = (x + y if code == ADD else x - y if code == SUB else x * y) % P
        return total, fp, num


def fraction(fp: Any, num: Any, group: tuple[int, int]) -> list[int]:
    total = [0] * 5
    for i in group:
        if i >= 0:
            total = plus(total, mul(num[i], ext_pow_int(fp[i], ORDER - 2)))
    return total


@pytest.mark.parametrize("rows", [8, 16, 512])
def test_fractions_and_accumulator(rows: int) -> None:
    case = Case(rows, rows, 1)
    zeros = [[0] * 5] * case.constraints
    ops = vm.interactions_only(case.ops)
    assert len(ops) < len(case.ops) and not np.any(ops[:, 0] == ASSERT)
    args = mont_array(case.consts), mont_array(case.main), rows, case.challenges(), case.groups
    h = logup.fractions(ops, *args, mont_array(case.selectors))
    assert h.shape == (3, 5, rows)
    apart = ops.copy()  # of columns 1, 3, 5, ..: what is in no operand stays
    for op in apart:
        for k in (2, 3) if op[0] <= vm.MUL else (2,):
            op[k] += ((op[k] & 0xFFFFFF) + 1) * (op[k] >> 24 in (vm.COL, vm.NEXT))
    few, columns = vm.columns_only(apart)
    assert np.array_equal(few, ops) and columns == list(range(1, 2 * len(case.main), 2))
    place = np.full((3, 5, rows + 8), 9, dtype=np.uint32)
    logup.fractions(ops, *args, mont_array(case.selectors), place)
    assert np.array_equal(place[:, :, :rows], h) and np.all(place[:, :, rows:] == 9)
    plain = from_mont(h)
    for i in {0, 1, rows // 2 + 1, rows - 1}:
        _, fp, num = case.row(0, i, zeros)
        for g, group in enumerate(case.groups):
            assert plain[g, :, i].tolist() == fraction(fp, num, group)
    offset = logup.balancing_offset(h)
    acc = from_mont(logup.accumulate(h, offset))
    expected = [0] * 5
    for i in range(rows):
        assert acc[:, i].tolist() == expected
        expected = plus(expected, offset)
        for g in range(3):
            expected = plus(expected, plain[g, :, i])
    assert expected == [0] * 5


@pytest.mark.parametrize(("rows", "cosets"), [(8, 2), (16, 3), (512, 3)])
def test_quotient(rows: int, cosets: int) -> None:
    case = Case(rows + 1, rows, cosets + 1)
    rng = case.rng
    aux = rng.integers(0, P, (15, cosets + 1, rows + 20), dtype=np.uint32)
    aux[..., rows] = aux[..., 0]
    coefs = rng.integers(0, P, (case.constraints + 3, 5))
    offset = rng.integers(0, P, 5)
    log_rows = rows.bit_length() - 1
    points = [3 * pow(3, ((P - 1) >> (log_rows + 2)) * j, P) for j in range(cosets)]
    inverses = [pow(pow(x, rows, P) - 1, -1, P) for x in points]
    program = case.ops, mont_array(case.consts)
    matrices = mont_array(case.main), mont_array(aux)
    rest = inverses, case.challenges(), case.groups, coefs, offset
    out = quotient.quotient_values(*program, *matrices, mont_array(case.selectors), rows, *rest)
    assert out.shape == (5, cosets, rows) and out.max() < P
    if rows >= 16:  # next rows in matrices of their own
        here, following = (tuple(np.ascontiguousarray(m[:, :, s : rows + s]) for m in matrices) for s in (0, 1))
        assert np.array_equal(quotient.quotient_values(*program, *here, mont_array(case.selectors), rows, *rest, following), out)
    plain = from_mont(out)
    for j, inverse in enumerate(inverses):
        for i in (0, 3, rows - 1):
            total, fp, num = case.row(j, i, coefs)
            cells = [aux[5 * g : 5 * g + 5, j] for g in range(3)]
            u = minus(minus(cells[2][:, (i + 1) % rows], cells[2][:, i]), offset)
            u = minus(minus(u, cells[0][:, i]), cells[1][:, i])
            for g, (a, b) in enumerate(case.groups):
                left = cells[g][:, i] if g < 2 else u
                if b < 0:
                    value = minus(mul(left, fp[a]), num[a])
                else:
                    value = mul(left, mul(fp[a], fp[b]))
                    value = minus(minus(value, mul(num[a], fp[b])), mul(num[b], fp[a]))
                total = plus(total, mul(coefs[case.constraints + g], value))
            assert plain[:, j, i].tolist() == times(total, inverse)


def test_refuses_bad_programs() -> None:
    case = Case(1, 16, 1)
    for op in ([6, 0, 0, 0], [ADD, 0, operand(COL, 6), 0], [MSG, 9, 0, 0], [ADD, 0, operand(5, 0), 0],
               [MSG, 0, operand(COL, 0), 3], [ADD, 0, operand(CONST, 4), 0], [ADD, -1, 0, 0]):  # fmt: skip
        ops = np.vstack([case.ops[case.ops[:, 0] != ASSERT], np.array([op], dtype=np.int32)])
        with pytest.raises(ValueError):
            logup.fractions(ops, case.consts, case.main, 16, case.challenges(), case.groups, case.selectors)
