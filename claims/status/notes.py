"""What a reader should know of a folder although it counts for nothing: the gravest first, what is alike in one line."""

from __future__ import annotations

from dataclasses import dataclass, field

from claims.base.text import replace_hidden

__all__ = ["GRAVE", "JUNK", "MAX_NOTES", "PLAIN", "Notes"]

JUNK, PLAIN, GRAVE = range(3)
"""A file that may be anybody's junk; one that stands where a party's is expected; what concerns agreements, log, decisions, inspections."""
MAX_NOTES = 100
"""Lines that are shown."""
NAMED = 3
"""Files that a line names when there are more with the same fault."""


@dataclass
class Notes:
    """Collects notes, in one line each whatever a file is called."""

    _files: dict[tuple[int, str, str], list[str]] = field(default_factory=dict)

    def add(self, path: str, what: str, weight: int) -> None:
        """Note what is wrong, with the file ``path``, or with none where it is empty."""
        key = (weight, path.rpartition("/")[0], replace_hidden(what, "\ufffd"))
        self._files.setdefault(key, []).append(replace_hidden(path, "\ufffd"))

    def lines(self) -> list[str]:
        """The notes by gravity, at most MAX_NOTES and one that says how many more there are."""
        out = [_line(files, what) for (_, _, what), files in sorted(self._files.items(), key=lambda item: -item[0][0])]
        more = len(out) - MAX_NOTES
        return out if more <= 0 else [*out[:MAX_NOTES], f"{more} lighter problems are left out"]


def _line(files: list[str], what: str) -> str:
    named = [name for name in files if name]
    if not named:
        return what
    more = len(named) - NAMED
    return f"{', '.join(named[:NAMED])}{f' and {more} more' if more > 0 else ''}: {what}"
