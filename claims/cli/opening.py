"""Commands that open what was drawn, check it and record the outcome; ``claims.cli.inspect`` puts them into its group."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.text import counted
from claims.base.token_uri import KeyName
from claims.cli.carry import carried, carry_option
from claims.cli.genesis import load_genesis, load_verified, round_option
from claims.cli.group import (
    agreement_argument,
    json_option,
    key_options,
    key_type,
    load_key,
    load_terms,
    opened_store,
    out,
    period_option,
    read_path,
    report,
    store_option,
)
from claims.cli.state import signing_store, state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.file import Claim
    from claims.inspection.check import CheckedOpening
    from claims.inspection.draw import Drawn
    from claims.inspection.file import Opening
    from claims.inspection.record import Record
    from claims.tlog.reader import LogView

__all__ = [
    "COMMANDS", "Inspection", "claim_option", "dated", "draw_options", "drawn_by_log", "lab_option", "lost_by_claim", "memory_option",
    "open_view",
]  # fmt: skip

lab_option = click.option("--lab", "lab_name", required=True, help="Lab of the agreement.")
log_option = click.option("--log", "log_source", required=True, help="The agreement's public log: a folder or an https URL.")
memory_option = click.option("--log-memory", type=read_path, help="What you saw of the log before: a fork or rewind is rejected.")
inspector_option = click.option("--inspector", required=True, help="The party that inspects.")
earlier_option = click.option(
    "--previous-agreement", "earlier", type=read_path, multiple=True, help="An amended agreement, for checkpoints of its time; repeat."
)


def claim_option(*, required: bool = False) -> Callable[..., Any]:
    """The option that gives the lab's claim of the period."""
    text = "The lab's claim of the period, the file that the log names: it says what is lost."
    return click.option("--claim", "claim_path", type=read_path, required=required, help=text)


folder_option = click.option("--out", "-o", "folder", type=read_path, default=Path(), help="Folder for the record. [default: this one]")


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


DRAW_OPTIONS = (agreement_argument, period_option, round_option, log_option, memory_option)
draw_options = _options(*DRAW_OPTIONS)
"""Options of a command that recomputes a draw."""


@dataclass(frozen=True)
class Inspection:
    """A draw, recomputed from agreement, log and round; and the log it came from."""

    terms: Agreement
    drawn: Drawn
    view: LogView


def open_view(terms: Agreement, lab: str, log_source: str, log_memory: Path | None) -> LogView:
    """The agreement's log, verified, without the lab's own cosignatures; compared with what was seen before."""
    from claims.cli.log import open_compared, rejecting
    from claims.verify.log import log_trust

    with rejecting(None, log_memory):
        return open_compared(log_source, log_trust(terms), (lab,), log_memory)


@contextmanager
def dated() -> Iterator[None]:
    """Turn a log that dates no commitment into exit code 1."""
    from claims.tlog.errors import LogError

    try:
        yield
    except LogError as error:
        raise ClaimRejected("log", str(error)) from None


def drawn_by_log(
    terms: Agreement, lab: str, period: int, round_source: str, log_source: str, log_memory: Path | None,
    lost: Callable[[LogView], Mapping[str, int]] = lambda _: {},
) -> Inspection:  # fmt: skip
    """Recompute a draw. ``lost``: what is lost in the period.

    Raises ClaimRejected when the log does not show the commitments, or the round is not the eligible one.
    """
    from claims.inspection.draw import draw_committed, load_round, terms_of

    terms_of(terms)
    given = load_round(round_source)
    view = open_view(terms, lab, log_source, log_memory)
    with dated():
        return Inspection(terms, draw_committed(terms, lab, period, given, view, lost(view)), view)


# ---- lab -------------------------------------------------------------------------------------------------


