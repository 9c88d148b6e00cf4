"""What moved between labs, period by period: the caps of all labs together stay the same, and no lab's total is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claims.base.units import format_work
from claims.claim.allowances import Transfer

__all__ = ["Moved"]


@dataclass(frozen=True)
class Moved:
    """The transfers of cap for a period that began, and the sum of the agreed totals of the labs that claim in it, units of 10^12 FLOP.

    Attributes:
        stated: sum of the totals that the claims of all these labs are proven under; None where one is not here, or states no bound.
        over: labs whose claim of the period is over, here.
    """

    agreement: bytes
    period: int
    caps: int
    stated: int | None
    transfers: tuple[Transfer, ...]
    over: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        out = [f"caps of all labs together in period {self.period}: {format_work(self.caps)}"]
        if self.stated is not None:
            out[0] += f"; their claims are proven under {format_work(self.stated)} together"
        for item in self.transfers:
            named = [name for name in (item.entry.giver, item.entry.receiver) if name in self.over]
            out.append(f"  {item.text}: {item.state}" + "".join(f"; {name} is over" for name in named))
        return out

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        rows = [
            {
                "giver": item.entry.giver, "receiver": item.entry.receiver, "serial": item.entry.serial,
                "amount": format_work(item.entry.amount), "counts": item.counts, "state": item.state, "text": item.text,
            }
            for item in self.transfers
        ]  # fmt: skip
        return {
            "agreement": self.agreement.hex(), "period": self.period, "caps": format_work(self.caps),
            "stated": None if self.stated is None else format_work(self.stated), "transfers": rows,
            "over": list(self.over),
        }  # fmt: skip
