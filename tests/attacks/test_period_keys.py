"""Meters that sign epochs with one half and periods with both: what one who broke the curve can make of it, and what a spoiler.

FORMATS.md section 3, "Period keys". Who attacks can sign everything that an Ed25519 key, or an ML-DSA-44 key, alone can sign.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest
import world
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from folders import signatures

from claims.agreement.decode import decode_agreement
from claims.agreement.file import load_agreement, parse_agreement
from claims.agreement.meters import meters_in, table_lines, write_table
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.signatures import AgreementSignatures, epoch_root_message, ledger_head_message, sign_ledger_head
from claims.agreement.terms import Meter
from claims.base.errors import AgreementError, BadSignature, ClaimRejected, ClaimsError, MalformedFile
from claims.base.files import CLAIM_LIMIT
from claims.base.hybrid import DOMAIN, SIGNATURE_SIZES, halves, hybrid_message, split_signature
from claims.claim.evidence import Equivocation, TwoRoots, decode_evidence, equivocations_of
from claims.claim.file import Claim, MeterHead, decode_claim
from claims.claim.hidden_head import hidden_heads
from claims.claim.lists import LOST_METER, Loss
from claims.claim.losses import NO_HEAD
from claims.claim.records import SignedHead
from claims.cli.show_agreement import agreement_lines
from claims.lab.journal import of_ledger_head
from claims.lab.meter import SoftwareMeter
from claims.lab.signing import StoreBehind, signing
from claims.lab.store import Store
from claims.verify.claim import verify_claim
from tests.attacks.test_lost import LOSABLE, LOST_2, Folder
from tests.attacks.test_lost_evidence import UNLOGGED
from tests.fixtures import lab_fixtures as lab
from tests.site.test_js_verifier import ask

TEXT = hw.with_period_keys(world.TEXT, 11)
"""Alpha's hall-1 has a period key, hall-2 none."""
Head = tuple[int, ...]


def terms_of(text: str = TEXT) -> Agreement:
    return parse_agreement(text)


def claim_of(terms: Agreement, sign: Callable[[bytes, bytes], bytes] | None = None, name: str = "hall-1") -> Claim:
    """Alpha's claim, whose hall-1 signed with both halves; ``sign``: of message and signature, what stands in a meter's place."""
    meters = []
    for one, seed in world.METERS.items():
        head = world.head(seed)
        message = ledger_head_message(terms.digest, "alpha", one, 0, head, world.ROOTS)
        signature = (hw.key(seed) if one == "hall-1" else world.key(seed)).sign(message)
        meters.append(MeterHead(one, head, world.ROOTS, sign(message, signature) if sign and one == name else signature))
    return world.claim(terms, meters=tuple(meters))


# ---- agreements ------------------------------------------------------------------------------------------------


def test_text_table_and_bytes_are_one_agreement_in_both_verifiers(tmp_path: Path) -> None:
    terms = terms_of()
    meter = terms.lab("alpha").meter("hall-1")
    assert meter.whole_key == hw.public(11) and meter.key == halves(hw.public(11))[0]
    assert terms.lab("alpha").meter("hall-2").whole_key == terms.lab("alpha").meter("hall-2").key
    assert decode_agreement(canonical_bytes(terms)) == terms and terms.digest != world.agreement().digest
    table = write_table(meters_in("a.toml", TEXT.encode()))
    assert table.startswith(b"lab,name,chip,chips,key,period_key\n") and write_table(meters_in("a.csv", table)) == table
    (tmp_path / "f.meters.csv").write_bytes(table)
    (tmp_path / "agreement.toml").write_text(TEXT[: TEXT.index("[[meter]]")] + table_lines("f.meters.csv", table))
    assert load_agreement(tmp_path / "agreement.toml") == terms
    data = canonical_bytes(terms)
    (tmp_path / "agreement.bin").write_bytes(data)
    at = data.index(meter.period_key)
    edits: list[dict[str, Any]] = [{"tail": ""}, {"flips": [[at - 1, 1]]}, {"flips": [[at - 1, 2]]}, {"flips": [[at, 1]]}, {"cut": at + 9}]
    answers = ask("agreements", file=str(tmp_path / "agreement.bin"), edits=edits)
    assert answers[0] == {"ok": terms.digest.hex()} and [("ok" in answer) for answer in answers[1:]] == [False, False, True, False]
    for edit, answer in zip(edits[1:], answers[1:], strict=True):
        changed = bytearray(data[: edit.get("cut", len(data))])
        for place, mask in edit.get("flips", []):
            changed[place] ^= mask
        if "ok" in answer:
            assert decode_agreement(bytes(changed)).digest.hex() == answer["ok"] != terms.digest.hex()
        else:
            with pytest.raises(MalformedFile):
                decode_agreement(bytes(changed))


