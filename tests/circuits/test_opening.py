"""Opening readings and entries: honest ones, every cell changed, and what a lab would try to show in their place."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from circuits.chain import Entry, ledger_head, registry_head
from circuits.errors import HeadError, ShapeError
from circuits.open_records import (
    OpeningWitness,
    WholeRegistry,
    build_opening_trace,
    fill_opening,
    opened_entry,
    prove_opening,
    reading_indices,
)
from circuits.opening import (
    COLUMNS,
    KINDS,
    OpenedEntry,
    OpenedReading,
    OpeningStatement,
    opening_program,
    public_messages,
    verify_opening,
)
from circuits.statement import ledger_header, registry_header
from circuits.witness import LedgerWitness, from_montgomery, to_montgomery
from tests.circuits import claim_samples
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
READINGS = (
    ((5, 11, 100, 7), (5, 1, 20, 0), (6, 12, 2**47 + 1, 2**48 - 1), (6, 12, 3, 4), (6, 2, 3, 4), (7, 1, 120, 0)),
    ((5, 1, 50, 0), (6, 2, 25, 9), (6, 11, 25, 9), (7, 1, 50, 0)),
)


def ledger(rows) -> LedgerWitness:  # type: ignore[no-untyped-def]
    columns = [np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)]
    return LedgerWitness(elements(), *columns, elements())


BEHIND = WholeRegistry(elements(), ENTRIES, elements())
WITNESS = OpeningWitness(tuple(map(ledger, READINGS)), BEHIND)
HEADERS = tuple(ledger_header(bytes(32), "alpha", f"hall-{i}", 3) for i in (1, 2))
HEADS = tuple(
    ledger_head(one.iv, header, rows, one.trailer)
    for one, header, rows in zip(WITNESS.ledgers, HEADERS, READINGS, strict=True)
)
HEAD = registry_head(BEHIND.iv, HEADER, ENTRIES, BEHIND.trailer)
SHOWN = tuple(opened_entry(entry) for entry in ENTRIES if entry.tag in (11, 13, 14))
READ = (
    OpenedReading(1, 5, 0, 11, 100, 7), OpenedReading(1, 6, 1, 12, 3, 4), OpenedReading(1, 7, 0, 1, 120, 0),
    OpenedReading(2, 6, 1, 11, 25, 9),
)  # fmt: skip
STATEMENT = OpeningStatement(16, tuple(zip(HEADERS, HEADS, strict=True)), (HEADER, HEAD), READ, SHOWN)
SMALL = dataclasses.replace(STATEMENT, log_rows=6)
"""Not a statement that anything accepts; a table small enough to change every cell of."""
REGISTRY = sum(len(rows) + 3 for rows in READINGS)
USED = int(WITNESS.lengths.sum())


def trace_of(statement=SMALL, witness=WITNESS):  # type: ignore[no-untyped-def]
    return from_montgomery(fill_opening(statement, witness)).astype(np.uint64)


def terms_of(statement):  # type: ignore[no-untyped-def]
    return public_messages(dataclasses.replace(statement, log_rows=16))


def failures(trace, statement=SMALL):  # type: ignore[no-untyped-def]
    return check_trace(opening_program(), (), trace, terms_of(statement))


def test_an_honest_trace_satisfies_everything() -> None:
    assert failures(trace_of()) == []
    nothing = dataclasses.replace(SMALL, entries=(), readings=())
    assert failures(trace_of(nothing), nothing) == []
    everything = dataclasses.replace(
        SMALL,
        entries=tuple(sorted((opened_entry(e) for e in ENTRIES if e.tag > 2), key=lambda e: e.tag)),
        readings=tuple(
            OpenedReading(chain, rows[i][0], int(index), *rows[i][1:])
            for chain, rows in enumerate(READINGS, 1)
            for i, index in enumerate(reading_indices(np.array([row[0] for row in rows])))
        ),
    )
    assert failures(trace_of(everything), everything) == []


def test_a_claims_own_heads_open() -> None:
    """The heads of a claim's table are those that this table reaches."""
    statement, witness = claim_samples.rich()
    registry = witness.registry
    held = (*registry.old_entries, *registry.new_entries)
    private = OpeningWitness(witness.ledgers, WholeRegistry(registry.iv, held, registry.trailer_after))
    shown = tuple(sorted((opened_entry(e) for e in held if e.kind != 6), key=lambda e: e.tag))
    one = witness.ledgers[1]
    reading = OpenedReading(2, int(one.epochs[0]), 0, int(one.tags[0]), int(one.chip_seconds[0]), int(one.work[0]))
    meters = tuple((meter.header, meter.head) for meter in statement.meters)
    opening = OpeningStatement(16, meters, (statement.registry.header, statement.registry.after), (reading,), shown)
    assert build_opening_trace(opening, private).shape == (194, 1 << 16)
    for wrong in (
        dataclasses.replace(opening, registry=(statement.registry.header, statement.registry.before)),
        dataclasses.replace(opening, meters=(meters[0], (meters[1][0], meters[0][1]))),
    ):
        with pytest.raises(HeadError):
            build_opening_trace(wrong, private)


