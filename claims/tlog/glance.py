"""The end of a log, or one entry of it, without reading the rest: what an answer needs, down to the root that log and quorum signed.

What would be a fork, or is not whole, is for :func:`claims.tlog.reader.open_log`, which reads everything and shows it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.proof import TLogProof
from claims.tlog.reader import FALLBACKS, LogView, choose, open_log, read_checkpoint
from claims.tlog.source import Source, newest_sizes, open_source
from claims.tlog.tree import Tree

__all__ = ["LogEnd", "entry_proof", "log_end"]


@dataclass(frozen=True)
class LogEnd:
    """The last entries of a log, from index ``first`` on. ``view``: its head, and the stored heads that date these entries."""

    view: LogView
    first: int
    entries: list[bytes]


def log_end(where: str | os.PathLike[str], trust: LogTrust, most: int, *, exclude: Collection[str] = ()) -> LogEnd:
    """The last ``most`` entries, or all. Raises as ``open_log``."""
    source, barred = open_source(where), frozenset(exclude)
    try:
        heads, tree = _newest(source, trust, barred)
        first = max(0, tree.size - most)
        stored = _stored(source, trust, tree, first)
        entries = list(tree.entries(first, tree.size))
    except LogError:
        view = open_log(source, trust, exclude=barred)
        view.history()
        return LogEnd(view, max(0, view.size - most), view.entries[max(0, view.size - most) :])
    newest, signed = heads
    same = stored.get(tree.size)
    if same is not None and same.note.text == signed.note.text:
        signed = same.merge(signed)
    return LogEnd(LogView(trust, source, signed, newest, [], [], barred, _heads={**stored, tree.size: signed}), first, entries)


def entry_proof(where: str | os.PathLike[str], trust: LogTrust, index: int, *, exclude: Collection[str] = ()) -> TLogProof:
    """Proof that entry ``index`` is in the log. Raises as ``open_log``, and LogError where there is no such entry."""
    source, barred = open_source(where), frozenset(exclude)
    try:
        (_, signed), tree = _newest(source, trust, barred)
        list(tree.entries(index, index + 1))
        return TLogProof(index, tuple(tree.inclusion(index)), signed.note.encode())
    except LogError:
        return open_log(source, trust, exclude=barred).prove(index)


def _newest(source: Source, trust: LogTrust, barred: frozenset[str]) -> tuple[tuple[SignedCheckpoint, SignedCheckpoint], Tree]:
    """The newest head and the one in use, with its tree; the shown and the newest one are in one history with it. Raises LogError."""
    shown = read_checkpoint(source, "checkpoint", trust)
    if shown is None:
        raise LogError(f"{source}: there is no log (no file checkpoint)")
    newest, signed, _ = choose(source, trust, barred, shown, newest_sizes(source, FALLBACKS))
    if signed is None:
        raise LogRejected(f"{source}: no head has its cosignatures")
    largest = Tree(source, newest.head.size, newest.head.root)
    if any(largest.range_root(0, head.head.size) != head.head.root for head in (shown, signed)):
        raise LogRejected(f"{source}: its heads contradict each other")
    size = signed.head.size
    return (newest, signed), largest if size == largest.size else Tree(source, size, signed.head.root)


def _stored(source: Source, trust: LogTrust, tree: Tree, first: int) -> dict[int, SignedCheckpoint]:
    """The stored heads that have an entry from ``first`` on, by size, without broken ones. Raises LogRejected: one is not of the tree."""
    found: dict[int, SignedCheckpoint] = {}
    for size in source.sizes():
        if first < size <= tree.size:
            try:
                stored = read_checkpoint(source, f"checkpoints/{size}", trust)
            except LogError:
                continue
            if stored is None or stored.head.size != size:
                continue
            if tree.range_root(0, size) != stored.head.root:
                raise LogRejected(f"{source}: the stored head of size {size} is not in its tree")
            found[size] = stored
    return found
