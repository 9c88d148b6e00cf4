"""Obligations of class `relation`, continued: what is received (R4), caps and R (R6), records, and `state`, which assumptions rest on."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from circuits.gadgets import REGISTRY_KINDS
from circuits.statement import FIRST_TAG, LIMB, START, UNATTRIBUTED
from proofs.solver.assumptions import READINGS
from proofs.solver.determinism import ENTRY_CASES
from proofs.solver.encode import Encoding
from proofs.solver.relation import ENTRY, WORKERS, Claim, Obligation, cap, entry_window, v, zero_lanes
from proofs.solver.window import PADDING, Window, cell, public, successors

TOP = 1 << 16


def obligations() -> list[Obligation]:
    """All of this file."""
    return [*received(), *limits(), *totals(), *records(), *registry_state(), *everywhere()]


def digits(code: Encoding, row: int) -> z3.ArithRef:
    """The six digit sums received in two rows, each times its power of 256."""
    return z3.Sum([v(code, row + k // 3, f"sum[{k % 3}]") * (1 << 8 * k) for k in range(6)])


def received() -> Iterator[Obligation]:
    """R4."""
    assumed = ("BYTES", "DIGIT_SUM")
    for flag, new in ENTRY_CASES:
        window = entry_window(flag, new, ENTRY[1:3])
        if new and flag in WORKERS:
            yield Obligation(
                "R4",
                "the entry's work is what it receives",
                window,
                assumed,
                lambda code: code.amount(1, "in") == digits(code, 0),
            )
        else:

            def nothing(code: Encoding) -> z3.BoolRef:
                sums = [v(code, at, f"sum[{i}]") == 0 for at in (0, 1) for i in range(3)]
                return z3.And(*sums, v(code, 1, "aux") == 0)

            yield Obligation("R4", "an old entry, or one that may have no work, receives nothing", window, (), nothing)

        def distinct(code: Encoding, flag: str = flag) -> z3.BoolRef:
            if flag == "residue":
                return z3.And(v(code, 0, "in[0]") == UNATTRIBUTED, v(code, 1, "sorted_prev") == v(code, 0, "sorted_prev"))
            key = v(code, 0, "key")
            own = z3.And(v(code, 0, "in[0]") == code.number(0, 15, 3), key < LIMB)
            return z3.And(key > v(code, 0, "sorted_prev"), v(code, 1, "sorted_prev") == key, own)

        yield Obligation(
            "R4", "sorted tags ascend, tags have 24 bits", entry_window(flag, new, ENTRY[:2]), ("BYTES", "TAGS"), distinct
        )


def limits() -> Iterator[Obligation]:
    """R6 of one entry."""
    for flag, new in ENTRY_CASES:
        if not new:
            continue
        for charge in (0, 1):
            window = entry_window(flag, 1, ENTRY[1:], f"R {('not charged', 'charged')[charge]}")
            window = Window(window.kinds, (*window.fixed, (public("charge_residue"), charge)), note=window.note)

            def under(code: Encoding, flag: str = flag, charge: int = charge) -> z3.BoolRef:
                amount, worked = code.amount(3, "in"), code.amount(1, "in")
                if flag == "residue":
                    return amount - code.amount(3, "res") <= cap(code, "unattributed_cap")
                whole = amount + (code.amount(3, "res") if charge else 0)
                limits = [whole <= z3.If(v(code, 1, "works") == 1, cap(code, "freeze"), cap(code, "lineage_cap"))]
                return z3.And(*limits, z3.Or(worked == 0, v(code, 1, "works") == 1))

            name = "R does not grow by more than its cap" if flag == "residue" else "the entry is under its limit"
            yield Obligation("R6", name, window, ("BYTES", "RESIDUE"), under)
    for flag in WORKERS:
        for new in (0, 1):

            def works(code: Encoding) -> z3.BoolRef:
                bit, work = v(code, 1, "works"), code.amount(1, "in")
                return z3.And(z3.Or(bit == 1, z3.And(bit == 0, work == 0)), v(code, 2, "works") == bit)

            yield Obligation("R6", "who has work `works`", entry_window(flag, new, ENTRY[1:4]), ("BYTES",), works)


def totals() -> Iterator[Obligation]:
    """R6 of the period: running total, total cap, R under the freeze."""
    for new in (0, 1):

        def grows(code: Encoding, new: int = new) -> z3.BoolRef:
            return code.amount(2, "tot") >= code.amount(1, "tot") + (code.amount(1, "in") if new else 0)

        window = Window(("e1", "e2", "e3"), ((cell(1, "new"), new),), note=("old", "new")[new])
        yield Obligation("R6", "the total grows by the work at least", window, ("BYTES", "TOTAL"), grows)
    for kind in (k for k in ("hd", *REGISTRY_KINDS) if k not in ("e2", "er")):
        for then in (k for k in successors()[kind] if k in REGISTRY_KINDS):

            def kept(code: Encoding) -> z3.BoolRef:
                return z3.And([v(code, 0, f"tot[{i}]") == v(code, 1, f"tot[{i}]") for i in range(3)])

            yield Obligation("R6", "the total stays elsewhere", Window((kind, then)), (), kept)
    end = Window(("er",))
    yield Obligation(
        "R6",
        "the total is under its cap",
        end,
        ("BYTES", "TOTAL"),
        lambda code: code.amount(0, "tot") <= cap(code, "total_cap"),
    )
    owing = Window(("er",), ((cell(0, "owes"), 1), (public("charge_residue"), 1)), note="owes, R charged")
    yield Obligation(
        "R6",
        "R is under the freeze",
        owing,
        ("BYTES", "RESIDUE"),
        lambda code: code.amount(0, "res") <= cap(code, "freeze"),
    )
    start = Window(("hd", "e0"))
    yield Obligation("R6", "the total's top limb starts at 0", start, (), lambda code: v(code, 0, "tot[2]") == 0)


def records() -> Iterator[Obligation]:
    """Records of summaries."""
    for kind in ("hd", "sent", "got"):
        for then in (k for k in successors()[kind] if k in ("sent", "side")):

            def ascends(code: Encoding, first: bool = kind == "hd") -> z3.BoolRef:
                tag = v(code, 1, "key")
                return z3.And(tag < LIMB, tag >= UNATTRIBUTED if first else tag > v(code, 0, "key"))

            yield Obligation(
                "records",
                "tags ascend, below 2^24",
                Window((kind, then)),
                ("BYTES", "TAGS") if kind != "hd" else ("BYTES",),
                ascends,
            )

    def same(code: Encoding) -> z3.BoolRef:
        return z3.And(v(code, 1, "key") == v(code, 0, "key"), v(code, 1, "in[1]") == v(code, 1, "key"))

    def work(code: Encoding) -> z3.BoolRef:
        amount = code.amount(1, "in", first=4)
        return z3.And(amount == digits(code, 0), amount < 1 << 56)

    def sent(code: Encoding) -> z3.BoolRef:
        return z3.And(
            code.amount(0, "in", first=4) == code.number(0, 6, 7),
            v(code, 0, "in[1]") == v(code, 0, "key"),
            zero_lanes(code, 0, 0, 2, 3, 7),
        )

    pair = Window(("side", "got"))
    yield Obligation("records", "both rows of a record have its tag", pair, (), same)
    yield Obligation("records", "a record's work is what it receives", pair, ("BYTES", "DIGIT_SUM"), work)
    yield Obligation("records", "side rows hash nothing", Window(("side",)), (), lambda code: zero_lanes(code, 0, *range(8)))
    yield Obligation(
        "records", "a received record's other lanes are 0", Window(("got",)), (), lambda code: zero_lanes(code, 0, 0, 2, 3, 7)
    )
    yield Obligation("records", "a sent record has its bytes' work and its tag", Window(("sent",)), ("BYTES",), sent)


def registry_state() -> Iterator[Obligation]:
    """What comes along a registry, and the ranges that assumptions name."""
    for kind in ("hd", *REGISTRY_KINDS):
        for then in (k for k in successors()[kind] if k in REGISTRY_KINDS):
            window = Window((kind, then))

            def new(code: Encoding, kind: str = kind) -> z3.BoolRef:
                before, after = v(code, 0, "new"), v(code, 1, "new")
                if kind == "hd":
                    return z3.And(before == 0, after == 0)
                return z3.And(before == 0, after == 1) if kind == "mi" else after == before

            def index(code: Encoding, kind: str = kind, then: str = then) -> z3.BoolRef:
                start = v(code, 0, "index") == 0 if kind == "hd" else z3.BoolVal(True)
                return z3.And(start, v(code, 1, "index") == v(code, 0, "index") + int(then == "e0"))

            def passes(code: Encoding, kind: str = kind) -> z3.BoolRef:
                flag = v(code, 0, "residue")
                lanes = [
                    z3.If(flag == 1, v(code, 0, f"in[{i}]"), v(code, 0, f"res[{i}]")) if kind == "e4" else v(code, 0, f"res[{i}]")
                    for i in range(3)
                ]
                return z3.And([v(code, 1, f"res[{i}]") == lanes[i] for i in range(3)])

            def owes(code: Encoding, kind: str = kind) -> z3.BoolRef:
                flag, before = v(code, 0, "residue"), v(code, 0, "owes")
                return v(code, 1, "owes") == (z3.If(flag == 1, v(code, 0, "works"), before) if kind == "e3" else before)

            yield Obligation("state", "new stays a bit, 0 at the header, 1 after the before-head", window, (), new)
            yield Obligation("state", "index counts entries from 0", window, ("INDEX",), index)
            yield Obligation("state", "residue passes on: a RESIDUE entry's cumulative, else the same", window, (), passes)
            yield Obligation("state", "owes is a RESIDUE entry's `works`, else the same", window, (), owes)
            if kind not in ("hd", "e0"):
                yield Obligation(
                    "state",
                    "sorted tag is in range: it stays",
                    window,
                    (),
                    lambda code: v(code, 1, "sorted_prev") == v(code, 0, "sorted_prev"),
                )

    def first(code: Encoding) -> z3.BoolRef:
        return v(code, 0, "sorted_prev") == FIRST_TAG - 1

    yield Obligation("state", "sorted tags start at 3", Window(("hd", "e0")), (), first)
    yield Obligation(
        "state", "the entry after the before-head is RESIDUE", Window(("mi", "e0")), (), lambda code: v(code, 1, "residue") == 1
    )
    later = Window(("e4", "e0"), ((cell(1, "residue"), 1),), note="residue")
    yield Obligation("state", "no other new entry is RESIDUE", later, (), lambda code: v(code, 1, "new") == 0)
    yield Obligation("state", "the after-head ends the new part", Window(("er",)), (), lambda code: v(code, 0, "new") == 1)

    def cumulative(code: Encoding) -> z3.BoolRef:
        return z3.And(v(code, 0, "in[0]") < LIMB, v(code, 0, "in[1]") < LIMB, v(code, 0, "in[2]") < TOP)

    def received_work(code: Encoding) -> z3.BoolRef:
        return z3.And(v(code, 1, "in[0]") < LIMB, v(code, 1, "in[1]") < LIMB, v(code, 1, "in[2]") < TOP)

    def total(code: Encoding) -> z3.BoolRef:
        return z3.And(cumulative(code), v(code, 0, "tot[0]") < LIMB, v(code, 0, "tot[1]") < LIMB, v(code, 0, "tot[2]") < TOP)

    yield Obligation("state", "cumulative is in range", Window(("e4",)), ("BYTES",), cumulative)
    yield Obligation("state", "total is in range, and so is declared", Window(("e3",)), ("BYTES",), total)
    yield Obligation("state", "work is in range", Window(("e1", "e2")), ("BYTES",), received_work)
    for flag in WORKERS:
        yield Obligation(
            "state",
            "owes is a bit",
            entry_window(flag, 1, ("e2", "e3", "e4")),
            ("OWES",),
            lambda code: z3.Or(v(code, 2, "owes") == 0, v(code, 2, "owes") == 1),
        )
    for flag, new in ENTRY_CASES:
        if new:

            def period(code: Encoding) -> z3.BoolRef:
                epoch = v(code, 0, "in[4]")
                return z3.And(code.var(public("first_epoch")) <= epoch, epoch <= code.var(public("last_epoch")))

            yield Obligation(
                "R5", "a new entry's epoch is in the period", entry_window(flag, 1, ("e0",)), ("BYTES", "FIRST_EPOCH"), period
            )


def everywhere() -> Iterator[Obligation]:
    """Chains: number, capacity, what is constant along a ledger."""
    for kind, following in successors().items():
        for then in following:
            window = Window((kind, then))
            if then not in ("iv", PADDING):
                yield Obligation(
                    "R1", "the chain's number stays", window, (), lambda code: v(code, 1, "chain") == v(code, 0, "chain")
                )
                yield Obligation(
                    "R1",
                    "capacity is the output of the row before, or its input where that was hashed on a copy",
                    window,
                    (),
                    link(kind),
                )
            if then in READINGS:
                columns = ("res[0]", "res[1]", "res[2]", "tot[0]", "tot[1]")
                yield Obligation(
                    "state",
                    "state carried: peak and coverage",
                    window,
                    (),
                    lambda code, columns=columns: z3.And([v(code, 0, c) == v(code, 1, c) for c in columns]),
                )
        if kind == "iv":
            yield Obligation("R1", "a chain starts at START", Window((kind,)), (), start)
        if kind == PADDING:
            yield Obligation("R1", "padding hashes zeros", Window((kind,)), (), lambda code: zero_lanes(code, 0, *range(16)))


def link(kind: str) -> Claim:
    """Capacity lanes of the second row."""

    def claim(code: Encoding) -> z3.BoolRef:
        came = [f"in[{i}]" if kind in ("mi", "side") else f"full_b[{48 + i}]" for i in range(8, 16)]
        return z3.And([v(code, 1, f"in[{i}]") == v(code, 0, name) for i, name in enumerate(came, 8)])

    return claim


def start(code: Encoding) -> z3.BoolRef:
    """Capacity lanes of an IV row."""
    return z3.And([v(code, 0, f"in[{i}]") == value for i, value in enumerate(START, 8)])
