"""The texts are true: readers made from claims/FORMATS*.md alone agree with the code.

The reader of log entries takes its layouts from the table of FORMATS-log.md section 8 itself; the grammar of amounts and durations is
that of FORMATS.md section 1, written again.
"""

from __future__ import annotations

import ast
import hashlib
import random
import re
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import world

import claims
from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import canonical_bytes
from claims.agreement.terms import Feed, InspectionTerms, KeyTerms
from claims.base.errors import AgreementError, QuantityError
from claims.base.units import flop_from_text, seconds_from_text
from claims.claim.entries import encode_entry, sign_entry, unsigned_bytes
from claims.claim.entry_kinds import (
    AssentEntry,
    ClaimEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
    TransferEntry,
)
from claims.claim.published import PublishedEntries
from claims.decisions.file import Decision

FOLDER = Path(claims.__file__).parent
LOG = (FOLDER / "FORMATS-log.md").read_text()
FEEDS = tuple(Feed(f"feed-{i}", "alpha", "beta", world.key(80 + i).public_key().public_bytes_raw(), "rack", (), 0, 1, 2) for i in range(9))
TERMS = replace(world.agreement(), inspection=InspectionTerms(8, 4, 0), feeds=FEEDS, keys=KeyTerms(("beta",), 1))
PARTY, METER, NEW = (world.key(seed).public_key().public_bytes_raw() for seed in (1, 11, 201))
A, B = bytes(range(32)), bytes(range(32, 64))
GIFT = TransferEntry(TERMS.digest, "alpha", "beta", 2, 2**32 - 1, 2**64 - 1)
ENTRIES: tuple[Entry, ...] = (
    EpochEntry(TERMS.digest, "alpha", 70, A, B, absent=b"\x82\x01"), JoulesEntry(TERMS.digest, "feed-3", 70, A),
    ClaimEntry(TERMS.digest, "alpha", 3, A, B), AssentEntry(TERMS.digest, "beta"),
    InspectionEntry(TERMS.digest, "beta", "alpha", 2, 2**40, 3, B), DecisionEntry(TERMS.digest, "beta", 2, 253402300799, A),
    LossEntry(TERMS.digest, "alpha", "alpha", 1, "hall-2", 1, 70),
    replace(GIFT, accepted=world.key(2).sign(GIFT.acceptance)),
    KeyEntry(TERMS.digest, "alpha", 1, 2, "alpha", "hall-1", 1, hashlib.sha256(METER).digest(), NEW),
    KeyEntry(TERMS.digest, "beta", 3, 1, "alpha", "alpha", 3, hashlib.sha256(PARTY).digest()),
)  # fmt: skip


def layouts() -> dict[int, list[str]]:
    """Kind to field types ("name", "u8", ..., "32"), from the table."""
    table = LOG[LOG.index("## 8. Entries") :]
    rows = re.findall(r"^\| ([0-9]+) \| [a-z]+ \| (.*) \| the [a-z]+ \|$", table, re.MULTILINE)
    found = {}
    for kind, body in rows:
        while "(" in body:
            body = re.sub(r"\([^()]*\)", "", body)
        found[int(kind)] = re.findall(r"(?:^|, )(name|u8|u32|u64|32|bits|signature|key)(?= )", body)
    return found


def read(data: bytes) -> tuple[int, bytes, list[object], bytes, bytes]:
    """(kind, agreement, fields, signature, what is signed), by the text."""
    assert data[:14] == b"standstill-log" and len(data) <= 6144
    version, kind = struct.unpack_from(">HB", data, 14)
    assert version == 1
    at, fields = 17 + 32, []
    for field in layouts()[kind]:
        if field == "name":
            fields.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        elif field == "32":
            fields.append(data[at : at + 32])
            at += 32
        elif field in ("signature", "key"):
            size = int.from_bytes(data[at : at + 2], "big")
            fields.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        elif field == "bits":
            fields.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        else:
            size = int(field[1:]) // 8
            fields.append(int.from_bytes(data[at : at + size], "big"))
            at += size
    assert len(data) - at in (64, 2484)
    signed = struct.pack(">H", 28) + b"standstill/sign/log-entry/v1" + hashlib.sha256(data[:at]).digest()
    return kind, data[17:49], fields, data[at:], signed


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_every_kind_of_entry_is_read_by_the_text(entry: Entry) -> None:
    assert set(layouts()) == {item.kind for item in ENTRIES}
    key = world.key(11 if getattr(entry, "signer", 0) == 1 else {"alpha": 1, "beta": 2, "feed feed-3": 83}[entry.author])
    signed = sign_entry(key, entry)
    kind, agreement, fields, signature, message = read(encode_entry(signed))
    said = tuple(getattr(entry, part.field) for part in entry.parts)
    assert (kind, agreement, tuple(fields), signature) == (entry.kind, TERMS.digest, said, signed.signature)
    key.public_key().verify(signature, message)
    assert PublishedEntries(TERMS, [(0, encode_entry(signed))]).refused == []


