"""Keys that change: thieves, quorums that lie, holders that would undo what they signed, cut mirrors (FORMATS-log.md section 10)."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
import world
from folders import SEEDS
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

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.base.errors import AgreementError
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import BY_NEW, BY_OLD, BY_PARTY, EpochEntry, JoulesEntry, KeyEntry
from claims.claim.published import PublishedEntries
from tests.site.page_node import needs_node
from tests.site.test_fuzz import ask

pytestmark = pytest.mark.usefixtures("page_agrees", "any_proof")


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


@pytest.mark.parametrize("few", [1, 256])
def test_entries_checked_in_threads_stay_on_their_side_of_a_change(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many entries before and after a change; a copy of an old one after it changes nothing."""
    monkeypatch.setattr("claims.base.threads._FEW", few)
    monkeypatch.setattr("claims.base.threads._CHUNK", 1)
    words, before = held(TERMS, ALPHA, ROTATE, 1, 201), [epoch(k, 1) for k in range(4)]
    found = book(*before, *words, before[0], *(epoch(k, 201) for k in range(4, 8)), *(epoch(k, 1) for k in range(8, 12)), words[-1])
    own = [found.epoch("alpha", k) for k in range(12)]
    assert [item is not None for item in own] == [True] * 8 + [False] * 4 and not found.conflicts
    assert [index for index, _ in found.refused] == [13, 14, 15, 16]


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


def key_set(terms: Agreement) -> str:
    """One text for all keys of parties, meters and feeds."""
    keyed = [party.key for party in terms.parties]
    keyed += [item.whole_key for item in (*(meter for lab in terms.labs for meter in lab.meters), *terms.feeds)]
    return hashlib.sha256(b"".join(bytes([len(key) & 255]) + key for key in keyed)).hexdigest()


def scrambled(rng: random.Random) -> list[bytes]:
    """Words at random, most of them of changes that could happen, some spoilt, in any order."""
    roles = {ALPHA: [1, 201, 202], HALL_1: [11, 211, 212], (1, "beta", "beta"): [2, 221], (1, "delta", "delta"): [61, 231]}
    out = []
    for _ in range(rng.randrange(4, 12)):
        role = rng.choice(list(roles))
        old, what = rng.choice(roles[role]), rng.choice([ROTATE, ROTATE, SPARE, REVOKE])
        new = rng.choice([*roles[role], rng.choice([50, 2, 11])]) if what != REVOKE or rng.random() < 0.05 else None
        words = [word(TERMS, role, what, old, new, name, BY_PARTY, rng.choice([SEEDS[name]] * 9 + [201]))
                 for name in rng.sample(["beta", "delta", "gamma", "alpha"], rng.choice([1, 2, 3, 3, 4]))]  # fmt: skip
        for by, key in ((BY_OLD, old), (BY_NEW, new)):
            if key is not None and rng.random() < 0.95:
                words.append(word(TERMS, role, what, old, new, role[1], by, key))
        if rng.random() < 0.3:
            rng.shuffle(words)
        out += [encode_entry(item) for item in words]
    if rng.random() < 0.3:
        rng.shuffle(out)
    return out


@needs_node
def test_words_at_random_are_judged_alike_by_both_verifiers() -> None:
    rng = random.Random(9)
    logs = [scrambled(rng) for _ in range(60)]
    coded = [[base64.b64encode(data).decode() for data in log] for log in logs]
    request = {"task": "keys", "agreement": base64.b64encode(canonical_bytes(TERMS)).decode(), "cases": coded}
    happened = 0
    for log, found in zip(logs, ask(request), strict=True):
        keys = PublishedEntries(TERMS, enumerate(log)).keys
        at = [key_set(keys.at(index)) for index in range(len(log) + 1)]
        silent = [None if keys.in_force((1, p.name, p.name)) else keys.lives((1, p.name, p.name))[-1].revoked for p in TERMS.parties]
        assert found == [at, [key_set(view) for view in keys.undated], silent]
        happened += len(set(at)) - 1
    assert happened > 25


FEED = """
[[feed]]
name = "north"
lab = "alpha"
holder = "delta"
key = "{key}"
kind = "rack"
meters = ["hall-1"]
base_watts = 0
idle_watts = 300
busy_watts = 1000
"""


def test_a_feeds_key_changes_and_the_lab_that_it_feeds_has_no_say() -> None:
    text = (ROTATING + FEED.format(key=world.public(90))).replace('"beta", "delta", "gamma"]', '"alpha", "beta", "delta", "gamma"]')
    terms, feed = parse_agreement(text), (3, "delta", "north")

    def joules(number: int, key: int) -> JoulesEntry:
        return sign_entry(world.key(key), JoulesEntry(terms.digest, "north", number, b"j" * 32))

    def seen(*entries: Any) -> PublishedEntries:
        return PublishedEntries(terms, enumerate(map(encode_entry, entries)))

    words = held(terms, feed, ROTATE, 90, 290, by="beta gamma")
    found = seen(joules(0, 90), joules(1, 290), *words, joules(2, 90), joules(3, 290))
    assert [found.joules("north", number) is not None for number in range(4)] == [True, False, False, True]
    for by in ("alpha beta", "delta beta", "alpha delta"):
        assert seen(*revoked(terms, feed, 90, by=by)).keys.in_force(feed) == public(90), by
    gone = seen(joules(0, 90), *revoked(terms, feed, 90, by="beta gamma"), joules(1, 90))
    assert gone.joules("north", 0) is not None and gone.joules("north", 1) is None
    few = ROTATING.replace('"beta", "delta", "gamma"]', '"alpha", "beta", "delta"]')
    assert parse_agreement(few).keys is not None
    with pytest.raises(AgreementError, match="1 of revoke are others than whom the key of feed north concerns"):
        parse_agreement(few + FEED.format(key=world.public(90)))
