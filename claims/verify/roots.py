"""Roots files against what the meters signed and the log holds: read once, meter by meter, however many sites a lab has.

A claim's roots are one file, which the log's entry names, or one for each site, which the claim names; files are found by their SHA-256.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from claims.base.below import file_digest, list_below, open_below
from claims.base.errors import ClaimRejected, MalformedFile, UnreadableFile
from claims.base.files import ROOTS_LIMIT
from claims.claim.commitments import roots_digest
from claims.claim.file import Claim
from claims.claim.groups import unit_leaf
from claims.claim.losses import NO_ROOT, lost_meters
from claims.claim.published import PublishedEntries
from claims.claim.roots import MeterRoots, RootsReader
from claims.tlog.hashing import fold
from claims.verify.report import Missing
from claims.verify.tables import check_meters

__all__ = ["RootFiles", "check_roots", "held", "judge_roots", "no_files", "roots_in", "roots_name"]

MAX_FILES = 20_000
_BUDGET = 2**35
"""Bytes of roots files that are read to find those of one claim."""
RootFiles = Callable[[bytes], "BinaryIO | None"]
"""From a roots file's SHA-256 to the file, open, or None where it is not here. Whoever gives one has compared its SHA-256."""


def no_files(digest: bytes) -> BinaryIO | None:
    """No roots file is here."""
    return None


def held(files: Iterable[bytes], others: RootFiles = no_files) -> RootFiles:
    """Roots files in memory; ``others``: where those are that are not among them."""
    found = {hashlib.sha256(data).digest(): data for data in files}
    return lambda digest: io.BytesIO(found[digest]) if digest in found else others(digest)


def roots_name(lab: str, period: int, site: str | None) -> str:
    """Usual name of a site's roots file, or of a lab without sites (None)."""
    return f"{lab}-{period}.roots" if site is None else f"{lab}-{period}.{site}.roots"


def roots_in(folder: Path, wanted: Collection[bytes], first: Collection[str] = ()) -> RootFiles:
    """The roots files of a folder (``*.roots``, whatever they are called) that have one of the wanted SHA-256.

    Args:
        first: names that are looked at before others. Not more than 32 GiB are read, and the rest is not here.

    Raises:
        UnreadableFile: the folder cannot be read, or has more than 20,000 entries.
    """
    left, found, names = _BUDGET, dict[bytes, str](), set(first)
    files = [item for item in list_below(folder, "", MAX_FILES) or () if item.kind == "file" and item.name.endswith(".roots")]
    for item in sorted(files, key=lambda item: (item.name not in names, item.size, item.name)):
        if len(found) == len(set(wanted)):
            break
        if item.size > min(left, ROOTS_LIMIT):
            continue
        left -= item.size
        file = _opened(folder, item.name)
        if file is not None:
            with file:
                if (digest := file_digest(file)) in wanted:
                    found[digest] = item.name
    return lambda digest: _opened(folder, found[digest], digest) if digest in found else None


def _opened(folder: Path, name: str, digest: bytes | None = None) -> BinaryIO | None:
    """The open file; None where it cannot be read, or has another SHA-256 by now."""
    try:
        file = open_below(folder, name, ROOTS_LIMIT)
    except UnreadableFile:
        return None
    if digest is not None and file_digest(file) != digest:
        file.close()
        return None
    return file


def judge_roots(claim: Claim, named: bytes, files: RootFiles, published: PublishedEntries) -> list[Missing]:
    """Hold the roots files of a claim against it and the log; what of them is missing.

    Args:
        named: what the log's entry of the claim says of its roots: the file's SHA-256, or :attr:`Claim.site_roots`.

    Raises:
        ClaimRejected: check ``log``.
    """
    check_meters(claim, published.agreement.lab(claim.lab))  # an earlier claim's own terms are judged after its roots
    if claim.sites and named != claim.site_roots:
        raise ClaimRejected("log", "the log's entry names other roots files than the claim")
    wanted = [(site.name, site.roots) for site in claim.sites] or [(None, named)]
    missing, here = list[Missing](), list[BinaryIO]()
    with ExitStack() as stack:
        for site, digest in wanted:
            file = files(digest)
            if file is None:
                missing.append(_missing(claim, site, digest))
            else:
                here.append(stack.enter_context(file))
        if not missing:
            try:
                check_roots(claim, here, published)
            except MalformedFile as error:
                raise ClaimRejected("log", f"roots file: {error}") from None
    return missing


