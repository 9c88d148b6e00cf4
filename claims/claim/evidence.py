"""Evidence of equivocation: two different things that one key signed where there may be one.

    Equivocation       two ledger heads of a meter, or two registry heads of a lab, for one period
    TwoRoots           two roots of a meter for one epoch
    TwoEntries         two log entries of one identity: an epoch, a claim, an inspection
    HiddenHead         a head of a meter that the claim lists as lost without one (hidden_head.py)

Each is proof of misconduct that anyone can check with the agreement alone, without a claim being valid or a log at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message, ledger_head_message, registry_head_message
from claims.base.canonical import from_json, head_from_hex, head_to_hex, is_name, to_json
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, MalformedFile
from claims.claim.entries import check_entry, decode_entry, same_word
from claims.claim.entry_kinds import (
    AssentEntry,
    DecisionEntry,
    EpochEntry,
    FeedPeriodEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
)
from claims.claim.entry_parts import Identity
from claims.claim.file import Claim, MeterHead
from claims.claim.hidden_head import FORMAT as HIDDEN_FORMAT
from claims.claim.hidden_head import HiddenHead, hidden_heads
from claims.claim.keys import KeyBook, under_any
from claims.claim.losses import NO_HEAD

__all__ = [
    "ENTRIES_FORMAT", "FORMAT", "FORMATS", "ROOTS_FORMAT", "Equivocation", "Evidence", "TwoEntries", "TwoRoots", "counts",
    "decode_evidence",
    "equivocations_of", "find_equivocations",
]  # fmt: skip

FORMAT = "standstill-evidence/3"
ROOTS_FORMAT = "standstill-roots-evidence/1"
ENTRIES_FORMAT = "standstill-entries-evidence/1"
FORMATS = (FORMAT, ROOTS_FORMAT, ENTRIES_FORMAT, HIDDEN_FORMAT)

Head = tuple[int, ...]
_Signed = tuple[Head, bytes, bytes]
SignedHeads = tuple[tuple[MeterHead, ...], Head, bytes, bytes]
"""Meters' heads; the registry's, digest of what is listed, the lab's signature of both."""


@dataclass(frozen=True)
class Equivocation:
    """Two signed heads. ``meter`` is None where a lab signed two registry heads; ``heads``:
    (head, digest, signature), ascending; the 32-byte digest is of the meter's epoch roots, or of what the lab's claim lists."""

    agreement: bytes
    lab: str
    meter: str | None
    period: int
    heads: tuple[tuple[Head, bytes, bytes], tuple[Head, bytes, bytes]]

    @property
    def text(self) -> str:
        """What it says, if it checks."""
        who = f"lab {self.lab}" if self.meter is None else f"meter {self.lab}/{self.meter}"
        return f"{who} signed two heads for period {self.period}"

    def against(self, agreement: Agreement) -> tuple[str, int] | None:
        """The lab and the period whose claim it spoils."""
        return self.lab, self.period

    def by_meter(self, agreement: Agreement) -> tuple[str, int] | None:
        """The meter whose key it rests on, and the last epoch that it is about; None where it is no meter's."""
        return None if self.meter is None else (self.meter, agreement.period_epochs(self.period)[1])

    def check(self, agreement: Agreement) -> None:
        """Check both signatures.

        Raises:
            BadSignature: one does not verify, the heads are equal, or the agreement is another.
            ClaimRejected: the lab or meter is not in the agreement.
        """
        if agreement.digest != self.agreement or self.heads[0][:2] == self.heads[1][:2]:
            raise BadSignature("the evidence is about another agreement, or its two heads are equal")
        lab = agreement.lab(self.lab)
        who, key = f"lab {lab.name}", agreement.party(lab.name).key
        if self.meter is not None:
            who, key = f"meter {self.meter}", lab.meter(self.meter).whole_key
        for head, signed, signature in self.heads:
            if self.meter is None:
                message = registry_head_message(self.agreement, self.lab, self.period, head, signed)
            else:
                message = ledger_head_message(self.agreement, self.lab, self.meter, self.period, head, signed)
            check_signature(who, key, signature, message)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS.md section 6)."""
        heads = [
            {"digest": signed.hex(), "head": head_to_hex(head), "signature": signature.hex()}
            for head, signed, signature in self.heads
        ]
        return to_json(
            {
                "agreement": self.agreement.hex(), "format": FORMAT, "heads": heads,
                "lab": self.lab, "meter": self.meter, "period": self.period,
            }
        )

    @staticmethod
    def decode(data: bytes) -> Equivocation:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything else."""
        try:
            value: Any = from_json(data)
            one, two = (
                (head_from_hex(h["head"]), bytes.fromhex(h["digest"]), bytes.fromhex(h["signature"]))
                for h in value["heads"]
            )
            digest = bytes.fromhex(value["agreement"])
            meter = value["meter"]
            found = Equivocation(digest, value["lab"], meter, value["period"], (one, two))
            if found.encode() != data or not (meter is None or is_name(meter)) or not is_name(value["lab"]):
                raise ValueError
            if type(found.period) is not int or not 0 <= found.period < 2**24 or len(digest) != 32:
                raise ValueError
            if any(len(head[1]) != 32 for head in found.heads):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            raise MalformedFile("not a canonical evidence file") from None
        return found


