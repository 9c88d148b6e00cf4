"""The demonstration's labs at work: keys, stores, agreement, imports, sealed ledgers, closed registries.

out/agreement.toml, agreement.sigs, claims/*.claim      what the world sees
out/private/LAB/lab.store, *.key, usage.csv, ...        what stays with a lab
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures, sign_agreement
from claims.base.canonical import head_to_hex
from claims.base.files import write_atomic
from claims.base.hybrid import HybridKey, SigningKey
from claims.base.keys import generate_key_file, load_key_file, public_bytes, public_lines, public_text
from claims.base.units import WORK_UNIT
from claims.claim.file import Claim
from claims.demo.data import LabPlan, Window, chip_peaks, slug
from claims.imports.checkpoints import import_checkpoints
from claims.imports.usage import ImportReport, import_usage
from claims.lab.lineage import snapshot, unplaced
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import close_period, open_registry, opening_head
from claims.lab.store import Store
from claims.lab.witness import PeriodFigures
from claims.verify.report import Proof, Verdict

__all__ = ["CAPS", "DemoLab", "Row", "agreement_text", "enrol", "keep_books", "new_key", "settle", "sign_by_all"]

CAPS = {"total": "1e24 FLOP", "unattributed": "5e22 FLOP", "lineage": "1e26 FLOP", "freeze": "5e25 FLOP"}
LOG_ROWS = 16


@dataclass
class DemoLab:
    """One lab: its plan, its folder, its store and its keys."""

    plan: LabPlan
    folder: Path
    store: Store
    key: HybridKey
    meters: list[SoftwareMeter]
    public: dict[str, str]
    """Public keys as agreements write them: the lab's under "" and each meter's under its name."""
    cosign_key: SigningKey
    """For cosignatures of a log; a key of its own."""


@dataclass
class Row:
    """One proven claim: what the world sees (``report``) and what only the lab sees (``figures``)."""

    lab: DemoLab
    claim: Claim
    report: Verdict
    proof: Proof
    figures: PeriodFigures
    prove_seconds: float


def _no_passphrase() -> bytes:
    return b""


def new_key(path: Path, write: Callable[[bytes], str] = public_text) -> tuple[Any, str]:
    """A key in a new file (not encrypted: the demonstration's keys protect nothing), and its public half as text."""
    public = generate_key_file(path, None, hybrid=True)
    return load_key_file(path, _no_passphrase), write(public)


def enrol(plan: LabPlan, folder: Path) -> DemoLab:
    """Make a lab's keys, its meters' keys and its store with the opening registry; write its input files."""
    folder.mkdir(parents=True, mode=0o700)
    plan.write(folder)
    key, public = new_key(folder / "lab.key")
    keys = {"": public}
    meters = []
    for meter in plan.meters:
        meter_key, keys[meter.name] = new_key(folder / f"meter-{meter.name}.key", public_lines)
        meters.append(SoftwareMeter(meter.name, meter_key))
    store = Store.create(folder / "lab.store", plan.name)
    open_registry(store, plan.openings)
    return DemoLab(plan, folder, store, key, meters, keys, new_key(folder / "cosign.key")[0])


def agreement_text(
    labs: list[DemoLab], name: str, caps: dict[str, str], window: Window, public_log: str = "", parties: list[DemoLab] | None = None
) -> str:
    """The agreement as TOML: the same caps and rules for every lab.

    Args:
        labs: those that owe claims.
        public_log: further tables, of an agreement with a log; the parties then cosign it.
        parties: those that sign, where they are more than the labs.
    """
    peaks, parties = chip_peaks(), parties or labs
    names = [f'"{lab.plan.name}"' for lab in parties]
    used = sorted({meter.chip for lab in labs for meter in lab.plan.meters})
    parts = [
        f'format = "standstill-agreement/3"\nname = "{name}"\nstart = {window.agreement_start}\n'
        f'epoch = "{window.epoch_seconds // 60} min"\nperiod = "{window.period_days} d"\nperiods = {window.periods + 1}\n',
        "# Every busy chip-second is charged at the chip's peak. Work that names no checkpoint is charged to every one.\n"
        '[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n',
        '[pause]\ntrigger = "the standstill was agreed"\nlifts = "consent of every party"\n'
        f"deciders = [{', '.join(sorted(names))}]\nquorum = {len(names)}\n",
    ]
    for chip in used:
        peak, column = peaks[chip]
        rounded = math.ceil(Fraction(peak) / WORK_UNIT)
        note = f"dense {column}, the format with the highest throughput; Epoch AI, CC BY 4.0"
        parts.append(f'[[chip]]\nname = "{slug(chip)}"\npeak = "{rounded} TFLOP/s"\nnote = "{note}"\n')
    for lab in parties:
        cosigns = f'cosign_key = "{public_text(public_bytes(lab.cosign_key))}"\n' if public_log else ""
        parts.append(f'[[party]]\nname = "{lab.plan.name}"\nkey = "{lab.public[""]}"\n{cosigns}')
    for lab in labs:
        limits = "".join(f'{key} = "{value}"\n' for key, value in caps.items())
        head = head_to_hex(opening_head(lab.store))
        parts.append(
            f'[[lab]]\nname = "{lab.plan.name}"\nlog_rows = {LOG_ROWS}\nopening_head = "{head}"\n[lab.caps]\n{limits}'
        )
    for lab in labs:
        for meter in lab.plan.meters:
            parts.append(
                f'[[meter]]\nlab = "{lab.plan.name}"\nname = "{meter.name}"\nchip = "{slug(meter.chip)}"\n'
                f'chips = {meter.chips}\n{lab.public[meter.name]}\n'
            )
    return "\n".join((*parts, public_log))


def sign_by_all(
    labs: list[DemoLab], text: str, path: Path, others: Sequence[SigningKey] = ()
) -> tuple[Agreement, AgreementSignatures]:
    """Write the agreement, have every party sign it, write the signatures beside it."""
    agreement = parse_agreement(text, path.name)
    signatures: AgreementSignatures | None = None
    for key in (*(lab.key for lab in labs), *others):
        signatures = sign_agreement(key, agreement, signatures)
    if signatures is None:
        raise ValueError("an agreement has at least one lab")
    write_atomic(path, text.encode())
    write_atomic(path.with_suffix(".sigs"), signatures.encode())
    return agreement, signatures


def keep_books(lab: DemoLab, agreement: Agreement) -> ImportReport:
    """Import the lab's usage and checkpoints of all periods."""
    report = import_usage(lab.store, agreement, lab.folder / "usage.csv")
    import_checkpoints(lab.store, agreement, lab.folder / "checkpoints.csv")
    return report


def settle(lab: DemoLab, agreement: Agreement, period: int) -> list[str]:
    """End a period: snapshot unfinished work, have every meter sign, close the registry. Returns the snapshots' names."""
    snapshots = [
        snapshot(lab.store, agreement, period, name) for name in unplaced(lab.store, period)
    ]
    for meter in lab.meters:
        meter.seal(lab.store, agreement, period)
    close_period(lab.store, agreement, period)
    return snapshots
