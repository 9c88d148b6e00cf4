"""Opening entries of a registry against its head: statement, constraints, public messages, verification.

A claim's `head_after` commits to the whole registry; this shows some of its entries and hides the rest. README.md section
10 is the specification. Standard library only; `circuits.open_entries` has the prover.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from circuits.permutation import permutation
from circuits.statement import (
    FIRST_TAG,
    MAX_LOG_ROWS,
    MIN_LOG_ROWS,
    RATE,
    RESIDUE,
    START,
    Elements,
    digest_limbs,
    limbs,
)
from zk.air import Builder, Columns, Expr, Program, Row, compile_air
from zk.errors import StatementError
from zk.field import P
from zk.options import STD, Options
from zk.security import SecurityReport
from zk.verifier import verify

KINDS = ("iv", "hd", "e0", "e1", "e2", "e3", "e4", "er")
ENTRY_ROWS = ("e0", "e1", "e2", "e3", "e4")
COLUMNS = Columns(
    {"in": 16, "full_a": 64, "partial": 36, "full_b": 64, **dict.fromkeys(KINDS, 1), "tag": 1, "open": 1}
)
HEADER, HEAD, OPEN_E0, OPEN_E1, OPEN_E2, OPEN_E3 = range(1, 7)
MESSAGE_LENGTH = 10
MAX_OPENED = 1 << 16

PublicInteraction = tuple[int, list[int]]


@dataclass(frozen=True)
class OpenedEntry:
    """What is shown of one entry. Ranges as in `circuits.chain.Entry`; base, work and cumulative stay hidden."""

    tag: int
    kind: int
    parent1: int
    parent2: int
    epoch: int
    declared: int
    weights_digest: bytes

    def validate(self) -> None:
        """Checks every range. Raises StatementError naming the field."""
        for what, value, least, most in (
            ("tag", self.tag, FIRST_TAG, (1 << 24) - 1),
            ("kind", self.kind, 1, RESIDUE - 1),
            ("parent1", self.parent1, 0, (1 << 24) - 1),
            ("parent2", self.parent2, 0, (1 << 24) - 1),
            ("epoch", self.epoch, 0, (1 << 24) - 1),
            ("declared", self.declared, 0, (1 << 64) - 1),
        ):
            if type(value) is not int or not least <= value <= most:
                raise StatementError(f"opened entry: {what}: {value!r} is not in [{least}, {most}]")
        if type(self.weights_digest) is not bytes:
            raise StatementError("opened entry: weights digest: bytes expected")
        digest_limbs(self.weights_digest)


@dataclass(frozen=True)
class OpeningStatement:
    """What an opening says (section 10).

    Attributes:
        log_rows: table height is 2^log_rows, 16..22, from public values alone (`opening_log_rows`).
        registry_header: 8 elements, `circuits.statement.registry_header` of the lab.
        head: 8 elements, a registry head that a claim has.
        entries: those shown, tags ascending; may be empty.
    """

    log_rows: int
    registry_header: Elements
    head: Elements
    entries: tuple[OpenedEntry, ...]

    def validate(self) -> None:
        """Checks types, ranges and order. Raises StatementError naming the field."""
        if type(self.log_rows) is not int or not MIN_LOG_ROWS <= self.log_rows <= MAX_LOG_ROWS:
            raise StatementError(f"log_rows: {self.log_rows!r} is not in {MIN_LOG_ROWS}..{MAX_LOG_ROWS}")
        for what, value in (("registry_header", self.registry_header), ("head", self.head)):
            if type(value) is not tuple or len(value) != RATE or any(type(e) is not int or not 0 <= e < P for e in value):
                raise StatementError(f"{what}: a tuple of {RATE} field elements is expected")
        if type(self.entries) is not tuple or len(self.entries) > MAX_OPENED:
            raise StatementError(f"entries: a tuple of at most {MAX_OPENED} is expected")
        for entry in self.entries:
            if type(entry) is not OpenedEntry:
                raise StatementError("entries: OpenedEntry expected")
            entry.validate()
        tags = [entry.tag for entry in self.entries]
        if any(one >= two for one, two in zip(tags, tags[1:], strict=False)):
            raise StatementError("entries: tags ascend and are distinct")


def opening_log_rows(most_entries: int) -> int:
    """The height for registries of up to `most_entries` entries, RESIDUE ones included; 16 at least.

    Raises:
        StatementError: they do not fit in 2^22 rows.
    """
    height = max(MIN_LOG_ROWS, (5 * most_entries + 2).bit_length())
    if most_entries < 0 or height > MAX_LOG_ROWS:
        raise StatementError(f"a registry of {most_entries} entries does not fit in 2^{MAX_LOG_ROWS} rows")
    return height


@cache
def opening_program() -> Program:
    """The compiled AIR. It depends on nothing: one program serves every opening."""
    return compile_air(COLUMNS, (), opening_constraints)


def opening_constraints(b: Builder) -> None:
    """Writes every constraint and the bus."""
    permutation(b)
    _order_of_rows(b, b.row, b.next)
    _sponge(b, b.row, b.next)
    _tag_and_open(b, b.row, b.next)
    _bus(b, b.row)


def _used(b: Builder, row: Row) -> Expr:
    return b.sum(row.one(kind) for kind in KINDS)


def _order_of_rows(b: Builder, row: Row, nxt: Row) -> None:
    for kind in KINDS:
        bit = row.one(kind)
        b.assert_zero(f"{kind}_is_a_bit", bit * bit - bit)
    used = _used(b, row)
    b.assert_zero("one_kind_of_row", used * used - used)
    b.assert_equal("iv_then_hd", nxt.one("hd"), row.one("iv"))
    for this, then in zip(ENTRY_ROWS, ENTRY_ROWS[1:], strict=False):
        b.assert_equal(f"{this}_then_{then}", nxt.one(then), row.one(this))
    b.assert_zero("after_hd_or_e4", (row.one("hd") + row.one("e4")) * (nxt.one("e0") + nxt.one("er") - 1))
    b.assert_zero("after_er_or_padding", (row.one("er") + 1 - used) * (_used(b, nxt) - nxt.one("iv")))


def _sponge(b: Builder, row: Row, nxt: Row) -> None:
    padding, linked = 1 - _used(b, row), _used(b, nxt) - nxt.one("iv")
    for i in range(16):
        b.assert_zero(f"padding_lane_{i}_is_zero", padding * row.one("in", i))
    for i in range(RATE):
        b.assert_zero(f"chain_starts_at_constant_{i}", row.one("iv") * (row.one("in", RATE + i) - START[i]))
        b.assert_zero(f"capacity_link_{i}", linked * (nxt.one("in", RATE + i) - row.one("full_b", 56 + i)))


def _tag_and_open(b: Builder, row: Row, nxt: Row) -> None:
    bit, goes_on = row.one("open"), b.sum(row.one(kind) for kind in ENTRY_ROWS[:-1])
    b.assert_zero("open_is_a_bit", bit * bit - bit)
    b.assert_zero("open_stays", goes_on * (nxt.one("open") - bit))
    b.assert_zero("tag_is_the_entry's", row.one("e0") * (row.one("tag") - row.one("in", 0)))
    b.assert_zero("tag_stays", goes_on * (nxt.one("tag") - row.one("tag")))


def _bus(b: Builder, row: Row) -> None:
    """At most one message a row; lanes by kind of row, zeros at the end."""
    hd, er, e0, e1, e2, e3 = (row.one(kind) for kind in ("hd", "er", "e0", "e1", "e2", "e3"))
    lane = row.many("in")
    out = row.many("full_b")[48:]
    opened = row.one("open") * (e0 + e1 + e2 + e3)
    bus = hd * HEADER + er * HEAD + e0 * OPEN_E0 + e1 * OPEN_E1 + e2 * OPEN_E2 + e3 * OPEN_E3
    shown0 = (1, 2, 4, 5, 6, 7)  # kind, parent1, epoch, weights limbs; not lane 3, the base
    message = [bus]
    for i in range(MESSAGE_LENGTH - 1):
        parts = []
        if i < RATE:
            parts.append(hd * lane[i] + er * out[i])
        if i == 0:
            parts.append((e0 + e1 + e2 + e3) * row.one("tag"))
        else:
            if i <= len(shown0):
                parts.append(e0 * lane[shown0[i - 1]])
            if i <= RATE:
                parts.append(e1 * lane[i - 1])
            if i == 1:
                parts.append(e2 * lane[3])
            if i <= 3:
                parts.append(e3 * lane[i - 1])
        message.append(b.sum(parts))
    b.interact("chain", hd + er + opened, message)


def public_messages(statement: OpeningStatement) -> list[PublicInteraction]:
    """The fractions that the verifier adds: (multiplicity -1 mod p, message) for the header, the head, and four an entry.

    Raises:
        StatementError: a field is out of range.
    """
    statement.validate()
    terms: list[tuple[int, ...]] = [(HEADER, *statement.registry_header), (HEAD, *statement.head)]
    for entry in statement.entries:
        d = digest_limbs(entry.weights_digest)
        terms += [
            (OPEN_E0, entry.tag, entry.kind, entry.parent1, entry.epoch, *d[:3]),
            (OPEN_E1, entry.tag, entry.parent2, *d[3:10]),
            (OPEN_E2, entry.tag, d[10]),
            (OPEN_E3, entry.tag, *limbs(entry.declared, 3)),
        ]
    return [(P - 1, [*term, *[0] * (MESSAGE_LENGTH - len(term))]) for term in terms]


def verify_opening(
    statement: OpeningStatement, proof: bytes, options: Options = STD, *, allow_insecure: bool = False
) -> SecurityReport:
    """Verifies that the proof shows the statement.

    Args:
        statement: every public value, from agreement, claim and what was drawn; nothing is taken from the proof.
        proof: hostile bytes.
        options: the verifier's choice. `allow_insecure` accepts test options; no command sets it.

    Raises:
        StatementError: a public value is out of range.
        ProofRejected, MalformedProof: the proof does not show it.
    """
    terms = public_messages(statement)
    return verify(opening_program(), (), terms, statement.log_rows, proof, options, allow_insecure=allow_insecure)
