"""Commands of the transparency log. Exit 1: the log, proof or evidence does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.dates import readable
from claims.base.errors import ClaimRejected, UnreadableFile
from claims.base.text import in_columns
from claims.base.token_uri import KeyName
from claims.cli.group import cli, clock_option, json_option, key_options, load_key, load_terms, out, read_path, report
from claims.cli.screen import doing

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.memory import LogMemory
    from claims.tlog.reader import LogView

__all__ = ["agreement_option", "log", "log_key_option", "open_compared", "rejecting", "terms_of", "trust_of", "verifier_key"]


@cli.group("log")
def log() -> None:
    """The public append-only log: publish entries, cosign heads, verify, prove (C2SP formats)."""


log_key_option = click.option("--log-key", help="The log's verifier key as `log init` prints it, instead of an agreement.")
agreement_option = click.option("--agreement", "-a", "agreement_path", type=read_path, help="Agreement whose [log] this is.")


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which log, and whose cosignatures count: an agreement, or each by hand."""
    for option in (
        click.option("--exclude", multiple=True, help="Cosigner that does not count; repeat."),
        click.option("--quorum", type=click.IntRange(0), help="Cosignatures needed. [default: the agreement's, else all given]"),
        click.option("--cosigner", multiple=True, help="Further cosigner: its verifier key, or both halves'; repeat."),
        log_key_option,
        agreement_option,
    ):
        command = option(command)
    return command


def terms_of(path: Path | None) -> Agreement | None:
    return None if path is None else load_terms(path)


def trust_of(terms: Agreement | None, log_key: str | None, cosigner: tuple[str, ...], quorum: int | None) -> LogTrust:
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.note import COSIGNATURE, ED25519
    from claims.verify.log import log_trust

    cosigners = dict(verifier_key(text, COSIGNATURE, "--cosigner") for text in cosigner)
    if log_key is not None:
        if terms is not None:
            raise click.UsageError("--agreement and --log-key exclude each other")
        origin, own = verifier_key(log_key, ED25519, "--log-key")
        return LogTrust(origin, own, cosigners, len(cosigners) if quorum is None else quorum)
    if terms is None:
        raise click.UsageError("say which log: --agreement, or --log-key")
    if terms.log is None:
        raise click.UsageError("the agreement has no [log]")
    trust = log_trust(terms)
    return replace(trust, cosigners={**cosigners, **trust.cosigners}, quorum=trust.quorum if quorum is None else quorum)


def verifier_key(text: str, kind: int, option: str) -> tuple[str, bytes]:
    """Name and public key of one verifier key, or of two with a space between: of an Ed25519 half, then of an ML-DSA-44 half."""
    from claims.tlog.note import LATTICE, VerifierKey

    keys = [VerifierKey.decode(part) for part in text.split(" ")]
    if [key.kind for key in keys] not in ([kind], [kind, LATTICE]) or len({key.name for key in keys}) > 1:
        what = "the log type" if option == "--log-key" else "the cosignature type"
        raise click.UsageError(f"{option} is not a key of {what}, nor one and the ML-DSA-44 key of the same name after a space")
    return keys[0].name, b"".join(key.key for key in keys)


@contextmanager
def rejecting(evidence: Path | None = None, memory: Path | None = None) -> Iterator[None]:
    """Turn what a log does not hold into exit code 1, after saving the evidence of a fork: there, or else beside the memory."""
    from claims.base.files import write_new
    from claims.tlog.errors import LogRejected
    from claims.tlog.evidence import LogFork

    try:
        yield
    except LogFork as error:
        if evidence is None:
            evidence = error.evidence.keep(memory)
        else:
            write_new(evidence, error.evidence.encode())
        out(f"evidence written to {evidence}: standstill log check-evidence", err=True)
        raise ClaimRejected("log", str(error)) from None
    except LogRejected as error:
        raise ClaimRejected("log", str(error)) from None


