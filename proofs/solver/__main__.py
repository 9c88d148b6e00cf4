"""Asks the solver about the published circuit: `make proofs`.

    python -m proofs.solver                 every obligation but those of the class `determined`, which take longer than half an hour
    python -m proofs.solver --write         the same, and writes the report
    python -m proofs.solver --all           these too, and each constraint and assumption left out in turn; a run that was stopped goes on
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
    """Each window satisfiable, each cell determined."""
    from proofs.solver import determinism

    for pair in determinism.windows():
        yield f"window {pair} is satisfiable", "sat", determinism.copies(pair).check()
        for name, answer in determinism.check(pair).items():
            yield f"{name} [{pair}]", "unsat", answer


def free() -> Iterator[Answer]:
    """Cells called free are free."""
    from proofs.solver import structure

    found = dict(structure.frees())
    for name in sorted(structure.expected_frees()):
        yield name, "sat", found.get(name, "unsat")


def relation() -> Iterator[Answer]:
    """The integer statement, each window satisfiable."""
    from proofs.solver import amounts, relation

    windows = dict[str, str]()
    for obligation in (*relation.obligations(), *amounts.obligations()):
        key = f"{obligation.window} {obligation.assumed}"
        if key not in windows:
            windows[key] = obligation.encoding().check()
            yield (
                f"window {obligation.window} is satisfiable, assuming {', '.join(obligation.assumed) or 'nothing'}",
                "sat",
                windows[key],
            )
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
    """Leaves out each constraint and each assumption; how many are for nothing though nobody says so."""
    from proofs.solver import sensitivity

    state = sensitivity.run()
    summary = sensitivity.summary(state)
    if writes:
        for key, value in summary.items():
            write(key, value)
    print(
        f"proofs/solver: {len(state.found['deleted'])} constraints left out in turn, {len(summary['not_noticed'])} not noticed."
    )
    return len(set(summary["not_noticed"]) - set(sensitivity.REDUNDANT))


def main(arguments: list[str]) -> int:
    """Runs what is asked for."""
    try:
        import z3
    except ImportError:
        print("proofs/solver: SKIPPED, there is no z3 here (pip install 'standstill[proofs]'). Nothing was checked.")
        return 0
    usual = [name for name in CLASSES if name != "determined" or "--all" in arguments]
    names = [name for name in arguments if name in CLASSES] or usual
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
