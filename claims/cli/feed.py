"""``standstill feed``: for the holder of a power meter that is not the lab's: its key, its records, what it seals and publishes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import BadSignature, ClaimsError, UnreadableFile
from claims.base.text import counted
from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    cli,
    key_options,
    key_type,
    keys_given,
    load_key,
    load_terms,
    out,
    period_option,
    read_path,
)
from claims.cli.meter import stopping
from claims.cli.state import compared_log, state_folder, state_option

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from claims.agreement.model import Agreement
    from claims.agreement.terms import Feed
    from claims.base.hybrid import SigningKey
    from claims.claim.published import PublishedEntries
    from claims.collect.feed import FeedRecords
    from claims.lab.journal import Journal

__all__ = ["feed"]

_records = click.option("--records", type=read_path, help="The feed's private records. [default: FEED.feed]")
_folder = click.option("--out", "-o", "folder", type=read_path, default=Path(), help="Folder for FEED-epoch-N.entry, made if need be.")


@cli.group()
def feed() -> None:
    """Power meters that are not the lab's: their holders record, seal and publish joules."""


def _feed(terms: Agreement, name: str) -> Feed:
    for item in terms.feeds:
        if item.name == name:
            return item
    raise ClaimsError(f"the agreement has no feed {name!r}", "standstill agreement check lists them")


@feed.command("key")
@click.argument("name")
@click.option("--lab", "lab_name", required=True, help="The lab whose chips it feeds.")
@click.option("--holder", required=True, help="The party that reads it.")
@click.option("--meter", "meters", multiple=True, required=True, help="A meter of the lab under it; repeat.")
@click.option("--kind", type=click.Choice(["utility", "building", "rack"]), required=True, help="Where it is measured.")
@click.option("--watts", "watts", type=int, nargs=3, required=True, metavar="BASE IDLE BUSY", help="As in the agreement.")
@click.option("--key", "-k", "key_name", type=key_type, required=True, help="New key: a file, or pkcs11:... on a token.")
@click.option("--passphrase-file", type=read_path, help="First line: the passphrase.")
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the key.")
@click.option("--ed25519", is_flag=True, help="Without a period key: a quantum computer breaks it. [default: ML-DSA-44 signs each period]")
def feed_key(
    name: str, lab_name: str, holder: str, meters: tuple[str, ...], kind: str, watts: tuple[int, int, int], key_name: KeyName,
    passphrase_file: Path | None, no_passphrase: bool, ed25519: bool,
) -> None:  # fmt: skip
    """Make a feed's key and print its [[feed]] table for the agreement."""
    from claims.base.canonical import NAME_RULE, is_name
    from claims.base.keys import public_bytes, public_lines

    for text in (name, lab_name, holder, *meters):
        if not is_name(text):
            raise click.UsageError(f"{text!r} is not a name: {NAME_RULE}")
    public = public_bytes(keys_given(passphrase_file, new=True, no_passphrase=no_passphrase).make(key_name, hybrid=not ed25519))
    listed = ", ".join(f'"{meter}"' for meter in meters)
    base, idle, busy = watts
    out(f'[[feed]]\nname = "{name}"\nlab = "{lab_name}"\nholder = "{holder}"\n{public_lines(public)}\nkind = "{kind}"', exact=True)
    out(f"meters = [{listed}]\nbase_watts = {base}\nidle_watts = {idle}\nbusy_watts = {busy}", exact=True)


@feed.command("record")
@click.argument("name")
@agreement_argument
@_records
@click.option("--csv", "csv_path", type=read_path, help="epoch or time (its begin), and joules or kwh.")
@click.option("--endpoint", "-e", "address", help="A Prometheus exporter with a cumulative energy series.")
@click.option("--series", help="Name of that series.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Which of its series count; repeat. They are added up.")
@click.option("--unit", type=click.Choice(["J", "mJ", "kJ", "Wh", "kWh"]), default="J", show_default=True)
@click.option("--interval", type=click.FloatRange(0.05, 3600), default=10, show_default=True, help="Seconds from poll to poll.")
@click.option("--max-gap", type=click.FloatRange(0.1, 3600), default=60, show_default=True, help="Longest time between samples, s.")
@click.option("--timeout", type=click.FloatRange(0.05, 600), default=5, show_default=True, help="Seconds for the endpoint's answer.")
@click.option("--once", is_flag=True, help="Poll once and end; for a timer that runs it often.")
def feed_record(
    name: str, agreement_path: Path, records: Path | None, csv_path: Path | None, address: str | None, series: str | None,
    labels: tuple[str, ...], unit: str, interval: float, max_gap: float, timeout: float, once: bool,
) -> None:  # fmt: skip
    """Note a feed's joules: epochs of a CSV, or a counter that is polled. An epoch without samples at both its ends is absent."""
    import time

    from claims.collect.errors import PollFailed
    from claims.collect.feed import FeedRecords, read_series, record_csv
    from claims.collect.fetch import Endpoint, fetch
    from claims.imports.exposition import NotExposition, parse_exposition

    if (csv_path is None) == (address is None) or (address is None) != (series is None):
        raise click.UsageError("give either --csv, or --endpoint and --series")
    terms = load_terms(agreement_path)
    agreed, path = _feed(terms, name), records or Path(f"{name}.feed")
    FeedRecords.load(path, terms, agreed)  # what is wrong with them is said before the first poll
    if csv_path is not None:
        with FeedRecords.changing(path, terms, agreed) as found:
            count = record_csv(found, terms, csv_path)
        out(f"{path}: {counted(count, 'epoch')} recorded")
        return
    wanted = dict(label.partition("=")[::2] for label in labels)
    endpoint = Endpoint.of(address or "")
    with stopping() as stop:
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + interval, time.monotonic())
            try:
                asked = time.time()
                values = read_series(parse_exposition(fetch(endpoint, timeout)), series or "", wanted, unit)
                at = int(500 * (asked + time.time()))  # the middle of asking and answer
            except (PollFailed, NotExposition) as error:
                out(f"{endpoint}: {error.what}", err=True)
            else:
                with FeedRecords.changing(path, terms, agreed) as found:
                    found.sample(at, values)
                    decided = found.decide(terms, int(max_gap * 1000))
                for epoch in decided:
                    out(f"epoch {epoch} recorded")
            if once:
                break


