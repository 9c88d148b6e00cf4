"""Keys that change, as readers see it: claims, evidence, cut mirrors, amendments, decisions, receipts (FORMATS-log.md section 10)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import world
from folders import COSIGN, HOUR, SEEDS, amended
from rotation import (
    ALPHA,
    HALL_1,
    REVOKE,
    ROTATE,
    ROTATING,
    SPARE,
    TERMS,
    Changing,
    book,
    countersigned,
    held,
    public,
    revoked,
    word,
)

from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.ed25519 import check_signature
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.hybrid import HybridKey, mldsa
from claims.claim.entries import check_entry, decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import BY_OLD, BY_PARTY, ClaimEntry, EpochEntry, KeyEntry
from claims.claim.evidence import counts, find_equivocations
from claims.claim.file import decode_claim, sign_claim
from claims.claim.hidden_head import hidden_heads
from claims.claim.lists import Loss
from claims.claim.receipts import countersign
from claims.claim.records import KeptClaim
from claims.decisions.file import Decision, decision_entry
from claims.inspection.binding import Binding, check_heads
from claims.lab.renewal import renew
from claims.lab.store import Store
from claims.status.compute import log_trust
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.writer import LogWriter
from claims.verify.claim import verify_claim
from tests.site.page_agrees import published

pytestmark = pytest.mark.usefixtures("page_agrees", "any_proof")


@pytest.fixture
def made(tmp_path: Path) -> Changing:
    return Changing(tmp_path / "folder")


def half(made: Changing, which: int) -> None:
    """Alpha's entries of the first or the second two epochs of period 0, each a minute after its epoch."""
    for data in made.epoch_entries()[2 * which : 2 * which + 2]:
        entry = decode_entry(data)
        assert isinstance(entry, EpochEntry)
        made.add(made.terms.epoch_span(entry.epoch)[1] + 60, entry)


def between(made: Changing, words: list[KeyEntry]) -> None:
    """Epochs 0 and 1, then these words, then epochs 2 and 3."""
    half(made, 0)
    made.add(made.terms.epoch_span(1)[1] + 120, *words)


def test_a_lab_whose_key_and_meter_changed_in_the_middle_of_a_period(made: Changing) -> None:
    between(made, [*held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, HALL_1, ROTATE, 11, 211)])
    made.mine |= {"alpha": 201, "hall-1": 211}
    half(made, 1)
    made.claim()
    now = made.end() + HOUR
    assert made.row(now).state == "proven"
    assert made.row(now + 5).state == "proven"


@pytest.mark.parametrize("stale", ["alpha", "hall-1"])
def test_a_claim_with_a_signature_of_the_key_before(made: Changing, stale: str) -> None:
    """Logged after the change, it fails; logged before it, it stands for good."""
    between(made, [*held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, HALL_1, ROTATE, 11, 211)])
    made.mine |= {"alpha": 201, "hall-1": 211}
    half(made, 1)
    made.mine[stale] = {"alpha": 1, "hall-1": 11}[stale]
    claim = made.draft()
    made.mine["alpha"] = 201
    made.claim(claim=claim)
    row = made.row(made.end() + HOUR)
    assert (row.state, row.check) == ("rejected", "signatures")


def test_a_claim_that_stands_before_the_change_stands(made: Changing) -> None:
    made.epochs()
    made.claim()
    at = made.end() + 700
    made.add(at, *held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, HALL_1, ROTATE, 11, 211), *revoked(TERMS, ALPHA, 1),
             *revoked(TERMS, HALL_1, 11))  # fmt: skip
    assert made.row(at + 60).state == "proven"
    made.mine |= {"alpha": 201, "hall-1": 211}
    made.epochs(1)
    made.claim(1)
    assert made.row(made.end(1) + HOUR, 1).state == "proven"


def test_entries_of_a_key_that_is_gone_are_not_there(made: Changing) -> None:
    """A thief who publishes after the revocation accuses nobody, and a lab that goes on with its old key has published nothing."""
    between(made, [*held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1)])
    thief = sign_entry(world.key(1), EpochEntry(TERMS.digest, "alpha", 0, b"x" * 32, bytes(32)))
    made.add(made.terms.epoch_span(1)[1] + 180, thief, sign_entry(world.key(1), EpochEntry(TERMS.digest, "alpha", 2, b"x" * 32, bytes(32))))
    made.mine["alpha"] = 202
    half(made, 1)
    made.claim()
    assert made.row(made.end() + HOUR).state == "proven"


