"""Explain a file to a person, by its first bytes, without trusting any of it. Also the agreement template."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import DOMAIN as AGREEMENT_DOMAIN
from claims.agreement.model import Agreement
from claims.agreement.signatures import SIGNATURES_FORMAT, AgreementSignatures
from claims.agreement.terms import Caps, Lab, Meter, Party, Rules
from claims.base.canonical import from_json, head_to_hex
from claims.base.errors import MalformedFile
from claims.base.files import CLAIM_LIMIT, read_bounded
from claims.base.text import replace_hidden
from claims.base.units import format_duration, format_share, format_time, format_work
from claims.claim.entries import MAGIC as ENTRY_MAGIC
from claims.claim.entries import decode_entry
from claims.claim.evidence import FORMATS as EVIDENCE_FORMATS
from claims.claim.evidence import decode_evidence
from claims.claim.file import MAGIC, decode_claim
from claims.claim.lists import FREEZE, LINEAGE, LOST_METER, TOTAL, UNATTRIBUTED, Limit, Over
from claims.claim.receipts import FORMAT as RECEIPT_FORMAT
from claims.claim.receipts import Receipt
from claims.claim.roots import MAGIC as ROOTS_MAGIC
from claims.claim.roots import Roots
from claims.cli.show_log import entry_title, log_lines
from claims.decisions.file import FORMAT as DECISION_FORMAT
from claims.decisions.file import Decision
from claims.inspection.file import FORMAT as OPENING_FORMAT
from claims.inspection.file import Opening
from claims.inspection.genesis import FORMAT as GENESIS_FORMAT
from claims.inspection.genesis import GenesisFile
from claims.inspection.record import FAILURES, Record
from claims.inspection.record import FORMAT as RECORD_FORMAT
from claims.tlog.evidence import FORMAT as LOG_EVIDENCE_FORMAT
from claims.tlog.memory import FORMAT as MEMORY_FORMAT
from zk.proof import MAGIC as PROOF_MAGIC

__all__ = ["AGREEMENT_TEMPLATE", "agreement_lines", "agreement_value", "describe"]

SITE_FORMAT = "standstill-site/1"
"""As in claims/site/model.py, which verifiers need not load."""
_SQLITE = b"SQLite format 3\x00"
_DATABASES = {
    b"STDS": "a lab's private store, or a backup of one (SQLite): not to be shared; commands that take --store read it",
    b"STDJ": "a key's journal of what it signed (SQLite): no secret, and no part of backups; commands that sign read it",
}
"""By application_id, bytes 68 to 71 of the file, as in claims/lab/store_file.py and journal.py, which verifiers need not load."""
_PEM = b"-----BEGIN "


def describe(path: str | os.PathLike[str]) -> list[str]:
    """What a file is and what it holds, one line each. Nothing is verified, and no secret is read out.

    Raises:
        UnreadableFile: as in ``read_bounded``.
        ClaimsError: the file's own format error, or MalformedFile for a file of no known kind.
    """
    first = _first_bytes(path, 72) if Path(path).is_file() else b""
    if first.startswith(_SQLITE) and (database := _DATABASES.get(first[68:])):
        return [database]
    data = read_bounded(path, CLAIM_LIMIT)
    if data.startswith(MAGIC):
        return _claim_lines(data)
    if data.startswith(ENTRY_MAGIC):
        return _entry_lines(data)
    if data.startswith(ROOTS_MAGIC):
        roots = Roots.decode(data)
        what = f"lab {roots.lab}, period {roots.period}, epochs {roots.first_epoch} to {roots.last_epoch}"
        return ["the epoch roots behind a claim (not checked here: standstill verify --log)", what]
    if data.startswith(PROOF_MAGIC):
        return [
            "the proof of a site's table, or of a registry's, of a claim that names its SHA-256 (not checked here: standstill verify)",
            f"SHA-256     {hashlib.sha256(data).hexdigest()}",
        ]
    if data.startswith(_PEM):
        encrypted = b"ENCRYPTED" in data[:64]
        return [f"a key file (PEM), {'encrypted' if encrypted else 'NOT encrypted'}: not to be shared"]
    if data.startswith(b"{"):
        return _json_lines(data)
    if AGREEMENT_DOMAIN in data[:64]:
        return ["an agreement in canonical bytes, whose SHA-256 is its digest", *agreement_lines(decode_agreement(data))]
    found = log_lines(Path(path), data)
    if found is not None:
        return found
    if b"standstill-agreement/" in data[:65536]:
        try:
            return ["an agreement", *agreement_lines(parse_agreement(data.decode("utf-8"), str(path)))]
        except UnicodeDecodeError:
            raise MalformedFile(f"{path}: not UTF-8 text") from None
    kinds = (
        "known are agreements, .sigs, .claim, .proof, .roots, .entry, .receipt, .record, .opening, .evidence, .decision, rounds, site.json,"
        " files of a log in its folder, .tlog-proof, keys, stores and journals"
    )
    raise MalformedFile(f"{path}: not a file that Standstill knows", hint=kinds)


def _first_bytes(path: str | os.PathLike[str], count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError:
        return b""


def _json_lines(data: bytes) -> list[str]:
    try:
        value = from_json(data)
        name = value.get("format") if type(value) is dict else None
    except (ValueError, RecursionError):
        value = name = None
    if name == SIGNATURES_FORMAT:
        signatures = AgreementSignatures.decode(data)
        return [
            "signatures of an agreement (not checked here: standstill agreement verify)",
            f"agreement   {signatures.agreement.hex()}",
            *(f"signed by   {replace_hidden(party, chr(0xFFFD))}" for party in signatures.signatures),
        ]
    if name == DECISION_FORMAT:
        return ["a decision (not checked here: standstill decision check)", *map(_prose, Decision.decode(data).lines())]
    if name in EVIDENCE_FORMATS:
        return ["evidence of equivocation (not checked here: standstill check-evidence)", f"says        {decode_evidence(data).text}"]
    if name == RECORD_FORMAT:
        record = Record.decode(data)
        return [
            "an inspection record (not checked here: standstill status)",
            f"by          {record.author}: lab {record.lab}, period {record.period}, drand round {record.round}",
            f"outcome     {record.outcome}" + "".join(f"; {FAILURES[code]}" for code in record.failures),
        ]
    if name == OPENING_FORMAT:
        opening = Opening.decode(data)
        return [
            "PRIVATE: an opening for one inspector, never to be published (not checked here: standstill inspect check)",
            f"from        lab {opening.lab}, period {opening.period}, drand round {opening.round}, to {opening.to}",
            f"holds       {len(opening.readings)} readings, {len(opening.slots)} registry slots",
        ]
    if name == GENESIS_FORMAT:
        return ["PRIVATE: what a genesis commitment hides (standstill genesis)", f"commitment  {GenesisFile.decode(data).commitment.hex()}"]
    if name == LOG_EVIDENCE_FORMAT:
        return ["evidence that a log signed two histories (not checked here: standstill check-evidence)"]
    if name == RECEIPT_FORMAT:
        receipt = Receipt.decode(data)
        return [
            "a receipt: parties' word that they were given a log entry (not checked here: standstill status)",
            f"entry       {entry_title(receipt.entry)}",
            *(f"signed by   {party}, with the time {format_time(time)}" for party, (time, _) in sorted(receipt.signatures.items())),
        ]
    if name == SITE_FORMAT:
        return ["what a publisher's page shows: the publisher's word (the page, and standstill status, check it)", *_site_lines(value)]
    if name == MEMORY_FORMAT:
        return ["what a reader or cosigner has seen of a log: keep it, it finds forks (standstill log verify --memory)"]
    if type(value) is dict and {"round", "signature"} <= value.keys():
        return ["a drand round (not checked here: standstill inspect draw)", f"round       {replace_hidden(str(value['round'])[:20], '?')}"]
    raise MalformedFile("JSON of no kind that Standstill writes")


def _site_lines(value: dict[str, object]) -> list[str]:
    """Sizes of a page's parts; what they say is for the page."""
    parts = [(key, part) for key, part in sorted(value.items()) if isinstance(part, list | dict)]
    return [f"holds       {len(part)} {replace_hidden(key, '?')[:40]}" for key, part in parts[:40]]


