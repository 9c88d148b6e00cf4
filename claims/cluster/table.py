"""A table to prove, as bytes: what a task is about. Both ends are the lab's; no pickle, whatever the bytes.

    "standstill-table/1\\n" || u32 length || JSON || columns

JSON: ``program`` (SHA-256 of the circuit's program, so that a worker of another version says so), ``statement``, ``witness``. Columns: of
each ledger in order its epochs and tags (u32 each, little-endian), chip-seconds and work (u64).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from circuits.chain import Entry
from circuits.claim import claim_program
from circuits.statement import MeterTerms, RegistryTerms, Statement, SummaryTerms
from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness, SummaryWitness
from claims.base.errors import MalformedFile

__all__ = ["OtherVersion", "decode_table", "encode_table", "memory_of"]

_MAGIC = b"standstill-table/1\n"
_COLUMNS = (("epochs", "<u4"), ("tags", "<u4"), ("chip_seconds", "<u8"), ("work", "<u8"))


class OtherVersion(MalformedFile):
    """The two ends have different software."""


def memory_of(log_rows: int) -> int:
    """Bytes that the process of one proof takes at most, with a tenth to spare.

    Measured (bench/results/scaling.json): 6.2 kB a row; from 2^21 rows on the extension of the trace stays at 5 GB (zk/commitment.py,
    KEPT_BYTES), and 1.6 kB a row are added to that.
    """
    return (450_000_000 + 7_000 * (1 << log_rows)) if log_rows <= 20 else (5_400_000_000 + 1_800 * (1 << log_rows))


def encode_table(statement: Statement, witness: ClaimWitness) -> bytes:
    """The bytes of a table."""
    registry = witness.registry
    held: dict[str, Any] = {
        "ledgers": [[ledger.iv, ledger.trailer, len(ledger)] for ledger in witness.ledgers],
        "registry": None if registry is None else {
            "iv": registry.iv, "before": registry.trailer_before, "after": registry.trailer_after,
            "old": [_entry(entry) for entry in registry.old_entries], "new": [_entry(entry) for entry in registry.new_entries],
        },
        "summaries": [[summary.iv, summary.records, summary.trailer] for summary in witness.summaries],
    }  # fmt: skip
    value = {"program": claim_program().digest().hex(), "statement": asdict(statement), "witness": held}
    head = json.dumps(value, separators=(",", ":"), default=int).encode()
    columns = [np.asarray(getattr(ledger, name)).astype(kind).tobytes() for ledger in witness.ledgers for name, kind in _COLUMNS]
    return b"".join((_MAGIC, len(head).to_bytes(4, "big"), head, *columns))


def decode_table(data: bytes) -> tuple[Statement, ClaimWitness]:
    """Inverse of :func:`encode_table`.

    Raises:
        OtherVersion: made by software of another version. MalformedFile: no table.
    """
    if not data.startswith(_MAGIC):
        raise OtherVersion("a table in another format", "use one version of standstill on all machines")
    at = len(_MAGIC) + 4
    size = int.from_bytes(data[at - 4 : at], "big")
    try:
        value = json.loads(data[at : at + size], object_hook=_tuples)
        if value["program"] != claim_program().digest().hex():
            raise OtherVersion("a table of another circuit", hint="use one version of standstill on all machines")
        return _statement(value["statement"]), _witness(value["witness"], data, at + size)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedFile(f"not a table: {error}") from None


def _entry(entry: Entry) -> list[Any]:
    return [
        entry.tag, entry.kind, entry.parent1, entry.parent2, entry.base, entry.epoch, entry.work, entry.declared, entry.cumulative,
        entry.weights_digest.hex(),
    ]  # fmt: skip


def _statement(fields: dict[str, Any]) -> Statement:
    fields["meters"] = tuple(MeterTerms(**meter) for meter in fields["meters"])
    fields["registry"] = None if fields["registry"] is None else RegistryTerms(**fields["registry"])
    fields["summaries"] = tuple(SummaryTerms(**summary) for summary in fields["summaries"])
    statement = Statement(**fields)
    statement.validate()
    return statement


def _witness(held: dict[str, Any], data: bytes, at: int) -> ClaimWitness:
    ledgers = []
    for iv, trailer, count in held["ledgers"]:
        columns = []
        for _, kind in _COLUMNS:
            column = np.frombuffer(data, kind, count, at)
            at += column.nbytes
            columns.append(column.astype(np.int64))
        ledgers.append(LedgerWitness(iv, *columns, trailer))
    if at != len(data):
        raise ValueError("columns of another length")
    registry = held["registry"]
    if registry is not None:
        old, new = (tuple(Entry(*fields, bytes.fromhex(digest)) for *fields, digest in registry[name]) for name in ("old", "new"))
        registry = RegistryWitness(registry["iv"], old, new, registry["before"], registry["after"])
    return ClaimWitness(tuple(ledgers), registry, tuple(SummaryWitness(*summary) for summary in held["summaries"]))


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that the circuit's types have."""
    return {key: _tuple(value) for key, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
