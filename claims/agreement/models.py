"""Open models with published estimates of the work that trained them, as tables for an agreement (``claims/data/open_models.csv``).

The estimates are Epoch AI's (CC BY 4.0). Which models count, and what they are charged, is for the parties to agree.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from functools import cache
from importlib.resources import files

from claims.base.errors import ClaimsError

__all__ = ["LICENCE", "KnownModel", "known_model", "known_models"]

LICENCE = "Epoch AI, Notable AI Models, https://epoch.ai/data/notable-ai-models, CC BY 4.0"
_UP = Context(prec=2, rounding=ROUND_CEILING)


@dataclass(frozen=True)
class KnownModel:
    """A model of the list. ``charge``: its estimate, rounded up to two digits, as text; ``confidence``: the source's word."""

    name: str
    title: str
    charge: str
    confidence: str
    published: str
    access: str

    def table(self, weights: Sequence[str] = ()) -> str:
        """An ``[[open_model]]`` table. ``weights``: digests as hex; without any the table is not complete yet."""
        digests = "\n".join(f'    "{digest}",' for digest in weights)
        source = f"{LICENCE}: {self.title}, {self.published}; confidence: {self.confidence}"
        return "\n".join([
            "[[open_model]]",
            f'name = "{self.name}"',
            f'charge = "{self.charge}"',
            f'source = "{source}"',
            f"weights = [\n{digests}\n]" if weights else "weights = []   # standstill weights digest DIR, of each form in which they come",
        ])  # fmt: skip


def _known(row: dict[str, str]) -> KnownModel:
    title, estimate = row["model"], Decimal(row["training_flop"])
    name = re.sub(r"[^a-z0-9._]+", "-", title.lower()).strip("-._")[:64]
    plain = re.sub(r'["\\]', "'", f"{title} by {row['organization']}")
    mantissa, _, exponent = f"{_UP.plus(estimate):E}".partition("E+")
    return KnownModel(name, plain, f"{mantissa}e{exponent} FLOP", row["confidence"], row["published"], row["access"])


@cache
def known_models() -> tuple[KnownModel, ...]:
    """All of them, as the source has them: by estimate, the largest first."""
    text = files("claims").joinpath("data", "open_models.csv").read_text(encoding="utf-8")
    return tuple(map(_known, csv.DictReader(text.splitlines())))


def known_model(name: str) -> KnownModel:
    """The model of that name. Raises ClaimsError where there is none."""
    for model in known_models():
        if model.name == name:
            return model
    raise ClaimsError(f"there is no model {name!r} in the list", "standstill agreement models lists them; others are written by hand")
