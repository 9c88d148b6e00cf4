"""Inspection records: an inspector's signed, public word on one inspection. They hold nothing that was opened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import Writer, from_json, is_name, to_json
from claims.base.ed25519 import check_signature
from claims.base.errors import ClaimRejected, ClaimsError, MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES, SigningKey
from claims.base.units import format_time
from claims.claim.entries import sign_entry
from claims.claim.entry_kinds import InspectionEntry
from claims.inspection.beacon import time_of_round
from claims.inspection.draw import Drawn

__all__ = [
    "FAILURES", "OUTCOMES", "RECORD_LIMIT", "Record", "check_record", "check_record_entry", "make_record", "opening_deadline",
    "record_entry",
]  # fmt: skip

FORMAT = "standstill-inspection-record/2"
RECORD_DOMAIN = b"standstill/sign/inspection-record/v1"
RECORD_LIMIT = 64 * 2**10
OUTCOMES = ("passed", "failed", "refused")
"""An outcome's number in a log entry is its position here plus 1."""
FAILURES = {
    "selection": "the opening does not open exactly what was drawn",
    "overlap": "opened readings overlap",
    "reading-path": "a reading does not lead to the logged root",
    "reading-values": "a reading has values that the agreement excludes",
    "meter-signature": "a meter's signature of its epoch root does not verify",
    "slot-path": "a slot does not lead to the logged registry head",
    "slot-values": "a slot has values that cannot be",
    "slot-missing": "the slot of a drawn reading's checkpoint, or of a parent, is not opened",
    "heads": "the opening is about other heads than the lab's claim, or about heads that were not signed",
    "proof": "what was opened is not shown to stand behind the heads",
    "genesis": "a run's genesis does not check",
    "external": "a checkpoint of weights from outside declares less than the agreement charges for them",
    "joules": "a feed's joules are not those in the log",
    "power": "a feed drew more than its idle and busy chips account for",
    "site": "what was found on site is not what was opened",
}
"""The only words that a record can say about a failure: each is of an opening that the lab signed, for this inspection."""