@click.command("open")
@store_option
@draw_options
@click.option("--to", required=True, help="The inspector: a party that is not this lab.")
@click.option("--joules", type=read_path, help="Folder with the joules that the holders of power feeds gave the lab.")
@click.option("--part", "parts", type=read_path, multiple=True, help="What a site opened (standstill building open); repeat.")
@earlier_option
@key_options
@state_option
@click.option("--out", "-o", "target", type=read_path, help="New file, mode 0600. [default: LAB-PERIOD-INSPECTOR.opening]")
@carry_option
def inspect_open(
    store_path: Path, agreement_path: Path, period: int, round_source: str, log_source: str, log_memory: Path | None, to: str,
    joules: Path | None, parts: tuple[Path, ...], earlier: tuple[Path, ...], key_name: KeyName, passphrase_file: Path | None,
    target: Path | None, carry_key: Path | None,
) -> None:  # fmt: skip
    """For the lab: open exactly what the round drew, to one inspector. The file is private and never published."""
    from claims.base.files import write_new
    from claims.inspection.open import make_opening
    from claims.inspection.part import PART_LIMIT, OpeningPart
    from claims.lab.journal import of_registry_head
    from claims.lab.losses import lost_in
    from claims.lab.opening import StoreMaterial
    from claims.lab.signing import releasing

    terms = load_terms(agreement_path)
    key = load_key(key_name, passphrase_file)
    with opened_store(store_path) as store:
        lab = store.lab
        drawn = drawn_by_log(
            terms, lab, period, round_source, log_source, log_memory, lambda _: lost_in(store, terms, period)
        ).drawn
        opened = [OpeningPart.decode(carried(path, PART_LIMIT, carry_key)) for path in parts]
        opening = make_opening(terms, drawn, StoreMaterial(store, terms, joules), to, key, opened)
        with signing_store(store, terms) as journal:
            journal.add(of_registry_head(terms.digest, lab, period, opening.binding.head, opening.binding.lists))
        releasing(store, terms, state_folder())
    target, data = target or Path(f"{lab}-{period}-{to}.opening"), opening.encode()
    write_new(target, data, 0o600)
    out(f"{target}: {counted(len(opening.readings), 'reading')} and {counted(len(opening.slots), 'slot')}, {len(data)} bytes")
    _warn(terms, opening, earlier)
    out(f"Only for {to}: send it so that nobody else can read it, and never publish it.{_by(terms, drawn)}")


def _warn(terms: Agreement, opening: Opening, earlier: tuple[Path, ...]) -> None:
    """Tell the lab what the inspector will find by the files alone."""
    from claims.inspection.check import OpeningRejected
    from claims.inspection.outside import check_externals
    from claims.inspection.power import check_power

    try:
        check_power(terms, opening, ())
        check_externals(terms, opening, map(load_terms, earlier))
    except OpeningRejected as error:
        out(f"The inspector will record a failure ({error.code}): {error.what}.", err=True)
    except ClaimsError as error:
        out(f"NOT CHECKED: {error.what}; {error.hint}.", err=True)


def _by(terms: Agreement, drawn: Drawn) -> str:
    from claims.base.units import format_time
    from claims.inspection.record import opening_deadline

    return "" if terms.deadlines is None else f" It is due by {format_time(opening_deadline(terms, drawn.round.number))}."


# ---- inspector -------------------------------------------------------------------------------------------


