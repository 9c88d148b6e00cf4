"""What each constraint and each assumption is for: `make proofs-all`.

Each constraint is left out in turn; the obligations whose proofs rest on it are asked again. A "sat" is a counterexample: its cells become
rows (replay.py), which zk/check.py refuses by that constraint and no other. Each assumption is left out in turn as well: that of bytes is
one. Answers are kept in build/proofs/DIGEST.json as they come, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path

import z3

from circuits.gadgets import KINDS
from proofs.solver import amounts, determinism, relation, replay, structure
from proofs.solver.assumptions import ASSUMPTIONS, ranges
from proofs.solver.encode import Encoding
from proofs.solver.order import FOLLOWS
from proofs.solver.window import ANY, N_ROUNDS, PADDING, Window, cell, constraint_names, digest, held, refusing
from zk.field import P

ROOT = Path(__file__).resolve().parents[2]
Record = dict[str, object]


# Constraints that no obligation needs, and why they are not missed.
REDUNDANT = {
    "table_hi_steps": "where t_hi moves, the next two say t_lo goes from 255 to 0, and `table_lo_steps` then asks for a step of 1",
}


class State:
    """What was found so far about this program."""

    def __init__(self) -> None:
        self.path = ROOT / "build/proofs" / f"{digest()}.json"
        self.found: dict[str, dict[str, Record]] = {"needs": {}, "deleted": {}, "dropped": {}}
        if self.path.exists():
            self.found |= json.loads(self.path.read_text())

    def save(self) -> None:
        """Writes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.found, indent=1))
        part.replace(self.path)


def relations() -> dict[str, relation.Obligation]:
    """Every obligation of class relation by name."""
    return {str(o): o for o in (*relation.obligations(), *amounts.obligations())}


def pairs() -> dict[str, Window]:
    """Every window of class determined by name."""
    return {str(w): w for w in determinism.windows()}


def needs(state: State) -> Iterator[str]:
    """For each obligation, the constraints that its proof rests on."""
    known = state.found["needs"]
    for name, obligation in relations().items():
        if name not in known:
            known[name] = {"constraints": sorted(obligation.ask().core())}
            yield name


def integers(model: z3.ModelRef) -> dict[str, int]:
    """The cells of a model."""
    return {str(d): model[d].as_long() for d in model.decls() if z3.is_int_value(model[d])}


def delete(name: str, state: State) -> Record:
    """An obligation that fails without a constraint, with rows that zk/check.py refuses by that constraint alone if there are such."""
    best: Record = {"breaks": None, "refused_by": None}
    ways = (
        [without_table(name)]
        if name.startswith("table_")
        else [without_kinds(name), without_relation(name, state), without_determined(name)]
    )
    for found in chain.from_iterable(ways):
        if found["refused_by"] == [name]:
            return found
        if best["breaks"] is None:
            best = found
    return best


def without_relation(name: str, state: State) -> Iterator[Record]:
    """Obligations of class relation whose proof rests on a constraint, asked without it."""
    every = relations()
    for title, known in state.found["needs"].items():
        if name in known["constraints"]:  # type: ignore[operator]
            obligation = every[title]
            question = obligation.ask((name,))
            if question.answer == "sat":
                yield {"breaks": title, "refused_by": complete(obligation, name, question)}
                exact = obligation.ask((name,), exact=True)
                if exact.answer == "sat":
                    yield {"breaks": title, "refused_by": complete(obligation, name, exact)}


def complete(obligation: relation.Obligation, name: str, question: relation.Question) -> list[str]:
    """Who refuses the counterexample. All constraints but the deleted one are asked to hold, not just those nearby."""
    solver = question.code.solver(question.code.facts, question.violated, seconds=10)
    if str(solver.check()) != "sat":
        return []
    return sorted(replay.refused(obligation.window, integers(solver.model()), name))


def without_determined(name: str) -> Iterator[Record]:
    """Cells that are no longer determined. One of the two copies violates the constraint."""
    for title, window in pairs().items():
        if all(name != other or at for at, other, _ in held(window).constraints):
            continue
        for variable, answer, model in determinism.undetermined(window, name):
            if answer == "sat":
                cells = integers(model)
                second = {k[:-1]: v for k, v in cells.items() if k.endswith("'")}
                for copy in (cells, cells | second):
                    yield {
                        "breaks": f"{variable} is determined [{title}]",
                        "refused_by": sorted(replay.refused(window, copy, name)),
                    }


def without_table(name: str) -> Iterator[Record]:
    """Obligations of the byte table."""
    for title, answer in structure.table(name):
        if answer == "sat":
            yield {"breaks": title, "refused_by": [name] if any(table_refused(name)) else []}


