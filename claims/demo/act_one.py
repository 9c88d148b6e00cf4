"""The demonstration: a standstill between four labs on published data, from agreement to verified claims; then a month in public.

``standstill demo`` and ``make demo`` run both acts. Everything goes through the same code as real use: files are imported,
meters sign, registries close, claims are proven, and each is verified from its bytes alone.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.cache import SWITCH
from claims.base.ed25519 import known_signatures
from claims.base.errors import ClaimsError
from claims.base.files import write_new
from claims.demo import act_two_words as month_text
from claims.demo import words as text
from claims.demo.attacks import Attacker, attempts
from claims.demo.data import EIGHT_DAYS, lab_plans
from claims.demo.labs import CAPS, DemoLab, Row, agreement_text, enrol, keep_books, settle, sign_by_all
from claims.lab.prove import make_claim
from claims.lab.witness import WitnessRefused, assemble
from claims.verify.claim import verify_claim

if TYPE_CHECKING:
    from rich.console import Console

    from claims.demo.act_two import Month
    from claims.demo.cheats import Caught
    from claims.demo.lies import Lie
    from claims.status.model import State

__all__ = ["DemoFailed", "DemoResult", "MonthResult", "prepare_prover", "run_demo", "run_month"]

STRICTER = {**CAPS, "lineage": "1e25 FLOP", "freeze": "1e25 FLOP"}
"""What-if: the EU AI Act's threshold (Art. 51(2)) as the cap on every lineage."""


class DemoFailed(ClaimsError):
    """The demonstration saw something that it should not: a false claim accepted, or a true one not proven."""


@dataclass
class DemoResult:
    """What happened: claims in order, what stopped which attempt (title, check or what is missing, reason), the stricter answer."""

    out_dir: Path
    agreement: Agreement
    signatures: AgreementSignatures
    rows: list[Row] = field(default_factory=list)
    snapshots: list[tuple[str, str]] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    refusal: tuple[str, ...] = ()
    evidence: int = 0
    seconds: float = 0.0


@dataclass
class MonthResult:
    """What the second act left: the month, what stopped which cheat, the lie with a power feed and without, the folders' states."""

    month: Month
    caught: list[Caught]
    lie: Lie
    unseen: Lie
    states: list[tuple[str, Path, State]]


def run_demo(out_dir: str | Path, console: Console) -> DemoResult:
    """Run the demonstration.

    Args:
        out_dir: a folder that does not exist yet or is empty; the files stay there.
        console: where the story is told.

    Raises:
        ClaimsError: the folder is in use.
        DemoFailed: a check did not come out as it must.
    """
    out_dir, began = Path(out_dir), time.monotonic()
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ClaimsError(f"{out_dir} is not an empty folder", "name a folder that does not exist yet")
    (out_dir / "claims").mkdir(parents=True)
    labs = [enrol(plan, out_dir / "private" / plan.name) for plan in lab_plans(EIGHT_DAYS)]
    try:
        agreement, signatures = sign_by_all(
            labs, agreement_text(labs, "demonstration", CAPS, EIGHT_DAYS), out_dir / "agreement.toml"
        )
        result = DemoResult(out_dir, agreement, signatures)
        text.opening(console, labs, agreement)
        prepare_prover(console)
        for lab in labs:
            keep_books(lab, agreement)
        for period in range(EIGHT_DAYS.periods):
            _period(console, labs, result, period)
        text.public_table(console, result.rows)
        text.private_table(console, result.rows)
        text.what_claims_show(console, labs, result.snapshots)
        _over_the_cap(console, labs[0], result)
        _cheats(console, labs, result)
        result.seconds = time.monotonic() - began
        text.closing(console, result.rows, out_dir, result.seconds)
    finally:
        for lab in labs:
            lab.store.close()
    return result


