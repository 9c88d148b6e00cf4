"""What importers charge: chips held from one moment to another, and the window that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from claims.base.errors import ClaimsError
from claims.imports.rows import ImportRefused

__all__ = ["Source", "Span", "Window"]


class Source(NamedTuple):
    """Where something stands, for messages and refusals: a file's name and a line, or None."""

    name: str
    line: int | None = None

    def refuse(self, what: str, hint: str = "") -> ImportRefused:
        """The refusal, to be raised."""
        return ImportRefused(self.name, self.line, what, hint)


class Span(NamedTuple):
    """Chips of one meter, held from ``start`` to ``stop`` (Unix milliseconds, ``stop`` exclusive).

    Attributes:
        label: the checkpoint worked toward; None or a word for it: unattributed.
        chips: how many, a whole number or a fraction.
        work: FLOP of the whole span where they are known.
        slack: True for time that is in doubt: charged as far as the epochs have room.
    """

    source: Source
    meter: str
    label: str | None
    start: int
    stop: int
    chips: int | Fraction
    work: Fraction | None = None
    slack: bool = False


@dataclass(frozen=True)
class Window:
    """What of the spans is imported: Unix milliseconds from ``start`` to ``stop``; None: open."""

    start: int | None = None
    stop: int | None = None

    def check(self) -> None:
        """Raises ClaimsError when it is empty."""
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise ClaimsError("the window ends before it begins", "give --from before --until")

    def open_end(self, name: str, known: tuple[int, int], as_of: int | None) -> int:
        """Until when to charge what has not ended, in data named ``name`` that was exported at ``as_of``.

        At least to the window's end: the next window begins there, and what lies between would be charged by neither.

        Args:
            known: the latest time in the data, Unix ms: at least, and at most.

        Raises:
            ImportRefused: the data knows times after ``as_of``.
            ClaimsError: the data was exported before the window ends.
        """
        if as_of is not None and as_of < known[0]:
            hint = "--as-of is when the data was exported; see also --timezone and --until"
            raise ImportRefused(name, None, "it has times after --as-of", hint)
        if self.stop is not None and as_of is not None and as_of < self.stop:
            raise ClaimsError(
                "the data was exported before the window ends", "what began later is not in it: export again after --until"
            )
        return max(known[1] if as_of is None else as_of, self.stop or 0)
