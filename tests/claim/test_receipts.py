"""Receipts: who countersigned an entry, and what is no receipt."""

from __future__ import annotations

import dataclasses

import pytest
import world

from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry
from claims.claim.receipts import Receipt, countersign
from tests.status.test_status_log import TERMS

ENTRY = encode_entry(sign_entry(world.key(1), ClaimEntry(TERMS.digest, "alpha", 0, bytes(32), bytes(32))))
END = TERMS.period_span(0)[1]


def receipt(*seeds: int, at: int = END) -> Receipt:
    found = None
    for number, seed in enumerate(seeds):
        _, found = countersign(world.key(seed), ENTRY, TERMS, at + number, found)
    assert found is not None
    return found


def test_parties_countersign_once_and_the_file_is_canonical() -> None:
    both = receipt(2, 61)
    assert Receipt.decode(both.encode()) == both
    entry, times = both.check(TERMS)
    assert entry.title.startswith("lab alpha's claim entry") and times == {"beta": END, "delta": END + 1}
    assert countersign(world.key(2), ENTRY, TERMS, END + 9999, both)[1] == both, "the first time stays"


@pytest.mark.parametrize("seed", [1, 60, 99])
def test_author_operator_and_strangers_do_not_count(seed: int) -> None:
    with pytest.raises(ClaimRejected, match="no party whose receipt"):
        receipt(seed)


def test_what_is_no_receipt() -> None:
    good = receipt(2)
    time, signature = good.signatures["beta"]
    for bad in (
        dataclasses.replace(good, signatures={"beta": (time + 1, signature)}),
        dataclasses.replace(good, signatures={"delta": (time, signature)}),
        dataclasses.replace(good, entry=ENTRY[:-1] + bytes([ENTRY[-1] ^ 1])),
    ):  # fmt: skip
        with pytest.raises(BadSignature):
            Receipt.decode(bad.encode()).check(TERMS)
    strangers = dataclasses.replace(good, signatures={"zeta": (time, signature)})
    assert strangers.check(TERMS)[1] == {}
    data = good.encode()
    for junk in (b"", b"{}", data[:-1], data + b" ", data.replace(b"%d" % END, b"-1"), data.replace(b'"time"', b'"tame"'), b"[" * 10_000):
        with pytest.raises(MalformedFile):
            Receipt.decode(junk)
    with pytest.raises(ClaimRejected, match="another entry"):
        other = encode_entry(sign_entry(world.key(1), ClaimEntry(TERMS.digest, "alpha", 1, bytes(32), bytes(32))))
        countersign(world.key(2), other, TERMS, END, good)
