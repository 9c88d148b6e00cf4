"""Openings of a lab with sites: a proof for each site of which something was drawn, one for the registry, and parts that sites make.

The proof system is a stub, which builds the whole trace and knows one proof of each statement; the last test makes true proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from lab_fixtures import LAB_KEY, with_sites
from opening_proofs import proof_of, verify

from circuits.open_records import OpeningWitness, build_opening_trace
from circuits.opening import OpeningStatement
from claims.base.errors import ClaimsError, MalformedFile
from claims.inspection.binding import Behind
from claims.inspection.check import OpeningRejected, check_opening
from claims.inspection.file import Opening, opening_limit
from claims.inspection.open import MaterialError, SealedEpoch, make_opening, open_part
from claims.inspection.part import OpeningPart
from tests.inspection.test_inspect_open import World as OneRoof
from tests.inspection.test_inspect_open import refused, resign

SITES = ("north", "south")


class World(OneRoof):
    """Enough is drawn that each site has some."""

    draws = 16


def prove(statement: OpeningStatement, witness: OpeningWitness) -> bytes:
    build_opening_trace(statement, witness)
    return proof_of(statement)


@pytest.fixture(scope="module", autouse=True)
def stub() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("circuits.open_records.prove_opening", prove)
        patch.setattr("circuits.opening.verify_opening", verify)
        yield


@pytest.fixture(scope="module")
def world() -> World:
    return World(cut=with_sites)


def drawn_sites(world: World) -> list[str]:
    sites = {meter.name: meter.site for meter in world.meters}
    return sorted({str(sites[draw.meter]) for draw in world.drawn.draws})


def with_proofs(opening: Opening, *proofs: tuple[str | None, bytes]) -> Opening:
    return resign(replace(opening, binding=replace(opening.binding, proofs=proofs)))


def test_each_site_with_something_drawn_and_the_registry_are_proven(world: World) -> None:
    assert drawn_sites(world) == list(SITES), "the round draws in both"
    opening = world.make()
    assert [site for site, _ in opening.binding.proofs] == [*SITES, None]
    data = opening.encode()
    assert Opening.decode(data) == opening and len(data) <= opening_limit(world.drawn, world.terms.lab("alpha").meters, len(SITES))
    check_opening(world.terms, world.drawn, opening, "beta")


def test_a_site_of_which_nothing_was_drawn_proves_nothing(world: World) -> None:
    alone = World(cut=with_sites)
    north = {meter.name for meter in world.terms.labs[0].site("north").meters}
    alone.drawn = replace(world.drawn, draws=tuple(draw for draw in world.drawn.draws if draw.meter in north))
    opening = alone.make()
    assert [site for site, _ in opening.binding.proofs] == ["north", None]
    check_opening(alone.terms, alone.drawn, opening, "beta")
    with pytest.raises(OpeningRejected):
        check_opening(world.terms, world.drawn, opening, "beta")


def test_every_other_list_of_proofs_is_refused(world: World) -> None:
    opening = world.make()
    north, south, registry = opening.binding.proofs
    cases: list[tuple[tuple[str | None, bytes], ...]] = [
        (), (north,), (north, south), (south, registry), (north, registry), (south, north, registry), (north, south, registry, registry),
        (north, north, registry), (registry, north, south), (("north", south[1]), ("south", north[1]), registry),
        (north, ("south", north[1]), registry), (north, south, (None, north[1])), (("north", registry[1]), south, registry),
        (north, ("west", south[1]), registry), ((None, north[1]), south, registry), (north, south, (None, b"")), ((None, registry[1]),),
    ]  # fmt: skip
    for proofs in cases:
        refused(world, with_proofs(opening, *proofs), "proof")


def test_a_proof_of_another_site_or_cut_does_not_pass(world: World) -> None:
    """The meters' heads are under the digest of the agreement, which has the cut."""
    other = World(cut=lambda terms: with_sites(terms, {"hall-a": "south", "hall-b": "north"}))
    opening, swapped = world.make(), other.make()
    refused(world, with_proofs(opening, *swapped.binding.proofs), "proof")
    refused(world, resign(replace(opening, binding=swapped.binding)), "heads")
    whole = World()
    refused(world, with_proofs(opening, *whole.make().binding.proofs), "proof")


# ---- two stores --------------------------------------------------------------------------------------------


