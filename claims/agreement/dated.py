"""What makes the terms valid that rest on the public log: who dates what, deadlines, inspection, pause, changes of keys, transfers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from claims.agreement.bounds import (
    MAX_COSIGNATURES,
    MAX_DRAWS,
    MAX_DURATION,
    MAX_HYBRID_COSIGNERS,
    MAX_WITNESSES,
)
from claims.agreement.model import Agreement
from claims.agreement.terms import Deadlines
from claims.agreement.values import Fail, in_order, in_range, leaves
from claims.base.hybrid import is_hybrid
from claims.base.text import is_key_name, is_origin, is_prose
from claims.base.units import format_time

__all__ = ["check_dated"]


def check_dated(agreement: Agreement, fail: Fail) -> None:
    """Check these terms; raises what ``fail(field, what, hint)`` makes."""
    _log(agreement, fail)
    _regime(agreement, fail)
    _key_terms(agreement, fail)
    _transfers(agreement, fail)


def _log(agreement: Agreement, fail: Fail) -> None:
    log = agreement.log
    _witnesses(agreement, fail)
    if log is None:
        return
    if not is_origin(log.origin):
        raise fail("log", f"{log.origin!r} is not an origin", "printable ASCII without spaces and +, 1 to 128 characters")
    if log.operator not in {party.name for party in agreement.parties}:
        raise fail("log", f"its operator {log.operator!r} is no party", "add a [[party]] of that name")
    in_range("log", "cosignatures", log.cosignatures, 1, MAX_COSIGNATURES, fail)
    keys = [party.cosign_key for party in agreement.parties if party.cosign_key] + [witness.key for witness in agreement.witnesses]
    if (hybrid := sum(map(is_hybrid, keys))) > MAX_HYBRID_COSIGNERS:
        reason = (
            f"{hybrid} parties and witnesses cosign with a hybrid key, "
            f"and a head of the log has room for the cosignatures of {MAX_HYBRID_COSIGNERS}"
        )
        raise fail("party", reason, "let fewer cosign, or some with Ed25519 alone (standstill keygen --ed25519)")
    cosigners = {party.name for party in agreement.parties if party.cosign_key is not None}
    for field, name, what in _dated(agreement):
        others = len(cosigners - {name, log.operator})
        if others < log.cosignatures:
            reason = (
                f"nothing could date {what} of {name}: {others} parties other than it and the operator have a cosign_key, "
                f"{log.cosignatures} must cosign"
            )
            raise fail(field, reason, "add cosign_key to more parties, or lower cosignatures")


def _witnesses(agreement: Agreement, fail: Fail) -> None:
    names = [witness.name for witness in agreement.witnesses]
    if names and agreement.log is None:
        raise fail("witness", "needs a [log], which it cosigns", "add [log], or leave the witnesses out")
    if len(names) > MAX_WITNESSES:
        raise fail("witness", f"{len(names)} of them, more than {MAX_WITNESSES}", "leave some out")
    parties = {party.name for party in agreement.parties}
    for name in names:
        if not is_key_name(name):
            raise fail("witness", f"{name!r} is not a name of signed notes", "1 to 255 bytes without spaces and +, as example.org/w1")
        if name in parties:
            raise fail("witness", f"{name!r} is a party's name", "give it another name; a party cosigns with its own cosign_key")
    in_order("witness", names, fail)


def _dated(agreement: Agreement) -> Iterator[tuple[str, str, str]]:
    """Whose entries the log has to date: field to name in a refusal, party, what of it. Nobody's own cosignature dates its entries."""
    yield from (("log", lab.name, "the claims") for lab in agreement.labs)
    if agreement.deadlines is not None and agreement.deadlines.sign_by is not None:
        yield from (("deadlines", party.name, "the assent (sign_by)") for party in agreement.parties)
    if agreement.pause is not None:
        yield from (("pause", name, "the decisions") for name in agreement.pause.deciders)