@pytest.mark.slow
def test_every_cell_means_something() -> None:
    """Any one cell changed is noticed, but for columns outside the rows that they are about, which nothing reads."""
    trace = trace_of()
    names = [name for name, width in _widths() for _ in range(width)]
    kinds = [_kind(trace, row) for row in range(64)]
    free: dict[str, set[str]] = {}
    for row in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11, REGISTRY - 1, REGISTRY, *range(REGISTRY + 1, REGISTRY + 13), USED - 1, USED, 63):
        for column in range(len(COLUMNS)):
            changed = trace.copy()
            changed[column, row] = (changed[column, row] + np.uint64(1)) % np.uint64(P)
            if not failures(changed):
                free.setdefault(kinds[row], set()).add(names[column])
    unread = {"key", "first", "open"}
    assert free == {
        "iv": unread, "hd": unread, "el": unread, "er": unread, "padding": unread | {"chain"},
        "e0": {"first"}, "e1": {"first"}, "e2": {"first"}, "e3": {"first"}, "e4": {"first"},
    }  # fmt: skip


def _kind(trace, row: int) -> str:  # type: ignore[no-untyped-def]
    return next((kind for kind in KINDS if trace[COLUMNS.index(kind), row]), "padding")


def _widths() -> list[tuple[str, int]]:
    widths = [("in", 16), ("full_a", 64), ("partial", 36), ("full_b", 64)]
    return widths + [(name, 1) for name in (*KINDS, "chain", "key", "first", "open")]