@dataclass(frozen=True)
class TwoRoots:
    """Two roots that one meter signed for one epoch. ``roots``: (32-byte root, signature), ascending."""

    agreement: bytes
    lab: str
    meter: str
    epoch: int
    roots: tuple[tuple[bytes, bytes], tuple[bytes, bytes]]

    @property
    def text(self) -> str:
        """What it says, if it checks."""
        return f"meter {self.lab}/{self.meter} signed two roots for epoch {self.epoch}"

    def against(self, agreement: Agreement) -> tuple[str, int] | None:
        """The lab and the period whose claim it spoils; None where the meter has a period key: one half alone signed the roots."""
        alone = not agreement.lab(self.lab).meter(self.meter).period_key
        return (self.lab, self.epoch // agreement.epochs_per_period) if alone else None

    def by_meter(self, agreement: Agreement) -> tuple[str, int] | None:
        """As :meth:`Equivocation.by_meter`."""
        return self.meter, self.epoch

    def check(self, agreement: Agreement) -> None:
        """As :meth:`Equivocation.check`."""
        if agreement.digest != self.agreement or self.roots[0][0] == self.roots[1][0]:
            raise BadSignature("the evidence is about another agreement, or its two roots are equal")
        key = agreement.lab(self.lab).meter(self.meter).key
        for root, signature in self.roots:
            message = epoch_root_message(self.agreement, self.lab, self.meter, self.epoch, root)
            check_signature(f"meter {self.meter}", key, signature, message)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS.md section 6)."""
        roots = [{"root": root.hex(), "signature": signature.hex()} for root, signature in self.roots]
        return to_json(
            {
                "agreement": self.agreement.hex(), "epoch": self.epoch, "format": ROOTS_FORMAT, "lab": self.lab,
                "meter": self.meter, "roots": roots,
            }
        )  # fmt: skip

    @staticmethod
    def decode(data: bytes) -> TwoRoots:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything else."""
        try:
            value: Any = from_json(data)
            one, two = ((bytes.fromhex(item["root"]), bytes.fromhex(item["signature"])) for item in value["roots"])
            found = TwoRoots(bytes.fromhex(value["agreement"]), value["lab"], value["meter"], value["epoch"], (one, two))
            good = is_name(found.lab) and is_name(found.meter) and type(found.epoch) is int and 0 <= found.epoch < 2**24
            good = good and len(found.agreement) == 32 and all(len(root) == 32 for root, _ in found.roots)
            good = good and found.roots[0] <= found.roots[1] and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            good = False
        if not good:
            raise MalformedFile("not a canonical evidence file")
        return found