class Headquarters(World):
    """Has roots and heads of every meter, and readings of those of one site."""

    own = "north"

    def _away(self, meter: str) -> bool:
        return self.terms.labs[0].meter(meter).site != self.own

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        sealed = super().epoch(meter, epoch)
        return replace(sealed, readings=None, seed=None) if self._away(meter) else sealed

    def behind(self, period: int) -> Behind:
        closed = super().behind(period)
        away = [None if self._away(head.meter) else ledger for head, ledger in zip(closed.heads, closed.ledgers, strict=True)]
        return replace(closed, ledgers=tuple(away))


class Nobody(Headquarters):
    own = ""


def parts_of(world: World, *sites: str) -> list[OpeningPart]:
    made = [open_part(world.terms, world.drawn, world, site) for site in sites]
    return [OpeningPart.decode(part.encode()) for part in made if part is not None]


@pytest.mark.parametrize(("kind", "sites"), [(Headquarters, ("south",)), (Nobody, SITES)])
def test_headquarters_opens_what_sites_opened(world: World, kind: type[World], sites: tuple[str, ...]) -> None:
    headquarters, parts = kind(cut=with_sites), parts_of(world, *sites)
    opening = make_opening(world.terms, world.drawn, headquarters, "beta", LAB_KEY, parts)
    assert opening == world.make(), "nothing tells an inspector where a store stands"


def test_without_a_sites_part_nothing_is_opened(world: World) -> None:
    headquarters = Headquarters(cut=with_sites)
    with pytest.raises(MaterialError, match="store of site south has them") as caught:
        make_opening(world.terms, world.drawn, headquarters, "beta", LAB_KEY)
    assert "standstill building open" in caught.value.hint


def test_a_part_of_something_else_is_refused(world: World) -> None:
    headquarters = Headquarters(cut=with_sites)
    (part,) = parts_of(world, "south")
    for changes in ({"agreement": bytes(32)}, {"lab": "beta"}, {"period": 1}, {"round": 999}):
        with pytest.raises(MaterialError, match="another agreement, lab, period or round"):
            make_opening(world.terms, world.drawn, headquarters, "beta", LAB_KEY, [replace(part, **changes)])  # type: ignore[arg-type]
    meter, one = part.readings[0]
    idle = replace(one, reading=replace(one.reading, work=0))
    rest = part.readings[1:]
    refusal = "inspector would reject"
    cases: list[tuple[list[OpeningPart], str]] = [
        ([part, part], "given twice"), ([replace(part, readings=(("hall-a", one), *rest))], "of other meters"),
        ([replace(part, readings=rest)], "drawn|inspector"), ([replace(part, proof=part.proof[:-1])], refusal),
        ([replace(part, readings=((meter, replace(one, salt=bytes(32))), *rest))], refusal),
        ([replace(part, readings=((meter, idle), *rest))], refusal),
    ]  # fmt: skip
    for parts, words in cases:
        with pytest.raises(ClaimsError, match=words):
            make_opening(world.terms, world.drawn, headquarters, "beta", LAB_KEY, parts)


def test_parts_are_canonical_files(world: World) -> None:
    (part,) = parts_of(world, "south")
    data = part.encode()
    assert OpeningPart.decode(data) == part and "salt=" not in repr(part) and "proof=" not in repr(part)
    for bad in (b"", data[:-1], data + b" ", data.replace(b'"south"', b'"So"'), data.replace(b"part/1", b"part/2"), b"[]"):
        with pytest.raises(MalformedFile):
            OpeningPart.decode(bad)


@pytest.mark.slow
def test_true_proofs_of_sites_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    import circuits.open_records
    import circuits.opening
    from zk.prover import prove as prove_air
    from zk.verifier import verify as verify_air

    def true_proof(statement: OpeningStatement, witness: OpeningWitness) -> bytes:
        trace, program = build_opening_trace(statement, witness), circuits.opening.opening_program()
        return prove_air(program, (), circuits.opening.public_messages(statement), trace, statement.log_rows)

    def check(statement: OpeningStatement, proof: bytes) -> Any:
        program = circuits.opening.opening_program()
        return verify_air(program, (), circuits.opening.public_messages(statement), statement.log_rows, proof)

    monkeypatch.setattr(circuits.open_records, "prove_opening", true_proof)
    monkeypatch.setattr(circuits.opening, "verify_opening", check)
    world = World(cut=with_sites)
    opening = make_opening(world.terms, world.drawn, world, "beta", LAB_KEY)
    north, south, registry = opening.binding.proofs
    check_opening(world.terms, world.drawn, opening, "beta")
    swapped = (("north", south[1]), ("south", north[1]), registry)
    for proofs in (swapped, (north, ("south", north[1]), registry), (north, south, (None, north[1]))):
        refused(world, with_proofs(opening, *proofs), "proof")