@pytest.mark.parametrize("field", ["chain", "epoch", "index", "tag", "chip_seconds", "work"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_no_value_of_an_opened_reading_can_be_another(field: str, place: int) -> None:
    reading = READ[place]
    value = 3 - reading.chain if field == "chain" else getattr(reading, field) + 1
    statement = dataclasses.replace(SMALL, readings=(dataclasses.replace(reading, **{field: value}),))
    honest = dataclasses.replace(SMALL, readings=(reading,))
    assert failures(trace_of(honest), honest) == []
    assert failures(trace_of(honest), statement), "the table as it is"
    assert failures(trace_of(statement), statement), "the table as the prover fills it for the lie"
    with pytest.raises(WitnessError, match="no reading of meter"):
        build_opening_trace(dataclasses.replace(statement, log_rows=16), WITNESS)


def test_indices_cannot_be_counted_otherwise() -> None:
    """The second reading of an epoch shown as the first, or as the first of an epoch of its own."""
    lied = dataclasses.replace(SMALL, readings=(OpenedReading(1, 6, 0, 12, 3, 4),), entries=())
    trace = trace_of(dataclasses.replace(SMALL, readings=(READ[1],), entries=()))
    row = 2 + 3
    key, first = COLUMNS.index("key"), COLUMNS.index("first")
    trace[key, row] = 0
    assert "index_counts" in {failure.constraint for failure in failures(trace, lied)}
    trace[first, row] = 1
    assert "first_of_an_epoch" in {failure.constraint for failure in failures(trace, lied)}
    trace[first, 2], trace[key, 2] = 0, 5
    assert {"first_of_the_ledger", "index_counts"} & {failure.constraint for failure in failures(trace, lied)}


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
    fewer, more = dataclasses.replace(SMALL, entries=SHOWN[:2]), dataclasses.replace(SMALL, readings=READ[:1])
    assert failures(trace_of(fewer), SMALL), "one of those to be shown is not opened"
    assert failures(trace_of(), fewer) and failures(trace_of(), more), "one too many is opened"


def test_parts_of_two_entries_do_not_make_one() -> None:
    """E0 of one entry with E1 to E3 of another: `open` moves inside an entry, or tags differ."""
    one, two = ENTRIES[2], ENTRIES[3]
    mixed = dataclasses.replace(opened_entry(two), tag=one.tag, parent1=one.parent1, epoch=one.epoch)
    statement = dataclasses.replace(SMALL, entries=(mixed,))
    trace = trace_of(dataclasses.replace(SMALL, entries=(opened_entry(one), opened_entry(two))))
    bit, tag = COLUMNS.index("open"), COLUMNS.index("key")
    first, second = REGISTRY + 2 + 5 * 2, REGISTRY + 2 + 5 * 3
    for row in (*range(first + 1, first + 5), second):
        trace[bit, row] = 0
    trace[tag, second + 1 : second + 5] = one.tag
    names = {failure.constraint for failure in failures(trace, statement)}
    assert {"open_stays", "key_stays"} <= names


def _with_second_chain(extra: Entry) -> np.ndarray:
    """The honest table, and after it a second registry of the same lab that holds what the first does not."""
    other = dataclasses.replace(WITNESS, registry=WholeRegistry(elements(), (extra,), BEHIND.trailer))
    forged = trace_of(dataclasses.replace(SMALL, entries=(opened_entry(extra),)), other)
    trace = trace_of()
    trace[:, USED : USED + 8] = forged[:, REGISTRY : REGISTRY + 8]
    return trace


def test_a_second_chain_in_the_table_does_not_count() -> None:
    extra = Entry(15, 3, 0, 0, 0, 5, 0, 0, 0, b"z" * 32)
    statement = dataclasses.replace(SMALL, entries=(*SHOWN, opened_entry(extra)))
    trace = _with_second_chain(extra)
    assert failures(trace, statement), "its header and head are two messages too many"
    for kind, row in (("hd", USED + 1), ("er", USED + 7)):
        silent = trace.copy()
        silent[COLUMNS.index(kind), row] = 0
        assert failures(silent, statement)


def test_entries_outside_a_chain_do_not_count() -> None:
    """Entries that follow padding, and a loop of entries that never begins or ends."""
    extra = Entry(15, 3, 0, 0, 0, 5, 0, 0, 0, b"z" * 32)
    statement = dataclasses.replace(SMALL, entries=(*SHOWN, opened_entry(extra)))
    trace = _with_second_chain(extra)
    for kind, row in (("iv", USED), ("hd", USED + 1), ("er", USED + 7)):
        trace[COLUMNS.index(kind), row] = 0
    names = {failure.constraint for failure in failures(trace, statement)}
    assert "after_end_or_padding" in names or "iv_then_hd" in names


def test_multiplicities_are_bits() -> None:
    """An opened entry counted half, twice, or minus once."""
    for value in (2, P - 1, (P + 1) // 2):
        trace = trace_of()
        trace[COLUMNS.index("open"), REGISTRY + 12 : REGISTRY + 17] = value
        assert any(failure.constraint == "open_is_a_bit" for failure in failures(trace))
        trace = trace_of()
        trace[COLUMNS.index("open"), 2] = value
        assert any(failure.constraint == "open_is_a_bit" for failure in failures(trace))


@pytest.mark.parametrize(
    "change",
    [
        {"log_rows": 15}, {"log_rows": 23}, {"log_rows": 16.0}, {"registry": (HEADER, HEAD[:7])}, {"registry": (HEADER, (*HEAD[:7], P))},
        {"registry": (list(HEADER), HEAD)}, {"registry": None}, {"registry": HEAD},
        {"entries": SHOWN[::-1]}, {"entries": (SHOWN[0], SHOWN[0])},
        {"entries": list(SHOWN)}, {"entries": (ENTRIES[2],)}, {"readings": READ[::-1]}, {"readings": (READ[0], READ[0])},
        {"readings": SHOWN}, {"meters": ()}, {"meters": (STATEMENT.meters[0],) * 2}, {"meters": ((HEADERS[0],),)},
        {"meters": ((HEADERS[0], HEADS[0][:7]),)},
        *({"entries": (dataclasses.replace(SHOWN[0], **{f: v}),)} for f, v in (
            ("tag", 2), ("tag", 2**24), ("kind", 6), ("kind", 0), ("parent1", -1), ("parent2", 2**24), ("epoch", 2**24),
            ("declared", 2**64), ("weights_digest", bytes(31)), ("weights_digest", "x" * 32), ("tag", True))),
        *({"readings": (dataclasses.replace(READ[0], **{f: v}),)} for f, v in (
            ("chain", 0), ("chain", 3), ("epoch", 2**24), ("index", 2**22), ("index", -1), ("tag", 0), ("chip_seconds", 2**48),
            ("work", 2**48), ("work", 1.0))),
    ],
)  # fmt: skip
def test_statements_out_of_range_are_refused(change) -> None:  # type: ignore[no-untyped-def]
    statement = dataclasses.replace(STATEMENT, **change)
    with pytest.raises(StatementError):
        public_messages(statement)
    with pytest.raises(StatementError):
        verify_opening(statement, b"")


def test_either_half_opens_alone() -> None:
    """As a site's table and a registry's do."""
    site = dataclasses.replace(SMALL, registry=None, entries=())
    registry = dataclasses.replace(SMALL, meters=(), readings=())
    assert failures(trace_of(site, dataclasses.replace(WITNESS, registry=None)), site) == []
    assert failures(trace_of(registry, dataclasses.replace(WITNESS, ledgers=())), registry) == []
    assert failures(trace_of(SMALL), site) != []
    for half, change in ((site, {"entries": SHOWN}), (registry, {"readings": READ}), (site, {"meters": ()})):
        wrong = dataclasses.replace(half, **change)
        with pytest.raises(StatementError):
            wrong.validate()


def test_what_does_not_fit_is_refused() -> None:
    many = dataclasses.replace(WITNESS, registry=dataclasses.replace(BEHIND, entries=ENTRIES * 2200))
    fewer = dataclasses.replace(WITNESS, ledgers=WITNESS.ledgers[:1])
    for witness in (many, fewer):
        with pytest.raises(ShapeError):
            build_opening_trace(STATEMENT, witness)


def test_secrets_do_not_show() -> None:
    assert "500" not in repr(WITNESS) and str(BEHIND.iv[0]) not in repr(WITNESS)


def test_a_std_proof_shows_its_statement_and_no_other() -> None:
    proof = prove_opening(STATEMENT, WITNESS)
    report = verify_opening(STATEMENT, proof)
    assert report.unique_decoding.bits >= 100 and report.johnson.bits >= 128
    assert prove_opening(STATEMENT, WITNESS) != proof
    entries = (dataclasses.replace(SHOWN[0], parent1=12), *SHOWN[1:])
    for other in (
        dataclasses.replace(STATEMENT, entries=entries),
        dataclasses.replace(STATEMENT, entries=SHOWN[:2]),
        dataclasses.replace(STATEMENT, registry=(HEADER, registry_head(BEHIND.iv, HEADER, ENTRIES[:-1], BEHIND.trailer))),
        dataclasses.replace(STATEMENT, readings=(dataclasses.replace(READ[0], tag=1, work=0), *READ[1:])),
        dataclasses.replace(STATEMENT, readings=READ[1:]),
        dataclasses.replace(STATEMENT, meters=STATEMENT.meters[::-1]),
        dataclasses.replace(STATEMENT, registry=(registry_header("beta"), HEAD)),
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
    trace = fill_opening(statement, WITNESS)
    assert trace.dtype == np.uint32 and int(to_montgomery(np.array([1]))[0]) in trace[COLUMNS.index("iv")]
    with pytest.raises((WitnessError, ProofRejected)):
        prove(opening_program(), (), public_messages(statement), trace, 16)