@dataclass(frozen=True)
class TwoEntries:
    """Two log entries of one identity and different content, both signed. ``entries``: their bytes, ascending."""

    entries: tuple[bytes, bytes]

    @staticmethod
    def of(one: bytes, two: bytes) -> TwoEntries:
        """The evidence that two entries are; whether they are is for :meth:`check`."""
        return TwoEntries((one, two) if one <= two else (two, one))

    @property
    def text(self) -> str:
        """What it says, if it checks."""
        return f"{decode_entry(self.entries[0]).author} signed two versions of {decode_entry(self.entries[0]).title}"

    def against(self, agreement: Agreement) -> tuple[str, int] | None:
        """The lab and the period whose claim it spoils; None where an inspector contradicts itself: that voids its own word alone."""
        entry = decode_entry(self.entries[0])
        if isinstance(entry, (AssentEntry, DecisionEntry, FeedPeriodEntry, InspectionEntry, JoulesEntry, KeyEntry, LossEntry)):
            return None
        return entry.author, entry.epoch // agreement.epochs_per_period if isinstance(entry, EpochEntry) else entry.period

    def by_meter(self, agreement: Agreement) -> tuple[str, int] | None:
        """Meters sign no entries."""
        return None

    @property
    def identity(self) -> Identity:
        """What the two entries are versions of."""
        return decode_entry(self.entries[0]).identity

    def check(self, agreement: Agreement) -> None:
        """Check both entries against the agreement.

        Raises:
            BadSignature: a signature does not verify, or the entries do not contradict each other.
            ClaimRejected: one is about another agreement, or does not fit it.
            MalformedFile: one is no entry.
        """
        one, two = map(decode_entry, self.entries)
        if one.identity != two.identity or same_word(one, two):
            raise BadSignature("the two entries do not contradict each other")
        for entry in (one, two):
            check_entry(entry, agreement)

    def encode(self) -> bytes:
        """Canonical JSON (FORMATS.md section 6)."""
        return to_json({"entries": [entry.hex() for entry in self.entries], "format": ENTRIES_FORMAT})

    @staticmethod
    def decode(data: bytes) -> TwoEntries:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything else."""
        try:
            value: Any = from_json(data)
            one, two = map(bytes.fromhex, value["entries"])
            found = TwoEntries((one, two))
            decode_entry(one), decode_entry(two)
            if one > two or found.encode() != data:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            raise MalformedFile("not a canonical evidence file") from None
        return found


Evidence = Equivocation | TwoRoots | TwoEntries | HiddenHead


def counts(item: Evidence, keys: KeyBook) -> bool:
    """Whether evidence checks by keys that were in force and are not revoked; False: only by one that is, and it counts for nothing.

    Raises as ``item.check``, where it does under every key that was in force.
    """

    def check(views: Sequence[Agreement]) -> None:
        under_any(views, lambda terms: item.check(terms, views) if isinstance(item, HiddenHead) else item.check(terms))

    try:
        check(keys.undated)
    except BadSignature:
        check(keys.every)
        return False
    return True


def decode_evidence(data: bytes) -> Evidence:
    """Evidence of any kind of this module. Raises MalformedFile for anything else."""
    for kind in (Equivocation, TwoRoots, TwoEntries, HiddenHead):
        try:
            return kind.decode(data)
        except MalformedFile:
            continue
    raise MalformedFile("not a canonical evidence file")


def find_equivocations(one: Claim, two: Claim) -> list[Equivocation | HiddenHead]:
    """Differing heads of two claims for the same agreement, lab and period, and those that one of them hides; signatures are not checked
    yet."""
    if (one.agreement_digest, one.lab, one.period) != (two.agreement_digest, two.lab, two.period):
        return []
    heads = ((claim.meters, claim.head_after, claim.lists.digest, claim.registry_signature) for claim in (one, two))
    found = equivocations_of(*heads, (one.agreement_digest, one.lab, one.period))
    return [*found, *hidden_heads(one, two.meters), *hidden_heads(two, one.meters)]


def equivocations_of(one: SignedHeads, two: SignedHeads, of: tuple[bytes, str, int]) -> list[Equivocation]:
    """Differing heads that were signed for one agreement, lab and period (``of``); signatures are not checked yet."""
    pairs: list[tuple[str | None, _Signed, _Signed]] = []
    if one[1:3] != two[1:3]:
        pairs.append((None, one[1:], two[1:]))
    others = {meter.name: meter for meter in two[0]}
    for meter in one[0]:
        other = others.get(meter.name)
        if other is None or (other.head, other.roots_digest) == (meter.head, meter.roots_digest):
            continue
        if not any((m.head, m.signature) == (NO_HEAD, bytes(64)) for m in (meter, other)):  # a lost meter signed nothing
            low, high = ((m.head, m.roots_digest, m.signature) for m in (meter, other))
            pairs.append((meter.name, low, high))
    result = []
    for name, first, second in pairs:
        low, high = sorted((first, second))
        agreement, lab, period = of
        result.append(Equivocation(agreement, lab, name, period, (low, high)))
    return result