PERIOD = hw.period_text(11)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(PERIOD, PERIOD[:-2]), TEXT.replace(PERIOD, PERIOD + "00"), TEXT.replace(PERIOD, PERIOD.upper()),
        TEXT.replace(PERIOD, PERIOD[8:]), TEXT.replace(PERIOD, f"{world.public(99)} {PERIOD}"), TEXT.replace(PERIOD, world.public(99)),
        TEXT.replace(PERIOD, ""), TEXT.replace(f'"{world.public(11)}"', f'"{world.public(11)} {PERIOD}"'),
        hw.with_period_keys(TEXT, 12).replace(hw.period_text(12), PERIOD),
        hw.hybrid(TEXT, 1).replace(PERIOD, "mldsa44:" + halves(hw.public(1))[1].hex()),
    ],
    ids=["short", "long", "upper", "no name", "both halves", "a curve's", "empty", "in the key too", "of two meters", "a party's"],
)  # fmt: skip
def test_period_keys_that_no_agreement_has(text: str) -> None:
    with pytest.raises(AgreementError, match=r"key"):
        terms_of(text)


ROOM = 25_835
"""Meters with period keys and names of six characters that a claim has room for: 63 MiB / (67 + 6 + 2,484)."""


def fleet(count: int) -> Agreement:
    """Alpha with so many meters, in sites and groups of 4,096 at most."""
    terms = world.agreement()
    own, seeds = terms.lab("alpha"), range(1000, 1000 + count)
    keys = [hashlib.sha256(str(seed).encode()).digest() for seed in seeds]
    publics = [Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw() for key in keys]
    meters = tuple(
        Meter("alpha", f"m{at:05}", "h100", 1, public, f"s{at // 4096}", f"g{at // 4096}", key * 41)
        for at, (key, public) in enumerate(zip(keys, publics, strict=True))
    )
    return dataclasses.replace(
        terms, labs=(dataclasses.replace(own, meters=meters, registry_rows=17, log_rows=22), *terms.labs[1:]),
        chips=tuple(dataclasses.replace(chip, readings=16) for chip in terms.chips),
    )  # fmt: skip


@pytest.mark.slow
def test_a_claim_has_room_for_every_signature(tmp_path: Path) -> None:
    """A lab of so many period keys that no claim could hold them is refused by both verifiers, before anybody signs it."""
    for count, words in ((ROOM, ""), (ROOM + 1, "more than 66060288")):
        terms = fleet(count)
        (tmp_path / "agreement.bin").write_bytes(canonical_bytes(terms))
        (answer,) = ask("agreements", file=str(tmp_path / "agreement.bin"), edits=[{"tail": ""}])
        assert ("ok" in answer) != bool(words), answer
        if words:
            with pytest.raises(MalformedFile, match=words):
                decode_agreement(canonical_bytes(terms))
        else:
            assert decode_agreement(canonical_bytes(terms)).digest.hex() == answer["ok"]
            own = terms.lab("alpha")
            meters = tuple(MeterHead(m.name, world.head(1), world.ROOTS, bytes(2484)) for m in own.meters)
            assert len(world.claim(terms, meters=meters).encode()) < CLAIM_LIMIT - 2**19, "what it lists has room too"