def prepare_prover(console: Console) -> None:
    """Compile the prover's kernels, and say so where it takes long."""
    from zk.kernels.warmup import warm_up

    with console.status(
        "Preparing the prover (compiled once on each machine; the first time takes up to a minute or two) ..."
    ):
        seconds = warm_up()
    if seconds < 1:
        return
    console.print(f"The prover is ready ({seconds:.0f} s of compiling, kept for the next time).\n", highlight=False)


def _period(console: Console, labs: list[DemoLab], result: DemoResult, period: int) -> None:
    """Every lab settles its books and makes its claim, and the claim is verified from its bytes."""
    text.period_heading(console, result.agreement, period)
    with text.progress(console) as bar:
        for lab in labs:
            task = bar.add_task(f"{lab.plan.title}: closing the books", total=1.0)
            result.snapshots += [(lab.plan.title, name) for name in settle(lab, result.agreement, period)]
            row = _claim(lab, result, period, lambda phase, share, t=task, n=lab.plan.title: bar.update(  # type: ignore[misc]
                t, completed=share * 0.95, description=f"{n}: {text.PHASE_WORDS.get(phase, phase)}"
            ))  # fmt: skip
            if not row.report.proven:
                raise DemoFailed(f"the claim of {lab.plan.name} for period {period} is {row.report.word}: {row.report.missing}")
            result.rows.append(row)
            bar.update(task, completed=1.0, description=f"{lab.plan.title}: proven and verified")


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """In the block the reader's cache is off, which has the verdict of the prover: a reader's first check is what takes its time."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "off"
    try:
        yield
    finally:
        os.environ.pop(SWITCH)
        if before is not None:
            os.environ[SWITCH] = before


def _claim(lab: DemoLab, result: DemoResult, period: int, progress: Callable[[str, float], None]) -> Row:
    began = time.monotonic()
    made = make_claim(lab.store, result.agreement, period, lab.key, progress=progress)
    prove_seconds = time.monotonic() - began
    path = result.out_dir / "claims" / f"{lab.plan.name}-{period}.claim"
    write_new(path, made.claim.encode(), 0o644)
    progress("verify", 1.0)
    earlier = [result.out_dir / "claims" / f"{lab.plan.name}-{p}.claim" for p in range(period)]
    with _nothing_kept():
        report = verify_claim(
            path.read_bytes(),
            result.agreement,
            signatures=result.signatures,
            previous=[earlier_path.read_bytes() for earlier_path in earlier],
            previous_accepted=True,
        )
    if report.proof is None:
        raise DemoFailed(f"the claim of {lab.plan.name} for period {period} was not verified")
    return Row(lab, made.claim, report, report.proof, made.assembly.figures, prove_seconds)


def _over_the_cap(console: Console, lab: DemoLab, result: DemoResult) -> None:
    """The same true readings under a stricter agreement: the lab's own prover finds no claim to make."""
    folder = result.out_dir / "private" / "what-if"
    again = enrol(lab.plan, folder)
    try:
        agreement, _ = sign_by_all([again], agreement_text([again], "what-if", STRICTER, EIGHT_DAYS), folder / "agreement.toml")
        keep_books(again, agreement)
        for period in range(EIGHT_DAYS.periods):
            settle(again, agreement, period)
        try:
            assemble(again.store, agreement, EIGHT_DAYS.periods - 1)
        except WitnessRefused as refusal:
            result.refusal = refusal.problems
    finally:
        again.store.close()
        shutil.rmtree(folder)
    if not result.refusal:
        raise DemoFailed(f"{lab.plan.name} was not told that it is over the cap")
    text.over_the_cap(console, lab.plan.title, STRICTER["lineage"], result.refusal)


