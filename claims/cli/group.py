"""What the commands of ``standstill`` share: the root group, options, printing, and loaders.

Everything heavy is imported by the command that needs it: ``standstill verify`` loads neither numpy nor numba.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims import __version__
from claims.base.dates import readable
from claims.base.errors import BadSignature, ClaimsError, KeyFileError, MalformedFile, TokenError
from claims.base.token_uri import KeyName, TokenUri, is_token_uri
from claims.cli.screen import doing, fitted, resting, wipe

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.agreement.signatures import AgreementSignatures
    from claims.base.hybrid import SigningKey
    from claims.base.keys import Keys
    from claims.claim.keys import KeyBook
    from claims.lab.store import Store

__all__ = [
    "again_option", "agreement_argument", "ask", "ask_passphrase", "ask_to_sign", "cli", "clock_option", "confirm_signing", "json_option",
    "key_options", "key_type", "keys_given", "load_agreed", "load_book", "load_key", "load_signatures", "load_terms", "opened_store", "out",
    "keys_path", "passphrase_option", "period_option",
    "read_path", "report", "signatures_path", "store_option", "tell", "unsigned_option", "yes_option",
]  # fmt: skip

PASSPHRASE_VARIABLE, PIN_VARIABLE = "STANDSTILL_PASSPHRASE", "STANDSTILL_PIN"

read_path = click.Path(path_type=Path)


class _KeyType(click.Path):
    """A key: a file, or a URI of a token. Only the command line names one: no file's URI is ever followed."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return TokenUri.parse(value) if isinstance(value, str) and is_token_uri(value) else super().convert(value, param, ctx)


key_type = _KeyType(path_type=Path)
agreement_argument = click.option(
    "--agreement", "-a", "agreement_path", type=read_path, required=True, help="The agreement file (TOML)."
)
again_option = click.option("--again", is_flag=True, help="Charge also what an earlier import charged exactly so: it is other work.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask, on a terminal either.")
unsigned_option = click.option("--unsigned", is_flag=True, help="Sign under an agreement that not all parties have signed.")
period_option = click.option("--period", "-n", type=click.IntRange(0, 2**24 - 1), required=True, help="Period index, from 0.")
clock_option = click.option(
    "--clock-is-right", is_flag=True, help="Go on although the clock is far ahead of everything that is known."
)
_JSON, _CHECK, _KNOWN = "standstill.json", "standstill.check", "standstill.known"


_WORDS = {
    "PROVEN": "green", "THE STANDSTILL HOLDS": "green", "OVER": "red", "REJECTED": "red", "THE STANDSTILL DOES NOT HOLD": "red",
    "INCOMPLETE": "yellow", "UNDECIDED": "yellow", "error": "red", "refused": "red",
}  # fmt: skip
_WORD = re.compile(rf"^({'|'.join(_WORDS)})(?=$|[: ])", re.M)
"""A verdict, or what went wrong, at the start of a line; each stands in words too, so that no reader needs the colour."""


def out(text: str = "", *, err: bool = False, exact: bool = False) -> None:
    """Print text with control characters replaced: no file can send escape sequences to a terminal.

    Dates are in words. On a terminal lines are broken to its width, and verdicts have a colour. ``exact``: the text is to be copied, and
    stays as it is.
    """
    plain = text.replace("\n", "").isprintable()
    clean = text if plain else "".join(c if c == "\n" or c.isprintable() else "\ufffd" for c in text)
    if not exact:
        clean = readable(clean)
    if not exact and (sys.stderr if err else sys.stdout).isatty():
        clean = fitted(clean, shutil.get_terminal_size().columns)
        if not os.environ.get("NO_COLOR"):
            clean = _WORD.sub(lambda word: click.style(word[0], fg=_WORDS[word[0]], bold=True), clean)
    wipe()
    click.echo(clean, err=err)


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=lambda context, _, value: context.meta.update({_JSON: value}),
    help="Print JSON (claims/FORMATS.md sections 8 and 10), errors too.",
)  # fmt: skip
"""For commands that end in :func:`report`; errors are JSON too (:func:`_end`)."""


def report(lines: str | Iterable[str], value: object, *, exact: bool = False) -> None:
    """Print what a command found: lines for people, or with ``--json`` the one value for programs. ``exact``: as of :func:`out`."""
    if click.get_current_context().meta.get(_JSON):
        out(json.dumps(value, indent=2), exact=True)
    else:
        out(lines if isinstance(lines, str) else "\n".join(lines), exact=exact)


