"""Half a hybrid signature, a half of another one, a half from elsewhere: named attacks on keys that sign twice, and what each is told.

Who attacks has broken one half: everything that an Ed25519 key or an ML-DSA-44 key alone can sign, it can sign. FORMATS.md section 3.
"""

from __future__ import annotations

import json
import lzma
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest
import world

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import canonical_bytes
from claims.agreement.signatures import AgreementSignatures, agreement_message, sign_agreement
from claims.base.ed25519 import check_signature, half_verifies, is_key
from claims.base.errors import (
    AgreementError,
    BadSignature,
    ClaimRejected,
    MalformedClaim,
    MalformedFile,
    MissingDependency,
)
from claims.base.hybrid import DOMAIN, SIGNATURE_SIZES, halves, hybrid_message, lattice_verifies, split_signature
from claims.claim.entries import check_entry, decode_entry, encode_entry, same_word, sign_entry
from claims.claim.entry_kinds import AssentEntry, ClaimEntry, TransferEntry
from claims.claim.evidence import Equivocation, TwoEntries, equivocations_of
from claims.claim.file import decode_claim, sign_claim
from claims.claim.published import PublishedEntries
from claims.claim.receipts import Receipt
from claims.decisions.file import Decision, sign_decision
from claims.decisions.life import life_of
from claims.verify.claim import verify_claim
from tests.site.test_js_verifier import ask

VECTORS = Path(__file__).parents[1] / "vectors/wycheproof"
MESSAGE = agreement_message(bytes(32))
PUBLIC = hw.public(1)


def good(public: bytes, signature: bytes, message: bytes = MESSAGE) -> bool:
    try:
        check_signature("it", public, signature, message)
    except BadSignature:
        return False
    return True


def forgeries() -> dict[str, tuple[bytes, bytes, bytes]]:
    """What an attacker shows: key, signature, message."""
    one, other = hw.key(1), hw.key(2)
    signature = one.sign(MESSAGE)
    curve, lattice = split_signature(signature)
    bound = hybrid_message(PUBLIC, MESSAGE)
    elsewhere = MESSAGE.replace(b"agreement/v1", b"decision/v01")
    mixed = halves(PUBLIC)[0] + halves(hw.public(2))[1]
    same = one.sign(MESSAGE)
    return {
        "stripped: the curve's half alone": (PUBLIC, curve, MESSAGE),
        "stripped: the lattice's half alone": (PUBLIC, lattice, MESSAGE),
        "stripped: zeros for the curve's half": (PUBLIC, bytes(64) + lattice, MESSAGE),
        "stripped: zeros for the lattice's half": (PUBLIC, curve + bytes(2420), MESSAGE),
        "stripped: shown under the curve's key alone": (halves(PUBLIC)[0], curve, MESSAGE),
        "stripped: all of it under the curve's key alone": (halves(PUBLIC)[0], signature, MESSAGE),
        "broken curve: signs the message itself": (PUBLIC, one.curve.sign(MESSAGE) + lattice, MESSAGE),
        "broken curve: both halves its own": (PUBLIC, one.curve.sign(bound) + bytes(2420), MESSAGE),
        "broken lattice: both halves its own": (PUBLIC, bytes(64) + one.lattice.sign(bound, DOMAIN), MESSAGE),
        "mixed: halves of two keys' signatures": (PUBLIC, curve + split_signature(other.sign(MESSAGE))[1], MESSAGE),
        "mixed: halves of two signatures of two messages": (PUBLIC, curve + split_signature(one.sign(elsewhere))[1], MESSAGE),
        "mixed: a key of two keys' halves": (mixed, curve + split_signature(other.sign(MESSAGE))[1], MESSAGE),
        "replayed: a half under another domain": (PUBLIC, split_signature(one.sign(elsewhere))[0] + lattice, MESSAGE),
        "replayed: the whole under another domain": (PUBLIC, one.sign(elsewhere), MESSAGE),
        "declared: of the curve's key alone, under the hybrid key": (PUBLIC, one.curve.sign(MESSAGE), MESSAGE),
        "declared: the other way round": (halves(PUBLIC)[0], curve, bound[len(bound) - len(MESSAGE) :]),
        "swapped order": (PUBLIC, lattice + curve, MESSAGE),
        "swapped keys": (halves(PUBLIC)[1] + halves(PUBLIC)[0], signature, MESSAGE),
        "extra: a byte": (PUBLIC, signature + b"\0", MESSAGE),
        "extra: a half": (PUBLIC, signature + lattice, MESSAGE),
        "extra: a curve's half": (PUBLIC, curve + signature, MESSAGE),
        "context: none": (PUBLIC, curve + one.lattice.sign(bound), MESSAGE),
        "context: another one": (PUBLIC, curve + one.lattice.sign(bound, b"standstill/sign/hybrid/v2"), MESSAGE),
        "context: the domain moved into the message": (PUBLIC, curve + one.lattice.sign(DOMAIN + bound), MESSAGE),
        "not mixed: two honest signatures of one message": (PUBLIC, curve + split_signature(same)[1], MESSAGE),
        "not an attack": (PUBLIC, signature, MESSAGE),
    }


