"""Why a lab's records do not make a claim: typed, and saying which meter, epoch, tag or cap.

All are WitnessError of zk/errors.py: nothing was proven and nothing has leaked.
"""

from __future__ import annotations

from zk.errors import WitnessError


class ShapeError(WitnessError):
    """Records of the wrong length or range, meters that do not match the statement, or too many rows."""


class EpochError(WitnessError):
    """Readings out of order, an epoch missing, or one outside the period (R2)."""

    def __init__(self, meter: int, epoch: int, detail: str) -> None:
        self.meter, self.epoch = meter, epoch
        super().__init__(f"meter {meter}, epoch {epoch}: {detail}")


class CoverageError(WitnessError):
    """The chip-seconds of an epoch do not sum to chips x epoch length (R2)."""

    def __init__(self, meter: int, epoch: int, covered: int, expected: int) -> None:
        self.meter, self.epoch, self.covered, self.expected = meter, epoch, covered, expected
        super().__init__(f"meter {meter}, epoch {epoch}: readings cover {covered} chip-seconds, not {expected}")


class WorkError(WitnessError):
    """A reading's work is not what the rule charges (R3)."""

    def __init__(self, meter: int, epoch: int, detail: str) -> None:
        self.meter, self.epoch = meter, epoch
        super().__init__(f"meter {meter}, epoch {epoch}: {detail}")


class TagError(WitnessError):
    """A reading's tag has no entry that may receive it, or an entry's work is not its readings' (R4)."""

    def __init__(self, tag: int, detail: str) -> None:
        self.tag = tag
        super().__init__(f"tag {tag}: {detail}")


class EntryError(WitnessError):
    """A registry entry breaks a rule of its kind, of lineage or of the registry's order (R5)."""

    def __init__(self, tag: int, index: int, detail: str) -> None:
        self.tag, self.index = tag, index
        super().__init__(f"registry entry {index} (tag {tag}): {detail}")


class HeadError(WitnessError):
    """A head in the statement is not the head of these records: wrong records, header, IV or trailer (R1, R5)."""

    def __init__(self, chain: str) -> None:
        self.chain = chain
        super().__init__(f"{chain}: the statement's head is not the head of these records")


class CapExceeded(WitnessError):
    """A cap of the agreement is exceeded: there is no claim to make (R6)."""

    def __init__(self, cap: str, value: int, limit: int, tag: int | None = None) -> None:
        self.cap, self.value, self.limit, self.tag = cap, value, limit, tag
        where = "" if tag is None else f"tag {tag}: "
        super().__init__(f"{where}{cap}: {value} exceeds {limit} (10^12 FLOP)")
