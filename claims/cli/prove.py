"""The command that proves a closed period."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from claims.base.errors import ClaimsError, MalformedClaim
from claims.base.token_uri import KeyName
from claims.cli.cluster import cluster_options, prover_of
from claims.cli.group import (
    agreement_argument,
    ask,
    cli,
    json_option,
    key_options,
    load_key,
    load_terms,
    opened_store,
    out,
    period_option,
    read_path,
    report,
    store_option,
)
from claims.cli.screen import doing
from claims.cli.state import keys_by_log, signing_store, state_folder, store_signing_options

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.file import Claim


def _proofs_of(claim: bytes | None, folder: Path) -> Callable[[bytes], bytes | None]:
    """The proof files of a found claim that lie in a folder."""
    from claims.claim.file import decode_claim
    from claims.verify.tables import no_proofs, proofs_in

    if claim is None:
        return no_proofs
    try:
        wanted = decode_claim(claim).proofs
    except MalformedClaim:
        return no_proofs  # what is wrong with it is said later
    return proofs_in(folder, wanted).get if wanted else no_proofs


def _transfers(terms: Agreement, lab: str, period: int) -> tuple[list[bytes], int]:
    """SHA-256 of the transfers of cap that the lab's claim lists, and what they add to its total; says them."""
    from claims.base.units import format_work
    from claims.cli.moved import listed_transfers

    listed = listed_transfers(terms, lab, period, whole=True)
    moved = sum(item.toward(lab) for item in listed)
    for item in listed:
        out(f"lists: {item.text}", err=True)
    if listed:
        out(f"total: at most {format_work(terms.lab(lab).caps_at(period).total + moved)}", err=True)
    return [item.digest for item in listed], moved


@cli.command()
@store_option
@agreement_argument
@period_option
@key_options
@store_signing_options
@click.option("--out", "-o", "target", type=read_path, help="Claim file. [default: LAB-PERIOD.claim]")
@json_option
@click.option("--over", is_flag=True, help="The lab is over a limit: make the claim that says so, and by how much at most.")
@click.option("--yes", is_flag=True, help="With --over: do not ask.")
@cluster_options
def prove(
    store_path: Path, agreement_path: Path, period: int, key_name: KeyName, passphrase_file: Path | None, target: Path | None, over: bool,
    yes: bool, cluster_address: str, cluster_files: Path | None,
) -> None:  # fmt: skip
    """Prove a closed period and write the signed claim. Nothing is written unless it verifies.

    Beside it: its entry for the public log and its roots file; of a lab with sites a roots file and a proof for each, and the registry's
    proof. A lab has one claim of a period: run again, after any interruption, this goes on with the proofs that are made, and writes the
    same files.

    A lab over a limit has no claim, unless it says so (--over): that claim states, in place of each limit that it is over, the next power
    of two of 10^12 FLOP, is proven under it, and breaks the standstill. Exit 4: such a claim was written.
    """
    from claims.base.files import CLAIM_LIMIT, read_bounded, write_atomic, write_once
    from claims.claim.file import decode_claim
    from claims.claim.limits import limit_values
    from claims.lab.prove import finish_claim
    from claims.lab.renewal import renewed
    from claims.lab.signing import releasing
    from claims.lab.witness import WitnessRefused

    if yes and not over:
        raise click.UsageError("--yes belongs to --over")
    prover = prover_of(cluster_address, cluster_files)
    terms = load_terms(agreement_path)
    key = load_key(key_name, passphrase_file)
    with opened_store(store_path) as store:
        transfers, moved = _transfers(terms, store.lab, period)
        log = keys_by_log(terms)
        target = target or Path(f"{store.lab}-{period}.claim")
        entry, names = target.with_suffix(".entry"), [site.name for site in terms.lab(store.lab).sites]
        roots = {name: target.with_name(f"{target.stem}.{name}.roots") for name in names} or {None: target.with_suffix(".roots")}
        beside = {name: target.with_name(f"{target.stem}.{name or 'registry'}.proof") for name in ([*names, None] if names else ())}
        others = (entry, *roots.values(), *beside.values())
        if len({target, *others}) < 1 + len(others):
            raise click.UsageError("--out names the claim: .roots and .entry are for the files beside it")
        found = read_bounded(target, CLAIM_LIMIT) if os.path.lexists(target) else None
        if found is None and store.kept_claim(period) is None:
            for path in others:  # else hours of proving would end in a file that is in the way
                if os.path.lexists(path):
                    raise ClaimsError(f"{path}: exists already, and its claim does not", "put that claim beside it, or move it away")
        try:
            made = finish_claim(
                store, terms, period, key, lambda: signing_store(store, terms), found=found, proofs=_proofs_of(found, target.parent),
                prover=prover, progress=doing, over=functools.partial(_ask_over, terms, yes=yes) if over else None,
                transfers=transfers, moved=moved, log=log,
            )  # fmt: skip
        except WitnessRefused as error:
            for problem in error.problems:
                out(f"PRIVATE: {problem}", err=True)
            raise
        releasing(store, terms, state_folder())
    files = [(beside[name], proof) for name, proof in made.proofs.items()]
    root_files = [(roots[name], data) for name, data in made.roots.items()]
    again = renewed(found, made.claim)  # with the signatures of a new key
    for path, content in ((entry, made.entry), *root_files, *files, (target, made.claim)):  # no claim without its entry
        (write_atomic if again and path in (entry, target) else write_once)(path, content)
    lines = [f"{target}: {len(made.claim)} bytes, verified"]
    if files:
        lines.append(f"beside it {len(files)} proofs, {sum(len(proof) for _, proof in files)} bytes: publish them with it")
    if terms.log is not None:
        lines.append(f"publish it: standstill log append LOG {entry}")
    paths = {"claim": str(target), "roots": str(roots), "entry": str(entry), "proofs": [str(path) for path, _ in files]}
    claim = decode_claim(made.claim)
    stated = over_lines(terms, claim)
    lines += ["OVER: the claim says that the lab was over", *stated] if stated else []
    report(lines, {"lab": store.lab, "period": period, **paths, "over": [limit_values(limit) for limit in claim.limits]})
    if stated:
        sys.exit(4)


def over_lines(terms: Agreement, claim: Claim) -> list[str]:
    """The limits that a claim says it is over, in words."""
    from claims.claim.limits import capacity, limit_words

    return [f"  {limit_words(limit, capacity(terms, claim.lab))}" for limit in claim.limits]


def _ask_over(terms: Agreement, claim: Claim, *, yes: bool) -> bool:
    """Show what a claim over a limit publishes, and ask."""
    out(f"lab {claim.lab} was over in period {claim.period}. Its claim would publish:", err=True)
    out("\n".join(over_lines(terms, claim)), err=True)
    out("Every later claim of the lab repeats it. The standstill does not hold then. A lab makes one claim of a period.", err=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ClaimsError("no claim was made: there is no terminal to ask on", "look at what it would publish, then give --yes")
    return ask("Make this claim?")