def test_named_attacks_in_both_verifiers() -> None:
    cases = forgeries()
    answers = ask("signatures", cases=[[part.hex() for part in case] for case in cases.values()])
    for (name, case), (_, page) in zip(cases.items(), answers, strict=True):
        assert good(*case) == page == name.startswith("not "), name


def test_every_part_of_a_signature_counts_in_both_verifiers() -> None:
    """Two honest signatures' halves of one message are one statement; any byte changed is none."""
    signature = hw.key(1).sign(MESSAGE)
    places = [0, 31, 32, 63, 64, 95, 96, 1000, 2399, 2400, 2450, 2483]
    cases = [(PUBLIC, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], MESSAGE) for at in places]
    cases += [(PUBLIC[:at] + bytes([PUBLIC[at] ^ 1]) + PUBLIC[at + 1 :], signature, MESSAGE) for at in (0, 31, 32, 500, 1343)]
    cases += [(PUBLIC, signature, MESSAGE + b"\0"), (PUBLIC, signature, MESSAGE[1:])]
    answers = ask("signatures", cases=[[part.hex() for part in case] for case in cases])
    assert [verifies for _, verifies in answers] == [False] * len(cases) == [good(*case) for case in cases]
    assert [usable for usable, _ in answers] == [is_key(key) for key, _, _ in cases]


# ---- agreements: which signatures are demanded follows from them alone ---------------------------------------------


def test_an_agreement_reads_the_same_as_text_and_bytes_in_both_verifiers(tmp_path: Path) -> None:
    terms = hw.agreement()
    assert terms.party("alpha").key == PUBLIC and len(PUBLIC) == 1344
    assert decode_agreement(canonical_bytes(terms)) == terms
    (tmp_path / "agreement.bin").write_bytes(canonical_bytes(terms))
    assert ask("agreements", file=str(tmp_path / "agreement.bin"), edits=[{"tail": ""}]) == [{"ok": terms.digest.hex()}]
    alone = parse_agreement(world.TEXT)
    assert alone.digest != terms.digest


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (hw.TEXT.replace(world.public(11), hw.public_text(hw.public(11))), "meter"),
        (hw.TEXT.replace(" mldsa44:", "  mldsa44:"), "party.key"),
        (hw.TEXT.replace(" mldsa44:", ",mldsa44:"), "party.key"),
        (hw.TEXT.replace(hw.public_text(PUBLIC), hw.public_text(PUBLIC) + " mldsa44:" + halves(PUBLIC)[1].hex()), "party.key"),
        (hw.TEXT.replace(hw.public_text(PUBLIC), "mldsa44:" + halves(PUBLIC)[1].hex() + " " + world.public(1)), "party.key"),
        (hw.TEXT.replace(hw.public_text(PUBLIC), hw.public_text(PUBLIC)[:-2]), "party.key"),
        (hw.TEXT.replace(halves(PUBLIC)[1].hex(), halves(hw.public(2))[1].hex()), "party"),
        (hw.TEXT.replace(world.public(1), world.public(2)), "party"),
        (hw.TEXT.replace(world.public(11), world.public(1)), "meter"),
    ],
    ids=["hybrid meter", "two spaces", "comma", "extra half", "swapped", "short", "lattice twice", "curve twice", "half a meter"],
)  # fmt: skip
def test_keys_that_no_agreement_has(text: str, field: str) -> None:
    with pytest.raises(AgreementError) as found:
        parse_agreement(text)
    assert field.split(".")[0] in str(found.value)


def test_a_hybrid_key_declared_as_ed25519_alone_elsewhere() -> None:
    """The same curve half stands alone in another agreement: nothing signed under one serves the other."""
    terms, weaker = hw.agreement(), parse_agreement(world.TEXT)
    with pytest.raises(BadSignature):
        sign_agreement(hw.key(1), weaker, None)
    with pytest.raises(BadSignature):
        sign_agreement(world.key(1), terms, None)
    signature = hw.key(1).sign(agreement_message(weaker.digest))
    for shown in (signature, signature[:64]):
        with pytest.raises(BadSignature):
            AgreementSignatures(weaker.digest, {"alpha": shown}).missing(weaker)
    with pytest.raises(BadSignature):
        AgreementSignatures(terms.digest, {"alpha": world.key(1).sign(agreement_message(terms.digest))}).missing(terms)


