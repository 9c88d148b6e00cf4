"""Obligations of class `relation`: cells that satisfy the constraints and yet violate the integer statement do not exist.

Each says, over the integers, what circuits/README.md section 5 promises of one window. Chains of any length follow by induction: that step
is prose there, and Coq's for what proofs/README.md lists. Here: R2, R3, R5. amounts.py: R4, R6, records, and what assumptions rest on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import z3

from circuits.gadgets import KIND_FLAGS
from circuits.statement import CHECKPOINT, EXTERNAL, IDLE, MERGE, OPENING, RESIDUE, SNAPSHOT
from proofs.solver.assumptions import READINGS, ranges
from proofs.solver.determinism import ENTRY_CASES, STEPS
from proofs.solver.encode import Encoding
from proofs.solver.window import Window, cell, held, public

Claim = Callable[[Encoding], z3.BoolRef]
ENTRY = ("e0", "e1", "e2", "e3", "e4")
WORKERS = ("worker", "residue")
KIND_CODES = {
    "opening": (OPENING,),
    "external": (EXTERNAL,),
    "worker": (CHECKPOINT, SNAPSHOT),
    "merge": (MERGE,),
    "residue": (RESIDUE,),
}


@dataclass(frozen=True)
class Obligation:
    """A claim on a window.

    Attributes:
        rule: R2, R3, R4, R5, R6, records or state.
        name: what is claimed.
        assumed: names of assumptions.
        claim: the claim over the integers of an encoding.
    """

    rule: str
    name: str
    window: Window
    assumed: tuple[str, ...]
    claim: Claim

    def __str__(self) -> str:
        return f"{self.rule}: {self.name} [{self.window}]"

    def answer(self) -> str:
        """Whether cells satisfy the constraints, those nearby or all, and violate the claim: "unsat" if it holds."""
        code = Encoding(ranges(self.window, self.assumed), dict(self.window.fixed))
        code.hold(held(self.window))
        code.used = set()
        violated, names = z3.Not(self.claim(code)), set(code.used)
        for steps in STEPS:
            code.used = set(names)
            if (answer := str(code.solver(code.near(names, (), steps), violated, seconds=10).check())) == "unsat":
                break
        return answer


def v(code: Encoding, row: int, column: str) -> z3.ArithRef:
    """A cell's integer."""
    return code.var(cell(row, column))


def cap(code: Encoding, name: str) -> z3.ArithRef:
    """A public amount."""
    return code.limbs([public(f"{name}[{i}]") for i in range(3)], 24)


def entry_window(flag: str, new: int, kinds: tuple[str, ...], note: str = "") -> Window:
    """Rows of one entry with its kind flags and `new` given in all of them."""
    fixed = [(cell(at, f), int(f == flag)) for at, kind in enumerate(kinds) for f in KIND_FLAGS if kind in ENTRY]
    fixed += [(cell(at, "new"), new) for at, kind in enumerate(kinds) if kind in ENTRY]
    return Window(kinds, tuple(fixed), note=" ".join(filter(None, (flag, ("old", "new")[new], note))))


def readings() -> Iterator[Obligation]:
    """R2: remaining chip-seconds, epochs, the end."""
    for kind in ("hd", *READINGS):
        for then in READINGS:
            window = Window((kind, then))

            def remaining(code: Encoding, first: bool = kind == "hd") -> z3.BoolRef:
                coverage, before = code.amount(0, "tot", 2), code.number(0, 12, 6)
                begins = coverage if first else z3.If(v(code, 0, "new") == 1, coverage, before)
                return code.number(1, 12, 6) == begins - code.amount(1, "in", 2, first=2)

            def epoch(code: Encoding, first: bool = kind == "hd") -> z3.BoolRef:
                if first:
                    return v(code, 1, "in[0]") == code.var(public("first_epoch"))
                return v(code, 1, "in[0]") == v(code, 0, "in[0]") + v(code, 0, "new")

            yield Obligation(
                "R2", "remaining is what was, or the coverage, less the chip-seconds", window, ("BYTES", "COVERAGE"), remaining
            )
            yield Obligation(
                "R2", "reading follows: its epoch is the same, or the next after `last`", window, ("EPOCH",), epoch
            )
    for kind in READINGS:

        def ends(code: Encoding) -> z3.BoolRef:
            last = v(code, 0, "new")
            return z3.Or(last == 0, z3.And(last == 1, code.number(0, 12, 6) == 0))

        def finished(code: Encoding) -> z3.BoolRef:
            return z3.And(
                v(code, 0, "new") == 1, v(code, 0, "in[0]") == code.var(public("last_epoch")), code.number(0, 12, 6) == 0
            )

        yield Obligation("R2", "an epoch ends with nothing remaining", Window((kind,)), ("BYTES",), ends)
        yield Obligation("R2", "a ledger ends with the last epoch", Window((kind, "el")), ("BYTES",), finished)


