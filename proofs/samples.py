"""Honest statements and records in Coq: what Statement.v and Relation.v say of them is what the Python makes of them.

Of a whole table and of a registry's: public values and terms are circuits/claim.py's, and the blocks of the records lead to the heads by
the sponge of Sponge.v, whose permutation is the program's constraints; the heads are made by zk/poseidon2.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests/circuits")]

import claim_samples  # noqa: E402

from circuits.chain import Entry  # noqa: E402
from circuits.claim import public_interactions, public_vector  # noqa: E402
from circuits.statement import IDLE, Statement, digest_limbs  # noqa: E402
from circuits.witness import ClaimWitness  # noqa: E402

HEAD = """
From Coq Require Import ZArith List.
From Standstill Require Import Machine Statement Sponge Relation.
Import ListNotations.
Local Open Scope Z_scope.
"""


def numbers(values: Iterable[object]) -> str:
    """A Coq list of integers, or of what is already Coq."""
    return "[" + "; ".join(v if isinstance(v, str) else str(int(v)) for v in values) + "]"  # type: ignore[call-overload]


def record(**fields: object) -> str:
    """A Coq record."""
    return "{| " + "; ".join(f"{name} := {value}" for name, value in fields.items()) + " |}"


def statement_text(s: Statement) -> str:
    """The statement as Statement.v has it."""
    assert s.registry is not None
    meters = [
        record(header=numbers(m.header), meter_peak=m.peak, meter_coverage=m.coverage, head=numbers(m.head)) for m in s.meters
    ]
    summaries = [record(summary_header=numbers(x.header), summary_head=numbers(x.head)) for x in s.summaries]
    books = record(
        books_header=numbers(s.registry.header), before=numbers(s.registry.before), after=numbers(s.registry.after)
    )
    return record(
        first=s.first_epoch, last=s.last_epoch, total_limit=s.total_cap, unattributed_limit=s.unattributed_cap,
        lineage_limit=s.lineage_cap, effective_freeze=s.effective_freeze, charges_peak=int(s.charge_peak),
        charges_residue=int(s.charge_residue), meters=numbers(meters), summaries=numbers(summaries), registry=f"Some {books}",
    )  # fmt: skip


def entry_text(e: Entry) -> str:
    """An entry as Relation.v has it."""
    return record(
        entry_tag=e.tag, kind=e.kind, parent1=e.parent1, parent2=e.parent2, base=e.base, entry_epoch=e.epoch, entry_work=e.work,
        declared=e.declared, cumulative=e.cumulative, weights=numbers(digest_limbs(e.weights_digest)),
    )  # fmt: skip


def text(s: Statement, witness: ClaimWitness) -> str:
    """A Coq file that holds if all is as it should be."""
    registry, books = s.registry, witness.registry
    assert registry is not None and books is not None
    terms = [f"([{n}], {numbers(_shortened(message))})" for n, message in public_interactions(s)]
    lines = [HEAD, f"Definition s : statement := {statement_text(s)}.", ""]
    lines += [f"Lemma publics_are : public_vector s = {numbers(public_vector(s))}. Proof. vm_compute. reflexivity. Qed."]
    lines += ["Fixpoint drop (l : list Z) := match l with 0 :: r => drop r | _ => l end."]
    lines += ["Definition shortened (f : fraction) := (fst f, rev (drop (rev (snd f))))."]
    lines += [f"Lemma terms_are : map shortened (terms s) = {numbers(terms)}. Proof. vm_compute. reflexivity. Qed."]
    heads = []
    for meter, ledger in zip(s.meters, witness.ledgers, strict=True):
        columns = zip(ledger.epochs, ledger.tags, ledger.chip_seconds, ledger.work, strict=True)
        readings = [
            record(epoch=e, tag=t, seconds=c, work=w, busy="false" if t == IDLE else "true") for e, t, c, w in columns
        ]
        blocks = f"{numbers(ledger.iv)} :: {numbers(meter.header)} :: map reading_block {numbers(readings)}"
        heads.append((blocks, ledger.trailer, meter.head))
    for summary, sent in zip(s.summaries, witness.summaries, strict=True):
        records = [record(record_tag=tag, record_work=work) for tag, work in sent.records]
        blocks = f"{numbers(sent.iv)} :: {numbers(summary.header)} :: map record_block {numbers(records)}"
        heads.append((blocks, sent.trailer, summary.head))
    for entries, trailer, head in (
        (books.old_entries, books.trailer_before, registry.before),
        ((*books.old_entries, *books.new_entries), books.trailer_after, registry.after),
    ):
        listed = numbers(entry_text(e) for e in entries)
        blocks = f"{numbers(books.iv)} :: {numbers(registry.header)} :: flat_map entry_blocks {listed}"
        heads.append((blocks, trailer, head))
    for k, (blocks, trailer, head) in enumerate(heads):
        lines.append(f"Lemma head_{k} : sponge ({blocks}) {numbers(trailer)} = {numbers(head)}. Proof. vm_compute. reflexivity. Qed.")
    return "\n".join([*lines, ""])


def _shortened(message: list[int]) -> list[int]:
    """A message without the zeros at its end."""
    while message and message[-1] == 0:
        message = message[:-1]
    return message


def check(folder: Path, coqc: Callable[[Path, str], str]) -> None:
    """Compiles both files. Raises RuntimeError if something is not as it should be."""
    for name, (statement, witness) in {"Whole_sample": claim_samples.small(), "Registry_sample": claim_samples.sites(2)}.items():
        (folder / f"{name}.v").write_text(text(statement, witness))
        coqc(folder, name)
        chains = len(statement.meters) + len(statement.summaries) + 1
        print(f"{name}: public values, terms and the heads of {chains} chains are the Python's", flush=True)