def _entry_lines(data: bytes) -> list[str]:
    return [
        "an entry for the public log (not checked here: standstill log append --agreement)",
        f"agreement   {decode_entry(data).agreement.hex()}",
        f"says        {entry_title(data)}",
    ]


_LIMITS = {TOTAL: "total", UNATTRIBUTED: "unattributed", LINEAGE: "lineage", FREEZE: "freeze"}


def _claim_lines(data: bytes) -> list[str]:
    claim = decode_claim(data)
    return [
        "a claim (not verified here: standstill verify)",
        f"agreement   {claim.agreement_digest.hex()}",
        f"lab         {claim.lab}",
        f"period      {claim.period}, epochs {claim.first_epoch} to {claim.last_epoch}",
        f"head before {head_to_hex(claim.head_before)}",
        f"head after  {head_to_hex(claim.head_after)}",
        *(f"meter       {meter.name} {head_to_hex(meter.head)}" for meter in claim.meters),
        *(f"site        {site.name} {head_to_hex(site.head)}, proof {site.proof.hex()}" for site in claim.sites),
        *([f"registry    proof {claim.registry_proof.hex()}"] if claim.sites else []),
        *(f"lost        {'meter' if loss.kind == LOST_METER else 'site'} {loss.name}, epochs {loss.first_epoch} to {loss.last_epoch}"
          for loss in claim.losses),
        *(f"over        {_limit(limit)}" for limit in claim.limits),
        *(f"over        in period {over.period}, {_limit(over)}" for over in claim.overs),
        *(f"transfer    {digest.hex()}" for digest in claim.transfers),
        f"size        {len(data)} bytes, of which proof {len(claim.proof)}",
    ]  # fmt: skip


