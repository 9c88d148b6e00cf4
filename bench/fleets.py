"""A made-up fleet: racks, jobs of many sizes on them, gaps, maintenance, restarts, checkpoints and merges; its agreement and files.

One meter is a rack of 72 chips, an epoch is an hour, one period holds all hours. About half of the racks train one large model
throughout; the others take one job after another. A usage row is what one job held of one rack in one hour. The same arguments
give the same jobs; keys are drawn, and protect nothing.
"""

from __future__ import annotations

import bisect
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.file import load_agreement
from claims.agreement.meters import table_lines, write_table
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, sign_agreement
from claims.agreement.terms import Meter
from claims.base.canonical import head_to_hex
from claims.base.keys import generate_key_file, load_key_file, meter_key, public_bytes, public_text
from claims.base.units import format_time

__all__ = ["CHIPS", "EPOCH", "LAB", "PASSPHRASE", "START", "Fleet", "write_fleet"]

LAB, CHIPS, EPOCH, START = "fleet", 72, 3600, 1_735_689_600
PASSPHRASE = b"protects nothing"
TABLE = "fleet.meters.csv"
LEAVES = 16
"""Padded leaves of a rack's hour, which has up to a few readings."""
PROJECTS = 24
"""Lines of checkpoints beside the large model; a job works toward the next checkpoint of one of them."""
LARGE_SHARE, IN_PARTS, UNATTRIBUTED = 0.5, 0.6, 0.04
"""Share of racks that train the large model; of jobs that take a part of a rack; of jobs without a checkpoint."""
HOURS = EPOCH * 1000
MAINTENANCE, RESTART = 700 * HOURS, 30 * HOURS
"""Mean time between a rack's maintenance windows, and between restarts of the large model; milliseconds."""

Piece = tuple[int, int, int, str]
"""Start and stop in milliseconds since the fleet's start, chips, project."""


@dataclass(frozen=True)
class Fleet:
    """What was made. ``rows``: of usage.csv."""

    agreement: Agreement
    signatures: AgreementSignatures
    rows: int


