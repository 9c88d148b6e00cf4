"""A power feed's records: what its holder reads, hour by hour, seals and publishes.

    CSV of epochs, or samples of a cumulative energy counter --record--> joules, salt --seal--> log entry --publish--> log; the lab

A counter is read at an epoch's begin and end, between two samples that are close: an epoch without such samples, or in which the
counter went back, is absent, and its joules are in no other epoch's record. One private file, replaced whole. FORMATS-collector.md, C7.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.terms import Feed
from claims.base.canonical import from_json, is_name, to_json
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import read_bounded, write_atomic
from claims.claim.power import MAX_JOULES, Joules
from claims.collect.errors import PollFailed
from claims.collect.exposition import Line
from claims.imports.rows import read_some

__all__ = ["UNITS", "FeedRecords", "Recorded", "read_series", "record_csv"]

FORMAT = "standstill-feed/1"
RECORDS_LIMIT = 64 * 2**20
MAX_EPOCHS, MAX_SAMPLES = 2**18, 2**16
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
    """What a holder knows of one feed under one agreement. ``samples``: (Unix ms, joules of the counter), ascending, not decided yet."""

    agreement: bytes
    feed: str
    epochs: dict[int, Recorded] = field(default_factory=dict)
    samples: list[tuple[int, Fraction]] = field(default_factory=list)

    @staticmethod
    def load(path: Path, agreement: Agreement, feed: Feed) -> FeedRecords:
        """The file's records; new ones where there is no file. Raises MalformedFile; ClaimsError for another feed or agreement."""
        if not os.path.lexists(path):
            return FeedRecords(agreement.digest, feed.name)
        found = FeedRecords.decode(read_bounded(path, RECORDS_LIMIT))
        if (found.agreement, found.feed) != (agreement.digest, feed.name):
            raise ClaimsError(f"{path} has records of another feed or agreement", "give each its own file")
        return found

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
        return to_json({"agreement": self.agreement.hex(), "epochs": rows, "feed": self.feed, "format": FORMAT, "samples": samples})

    @staticmethod
    def decode(data: bytes) -> FeedRecords:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        try:
            value: Any = from_json(data)
            epochs = {
                row["epoch"]: Recorded(row["joules"], bytes.fromhex(row["salt"]), bytes.fromhex(row["entry"])) for row in value["epochs"]
            }
            samples = [(at, Fraction(top, bottom)) for at, top, bottom in value["samples"]]
            found = FeedRecords(bytes.fromhex(value["agreement"]), value["feed"], epochs, samples)
            good = is_name(found.feed) and found.encode() == data and len(epochs) <= MAX_EPOCHS and len(samples) <= MAX_SAMPLES
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

    def sample(self, at: int, value: Fraction) -> None:
        """Add a reading of the counter (Unix ms, joules). One that is not later than the last is left out."""
        if not self.samples or at > self.samples[-1][0]:
            self.samples = [*self.samples[-MAX_SAMPLES + 1 :], (at, value)]

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
            if None in ends or epoch in self.epochs or self._went_back(*agreement.epoch_span(epoch)):
                continue
            self.note(epoch, round(ends[1] - ends[0]))  # type: ignore[operator]
            done.append(epoch)
        if last > begin:
            keep = 1000 * agreement.epoch_span(last - 1)[1] - max_gap
            self.samples = [item for item in self.samples if item[0] >= keep]
        return done

    def _at(self, moment: int, max_gap: int) -> Fraction | None:
        """The counter at a moment, between the two samples around it; None where they are too far apart, or it went back."""
        for (t0, v0), (t1, v1) in zip(self.samples, self.samples[1:], strict=False):
            if t0 <= moment <= t1:
                return None if t1 - t0 > max_gap or v1 < v0 else v0 + (v1 - v0) * Fraction(moment - t0, t1 - t0)
        return None

    def _went_back(self, begin: int, end: int) -> bool:
        values = [value for at, value in self.samples if 1000 * begin <= at <= 1000 * end]
        return any(a > b for a, b in zip(values, values[1:], strict=False))

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
    fresh = FeedRecords(records.agreement, records.feed, dict(records.epochs), records.samples)
    count = sum(fresh.note(epoch, joules) for epoch, joules in found)
    records.epochs = fresh.epochs
    return count


def read_series(lines: Iterable[Line], name: str, labels: dict[str, str], unit: str) -> Fraction:
    """The sum of a counter's series, in joules, of one answer of an exporter.

    Args:
        labels: which series count: those that have these values.

    Raises:
        PollFailed: there is no such series, or one is no number.
    """
    total, seen = Fraction(0), 0
    for line in lines:
        if line.name == name and all(line.labels.get(key) == value for key, value in labels.items()):
            if _NUMBER.fullmatch(line.value) is None:
                raise PollFailed(f"series {name} is no number")
            total, seen = total + Fraction(line.value), seen + 1
    if not seen:
        raise PollFailed(f"the answer has no series {name} with these labels")
    return total * UNITS[unit]
