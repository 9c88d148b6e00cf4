"""Proof bytes: the parts of a proof, their canonical encoding and its only parse. PROTOCOL.md section 8.

A proof has two sections. The head (roots, nonces, out-of-domain values, final polynomial) has a length known
from the shape. The openings' length follows from the query indices, which the verifier draws after the head:
it calls `parse_head`, then `parse_openings` with those indices. Both raise MalformedProof and nothing else,
whatever the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from zk.air import Program
from zk.errors import MalformedProof
from zk.field import DEGREE, Ext, P
from zk.merkle import AUX, FRI, HASH_BYTES, MAIN, QUOTIENT, opening_nodes
from zk.options import Options

MAGIC = b"SSPF"
VERSION = 1
NONCE_BYTES = 8
EXT_BYTES = 4 * DEGREE
ARITY_BITS = 3
ARITY = 1 << ARITY_BITS
QUOTIENT_CHUNKS = 2
CHUNK_COLUMNS = QUOTIENT_CHUNKS * DEGREE  # committed coordinates of the quotient's chunks
QUOTIENT_COLUMNS = CHUNK_COLUMNS + DEGREE  # and of the FRI mask


@dataclass(frozen=True)
class Tree:
    """One committed tree: its number, depth (2^depth leaves), leaf width in words, and bytes of salt."""

    number: int
    depth: int
    width: int
    salt_bytes: int


@dataclass(frozen=True)
class Shape:
    """All lengths of a proof, from program, options and height.

    Attributes:
        log_rows: k; the table has N = 2^k rows.
        log_blowup: b; the LDE domain has 2^(k + b) points.
        counts: numbers of out-of-domain values: main, aux, quotient at zeta; main, accumulator at w zeta.
        folds: R.
        final_length: coefficients of the final polynomial.
        trees: main, auxiliary, quotient, then each FRI layer.
    """

    log_rows: int
    log_blowup: int
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
        return fixed + EXT_BYTES * (self.values + self.final_length) + self.folds * (HASH_BYTES + NONCE_BYTES)

    def split(self, values: Sequence[Ext]) -> list[Sequence[Ext]]:
        """The out-of-domain values by kind, as in `counts`."""
        parts, start = [], 0
        for count in self.counts:
            parts.append(values[start : start + count])
            start += count
        return parts

    def leaves(self, queries: Sequence[int]) -> list[list[int]]:
        """Leaf numbers opened in each tree, ascending and distinct, for LDE indices `queries`."""
        distinct = sorted(set(queries))
        result = [distinct, distinct, distinct]
        mask = (1 << self.log_rows) - 1
        for layer in range(self.folds):
            log_next = self.log_rows - ARITY_BITS * (layer + 1)
            low = (1 << log_next) - 1
            result.append(sorted({(q >> self.log_rows) << log_next | (q & mask & low) for q in distinct}))
        return result


def proof_shape(program: Program, options: Options, log_rows: int) -> Shape:
    """The shape of every proof of `program` at 2^log_rows rows under `options` (already validated)."""
    depth = log_rows + options.log_blowup
    salt = options.salt_bytes
    folds = options.folds(log_rows)
    trees = [
        Tree(MAIN, depth, program.n_columns, salt),
        Tree(AUX, depth, DEGREE * program.n_aux, salt),
        Tree(QUOTIENT, depth, QUOTIENT_COLUMNS, salt),
    ]
    trees += [Tree(FRI + r, depth - ARITY_BITS * (r + 1), ARITY * DEGREE, 0) for r in range(folds)]
    counts = (program.n_columns, DEGREE * program.n_aux, CHUNK_COLUMNS, len(program.next_columns), DEGREE)
    return Shape(log_rows, options.log_blowup, counts, folds, options.final_length(log_rows), tuple(trees))


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
    """Opened leaves of a tree, ascending: salts (empty for FRI), rows of u32 words, sibling hashes."""

    salts: tuple[bytes, ...]
    rows: tuple[bytes, ...]
    siblings: tuple[bytes, ...]


@dataclass(frozen=True)
class Proof:
    """A whole proof: head, and one opening per tree in the order of `Shape.trees`."""

    head: Head
    openings: tuple[Opening, ...]


def pack_ext(elements: Sequence[Ext]) -> bytes:
    """Extension elements as canonical bytes, 20 each."""
    flat = [c for e in elements for c in e]
    return struct.pack(f">{len(flat)}I", *flat)


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
    parts += [pack_ext(head.values), head.deep_nonce.to_bytes(NONCE_BYTES, "big")]
    for root, nonce in zip(head.fri_roots, head.fold_nonces, strict=True):
        parts += [root, nonce.to_bytes(NONCE_BYTES, "big")]
    parts += [pack_ext(head.final), head.query_nonce.to_bytes(NONCE_BYTES, "big")]
    for opening in proof.openings:
        for salt, row in zip(opening.salts, opening.rows, strict=True):
            parts += [salt, row]
        parts += opening.siblings
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

    def nonce(self) -> int:
        return int.from_bytes(self.take(NONCE_BYTES), "big")

    def words(self, count: int) -> bytes:
        """Bytes of `count` canonical base elements."""
        raw = self.take(4 * count)
        if count and max(struct.unpack(f">{count}I", raw)) >= P:
            raise MalformedProof(f"an element before byte {self.offset} is not below p")
        return raw

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


def parse_openings(data: bytes, shape: Shape, queries: Sequence[int]) -> tuple[Opening, ...]:
    """Parses what follows the head, up to the exact end of `data`. Raises MalformedProof.

    Args:
        data: the whole proof.
        shape: its shape.
        queries: LDE indices drawn from the transcript; repetitions and order do not matter.
    """
    reader = _Reader(data, shape.head_bytes)
    openings = []
    for tree, leaves in zip(shape.trees, shape.leaves(queries), strict=True):
        salts, rows = [], []
        for _ in leaves:
            salts.append(reader.take(tree.salt_bytes))
            rows.append(reader.words(tree.width))
        siblings = tuple(reader.hash() for _ in opening_nodes(leaves, tree.depth))
        openings.append(Opening(tuple(salts), tuple(rows), siblings))
    if reader.offset != len(data):
        raise MalformedProof(f"{len(data) - reader.offset} bytes follow the proof")
    return tuple(openings)
