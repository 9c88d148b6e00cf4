"""Inclusion and consistency proofs (RFC 6962, sections 2.1.1 and 2.1.2), prefix proofs, and C2SP tlog-proof files."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from claims.base.merkle import EMPTY_ROOT, HASH_BYTES, PathError, leaf_hash, node_hash, root_from_path, tree_root
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.hashing import split
from claims.tlog.note import NOTE_LIMIT, from_base64, to_base64

__all__ = [
    "PROOF_LIMIT", "TLogProof", "check_consistency", "check_inclusion", "consistency_proof", "prefix_proof", "prefix_roots",
]

HEADER = "c2sp.org/tlog-proof@v1"
EXTRA_LIMIT = 64 * 1024
PROOF_LIMIT = NOTE_LIMIT + 2 * EXTRA_LIMIT
"""Bytes of the largest proof file that is read."""
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


def check_inclusion(leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raise LogRejected unless the path shows that ``leaf`` (a leaf hash) is at ``index`` of the tree."""
    if any(len(item) != HASH_BYTES for item in (leaf, root, *path)):
        raise LogRejected("a hash of an inclusion proof is not 32 bytes")
    try:
        found = root_from_path(leaf, index, size, path)
    except PathError as error:
        raise LogRejected(error.what) from None
    if found != root:
        raise LogRejected(f"the inclusion proof does not lead from leaf {index} to the root")


def consistency_proof(hashes: Sequence[bytes], old: int) -> list[bytes]:
    """Proof that the tree of the first ``old`` leaves is a prefix of the tree with these leaf hashes."""
    if not 0 <= old <= len(hashes):
        raise LogError(f"a tree of {len(hashes)} has no prefix of {old}")
    low, high, path, whole = 0, len(hashes), [], True
    if old in (0, high):
        return []
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            path.append(tree_root(hashes[middle:high]))
            high = middle
        else:
            path.append(tree_root(hashes[low:middle]))
            low, whole = middle, False
    if not whole:
        path.append(tree_root(hashes[low:high]))
    return path[::-1]


def _consistency_roots(old: int, new: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof for 0 < old < new leads to."""
    rest = list(path)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if at and not rest:
        raise LogRejected("a consistency proof is too short")
    first = second = rest.pop(0) if at else old_root
    while last:
        if at & 1 or at < last:
            if not rest:
                raise LogRejected("a consistency proof is too short")
            sibling = rest.pop(0)
            if at & 1:
                first, second = node_hash(sibling, first), node_hash(sibling, second)
            else:
                second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if rest:
        raise LogRejected("a consistency proof is too long")
    return first, second


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise LogRejected unless the path shows that the tree of ``new`` leaves extends the one of ``old`` leaves."""
    if not 0 <= old <= new < 2**63 or any(len(item) != HASH_BYTES for item in (old_root, new_root, *path)):
        raise LogRejected("the sizes and hashes of a consistency proof contradict each other")
    if old in (0, new):
        good = not path and old_root == (new_root if old == new else EMPTY_ROOT)
    else:
        good = _consistency_roots(old, new, old_root, path) == (old_root, new_root)
    if not good:
        raise LogRejected(f"the head of size {new} does not extend the head of size {old}")


def prefix_proof(hashes: Sequence[bytes], old: int) -> list[bytes]:
    """Subtree hashes, left to right, from which both the root of all leaves and that of the first ``old`` follow.

    Unlike a consistency proof it needs no root from outside: it says itself which root the prefix has.
    """
    if not 0 <= old <= len(hashes):
        raise LogError(f"a tree of {len(hashes)} has no prefix of {old}")
    if old in (0, len(hashes)):
        return [tree_root(hashes)]
    middle = split(len(hashes))
    left, right = hashes[:middle], hashes[middle:]
    if old <= middle:
        return [*prefix_proof(left, old), tree_root(right)]
    return [tree_root(left), *prefix_proof(right, old - middle)]


def prefix_roots(nodes: Sequence[bytes], old: int, size: int) -> tuple[bytes, bytes]:
    """The roots (of the first ``old`` leaves, of all ``size``) that a prefix proof leads to.

    Raises:
        LogRejected: not 0 <= old <= size < 2^63 with size > 0, or the list has another length than it needs.
    """
    if not 0 <= old <= size < 2**63 or not size:
        raise LogRejected(f"a tree of {size} has no prefix of {old}")
    spine: list[bool] = []  # True: the cut lies in the right half
    part, cut = size, old
    while cut not in (0, part):
        middle = split(part)
        spine.append(cut > middle)
        part, cut = (part - middle, cut - middle) if cut > middle else (middle, cut)
    if len(nodes) != len(spine) + 1 or any(len(node) != HASH_BYTES for node in nodes):
        raise LogRejected("a prefix proof has the wrong number of hashes")
    lefts = spine.count(True)
    before, core, after = list(nodes[:lefts]), nodes[lefts], list(nodes[lefts + 1 :])
    whole, prefix = core, (EMPTY_ROOT if cut == 0 else core)
    for right in reversed(spine):
        if right:
            sibling = before.pop()
            whole, prefix = node_hash(sibling, whole), node_hash(sibling, prefix)
        else:
            whole = node_hash(whole, after.pop(0))
    return prefix, whole


@dataclass(frozen=True)
class TLogProof:
    """A proof file: an entry's index, its audit path, a signed checkpoint, and opaque extra bytes that prove nothing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """The file's bytes."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {to_base64(self.extra)}")
        lines += [f"index {self.index}", *map(to_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @staticmethod
    def decode(data: bytes) -> TLogProof:
        """Inverse of :meth:`encode`. Raises LogError for anything else."""
        if len(data) > PROOF_LIMIT:
            raise LogError(f"a proof file is longer than {PROOF_LIMIT} bytes")
        head, separator, checkpoint = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise LogError("a proof file is not text") from None
        if not separator or lines.pop(0) != HEADER:
            raise LogError(f"not a proof file: it does not begin with {HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "), "a proof file's extra data")
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None or int(match[1]) >= 2**63:
            raise LogError("a proof file does not give an index from 0 to 2^63 - 1, without leading zeros")
        path = tuple(from_base64(line, "a hash of a proof file") for line in lines)
        if len(path) > 63 or any(len(item) != HASH_BYTES for item in path):
            raise LogError("a proof file has a hash that is not 32 bytes, or more than 63")
        return TLogProof(int(match[1]), path, checkpoint, extra)

    def check(self, entry: bytes, trust: LogTrust, exclude: Collection[str] = ()) -> SignedCheckpoint:
        """Check, offline, that ``entry`` is in the log: returns the head that it is in.

        Raises:
            LogError: the checkpoint is malformed.
            LogRejected: it is not signed by the log and a quorum, or the path does not lead to its root.
        """
        signed = SignedCheckpoint.open(self.checkpoint, trust)
        if not signed.has_quorum(trust, exclude):
            raise LogRejected(f"the checkpoint of size {signed.head.size} lacks its {trust.quorum} cosignatures")
        check_inclusion(leaf_hash(entry), self.index, signed.head.size, signed.head.root, self.path)
        return signed