def work() -> Iterator[Obligation]:
    """R3."""

    def product(code: Encoding) -> z3.BoolRef:
        places = [(i, j) for i in range(6) for j in range(3)]
        parts = [code.product((cell(0, f"byte[{i}]"), cell(0, f"res[{j}]"))) * (1 << 8 * (i + j)) for i, j in places]
        return z3.And(z3.Sum(parts) == code.number(0, 6, 6), lanes(code))

    def lanes(code: Encoding) -> z3.BoolRef:
        return z3.And(
            code.amount(0, "in", 2, first=2) == code.number(0, 0, 6), code.amount(0, "in", 2, first=4) == code.number(0, 6, 6)
        )

    def idle(code: Encoding) -> z3.BoolRef:
        return z3.And(v(code, 0, "in[1]") == IDLE, code.amount(0, "in", 2, first=4) == 0)

    peak = Window(("busy",), ((public("charge_peak"), 1),), note="at peak")
    yield Obligation("R3", "work = chip-seconds x peak", peak, ("BYTES", "PEAK"), product)
    yield Obligation("R3", "an idle reading has the idle tag and no work", Window(("idle",)), ("BYTES",), idle)
    for kind in READINGS:
        yield Obligation("R3", "hashed chip-seconds and work are those of the bytes", Window((kind,)), ("BYTES",), lanes)
        yield Obligation("R3", "lanes 6 and 7 are 0", Window((kind,)), (), lambda code: zero_lanes(code, 0, 6, 7))
    yield Obligation(
        "R3", "a busy reading is booked to its tag", Window(("busy",)), (), lambda code: v(code, 0, "key") == v(code, 0, "in[1]")
    )


def zero_lanes(code: Encoding, row: int, *lanes: int) -> z3.BoolRef:
    """These lanes of a block are 0."""
    return z3.And([v(code, row, f"in[{i}]") == 0 for i in lanes])


