"""Decisions under an agreement with a log: they count from when the log had them, and never before."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import world
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from claims.base.errors import ClaimRejected
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import DecisionEntry
from claims.cli.log_write import log
from claims.cli.show import describe
from claims.cli.status import decision
from claims.decisions.file import Decision, decision_entry, sign_decision
from claims.site.generate import generate
from claims.status.book import Book
from claims.status.model import State
from tests.status.test_status_log import END, HOUR, SEEDS, START, TERMS, TEXT, Published, world_  # noqa: F401

DECIDERS = ("alpha", "beta")


@pytest.fixture
def made(world_: Published) -> Published:  # noqa: F811
    return world_


def decide(kind: str, effective: int, reason: str = "agreed") -> Decision:
    item = Decision(TERMS.digest, kind, effective, reason)
    for name in DECIDERS:
        item = sign_decision(world.key(SEEDS[name]), item, TERMS)
    return item


def show(made: Published, *items: Decision) -> None:
    (made.folder / "decisions").mkdir(exist_ok=True)
    for item in items:
        (made.folder / "decisions" / f"{item.decision}-{item.effective}.decision").write_bytes(item.encode())


def enter(made: Published, at: int, item: Decision, *names: str, **options: Any) -> None:
    made.add(at, *(decision_entry(item, name, world.key(SEEDS[name])) for name in names or DECIDERS), **options)


def states(state: State, lab: str = "alpha") -> list[str]:
    return [row.state for row in state.rows if row.lab == lab]


def counted(state: State) -> list[tuple[str, int]]:
    return [(item.decision, item.effective) for item in state.decisions]


def named(state: State, *words: str) -> bool:
    return any(all(word in line for word in words) for line in state.problems)


def test_a_decision_that_the_log_had_in_time_counts_from_the_moment_that_it_states(made: Published) -> None:
    lift, trigger = decide("lift", START + 5 * HOUR), decide("trigger", START + 6 * HOUR)
    show(made, lift, trigger)
    enter(made, START + HOUR, lift)
    enter(made, START + 2 * HOUR, trigger)
    made.beat(START + 21 * HOUR)
    state = made.at(START + 21 * HOUR)
    assert counted(state) == [("lift", START + 5 * HOUR), ("trigger", START + 6 * HOUR)] and not state.problems
    assert states(state)[:3] == ["missing", "lifted", "late"] and state.to_json()["decisions"][0] == {
        "agreement": TERMS.digest.hex(), "decision": "lift", "stated": "2026-01-01T05:00:00Z", "effective": "2026-01-01T05:00:00Z",
        "deciders": ["alpha", "beta"],
    }  # fmt: skip


def test_a_backdated_lift_forgives_nothing(made: Published) -> None:
    """Signed when alpha's claim was missing already."""
    enter(made, START, decide("trigger", START, "begin"))
    made.beat(END + 13 * HOUR, by="beta")
    assert states(made.at(END + 13 * HOUR))[0] == "missing"
    lift, at = decide("lift", START + HOUR), END + 12 * HOUR + 60
    show(made, lift)
    enter(made, at, lift)
    state = made.at(END + 13 * HOUR)
    assert counted(state)[1:] == [("lift", at)] and states(state) == ["missing", "late", "pending", "pending", "lifted"]
    assert state.holds == "no" and any("states 2026-01-01T01:00:00Z" in line for line in state.lines())


def test_a_backdated_trigger_calls_nothing_missing(made: Published) -> None:
    """While it was lifted nobody owed a claim of the second period; the deciders say later that the lift had ended before it."""
    lift, trigger = decide("lift", START), decide("trigger", START + 120)
    show(made, lift, trigger)
    enter(made, START + 60, lift)
    assert states(made.at(START + 21 * HOUR)) == ["lifted"] * 6
    enter(made, START + 21 * HOUR, trigger)
    state = made.at(START + 22 * HOUR)
    assert counted(state) == [("lift", START + 60), ("trigger", START + 21 * HOUR)]
    assert states(state) == ["lifted"] * 6 and state.life.state == "in force" and state.holds != "no"


def test_what_is_not_in_the_log_does_not_count_and_is_named(made: Published) -> None:
    lift = decide("lift", START)
    show(made, lift)
    made.epochs(upto=1)
    state = made.at(END + 13 * HOUR)
    assert counted(state) == [] and states(state)[0] == "pending" and state.life.state == "in force"
    assert named(state, "lift from 2026-01-01T00:00:00Z", "does not count", "not in the log")
    enter(made, START + 5 * HOUR, lift, "alpha")
    state = made.at(END + 13 * HOUR)
    assert counted(state) == [] and named(state, "does not count", "from alpha", "2 deciders")
    enter(made, START + 9 * HOUR, lift, "beta")  # the last of the quorum dates it
    assert counted(made.at(END + 13 * HOUR)) == [("lift", START + 9 * HOUR)]
    shutil.rmtree(made.folder / "log")
    state = made.at(END + 13 * HOUR)
    assert counted(state) == [] and named(state, "does not count", "the log cannot be used") and state.holds == "undecided"


