"""What each constraint and each range is for: `make proofs-all`.

Each constraint is left out in turn, and each range that an assumption gives; counter.py finds rows that nothing else refuses and that break
an obligation. Answers are kept in build/proofs/DIGEST.json as they come, so a run that was stopped goes on; then they go into
counterexamples.json, which tests/proofs replays without a solver.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

from circuits.gadgets import KINDS
from proofs.solver import amounts, determinism, honest, relation, replay, structure
from proofs.solver.assumptions import ranges, single_ranges
from proofs.solver.counter import (
    SECONDS,
    Counterexample,
    Question,
    first,
    inputs,
    integers,
    shrunk,
    two_copies,
    violated,
    violates,
)
from proofs.solver.encode import Encoding
from proofs.solver.order import FOLLOWS
from proofs.solver.redundant import REDUNDANT
from proofs.solver.window import (
    ANY,
    N_ROUNDS,
    PADDING,
    Window,
    cell,
    constraint_names,
    digest,
    held,
    refusing,
    variables,
)
from zk.field import P

ROOT = Path(__file__).resolve().parents[2]
COUNTEREXAMPLES = Path(__file__).with_name("counterexamples.json")
Record = dict[str, object]


@cache
def relations() -> tuple[relation.Obligation, ...]:
    """Every obligation of class relation."""
    return (*relation.obligations(), *amounts.obligations())


@cache
def pairs() -> tuple[Window, ...]:
    """Every window of class determined."""
    return tuple(determinism.windows())


@cache
def spoken(obligation: relation.Obligation) -> frozenset[str]:
    """Variables of a claim."""
    code = Encoding({}, dict(obligation.window.fixed), exact=True)
    obligation.claim(code)
    return frozenset(code.used)


def near(name: str) -> list[relation.Obligation]:
    """Obligations whose windows a constraint speaks of, those first that share a cell with it."""
    cells = {o: [variables(f) for _, other, f in held(o.window).constraints if other == name] for o in relations()}
    return sorted((o for o in cells if cells[o]), key=lambda o: spoken(o).isdisjoint(set().union(*cells[o])))


def delete(name: str) -> Iterator[Counterexample]:
    """Rows that this constraint alone refuses."""
    question = Question(without=name)
    if name.startswith("table_"):
        yield from without_table(name)
        return
    yield from without_kinds(name)
    yield from other_capacity(name)
    for window in pairs():
        yield from two_copies(window, question)
    for obligation in near(name):
        yield from violated(obligation, question)


def weaken(assumption: str, column: str) -> Iterator[Counterexample]:
    """Rows that no constraint refuses, with one column out of the range that an assumption gives."""
    question = Question(column=column, assumption=assumption)
    for window in pairs():
        if assumption in determinism.ASSUMED and any(map(question.about, ranges(window, (assumption,)))):
            yield from two_copies(window, question)
    bounded = [o for o in relations() if any(map(question.about, ranges(o.window, (assumption,))))]
    for obligation in sorted(bounded, key=lambda o: not any(map(question.about, spoken(o)))):
        yield from violated(obligation, question)


def other_capacity(name: str) -> Iterator[Counterexample]:
    """Rows whose last one has another capacity."""
    if about := re.fullmatch(r"(?:capacity_link|chain_starts_at_constant|padding_lane)_(\d+)(?:_is_zero)?", name):
        for obligation in near(name):
            if obligation.rule == "R1":
                last, lane = len(obligation.window.kinds) - 1, int(about[1])
                cells = {cell(last, f"in[{lane}]"): int(replay.rows(obligation.window, {})[lane, last]) + 1}
                if replay.refused(obligation.window, cells) == {name} and violates(obligation, cells):
                    yield Counterexample(f"relation: {obligation}", obligation.window, cells)


def without_table(name: str) -> Iterator[Counterexample]:
    """Obligations of the byte table that fail, and steps of it that this constraint alone refuses."""
    for title in (title for title, answer in structure.table(name) if answer == "sat"):
        for selectors, lo, hi in product(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 7, 255), (0, 9, 255)):
            window = Window((PADDING, PADDING), selectors=selectors)
            for lo2, hi2 in ((lo, hi), (lo + 1, hi), (lo + 2, hi), (0, hi + 1), (1, hi + 1), (lo, hi + 1), (0, hi + 2)):
                cells = {"r0.t_lo": lo, "r0.t_hi": hi, "r1.t_lo": lo2, "r1.t_hi": hi2}
                if replay.refused(window, cells) == {name}:
                    yield Counterexample(f"table: {title}", window, cells)


def without_kinds(name: str) -> Iterator[Counterexample]:
    """Pairs of kinds that nothing else refuses; rows that are of no kind or of two."""
    for kind, allowed in FOLLOWS.items():
        for then in FOLLOWS:
            if then not in allowed and refusing(kind, then) == {name}:
                yield from filled(Window((kind, then)), name, f"order: which kinds may follow {kind} ({then})")
    own = name.removesuffix("_is_a_bit")
    if name == "one_kind_of_row" or own in KINDS:
        for flags in wrong_kinds(own if own in KINDS else None):
            for then in (*KINDS, PADDING):
                fixed = [(cell(0, kind), flags.get(kind, 0)) for kind in KINDS] + [(cell(1, kind), int(kind == then)) for kind in KINDS]
                yield from filled(Window((ANY, ANY), tuple(fixed)), name, f"order: a row has one kind at most ({', '.join(flags)})")


def wrong_kinds(own: str | None) -> Iterator[dict[str, int]]:
    """Kinds of a row that one constraint alone may refuse: two at once; or one that is -1, with as many others as make 0 or 1."""
    others = [kind for kind in KINDS if kind != own]
    if own is None:
        yield from ({one: 1, other: 1} for one, other in combinations(others, 2))
    else:
        yield from ({own: P - 1, **dict.fromkeys(some, 1)} for count in (1, 2) for some in combinations(others, count))


def filled(window: Window, name: str, title: str) -> Iterator[Counterexample]:
    """A window with cells that satisfy all other constraints."""
    if {other for _, other, formula in held(window).constraints if formula is False} - {name}:
        return
    code = Encoding(ranges(window, ("BYTES",)), dict(window.fixed), exact=True)
    code.hold(held(window), "", (name,))
    solver = code.solver(code.facts, seconds=SECONDS)
    if str(solver.check()) == "sat":

        def good(cells: dict[str, int], _: dict[str, int]) -> bool:
            return replay.refused(window, cells) == {name}

        cells = {k: v for k, v in integers(solver.model()).items() if k in honest.named(window)}
        if good(cells, {}):
            yield Counterexample(title, window, shrunk(window, cells, {}, good)[0])


def questions() -> Iterator[tuple[str, str, Callable[[], Iterator[Counterexample]]]]:
    """What is left out in turn: part of the report, name, and where counterexamples come from."""
    for name in constraint_names()[N_ROUNDS:]:
        yield "deleted", name, lambda name=name: delete(name)  # type: ignore[misc]
    for assumption, column in single_ranges():
        yield "weakened", f"{assumption} {column}", lambda pair=(assumption, column): weaken(*pair)  # type: ignore[misc]


def run() -> dict[str, dict[str, Record | None]]:
    """Goes on with what is not yet known; None where no counterexample was found. Writes what is known into the report's folder."""
    path = ROOT / "build/proofs" / f"{digest()}.json"
    found: dict[str, dict[str, Record | None]] = {"deleted": {}, "weakened": {}}
    if path.exists():
        found = json.loads(path.read_text())
    path.parent.mkdir(parents=True, exist_ok=True)
    for part, name, ask in questions():
        if name not in found[part]:
            start = time.process_time()
            counterexample = first(ask())
            found[part][name] = counterexample and counterexample.record()
            breaks, seconds = counterexample and counterexample.breaks, time.process_time() - start
            print(f"{part} {name}: {breaks} ({seconds:.1f} s)", flush=True)
            unfinished = path.with_suffix(".part")
            unfinished.write_text(json.dumps(found))
            unfinished.replace(path)
    return found


