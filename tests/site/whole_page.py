"""A page with all at once: a lab of two sites that is over, lost a meter, moved a part of its limit; a power feed; open models."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import world
from folders import Made

from claims.claim.commitments import lab_epoch_root
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import Entry, EpochEntry, JoulesEntry, LossEntry
from claims.claim.lists import LOST_METER, Limit, Loss, Over
from claims.claim.power import absent_bits
from claims.site.generate import generate
from tests.attacks.test_allowances import gift
from tests.attacks.test_lists_at_random import CHIPS, PER, WHOLE, Story, _file
from tests.site.page_agrees import STAND_IN
from tests.site.test_site_tables import cut

MODELS = f"""[[open_model]]
name = "llama-3.1-405b"
charge = "3.8e25 FLOP"
source = "a published estimate"
weights = ["{'ab' * 32}"]

[pause]"""
RULE = '"charge-every-lineage"\nexternal = "listed-or 3.8e25 FLOP"'
TEXT = WHOLE.replace("[pause]", MODELS, 1).replace('"charge-every-lineage"', RULE, 1)
SHARE = {0: 500_000, 1: 666_667}
"""Of the chip-seconds, parts per million: hall-2 is lost from the second hour on; 40 % are agreed."""


def whole_page(place: Path) -> tuple[Path, int]:
    """The page's folder, whose verifier takes any proof, and when it was computed. The caller has a stub of the Python one."""
    place.mkdir()
    made = Made(place / "folder", cut(TEXT))
    story = Story(made, random.Random(1), True, terms=[made.terms] * 2)
    gifts = [gift(made, "alpha", "beta", 4 * 10**9, 0, 1), gift(made, "beta", "alpha", 10**9, 1, 2)]
    gifts.append(gift(made, "alpha", "beta", 10**11, 1, 3))
    story.say(made.terms.start - 900, *gifts)
    limits = (Limit(1, 6 * 10**9, 2**33), Limit(5, 400_000, SHARE[0]))
    for period, stated in ((0, limits), (1, (Limit(5, 400_000, SHARE[1]),))):
        roots = _hours(story, period)
        listed = (hashlib.sha256(encode_entry(gifts[period])).digest(),)
        overs = tuple(Over(0, item.which, item.agreed, item.stated) for item in limits) if period else ()
        loss = Loss(LOST_METER, "hall-2", max(1, PER * period))
        _file(story, period, roots, {"losses": (loss,), "limits": stated, "overs": overs, "transfers": listed})
    now = made.end(1) + 700
    generate(made.folder, place / "site", now=now)
    (place / "site" / "verifier" / "stark.js").write_text(STAND_IN)
    return place / "site", now


def _hours(story: Story, period: int) -> dict[str, tuple[bytes, ...]]:
    terms, epochs = story.made.terms, range(PER * period, PER * period + PER)
    roots = {name: tuple(bytes([e + 1]) * 32 if name == "hall-1" or e < 1 else bytes(32) for e in epochs) for name in CHIPS}
    for at, epoch in enumerate(epochs):
        root = lab_epoch_root([(name, each[at]) for name, each in roots.items()])
        bits = absent_bits(1, {0} if epoch == 2 else set())
        lost = LossEntry(terms.digest, "alpha", "alpha", 1, "hall-2", 1, 1)
        words: Sequence[Entry] = [sign_entry(world.key(1), lost)] if epoch == 1 else []
        joules = sign_entry(world.key(80), JoulesEntry(terms.digest, "hall-feed", epoch, bytes(32)))
        own = sign_entry(world.key(1), EpochEntry(terms.digest, "alpha", epoch, root, bytes(32), absent=bits))
        story.say(terms.epoch_span(epoch)[1] + 60, *words, joules, own)
    return roots
