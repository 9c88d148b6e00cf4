"""A lab with two sites in one store: assembled, proven, interrupted, and claimed once.

The proof system is replaced by a stub, which builds the whole trace and refuses what the relation refuses.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from lab_fixtures import LAB_KEY, make_lab, seal_and_close, with_sites

from circuits.relation import check_witness
from circuits.statement import Statement
from circuits.witness import ClaimWitness, Headers, check_heads, heads_of
from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.claim.file import decode_claim
from claims.lab.lineage import note_checkpoint
from claims.lab.prove import finish_claim, make_claim
from claims.lab.running import TableTooSmall, check_table, running
from claims.lab.size import registry_rows, site_rows
from claims.lab.store import Store
from claims.lab.store_file import StoreError
from claims.lab.witness import WitnessRefused, assemble
from claims.verify.claim import verify_claim
from tests.lab.test_prove import OPENINGS, draft, work
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report

CAPS = {"total": 10**15, "unattributed": 10**15, "lineage": 10**15, "freeze": None}


class Prover:
    """The stub. ``fail``: a table at which it is killed; ``made``: statements proven."""

    def __init__(self) -> None:
        self.fail, self.made = 99, list[Statement]()

    @contextmanager
    def in_place(self) -> Iterator[Prover]:
        """It takes the place of prover and verifier."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("circuits.prove.prove_claim", self.prove)
            patch.setattr("circuits.verify.verify_claim_proof", self.verify)
            yield self

    def prove(self, statement: Statement, witness: ClaimWitness, progress: object = None) -> bytes:
        if len(self.made) == self.fail:
            raise KeyboardInterrupt
        check_witness(statement, witness)
        check_heads(statement, heads_of(witness, Headers.of(statement)))
        self.made.append(statement)
        return self.proof(statement) + len(self.made).to_bytes(1, "big")  # no two proofs of one statement are alike

    @staticmethod
    def proof(statement: Statement) -> bytes:
        return hashlib.sha256(repr(statement).encode()).digest()

    def verify(self, statement: Statement, proof: bytes) -> Any:
        from circuits.claim import claim_program, public_interactions

        statement.validate()
        if proof[:-1] != self.proof(statement):
            raise ProofRejected("query", "the stub says no")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch) -> Prover:
    made = Prover()
    monkeypatch.setattr("circuits.prove.prove_claim", made.prove)
    monkeypatch.setattr("circuits.verify.verify_claim_proof", made.verify)
    return made


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Store, Agreement]:
    """A closed period: one run in both buildings, one in the north alone, unattributed work."""
    store, terms = make_lab(tmp_path, OPENINGS, **CAPS)
    agreement = with_sites(terms)
    note_checkpoint(store, agreement, draft("a", ("base",), 1))
    note_checkpoint(store, agreement, draft("b", ("a",), 2))
    work(store, agreement, 0, "a", "b")
    seal_and_close(store, agreement, 0)
    return store, agreement


def test_the_tables_are_those_of_the_lab_cut(lab: tuple[Store, Agreement]) -> None:
    store, agreement = lab
    made = assemble(store, agreement, 0)
    assert [table.site for table in made.tables] == ["north", "south", None]
    for table in made.tables:
        check_witness(table.statement, table.witness)
    north, south, registry = made.tables
    a, b = store.tag("a"), store.tag("b")
    tags = [{tag for tag, _ in table.witness.summaries[0].records} for table in (north, south)]
    assert tags == [{2, a, b}, {a}], "one run in two buildings has one tag"
    assert registry.witness.summaries == (*north.witness.summaries, *south.witness.summaries) and registry.witness.ledgers == ()
    work = store.work_by_tag(0)
    total: dict[int, int] = {}
    for summary in registry.witness.summaries:
        for tag, amount in summary.records:
            total[tag] = total.get(tag, 0) + amount
    assert total == {tag: amount for tag, amount in work.items() if tag != 1}


def test_a_claim_of_three_tables_is_proven_and_made_once(lab: tuple[Store, Agreement], prover: Prover) -> None:
    store, agreement = lab
    done = finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    claim = decode_claim(done.claim)
    assert list(done.proofs) == ["north", "south", None] and claim.proof == b"" and len(prover.made) == 3
    by_digest = {hashlib.sha256(proof).digest(): proof for proof in done.proofs.values()}
    assert verify_claim(done.claim, agreement, proofs=by_digest.get).proof is not None
    assert finish_claim(store, agreement, 0, LAB_KEY, nullcontext) == done and len(prover.made) == 3