def _limit(item: Limit | Over) -> str:
    return f"{_LIMITS[item.which]}: agreed {format_work(item.agreed)}, stated {format_work(item.stated)}"


def agreement_lines(agreement: Agreement) -> list[str]:
    """An agreement in words."""
    period = agreement.epoch_seconds * agreement.epochs_per_period
    out = [
        f"agreement   {agreement.name}",
        f"digest      {agreement.digest.hex()}",
        f"start       {format_time(agreement.start)}",
        f"epoch       {format_duration(agreement.epoch_seconds)}",
        f"periods     {agreement.periods} of {format_duration(period)} ({agreement.epochs_per_period} epochs)",
        *_rules_text(agreement.rules),
        *(f"from {first:<6} {line}" for first, rules in agreement.rules_from for line in _rules_text(rules)),
        *(f"party       {party.name} ed25519:{party.key.hex()}{_cosigns(party)}" for party in agreement.parties),
        *(f"chip        {chip.name}: peak {format_work(chip.peak)}/s, {_prose(chip.note)}" for chip in agreement.chips),
    ]
    for lab in agreement.labs:
        out += [
            f"lab         {lab.name}: {_tables_text(lab)}, claims from period {lab.since_period} on",
            f"  opening head {head_to_hex(lab.opening_head)}",
            f"  caps      {_caps_text(lab.caps)}",
            *(f"  from {period:<5}{_caps_text(caps)}" for period, caps in lab.caps_from),
            *([] if lab.ceiling is None else [f"  ceiling   {format_work(lab.ceiling)}: the most that total may become by transfers"]),
            *([f"  lost      up to {format_share(lab.lost)} of a period's chip-seconds may be listed as lost"] if lab.lost else []),
            *(f"  meter     {m.name}: {m.chips} x {m.chip}{_at(m)} ed25519:{m.key.hex()}" for m in lab.meters),
        ]
    if agreement.amends is not None:
        out.append(f"amends      {agreement.amends.digest.hex()} from period {agreement.amends.from_period} on")
    out += _regime_lines(agreement)
    if agreement.pause is not None:
        pause = agreement.pause
        out += [
            f"pause       trigger: {_prose(pause.trigger)}",
            f"            lifts: {_prose(pause.lifts)}",
            f"            decided by {pause.quorum} of {', '.join(pause.deciders)}",
        ]
    return out