@click.command("check")
@click.argument("opening_path", metavar="OPENING", type=read_path)
@_options(lab_option, *DRAW_OPTIONS, inspector_option)
@click.option("--genesis", "shown", type=(read_path, str), multiple=True, metavar="FILE ROUND", help="A genesis the lab shows; repeat.")
@claim_option()
@earlier_option
@click.option("--finding", type=click.Choice(["agrees", "differs", "genesis"]), help="What the site showed: it is recorded.")
@click.option("--key", "-k", "key_name", type=key_type, help="The inspector's private key, a file or pkcs11:...: write the record.")
@click.option("--passphrase-file", type=read_path, help="First line: the key's passphrase.")
@state_option
@folder_option
@json_option
def inspect_check(
    opening_path: Path, lab_name: str, agreement_path: Path, period: int, round_source: str, log_source: str,
    log_memory: Path | None, inspector: str, shown: tuple[tuple[Path, str], ...], claim_path: Path | None, earlier: tuple[Path, ...],
    finding: str | None, key_name: KeyName | None, passphrase_file: Path | None, folder: Path,
) -> None:  # fmt: skip
    """For the inspector: check an opening against log and agreement, print what to compare on site, record the outcome.

    Without --finding nothing is recorded yet. An opening that the lab signed and that does not show what was drawn is recorded
    as failed at once, where --key is given. A file that the lab did not sign for this inspection counts for nothing.
    """
    from claims.base.files import read_bounded
    from claims.inspection.check import OpeningRejected, check_opening
    from claims.inspection.file import Opening, fed_readings, opening_limit
    from claims.inspection.outside import check_externals
    from claims.inspection.power import check_power
    from claims.inspection.record import FAILURES
    from claims.inspection.report import site_lines

    if finding is not None and key_name is None:
        raise click.UsageError("--finding is recorded: it needs --key")
    terms = load_terms(agreement_path)
    key = None if key_name is None else load_key(key_name, passphrase_file)
    inspection = drawn_by_log(
        terms, lab_name, period, round_source, log_source, log_memory, lambda view: lost_by_claim(terms, lab_name, period, view, claim_path)
    )
    agreed = terms.lab(lab_name)
    limit = opening_limit(inspection.drawn, agreed.meters, len(agreed.sites), fed_readings(terms, inspection.drawn))
    data = read_bounded(opening_path, limit)
    heads = None
    try:
        checked = check_opening(terms, inspection.drawn, Opening.decode(data), inspector)
        _check_claim(inspection, checked.opening, claim_path, folder)
        heads = checked.opening.binding.digest
        check_power(terms, checked.opening, inspection.drawn.committed.unconfirmed)
        check_externals(terms, checked.opening, map(load_terms, earlier))
    except OpeningRejected as error:
        if error.code not in FAILURES:
            out("Nothing shows that the lab made this file for this inspection: nothing is recorded. Ask for another.", err=True)
        elif key is not None and _named_claim(terms, lab_name, period, inspection.view, claim_path) is None:
            out("Nothing is recorded: what the claim lists as lost decides what is opened. Give the claim that the log names.", err=True)
        elif key is not None:
            out(_record(inspection, inspector, key, data, (error.code,), heads, folder), err=True)
        raise
    lines = site_lines(terms, checked, _seeds(terms, checked, shown))
    said = "Nothing is recorded yet: compare, then run this again with --key and --finding."
    if finding is not None:
        failures = {"agrees": (), "differs": ("site",), "genesis": ("genesis",)}[finding]
        said = _record(inspection, inspector, key, data, failures, checked.opening.binding.digest, folder)
    value = {"lab": lab_name, "period": period, "round": inspection.drawn.round.number, "inspector": inspector, "finding": finding}
    report([*lines, "", said], value | {"compare": lines})


def _named_claim(terms: Agreement, lab: str, period: int, view: LogView, path: Path | None) -> Claim | None:
    """The claim that the log names, from a file; None where none is given, or named. Raises ClaimsError for another one's file."""
    from claims.base.files import CLAIM_LIMIT, read_bounded
    from claims.claim.file import decode_claim
    from claims.claim.published import PublishedEntries

    logged = PublishedEntries(terms, enumerate(view.entries)).claim(lab, period)
    if path is None or logged is None:
        return None
    data = read_bounded(path, CLAIM_LIMIT)
    if logged[0].claim != hashlib.sha256(data).digest():
        raise ClaimsError(f"{path} is not the claim that the log names", "get the published file")
    return decode_claim(data)


def lost_by_claim(terms: Agreement, lab: str, period: int, view: LogView, path: Path | None) -> Mapping[str, int]:
    """What the claim that the log names lists as lost; nothing where none is given. Raises ClaimsError for another one's file."""
    from claims.claim.losses import lost_meters

    claim = _named_claim(terms, lab, period, view, path)
    return {} if claim is None else lost_meters(terms, claim)


def _check_claim(inspection: Inspection, opening: Opening, path: Path | None, folder: Path) -> None:
    """Compare the opening with the claim that the log names; two heads under one key become evidence files."""
    from claims.base.files import write_once
    from claims.claim.evidence import counts
    from claims.claim.published import PublishedEntries
    from claims.inspection.check import OpeningRejected, check_claim_heads, equivocations

    terms = inspection.terms
    published = PublishedEntries(terms, enumerate(inspection.view.entries))
    claim = _named_claim(terms, opening.lab, opening.period, inspection.view, path)
    if claim is None:
        raise ClaimsError("the log has the lab's claim of this period", "give its file with --claim: it must have the same heads")
    try:
        check_claim_heads(opening, claim)
    except OpeningRejected:
        for item in equivocations(opening, claim):
            try:
                if not counts(item, published.keys):
                    continue
            except BadSignature:
                continue
            place = folder / f"{opening.lab}-{item.meter or 'registry'}-{opening.period}.evidence"
            write_once(place, item.encode())
            out(f"{item.text}: {place} shows it to anyone", err=True)
        raise


