"""Receipts: other parties' signed word that they were given a log entry, for when the log's operator leaves it out.

    {"entry": "<hex>", "format": "standstill-receipt/1", "signatures": [{"party", "signature": "<hex>", "time": <Unix seconds>}]}

A receipt shows that an entry was delivered, and when. It never makes a claim proven: only the log shows everybody the same entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from claims.agreement.bounds import MAX_LABS, MAX_TIME
from claims.agreement.model import Agreement
from claims.agreement.over import NotOver
from claims.base.canonical import from_json, is_name, to_json
from claims.base.errors import ClaimRejected, MalformedFile
from claims.base.hybrid import SIGNATURE_SIZES, SigningKey
from claims.claim.entries import check_entry, decode_entry
from claims.claim.entry_kinds import ClaimEntry, Entry, EpochEntry
from claims.claim.keys import signed_by_any, under_any

__all__ = ["FORMAT", "RECEIPT_LIMIT", "Receipt", "countersign", "end_of", "witnesses"]

FORMAT = "standstill-receipt/1"
RECEIPT_LIMIT = 2**20
DOMAIN = b"standstill/sign/receipt/v1"


def _message(entry: bytes, time: int) -> bytes:
    return len(DOMAIN).to_bytes(2, "big") + DOMAIN + time.to_bytes(8, "big") + hashlib.sha256(entry).digest()


def witnesses(agreement: Agreement, entry: Entry) -> list[str]:
    """Whose receipts count for an entry: the parties that cosign the log, but its operator and the entry's author."""
    barred = {entry.author} | ({agreement.log.operator} if agreement.log is not None else set())
    return [party.name for party in agreement.parties if party.cosign_key is not None and party.name not in barred]


@dataclass(frozen=True)
class Receipt:
    """An entry's bytes, and for each party that countersigned them the time that it gave and its signature."""

    entry: bytes
    signatures: Mapping[str, tuple[int, bytes]]

    def encode(self) -> bytes:
        """Canonical JSON."""
        rows = [
            {"party": name, "signature": signature.hex(), "time": time} for name, (time, signature) in sorted(self.signatures.items())
        ]
        return to_json({"entry": self.entry.hex(), "format": FORMAT, "signatures": rows})

    @staticmethod
    def decode(data: bytes) -> Receipt:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        try:
            value: Any = from_json(data) if len(data) <= RECEIPT_LIMIT else None
            rows = value["signatures"]
            signatures = {row["party"]: (row["time"], bytes.fromhex(row["signature"])) for row in rows}
            found = Receipt(bytes.fromhex(value["entry"]), signatures)
            good = len(rows) <= MAX_LABS and all(
                is_name(name) and type(time) is int and 0 <= time <= MAX_TIME and len(signature) in SIGNATURE_SIZES
                for name, (time, signature) in signatures.items()
            )
            good = good and found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
            good = False
        if not good:
            raise MalformedFile("not a receipt of a log entry")
        decode_entry(found.entry)
        return found

    def check(self, agreement: Agreement, keys: Sequence[Agreement] = ()) -> tuple[Entry, dict[str, int]]:
        """The entry, which its author signed, and for each party whose receipt counts its time.

        Args:
            keys: the agreement with each set of keys that counts (:attr:`claims.claim.keys.KeyBook.undated`); none: with its own.

        Raises:
            ClaimRejected: check ``log``: the entry does not fit the agreement. BadSignature: its author, or a party, did not sign it.
        """
        entry = decode_entry(self.entry)
        views = keys or (agreement,)
        under_any(views, lambda terms: check_entry(entry, terms))
        counted = witnesses(agreement, entry)
        times: dict[str, int] = {}
        for name, (time, signature) in self.signatures.items():
            if name in counted:
                signed_by_any(views, f"{name} on the receipt of {entry.title}", name, signature, _message(self.entry, time))
                times[name] = time
        return entry, times


def end_of(entry: Entry, agreement: Agreement) -> int | None:
    """When the time is over that an entry tells of, Unix seconds: nobody was given it before. None of entries that tell of no time."""
    if isinstance(entry, EpochEntry | ClaimEntry):
        return agreement.epoch_span(entry.epoch if isinstance(entry, EpochEntry) else agreement.period_epochs(entry.period)[1])[1]
    return None


def countersign(
    key: SigningKey, entry: bytes, agreement: Agreement, now: int, known: Receipt | None = None
) -> tuple[str, Receipt]:
    """The receipt with the signature of the party whose key this is, and that party's name; its first signature stays.

    Raises:
        ClaimRejected: the entry does not fit the agreement, ``known`` is about another one, or the key is of nobody whose receipt counts.
        NotOver: it is of a time that lies ahead. MalformedFile: no entry. BadSignature: its author did not sign it.
    """
    found = decode_entry(entry)
    check_entry(found, agreement)
    public = key.public_key().public_bytes_raw()
    name = next((name for name in witnesses(agreement, found) if agreement.party(name).key == public), None)
    if name is None:
        what = f"this key is of no party whose receipt of {found.title} counts: the log's cosigners, but its author and the operator"
        raise ClaimRejected("log", what)
    if known is not None and known.entry != entry:
        raise ClaimRejected("log", "the receipt is of another entry")
    signatures = {} if known is None else dict(known.signatures)
    end = end_of(found, agreement)
    if end is not None and now < end:
        raise NotOver(f"{found.title} is of a time that is not over", "this machine's clock is behind: mend it")
    if name not in signatures:
        signatures[name] = (now, key.sign(_message(entry, now)))
    return name, Receipt(entry, signatures)
