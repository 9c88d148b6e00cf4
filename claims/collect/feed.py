"""A power feed's records: what its holder reads, hour by hour, seals and publishes.

    CSV of epochs, or samples of a cumulative energy counter --record--> joules, salt --seal--> log entry --publish--> log; the lab

A counter is read at an epoch's begin and end, between two samples that are close: an epoch without such samples, or in which one of
the series that are added up went back, came or went, is absent, and its joules are in no other epoch's record: a sum would hide it.
One private file, replaced whole. FORMATS-collector.md section C5.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.terms import Feed
from claims.base.canonical import from_json, is_name, to_json
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import one_at_a_time, read_bounded, write_atomic
from claims.claim.entries import decode_entry
from claims.claim.entry_kinds import FeedPeriodEntry, JoulesEntry
from claims.claim.power import MAX_JOULES, Joules, period_root
from claims.collect.errors import PollFailed
from claims.imports.exposition import Line
from claims.imports.rows import read_some

__all__ = ["UNITS", "FeedRecords", "Recorded", "read_series", "record_csv"]

FORMAT = "standstill-feed/1"
RECORDS_LIMIT = 64 * 2**20
MAX_EPOCHS, MAX_SAMPLES, MAX_SERIES = 2**18, 2**10, 2**12
UNITS = {"J": Fraction(1), "mJ": Fraction(1, 1000), "kJ": Fraction(1000), "Wh": Fraction(3600), "kWh": Fraction(3600000)}
_NUMBER = re.compile(r"\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True)
class Recorded:
    """An epoch's joules. ``entry``: the signed log entry once it is sealed, else empty."""

    joules: int = field(repr=False)
    salt: bytes = field(repr=False)
    entry: bytes = b""