def _cheats(console: Console, labs: list[DemoLab], result: DemoResult) -> None:
    """Every attempt must be rejected, by the check that is there for it; a bribed meter leaves evidence."""
    claims = {lab.plan.name: [row.claim for row in result.rows if row.lab is lab] for lab in labs}
    cheat, other = labs[0], labs[1]
    attacker = Attacker(
        cheat, result.agreement, result.signatures, claims[cheat.plan.name], claims[other.plan.name][-1]
    )
    for attempt in attempts(attacker):
        outcome = attempt.outcome()
        if outcome is None or outcome[0] != attempt.expected:
            found = "proven" if outcome is None else f"stopped by {outcome[0]}"
            raise DemoFailed(f"an attempt to cheat ({attempt.title}) was {found}, not stopped by {attempt.expected}")
        result.rejected.append((attempt.title, *outcome))
    result.evidence = len(attacker.two_heads())
    if result.evidence != 1:
        raise DemoFailed("two signed heads of one meter were not recognised as evidence")
    text.cheats(console, cheat.plan.title, result.rejected)


@known_signatures(None)
def run_month(out_dir: str | Path, console: Console) -> MonthResult:
    """Run the second act: a month with a log, countersigned, inspected; every way to cheat in it; two states and their pages.

    Args:
        out_dir: a folder; gets ``month/``, ``page/``, ``caught/``, ``caught-page/``, ``unseen/``, ``unseen-page/``,
            ``month-evidence/`` and ``private/month/``.
        console: where the story is told.

    Raises:
        ClaimsError: a folder is in use, or (DemoFailed and NotCaught) something did not come out as it must.
    """
    from claims.demo.act_two import hold_month
    from claims.demo.cheats import CHEAT, caught
    from claims.demo.lies import LIAR, tell_a_lie, tell_unseen

    out_dir = Path(out_dir)
    if (out_dir / "month").exists():
        raise ClaimsError(f"{out_dir / 'month'} exists already", "name a folder that does not exist yet")
    (out_dir / "month-evidence").mkdir(parents=True, exist_ok=True)
    prepare_prover(console)
    with text.progress(console) as bar:
        task = bar.add_task("A month of epochs", total=1.0)
        month = hold_month(out_dir, lambda what, share: bar.update(
            task, completed=share, description=f"A month in public: {text.PHASE_WORDS.get(what, what)}"
        ))  # fmt: skip
    try:
        month_text.opening(console, month)
        month_text.outcome(console, month)
        titles = {lab.plan.name: lab.plan.title for lab in month.labs}
        found = caught(month, out_dir / "month-evidence")
        month_text.cheats(console, titles[CHEAT], found)
        with text.progress(console) as bar:
            task = bar.add_task(f"The month again, with {titles[LIAR]}'s meters bribed", total=1.0)
            lie = tell_a_lie(month, out_dir / "caught", lambda share: bar.update(task, completed=share))
            task = bar.add_task("The same lie, where no power feed is agreed", total=1.0)
            unseen = tell_unseen(month, out_dir / "unseen", lambda share: bar.update(task, completed=share))
    finally:
        for lab in month.labs:
            lab.store.close()
    month_text.lie(console, titles[LIAR], lie, unseen)
    states = [
        _state("the month as it was", month),
        _state("with the lie and a power feed, and a lab that did not open", lie.month),
        _state("with the lie and no power feed: false, and no file shows it", unseen.month),
    ]
    if [state.holds for _, _, state in states] != ["yes", "no", "yes"]:
        raise DemoFailed("the state of the month is not what it must be")
    if (lie.recorded, unseen.recorded) != ("failed, power", "passed"):
        raise DemoFailed("power did not catch the lie, or something caught it where no feed is agreed")
    month_text.closing(console, out_dir, states)
    return MonthResult(month, found, lie, unseen, states)


def _state(what: str, month: Month) -> tuple[str, Path, State]:
    """The state recomputed from the published files, and its page."""
    from claims.site.generate import generate

    page = month.folder.parent / ("page" if month.folder.name == "month" else f"{month.folder.name}-page")
    return what, month.folder, generate(month.folder, page, now=month.now).state
