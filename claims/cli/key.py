"""Keys that change without an amendment: ``standstill key``. FORMATS-log.md section 10; docs/operations.md has the steps."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import ClaimRejected, ClaimsError, MalformedFile
from claims.base.text import counted
from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    ask_to_sign,
    cli,
    json_option,
    key_options,
    key_type,
    keys_given,
    keys_path,
    load_book,
    load_key,
    load_terms,
    opened_store,
    out,
    passphrase_option,
    read_path,
    report,
    store_option,
    yes_option,
)
from claims.cli.state import compared_log, state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.base.hybrid import SigningKey
    from claims.claim.entry_kinds import KeyEntry
    from claims.claim.keys import KeyBook, Role

__all__ = ["key"]


class _RoleType(click.ParamType):
    """A key's role: party:NAME, meter:LAB/NAME or feed:NAME."""

    name = "role"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        kind, _, name = str(value).partition(":")
        lab, slash, meter = name.partition("/")
        if kind not in ("party", "meter", "feed") or not name or bool(slash) != (kind == "meter") or (slash and not meter):
            self.fail(f"{value!r} is no role: write party:NAME, meter:LAB/NAME or feed:NAME", param, ctx)
        return kind, lab, meter or lab


_role_argument = click.argument("role", type=_RoleType())
_log_option = click.option("--log", "log_source", metavar="LOG", required=True, help="The agreement's log, a folder or URL.")


@cli.group()
def key() -> None:
    """Change a key, or have it revoked, without an amendment: where the agreement has [keys], by words in the log."""


def _role(terms: Agreement, given: tuple[str, str, str]) -> Role:
    """The role as words name it. Raises ClaimsError: the agreement has none."""
    kind, owner, holder = given
    if kind == "feed":
        feed = next((item for item in terms.feeds if item.name == holder), None)
        if feed is None:
            raise ClaimsError(f"the agreement has no feed {holder}")
        return 3, feed.holder, holder
    return (1 if kind == "party" else 2), owner, holder


def _slug(entry: KeyEntry) -> str:
    from claims.claim.entry_kinds import KEY_ROLES, KEY_WORDS

    names = [entry.holder] if entry.role != 2 else [entry.owner, entry.holder]
    return "-".join([KEY_ROLES[entry.role], *names, KEY_WORDS[entry.word]])


def _lines(entry: KeyEntry) -> list[str]:
    """What a word says, to compare with what the holder says."""
    from claims.claim.entry_kinds import REVOKE

    lines = [f"{entry.change}.", f"old key     {entry.old.hex()}"]
    lines += [] if entry.word == REVOKE else [f"new key     {entry.new_id.hex()}"]
    return [*lines, f"agreement   {entry.agreement.hex()}"]


@key.command("rotate")
@_role_argument
@agreement_argument
@click.option("--old", "old_name", type=key_type, required=True, help="The key in force: a file, or pkcs11:... on a token.")
@click.option("--new", "new_name", type=key_type, required=True, help="The key to come (standstill keygen, meter init, feed key).")
@click.option("--spare", is_flag=True, help="The new key does not replace the old one now: it takes over once that is revoked.")
@passphrase_option
@click.option("--new-passphrase-file", type=read_path, help="First line: the new key's passphrase, where it is another one.")
@click.option("--folder", type=read_path, default=Path("."), help="Where the entries go. [default: here]")
@yes_option
def key_rotate(
    role: tuple[str, str, str], agreement_path: Path, old_name: KeyName, new_name: KeyName, spare: bool, passphrase_file: Path | None,
    new_passphrase_file: Path | None, folder: Path, yes: bool,
) -> None:  # fmt: skip
    """For the holder of ROLE (party:NAME, meter:LAB/NAME, feed:NAME): sign, with the old key and with the new one, that one replaces the
    other.

    Give one of the entries to those whom [keys] names, who countersign it (key countersign). Have theirs in the log first, and enter your
    own two last: the new key is in force from the next entry on.
    """
    from claims.base.keys import public_bytes
    from claims.claim.entries import sign_entry, write_entry
    from claims.claim.entry_kinds import BY_NEW, BY_OLD, ROTATE, SPARE, KeyEntry

    book = load_book(agreement_path)
    terms = book.now
    keys = keys_given(passphrase_file)
    old = keys.load(old_name)
    new = (keys if new_passphrase_file is None else keys_given(new_passphrase_file)).load(new_name)
    about = _role(terms, role)
    digest, word = hashlib.sha256(public_bytes(old)).digest(), SPARE if spare else ROTATE
    words = [KeyEntry(terms.digest, about[1], signer, *about, word, digest, public_bytes(new)) for signer in (BY_OLD, BY_NEW)]
    _check(words[0], book)
    ask_to_sign([*_lines(words[0]), "It cannot be taken back once it is whole in the log."], "once you mean it", yes=yes)
    for entry, by, signing in zip(words, ("old", "new"), (old, new), strict=True):
        target = folder / f"{_slug(entry)}-{by}.entry"
        write_entry(target, sign_entry(signing, entry), terms)
        out(f"{target}")
    out(f"have it countersigned (standstill key countersign {target}), and enter all: standstill log append LOG, your own two last")