def test_what_a_thief_published_before_the_revocation_stands(made: Changing) -> None:
    half(made, 0)
    thief = sign_entry(world.key(1), EpochEntry(TERMS.digest, "alpha", 0, b"x" * 32, bytes(32)))
    made.add(made.terms.epoch_span(1)[1] + 120, thief, *held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1))
    made.mine["alpha"] = 202
    half(made, 1)
    made.claim()
    assert made.row(made.end() + HOUR).check == "log"


def test_a_lab_without_a_key_is_not_missing(made: Changing) -> None:
    between(made, revoked(TERMS, ALPHA, 1))
    made.claim(at=made.end() + 600)  # under the key that is gone
    made.add(made.end() + 20 * HOUR, *countersigned(TERMS, HALL_1, REVOKE, 11, None, by="delta"))
    row = made.row(made.end() + 21 * HOUR)
    assert row.state == "pending" and "only an amendment" in row.reason
    assert made.at(made.end() + 21 * HOUR).holds == "undecided"


def test_a_lab_that_was_missing_before_its_key_was_revoked(made: Changing) -> None:
    half(made, 0)
    late = made.end() + 13 * HOUR
    made.add(late, *revoked(TERMS, ALPHA, 1))
    made.add(late + HOUR, *countersigned(TERMS, HALL_1, REVOKE, 11, None, by="delta"))
    assert made.row(late + 2 * HOUR).state == "missing"


def two_heads(made: Changing, key: int) -> bytes:
    """Evidence of two registry heads of period 0 by one key."""
    one, two = (sign_claim(made.draft(), world.key(key)), sign_claim(made.draft(head_after=world.head(7)), world.key(key)))
    (found,) = find_equivocations(one, two)
    return found.encode()


@pytest.mark.parametrize(
    ("key", "by", "state"),
    [(1, "nobody", "rejected"), (1, "quorum", "proven"), (201, "quorum", "rejected"), (300, "nobody", "proven")],
)
def test_evidence_and_the_keys_that_it_rests_on(made: Changing, key: int, by: str, state: str) -> None:
    """A key that was replaced convicts, one that was revoked does not: whoever has it signs today what looks old."""
    made.epochs()
    made.claim()
    words = held(TERMS, ALPHA, ROTATE, 1, 201)
    made.add(made.end() + 700, *words, *(revoked(TERMS, ALPHA, 1) if by == "quorum" else []))
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "two.evidence").write_bytes(two_heads(made, key))
    found = made.at(made.end() + HOUR)
    assert next(row for row in found.rows if row.lab == "alpha").state == state
    assert any("key that it rests on is revoked" in line for line in found.problems) == ((key, by) == (1, "quorum"))


def test_a_holder_cannot_revoke_its_own_key_to_undo_evidence(made: Changing) -> None:
    made.epochs()
    made.claim()
    own = [word(TERMS, ALPHA, REVOKE, 1, None, "alpha", BY_OLD, 1), word(TERMS, ALPHA, REVOKE, 1, None, "alpha", BY_PARTY, 1)]
    made.add(made.end() + 700, *own, *countersigned(TERMS, ALPHA, REVOKE, 1, None, by="beta"))
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "two.evidence").write_bytes(two_heads(made, 1))
    assert made.row(made.end() + HOUR).check == "evidence"


def test_without_the_log_nobody_is_accused(made: Changing) -> None:
    """Neither of a claim under new keys, nor of a false one, can be said more than that the log is missing."""
    between(made, held(TERMS, ALPHA, ROTATE, 1, 201))
    made.mine["alpha"] = 201
    half(made, 1)
    made.claim()
    data = (made.folder / "claims" / "alpha-0.claim").read_bytes()
    signed = AgreementSignatures.decode((made.folder / "agreement.sigs").read_bytes())
    for claim in (data, sign_claim(decode_claim(data), world.key(300)).encode()):
        verdict = verify_claim(claim, TERMS, signatures=signed, now=made.end() + HOUR)
        assert verdict.word == "INCOMPLETE" and {"keys", "log"} <= {item.kind for item in verdict.missing}
    strict = dataclasses.replace(TERMS, keys=None)
    claim = dataclasses.replace(decode_claim(data), agreement_digest=strict.digest)
    with pytest.raises(ClaimRejected, match="signature"):
        verify_claim(sign_claim(claim, world.key(300)).encode(), strict, now=made.end() + HOUR)


