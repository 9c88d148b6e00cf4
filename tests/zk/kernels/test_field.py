"""Array arithmetic against galois and plain integers."""

import galois
import numpy as np
import pytest

from zk.kernels import field
from zk.kernels._memory import mont_array

P = 2**31 - 2**24 + 1
EDGES = [0, 1, 2, P - 1, P - 2, 2**24, 2**31 - 2**24]


def sample(seed: int, *shape: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, P, shape, dtype=np.uint32)
    flat = values.reshape(-1)
    flat[: min(len(EDGES), flat.size)] = EDGES[: flat.size]
    return values


def ext_mul(x: list[int], y: list[int]) -> list[int]:
    """Schoolbook product, then division by X^5 + X^2 - 1."""
    ring = galois.GF(P)
    product = galois.Poly(ring(x[::-1])) * galois.Poly(ring(y[::-1]))
    rest = product % galois.Poly(ring([1, 0, 0, 1, 0, P - 1]))
    out = [int(c) for c in rest.coefficients(5, order="asc")]
    return out


@pytest.mark.parametrize("shape", [(1,), (16,), (3, 5), (7, 2, 33), (1000,)])
def test_conversions(shape: tuple[int, ...]) -> None:
    values = sample(1, *shape)
    form = field.to_mont(values)
    assert np.array_equal(form, mont_array(values))
    assert np.array_equal(field.from_mont(form), values)
    again = form.copy()
    assert field.from_mont(again, again) is again
    assert np.array_equal(again, values)


def test_conversion_of_strided_views() -> None:
    values = sample(2, 6, 40)
    out = np.zeros((6, 50), dtype=np.uint32)
    field.to_mont(values[:, ::2], out[:, :20])
    assert np.array_equal(out[:, :20], mont_array(values[:, ::2]))
    assert not out[:, 20:].any()


@pytest.mark.parametrize("n", [1, 16, 100, 1024, 5000])
def test_batch_inverse(n: int) -> None:
    values = np.maximum(sample(n, n), 1)
    inverse = field.from_mont(field.batch_inverse(mont_array(values)))
    assert all(int(x) * int(y) % P == 1 for x, y in zip(values, inverse, strict=True))
    assert inverse.max() < P


def test_ext_mul() -> None:
    x, y = sample(3, 5, 40), sample(4, 5, 40)[:, ::-1].copy()
    product = field.from_mont(field.ext_mul(mont_array(x), mont_array(y)))
    constant = field.from_mont(field.ext_mul(mont_array(x), mont_array(y[:, 3:4])))
    for k in range(40):
        a = [int(v) for v in x[:, k]]
        assert [int(v) for v in product[:, k]] == ext_mul(a, [int(v) for v in y[:, k]])
        assert [int(v) for v in constant[:, k]] == ext_mul(a, [int(v) for v in y[:, 3]])
        assert field.ext_mul_int(a, y[:, k]) == ext_mul(a, [int(v) for v in y[:, k]])


def test_ext_mul_at_the_largest_values() -> None:
    top = np.full((5, 16), P - 1, dtype=np.uint32)
    # Montgomery words P - 1 are the lazy sums' worst case
    product = field.ext_mul(top, top)
    canonical = [int(v) for v in field.from_mont(top)[:, 0]]
    assert [int(v) for v in field.from_mont(product)[:, 0]] == ext_mul(canonical, canonical)
    assert product.max() < P


@pytest.mark.parametrize("n", [1, 17, 1500])
def test_ext_batch_inverse(n: int) -> None:
    values = sample(n, 5, n)
    values[1] |= 1
    values %= P
    given = mont_array(values)
    product = field.from_mont(field.ext_mul(given, field.ext_batch_inverse(given)))
    assert np.all(product[0] == 1) and not product[1:].any()


def test_powers() -> None:
    out = field.from_mont(field.powers(5, 77, 70000))
    for k in (0, 1, 15, 16, 17, 4095, 65536, 69999):
        assert int(out[k]) == 5 * pow(77, k, P) % P
    ratio = [3, 1, 4, 1, P - 5]
    ext = field.from_mont(field.ext_powers(ratio, 20000, (7, 0, 0, 0, 2)))
    for k in (0, 1, 16, 333, 16384, 19999):
        assert [int(v) for v in ext[:, k]] == field.ext_mul_int(field.ext_pow_int(ratio, k), (7, 0, 0, 0, 2))


@pytest.mark.parametrize("n", [5, 48])
def test_scale(n: int) -> None:
    rng = np.random.default_rng(n)
    rows, factors = rng.integers(0, P, (3, n)), rng.integers(0, P, n)
    given = mont_array(rows)
    each = field.from_mont(field.scale(given, mont_array(factors)))
    one = field.from_mont(field.scale(given, mont_array(factors[:1]), given))
    for k in range(3):
        assert [int(v) for v in each[k]] == [int(a) * int(b) % P for a, b in zip(rows[k], factors, strict=True)]
        assert [int(v) for v in one[k]] == [int(a) * int(factors[0]) % P for a in rows[k]]
    with pytest.raises(ValueError):
        field.scale(given, mont_array(factors[:3]))