def open_compared(
    source: str, trust: LogTrust, exclude: tuple[str, ...], memory_path: Path | None, now: int | None = None, *, keep: bool = True
) -> LogView:
    """A verified view at a moment (by default the clock's), compared with the memory file and remembered there.

    What is compared and remembered is the log as all cosigners vouch for it: without some of them it may be shorter than it was.
    ``keep``: as in ``open_log``.
    """
    from claims.base import clock
    from claims.tlog.reader import open_log

    doing("reading the log")
    view = open_log(source, trust, exclude=exclude, now=clock.now() if now is None else now, keep=keep)
    if memory_path is not None:
        whole = open_log(source, trust, keep=keep) if view.size < view.newest.head.size else view
        memory = _memory(memory_path, trust)
        memory.check(whole)
        whole.check_tiles()
        whole.history()
        whole.check_prefix(view)
        memory.update(whole)
    return view


def _memory(path: Path, trust: LogTrust) -> LogMemory:
    from claims.tlog.memory import LogMemory

    return LogMemory.load(path, trust)


@log.command("cosign")
@click.argument("source")
@key_options
@click.option("--name", required=True, help="This cosigner's name: its party, or witness, in the agreement.")
@click.option("--memory", "memory_path", type=read_path, required=True, help="What this cosigner saw before; keep it safe.")
@click.option("--out", "-o", "target", type=read_path, help="Also write the cosigned head here, for the log's operator.")
@click.option("--save-evidence", type=read_path, help="Where to write the evidence if the log forked. [default: beside the memory]")
@click.option("--new-memory", is_flag=True, help="The memory is lost: begin another, although you cosigned this log before.")
@click.option("--again", is_flag=True, help="Say anew that this is the whole log, although you cosigned this head before.")
@clock_option
@trust_options
def log_cosign(
    source: str, key_name: KeyName, passphrase_file: Path | None, name: str, memory_path: Path, target: Path | None,
    save_evidence: Path | None, new_memory: bool, again: bool, clock_is_right: bool, agreement_path: Path | None, log_key: str | None,
    cosigner: tuple[str, ...], quorum: int | None, exclude: tuple[str, ...],
) -> None:  # fmt: skip
    """Cosign the newest head, if it extends what this cosigner saw before. SOURCE: a folder or a web address.

    Refuses a clock that is more than 7 days ahead of this cosigner's last cosignature and the newest dates of the others.
    """
    from claims.base.files import write_atomic
    from claims.base.keys import public_bytes
    from claims.base.units import format_time
    from claims.tlog.cosign import cosign

    terms = terms_of(agreement_path)
    trust = trust_of(terms, log_key, cosigner, quorum)
    key = load_key(key_name, passphrase_file)
    if terms is not None and trust.cosigners.get(name) != public_bytes(key):
        raise ClaimRejected("log", f"the agreement has no cosigner {name} with this key: no witness, and no party but the operator")
    with rejecting(save_evidence, memory_path):
        memory = _memory(memory_path, trust)
        if memory.note is None:
            out(f"{memory_path}: a new memory: nothing tells whether the log was another one before", err=True)
        how = {"clock_is_right": clock_is_right, "again": again, "new_memory": new_memory}
        note = cosign(source, key, name, memory, others=trust.cosigners, **how)
    if target is not None:
        write_atomic(target, note.encode())
    out(f"cosigned size {note.text.splitlines()[1]}; this machine's clock shows {format_time(memory.cosigned or 0)}")


@log.command("mend-memory")
@click.argument("path", metavar="MEMORY", type=read_path)
@trust_options
def log_mend_memory(
    path: Path, agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...], quorum: int | None, exclude: tuple[str, ...]
) -> None:
    """Take a last cosignature's date, which a wrong clock put into the future, back to this machine's clock. What was seen is kept."""
    from claims.base import clock
    from claims.base.units import format_time

    now = clock.now()
    if not path.exists():
        raise UnreadableFile(f"{path}: there is no such memory", "name the one that you cosign with")
    with rejecting():
        wrong = _memory(path, trust_of(terms_of(agreement_path), log_key, cosigner, quorum)).mend(now)
    out(f"{path}: the last cosignature counts as of {format_time(now)}, not {format_time(wrong)}; cosign again: the earliest date counts")