def table_refused(name: str) -> Iterator[bool]:
    """For steps of the table, whether this constraint alone refuses them."""
    for selectors, lo, hi in product(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 7, 255), (0, 9, 255)):
        window = Window((PADDING, PADDING), selectors=selectors)
        for lo2, hi2 in ((lo, hi), (lo + 1, hi), (lo + 2, hi), (0, hi + 1), (1, hi + 1), (lo, hi + 1), (0, hi + 2)):
            model = {"r0.t_lo": lo, "r0.t_hi": hi, "r1.t_lo": lo2, "r1.t_hi": hi2}
            yield replay.refused(window, model) == {name}


def without_kinds(name: str) -> Iterator[Record]:
    """Pairs of kinds that nothing else refuses; rows that are of no kind or of two."""
    for kind, allowed in FOLLOWS.items():
        for then in FOLLOWS:
            if then not in allowed:
                if refusing(kind, then) == {name}:
                    yield from filled(Window((kind, then)), name, f"{then} does not follow {kind}")
    if name == "one_kind_of_row" or name.removesuffix("_is_a_bit") in KINDS:
        own = name.removesuffix("_is_a_bit")
        for one in KINDS if own not in KINDS else (own,):
            for other in KINDS:
                for then in (*KINDS, PADDING):
                    flags = {**dict.fromkeys(KINDS, 0), other: 1, one: P - 1 if own in KINDS else 1}
                    fixed = [(cell(0, kind), value) for kind, value in flags.items()] + [
                        (cell(1, kind), int(kind == then)) for kind in KINDS
                    ]
                    if one != other:
                        yield from filled(Window((ANY, ANY), tuple(fixed)), name, f"a row has one kind at most ({one}, {other})")


def filled(window: Window, name: str, title: str) -> Iterator[Record]:
    """A window with cells that satisfy all other constraints."""
    refuting = {other for _, other, formula in held(window).constraints if formula is False}
    if refuting - {name}:
        return
    for exact in (False, True):
        code = Encoding(ranges(window, ("BYTES", "PUBLICS")), dict(window.fixed), exact=exact)
        code.hold(held(window), "", (name,))
        solver = code.solver(code.facts, seconds=5)
        if str(solver.check()) == "sat":
            yield {"breaks": title, "refused_by": sorted(replay.refused(window, integers(solver.model()), name))}


def drop(name: str) -> Record:
    """The first obligation that fails without an assumption."""
    for title, obligation in relations().items():
        if name in obligation.assumed and obligation.answer(dropped=name) == "sat":
            return {"breaks": title}
    assumed = tuple(n for n in determinism.ASSUMED if n != name)
    if name in determinism.ASSUMED:
        for title, window in pairs().items():
            answers = determinism.check(window, (), assumed)
            if broken := [cell for cell, answer in answers.items() if answer != "unsat"]:
                return {"breaks": f"{broken[0]} is determined [{title}]"}
    return {"breaks": None}


def rounds(state: State) -> None:
    """The permutation's constraints, all in one: without one of them its column may be anything."""
    for number, name in enumerate(constraint_names()[:N_ROUNDS]):
        if name not in state.found["deleted"]:
            refused = sorted(replay.round_refused(number))
            state.found["deleted"][name] = {
                "breaks": "the permutation's columns are determined by its input",
                "refused_by": refused,
            }


def run(minutes: float = 600) -> State:
    """Goes on with what is not yet known, for some minutes at most."""
    state, end = State(), time.monotonic() + 60 * minutes
    rounds(state)
    for _ in needs(state):
        if time.monotonic() > end:
            break
    state.save()
    for part, names, ask in (
        ("deleted", constraint_names()[N_ROUNDS:], lambda name: delete(name, state)),
        ("dropped", tuple(ASSUMPTIONS), drop),
    ):
        for name in names:
            if name not in state.found[part] and time.monotonic() < end:
                found = state.found[part][name] = ask(name)
                print(f"without {name}: {found['breaks']}; refused by {found.get('refused_by')}", flush=True)
                state.save()
    return state


def summary(state: State) -> Record:
    """For the report: what breaks without each constraint and assumption, and where rows were refused by the constraint alone."""
    deleted = state.found["deleted"]
    return {
        "deleted": {name: found["breaks"] for name, found in deleted.items() if name in constraint_names()[N_ROUNDS:]},
        "refused_alone": sum(found["refused_by"] == [name] for name, found in deleted.items()),
        "not_replayed": sorted(name for name, found in deleted.items() if found["breaks"] and found["refused_by"] != [name]),
        "not_noticed": sorted(name for name, found in deleted.items() if not found["breaks"]),
        "dropped": {name: found["breaks"] for name, found in state.found["dropped"].items()},
    }