def test_an_amendment_may_add_a_half_to_a_key_and_takes_none_away(tmp_path: Path) -> None:
    """What a key of both halves signs, its curve's half signed: so parties of Ed25519 alone become hybrid; never the other way round."""
    text = world.TEXT.replace("periods = 12\n", "periods = 12\n\n[amends]\ndigest = \"{}\"\nfrom_period = 3\n")
    plain, both = parse_agreement(world.TEXT), hw.agreement()
    later = plain.epoch_span(4 * plain.epochs_per_period)[0]

    def state(old: Any, new: str) -> str:
        seeds = world.PARTIES.values()
        terms = parse_agreement(new.replace("{}", old.digest.hex()))
        signed = None
        for seed in seeds:
            signed = sign_agreement(hw.key(seed) if len(terms.parties[0].key) > 32 else world.key(seed), terms, signed)
        assert signed is not None and signed.missing(terms) == []
        return life_of(old, [], now=later, successors=[terms]).state

    hybrid = hw.hybrid(text, *world.PARTIES.values())
    stranger = text.replace(world.public(1), hw.public_text(hw.public(9)))
    assert state(plain, text) == state(plain, hybrid) == state(both, hybrid) == "amended"
    assert state(both, text) == "in force"
    terms = parse_agreement(stranger.replace("{}", plain.digest.hex()))
    assert life_of(plain, [], now=later, successors=[terms]).state == "in force"


def test_parties_sign_and_what_they_signed_stays() -> None:
    terms = hw.agreement()
    one = sign_agreement(hw.key(1), terms, None)
    both = sign_agreement(hw.key(2), terms, one)
    assert both.signatures["alpha"] == one.signatures["alpha"] and both.missing(terms) == []
    assert AgreementSignatures.decode(both.encode()) == both
    assert sign_agreement(hw.key(1), terms, both) == both  # signed once
    for name in both.signatures:
        cut = replace(both, signatures=both.signatures | {name: both.signatures[name][:64]})
        with pytest.raises(BadSignature):
            AgreementSignatures.decode(cut.encode()).missing(terms)


# ---- claims, entries, decisions ------------------------------------------------------------------------------------


def hybrid_claim() -> Any:
    terms = hw.agreement()
    return terms, sign_claim(world.claim(terms), hw.key(1))


def test_a_claim_is_demanded_both_halves_of_both_signatures(any_proof: None) -> None:
    terms, claim = hybrid_claim()
    signed = sign_agreement(hw.key(2), terms, sign_agreement(hw.key(1), terms, None))
    assert decode_claim(claim.encode()) == claim
    verify_claim(claim.encode(), terms, signatures=signed)
    for field in ("signature", "registry_signature"):
        whole = getattr(claim, field)
        for other in (whole[:64], whole[:64] + bytes(2420), bytes(64) + whole[64:]):
            changed = replace(claim, **{field: other})
            if field == "registry_signature":  # the lab signs all of it again
                changed = replace(changed, signature=hw.key(1).sign(changed.signed_message()))
            with pytest.raises(ClaimRejected):
                verify_claim(changed.encode(), terms, signatures=signed)
    curve_only = sign_claim(world.claim(terms), world.key(1))
    with pytest.raises(ClaimRejected):
        verify_claim(curve_only.encode(), terms, signatures=signed)
    data = claim.encode()
    for cut in (data[:-1], data + b"\0", data[:-2420]):
        with pytest.raises(MalformedClaim):
            decode_claim(cut)


def test_entries_of_both_kinds() -> None:
    terms, claim = hybrid_claim()
    entry = sign_entry(hw.key(1), ClaimEntry(terms.digest, "alpha", 0, bytes(32), bytes(32)))
    data = encode_entry(entry)
    assert decode_entry(data) == entry and len(entry.signature) == SIGNATURE_SIZES[1]
    check_entry(entry, terms, data)
    for signature in (entry.signature[:64], entry.signature[:64] + bytes(2420), bytes(64) + entry.signature[64:]):
        with pytest.raises(BadSignature):
            check_entry(decode_entry(encode_entry(replace(entry, signature=signature))), terms)
    for bad in (data[:-1], data + b"\0", data[: len(data) - 2484]):
        with pytest.raises(MalformedFile):
            decode_entry(bad)


def test_a_transfer_has_the_receivers_halves_too() -> None:
    terms = hw.agreement()
    gift = TransferEntry(terms.digest, "alpha", "beta", 2, 1, 5)
    accepted = hw.key(2).sign(gift.acceptance)
    entry = sign_entry(hw.key(1), replace(gift, accepted=accepted))
    data = encode_entry(entry)
    assert decode_entry(data) == entry and len(data) <= 6144
    check_entry(entry, terms)
    again = sign_entry(hw.key(1), replace(gift, accepted=hw.key(2).sign(gift.acceptance)))
    assert again != entry and same_word(again, entry)
    for half in (accepted[:64], accepted[:64] + bytes(2420)):
        with pytest.raises(BadSignature):
            check_entry(sign_entry(hw.key(1), replace(gift, accepted=half)), terms)


