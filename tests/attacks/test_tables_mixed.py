"""A lab of two sites that proves whatever is true of its records, with a prover of its own, and puts it where a table of its claim stands.

The proof system is a stub that proves what is true, and nothing else; meters' heads are signed, all else is the lab's to choose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from claim_samples import seal
from lab_fixtures import LAB_KEY, make_lab, seal_and_close, with_caps, with_sites

from circuits.chain import summary_head
from circuits.statement import Statement, SummaryTerms, ledger_header, registry_header, summary_header
from circuits.witness import ClaimWitness
from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.claim.file import Claim, SiteHead, sign_claim
from claims.claim.lists import LOST_SITE, TOTAL, UNATTRIBUTED, Limit, Loss
from claims.claim.losses import NO_HEAD, lost_summary
from claims.lab.lineage import note_checkpoint
from claims.lab.prove import make_claim
from claims.lab.registry import Opening
from claims.lab.witness import assemble
from claims.verify.claim import verify_claim
from tests.lab.test_prove import draft, work
from tests.lab.test_tables import CAPS, Prover
from zk.errors import StatementError, WitnessError

Table = tuple[Statement, ClaimWitness]


@pytest.fixture(scope="module", autouse=True)
def prover() -> Iterator[Prover]:
    with Prover().in_place() as made:
        yield made


@dataclass
class Lab:
    """A closed period of two sites, its true claim with its proofs, and what its prover has: tables of the claim, and a whole table."""

    agreement: Agreement
    claim: Claim
    proofs: dict[bytes, bytes]
    tables: tuple[Table, Table, Table]
    whole: Table
    prover: Prover

    def prove(self, statement: Statement, witness: ClaimWitness) -> bytes:
        """The SHA-256 of a proof of a true statement, which is published with the claim."""
        proof = self.prover.prove(statement, witness)
        digest = hashlib.sha256(proof).digest()
        self.proofs[digest] = proof
        return digest

    def with_table(self, place: int, statement: Statement, witness: ClaimWitness, own_heads: bool = True) -> Claim:
        """The claim with another statement's proof in a place, and with that statement's summary or registry heads, if asked."""
        digests = list(self.claim.proofs)
        digests[place] = self.prove(statement, witness)
        claim = self.claim
        if own_heads and place < 2:
            heads = [statement.summaries[0].head if i == place else site.head for i, site in enumerate(claim.sites)]
            claim = replace(claim, sites=tuple(replace(site, head=head) for site, head in zip(claim.sites, heads, strict=True)))
        if own_heads and place == 2 and statement.registry is not None:
            claim = replace(claim, head_before=statement.registry.before, head_after=statement.registry.after)
        sites = tuple(replace(site, proof=digest) for site, digest in zip(claim.sites, digests, strict=False))
        return replace(claim, sites=sites, registry_proof=digests[2])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, prover: Prover) -> Lab:
    store, terms = make_lab(tmp_path_factory.mktemp("mixed"), (Opening("base", 10**6),), **CAPS)
    agreement = with_sites(terms)
    note_checkpoint(store, agreement, draft("a", ("base",), 1))
    note_checkpoint(store, agreement, draft("b", ("a",), 2))
    work(store, agreement, 0, "a", "b")
    seal_and_close(store, agreement, 0)
    made, assembly = make_claim(store, agreement, 0, LAB_KEY), assemble(store, agreement, 0)
    proofs = {hashlib.sha256(proof).digest(): proof for proof in made.proofs}
    north, south, registry = ((table.statement, table.witness) for table in assembly.tables)
    statement = replace(registry[0], meters=(*north[0].meters, *south[0].meters), summaries=())
    whole = (statement, ClaimWitness((*north[1].ledgers, *south[1].ledgers), registry[1].registry))
    return Lab(agreement, made.claim, proofs, (north, south, registry), whole, prover)  # type: ignore[arg-type]


def verified(lab: Lab, claim: Claim, agreement: Agreement | None = None) -> str:
    """The failed check of a claim that the lab signed, with the table where it is a proof's."""
    signed = sign_claim(claim, LAB_KEY)
    with pytest.raises(ClaimRejected) as caught:
        verify_claim(signed.encode(), agreement or lab.agreement, proofs=lab.proofs.get)
    where = next((name for name in ("site north", "site south", "the registry") if name in caught.value.what), "")
    return f"{caught.value.check} {where}".strip()


