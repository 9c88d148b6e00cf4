"""Errors of the transparency log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims.base.errors import ClaimsError

if TYPE_CHECKING:
    from claims.tlog.evidence import LogEvidence

__all__ = ["LogBusy", "LogError", "LogFork", "LogRejected", "LogRewind"]


class LogError(ClaimsError):
    """A log, or a file about one, is missing, unreadable, malformed or beyond the bounds."""


class LogBusy(LogError):
    """Another process holds the log's lock."""


class LogRejected(LogError):
    """A readable log does not show what it should: signature, quorum, root or proof."""


class LogFork(LogRejected):
    """The log's key signed two heads of which neither extends the other.

    Args:
        evidence: both signed heads and the hashes that show the conflict, for anyone who holds the log's key.
    """

    def __init__(self, what: str, evidence: LogEvidence, hint: str = "") -> None:
        self.evidence = evidence
        super().__init__(what, hint)


class LogRewind(LogRejected):
    """The log shows a smaller head than it showed before. A stale copy does that too: this alone convicts nobody.

    Args:
        seen: the larger signed head, remembered; ``shown``: the smaller signed head. Both as note bytes.
    """

    def __init__(self, what: str, seen: bytes, shown: bytes, hint: str = "") -> None:
        self.seen, self.shown = seen, shown
        super().__init__(what, hint)