def test_a_decision_counts_once_however_often_it_is_entered(made: Published) -> None:
    """An old lift entered anew, or shown with other signatures, does not lift the pause again."""
    lift = decide("lift", START)
    enter(made, START + 60, lift)
    enter(made, START + 120, decide("trigger", START + 120))
    enter(made, START + 10 * HOUR, lift)
    show(made, lift)
    state = made.at(START + 11 * HOUR)
    assert counted(state) == [("lift", START + 60), ("trigger", START + 120)]
    assert states(state) == ["lifted", "pending", "pending"] and state.life.state == "in force"


def test_strangers_and_forgers_enter_nothing(made: Published) -> None:
    lift = decide("lift", START)
    show(made, lift)
    forged = sign_entry(world.key(SEEDS["delta"]), decision_entry(lift, "beta", world.key(2)))
    stranger, alpha = decision_entry(lift, "delta", world.key(SEEDS["delta"])), decision_entry(lift, "alpha", world.key(1))
    with pytest.raises(ClaimRejected, match="delta does not decide"):
        check_entry(stranger, TERMS)
    made.add(START + 60, stranger, forged, alpha, alpha)
    made.beat(END + 13 * HOUR)
    state = made.at(END + 13 * HOUR)
    assert counted(state) == [] and states(state)[0] == "missing" and named(state, "from alpha, and 2 deciders")
    assert named(state, "log entry 0", "delta does not decide") and named(state, "log entry 1", "signature")


def test_a_decider_or_the_operator_alone_dates_nothing(made: Published) -> None:
    lift = decide("lift", START)
    show(made, lift)
    enter(made, START + 60, lift, by="alpha")
    state = made.at(END + 13 * HOUR)
    assert counted(state) == [] and named(state, "does not count", "nothing dates")
    enter(made, START + 6 * HOUR, decide("lift", START, "other"), by="delta")  # a later head holds the first entries too
    assert counted(made.at(END + 13 * HOUR)) == [("lift", START + 6 * HOUR)] * 2


def test_a_decision_in_the_log_counts_without_its_file(made: Published) -> None:
    """Who leaves files out of a mirror neither forgives nor accuses; what was decided is in the log for all to read."""
    enter(made, START + 60, decide("lift", START))
    state = made.at(START + HOUR)
    assert counted(state) == [("lift", START + 60)] and states(state) == ["lifted"] and state.life.state == "lifted"
    assert named(state, "alpha, beta decided to lift", "not here") and not named(state, "does not count")


def test_the_page_says_from_when_on_a_decision_counts(made: Published, tmp_path: Path) -> None:
    lift, other = decide("lift", START), decide("trigger", START + HOUR)
    show(made, lift, other)
    enter(made, START + 60, lift)
    generate(made.folder, tmp_path / "site", now=START + 2 * HOUR)
    text = (tmp_path / "site" / "index.html").read_text()
    assert ">1 Jan 2026, 00:01 UTC</time> on, when the log had it. The pause is lifted" in text
    assert "Does not count: not in the log" in text


def test_spans_are_looked_up_as_they_are_listed() -> None:
    rng, signed = random.Random(3), SimpleNamespace(agreement=TERMS)
    for _ in range(300):
        moments = sorted(START + rng.choice([rng.randrange(20 * HOUR), 4 * HOUR * rng.randrange(6)]) for _ in range(2 * rng.randrange(4)))
        spans = [(a, b) for a, b in zip(moments[::2], moments[1::2], strict=True) if a < b]
        book = Book(signed, None, 0, lifted=spans)  # type: ignore[arg-type]
        for period in range(6):
            begin, end = TERMS.period_span(period)
            assert book.is_lifted(period) == any(since < end and begin < until for since, until in spans)


def test_signing_writes_the_entry_that_the_log_takes(made: Published, tmp_path: Path) -> None:
    path, terms = tmp_path / "lift.decision", ["-a", str(made.folder / "agreement.toml")]
    path.write_bytes(Decision(TERMS.digest, "lift", START, "agreed").encode())
    made.add(START, decision_entry(decide("trigger", START), "alpha", world.key(1)))
    for name, seed in {"log": 50, **{name: SEEDS[name] for name in DECIDERS}}.items():
        (tmp_path / name).write_bytes(world.key(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / name).chmod(0o600)
    for name in DECIDERS:
        for _ in range(2):  # again is harmless
            done = CliRunner().invoke(decision, ["sign", str(path), *terms, "-k", str(tmp_path / name)])
            assert done.exit_code == 0 and f"lift-{name}.entry" in done.output, done.output
        entry = decode_entry((tmp_path / f"lift-{name}.entry").read_bytes())
        assert isinstance(entry, DecisionEntry) and (entry.decider, encode_entry(entry)[:14]) == (name, b"standstill-log")
        assert any("to lift from 2026-01-01T00:00:00Z on, signed by" in line for line in describe(tmp_path / f"lift-{name}.entry"))
        appended = ["append", str(made.folder / "log"), str(tmp_path / f"lift-{name}.entry"), *terms, "-k", str(tmp_path / "log")]
        appended.append("--clock-is-right")
        done = CliRunner().invoke(log, appended)
        assert done.exit_code == 0 and "1 published" in done.output, done.output
    done = CliRunner().invoke(decision, ["check", str(path), *terms])
    assert done.exit_code == 0 and "NOT CHECKED: that the log has it" in done.output
    made.add(START + 60, decision_entry(decide("trigger", START), "beta", world.key(2)))
    assert counted(made.at(START + HOUR)) == [("lift", START + 60), ("trigger", START + 60)]
