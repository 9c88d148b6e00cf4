"""``standstill allowance``: a part of one lab's total cap of a period goes to another lab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.token_uri import KeyName
from claims.cli.group import (  # fmt: skip
    agreement_argument,
    cli,
    confirm_signing,
    json_option,
    key_options,
    load_key,
    load_terms,
    out,
    period_option,
    read_path,
    report,
    yes_option,
)
from claims.cli.opening import log_option, memory_option
from claims.cli.state import state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.entry_kinds import TransferEntry

__all__ = ["allowance"]


@cli.group()
def allowance() -> None:
    """Give a part of a lab's total cap of a period to another lab, before the period begins."""


@allowance.command("accept")
@agreement_argument
@click.option("--from", "giver", required=True, help="The lab that gives.")
@click.option("--to", "receiver", required=True, help="The lab that receives, and signs here.")
@period_option
@click.option("--amount", required=True, help='Work, as in "1e24 FLOP": a whole number of 10^12 FLOP.')
@click.option("--serial", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="The giver's number for it; one for each.")
@key_options
@click.option("--out", "-o", "target", type=read_path, help="New file for the giver. [default: FROM-TO-PERIOD-SERIAL.allowance]")
@yes_option
def allowance_accept(
    agreement_path: Path, giver: str, receiver: str, period: int, amount: str, serial: int, key_name: KeyName,
    passphrase_file: Path | None, target: Path | None, yes: bool,
) -> None:  # fmt: skip
    """For the receiver: agree to a transfer. The file goes to the giver, who may publish it or not."""
    from dataclasses import replace

    from claims.base.files import write_new
    from claims.base.units import WORK_UNIT, flop_from_text
    from claims.claim.allowance_file import encode_allowance
    from claims.claim.entry_kinds import TransferEntry

    terms, key = load_terms(agreement_path), load_key(key_name, passphrase_file)
    units = flop_from_text(amount, rate=False) / WORK_UNIT
    if units.denominator != 1 or not 1 <= units < 2**64:
        raise ClaimsError(f"{amount!r} is not a whole number of 10^12 FLOP, from 1 to 2^64 - 1", "both labs' caps change by exactly that")
    entry = TransferEntry(terms.digest, giver, receiver, period, serial, int(units))
    _check_terms(terms, entry)
    if key.public_key().public_bytes_raw() != terms.party(receiver).key:
        raise ClaimsError(f"this key is not lab {receiver}'s", "sign with the lab's party key")
    confirm_signing(_words(entry), yes=yes)
    target = target or Path(f"{giver}-{receiver}-{period}-{serial}.allowance")
    write_new(target, encode_allowance(replace(entry, accepted=key.sign(entry.acceptance))))
    out(f"{target}: lab {giver} signs it (standstill allowance give {target}), and has it in the log before period {period} begins")


@allowance.command("give")
@click.argument("source", metavar="FILE", type=read_path)
@agreement_argument
@key_options
@state_option
@click.option("--out", "-o", "target", type=read_path, help="New file for the log entry. [default: FILE with .entry]")
@yes_option
def allowance_give(
    source: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, target: Path | None, yes: bool
) -> None:
    """For the giver: sign a transfer that the receiver accepted, as an entry of the log. It cannot be taken back once it is there."""
    from claims.base.files import SMALL_LIMIT, read_bounded
    from claims.claim.allowance_file import decode_allowance
    from claims.claim.entries import check_entry, sign_entry, write_entry
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    terms, key = load_terms(agreement_path), load_key(key_name, passphrase_file)
    offered = decode_allowance(read_bounded(source, SMALL_LIMIT))
    _check_terms(terms, offered)
    entry = sign_entry(key, offered)
    try:
        check_entry(entry, terms)
    except (ClaimRejected, BadSignature) as error:
        raise ClaimsError(error.what, error.hint) from None
    confirm_signing(_words(entry), yes=yes)
    with signing_alone(terms.party(entry.giver).key, f"party {entry.giver}", state_folder()) as journal:
        journal.add(of_entry(entry))
    target = target or source.with_suffix(".entry")
    write_entry(target, entry, terms)
    out(f"{target}: publish it (standstill log append LOG {target}), and have it cosigned before period {entry.period} begins")


