"""Asks the solver about the published circuit: `make proofs`.

    python -m proofs.solver                 every obligation
    python -m proofs.solver --write         the same, and writes the report
    python -m proofs.solver --all           and each constraint left out in turn, each range weakened; a run that was stopped goes on
    python -m proofs.solver CLASS...        some classes: lemma, order, table, determined, free, relation

Exit code 0: each obligation has the answer that it should have, or z3 is absent, and then the last line says SKIPPED. 1: one has not; an
`unknown` is one that has not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from proofs.solver import window  # noqa: E402

REPORT = Path(__file__).with_name("report.json")
Answer = tuple[str, str, str]  # obligation, expected, answer


def lemma() -> Iterator[Answer]:
    """What the encoding takes for granted."""
    from proofs.solver import structure

    return ((name, "unsat", answer) for name, answer in structure.lemmas())


def order() -> Iterator[Answer]:
    """Kinds, their order, and the permutation's columns."""
    from proofs.solver import structure

    return ((name, "unsat", answer) for name, answer in structure.order())


def table() -> Iterator[Answer]:
    """The byte table's walk."""
    from proofs.solver import structure

    return ((name, "unsat", answer) for name, answer in structure.table())


def determined() -> Iterator[Answer]:
    """Honest rows fit each window, each cell is determined."""
    from proofs.solver import determinism, honest

    for pair in determinism.impossible():
        yield f"no rows are {pair}", "unsat", determinism.copies(pair).check()
    for pair in determinism.windows():
        yield f"honest rows fit {pair}", "sat", "sat" if honest.satisfiable(pair, determinism.ASSUMED) else "unsat"
        for name, answer in determinism.check(pair).items():
            yield f"{name} [{pair}]", "unsat", answer


def free() -> Iterator[Answer]:
    """Cells called free are free."""
    from proofs.solver import structure

    found = dict(structure.frees())
    for name in sorted(structure.expected_frees()):
        yield name, "sat", found.get(name, "unsat")


def relation() -> Iterator[Answer]:
    """The integer statement, honest rows fit each window."""
    from proofs.solver import amounts, honest, relation

    every = (*relation.obligations(), *amounts.obligations())
    for rows, assumed in dict.fromkeys((obligation.window, obligation.assumed) for obligation in every):
        fits = honest.satisfiable(rows, assumed)
        yield f"honest rows fit {rows}, assuming {', '.join(assumed) or 'nothing'}", "sat", "sat" if fits else "unsat"
    for obligation in every:
        yield str(obligation), "unsat", obligation.answer()


CLASSES = {"lemma": lemma, "order": order, "table": table, "determined": determined, "free": free, "relation": relation}


def ask(name: str) -> dict[str, object]:
    """How many obligations a class has, what is not as expected, CPU seconds."""
    start, count, wrong, unknown = time.process_time(), 0, list[str](), list[str]()
    for what, expected, answer in CLASSES[name]():
        count += 1
        if answer == "unknown":
            unknown.append(what)
            print(f"{name}: {what}: UNKNOWN", flush=True)
        elif answer != expected:
            wrong.append(what)
            print(f"{name}: {what}: {answer}, should be {expected}", flush=True)
    seconds = time.process_time() - start
    print(f"{name}: {count} obligations, {len(wrong)} wrong, {len(unknown)} unknown, {seconds:.0f} s", flush=True)
    return {"obligations": count, "wrong": wrong, "unknown": unknown, "cpu_seconds": round(seconds, 1)}


def write(key: str, value: object) -> None:
    """Puts one part into the report; parts about another program go."""
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    if report.get("program") != window.digest():
        report = {"program": window.digest()}
    report[key] = report.get(key, {}) | value if isinstance(value, dict) else value
    REPORT.write_text(json.dumps(report, indent=1) + "\n")


def everything(writes: bool) -> int:
    """Leaves out each constraint and weakens each range; how many are for nothing though nobody says so."""
    from proofs.solver import sensitivity

    found = sensitivity.run()
    if writes:
        sensitivity.write(found)
    left = sensitivity.unnoticed(found)
    for name in left:
        print(f"without {name}: nothing breaks")
    counts = f"{len(found['deleted'])} constraints and {len(found['weakened'])} ranges"
    print(f"proofs/solver: {counts} left out in turn, {len(left)} for nothing.")
    return len(left)


def main(arguments: list[str]) -> int:
    """Runs what is asked for."""
    try:
        import z3
    except ImportError:
        print("proofs/solver: SKIPPED, there is no z3 here (pip install 'standstill[proofs]'). Nothing was checked.")
        return 0
    names = [name for name in arguments if name in CLASSES] or list(CLASSES)
    total = bad = 0
    for name in names:
        found = ask(name)
        total += found["obligations"]  # type: ignore[operator]
        bad += len(found["wrong"]) + len(found["unknown"])  # type: ignore[arg-type]
        if "--write" in arguments:
            write("z3", z3.get_version_string())
            write("classes", {name: found})
    if "--all" in arguments:
        bad += everything("--write" in arguments)
    if bad:
        print(f"proofs/solver: {bad} of {total} obligations do not hold, or the solver does not know.")
        return 1
    print(f"proofs/solver: {total} obligations hold.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
