"""An accepted transfer of cap, on its way from the lab that receives it to the lab that gives it (``standstill-allowance/1``)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from claims.base.canonical import from_json, to_json
from claims.base.errors import MalformedFile
from claims.claim.entries import unsigned_bytes
from claims.claim.entry_kinds import TransferEntry

__all__ = ["FORMAT", "decode_allowance", "encode_allowance"]

FORMAT = "standstill-allowance/1"


def encode_allowance(entry: TransferEntry) -> bytes:
    """Canonical JSON of a transfer without its giver's signature. Raises MalformedFile for values out of range."""
    unsigned_bytes(entry)
    names = [item.name for item in fields(entry) if item.name != "signature"]
    values = {name: getattr(entry, name) for name in names}
    return to_json({name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()} | {"format": FORMAT})


def decode_allowance(data: bytes) -> TransferEntry:
    """Inverse of :func:`encode_allowance`. Raises MalformedFile for anything that it would not write."""
    try:
        value: Any = from_json(data)
        agreement, accepted = bytes.fromhex(value["agreement"]), bytes.fromhex(value["accepted"])
        entry = TransferEntry(agreement, *(value[name] for name in ("giver", "receiver", "period", "serial", "amount")), accepted)
        good = encode_allowance(entry) == data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
        good = False
    if not good:
        raise MalformedFile("not a canonical accepted transfer", hint="write it with `standstill allowance accept`")
    return entry