@log.command("add-cosignatures")
@click.argument("folder", type=read_path)
@click.argument("files", metavar="HEAD...", nargs=-1, required=True, type=read_path)
@trust_options
def log_add_cosignatures(
    folder: Path, files: tuple[Path, ...], agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...],
    quorum: int | None, exclude: tuple[str, ...],
) -> None:
    """Add to the log in FOLDER what cosigners sent: heads with their cosignatures, or signature lines alone."""
    from claims.base.files import read_bounded
    from claims.tlog.cosign import add_cosignatures
    from claims.tlog.note import NOTE_LIMIT

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, quorum)
    with rejecting():
        for path in files:
            names = add_cosignatures(folder, trust, read_bounded(path, NOTE_LIMIT))
            out(f"{path}: {', '.join(names) or 'no cosignature that counts'}")


@log.command("verify")
@click.argument("source")
@click.option("--memory", "memory_path", type=read_path, help="What you saw before: a fork or rewind is found with it.")
@click.option("--save-evidence", type=read_path, help="Where to write the evidence if the log forked. [default: beside the memory]")
@trust_options
@json_option
def log_verify(
    source: str, memory_path: Path | None, save_evidence: Path | None, agreement_path: Path | None, log_key: str | None,
    cosigner: tuple[str, ...], quorum: int | None, exclude: tuple[str, ...],
) -> None:
    """Read the whole log, recompute its root, check every tile, stored head and cosignature."""
    from claims.base.units import format_time
    from claims.verify.log_state import last_cosigned, uncosigned
    from claims.verify.report import OLDER

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, quorum)
    with rejecting(save_evidence, memory_path):
        view = open_compared(source, trust, exclude, memory_path, keep=False)
        tiles = view.check_tiles()
        heads = len(view.history())
    newest, behind = view.newest.head.size, view.cosigned_last()
    lines = [
        f"log {trust.origin}: {view.size} entries, root {view.root.hex()}",
        f"{tiles} tiles and {heads} signed heads agree with them; cosigned by {', '.join(sorted(view.signed.times)) or 'nobody'}",
    ]
    if newest > view.size:
        lines.append(f"a newer head of size {newest} lacks its {trust.quorum} cosignatures yet")
        if view.tail_problem is not None:
            lines.append(f"its entries are not here: {view.tail_problem}")
    if behind:
        lines.append(f"the newest head is {uncosigned(behind)}")
    date = view.as_of()
    lines.append("no quorum dates it" if date is None else f"this is the log as it was at {format_time(date)}. Note: {OLDER}")
    if memory_path is None:
        lines.append("NOT CHECKED: that it extends what you saw before (--memory)")
    value = _view_value(view) | {"tiles": tiles, "heads": heads, "newest_size": newest, "extends_memory": memory_path is not None or None}
    value |= {"date": None if date is None else format_time(date), "not_cosigned": last_cosigned(behind)}
    report(lines, value)


def _view_value(view: LogView) -> dict[str, object]:
    """A verified log for programs."""
    return {"origin": view.trust.origin, "size": view.size, "root": view.root.hex(), "cosigners": dict(sorted(view.signed.times.items()))}