def test_the_true_claim_is_proven(lab: Lab) -> None:
    assert verify_claim(lab.claim.encode(), lab.agreement, proofs=lab.proofs.get).proof is not None
    for table in (*lab.tables, lab.whole):
        lab.prove(*table)


# ---- other statements, true of the records ------------------------------------------------------------------------

DIGEST = bytes(range(32))


def _meter(statement: Statement, **changes: Any) -> Statement:
    return replace(statement, meters=(replace(statement.meters[0], **changes), *statement.meters[1:]))


def _summary(statement: Statement, place: int, header: Any) -> Statement:
    summaries = [replace(terms, header=header) if i == place else terms for i, terms in enumerate(statement.summaries)]
    return replace(statement, summaries=tuple(summaries))


def _ledger(witness: ClaimWitness, **columns: Any) -> ClaimWitness:
    return replace(witness, ledgers=(replace(witness.ledgers[0], **columns), *witness.ledgers[1:]))


def _records(witness: ClaimWitness, place: int, records: Any) -> ClaimWitness:
    summaries = [replace(item, records=tuple(records)) if i == place else item for i, item in enumerate(witness.summaries)]
    return replace(witness, summaries=tuple(summaries))


def _sums(witness: ClaimWitness) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    for ledger in witness.ledgers:
        for tag, amount in zip(ledger.tags.tolist(), ledger.work.tolist(), strict=True):
            if tag != 1:
                found[tag] = found.get(tag, 0) + amount
    return sorted(found.items())


def cheaper_chips(north: Table, lab: Lab) -> Table:
    statement, witness = north
    ledger = witness.ledgers[0]
    witness = _ledger(witness, work=np.where(ledger.tags == 1, 0, ledger.chip_seconds))
    witness = _records(witness, 0, _sums(witness))
    return seal(_meter(statement, peak=1), witness), witness


def fewer_chips(north: Table, lab: Lab) -> Table:
    """Only the first reading of each epoch, and a coverage that fits."""
    statement, witness = north
    ledger = witness.ledgers[0]
    first = np.append(True, np.diff(ledger.epochs) == 1)
    seconds = np.where(first, 60, 0)
    peak = statement.meters[0].peak
    own = {"epochs": ledger.epochs[first], "tags": ledger.tags[first], "chip_seconds": seconds[first]}
    witness = _ledger(witness, **own, work=np.where(own["tags"] == 1, 0, own["chip_seconds"] * peak))
    witness = _records(witness, 0, _sums(witness))
    return seal(_meter(statement, coverage=60), witness), witness


def fewer_epochs(north: Table, lab: Lab) -> Table:
    statement, witness = north
    ledger, last = witness.ledgers[0], statement.last_epoch - 1
    keep = ledger.epochs <= last
    witness = _ledger(witness, **{name: getattr(ledger, name)[keep] for name in ("epochs", "tags", "chip_seconds", "work")})
    witness = _records(witness, 0, _sums(witness))
    return seal(replace(statement, last_epoch=last), witness), witness


def metered(north: Table, lab: Lab) -> Table:
    statement, witness = north
    witness = _ledger(witness, work=np.zeros_like(witness.ledgers[0].work))
    witness = _records(witness, 0, [(tag, 0) for tag, _ in witness.summaries[0].records])
    return seal(replace(statement, charge_peak=False), witness), witness


def all_idle(north: Table, lab: Lab) -> Table:
    statement, witness = north
    ledger = witness.ledgers[0]
    witness = _records(_ledger(witness, tags=np.ones_like(ledger.tags), work=np.zeros_like(ledger.work)), 0, ())
    return seal(statement, witness), witness


