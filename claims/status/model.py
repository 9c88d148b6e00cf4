"""The state of a standstill as values, as text and as JSON (FORMATS-status.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from claims.agreement.model import Agreement
from claims.base.dates import span
from claims.base.text import in_columns, joined, periods_named
from claims.base.units import format_time
from claims.claim.limits import limit_values
from claims.claim.lists import Limit, Over
from claims.claim.power import PowerSeen
from claims.decisions.life import Counted, Life
from claims.inspection.count import Inspected
from claims.status.allowances import Moved
from claims.verify.lateness import Lateness
from claims.verify.log_state import LogState
from claims.verify.report import OLDER, LogSeen, Proof

__all__ = ["FORMAT", "ROW_STATES", "Row", "State", "sentences"]

FORMAT = "standstill-status/1"
ROW_STATES = ("pending", "proven", "over", "late", "missing", "rejected", "under inspection", "lifted")


@dataclass(frozen=True)
class Row:
    """One lab and period.

    Attributes:
        agreement: digest of the agreement under which the period is judged.
        state: one of :data:`ROW_STATES`.
        reason: in words.
        begin, end: of the period, Unix seconds.
        due: until when the claim is to be published, or None where no deadline is agreed.
        missing_after: when it counts as missing, or None.
        owed: the claim's deadline has passed; without one, the period has ended.
        published: when a quorum had seen the claim's entry in the log, or None.
        late: it was published after ``due``.
        claim: SHA-256 of the claim file that was judged, or None.
        check: the failed check of a rejected claim, or None.
        epochs: the entries of its epochs in the log, and whether they came late; ``epochs_published`` is None without a log.
        log: the log without the lab's own cosignatures, where it can be used.
        inspected: every inspection entry of it in the log, once it is proven otherwise.
        proof: of the claim file, where it passed every check of its own, whatever inspectors or evidence say.
        logged: SHA-256 of the claim file that the log names, or None.
        against: check and reason why the claim of a lifted period, which nobody owed, is rejected; or None.
        opening_due: when a lab under inspection has to have opened, or None.
        lost: what it lists as lost, in a sentence.
        limits, overs: those that the claim that was judged says it is over, and that the lab's earlier ones were over.
    """

    agreement: bytes
    lab: str
    period: int
    state: str
    reason: str
    begin: int
    end: int
    due: int | None = None
    missing_after: int | None = None
    owed: bool = False
    published: int | None = None
    late: bool = False
    claim: bytes | None = None
    check: str | None = None
    epochs_published: int | None = None
    epochs: Lateness = Lateness(0, 0)
    log: LogSeen | None = None
    inspected: tuple[Inspected, ...] = ()
    opening_due: int | None = None
    limits: tuple[Limit, ...] = ()
    overs: tuple[Over, ...] = ()
    lost: tuple[str, ...] = ()
    moved: int = 0
    transfers: tuple[str, ...] = ()
    over_here: tuple[str, ...] = ()
    power: PowerSeen | None = None
    proof: Proof | None = None
    logged: bytes | None = None
    against: tuple[str, str] | None = None

    @property
    def inspections(self) -> tuple[tuple[str, int, str], ...]:
        """(inspector, round, outcome) that count."""
        return tuple(sorted((item.inspector, item.round, item.outcome) for item in self.inspected if item.counts))

    @property
    def epochs_ended(self) -> int:
        """Epochs that are over."""
        return self.epochs.ended

    @property
    def epochs_late(self) -> int:
        """Those whose entry came late, or is overdue."""
        return self.epochs.late

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "agreement": self.agreement.hex(),
            "lab": self.lab,
            "period": self.period,
            "state": self.state,
            "reason": self.reason,
            "check": self.check,
            "begin": format_time(self.begin),
            "end": format_time(self.end),
            "due": _time(self.due),
            "missing_after": _time(self.missing_after),
            "owed": self.owed,
            "published": _time(self.published),
            "late": self.late,
            "claim": None if self.claim is None else self.claim.hex(),
            "epochs": self.epochs.to_json() | {"published": self.epochs_published},
            "inspections": [{"inspector": who, "outcome": what, "round": number} for who, number, what in self.inspections],
            "opening_due": _time(self.opening_due),
            "over": [limit_values(limit) for limit in self.limits],
            "transfers": list(self.transfers),
            "over_here": list(self.over_here),
            "power": None if self.power is None else self.power.to_json(),
            "earlier_over": [limit_values(over) for over in self.overs],
        }


def sentences(rows: Iterable[Row]) -> list[str]:
    """States and reasons for a list of what stands in the way, the gravest first. What several labs share for one period is one
    sentence, and so are several periods of one lab."""
    order = ("rejected", "over", "missing", "late", "under inspection", "pending")
    by_lab: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        by_lab.setdefault((order.index(row.state), row.lab), []).append(row)
    alike: dict[tuple[int, tuple[tuple[int, str], ...]], list[list[Row]]] = {}
    for (rank, _), own in by_lab.items():
        alike.setdefault((rank, tuple((row.period, row.reason) for row in own)), []).append(own)
    return [_sentence(labs) for _, labs in sorted(alike.items(), key=lambda item: item[0][0])]


def _sentence(labs: list[list[Row]]) -> str:
    """Of labs whose rows are alike but for their names."""
    rows = labs[0]
    claims = "the claim" if len(rows) == len(labs) == 1 else "the claims"
    are = "is" if len(rows) == len(labs) == 1 else "are"
    of = f"; of period {rows[0].period}" if len(rows) > 1 else ""
    who, when = joined([own[0].lab for own in labs]), periods_named([row.period for row in rows])
    return f"{claims} of {who} for {when} {are} {rows[0].state}{of}: {rows[0].reason}"


def _table(rows: Iterable[Row]) -> list[str]:
    """A line for each lab and period; periods that follow one another in one state for one reason are one line."""
    groups: list[list[Row]] = []
    for row in rows:
        before = groups[-1][-1] if groups else None
        if before is not None and _kind(before) == _kind(row) and row.period == before.period + 1:
            groups[-1].append(row)
        else:
            groups.append([row])
    cells = [
        (own[0].lab, periods_named([row.period for row in own]), span(own[0].begin, own[-1].end), *_kind(own[0])[2:]) for own in groups
    ]
    return in_columns(cells)


def _kind(row: Row) -> tuple[bytes, str, str, str]:
    """What a line says of a row beside its period; a reason that begins with the state goes on from it."""
    more = "" if row.reason == row.state else row.reason.removeprefix(f"{row.state}, ")
    return row.agreement, row.lab, row.state + (" (late)" if row.late else ""), more


@dataclass(frozen=True)
class State:
    """What :func:`claims.status.compute.compute` found.

    Attributes:
        holds: "yes", "no" or "undecided"; ``why``: in words, each naming who.
        rows: by agreement (oldest first), lab and period; periods that have begun.
        log: the log, as far as it verifies, or None; ``log_problem``: why it could not be used, or None.
        chain: the agreements under which rows are judged, oldest first.
        breaches: by others than a lab in a period: logs that fork, rival amendments.
        problems: files that count for nothing, and why.
        decisions: those that count, in order of when they take effect.
        moved: transfers of cap between labs, by period.
        keys: those of the agreement that changed, and changes that lack words (:meth:`claims.claim.keys.KeyBook.rows`).
    """

    agreement: Agreement
    now: int
    life: Life
    holds: str
    why: tuple[str, ...]
    rows: tuple[Row, ...]
    log: LogState | None
    log_problem: str | None
    breaches: tuple[str, ...]
    problems: tuple[str, ...]
    decisions: tuple[Counted, ...] = ()
    chain: tuple[Agreement, ...] = ()
    moved: tuple[Moved, ...] = ()
    keys: tuple[dict[str, Any], ...] = ()

    def log_seen(self, row: Row) -> LogSeen | None:
        """The log as a reader of one row is told of it; None without one that can be used."""
        return None if row.log is None else replace(row.log, claim=row.published)

    def agreement_of(self, row: Row) -> Agreement:
        """The agreement under which a row is judged."""
        return next(item for item in (*self.chain, self.agreement) if item.digest == row.agreement)

    @property
    def log_size(self) -> int | None:
        """Entries of the verified log, or None."""
        return None if self.log is None else self.log.size

    @property
    def held(self) -> bool:
        """Every claim is proven, and the agreement has expired: it binds nobody any more."""
        return self.holds == "yes" and self.life.state == "expired"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        life = self.life
        return {
            "format": FORMAT,
            "now": format_time(self.now),
            "holds": self.holds,
            "why": list(self.why),
            "agreement": {
                "name": self.agreement.name,
                "digest": self.agreement.digest.hex(),
                "state": life.state,
                "reason": life.reason,
                "successor": None if life.successor is None else life.successor.hex(),
            },
            "log": None if self.agreement.log is None else self._log_json(),
            "decisions": [
                {
                    "agreement": item.agreement.hex(),
                    "decision": item.decision,
                    "stated": format_time(item.content[1]),
                    "effective": format_time(item.effective),
                    "deciders": list(item.deciders),
                }
                for item in self.decisions
            ],
            "rows": [row.to_json() for row in self.rows],
            "allowances": [item.to_json() for item in self.moved],
            "keys": list(self.keys),
            "breaches": list(self.breaches),
            "problems": list(self.problems),
        }

    def _log_json(self) -> dict[str, Any]:
        known = {"size": None, "date": None, "newer": None} if self.log is None else self.log.to_json()
        return {**known, "problem": self.log_problem}

    def _log_lines(self) -> list[str]:
        if self.log is None or self.log_problem is not None:
            return [f"log         {self.log_problem}"]
        newer = self.log.newer()
        return [f"log         verified, {self.log.head()}", f"            {OLDER}", *([] if newer is None else [f"            {newer}"])]

    def lines(self) -> list[str]:
        """Plain text, the answer first."""
        answer = {"yes": "THE STANDSTILL HOLDS", "no": "THE STANDSTILL DOES NOT HOLD", "undecided": "UNDECIDED"}[self.holds]
        if self.held:
            answer = "THE STANDSTILL HELD TO ITS END; the agreement has expired"
        out = [
            f"{answer} at {format_time(self.now)}",
            *(f"  {line}" for line in self.why),
            f"agreement   {self.agreement.name} {self.agreement.digest.hex()}",
            f"life        {self.life.state}: {self.life.reason}",
        ]
        if self.agreement.log is not None:
            out += self._log_lines()
        out += [f"keys        {row['text']}" for row in self.keys]
        for item in self.decisions:
            stated = f" (states {format_time(item.content[1])}; the log had it then)" if item.effective != item.content[1] else ""
            out.append(f"decision    {item.decision} from {format_time(item.effective)} on, by {', '.join(item.deciders)}{stated}")
        out += _table(self.rows)
        out += [line for item in self.moved for line in item.lines()]
        out += [f"! {line}" for line in self.problems]
        return out


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_time(seconds)
