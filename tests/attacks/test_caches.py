"""Caches and indexes that lie: whatever lies in the cache folder, and whatever lies beside a log, no answer changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from claims.agreement import file
from claims.agreement.file import parse_agreement
from claims.base import cache as cache_module
from claims.base import ed25519
from claims.base.cache import open_cache
from claims.base.errors import AgreementError, BadSignature
from claims.claim import entry_index
from claims.claim.entries import encode_entry
from claims.claim.entry_index import EntryIndex, identity_key
from claims.claim.entry_kinds import AssentEntry, ClaimEntry, DecisionEntry, EpochEntry, InspectionEntry
from claims.tlog.tree import Tree
from claims.tlog.writer import LogWriter
from claims.verify import tables
from tests.agreement import test_agreement_sites, test_agreement_terms
from tests.fixtures import world
from tests.tlog import logs
from zk.errors import ProofRejected

LOG = b"log"
AGREEMENTS = {"two labs": world.TEXT, "every term": test_agreement_terms.FULL, "sites": test_agreement_sites.TEXT}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("STANDSTILL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ed25519, "_KNOWN", [None])
    return tmp_path / "cache/standstill"


def epoch(number: int, root: int = 1, agreement: int = 7) -> bytes:
    return encode_entry(EpochEntry(bytes([agreement]) * 32, "alpha", number, bytes([root]) * 32, bytes(32), bytes([root]) * 64))


def make(folder: Path, *batches: list[bytes]) -> Path:
    with LogWriter.create(folder, logs.ORIGIN, logs.LOG) as writer:
        for batch in batches:
            writer.append(batch)
    return folder


def tree(folder: Path) -> Tree:
    with LogWriter.open(folder, logs.LOG) as writer:
        return writer.tree


def places(folder: Path, *entries: bytes) -> list[int]:
    with open_cache() as cache:
        return EntryIndex(cache, LOG, tree(folder)).places(entries)


def test_an_identity_is_what_there_may_be_one_of() -> None:
    digest, sign = bytes(32), bytes(64)
    same = (
        (epoch(1), epoch(1, 2)),
        (encode_entry(ClaimEntry(digest, "alpha", 1, digest, digest, sign)),
         encode_entry(ClaimEntry(digest, "alpha", 1, b"x" * 32, b"x" * 32, b"y" * 64))),
        (encode_entry(AssentEntry(digest, "alpha", sign)), encode_entry(AssentEntry(digest, "alpha", b"z" * 64))),
        (encode_entry(InspectionEntry(digest, "beta", "alpha", 1, 5, 1, digest, sign)),
         encode_entry(InspectionEntry(digest, "beta", "alpha", 1, 5, 2, b"x" * 32, sign))),
        (encode_entry(DecisionEntry(digest, "beta", 1, 5, digest, sign)),
         encode_entry(DecisionEntry(digest, "beta", 1, 5, digest, b"q" * 64))),
        (b"junk", b"junk"),
    )  # fmt: skip
    keys = [identity_key(one) for one, two in same if identity_key(one) == identity_key(two)]
    assert len(set(keys)) == len(same)
    others = (
        epoch(2), epoch(1, agreement=8), encode_entry(DecisionEntry(digest, "beta", 1, 5, b"o" * 32, sign)), b"", b"standstill-log",
        encode_entry(InspectionEntry(digest, "beta", "alpha", 1, 6, 1, digest, sign)), epoch(1)[:50], epoch(1)[:49], b"junk2",
    )  # fmt: skip
    assert len({*keys, *map(identity_key, others)}) == len(keys) + len(others)


def test_the_index_names_every_entry_of_an_identity_and_grows_with_the_log(tmp_path: Path) -> None:
    folder = make(tmp_path / "log", [epoch(n) for n in range(300)], [b"junk", epoch(5, 2)])
    assert places(folder, epoch(5, 3), epoch(299), b"junk", epoch(301), b"other") == [5, 299, 300, 301]
    logs.extend(folder, epoch(301), b"junk")
    assert places(folder, epoch(301, 9), b"junk") == [300, 302, 303]


def test_an_index_is_not_read_again_where_it_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "log", [epoch(n) for n in range(600)])
    places(folder, epoch(1))
    logs.extend(folder, epoch(600))
    asked: list[tuple[int, int]] = []
    own = Tree.entries
    monkeypatch.setattr(Tree, "entries", lambda self, first, last: asked.append((first, last)) or own(self, first, last))
    assert places(folder, epoch(1), epoch(600)) == [1, 600] and asked == [(600, 601)]


@pytest.mark.parametrize("damage", ["emptied", "cut", "exchanged", "removed", "older", "of another log"])
def test_no_damage_to_the_index_hides_an_entry_or_invents_one(tmp_path: Path, place: Path, damage: str) -> None:
    folder = make(tmp_path / "log", [epoch(n) for n in range(40)])
    other = make(tmp_path / "other", [epoch(n, agreement=9) for n in range(40)])
    with open_cache() as cache:
        EntryIndex(cache, LOG, tree(folder))
        older = {path.name: path.read_bytes() for path in place.iterdir()}
        logs.extend(folder, *[epoch(n) for n in range(40, 80)])
        EntryIndex(cache, LOG, tree(folder))
        if damage == "of another log":
            EntryIndex(cache, LOG, tree(other))
    names = sorted(path.name for path in place.iterdir())
    data = {name: (place / name).read_bytes() for name in names}
    for name in names:
        if damage == "of another log":
            continue
        changed = {
            "emptied": b"", "cut": data[name][:-20], "exchanged": data[names[names.index(name) - 1]], "older": older.get(name, b""),
        }  # fmt: skip
        if damage == "removed":
            (place / name).unlink()
        else:
            (place / name).write_bytes(changed[damage])
        assert places(folder, *(epoch(n, 2) for n in (0, 39, 40, 79))) == [0, 39, 40, 79]
        assert places(folder, epoch(80)) == []
        for kept, content in data.items():
            (place / kept).write_bytes(content)
    assert places(folder, *(epoch(n, 2) for n in (0, 39, 40, 79)), epoch(80)) == [0, 39, 40, 79]


def test_a_planted_index_that_fits_by_its_hashes_still_begins_at_another_root(tmp_path: Path) -> None:
    """Whoever writes into the cache folder is the user; an index that an older software, or a fork, left there is not believed."""
    folder = make(tmp_path / "log", [epoch(n) for n in range(40)])
    with open_cache() as cache:
        assert cache is not None
        index = EntryIndex(cache, LOG, tree(folder))
        empty = index.size.to_bytes(8, "big") + bytes(32) + bytes(32) * 256
        cache.put(entry_index._KIND, LOG, empty)
    assert places(folder, epoch(3, 2)) == [3]


def test_nothing_beside_a_log_is_taken_for_a_cache(tmp_path: Path, place: Path) -> None:
    folder = make(tmp_path / "log", [epoch(n) for n in range(40)])
    assert places(folder, epoch(3, 2)) == [3]
    for name in (".cache", "cache", "standstill", ".cache/standstill"):
        shutil.copytree(place, folder / name)
    shutil.rmtree(place)
    logs.extend(folder, epoch(3, 2))
    assert places(folder, epoch(3, 2)) == [3, 40]


# ---- agreements ------------------------------------------------------------------------------------------------


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every agreement is worth a cache; which texts are parsed."""
    seen: list[str] = []
    own = file._root
    monkeypatch.setattr(file, "_CACHED", 0)
    monkeypatch.setattr(file, "_root", lambda text, source: seen.append(text) or own(text, source))
    return seen