def entries() -> Iterator[Obligation]:
    """R5: kinds, parents, bases, cumulatives."""
    for flag, new in ENTRY_CASES:
        whole = entry_window(flag, new, ENTRY)
        head = entry_window(flag, new, ENTRY[:2])

        def cumulative(code: Encoding, flag: str = flag) -> z3.BoolRef:
            total = code.amount(2, "in") + code.amount(3, "in") + code.amount(0, "val") + code.amount(1, "val")
            if flag == "merge":
                total -= z3.If(v(code, 1, "shared_base") == 1, code.amount(2, "val"), 0)
            if flag == "residue":
                total += code.amount(0, "res")
            return code.amount(4, "in") == total

        def kind(code: Encoding, flag: str = flag) -> z3.BoolRef:
            return z3.Or([v(code, 0, "in[1]") == number for number in KIND_CODES[flag]])

        def parents(code: Encoding, flag: str = flag) -> z3.BoolRef:
            return zero_parents(code, flag)

        def base(code: Encoding, flag: str = flag) -> z3.BoolRef:
            own, inherited = v(code, 0, "in[3]"), v(code, 0, "fbase")
            allowed = own == inherited if flag == "merge" else z3.Or(own == inherited, own == v(code, 0, "in[2]"))
            return z3.And(allowed, v(code, 1, "base") == own, v(code, 1, "key") == v(code, 0, "in[0]"))

        def shared(code: Encoding, flag: str = flag) -> z3.BoolRef:
            bit = v(code, 0, "shared_base")
            one = z3.And(bit == 1, v(code, 0, "fbase") == v(code, 0, "base")) if flag == "merge" else z3.BoolVal(False)
            return z3.And(z3.Or(bit == 0, one), v(code, 1, "shared_base") == bit)

        def amounts(code: Encoding, flag: str = flag) -> z3.BoolRef:
            nothing = [code.amount(1, "in") == 0] if flag not in WORKERS else []
            nothing += [code.amount(2, "in") == 0] if flag not in ("opening", "external") else []
            return z3.And(nothing)

        yield Obligation("R5", "cumulative is the sum", whole, ("BYTES", "FETCHED", "RESIDUE"), cumulative)
        yield Obligation("R5", "the hashed kind is the entry's", head, (), kind)
        yield Obligation("R5", "base is the first parent or its base, and tag and base are carried", head, (), base)
        yield Obligation("R5", "parents that the kind has", head, (), parents)
        pair = entry_window(flag, new, ENTRY[1:3])
        yield Obligation("R5", "a base is shared by the parents of a MERGE alone", pair, (), shared)
        yield Obligation(
            "R5", "what the kind has none of: work, declared", entry_window(flag, new, ENTRY[1:4]), ("BYTES",), amounts
        )
        for row in range(3):
            yield Obligation(
                "R5",
                "what is fetched has a smaller index",
                entry_window(flag, new, (ENTRY[row],)),
                ("BYTES", "INDEX"),
                smaller(row),
            )
        yield Obligation("R5", "lanes that a block leaves out are 0", whole, (), empty_lanes)
        yield Obligation("R5", "kind, tag and base stay", entry_window(flag, new, ENTRY[1:]), (), stays)
    residue = Window(("e4",), ((cell(0, "residue"), 1),), note="residue")
    yield Obligation("R5", "a RESIDUE entry is nobody's parent", residue, (), lambda code: v(code, 0, "aux") == 0)
    opening = Window(("e0",), ((cell(0, "opening"), 1),), note="opening")
    yield Obligation("R5", "an OPENING entry is old", opening, (), lambda code: v(code, 0, "new") == 0)
    flags = Window(("e0", "e1"))
    yield Obligation("R5", "an entry has one kind", flags, (), one_kind)


def zero_parents(code: Encoding, flag: str) -> z3.BoolRef:
    """Parents that the kind does not have are NONE."""
    none = [v(code, 0, "in[2]") == 0] if flag in ("opening", "external", "residue") else []
    none += [v(code, 1, "in[0]") == 0] if flag != "merge" else []
    return z3.And(none)


def one_kind(code: Encoding) -> z3.BoolRef:
    """Exactly one kind flag, and the same in the next row."""
    bits = [v(code, 0, flag) for flag in KIND_FLAGS]
    same = [v(code, 1, flag) == v(code, 0, flag) for flag in KIND_FLAGS]
    return z3.And(z3.Sum(bits) == 1, *(z3.Or(bit == 0, bit == 1) for bit in bits), *same)


def smaller(row: int) -> Claim:
    """The index that a row fetches is smaller than the entry's, if it is an index at all (at most 2^22)."""

    def claim(code: Encoding) -> z3.BoolRef:
        index, gap = v(code, 0, "index"), code.number(0, (6, 15, 14)[row], 3)
        fetched = index - 1 - gap  # modulo p: below 0 it is above p - 2^25, which is no index
        return z3.Or(z3.And(fetched >= 0, fetched < index), z3.And(fetched < 0, fetched + (1 << 25) > 0))

    return claim


def empty_lanes(code: Encoding) -> z3.BoolRef:
    """Lanes that the blocks E2, E3, E4 do not use."""
    return z3.And([zero_lanes(code, 2, 4, 5, 6, 7), zero_lanes(code, 3, 3, 4, 5, 6, 7), zero_lanes(code, 4, 3, 4, 5, 6, 7)])


def stays(code: Encoding) -> z3.BoolRef:
    """Tag and base from E1 to E4."""
    return z3.And([v(code, at, name) == v(code, 0, name) for at in (1, 2, 3) for name in ("key", "base")])


def obligations() -> list[Obligation]:
    """All of this file."""
    return [*readings(), *work(), *entries()]
