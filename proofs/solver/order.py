"""Which kinds of rows may follow which: circuits/README.md section 5, *Order of rows*, as data."""

from __future__ import annotations

from proofs.solver.window import PADDING

END = ["iv", PADDING]
FOLLOWS = {
    "iv": ["hd"], "hd": ["busy", "idle", "mi", "e0", "sent", "es", "side", "eg"], "busy": ["busy", "idle", "el"],
    "idle": ["busy", "idle", "el"], "el": END, "mi": ["e0"], "er": END, "e0": ["e1"], "e1": ["e2"], "e2": ["e3"], "e3": ["e4"],
    "e4": ["mi", "er", "e0"], "sent": ["sent", "es"], "es": END, "side": ["got"], "got": ["side", "eg"], "eg": END, PADDING: END,
}  # fmt: skip
