"""Inspection records, decisions and evidence as the page lists them: what each says, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims.agreement.model import Agreement
from claims.base.below import read_below
from claims.base.errors import ClaimsError

if TYPE_CHECKING:
    from claims.decisions.life import Counted
    from claims.status.model import Row

__all__ = ["decisions_of", "evidence_of", "inspections_of"]

_LIMIT = 8 * 2**20


def _files(source: Path, copied: Sequence[dict[str, Any]], kind: str) -> Iterator[tuple[str, bytes]]:
    for item in copied:
        if item["kind"] == kind:
            yield item["path"], read_below(source, item["path"].removeprefix("files/"), _LIMIT)


def inspections_of(source: Path, copied: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The records that count, and those that do not, which say so; by period, lab and inspector."""
    from claims.inspection.beacon import time_of_round
    from claims.inspection.record import FAILURES, Record

    counted = {(row.lab, row.period, *item) for row in rows for item in row.inspections}
    out = []
    for path, data in _files(source, copied, "inspection"):
        try:
            record = Record.decode(data)
            time = time_of_round(record.round)
        except ClaimsError:
            continue
        reason = "; ".join(FAILURES.get(name, name) for name in record.failures)
        counts = (record.lab, record.period, record.author, record.round, record.outcome) in counted
        if not counts:
            reason = f"Does not count: not in the log, or not as agreed. {reason}".strip()
        out.append(
            {
                "lab": record.lab,
                "period": record.period,
                "inspector": record.author,
                "outcome": record.outcome,
                "counts": counts,
                "round": record.round,
                "time": time,
                "reason": reason,
                "path": path,
            }
        )
    return sorted(out, key=lambda item: (item["period"], item["lab"], item["inspector"], item["path"]))


def decisions_of(
    source: Path, copied: Sequence[dict[str, Any]], agreements: Sequence[Agreement], counted: Sequence[Counted]
) -> list[dict[str, Any]]:
    """Decision files under these agreements, in order of when they take effect; one that does not count says so."""
    from claims.base.units import format_time
    from claims.decisions.file import Decision

    by_digest = {item.digest: item for item in agreements}
    counts = {(item.agreement, item.content): item.effective for item in counted}
    out = []
    for path, data in _files(source, copied, "decision"):
        try:
            item = Decision.decode(data)
        except ClaimsError:
            continue
        word = {"lift": "The pause is lifted", "trigger": "The pause is triggered"}[item.decision]
        text = f"{word} from {format_time(item.effective)} on, signed by {', '.join(sorted(item.signatures)) or 'nobody'}: {item.reason}"
        agreement = by_digest.get(item.agreement)
        if agreement is None:
            text = f"Does not count: about another agreement. {text}"
        else:
            try:
                item.check(agreement)
                effective = counts.get((item.agreement, item.content))
                if effective is None:
                    text = f"Does not count: not in the log, or not by enough deciders. {text}"
                elif effective > item.effective:
                    text = f"Counts from {format_time(effective)} on, when the log had it. {text}"
            except ClaimsError as error:
                text = f"Does not count: {error.what}. {text}"
        out.append((item.effective, path, {"text": text, "path": path}))
    return [value for _, _, value in sorted(out, key=lambda entry: entry[:2])]


def evidence_of(
    source: Path, copied: Sequence[dict[str, Any]], agreements: Sequence[Agreement]
) -> list[dict[str, Any]]:
    """Evidence files and what they convict; one that convinces nobody says so."""
    out = []
    for path, data in _files(source, copied, "evidence"):
        text = next((text for item in agreements if (text := _conviction(data, item))), "")
        out.append({"text": text or "Shows nothing under these agreements.", "path": path})
    return out


def _conviction(data: bytes, agreement: Agreement) -> str:
    from claims.claim.evidence import decode_evidence
    from claims.tlog.evidence import LogEvidence

    try:
        item = decode_evidence(data)
        item.check(agreement)
        return f"{item.text[0].upper()}{item.text[1:]}."
    except ClaimsError:
        pass
    if agreement.log is None:
        return ""
    try:
        one, two = LogEvidence.decode(data).check(agreement.log.origin, agreement.log.key)
    except ClaimsError:
        return ""
    return f"The log, run by {agreement.log.operator}, signed two histories: heads of size {one} and {two}."