def test_a_decision_is_signed_once() -> None:
    terms = hw.agreement()
    decision = Decision(terms.digest, "lift", terms.start, "why")
    one = sign_decision(hw.key(1), decision, terms)
    both = sign_decision(hw.key(2), sign_decision(hw.key(1), one, terms), terms)
    assert both.signatures["alpha"] == one.signatures["alpha"]
    both.check(terms)
    assert Decision.decode(both.encode()) == both
    with pytest.raises(BadSignature):
        replace(both, signatures=both.signatures | {"alpha": one.signatures["alpha"][:64]}).check(terms)


def test_two_signatures_of_one_thing_are_one_statement() -> None:
    """A spoiler asks for a second randomised signature, or makes one with its own key, and calls the two a contradiction."""
    terms, claim = hybrid_claim()
    again = sign_claim(claim, hw.key(1))
    assert again.registry_signature != claim.registry_signature
    heads = [(c.meters, c.head_after, c.lists.digest, c.registry_signature) for c in (claim, again)]
    assert equivocations_of(*heads, (terms.digest, "alpha", 0)) == []
    signed = [(c.head_after, c.lists.digest, c.registry_signature) for c in (claim, again)]
    with pytest.raises(BadSignature):
        Equivocation(terms.digest, "alpha", None, 0, (min(signed), max(signed))).check(terms)
    one, two = (encode_entry(sign_entry(hw.key(1), AssentEntry(terms.digest, "alpha"))) for _ in range(2))
    assert one != two
    with pytest.raises(BadSignature):
        TwoEntries.of(one, two).check(terms)
    found = PublishedEntries(terms, [(0, one), (1, two)])
    assert found.conflicts == [] and found.refused == []
    receipt = Receipt(one, {"beta": (5, hw.key(2).sign(b"x"))})
    assert Receipt.decode(receipt.encode()) == receipt


# ---- other implementations' vectors --------------------------------------------------------------------------------


def wycheproof(name: str) -> list[tuple[bytes, bytes, bytes, bytes | None, bool]]:
    """Key, signature, message, context, whether it is valid."""
    data = (VECTORS / name).read_bytes()
    value = json.loads(lzma.decompress(data) if name.endswith(".xz") else data)
    return [
        (bytes.fromhex(group["publicKey"] if isinstance(group["publicKey"], str) else group["publicKey"]["pk"]), bytes.fromhex(test["sig"]),
         bytes.fromhex(test["msg"]), bytes.fromhex(test["ctx"]) if "ctx" in test else None, test["result"] == "valid")
        for group in value["testGroups"] for test in group["tests"]
    ]  # fmt: skip


def test_wycheproof_ed25519_in_both_verifiers() -> None:
    cases = wycheproof("ed25519_test.json")
    answers = ask("signatures", cases=[[key.hex(), signature.hex(), message.hex()] for key, signature, message, _, _ in cases])
    for (key, signature, message, _, valid), (_, page) in zip(cases, answers, strict=True):
        assert good(key, signature, message) == page == valid
    assert len(cases) == 151


def test_wycheproof_ml_dsa_44_in_both_verifiers() -> None:
    """Without a context as a half alone; under one, the libraries themselves."""
    cases = wycheproof("mldsa_44_verify_test.json.xz")
    bare = [case for case in cases if case[3] is None]
    answers = ask("halves", cases=[[key.hex(), signature.hex(), message.hex()] for key, signature, message, _, _ in bare])
    for (key, signature, message, _, valid), page in zip(bare, answers, strict=True):
        assert (len(key) == 1312 and half_verifies(key, signature, message)) == page == valid
    for key, signature, message, context, valid in cases:
        if context:
            assert lattice_verifies(key, signature, message, context) == valid
    assert len(cases) == 180 and len(bare) > 100


def test_cryptography_without_ml_dsa_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    signature = bytes(2484)
    with pytest.raises(BadSignature):  # the curve's half already fails
        check_signature("it", PUBLIC, signature, MESSAGE)
    bound = hybrid_message(PUBLIC, MESSAGE)
    with pytest.raises(MissingDependency) as found:
        check_signature("it", PUBLIC, hw.key(1).curve.sign(bound) + bytes(2420), MESSAGE)
    assert "cryptography 48" in str(found.value) and "pip install" in found.value.hint
    check_signature("it", halves(PUBLIC)[0], world.key(1).sign(MESSAGE), MESSAGE)  # Ed25519 alone needs none