@pytest.mark.parametrize("name", sorted(AGREEMENTS))
def test_a_known_agreement_is_what_parsing_it_gives(parsed: list[str], name: str) -> None:
    text = AGREEMENTS[name]
    first, again = parse_agreement(text), parse_agreement(text)
    assert parsed == [text] and again == first and again.digest == first.digest == file._parse(file._root(text, "x"), None).digest


def test_another_text_is_another_agreement(parsed: list[str]) -> None:
    text = AGREEMENTS["two labs"]
    digest = parse_agreement(text).digest
    other = text.replace("two-labs", "two-lobs")
    assert parse_agreement(other).digest != digest and parse_agreement(f"{text}\n").digest == digest and len(parsed) == 3


def test_what_is_no_agreement_is_never_known(parsed: list[str], place: Path) -> None:
    bad = AGREEMENTS["two labs"].replace("periods = ", "periods = -")
    for _ in range(2):
        with pytest.raises(AgreementError):
            parse_agreement(bad)
    assert len(parsed) == 2 and (not place.exists() or not list(place.iterdir()))


def test_an_exchanged_or_damaged_file_of_the_cache_makes_no_other_agreement(parsed: list[str], place: Path) -> None:
    text = AGREEMENTS["two labs"]
    other = text.replace("two-labs", "two-lobs")
    digests = parse_agreement(text).digest, parse_agreement(other).digest
    one, two = sorted(place.iterdir())
    data = one.read_bytes(), two.read_bytes()
    for left, right in ((data[1], data[0]), (data[0][:-1], b""), (data[0][:32] + data[1][32:], data[1] + b"x")):
        one.write_bytes(left)
        two.write_bytes(right)
        parsed.clear()
        assert (parse_agreement(text).digest, parse_agreement(other).digest) == digests and len(parsed) == 2


# ---- signatures and proofs -------------------------------------------------------------------------------------


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The messages whose signatures were checked by arithmetic."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    seen: list[bytes] = []
    own = Ed25519PublicKey.from_public_bytes

    class Noted:
        def __init__(self, data: bytes) -> None:
            self._key = own(data)

        def verify(self, signature: bytes, message: bytes) -> None:
            seen.append(message)
            self._key.verify(signature, message)

    monkeypatch.setattr(ed25519, "_PATIENCE", 2)
    monkeypatch.setattr(Ed25519PublicKey, "from_public_bytes", Noted)
    return seen