def both_meters_in_the_north(north: Table, lab: Lab) -> Table:
    whole = lab.whole
    witness = replace(north[1], ledgers=whole[1].ledgers)
    witness = _records(witness, 0, _sums(witness))
    return seal(replace(north[0], meters=whole[0].meters), witness), witness


def another_height(north: Table, lab: Lab) -> Table:
    return replace(north[0], log_rows=17), north[1]


def _header(*parts: Any) -> Callable[[Table, Lab], Table]:
    def change(table: Table, lab: Lab) -> Table:
        agreement, owner, site, period = parts
        digest = lab.agreement.digest if agreement is None else agreement
        statement = _summary(table[0], 0, summary_header(digest, owner, site, period))
        return seal(statement, table[1]), table[1]

    return change


def _ledger_of(*parts: Any) -> Callable[[Table, Lab], Table]:
    def change(table: Table, lab: Lab) -> Table:
        statement = _meter(table[0], header=ledger_header(lab.agreement.digest if parts[0] is None else parts[0], *parts[1:]))
        return seal(statement, table[1]), table[1]

    return change


SITES: dict[str, Callable[[Table, Lab], Table]] = {
    "cheaper chips": cheaper_chips, "fewer chips": fewer_chips, "fewer epochs": fewer_epochs, "metered": metered, "all idle": all_idle,
    "both meters in one site": both_meters_in_the_north, "another height": another_height,
    "a summary of the other site": _header(None, "alpha", "south", 0), "a summary of the next period": _header(None, "alpha", "north", 1),
    "a summary of another lab": _header(None, "beta", "north", 0), "a summary of another agreement": _header(DIGEST, "alpha", "north", 0),
    "the other meter's ledger": _ledger_of(None, "alpha", "hall-b", 0),
    "a ledger of another agreement": _ledger_of(DIGEST, "alpha", "hall-a", 0),
    "a ledger of the next period": _ledger_of(None, "alpha", "hall-a", 1),
}  # fmt: skip


@pytest.mark.parametrize("attempt", SITES)
def test_a_site_is_proven_as_something_else(lab: Lab, attempt: str) -> None:
    table = SITES[attempt](lab.tables[0], lab)
    for own_heads in (True, False):
        assert verified(lab, lab.with_table(0, *table, own_heads=own_heads)) == "proof site north"


@pytest.mark.parametrize("work", ["less", "none", "no record", "a record too many", "a tag twice"])
def test_a_summary_of_other_records_has_no_proof(lab: Lab, work: str) -> None:
    statement, witness = lab.tables[0]
    (tag, amount), *rest = witness.summaries[0].records
    records = {
        "less": ((tag, amount - 1), *rest), "none": tuple((tag, 0) for tag, _ in witness.summaries[0].records), "no record": (),
        "a record too many": (*witness.summaries[0].records, (2**24 - 1, 5)), "a tag twice": ((tag, amount - 1), (tag, 1), *rest),
    }[work]  # fmt: skip
    false = _records(witness, 0, records)
    with pytest.raises(WitnessError):
        lab.prove(seal(statement, false), false)


# ---- registries --------------------------------------------------------------------------------------------------


def _with(**changes: Any) -> Callable[[Table, Lab], Table]:
    return lambda table, lab: (replace(table[0], **changes), table[1])


def exchanged(registry: Table, lab: Lab) -> Table:
    statement, witness = registry
    return replace(statement, summaries=statement.summaries[::-1]), replace(witness, summaries=witness.summaries[::-1])


def of_the_whole_table(registry: Table, lab: Lab) -> Table:
    return lab.whole


def a_site(registry: Table, lab: Lab) -> Table:
    return lab.tables[0]


