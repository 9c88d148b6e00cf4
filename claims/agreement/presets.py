"""Caps from published rules and proposals, for the template of an agreement: what each counts, and what it leaves out.

A preset is a starting point, not legal advice: every rule here says "greater than" for a threshold, and a claim shows "at most", so the
threshold itself is the cap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from claims.base.errors import ClaimsError

__all__ = ["PRESETS", "Preset", "preset", "with_preset"]

_AMENDED = (
    'Counts "the original training run and any subsequent fine-tuning, reinforcement learning, or other material modifications": '
    "as lineages do, which add up work along parents."
)
_OPERATIONS = (
    "Counts integer as well as floating-point operations: so give chips the peak of their fastest format, integer formats "
    "included."
)
_ONE_PARTY = "A lineage shows only what this lab trained and what it declared: work of other parties enters by declaration (EXTERNAL)."


@dataclass(frozen=True)
class Preset:
    """Caps of one published rule.

    Attributes:
        name: for the command line.
        title: of the rule.
        source: where it is written.
        status: in force, proposed or revoked.
        lineage: cumulative cap as text; ``freeze``: freeze level, or None.
        counts: what the rule's threshold counts.
        leaves_out: what the rule demands and these caps do not show.
    """

    name: str
    title: str
    source: str
    status: str
    lineage: str
    freeze: str | None
    counts: tuple[str, ...]
    leaves_out: tuple[str, ...]


PRESETS = (
    Preset(
        "eu-ai-act", "EU AI Act, general-purpose models with systemic risk",
        "Regulation (EU) 2024/1689, Article 51(2)", "in force", "1e25 FLOP", None,
        ("Counts the cumulative computation used for training, in floating-point operations; recital 111 names pre-training, "
         "synthetic data generation and fine-tuning.",),
        ("The rule is a presumption with duties, not a ban: staying under it shows that no model is presumed to be of high impact.",
         "Synthetic data made for training counts only where its compute is booked to the checkpoint.", _ONE_PARTY),
    ),
    Preset(
        "ca-sb-53", "California SB 53, frontier models",
        "California Business and Professions Code, chapter 25.1, section 22757.11 (Transparency in Frontier AI Act)",
        "in force", "1e26 FLOP", None, (_AMENDED, _OPERATIONS),
        ("The act's duties of transparency and its revenue threshold are not about compute.", _ONE_PARTY),
    ),
    Preset(
        "ny-raise", "New York RAISE Act, frontier models",
        "New York General Business Law, article 44-B, section 1420", "enacted", "1e26 FLOP", None,
        (_AMENDED, _OPERATIONS),
        ("The act's other duties and its thresholds in dollars are not about compute; a distilled model counts here with its own "
         "work and what it declares.", _ONE_PARTY),
    ),
    Preset(
        "eo-14110", "Executive Order 14110, dual-use foundation models",
        "Executive Order 14110, section 4.2(b)(i), 88 FR 75191; revoked in January 2025", "revoked", "1e26 FLOP", None,
        (_OPERATIONS,),
        ("Its second threshold, clusters of 10^20 operations per second, is a matter of inventory: chips x peak of the meters.",
         "Its lower threshold for biological sequence data is the preset eo-14110-bio.", _ONE_PARTY),
    ),
    Preset(
        "eo-14110-bio", "Executive Order 14110, models trained on biological sequence data",
        "Executive Order 14110, section 4.2(b)(i), 88 FR 75191; revoked in January 2025", "revoked", "1e23 FLOP", None,
        (_OPERATIONS,),
        ("No claim shows what a model was trained on: the cap binds every checkpoint of the lab, whatever its data.", _ONE_PARTY),
    ),
    Preset(
        "treaty-2511.10783", "Proposed international agreement (strict threshold)",
        "arXiv 2511.10783, An International Agreement to Prevent the Premature Creation of Artificial Superintelligence, Article IV",
        "proposed", "1e24 FLOP", "1e24 FLOP",
        ("Counts training in FLOP: no run above 10^24. The freeze at the same level stops any further training of a larger model.",),
        ("It allows post-training of existing larger models up to 10^23 FLOP; the freeze here allows none, which is stricter.",
         "Training between 10^22 and 10^24 FLOP is to be reported and monitored: a claim shows no amounts, so it reports nothing.",
         "It also limits research and centralises chips.", _ONE_PARTY),
    ),
)  # fmt: skip


def preset(name: str) -> Preset:
    """The preset of that name. Raises ClaimsError naming those there are."""
    for item in PRESETS:
        if item.name == name:
            return item
    raise ClaimsError(f"there is no preset {name!r}", f"choose one of: {', '.join(item.name for item in PRESETS)}")


def _comment(text: str, first: str = "# ") -> list[str]:
    """Comment lines of at most about 110 characters."""
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) > 110:
            lines.append(line.rstrip())
            line = "#   "
        line += word + " "
    return [*lines, line.rstrip()]


def caps_section(item: Preset) -> str:
    """A ``[lab.caps]`` section with what the threshold counts and what it leaves out, as comments."""
    out = [*_comment(f"Preset {item.name}: {item.title} ({item.status}).", "# "), *_comment(f"Source: {item.source}.")]
    for text in item.counts:
        out += _comment(text)
    for text in item.leaves_out:
        out += _comment(f"Not covered: {text}")
    out += [
        *_comment("total and unattributed are no part of the rule: choose them for the lab."),
        "[lab.caps]                       # rounded down to 10^12 FLOP",
        'total = "1e24 FLOP"              # all compute of a period',
        'unattributed = "1e22 FLOP"       # compute of a period that names no checkpoint',
        f'lineage = "{item.lineage}"            # cumulative compute behind any checkpoint',
    ]
    if item.freeze is not None:
        out.append(f'freeze = "{item.freeze}"             # checkpoints above this level may not be trained further')
    return "\n".join(out) + "\n"


def with_preset(template: str, item: Preset) -> str:
    """The template with the preset's caps in place of its own."""
    pattern = re.compile(r"^\[lab\.caps\].*?(?=^\s*$|\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(template) is None:
        raise ClaimsError("the template has no [lab.caps] section")
    return pattern.sub(lambda _: caps_section(item), template, count=1)
