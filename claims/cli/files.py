"""Commands about any file: what it is, and whether two of them show that a key signed two different things in one place."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import BadSignature, ClaimRejected, UnreadableFile
from claims.cli.group import agreement_argument, cli, json_option, load_book, out, read_path, report

if TYPE_CHECKING:
    from claims.claim.evidence import Evidence


@cli.command()
@click.argument("path", metavar="FILE", type=read_path)
@json_option
def show(path: Path) -> None:
    """Say what a file is and what it holds. Nothing is verified. Every file of a publication folder is known."""
    from claims.cli.show import describe

    if path.is_dir():
        raise UnreadableFile(f"{path} is a folder", f"of what parties published, ask: standstill status {path}")
    kind, *lines = describe(path)
    report([kind, *lines], {"kind": kind, "lines": lines})


@cli.command()
@click.argument("files", metavar="FILE_A FILE_B", nargs=2, type=read_path)
@agreement_argument
@click.option("--out", "-o", "target", type=read_path, help="Folder for evidence files. [default: print only]")
@json_option
def evidence(files: tuple[Path, Path], agreement_path: Path, target: Path | None) -> None:
    """Compare two files: did one key sign two different things in one place, or does a claim hide a meter's head?

    Two claims, two log entries, or a claim and a file with meters' heads (a building's report or summary, an opening). Exit 1 if so, 2
    for other files.
    """
    from claims.base.files import CLAIM_LIMIT, read_bounded, write_once
    from claims.claim.entries import MAGIC, decode_entry
    from claims.claim.evidence import TwoEntries, counts

    keys = load_book(agreement_path)
    one, two = (read_bounded(path, CLAIM_LIMIT) for path in files)
    items: list[Evidence] = []
    if one.startswith(MAGIC) and two.startswith(MAGIC):
        if decode_entry(one).identity == decode_entry(two).identity and one != two:
            items.append(TwoEntries.of(one, two))
    else:
        items += _of_heads(one, two)
    found: list[str] = []
    for item in items:
        try:
            sound = counts(item, keys)
        except (BadSignature, ClaimRejected) as error:
            out(f"no evidence that {item.text}: {error.what}", err=True)
            continue
        if not sound:
            out(f"{item.text}, by a key that is revoked: that counts for nothing", err=True)
            continue
        found.append(item.text)
        if target is not None:
            try:  # what was found is said, whatever becomes of its file
                write_once(target / f"{re.sub('[^a-z0-9._-]+', '-', item.text)}.evidence", item.encode())
            except UnreadableFile as error:
                out(f"NOT SAVED: {error}", err=True)
    lines = [f"EQUIVOCATION: {text}" for text in found] or ["no equivocation between these two files"]
    report(lines, {"equivocations": found})
    sys.exit(1 if found else 0)


def _of_heads(one: bytes, two: bytes) -> Sequence[Evidence]:
    """What a claim and another file with signed heads convict, signatures not checked yet. Raises MalformedFile for other files."""
    from claims.claim.evidence import equivocations_of, find_equivocations
    from claims.claim.file import MAGIC, MeterHead, decode_claim
    from claims.claim.handover import SiteReport, SiteSummary
    from claims.claim.hidden_head import hidden_heads
    from claims.inspection.file import Opening

    if not one.startswith(MAGIC):
        one, two = two, one
    claim = decode_claim(one)
    if not two.startswith((b"{", b"standstill-site-report", b"standstill-summary")):
        return find_equivocations(claim, decode_claim(two))
    own = (claim.head_after, claim.lists.digest, claim.registry_signature)
    given: Opening | SiteReport
    if two.startswith(b"{"):
        given = Opening.decode(two)
        binding = given.binding
        heads = (binding.meters, binding.head, binding.lists, binding.signature)
    else:
        given = SiteSummary.decode(two).report if two.startswith(b"standstill-summary") else SiteReport.decode(two)
        heads = (tuple(MeterHead(item.name, *item.head) for item in given.meters if item.head is not None), *own)
    about = (claim.agreement_digest, claim.lab, claim.period)
    if (given.agreement, given.lab, given.period) != about:
        return []
    return [*equivocations_of((claim.meters, *own), heads, about), *hidden_heads(claim, heads[0])]


@cli.command("check-evidence")
@click.argument("path", metavar="EVIDENCE", type=read_path)
@agreement_argument
@json_option
def check_evidence(path: Path, agreement_path: Path) -> None:
    """Check an evidence file with the agreement alone, and the keys that changed (key update). Exit 0 when it is evidence."""
    from claims.base.files import read_bounded
    from claims.claim.evidence import counts, decode_evidence
    from claims.tlog.errors import LogRejected
    from claims.tlog.evidence import EVIDENCE_LIMIT, LogEvidence, is_log_evidence

    data, keys = read_bounded(path, EVIDENCE_LIMIT), load_book(agreement_path)
    terms = keys.agreement
    try:
        if is_log_evidence(data):
            if terms.log is None:
                raise ClaimRejected("evidence", "the agreement names no log")
            smaller, larger = LogEvidence.decode(data).check(terms.log.origin, terms.log.key)
            text = f"the log, run by {terms.log.operator}, signed two histories: heads of size {smaller} and {larger}"
        else:
            item = decode_evidence(data)
            if not counts(item, keys):
                raise ClaimRejected("evidence", f"{item.text}, by a key that is revoked: that counts for nothing")
            text = item.text
            if terms.keys is not None:
                text += "; by the keys that lie beside the agreement: where the log has this one revoked, it counts for nothing"
    except (BadSignature, LogRejected) as error:
        raise ClaimRejected("evidence", error.what) from None
    report(text, {"shows": text})
