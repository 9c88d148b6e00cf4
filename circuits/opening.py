"""Opening readings and entries against a claim's heads: statement, constraints, public messages, verification.

The heads of a claim commit to whole ledgers and to the registry; this shows some readings and entries and hides the rest.
README.md section 10 is the specification. Standard library only; `circuits.open_records` has the prover.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from circuits.permutation import permutation
from circuits.statement import (
    FIRST_TAG,
    IDLE,
    MAX_LOG_ROWS,
    MAX_METERS,
    MIN_LOG_ROWS,
    RATE,
    REGISTRY_CHAIN,
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

KINDS = ("iv", "hd", "rd", "el", "e0", "e1", "e2", "e3", "e4", "er")
ENTRY_ROWS = ("e0", "e1", "e2", "e3", "e4")
COLUMNS = Columns(
    {
        "in": 16, "full_a": 64, "partial": 36, "full_b": 64, **dict.fromkeys(KINDS, 1),
        "chain": 1, "key": 1, "first": 1, "open": 1,
    }
)  # fmt: skip
HEADER, HEAD_LEDGER, HEAD_REGISTRY, OPEN_READING, OPEN_E0, OPEN_E1, OPEN_E2, OPEN_E3 = range(1, 9)
MESSAGE_LENGTH = 10
MAX_OPENED = 1 << 16

PublicInteraction = tuple[int, list[int]]


def _elements(what: str, value: object) -> None:
    if type(value) is not tuple or len(value) != RATE or any(type(e) is not int or not 0 <= e < P for e in value):
        raise StatementError(f"{what}: a tuple of {RATE} field elements is expected")


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
class OpenedReading:
    """A reading that is shown: of meter `chain` (1..M), the `index`-th of its epoch from 0 on, in the ledger's order."""

    chain: int
    epoch: int
    index: int
    tag: int
    chip_seconds: int
    work: int

    def validate(self, meters: int) -> None:
        """Checks every range. Raises StatementError naming the field."""
        for what, value, least, most in (
            ("chain", self.chain, 1, meters),
            ("epoch", self.epoch, 0, (1 << 24) - 1),
            ("index", self.index, 0, (1 << MAX_LOG_ROWS) - 1),
            ("tag", self.tag, IDLE, (1 << 24) - 1),
            ("chip_seconds", self.chip_seconds, 0, (1 << 48) - 1),
            ("work", self.work, 0, (1 << 48) - 1),
        ):
            if type(value) is not int or not least <= value <= most:
                raise StatementError(f"opened reading: {what}: {value!r} is not in [{least}, {most}]")


@dataclass(frozen=True)
class OpeningStatement:
    """What an opening says (section 10).

    Attributes:
        log_rows: table height is 2^log_rows, 16..22: the claim's.
        meters: (header, head) of each meter of the table in the order of the agreement, as in the claim; 8 elements each. None
            where the table has no meters.
        registry: its (header, head after the period), as in the claim, or None in a site's table.
        readings: those shown, ascending by (chain, epoch, index), distinct; may be empty.
        entries: those shown, tags ascending, distinct; may be empty.
    """

    log_rows: int
    meters: tuple[tuple[Elements, Elements], ...]
    registry: tuple[Elements, Elements] | None
    readings: tuple[OpenedReading, ...]
    entries: tuple[OpenedEntry, ...]

    def validate(self) -> None:
        """Checks types, ranges and order. Raises StatementError naming the field."""
        if type(self.log_rows) is not int or not MIN_LOG_ROWS <= self.log_rows <= MAX_LOG_ROWS:
            raise StatementError(f"log_rows: {self.log_rows!r} is not in {MIN_LOG_ROWS}..{MAX_LOG_ROWS}")
        if type(self.meters) is not tuple or not len(self.meters) < MAX_METERS:
            raise StatementError(f"meters: a tuple of at most {MAX_METERS - 1} is expected")
        if not self.meters and self.registry is None:
            raise StatementError("an opening is about meters, a registry, or both")
        for i, meter in enumerate(self.meters, 1):
            if type(meter) is not tuple or len(meter) != 2:
                raise StatementError(f"meter {i}: a header and a head are expected")
            _elements(f"meter {i}: header", meter[0])
            _elements(f"meter {i}: head", meter[1])
        if len({header for header, _ in self.meters}) != len(self.meters):
            raise StatementError("meters: two meters have one header")
        if self.registry is not None:
            if type(self.registry) is not tuple or len(self.registry) != 2:
                raise StatementError("registry: a header and a head are expected, or None")
            _elements("registry: header", self.registry[0])
            _elements("registry: head", self.registry[1])
        self._validate_opened()

    def _validate_opened(self) -> None:
        for what, kind, items in (("readings", OpenedReading, self.readings), ("entries", OpenedEntry, self.entries)):
            if type(items) is not tuple or len(items) > MAX_OPENED or any(type(item) is not kind for item in items):
                raise StatementError(f"{what}: a tuple of at most {MAX_OPENED} is expected")
        for reading in self.readings:
            reading.validate(len(self.meters))
        if self.entries and self.registry is None:
            raise StatementError("entries: there is no registry to open them in")
        for entry in self.entries:
            entry.validate()
        places = [(reading.chain, reading.epoch, reading.index) for reading in self.readings]
        tags = [entry.tag for entry in self.entries]
        if places != sorted(set(places)) or tags != sorted(set(tags)):
            raise StatementError("what is opened ascends and is distinct")


