"""What of a publication folder belongs on its page: files whose place, name and beginning are those of a known kind.

Nothing else is copied: no key, no store, no opening of an inspection, no link that leads out of the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from claims.agreement.meters import HEADER
from claims.base.below import list_below, read_below
from claims.base.canonical import from_json
from claims.base.errors import ClaimsError, MalformedFile, UnreadableFile
from claims.base.files import AGREEMENT_LIMIT, CLAIM_LIMIT, PROOF_LIMIT, TABLE_LIMIT

__all__ = ["PrivateFile", "Published", "collect", "read_published"]

RECEIPT_LIMIT = 2**20
ROOTS_LIMIT = 65 * 2**20
"""Largest roots file, bytes."""
RECORD_LIMIT = 8 * 2**20
"""Largest record, round, decision or evidence file, bytes."""
LOG_LIMIT = 2 * 2**20
"""Largest file of a log, bytes: a full tile of the longest entries, and some."""
MAX_FILES = 500_000

_NAME = r"[a-z0-9][a-z0-9._-]{0,127}"
_INDEX = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"


@dataclass(frozen=True)
class _Kind:
    pattern: re.Pattern[str]
    name: str
    limit: int
    check: str


def _kind(pattern: str, name: str, limit: int, check: str) -> _Kind:
    return _Kind(re.compile(pattern), name, limit, check)


_KINDS = (
    _kind(r"agreement\.toml", "agreement", AGREEMENT_LIMIT, "text"),
    _kind(r"agreement\.sigs", "agreement", AGREEMENT_LIMIT, "json:standstill-agreement-signatures/"),
    _kind(rf"agreements/{_NAME}\.toml", "agreement", AGREEMENT_LIMIT, "text"),
    _kind(rf"agreements/{_NAME}\.sigs", "agreement", AGREEMENT_LIMIT, "json:standstill-agreement-signatures/"),
    _kind(rf"(?:agreements/)?{_NAME}\.meters\.csv", "agreement", TABLE_LIMIT, f"magic:{HEADER}"),
    _kind(rf"decisions/{_NAME}\.decision", "decision", RECORD_LIMIT, "json:standstill-decision/"),
    _kind(rf"claims/{_NAME}\.claim", "claim", CLAIM_LIMIT, "magic:standstill-claim"),
    _kind(rf"claims/{_NAME}\.roots", "roots", ROOTS_LIMIT, "magic:standstill-roots"),
    _kind(rf"claims/{_NAME}\.proof", "proof", PROOF_LIMIT, "magic:SSPF"),
    _kind(rf"inspections/{_NAME}\.record", "inspection", RECORD_LIMIT, "json:standstill-inspection-record/"),
    _kind(rf"rounds/{_NAME}\.json", "round", RECORD_LIMIT, "round"),
    _kind(rf"evidence/{_NAME}\.evidence", "evidence", RECORD_LIMIT, "evidence"),
    _kind(rf"receipts/{_NAME}\.receipt", "receipt", RECEIPT_LIMIT, "json:standstill-receipt/"),
    _kind(r"log/checkpoint", "log", LOG_LIMIT, "text"),
    _kind(r"log/checkpoints/(?:[0-9]{1,20}|sizes)", "log", LOG_LIMIT, "text"),
    _kind(rf"log/tile/[0-9]{{1,2}}/{_INDEX}(?:\.p/[0-9]{{1,3}})?", "log", LOG_LIMIT, "bytes"),
    _kind(rf"log/tile/entries/{_INDEX}(?:\.p/[0-9]{{1,3}})?", "log", LOG_LIMIT, "bytes"),
)


class PrivateFile(ClaimsError):
    """A file that must never be published lies where published files are."""


@dataclass(frozen=True)
class Published:
    """A file to copy. ``path``: below the folder, with "/"; ``kind``: for the page's list; ``limit``: its largest size."""

    path: str
    kind: str
    limit: int
    check: str


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """Paths below the folder, and whether each is a regular file; links are not followed."""
    stack = [""]
    seen = 0
    while stack:
        base = stack.pop()
        for entry in list_below(folder, base, MAX_FILES - seen) or ():
            seen += 1
            path = f"{base}/{entry.name}" if base else entry.name
            if entry.kind == "folder" and path.count("/") < 12:
                stack.append(path)
            else:
                yield path, entry.kind == "file"


def collect(folder: Path) -> tuple[list[Published], list[str]]:
    """The files of a publication folder that go on its page, and the paths that do not, both in order.

    Raises:
        UnreadableFile: the folder is missing, unreadable, or has more than ``MAX_FILES`` files.
    """
    if not folder.is_dir():
        raise UnreadableFile(f"{folder}: not a folder", "give the folder that holds agreement.toml, claims/ and log/")
    found, left = [], []
    for path, regular in _walk(folder):
        if path == "log/.lock":
            continue  # the log's writer left it there; nobody misses it
        kind = next((kind for kind in _KINDS if kind.pattern.fullmatch(path)), None)
        if kind is None or not regular:
            left.append(path)
        else:
            found.append(Published(path, kind.name, kind.limit, kind.check))
    return sorted(found, key=lambda item: item.path), sorted(left)


def read_published(folder: Path, item: Published) -> bytes:
    """Read one file and check that it begins as its kind does.

    Raises:
        UnreadableFile: missing, or larger than its kind may be.
        MalformedFile: its content is of no known kind.
        PrivateFile: it holds a private key.
    """
    data = read_below(folder, item.path, item.limit)
    if b"PRIVATE KEY" in data:
        raise PrivateFile(
            f"{item.path}: holds a private key",
            "take it out of the publication folder; if it was ever public, replace that key",
        )
    kind, _, wanted = item.check.partition(":")
    if kind == "magic" and not data.startswith(wanted.encode()):
        raise MalformedFile(f"{item.path}: does not begin with {wanted}")
    if kind == "text" and b"\0" in data:
        raise MalformedFile(f"{item.path}: not a text")
    if kind in ("json", "round", "evidence"):
        _check_json(item.path, data, kind, wanted)
    return data


def _check_json(path: str, data: bytes, kind: str, wanted: str) -> None:
    try:
        value = from_json(data)
    except (ValueError, RecursionError):
        raise MalformedFile(f"{path}: not JSON") from None
    if not isinstance(value, dict):
        raise MalformedFile(f"{path}: not a JSON object")
    name = str(value.get("format", ""))
    if kind == "json" and not name.startswith(wanted):
        raise MalformedFile(f"{path}: its format is not {wanted}N")
    if kind == "evidence" and not (name.startswith("standstill-") and "evidence" in name):
        raise MalformedFile(f"{path}: its format is not one of evidence")
    if kind == "round" and not ({"round", "signature"} <= value.keys() and "format" not in value):
        raise MalformedFile(f"{path}: not a drand round")