def _check_terms(terms: Agreement, entry: TransferEntry) -> None:
    """What would be void, or too late, is not signed."""
    from claims.base import clock
    from claims.base.units import format_time, format_work

    if entry.agreement != terms.digest:
        raise ClaimsError("the transfer is about another agreement", "use the agreement that it was accepted under")
    if terms.log is None:
        raise ClaimsError("the agreement has no [log], which dates transfers", "amend it, or leave the caps as they are")
    begin = terms.period_span(entry.period)[0]
    if clock.now() >= begin:
        what = f"period {entry.period} began at {format_time(begin)}: a transfer counts only where the log had it before"
        raise ClaimsError(what, "transfer for a later period")
    giver, receiver = terms.lab(entry.giver), terms.lab(entry.receiver)
    if entry.amount > giver.caps_at(entry.period).total:
        raise ClaimsError(f"lab {giver.name} has a total of {format_work(giver.caps_at(entry.period).total)}", "give less")
    if receiver.ceiling is None or receiver.caps_at(entry.period).total + entry.amount > receiver.ceiling:
        limit = "has no ceiling" if receiver.ceiling is None else f"has the ceiling {format_work(receiver.ceiling)}"
        raise ClaimsError(f"lab {receiver.name} {limit}", "a transfer that lifts it above counts for nothing: agree on a higher one")


def _words(entry: TransferEntry) -> list[str]:
    from claims.base.units import format_work

    amount = format_work(entry.amount)
    return [
        f"lab {entry.giver} gives lab {entry.receiver} {amount} of its total for period {entry.period} (serial {entry.serial})",
        f"agreement {entry.agreement.hex()}",
        "It counts whole or not at all, if the log's cosigners, without these two and the operator, have seen it before the period begins.",
    ]


@allowance.command("list")
@agreement_argument
@period_option
@log_option
@memory_option
@json_option
def allowance_list(agreement_path: Path, period: int, log_source: str, log_memory: Path | None) -> None:
    """Transfers for a period that the log has, which of them count, and what each lab's total cap becomes."""
    from claims.base.units import format_work
    from claims.claim.allowances import counting_total, transfers_of
    from claims.claim.published import PublishedEntries
    from claims.cli.log import open_compared, rejecting
    from claims.verify.log import allowance_dates, log_trust

    terms = load_terms(agreement_path)
    with rejecting(None, log_memory):
        view = open_compared(log_source, log_trust(terms), (), log_memory)
    transfers = transfers_of(PublishedEntries(terms, enumerate(view.entries)), period, allowance_dates(view, terms))
    labs = [lab for lab in terms.labs if period >= terms.first_period_of(lab.name)]
    totals = {lab.name: (lab.caps_at(period).total, counting_total(terms, lab.name, period, transfers)) for lab in labs}
    lines = [f"entry {item.index:<6} {item.text}: {item.state}" for item in transfers] or ["no transfer for this period"]
    for name, (agreed, now) in totals.items():
        lines.append(f"lab {name:<8} total {format_work(now)}" + ("" if now == agreed else f", agreed {format_work(agreed)}"))
    lines.append(f"caps of all labs together  {format_work(sum(agreed for agreed, _ in totals.values()))}")
    rows = [
        {
            "index": item.index, "giver": item.entry.giver, "receiver": item.entry.receiver, "serial": item.entry.serial,
            "amount": format_work(item.entry.amount), "entry": item.digest.hex(), "counts": item.counts, "state": item.state,
        }
        for item in transfers
    ]  # fmt: skip
    value = {name: {"agreed": format_work(agreed), "total": format_work(now)} for name, (agreed, now) in totals.items()}
    report(lines, {"period": period, "transfers": rows, "labs": value})