def _missing(claim: Claim, site: str | None, digest: bytes) -> Missing:
    what = "the roots file that the log names for the claim" if site is None else f"the roots file of site {site}, which the claim names"
    where = f"it usually lies beside the claim, as {roots_name(claim.lab, claim.period, site)}; its SHA-256 is {digest.hex()}"
    return Missing("roots", f"{what}: what the meters committed to in each epoch", where, "ask the lab or another mirror for it (--roots)")


def check_roots(claim: Claim, files: Sequence[BinaryIO], published: PublishedEntries) -> None:
    """Roots files are about the claim, each meter signed its roots, and the log has every epoch's root over them.

    Args:
        files: one for each site in order, or the one of a lab without sites.

    Raises:
        ClaimRejected: check ``log``. MalformedFile: a file is no roots file.
    """
    lab = published.agreement.lab(claim.lab)
    names = [site.name for site in lab.sites] if claim.sites else [None]
    streams = dict[str, Iterator[MeterRoots]]()
    for file, site in zip(files, names, strict=True):
        units = [unit.name for unit in lab.units if site in (None, unit.meters[0].site)]
        reader = RootsReader(file)
        about = (reader.agreement_digest, reader.lab, reader.period, reader.first_epoch, reader.last_epoch)
        if about != (claim.agreement_digest, claim.lab, claim.period, claim.first_epoch, claim.last_epoch):
            raise ClaimRejected("log", "the roots file is about another claim")
        if reader.count != len(units):
            raise ClaimRejected("log", "the roots file has other meters, or groups of them")
        streams.update(dict.fromkeys(units, iter(reader)))
    epochs, lost = range(claim.first_epoch, claim.last_epoch + 1), lost_meters(published.agreement, claim)
    trees = _Trees()
    signed = {meter.name: meter.roots_digest for meter in claim.meters}
    for unit in lab.units:
        name, roots = next(streams[unit.name])
        if name != unit.name:
            raise ClaimRejected("log", "the roots file has other meters, or groups of them")
        digest = roots_digest(roots)
        for meter in unit.meters:
            if signed[meter.name] != digest:
                raise ClaimRejected("log", f"meter {meter.name} signed other epoch roots")
        zero = [epoch for epoch, root in zip(epochs, roots, strict=True) if root == NO_ROOT]
        if zero != ([] if lab.groups else list(range(lost.get(name, claim.last_epoch + 1), claim.last_epoch + 1))):
            raise ClaimRejected("log", f"meter {name}: its roots are not zero exactly in the epochs in which it is listed as lost")
        trees.append(unit_leaf(lab, name, NO_ROOT).removesuffix(NO_ROOT), roots)
    for stream in streams.values():
        next(stream, None)  # nothing follows the last meter
    for epoch, root in zip(epochs, trees.roots(), strict=True):
        entry = published.epoch(claim.lab, epoch)
        if entry is None or root != entry[0].root:
            raise ClaimRejected("log", f"the roots of epoch {epoch} are not those in the log")


class _Trees:
    """The trees of all epochs, which grow by a leaf each at a time: perfect subtrees, left to right, each a row of one hash an epoch."""

    def __init__(self) -> None:
        self._rows: list[list[bytes]] = []
        self._size = 0

    def append(self, label: bytes, roots: Sequence[bytes]) -> None:
        """Add the leaves of one meter or group: its label and its root of each epoch."""
        sha256, head = hashlib.sha256, b"\x00" + label
        row, rest = [sha256(head + root).digest() for root in roots], self._size
        while rest & 1:
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(self._rows.pop(), row, strict=True)]
            rest >>= 1
        self._rows.append(row)
        self._size += 1

    def roots(self) -> list[bytes]:
        """The root of each epoch's tree."""
        return [fold(peaks) for peaks in zip(*self._rows, strict=True)]
