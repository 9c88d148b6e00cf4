"""What was delivered to the log's operator, as receipts say, and why a claim that was delivered does not count yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from claims.agreement.model import Agreement
from claims.base.errors import BadSignature, ClaimRejected
from claims.base.units import format_time
from claims.claim.entries import encode_entry, unsigned_bytes
from claims.claim.entry_kinds import Entry
from claims.claim.published import PublishedEntries
from claims.claim.receipts import Receipt
from claims.tlog.reader import LogView
from claims.verify.lateness import Delivered
from claims.verify.log_state import LogState

__all__ = ["deliveries", "held_up", "published_in", "undated_keys"]

MAX_COUNTERSIGNED = 20_000
"""Signatures of receipts that are checked."""


def deliveries(
    receipts: Iterable[tuple[str, Receipt]], agreement: Agreement, note: Callable[[str, str], None], keys: Sequence[Agreement] = ()
) -> Delivered:
    """The receipts that check, by what was delivered. ``note(name, why)`` is told of each that does not; ``keys``: as of Receipt.check."""
    found: dict[tuple[object, ...], dict[bytes, tuple[Entry, dict[str, int]]]] = {}
    left = MAX_COUNTERSIGNED
    for path, item in receipts:
        left -= 1 + len(item.signatures)
        if left < 0:
            note(path, f"only {MAX_COUNTERSIGNED} signatures of receipts are checked: this one and what follows is left out")
            break
        try:
            entry, times = item.check(agreement, keys)
        except (BadSignature, ClaimRejected) as error:
            note(path, error.what)
            continue
        _, known = found.setdefault(entry.identity, {}).setdefault(unsigned_bytes(entry), (entry, {}))
        known.update({name: min(time, known.get(name, time)) for name, time in times.items()})
    return {identity: list(items.values()) for identity, items in found.items()}


def published_in(view: LogView, agreement: Agreement, delivered: Delivered) -> PublishedEntries:
    """The entries of a log and, after them, of receipts; what the head in use does not have counts only against its author."""
    given = [encode_entry(entry) for items in delivered.values() for entry, _ in items]
    logged = [*view.entries, *view.tail]
    return PublishedEntries(agreement, enumerate([*logged, *given]), view.size, len(logged))


def undated_keys(view: LogView, agreement: Agreement) -> list[Agreement]:
    """The agreement with each set of keys that counts for what no entry of a log fixes: receipts, above all."""
    if agreement.keys is None:
        return [agreement]
    return PublishedEntries(agreement, enumerate([*view.entries, *view.tail]), view.size).keys.undated


def held_up(
    agreement: Agreement, lab: str, period: int, published: PublishedEntries, view: LogView, state: LogState, delivered: Delivered
) -> str | None:  # fmt: skip
    """Why a claim that the lab has delivered does not count yet, through no fault of its own; None where it has not delivered it."""
    if agreement.log is None:
        return None
    first, last = agreement.period_epochs(period)
    entries: list[tuple[Entry, int] | None] = [published.claim(lab, period, all_=True)]
    entries += [published.epoch(lab, epoch, all_=True) for epoch in range(first, last + 1)]
    if None in entries:
        return None
    waiting = [found for found in entries if found is not None and not published.counts(found[1])]
    for entry, index in waiting:
        if index < view.size + len(view.tail):
            continue
        same = [times for item, times in delivered.get(entry.identity, ()) if unsigned_bytes(item) == unsigned_bytes(entry)]
        times = same[0] if same else {}
        if len(times) < agreement.log.cosignatures:
            return None
        who = ", ".join(f"{name} on {format_time(time)}" for name, time in sorted(times.items()))
        return f"delivered: {who} countersigned {entry.title}, and the log's operator {agreement.log.operator} left it out"
    return f"it is in the log, and waits for cosignatures: {state.newer()}" if waiting else None