def check(number: int, *, key: int = 1, spoil: bool = False) -> None:
    message = b"message %d" % number
    ed25519.check_signature("x", logs.public(key), logs.key(1).sign(message), message + b"!" * spoil)


def test_a_signature_is_checked_once_for_each_reader(verified: list[bytes]) -> None:
    for expected in (10, 2, 2):  # the first two: before it is worth to look
        verified.clear()
        with ed25519.known_signatures(b"a"):
            for number in range(10):
                check(number)
        assert len(verified) == expected
    with ed25519.known_signatures(b"b"):
        verified.clear()
        for number in range(10):
            check(number)
        assert len(verified) == 10
    verified.clear()
    check(1)
    assert len(verified) == 1, "outside of a block nothing is known"


def test_a_bad_signature_is_never_known(verified: list[bytes]) -> None:
    for _ in range(2):
        with ed25519.known_signatures(b"a"):
            for number in range(6):
                check(number)
                with pytest.raises(BadSignature):
                    check(number, spoil=True)
                with pytest.raises(BadSignature):
                    check(number, key=2)


def test_a_planted_or_damaged_file_makes_no_signature_good(verified: list[bytes], place: Path) -> None:
    """What another block, another version or a thief of time left in the folder is not about this key, signature and message."""
    for about in (b"a", b"b"):
        with ed25519.known_signatures(about):
            for number in range(6):
                check(number + 100 * (about == b"b"))
    one, two = sorted(place.iterdir())
    data = one.read_bytes(), two.read_bytes()
    for planted in (data[1], data[0][:-1], data[0][:32] + data[1][32:], b""):
        one.write_bytes(planted)
        two.write_bytes(data[0])
        for about in (b"a", b"b"):
            verified.clear()
            with ed25519.known_signatures(about):
                for number in range(6):
                    check(number + 200)
                with pytest.raises(BadSignature):
                    check(1, spoil=True)
            assert len(verified) == 7


def test_a_kept_signature_survives_a_shorter_command(verified: list[bytes]) -> None:
    for numbers in (range(10), range(3), range(10, 13), range(12, 15)):
        with ed25519.known_signatures(b"a"):
            for number in numbers:
                check(number)
    verified.clear()
    with ed25519.known_signatures(b"a"):
        for number in range(15):
            check(number)
    assert len(verified) == 2


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Which proofs were checked; those hold that begin with 1."""
    seen: list[bytes] = []

    def verify(statement: object, proof: bytes) -> str:
        seen.append(proof)
        if not proof.startswith(b"1"):
            raise ProofRejected("sumcheck", "does not hold")
        return f"report of {statement}"

    monkeypatch.setattr("circuits.verify.verify_claim_proof", verify)
    monkeypatch.setattr("circuits.verify.claim_security", lambda statement: f"report of {statement}")
    return seen


def test_a_proof_is_checked_once_and_only_for_its_statement(proven: list[bytes]) -> None:
    for _ in range(3):
        assert tables.check_proof("statement", b"1") == "report of statement" and tables.check_proof("another", b"1") == "report of another"
        assert tables.check_proof("statement", b"1x") == "report of statement"
        assert "does not hold" in str(tables.check_proof("statement", b"2"))
    assert proven == [b"1", b"1", b"1x", b"2", b"2", b"2"]


def test_a_planted_file_makes_no_rejected_proof_hold(proven: list[bytes], place: Path) -> None:
    """The file of a proof that holds, under the name of one that does not, or what another software left there."""
    tables.check_proof("statement", b"1")
    (good,) = place.iterdir()
    tables.check_proof("statement", b"1x")
    (other,) = set(place.iterdir()) - {good}
    with open_cache() as cache:
        assert cache is not None
        cache.put("proof", tables._proof_key("statement", b"2"), b"")  # made as if it had held, for its name
    (bad,) = set(place.iterdir()) - {good, other}
    for planted in (good.read_bytes(), other.read_bytes(), b"", bad.read_bytes()[:-1], bad.read_bytes() + b"x", bytes(32)):
        bad.write_bytes(planted)
        assert "does not hold" in str(tables.check_proof("statement", b"2"))
    bad.unlink()
    bad.symlink_to(good)
    assert "does not hold" in str(tables.check_proof("statement", b"2"))


def test_a_file_that_changes_while_it_is_read_is_another_file(tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that are judged are the bytes that were hashed: the file is read once."""
    path = tmp_path / "agreement.toml"
    text = AGREEMENTS["two labs"]
    path.write_text(text)
    digest = file.load_agreement(path).digest
    other = text.replace("two-labs", "two-lobs")
    own = cache_module.Cache.get

    def swapping(self: cache_module.Cache, kind: str, key: bytes, limit: int) -> bytes | None:
        path.write_text(other)
        return own(self, kind, key, limit)

    monkeypatch.setattr(cache_module.Cache, "get", swapping)
    assert file.load_agreement(path).digest == digest
    assert file.load_agreement(path).digest == parse_agreement(other).digest != digest
