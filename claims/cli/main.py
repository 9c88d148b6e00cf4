"""The command line ``standstill``. Exit codes: 0 proven or done, 1 rejected (with the reason), 2 bad usage or input, 3 incomplete.

This file holds what verifiers use; ``claims.cli.lab`` what labs and meters use. Everything heavy is imported by
the command that needs it: ``standstill verify`` loads neither numpy nor numba.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from claims.base.errors import AgreementError, BadSignature, ClaimRejected, ClaimsError, KeyFileError, UnreadableFile
from claims.cli.needs import check_own_packages, missing_extra
from claims.cli.state import state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.agreement.signatures import AgreementSignatures

__all__ = [
    "agreement_argument", "json_option", "key_options", "load_key", "main", "out", "passphrase_option", "read_path", "report",
    "signatures_path",
]  # fmt: skip

PASSPHRASE_VARIABLE = "STANDSTILL_PASSPHRASE"

read_path = click.Path(path_type=Path)
agreement_argument = click.option(
    "--agreement", "-a", "agreement_path", type=read_path, required=True, help="The agreement file (TOML)."
)
_JSON = "claims.cli.main.json"
_MAKE_NEW = "Do not encrypt the key; its file's permissions alone guard it."


def out(text: str = "", *, err: bool = False) -> None:
    """Print text with control characters replaced: no file can send escape sequences to a terminal."""
    click.echo("".join(c if c == "\n" or c.isprintable() else "\ufffd" for c in text), err=err)


json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=lambda context, _, value: context.meta.update({_JSON: value}),
    help="Print JSON (claims/FORMATS.md sections 8 and 10), errors too.",
)  # fmt: skip
"""For commands that end in :func:`report`; errors are JSON too (:func:`_end`)."""


def report(lines: str | Iterable[str], value: object) -> None:
    """Print what a command found: lines for people, or with ``--json`` the one value for programs."""
    if click.get_current_context().meta.get(_JSON):
        out(json.dumps(value, indent=2))
    else:
        out(lines if isinstance(lines, str) else "\n".join(lines))


def _end(error: Exception, code: int, as_json: bool) -> NoReturn:
    """Print an error, in one line also where a file's name would make it several, and exit."""
    if as_json:
        value: dict[str, Any] = {"format": "standstill-error/1", "exit": code, "check": None, "what": str(error), "hint": ""}
        value |= {"file": None, "field": None, "line": None}
        if isinstance(error, ClaimsError):
            value |= {"what": error.what, "hint": error.hint}
        if isinstance(error, ClaimRejected):
            value |= {"check": error.check}
        if isinstance(error, AgreementError):
            value |= {"file": error.source, "field": error.field or None, "line": error.line}
        if isinstance(error, click.ClickException):
            value |= {"what": error.format_message()}
        out(json.dumps(value, indent=2))
    else:
        what = error.format_message() if isinstance(error, click.ClickException) else str(error)
        how = "REJECTED" if isinstance(error, ClaimRejected) else "error" if code != 1 else "refused"
        out(f"{how}: {what}".replace("\n", "\ufffd"), err=True)
    sys.exit(code)


