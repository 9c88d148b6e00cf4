"""Proof bytes: the parts of a proof, their canonical encoding and its only parse. PROTOCOL.md section 8.

A proof has two sections. The head (roots, nonces, out-of-domain values, final polynomial) has a length known
from the shape. The openings' length follows from the query indices, which the verifier draws after the head:
it calls `parse_head`, then `parse_openings` with those indices. Both raise MalformedProof and nothing else,
whatever the bytes. Elements are packed (zk/packing.py); what the verifier computes itself is not sent.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from zk.air import Program
from zk.errors import MalformedProof
from zk.field import DEGREE, Ext
from zk.merkle import AUX, FRI, HASH_BYTES, MAIN, QUOTIENT, sibling_count
from zk.options import Options
from zk.packing import pack_words, packed_bytes, unpack_words

MAGIC = b"SSPF"
VERSION = 2
NONCE_BYTES = 8
WORD_BYTES = 4
EXT_BYTES = WORD_BYTES * DEGREE
ARITY_BITS = 3
ARITY = 1 << ARITY_BITS
QUOTIENT_CHUNKS = 2
CHUNK_COLUMNS = QUOTIENT_CHUNKS * DEGREE  # committed coordinates of the quotient's chunks
QUOTIENT_COLUMNS = CHUNK_COLUMNS + DEGREE  # and of the FRI mask


@dataclass(frozen=True)
class Tree:
    """One committed tree: its number, depth (2^depth leaves), and leaf width in words."""

    number: int
    depth: int
    width: int


Places = dict[int, int]
"""What the verifier computes of a FRI leaf: position t, ascending, to the point's index in the layer."""


@dataclass(frozen=True)
class Shape:
    """All lengths of a proof, from program, options and height.

    Attributes:
        log_rows: k; the table has N = 2^k rows.
        log_blowup: b; the LDE domain has 2^(k + b) points.
        salt_bytes: length of the salt of a point.
        counts: numbers of out-of-domain values: main, aux, quotient at zeta; main, accumulator at w zeta.
        folds: R.
        final_length: coefficients of the final polynomial.
        trees: main, auxiliary, quotient, then each FRI layer.
    """

    log_rows: int
    log_blowup: int
    salt_bytes: int
    counts: tuple[int, int, int, int, int]
    folds: int
    final_length: int
    trees: tuple[Tree, ...]

    @property
    def values(self) -> int:
        """Number of out-of-domain values, extension elements."""
        return sum(self.counts)

    @property
    def head_bytes(self) -> int:
        """Length of the head, magic and version included."""
        fixed = len(MAGIC) + 2 + 3 * (HASH_BYTES + NONCE_BYTES) + 2 * NONCE_BYTES
        elements = packed_bytes(DEGREE * self.values) + packed_bytes(DEGREE * self.final_length)
        return fixed + elements + self.folds * (HASH_BYTES + NONCE_BYTES)

    def split(self, values: Sequence[Ext]) -> list[Sequence[Ext]]:
        """The out-of-domain values by kind, as in `counts`."""
        parts, start = [], 0
        for count in self.counts:
            parts.append(values[start : start + count])
            start += count
        return parts

    def places(self, queries: Sequence[int]) -> list[dict[int, Places]]:
        """For each FRI layer its opened leaves, ascending, and in them the points that the queries lead to.

        Leaf number j (n/8) + i is index (j, i) of the next layer.
        """
        result, points = [], sorted(set(queries))
        for layer in range(self.folds):
            log_n = self.log_rows - ARITY_BITS * layer
            log_next = log_n - ARITY_BITS
            found: dict[int, Places] = {}
            for point in points:
                row = point & (1 << log_n) - 1
                leaf = point >> log_n << log_next | row & (1 << log_next) - 1
                found.setdefault(leaf, {})[row >> log_next] = point
            points = sorted(found)
            result.append({leaf: found[leaf] for leaf in points})
        return result


def proof_shape(program: Program, options: Options, log_rows: int) -> Shape:
    """The shape of every proof of `program` at 2^log_rows rows under `options` (already validated)."""
    depth = log_rows + options.log_blowup
    folds = options.folds(log_rows)
    trees = [
        Tree(MAIN, depth, program.n_columns),
        Tree(AUX, depth, DEGREE * program.n_aux),
        Tree(QUOTIENT, depth, QUOTIENT_COLUMNS),
    ]
    trees += [Tree(FRI + r, depth - ARITY_BITS * (r + 1), ARITY * DEGREE) for r in range(folds)]
    counts = (program.n_columns, DEGREE * program.n_aux, CHUNK_COLUMNS, len(program.next_columns), DEGREE)
    final = options.final_length(log_rows)
    return Shape(log_rows, options.log_blowup, options.salt_bytes, counts, folds, final, tuple(trees))


@dataclass(frozen=True)
class Head:
    """Everything of a proof before its openings, in transcript order."""

    main_root: bytes
    lookup_nonce: int
    aux_root: bytes
    constraint_nonce: int
    quotient_root: bytes
    zeta_nonce: int
    values: tuple[Ext, ...]
    deep_nonce: int
    fri_roots: tuple[bytes, ...]
    fold_nonces: tuple[int, ...]
    final: tuple[Ext, ...]
    query_nonce: int


@dataclass(frozen=True)
class Opening:
    """Opened leaves of a tree, ascending: rows of u32 words (of a FRI leaf `sent_part`), and sibling hashes."""

    rows: tuple[bytes, ...]
    siblings: tuple[bytes, ...]


@dataclass(frozen=True)
class Openings:
    """The second section: salts of the queried points, ascending, and one opening per tree in the order of `Shape.trees`."""

    salts: tuple[bytes, ...]
    trees: tuple[Opening, ...]