@cache
def opening_program() -> Program:
    """The compiled AIR. It depends on nothing: one program serves every opening."""
    return compile_air(COLUMNS, (), opening_constraints)


def opening_constraints(b: Builder) -> None:
    """Writes every constraint and the bus."""
    permutation(b)
    _order_of_rows(b, b.row, b.next)
    _sponge(b, b.row, b.next)
    _keys(b, b.row, b.next)
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
    b.assert_zero("after_hd", row.one("hd") * (nxt.one("rd") + nxt.one("e0") + nxt.one("er") - 1))
    b.assert_zero("after_rd", row.one("rd") * (nxt.one("rd") + nxt.one("el") - 1))
    b.assert_zero("after_e4", row.one("e4") * (nxt.one("e0") + nxt.one("er") - 1))
    ended = row.one("el") + row.one("er") + 1 - used
    b.assert_zero("after_end_or_padding", ended * (_used(b, nxt) - nxt.one("iv")))
    b.assert_zero("chain_stays", (_used(b, nxt) - nxt.one("iv")) * (nxt.one("chain") - row.one("chain")))


def _sponge(b: Builder, row: Row, nxt: Row) -> None:
    padding, linked = 1 - _used(b, row), _used(b, nxt) - nxt.one("iv")
    for i in range(16):
        b.assert_zero(f"padding_lane_{i}_is_zero", padding * row.one("in", i))
    for i in range(RATE):
        b.assert_zero(f"chain_starts_at_constant_{i}", row.one("iv") * (row.one("in", RATE + i) - START[i]))
        b.assert_zero(f"capacity_link_{i}", linked * (nxt.one("in", RATE + i) - row.one("full_b", 56 + i)))


def _keys(b: Builder, row: Row, nxt: Row) -> None:
    """`key`: an entry's tag, and a reading's index in its epoch. `open`: whether an entry, or a reading, is shown."""
    bit, first, key, goes_on = row.one("open"), nxt.one("first"), nxt.one("key"), b.sum(row.one(e) for e in ENTRY_ROWS[:-1])
    b.assert_zero("open_is_a_bit", bit * bit - bit)
    b.assert_zero("open_stays", goes_on * (nxt.one("open") - bit))
    b.assert_zero("key_is_the_tag", row.one("e0") * (row.one("key") - row.one("in", 0)))
    b.assert_zero("key_stays", goes_on * (key - row.one("key")))
    b.assert_zero("first_is_a_bit", row.one("first") * row.one("first") - row.one("first"))
    b.assert_zero("first_of_the_ledger", row.one("hd") * nxt.one("rd") * (first - 1))
    b.assert_zero("first_of_an_epoch", row.one("rd") * nxt.one("rd") * (nxt.one("in", 0) - row.one("in", 0) - first))
    b.assert_zero("index_starts", nxt.one("rd") * first * key)
    b.assert_zero("index_counts", nxt.one("rd") * (1 - first) * (key - row.one("key") - 1))


_SHOWN_E0 = (1, 2, 4, 5, 6, 7)  # kind, parent1, epoch, weights limbs; not lane 3, the base
_SHOWN: dict[str, tuple[int, ...]] = {"e0": _SHOWN_E0, "e1": tuple(range(8)), "e2": (3,), "e3": (0, 1, 2)}
"""Lanes of an entry's rows that are shown."""


def _bus(b: Builder, row: Row) -> None:
    """At most one message a row: number, chain or key, then lanes by kind of row, zeros at the end."""
    lane, out = row.many("in"), row.many("full_b")[48:]
    hd, rd, heads = row.one("hd"), row.one("rd"), row.one("el") + row.one("er")
    shown = b.sum(row.one(kind) for kind in _SHOWN)
    bus = hd * HEADER + row.one("el") * HEAD_LEDGER + row.one("er") * HEAD_REGISTRY + rd * OPEN_READING
    for number, kind in enumerate(_SHOWN, OPEN_E0):
        bus = bus + row.one(kind) * number
    message = [bus, (hd + heads + rd) * row.one("chain") + shown * row.one("key")]
    for i in range(RATE):
        parts = [hd * lane[i], heads * out[i]]
        if i == 0:
            parts.append(rd * row.one("key"))
        elif i <= 6:
            parts.append(rd * lane[i - 1])
        parts += [row.one(kind) * lane[lanes[i]] for kind, lanes in _SHOWN.items() if i < len(lanes)]
        message.append(b.sum(parts))
    b.interact("chain", hd + heads + row.one("open") * (shown + rd), message)


def public_messages(statement: OpeningStatement) -> list[PublicInteraction]:
    """The fractions that the verifier adds: (multiplicity -1 mod p, message), each header, head and opened record once.

    Raises:
        StatementError: a field is out of range.
    """
    statement.validate()
    terms: list[tuple[int, ...]] = []
    for chain, (header, head) in enumerate(statement.meters, 1):
        terms += [(HEADER, chain, *header), (HEAD_LEDGER, chain, *head)]
    if statement.registry is not None:
        header, head = statement.registry
        terms += [(HEADER, REGISTRY_CHAIN, *header), (HEAD_REGISTRY, REGISTRY_CHAIN, *head)]
    for r in statement.readings:
        terms.append((OPEN_READING, r.chain, r.index, r.epoch, r.tag, *limbs(r.chip_seconds, 2), *limbs(r.work, 2)))
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
