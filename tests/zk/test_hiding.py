"""Zero knowledge, as far as a test can see it (PROTOCOL.md section 9).

Broken hiding fails no functional test, so these try to tell proofs apart: repetition between proofs of one witness, the
distribution of every published number under two witnesses of one statement, and a guess of the witness confirmed by what
is opened. Each distinguisher is also run against a prover whose hiding is switched off, and must then succeed.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import zk.commitment
import zk.hiding
import zk.prover
from tests import toy
from tests.reference.slow_prover import SlowProver, intt, slow_prove
from tests.reference.slow_prover import evaluate as evaluate_poly
from tests.toy import Instance
from zk.commitment import Committer
from zk.errors import OptionsError
from zk.evaluation import Challenges, public_sum
from zk.field import GENERATOR, Ext, P, ext_inv, ext_mul, ext_pow, ext_scale, ext_sub, inverse, root_of_unity
from zk.hiding import leaf_salts, uniform_elements
from zk.kernels import field
from zk.merkle import leaf_hash
from zk.options import STD
from zk.proof import Head, Openings, parse_head, parse_openings, proof_shape
from zk.prover import prove
from zk.transcript import Transcript
from zk.verifier import verify

N = 1 << toy.LOG_ROWS
PROOFS = 80
BINS = 16
CHI_SQUARE_LIMIT = 85.0  # 15 degrees of freedom: exceeded with probability below 1e-10
KS_LIMIT = 3.5  # of the scaled two-sample statistic: exceeded with probability below 5e-11

Prover = Callable[[Instance], bytes]


def fast(item: Instance) -> bytes:
    trace = field.to_mont(np.array(item.trace, dtype=np.uint32))
    return prove(*item.statement()[:3], trace, item.log_rows, item.options)


def slow(item: Instance) -> bytes:
    return slow_prove(*item.statement()[:3], item.trace, item.log_rows, item.options)


# ---- what a proof shows -----------------------------------------------------------------------------------------


class Shown:
    """Everything that a proof publishes."""

    def __init__(self, item: Instance, proof: bytes) -> None:
        self.item = item
        shape = proof_shape(item.program, item.options, item.log_rows)
        self.drawn: dict[str, list[int]] = {}
        self._watch(item, proof)
        self.queries = sorted(set(self.drawn["query"]))
        self.head: Head = parse_head(proof, shape)
        self.openings: Openings = parse_openings(proof, shape, self.drawn["query"])
        self.leaves = [
            leaf_hash(tree.number, salt, row)
            for tree, opening in zip(shape.trees[:3], self.openings.trees, strict=False)
            for salt, row in zip(self.openings.salts, opening.rows, strict=True)
        ]

    def _watch(self, item: Instance, proof: bytes) -> None:
        elements, indices, drawn = Transcript.elements, Transcript.indices, self.drawn

        def draw(self: Transcript, label: str, n: int) -> list[int]:
            return drawn.setdefault(label, elements(self, label, n))

        def last(self: Transcript, label: str, n: int, bits: int) -> list[int]:
            return drawn.setdefault(label, indices(self, label, n, bits))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Transcript, "elements", lambda s, label, n: elements(s, label, n) if label == "fold" else draw(s, label, n))
            patch.setattr(Transcript, "indices", last)
            verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)

    @property
    def zeta(self) -> Ext:
        a, b, c, d, e = self.drawn["zeta"]
        return a, b, c, d, e

    def row(self, tree: int, k: int) -> list[int]:
        """Words of the k-th opened leaf of a tree, as far as they are sent."""
        raw = self.openings.trees[tree].rows[k]
        return [int.from_bytes(raw[i : i + 4], "big") for i in range(0, len(raw), 4)]

    def tokens(self) -> set[tuple[str, object]]:
        """Values of at least 60 bits that two honest proofs never share."""
        head = self.head
        found: set[tuple[str, object]] = {("hash", h) for h in (head.main_root, head.aux_root, head.quotient_root)}
        found |= {("hash", h) for h in head.fri_roots} | {("hash", h) for h in self.leaves}
        found |= {("out of domain", v) for v in head.values} | {("final", v) for v in head.final}
        found |= {("salt", s) for s in self.openings.salts}
        for tree, opening in enumerate(self.openings.trees):
            found |= {("hash", h) for h in opening.siblings}
            found |= {(f"row {tree}", row) for row in opening.rows}
            if tree >= 3:
                found |= {("fri value", row[i : i + 20]) for row in opening.rows for i in range(0, len(row), 20)}
        return found

    def numbers(self) -> dict[str, list[int]]:
        """Every published field element, by its place: each place is one distribution."""
        found: dict[str, list[int]] = {}
        for name, values in (("value", self.head.values), ("final", self.head.final)):
            for k, v in enumerate(values):
                for c, word in enumerate(v):
                    found[f"{name} {k}.{c}"] = [word]
        for tree, opening in enumerate(self.openings.trees):
            for k in range(len(opening.rows)):
                for c, word in enumerate(self.row(tree, k)):
                    found.setdefault(f"tree {tree} column {c}", []).append(word)
        return found


# ---- distinguishers ---------------------------------------------------------------------------------------------


def chi_square(sample: Sequence[int]) -> float:
    counts = np.bincount(np.array(sample, dtype=np.uint64) * np.uint64(BINS) // np.uint64(P), minlength=BINS)
    expected = len(sample) / BINS
    return float(((counts - expected) ** 2).sum() / expected)


def kolmogorov_smirnov(a: Sequence[int], b: Sequence[int]) -> float:
    x, y = np.sort(np.array(a)), np.sort(np.array(b))
    both = np.concatenate([x, y])
    gap = np.abs(np.searchsorted(x, both, "right") / len(x) - np.searchsorted(y, both, "right") / len(y)).max()
    return float(gap * np.sqrt(len(x) * len(y) / (len(x) + len(y))))


def collect(item: Instance, proofs: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for _ in range(proofs):
        for name, words in Shown(item, fast(item)).numbers().items():
            found.setdefault(name, []).extend(words)
    return found


def distinguish(one: Instance, other: Instance, proofs: int = PROOFS) -> list[str]:
    """Places whose numbers are not uniform, or differ between the two witnesses."""
    assert one.statement()[1:] == other.statement()[1:]
    a, b = collect(one, proofs), collect(other, proofs)
    found = [f"{name}: not uniform" for sample in (a, b) for name in sample if chi_square(sample[name]) > CHI_SQUARE_LIMIT]
    return found + [f"{name}: differs" for name in a if kolmogorov_smirnov(a[name], b[name]) > KS_LIMIT]


def confirms_guess(showns: Sequence[Shown], tree: int, column: int, h: int) -> bool:
    """Whether a column's openings, over all the proofs, are those of the known witness under one mask of h coefficients.

    tree: 0 main, 1 auxiliary; who guesses the main trace can compute the auxiliary one from the challenges.
    """
    rows: list[list[int]] = []
    for shown in showns:
        rows += mask_equations(shown, tree, column, h)
    return rank(rows) == rank([row[:-1] for row in rows])


def mask_equations(shown: Shown, tree: int, column: int, h: int) -> list[list[int]]:
    """Linear equations for the h coefficients of the mask r, from every opened value of f + (X^N - 1) r, f known."""
    item, k, program = shown.item, shown.item.log_rows, shown.item.program
    trace = item.trace if tree == 0 else auxiliary_trace(shown)
    f = intt(trace[column], root_of_unity(k))
    rows: list[list[int]] = []
    for q, index in enumerate(shown.queries):
        j, i = divmod(index, N)
        x = GENERATOR * pow(root_of_unity(k + item.options.log_blowup), j, P) * pow(root_of_unity(k), i, P) % P
        opened = shown.row(tree, q)[column]
        r = (opened - evaluate_poly(f, (x, 0, 0, 0, 0))[0]) * inverse(pow(x, N, P) - 1) % P
        rows.append([*(pow(x, n, P) for n in range(h)), r])
    places = [(shown.zeta, column if tree == 0 else program.n_columns + column)]
    after = program.n_columns + 5 * program.n_aux + 10
    read_next = list(program.next_columns) if tree == 0 else list(range(5 * program.n_aux - 5, 5 * program.n_aux))
    if column in read_next:
        start = after if tree == 0 else after + len(program.next_columns)
        places.append((ext_scale(shown.zeta, root_of_unity(k)), start + read_next.index(column)))
    for z, place in places:
        difference = ext_sub(shown.head.values[place], evaluate_poly(f, z))
        r_z = ext_mul(difference, ext_inv(ext_sub(ext_pow(z, N), (1, 0, 0, 0, 0))))
        powers = [ext_pow(z, n) for n in range(h)]
        rows += [[*(p[c] for p in powers), r_z[c]] for c in range(5)]
    return rows


def auxiliary_trace(shown: Shown) -> list[list[int]]:
    """The auxiliary base columns of the known witness under the proof's challenges."""
    item, drawn = shown.item, iter(shown.drawn["lookup"])
    lookup = Challenges(*zip(drawn, drawn, drawn, drawn, drawn, strict=True))
    share = ext_scale(public_sum(item.public_interactions, lookup), inverse(N))
    prover = SlowProver(*item.statement(), item.options, random.Random(0))
    columns = prover.auxiliary(item.trace, lookup, share)
    return [[v[c] for v in column] for column in columns for c in range(5)]


