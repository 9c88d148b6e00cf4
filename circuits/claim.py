"""The compute claim: all constraints and buses together, and its public values as the proof system takes them.

README.md: statement (section 1), columns (3), buses (4), what binds what (5).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from circuits.gadgets import (
    COLUMNS,
    ENTRY,
    HEAD_AFTER,
    HEAD_BEFORE,
    HEAD_LEDGER,
    HEAD_RECEIVED,
    HEAD_SENT,
    HEADER,
    KINDS,
    N_BYTES,
    PUBLICS,
    SORT,
    TAG,
    View,
    boolean,
    byte_table,
    views,
)
from circuits.ledger import ledger
from circuits.permutation import permutation
from circuits.registry import registry
from circuits.statement import RATE, REGISTRY_CHAIN, START, Statement, limbs
from circuits.summary import summaries
from zk.air import Builder, Expr, Program, compile_air
from zk.field import P

PublicInteraction = tuple[int, list[int]]
MESSAGE_LENGTH = 15  # of the chain slot: bus, chain, 8 header elements, 3 peak bytes, 2 coverage limbs


@cache
def claim_program() -> Program:
    """The compiled AIR of the compute claim. It depends on nothing: one program serves every statement."""
    return compile_air(COLUMNS, PUBLICS, claim_constraints)


def claim_constraints(b: Builder) -> None:
    """Writes every constraint and interaction of the claim."""
    row, nxt = views(b)
    permutation(b)
    _order_of_rows(b, row, nxt)
    _sponge(b, row, nxt)
    ledger(b, row, nxt)
    registry(b, row, nxt)
    summaries(b, row, nxt)
    byte_table(b, row, nxt, N_BYTES)
    _tag_and_sort_bus(b, row)
    _chain_bus(b, row)


def _order_of_rows(b: Builder, row: View, nxt: View) -> None:
    """Which kind may follow which. Every kind's successors are listed, so its predecessors are fixed as well."""
    for kind in KINDS:
        boolean(b, f"{kind}_is_a_bit", row.row.one(kind))
    boolean(b, "one_kind_of_row", row.used)
    b.assert_equal("iv_then_hd", nxt.hd, row.iv)
    for this, then in (("e0", "e1"), ("e1", "e2"), ("e2", "e3"), ("e3", "e4"), ("side", "got")):
        b.assert_equal(f"{this}_then_{then}", nxt.row.one(then), row.row.one(this))
    b.assert_zero("after_hd", row.hd * (nxt.any_of(("busy", "idle", "e0", "mi", "sent", "es", "side", "eg")) - 1))
    b.assert_zero("after_reading", row.reading * (nxt.any_of(("busy", "idle", "el")) - 1))
    b.assert_zero("after_e4", row.e4 * (nxt.any_of(("e0", "mi", "er")) - 1))
    b.assert_zero("after_mi", row.mi * (nxt.e0 - 1))
    b.assert_zero("after_sent", row.sent * (nxt.sent + nxt.es - 1))
    b.assert_zero("after_got", row.got * (nxt.side + nxt.eg - 1))
    ended = row.any_of(("el", "er", "es", "eg")) + 1 - row.used
    b.assert_zero("after_end_or_padding", ended * (nxt.used - nxt.iv))
    b.assert_zero("chain_stays", (nxt.used - nxt.iv) * (nxt.chain - row.chain))


def _sponge(b: Builder, row: View, nxt: View) -> None:
    """Where every lane of a permutation's input comes from: a block, START, the link, or zero."""
    padding = 1 - row.used
    linked = nxt.used - nxt.iv
    for i in range(16):
        b.assert_zero(f"padding_lane_{i}_is_zero", padding * row.lane(i))
    for i in range(8, 16):
        b.assert_zero(f"chain_starts_at_constant_{i}", row.iv * (row.lane(i) - START[i - 8]))
        came = row.out(i) + (row.mi + row.side) * (row.lane(i) - row.out(i))  # hashed on a copy
        b.assert_zero(f"capacity_link_{i}", linked * (nxt.lane(i) - came))
    record = ("sent", "got", "side")
    tails = {0: record, 1: ("side",), 2: record, 3: ("e3", "e4", *record)}
    tails |= dict.fromkeys((4, 5), ("e2", "e3", "e4", "side"))
    tails |= {6: ("busy", "idle", "e2", "e3", "e4", "side"), 7: ("busy", "idle", "e2", "e3", "e4", *record)}
    for i, kinds in tails.items():
        b.assert_zero(f"unused_lane_{i}_is_zero", row.any_of(kinds) * row.lane(i))


