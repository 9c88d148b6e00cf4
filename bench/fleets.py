"""A made-up fleet (``claims.demo.fleets``) with keys and an agreement, for a benchmark. Keys are drawn, and protect nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claims.agreement.file import load_agreement
from claims.agreement.meters import table_lines, write_table
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, sign_agreement
from claims.agreement.terms import Meter
from claims.base.canonical import head_to_hex
from claims.base.hybrid import SigningKey, halves
from claims.base.keys import generate_key_file, load_key_file, meter_key, public_bytes, public_text
from claims.base.units import format_time
from claims.demo.fleets import CHIPS, LEAVES, PEAK, log_rows_for, rack_names, write_books

__all__ = ["LAB", "PASSPHRASE", "START", "Fleet", "write_fleet"]

LAB, START = "fleet", 1_735_689_600
PASSPHRASE = b"protects nothing"
TABLE = "fleet.meters.csv"
LARGEST_TABLE, SITE = 20, 1000
"""Binary logarithm of the rows above which the fleet is cut into sites, of so many racks each."""


@dataclass(frozen=True)
class Fleet:
    """What was made. ``rows``: of usage.csv."""

    agreement: Agreement
    signatures: AgreementSignatures
    rows: int


def write_fleet(folder: Path, meters: int, hours: int, opening: tuple[int, ...]) -> Fleet:
    """Write usage.csv, checkpoints.csv, agreement.toml and .sigs, the meter table, lab.key and ring.key into a folder.

    Args:
        opening: the store's opening head.
    """
    lab_key, ring = _key_file(folder / "lab.key"), _key_file(folder / "ring.key")
    keys = {name: meter_key(ring, LAB, name) for name in rack_names(meters)}
    publics = {name: halves(public_bytes(key)) for name, key in keys.items()}
    each = meters if log_rows_for(meters, hours) <= LARGEST_TABLE else SITE
    sites = -(-meters // each)
    table = write_table(
        Meter(LAB, name, "chip", CHIPS, curve, None if sites == 1 else f"site-{number % sites:03}", period_key=lattice)
        for number, (name, (curve, lattice)) in enumerate(publics.items())
    )
    (folder / TABLE).write_bytes(table)
    text = _agreement(table, lab_key, hours, log_rows_for(each, hours), opening, sites=sites > 1)
    (folder / "agreement.toml").write_text(text, encoding="utf-8")
    terms = load_agreement(folder / "agreement.toml")
    signatures = sign_agreement(lab_key, terms, None)
    (folder / "agreement.sigs").write_bytes(signatures.encode())
    return Fleet(terms, signatures, write_books(folder, meters, hours, START))


def _key_file(path: Path) -> Any:
    generate_key_file(path, PASSPHRASE, hybrid=True)
    return load_key_file(path, lambda: PASSPHRASE)


def _agreement(
    table: bytes, lab_key: SigningKey, hours: int, log_rows: int, opening: tuple[int, ...], *, sites: bool
) -> str:
    parts = [
        f'format = "standstill-agreement/3"\nname = "fleet"\nstart = {format_time(START)}\nepoch = "1 h"\n'
        f'epochs_per_period = {hours}\nperiods = 1\n[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n'
        f'[pause]\ntrigger = "none"\nlifts = "none"\ndeciders = ["{LAB}"]\nquorum = 1\n'
        f'[[party]]\nname = "{LAB}"\nkey = "{public_text(public_bytes(lab_key))}"\n'
        f'[[chip]]\nname = "chip"\npeak = "{PEAK}"\nnote = "FP8 dense"\nreadings = {LEAVES}\n'
        f'[[lab]]\nname = "{LAB}"\nlog_rows = {log_rows}\nopening_head = "{head_to_hex(opening)}"\n'
        f'{"registry_rows = 16" if sites else ""}\n'
        '[lab.caps]\ntotal = "9e30 FLOP"\nunattributed = "9e30 FLOP"\nlineage = "9e30 FLOP"\n'
    ]
    return "\n".join([*parts, table_lines(TABLE, table)])