def _transfers(agreement: Agreement, fail: Fail) -> None:
    """Where a lab may receive a part of another's cap, others than these two and the operator can date it."""
    if agreement.log is None:
        if able := [lab.name for lab in agreement.labs if lab.ceiling is not None]:
            raise fail("lab", f"lab {able[0]} has a ceiling, and no [log] dates transfers", "add [log], or leave the ceiling out")
        return
    cosigners = {party.name for party in agreement.parties if party.cosign_key is not None} - {agreement.log.operator}
    for receiver in agreement.labs:
        others = [lab.name for lab in agreement.labs if lab.name != receiver.name and receiver.ceiling is not None]
        for giver in others:
            count = len(cosigners - {giver, receiver.name})
            if count < agreement.log.cosignatures:
                reason = (
                    f"nothing could date a transfer from {giver} to {receiver.name}, which has a ceiling: {count} parties other than these "
                    f"and the operator have a cosign_key, {agreement.log.cosignatures} must cosign"
                )
                raise fail("lab", reason, "add cosign_key to more parties, lower cosignatures, or leave the ceiling out")


def _regime(agreement: Agreement, fail: Fail) -> None:
    leaves("commitment", "checkpoints", agreement.checkpoints, fail)
    deadlines = agreement.deadlines
    if deadlines is not None:
        spans = {"epoch": deadlines.epoch, "claim": deadlines.claim, "opening": deadlines.opening}
        for field, seconds in spans.items():
            in_range("deadlines", field, seconds, 1, MAX_DURATION, fail)
        in_range("deadlines", "grace", deadlines.grace, 0, MAX_DURATION, fail)
        begin = agreement.epoch_span(agreement.first_period * agreement.epochs_per_period)[0]
        if deadlines.sign_by is not None and not 0 <= deadlines.sign_by <= begin:
            what = f"sign_by is later than the agreement's first moment, {format_time(begin)}"
            raise fail("deadlines", what, "have every party sign before it begins")
        _lateness(agreement, deadlines, fail)
    if agreement.inspection is not None:
        if agreement.log is None:
            raise fail("inspection", "needs a [log], which dates what is committed", "add [log], or leave [inspection] out")
        in_range("inspection", "draws", agreement.inspection.draws, 1, MAX_DRAWS, fail)
        in_range("inspection", "slots", agreement.inspection.slots, 0, MAX_DRAWS, fail)
        in_range("inspection", "margin", agreement.inspection.margin, 0, MAX_DURATION, fail)
    _pause(agreement, fail)


def _lateness(agreement: Agreement, deadlines: Deadlines, fail: Fail) -> None:
    for field, value, most in (
        ("late_epochs", deadlines.late_epochs, agreement.epochs_per_period - 1), ("cosign", deadlines.cosign, MAX_DURATION),
    ):  # fmt: skip
        if value is None:
            continue
        if agreement.log is None:
            raise fail("deadlines", f"{field} needs a [log], which dates what is published", f"add [log], or leave {field} out")
        in_range("deadlines", field, value, 1 if field == "cosign" else 0, most, fail)


def _pause(agreement: Agreement, fail: Fail) -> None:
    pause = agreement.pause
    if pause is None:
        return
    for field, text in (("trigger", pause.trigger), ("lifts", pause.lifts)):
        if not is_prose(text):
            raise fail("pause", f"{field} is not plain text", "use plain printable text")
    _quorum_of(agreement, "pause", "deciders", pause.deciders, pause.quorum, fail)


def _quorum_of(agreement: Agreement, table: str, field: str, names: Sequence[str], quorum: int, fail: Fail) -> None:
    if not names or list(names) != sorted(set(names)):
        raise fail(table, f"{field} are not one or more names, sorted, each once", "name parties")
    if missing := set(names) - {party.name for party in agreement.parties}:
        raise fail(table, f"{field} {sorted(missing)} are no parties", "name parties")
    in_range(table, "quorum", quorum, 1, len(names), fail)


def _key_terms(agreement: Agreement, fail: Fail) -> None:
    """Nobody vouches for its own key, so for each party enough others do; the log's order says when a key changed."""
    keys = agreement.keys
    if keys is None:
        return
    if agreement.log is None:
        raise fail("keys", "needs a [log], whose order says when a key changed", "add [log], or leave [keys] out")
    _quorum_of(agreement, "keys", "revoke", keys.revoke, keys.quorum, fail)
    concerned = [(f"party {party.name}", {party.name}) for party in agreement.parties]
    concerned += [(f"feed {feed.name}", {feed.holder, feed.lab}) for feed in agreement.feeds]
    for whose, names in concerned:
        others = len(set(keys.revoke) - names)
        if others < keys.quorum:
            what = f"{others} of revoke are others than whom the key of {whose} concerns, and {keys.quorum} must sign"
            raise fail("keys", what, "name more parties, or lower the quorum")
