"""The committed report of the solver is about the published program, and says that every obligation holds. None of this needs a solver."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from proofs.solver import __main__ as command
from proofs.solver import replay, window
from proofs.solver.assumptions import ASSUMPTIONS, single_ranges
from proofs.solver.cells import FREE, UNLISTED, free
from proofs.solver.order import FOLLOWS
from proofs.solver.redundant import REDUNDANT

COUNTEREXAMPLES = json.loads(Path(command.__file__).with_name("counterexamples.json").read_text())
RANGES = {f"{name} {column}" for name, column in single_ranges()}
REPORT = json.loads(Path(command.__file__).with_name("report.json").read_text())


def test_the_report_is_about_this_program():
    """After a change of the circuit: python -m proofs.solver --write."""
    assert REPORT["program"] == window.digest()


def test_counterexamples_are_about_this_program():
    """After a change of the circuit: python -m proofs.solver --all --write."""
    assert COUNTEREXAMPLES["program"] == window.digest()


def test_each_constraint_is_noticed_or_named_as_redundant():
    """The permutation's constraints are left out in turn below."""
    noticed = COUNTEREXAMPLES["deleted"].keys()
    assert noticed.isdisjoint(REDUNDANT)
    assert noticed | (REDUNDANT.keys() - RANGES) == set(window.constraint_names()[window.N_ROUNDS :])


def test_each_range_is_noticed_or_named_as_redundant():
    noticed = COUNTEREXAMPLES["weakened"].keys()
    assert noticed.isdisjoint(REDUNDANT)
    assert noticed | (REDUNDANT.keys() & RANGES) == RANGES
    assert {name.split()[0] for name in noticed} == ASSUMPTIONS.keys()


def replayed(part, name):
    """A counterexample's rows are refused by the constraint that was left out alone, or by none where a range was weakened."""
    first, *other = replay.refused_copies(COUNTEREXAMPLES[part][name])
    alone = {name} if part == "deleted" else set()
    assert [first, *other] == ([set(), alone] if other else [alone])


EVERY = [(part, name) for part in ("deleted", "weakened") for name in COUNTEREXAMPLES[part]]


@pytest.mark.parametrize(("part", "name"), EVERY[::12])
def test_rows_are_refused_by_what_was_left_out_alone(part, name):
    replayed(part, name)


@pytest.mark.slow
def test_all_rows_are_refused_by_what_was_left_out_alone_and_break_what_they_say():
    pytest.importorskip("z3")
    from proofs.solver import sensitivity

    for part, name in EVERY:
        replayed(part, name)
        column = name.split()[1] if part == "weakened" else ""
        assert sensitivity.shows(COUNTEREXAMPLES[part][name], column), name


@pytest.mark.parametrize("name", list(REPORT["classes"]))
def test_every_obligation_holds(name):
    part = REPORT["classes"][name]
    assert part["obligations"] > 0
    assert part["wrong"] == part["unknown"] == []


def test_kinds_and_their_order_need_no_solver():
    """circuits/README.md section 5, *Order of rows*, from the published words."""
    assert window.successors() == FOLLOWS


def test_the_permutations_columns_follow_from_its_input():
    assert window.triangular() == []


def test_a_round_left_out_is_refused_by_its_constraint_alone():
    names = window.constraint_names()
    assert [number for number in range(window.N_ROUNDS) if replay.round_refused(number) != {names[number]}] == []


def test_an_equation_of_a_window_is_what_the_circuit_says():
    """R2 at the low limb: remaining - chip-seconds - remaining' + 2^24 borrow, in a reading after another of the same epoch."""
    pair = window.Window(("idle", "idle"), ((window.cell(0, "new"), 0),))
    (formula,) = [f for at, name, f in window.held(pair).constraints if name == "remaining_low_limb"]
    names = {f"r0.byte[{12 + i}]": 1 << 8 * i for i in range(3)} | {"r1.in[2]": -1, "r1.shared_base": 1 << 24}
    names |= {f"r1.byte[{12 + i}]": -(1 << 8 * i) for i in range(3)}
    assert formula == ("zero", {(name,): c % window.P for name, c in names.items()})


def test_free_cells_are_cells():
    assert FREE.keys() == UNLISTED.keys() == FOLLOWS.keys()
    assert "byte[14]" in free("hd") and "byte[14]" not in free("hd", "sent")


def test_assumptions_say_what_grants_them():
    assert all(a.says and a.granted for a in ASSUMPTIONS.values())


def test_without_a_solver_the_run_says_skipped(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "z3", None)
    assert command.main([]) == 0
    out = capsys.readouterr().out
    assert "SKIPPED" in out and "hold" not in out