@pytest.mark.parametrize("fail", [0, 1, 2])
def test_an_interrupted_claim_goes_on_with_what_is_made(lab: tuple[Store, Agreement], prover: Prover, fail: int) -> None:
    store, agreement = lab
    prover.fail = fail
    with pytest.raises(KeyboardInterrupt):
        finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    kept = [store.kept_proof(0, site, agreement.digest) for site in ("north", "south", None)]
    assert [proof is not None for proof in kept] == [fail > 0, fail > 1, False]
    heads = [summary.head for site in ("north", "south") if (summary := store.summary(0, site))]
    assert len(heads) == 2, "stored before the first proof is made"
    prover.fail = 99
    done = finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    assert [site.head for site in decode_claim(done.claim).sites] == heads and len(prover.made) == 3
    assert list(done.proofs.values())[:fail] == [proof for proof in kept if proof]


def test_what_is_proven_never_changes(lab: tuple[Store, Agreement], prover: Prover) -> None:
    store, agreement = lab
    make_claim(store, agreement, 0, LAB_KEY)
    for table in ("summaries", "proofs"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET agreement = zeroblob(32)"):
            with pytest.raises(sqlite3.DatabaseError, match="never changed"):
                store._db.execute(change)
    with pytest.raises(StoreError, match="another proof"):
        store.keep_proof(0, "north", agreement.digest, b"another")
    with pytest.raises(StoreError, match="another agreement"):
        store.kept_proof(0, None, bytes(32))
    moved = with_sites(agreement, {"hall-a": "north", "hall-b": "north"})
    with pytest.raises(WitnessRefused, match="another agreement"):
        assemble(store, moved, 0)


CHANGES = {
    "a meter's head": "UPDATE ledgers SET head = (SELECT head FROM summaries LIMIT 1) WHERE meter = 'hall-a'",
    "the registry's head": "UPDATE registry_heads SET head = (SELECT head FROM summaries LIMIT 1) WHERE period = 0",
    "a proof": "UPDATE proofs SET proof = (SELECT proof FROM proofs WHERE site = '')",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_proof_of_another_statement_is_not_taken(lab: tuple[Store, Agreement], prover: Prover, change: str) -> None:
    """Books that were changed, in spite of the store, between a run that was interrupted and the next."""
    store, agreement = lab
    make_claim(store, agreement, 0, LAB_KEY)
    for (trigger,) in store._db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        store._db.execute(f'DROP TRIGGER "{trigger}"')
    assert store._db.execute(CHANGES[change]).rowcount
    with pytest.raises(WitnessRefused, match=r"the store's proof of .* is not of what the store holds now"):
        make_claim(store, agreement, 0, LAB_KEY)
    assert len(prover.made) == 3, "nothing was proven of them"


def test_a_kept_claim_goes_out_with_its_own_proofs_only(lab: tuple[Store, Agreement], prover: Prover) -> None:
    store, agreement = lab
    finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    for (trigger,) in store._db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        store._db.execute(f'DROP TRIGGER "{trigger}"')
    store._db.execute(CHANGES["a proof"])
    with pytest.raises(ClaimsError, match="not its proof of north"):
        finish_claim(store, agreement, 0, LAB_KEY, nullcontext)


def test_a_found_claim_is_taken_up_with_its_proofs(lab: tuple[Store, Agreement], prover: Prover, tmp_path: Path) -> None:
    store, agreement = lab
    store.backup(tmp_path / "backup")
    done = finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    by_digest = {hashlib.sha256(proof).digest(): proof for proof in done.proofs.values()}
    with Store.open(tmp_path / "backup") as older:
        with pytest.raises(ClaimsError, match="is not here"):
            finish_claim(older, agreement, 0, LAB_KEY, nullcontext, found=done.claim)
        assert finish_claim(older, agreement, 0, LAB_KEY, nullcontext, found=done.claim, proofs=by_digest.get) == done
    assert len(prover.made) == 3


def test_tables_that_are_too_small_are_named(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = lab
    assert site_rows(10, 2, 3) == 10 + 2 * 3 + 2 * 3 + 3 and registry_rows([3, 0], 4) == 3 + 3 + 3 + 20 + 4
    monkeypatch.setattr("claims.lab.size.LEDGER_OVERHEAD", 1 << 17)
    with pytest.raises(WitnessRefused) as caught:
        assemble(store, agreement, 0)
    assert [problem.split(" needs")[0] for problem in caught.value.problems] == ["site north", "site south", "the registry"]


def test_lab_status_and_import_count_the_rows_of_each_table(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch) -> None:
    store, agreement = lab
    figures = running(store, agreement, 0)
    assert figures.rows.where == "the registry" and figures.rows.needed == registry_rows([3, 1], len(store.entries()))
    monkeypatch.setattr("claims.lab.running.site_rows", lambda readings, meters, records: (1 << 16) + readings - 5)
    fullest = running(store, agreement, 0).rows
    assert fullest.where == "site north" and fullest.needed > fullest.table
    with pytest.raises(TableTooSmall, match="period 0, site north would need"):
        check_table(store, agreement, [0])
