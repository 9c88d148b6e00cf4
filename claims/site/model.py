"""From the state of a standstill to what the page shows (FORMATS-site.md, section 3).

folder --claims.status.compute.compute--> State --here--> view (plain values) and the binary files that a browser checks with
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims import __version__
from claims.agreement.file import parse_agreement
from claims.agreement.meters import beside
from claims.agreement.model import Agreement, canonical_bytes
from claims.base.below import read_below
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.files import AGREEMENT_LIMIT
from claims.site.log import LogFiles, read_log
from claims.site.records import decisions_of, evidence_of, inspections_of
from claims.site.terms import terms_of
from claims.verify.claim import CHECKS
from claims.verify.report import NOT_SHOWN, shown

if TYPE_CHECKING:
    from claims.status.model import Row, State

__all__ = ["FORMAT", "view_of"]

FORMAT = "standstill-site/1"
MAX_AGREEMENTS = 64
"""Agreements of which a page has the bytes."""

_LIFE = {
    "draft": "Not signed by all",
    "signed": "Signed, not begun",
    "in force": "In force",
    "amended": "Replaced by an amendment",
    "lifted": "The pause is lifted",
    "expired": "Expired",
}


@dataclass
class _Known:
    """The agreements of a folder, and where their files are on the page."""

    current: Agreement
    by_digest: dict[bytes, Agreement] = field(default_factory=dict)
    paths: dict[bytes, str] = field(default_factory=dict)
    signatures: dict[bytes, str] = field(default_factory=dict)


def view_of(source: Path, copied: Sequence[dict[str, Any]], state: State) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The view, and binary files that belong beside it.

    Args:
        source: the publication folder.
        copied: of each file on the page: path on the page (``files/...``), bytes, sha256 (hex), kind.
        state: what ``claims.status.compute.compute`` says of that folder.

    Returns:
        The view, and path on the page to bytes.

    Raises:
        ClaimsError: the folder or its agreement cannot be read.
    """
    known = _agreements(source, copied, state.agreement)
    chain = _chain(known)
    listed = _listed(known, chain)
    log = read_log(source, listed, {item["path"] for item in copied}, state.now)
    binaries = {_binary(number): canonical_bytes(item) for number, item in enumerate(listed)}
    if log is not None and log.bundle is not None:
        binaries["log.bundle"] = log.bundle
    terms = terms_of(known.current, _unsigned(source, known.current))
    view = {
        "format": FORMAT,
        "version": __version__,
        "computed_at": state.now,
        "life": _life(state),
        "holds": {"answer": state.holds, "why": list(state.why)},
        "allowances": [item.to_json() | {"begin": item.transfers[0].begin} for item in state.moved],
        "keys": [row["text"] for row in state.keys],
        "claims": [_row(row, state, known, copied, log) for row in state.rows],
        "not_shown": list(NOT_SHOWN),
        "inspections": inspections_of(source, copied, state.rows),
        "decisions": decisions_of(source, copied, chain, state.decisions),
        "evidence": evidence_of(source, copied, chain),
        "problems": list(state.problems),
        "log": None if log is None else log.view(state.log_problem),
        "agreement": terms,
        "agreements": [
            {
                "digest": item.digest.hex(),
                "binary": _binary(number),
                "signatures": known.signatures.get(item.digest),
            }
            for number, item in enumerate(listed)
        ],
        "files": list(copied),
    }
    return view, binaries


def _binary(number: int) -> str:
    return "agreement.bin" if number == 0 else f"agreement-{number}.bin"