@log.command("show")
@click.argument("source")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Entries to list, from the end.")
@trust_options
@json_option
def log_show(
    source: str, limit: int, agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...], quorum: int | None,
    exclude: tuple[str, ...],
) -> None:
    """List entries and when they were published by the cosigners' clocks."""
    from claims.base.errors import MalformedFile
    from claims.base.units import format_time
    from claims.claim.entries import decode_entry
    from claims.tlog.errors import LogError
    from claims.tlog.glance import log_end

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, quorum)
    with rejecting():
        end = log_end(source, trust, limit, exclude=exclude)
        view = end.view
        rows: list[dict[str, Any]] = []
        for index, data in enumerate(end.entries, end.first):
            try:
                when = format_time(view.committed_time(index))
            except LogError:
                when = None
            try:
                entry = decode_entry(data)
                row = {"kind": entry.kind, "agreement": entry.agreement.hex(), "author": entry.author, "title": entry.title}
            except MalformedFile:
                title = f"{len(data)} bytes that are not an entry of ours"
                row = {"kind": None, "agreement": None, "author": None, "title": title}
            rows.append({"index": index, "time": when, **row})
    cells = [(str(row["index"]), readable(row["time"] or "not dated"), row["title"]) for row in rows]
    report(in_columns(cells, right=(0,)), _view_value(view) | {"entries": rows})


@log.command("prove")
@click.argument("source")
@click.argument("index", type=click.IntRange(0))
@click.option("--out", "-o", "target", type=read_path, required=True, help="New file for the proof (.tlog-proof).")
@trust_options
def log_prove(
    source: str, index: int, target: Path, agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...],
    quorum: int | None, exclude: tuple[str, ...],
) -> None:
    """Write a proof that entry INDEX is in the log, which anyone can check offline."""
    from claims.base.files import write_new
    from claims.tlog.glance import entry_proof

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, quorum)
    with rejecting():
        proof = entry_proof(source, trust, index, exclude=exclude)
    write_new(target, proof.encode())
    out(f"{target}: entry {index} of {proof.checkpoint.splitlines()[1].decode()}")


@log.command("check-proof")
@click.argument("proof_path", metavar="PROOF", type=read_path)
@click.argument("entry_path", metavar="ENTRY", type=read_path)
@trust_options
@json_option
def log_check_proof(
    proof_path: Path, entry_path: Path, agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...],
    quorum: int | None, exclude: tuple[str, ...],
) -> None:
    """Check a proof offline: the entry file's bytes are in the log whose head the proof carries."""
    from claims.base.files import read_bounded
    from claims.tlog.proof import PROOF_LIMIT, TLogProof
    from claims.tlog.tiles import ENTRY_LIMIT

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, quorum)
    proof = TLogProof.decode(read_bounded(proof_path, PROOF_LIMIT))
    with rejecting():
        signed = proof.check(read_bounded(entry_path, ENTRY_LIMIT), trust, exclude)
    report(
        f"entry {proof.index} of {signed.head.size} in {trust.origin}; cosigned by {', '.join(sorted(signed.times)) or 'nobody'}",
        {"index": proof.index, "size": signed.head.size, "origin": trust.origin, "cosigners": dict(sorted(signed.times.items()))},
    )


@log.command("check-evidence")
@click.argument("path", metavar="EVIDENCE", type=read_path)
@trust_options
@json_option
def log_check_evidence(
    path: Path, agreement_path: Path | None, log_key: str | None, cosigner: tuple[str, ...], quorum: int | None,
    exclude: tuple[str, ...],
) -> None:
    """Check evidence of a fork with the log's key alone; exit 0 when it is evidence."""
    from claims.base.files import read_bounded
    from claims.tlog.evidence import EVIDENCE_LIMIT, LogEvidence

    trust = trust_of(terms_of(agreement_path), log_key, cosigner, 0 if log_key is not None else quorum)
    with rejecting():
        smaller, larger = LogEvidence.decode(read_bounded(path, EVIDENCE_LIMIT)).check(trust.origin, trust.key)
    text = f"the log {trust.origin} forked: its signed heads of sizes {smaller} and {larger} exclude each other"
    report(text, {"shows": text, "sizes": [smaller, larger]})