def test_mirrors_that_are_cut_anywhere(made: Changing) -> None:
    """A copy that ends early leaves the claim open or missing a word, and never rejects it; keys follow from what is before."""
    between(made, [*held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1), *held(TERMS, HALL_1, ROTATE, 11, 211)])
    made.mine |= {"alpha": 202, "hall-1": 211}
    half(made, 1)
    made.claim()
    now = made.end() + HOUR
    log = made.folder / "log"
    whole = shutil.copytree(log, made.folder.parent / "whole")
    sizes = [int(line) for line in (log / "checkpoints" / "sizes").read_text().split()]
    for size in sizes:
        shutil.copy(whole / "checkpoints" / str(size), log / "checkpoint")
        for path in (log / "checkpoints").glob("[0-9]*"):
            if int(path.name) > size:
                path.unlink()
        (log / "checkpoints" / "sizes").write_text("".join(f"{item}\n" for item in sizes if item <= size))
        assert made.row(now).state == ("proven" if size == sizes[-1] else "pending"), size
        shutil.rmtree(log)
        shutil.copytree(whole, log)


# ---- amendments, decisions, inspections, receipts ----


def amending(made: Changing, alpha: int, period: int = 1) -> Agreement:
    """An amendment that names this key for alpha, signed by all, in agreements/."""
    text = amended(ROTATING, made.terms, period).replace(world.public(1), world.public(alpha))
    return made.place(text, "agreements/next", SEEDS | {"alpha": alpha})


@pytest.mark.parametrize(
    ("words", "alpha", "life"),
    [
        ("", 1, "amended"), ("", 201, "in force"), ("rotate", 201, "amended"), ("rotate", 1, "amended"), ("rotate", 300, "in force"),
        ("revoke", 300, "amended"), ("spare", 300, "in force"), ("spare", 202, "amended"),
    ],
)  # fmt: skip
def test_under_which_key_a_party_goes_on_in_an_amendment(made: Changing, words: str, alpha: int, life: str) -> None:
    """Under any that it had; and by its name once it has none, when all others sign."""
    said = {
        "": [], "rotate": held(TERMS, ALPHA, ROTATE, 1, 201), "revoke": revoked(TERMS, ALPHA, 1),
        "spare": [*held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1)],
    }[words]  # fmt: skip
    half(made, 0)
    if said:
        made.add(made.terms.epoch_span(1)[1] + 120, *said)
    amending(made, alpha)
    assert made.at(made.end() + HOUR).life.state == life


def test_no_later_change_undoes_an_amendment(made: Changing) -> None:
    half(made, 0)
    amending(made, 1)
    made.add(made.end() + 60, *held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1))
    assert made.at(made.end() + HOUR).life.state == "amended"


@pytest.mark.parametrize("gone", [False, True])
def test_a_thief_signs_a_second_amendment(made: Changing, gone: bool) -> None:
    """With a key that is not revoked that is a breach of its holder's; with one that is, nobody's."""
    half(made, 0)
    if gone:
        made.add(made.terms.epoch_span(1)[1] + 120, *held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1))
    amending(made, 202 if gone else 1)
    rival = amended(ROTATING, made.terms).replace('name = "two-labs"', 'name = "rival"')
    for number, name in enumerate(("beta", "gamma", "delta")):
        rival = rival.replace(world.public(SEEDS[name]), world.public(310 + number))
    made.place(rival, "agreements/rival", {"alpha": 1, "beta": 310, "gamma": 311, "delta": 312})
    breaches = made.at(made.end() + HOUR).breaches
    assert bool(breaches) != gone and all("alpha signed 2 amendments" in line for line in breaches)


@pytest.mark.parametrize(("key", "lifted"), [(201, True), (1, False)])
def test_a_decision_by_a_key_that_was_replaced(made: Changing, key: int, lifted: bool) -> None:
    at = made.terms.start + 60
    made.add(at, *held(TERMS, ALPHA, ROTATE, 1, 201))
    item = Decision(TERMS.digest, "lift", at, "so")
    made.add(at + 60, decision_entry(item, "alpha", world.key(key)), decision_entry(item, "beta", world.key(2)), by="delta gamma")
    assert [row.state for row in made.at(made.end() + HOUR).rows if row.lab == "alpha"][0] == ("lifted" if lifted else "pending")