def _booked(registry: Table, places: tuple[int, ...], less: bool = False) -> Table:
    """A registry of only some of the summaries, or of less work in them, and entries that fit them."""
    statement, witness = registry
    kept = [witness.summaries[i] for i in places]
    if less:
        kept = [replace(item, records=tuple((tag, 0) for tag, _ in item.records)) for item in kept]
    works: dict[int, int] = {}
    for item in kept:
        for tag, amount in item.records:
            works[tag] = works.get(tag, 0) + amount
    rest, a, b = witness.registry.new_entries
    base = witness.registry.old_entries[0]
    rest = replace(rest, work=works.get(2, 0), cumulative=works.get(2, 0))
    a = replace(a, work=works.get(a.tag, 0), cumulative=base.cumulative + works.get(a.tag, 0))
    b = replace(b, work=works.get(b.tag, 0), cumulative=a.cumulative + works.get(b.tag, 0))
    registry_witness = replace(witness.registry, new_entries=(rest, a, b))
    witness = replace(witness, summaries=tuple(kept), registry=registry_witness)
    return seal(replace(statement, summaries=tuple(statement.summaries[i] for i in places)), witness), witness


def another_opening(registry: Table, lab: Lab) -> Table:
    """The same period over a registry in which base has no declared work."""
    statement, witness = registry
    base, own = witness.registry.old_entries[0], witness.registry
    less = replace(base, declared=0, cumulative=0)
    new = tuple(entry if entry.kind == 6 else replace(entry, cumulative=entry.cumulative - base.cumulative) for entry in own.new_entries)
    witness = replace(witness, registry=replace(own, old_entries=(less,), new_entries=new))
    return seal(statement, witness), witness


def of_another_lab(registry: Table, lab: Lab) -> Table:
    own = registry[0].registry
    statement = replace(registry[0], registry=replace(own, header=registry_header("beta")))
    return seal(statement, registry[1]), registry[1]


REGISTRIES: dict[str, tuple[Callable[[Table, Lab], Table], str]] = {
    "higher caps": (_with(total_cap=2**63), "proof the registry"), "no freeze": (_with(freeze_level=2**62), "proof the registry"),
    "a lower lineage": (_with(lineage_cap=10**14), "proof the registry"), "uncharged": (_with(charge_residue=False), "proof the registry"),
    "metered": (_with(charge_peak=False), "proof the registry"), "another height": (_with(log_rows=17), "proof the registry"),
    "other epochs": (_with(last_epoch=9), "proof the registry"), "summaries exchanged": (exchanged, "proof the registry"),
    "the whole table": (of_the_whole_table, "proof the registry"), "a site's table": (a_site, "proof the registry"),
    "without the south": (lambda table, lab: _booked(table, (0,)), "proof the registry"),
    "without the north": (lambda table, lab: _booked(table, (1,)), "proof the registry"),
    "less in both": (lambda table, lab: _booked(table, (0, 1), less=True), "proof the registry"),
    "another opening": (another_opening, "continuity"), "of another lab": (of_another_lab, "continuity"),
}  # fmt: skip


@pytest.mark.parametrize("attempt", REGISTRIES)
def test_the_registry_is_proven_as_something_else(lab: Lab, attempt: str) -> None:
    change, check = REGISTRIES[attempt]
    table = change(lab.tables[2], lab)
    assert verified(lab, lab.with_table(2, *table)) in (check, "proof the registry")
    assert verified(lab, lab.with_table(2, *table, own_heads=False)) == "proof the registry"


def test_a_summary_of_less_is_the_sites_or_the_registrys(lab: Lab) -> None:
    """The registry over summaries of nothing is true, and so are the sites over theirs: no claim has both."""
    statement, witness = _booked(lab.tables[2], (0, 1), less=True)
    claim = lab.with_table(2, statement, witness)
    heads = [terms.head for terms in statement.summaries]
    claim = replace(claim, sites=tuple(replace(site, head=head) for site, head in zip(claim.sites, heads, strict=True)))
    assert verified(lab, claim) == "proof site north"
    one = replace(claim, sites=(lab.claim.sites[0], claim.sites[1]))
    assert verified(lab, one) == "proof site south"


def test_one_summary_twice_is_no_statement(lab: Lab) -> None:
    statement, witness = lab.tables[2]
    with pytest.raises(StatementError):
        replace(statement, summaries=statement.summaries[:1] * 2).validate()
    twice = replace(lab.claim, sites=tuple(replace(site, head=lab.claim.sites[0].head) for site in lab.claim.sites))
    assert verified(lab, twice) == "proof site south"


