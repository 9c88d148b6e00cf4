"""The tables of a claim: their statements, from the agreement and the claim alone, and the check of their proofs.

A lab without sites has one table, whose proof is in the claim file. Of a lab with sites each site has one, and the registry has one;
their proofs are files, known by their SHA-256. Every table's statement has the heads of the claim, so all of them are about one claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.terms import Lab
from claims.base.below import list_below, read_below
from claims.base.cache import open_cache
from claims.base.errors import ClaimRejected, UnreadableFile
from claims.base.files import PROOF_LIMIT
from claims.claim.file import Claim
from claims.claim.limits import limits_of
from claims.claim.losses import lost_head, lost_meters, lost_summary
from claims.claim.statement import statement_of
from claims.verify.report import Missing

if TYPE_CHECKING:
    from circuits.statement import Elements, MeterTerms, Statement, SummaryTerms
    from zk.security import SecurityReport

__all__ = [
    "LINK_BITS", "Proofs", "Tables", "check_meters", "check_proof", "check_tables", "no_proofs", "proof_name", "proofs_in",
    "statement_of_site", "statements_of",
]  # fmt: skip

LINK_BITS = 124
"""What joins the tables of a claim is a collision-resistant hash of that many bits, conjectural (circuits/README.md section 5, Link)."""
MAX_FILES = 20_000
_BUDGET = 2**31
"""Bytes of proof files that are read to find those of one claim."""

Proofs = Callable[[bytes], "bytes | None"]
"""From a proof file's SHA-256 to its bytes, or None where it is not here."""


@dataclass(frozen=True)
class Tables:
    """Proofs that were checked. ``security``: of the weakest, None where one is missing; ``proof_bytes``: of all."""

    security: SecurityReport | None
    proof_bytes: int
    missing: tuple[Missing, ...] = ()


def no_proofs(digest: bytes) -> bytes | None:
    """No proof file is here."""
    return None


def proof_name(lab: str, period: int, site: str | None) -> str:
    """Usual name of a site's proof file, or the registry's (None)."""
    return f"{lab}-{period}.{site or 'registry'}.proof"


def check_meters(claim: Claim, lab: Lab) -> None:
    """Check ``meters``: the claim's meters and sites are exactly the agreement's, in order. Raises ClaimRejected."""
    if [meter.name for meter in lab.meters] != [meter.name for meter in claim.meters]:
        raise ClaimRejected("meters", _meter_difference(lab, claim))
    agreed, claimed = ([site.name for site in sites] for sites in (lab.sites, claim.sites))
    if agreed != claimed:
        terms, own = (", ".join(names[:8]) or "none" for names in (agreed, claimed))
        raise ClaimRejected("meters", f"the agreement gives lab {lab.name} the sites {terms}, the claim has {own}")


def _meter_difference(lab: Lab, claim: Claim) -> str:
    agreed, claimed = {meter.name for meter in lab.meters}, {meter.name for meter in claim.meters}
    if left_out := sorted(agreed - claimed):
        return f"the claim leaves out {len(left_out)} of the agreement's meters: {', '.join(left_out[:8])}"
    return f"the claim has meters that are not in the agreement: {', '.join(sorted(claimed - agreed)[:8])}"


def statements_of(agreement: Agreement, claim: Claim, moved: int = 0) -> tuple[Statement, ...]:
    """The public statements of a claim: the one of a lab without sites, or those of ``Claim.tables``.

    All but heads, stated limits and what listed transfers move (``moved``, units) comes from the agreement.
    Ledgers of lost meters and summaries of lost sites are made here.

    Raises:
        ClaimRejected: checks ``lab``, ``period``, ``meters`` or ``lists``: they are not those of the agreement.
    """
    from circuits.statement import SummaryTerms, summary_header

    lab, digest, period = agreement.lab(claim.lab), agreement.digest, claim.period
    agreement.period_epochs(period)  # the period is judged before the meters
    check_meters(claim, lab)
    lost, gone = lost_meters(agreement, claim), claim.lost_sites
    heads = [
        lost_head(agreement, meter, period) if meter.name in lost and meter.site not in gone else signed.head
        for meter, signed in zip(lab.meters, claim.meters, strict=True)
    ]
    whole = statement_of(agreement, lab, period, heads, claim.head_before, claim.head_after, limits_of(agreement, claim, moved))
    terms = dict(zip((meter.name for meter in lab.meters), whole.meters, strict=True))
    if lab.registry_rows is None:
        return (whole,)
    summaries = tuple(
        SummaryTerms(
            summary_header(digest, lab.name, site.name, period),
            lost_summary(agreement, lab, site.name, period) if site.name in gone else site.head,
        )
        for site in claim.sites
    )
    sites = tuple(
        _site_statement(whole, tuple(terms[meter.name] for meter in site.meters), summary)
        for site, summary in zip(lab.sites, summaries, strict=True)
        if site.name not in gone
    )
    return (*sites, replace(whole, log_rows=lab.registry_rows, meters=(), summaries=summaries))


def _site_statement(whole: Statement, meters: tuple[MeterTerms, ...], summary: SummaryTerms) -> Statement:
    return replace(
        whole, total_cap=0, unattributed_cap=0, lineage_cap=0, freeze_level=None, charge_residue=False, registry=None, meters=meters,
        summaries=(summary,),
    )  # fmt: skip