def rank(matrix: Sequence[Sequence[int]]) -> int:
    """Rank over F_p."""
    rows, result = [list(row) for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((r for r in range(result, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[result], rows[pivot] = rows[pivot], rows[result]
        scale = inverse(rows[result][column])
        head = [v * scale % P for v in rows[result]]
        for r in range(result + 1, len(rows)):
            factor = rows[r][column]
            if factor:
                rows[r] = [(v - factor * u) % P for v, u in zip(rows[r], head, strict=True)]
        result += 1
    return result


def two_witnesses() -> tuple[Instance, Instance]:
    """Both prove one statement: the same start and total."""
    low = toy.sums([3] * N, [0] * N)
    high = toy.sums([0, 6] * (N // 2), [1] * N)
    return low, high


# ---- honest provers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prover", [fast, pytest.param(slow, marks=pytest.mark.slow)])
def test_two_proofs_of_one_witness_share_nothing(prover: Prover) -> None:
    item = toy.sums([3] * N, [1] * N)
    one, other = (Shown(item, prover(item)).tokens() for _ in range(2))
    assert len(one) > 100
    assert not one & other


def test_no_value_repeats_within_a_proof() -> None:
    item = toy.counter(spare=[0] * N)
    for _ in range(5):
        shown = Shown(item, fast(item))
        salts = shown.openings.salts
        assert len(set(salts)) == len(salts) and len(set(shown.head.values)) == len(shown.head.values)


def test_two_witnesses_cannot_be_told_apart() -> None:
    assert distinguish(*two_witnesses()) == []


def test_a_guessed_witness_cannot_be_confirmed() -> None:
    """The opened values fit no mask with fewer coefficients than there are values, even for the right guess."""
    item = toy.sums([3] * N, [1] * N)
    shown = Shown(item, fast(item))
    for tree, columns in ((0, (0, 4, 8)), (1, (0, 11, 24))):
        for column in columns:
            values = len(mask_equations(shown, tree, column, 0))
            assert values >= len(shown.queries) + 5
            assert not confirms_guess([shown], tree, column, values - 1)
            assert confirms_guess([shown], tree, column, values)


def test_masks_are_fresh_in_every_proof() -> None:
    """No single mask explains several proofs of one witness."""
    item = toy.sums([3] * N, [1] * N)
    showns = [Shown(item, fast(item)) for _ in range(6)]
    for tree, column in ((0, 0), (0, 8), (1, 0), (1, 24)):
        assert not confirms_guess(showns, tree, column, item.options.mask_coefficients)


def test_draws_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks, blinding and FRI mask: their sizes, and that no draw repeats another."""
    draws, salts = watch_randomness(monkeypatch)
    item = toy.counter()
    for _ in range(3):
        fast(item)
    o, program = item.options, item.program
    h = 2 * (2 * 5 + o.queries)
    expected = [(program.n_columns, h), (5 * program.n_aux, h), (5, 5 + o.queries), (5, o.degree_bound(item.log_rows))]
    assert [d.shape for d in draws] == expected * 3
    rows = [row.tobytes() for draw in draws for row in draw]
    assert len(set(rows)) == len(rows)
    assert [s.shape for s in salts] == [(o.salt_bytes // 4, 4 * N)] * 3


def patch_elements(patch: pytest.MonkeyPatch, elements: Callable[[tuple[int, ...]], np.ndarray]) -> None:
    """Masks are drawn by the one module, blinding and the FRI mask by the other."""
    for module in (zk.commitment, zk.prover):
        patch.setattr(module, "uniform_elements", elements)


def watch_randomness(patch: pytest.MonkeyPatch) -> tuple[list[np.ndarray], list[np.ndarray]]:
    draws: list[np.ndarray] = []
    salts: list[np.ndarray] = []

    def elements(shape: tuple[int, ...]) -> np.ndarray:
        draws.append(uniform_elements(shape))
        return draws[-1]

    def salt(n: int, size: int) -> np.ndarray:
        salts.append(leaf_salts(n, size))
        return salts[-1]

    patch_elements(patch, elements)
    patch.setattr(zk.commitment, "leaf_salts", salt)
    return draws, salts


def test_every_draw_is_used_where_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coefficients from X^N on: masks of both traces; blinding of the quotient's chunks from X^M on; the FRI mask."""
    draws, _ = watch_randomness(monkeypatch)
    tails: list[np.ndarray] = []
    for name in ("commit", "commit_coefficients"):
        made = getattr(Committer, name)

        def spy(self: Committer, matrix: np.ndarray, tree: int, made: Any = made) -> Any:
            committed = made(self, matrix, tree)
            tails.append(committed.tails)
            return committed

        monkeypatch.setattr(Committer, name, spy)
    item = toy.counter()
    fast(item)
    o = item.options
    start, d = o.chunk(item.log_rows) - N, o.blinding_coefficients
    assert np.array_equal(tails[0], draws[0]) and np.array_equal(tails[1], draws[1])
    assert np.array_equal(tails[2][:5, start : start + d], draws[2])
    assert np.array_equal(tails[2][10:], draws[3][:, N:])


def test_salts_never_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the leaf numbers, over proofs. The three leaves of a number, opened together or not at all, have one."""
    _, salts = watch_randomness(monkeypatch)
    item = toy.counter()
    for _ in range(3):
        fast(item)
    seen = [column.tobytes() for matrix in salts for column in np.ascontiguousarray(matrix.T)]
    assert len(seen) == 3 * 4 * N == len(set(seen))


def test_uniform_elements_are_uniform() -> None:
    sample = uniform_elements((200_000,))
    assert sample.max() < P
    assert chi_square(sample.tolist()) < CHI_SQUARE_LIMIT
    low = np.bincount(sample & np.uint32(15), minlength=16)
    assert ((low - 12_500) ** 2 / 12_500).sum() < CHI_SQUARE_LIMIT


def test_no_generator_can_be_seeded() -> None:
    """Neither the signature nor the sources know a deterministic generator."""
    assert not {"rng", "seed", "random"} & set(inspect.signature(prove).parameters)
    for module in (zk.prover, zk.hiding):
        source = inspect.getsource(module)
        assert "import random" not in source and "np.random" not in source and "seed" not in source


# ---- broken provers: the tests above can fail --------------------------------------------------------------------


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, dtype=np.uint32)


def patched(patch: pytest.MonkeyPatch, broken: Callable[[int, tuple[int, ...]], np.ndarray | None]) -> None:
    """Replaces draw number k (mod 4: main, aux, blinding, FRI mask) where `broken` returns one."""
    count = [0]

    def elements(shape: tuple[int, ...]) -> np.ndarray:
        kind, count[0] = count[0] % 4, count[0] + 1
        found = broken(kind, shape)
        return uniform_elements(shape) if found is None else found

    patch_elements(patch, elements)


@pytest.mark.parametrize("kind,place", [(0, "tree 0"), (3, "tree 2 column 1")])
def test_a_missing_mask_is_seen(kind: int, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Main trace, FRI mask: by distribution alone."""
    patched(monkeypatch, lambda k, shape: zeros(shape) if k == kind else None)
    one, other = (toy.counter(spare=[v] * N) for v in (0, 1))
    assert any(name.startswith(place) for name in distinguish(one, other, 40))


@pytest.mark.parametrize("kind", [0, 1])
def test_a_missing_mask_confirms_a_guess(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Main trace, auxiliary trace."""
    patched(monkeypatch, lambda k, shape: zeros(shape) if k == kind else None)
    item = toy.sums([3] * N, [1] * N)
    assert confirms_guess([Shown(item, fast(item))], kind, 4, 0)


@pytest.mark.parametrize("size", [1, 5, 10])
def test_too_small_a_mask_is_seen(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(kind: int, shape: tuple[int, ...]) -> np.ndarray | None:
        if kind:
            return None
        mask = uniform_elements(shape)
        mask[:, size:] = 0
        return mask

    patched(monkeypatch, small)
    item = toy.counter(spare=[7] * N)
    shown = Shown(item, fast(item))
    assert confirms_guess([shown], 0, 0, size)  # three queries and two out-of-domain points: 13 values


def test_one_mask_for_all_columns_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def shared(kind: int, shape: tuple[int, ...]) -> np.ndarray | None:
        return np.repeat(uniform_elements((1, shape[1])), shape[0], axis=0) if kind == 0 else None

    patched(monkeypatch, shared)
    item = toy.counter(spare=list(range(3, 3 + N)))
    shown = Shown(item, fast(item))
    assert shown.head.values[0] == shown.head.values[1]  # test_no_value_repeats_within_a_proof fails


def test_a_cloned_generator_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def clone(kind: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.random.default_rng(kind).integers(0, P, shape, dtype=np.uint32)

    patched(monkeypatch, clone)
    item = toy.sums([3] * N, [1] * N)
    showns = [Shown(item, fast(item)) for _ in range(6)]
    assert confirms_guess(showns, 0, 4, item.options.mask_coefficients)
    assert confirms_guess(showns, 1, 4, item.options.mask_coefficients)


def test_repeated_salts_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zk.commitment, "leaf_salts", lambda n, size: zeros((size // 4, n)))
    item = toy.counter()
    one, other = (Shown(item, fast(item)).tokens() for _ in range(2))
    assert {kind for kind, _ in one & other} == {"salt"}


# ---- sizes ------------------------------------------------------------------------------------------------------


def openings_matrix(log_rows: int, log_blowup: int, q: int, h: int, both: bool) -> list[list[int]]:
    """What openings show of a mask of h coefficients: at q points (and w times them), at zeta (and w zeta)."""
    rng = random.Random(q)
    w, g = root_of_unity(log_rows), root_of_unity(log_rows + log_blowup)
    exponents = rng.sample(range(1 << (log_rows + log_blowup)), q)
    points = [GENERATOR * pow(g, e, P) % P for e in exponents]
    zeta: Ext = (rng.randrange(P), rng.randrange(P), rng.randrange(P), rng.randrange(P), rng.randrange(P))
    z_points = [zeta]
    if both:
        points = sorted({*points, *(x * w % P for x in points)})
        z_points.append(ext_scale(zeta, w))
    rows = []
    for x in points:
        row = [1]
        while len(row) < h:
            row.append(row[-1] * x % P)
        rows.append(row)
    for z in z_points:
        powers: list[Ext] = [(1, 0, 0, 0, 0)]
        while len(powers) < h:
            powers.append(ext_mul(powers[-1], z))
        rows += [[p[c] for p in powers] for c in range(5)]
    return rows


@pytest.mark.parametrize("q", [1, 3, 20])
def test_masks_cover_all_that_is_shown(q: int) -> None:
    """Independent for h coefficients (trace) and D coefficients (quotient chunks); one fewer than the values is not."""
    options = replace(STD, queries=q)
    trace = openings_matrix(16, 2, q, options.mask_coefficients, True)
    assert rank(trace) == len(trace) == 2 * q + 10
    chunk = openings_matrix(16, 2, q, options.blinding_coefficients, False)
    assert rank(chunk) == len(chunk) == q + 5
    short = openings_matrix(16, 2, q, options.blinding_coefficients - 1, False)
    assert rank(short) < len(short)


@pytest.mark.slow
def test_masks_cover_all_that_is_shown_under_std() -> None:
    trace = openings_matrix(16, 2, STD.queries, STD.mask_coefficients, True)
    assert rank(trace) == len(trace)
    chunk = openings_matrix(16, 2, STD.queries, STD.blinding_coefficients, False)
    assert rank(chunk) == len(chunk)


@pytest.mark.parametrize("log_rows", [10, 14, 15])
def test_std_masks_do_not_fit_small_tables(log_rows: int) -> None:
    with pytest.raises(OptionsError):
        STD.validate(log_rows)
    with pytest.raises(OptionsError, match="not hiding"):
        replace(STD, min_log_rows=3).validate(log_rows)


@pytest.mark.parametrize("change", [{"slack_shift": 3}, {"queries": 8}, {"queries": 100}])
def test_masks_larger_than_the_slack_are_refused(change: dict[str, int]) -> None:
    item = toy.counter()
    with pytest.raises(OptionsError, match="not hiding"):
        fast(item.but(options=replace(item.options, **change)))  # type: ignore[arg-type]
