"""The agreement: what the parties signed, as immutable values and as one canonical digest.

    agreement.toml --claims.agreement.file--> Agreement --canonical bytes--> SHA-256 digest (in every proof)

The text is read by :mod:`claims.agreement.file`, the canonical bytes are written here (their parts by
:mod:`claims.agreement.encode`) and read by :mod:`claims.agreement.decode`, and both are judged by
:func:`claims.agreement.check.validate`; the parts are in :mod:`claims.agreement.terms`. Parties, chip classes, labs and
meters are kept sorted by name, so that the digest does not depend on the order or the formatting of the text.
FORMATS.md section 2 gives the canonical bytes.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from claims.agreement import encode as write
from claims.agreement.terms import (
    Amends,
    ChipClass,
    Deadlines,
    Feed,
    InspectionTerms,
    KeyTerms,
    Lab,
    LogTerms,
    Meter,
    OpenModel,
    Party,
    Pause,
    Rules,
    Witness,
)
from claims.base.canonical import Writer
from claims.base.errors import ClaimRejected
from claims.base.hybrid import halves

__all__ = ["DOMAIN", "PREFIX", "Agreement", "canonical_bytes"]

DOMAIN = b"standstill/agreement/v3"
_Keyed = TypeVar("_Keyed", Meter, Feed)
PREFIX = len(DOMAIN).to_bytes(2, "big") + DOMAIN
"""How canonical bytes begin."""


@dataclass(frozen=True)
class Agreement:
    """Everything that the parties agreed. ``start``: Unix seconds; tuples are sorted by name, as are those of their parts.

    Period k holds the epochs ``k * epochs_per_period`` to ``(k + 1) * epochs_per_period - 1``; epoch e begins
    at ``start + e * epoch_seconds``. ``rules_from``: later rules, as (first period, rules), ascending; see :meth:`rules_at`.
    ``checkpoints``: padded slots of a registry's epoch head, a power of two.
    """

    name: str
    start: int
    epoch_seconds: int
    epochs_per_period: int
    periods: int
    rules: Rules
    parties: tuple[Party, ...]
    chips: tuple[ChipClass, ...]
    labs: tuple[Lab, ...]
    amends: Amends | None
    pause: Pause | None
    log: LogTerms | None = None
    checkpoints: int = 1024
    deadlines: Deadlines | None = None
    inspection: InspectionTerms | None = None
    rules_from: tuple[tuple[int, Rules], ...] = ()
    open_models: tuple[OpenModel, ...] = ()
    feeds: tuple[Feed, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    keys: KeyTerms | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes. Bound into every proof."""
        return hashlib.sha256(canonical_bytes(self)).digest()

    def rules_at(self, period: int) -> Rules:
        """The counting rules that hold in a period."""
        rules = self.rules
        for first, later in self.rules_from:
            if first <= period:
                rules = later
        return rules

    @property
    def roles(self) -> Iterator[tuple[str, bytes]]:
        """Every key with its role in words, ``meter lab/name``."""
        yield from ((f"party {party.name}", party.key) for party in self.parties)
        yield from ((f"meter {meter.lab}/{meter.name}", meter.whole_key) for lab in self.labs for meter in lab.meters)
        yield from ((f"cosigner {party.name}", party.cosign_key) for party in self.parties if party.cosign_key is not None)
        yield from [("the log", self.log.key)] if self.log is not None else []
        yield from ((f"feed {feed.name}", feed.whole_key) for feed in self.feeds)
        yield from ((f"witness {witness.name}", witness.key) for witness in self.witnesses)

    @property
    def as_signed(self) -> Agreement:
        """The agreement with its own keys, of one that :meth:`with_keys` made."""
        found: Agreement = self.__dict__.get("_as_signed", self)
        return found

    def with_keys(self, parties: Mapping[str, bytes], meters: Mapping[tuple[str, str], bytes], feeds: Mapping[str, bytes]) -> Agreement:
        """The same agreement, of the same digest, as signatures are checked while these keys are in force; b"": none is.

        Args:
            meters: by lab and name; of meters and feeds what signs a period.
        """

        def with_key(item: _Keyed, whole: bytes, **changes: Any) -> _Keyed:
            key, period_key = halves(whole)
            return replace(item, key=key, period_key=period_key, **changes)

        found = copy.copy(self)
        touched = {lab for lab, _ in meters}
        found.__dict__.update(
            digest=self.digest,
            _as_signed=self.as_signed,
            parties=tuple(replace(item, key=parties.get(item.name, item.key)) for item in self.parties),
            labs=tuple(
                replace(lab, meters=tuple(
                    with_key(item, meters[lab.name, item.name], former=(*item.former, item.whole_key))
                    if (lab.name, item.name) in meters else item
                    for item in lab.meters
                ))
                if lab.name in touched else lab
                for lab in self.labs
            ),
            feeds=tuple(with_key(item, feeds.get(item.name, item.whole_key)) for item in self.feeds),
        )  # fmt: skip
        return found

    @cached_property
    def _charges(self) -> dict[bytes, int]:
        return {digest: model.charge for model in self.open_models for digest in model.weights}

    def external_charge(self, weights: bytes, period: int) -> int | None:
        """What weights from outside, registered in a period, have to declare at least, units of 10^12 FLOP; None: they may not be.

        Args:
            weights: their digest, 32 bytes.
        """
        rules = self.rules_at(period)
        return self._charges.get(weights, rules.unlisted) if rules.listed else 0

    def open_model(self, weights: bytes) -> OpenModel | None:
        """The listed model with these weights (their digest, 32 bytes), or None."""
        return next((model for model in self.open_models if weights in model.weights), None)

    def held_in(self, period: int, earlier: Iterable[Agreement]) -> Agreement | None:
        """The agreement that holds in a period: this one, or one that it amends; None where that is not among ``earlier``."""
        known = {item.digest: item for item in earlier}
        terms: Agreement | None = self
        while terms is not None and terms.amends is not None and period < terms.first_period:
            terms = known.get(terms.amends.digest)
        return terms

    def feeds_of(self, lab: str) -> tuple[Feed, ...]:
        """The power feeds of a lab, in the order of the agreement."""
        return tuple(feed for feed in self.feeds if feed.lab == lab)

    @property
    def first_period(self) -> int:
        """First period under this agreement: 0, or where the amendment takes effect."""
        return 0 if self.amends is None else self.amends.from_period

    def party(self, name: str) -> Party:
        """The party of that name. Raises ClaimRejected (check ``lab``) when there is none."""
        for party in self.parties:
            if party.name == name:
                return party
        raise ClaimRejected("lab", f"{name!r} is not a party to the agreement")

    def lab(self, name: str) -> Lab:
        """The lab of that name. Raises ClaimRejected (check ``lab``) when there is none."""
        for lab in self.labs:
            if lab.name == name:
                return lab
        raise ClaimRejected("lab", f"{name!r} is not a lab of the agreement")

    def first_period_of(self, lab: str) -> int:
        """First period that a lab claims under this agreement. Raises ClaimRejected as :meth:`lab` does."""
        return max(self.first_period, self.lab(lab).since_period)

    def chip(self, name: str) -> ChipClass:
        """The chip class of that name; every meter's exists."""
        for chip in self.chips:
            if chip.name == name:
                return chip
        raise ClaimRejected("meters", f"the agreement has no chip class {name!r}")

    def readings(self, meter: Meter) -> int:
        """Padded leaves of each epoch root of the meter."""
        return self.chip(meter.chip).readings

    def coverage(self, meter: Meter) -> int:
        """Chip-seconds that the meter accounts for in each epoch."""
        return meter.chips * self.epoch_seconds

    def period_epochs(self, period: int) -> tuple[int, int]:
        """First and last epoch of a period. Raises ClaimRejected (check ``period``) out of range."""
        if not self.first_period <= period < self.periods:
            raise ClaimRejected(
                "period", f"{period} is not one of the agreement's periods {self.first_period} to {self.periods - 1}"
            )
        first = period * self.epochs_per_period
        return first, first + self.epochs_per_period - 1

    def epoch_span(self, epoch: int) -> tuple[int, int]:
        """Begin and end of an epoch, Unix seconds."""
        begin = self.start + epoch * self.epoch_seconds
        return begin, begin + self.epoch_seconds

    def period_span(self, period: int) -> tuple[int, int]:
        """Begin and end of a period, Unix seconds. Raises ClaimRejected (check ``period``) out of range."""
        first, last = self.period_epochs(period)
        return self.epoch_span(first)[0], self.epoch_span(last)[1]

    def period_at(self, unix_seconds: int) -> int:
        """The period in which a moment lies. Raises ClaimRejected (check ``period``) outside all of them."""
        period = (unix_seconds - self.start) // (self.epoch_seconds * self.epochs_per_period)
        self.period_epochs(period)
        return period

    def epoch_at(self, unix_seconds: int) -> int:
        """The epoch in which a moment lies. Raises ClaimRejected (check ``period``) outside all periods."""
        self.period_at(unix_seconds)
        return (unix_seconds - self.start) // self.epoch_seconds


