"""Commands for what is committed while a period runs: meters seal epochs, labs publish them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError, UnreadableFile
from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    cli,
    clock_option,
    json_option,
    key_options,
    load_agreed,
    load_key,
    load_terms,
    opened_store,
    out,
    read_path,
    report,
    store_option,
    unsigned_option,
)
from claims.cli.meter_keys import MeterKeys, meters_options
from claims.cli.screen import doing
from claims.cli.state import signing_store, signing_stores, state_folder, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.entry_kinds import LossEntry
    from claims.lab.store import Store

__all__ = ["epoch"]

TOGETHER = 256
"""Meters whose journals are held at one time."""

through_option = click.option(
    "--through", type=click.IntRange(0, 2**24 - 1), metavar="EPOCH", help="The last one. [default: the last that is over]"
)


@cli.group()
def epoch() -> None:
    """What meters sign and labs publish of every epoch, once it is over."""


def _through(store: Store, agreement: Agreement, asked: int | None) -> int:
    """The last epoch to treat; refuses one that is not over, or in which an amendment counts. What the lab's key signed is learned."""
    from claims.agreement.over import NotOver, last_over
    from claims.lab.amended import check_amended, last_to_seal, learn

    learn(store, agreement, state_folder())
    over = last_over(agreement)
    due = agreement.first_period * agreement.epochs_per_period if asked is None else asked
    if due > over:
        raise NotOver(f"epoch {due} is not over", "a meter signs an epoch after its end; check the clock and the agreement's start")
    if asked is not None:
        check_amended(store, agreement, asked // agreement.epochs_per_period)
    return last_to_seal(store, agreement) if asked is None else asked


def _end(store: Store, agreement: Agreement, asked: int | None, line: str, value: object) -> None:
    """Report what was done; refuse to end well while epochs are over that another agreement counts."""
    from claims.agreement.over import last_over
    from claims.lab.amended import Amended, check_amended

    try:
        if asked is None:
            check_amended(store, agreement, last_over(agreement) // agreement.epochs_per_period)
    except Amended:
        out(line, err=True)
        raise
    report(line, value)


@epoch.command("seal")
@meters_options
@store_option
@agreement_argument
@store_signing_options
@through_option
@clock_option
@unsigned_option
@click.option("--joules", type=read_path, help="Folder with what the holders of power feeds gave: the books must account for it.")
@json_option
def epoch_seal(
    meters: MeterKeys, store_path: Path, agreement_path: Path, through: int | None, clock_is_right: bool, unsigned: bool,
    joules: Path | None,
) -> None:  # fmt: skip
    """Cover each meter's epochs with readings, commit to them, and sign. In order; a sealed epoch takes no more usage.

    Never asks. Refuses to begin under an agreement that not all have signed, by the .sigs beside it.
    Refuses to seal more than 3 days as idle after the newest row and the newest sealed epoch of the store: a clock that
    is ahead would do that. With --joules, refuses an hour of which a power feed shows more than its idle and busy chips account
    for: an inspection that drew it would fail.
    """
    from claims.lab.amended import learn
    from claims.lab.closing import check_assent, check_evidence, check_sealed, next_epoch, not_amended
    from claims.lab.feeds import check_joules
    from claims.lab.meter import seal_through

    terms, missing = load_agreed(agreement_path)
    if missing:
        out(f"NOT SIGNED by {', '.join(missing)}: what is sealed under this agreement counts under no other", err=True)
    with opened_store(store_path) as store:
        learn(store, terms, signed=not missing)
        last = _through(store, terms, through)
        names = meters.chosen(store, terms, last)
        loaded = meters.load(store, terms, names)
        for name in names:
            if not unsigned:
                check_assent(store, terms, name, missing)
            if (doubt := not_amended(store, terms, name)) is not None:
                out(doubt, err=True)
        if not clock_is_right:
            check_evidence(store, terms, names, last)
        if joules is not None:
            check_joules(store, terms, names, last, joules)
        starts = {name: next_epoch(store, terms, name) for name in names}
        for name, start in starts.items():
            if start > last:
                check_sealed(store, terms, name, last)
        with _saying(lambda: _done(f"{names[0]}:", starts[names[0]], next_epoch(store, terms, names[0]) - 1, "sealed")
                     if len(names) == 1 else _sealed_through(store, terms, names, last)):  # fmt: skip
            step = TOGETHER if meters.ring is None else len(names)
            for at in range(0, len(names), step):
                doing("sealing", at / len(names) if at else -1)
                with signing_stores(store, terms, names[at : at + step], ring=meters.ring is not None):
                    seal_through(store, terms, loaded[at : at + step], last)
        sealed = {name: [*range(start, last + 1)] for name, start in starts.items()}
        if len(names) == 1:
            (name, start), = starts.items()
            line = f"{name}: {_span(start, last)} sealed" if start <= last else f"{name}: sealed through epoch {last} before"
            _end(store, terms, through, line, {"lab": store.lab, "meter": name, "sealed": sealed[name], "through": last})
        else:
            line = f"{sum(map(bool, sealed.values()))} of {len(names)} meters: epochs through {last} sealed; the others were before"
            _end(store, terms, through, line, {"lab": store.lab, "sealed": sealed, "through": last})


def _sealed_through(store: Store, terms: Agreement, names: list[str], last: int) -> str:
    from claims.lab.closing import next_epoch

    done = sum(next_epoch(store, terms, name) > last for name in names)
    return f"{done} of {len(names)} meters are sealed through epoch {last}, and kept"


def _published(store: Store, first: int) -> int:
    """The last epoch that the lab has published; ``first - 1`` when there is none."""
    through = store.published_through()
    return first - 1 if through is None else through


@contextlib.contextmanager
def _saying(done: Callable[[], str]) -> Iterator[None]:
    """Where a loop over epochs stops in the middle, say how far it came."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ClaimsError):
            out(f"stopped: {done()}; run it again to go on", err=True)
        raise


def _done(who: str, first: int, last: int, what: str) -> str:
    return f"{who} {_span(first, last)} {what} and kept" if first <= last else f"{who} nothing {what}"


def _span(first: int, last: int) -> str:
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def _feeds(store: Store, terms: Agreement, joules: Path | None) -> Callable[[int], bytes | None]:
    """What the lab says of its power feeds in an epoch's entry, or None while it waits for them; names those that are lacking."""
    from claims.cli.state import compared_log, log_given
    from claims.lab.feeds import hot_feeds, lacking_feeds, said_of_feeds

    lab = store.lab
    if not terms.feeds_of(lab):
        return lambda _: b""
    source = log_given()
    if source is None or joules is None:
        what = "the agreement has power feeds, and each epoch's entry says whether their joules came"
        raise ClaimsError(what, "give the folder with what their holders gave (--joules), and the log (--log)")
    published = compared_log(terms, source)

    def said(epoch: int) -> bytes | None:
        lacking = lacking_feeds(terms, lab, epoch, joules, published)
        hot = hot_feeds(store, terms, epoch, joules)
        bits = said_of_feeds(terms, lab, epoch, lacking, wait=bool(hot))
        for name in hot.keys() - set(lacking):
            what = "an inspection that draws it will fail. If its figure is wrong, take its file out of --joules"
            out(f"epoch {epoch}: {name} drew more than its chips account for: {what}{', now' if bits is None else ''}", err=True)
        if lacking:
            out(f"epoch {epoch}: {'waits for' if bits is None else 'ABSENT for ever:'} the joules of {', '.join(lacking)}", err=True)
        return bits

    return said


def _losses(store: Store, terms: Agreement, epoch: int) -> list[LossEntry]:
    """What was said of meters that are lost, or back, from an epoch on: after the epoch's own entry it would count for nothing."""
    from claims.claim.entries import decode_entry
    from claims.claim.entry_kinds import LossEntry

    found = (decode_entry(data) for data in store.losses_from(terms.digest, epoch))
    return [entry for entry in found if isinstance(entry, LossEntry)]


@epoch.command("publish")
@store_option
@agreement_argument
@key_options
@store_signing_options
@through_option
@click.option("--out", "-o", "folder", type=read_path, default=Path(), help="Folder for LAB-epoch-N.entry, made if need be.")
@click.option("--joules", type=read_path, help="Folder with what the holders of power feeds gave; with --log, where there are feeds.")
@json_option
def epoch_publish(
    store_path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, through: int | None, folder: Path,
    joules: Path | None,
) -> None:  # fmt: skip
    """Write the log entries of epochs that every meter has sealed: LAB-epoch-N.entry, for `standstill log append`.

    With the first epoch in which a meter is lost, or back, goes the entry that says so: the log must have it before the epoch's.
    An entry that was made before is written again as it was: nothing is ever published twice. Where power feeds are
    agreed, an epoch waits for their joules, in the log and in --joules, for half of the time agreed for its entry; then it calls
    them absent.
    """
    from claims.base.files import holds
    from claims.claim.entries import decode_entry, write_entry
    from claims.lab.closing import check_headquarters, next_epoch
    from claims.lab.epochs import publish_epoch

    terms = load_terms(agreement_path)
    key = load_key(key_name, passphrase_file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableFile(f"{folder}: {error.strerror or error}", "give --out a folder that can be written") from None
    with opened_store(store_path) as store:
        check_headquarters(store)
        feeds = _feeds(store, terms, joules)
        last = _through(store, terms, through)
        first = terms.first_period_of(store.lab) * terms.epochs_per_period
        done = _published(store, first)
        if through is None:
            last = min(last, *(next_epoch(store, terms, meter.name) - 1 for meter in terms.lab(store.lab).meters))
        files = {number: folder / f"{store.lab}-epoch-{number}.entry" for number in range(first, last + 1)}
        kept = {head.epoch: head.entry for head in store.epoch_heads(done // terms.epochs_per_period)}  # older files are not read again
        due = [number for number, path in files.items() if number > done or not holds(path, kept.get(number))]
        entries, written = {}, 0
        with signing_store(store, terms), _saying(lambda: _done(f"{store.lab}:", done + 1, _published(store, first), "made")):
            for number in due:
                doing(f"making the entry of epoch {number}")
                said = b"" if number <= done else feeds(number)
                if said is None:
                    break
                entries[number] = publish_epoch(store, terms, number, key, said)
        with _saying(lambda: f"{written} of {len(due)} entries written to {folder}; all of them are made and kept"):
            for number, entry in entries.items():
                for loss in _losses(store, terms, number):
                    write_entry(folder / loss.file_name, loss, terms)
                write_entry(files[number], decode_entry(entry), terms)
                written += 1
        line = f"{written} entries written to {folder}; publish them: standstill log append LOG {folder}/*.entry"
        _end(store, terms, through, line, {"lab": store.lab, "through": last, "entries": [str(files[number]) for number in entries]})