def tell(text: str) -> None:
    """Print what is not the command's result: on standard error where that is JSON."""
    out(text, err=bool(click.get_current_context().meta.get(_JSON)))


class _Group(click.Group):
    """Commands under one name. Without one of them the help is printed, once, under every version of click."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with its whole first sentence, not cut to the width."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, item.get_short_help_str(limit=200)) for name, item in sorted(self.commands.items())])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:  # as when a shell completes
            out(ctx.get_help(), exact=True)
            ctx.exit()
        return super().parse_args(ctx, args)


ROLES = {
    "To read and verify": ("status", "verify", "show", "site", "evidence", "check-evidence"),
    "To agree and decide": ("agreement", "decision", "allowance", "keygen", "key", "journal"),
    "To run a lab": ("lab", "meter", "building", "import", "weights", "genesis", "epoch", "prove", "cluster"),
    "To run a log": ("log",),
    "To inspect and measure": ("inspect", "feed"),
    "To try it": ("demo",),
}
"""Commands of the root, by who uses them first."""


class _Root(_Group):
    """The root: its commands by role."""

    group_class = _Group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for role, names in ROLES.items():
            with formatter.section(role):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=200)) for name in names])


def signatures_path(agreement_path: Path) -> Path:
    """Sidecar of an agreement: ``agreement.toml`` has ``agreement.sigs``."""
    return agreement_path.with_suffix(".sigs")


def confirm_signing(lines: Iterable[str], *, yes: bool) -> None:
    """On a terminal, show what is to be signed for good, and ask."""
    if sys.stdin.isatty() and not yes:
        out("\n".join(lines))
        ask("Sign? It cannot be taken back", abort=True)


def ask(question: str, *, abort: bool = False) -> bool:
    """A question to be answered by yes or no."""
    with resting():
        return click.confirm(question, abort=abort)


def ask_to_sign(lines: Iterable[str], when: str, *, yes: bool) -> None:
    """Show what would be signed for good, and ask. Raises ClaimsError where there is nobody to ask."""
    tell("\n".join(lines))
    if yes:
        return
    if not sys.stdin.isatty():
        raise ClaimsError("nothing was signed: there is no terminal to ask on", f"give --yes {when}")
    ask("Sign?", abort=True)


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options ``--store`` and ``--check``, which :func:`opened_store` obeys."""
    store = click.option("--store", "-s", "store_path", type=read_path, required=True, help="The lab's private store.")
    check = click.option(
        "--check", is_flag=True, expose_value=False, callback=lambda context, _, value: context.meta.update({_CHECK: value}),
        help="First read all of the store for damage, as the first command of each day does.",
    )  # fmt: skip
    return store(check(command))


passphrase_option = click.option(
    "--passphrase-file", type=read_path, help=f"First line: the key's passphrase. Else ${PASSPHRASE_VARIABLE}, else asked."
)


KEY_HELP = "Private key: a file (PEM, mode 0600), or pkcs11:... on a token (docs/operations.md)."


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options ``--key`` and ``--passphrase-file``."""
    key = click.option("--key", "-k", "key_name", type=key_type, required=True, help=KEY_HELP)
    return key(passphrase_option(command))


def ask_passphrase(passphrase_file: Path | None, *, confirm: bool = False) -> bytes:
    """The passphrase of a key: from the file given, else from the environment, else from the terminal."""
    from claims.base.keys import read_passphrase_file

    if passphrase_file is not None:
        return read_passphrase_file(passphrase_file)
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environb[PASSPHRASE_VARIABLE.encode()]
    if not sys.stdin.isatty():
        raise KeyFileError("no passphrase", f"give --passphrase-file or ${PASSPHRASE_VARIABLE}")
    with resting():
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)).encode()


def ask_pin(uri: TokenUri, token: str, person: bool) -> str:
    """The PIN of a token: from the URI's pin-source, else from the environment, else from the terminal. ``person``: from there alone."""
    from claims.base.keys import read_passphrase_file

    if person and not sys.stdin.isatty():
        what = f"{token}: a wrong PIN was given, and no good one since: no PIN of a file or variable is tried before"
        raise TokenError(what, "check the PIN, then run a command with this key once at a terminal, and type it")
    if not person and (uri.pin_file is not None or PIN_VARIABLE in os.environ):
        pin = read_passphrase_file(uri.pin_file) if uri.pin_file is not None else os.environb[PIN_VARIABLE.encode()]
        try:
            return pin.decode()
        except UnicodeDecodeError:
            raise TokenError(f"{token}: the PIN is not UTF-8") from None
    if not sys.stdin.isatty():
        raise TokenError(f"{token}: no PIN", f"name its file, pin-source=file:PATH in the URI, or give ${PIN_VARIABLE}")
    with resting():
        return str(click.prompt(f"PIN of {token}", hide_input=True))


