"""Explain a file to a person, by its first bytes, without trusting any of it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.meters import HEADER, MeterTable, beside
from claims.agreement.model import DOMAIN as AGREEMENT_DOMAIN
from claims.agreement.signatures import SIGNATURES_FORMAT, AgreementSignatures
from claims.base.canonical import from_json, head_to_hex
from claims.base.errors import ClaimsError, MalformedFile
from claims.base.files import CLAIM_LIMIT, read_bounded
from claims.base.text import replace_hidden
from claims.base.units import format_time, format_work
from claims.claim.allowance_file import FORMAT as ALLOWANCE_FORMAT
from claims.claim.allowance_file import decode_allowance
from claims.claim.entries import MAGIC as ENTRY_MAGIC
from claims.claim.entries import decode_entry
from claims.claim.evidence import FORMATS as EVIDENCE_FORMATS
from claims.claim.evidence import decode_evidence
from claims.claim.file import MAGIC, decode_claim
from claims.claim.key_file import FORMAT as KEYS_FORMAT
from claims.claim.key_file import titles_of
from claims.claim.limits import limit_words
from claims.claim.lists import LOST_METER
from claims.claim.power import FORMAT as JOULES_FORMAT
from claims.claim.power import Joules
from claims.claim.receipts import FORMAT as RECEIPT_FORMAT
from claims.claim.receipts import Receipt
from claims.claim.roots import MAGIC as ROOTS_MAGIC
from claims.claim.roots import Roots
from claims.cli.show_agreement import agreement_lines, marked
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
from claims.tlog.memory import OLDER_FORMAT as OLDER_MEMORY
from zk.proof import MAGIC as PROOF_MAGIC

__all__ = ["describe"]

FEED_FORMAT = "standstill-feed/1"
"""As in claims/collect/feed.py, which verifiers need not load."""
SITE_FORMAT = "standstill-site/1"
"""As in claims/site/model.py, which verifiers need not load."""
_SQLITE = b"SQLite format 3\x00"
_DATABASES = {
    b"STDS": "a lab's private store, or a backup of one (SQLite): not to be shared; commands that take --store read it",
    b"STDJ": "a key's journal of what it signed (SQLite): no secret, and no part of backups; commands that sign read it",
}
"""By application_id, bytes 68 to 71 of the file, as in claims/lab/store_file.py and journal.py, which verifiers need not load."""
_PEM = b"-----BEGIN "
_PLAIN = {
    "standstill-allowance/1": "a transfer of cap that its receiver accepted (not checked here: standstill allowance give)",
    "standstill-joules/1": "PRIVATE: what the holder of a power feed gave a lab for one epoch (standstill inspect open --joules)",
    "standstill-opening-part/1": "PRIVATE: what a site opens of a draw, for its lab's headquarters alone",
    "standstill-witness-memory/1": "what a witness cosigned last of a log: keep it, it finds forks (standstill log witness serve)",
    "standstill-weights-progress/1": "digests of weights files that were read (standstill weights digest --progress)",
    "standstill-weights-manifest/1": "the files behind a weights digest (standstill weights check --manifest)",
    "standstill-status/1": "what standstill status --json found, once",
    "standstill-verdict/1": "what standstill verify --json found, once",
    "standstill-inspection/1": "what standstill inspect draw --json drew",
    "standstill-error/1": "an error of a command with --json",
}
"""JSON of which nothing more is said here. The formats are those of modules that verifiers need not load."""
_HEADS = {
    b"standstill-log-bundle": "a log as a page's visitors get it (standstill site wrote it; the page checks it)",
    b"standstill-log-intent/": "what an append to a log was about to publish (the next one takes it up, or standstill log mend)",
    b"standstill-tags": "PRIVATE: tags of a lab's runs, for its buildings (standstill building tags)",
    b"standstill-site-report": "what a building's meters signed, for headquarters (standstill lab take)",
    b"standstill-summary": "PRIVATE: a building's work by tag, for headquarters (standstill lab take)",
    b"standstill-sealed": "PRIVATE, and sealed: something between a building and headquarters (--carry-key opens it)",
    rb"[0-9a-f]{72}": "a key of what travels between a building and headquarters, perhaps (--carry-key): not to be shared",
    rb'[0-9a-f]{8} \{"carry":': "PRIVATE: a collector's spool (standstill meter spool)",
}
"""By a pattern of the first bytes."""


def describe(path: str | os.PathLike[str]) -> list[str]:
    """What a file is and what it holds, one line each. Nothing is verified, and no secret is read out.

    Raises:
        UnreadableFile: as in ``read_bounded``.
        ClaimsError: the file's own format error, or MalformedFile for a file of no known kind.
    """
    first = _first_bytes(path, 72) if Path(path).is_file() else b""
    if first.startswith(_SQLITE) and (database := _DATABASES.get(first[68:])):
        return [database, *_database_lines(Path(path), first[68:])]
    for start, kind in _HEADS.items():
        if re.match(start, first):
            return [kind]
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
    if data.startswith(HEADER.encode()):
        meters = MeterTable(str(path), data, data.count(b"\n") - 1).meters()
        labs = ", ".join(sorted({meter.lab for meter in meters}))
        return [
            "the meters of an agreement, which names this file's SHA-256 (standstill agreement check)",
            f"meters      {len(meters)} of {labs}",
            f"SHA-256     {hashlib.sha256(data).hexdigest()}",
        ]
    found = log_lines(Path(path), data)
    if found is not None:
        return found
    if b"standstill-agreement/" in data[:65536]:
        try:
            return ["an agreement", *agreement_lines(parse_agreement(data.decode("utf-8"), str(path), beside(Path(path).parent)))]
        except UnicodeDecodeError:
            raise MalformedFile(f"{path}: not UTF-8 text") from None
    kinds = (
        "known are agreements, .meters.csv, .sigs, .claim, .proof, .roots, .entry, .receipt, .record, .opening, .evidence, .decision,"
        " rounds, site.json, files of a log in its folder, .tlog-proof, keys, stores and journals"
    )
    raise MalformedFile(f"{path}: not a file that Standstill knows", hint=kinds)


def _database_lines(path: Path, kind: bytes) -> list[str]:
    """How much a store or a journal holds: numbers of things, and of nothing secret. Nothing where it cannot be opened."""
    try:
        if kind == b"STDS":
            from claims.lab.store import Store

            with Store.open(path) as store:
                return store.extent()
        from claims.lab.journal import Journal

        return Journal.extent(path)
    except (ClaimsError, ImportError):
        return ["it cannot be opened here (in use by another program, damaged, of another format, or readable by others)"]


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
        return ["a decision (not checked here: standstill decision check)", *map(marked, Decision.decode(data).lines())]
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
    if name == KEYS_FORMAT:
        return ["the words about an agreement's keys that a log had (not checked here: standstill key list)", *titles_of(data)]
    if name == ALLOWANCE_FORMAT:
        return ["a transfer of cap that its receiver accepted (not checked here: standstill allowance give)", *_allowance(data)]
    if name == JOULES_FORMAT:
        joules = Joules.decode(data)
        return [
            "PRIVATE: what a power feed drew in one epoch, for the lab and for inspectors (not checked here: standstill inspect check)",
            f"of          feed {joules.feed}, epoch {joules.epoch}",
        ]
    if name == FEED_FORMAT:
        return ["PRIVATE: a power feed's records, kept by its holder alone (standstill feed)"]
    if name == RECEIPT_FORMAT:
        receipt = Receipt.decode(data)
        return [
            "a receipt: parties' word that they were given a log entry (not checked here: standstill status)",
            f"entry       {entry_title(receipt.entry)}",
            *(f"signed by   {party}, with the time {format_time(time)}" for party, (time, _) in sorted(receipt.signatures.items())),
        ]
    if name == SITE_FORMAT:
        return ["what a publisher's page shows: the publisher's word (the page, and standstill status, check it)", *_site_lines(value)]
    if name in _PLAIN:
        return [_PLAIN[name]]
    if name in (MEMORY_FORMAT, OLDER_MEMORY):
        return ["what a reader or cosigner has seen of a log: keep it, it finds forks (standstill log verify --memory)"]
    if type(value) is dict and {"round", "signature"} <= value.keys():
        return ["a drand round (not checked here: standstill inspect draw)", f"round       {replace_hidden(str(value['round'])[:20], '?')}"]
    raise MalformedFile("JSON of no kind that Standstill writes")


def _allowance(data: bytes) -> list[str]:
    entry = decode_allowance(data)
    return [f"moves       {format_work(entry.amount)}: {entry.title}", f"agreement   {entry.agreement.hex()}"]


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
        *(f"lost        {'meter' if loss.kind == LOST_METER else 'site'} {loss.name}, from epoch {loss.first_epoch} on"
          for loss in claim.losses),
        *(f"over        {limit_words(limit)}" for limit in claim.limits),
        *(f"over        in period {over.period}, {limit_words(over)}" for over in claim.overs),
        *(f"transfer    {digest.hex()}" for digest in claim.transfers),
        f"size        {len(data)} bytes, of which proof {len(claim.proof)}",
    ]  # fmt: skip