@dataclass(frozen=True)
class Record:
    """A record.

    Attributes:
        failures: keys of FAILURES, sorted.
        opening: SHA-256 of the opening file, or None where none came.
        heads: digest of the claim's heads that the opening is about; None where nothing was accepted.
    """

    agreement: bytes
    author: str
    lab: str
    period: int
    round: int
    outcome: str
    committed: int
    draws: int
    slots: int
    failures: tuple[str, ...]
    opening: bytes | None
    heads: bytes | None
    signature: bytes = b""

    def _fields(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "agreement": self.agreement.hex(), "author": self.author, "lab": self.lab, "period": self.period,
            "round": self.round, "outcome": self.outcome, "committed": self.committed, "draws": self.draws, "slots": self.slots,
            "failures": list(self.failures), "opening": None if self.opening is None else self.opening.hex(),
            "heads": None if self.heads is None else self.heads.hex(),
        }  # fmt: skip

    def encode(self) -> bytes:
        """Canonical JSON."""
        return to_json(self._fields() | {"signature": self.signature.hex()})

    def message(self) -> bytes:
        """What the inspector signs."""
        out = Writer()
        out.uint(len(RECORD_DOMAIN), 2)
        out.raw(RECORD_DOMAIN + hashlib.sha256(to_json(self._fields())).digest())
        return out.data

    @staticmethod
    def decode(data: bytes) -> Record:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write, or that makes no sense."""
        good = len(data) <= RECORD_LIMIT
        try:
            value: Any = from_json(data) if good else None
            opening, heads = value["opening"], value["heads"]
            result = Record(
                bytes.fromhex(value["agreement"]), value["author"], value["lab"], value["period"], value["round"],
                value["outcome"], value["committed"], value["draws"], value["slots"], tuple(value["failures"]),
                None if opening is None else bytes.fromhex(opening), None if heads is None else bytes.fromhex(heads),
                bytes.fromhex(value["signature"]),
            )  # fmt: skip
            numbers = (result.period, result.round, result.committed, result.draws, result.slots)
            good = all(type(n) is int and 0 <= n < 2**64 for n in numbers) and result.period < 2**32 and _sensible(result)
            good = good and len(result.signature) in SIGNATURE_SIZES and result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            good = False
        if not good:
            raise MalformedFile("not a canonical inspection record", hint="write it with `standstill inspect check` or `refuse`")
        return result


def _sensible(record: Record) -> bool:
    names = is_name(record.author) and is_name(record.lab) and record.author != record.lab
    sizes = len(record.agreement) == 32 and all(part is None or len(part) == 32 for part in (record.opening, record.heads))
    known = list(record.failures) == sorted(set(record.failures) & FAILURES.keys())
    fits = {
        "passed": not record.failures and record.opening is not None and record.heads is not None,
        "failed": bool(record.failures) and record.opening is not None,
        "refused": not record.failures and record.opening is None and record.heads is None,
    }
    return names and sizes and known and fits.get(record.outcome, False)


def opening_deadline(agreement: Agreement, number: int) -> int:
    """Unix seconds until which the lab may open what a round drew. Raises ClaimRejected where no deadline is agreed."""
    if agreement.deadlines is None:
        raise ClaimRejected("inspection", "the agreement has no [deadlines]: no opening is overdue, and none can be refused")
    return time_of_round(number) + agreement.deadlines.opening


def make_record(
    agreement: Agreement, drawn: Drawn, author: str, key: SigningKey, opening: bytes | None,
    failures: tuple[str, ...] = (), *, heads: bytes | None = None, now: int | None = None,
) -> Record:  # fmt: skip
    """A signed record: passed without failures, failed with some, refused where ``opening`` (the file's bytes) is None.

    Args:
        heads: digest of the opening's heads (`opening.binding.digest`); needed for a pass.
        now: Unix seconds, needed for a refusal: only after :func:`opening_deadline`.

    Raises:
        ClaimsError: the author inspects itself, or the key is not the author's.
        ClaimRejected: check ``inspection``: a refusal before the deadline, or where none is agreed.
    """
    if key.public_key().public_bytes_raw() != agreement.party(author).key:
        raise ClaimsError(f"this key is not party {author}'s")
    if opening is None and (now is None or now <= opening_deadline(agreement, drawn.round.number)):
        by = format_time(opening_deadline(agreement, drawn.round.number))
        raise ClaimRejected("inspection", f"the lab may open until {by}: a refusal can be recorded after that")
    outcome = "refused" if opening is None else "failed" if failures else "passed"
    digest = None if opening is None else hashlib.sha256(opening).digest()
    record = Record(
        agreement.digest, author, drawn.committed.lab, drawn.committed.period, drawn.round.number, outcome,
        drawn.committed.time, len(drawn.draws) + len(drawn.visits), len(drawn.slots), tuple(sorted(set(failures))), digest, heads,
    )  # fmt: skip
    if not _sensible(record):
        raise ClaimsError("no such record: unknown failures, a lab that inspects itself, or a pass without heads")
    return replace(record, signature=key.sign(record.message()))


def check_record(record: Record, agreement: Agreement) -> None:
    """Check a record's agreement, parties, period and signature. Whether its round is the eligible one is for the draw.

    Raises:
        ClaimRejected: check ``inspection``: it does not fit the agreement.
        BadSignature: the author's signature does not verify.
    """
    if record.agreement != agreement.digest or not _sensible(record):
        raise ClaimRejected("inspection", "the record is of another agreement, or contradicts itself")
    agreement.lab(record.lab)
    agreement.period_epochs(record.period)
    check_signature(f"{record.author} on its record", agreement.party(record.author).key, record.signature, record.message())


def record_entry(record: Record, key: SigningKey) -> InspectionEntry:
    """The record's entry for the log, signed."""
    digest, number = hashlib.sha256(record.encode()).digest(), OUTCOMES.index(record.outcome) + 1
    return sign_entry(
        key, InspectionEntry(record.agreement, record.author, record.lab, record.period, record.round, number, digest)
    )


def check_record_entry(record: Record, entry: InspectionEntry) -> None:
    """Check that a logged entry is this record's. Raises ClaimRejected (check ``inspection``)."""
    mine = (record.agreement, record.author, record.lab, record.period, record.round, OUTCOMES.index(record.outcome) + 1)
    theirs = (entry.agreement, entry.author, entry.lab, entry.period, entry.round, entry.outcome)
    if mine != theirs or entry.record != hashlib.sha256(record.encode()).digest():
        raise ClaimRejected("inspection", "the log's entry is of another record")
