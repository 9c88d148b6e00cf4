"""Commands that write, check and sign agreement files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.token_uri import KeyName
from claims.cli.group import (
    cli,
    confirm_signing,
    json_option,
    key_options,
    key_type,
    load_key,
    load_signatures,
    load_terms,
    out,
    passphrase_option,
    read_path,
    report,
    signatures_path,
    tell,
    yes_option,
)
from claims.cli.state import state_folder, state_option

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.agreement.signatures import AgreementSignatures


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
    from claims.cli.show_agreement import AGREEMENT_TEMPLATE

    template = AGREEMENT_TEMPLATE if preset_name is None else with_preset(AGREEMENT_TEMPLATE, preset(preset_name))
    write_new(path, template.encode())
    out(f"{path}: fill in names, keys (standstill keygen), chips, caps and opening heads (standstill lab init)")


@agreement.command("check")
@click.argument("path", type=read_path)
@click.option("--meters", "every", is_flag=True, help="Print each meter of a large lab too.")
@click.option("--key", "-k", "key_name", type=key_type, help="Your own key: whose it is in the agreement, and where its halves are kept.")
@passphrase_option
@json_option
def agreement_check(path: Path, every: bool, key_name: KeyName | None, passphrase_file: Path | None) -> None:
    """Parse and validate an agreement; print what it says, and what its rule for unattributed work comes to.

    An agreement has public keys only: whether a private one is in a file or on a token, only its holder can see, with --key.
    """
    from claims.agreement.forecast import residue_lines
    from claims.agreement.hidden import hidden_lines
    from claims.cli.show_agreement import agreement_lines, agreement_value

    terms = load_terms(path)
    lines, value = [*agreement_lines(terms, every=every), *residue_lines(terms), *hidden_lines(terms)], agreement_value(terms)
    if key_name is not None:
        own = _own_key(terms, key_name, passphrase_file)
        lines += [f"this key    {', '.join(own['of'])}", *(f"            {line}" for line in own["kept"])]
        value["key"] = own
    report(lines, value)


def _own_key(terms: Agreement, name: KeyName, passphrase_file: Path | None) -> dict[str, list[str]]:
    """Whose a key is, and where its halves are. Raises ClaimsError: it is nobody's."""
    from claims.agreement.signatures import owners
    from claims.base.hybrid import halves, is_hybrid
    from claims.base.keys import kept, public_bytes

    key = load_key(name, passphrase_file)
    found = owners(terms)
    public = public_bytes(key)
    if public not in found:
        part = next((who for known, (who, *_) in found.items() if halves(known)[0] == halves(public)[0]), None)
        lacks = "the agreement has no" if is_hybrid(public) else "its"
        half = f"its Ed25519 half is of {part}: {lacks} ML-DSA-44 half {'beside it' if is_hybrid(public) else 'is missing (mldsa44-file)'}"
        raise ClaimsError("the agreement does not have this key", half if part else "is it the right one?")
    return {"of": found[public], "kept": kept(key, name)}


@agreement.command("presets")
def agreement_presets() -> None:
    """List published rules whose caps `agreement init --preset` writes, with their sources."""
    from claims.agreement.presets import PRESETS

    for item in PRESETS:
        freeze = f", freeze {item.freeze}" if item.freeze else ""
        out(f"{item.name:<18} {item.title} ({item.status}): lineage {item.lineage}{freeze}")
        out(f"{'':<18} {item.source}")


@agreement.command("models")
@click.argument("name", required=False)
@click.option("--weights", multiple=True, metavar="DIGEST", help="Digest of its weights (standstill weights digest); repeat.")
def agreement_models(name: str | None, weights: tuple[str, ...]) -> None:
    """List models with open weights and published estimates of their training compute; with NAME, write its table for an agreement."""
    from claims.agreement.fields import as_digest
    from claims.agreement.models import LICENCE, known_model, known_models

    if name is not None:
        out(known_model(name).table([as_digest(digest).hex() for digest in weights]), exact=True)
        return
    for model in known_models():
        out(f"{model.name:<36} {model.charge:<13} {model.confidence:<12} {model.published}  {model.access}")
    out(f"Estimates, rounded up: {LICENCE}. Which models count, and at what charge, is for the parties to agree.")