@dataclass
class FeedRecords:
    """What a holder knows of one feed under one agreement.

    Attributes:
        samples: (Unix ms, joules of the series together), ascending in both, those that may still decide an epoch.
        series: joules of each series at the last sample.
        periods: the signed log entry of each period that is closed; nothing is sealed in it any more.
    """

    agreement: bytes
    feed: str
    epochs: dict[int, Recorded] = field(default_factory=dict)
    samples: list[tuple[int, Fraction]] = field(default_factory=list)
    series: dict[str, Fraction] = field(default_factory=dict)
    periods: dict[int, bytes] = field(default_factory=dict)

    @staticmethod
    def load(path: Path, agreement: Agreement, feed: Feed) -> FeedRecords:
        """The file's records; new ones where there is no file. Raises MalformedFile; ClaimsError for another feed or agreement."""
        if not os.path.lexists(path):
            return FeedRecords(agreement.digest, feed.name)
        found = FeedRecords.decode(read_bounded(path, RECORDS_LIMIT))
        if (found.agreement, found.feed) != (agreement.digest, feed.name):
            raise ClaimsError(f"{path} has records of another feed or agreement", "give each its own file")
        return found

    @staticmethod
    @contextmanager
    def changing(path: Path, agreement: Agreement, feed: Feed) -> Iterator[FeedRecords]:
        """The file's records, which are saved at the end: whoever else changes them, as a recorder that runs, waits.

        Raises:
            As :meth:`load`; then, and where the block raises, the file stays as it was.
        """
        with one_at_a_time(path):
            found = FeedRecords.load(path, agreement, feed)
            yield found
            found.save(path)

    def save(self, path: Path) -> None:
        """Replace the file, mode 0600."""
        write_atomic(path, self.encode(), 0o600)

    def encode(self) -> bytes:
        """Canonical JSON, private."""
        rows = [
            {"epoch": epoch, "joules": item.joules, "salt": item.salt.hex(), "entry": item.entry.hex()}
            for epoch, item in sorted(self.epochs.items())
        ]
        samples = [[at, value.numerator, value.denominator] for at, value in self.samples]
        series = [[name, value.numerator, value.denominator] for name, value in sorted(self.series.items())]
        periods = [{"period": period, "entry": entry.hex()} for period, entry in sorted(self.periods.items())]
        return to_json({
            "agreement": self.agreement.hex(), "epochs": rows, "feed": self.feed, "format": FORMAT, "periods": periods, "samples": samples,
            "series": series,
        })  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> FeedRecords:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        try:
            value: Any = from_json(data)
            epochs = {
                row["epoch"]: Recorded(row["joules"], bytes.fromhex(row["salt"]), bytes.fromhex(row["entry"])) for row in value["epochs"]
            }
            samples = [(at, Fraction(top, bottom)) for at, top, bottom in value["samples"]]
            series = {name: Fraction(top, bottom) for name, top, bottom in value["series"]}
            periods = {row["period"]: bytes.fromhex(row["entry"]) for row in value["periods"]}
            found = FeedRecords(bytes.fromhex(value["agreement"]), value["feed"], epochs, samples, series, periods)
            good = all(type(period) is int and 0 <= period < 2**24 for period in periods)
            good = good and is_name(found.feed) and found.encode() == data and len(epochs) <= MAX_EPOCHS and len(samples) <= MAX_SAMPLES
            for epoch, item in epochs.items():
                good = good and type(epoch) is int and 0 <= epoch < 2**24 and len(item.salt) == 32
                good = good and type(item.joules) is int and 0 <= item.joules <= MAX_JOULES
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ZeroDivisionError, MalformedFile):
            good = False
        if not good:
            raise MalformedFile("not a feed's records", hint="restore a backup; what was sealed is sealed once")
        return found

    def note(self, epoch: int, joules: int) -> bool:
        """Note an epoch's joules, once; whether it is new. Raises ClaimsError where something else was noted."""
        known = self.epochs.get(epoch)
        if known is not None:
            if known.joules != joules:
                raise ClaimsError(f"epoch {epoch} of feed {self.feed} is recorded with other joules", "a record is made once")
            return False
        if not 0 <= joules <= MAX_JOULES or len(self.epochs) >= MAX_EPOCHS:
            raise ClaimsError(f"epoch {epoch}: joules are 0 to 2^64 - 1, of at most {MAX_EPOCHS} epochs")
        self.epochs[epoch] = Recorded(joules, secrets.token_bytes(32))
        return True

    def seal(self, epoch: int, entry: bytes) -> None:
        """Keep the signed log entry of a recorded epoch."""
        self.epochs[epoch] = replace(self.epochs[epoch], entry=entry)

    def signed(self) -> Iterator[bytes]:
        """Every log entry that was signed: of epochs, then of periods."""
        yield from (item.entry for _, item in sorted(self.epochs.items()) if item.entry)
        yield from (entry for _, entry in sorted(self.periods.items()))

    def renew(self, data: bytes) -> None:
        """Keep the same log entry as one of these, with another signature."""
        entry = decode_entry(data)
        if isinstance(entry, JoulesEntry):
            self.seal(entry.epoch, data)
        elif isinstance(entry, FeedPeriodEntry):
            self.periods[entry.period] = data

    def sample(self, at: int, series: Mapping[str, Fraction]) -> None:
        """Add a reading of the counters (Unix ms; joules of each series). One that is not later than the last is left out.

        Where a series came, went, or went back, what was sampled before decides nothing any more.
        """
        if self.samples and at <= self.samples[-1][0]:
            return
        if self.series.keys() != series.keys() or any(series[name] < value for name, value in self.series.items()):
            self.samples = []
        self.series = dict(series)
        self.samples.append((at, sum(series.values(), Fraction(0))))

    def decide(self, agreement: Agreement, max_gap: int) -> list[int]:
        """Record every epoch that the samples cover; forget what is behind it. Returns the epochs. ``max_gap``: ms between two samples."""
        done: list[int] = []
        if len(self.samples) < 2:
            return done
        step, first = agreement.epoch_seconds, agreement.first_period * agreement.epochs_per_period
        begin = max(first, -(-(self.samples[0][0] // 1000 - agreement.start) // step))
        last = min((self.samples[-1][0] // 1000 - agreement.start) // step, agreement.periods * agreement.epochs_per_period)
        for epoch in range(begin, last):
            ends = [self._at(1000 * moment, max_gap) for moment in agreement.epoch_span(epoch)]
            if None not in ends and epoch not in self.epochs and ends[1] - ends[0] <= MAX_JOULES:  # type: ignore[operator]
                self.note(epoch, round(ends[1] - ends[0]))  # type: ignore[operator]
                done.append(epoch)
        self._forget(agreement.start * 1000, step * 1000)
        return done

    def _forget(self, start: int, step: int) -> None:
        """Keep the samples around the begin of the epoch that is under way, and the last."""
        begin = self.samples[-1][0] - (self.samples[-1][0] - start) % step
        before = [item for item in self.samples if item[0] <= begin]
        after = [item for item in self.samples if item[0] > begin]
        self.samples = [*before[-1:], *after[:1], *after[1:][-1:]]

    def _at(self, moment: int, max_gap: int) -> Fraction | None:
        """The counter at a moment, between the two samples around it; None where they are too far apart."""
        for (t0, v0), (t1, v1) in zip(self.samples, self.samples[1:], strict=False):
            if t0 <= moment <= t1:
                return None if t1 - t0 > max_gap else v0 + (v1 - v0) * Fraction(moment - t0, t1 - t0)
        return None

    def root(self, epochs: Iterable[int]) -> bytes:
        """What the feed says of a period: the root over what it sealed in these epochs."""
        return period_root(self.opened(epoch).leaf if epoch in self.epochs and self.epochs[epoch].entry else None for epoch in epochs)

    def opened(self, epoch: int) -> Joules:
        """What the lab is given of a recorded epoch."""
        item = self.epochs[epoch]
        return Joules(self.agreement, self.feed, epoch, item.salt, item.joules)


def record_csv(records: FeedRecords, agreement: Agreement, path: Path) -> int:
    """Note the epochs of a CSV: ``epoch`` or ``time`` (its begin), and ``joules`` or ``kwh``; all or none. Returns how many are new.

    Raises:
        ImportRefused: naming file and line. ClaimsError: an epoch is recorded with other joules.
    """
    rows, _ = read_some(path, frozenset({"epoch", "time", "joules", "kwh"}))
    found: list[tuple[int, int]] = []
    for row in rows:
        if bool(row.get("epoch")) == bool(row.get("time")) or bool(row.get("joules")) == bool(row.get("kwh")):
            raise row.refuse("a record has an epoch or a time, and joules or kwh", "fill in one of each")
        if row.get("epoch"):
            epoch = row.integer("epoch", "epochs are numbered from the agreement's start")
        else:
            moment = row.moment_ms("time", up=False)
            epoch, rest = divmod(moment - 1000 * agreement.start, 1000 * agreement.epoch_seconds)
            if rest:
                raise row.refuse("its time is not the begin of an epoch", "give the moment at which the epoch begins")
        agreement.period_epochs(epoch // agreement.epochs_per_period)
        name, unit = ("joules", "J") if row.get("joules") else ("kwh", "kWh")
        found.append((epoch, round(row.decimal(name, "as in 12.5") * UNITS[unit])))
    fresh = FeedRecords(records.agreement, records.feed, dict(records.epochs))
    count = sum(fresh.note(epoch, joules) for epoch, joules in found)
    records.epochs = fresh.epochs
    return count


def read_series(lines: Iterable[Line], name: str, labels: dict[str, str], unit: str) -> dict[str, Fraction]:
    """Joules of each series of a counter in one answer of an exporter, by its labels.

    Args:
        labels: which series count: those that have these values.

    Raises:
        PollFailed: there is no such series, one occurs twice or is no number, or there are more than 4,096.
    """
    found: dict[str, Fraction] = {}
    for line in lines:
        if line.name != name or any(line.labels.get(key) != value for key, value in labels.items()):
            continue
        which = ",".join(f"{key}={value!r}" for key, value in sorted(line.labels.items()))
        if _NUMBER.fullmatch(line.value) is None:
            raise PollFailed(f"series {name} has a value that is no number")
        if which in found or len(found) >= MAX_SERIES:
            raise PollFailed(f"the answer has a series {name} twice, or more than {MAX_SERIES} of them")
        found[which] = Fraction(line.value) * UNITS[unit]
    if not found:
        raise PollFailed(f"the answer has no series {name} with these labels")
    return found
