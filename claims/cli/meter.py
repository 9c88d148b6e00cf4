"""``standstill meter init|run|spool``: software meters and the collector. FORMATS-collector.md."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event

import click

from claims.base.token_uri import KeyName
from claims.cli.group import (
    agreement_argument,
    cli,
    clock_option,
    json_option,
    key_options,
    key_type,
    keys_given,
    load_agreed,
    load_key,
    opened_store,
    out,
    read_path,
    report,
    store_option,
    unsigned_option,
)
from claims.cli.meter_keys import check_ring, key_at, keys_option
from claims.cli.screen import resting
from claims.cli.state import signing_store, store_signing_options

__all__ = ["meter", "meter_run", "meter_spool", "stopping"]

_spool = click.option("--spool", "folder", type=read_path, required=True, help="The meter's spool folder; made if it is not there.")

_JOB, _NAME = ("hpc_job",), ("namespace", "pod", "container")


@cli.group()
def meter() -> None:
    """Software meters: stand-ins for signed counters in the rack."""


@meter.command("init")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--lab", "lab_name", required=True, help="The lab it counts for.")
@click.option("--chip", required=True, help="Chip class of the agreement.")
@click.option("--chips", type=click.IntRange(1, 2**48 - 1), required=True, help="Number of chips.")
@click.option("--key", "-k", "key_name", type=key_type, help="New key of one meter: a file, or pkcs11:... on a token.")
@keys_option
@click.option("--keyring", type=read_path, help="Key file of which the keys of any number of meters are made; made if it is not there.")
@click.option("--passphrase-file", type=read_path, help="First line: the passphrase.")
@click.option("--no-passphrase", is_flag=True, help="Do not encrypt the new key file.")
@click.option("--ed25519", is_flag=True, help="Without a period key: a quantum computer breaks it. [default: ML-DSA-44 signs each period]")
def meter_init(
    names: tuple[str, ...], lab_name: str, chip: str, chips: int, key_name: KeyName | None, key_place: KeyName | None,
    keyring: Path | None, passphrase_file: Path | None, no_passphrase: bool, ed25519: bool,
) -> None:  # fmt: skip
    """Make meters' keys and print their [[meter]] tables for the agreement.

    A keyring is one file, under one passphrase, for all meters of a store: whoever has it signs for all of them.
    Epochs are signed with Ed25519, periods with ML-DSA-44 too.
    """
    from claims.base.canonical import NAME_RULE, is_name
    from claims.base.keys import meter_key, public_bytes, public_lines

    for text in (*names, lab_name, chip):
        if not is_name(text):
            raise click.UsageError(f"{text!r} is not a name: {NAME_RULE}")
    if no_passphrase and passphrase_file is not None:
        raise click.UsageError("--passphrase-file and --no-passphrase exclude each other")
    if [key_name, key_place, keyring].count(None) != 2:
        raise click.UsageError("give --key for one meter, --keys for a folder or token, or --keyring")
    if key_name is not None and len(names) > 1:
        raise click.UsageError("--key is the key of one meter: for several, give --keys or --keyring")
    check_ring(keyring)
    known = keyring is not None and keyring.exists()
    keys = keys_given(passphrase_file, new=not known, no_passphrase=no_passphrase and not known)
    if keyring is not None:
        ring = keys.load(keyring) if known else keys.make(keyring, hybrid=not ed25519)
        publics = [public_bytes(meter_key(ring, lab_name, name)) for name in names]
    else:
        publics = [public_bytes(keys.make(key_name or key_at(key_place, name), hybrid=not ed25519)) for name in names]
    for name, public in zip(names, publics, strict=True):
        out(f'[[meter]]\nlab = "{lab_name}"\nname = "{name}"\nchip = "{chip}"\nchips = {chips}\n{public_lines(public)}', exact=True)


@contextlib.contextmanager
def stopping() -> Iterator[Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with resting():
            yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@meter.command("run")
@click.argument("name")
@store_option
@agreement_argument
@key_options
@store_signing_options
@click.option("--endpoint", "-e", "addresses", multiple=True, required=True, metavar="URL", help="http://node1:9400/metrics; repeat.")
@_spool
@click.option("--jobs", type=read_path, help="CSV: job or name (a pattern), until, checkpoint. Else jobs go by their own names.")
@click.option("--job-label", "job_labels", multiple=True, default=_JOB, show_default=True, help="Label with a job's id.")
@click.option("--name-label", "name_labels", multiple=True, default=_NAME, show_default=True, help="Label in a job's name; repeat.")
@click.option("--interval", type=click.FloatRange(0.05, 3600), default=10, show_default=True, help="Seconds from poll to poll.")
@click.option("--max-gap", type=click.FloatRange(0.1, 86400), default=60, show_default=True, help="Longest time without a sample, s.")
@click.option("--timeout", type=click.FloatRange(0.05, 600), default=5, show_default=True, help="Seconds for an endpoint's answer.")
@click.option("--other-share", default="0", metavar="SHARE", help="Share of the peak added for arithmetic outside the tensor pipes.")
@click.option("--idle-watts", type=click.IntRange(0, 10**6), help="Mean power above which a chip was not idle between two samples.")
@click.option("--no-counter", is_flag=True, help="Accept chips without an energy counter: an exporter that repeats itself goes unnoticed.")
@click.option("--from-epoch", type=click.IntRange(0, 2**24 - 1), help="First epoch of a new spool. [default: the first not sealed]")
@clock_option
@unsigned_option
@click.option("--once", is_flag=True, help="Poll once, seal what is due, end.")
@click.option("--until", metavar="TIME", help="End after the first poll at or after this time.")
def meter_run(
    name: str, store_path: Path, agreement_path: Path, key_name: KeyName, passphrase_file: Path | None, addresses: tuple[str, ...],
    folder: Path, jobs: Path | None, job_labels: tuple[str, ...], name_labels: tuple[str, ...], interval: float, max_gap: float,
    timeout: float, other_share: str, idle_watts: int | None, no_counter: bool, from_epoch: int | None, clock_is_right: bool,
    unsigned: bool, once: bool, until: str | None,
) -> None:  # fmt: skip
    """Collect meter NAME's usage from its chips' exporters, and seal every epoch as it ends.

    Time without samples is charged at peak as unattributed: down, hung or lying endpoints, missing chips, a collector that
    does not run. Ends cleanly on SIGTERM and SIGINT; goes on where it was after any crash. Ends with an error where
    the clock is more than 3 days after the latest poll: that much is charged only with --clock-is-right.
    """
    from claims.collect.fetch import MAX_ENDPOINTS, Endpoint, Exporters
    from claims.collect.run import Collector
    from claims.collect.samples import FULL, Labels
    from claims.collect.seal import Sealing
    from claims.collect.timeline import Policy
    from claims.imports.rows import Row, ceil_of
    from claims.imports.tables import read_jobs
    from claims.lab.amended import learn
    from claims.lab.closing import check_assent
    from claims.lab.meter import SoftwareMeter

    if max_gap <= interval:
        raise click.UsageError("--max-gap is more than --interval")
    if len(addresses) > MAX_ENDPOINTS or len(set(addresses)) != len(addresses):
        raise click.UsageError(f"--endpoint: each once, and at most {MAX_ENDPOINTS}")
    share = ceil_of(Row("--other-share", 0, {"share": other_share}).decimal("share", "as in 0.034") * FULL)
    if share > FULL:
        raise click.UsageError("--other-share is at most 1")
    end = None if until is None else Row("--until", 0, {"until": until}).moment_ms("until", up=True)
    read_jobs(jobs)  # refused now rather than when an epoch ends
    age = int(max_gap * 1000)
    source = Exporters(
        [Endpoint.of(text) for text in addresses], Labels(job_labels, name_labels), timeout, age, not no_counter
    )
    (terms, missing), key = load_agreed(agreement_path), load_key(key_name, passphrase_file)
    with opened_store(store_path) as store, stopping() as stop:
        signing = partial(signing_store, store, terms, name)
        sealing = Sealing(store, terms, SoftwareMeter(name, key), Policy(age, share, idle_watts), jobs, signing)
        sealing.meter.agreed(store, terms)
        learn(store, terms, signed=not missing)
        if not unsigned:
            check_assent(store, terms, name, missing)
        collector = Collector(source, sealing, folder, interval, out, stop, clock_is_right=clock_is_right)
        collector.run(once=once, until=end, from_epoch=from_epoch)


@meter.command("spool")
@click.argument("name")
@store_option
@_spool
@json_option
def meter_spool(name: str, store_path: Path, folder: Path) -> None:
    """PRIVATE: say what meter NAME's spool holds. No collector may be running."""
    from claims.collect.run import spool_report
    from claims.collect.spool import Spool, locked

    with opened_store(store_path) as store, locked(folder):
        spool = Spool.open(folder, store.lab, name)
        try:
            report(*spool_report(spool))
        finally:
            spool.close()
