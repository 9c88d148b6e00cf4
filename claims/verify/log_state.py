"""What a reader is told of a log: the head in use and its date, a newer head and who has not cosigned it, what was held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claims.agreement.model import Agreement
from claims.base.units import format_time
from claims.tlog.reader import LogView

__all__ = ["LogState", "last_cosigned", "log_state", "uncosigned"]


@dataclass(frozen=True)
class LogState:
    """A log at a moment.

    Attributes:
        size: entries under the head in use; None where no head has its quorum.
        date: the Unix time at or after which a quorum said that this was the whole log, or None.
        newer_size: entries under a newer head that lacks its quorum, or None; ``newer_date``: the least date that anyone gives it.
        behind: cosigners that have not cosigned the newest head: size and time of the largest head that they cosigned, or None.
        problem: why the newer head's entries are not here, or None.
        overdue: the agreed time to cosign the newer head has passed.
    """

    size: int | None
    date: int | None
    newer_size: int | None
    newer_date: int | None
    behind: Mapping[str, tuple[int, int] | None]
    problem: str | None
    overdue: bool

    @property
    def open(self) -> bool:
        """Whether the newer head leaves the answer open."""
        return self.newer_size is not None and (self.overdue or self.problem is not None)

    def head(self) -> str:
        """The head in use, in words."""
        if self.size is None:
            return "no head of it has its cosignatures"
        return f"{self.size} entries, " + ("not dated" if self.date is None else f"as it was at {format_time(self.date)}")

    def newer(self) -> str | None:
        """The newer head, in words, or None."""
        if self.newer_size is None:
            return None
        when = "of no date" if self.newer_date is None else f"of {format_time(self.newer_date)}"
        out = f"the log signed a newer head of {self.newer_size} entries, {when}, that lacks its cosignatures: {uncosigned(self.behind)}"
        return out if self.problem is None else f"{out}; its entries are not here ({self.problem})"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        newer = None
        if self.newer_size is not None:
            missing = last_cosigned(self.behind)
            date = None if self.newer_date is None else format_time(self.newer_date)
            newer = {"size": self.newer_size, "date": date, "not_cosigned": missing, "problem": self.problem, "overdue": self.overdue}
        return {"size": self.size, "date": None if self.date is None else format_time(self.date), "newer": newer}


def last_cosigned(behind: Mapping[str, tuple[int, int] | None]) -> list[dict[str, Any]]:
    """Who has not cosigned the newest head, with size and date of the largest one that each cosigned, or null: JSON values."""
    return [
        {"name": name, "size": last and last[0], "date": None if last is None else format_time(last[1])} for name, last in behind.items()
    ]


def uncosigned(behind: Mapping[str, tuple[int, int] | None]) -> str:
    """Who has not cosigned the newest head, and since when."""
    return "not cosigned by " + ", ".join(
        f"{name} (no head at all)" if last is None else f"{name} (not since {format_time(last[1])}, {last[0]} entries)"
        for name, last in behind.items()
    )


def log_state(view: LogView, agreement: Agreement, now: int) -> LogState:
    """The log of an agreement at a moment."""
    usable = view.signed.has_quorum(view.trust, view.exclude)
    size, date = (view.size if usable else None), view.as_of()
    if view.newest.head.size <= (size or 0) and usable:
        return LogState(size, date, None, None, {}, None, False)
    first = view.newest_date()
    allowed = None if agreement.deadlines is None else agreement.deadlines.cosign
    since = first if first is not None else date or 0
    overdue = allowed is not None and now > since + allowed
    return LogState(size, date, view.newest.head.size, first, view.cosigned_last(), view.tail_problem, overdue)
