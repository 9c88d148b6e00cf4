"""Receipts of log entries: ``standstill log countersign``."""

from __future__ import annotations

from pathlib import Path

import click

from claims.base.errors import BadSignature, ClaimRejected
from claims.base.token_uri import KeyName
from claims.cli.group import agreement_argument, clock_option, key_options, load_key, load_terms, out, read_path
from claims.cli.log import log

__all__ = ["log_countersign"]


@log.command("countersign")
@click.argument("entry_path", metavar="ENTRY", type=read_path)
@agreement_argument
@key_options
@click.option("--receipt", "target", type=read_path, help="The receipt file; further parties add to it. [default: ENTRY with .receipt]")
@clock_option
def log_countersign(
    entry_path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, target: Path | None, clock_is_right: bool
) -> None:
    """Sign that you were given another party's log entry, today. With a quorum of such signatures it counts as delivered.

    Put the receipt into receipts/ of the publication folder. It helps where the log's operator leaves the entry out: the
    lab is then not missing, and the operator is named. It makes no claim proven. Refuses a clock that shows more than 7 days
    after what the entry tells of: your first word stays, and would make the lab late.
    """
    from claims.base import clock
    from claims.base.files import one_at_a_time, read_bounded, write_atomic
    from claims.claim.entries import decode_entry
    from claims.claim.receipts import RECEIPT_LIMIT, Receipt, countersign, end_of
    from claims.tlog.tiles import ENTRY_LIMIT

    terms = load_terms(agreement_path)
    place = target or entry_path.with_suffix(".receipt")
    entry, key = read_bounded(entry_path, ENTRY_LIMIT), load_key(key_name, passphrase_file)
    end = end_of(decode_entry(entry), terms)
    if end is not None and not clock_is_right:
        grace = 0 if terms.deadlines is None else terms.deadlines.claim
        clock.check_jump(clock.now(), end, clock.COSIGN_JUMP + grace, "thing that the entry tells of")
    with one_at_a_time(place):  # another party may countersign at this moment
        known = Receipt.decode(read_bounded(place, RECEIPT_LIMIT)) if place.exists() else None
        try:
            name, made = countersign(key, entry, terms, clock.now(), known)
        except BadSignature as error:
            raise ClaimRejected("log", error.what) from None
        write_atomic(place, made.encode(), 0o644)
    needed = 0 if terms.log is None else terms.log.cosignatures
    out(f"{place}: countersigned by {name}; {len(made.signatures)} of the {needed} signatures that make it delivered")
