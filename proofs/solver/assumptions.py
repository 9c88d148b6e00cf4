"""What an obligation may assume of a window beside its constraints: named, each with what grants it.

An assumption gives ranges of cells, by the kinds of the window's rows. Kinds themselves are the window's: KINDS is granted by the
obligations of class `order` and, for the table as a whole, by Rows.one_kind_each_row and Rows.order_of_rows in Coq.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from circuits.gadgets import REGISTRY_KINDS
from proofs.solver.order import FOLLOWS
from proofs.solver.window import Window, cell, public

Range = tuple[int, int]
Found = Iterator[tuple[str, Range]]

BYTE, LIMB, TOP = (0, 255), (0, (1 << 24) - 1), (0, (1 << 16) - 1)
DIGIT_SUM = 255 * (1 << 22) + 65535 * 256  # circuits/README.md section 4
ROWS = 1 << 22
ENTRY_KINDS = ("e0", "e1", "e2", "e3", "e4")
READINGS = ("busy", "idle")


@dataclass(frozen=True)
class Assumption:
    """Ranges of cells of a window.

    Attributes:
        name: as in the report.
        says, granted: in words.
        ranges: the cells of a window that it bounds.
    """

    name: str
    says: str
    granted: str
    ranges: Callable[[Window], Found]


def _rows(window: Window, *kinds: str) -> Iterator[int]:
    return (at for at, kind in enumerate(window.kinds) if kind in kinds)


def _amount(row: int, column: str) -> Found:
    for i in range(3):
        yield cell(row, f"{column}[{i}]"), TOP if i == 2 else LIMB


def _bytes(window: Window) -> Found:
    for at in range(len(window.kinds)):
        for i in range(20):
            yield cell(at, f"byte[{i}]"), BYTE


def _peak(window: Window) -> Found:
    for at in (*_rows(window, *READINGS), *_headers(window, READINGS)):
        for i in range(3):
            yield cell(at, f"res[{i}]"), BYTE


def _headers(window: Window, then: tuple[str, ...]) -> Iterator[int]:
    """Header rows before a row of these kinds, or without one in the window."""
    for at in _rows(window, "hd"):
        if at + 1 < len(window.kinds) and window.kinds[at + 1] in then:
            yield at


def _coverage(window: Window) -> Found:
    for at in (*_rows(window, *READINGS), *_headers(window, READINGS)):
        yield cell(at, "tot[0]"), LIMB


def _epoch(window: Window) -> Found:
    for at in _rows(window, *READINGS):
        yield cell(at, "in[0]"), (0, (1 << 24) + ROWS)


def _first_epoch(_: Window) -> Found:
    yield public("first_epoch"), LIMB


def _fetched(window: Window) -> Found:
    for at in _rows(window, "e0", "e1", "e2"):
        yield from _amount(at, "val")


def _digit_sums(window: Window) -> Found:
    for at in _rows(window, "e1", "e2", "side", "got"):
        for i in range(3):
            yield cell(at, f"sum[{i}]"), (0, DIGIT_SUM)


def _residue(window: Window) -> Found:
    for at in (*_rows(window, *REGISTRY_KINDS), *_headers(window, REGISTRY_KINDS)):
        yield from _amount(at, "res")


def _running_total(window: Window) -> Found:
    for at in (*_rows(window, *REGISTRY_KINDS), *_headers(window, REGISTRY_KINDS)):
        yield from _amount(at, "tot")


def _index(window: Window) -> Found:
    for at in _rows(window, *REGISTRY_KINDS):
        yield cell(at, "index"), (0, ROWS)


def _tags(window: Window) -> Found:
    for at in _rows(window, "sent", "side", "got"):
        yield cell(at, "key"), LIMB
    for at in (*_rows(window, *REGISTRY_KINDS), *_headers(window, REGISTRY_KINDS)):
        yield cell(at, "sorted_prev"), LIMB


def _owes(window: Window) -> Found:
    for at in _rows(window, "mi", "er", *ENTRY_KINDS):
        yield cell(at, "owes"), (0, 1)


ASSUMPTIONS = {
    a.name: a
    for a in (
        Assumption("BYTES", "each byte column is in 0..255", "BYTES bus: Bytes.every_byte_is_a_byte (Coq)", _bytes),
        Assumption(
            "PEAK", "a ledger's `res` are three bytes", "HEADER bus: Heads.header_is_in_range (Coq); obligations `state carried`", _peak
        ),
        Assumption(
            "COVERAGE", "a ledger's `tot[0]` is below 2^24", "HEADER bus: Heads.header_is_in_range (Coq); `state carried`", _coverage
        ),
        Assumption(
            "EPOCH", "a reading's epoch is at most 2^24 + 2^22", "`first_epoch`, and at most 1 more for each row: `reading follows`", _epoch
        ),
        Assumption("FIRST_EPOCH", "`first_epoch` is below 2^24", "the verifier: circuits/README.md section 1", _first_epoch),
        Assumption(
            "FETCHED", "a fetched amount has limbs of 24, 24 and 16 bits", "ENTRY bus: Entries.fetched_is_a_cumulative (Coq)", _fetched
        ),
        Assumption(
            "DIGIT_SUM", "a received digit sum is at most 255 x 2^22 + 65535 x 256",
            "TAG bus: Tags.one_receiver_takes_all (Coq); circuits/README.md section 4", _digit_sums,
        ),
        Assumption(
            "RESIDUE", "a registry's `res` has limbs of 24, 24 and 16 bits",
            "0 at the header (HEADER bus), then a RESIDUE entry's cumulative: `residue passes on`", _residue,
        ),
        Assumption(
            "TOTAL", "a registry's `tot` has limbs of 24, 24 and 16 bits", "0 at the header, then `total is in range` at E3", _running_total
        ),
        Assumption("INDEX", "`index` is at most 2^22", "0 at the header, one more for each entry: `index counts`", _index),
        Assumption(
            "TAGS", "the tag of the record before, and `sorted_prev`, are below 2^24",
            "`record's tag is in range`, `sorted tag is in range`", _tags,
        ),
        Assumption("OWES", "`owes` is 0 or 1 from the before-head on", "`owes is a bit`: the RESIDUE entry after the before-head", _owes),
    )
}  # fmt: skip


def ranges(window: Window, names: tuple[str, ...]) -> dict[str, Range]:
    """The ranges that these assumptions give, the narrowest for each cell."""
    found: dict[str, Range] = {}
    for name in names:
        for variable, (low, high) in ASSUMPTIONS[name].ranges(window):
            before = found.get(variable, (low, high))
            found[variable] = max(low, before[0]), min(high, before[1])
    return found


def single_ranges() -> list[tuple[str, str]]:
    """Each assumption with each column or public that it bounds."""
    pairs = [Window((kind, then)) for kind, following in FOLLOWS.items() for then in following]
    found = [(a.name, variable.split(".", 1)[1]) for a in ASSUMPTIONS.values() for pair in pairs for variable, _ in a.ranges(pair)]
    return list(dict.fromkeys(found))
