"""What a site's published proof, head and sizes tell of its readings: one tag against many, the same readings cut finer.

Real proofs at full size. Every published number of a place is compared with the uniform distribution, and between two sites; a prover
without masks is told apart by the same means.
"""

from __future__ import annotations

from typing import Any

import claim_samples as samples
import pytest

from circuits.claim import claim_program, public_interactions, public_vector
from circuits.prove import prove_claim
from circuits.statement import IDLE, UNATTRIBUTED
from circuits.witness import rows_needed
from tests.toy import Instance
from tests.zk.test_hiding import CHI_SQUARE_LIMIT, KS_LIMIT, Shown, chi_square, kolmogorov_smirnov, patched, zeros
from zk.options import STD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
Published = dict[str, tuple[dict[str, list[int]], list[int]]]
"""Of each cut, every number of its proofs by place, and their sizes."""
PROOFS, COVERAGE, TAGS = 4, 72 * 3600, tuple(range(100, 160))
CUTS: dict[str, list[tuple[int, float]]] = {
    "one tag": [(100, 0.5), (IDLE, 0)],
    "the same, cut finer": [*[(100, 1 / 64)] * 32, (IDLE, 0)],
    "many tags": [*[(tag, 1 / 128) for tag in TAGS], (UNATTRIBUTED, 1 / 128), (IDLE, 0)],
    "idle": [(IDLE, 0)],
}
"""What a meter does in each of 48 hours: tags and shares of its chip-seconds; the last has the rest."""


def site(parts: list[tuple[int, float]]) -> tuple[Any, Any]:
    """The table of a site with one such meter."""

    def new(r: Any, works: dict[int, int]) -> None:
        r.residue(works.get(UNATTRIBUTED, 0))
        for tag in sorted(set(works) - {UNATTRIBUTED}):
            r.add(samples.CHECKPOINT, tag, work=works[tag])

    plan = [(epoch, parts) for epoch in range(48)]
    whole = samples.claim([plan], [1979], [COVERAGE], lambda r: None, new)
    return samples.cut(*whole, [[0]])[0]  # type: ignore[no-any-return]


def shown(statement: Any, proof: bytes) -> dict[str, list[int]]:
    """Every published number of a proof, by its place."""
    item = Instance(claim_program(), public_vector(statement), public_interactions(statement), [], statement.log_rows, STD)
    return Shown(item, proof).numbers()


def told_apart(one: dict[str, list[int]], other: dict[str, list[int]]) -> list[str]:
    found = [name for sample in (one, other) for name, words in sample.items() if len(words) > 99 and chi_square(words) > CHI_SQUARE_LIMIT]
    return found + [name for name in one if kolmogorov_smirnov(one[name], other.get(name, one[name])) > KS_LIMIT]


@pytest.fixture(scope="module")
def published() -> Published:
    """Of each cut, the numbers of some proofs, and the proofs' sizes."""
    out = {}
    for name, parts in CUTS.items():
        statement, witness = site(parts)
        assert rows_needed(witness) <= 2**statement.log_rows
        numbers, sizes = dict[str, list[int]](), []
        for _ in range(PROOFS):
            proof = prove_claim(statement, witness)
            sizes.append(len(proof))
            for place, words in shown(statement, proof).items():
                numbers.setdefault(place, []).extend(words)
        out[name] = numbers, sizes
    return out


@pytest.mark.parametrize("other", [name for name in CUTS if name != "one tag"])
def test_what_a_site_did_is_not_in_its_proof(published: Published, other: str) -> None:
    assert told_apart(published["one tag"][0], published[other][0]) == []


def test_sizes_follow_the_queries_and_nothing_else(published: Published) -> None:
    """Proofs of one witness differ by some KiB, with where the queries fall; so do those of two, and no more."""
    sizes = [size for _, own in published.values() for size in own]
    assert max(sizes) - min(sizes) < 24_000 and min(sizes) > 355_000
    statements = [site(parts)[0] for parts in CUTS.values()]
    assert len({(len(public_vector(s)), len(public_interactions(s)), s.log_rows) for s in statements}) == 1


def test_a_prover_without_masks_is_told(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    patched(monkeypatch, lambda kind, shape: zeros(shape) if kind == 0 else None)
    statement, witness = site(CUTS["many tags"])
    assert told_apart(published["one tag"][0], shown(statement, prove_claim(statement, witness)))
