"""Field and extension of zk/PROTOCOL.md section 1, for the second verifier: slow, obvious.

Elements of the extension are lists of five integers, lowest coefficient first; base elements are integers.
"""

from __future__ import annotations

from collections.abc import Sequence

P = 2**31 - 2**24 + 1
E = 5
Ext = list[int]


def inv(a: int) -> int:
    if a % P == 0:
        raise ZeroDivisionError
    return pow(a, P - 2, P)


def root_of_unity(k: int) -> int:
    """w_k, of order 2^k."""
    return pow(3, (P - 1) >> k, P)


def ext(a: int) -> Ext:
    return [a % P, 0, 0, 0, 0]


def eadd(a: Ext, b: Ext) -> Ext:
    return [(x + y) % P for x, y in zip(a, b, strict=True)]


def esub(a: Ext, b: Ext) -> Ext:
    return [(x - y) % P for x, y in zip(a, b, strict=True)]


def emul(a: Ext, b: Ext) -> Ext:
    """Schoolbook product, then X^n = X^(n-5) - X^(n-3) for n = 8, 7, 6, 5."""
    c = [0] * 9
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            c[i + j] += x * y
    for n in (8, 7, 6, 5):
        c[n - 5] += c[n]
        c[n - 3] -= c[n]
    return [x % P for x in c[:5]]


def escale(a: Ext, s: int) -> Ext:
    return [x * s % P for x in a]


def epow(a: Ext, n: int) -> Ext:
    result = ext(1)
    for bit in bin(n)[2:]:
        result = emul(result, result)
        if bit == "1":
            result = emul(result, a)
    return result


def einv(a: Ext) -> Ext:
    if a == ext(0):
        raise ZeroDivisionError
    return epow(a, P**5 - 2)


def horner(coefficients: Sequence[Ext], x: Ext) -> Ext:
    """sum coefficients[i] x^i."""
    total = ext(0)
    for c in reversed(coefficients):
        total = eadd(emul(total, x), c)
    return total


def from_coordinates(values: Sequence[Ext]) -> Ext:
    """sum values[c] X^c: an extension column from the values of its five coordinates."""
    return horner(values, [0, 1, 0, 0, 0])