def test_an_entry_that_was_delivered_before_the_key_changed(made: Changing) -> None:
    """Receipts, and the entry in them, count under any key that is not revoked: the operator cannot hide behind a change of keys."""
    half(made, 0)
    held_back = made.epoch_entries()[2:]
    receipts = made.folder / "receipts"
    receipts.mkdir()
    made.file(made.draft(), made.roots(0).encode())
    for number, data in enumerate([*held_back, made.claim_entry()]):
        _, receipt = countersign(world.key(SEEDS["delta"]), data, TERMS, made.end() + 60)
        (receipts / f"{number}.receipt").write_bytes(receipt.encode())
    delta = (1, "delta", "delta")
    late = made.end() + 20 * HOUR
    made.add(late, *held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, delta, ROTATE, 61, 231, by="beta gamma"))
    assert "delivered" in made.row(late + HOUR).reason
    made.add(late + 60, *revoked(TERMS, ALPHA, 1, by="beta gamma"))
    row = made.row(late + HOUR)
    assert row.state == "missing", row.reason


def test_a_new_key_with_both_halves_and_never_back(made: Changing) -> None:
    hybrid, other = (HybridKey(world.key(seed), mldsa().MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)) for seed in (240, 241))
    between(made, held(TERMS, ALPHA, ROTATE, 1, hybrid))
    made.mine["alpha"] = hybrid
    half(made, 1)
    made.claim()
    assert made.row(made.end() + HOUR).state == "proven"
    found = book(*held(TERMS, ALPHA, ROTATE, 1, hybrid), *held(TERMS, ALPHA, ROTATE, hybrid, 201), *held(TERMS, ALPHA, SPARE, hybrid, 202))
    assert found.keys.in_force(ALPHA) == public(hybrid) and found.keys.spare(ALPHA) is None
    mixed = HybridKey(world.key(242), hybrid.lattice)  # a half that had a role
    first = held(TERMS, ALPHA, ROTATE, 1, hybrid)
    taken = book(*first, *held(TERMS, ALPHA, ROTATE, hybrid, mixed), *held(TERMS, ALPHA, ROTATE, hybrid, other))
    assert taken.keys.in_force(ALPHA) == public(other)
    for at, change in ((10, 1), (-10, 1)):  # each half of a word is needed
        good = word(TERMS, ALPHA, ROTATE, hybrid, other, "alpha", BY_OLD, hybrid)
        signature = bytearray(good.signature)
        signature[at] ^= change
        words = held(TERMS, ALPHA, ROTATE, hybrid, other)
        found = book(*first, *words[:2], dataclasses.replace(good, signature=bytes(signature)), words[3])
        assert found.keys.in_force(ALPHA) == public(hybrid)


def test_every_reader_sees_what_changed_and_a_publisher_cannot_hide_it(made: Changing, stand_in: Any) -> None:
    one_word = countersigned(TERMS, HALL_1, REVOKE, 11, None, by="delta")
    between(made, [*held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 1), *one_word])
    now = made.end() + HOUR
    state = made.at(now)
    first, second = (row["text"] for row in state.keys)
    assert first.startswith("party alpha: ") and "revoked by entry" in first and second.startswith("not yet: the key ")
    assert second.endswith("lacks 1 of those whom [keys] names") and any(first in line for line in state.lines())
    if stand_in is None:
        return
    view, files = published(made.folder, state)
    lies = [view, view | {"keys": []}, view | {"keys": [second]}, view | {"keys": [first.replace("revoked", "kept"), second]}]
    found = stand_in.verdicts([{"site": json.dumps(item), "changed": files, "now": now} for item in lies])
    assert [item["kind"] == "contradicted" for item in found] == [False, True, True, True], [item["against"] for item in found]
    (brought,) = stand_in.verdicts([{"site": json.dumps(view), "changed": files, "now": now, "bring": encode_entry(one_word[0])}])
    assert one_word[0].change in brought["title"] and brought["kind"] == "none"


def test_a_head_is_not_hidden_behind_two_changes_of_keys(made: Changing) -> None:
    """The meter signed with its first key, the lab listed it as lost with its second one: no set of keys had both in force."""
    keys = book(*held(TERMS, HALL_1, ROTATE, 11, 211), *held(TERMS, ALPHA, ROTATE, 1, 201)).keys
    honest = made.draft()
    first, second = honest.meters
    nothing = dataclasses.replace(first, head=(0,) * 8, signature=bytes(64))
    lost = sign_claim(dataclasses.replace(honest, losses=(Loss(1, "hall-1", 0),), meters=(nothing, second)), world.key(201))
    (hidden,) = hidden_heads(lost, honest.meters)
    assert counts(hidden, keys)
    gone = book(*held(TERMS, HALL_1, ROTATE, 11, 211), *held(TERMS, ALPHA, ROTATE, 1, 201), *revoked(TERMS, HALL_1, 11)).keys
    assert not counts(hidden, gone)
    with pytest.raises(BadSignature):
        counts(dataclasses.replace(hidden, meter_signature=bytes(64)), gone)


