"""Explain the files of a log's folder, and proofs from it, to a person. Nothing is verified."""

from __future__ import annotations

import re
from pathlib import Path

from claims.base.errors import MalformedFile
from claims.base.units import format_time
from claims.claim.entries import decode_entry
from claims.tlog.checkpoint import Checkpoint
from claims.tlog.note import Note
from claims.tlog.proof import HEADER, TLogProof
from claims.tlog.tiles import TILE_WIDTH, decode_bundle, decode_tile

__all__ = ["entry_title", "log_lines"]

_TILE = re.compile(r"(?:.*/)?tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_CHECKED = "(not checked here: standstill log verify)"


def entry_title(data: bytes) -> str:
    """A log entry in words."""
    try:
        entry = decode_entry(data)
    except MalformedFile:
        return f"{len(data)} bytes that are not an entry of ours"
    return f"{entry.title}, signed by {entry.author}"


def log_lines(path: Path, data: bytes) -> list[str] | None:
    """What a file of a log, or a proof from one, is and holds; None where it is no such file.

    Heads and proofs are known by what they hold, tiles and the list of sizes, which bear no mark, by their place in the log's folder.

    Raises:
        LogError: it should be one and is malformed.
    """
    if data.startswith(HEADER.encode() + b"\n"):
        proof = TLogProof.decode(data)
        what = "a proof that an entry is in a log (not checked here: standstill log check-proof)"
        return [what, f"entry       number {proof.index}, counted from 0", *_head_lines(proof.checkpoint)]
    if b"\n\n\xe2\x80\x94 " in data[:8192]:
        return [f"a signed head of a log {_CHECKED}", *_head_lines(data)]
    tile = _TILE.fullmatch(path.absolute().as_posix())
    if tile is not None:
        return _tile_lines(tile, data)
    if path.absolute().parts[-2:] == ("checkpoints", "sizes"):
        return [f"the sizes of a log's published heads {_CHECKED}", f"holds       {len(data.split())} sizes"]
    return None


def _head_lines(data: bytes) -> list[str]:
    note = Note.decode(data)
    head = Checkpoint.parse(note.text)
    lines = [f"log         {head.origin}", f"size        {head.size} entries", f"root        {head.root.hex()}"]
    for item in note.signatures:
        when = f", with the time {format_time(int.from_bytes(item.data[:8], 'big'))}" if len(item.data) in (72, 80) else ""
        lines.append(f"signed by   {item.name}{when}")
    return lines


def _tile_lines(tile: re.Match[str], data: bytes) -> list[str]:
    index, width = int(re.sub("[x/]", "", tile[2])), int(tile[3] or TILE_WIDTH)
    first = index * TILE_WIDTH
    if tile[1] == "entries":
        entries = decode_bundle(data, width)
        rows = [f"{first + at:<11} {entry_title(entry)}" for at, entry in enumerate(entries)]
        return [f"entries {first} to {first + width - 1} of a log {_CHECKED}", *rows]
    decode_tile(data, width)
    what = "entries" if tile[1] == "0" else f"full tiles of level {int(tile[1]) - 1}"
    return [f"hashes of a log's tree, level {tile[1]} {_CHECKED}", f"holds       {width} hashes: of {what} {first} to {first + width - 1}"]
