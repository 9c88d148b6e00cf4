"""KoalaBear and its degree-5 extension in plain Python integers.

Base field F_p, p = 2^31 - 2^24 + 1; every base element is an `int` in [0, P). Extension F = F_p[X] / (X^5 +
X^2 - 1), which is irreducible; an element is a tuple of five base coefficients, lowest first. Reduction: X^5
= 1 - X^2, hence X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1. PROTOCOL.md section 1.

This is the verifier's arithmetic, and the slow twin of the prover's kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import mul

from zk.errors import ZkError

P = 2**31 - 2**24 + 1
GENERATOR = 3
TWO_ADICITY = 24
DEGREE = 5

Ext = tuple[int, int, int, int, int]

ZERO: Ext = (0, 0, 0, 0, 0)
ONE: Ext = (1, 0, 0, 0, 0)


class FieldError(ZkError):
    """What the field does not have: the inverse of 0, or a root of unity of too large an order."""


def root_of_unity(k: int) -> int:
    """w_k = 3^((p-1) / 2^k), of order 2^k, for 0 <= k <= 24. Raises FieldError for another k."""
    if not 0 <= k <= TWO_ADICITY:
        raise FieldError(f"no root of unity of order 2^{k}")
    return pow(GENERATOR, (P - 1) >> k, P)


def inverse(a: int) -> int:
    """1/a in the base field. Raises FieldError when a = 0 mod p."""
    if a % P == 0:
        raise FieldError("0 has no inverse")
    return pow(a, -1, P)


def embed(a: int) -> Ext:
    """The base element a (any integer) as an extension element."""
    return (a % P, 0, 0, 0, 0)


def ext_add(a: Ext, b: Ext) -> Ext:
    """a + b."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return (a0 + b0) % P, (a1 + b1) % P, (a2 + b2) % P, (a3 + b3) % P, (a4 + b4) % P


def ext_sub(a: Ext, b: Ext) -> Ext:
    """a - b."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return (a0 - b0) % P, (a1 - b1) % P, (a2 - b2) % P, (a3 - b3) % P, (a4 - b4) % P


def ext_neg(a: Ext) -> Ext:
    """-a."""
    return ext_sub(ZERO, a)


def ext_mul(a: Ext, b: Ext) -> Ext:
    """a * b: 25 integer products, one reduction per coordinate."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    c5 = a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1
    c6 = a2 * b4 + a3 * b3 + a4 * b2
    c7 = a3 * b4 + a4 * b3
    c8 = a4 * b4
    return (
        (a0 * b0 + c5 - c8) % P,
        (a0 * b1 + a1 * b0 + c6) % P,
        (a0 * b2 + a1 * b1 + a2 * b0 - c5 + c7 + c8) % P,
        (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 - c6 + c8) % P,
        (a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 - c7) % P,
    )


def ext_scale(a: Ext, s: int) -> Ext:
    """a * s for a base element s."""
    a0, a1, a2, a3, a4 = a
    return a0 * s % P, a1 * s % P, a2 * s % P, a3 * s % P, a4 * s % P


def ext_pow(a: Ext, n: int) -> Ext:
    """a^n for n >= 0; a^0 = 1, also for a = 0."""
    result = ONE
    while n > 0:
        if n & 1:
            result = ext_mul(result, a)
        a = ext_mul(a, a)
        n >>= 1
    return result


_IMAGE = ext_pow((0, 1, 0, 0, 0), P)  # X^p
_FROBENIUS = tuple(zip(*(ext_pow(_IMAGE, i) for i in range(DEGREE)), strict=True))  # column i: (X^i)^p


def frobenius(a: Ext) -> Ext:
    """a^p, by linearity: sum a_i (X^i)^p."""
    c0, c1, c2, c3, c4 = (sum(map(mul, a, row)) % P for row in _FROBENIUS)
    return c0, c1, c2, c3, c4


def reduce_sum(terms: Iterable[Ext]) -> Ext:
    """Sum of extension elements, 0 if there are none."""
    columns = list(zip(*terms, strict=True))
    if not columns:
        return ZERO
    c0, c1, c2, c3, c4 = (sum(column) % P for column in columns)
    return c0, c1, c2, c3, c4


def ext_inv(a: Ext) -> Ext:
    """1/a by the norm: a^(1 + p + p^2 + p^3 + p^4) lies in the base field. Raises FieldError for 0."""
    b = frobenius(a)
    b = ext_mul(b, frobenius(b))  # a^(p + p^2)
    b = ext_mul(b, frobenius(frobenius(b)))  # a^(p + p^2 + p^3 + p^4)
    return ext_scale(b, inverse(ext_mul(a, b)[0]))


def batch_inverse(elements: Sequence[Ext]) -> list[Ext]:
    """Inverses of all elements at the cost of one inversion. Raises FieldError when one is 0."""
    products = [ONE]
    for e in elements:
        products.append(ext_mul(products[-1], e))
    tail = ext_inv(products[-1])
    result = [ZERO] * len(elements)
    for i in range(len(elements) - 1, -1, -1):
        result[i] = ext_mul(tail, products[i])
        tail = ext_mul(tail, elements[i])
    return result


def is_element(value: object) -> bool:
    """True for an `int` (no bool) in [0, P)."""
    return type(value) is int and 0 <= value < P
