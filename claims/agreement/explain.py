"""What the three terms from outside are for, in two sentences each: the same words on the page and in the terminal."""

from __future__ import annotations

__all__ = ["ALLOWANCES", "OPEN_WEIGHTS", "POWER"]

POWER = (
    "Somebody who is neither the lab nor the log\u2019s operator measures the electricity that the lab\u2019s machines draw, hour by hour.",
    "An inspector compares the hours that chance picks with what the lab said its chips did: chips that train in secret draw more.",
)
ALLOWANCES = (
    "Before a period begins, a lab may hand a part of its limit to another lab, and both sign that in the public log.",
    "What one gains the other loses: the limits of all labs together stay what was agreed.",
)
OPEN_WEIGHTS = (
    "A lab may build on a model that others have published, and the computing behind that model then counts as well.",
    "The list says how much for each model, and inspectors compare what the lab counted with it.",
)