def statement_of_site(agreement: Agreement, lab: str, period: int, site: str, heads: Sequence[Elements], summary: Elements) -> Statement:
    """The statement of a site's table, as :func:`statements_of` has it, from its meters' heads, in order, and its summary's.

    Raises:
        ClaimRejected: checks ``lab``, ``period`` or ``meters``: the agreement has none of that name.
    """
    from circuits.statement import SummaryTerms, summary_header

    agreed, nothing = agreement.lab(lab), (0,) * 8
    part = statement_of(agreement, replace(agreed, meters=agreed.site(site).meters), period, heads, nothing, nothing)
    return _site_statement(part, part.meters, SummaryTerms(summary_header(agreement.digest, lab, site, period), summary))


def check_tables(
    agreement: Agreement, claim: Claim, proofs: Proofs = no_proofs, jobs: int = 1, where: str = "", moved: int = 0
) -> Tables:
    """Check ``proof`` of every table, several at once.

    Args:
        proofs: the proof files that are here.
        jobs: processes; 1, this one alone. With more, a script that calls this needs a main guard (multiprocessing, "spawn").
        where: what stands before the reason of a rejection.
        moved: as in :func:`statements_of`.

    Raises:
        ClaimRejected: a proof does not hold; the first such table in order is named.
    """
    statements = statements_of(agreement, claim, moved)
    if not claim.sites:
        report = check_proof(statements[0], claim.proof)
        if isinstance(report, str):
            raise ClaimRejected("proof", f"{where}{report}")
        return Tables(report, len(claim.proof))
    here: list[tuple[str, Statement, bytes]] = []
    missing = []
    for site, statement, digest in zip(claim.tables, statements, claim.proofs, strict=True):
        name = "the registry" if site is None else f"site {site}"
        data = proofs(digest)
        if data is not None and hashlib.sha256(data).digest() == digest:
            here.append((name, statement, data))
            continue
        usual = proof_name(claim.lab, claim.period, site)
        what = f"{where}the proof of {name}, a file with the SHA-256 {digest.hex()}"
        missing.append(Missing("proof", what, f"it usually lies beside the claim, as {usual}", "put it there, or say where (--proofs)"))
    reports = []
    for (name, _, _), report in zip(here, _check_all([item[1:] for item in here], jobs), strict=False):
        if isinstance(report, str):
            raise ClaimRejected("proof", f"{where}{name}: {report}")
        reports.append(report)
    weakest = min(reports, key=lambda report: report.unique_decoding.bits) if not missing else None
    return Tables(weakest, sum(len(data) for _, _, data in here), tuple(missing))


def _check_all(tables: Sequence[tuple[Statement, bytes]], jobs: int) -> list[SecurityReport | str]:
    """The report of each proof, or why it does not hold; nothing after the first that does not."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    workers = min(len(tables), jobs)
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            try:
                return _until_bad(pool.map(check_proof, *zip(*tables, strict=True)))
            except BrokenProcessPool:  # a process was killed, as for want of memory: one after the other, here
                pass
            finally:
                pool.shutdown(cancel_futures=True)
    return _until_bad(check_proof(*table) for table in tables)


def _until_bad(reports: Iterable[SecurityReport | str]) -> list[SecurityReport | str]:
    found = []
    for report in reports:
        found.append(report)
        if isinstance(report, str):
            break
    return found


def check_proof(statement: Statement, proof: bytes) -> SecurityReport | str:
    """The security of a proof that holds, or why it does not; both can go from one process to another.

    That it holds is kept in the reader's own cache, under all of the statement and the proof's bytes.
    """
    from circuits.verify import claim_security, verify_claim_proof
    from zk.errors import ZkError

    key = _proof_key(statement, proof)
    try:
        with open_cache() as cache:
            if cache is not None and cache.get("proof", key, 0) is not None:
                return claim_security(statement)
            report = verify_claim_proof(statement, proof)
            if cache is not None:
                cache.put("proof", key, b"")
            return report
    except ZkError as error:
        return str(error)


def _proof_key(statement: Statement, proof: bytes) -> bytes:
    return hashlib.sha256(repr(statement).encode() + hashlib.sha256(proof).digest()).digest()


def proofs_in(folder: Path, wanted: Collection[bytes], first: Collection[str] = ()) -> dict[bytes, bytes]:
    """The proof files of a folder (``*.proof``, whatever they are called) that have one of the wanted SHA-256.

    Args:
        first: names that are looked at before others. Not more than 2 GiB are read, and the rest is not here.

    Raises:
        UnreadableFile: the folder cannot be read, or has more than 20,000 entries.
    """
    left, found, names = _BUDGET, {}, set(first)
    files = [item for item in list_below(folder, "", MAX_FILES) or () if item.kind == "file" and item.name.endswith(".proof")]
    for item in sorted(files, key=lambda item: (item.name not in names, item.size, item.name)):
        if len(found) == len(set(wanted)):
            break
        if item.size > min(left, PROOF_LIMIT):
            continue
        try:
            data = read_below(folder, item.name, PROOF_LIMIT)
        except UnreadableFile:
            continue
        left -= len(data)
        digest = hashlib.sha256(data).digest()
        if digest in wanted:
            found[digest] = data
    return found
