"""[[witness]]: who cosigns the log and is no party; names of signed notes, room for hybrid keys, what a witness never is."""

from __future__ import annotations

from dataclasses import replace

import hybrid_world as hw
import pytest
import world

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import Witness
from claims.base.errors import AgreementError, ClaimRejected, MalformedFile
from claims.base.keys import public_text
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.receipts import countersign
from claims.cli.show_agreement import agreement_lines, agreement_value
from claims.verify.log import log_trust
from tests.agreement.test_agreement_terms import FULL


def witness(name: str, key: str) -> str:
    return f'\n[[witness]]\nname = "{name}"\nkey = "{key}"\n'


KEY = bytes.fromhex(world.public(80)[8:])
TWO = FULL + witness("witness.example/w2", world.public(81)) + witness("witness.example/w1", world.public(80))


def test_witnesses_are_read_sorted_and_bound() -> None:
    terms = parse_agreement(TWO)
    assert terms.witnesses == (Witness("witness.example/w1", KEY), Witness("witness.example/w2", bytes.fromhex(world.public(81)[8:])))
    assert decode_agreement(canonical_bytes(terms)) == terms
    others = [FULL, TWO.replace("/w2", "/w3"), TWO.replace(world.public(81), world.public(82)), TWO + witness("w", world.public(83))]
    assert len({parse_agreement(text).digest for text in (TWO, *others)}) == 5


def test_names_are_those_of_signed_notes() -> None:
    for name in ("a", "Sigsum.org/v1", "w" * 255, "\u03c0/1", "\U0001f600", "\uff41"):
        text = FULL + witness(name, world.public(80))
        assert parse_agreement(text).witnesses[0].name == name
    for name in ("", "a b", "a+b", "w" * 256, "\u00e9" * 128, "a\u3000", "\u202eb", "gamma", "tab\\t"):
        with pytest.raises(AgreementError, match="name"):
            parse_agreement(FULL + witness(name, world.public(80)))


def test_names_ascend_by_their_bytes_each_once() -> None:
    first, last = Witness("\uff41", KEY), Witness("\U0001f600", bytes.fromhex(world.public(81)[8:]))
    terms = replace(parse_agreement(FULL), witnesses=(first, last))
    assert decode_agreement(canonical_bytes(terms)) == terms
    for bad in ((last, first), (first, replace(last, name=first.name))):
        with pytest.raises(MalformedFile):
            decode_agreement(canonical_bytes(replace(terms, witnesses=bad)))


@pytest.mark.parametrize("seed", [50, 60, 70, 80], ids=["log", "party", "cosigner", "witness"])
def test_a_key_is_not_also_a_witness_s(seed: int) -> None:
    with pytest.raises(AgreementError, match="same key"):
        parse_agreement(FULL + witness("w1", world.public(80)) + witness("w2", world.public(seed)))


def test_a_witness_needs_a_log() -> None:
    with pytest.raises(AgreementError, match="witness: .*needs a .log."):
        parse_agreement(world.TEXT + witness("w1", world.public(80)))


def test_room_for_hybrid_keys_is_shared_with_parties() -> None:
    text = FULL.replace(world.public(70), public_text(hw.public(70)))
    many = [witness(f"w{number:02}", public_text(hw.public(200 + number))) for number in range(16)]
    assert len(parse_agreement(text + "".join(many[:15])).witnesses) == 15
    with pytest.raises(AgreementError, match="17 parties and witnesses cosign with a hybrid key"):
        parse_agreement(text + "".join(many))
    parse_agreement(text + "".join(many[:15]) + witness("x", world.public(80)))


def test_witnesses_do_not_stand_in_for_parties_that_date() -> None:
    """Four parties cosign; without the operator three are left: four cosignatures cannot be asked for, whatever witnesses there are."""
    with pytest.raises(AgreementError, match="could date"):
        parse_agreement(TWO.replace("cosignatures = 2", "cosignatures = 4"))


def test_whom_a_verifier_trusts() -> None:
    trust = log_trust(parse_agreement(TWO))
    assert trust.witnesses == {"witness.example/w1", "witness.example/w2"} and trust.cosigners["witness.example/w1"] == KEY
    assert trust.cosigners.keys() - trust.witnesses == {"delta", "epsilon", "eta"}


def test_a_witness_signs_no_receipt() -> None:
    terms = parse_agreement(TWO)
    with pytest.raises(ClaimRejected, match="no party whose receipt"):
        countersign(world.key(80), entry_of(terms), terms, terms.start + 10**7)


def entry_of(terms: Agreement) -> bytes:
    return encode_entry(sign_entry(world.key(1), EpochEntry(terms.digest, "alpha", 0, bytes(32), bytes(32))))


def test_people_and_programs_are_told() -> None:
    terms = parse_agreement(TWO)
    lines = "\n".join(agreement_lines(terms))
    assert f"witness     witness.example/w1 {world.public(80)}: counts for heads of the log, and dates no entry" in lines
    assert "everybody. A quantum" in lines and agreement_value(terms)["witnesses"] == ["witness.example/w1", "witness.example/w2"]