def _agreements(source: Path, copied: Sequence[dict[str, Any]], current: Agreement) -> _Known:
    known = _Known(current)
    paths = {item["path"] for item in copied if item["kind"] == "agreement"}
    for path in sorted(paths, key=lambda path: (path != "files/agreement.toml", path)):
        if not path.endswith(".toml"):
            continue
        try:
            place = path.removeprefix("files/")
            text = read_below(source, place, AGREEMENT_LIMIT).decode("utf-8")
            agreement = parse_agreement(text, path, beside(source, place.rpartition("/")[0]))
        except (ClaimsError, UnicodeDecodeError):
            continue
        sigs = path.removesuffix(".toml") + ".sigs"
        known.by_digest.setdefault(agreement.digest, agreement)
        known.paths.setdefault(agreement.digest, path)
        if sigs in paths:
            known.signatures.setdefault(agreement.digest, sigs)
    return known


def _chain(known: _Known) -> list[Agreement]:
    """The agreement and those that it replaces, newest first."""
    chain = [known.current]
    while (amends := chain[-1].amends) is not None and amends.digest in known.by_digest:
        chain.append(known.by_digest[amends.digest])
    return chain


def _listed(known: _Known, chain: list[Agreement]) -> list[Agreement]:
    """The chain, and what else amends an agreement of it, or the one before it: what took over, and what rivals it."""
    amended = {item.digest for item in chain} | {item.amends.digest for item in chain if item.amends is not None}
    digests = {item.digest for item in chain}
    others = [item for item in known.by_digest.values() if item.digest not in digests and item.amends is not None]
    signed = [item for item in others if item.amends is not None and item.amends.digest in amended and item.digest in known.signatures]
    return [*chain, *signed][:MAX_AGREEMENTS]


def _unsigned(source: Path, agreement: Agreement) -> list[str]:
    from claims.agreement.signatures import AgreementSignatures

    try:
        data = read_below(source, "agreement.sigs", AGREEMENT_LIMIT)
        return list(AgreementSignatures.decode(data).missing(agreement))
    except ClaimsError:
        return [party.name for party in agreement.parties]


def _life(state: State) -> dict[str, Any]:
    life = state.life
    return {
        "word": _LIFE[life.state],
        "text": "" if life.state == "in force" else life.reason,
        "counts": life.state in ("in force", "expired"),
        "replaced": life.successor is not None,
        "expired": life.state == "expired",
    }


def _row(
    row: Row, state: State, known: _Known, copied: Sequence[dict[str, Any]], log: LogFiles | None
) -> dict[str, Any]:
    by_sum = {item["sha256"]: item["path"] for item in copied if item["kind"] == "claim"}
    claim = by_sum.get(row.claim.hex()) if row.claim is not None else None
    agreement = known.by_digest.get(row.agreement, state.agreement)
    try:
        lab = agreement.lab(row.lab)
        sentences = shown(agreement, lab, row.period, row.limits, row.moved) if claim is not None else []
        continues = row.period > lab.since_period
    except ClaimRejected:
        sentences, continues = [], True
    return {
        "lab": row.lab,
        "period": row.period,
        "agreement": row.agreement.hex(),
        "begin": row.begin,
        "end": row.end,
        "due": row.due,
        "missing_after": row.missing_after,
        "state": row.state,
        "late": row.late,
        "check": row.check,
        "reason": f"{row.check}: {row.reason}" if row.check in CHECKS and not row.reason.startswith(row.check) else row.reason,
        "published": row.published,
        "claim": claim,
        "roots": None if claim is None else _roots(row, claim, agreement, copied, log),
        "continues": continues,
        "shows": sentences,
        "transfers": list(row.transfers),
        "power": None if row.power is None else row.power.line(),
    }


def _roots(
    row: Row, claim: str, agreement: Agreement, copied: Sequence[dict[str, Any]], log: LogFiles | None
) -> str | None:
    """The roots file that the log names for the claim, else the one beside it."""
    wanted = None if log is None else log.roots_of(agreement, row.lab, row.period)
    files = {item["path"]: item["sha256"] for item in copied if item["kind"] == "roots"}
    for path, digest in sorted(files.items()):
        if digest == wanted:
            return path
    beside = claim.removesuffix(".claim") + ".roots"
    return beside if beside in files else None