def test_of_a_fleet_it_is_said_how_many_have_none() -> None:
    terms = fleet(70)
    own = terms.lab("alpha")
    bare = tuple(dataclasses.replace(meter, period_key=b"") for meter in own.meters[:66])
    text = "\n".join(agreement_lines(dataclasses.replace(terms, labs=(dataclasses.replace(own, meters=(*bare, *own.meters[66:])),))))
    assert "Ed25519 alone: alpha, beta, 66 of 70 meters of alpha. A quantum" in text
    text = "\n".join(agreement_lines(dataclasses.replace(terms, labs=(dataclasses.replace(own, meters=own.meters),))))
    assert "Ed25519 alone: alpha, beta. A quantum" in text


# ---- stripped, mixed, replayed ---------------------------------------------------------------------------------


def forgeries(terms: Agreement) -> dict[str, tuple[str, Callable[[bytes, bytes], bytes]]]:
    """The meter, and what stands in the place of its signature, of the message and the honest signature."""
    key, other = hw.key(11), hw.key(12)
    older = world.agreement()

    def elsewhere(**changes: Any) -> bytes:
        about: dict[str, Any] = {"digest": terms.digest, "lab": "alpha", "meter": "hall-1", "period": 0} | changes
        return ledger_head_message(*about.values(), world.head(11), world.ROOTS)

    def bound(message: bytes) -> bytes:
        return hybrid_message(hw.public(11), message)

    return {
        "not an attack": ("hall-1", lambda m, s: s),
        "not an attack: signed again": ("hall-1", lambda m, s: key.sign(m)),
        "not an attack: halves of two honest signatures": ("hall-1", lambda m, s: split_signature(s)[0] + split_signature(key.sign(m))[1]),
        "stripped: the curve's half alone": ("hall-1", lambda m, s: s[:64]),
        "stripped: zeros for the lattice's half": ("hall-1", lambda m, s: s[:64] + bytes(2420)),
        "stripped: zeros for the curve's half": ("hall-1", lambda m, s: bytes(64) + s[64:]),
        "broken curve: as a meter without a period key signs": ("hall-1", lambda m, s: key.curve.sign(m)),
        "broken curve: the bare message, and the honest lattice's half": ("hall-1", lambda m, s: key.curve.sign(m) + s[64:]),
        "broken lattice: the bare message": ("hall-1", lambda m, s: s[:64] + key.lattice.sign(m, DOMAIN)),
        "broken lattice: without the context": ("hall-1", lambda m, s: s[:64] + key.lattice.sign(bound(m))),
        "mixed: another meter's lattice": ("hall-1", lambda m, s: s[:64] + other.sign(m)[64:]),
        "mixed: the whole of another meter": ("hall-1", lambda m, s: other.sign(m)),
        "mixed: the lab signs for its meter": ("hall-1", lambda m, s: hw.key(1).sign(m)),
        "replayed: another period's": ("hall-1", lambda m, s: key.sign(elsewhere(period=1))),
        "replayed: another period's lattice": ("hall-1", lambda m, s: s[:64] + key.sign(elsewhere(period=1))[64:]),
        "replayed: another agreement's": ("hall-1", lambda m, s: key.sign(elsewhere(digest=older.digest))),
        "replayed: under the agreement without period keys": ("hall-1", lambda m, s: key.curve.sign(elsewhere(digest=older.digest))),
        "replayed: an epoch's signature": (
            "hall-1", lambda m, s: key.curve.sign(epoch_root_message(terms.digest, "alpha", "hall-1", 0, world.ROOTS)) + s[64:],
        ),
        "lost: the zeros of a meter that is not": ("hall-1", lambda m, s: bytes(64)),
        "declared: both halves of a meter without a period key": ("hall-2", lambda m, s: other.sign(m)),
        "declared: a meter without a period key, zeros behind": ("hall-2", lambda m, s: s + bytes(2420)),
    }  # fmt: skip


