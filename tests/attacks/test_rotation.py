"""Keys that change: thieves, quorums that lie, holders that would undo what they signed, cut mirrors (FORMATS-log.md section 10)."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import world
from folders import HOUR
from rotation import (
    ALPHA,
    HALL_1,
    REVOKE,
    ROTATE,
    ROTATING,
    SPARE,
    Changing,
    countersigned,
    held,
    public,
    revoked,
    word,
)

from claims.agreement.file import parse_agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimRejected
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import BY_NEW, BY_OLD, BY_PARTY, EpochEntry, KeyEntry
from claims.claim.evidence import find_equivocations
from claims.claim.file import decode_claim, sign_claim
from claims.claim.published import PublishedEntries
from claims.verify.claim import verify_claim

pytestmark = pytest.mark.usefixtures("page_agrees", "any_proof")
TERMS = parse_agreement(ROTATING)


def book(*entries: object) -> PublishedEntries:
    """A log's entries."""
    return PublishedEntries(TERMS, enumerate(encode_entry(entry) for entry in entries))  # type: ignore[arg-type]


def epoch(number: int, key: int, root: bytes = b"r" * 32) -> EpochEntry:
    return sign_entry(world.key(key), EpochEntry(TERMS.digest, "alpha", number, root, bytes(32)))


@pytest.fixture
def made(tmp_path: Path) -> Changing:
    return Changing(tmp_path / "folder")


# ---- what the order of a log says ----


def test_a_rotation_holds_from_the_word_that_completes_it_on() -> None:
    words = held(TERMS, ALPHA, ROTATE, 1, 201)
    for at in range(len(words)):
        found = book(*words[:at], epoch(0, 1), epoch(1, 201), *words[at:], epoch(2, 1), epoch(3, 201))
        have = [number for number in range(4) if found.epoch("alpha", number)]
        assert have == [0, 3], at  # until the last word the old key, then the new one, whatever order the words have
    assert found.keys.in_force(ALPHA) == public(201) and not found.conflicts


def test_every_word_is_needed() -> None:
    words = held(TERMS, ALPHA, ROTATE, 1, 201)
    for left_out in range(len(words)):
        found = book(*words[:left_out], *words[left_out + 1 :])
        assert found.keys.in_force(ALPHA) == public(1), left_out
        assert [len(said) for _, said in found.keys.waiting()] == [len(words) - 1]
    doubled = [words[0], words[0], *words[2:]]
    assert book(*doubled).keys.in_force(ALPHA) == public(1)


def test_a_thief_of_the_key_cannot_put_another_in_its_place() -> None:
    thief = [word(TERMS, ALPHA, ROTATE, 1, 300, "alpha", signer, key) for signer, key in ((BY_OLD, 1), (BY_NEW, 300))]
    own = word(TERMS, ALPHA, ROTATE, 1, 300, "alpha", BY_PARTY, 1)  # nobody has a say about its own key
    one = countersigned(TERMS, ALPHA, ROTATE, 1, 300, by="beta")
    found = book(*thief, own, *one, *revoked(TERMS, ALPHA, 1))
    assert found.keys.in_force(ALPHA) == b"" and len(found.refused) == 1
    late = book(*revoked(TERMS, ALPHA, 1), *thief, *countersigned(TERMS, ALPHA, ROTATE, 1, 300))
    assert late.keys.in_force(ALPHA) == b""


def test_a_thief_cannot_take_the_spare_or_name_one() -> None:
    spare = held(TERMS, ALPHA, SPARE, 1, 202)
    thief = [word(TERMS, ALPHA, SPARE, 1, 300, "alpha", signer, key) for signer, key in ((BY_OLD, 1), (BY_NEW, 300))]
    undo = word(TERMS, ALPHA, REVOKE, 202, None, "alpha", BY_PARTY, 1)
    undo_too = word(TERMS, ALPHA, REVOKE, 202, None, "alpha", BY_OLD, 1)
    found = book(*spare, *thief, undo, undo_too, *revoked(TERMS, ALPHA, 1), epoch(0, 1), epoch(1, 202))
    assert found.keys.in_force(ALPHA) == public(202)
    assert found.epoch("alpha", 0) is None and found.epoch("alpha", 1) is not None


def test_a_lying_quorum_silences_and_never_speaks() -> None:
    """Neither a new key nor a spare comes into force without the old key's word, and the new one's."""
    for what in (ROTATE, SPARE):
        for by, key in ((BY_OLD, 1), (BY_NEW, 300)):
            one = word(TERMS, ALPHA, what, 1, 300, "alpha", by, key)
            found = book(*countersigned(TERMS, ALPHA, what, 1, 300, by="beta delta gamma"), one, *revoked(TERMS, ALPHA, 1))
            assert found.keys.in_force(ALPHA) == b"", (what, by)
    forged = [word(TERMS, ALPHA, ROTATE, 1, 300, "alpha", by, 2) for by in (BY_OLD, BY_NEW)]  # beta's key in place of the others
    assert book(*countersigned(TERMS, ALPHA, ROTATE, 1, 300), *forged).keys.in_force(ALPHA) == public(1)


