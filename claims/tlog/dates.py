"""What a log's heads say about when an entry was in it: by any one signer, by the log itself, by a quorum that did not see it.

:meth:`claims.tlog.reader.LogView.committed_time` is the date that a quorum gives, and decides wherever a date gives a right. What
is here decides only whether somebody was late: a single honest signer in time is enough to say no, and a yes needs a signed word.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from functools import cached_property

from claims.tlog.reader import LogView

__all__ = ["HeadDates"]


class HeadDates:
    """Dates from a view's heads, those of its tail too. All are Unix times.

    Args:
        exclude: cosigners that do not count, beside witnesses and those that the view excludes.
        own: whether the log's own dates count.

    Raises:
        LogFork: as ``LogView.heads``.
    """

    @staticmethod
    def of(view: LogView, exclude: Collection[str] = (), own: bool = True) -> HeadDates:
        """The dates, worked out once for each view."""
        key = frozenset(exclude).intersection(view.trust.cosigners), own
        found = view.shown.get(key)
        if not isinstance(found, HeadDates):
            found = view.shown[key] = HeadDates(view, exclude, own)
        return found

    def __init__(self, view: LogView, exclude: Collection[str] = (), own: bool = True) -> None:
        barred = view.exclude | view.trust.witnesses | frozenset(exclude)
        self._heads = [*view.heads().items()]
        self._sizes = [size for size, _ in self._heads]
        self._names = sorted(view.trust.cosigners.keys() - barred)
        self._own, self._view, self._barred = own, view, barred

    @cached_property
    def _seen(self) -> list[int | None]:
        """For each head, the least time at which anyone who counts signed it or a larger one."""
        found: list[int | None] = []
        least: int | None = None
        for _, head in reversed(self._heads):
            times = [head.times[name] for name in self._names if name in head.times]
            if self._own and head.dated is not None:
                times.append(head.dated[0])
            least = min([*times, *([] if least is None else [least])], default=None)
            found.append(least)
        return found[::-1]

    @cached_property
    def _whole(self) -> list[int | None]:
        """For each head, the greatest time at or after which a quorum said that it, or a smaller one, was the log."""
        found: list[int | None] = []
        most: int | None = None
        for _, head in self._heads:
            time = head.as_of(self._view.trust, self._barred, self._view.until)
            most = time if most is None else most if time is None else max(most, time)
            found.append(most)
        return found

    def seen(self, index: int) -> int | None:
        """The least time at which anyone who counts signed a head that has the entry, or None."""
        at = bisect_right(self._sizes, index)
        return self._seen[at] if at < len(self._seen) else None

    def absent(self, index: int) -> int | None:
        """The greatest time at or after which a quorum signed a head without the entry as the log, or None."""
        at = bisect_right(self._sizes, index) - 1
        return self._whole[at] if at >= 0 else None

    def published(self, index: int) -> int | None:
        """When, by the log's own word, the head that first had the entry was published; None: it is not here, or has no date."""
        at = bisect_right(self._sizes, index)
        dated = self._heads[at][1].dated if self._own and at < len(self._heads) else None
        until = self._view.until
        if dated is None or dated[1] > index or (until is not None and dated[0] > until):
            return None
        return dated[0]

    def behind(self, index: int, moment: int) -> list[str]:
        """Cosigners that count and had signed no head with the entry by a moment."""
        at = bisect_right(self._sizes, index)
        early = {name for _, head in self._heads[at:] for name, time in head.times.items() if time <= moment}
        return [name for name in self._names if name not in early]
