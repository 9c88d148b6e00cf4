"""Commands on decisions and on the state of a standstill."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    cli,
    confirm_signing,
    json_option,
    key_options,
    load_book,
    load_key,
    load_terms,
    out,
    read_path,
    report,
    yes_option,
)
from claims.cli.screen import doing
from claims.cli.state import state_folder, state_option
from claims.cli.verify import digest_of, digest_option, jobs_of, jobs_option, moment, now_option

__all__ = ["decision", "status"]

EXITS = {"yes": 0, "no": 1, "undecided": 3}


@cli.command()
@click.argument("folder", type=read_path)
@now_option
@digest_option
@json_option
@click.option("--log-memory", "memory", type=read_path, help="File that remembers the log, to notice forks and withdrawals.")
@jobs_option
def status(folder: Path, now_text: str | None, expect: str | None, memory: Path | None, jobs: int | None) -> None:
    """Say whether the standstill in a publication FOLDER holds. Exit 0: it holds; 1: it does not; 3: undecided; 2: unreadable."""
    from claims.status.compute import compute

    doing("checking claims and log")
    state = compute(folder, now=moment(now_text), memory=memory, expect=digest_of(expect), jobs=jobs_of(jobs))
    report(state.lines(), state.to_json())
    sys.exit(EXITS[state.holds])


@cli.group()
def decision() -> None:
    """Decisions of those whom an agreement names: that its pause is lifted, or triggered."""


@decision.command("make")
@click.argument("path", metavar="FILE", type=read_path)
@agreement_argument
@click.option("--kind", type=click.Choice(["lift", "trigger"]), required=True, help="What is decided.")
@click.option("--effective", required=True, help="From when on: RFC 3339 time or Unix seconds.")
@click.option("--reason", required=True, help="Text for people.")
def decision_make(path: Path, agreement_path: Path, kind: str, effective: str, reason: str) -> None:
    """Write an unsigned decision to a new FILE."""
    from claims.base import clock
    from claims.base.files import write_new
    from claims.base.units import format_time
    from claims.decisions.file import Decision

    terms = load_terms(agreement_path)
    if terms.pause is None:
        raise ClaimsError("the agreement names nobody who decides", "it needs [pause] deciders and quorum")
    when = moment(effective)
    if when >= terms.period_span(terms.periods - 1)[1]:
        end = format_time(terms.period_span(terms.periods - 1)[1])
        raise ClaimsError(f"the agreement ends at {end}, and the decision would begin at {format_time(when)}", "correct --effective")
    write_new(path, Decision(terms.digest, kind, when, reason).encode())
    if when < clock.now():
        out(f"it states a moment that has passed, {format_time(when)}")
    out(f"{path}: {terms.pause.quorum} of {', '.join(terms.pause.deciders)} must sign")


@decision.command("sign")
@click.argument("path", metavar="FILE", type=read_path)
@agreement_argument
@key_options
@state_option
@yes_option
def decision_sign(path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, yes: bool) -> None:
    """Add a decider's signature to FILE; where the agreement has a log, also write the decider's entry: FILE-DECIDER.entry."""
    from claims.base.files import one_at_a_time, read_bounded, write_atomic
    from claims.base.keys import public_bytes
    from claims.base.units import format_time
    from claims.claim.entries import write_entry
    from claims.decisions.file import DECISION_LIMIT, Decision, decision_entry, sign_decision
    from claims.lab.amended import signed_by
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    known = load_book(agreement_path)
    terms = known.now
    item = Decision.decode(read_bounded(path, DECISION_LIMIT))
    key = load_key(key_name, passphrase_file)
    sign_decision(key, item, terms, known.every)  # refused before anything is asked
    for period, digest in signed_by(terms, public_bytes(key), state_folder()):
        if item.effective >= terms.period_span(period)[0]:
            begin = format_time(terms.period_span(period)[0])
            out(f"this counts for nothing if {digest.hex()} is in force, which you signed and which counts from {begin} on", err=True)
    confirm_signing(item.lines(), yes=yes)
    decider = next(party.name for party in terms.parties if party.key == public_bytes(key))
    entry, word = path.with_name(f"{path.stem}-{decider}.entry"), decision_entry(item, decider, key)
    with signing_alone(public_bytes(key), f"party {decider}", state_folder()) as journal:
        journal.add(of_entry(word))
    if terms.log is not None:
        write_entry(entry, word, terms)
    with one_at_a_time(path):  # another decider may sign at this moment
        now = Decision.decode(read_bounded(path, DECISION_LIMIT))
        if replace(now, signatures={}) != replace(item, signatures={}):
            raise ClaimsError(f"{path} has become another decision since it was shown", "sign it again")
        signed = sign_decision(key, now, terms, known.every)
        write_atomic(path, signed.encode())
    out("\n".join(signed.lines()))
    if terms.log is not None:
        out(f"it counts from when the log has the entries of {terms.pause.quorum if terms.pause else 0} deciders; publish yours:")
        out(f"standstill log append LOG {entry}")


@decision.command("check")
@click.argument("path", metavar="FILE", type=read_path)
@agreement_argument
@json_option
def decision_check(path: Path, agreement_path: Path) -> None:
    """Check FILE; exit 0 only when enough deciders have signed it. Whether and from when on it counts, ``standstill status`` says."""
    from claims.base.files import read_bounded
    from claims.decisions.file import DECISION_LIMIT, Decision

    item = Decision.decode(read_bounded(path, DECISION_LIMIT))
    keys = load_book(agreement_path)
    terms = keys.agreement
    try:
        item.check(terms, keys.every)
    except BadSignature as error:
        raise ClaimRejected("decision", error.what) from None
    later = [] if terms.log is None else ["NOT CHECKED: that the log has it, from which date it counts (standstill status)"]
    value = {"agreement": item.agreement.hex(), "decision": item.decision, "effective": item.effective}
    report([*item.lines(), *later], value | {"signed_by": sorted(item.signatures)})