def write(found: dict[str, dict[str, Record | None]]) -> None:
    """counterexamples.json: one on a line."""
    parts = []
    for part, records in found.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(record)}" for name, record in records.items() if record]
        parts.append(f" {json.dumps(part)}: {{\n" + ",\n".join(lines) + "\n }")
    COUNTEREXAMPLES.write_text(f'{{\n "program": "{digest()}",\n' + ",\n".join(parts) + "\n}\n")


def shows(record: Mapping[str, Any], column: str = "") -> bool:
    """Whether a counterexample breaks what it says, computed from its cells, with nothing but this column out of an assumed range.

    Its cells violate the claim; or two copies with the same inputs differ in the cell that is named.
    """
    rule, title = record["breaks"].split(": ", 1)
    cells, other = record["fixed"] | record["cells"], record.get("other", {})
    if rule == "relation":
        obligation = next(o for o in relations() if str(o) == title)
        limits, broken = ranges(obligation.window, obligation.assumed), violates(obligation, cells)
    elif rule == "determined":
        variable, _, pair = title.partition(" ")
        window = next(w for w in pairs() if f"[{w}]" == pair)
        limits = ranges(window, determinism.ASSUMED)
        broken = variable in determinism.claims(window) and variable in other and not inputs(window) & other.keys()
    else:
        return rule in ("order", "table")
    outside = {k for each in (cells, cells | other) for k, (low, high) in limits.items() if not low <= each.get(k, 0) <= high}
    return broken and {name.split(".", 1)[1] for name in outside} <= {column}


def unnoticed(found: Mapping[str, Mapping[str, object]]) -> list[str]:
    """What was left out and nothing broke, though REDUNDANT does not say so; rounds of the permutation that do not refuse alone."""
    names = constraint_names()
    left = [name for part in ("deleted", "weakened") for name, record in found[part].items() if not record and name not in REDUNDANT]
    return left + [names[number] for number in range(N_ROUNDS) if replay.round_refused(number) != {names[number]}]