def _check(word: KeyEntry, book: KeyBook) -> None:
    """Refuse a word that does not count by the keys that are known."""
    try:
        book.check(word)
    except ClaimRejected as error:
        raise ClaimsError(error.what.removeprefix("log: "), "if the keys changed since: standstill key update") from None


@key.command("countersign")
@click.argument("entry_path", metavar="ENTRY", type=read_path)
@agreement_argument
@key_options
@state_option
@yes_option
@click.option("--out", "-o", "target", type=read_path, help="Your entry. [default: beside ENTRY]")
def key_countersign(
    entry_path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, yes: bool, target: Path | None
) -> None:
    """For a party that [keys] names: stand by a change of another's key, or its revocation, of which ENTRY is a word.

    Ask the holder first, by another way than the one ENTRY came by, and compare the new key's digest: whoever stole the old key asks too.
    """
    from claims.base.files import SMALL_LIMIT, read_bounded
    from claims.claim.entries import decode_entry
    from claims.claim.entry_kinds import KeyEntry

    book, signing = load_book(agreement_path), load_key(key_name, passphrase_file)
    given = decode_entry(read_bounded(entry_path, SMALL_LIMIT))
    if not isinstance(given, KeyEntry):
        raise ClaimsError(f"{entry_path} is {given.title}, no word about a key", "standstill key rotate makes one")
    _say(given, book, signing, target or entry_path.parent, yes=yes)


@key.command("revoke")
@_role_argument
@agreement_argument
@key_options
@click.option("--digest", help="SHA-256 of the key, where it is not the one in force: a former one, or the spare (key list).")
@state_option
@yes_option
@click.option("--out", "-o", "target", type=read_path, default=Path("."), help="Your entry, or its folder. [default: here]")
def key_revoke(
    role: tuple[str, str, str], agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, digest: str | None, yes: bool,
    target: Path,
) -> None:  # fmt: skip
    """For a party that [keys] names: say that the key of ROLE (party:NAME, meter:LAB/NAME, feed:NAME) is lost or stolen.

    With a quorum of such words in the log it is revoked: what the log has after that counts for nothing, what it has before stands. The
    spare takes over, if one was named; else there is no key, and only an amendment gives one.
    """
    from claims.claim.entry_kinds import BY_PARTY, REVOKE, KeyEntry

    book, signing = load_book(agreement_path), load_key(key_name, passphrase_file)
    about = _role(book.now, role)
    try:
        old = hashlib.sha256(book.in_force(about)).digest() if digest is None else bytes.fromhex(digest)
    except ClaimRejected as error:
        raise ClaimsError(error.what, error.hint) from None
    except ValueError:
        raise click.UsageError("--digest is 64 hex digits") from None
    _say(KeyEntry(book.now.digest, "", BY_PARTY, *about, REVOKE, old), book, signing, target, yes=yes)