def agreement_value(agreement: Agreement) -> dict[str, object]:
    """An agreement for programs: what scripts ask for. The file itself has everything."""
    return {
        "name": agreement.name, "digest": agreement.digest.hex(), "start": format_time(agreement.start),
        "end": format_time(agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods),
        "epoch_seconds": agreement.epoch_seconds, "epochs_per_period": agreement.epochs_per_period, "periods": agreement.periods,
        "parties": [party.name for party in agreement.parties],
        "labs": {lab.name: [meter.name for meter in lab.meters] for lab in agreement.labs},
        "sites": {lab.name: {site.name: [meter.name for meter in site.meters] for site in lab.sites} for lab in agreement.labs},
        "log": None if agreement.log is None else agreement.log.origin,
        "amends": None if agreement.amends is None else agreement.amends.digest.hex(),
    }  # fmt: skip


def _prose(text: str) -> str:
    """A text for people: its own lines are marked, so that none passes for a line of the agreement."""
    return text.replace("\n", "\n            | ")


def _tables_text(lab: Lab) -> str:
    if lab.registry_rows is None:
        return f"table of 2^{lab.log_rows} rows"
    return f"{len(lab.sites)} sites, each a table of 2^{lab.log_rows} rows, and a registry of 2^{lab.registry_rows} rows"


def _at(meter: Meter) -> str:
    return "" if meter.site is None else f" at {meter.site}"


def _cosigns(party: Party) -> str:
    return "" if party.cosign_key is None else f", cosigns with ed25519:{party.cosign_key.hex()}"


def _caps_text(caps: Caps) -> str:
    freeze = f"; freeze {format_work(caps.freeze)}" if caps.freeze is not None else ""
    return (
        f"total {format_work(caps.total)}, unattributed {format_work(caps.unattributed)} a period; "
        f"lineage {format_work(caps.lineage)}{freeze}"
    )


def _rules_text(rules: Rules) -> list[str]:
    return [
        f"charge      {'class peak for every busy chip-second' if rules.charge_peak else 'as metered'}",
        f"residue     {'unattributed work charged to every lineage' if rules.charge_residue else 'not charged'}",
    ]


def _regime_lines(agreement: Agreement) -> list[str]:
    """Log, commitments, deadlines and inspections."""
    log, sizes, deadlines, inspection = agreement.log, agreement.commitment, agreement.deadlines, agreement.inspection
    out = [f"committed   {sizes.readings} padded readings per meter and epoch, {sizes.checkpoints} padded checkpoints"]
    if log is not None:
        out.append(f"log         {log.origin}, run by {log.operator}, {log.cosignatures} cosignatures, ed25519:{log.key.hex()}")
    if deadlines is not None:
        spans = (deadlines.epoch, deadlines.claim, deadlines.grace, deadlines.opening)
        epoch, claim, grace, opening = map(format_duration, spans)
        out.append(f"deadlines   epoch {epoch}, claim {claim} (grace {grace}), opening {opening}")
        if deadlines.sign_by is not None:
            out.append(f"            signed by {format_time(deadlines.sign_by)}")
        if deadlines.late_epochs is not None:
            out.append(f"            a claim with more than {deadlines.late_epochs} late epochs is rejected")
        if deadlines.cosign is not None:
            out.append(f"            a newer head of the log is cosigned within {format_duration(deadlines.cosign)}")
    if inspection is not None:
        margin = format_duration(inspection.margin)
        out.append(f"inspection  {inspection.draws} readings and {inspection.slots} slots drawn, margin {margin}")
    return out


