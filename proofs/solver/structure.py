"""Obligations that need little or no solver: the permutation's columns, kinds and their order, the byte table, cells that are free."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import z3

from circuits.gadgets import COLUMNS, KINDS
from proofs.solver.cells import STATE, free
from proofs.solver.determinism import CONDITIONAL, windows
from proofs.solver.encode import Encoding
from proofs.solver.order import FOLLOWS
from proofs.solver.window import ANY, PADDING, Window, cell, held, successors, triangular, variables


def order() -> Iterator[tuple[str, str]]:
    """Name and answer: "unsat" where it is as it should be."""
    found = successors()
    for kind in (*KINDS, PADDING):
        yield f"which kinds may follow {kind}", "unsat" if found[kind] == FOLLOWS[kind] else "sat"
    cells = [cell(0, kind) for kind in KINDS]
    yield "a kind's column is 0 or 1", _on_kinds({}, lambda bits: z3.Or([z3.And(bit != 0, bit != 1) for bit in bits]))
    yield "a row has one kind at most", _on_kinds(dict.fromkeys(cells, (0, 1)), lambda bits: z3.Sum(bits) > 1)
    for name in triangular() or ["the permutation's columns are determined by its input"]:
        yield name, "sat" if triangular() else "unsat"


def _on_kinds(ranges: dict[str, tuple[int, int]], wrong: Callable[[list[z3.ArithRef]], z3.BoolRef]) -> str:
    """Whether the constraints on kinds alone leave something wrong, in one row."""
    answers = set()
    code = Encoding(ranges, {})
    for _, name, formula in held(Window((ANY,))).constraints:
        if name.removesuffix("_is_a_bit") in KINDS if not ranges else name == "one_kind_of_row":
            code.used = set()
            says = code.formula(formula)
            code.add(says, code.used)
    bits = [code.var(cell(0, kind)) for kind in KINDS]
    for some in [[bit] for bit in bits] if not ranges else [bits]:
        answers.add(code.check(wrong(some)))
    return answers.pop() if len(answers) == 1 else "sat"


def table(without: str = "") -> Iterator[tuple[str, str]]:
    """The byte table's walk: it starts at (0, 0), ends at (255, 255), and steps as circuits/gadgets.py says."""
    names = [cell(row, name) for row in (0, 1) for name in ("t_lo", "t_hi")]
    lo, hi = 0, 1
    for note, selectors, claim in (
        ("first row", (1, 0, 1), lambda c: z3.And(c[lo] == 0, c[hi] == 0)),
        ("last row", (0, 1, 0), lambda c: z3.And(c[lo] == 255, c[hi] == 255)),
        (
            "step", (0, 0, 1), lambda c: z3.Or(
                z3.And(c[3] == c[hi], z3.Or(c[2] == c[lo], c[2] == c[lo] + 1)), z3.And(c[lo] == 255, c[2] == 0, c[3] == c[hi] + 1)
            ),
        ),
    ):  # fmt: skip
        window = Window((ANY, ANY), selectors=selectors)
        code = Encoding(dict.fromkeys(names[:2], (0, 255)), {})
        for _, name, formula in held(window).constraints:
            if name.startswith("table_") and name != without:
                code.used = set()
                says = code.formula(formula)
                code.add(says, code.used)
        yield f"byte table: {note}", code.check(z3.Not(claim([code.var(name) for name in names])))


def lemmas() -> Iterator[tuple[str, str]]:
    """That equal numbers have equal digits, which determinism.py takes for granted."""
    for count in (2, 3):
        code = Encoding({}, {})
        digits = [[code._integer(f"{side}{i}", 0, 255) for i in range(count)] for side in "ab"]
        one, other = (z3.Sum([d * (1 << 8 * i) for i, d in enumerate(side)]) for side in digits)
        yield (
            f"{count} bytes are determined by their number",
            code.check(one == other, z3.Or([a != b for a, b in zip(*digits, strict=True)])),
        )


def idle_on_buses(window: Window, columns: set[str]) -> bool:
    """Whether what the first row gives to the buses does not rest on these columns; bytes are looked up on every row."""
    cells = {cell(0, column) for column in columns}
    for at, name, numerators, message in held(window).fractions:
        if at == 0 and not name.startswith("byte"):
            if cells & {v for poly in (*numerators, *message) for m in poly for v in m}:
                return False
    return True


def frees() -> Iterator[tuple[str, str]]:
    """ "sat": the cell may change alone (of CONDITIONAL: with the others of its line), in two rows before and after, and no bus moves."""
    seen = set[str]()
    before = {then: kind for kind, following in FOLLOWS.items() for then in following}
    for window in windows():
        kind, then = window.kinds
        groups = [({name}, set[str]()) for name in COLUMNS.names if name in free(kind, then)]
        words = window.note.split()
        groups += [(set(e.cells), set(e.along)) for e in CONDITIONAL if e.kind == kind and all(part in words for part in e.case)]
        shifted = tuple((f"r1{name[2:]}" if name.startswith("r0") else name, value) for name, value in window.fixed)
        three = Window((before[kind], kind, then), shifted, note=window.note)
        for together, along in groups:
            for name in together:
                what = f"{name} of {kind} is free"
                if what in seen or not idle_on_buses(window, together):
                    continue
                answer = changes(three, name, together, along)
                if answer != "unsat":
                    seen |= {what} if answer == "sat" else set()
                    yield what, answer


def expected_frees() -> set[str]:
    """Every cell that the tables call free."""
    names = {f"{name} of {kind} is free" for kind in STATE for name in free(kind)}
    return names | {f"{name} of {e.kind} is free" for e in CONDITIONAL for name in e.cells}


def changes(window: Window, column: str, together: set[str], along: set[str]) -> str:
    """Whether the middle row's cell may change, these cells and those of the next row with it, all else kept."""
    kept = [name for at in (0, 1, 2) for name in COLUMNS.names]
    moving = {cell(1, name) for name in together} | {cell(2, name) for name in along}
    if any("byte" in name for name in moving):
        moving |= {cell(at, f"byte[{i}:{i + n}]") for at in (1, 2) for i in range(20) for n in (2, 3)}
    if not any(variables(formula) & moving for _, _, formula in held(window).constraints):
        return "sat"
    bytes_ = {cell(at, f"byte[{i}]"): (0, 255) for at in range(3) for i in range(20)}
    shared = {cell(at, name) for at in range(3) for name in kept} - moving
    code = Encoding(bytes_, dict(window.fixed), shared)
    code.hold(held(window))
    for *_, formula in held(window).constraints:
        if variables(formula) & moving:
            code.used = set()
            says = code.formula(formula, "'")
            code.add(says, code.used)
    target = cell(1, column)
    return code.check(code.var(target) != code.var(target, "'"))