def test_an_opening_under_keys_that_changed() -> None:
    """Meters' heads by the keys at the claim's entry, the lab's own by any that is not revoked."""
    claim = world.claim(TERMS)
    keys = book(*held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, HALL_1, ROTATE, 11, 211)).keys
    for signer in (1, 201):
        again = sign_claim(claim, world.key(signer))
        opened = Binding(again.meters, again.head_after, again.lists.digest, again.registry_signature, ())
        check_heads(TERMS, "alpha", 0, opened, (), keys.undated)
        with pytest.raises(BadSignature, match="hall-1"):
            check_heads(keys.now, "alpha", 0, opened, (), keys.undated)
    gone = book(*held(TERMS, ALPHA, ROTATE, 1, 201), *revoked(TERMS, ALPHA, 1)).keys
    old = Binding(claim.meters, claim.head_after, claim.lists.digest, claim.registry_signature, ())
    with pytest.raises(BadSignature, match="lab alpha"):
        check_heads(TERMS, "alpha", 0, old, (), gone.undated)


def test_a_claim_that_is_not_logged_is_signed_again_and_one_that_is_stands(tmp_path: Path) -> None:
    claim = world.claim(TERMS)
    entry = ClaimEntry(TERMS.digest, "alpha", 0, hashlib.sha256(claim.encode()).digest(), bytes(32))
    kept = KeptClaim(0, TERMS.digest, claim.encode(), encode_entry(sign_entry(world.key(1), entry)))
    words = held(TERMS, ALPHA, ROTATE, 1, 201)
    for logged in (False, True):
        with Store.create(tmp_path / f"{logged}.store", "alpha") as store:
            store.keep_claim(kept)
            found = book(*([decode_entry(kept.entry)] if logged else []), *words)
            assert renew(store, found, world.key(201), None) == (not logged)
            assert renew(store, found, world.key(201), None) == 0
            now = store.kept_claim(0)
            assert now is not None and (now == kept) == logged
            with pytest.raises(ClaimsError, match="not the one in force"):
                renew(store, found, world.key(1), None)
            if not logged:
                made = decode_claim(now.claim)
                assert (made.head_after, made.meters, made.proof) == (claim.head_after, claim.meters, claim.proof)
                named = decode_entry(now.entry)
                assert isinstance(named, ClaimEntry) and named.claim == hashlib.sha256(now.claim).digest()
                check_signature("alpha", public(201), made.signature, made.signed_message())
                check_entry(named, found.keys.now)


def test_a_cosigning_key_changes_by_amendment_and_cosigns_with_both_until_the_old_claims_are_settled(made: Changing) -> None:
    """docs/keys.md, section 5: with the new key alone nothing dates the last claim under the old agreement."""
    half(made, 0)
    old = made.terms
    new_key = world.key(373)
    text = ROTATING.replace(world.public(COSIGN["delta"]), world.public(373))
    made.amend(text)
    trusts = [log_trust(old), log_trust(made.terms)]
    memory = made.folder.parent / "delta.memory"

    def enter(at: int, *entries: Any, both: bool) -> None:
        with LogWriter.open(made.folder / "log", world.key(50)) as writer:
            writer.append([encode_entry(entry) for entry in entries], now=at)
        for trust, key in zip(trusts, (world.key(COSIGN["delta"]), new_key), strict=True):
            if both or key is new_key:
                cosign(made.folder / "log", key, "delta", LogMemory.load(memory, trust), at)  # type: ignore[arg-type]

    for both in (False, True):
        at = old.epoch_span(3)[1] + (120 if both else 60)
        if not both:
            enter(at, *map(decode_entry, made.epoch_entries(terms=old)[2:]), both=False)
            made.file(made.draft(terms=old), made.roots(0, terms=old).encode())
            enter(at + 30, decode_entry(made.claim_entry(0, old)), both=False)
        else:
            enter(at, *countersigned(made.terms, HALL_1, REVOKE, 11, None, by="delta"), both=True)
        row = next(row for row in made.at(made.end() + HOUR).rows if (row.lab, row.period) == ("alpha", 0))
        assert row.state == ("proven" if both else "pending"), row.reason


def test_evidence_without_the_log_that_says_which_keys_are_revoked(made: Changing) -> None:
    made.epochs()
    made.claim()
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "two.evidence").write_bytes(two_heads(made, 1))
    now = made.end() + HOUR
    assert made.row(now).state == "rejected"
    made.drop("log")
    state = made.at(now)
    assert state.rows[0].state == "pending" and any("not known without the log" in line for line in state.problems)
