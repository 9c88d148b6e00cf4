"""Errors of the collector."""

from __future__ import annotations

from claims.base.errors import ClaimsError, MalformedFile

__all__ = ["CollectError", "PollFailed", "SpoolError"]


class CollectError(ClaimsError):
    """The collector cannot begin or go on: a wrong setting, another collector, an epoch that cannot be sealed."""


class PollFailed(CollectError):
    """One endpoint's answer cannot be used. The time around it is charged as a gap; ``what`` names the reason."""


class SpoolError(MalformedFile):
    """A spool is not one, or belongs to another meter."""