def _own(agreed: Feed, key: SigningKey, public: bytes) -> SigningKey:
    """The key, whose public half is this one. Raises ClaimsError for another's key file."""
    if key.public_key().public_bytes_raw() != public:
        raise ClaimsError(f"this key is not feed {agreed.name}'s", "sign with the key whose public half is in its [[feed]]")
    return key


def _journal(found: FeedRecords, agreed: Feed) -> AbstractContextManager[Journal]:
    """The journal of the feed's key, which has to be there if the records have something signed."""
    from claims.lab.journal import Journal, JournalMissing
    from claims.lab.signing import signing_alone

    if next(found.signed(), None) is not None and not Journal.place(state_folder(), agreed.key).exists():
        what = f"feed {agreed.name} has signed, and this machine has no journal of the key that is in force"
        raise JournalMissing(what, f"standstill feed renew {agreed.name} --log LOG")
    return signing_alone(agreed.key, f"feed {agreed.name}", state_folder())


@feed.command("seal")
@click.argument("name")
@agreement_argument
@_records
@key_options
@state_option
def feed_seal(name: str, agreement_path: Path, records: Path | None, key_name: KeyName, passphrase_file: Path | None) -> None:
    """Sign what is recorded of epochs that are over, for the log. A sealed epoch stays as it is."""
    from claims.agreement.over import last_over
    from claims.base.hybrid import curve_half
    from claims.claim.entries import encode_entry, sign_entry
    from claims.claim.entry_kinds import JoulesEntry
    from claims.collect.feed import FeedRecords
    from claims.lab.journal import of_entry

    terms, key = load_terms(agreement_path), load_key(key_name, passphrase_file)
    agreed, path = _feed(terms, name), records or Path(f"{name}.feed")
    curve = _own(agreed, curve_half(key), agreed.key)
    with FeedRecords.changing(path, terms, agreed) as found:
        over = last_over(terms)
        due = sorted(epoch for epoch, item in found.epochs.items() if not item.entry and epoch <= over)
        closed = [epoch for epoch in due if epoch // terms.epochs_per_period in found.periods]
        due = [epoch for epoch in due if epoch not in closed]
        with _journal(found, agreed) as journal:
            for epoch in due:
                entry = sign_entry(curve, JoulesEntry(terms.digest, name, epoch, found.opened(epoch).leaf))
                journal.add(of_entry(entry))
                found.seal(epoch, encode_entry(entry))
    out(f"{name}: {counted(len(due), 'epoch')} sealed" + (f"; {len(closed)} of closed periods are absent for ever" if closed else ""))


@feed.command("close")
@click.argument("name")
@agreement_argument
@period_option
@_records
@key_options
@state_option
def feed_close(name: str, agreement_path: Path, period: int, records: Path | None, key_name: KeyName, passphrase_file: Path | None) -> None:
    """Sign a whole period that is over, with the period key too: what was sealed in it, and nothing else. Once, and for good."""
    from claims.agreement.over import check_over
    from claims.claim.entries import encode_entry, sign_entry
    from claims.claim.entry_kinds import FeedPeriodEntry
    from claims.collect.feed import FeedRecords
    from claims.lab.journal import of_entry

    terms, key = load_terms(agreement_path), load_key(key_name, passphrase_file)
    agreed, path = _feed(terms, name), records or Path(f"{name}.feed")
    if not agreed.period_key:
        raise ClaimsError(f"feed {name} has no period_key in the agreement", "its epochs are all that it signs")
    _own(agreed, key, agreed.whole_key)
    check_over(terms, period)
    first, last = terms.period_epochs(period)
    epochs = range(first, last + 1)
    with FeedRecords.changing(path, terms, agreed) as found:
        left = [epoch for epoch in epochs if epoch in found.epochs and not found.epochs[epoch].entry]
        if left and period not in found.periods:
            raise ClaimsError(f"{counted(len(left), 'epoch')} of period {period} are recorded and not sealed", "seal them first: feed seal")
        with _journal(found, agreed) as journal:
            if period not in found.periods:
                entry = sign_entry(key, FeedPeriodEntry(terms.digest, name, period, found.root(epochs)))
                journal.add(of_entry(entry))
                found.periods[period] = encode_entry(entry)
        sealed = sum(epoch in found.epochs for epoch in epochs)
    out(f"{name}: period {period} closed, with {sealed} of {len(epochs)} epochs; standstill feed publish writes its entry")


@feed.command("renew")
@click.argument("name")
@agreement_argument
@click.option("--log", "log_source", metavar="LOG", required=True, help="The agreement's log, a folder or URL.")
@_records
@key_options
@state_option
def feed_renew(
    name: str, agreement_path: Path, log_source: str, records: Path | None, key_name: KeyName, passphrase_file: Path | None
) -> None:  # fmt: skip
    """After the feed's key changed, or its journal was lost: sign again what the log does not have, and make the journal of the key.

    Each is the same statement. Publish what was signed again: feed publish.
    """
    from claims.base.hybrid import curve_half
    from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
    from claims.claim.entry_kinds import JoulesEntry
    from claims.collect.feed import FeedRecords
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    published = compared_log(load_terms(agreement_path).as_signed, log_source)
    terms, key = published.keys.now, load_key(key_name, passphrase_file)
    agreed, path, count = _feed(terms, name), records or Path(f"{name}.feed"), 0
    _own(agreed, key, agreed.whole_key)
    with FeedRecords.changing(path, terms, agreed) as found, signing_alone(agreed.key, f"feed {name}", state_folder()) as journal:
        check_records(found, published, name)
        for entry in map(decode_entry, list(found.signed())):
            journal.add(of_entry(entry))
            if published.has(entry):
                continue
            try:
                check_entry(entry, terms)
            except BadSignature:
                found.renew(encode_entry(sign_entry(curve_half(key) if isinstance(entry, JoulesEntry) else key, entry)))
                count += 1
    out(f"{name}: {counted(count, 'signature')} made again")


def check_records(found: FeedRecords, published: PublishedEntries, name: str) -> None:
    """Refuse records that lack, or hold otherwise, what the log has of their feed. Raises StoreBehind."""
    from claims.claim.entries import decode_entry, same_word
    from claims.lab.signing import StoreBehind

    held = {entry.identity: entry for entry in map(decode_entry, found.signed())}
    for entry in published.of_feed(name):
        if entry.identity not in held or not same_word(held[entry.identity], entry):
            what = f"the log has {entry.title}, and these records do not: they are older than what was signed, or a copy"
            raise StoreBehind(what, "use the newest records: nothing was signed now")


@feed.command("publish")
@click.argument("name")
@agreement_argument
@_records
@_folder
@click.option("--to", "given", type=read_path, required=True, help="Folder for the lab: FEED-N.joules, private; made if need be.")
def feed_publish(name: str, agreement_path: Path, records: Path | None, folder: Path, given: Path) -> None:
    """Write sealed epochs: entries for `standstill log append`, and for the lab alone the joules.

    The log has to have an entry before the lab's own of that epoch, and the lab its file: else that epoch is absent for ever.
    """
    from claims.base.files import write_once
    from claims.claim.entries import decode_entry, write_entry
    from claims.claim.power import joules_name
    from claims.collect.feed import FeedRecords

    terms = load_terms(agreement_path)
    found = FeedRecords.load(records or Path(f"{name}.feed"), terms, _feed(terms, name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableFile(f"{error.filename}: {error.strerror or error}", "give folders that can be written") from None
    sealed = {epoch: item for epoch, item in sorted(found.epochs.items()) if item.entry}
    for period, entry in sorted(found.periods.items()):
        write_entry(folder / f"{name}-period-{period}.entry", decode_entry(entry), terms)
    for epoch, item in sealed.items():
        write_entry(folder / f"{name}-epoch-{epoch}.entry", decode_entry(item.entry), terms)
        write_once(given / joules_name(name, epoch), found.opened(epoch).encode(), 0o600)
    out(f"{len(sealed)} entries in {folder}: standstill log append LOG {folder}/{name}-epoch-*.entry")
    if found.periods:
        closed = ", ".join(str(period) for period in sorted(found.periods))
        out(f"and of closed periods ({closed}), after all of these: standstill log append LOG {folder}/{name}-period-*.entry")
    out(f"{given}: for lab {_feed(terms, name).lab} alone, so that nobody else can read it")