def test_named_attacks_on_a_meters_period_in_both_verifiers(any_proof: None) -> None:
    terms = terms_of()
    signed = world.signed(terms)
    cases = forgeries(terms)
    requests = []
    for name, (meter, sign) in cases.items():
        claim = claim_of(terms, sign, meter)
        data = claim.encode()
        assert decode_claim(data) == claim and decode_claim(data).encode() == data
        if name.startswith("not an attack"):
            verify_claim(data, terms, signatures=signed)
        else:
            with pytest.raises(ClaimRejected) as found:
                verify_claim(data, terms, signatures=signed)
            assert found.value.check == "signatures", name
        requests.append(request(data, terms, signed))
    answers = ask("cases", requests=requests)
    for name, answer in zip(cases, answers, strict=True):
        assert (answer["check"] == "signatures") != name.startswith("not an attack"), (name, answer)


@pytest.mark.parametrize("seed", [11, 12], ids=["another has one", "the lost one has one"])
def test_a_lost_meters_zeros_have_one_length(any_proof: None, seed: int) -> None:
    """64 bytes, whatever its keys are: one claim, one encoding, in both verifiers."""
    terms = terms_of(hw.with_period_keys(UNLOGGED, seed))
    signed = AgreementSignatures.decode(signatures(terms))
    requests, expected = [], []
    for zeros in (bytes(64), bytes(2484), bytes(63) + b"\1", bytes(2483) + b"\1"):
        head = world.head(11)
        own = sign_ledger_head((hw.key if seed == 11 else world.key)(11), terms.digest, "alpha", "hall-1", 0, head, world.ROOTS)
        meters = (MeterHead("hall-1", head, world.ROOTS, own), MeterHead("hall-2", NO_HEAD, world.ROOTS, zeros))
        data = world.claim(terms, meters=meters, losses=(LOST_2,)).encode()
        try:
            verify_claim(data, terms, signatures=signed)
            expected.append("")
        except ClaimRejected as error:
            expected.append(error.check)
        requests.append(request(data, terms, signed))
    answers = ask("cases", requests=requests)
    assert expected == ["", "lists", "lists", "lists"], expected
    assert [answer["check"] == "lists" for answer in answers] == [False, True, True, True], answers


def request(data: bytes, terms: Agreement, signed: AgreementSignatures) -> dict[str, Any]:
    """What judge.mjs is asked about a claim without a log."""
    files = {"claim": data, "agreement": canonical_bytes(terms), "signatures": signed.encode()}
    texts: dict[str, Any] = {key: base64.b64encode(value).decode() for key, value in files.items()}
    lists: dict[str, Any] = {key: [] for key in ("previous", "previousRoots", "roots", "proofs")}
    return {"files": texts | {"log": None}, **lists, "previousAccepted": False, "now": 10**11}


def test_a_claims_bytes_say_nothing_of_what_is_demanded() -> None:
    """The length is framing: only 64 and 2,484 bytes are a signature at all."""
    data = claim_of(terms_of()).encode()
    at = data.index((SIGNATURE_SIZES[1]).to_bytes(2, "big") + claim_of_signature(data))
    for size in (0, 63, 65, 2420, 2483, 2485, 65535):
        with pytest.raises(MalformedFile):
            decode_claim(data[:at] + size.to_bytes(2, "big") + data[at + 2 :])


def claim_of_signature(data: bytes) -> bytes:
    return decode_claim(data).meters[0].signature


# ---- signed once -----------------------------------------------------------------------------------------------


def store_of(folder: Path) -> tuple[Store, Agreement, SoftwareMeter]:
    """A lab whose hall-a has a period key."""
    store, terms = lab.make_lab(folder)
    key = dataclasses.replace(hw.key(77), curve=lab.METER_KEYS["hall-a"])
    own = terms.labs[0]
    meters = (dataclasses.replace(own.meters[0], period_key=halves(hw.public(77))[1]), *own.meters[1:])
    return store, dataclasses.replace(terms, labs=(dataclasses.replace(own, meters=meters),)), SoftwareMeter("hall-a", key)