def _seeds(terms: Agreement, checked: CheckedOpening, shown: tuple[tuple[Path, str], ...]) -> dict[bytes, bytes]:
    """Seeds of the geneses that the lab shows, by commitment."""
    from claims.inspection.genesis import check_genesis

    seeds = {}
    for path, source in shown:
        made = load_genesis(path)
        slot = next((s.opening.slot for s in checked.opening.slots if s.opening.slot.genesis_commitment == made.commitment), None)
        if slot is None:
            raise ClaimRejected("genesis", f"{path}: no opened slot has its commitment; if the lab has no other, --finding genesis")
        seeds[made.commitment] = check_genesis(terms, slot, load_verified(source), made.nonce, made.config)
    return seeds


@click.command("refuse")
@_options(lab_option, *DRAW_OPTIONS, inspector_option)
@key_options
@state_option
@folder_option
def inspect_refuse(
    lab_name: str, agreement_path: Path, period: int, round_source: str, log_source: str, log_memory: Path | None, inspector: str,
    key_name: KeyName, passphrase_file: Path | None, folder: Path,
) -> None:  # fmt: skip
    """For the inspector: record that no opening came by the deadline."""
    terms = load_terms(agreement_path)
    key = load_key(key_name, passphrase_file)
    drawn = drawn_by_log(terms, lab_name, period, round_source, log_source, log_memory)
    out(_record(drawn, inspector, key, None, (), None, folder))


def _record(
    inspection: Inspection, inspector: str, key: Any, opening: bytes | None, failures: tuple[str, ...], heads: bytes | None,
    folder: Path,
) -> str:  # fmt: skip
    """Write record and log entry; returns what to say. Refuses where the log holds another record of this inspection by this inspector."""
    from claims.base.files import write_once
    from claims.claim.entries import write_entry
    from claims.claim.entry_kinds import InspectionEntry
    from claims.claim.published import PublishedEntries
    from claims.inspection.record import make_record, record_entry
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    terms, drawn = inspection.terms, inspection.drawn
    record = make_record(terms, drawn, inspector, key, opening, failures, heads=heads, now=int(time.time()))
    stem = folder / f"{inspector}-{record.lab}-{record.period}"
    record = _signed_before(Path(f"{stem}.record"), record, terms) or record
    entry = record_entry(record, key)
    published = PublishedEntries(terms, enumerate(inspection.view.entries))
    for other, index in published.inspections(record.lab, record.period):
        if (other.author, other.round) == (inspector, record.round) and other.record != entry.record:
            raise ClaimsError(f"log entry {index} is another record of this inspection by {inspector}", "two contradict: keep the first")
    before = any(isinstance(item, InspectionEntry) for item in published.by(inspector))
    with signing_alone(terms.party(inspector).key, f"party {inspector}", state_folder(), lambda: before) as journal:
        journal.add(of_entry(entry))
        write_once(f"{stem}.record", record.encode())  # before the journal is synced: its signature is what the entry is about
    write_entry(f"{stem}.entry", entry, terms)
    return f"{record.outcome}: {stem}.record and .entry written; publish them: standstill log append LOG {stem}.entry"


def _signed_before(path: Path, record: Record, terms: Agreement) -> Record | None:
    """The same record as it was signed before; ML-DSA signs otherwise each time."""
    from claims.base.files import read_bounded
    from claims.inspection.record import RECORD_LIMIT, Record, check_record

    try:
        held = Record.decode(read_bounded(path, RECORD_LIMIT))
        check_record(held, terms)
    except ClaimsError:
        return None
    return held if replace(held, signature=b"") == replace(record, signature=b"") else None


COMMANDS = (inspect_open, inspect_check, inspect_refuse)
"""The commands of this module, for the group ``standstill inspect``."""
