"""What can seal no more, and what is back: ``standstill meter lost``, ``inspect back`` and ``meter back``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    ask_to_sign,
    json_option,
    key_options,
    load_key,
    load_terms,
    opened_store,
    period_option,
    read_path,
    report,
    store_option,
)
from claims.cli.inspect import inspect
from claims.cli.meter import meter
from claims.cli.opening import inspector_option, lab_option, log_option, memory_option
from claims.cli.state import signing_store, state_folder, state_option, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.entry_kinds import LossEntry

__all__ = ["inspect_back", "meter_back", "meter_lost"]

_site_option = click.option("--site", is_flag=True, help="NAME is a site: all of its meters.")
_yes_option = click.option("--yes", is_flag=True, help="Do not ask. Without a terminal to ask on, nothing is signed unless this is given.")


@meter.command("lost")
@click.argument("name")
@_site_option
@store_option
@agreement_argument
@key_options
@store_signing_options
@click.option("--from-epoch", "epoch", type=click.IntRange(0, 2**24 - 1), required=True, help="The first epoch that is lost.")
@_yes_option
@click.option("--out", "-o", "target", type=read_path, help="The entry for the log. [default: LAB-lost-NAME-EPOCH.entry]")
@json_option
def meter_lost(
    name: str, site: bool, store_path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, epoch: int, yes: bool,
    target: Path | None,
) -> None:  # fmt: skip
    """Say for good that meter NAME is lost: burnt, stolen, its store or key gone. Signed with the lab's key.

    The first epoch that it has not sealed, or that is not published, is the first lost one: publish the entry in the log before that
    epoch's. From then on the lab publishes epochs and makes claims without it. Each claim charges every chip-second of its period at
    peak, as unattributed work, and lists it as lost. It stays lost until an inspector's entry says that it is back (inspect back), or an
    amendment gives it a new key.
    """
    from claims.claim.entries import decode_entry, write_entry
    from claims.claim.entry_kinds import LossEntry
    from claims.lab.losing import lose

    terms = load_terms(agreement_path)
    key = load_key(key_name, passphrase_file)
    with opened_store(store_path) as store:
        what = f"{'site' if site else 'meter'} {name}"
        lines = (
            f"{what} of lab {store.lab} would be lost from epoch {epoch} on. That cannot be taken back by the lab.",
            "Its claims charge all of its chip-seconds at peak, as unattributed work, and everybody sees that it is lost.",
        )
        ask_to_sign(lines, "if it is lost", yes=yes)
        with signing_store(store, terms):
            entry = decode_entry(lose(store, terms, name, key, epoch, site=site))
        assert isinstance(entry, LossEntry)
        target = target or Path(entry.file_name)
        value = {"lab": store.lab, "meter": None if site else name, "site": name if site else None, "epoch": epoch, "entry": str(target)}
    write_entry(target, entry, terms)
    publish = f": publish it before the entry of epoch {epoch}: standstill log append LOG {target}" if terms.log else ""
    report(f"{target}{publish}", value)


@inspect.command("back")
@click.argument("name")
@_site_option
@lab_option
@agreement_argument
@period_option
@log_option
@memory_option
@inspector_option
@key_options
@state_option
@_yes_option
@click.option("--out", "-o", "target", type=read_path, help="The entry for the log. [default: INSPECTOR-LAB-back-NAME-EPOCH.entry]")
@json_option
def inspect_back(
    name: str, site: bool, lab_name: str, agreement_path: Path, period: int, log_source: str, log_memory: Path | None, inspector: str,
    key_name: KeyName, passphrase_file: Path | None, yes: bool, target: Path | None,
) -> None:  # fmt: skip
    """For the inspector: say for good that the lost meter NAME is back from a period's first epoch on. The lab may seal with it again.

    Look first whether it works and signs with the key in the agreement. The entry counts where the log has it before the lab's entry of
    that epoch, so name a period that has not begun. The lab takes it into its store (meter back), or goes on with the meter as lost.
    """
    from claims.claim.entries import check_entry, sign_entry, write_entry
    from claims.claim.entry_kinds import IS_BACK, LossEntry
    from claims.claim.lists import LOST_METER, LOST_SITE
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    terms, key = load_terms(agreement_path), load_key(key_name, passphrase_file)
    epoch = terms.period_epochs(period)[0]
    what = LOST_SITE if site else LOST_METER
    entry = sign_entry(key, LossEntry(terms.digest, inspector, lab_name, what, name, IS_BACK, epoch))
    try:
        check_entry(entry, terms)
    except (ClaimRejected, BadSignature) as error:
        raise ClaimsError(error.what, error.hint) from None
    ask_to_sign(_back_lines(terms, entry, log_source, log_memory), "if you saw it work", yes=yes)
    with signing_alone(terms.party(inspector).key, f"party {inspector}", state_folder()) as journal:
        journal.add(of_entry(entry))
    target = target or Path(entry.file_name)
    write_entry(target, entry, terms)
    value = {"inspector": inspector, "lab": lab_name, "meter": None if site else name, "site": name if site else None, "epoch": epoch}
    how = f"standstill log append LOG {target}; the lab takes it with standstill meter back"
    report(f"{target}: publish it before the lab's entry of epoch {epoch}: {how}", value | {"entry": str(target)})


def _back_lines(terms: Agreement, entry: LossEntry, source: str, memory: Path | None) -> list[str]:
    """What would be signed. Raises ClaimsError where the log shows that it would count for nothing."""
    from claims.base.units import format_time
    from claims.claim.entry_kinds import IS_LOST, LOST
    from claims.claim.published import PublishedEntries
    from claims.cli.opening import open_view

    published = PublishedEntries(terms, enumerate(open_view(terms, entry.lab, source, memory).entries))
    if published.epoch(entry.lab, entry.epoch, all_=True) is not None:
        what = f"the log has lab {entry.lab}'s entry of epoch {entry.epoch}: to say now what is back from there on counts for nothing"
        raise ClaimsError(what, "name a period that has not begun")
    said = [loss.epoch for loss, _ in published.losses(entry.lab) if (loss.what, loss.name, loss.word) == (entry.what, entry.name, IS_LOST)]
    known = f"The lab said in the log that it is lost from epoch {said[-1]} on." if said else (
        "Under this agreement the log has no word of the lab that it is lost."
    )  # fmt: skip
    return [
        f"{LOST[entry.what]} {entry.name} of lab {entry.lab} would be back from epoch {entry.epoch} on, "
        f"{format_time(terms.epoch_span(entry.epoch)[0])}. That cannot be taken back.",
        known,
        "From then on the lab is charged for what it books to it, no longer in full.",
        f"agreement {terms.digest.hex()}",
    ]


@meter.command("back")
@click.argument("entry_path", metavar="ENTRY", type=read_path)
@store_option
@agreement_argument
@json_option
def meter_back(entry_path: Path, store_path: Path, agreement_path: Path) -> None:
    """Take an inspector's entry that a lost meter or site is back (inspect back): from its epoch on it seals again.

    A building with a store of its own takes it too. The log must have the entry before the lab's entry of that epoch: else the claim of
    that period is rejected.
    """
    from claims.base.files import SMALL_LIMIT, read_bounded
    from claims.claim.entries import decode_entry
    from claims.claim.entry_kinds import LossEntry
    from claims.lab.losing import take_back

    entry = decode_entry(read_bounded(entry_path, SMALL_LIMIT))
    if not isinstance(entry, LossEntry):
        raise ClaimsError(f"{entry_path} is {entry.title}, not of a loss", "an inspector makes it: standstill inspect back")
    with opened_store(store_path) as store:
        try:
            names = take_back(store, load_terms(agreement_path), entry)
        except (ClaimRejected, BadSignature) as error:
            raise ClaimsError(error.what, error.hint) from None
    lines = f"noted: {entry.title}; {', '.join(names)} seals again from there on. Publish the epoch once the log has the inspector's entry"
    report(lines, {"lab": entry.lab, "epoch": entry.epoch, "meters": list(names), "inspector": entry.author})
