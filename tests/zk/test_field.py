"""zk/field.py against polynomial arithmetic by definition."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zk.field import (
    DEGREE,
    GENERATOR,
    ONE,
    TWO_ADICITY,
    ZERO,
    Ext,
    FieldError,
    P,
    batch_inverse,
    embed,
    ext_add,
    ext_inv,
    ext_mul,
    ext_neg,
    ext_pow,
    ext_scale,
    ext_sub,
    frobenius,
    inverse,
    is_element,
    reduce_sum,
    root_of_unity,
)

base = st.one_of(st.sampled_from([0, 1, 2, P - 1, P - 2, 2**24, 2**30]), st.integers(0, P - 1))
ext = st.tuples(base, base, base, base, base)


def schoolbook(a: Ext, b: Ext) -> Ext:
    """Product of polynomials, then division by X^5 + X^2 - 1 from the top."""
    c = [0] * 9
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            c[i + j] = (c[i + j] + x * y) % P
    for n in range(8, 4, -1):
        c[n - 3] = (c[n - 3] - c[n]) % P
        c[n - 5] = (c[n - 5] + c[n]) % P
    return c[0], c[1], c[2], c[3], c[4]


@given(ext, ext)
def test_product_is_the_schoolbook_product(a, b):
    assert ext_mul(a, b) == schoolbook(a, b)


@given(ext, ext, ext)
def test_ring_laws(a, b, c):
    assert ext_mul(a, ext_mul(b, c)) == ext_mul(ext_mul(a, b), c)
    assert ext_mul(a, ext_add(b, c)) == ext_add(ext_mul(a, b), ext_mul(a, c))
    assert ext_sub(ext_add(a, b), b) == a
    assert ext_add(a, ext_neg(a)) == ZERO
    assert reduce_sum([a, b, c]) == ext_add(a, ext_add(b, c))


@given(ext, base)
def test_scaling_is_multiplication_by_an_embedded_element(a, s):
    assert ext_scale(a, s) == ext_mul(a, embed(s))


@given(ext)
def test_inverse(a):
    if a == ZERO:
        with pytest.raises(FieldError):
            ext_inv(a)
    else:
        assert ext_mul(a, ext_inv(a)) == ONE


@given(ext)
def test_frobenius_is_the_pth_power(a):
    assert frobenius(a) == ext_pow(a, P)


def test_the_modulus_is_irreducible():
    """Degree 5 is prime: X^(p^5) = X, and X^p - X is a unit, so no factor has degree below 5."""
    x: Ext = (0, 1, 0, 0, 0)
    image = x
    for _ in range(DEGREE):
        image = ext_pow(image, P)
    assert image == x
    difference = ext_sub(ext_pow(x, P), x)
    assert ext_mul(difference, ext_pow(difference, P**DEGREE - 2)) == ONE


def test_the_prime_and_its_generator():
    assert P == 2130706433 and P - 1 == 2**24 * 127
    assert pow(GENERATOR, (P - 1) // 2, P) != 1 and pow(GENERATOR, (P - 1) // 127, P) != 1


@pytest.mark.parametrize("k", range(TWO_ADICITY + 1))
def test_roots_of_unity_have_their_order(k):
    w = root_of_unity(k)
    assert pow(w, 1 << k, P) == 1
    assert k == 0 or pow(w, 1 << (k - 1), P) == P - 1
    assert k == 0 or w * w % P == root_of_unity(k - 1)


@pytest.mark.parametrize("k", [-1, 25])
def test_no_other_roots(k):
    with pytest.raises(FieldError):
        root_of_unity(k)


@given(st.lists(ext.filter(lambda a: a != ZERO), max_size=8))
def test_batch_inverse(elements):
    assert batch_inverse(elements) == [ext_inv(e) for e in elements]


def test_batch_inverse_refuses_zero():
    with pytest.raises(FieldError):
        batch_inverse([ONE, ZERO])


def test_zero_has_no_inverse_in_the_base_field():
    for multiple in (0, P, -P):
        with pytest.raises(FieldError):
            inverse(multiple)
    a = random.Random(1).randrange(1, P)
    assert a * inverse(a) % P == 1


def test_power_zero():
    assert ext_pow(ZERO, 0) == ONE and ext_pow(ZERO, 3) == ZERO


@pytest.mark.parametrize("value", [P, -1, True, 1.0, "1", None])
def test_what_is_not_an_element(value):
    assert not is_element(value)


def test_what_is_an_element():
    assert is_element(0) and is_element(P - 1)
