"""Opening entries of a registry: honest ones, every cell changed, and what a lab would try to show in their place."""

from __future__ import annotations

import dataclasses
import random

import claim_samples
import numpy as np
import pytest

from circuits.chain import Entry, registry_head
from circuits.errors import HeadError, ShapeError
from circuits.open_entries import (
    RegistryOpening,
    build_opening_trace,
    fill_opening,
    opened_entry,
    prove_opening,
)
from circuits.opening import (
    COLUMNS,
    ENTRY_ROWS,
    OpenedEntry,
    OpeningStatement,
    opening_log_rows,
    opening_program,
    public_messages,
    verify_opening,
)
from circuits.statement import registry_header
from circuits.witness import from_montgomery, to_montgomery
from zk.check import check_trace
from zk.errors import ProofRejected, StatementError, WitnessError, ZkError
from zk.field import P

HEADER = registry_header("alpha")
rng = random.Random(7)


def elements() -> tuple[int, ...]:
    return tuple(rng.randrange(P) for _ in range(8))


ENTRIES = (
    Entry(10, 1, 0, 0, 0, 0, 0, 500, 500, b"o" * 32),
    Entry(2, 6, 0, 0, 0, 0, 4, 0, 4),
    Entry(11, 3, 10, 0, 10, 5, 7, 0, 507, bytes(range(32))),
    Entry(12, 3, 10, 0, 10, 6, 9, 0, 509, b"\xff" * 32),
    Entry(13, 5, 11, 12, 10, 6, 0, 0, 516, b"m" * 32),
    Entry(14, 2, 0, 0, 0, 7, 0, 2**64 - 1, 2**64 - 1, b"x" * 32),
)
WITNESS = RegistryOpening(elements(), ENTRIES, elements())
HEAD = registry_head(WITNESS.iv, HEADER, ENTRIES, WITNESS.trailer)
SHOWN = tuple(opened_entry(entry) for entry in ENTRIES if entry.tag in (11, 13, 14))
STATEMENT = OpeningStatement(16, HEADER, HEAD, SHOWN)
SMALL = dataclasses.replace(STATEMENT, log_rows=6)
"""Not a statement that anything accepts; a table small enough to change every cell of."""


def trace_of(statement=SMALL, witness=WITNESS, shown=None):  # type: ignore[no-untyped-def]
    tags = {entry.tag for entry in statement.entries} if shown is None else shown
    return from_montgomery(fill_opening(statement, witness, tags)).astype(np.uint64)


def terms_of(statement):  # type: ignore[no-untyped-def]
    return public_messages(dataclasses.replace(statement, log_rows=16))


def failures(trace, statement=SMALL):  # type: ignore[no-untyped-def]
    return check_trace(opening_program(), (), trace, terms_of(statement))


def test_an_honest_trace_satisfies_everything() -> None:
    assert failures(trace_of()) == []
    nothing = dataclasses.replace(SMALL, entries=())
    assert failures(trace_of(nothing), nothing) == []
    everything = dataclasses.replace(
        SMALL, entries=tuple(sorted((opened_entry(e) for e in ENTRIES if e.tag > 2), key=lambda e: e.tag))
    )
    assert failures(trace_of(everything), everything) == []


def test_a_claims_own_head_opens() -> None:
    """The head after a period, as the claim's table has it, is the head that this table reaches."""
    statement, witness = claim_samples.rich()
    registry = witness.registry
    held = (*registry.old_entries, *registry.new_entries)
    private = RegistryOpening(registry.iv, held, registry.trailer_after)
    shown = tuple(sorted((opened_entry(e) for e in held if e.kind != 6), key=lambda e: e.tag))
    opening = OpeningStatement(opening_log_rows(len(held)), statement.registry_header, statement.head_after, shown)
    assert build_opening_trace(opening, private).shape == (190, 1 << 16)
    before = dataclasses.replace(opening, head=statement.head_before)
    with pytest.raises(HeadError):
        build_opening_trace(before, private)


def test_every_cell_means_something() -> None:
    """Any one cell changed is noticed, but for `tag` and `open` outside entries, which nothing reads."""
    trace = trace_of()
    used = 5 * len(ENTRIES) + 3
    names = [f"{name}" for name, width in _widths() for _ in range(width)]
    free = set()
    for row in (0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, used - 1, used, 63):
        for column in range(len(COLUMNS)):
            changed = trace.copy()
            changed[column, row] = (changed[column, row] + np.uint64(1)) % np.uint64(P)
            if not failures(changed):
                free.add((names[column], "entry" if 2 <= row < used - 1 else "other"))
    assert free == {("tag", "other"), ("open", "other")}