def _tag_and_sort_bus(b: Builder, row: View) -> None:
    """TAG: digits of work and count of busy readings and sent records, received by E1 and E2, or SIDE and GOT. SORT: tags against
    sorted tags. The sixth digit of a record has two bytes."""
    given, s = row.busy + row.sent, row.row.many("sum")
    first, second = row.e1 + row.side, row.e2 + row.got
    numerators = [given * row.byte(6 + k) - (first, second)[k // 3] * s[k % 3] for k in range(6)]
    numerators[0] = numerators[0] + (row.e3 - row.e0) * (1 - row.residue)
    numerators[5] = numerators[5] + row.sent * row.byte(12) * 256
    numerators.append(given - second * row.aux)
    bus = (given + first + second) * TAG + (row.e0 + row.e3) * SORT
    b.interact("tag_and_sort", numerators, (bus, row.key))


def _chain_bus(b: Builder, row: View) -> None:
    """HEADER, the heads and ENTRY: at most one per row."""
    hd, heads = row.hd, row.any_of(("el", "mi", "er", "es", "eg"))
    fetches = row.any_of(("e0", "e1", "e2"))
    numerator = hd + heads + fetches - row.aux * (row.e4 + row.iv)
    bus = hd * HEADER + row.el * HEAD_LEDGER + row.mi * HEAD_BEFORE + row.er * HEAD_AFTER
    bus = bus + row.es * HEAD_SENT + row.eg * HEAD_RECEIVED
    bus = bus + (fetches + row.e4) * ENTRY + row.iv * ENTRY
    tag = row.e0 * row.lane(2) + row.e1 * row.lane(0) + row.e2 * row.base + row.e4 * row.key
    gaps = row.e0 * row.limb(6) + row.e1 * row.limb(15) + row.e2 * row.limb(14)
    entry: list[Expr] = [tag, fetches * (row.index - 1) - gaps + row.e4 * row.index]
    entry += [fetches * row.cell("val", i) + row.e4 * row.lane(i) for i in range(3)]
    entry.append(fetches * row.fbase + row.e4 * row.base)
    chained = [(hd + heads) * row.chain]
    chained += [hd * row.lane(i) + heads * row.out(i) for i in range(RATE)]
    chained += [hd * row.cell("res", i) for i in range(3)] + [hd * row.cell("tot", i) for i in range(2)]
    message = [bus] + [chained[i] + entry[i] if i < len(entry) else chained[i] for i in range(len(chained))]
    b.interact("chain", numerator, message)


def public_vector(statement: Statement) -> list[int]:
    """Values of the program's public inputs, in the order of gadgets.PUBLICS, canonical.

    Raises:
        StatementError: a field is out of range.
    """
    statement.validate()
    values = [statement.first_epoch, statement.last_epoch]
    for cap in (statement.total_cap, statement.unattributed_cap, statement.lineage_cap, statement.effective_freeze):
        values += limbs(cap, 3)
    return [*values, int(statement.charge_peak), int(statement.charge_residue)]


def public_interactions(statement: Statement) -> list[PublicInteraction]:
    """The fractions that the verifier adds: (multiplicity, message), multiplicity -1 mod p for every header and head.

    Together with the table's own fractions they sum to 0: each chain is there exactly once, and nothing else is.

    Raises:
        StatementError: a field is out of range.
    """
    statement.validate()
    terms: list[Sequence[int]] = []
    for chain, meter in enumerate(statement.meters, 1):
        peak = meter.peak.to_bytes(3, "little")
        terms.append((HEADER, chain, *meter.header, *peak, *limbs(meter.coverage, 2)))
        terms.append((HEAD_LEDGER, chain, *meter.head))
    end = HEAD_RECEIVED if statement.registry is None else HEAD_SENT
    for chain, summary in enumerate(statement.summaries, len(statement.meters) + 1):
        terms += [(HEADER, chain, *summary.header), (end, chain, *summary.head)]
    if statement.registry is not None:
        terms.append((HEADER, REGISTRY_CHAIN, *statement.registry.header))
        terms.append((HEAD_BEFORE, REGISTRY_CHAIN, *statement.registry.before))
        terms.append((HEAD_AFTER, REGISTRY_CHAIN, *statement.registry.after))
    return [(P - 1, [*term, *[0] * (MESSAGE_LENGTH - len(term))]) for term in terms]