@dataclass(frozen=True)
class Proof:
    """A whole proof."""

    head: Head
    openings: Openings


def pack_ext(elements: Sequence[Ext]) -> bytes:
    """Extension elements as words u32, 20 bytes each: what is hashed."""
    flat = [c for e in elements for c in e]
    return struct.pack(f">{len(flat)}I", *flat)


def sent_part(leaf: bytes, places: Places) -> bytes:
    """What a proof holds of a FRI leaf: the values, in order, that the verifier does not compute."""
    return b"".join(leaf[EXT_BYTES * t :][:EXT_BYTES] for t in range(ARITY) if t not in places)


def whole_leaf(sent: bytes, places: Places, values: Mapping[int, Ext]) -> bytes:
    """The leaf of which `sent` is the sent part. values: what was computed, by the point's index in the layer."""
    parts, at = [], 0
    for t in range(ARITY):
        if t in places:
            parts.append(pack_ext([values[places[t]]]))
        else:
            parts.append(sent[at : at + EXT_BYTES])
            at += EXT_BYTES
    return b"".join(parts)


def serialize(proof: Proof) -> bytes:
    """The canonical bytes of a proof."""
    head = proof.head
    parts = [MAGIC, VERSION.to_bytes(2, "big")]
    for root, nonce in (
        (head.main_root, head.lookup_nonce),
        (head.aux_root, head.constraint_nonce),
        (head.quotient_root, head.zeta_nonce),
    ):
        parts += [root, nonce.to_bytes(NONCE_BYTES, "big")]
    parts += [pack_words(pack_ext(head.values)), head.deep_nonce.to_bytes(NONCE_BYTES, "big")]
    for root, nonce in zip(head.fri_roots, head.fold_nonces, strict=True):
        parts += [root, nonce.to_bytes(NONCE_BYTES, "big")]
    parts += [pack_words(pack_ext(head.final)), head.query_nonce.to_bytes(NONCE_BYTES, "big")]
    parts += proof.openings.salts
    for opening in proof.openings.trees:
        parts += [pack_words(b"".join(opening.rows)), *opening.siblings]
    return b"".join(parts)


class _Reader:
    """A cursor over bytes that never reads past the end."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset

    def take(self, count: int) -> bytes:
        end = self.offset + count
        if end > len(self.data):
            raise MalformedProof(f"the proof ends at byte {len(self.data)}, before byte {end}")
        piece = self.data[self.offset : end]
        self.offset = end
        return piece

    def hash(self) -> bytes:
        return self.take(HASH_BYTES)

    def hashes(self, count: int) -> tuple[bytes, ...]:
        raw = self.take(HASH_BYTES * count)
        return tuple(raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES))

    def nonce(self) -> int:
        return int.from_bytes(self.take(NONCE_BYTES), "big")

    def words(self, count: int) -> bytes:
        """Words of `count` packed base elements."""
        raw = self.take(packed_bytes(count))
        try:
            return unpack_words(raw, count)
        except MalformedProof as error:
            raise MalformedProof(f"before byte {self.offset}: {error}") from None

    def extensions(self, count: int) -> tuple[Ext, ...]:
        raw = self.words(DEGREE * count)
        flat = iter(struct.unpack(f">{DEGREE * count}I", raw))
        return tuple(zip(flat, flat, flat, flat, flat, strict=True))


def parse_head(data: bytes, shape: Shape) -> Head:
    """Parses the first `shape.head_bytes` bytes of a proof. Raises MalformedProof."""
    if type(data) is not bytes:
        raise MalformedProof(f"a proof is bytes, not {type(data).__name__}")
    reader = _Reader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise MalformedProof("the proof does not begin with its magic")
    version = int.from_bytes(reader.take(2), "big")
    if version != VERSION:
        raise MalformedProof(f"proof version {version} is not {VERSION}")
    main_root, lookup_nonce = reader.hash(), reader.nonce()
    aux_root, constraint_nonce = reader.hash(), reader.nonce()
    quotient_root, zeta_nonce = reader.hash(), reader.nonce()
    values, deep_nonce = reader.extensions(shape.values), reader.nonce()
    layers = [(reader.hash(), reader.nonce()) for _ in range(shape.folds)]
    final, query_nonce = reader.extensions(shape.final_length), reader.nonce()
    return Head(
        main_root, lookup_nonce, aux_root, constraint_nonce, quotient_root, zeta_nonce, values, deep_nonce,
        tuple(root for root, _ in layers), tuple(nonce for _, nonce in layers), final, query_nonce,
    )  # fmt: skip


def parse_openings(data: bytes, shape: Shape, queries: Sequence[int]) -> Openings:
    """Parses what follows the head, up to the exact end of `data`. Raises MalformedProof.

    Args:
        data: the whole proof.
        shape: its shape.
        queries: LDE indices drawn from the transcript; repetitions and order do not matter.
    """
    reader = _Reader(data, shape.head_bytes)
    distinct = sorted(set(queries))
    salts = tuple(reader.take(shape.salt_bytes) for _ in distinct)
    sent = [dict.fromkeys(distinct, tree.width) for tree in shape.trees[:3]]
    sent += [{n: DEGREE * (ARITY - len(places)) for n, places in layer.items()} for layer in shape.places(queries)]
    openings = []
    for tree, widths in zip(shape.trees, sent, strict=True):
        words = reader.words(sum(widths.values()))
        ends = accumulate((WORD_BYTES * width for width in widths.values()), initial=0)
        rows = tuple(words[start:end] for start, end in pairwise(ends))
        openings.append(Opening(rows, reader.hashes(sibling_count(widths, tree.depth))))
    if reader.offset != len(data):
        raise MalformedProof(f"{len(data) - reader.offset} bytes follow the proof")
    return Openings(salts, tuple(openings))