def test_a_revoked_key_is_gone_for_good() -> None:
    """It is neither restored, nor named again, nor does its word count for another's key."""
    found = book(*held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, ALPHA, ROTATE, 201, 1))
    assert found.keys.in_force(ALPHA) == public(201)  # no key comes back
    beta = (1, "beta", "beta")
    after = book(*revoked(TERMS, beta, 2, by="delta gamma"), *revoked(TERMS, ALPHA, 1))
    assert after.keys.in_force(ALPHA) == public(1)  # beta has no key, so delta stands alone
    before = book(*countersigned(TERMS, ALPHA, REVOKE, 1, None, by="beta"), *revoked(TERMS, beta, 2, by="delta gamma"),
                  *countersigned(TERMS, ALPHA, REVOKE, 1, None, by="delta"))  # fmt: skip
    assert before.keys.in_force(ALPHA) == b""  # what stands before stands


def test_words_of_those_who_have_no_say() -> None:
    """The lab about its own meters, a party that [keys] does not name, somebody else under the owner's name, a party called as a signer."""
    own = countersigned(TERMS, HALL_1, REVOKE, 11, None, by="alpha delta")
    assert book(*own).keys.in_force(HALL_1) == public(11)
    wrong = word(TERMS, HALL_1, ROTATE, 11, 211, "beta", BY_OLD, 11)
    assert book(*held(TERMS, HALL_1, ROTATE, 11, 211)[:2], wrong).keys.in_force(HALL_1) == public(11)
    for role in ((1, "alpha", "beta"), (1, "nobody", "nobody"), (2, "alpha", "nobody"), (2, "nobody", "hall-1"), (3, "alpha", "hall-1")):
        found = book(*countersigned(TERMS, role, REVOKE, 1, None))
        assert len(found.refused) == 2, role
    for name in ("1", "2", "3"):
        text = ROTATING.replace('"delta"', f'"{name}"')
        terms = parse_agreement(text)
        said = [word(terms, ALPHA, ROTATE, 1, 201, author, signer, key) for author, signer, key in (("beta", 3, 2), (name, 3, 61))]
        found = PublishedEntries(terms, enumerate(map(encode_entry, said)))
        assert found.keys.in_force(ALPHA) == public(1), name


def test_one_key_serves_one_role() -> None:
    """A new key that is another's, a cosigning key, a half of one, or one that was named before."""
    for taken in (2, 11, 12, 21, 50, 60, 70, 73, 1):
        found = book(*held(TERMS, ALPHA, ROTATE, 1, taken))
        assert found.keys.in_force(ALPHA) == public(1), taken
    twice = book(*held(TERMS, HALL_1, SPARE, 11, 201), *held(TERMS, ALPHA, ROTATE, 1, 201))
    assert twice.keys.in_force(ALPHA) == public(1)
    chain = book(*held(TERMS, ALPHA, ROTATE, 1, 201), *held(TERMS, ALPHA, ROTATE, 201, 202), *held(TERMS, ALPHA, ROTATE, 202, 201))
    assert chain.keys.in_force(ALPHA) == public(202)
    assert [life.key for life in chain.keys.lives(ALPHA)] == [public(key) for key in (1, 201, 202)]


def test_two_changes_at_once() -> None:
    """The first that is whole happens; the other was about a key that is in force no more."""
    one, two = held(TERMS, ALPHA, ROTATE, 1, 201), held(TERMS, ALPHA, ROTATE, 1, 202)
    found = book(*one[:-1], *two[:-1], two[-1], one[-1])
    assert found.keys.in_force(ALPHA) == public(202)


def test_a_revocation_of_a_key_that_is_in_force_no_more() -> None:
    found = book(*held(TERMS, ALPHA, ROTATE, 1, 201), epoch(0, 201), *revoked(TERMS, ALPHA, 1), *revoked(TERMS, ALPHA, 1), epoch(1, 201))
    assert found.keys.in_force(ALPHA) == public(201) and found.epoch("alpha", 1) is not None
    assert [life.revoked for life in found.keys.lives(ALPHA)] == [6, None]
    gone = book(*held(TERMS, ALPHA, SPARE, 1, 202), *revoked(TERMS, ALPHA, 202), *revoked(TERMS, ALPHA, 1))
    assert gone.keys.in_force(ALPHA) == b""  # the spare was revoked before it was needed


def test_hostile_bytes_of_a_word() -> None:
    good = word(TERMS, ALPHA, ROTATE, 1, 201, "alpha", BY_OLD, 1)
    data = encode_entry(good)
    assert PublishedEntries(TERMS, [(0, data)]).undecodable == 0
    for at in range(len(data) - 64):
        for changed in (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data[:at] + data[at + 1 :]):
            found = PublishedEntries(TERMS, [(0, changed)])
            assert not list(found.keys.waiting()), at
    for fresh in (b"", bytes(32), bytes(1344), b"\1" + bytes(31), public(201) + bytes(1312)):
        for what in (ROTATE, SPARE, REVOKE):
            entry = sign_entry(world.key(1), KeyEntry(TERMS.digest, "alpha", BY_OLD, *ALPHA, what, good.old, fresh))
            found = book(entry)
            assert len(found.refused) + len(list(found.keys.waiting())) == 1
            assert (fresh[:32] == public(201) and what != REVOKE) == (not found.refused), (what, fresh[:4])


# ---- claims, and what readers make of them ----


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