def write_fleet(folder: Path, meters: int, hours: int, log_rows: int, opening: tuple[int, ...], seed: int = 0) -> Fleet:
    """Write usage.csv, checkpoints.csv, agreement.toml and .sigs, the meter table, lab.key and ring.key into a folder.

    Args:
        opening: the store's opening head.
    """
    lab_key, ring = _key_file(folder / "lab.key"), _key_file(folder / "ring.key")
    keys = {name: meter_key(ring, LAB, name) for name in (f"rack-{number:05}" for number in range(meters))}
    saved, end = _checkpoints(hours, Random(f"{seed} saved")), hours * HOURS
    table = write_table(Meter(LAB, name, "chip", CHIPS, public_bytes(key)) for name, key in keys.items())
    (folder / TABLE).write_bytes(table)
    (folder / "agreement.toml").write_text(_agreement(table, lab_key, hours, log_rows, opening), encoding="utf-8")
    terms = load_agreement(folder / "agreement.toml")
    signatures = sign_agreement(lab_key, terms, None)
    (folder / "agreement.sigs").write_bytes(signatures.encode())
    outages, rows = list(_restarts(end, Random(f"{seed} large"))), 0
    with open(folder / "usage.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("meter", "start", "stop", "checkpoint", "chips"))
        for number, name in enumerate(keys):
            rng = Random(f"{seed} {number}")
            pieces = _large(end, outages) if number < meters * LARGE_SHARE else _small(end, rng)
            for piece in _without(pieces, _maintenance(end, rng)):
                for start, stop, chips, label in _by_hour(piece, saved):
                    writer.writerow((name, START * 1000 + start, START * 1000 + stop, label, chips))
                    rows += 1
    _write_checkpoints(folder / "checkpoints.csv", saved, hours)
    return Fleet(terms, signatures, rows)


def _key_file(path: Path) -> Ed25519PrivateKey:
    generate_key_file(path, PASSPHRASE)
    return load_key_file(path, lambda: PASSPHRASE)


# ---- jobs ------------------------------------------------------------------------------------------------


def _restarts(end: int, rng: Random) -> Iterator[tuple[int, int]]:
    """When the large model stands still: some minutes after each failure."""
    at = 0
    while (at := at + int(rng.expovariate(1 / RESTART)) + 1) < end:
        yield at, at + rng.randrange(120_000, 1_200_000)


def _maintenance(end: int, rng: Random) -> list[tuple[int, int]]:
    windows, at = [], 0
    while (at := at + int(rng.expovariate(1 / MAINTENANCE)) + 1) < end:
        windows.append((at, at := at + rng.randrange(2, 9) * HOURS))
    return windows


def _large(end: int, outages: list[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, stop in outages:
        if at < start:
            yield at, start, CHIPS, "large"
        at = max(at, stop)
    if at < end:
        yield at, end, CHIPS, "large"


def _small(end: int, rng: Random) -> Iterator[Piece]:
    """One job after another, from ten minutes to days; some share the rack with another project."""
    at = rng.randrange(HOURS)
    while at < end:
        stop = min(end, at + max(600_000, min(200 * HOURS, int(rng.lognormvariate(2.0, 1.4) * HOURS))))
        chips = 8 * rng.randrange(1, 9) if rng.random() < IN_PARTS else CHIPS
        first = "" if rng.random() < UNATTRIBUTED else f"project-{rng.randrange(PROJECTS):02}"
        yield at, stop, chips, first
        if chips < CHIPS:
            yield at, stop, CHIPS - chips, f"project-{rng.randrange(PROJECTS):02}"
        at = stop + int(rng.expovariate(1 / 900_000))


def _without(pieces: Iterator[Piece], windows: list[tuple[int, int]]) -> Iterator[Piece]:
    """What is left of pieces outside the windows, which are in order."""
    for start, stop, chips, project in pieces:
        for begin, end in windows:
            if begin < stop and start < end:
                if start < begin:
                    yield start, begin, chips, project
                start = end
        if start < stop:
            yield start, stop, chips, project


def _by_hour(piece: Piece, saved: dict[str, list[int]]) -> Iterator[Piece]:
    """The piece cut at the hours, each part with the checkpoint that its project saves next."""
    start, stop, chips, project = piece
    while start < stop:
        epoch = start // HOURS
        until = min(stop, (epoch + 1) * HOURS)
        label = project and f"{project}/{bisect.bisect_left(saved[project], epoch):04}"
        yield start, until, chips, label
        start = until


# ---- checkpoints and agreement -----------------------------------------------------------------------------


def _checkpoints(hours: int, rng: Random) -> dict[str, list[int]]:
    """Epochs in which each project saves a checkpoint, ascending; the last one at the end."""
    saved = {}
    for name in ("large", *(f"project-{number:02}" for number in range(PROJECTS))):
        step, epochs, at = (12 if name == "large" else rng.randrange(20, 120)), [], -1
        while (at := at + step) < hours - 1:
            epochs.append(at)
        saved[name] = [*epochs, hours - 1]
    return saved


def _write_checkpoints(path: Path, saved: dict[str, list[int]], hours: int) -> None:
    rows = [
        (f"{name}/{number:04}", "CHECKPOINT", f"{name}/{number - 1:04}" if number else "", epoch)
        for name, epochs in saved.items()
        for number, epoch in enumerate(epochs)
    ]
    last = {name: f"{name}/{len(epochs) - 1:04}" for name, epochs in saved.items()}
    projects = [last[name] for name in saved if name != "large"]
    rows += [
        (f"merge-{number}", "MERGE", f"{one}|{two}", hours - 1)
        for number, (one, two) in enumerate(zip(projects[::2], projects[1::2], strict=False))
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "kind", "parents", "epoch"), *sorted(rows, key=lambda row: row[3])])


def _agreement(
    table: bytes, lab_key: Ed25519PrivateKey, hours: int, log_rows: int, opening: tuple[int, ...]
) -> str:
    parts = [
        f'format = "standstill-agreement/3"\nname = "fleet"\nstart = {format_time(START)}\nepoch = "1 h"\n'
        f'epochs_per_period = {hours}\nperiods = 1\n[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n'
        f'[pause]\ntrigger = "none"\nlifts = "none"\ndeciders = ["{LAB}"]\nquorum = 1\n'
        f'[[party]]\nname = "{LAB}"\nkey = "{public_text(public_bytes(lab_key))}"\n'
        f'[[chip]]\nname = "chip"\npeak = "4950 TFLOP/s"\nnote = "FP8 dense"\nreadings = {LEAVES}\n'
        f'[[lab]]\nname = "{LAB}"\nlog_rows = {log_rows}\nopening_head = "{head_to_hex(opening)}"\n'
        '[lab.caps]\ntotal = "9e30 FLOP"\nunattributed = "9e30 FLOP"\nlineage = "9e30 FLOP"\n'
    ]
    return "\n".join([*parts, table_lines(TABLE, table)])