def test_epochs_are_of_one_half_and_the_period_of_both(tmp_path: Path) -> None:
    store, terms, meter = store_of(tmp_path)
    seal = meter.seal_epoch(store, terms, 0)
    assert len(seal.signature) == 64
    head = meter.seal(store, terms, 0)
    assert len(head.signature) == 2484 and {len(item.signature) for item in store.epoch_seals(0, "hall-a")} == {64}
    assert meter.seal(store, terms, 0) == head == store.signed_head(0, "hall-a"), "the kept bytes, not signed again"
    assert of_ledger_head("alpha", head) == of_ledger_head("alpha", dataclasses.replace(head, signature=b"")), "of the message"


@pytest.mark.parametrize("half", ["another lattice", "no lattice", "another curve"])
def test_a_key_with_another_half_signs_nothing(tmp_path: Path, half: str) -> None:
    store, terms, meter = store_of(tmp_path)
    curve = lab.METER_KEYS["hall-a"]
    wrong: Any = {
        "another lattice": dataclasses.replace(hw.key(78), curve=curve), "no lattice": curve,
        "another curve": dataclasses.replace(hw.key(77), curve=world.key(5)),
    }[half]  # fmt: skip
    if half != "no lattice":  # hours need none: that half may be kept apart until the period's end
        with pytest.raises(ClaimsError, match=r"key is not the one|lacks the ML-DSA-44 half"):
            SoftwareMeter("hall-a", wrong).seal_epoch(store, terms, 0)
        assert store.epoch_seals(0, "hall-a") == []
    with pytest.raises(ClaimsError, match=r"key is not the one|lacks the ML-DSA-44 half"):
        SoftwareMeter("hall-a", wrong).seal(store, terms, 0)
    assert store.signed_head(0, "hall-a") is None
    assert len(meter.seal(store, terms, 0).signature) == 2484


def test_a_crash_between_signing_and_keeping_leaves_nothing_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, terms, meter = store_of(tmp_path)
    state = tmp_path / "state"
    made: list[SignedHead] = []

    def crash(self: Store, head: SignedHead, secret: object) -> None:
        made.append(head)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "seal", crash)
        with pytest.raises(KeyboardInterrupt), signing(store, terms, "hall-a", state):
            meter.seal(store, terms, 0)
    assert len(made) == 1 and store.signed_head(0, "hall-a") is None
    with signing(store, terms, "hall-a", state) as journal:
        assert not [item for item in journal.statements() if item.subject.startswith("ledger-head")]
        head = meter.seal(store, terms, 0)
    with signing(store, terms, "hall-a", state) as journal:
        (known,) = (item for item in journal.statements() if item.subject.startswith("ledger-head"))
        assert known.digest == of_ledger_head("alpha", head).digest != of_ledger_head("alpha", made[0]).digest


def test_a_restored_store_signs_no_second_head(tmp_path: Path) -> None:
    store, terms, meter = store_of(tmp_path)
    state, backup = tmp_path / "state", tmp_path / "backup.store"
    with signing(store, terms, "hall-a", state):
        for epoch in range(lab.EPOCHS):
            meter.seal_epoch(store, terms, epoch)
    store.backup(backup)
    with signing(store, terms, "hall-a", state):
        meter.seal(store, terms, 0)
    with Store.open(backup) as old:
        with pytest.raises(StoreBehind), signing(old, terms, "hall-a", state):
            meter.seal(old, terms, 0)
        assert old.signed_head(0, "hall-a") is None


# ---- evidence --------------------------------------------------------------------------------------------------


def test_two_signatures_of_one_head_are_one_statement() -> None:
    terms = terms_of()
    claim = claim_of(terms)
    again = claim_of(terms, lambda message, _: hw.key(11).sign(message))
    assert claim.meters[0].signature != again.meters[0].signature
    heads = [(one.meters, one.head_after, one.lists.digest, one.registry_signature) for one in (claim, again)]
    assert equivocations_of(*heads, (terms.digest, "alpha", 0)) == []
    signed = sorted((one.meters[0].head, one.meters[0].roots_digest, one.meters[0].signature) for one in (claim, again))
    with pytest.raises(BadSignature):
        Equivocation(terms.digest, "alpha", "hall-1", 0, (signed[0], signed[1])).check(terms)