def test_a_reason_is_hashed_as_the_text_says() -> None:
    decision = Decision(TERMS.digest, "lift", 5, "why \u00e9\n", {})
    assert decision.content[-1] == hashlib.sha256("why \u00e9\n".encode()).digest()


def test_what_is_passed_over_and_what_is_one() -> None:
    one, two = sign_entry(world.key(1), ENTRIES[0]), sign_entry(world.key(1), replace(ENTRIES[0], root=B))
    elsewhere = replace(one, agreement=B)
    passed = (b"junk", encode_entry(one)[:-1], encode_entry(elsewhere), encode_entry(replace(one, signature=bytes(64))),
              encode_entry(sign_entry(world.key(2), two)))  # fmt: skip
    items = [*passed, encode_entry(one), encode_entry(two)]
    found = PublishedEntries(TERMS, enumerate(items))
    assert found.epoch("alpha", 70) == (one, len(passed))
    assert [(item.first_index, item.second_index) for item in found.conflicts] == [(len(passed), len(passed) + 1)]
    assert unsigned_bytes(one) != unsigned_bytes(two)


NUMBER = r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE]\+?[0-9]{1,2})?"
PREFIXES = {prefix: 10 ** (3 * power) for power, prefix in enumerate(["", *"kMGTPEZYRQ"])}


def exact(number: str) -> Fraction:
    mantissa, _, exponent = number.lower().partition("e")
    return Fraction(mantissa) * 10 ** int(exponent or 0)


def test_the_grammar_of_amounts_and_durations_is_that_of_the_text() -> None:
    rng = random.Random(7)
    pieces = [*"01.eE+-_ kPEQm", "12", "  ", "FLOP", "FLOP/s", "flop", "s", "min", "h", "d", "1e3", "\u0661"]
    good = 0
    for _ in range(20_000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 7)))
        rate = rng.random() < 0.5
        match = re.fullmatch(rf"({NUMBER}) ?([kMGTPEZYRQ]?)FLOP{'/s' if rate else ''}", text, re.ASCII)
        want = exact(match[1]) * PREFIXES[match[2]] if match else None
        try:
            got = flop_from_text(text, rate=rate)
        except QuantityError:
            got = None
        assert got == want, text
        match = re.fullmatch(rf"({NUMBER}) ?(s|min|h|d)", text, re.ASCII)
        seconds = exact(match[1]) * {"s": 1, "min": 60, "h": 3600, "d": 86400}[match[2]] if match else Fraction(0)
        try:
            found = seconds_from_text(text)
        except QuantityError:
            found = None
        assert found == (seconds if seconds >= 1 and seconds.denominator == 1 else None), text
        good += want is not None or found is not None
    assert good > 100


DEADLINES = '[deadlines]\nepoch = "1 d"\nclaim = "7 d"\ngrace = "7 d"\nopening = "3 d"\n'


@pytest.mark.parametrize("zero", ["0s", "0 s", "0min", "0 h", "0 d"])
def test_where_zero_is_allowed_and_its_spelling(zero: str) -> None:
    base = world.TEXT.replace("[rules]", DEADLINES + "\n[rules]", 1)
    agreed = parse_agreement(base.replace('grace = "7 d"', f'grace = "{zero}"'))
    assert agreed.deadlines is not None and agreed.deadlines.grace == 0
    for field, value in (("epoch", "1 d"), ("claim", "7 d"), ("opening", "3 d")):
        with pytest.raises(AgreementError):
            parse_agreement(base.replace(f'{field} = "{value}"', f'{field} = "{zero}"'))
    for other in ("0", "00 s", "0.0 s", "0  s", "0 S"):
        with pytest.raises(AgreementError):
            parse_agreement(base.replace('grace = "7 d"', f'grace = "{other}"'))


def test_deciders_may_stand_in_any_order_and_are_sorted_in_the_bytes() -> None:
    one, two = parse_agreement(world.TEXT), parse_agreement(world.TEXT.replace('["beta", "alpha"]', '["alpha", "beta"]'))
    assert one.digest == two.digest and decode_agreement(canonical_bytes(one)).pause == one.pause


def test_the_rows_of_a_table_are_exactly_as_the_text_says() -> None:
    assert "3 x meters + E x readings + 9 <= 2^log_rows" in (FOLDER / "FORMATS.md").read_text()
    lab = world.agreement().labs[0]
    room = (2**16 - 9) // len(lab.meters) - 3
    for epochs, fits in ((room, True), (room + 1, False)):
        made = world.TEXT.replace("epochs_per_period = 24", f"epochs_per_period = {epochs}")
        if fits:
            parse_agreement(made)
        else:
            with pytest.raises(AgreementError, match="need .* rows"):
                parse_agreement(made)


def test_kinds_of_what_is_missing_are_named() -> None:
    """Each kind that a verdict can have stands in FORMATS.md section 8, and no other."""
    text = (FOLDER / "FORMATS.md").read_text()
    own = text[text.index("| `missing` |") :].partition("Kinds: ")[2].partition("; with `--folder`")[0]
    calls = [
        node
        for path in sorted(FOLDER.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Missing"
    ]
    kinds = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    assert set(re.findall("`([a-z ]+)`", own)) == kinds and len(kinds) >= 16
