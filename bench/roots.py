"""The roots files of a large lab, checked as `verify --log` checks them: seconds for each root, and what a quarter of a fleet takes.

Roots are random, keys are drawn; the claim and the log's entries have what follows from them. Not in it: signatures (60 microseconds of
one processor for each meter), proofs (a tenth of a second for each site), reading of the log.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.fleets import LAB, START
from claims.agreement.file import parse_agreement
from claims.agreement.meters import table_lines, write_table
from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.base.keys import public_bytes, public_text
from claims.base.units import format_time
from claims.claim.commitments import merkle_root, roots_digest
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.file import Claim, MeterHead, SiteHead
from claims.claim.groups import unit_leaf
from claims.claim.published import PublishedEntries
from claims.claim.roots import Roots
from claims.demo.fleets import CHIPS, PEAK, rack_names
from claims.verify.roots import check_roots

__all__ = ["run"]

Record = dict[str, Any]
OF_A_SITE = 2000
NOTHING = (0,) * 8


def run(meters: int, hours: int, group: int) -> Record:
    """CPU seconds of the check. ``group``: meters that publish one root together; 0: each its own."""
    key = Ed25519PrivateKey.generate()
    terms = _agreement(meters, hours, group, key)
    lab = terms.lab(LAB)
    roots = {unit.name: tuple(secrets.token_bytes(32) for _ in range(hours)) for unit in lab.units}
    heads = []
    for unit in lab.units:
        digest = roots_digest(roots[unit.name])
        heads += [MeterHead(meter.name, NOTHING, digest, bytes(64)) for meter in unit.meters]
    heads.sort(key=lambda head: head.name)
    entries = [encode_entry(sign_entry(key, EpochEntry(terms.digest, LAB, k, _root(terms, roots, k), bytes(32)))) for k in range(hours)]
    claim = Claim(
        terms.digest, LAB, 0, 0, hours - 1, NOTHING, NOTHING, tuple(heads), bytes(64), b"", bytes(64),
        sites=tuple(SiteHead(site.name, NOTHING, bytes(32), bytes(32)) for site in lab.sites), registry_proof=bytes(32),
    )  # fmt: skip
    published = PublishedEntries(terms, enumerate(entries))
    with tempfile.TemporaryDirectory(prefix="standstill-roots-") as name, ExitStack() as stack:
        paths = [Path(name) / site.name for site in lab.sites]
        for path in paths:
            own = tuple((unit.name, roots[unit.name]) for unit in lab.units if unit.meters[0].site == path.name)
            path.write_bytes(Roots(terms.digest, LAB, 0, 0, hours - 1, own).encode())
        begun = time.process_time()
        for path in paths:  # as whoever finds them by their SHA-256
            with open(path, "rb") as file:
                hashlib.file_digest(file, "sha256")
        check_roots(claim, [stack.enter_context(open(path, "rb")) for path in paths], published)
        spent, size = time.process_time() - begun, sum(path.stat().st_size for path in paths)
    count = len(lab.units) * hours
    return {
        "meters": meters, "hours": hours, "group": group, "roots": count, "roots_bytes": size, "cpu": spent,
        "microseconds_a_root": spent / count * 1e6,
    }  # fmt: skip


def _root(terms: Agreement, roots: dict[str, tuple[bytes, ...]], epoch: int) -> bytes:
    lab = terms.lab(LAB)
    return merkle_root(unit_leaf(lab, unit.name, roots[unit.name][epoch]) for unit in lab.units)


def _agreement(meters: int, hours: int, group: int, key: Ed25519PrivateKey) -> Agreement:
    public = [public_bytes(Ed25519PrivateKey.generate()) for _ in range(meters)]
    table = write_table(
        Meter(LAB, name, "chip", CHIPS, public[at], f"site-{at // OF_A_SITE:03}", f"row-{at // group:05}" if group else None)
        for at, name in enumerate(rack_names(meters))
    )
    own = public_text(public_bytes(key))
    return parse_agreement(
        f'format = "standstill-agreement/3"\nname = "fleet"\nstart = {format_time(START)}\nepoch = "1 h"\nepochs_per_period = {hours}\n'
        'periods = 1\n[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n'
        f'[[party]]\nname = "{LAB}"\nkey = "{own}"\n[[chip]]\nname = "chip"\npeak = "{PEAK}"\nnote = "FP8 dense"\n'
        f'[[lab]]\nname = "{LAB}"\nlog_rows = 22\nregistry_rows = 16\nopening_head = "{bytes(32).hex()}"\n'
        '[lab.caps]\ntotal = "9e30 FLOP"\nunattributed = "9e30 FLOP"\nlineage = "9e30 FLOP"\n'
        f'{table_lines("fleet.meters.csv", table)}\n',
        "agreement.toml", lambda name: table,
    )  # fmt: skip