# ---- claims ------------------------------------------------------------------------------------------------------


def test_a_whole_table_is_no_claim_of_a_lab_with_sites(lab: Lab) -> None:
    proof = lab.prover.prove(*lab.whole)
    assert verified(lab, replace(lab.claim, sites=(), registry_proof=b"", proof=proof)) == "meters"


def test_sites_are_no_claim_of_a_lab_without(lab: Lab) -> None:
    own = lab.agreement.labs[0]
    plain = replace(own, meters=tuple(replace(meter, site=None) for meter in own.meters), registry_rows=None)
    other = replace(lab.agreement, labs=(plain,))
    assert verified(lab, lab.claim, other) == "agreement"
    assert verified(lab, replace(lab.claim, agreement_digest=other.digest), other) == "meters"


def test_a_lost_sites_summary_is_nobody_elses(lab: Lab) -> None:
    """Anybody can make it: with it a site that is not lost has a summary without a proof, or a lost one a smaller summary."""
    agreement, own = lab.agreement, lab.agreement.labs[0]
    made = lost_summary(agreement, own, "north", 0)
    north, south = lab.claim.sites
    assert verified(lab, replace(lab.claim, sites=(replace(north, head=made), south))) == "proof site north"
    assert verified(lab, replace(lab.claim, sites=(replace(north, head=NO_HEAD, proof=bytes(32)), south))).startswith("proof")
    lost = replace(lab.claim, losses=(Loss(LOST_SITE, "north", 0),), limits=(Limit(5, 0, 800_000),))
    bare = replace(lost, meters=(replace(lost.meters[0], head=NO_HEAD, signature=bytes(64)), lost.meters[1]))
    assert verified(lab, lost) in ("lists", "signatures") and verified(lab, bare) == "lists site north"
    zero = replace(bare, sites=(SiteHead("north", NO_HEAD, bytes(32), north.roots), south))
    assert verified(lab, zero) == "proof the registry", "its work is in the registry, or there is no claim"
    small = summary_head(NO_HEAD, summary_header(agreement.digest, "alpha", "north", 0), [(2, 1)], NO_HEAD)
    assert verified(lab, replace(bare, sites=(SiteHead("north", small, bytes(32), north.roots), south))) == "lists site north"


def test_a_limit_of_the_registrys_table_is_in_the_claim(lab: Lab) -> None:
    """A true proof under another cap is one of a claim that states it, and of no other."""
    agreement = with_caps(lab.agreement, total=1)
    assert verified(lab, lab.claim, agreement) == "agreement"
    statement, witness = lab.tables[2]
    above = replace(statement, total_cap=2**62)
    stated = replace(lab.with_table(2, above, witness), limits=(Limit(TOTAL, CAPS["total"], 2**62),))
    assert verify_claim(sign_claim(stated, LAB_KEY).encode(), lab.agreement, proofs=lab.proofs.get).word != "PROVEN"
    assert verified(lab, replace(stated, limits=())) == "proof the registry"
    assert verified(lab, replace(stated, limits=(Limit(TOTAL, CAPS["total"], 2**61),))) == "proof the registry"
    assert verified(lab, replace(stated, limits=(Limit(UNATTRIBUTED, CAPS["unattributed"], 2**62),))) == "proof the registry"


def test_a_summary_without_its_site(lab: Lab) -> None:
    """A third summary, or one of a site that the agreement does not have."""
    statement, witness = lab.tables[2]
    header = summary_header(lab.agreement.digest, "alpha", "west", 0)
    summary = replace(witness.summaries[0], records=())
    third = SummaryTerms(header, summary_head(summary.iv, header, (), summary.trailer))
    more = replace(statement, summaries=(*statement.summaries, third)), replace(witness, summaries=(*witness.summaries, summary))
    assert verified(lab, lab.with_table(2, *more)) == "proof the registry"
    west = SiteHead("west", third.head, lab.claim.proofs[0], bytes(32))
    assert verified(lab, replace(lab.with_table(2, *more), sites=(*lab.claim.sites, west))) == "meters"