@agreement.command("meters")
@click.argument("paths", metavar="FILE...", type=read_path, nargs=-1, required=True)
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file, whose name ends in .meters.csv.")
def agreement_meters(paths: tuple[Path, ...], target: Path) -> None:
    """Write the meters of files into one meter table, and print the lines that stand for them in the agreement.

    FILE is an agreement or what `meter init` printed, or CSV with the columns lab, name, chip, chips, key and, if you like, site and group.
    An agreement stays the same, and so does its digest, when these lines replace its [[meter]] tables. The table lies beside it.
    """
    from claims.agreement.meters import as_table_name, meters_in, table_lines, write_table
    from claims.base.files import TABLE_LIMIT, read_bounded, write_once

    name = as_table_name(target.name)
    data = write_table(meter for path in paths for meter in meters_in(str(path), read_bounded(path, TABLE_LIMIT)))
    write_once(target, data)
    out(table_lines(name, data), exact=True)


@agreement.command("canonical")
@click.argument("path", type=read_path)
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file for the bytes, as in agreement.bin.")
def agreement_canonical(path: Path, target: Path) -> None:
    """Write the canonical bytes, whose SHA-256 is the digest."""
    from claims.agreement.model import canonical_bytes
    from claims.base.files import write_new

    data = canonical_bytes(load_terms(path))
    write_new(target, data)
    out(f"{target}: {len(data)} bytes")


@agreement.command("digest")
@click.argument("path", type=read_path)
@json_option
def agreement_digest(path: Path) -> None:
    """Print the canonical SHA-256 digest, which every proof binds."""
    digest = load_terms(path).digest.hex()
    report(digest, {"digest": digest})


@agreement.command("sign")
@click.argument("path", type=read_path)
@key_options
@state_option
@click.option("--signatures", type=read_path, help="Signatures file. [default: the agreement's name with .sigs]")
@click.option("--log-entry", type=read_path, help="New file for the same assent as an entry of the public log.")
@yes_option
@json_option
def agreement_sign(
    path: Path, key_name: KeyName, passphrase_file: Path | None, signatures: Path | None, log_entry: Path | None, yes: bool
) -> None:
    """Add a party's signature to the signatures file beside the agreement. It cannot be taken back: a terminal shows it and asks."""
    from claims.base import clock
    from claims.base.files import one_at_a_time, write_atomic
    from claims.base.keys import public_bytes
    from claims.base.units import format_time
    from claims.claim.entries import sign_entry, write_entry
    from claims.claim.entry_kinds import AssentEntry
    from claims.cli.show_agreement import agreement_lines
    from claims.lab.amended import of_amendment
    from claims.lab.journal import of_entry
    from claims.lab.signing import signing_alone

    terms, key = load_terms(path), load_key(key_name, passphrase_file)
    target = signatures or signatures_path(path)
    _signed(path, target, terms, key)  # refused before anything is asked
    confirm_signing(agreement_lines(terms), yes=yes)
    party = next(party.name for party in terms.parties if party.key == public_bytes(key))
    assent = AssentEntry(terms.digest, party)
    with signing_alone(public_bytes(key), f"party {party}", state_folder()) as journal:
        journal.add(of_entry(assent))
        if (amendment := of_amendment(terms)) is not None:
            journal.add(amendment)
    if log_entry is not None:
        write_entry(log_entry, sign_entry(key, assent), terms)
    with one_at_a_time(target):  # another party may sign at this moment
        signed = _signed(path, target, terms, key)
        write_atomic(target, signed.encode())
    missing = signed.missing(terms)
    said = f"{target}: signed" + (f"; still missing: {', '.join(missing)}" if missing else " by every party")
    report(said, {"digest": terms.digest.hex(), "signatures": str(target), "missing": list(missing)})
    if terms.amends is not None:
        begin = terms.period_span(terms.amends.from_period)[0]
        when = format_time(begin) + (", which has begun," if begin <= clock.now() else "")
        tell(f"From {when} on name {path} wherever the agreement {terms.amends.digest.hex()} is named now, in cron too.")


def _signed(path: Path, target: Path, terms: Agreement, key: Any) -> AgreementSignatures:
    """The signatures that are there, and the key's."""
    from claims.agreement.signatures import sign_agreement

    try:
        return sign_agreement(key, terms, load_signatures(path, target if target.exists() else None))
    except BadSignature as error:
        raise ClaimsError(error.what, error.hint or f"move {target} away if it is of a draft; else this is another agreement") from None


@agreement.command("verify")
@click.argument("path", type=read_path)
@click.option("--signatures", type=read_path, help="Signatures file. [default: the agreement's name with .sigs]")
@json_option
def agreement_verify(path: Path, signatures: Path | None) -> None:
    """Check the parties' signatures. Exit 0: every party has signed; 1: a signature is bad; 3: some are missing."""
    terms = load_terms(path)
    known = load_signatures(path, signatures)
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
