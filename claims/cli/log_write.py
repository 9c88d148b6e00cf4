"""Commands of whoever runs a log: make one, append to it, mend it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimRejected
from claims.base.token_uri import KeyName
from claims.cli.group import clock_option, json_option, key_options, load_key, out, read_path, report
from claims.cli.log import log, rejecting, terms_of, trust_of
from claims.cli.screen import doing
from claims.cli.state import state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.memory import LogMemory

__all__ = ["log", "log_append", "log_init", "log_mend"]


def _log_id(trust: LogTrust) -> bytes:
    return hashlib.sha256(trust.key + trust.origin.encode()).digest()


def _remember() -> Callable[[LogTrust], LogMemory]:
    """The writer's memory of a log: in the state folder, apart from the log and its backups."""
    state = state_folder()

    def load(trust: LogTrust) -> LogMemory:
        from claims.base.errors import UnreadableFile
        from claims.base.files import trouble
        from claims.tlog.memory import LogMemory

        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            what, hint = trouble(error)
            raise UnreadableFile(f"{state}: {what}", hint or "choose another folder with --state") from None
        return LogMemory.load(state / f"{_log_id(trust).hex()[:32]}.log-memory", trust, keeps_leaves=False)

    return load


@log.command("init")
@click.argument("folder", type=read_path)
@click.option("--origin", required=True, help="The log's name: printable ASCII without spaces and plus, as example.com/log.")
@key_options
@state_option
def log_init(folder: Path, origin: str, key_name: KeyName, passphrase_file: Path | None) -> None:
    """Make an empty log in FOLDER and print its verifier key, of a hybrid key one for each half."""
    from claims.base.keys import public_bytes
    from claims.tlog.note import ED25519, verifier_keys
    from claims.tlog.writer import LogWriter

    key = load_key(key_name, passphrase_file)
    with rejecting(), LogWriter.create(folder, origin, key, memory=_remember()):
        out(" ".join(half.encode() for half in verifier_keys(origin, ED25519, public_bytes(key))), exact=True)


@log.command("append")
@click.argument("folder", type=read_path)
@click.argument("files", metavar="ENTRY...", nargs=-1, required=True, type=read_path)
@key_options
@click.option("--agreement", "-a", "agreement_path", type=read_path, help="Check the entries against it first.")
@clock_option
@state_option
@json_option
def log_append(
    folder: Path, files: tuple[Path, ...], key_name: KeyName, passphrase_file: Path | None, agreement_path: Path | None,
    clock_is_right: bool,
) -> None:  # fmt: skip
    """Publish entry files under one new head. What the log holds already is left out.

    They are published in order, but what is said of lost meters first: it counts only before the hours that lack them.
    Refuses a clock that is more than 7 days ahead of the newest dates in the log: the head's date would make others late.
    """
    from claims.base import clock
    from claims.base.cache import open_cache
    from claims.base.files import read_bounded
    from claims.claim.entry_index import EntryIndex, any_key_word
    from claims.claim.published import PublishedEntries
    from claims.tlog.cosign import check_append
    from claims.tlog.tiles import ENTRY_LIMIT
    from claims.tlog.writer import LogWriter

    terms = terms_of(agreement_path)
    given = list(dict.fromkeys(_entry(path, read_bounded(path, ENTRY_LIMIT)) for path in files))
    key = load_key(key_name, passphrase_file)
    doing("appending to the log")
    with rejecting(), open_cache() as cache, LogWriter.open(folder, key, memory=_remember()) as writer:
        if terms is not None and (terms.log is None or terms.log.origin != writer.origin):
            raise ClaimRejected("log", f"the agreement's log is not {writer.origin}")
        tree = writer.tree
        index = EntryIndex(cache, _log_id(writer.trust), tree)
        about = given if terms is None or terms.keys is None else [*given, any_key_word(terms.digest)]
        held = [(place, entry) for place in index.places(about) for entry in tree.entries(place, place + 1)]
        keys = None if terms is None else PublishedEntries(terms, held).keys
        known = {entry for _, entry in held} | {_said(entry, keys and keys.at(place)) for place, entry in held}
        fresh = sorted((entry for entry in given if entry not in known and _said(entry, keys and keys.now) not in known), key=_is_no_loss)
        if terms is not None:
            _check_entries(terms, held, fresh, writer.size)
        if fresh and not clock_is_right:
            check_append(folder, writer.trust, {} if terms is None else trust_of(terms, None, (), None).cosigners, clock.now())
        first = writer.size
        if fresh:
            writer.append(fresh)
            index.add(fresh, writer.root)
        skipped = f", {len(given) - len(fresh)} were there already" if len(fresh) < len(given) else ""
        said = f"entries {first} to {writer.size - 1}: {len(fresh)} published{skipped}" if fresh else "nothing new"
        report(said, {"origin": writer.origin, "size": writer.size, "published": len(fresh), "there_already": len(given) - len(fresh)})


@log.command("mend")
@click.argument("folder", type=read_path)
@key_options
@state_option
def log_mend(folder: Path, key_name: KeyName, passphrase_file: Path | None) -> None:
    """Read the whole log in FOLDER, write again what of its tiles is missing or damaged, and remove what was left half-done."""
    from claims.tlog.writer import LogWriter

    key = load_key(key_name, passphrase_file)
    doing("reading the log")
    with rejecting(), LogWriter.open(folder, key, memory=_remember(), whole=True) as writer:
        out(f"{folder}: {writer.size} entries, root {writer.root.hex()}; its tiles are those of the entries")


def _is_no_loss(data: bytes) -> bool:
    from claims.base.errors import MalformedFile
    from claims.claim.entries import decode_entry
    from claims.claim.entry_kinds import LossEntry

    try:
        return not isinstance(decode_entry(data), LossEntry)
    except MalformedFile:
        return True


def _entry(path: Path, data: bytes) -> bytes:
    """The bytes of a file that is an entry, or is called one; another file, a key perhaps, is not published for ever."""
    from claims.base.errors import MalformedFile
    from claims.claim.entries import decode_entry

    try:
        if path.suffix != ".entry":
            decode_entry(data)
    except MalformedFile as error:
        raise MalformedFile(f"{path}: {error.what}", hint="name .entry files only: nothing was published") from None
    return data


def _said(data: bytes, terms: Agreement | None) -> bytes:
    """What an entry that counts says, without its signatures, which may be others each time; of any other file, its bytes."""
    from claims.base.errors import ClaimsError
    from claims.claim.entries import check_entry, decode_entry, word_of

    if terms is None:
        return data
    try:
        entry = decode_entry(data)
        check_entry(entry, terms)
    except ClaimsError:
        return data
    return word_of(entry)


def _check_entries(terms: Agreement, held: Sequence[tuple[int, bytes]], fresh: Sequence[bytes], size: int) -> None:
    """Refuse entries that are malformed, of unknown authors, badly signed, or second ones of an identity. ``held``: those of the log."""
    from claims.claim.entries import decode_entry
    from claims.claim.published import PublishedEntries

    for entry in map(decode_entry, fresh):
        if entry.agreement != terms.digest:
            raise ClaimRejected("log", f"{entry.title} is about agreement {entry.agreement.hex()}")
    both = PublishedEntries(terms, [*held, *enumerate(fresh, size)])
    if refused := [why for index, why in both.refused if index >= size]:
        raise ClaimRejected("log", refused[0])
    new = [item for item in both.conflicts if item.second_index >= size]
    if new:
        raise ClaimRejected("log", f"{new[0].first.title}: the log has, or would get, two different entries")
