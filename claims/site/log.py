"""The public log for the page: what to show of it, and its bundle for the browser (FORMATS-site.md, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims.agreement.model import Agreement
from claims.base.below import read_below
from claims.base.errors import ClaimsError
from claims.site.heads import telling_heads

if TYPE_CHECKING:
    from claims.claim.published import PublishedEntries
    from claims.tlog.reader import LogView

__all__ = ["LogFiles", "encode_bundle", "read_log"]

MAGIC = b"standstill-log-bundle"
MAX_HEADS = 64
"""Heads in a bundle: the newest ones, and those that tell who was in time (heads.py), at most MAX_TELLING."""
MAX_TELLING = 3900
MAX_BUNDLE = 256 * 2**20
HEAD_LIMIT = 128 * 1024


def encode_bundle(heads: list[bytes], entries: list[bytes]) -> bytes:
    """Signed heads and all entries, for a verifier that has no files: magic, u16 1, heads as u32-blobs, entries as u16-blobs."""
    parts = [MAGIC, (1).to_bytes(2, "big"), len(heads).to_bytes(2, "big")]
    parts += [len(head).to_bytes(4, "big") + head for head in heads]
    parts.append(len(entries).to_bytes(4, "big"))
    parts += [len(entry).to_bytes(2, "big") + entry for entry in entries]
    return b"".join(parts)


@dataclass
class LogFiles:
    """A log of a publication folder, as far as it verifies.

    Attributes:
        agreement: whose log it is.
        read: the verified log, or None; ``problem``: why there is none.
        bundle: for the browser, or None.
        path: of the checkpoint on the page, or None.
    """

    agreement: Agreement
    read: LogView | None
    problem: str
    bundle: bytes | None
    path: str | None
    _published: dict[bytes, PublishedEntries] = field(default_factory=dict)

    def roots_of(self, agreement: Agreement, lab: str, period: int) -> str | None:
        """SHA-256 (hex) of the roots file that the lab's logged claim entry names, or None."""
        from claims.claim.published import PublishedEntries

        if self.read is None:
            return None
        if agreement.digest not in self._published:
            self._published[agreement.digest] = PublishedEntries(agreement, list(enumerate(self.read.entries)))
        found = self._published[agreement.digest].claim(lab, period)
        return None if found is None else found[0].roots.hex()

    def view(self, problem: str | None) -> dict[str, Any]:
        """What the page shows. ``problem``: what the state's computation found wrong, or None."""
        from claims.verify.log import log_trust

        terms = self.agreement.log
        if terms is None:
            raise ValueError("the agreement has no log")
        times = {} if self.read is None else dict(self.read.signed.times)
        cosigners = log_trust(self.agreement).cosigners
        return {
            "origin": terms.origin,
            "operator": terms.operator,
            "size": None if self.read is None else self.read.size,
            "root": None if self.read is None else self.read.root.hex(),
            "path": self.path,
            "problem": problem or self.problem,
            "quorum": terms.cosignatures,
            "cosigners": [{"name": name, "time": times.get(name)} for name in cosigners],
            "bundle": None if self.bundle is None else "log.bundle",
        }


def read_log(source: Path, agreements: Sequence[Agreement], paths: set[str], now: int) -> LogFiles | None:
    """The log of the first agreement that names one, or None.

    Args:
        source: the publication folder.
        agreements: those of the page, the present one first; heads that tell of what was under any of them are in the bundle.
        paths: files on the page.
        now: Unix seconds.
    """
    from claims.status.compute import log_trust
    from claims.tlog.reader import open_log
    from claims.tlog.source import FolderSource

    agreement = next((item for item in agreements if item.log is not None), None)
    trust = None if agreement is None else log_trust(agreement)
    if agreement is None or trust is None:
        return None
    checkpoint = "files/log/checkpoint"
    path = checkpoint if checkpoint in paths else None
    try:
        view = open_log(FolderSource(source, "log"), trust, bare=True)
    except ClaimsError as error:
        return LogFiles(agreement, None, error.what, None, path)
    telling = telling_heads(source, view, agreements, now)[:MAX_TELLING]
    heads = _heads(source, paths, view.newest.head.size, telling)
    entries = view.entries + view.tail
    total = sum(map(len, heads)) + sum(map(len, entries)) + 2 * len(entries) + 6 * len(heads) + 64
    bundle = encode_bundle(heads, entries) if total <= MAX_BUNDLE else None
    problem = "" if bundle is not None else "the log is too long to be checked in a browser"
    return LogFiles(agreement, view, problem, bundle, path)


def _heads(source: Path, paths: set[str], size: int, telling: Sequence[int]) -> list[bytes]:
    """The newest stored heads of at most ``size`` entries, which show that enough have cosigned, and those that tell of something."""
    prefix = "files/log/checkpoints/"
    numbers = (path.removeprefix(prefix) for path in paths if path.startswith(prefix))
    sizes = sorted((number for number in numbers if number.isdecimal() and int(number) <= size), key=int)
    names = ["checkpoint", *(f"checkpoints/{number}" for number in (*sizes[-MAX_HEADS:], *telling))]
    heads: dict[bytes, None] = {}
    for name in names:
        try:
            heads.setdefault(read_below(source, f"log/{name}", HEAD_LIMIT))
        except ClaimsError:
            continue
    return list(heads)
