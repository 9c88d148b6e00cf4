"""Errors of the transparency log."""

from __future__ import annotations

from claims.base.errors import ClaimsError

__all__ = ["LogBusy", "LogError", "LogRejected", "LogRewind"]


class LogError(ClaimsError):
    """A log, or a file about one, is missing, unreadable, malformed or beyond the bounds."""


class LogBusy(LogError):
    """Another process holds the log's lock."""


class LogRejected(LogError):
    """A readable log does not show what it should: signature, quorum, root or proof."""


class LogRewind(LogRejected):
    """The log shows a smaller head than it showed before. A stale copy does that too: this alone convicts nobody.

    Args:
        seen: the larger signed head, remembered; ``shown``: the smaller signed head. Both as note bytes.
    """

    def __init__(self, what: str, seen: bytes, shown: bytes, hint: str = "") -> None:
        self.seen, self.shown = seen, shown
        super().__init__(what, hint)