PERIODIC = hw.with_period_keys(LOSABLE, 11, 12)


@pytest.fixture
def folder(tmp_path: Path, any_proof: None, page_agrees: None) -> Folder:
    """Both meters of alpha have period keys; its claim of period 0 is proven."""
    made = Folder(tmp_path / "folder", PERIODIC)
    made.epochs()
    draft = made.draft()
    meters = tuple(dataclasses.replace(one, signature=head_of(made, one.name, one.head)[2]) for one in draft.meters)
    made.claim(claim=world.claim(made.terms, meters=meters))
    return made


def head_of(folder: Folder, name: str, head: Head, sign: Any = None) -> tuple[Head, bytes, bytes]:
    digest = next(one.roots_digest for one in folder.draft().meters if one.name == name)
    return head, digest, sign_ledger_head(sign or hw.key(world.METERS[name]), folder.terms.digest, "alpha", name, 0, head, digest)


def state(folder: Folder, item: Any = None) -> tuple[str, str | None]:
    """State and check of the claim, where this evidence lies beside it; the page agrees, as the fixture sees."""
    if item is not None:
        (folder.folder / "evidence").mkdir(exist_ok=True)
        (folder.folder / "evidence" / "x.evidence").write_bytes(item.encode())
    row = folder.row(folder.end() + 700)
    return row.state, row.check


def test_the_honest_claim_is_proven_in_both_verifiers(folder: Folder) -> None:
    assert state(folder) == ("proven", None)


def test_two_heads_take_both_halves(folder: Folder) -> None:
    one, other = head_of(folder, "hall-1", world.head(5)), head_of(folder, "hall-1", world.head(6))
    alone = head_of(folder, "hall-1", world.head(6), world.key(11))[2]
    for signature in (alone, other[2][:64], other[2][:64] + bytes(2420)):
        low, high = sorted((one, (*other[:2], signature)))
        assert state(folder, Equivocation(folder.terms.digest, "alpha", "hall-1", 0, (low, high))) == ("proven", None)
    low, high = sorted((one, other))
    assert state(folder, Equivocation(folder.terms.digest, "alpha", "hall-1", 0, (low, high))) == ("rejected", "evidence")


def test_two_roots_are_said_and_reject_nothing(folder: Folder) -> None:
    """One who breaks the curve years later can write them about any hour."""
    roots = tuple(
        (root, world.key(11).sign(epoch_root_message(folder.terms.digest, "alpha", "hall-1", 1, root))) for root in (b"a" * 32, b"b" * 32)
    )
    item = TwoRoots(folder.terms.digest, "alpha", "hall-1", 1, (roots[0], roots[1]))
    assert decode_evidence(item.encode()) == item and item.against(folder.terms) is None
    assert state(folder, item) == ("proven", None)
    assert any("it has a period key: look into it" in problem for problem in folder.at(folder.end() + 700).problems)


def test_a_hidden_head_takes_both_halves(folder: Folder) -> None:
    losses = (Loss(LOST_METER, "hall-2", 2),)
    meters = tuple(MeterHead(m.name, NO_HEAD, m.roots_digest, bytes(64)) if m.name == "hall-2" else m for m in folder.draft().meters)
    claim = world.claim(folder.terms, losses=losses, meters=meters)
    for sign, holds in ((world.key(12), False), (hw.key(12), True)):
        (item,) = hidden_heads(claim, [MeterHead("hall-2", *head_of(folder, "hall-2", world.head(7), sign))])
        if holds:
            item.check(folder.terms)
        else:
            with pytest.raises(BadSignature):
                item.check(folder.terms)
        assert state(folder, item) == (("rejected", "evidence") if holds else ("proven", None))
