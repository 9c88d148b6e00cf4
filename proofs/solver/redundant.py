"""Constraints that no obligation needs, what says the same, and so why nothing is lost; proofs/README.md says why they stay."""

from __future__ import annotations

NEXT = "the next row's {} is the same number, and a bit"
ALONE = "what may follow may follow {} and HD alone: so this is 1 less HD, which is a bit"
REDUNDANT = {
    **{f"{kind}_is_a_bit": NEXT.format(then) for kind, then in (("iv", "hd"), ("e0", "e1"), ("e1", "e2"), ("e2", "e3"), ("e3", "e4"))},
    "side_is_a_bit": NEXT.format("got"),
    "sent_is_a_bit": ALONE.format("SENT"),
    "got_is_a_bit": ALONE.format("GOT"),
    "before_head_comes_once": "the next entry is RESIDUE with `new` = 1, which is one more than the before-head's",
    "no_work": "`works_is_a_receiver's`: `works` is 0 in such an entry; `who_receives_works`: then there is no work",
    "table_hi_steps": "where t_hi moves, the next two say t_lo goes from 255 to 0, and `table_lo_steps` then asks for a step of 1",
}