class _Group(click.Group):
    """Commands under one name. Without one of them the help is printed, once, under every version of click."""

    group_class = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            out(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


def signatures_path(agreement_path: Path) -> Path:
    """Sidecar of an agreement: ``agreement.toml`` has ``agreement.sigs``."""
    return agreement_path.with_suffix(".sigs")


passphrase_option = click.option(
    "--passphrase-file", type=read_path, help=f"First line: the key's passphrase. Else ${PASSPHRASE_VARIABLE}, else asked."
)


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options ``--key`` and ``--passphrase-file``."""
    key = click.option("--key", "-k", "key_path", type=read_path, required=True, help="Private key file (PEM, mode 0600).")
    return key(passphrase_option(command))


def _passphrase(passphrase_file: Path | None, *, confirm: bool = False) -> bytes:
    from claims.base.keys import read_passphrase_file

    if passphrase_file is not None:
        return read_passphrase_file(passphrase_file)
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environb[PASSPHRASE_VARIABLE.encode()]
    if not sys.stdin.isatty():
        raise KeyFileError("no passphrase", f"give --passphrase-file or ${PASSPHRASE_VARIABLE}")
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)).encode()


def load_key(key_path: Path, passphrase_file: Path | None) -> Any:
    """Load a private key, asking for the passphrase only when its file is encrypted."""
    from claims.base.keys import load_key_file

    return load_key_file(key_path, lambda: _passphrase(passphrase_file))


def _load_agreement(path: Path) -> Agreement:
    from claims.agreement.file import load_agreement

    return load_agreement(path)


def _load_signatures(agreement_path: Path, given: Path | None) -> AgreementSignatures | None:
    from claims.agreement.signatures import AgreementSignatures
    from claims.base.files import AGREEMENT_LIMIT, read_bounded

    path = given or signatures_path(agreement_path)
    if given is None and not path.exists():
        return None
    return AgreementSignatures.decode(read_bounded(path, AGREEMENT_LIMIT))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="standstill")
def cli() -> None:
    """Zero-knowledge proofs that a lab's compute stayed under agreed caps."""


# ---- keys and agreements -----------------------------------------------------------------------------------


@cli.command()
@click.argument("path", type=read_path)
@click.option("--passphrase-file", type=read_path, help=f"First line: the passphrase. Else ${PASSPHRASE_VARIABLE}, else asked.")
@click.option("--no-passphrase", is_flag=True, help=_MAKE_NEW)
def keygen(path: Path, passphrase_file: Path | None, no_passphrase: bool) -> None:
    """Make an Ed25519 key in a new file PATH and print its public half."""
    from claims.base.keys import generate_key_file, public_text

    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    secret = None if no_passphrase else _passphrase(passphrase_file, confirm=True)
    out(public_text(generate_key_file(path, secret)))


@cli.group()
def agreement() -> None:
    """Write, check and sign agreement files."""


@agreement.command("init")
@click.argument("path", type=read_path)
@click.option("--preset", "preset_name", help="Caps of a published rule (standstill agreement presets).")
def agreement_init(path: Path, preset_name: str | None) -> None:
    """Write a commented template to a new file PATH."""
    from claims.agreement.presets import preset, with_preset
    from claims.base.files import write_new
    from claims.cli.show import AGREEMENT_TEMPLATE

    template = AGREEMENT_TEMPLATE if preset_name is None else with_preset(AGREEMENT_TEMPLATE, preset(preset_name))
    write_new(path, template.encode())
    out(f"{path}: fill in names, keys (standstill keygen), chips, caps and opening heads (standstill lab init)")


@agreement.command("check")
@click.argument("path", type=read_path)
@json_option
def agreement_check(path: Path) -> None:
    """Parse and validate an agreement; print what it says, and what its rule for unattributed work comes to."""
    from claims.agreement.forecast import residue_lines
    from claims.cli.show import agreement_lines, agreement_value

    terms = _load_agreement(path)
    report([*agreement_lines(terms), *residue_lines(terms)], agreement_value(terms))


@agreement.command("presets")
def agreement_presets() -> None:
    """List published rules whose caps `agreement init --preset` writes, with their sources."""
    from claims.agreement.presets import PRESETS

    for item in PRESETS:
        freeze = f", freeze {item.freeze}" if item.freeze else ""
        out(f"{item.name:<18} {item.title} ({item.status}): lineage {item.lineage}{freeze}")
        out(f"{'':<18} {item.source}")


@agreement.command("canonical")
@click.argument("path", type=read_path)
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file for the bytes, as in agreement.bin.")
def agreement_canonical(path: Path, target: Path) -> None:
    """Write the canonical bytes, whose SHA-256 is the digest."""
    from claims.agreement.model import canonical_bytes
    from claims.base.files import write_new

    data = canonical_bytes(_load_agreement(path))
    write_new(target, data)
    out(f"{target}: {len(data)} bytes")


@agreement.command("digest")
@click.argument("path", type=read_path)
@json_option
def agreement_digest(path: Path) -> None:
    """Print the canonical SHA-256 digest, which every proof binds."""
    digest = _load_agreement(path).digest.hex()
    report(digest, {"digest": digest})


@agreement.command("sign")
@click.argument("path", type=read_path)
@key_options
@state_option
@click.option("--signatures", type=read_path, help="Signatures file. [default: the agreement's name with .sigs]")
@click.option("--log-entry", type=read_path, help="New file for the same assent as an entry of the public log.")
def agreement_sign(
    path: Path, key_path: Path, passphrase_file: Path | None, signatures: Path | None, log_entry: Path | None
) -> None:
    """Add a party's signature to the signatures file beside the agreement."""
    from claims.agreement.signatures import sign_agreement
    from claims.base.files import write_atomic, write_new
    from claims.base.keys import public_bytes
    from claims.claim.entries import AssentEntry, encode_entry, sign_entry
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    terms, key = _load_agreement(path), load_key(key_path, passphrase_file)
    target = signatures or signatures_path(path)
    known = _load_signatures(path, target if target.exists() else None)
    signed = sign_agreement(key, terms, known)
    party = next(party.name for party in terms.parties if party.key == public_bytes(key))
    assent = AssentEntry(terms.digest, party)
    with signing_alone(public_bytes(key), f"party {party}", state_folder()) as journal:
        journal.add(of_entry(assent))
    if log_entry is not None:
        write_new(log_entry, encode_entry(sign_entry(key, assent)))
    write_atomic(target, signed.encode())
    missing = signed.missing(terms)
    out(f"{target}: signed" + (f"; still missing: {', '.join(missing)}" if missing else " by every party"))


@agreement.command("verify")
@click.argument("path", type=read_path)
@click.option("--signatures", type=read_path, help="Signatures file. [default: the agreement's name with .sigs]")
@json_option
def agreement_verify(path: Path, signatures: Path | None) -> None:
    """Check the parties' signatures. Exit 0: every party has signed; 1: a signature is bad; 3: some are missing."""
    terms = _load_agreement(path)
    known = _load_signatures(path, signatures)
    everyone = sorted(party.name for party in terms.parties)
    try:
        missing = everyone if known is None else known.missing(terms)
    except BadSignature as error:
        raise ClaimRejected("agreement", error.what) from None
    digest, signed = terms.digest.hex(), sorted({*everyone} - {*missing})
    if known is None:
        text = f"INCOMPLETE: there is no signatures file {signatures or signatures_path(path)}: ask the parties, or a mirror, for it"
    else:
        text = f"INCOMPLETE: a draft, not signed by {', '.join(missing)}"
    report(text if missing else f"signed by every party: {digest}", {"digest": digest, "signed_by": signed, "missing": missing})
    sys.exit(3 if missing else 0)


# ---- files ------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("path", metavar="FILE", type=read_path)
@json_option
def show(path: Path) -> None:
    """Say what a file is and what it holds. Nothing is verified. Every file of a publication folder is known."""
    from claims.cli.show import describe

    kind, *lines = describe(path)
    report([kind, *lines], {"kind": kind, "lines": lines})


@cli.command()
@click.argument("files", metavar="FILE_A FILE_B", nargs=2, type=read_path)
@agreement_argument
@click.option("--out", "-o", "target", type=read_path, help="Folder for evidence files. [default: print only]")
@json_option
def evidence(files: tuple[Path, Path], agreement_path: Path, target: Path | None) -> None:
    """Compare two claims, or two log entries: did one key sign two different things in one place? Exit 1 if so, 2 for other files."""
    from claims.base.files import CLAIM_LIMIT, read_bounded, write_once
    from claims.claim.entries import MAGIC, decode_entry
    from claims.claim.evidence import Evidence, TwoEntries, find_equivocations
    from claims.claim.file import decode_claim

    terms = _load_agreement(agreement_path)
    one, two = (read_bounded(path, CLAIM_LIMIT) for path in files)
    items: list[Evidence] = []
    if one.startswith(MAGIC) and two.startswith(MAGIC):
        if decode_entry(one).identity == decode_entry(two).identity and one != two:
            items.append(TwoEntries.of(one, two))
    else:
        items += find_equivocations(decode_claim(one), decode_claim(two))
    found: list[str] = []
    for item in items:
        try:
            item.check(terms)
        except (BadSignature, ClaimRejected) as error:
            out(f"no evidence that {item.text}: {error.what}", err=True)
            continue
        found.append(item.text)
        if target is not None:
            try:  # what was found is said, whatever becomes of its file
                write_once(target / f"{re.sub('[^a-z0-9._-]+', '-', item.text)}.evidence", item.encode())
            except UnreadableFile as error:
                out(f"NOT SAVED: {error}", err=True)
    lines = [f"EQUIVOCATION: {text}" for text in found] or ["no equivocation between these two files"]
    report(lines, {"equivocations": found})
    sys.exit(1 if found else 0)


@cli.command("check-evidence")
@click.argument("path", metavar="EVIDENCE", type=read_path)
@agreement_argument
@json_option
def check_evidence(path: Path, agreement_path: Path) -> None:
    """Check an evidence file with the agreement alone; exit 0 when it is evidence."""
    from claims.base.files import read_bounded
    from claims.claim.evidence import decode_evidence
    from claims.tlog.errors import LogRejected
    from claims.tlog.evidence import EVIDENCE_LIMIT, LogEvidence, is_log_evidence

    data, terms = read_bounded(path, EVIDENCE_LIMIT), _load_agreement(agreement_path)
    try:
        if is_log_evidence(data):
            if terms.log is None:
                raise ClaimRejected("evidence", "the agreement names no log")
            smaller, larger = LogEvidence.decode(data).check(terms.log.origin, terms.log.key)
            text = f"the log, run by {terms.log.operator}, signed two histories: heads of size {smaller} and {larger}"
        else:
            item = decode_evidence(data)
            item.check(terms)
            text = item.text
    except (BadSignature, LogRejected) as error:
        raise ClaimRejected("evidence", error.what) from None
    report(text, {"shows": text})


def main(argv: list[str] | None = None) -> None:
    """Entry point: runs a command and turns every expected error into one line and an exit code."""
    import claims.cli.close  # each of these registers commands
    import claims.cli.epoch
    import claims.cli.imports
    import claims.cli.inspect
    import claims.cli.journal
    import claims.cli.lab
    import claims.cli.lab_status
    import claims.cli.log
    import claims.cli.meter
    import claims.cli.receipt
    import claims.cli.site
    import claims.cli.status
    import claims.cli.verify  # noqa: F401

    as_json = "--json" in (sys.argv[1:] if argv is None else argv)
    try:
        check_own_packages()
        code = cli.main(argv, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ClaimsError as error:
        _end(error, 1 if isinstance(error, ClaimRejected) else error.exit_code, as_json)
    except click.exceptions.Abort:
        out("aborted", err=True)
        sys.exit(2)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            out(f"{error.ctx.get_usage()}\n{error.ctx.command_path} --help says more", err=True)
        _end(error, 2, as_json)
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        _end(missing, 2, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except (OSError, MemoryError, UnicodeEncodeError) as error:
        _end(UnreadableFile(str(error)), 2, as_json)