def _widths() -> list[tuple[str, int]]:
    widths = [("in", 16), ("full_a", 64), ("partial", 36), ("full_b", 64)]
    return widths + [(name, 1) for name in ("iv", "hd", *ENTRY_ROWS, "er", "tag", "open")]


@pytest.mark.parametrize("field", ["kind", "parent1", "parent2", "epoch", "declared", "weights_digest"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_no_value_of_an_opened_entry_can_be_another(field: str, place: int) -> None:
    entry = SHOWN[place]
    value = bytes(31) + b"\x01" if field == "weights_digest" else (getattr(entry, field) + 1) % 2**24 or 1
    if field == "kind":
        value = entry.kind % 5 + 1
    lied = dataclasses.replace(entry, **{field: value})
    entries = tuple(lied if e is entry else e for e in SHOWN)
    statement = dataclasses.replace(SMALL, entries=entries)
    assert failures(trace_of(), statement)
    with pytest.raises(WitnessError, match="no entry of the registry"):
        build_opening_trace(dataclasses.replace(statement, log_rows=16), WITNESS)


def test_an_entry_that_is_not_there_cannot_be_shown() -> None:
    stranger = OpenedEntry(15, 3, 0, 0, 5, 0, bytes(32))
    statement = dataclasses.replace(SMALL, entries=(*SHOWN, stranger))
    assert failures(trace_of(), statement)
    assert failures(trace_of(shown={11, 13}), SMALL), "one of those to be shown is not opened"
    assert failures(trace_of(shown={11, 12, 13, 14}), SMALL), "one too many is opened"


def test_parts_of_two_entries_do_not_make_one() -> None:
    """E0 of one entry with E1 to E3 of another: `open` moves inside an entry, or tags differ."""
    one, two = ENTRIES[2], ENTRIES[3]
    mixed = dataclasses.replace(opened_entry(two), tag=one.tag, parent1=one.parent1, epoch=one.epoch)
    statement = dataclasses.replace(SMALL, entries=(mixed,))
    trace = trace_of(dataclasses.replace(SMALL, entries=()), shown={11, 12})
    bit, tag = COLUMNS.index("open"), COLUMNS.index("tag")
    first, second = 2 + 5 * 2, 2 + 5 * 3
    for row in (*range(first + 1, first + 5), second):
        trace[bit, row] = 0
    trace[tag, second + 1 : second + 5] = one.tag
    names = {failure.constraint for failure in failures(trace, statement)}
    assert {"open_stays", "tag_stays"} <= names


def _with_second_chain(extra: Entry) -> np.ndarray:
    """The honest table, and after it a second registry of the same lab that holds what the first does not."""
    other = RegistryOpening(elements(), (extra,), elements())
    forged = trace_of(dataclasses.replace(SMALL, entries=(opened_entry(extra),)), other)
    trace, used = trace_of(), 5 * len(ENTRIES) + 3
    trace[:, used : used + 8] = forged[:, :8]
    return trace


def test_a_second_chain_in_the_table_does_not_count() -> None:
    extra = Entry(15, 3, 0, 0, 0, 5, 0, 0, 0, b"z" * 32)
    statement = dataclasses.replace(SMALL, entries=(*SHOWN, opened_entry(extra)))
    trace = _with_second_chain(extra)
    assert failures(trace, statement), "its header and head are two messages too many"
    used = 5 * len(ENTRIES) + 3
    for kind, row in (("hd", used + 1), ("er", used + 7)):
        silent = trace.copy()
        silent[COLUMNS.index(kind), row] = 0
        assert failures(silent, statement)


def test_entries_outside_a_chain_do_not_count() -> None:
    """Entries that follow padding, and a loop of entries that never begins or ends."""
    extra = Entry(15, 3, 0, 0, 0, 5, 0, 0, 0, b"z" * 32)
    statement = dataclasses.replace(SMALL, entries=(*SHOWN, opened_entry(extra)))
    trace, used = _with_second_chain(extra), 5 * len(ENTRIES) + 3
    for kind, row in (("iv", used), ("hd", used + 1), ("er", used + 7)):
        trace[COLUMNS.index(kind), row] = 0
    names = {failure.constraint for failure in failures(trace, statement)}
    assert "after_er_or_padding" in names or "iv_then_hd" in names


def test_multiplicities_are_bits() -> None:
    """An opened entry counted half, twice, or minus once."""
    for value in (2, P - 1, (P + 1) // 2):
        trace = trace_of()
        trace[COLUMNS.index("open"), 12:17] = value
        assert any(failure.constraint == "open_is_a_bit" for failure in failures(trace))


@pytest.mark.parametrize(
    "change",
    [
        {"log_rows": 15}, {"log_rows": 23}, {"log_rows": 16.0}, {"head": HEAD[:7]}, {"head": (*HEAD[:7], P)},
        {"registry_header": list(HEADER)}, {"entries": SHOWN[::-1]}, {"entries": (SHOWN[0], SHOWN[0])},
        {"entries": list(SHOWN)}, {"entries": (ENTRIES[2],)},
        *({"entries": (dataclasses.replace(SHOWN[0], **{f: v}),)} for f, v in (
            ("tag", 2), ("tag", 2**24), ("kind", 6), ("kind", 0), ("parent1", -1), ("parent2", 2**24), ("epoch", 2**24),
            ("declared", 2**64), ("weights_digest", bytes(31)), ("weights_digest", "x" * 32), ("tag", True))),
    ],
)  # fmt: skip
def test_statements_out_of_range_are_refused(change) -> None:  # type: ignore[no-untyped-def]
    statement = dataclasses.replace(STATEMENT, **change)
    with pytest.raises(StatementError):
        public_messages(statement)
    with pytest.raises(StatementError):
        verify_opening(statement, b"")


def test_heights_come_from_public_numbers() -> None:
    assert opening_log_rows(0) == opening_log_rows(1024) == opening_log_rows(13_106) == 16
    assert opening_log_rows(13_107) == 17
    assert 5 * 13_106 + 3 <= 1 << 16 < 5 * 13_107 + 3
    for bad in (-1, 2**20):
        with pytest.raises(StatementError):
            opening_log_rows(bad)
    many = RegistryOpening(WITNESS.iv, ENTRIES * 2200, WITNESS.trailer)
    with pytest.raises(ShapeError):
        build_opening_trace(STATEMENT, many)


def test_secrets_do_not_show() -> None:
    assert "500" not in repr(WITNESS) and str(WITNESS.iv[0]) not in repr(WITNESS)


def test_a_std_proof_shows_its_statement_and_no_other() -> None:
    proof = prove_opening(STATEMENT, WITNESS)
    report = verify_opening(STATEMENT, proof)
    assert report.unique_decoding.bits >= 100 and report.johnson.bits >= 128
    assert prove_opening(STATEMENT, WITNESS) != proof
    entries = (dataclasses.replace(SHOWN[0], parent1=12), *SHOWN[1:])
    for other in (
        dataclasses.replace(STATEMENT, entries=entries),
        dataclasses.replace(STATEMENT, entries=SHOWN[:2]),
        dataclasses.replace(STATEMENT, head=registry_head(WITNESS.iv, HEADER, ENTRIES[:-1], WITNESS.trailer)),
        dataclasses.replace(STATEMENT, registry_header=registry_header("beta")),
        dataclasses.replace(STATEMENT, log_rows=17),
    ):
        with pytest.raises(ZkError):
            verify_opening(other, proof)
    for at in (0, 100, len(proof) // 2, len(proof) - 1):
        with pytest.raises(ZkError):
            verify_opening(STATEMENT, proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :])
    with pytest.raises(ZkError):
        verify_opening(STATEMENT, b"")


def test_a_false_trace_is_not_proven() -> None:
    """The prover itself refuses a trace that does not satisfy the program."""
    from zk.prover import prove

    statement = dataclasses.replace(STATEMENT, entries=(dataclasses.replace(SHOWN[0], parent1=12), *SHOWN[1:]))
    trace = fill_opening(statement, WITNESS, {11, 13, 14})
    assert trace.dtype == np.uint32 and int(to_montgomery(np.array([1]))[0]) in trace[COLUMNS.index("iv")]
    with pytest.raises((WitnessError, ProofRejected)):
        prove(opening_program(), (), public_messages(statement), trace, 16)