def _say(given: KeyEntry, book: KeyBook, signing: SigningKey, target: Path, *, yes: bool) -> None:
    """Sign a word for the change that another one is for, as the party whose key this is."""
    from dataclasses import replace

    from claims.base.keys import public_bytes
    from claims.claim.entries import sign_entry, write_entry
    from claims.claim.entry_kinds import BY_PARTY, REVOKE
    from claims.claim.keys import role_of
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    public = public_bytes(signing)
    name = next((party.name for party in book.now.parties if party.key == public), None)
    if name is None:
        raise ClaimsError("this key is no party's", "sign with a party's key that is in force; if it changed: standstill key update")
    word = replace(given, author=name, signer=BY_PARTY, signature=b"")
    _check(word, book)
    lines = [*_lines(word), f"signed by   {name}", "It cannot be taken back."]
    if word.word == REVOKE and word.old == hashlib.sha256(book.in_force(role_of(word))).digest():
        lines.insert(-1, "From then on nothing that this key signs counts. Without a spare only an amendment gives another key.")
    ask_to_sign(lines, "once the holder has told you, by another way, whose key it is", yes=yes)
    entry = sign_entry(signing, word)
    with signing_alone(public, f"party {name}", state_folder()) as journal:
        journal.add(of_entry(entry))
    place = target / f"{_slug(word)}-{name}.entry" if target.is_dir() else target
    write_entry(place, entry, book.now)
    out(f"{place}: publish it: standstill log append LOG {place}")


@key.command("list")
@agreement_argument
@_log_option
@json_option
def key_list(agreement_path: Path, log_source: str) -> None:
    """Say which keys changed, by a log: in force, spare, revoked, and which changes lack words."""
    terms = load_terms(agreement_path).as_signed
    book = compared_log(terms, log_source).keys
    rows = book.rows()
    report([row["text"] for row in rows] or ["every key is the agreement's own"], {"keys": rows})


@key.command("update")
@agreement_argument
@_log_option
@json_option
def key_update(agreement_path: Path, log_source: str) -> None:
    """Note beside the agreement, in AGREEMENT.keys, which keys are in force by a log: from then on all commands know them.

    Refuses a log that lacks what AGREEMENT.keys has: it is an older copy, under which a key that is revoked would sign again.
    """
    from claims.agreement.file import load_agreement
    from claims.base.files import write_atomic
    from claims.claim.entries import encode_entry
    from claims.claim.key_file import encode_keys

    terms = load_agreement(agreement_path)
    book, place = compared_log(terms, log_source).keys, keys_path(agreement_path)
    if terms.keys is None:
        raise ClaimsError("the agreement has no [keys]", "its keys change by amendment alone")
    with suppress(MalformedFile):  # one that is damaged is made again
        known = [encode_entry(word) for _, word in load_book(agreement_path).words]
        if [encode_entry(word) for _, word in book.words][: len(known)] != known:
            what = f"{place} has {counted(len(known), 'word')} about keys, and this log does not begin with them"
            raise ClaimsError(what, "take a newer copy of the log; if that file is wrong, remove it")
    write_atomic(place, encode_keys(book))
    report(f"{place}: {len(book.words)} words; {book.count} keys have changed", {"file": str(place), "words": len(book.words)})


@key.command("renew")
@store_option
@agreement_argument
@_log_option
@key_options
@click.option("--meter", "meter_name", help="The key is this meter's. [default: the lab's]")
@state_option
@json_option
def key_renew(
    store_path: Path, agreement_path: Path, log_source: str, key_name: KeyName, passphrase_file: Path | None, meter_name: str | None
) -> None:
    """After a change: sign again, with the new key, what the store holds signed by the old one and no entry of the log has fixed yet.

    Nothing else is changed: each is the same statement. Do it once the log has all words of the change, for each key that changed; then
    publish the entries again that the log does not have (epoch publish, prove).
    """
    from claims.lab.renewal import renew
    from claims.lab.signing import compare_former, compare_log, signing

    terms = load_terms(agreement_path).as_signed
    published = compared_log(terms, log_source)
    with opened_store(store_path) as store:
        signing_key, now, state = load_key(key_name, passphrase_file), published.keys.now, state_folder()
        compare_former(store, now, published.keys, meter_name, state)
        compare_log(store, now, published)
        count = renew(store, published, signing_key, meter_name)
        with signing(store, now, meter_name, state, anew=True):
            pass
        who = f"lab {store.lab}" if meter_name is None else f"meter {meter_name}"
    report(f"{who}: {count} signatures made again", {"of": who, "renewed": count})