def canonical_bytes(agreement: Agreement) -> bytes:
    """The bytes that the digest hashes (FORMATS.md section 2), domain included. Injective on valid agreements.

    Raises:
        MalformedFile: a value has no encoding.
    """
    out, agreement = Writer(), agreement.as_signed
    out.raw(PREFIX)
    out.name(agreement.name)
    out.uint(agreement.start, 8)
    out.uint(agreement.epoch_seconds, 4)
    out.uint(agreement.epochs_per_period, 4)
    out.uint(agreement.periods, 4)
    write.rules(out, agreement.rules)
    write.each(out, 2, agreement.rules_from, write.later_rules)
    write.each(out, 2, agreement.parties, write.party)
    write.each(out, 2, agreement.chips, write.chip)
    write.each(out, 2, agreement.labs, write.lab)
    write.if_any(out, agreement.amends, write.amends)
    write.if_any(out, agreement.log, write.log)
    out.uint(agreement.checkpoints, 4)
    write.if_any(out, agreement.deadlines, write.deadlines)
    write.if_any(out, agreement.inspection, write.inspection)
    write.if_any(out, agreement.pause, write.pause)
    write.each(out, 2, agreement.open_models, write.open_model)
    write.each(out, 2, agreement.feeds, write.feed)
    write.each(out, 2, agreement.witnesses, write.witness)
    write.if_any(out, agreement.keys, write.key_terms)
    return out.data
