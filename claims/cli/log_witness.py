"""Commands of witnesses, and of the log's operator who asks them (C2SP tlog-witness)."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from claims.base.errors import ClaimRejected, UnreadableFile
from claims.cli.group import (
    json_option,
    key_options,
    key_type,
    load_key,
    out,
    passphrase_option,
    read_path,
    report,
)
from claims.cli.log import agreement_option, log, log_key_option, rejecting, terms_of, trust_of, verifier_key
from claims.cli.screen import resting

if TYPE_CHECKING:
    from claims.base.token_uri import KeyName
    from claims.tlog.checkpoint import LogTrust

__all__ = ["log_submit", "log_witness"]


@log.command("submit")
@click.argument("folder", type=read_path)
@click.option(
    "--witness", "addresses", multiple=True, required=True, envvar="STANDSTILL_WITNESSES", show_envvar=True,
    help="Where a witness takes heads, https://...; repeat. In the variable: with spaces between.",
)
@click.option("--cosigner", multiple=True, help="Further cosigner: its verifier key, or both halves'; repeat.")
@log_key_option
@agreement_option
@json_option
def log_submit(
    folder: Path, addresses: tuple[str, ...], agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...]
) -> None:
    """Have witnesses cosign the newest head of the log in FOLDER, and keep what cosigners that the agreement names answer.

    Needs no key. Exit 3: one or more did not cosign.
    """
    from claims.base import clock
    from claims.tlog.submit import submit

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, 0)
    for address in addresses:
        if address.startswith("http:"):
            out("a witness without TLS (http:): whoever stands between can hold its answer back, not forge it", err=True)
            break
    with rejecting():
        size, found = submit(folder, trust, list(addresses), clock.now)
    lines = [f"{item.address}: {item.problem or f'size {size} cosigned by ' + ', '.join(item.names)}" for item in found]
    answers = [{"address": item.address, "cosigners": list(item.names), "problem": item.problem or None} for item in found]
    report(lines, {"origin": trust.origin, "size": size, "witnesses": answers})
    sys.exit(3 if any(item.problem for item in found) else 0)


@log.group("witness")
def log_witness() -> None:
    """Run a witness: it cosigns heads of logs that only grew, and reads no entry."""


@log_witness.command("key")
@click.argument("verifier_keys", metavar="[VERIFIER-KEY]...", nargs=-1)
@click.option("--name", help="Name on the witness's signature lines, as witness.example.org/w1.")
@click.option("--key", "-k", "key_name", type=key_type, help="Its private key, as elsewhere.")
@passphrase_option
def log_witness_key(verifier_keys: tuple[str, ...], name: str | None, key_name: KeyName | None, passphrase_file: Path | None) -> None:
    """Print the [[witness]] of an agreement: of a key of yours and its name, or of the verifier keys that a witness publishes."""
    from claims.base.keys import public_bytes, public_text
    from claims.base.text import is_key_name
    from claims.tlog.note import COSIGNATURE

    if bool(verifier_keys) == (key_name is not None) or (key_name is None) != (name is None):
        raise click.UsageError("give --name and --key, or verifier keys, of a hybrid key both halves'")
    if key_name is not None and name is not None:
        public = public_bytes(load_key(key_name, passphrase_file))
    else:
        name, public = verifier_key(" ".join(verifier_keys), COSIGNATURE, "VERIFIER-KEY")
    if not is_key_name(name):
        raise click.UsageError("--name is 1 to 255 bytes without spaces, + and characters that nobody sees")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    out(f'[[witness]]\nname = "{escaped}"\nkey = "{public_text(public)}"', exact=True)


@log_witness.command("serve")
@click.argument("folder", type=read_path)
@click.option("--name", required=True, help="This witness's name: the agreement's, on its signature lines.")
@key_options
@click.option("--agreement", "-a", "agreement_paths", type=read_path, multiple=True, help="Agreement whose [log] it cosigns; repeat.")
@click.option("--log-key", "log_keys", multiple=True, help="Verifier key, or both halves', of a log without agreement; repeat.")
@click.option("--listen", default="127.0.0.1:7380", show_default=True, help="HOST:PORT, behind a web server that has TLS.")
@click.option("--new-memory", is_flag=True, help="Begin the memory of logs that this witness never cosigned.")
@click.option("--clock-is-right", is_flag=True, help="Last cosignatures that a wrong clock put into the future count as of now.")
def log_witness_serve(
    folder: Path, name: str, key_name: KeyName, passphrase_file: Path | None, agreement_paths: tuple[Path, ...], log_keys: tuple[str, ...],
    listen: str, new_memory: bool, clock_is_right: bool,
) -> None:  # fmt: skip
    """Run a witness until it is stopped. FOLDER remembers what it cosigned: one process at a time, and never a backup of it.

    Whoever loses FOLDER runs a witness of another name and key: with --new-memory the old one could be shown a fork as if it were new.
    """
    from claims.base import clock
    from claims.base.keys import public_bytes
    from claims.tlog.disk import lock
    from claims.tlog.note import COSIGNATURE, verifier_keys
    from claims.tlog.witness import Witness
    from claims.tlog.witness_server import WitnessServer

    key = load_key(key_name, passphrase_file)
    public = public_bytes(key)
    logs = [_witnessed(path, name, public) for path in agreement_paths] + [trust_of(None, text, (), 0) for text in log_keys]
    if not logs:
        raise click.UsageError("say which logs: --agreement, or --log-key")
    _folder(folder)
    with rejecting(), lock(folder, wait=1.0):
        for trust in logs if new_memory else ():
            Witness.begin(folder, trust)
        witness = Witness(name, key, folder, logs, tell=_tell)
        witness.check_clock(clock.now(), is_right=clock_is_right)
        with WitnessServer(listen, witness, clock.now, _tell) as server:
            signal.signal(signal.SIGTERM, _stop)
            out(" ".join(half.encode() for half in verifier_keys(name, COSIGNATURE, public)), exact=True)
            out(f"witness {name} listens at {server.url}")
            sys.stdout.flush()
            try:
                with resting():
                    server.serve_forever()
            except KeyboardInterrupt:
                out("stopped", err=True)


def _witnessed(path: Path, name: str, public: bytes) -> LogTrust:
    """The log of an agreement that names this witness."""
    from claims.agreement.file import load_agreement

    terms = load_agreement(path)  # not load_terms: a process that runs for years would keep every signature that it saw
    trust = trust_of(terms, None, (), 0)
    if any(party.cosign_key == public for party in terms.parties):
        what = f"{path}: this key is a party's cosign_key: it says that the party read the entries, and a witness reads none"
        raise ClaimRejected("log", f"{what}; give the witness a key of its own")
    if name not in trust.witnesses or trust.cosigners[name] != public:
        raise ClaimRejected("log", f"{path}: the agreement has no [[witness]] {name} with this key")
    return trust


def _folder(folder: Path) -> None:
    from claims.base.files import trouble

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableFile(f"{folder}: {trouble(error)[0]}") from None


def _tell(text: str) -> None:
    out(text, err=True)


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
