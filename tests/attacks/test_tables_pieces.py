"""Claims put together at random from true pieces: summaries, proofs, registries and losses, each true of something.

The lab has everything but its meters' keys, and a prover that proves whatever is true. It makes tables of its real ledgers twice, of
ledgers that it invents, of summaries of less work, of lost sites; registries over every pair of these; and signs every mixture. One that
is accepted says of the signed ledgers, and of what is lost, exactly what they come to.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from claim_samples import seal
from lab_fixtures import LAB_KEY

from circuits.chain import summary_head
from circuits.statement import Statement
from circuits.witness import ClaimWitness
from claims.agreement.signatures import sign_agreement
from claims.base.errors import ClaimRejected
from claims.claim.file import Claim, SiteHead, sign_claim
from claims.claim.lists import LOST_METER, LOST_SITE, TOTAL, Limit, Loss
from claims.claim.losses import NO_HEAD, lost_meters, lost_share, lost_summary, lost_work
from claims.verify.claim import verify_claim
from claims.verify.tables import statements_of
from tests.attacks.test_tables_mixed import CAPS, Lab, Table, _records, all_idle, lab, prover  # noqa: F401

Records = tuple[tuple[int, int], ...]
NAMES = ("north", "south")
METERS = {"north": "hall-a", "south": "hall-b"}


@dataclass
class Pieces:
    """What the lab has made. ``summaries``: of each site, by name, head and records; ``proofs``: all that it has, with what they prove;
    ``registries``: by what stands for each site, and whether under a stated total."""

    lab: Lab
    summaries: dict[str, dict[str, tuple[Any, Records, Any]]] = field(default_factory=dict)
    proofs: dict[str, bytes] = field(default_factory=dict)
    registries: dict[tuple[str, str, bool], tuple[Any, bytes]] = field(default_factory=dict)
    works: dict[Any, int] = field(default_factory=dict)
    """Head after of a registry to all work that it has."""


def _fresh(witness: ClaimWitness, records: Records) -> ClaimWitness:
    own = replace(witness.summaries[0], iv=tuple(random.Random(5).randrange(2**30) for _ in range(8)))
    return _records(replace(witness, summaries=(own,)), 0, records)


def _site(made: Pieces, at: int) -> None:
    own, name = made.lab, NAMES[at]
    statement, witness = own.tables[at]
    real = tuple(witness.summaries[0].records)
    found: dict[str, Table] = {"real": (statement, witness)}
    again = _fresh(witness, real)
    found["again"] = seal(statement, again), again
    found["idle"] = all_idle((statement, witness), own)
    for key, (terms, its) in found.items():
        made.proofs[f"{name} {key}"] = own.prove(terms, its)
        made.summaries.setdefault(name, {})[key] = terms.summaries[0].head, tuple(its.summaries[0].records), its.summaries[0]
    less = tuple((tag, work - 1 if work else 0) for tag, work in real)
    part, summary = _fresh(witness, less), made.summaries[name]
    header = statement.summaries[0].header
    summary["less"] = summary_head(part.summaries[0].iv, header, less, part.summaries[0].trailer), less, part.summaries[0]
    agreement = own.agreement
    work = lost_work(agreement, tuple(m for m in agreement.labs[0].meters if m.site == name))
    gone = replace(witness.summaries[0], iv=NO_HEAD, trailer=NO_HEAD, records=((2, work),))
    summary["lost"] = lost_summary(agreement, agreement.labs[0], name, 0), ((2, work),), gone


def _registry(made: Pieces, keys: tuple[str, str], stated: bool) -> None:
    """The registry over these summaries, whose entries have just their work."""
    statement, witness = made.lab.tables[2]
    parts = [made.summaries[name][key] for name, key in zip(NAMES, keys, strict=True)]
    works: dict[int, int] = {}
    for _, records, _ in parts:
        for tag, work in records:
            works[tag] = works.get(tag, 0) + work
    rest, a, b = witness.registry.new_entries
    base = witness.registry.old_entries[0]
    rest = replace(rest, work=works.get(2, 0), cumulative=works.get(2, 0))
    a = replace(a, work=works.get(a.tag, 0), cumulative=base.cumulative + works.get(a.tag, 0))
    b = replace(b, work=works.get(b.tag, 0), cumulative=a.cumulative + works.get(b.tag, 0))
    registry = replace(witness.registry, new_entries=(rest, a, b))
    its = replace(witness, summaries=tuple(part[2] for part in parts), registry=registry)
    terms = seal(replace(statement, total_cap=2**62 if stated else statement.total_cap), its)
    made.registries[(*keys, stated)] = terms.registry.after, made.lab.prove(terms, its)
    made.proofs[f"registry {keys} {stated}"] = made.registries[(*keys, stated)][1]
    made.works[terms.registry.after] = sum(works.values())


@pytest.fixture(scope="module")
def pieces(lab: Lab) -> Iterator[Pieces]:  # noqa: F811
    made = Pieces(lab)
    for at in (0, 1):
        _site(made, at)
    for north in made.summaries["north"]:
        for south in made.summaries["south"]:
            for stated in (False, True):
                _registry(made, (north, south), stated)
    yield made


# ---- mixtures ----------------------------------------------------------------------------------------------------


@dataclass
class Mixture:
    """What stands for each site, and whose proof; which registry; what is listed."""

    keys: list[str]
    proofs: list[str | None]
    registry: tuple[str, str, bool]
    registry_proof: str
    losses: tuple[Loss, ...] = ()
    limits: tuple[int, ...] = ()
    zero: tuple[str, ...] = ()
    """Sites whose meters and heads are zero in the claim."""


LOSSES = [
    (), (Loss(LOST_SITE, "north", 0),), (Loss(LOST_SITE, "south", 0),), (Loss(LOST_SITE, "north", 0), Loss(LOST_SITE, "south", 0)),
    (Loss(LOST_METER, "hall-a", 0),), (Loss(LOST_METER, "hall-b", 2),), (Loss(LOST_METER, "hall-a", 0, True),),
    (Loss(LOST_METER, "hall-a", 0), Loss(LOST_SITE, "south", 1)),
]  # fmt: skip


def coherent(rng: random.Random, made: Pieces) -> Mixture:
    """A mixture that fits together, true or not."""
    losses = rng.choice(LOSSES) if rng.random() < 0.6 else ()
    lost = [name for name in NAMES if any(loss.name == name for loss in losses)]
    zero = tuple(name for name in NAMES if any(loss.name in (name, METERS[name]) and not loss.signed for loss in losses))
    keys = ["lost" if name in lost else rng.choice(("real", "again", "real", "again", "idle", "less")) for name in NAMES]
    stated = rng.random() < 0.3
    registry = (keys[0], keys[1], stated)
    limits = (*((TOTAL,) if stated else ()), *((5,) if losses else ()))
    proofs = [None if name in lost else f"{name} {key if key != 'less' else 'real'}" for name, key in zip(NAMES, keys, strict=True)]
    return Mixture(keys, proofs, registry, f"registry {(keys[0], keys[1])} {stated}", losses, limits, zero)


def spoilt(rng: random.Random, made: Pieces, mixture: Mixture) -> Mixture:
    """The same with one piece of another one."""
    other, at = coherent(rng, made), rng.randrange(2)
    swapped = list(mixture.keys), list(mixture.proofs)
    swapped[0][at] = rng.choice(list(made.summaries[NAMES[at]]))
    swapped[1][at] = rng.choice([*made.proofs])
    changes: list[dict[str, Any]] = [
        {"keys": swapped[0]}, {"proofs": swapped[1]}, {"registry": rng.choice(list(made.registries))},
        {"registry_proof": rng.choice([*made.proofs])}, {"losses": other.losses}, {"limits": other.limits}, {"zero": other.zero},
        {"registry": other.registry, "registry_proof": other.registry_proof}, {"losses": other.losses, "zero": other.zero},
        {"keys": other.keys, "proofs": other.proofs},
    ]  # fmt: skip
    return replace(mixture, **rng.choice(changes))


def written(made: Pieces, mixture: Mixture) -> Claim:
    """The claim that the lab signs."""
    own, claim = made.lab, made.lab.claim
    sites = []
    for name, key, proof, site in zip(NAMES, mixture.keys, mixture.proofs, claim.sites, strict=True):
        gone = any(loss.kind == LOST_SITE and loss.name == name for loss in mixture.losses)
        zero = gone and name in mixture.zero
        head = NO_HEAD if zero else made.summaries[name][key][0]
        sites.append(SiteHead(name, head, bytes(32) if zero or proof is None else made.proofs[proof], site.roots))
    bare = {METERS[name] for name in mixture.zero}
    meters = tuple(replace(m, head=NO_HEAD, signature=bytes(64)) if m.name in bare else m for m in claim.meters)
    draft = replace(
        claim, sites=tuple(sites), meters=meters, losses=mixture.losses, head_after=made.registries[mixture.registry][0],
        registry_proof=made.proofs[mixture.registry_proof],
    )  # fmt: skip
    amounts = {TOTAL: Limit(TOTAL, CAPS["total"], 2**62)}
    if 5 in mixture.limits:
        amounts[5] = Limit(5, 0, max(1, lost_share(own.agreement, draft)))
    return sign_claim(replace(draft, limits=tuple(amounts[which] for which in sorted(set(mixture.limits)))), LAB_KEY)


def worth(made: Pieces, claim: Claim) -> int:
    """What the signed ledgers and what is lost come to."""
    agreement = made.lab.agreement
    lost, total = lost_meters(agreement, claim), 0
    for name in NAMES:
        own = tuple(m for m in agreement.labs[0].meters if m.site == name)
        total += lost_work(agreement, own) if METERS[name] in lost else sum(work for _, work in made.summaries[name]["real"][1])
    return total


def judged(made: Pieces, claim: Claim) -> str:
    try:
        agreement = made.lab.agreement
        signed = sign_agreement(LAB_KEY, agreement, None)
        return verify_claim(claim.encode(), agreement, signatures=signed, proofs=made.lab.proofs.get).word
    except ClaimRejected as error:
        return error.check


def mixtures(made: Pieces, seeds: range) -> dict[str, int]:
    """How often each verdict fell; every one that is accepted was held against the truth."""
    found: dict[str, int] = {}
    for seed in seeds:
        rng = random.Random(seed)
        mixture = coherent(rng, made)
        for _ in range(rng.choice((0, 1, 1, 2))):
            mixture = spoilt(rng, made, mixture)
        try:
            claim = written(made, mixture)
        except ClaimRejected:  # losses that cannot be
            continue
        word = judged(made, claim)
        found[word] = found.get(word, 0) + 1
        if word in ("PROVEN", "OVER"):
            assert made.works[claim.head_after] == worth(made, claim), (seed, mixture)
            assert bool(claim.limits) == (word == "OVER"), (seed, mixture)
    return found


def test_true_pieces_are_accepted_where_they_fit(pieces: Pieces) -> None:
    """Fresh summaries of the same ledgers serve as well, in each pair that the registry was made over."""
    for keys in (("real", "real"), ("again", "real"), ("again", "again")):
        proofs: list[str | None] = [f"{name} {key}" for name, key in zip(NAMES, keys, strict=True)]
        mixture = Mixture(list(keys), proofs, (*keys, False), f"registry {keys} False")
        assert judged(pieces, written(pieces, mixture)) == "PROVEN"


def test_no_mixture_of_true_pieces_is_a_false_claim(pieces: Pieces) -> None:
    found = mixtures(pieces, range(400))
    assert min(found["PROVEN"], found["OVER"], found["lists"]) >= 10 and found["INCOMPLETE"] and found["proof"] >= 100, found


def test_what_is_accepted_has_a_proof_of_each_of_its_statements(pieces: Pieces) -> None:
    """Not by the stub's word: every accepted claim's statements are, one by one, among those that were proven."""
    proven, seen = {repr(statement) for statement in pieces.lab.prover.made}, 0
    for seed in range(700, 1000):
        rng = random.Random(seed)
        mixture = coherent(rng, pieces)
        claim = written(pieces, mixture)
        if judged(pieces, claim) in ("PROVEN", "OVER"):
            statements: tuple[Statement, ...] = statements_of(pieces.lab.agreement, claim)
            assert all(repr(statement) in proven for statement in statements), (seed, mixture)
            seen += 1
    assert seen >= 20
