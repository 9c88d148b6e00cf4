"""The command that verifies one claim."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimRejected, MalformedFile, MissingDependency
from claims.cli.group import cli, json_option, load_signatures, load_terms, out, read_path, report, signatures_path
from claims.cli.screen import doing

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.agreement.signatures import AgreementSignatures
    from claims.claim.file import Claim
    from claims.claim.receipts import Receipt
    from claims.tlog.reader import LogView
    from claims.verify.report import Verdict
    from claims.verify.roots import RootFiles

__all__ = ["digest_of", "digest_option", "jobs_of", "jobs_option", "moment", "now_option", "verify"]

now_option = click.option("--now", "now_text", help="RFC 3339 time or Unix seconds. [default: this machine's clock]")
jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 256), help="Processes that check proofs of sites. [default: one for each processor]"
)
digest_option = click.option("--expect", "expect", metavar="DIGEST", help="The agreement that you expect: refuse another.")


def moment(text: str | None) -> int:
    """A moment in Unix seconds; the present where none is given. Raises QuantityError."""
    from claims.base.units import time_from_text

    if text is None:
        return int(time.time())
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else time_from_text(text)


def digest_of(text: str | None) -> bytes | None:
    """A digest of 64 hex digits. Raises UsageError."""
    try:
        data = None if text is None else bytes.fromhex(text)
    except ValueError:
        data = b""
    if data is not None and len(data) != 32:
        raise click.UsageError("--expect takes the 64 hex digits that `standstill agreement digest` prints")
    return data


def jobs_of(jobs: int | None) -> int:
    """As many processes as were asked for, or as there are processors."""
    return jobs or os.cpu_count() or 1


@cli.command()
@click.argument("claim_path", metavar="CLAIM", type=read_path)
@click.option("--agreement", "-a", "agreement_path", type=read_path, help="The agreement file (TOML).")
@click.option("--folder", type=read_path, help="A publication folder: take everything from there (as `standstill status`).")
@click.option("--signatures", type=read_path, help="The parties' signatures. [default: the agreement's name with .sigs]")
@click.option("--previous", "-p", type=read_path, multiple=True, help="Claim for the period before; repeat, oldest first.")
@click.option("--previous-accepted", is_flag=True, help="You accepted the claims of --previous before: skip their proofs.")
@click.option("--previous-agreement", type=read_path, multiple=True, help="An amended agreement, its .sigs beside it; repeat.")
@click.option("--log", "log_source", help="The agreement's public log: a folder or an https URL.")
@click.option("--log-memory", type=read_path, help="File that remembers the log, to notice forks and withdrawals.")
@click.option("--roots", "roots_path", type=read_path, help="The roots file, or the folder of those of sites. [default: beside the claim]")
@click.option("--record", type=read_path, multiple=True, help="Record of an inspection that the log names; repeat.")
@click.option("--receipt", type=read_path, multiple=True, help="Receipt of an entry that the log leaves out, or a folder of them; repeat.")
@click.option("--proofs", "proofs_path", type=read_path, help="Folder with the proof files of sites. [default: the claim's]")
@jobs_option
@digest_option
@now_option
@click.option("--verbose", "-v", is_flag=True, help="Also print the terms of the security argument, sizes and times.")
@json_option
def verify(
    claim_path: Path, agreement_path: Path | None, folder: Path | None, expect: str | None, now_text: str | None, verbose: bool,
    jobs: int | None, **given: object,
) -> None:  # fmt: skip
    """Verify a CLAIM offline.

    Exit 0: PROVEN. 1: REJECTED, with the reason. 3: INCOMPLETE, with what is missing and how to get it. 4: OVER: the claim says itself
    that the lab was over a limit. 2: bad usage or unreadable input.
    """
    from claims.base.files import CLAIM_LIMIT, read_bounded

    if given["log_memory"] is not None and given["log_source"] is None and folder is None:
        raise click.UsageError("--log-memory needs --log or --folder")
    if folder is None and agreement_path is None:
        raise click.UsageError("give --agreement, or --folder for a publication folder")
    data, now = read_bounded(claim_path, CLAIM_LIMIT), moment(now_text)
    wanted = digest_of(expect)
    if folder is not None:
        if any(value for name, value in given.items() if name != "log_memory"):
            raise click.UsageError("--folder takes everything from the folder: give --agreement, --expect, --log-memory and --now at most")
        verdict = _in_folder(data, folder, agreement_path, wanted, given["log_memory"], now, jobs_of(jobs))
    else:
        verdict = _alone(data, claim_path, agreement_path, wanted, now, jobs_of(jobs), **given)
    report(verdict.lines(verbose=verbose), verdict.to_json())
    sys.exit(verdict.exit_code)


def _in_folder(
    data: bytes, folder: Path, agreement_path: Path | None, expect: bytes | None, memory: Path | None, now: int, jobs: int
) -> Verdict:
    from claims.status.verdict import verify_in_folder
    from claims.verify.claim import check_expected

    if agreement_path is not None:
        own = load_terms(agreement_path)
        check_expected(own, expect)
        expect = own.digest
    doing("checking claims and log")
    try:
        return verify_in_folder(data, folder, now=now, memory=memory, expect=expect, jobs=jobs)
    except MissingDependency as error:
        how = f"{error.hint}; or give --agreement in place of --folder: all but signatures is then checked"
        raise MissingDependency(error.what, how) from None


def _alone(
    data: bytes, claim_path: Path, agreement_path: Path, expect: bytes | None, now: int, jobs: int, *, signatures: Path | None,
    previous: tuple[Path, ...], previous_accepted: bool, previous_agreement: tuple[Path, ...], log_source: str | None,
    log_memory: Path | None, roots_path: Path | None, record: tuple[Path, ...], receipt: tuple[Path, ...],
    proofs_path: Path | None,
) -> Verdict:  # fmt: skip
    from claims.base.files import CLAIM_LIMIT, ROOTS_LIMIT, read_bounded
    from claims.inspection.record import RECORD_LIMIT
    from claims.verify.claim import check_expected, parse_claim, verify_claim
    from claims.verify.delivered import deliveries, undated_keys
    from claims.verify.report import Verdict
    from claims.verify.roots import held

    terms = load_terms(agreement_path)
    check_expected(terms, expect)
    signed = _signatures(agreement_path, signatures)
    links = [read_bounded(path, CLAIM_LIMIT) for path in previous]
    amended = {path: load_terms(path) for path in previous_agreement}
    signed_before = {item.agreement: item for item in map(_signatures, previous_agreement) if item is not None}
    records = {hashlib.sha256(found).digest(): found for found in (read_bounded(path, RECORD_LIMIT) for path in record)}
    alone = [] if roots_path is not None and roots_path.is_dir() else [roots_path or claim_path.with_suffix(".roots")]
    beside = [path for path in (*alone, *(item.with_suffix(".roots") for item in previous)) if path == roots_path or path.exists()]
    folder = claim_path.parent if alone or roots_path is None else roots_path
    one_file = [read_bounded(path, ROOTS_LIMIT) for path in beside]
    lab = period = None
    try:
        claim = parse_claim(data)
        lab, period = claim.lab, claim.period
        doing("reading the log")
        view, problem = (None, "") if log_source is None else _open_log(log_source, terms, claim.lab, log_memory, now)
        claims = [claim, *map(parse_claim, links)]
        delivered = deliveries(_receipts(receipt), terms, _leave_out, () if view is None else undated_keys(view, terms))
        doing("checking the claim")
        return verify_claim(
            data, terms, signatures=signed, previous=links, previous_agreements=[*amended.values()],
            previous_signatures=signed_before, previous_accepted=previous_accepted,
            log=view, log_problem=problem, roots=held(one_file, _roots(folder, claims)), records=records,
            delivered=delivered, now=now, jobs=jobs,
            proofs=_proofs(proofs_path or claim_path.parent, claims).get,
        )  # fmt: skip
    except ClaimRejected as error:
        return Verdict(terms, lab, period, hashlib.sha256(data).digest(), rejected=error)


def _signatures(agreement_path: Path, given: Path | None = None) -> AgreementSignatures | None:
    """The signatures beside an agreement, or of the file given; a damaged file is named and left out: a mirror can swap it."""
    try:
        return load_signatures(agreement_path, given)
    except MalformedFile as error:
        _leave_out(str(given or signatures_path(agreement_path)), error.what)
        return None


def _receipts(given: Iterable[Path]) -> Iterator[tuple[str, Receipt]]:
    """Receipt files, and those in folders; what is no receipt is named and left out."""
    from claims.base.files import read_bounded
    from claims.claim.receipts import RECEIPT_LIMIT, Receipt

    for path in given:
        for item in sorted(path.glob("*.receipt")) if path.is_dir() else [path]:
            data = read_bounded(item, RECEIPT_LIMIT)
            try:
                yield str(item), Receipt.decode(data)
            except MalformedFile as error:
                _leave_out(str(item), error.what)


def _leave_out(name: str, why: str) -> None:
    out(f"{name}: left out: {why}", err=True)


def _proofs(folder: Path, claims: list[Claim]) -> dict[bytes, bytes]:
    """The proof files of claims that lie in a folder, by SHA-256."""
    from claims.verify.tables import proof_name, proofs_in

    wanted = {digest for claim in claims for digest in claim.proofs}
    names = [proof_name(claim.lab, claim.period, site and site.name) for claim in claims for site in (*claim.sites, None)]
    return proofs_in(folder, wanted, names) if wanted else {}


def _roots(folder: Path, claims: list[Claim]) -> RootFiles:
    """The roots files of claims with sites that lie in a folder."""
    from claims.verify.roots import no_files, roots_in, roots_name

    wanted = {site.roots for claim in claims for site in claim.sites}
    names = [roots_name(claim.lab, claim.period, site.name) for claim in claims for site in claim.sites]
    return roots_in(folder, wanted, names) if wanted else no_files


def _open_log(source: str, terms: Agreement, lab: str, memory: Path | None, now: int) -> tuple[LogView | None, str]:
    """The agreement's log under the cosigners that count for a lab, compared with what was seen before; or why it cannot be used."""
    from claims.cli.log import open_compared
    from claims.tlog.errors import LogError
    from claims.tlog.evidence import LogFork
    from claims.verify.log import log_trust

    if terms.log is None:
        raise click.UsageError("the agreement names no log: leave --log out")
    try:
        return open_compared(source, log_trust(terms), (lab,), memory, now), ""
    except LogFork as error:
        kept = error.evidence.keep(memory)
        out(f"evidence against {terms.log.operator}, who runs the log, written to {kept}: standstill log check-evidence", err=True)
        return None, error.what
    except (LogError, MissingDependency) as error:
        return None, error.what

