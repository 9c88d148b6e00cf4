"""Poseidon2: published vectors, the pinned R_P = 36 vector, matrices written out, compiled twins."""

import json
from pathlib import Path

import numpy as np
import pytest

from zk import poseidon2 as slow
from zk.kernels import poseidon2 as fast
from zk.kernels import simd
from zk.kernels._jit import kernel
from zk.kernels._memory import mont_array, unmont
from zk.kernels.lanes import INT, vector_op

P = slow.P
VECTORS = Path(__file__).parents[2] / "vectors" / "poseidon2_rp36.json"
PUBLISHED = [
    (
        [894848333, 1437655012, 1200606629, 1690012884, 71131202, 1749206695, 1717947831, 120589055, 19776022,
         42382981, 1831865506, 724844064, 171220207, 1299207443, 227047920, 1783754913],
        [1934285469, 604889435, 133449501, 1026180808, 1830659359, 176667110, 1391183747, 351743874, 1238264085,
         1292768839, 2023573270, 1201586780, 1360691759, 1230682461, 748270449, 651545025],
    ),
    (
        list(range(16)),
        [1259554834, 663463928, 1989430097, 476523442, 836740795, 1803459961, 1229318262, 2023956904, 2054405130,
         1556655036, 1455339712, 1471465890, 423337459, 353979748, 1203410294, 1592576868],
    ),
]  # fmt: skip


def canonical(array: object) -> list[int]:
    return [unmont(int(x)) for x in array]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("given", "expected"), PUBLISHED)
def test_published_vectors(given: list[int], expected: list[int]) -> None:
    assert slow.permute(given, 20) == expected
    assert canonical(fast.permute_batch(mont_array([given] * 3).T.copy(), 20)[:, 2]) == expected


def test_pinned_vectors() -> None:
    pinned = json.loads(VECTORS.read_text())
    first, partial, last = slow.round_constants(pinned["partial_rounds"])
    assert pinned["constants"] == {"first_full": list(first[0]), "partial": list(partial), "last_full": list(last[3])}
    for vector in pinned["vectors"]:
        assert slow.permute(vector["in"]) == vector["out"]


def test_constants_depend_on_the_number_of_partial_rounds() -> None:
    hardened, standard = slow.round_constants(36), slow.round_constants(20)
    assert len(hardened[1]) == 36 and len(standard[1]) == 20
    assert all(a != b for x, y in zip(hardened[0], standard[0], strict=True) for a, b in zip(x, y, strict=True))


def test_layers_are_the_matrices() -> None:
    m4 = [[2, 3, 1, 1], [1, 2, 3, 1], [1, 1, 2, 3], [3, 1, 1, 2]]
    x = [pow(3, k + 1, P) for k in range(16)]
    external = [
        sum((2 if i // 4 == j // 4 else 1) * m4[i % 4][j % 4] * x[j] for j in range(16)) % P for i in range(16)
    ]
    assert slow.external_linear(x) == external
    internal = [sum(((slow.DIAGONAL[i] if i == j else 0) + 1) * x[j] for j in range(16)) % P for i in range(16)]
    assert slow.internal_linear(x) == internal


def test_refuses_bad_states() -> None:
    for bad in ([0] * 15, [0] * 15 + [P], [0] * 15 + [-1]):
        with pytest.raises(ValueError):
            slow.permute(bad)


def trace_row(state: list[int], partial_rounds: int) -> list[int]:
    first, partial, last = slow.round_constants(partial_rounds)
    row = list(state)
    state = slow.external_linear(state)
    for constants in first:
        state = slow.external_linear([pow(x + c, 3, P) for x, c in zip(state, constants, strict=True)])
        row += state
    for constant in partial:
        state[0] = pow(state[0] + constant, 3, P)
        row.append(state[0])
        state = slow.internal_linear(state)
    for constants in last:
        state = slow.external_linear([pow(x + c, 3, P) for x, c in zip(state, constants, strict=True)])
        row += state
    return row


@pytest.mark.parametrize(("n", "partial_rounds"), [(8, 36), (32, 36), (50, 20)])
def test_fill_trace(n: int, partial_rounds: int) -> None:
    rng = np.random.default_rng(n)
    states = rng.integers(0, P, (16, n), dtype=np.uint32)
    states[:, 0], states[:, 1] = 0, P - 1
    out = np.full((144 + partial_rounds, n + 3), 7, dtype=np.uint32)
    fast.fill_trace(mont_array(states), out, partial_rounds)
    assert np.all(out[:, n:] == 7)
    for r in range(n):
        assert canonical(out[:, r]) == trace_row([int(x) for x in states[:, r]], partial_rounds)
    assert np.array_equal(fast.permute_batch(mont_array(states), partial_rounds), out[-16:, :n])


@pytest.mark.parametrize("chains", [1, 3, 40])
def test_sponge_chains(chains: int) -> None:
    rng = np.random.default_rng(chains)
    lengths = rng.integers(1, 9, chains)
    gaps = rng.integers(0, 3, chains)
    starts = np.cumsum(gaps) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    n = int(starts[-1] + lengths[-1]) + 2
    messages = rng.integers(0, P, (8, n), dtype=np.uint32)
    capacity = rng.integers(0, P, (8, chains), dtype=np.uint32)
    branch = (rng.random(n) < 0.3).astype(np.uint8)
    inputs, heads = fast.sponge_chains(mont_array(messages), starts, lengths, mont_array(capacity), branch)
    expected = np.zeros((16, n), dtype=np.uint32)
    for c in range(chains):
        state = [int(x) for x in capacity[:, c]]
        for r in range(starts[c], starts[c] + lengths[c]):
            row = [int(x) for x in messages[:, r]] + state
            expected[:, r] = row
            output = slow.permute(row)
            state = state if branch[r] else output[8:]
        assert canonical(heads[:, c]) == output
    assert np.array_equal(inputs, mont_array(expected))


def test_sponge_refuses_overlap() -> None:
    with pytest.raises(ValueError):
        fast.sponge_chains(np.zeros((8, 9), dtype=np.uint32), np.array([0, 3]), np.array([4, 2]), np.zeros(8, dtype=np.uint32))
    with pytest.raises(ValueError):
        fast.sponge_chains(np.zeros((8, 9), dtype=np.uint32), np.array([8]), np.array([2]), np.zeros(8, dtype=np.uint32))


_small = vector_op(simd.ir_scalar_small, INT, INT)
_difference = vector_op(simd.ir_scalar_sub, INT, INT, INT)
_halfway = vector_op(simd.ir_scalar_reduce_lazy, INT, INT)


@kernel
def _scalars(what, x, y):  # type: ignore[no-untyped-def]
    if what == 0:
        return _small(x)
    if what == 1:
        return _difference(x, y)
    return _halfway(x)


def test_scalars_at_their_ends() -> None:
    """Up to 2^36 - 1, where sixteen lanes and fifteen times one more lie; below p 2^32, of which the lazy quotient is below 2p."""
    for x in (0, 1, P - 1, P, 2**31 - 1, 2**31, 15 * (P - 1), 31 * (P - 1), 2**36 - 1):
        assert _scalars(0, x, 0) == x % P
    for x in (0, 1, P - 1):
        assert [_scalars(1, x, y) for y in (0, 1, P - 1)] == [(x - y) % P for y in (0, 1, P - 1)]
    for t in (0, 1, P, (P - 1) ** 2, (2 * P - 1) * (P - 1), (P << 32) - 1):
        signed = t - (1 << 64) if t >> 63 else t
        lazy = _scalars(2, signed, 0)
        assert 0 <= lazy < 2 * P and lazy * (1 << 32) % P == t % P