def keys_given(passphrase_file: Path | None, *, new: bool = False, no_passphrase: bool = False) -> Keys:
    """What loads and makes a command's keys, and asks for passphrase or PIN only where it is needed."""
    from claims.base.keys import Keys

    keys = Keys(lambda: None if no_passphrase else ask_passphrase(passphrase_file, confirm=new), ask_pin)
    click.get_current_context().call_on_close(keys.close)
    return keys


def load_key(name: KeyName, passphrase_file: Path | None) -> SigningKey:
    """The private key that ``--key`` names."""
    return keys_given(passphrase_file).load(name)


def keys_path(agreement_path: Path) -> Path:
    """What is known of an agreement's keys: ``agreement.toml`` has ``agreement.keys``."""
    return agreement_path.with_suffix(".keys")


def load_book(path: Path) -> KeyBook:
    """The keys of an agreement, by what lies beside it: ``standstill key update`` puts it there. Without, its own."""
    from claims.agreement.file import load_agreement
    from claims.base.files import read_bounded
    from claims.claim.key_file import KEYS_LIMIT, decode_keys
    from claims.claim.keys import KeyBook

    terms, place = load_agreement(path), keys_path(path)
    if terms.keys is None or not place.exists():
        return KeyBook(terms)
    try:
        return decode_keys(read_bounded(place, KEYS_LIMIT), terms)
    except MalformedFile as error:
        raise MalformedFile(f"{place}: {error.what}", hint=error.hint) from None


def load_terms(path: Path) -> Agreement:
    """The agreement of a file, with the keys that are in force by what lies beside it (:func:`load_book`). Signatures that verified in
    an earlier command under it are known for the rest of this one."""
    from claims.base.ed25519 import known_signatures

    doing("reading the agreement")
    terms = load_book(path).now
    doing("working")
    context = click.get_current_context(silent=True)
    if context is not None and not context.meta.get(_KNOWN):
        context.meta[_KNOWN] = True
        context.with_resource(known_signatures(terms.digest))
    return terms


def load_signatures(agreement_path: Path, given: Path | None) -> AgreementSignatures | None:
    """The signatures beside an agreement, or of the file given; None where nothing lies beside it."""
    from claims.agreement.signatures import AgreementSignatures
    from claims.base.files import AGREEMENT_LIMIT, read_bounded

    path = given or signatures_path(agreement_path)
    if given is None and not path.exists():
        return None
    return AgreementSignatures.decode(read_bounded(path, AGREEMENT_LIMIT))


def load_agreed(path: Path) -> tuple[Agreement, list[str]]:
    """The agreement under which a meter signs, and who has not signed it; refused where the signatures beside it are of another."""
    terms = load_terms(path)
    try:
        known = load_signatures(path, None)
        return terms, sorted(party.name for party in terms.parties) if known is None else known.missing(terms)
    except BadSignature as error:
        what = f"{path.name} is not what {signatures_path(path).name} is about: {error.what}"
        raise ClaimsError(what, "what a meter signs is for good: use the file that was signed, or have all sign this one") from None


@contextlib.contextmanager
def opened_store(path: Path) -> Iterator[Store]:
    """A lab's store, read whole once a day or on ``--check``, and closed again at the end."""
    from claims.lab.store import Store

    doing("reading the store")
    with Store.open_daily(path, check=bool(click.get_current_context().meta.get(_CHECK))) as store:
        doing("working")
        yield store


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="standstill")
def cli() -> None:
    """Zero-knowledge proofs that a lab's compute stayed under agreed caps.

    To begin: `standstill status FOLDER` of what the parties published, or `standstill demo` for all of it on this machine.
    """