AGREEMENT_TEMPLATE = """\
# A standstill agreement. Every field is described in claims/FORMATS.md; unknown fields are refused.
format = "standstill-agreement/3"
name = "example"
start = 2026-01-01T00:00:00Z     # UTC, whole seconds
epoch = "1 h"                    # every meter makes at least one reading per epoch
period = "30 d"                  # or: epochs_per_period = 720
periods = 12

[rules]
charge = "peak"                  # busy chip-seconds x class peak; or "metered": as the meters sign it
residue = "charge-every-lineage" # unattributed work counts toward every checkpoint; or "none"

# Optional: what a pause means; text for people, bound by the signatures.
# [pause]
# trigger = "..."
# lifts = "..."
# deciders = ["lab-a"]          # parties; sorted
# quorum = 1                     # how many of them must sign a decision

# Optional: the public log that dates everything, and how many other parties must have cosigned its heads.
# [log]
# origin = "example.org/standstill"
# operator = "lab-a"
# key = "ed25519:<standstill keygen>"
# cosignatures = 1               # cosigners give cosign_key in their [[party]]

# Optional: sizes that hide how many readings and checkpoints there are. Powers of two.
# [commitment]
# readings = 64                  # padded leaves per meter and epoch
# checkpoints = 1024             # padded slots per registry head

# Optional: what is late, and what is missing.
# [deadlines]
# epoch = "1 d"                  # after an epoch's end
# claim = "7 d"                  # after a period's end
# grace = "7 d"                  # after the claim's deadline
# opening = "3 d"                # after the drawn round
# sign_by = 2025-12-31T00:00:00Z # optional
# late_epochs = 24               # optional: with more late epochs than this in a period, its claim is rejected
# cosign = "1 d"                 # optional: until a newer head of the log has its cosignatures

# Optional, with [log]: what an inspection draws.
# [inspection]
# draws = 64                     # chip-seconds
# slots = 16                     # registry slots
# margin = "10 min"              # from when claim and entries are due in the log to the round

# Optional: other rules or caps from a later period on ([[lab.caps_from]] goes below the lab's [lab.caps]).
# [[rules_from]]
# from_period = 6
# charge = "peak"
# residue = "charge-every-lineage"

# Optional: this agreement replaces another one from a period on.
# [amends]
# digest = "<standstill agreement digest of the other>"
# from_period = 6

[[party]]
name = "lab-a"
key = "ed25519:<standstill keygen>"

[[chip]]
name = "h100-sxm"
peak = "1.979e15 FLOP/s"         # at the highest-throughput format the chip has; rounded up
note = "FP8 dense, vendor data sheet"

[[lab]]
name = "lab-a"                   # a party of the same name
log_rows = 18                    # table height 2^18; fixed, so that growth does not show
# lost = "0.5 %"                 # share of a period's chip-seconds that a claim may list as lost; else 0
# ceiling = "2e24 FLOP"          # most that total may become by transfers; without it the lab receives none
# registry_rows = 16             # of a lab with sites: log_rows is the height of each site's table, this of its registry's
opening_head = "<standstill lab init>"

[lab.caps]                       # rounded down to 10^12 FLOP
total = "1e24 FLOP"              # all compute of a period
unattributed = "1e22 FLOP"       # compute of a period that names no checkpoint
lineage = "1e26 FLOP"            # cumulative compute behind any checkpoint
# freeze = "1e25 FLOP"           # checkpoints above this level may not be trained further

[[meter]]
lab = "lab-a"
name = "hall-1"
chip = "h100-sxm"
chips = 8
key = "ed25519:<standstill meter init>"
# site = "north"                 # optional, for all meters of a lab or none: meters of one site are proven in one table
"""
