"""Epoch commitments: RFC 6962's vectors, fixed vectors of leaves built here by hand, hiding, and what openings may not do."""

from __future__ import annotations

import hashlib
import hmac
import random
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest

from claims.base.merkle import PathError, leaf_hash, root_from_path
from claims.claim import commitments as c
from claims.claim.records import Reading

# Certificate Transparency's test vectors: roots of the first 1, 2, ... 8 of these leaves.
CT_LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SEED = bytes(range(32))
READINGS = [Reading(7, 2, 100, 200), Reading(7, 0xABCDEF, 3000, 2**48 - 1), Reading(7, 1, 500, 0)]


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1 as it is written there."""
    if len(leaves) <= 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest() if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


@pytest.mark.parametrize("count", range(1, 9))
def test_certificate_transparency_vectors(count: int) -> None:
    assert c.merkle_root(CT_LEAVES[:count]).hex() == CT_ROOTS[count - 1]


def test_root_equals_the_recursive_definition_and_paths_lead_to_it() -> None:
    for size in (*range(0, 20), 31, 33, 64):
        leaves = [bytes([i]) * (i % 5) for i in range(size)]
        root = c.merkle_root(leaves)
        assert root == slow_root(leaves)
        for index in range(size):
            path = c.audit_path(leaves, index)
            assert root_from_path(leaf_hash(leaves[index]), index, size, path) == root
            for other in range(size):
                if other != index and leaves[other] != leaves[index]:
                    try:
                        assert root_from_path(leaf_hash(leaves[other]), index, size, path) != root
                    except PathError:
                        pass


def test_paths_of_another_length_or_place_are_refused() -> None:
    leaves = [bytes([i]) for i in range(6)]
    path = c.audit_path(leaves, 1)
    for bad in (path[:-1], (*path, bytes(32)), (), (path[0][:-1], *path[1:])):
        with pytest.raises(PathError):
            root_from_path(leaf_hash(leaves[1]), 1, 6, bad)
    for index, size in ((-1, 6), (6, 6), (0, 0)):
        with pytest.raises(PathError):
            root_from_path(leaf_hash(leaves[1]), index, size, path)
    with pytest.raises(PathError):
        c.audit_path(leaves, 6)


def test_a_node_is_no_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    inner = leaf_hash(b"a") + leaf_hash(b"b")
    assert c.merkle_root([inner, leaf_hash(b"c") + leaf_hash(b"d")]) != c.merkle_root(leaves)


def test_reading_leaf_byte_by_byte() -> None:
    salt = hmac.new(SEED, struct.pack(">I", 1), hashlib.sha256).digest()
    expected = (
        struct.pack(">H", 21) + b"standstill/reading/v1" + salt + (100).to_bytes(6, "big") + (7).to_bytes(3, "big")
        + bytes.fromhex("abcdef") + (3000).to_bytes(6, "big") + b"\xff" * 6
    )  # fmt: skip
    assert c.reading_leaf(c.salt(SEED, 1), 100, READINGS[1]) == expected
    assert c.salts(SEED, 300) == [c.salt(SEED, i) for i in range(300)]
    assert c.reading_leaves(READINGS, 7, 3600, SEED, 4)[1] == expected


def test_epoch_root_fixed_vector() -> None:
    filler = struct.pack(">H", 21) + b"standstill/reading/v1"
    leaves = []
    for i in range(8):
        values = [(0, 2, 100, 200), (100, 0xABCDEF, 3000, 2**48 - 1), (3100, 1, 500, 0)]
        start, tag, seconds, work = values[i] if i < 3 else (3600, 0, 0, 0)
        salt = hmac.new(SEED, struct.pack(">I", i), hashlib.sha256).digest()
        leaves.append(
            filler + salt + start.to_bytes(6, "big") + b"\0\0\x07" + tag.to_bytes(3, "big")
            + seconds.to_bytes(6, "big") + work.to_bytes(6, "big")
        )  # fmt: skip
    assert c.reading_leaves(READINGS, 7, 3600, SEED, 8) == leaves
    root = c.epoch_root(READINGS, 7, 3600, SEED, 8)
    assert root == slow_root(leaves)
    assert root.hex() == "3b17294935724b83c583db7bdf47339d1c4b5673abe51e556588c0a6b4f737e2"
    one, two = c.meter_leaf("hall-a", root), c.meter_leaf("hall-b", bytes(32))
    assert one == struct.pack(">H", 25) + b"standstill/epoch-meter/v1" + b"\x06hall-a" + root
    assert c.lab_epoch_root([("hall-a", root), ("hall-b", bytes(32))]) == slow_root([one, two])
    assert c.roots_digest([root, bytes(32), root]) == slow_root([root, bytes(32), root])


def test_slots_fixed_vector() -> None:
    slot = c.Slot(True, 0x010203, 3, 4, 5, 6, 7, 8, b"w" * 32, c.name_digest("Modell ä"), b"g" * 32, 9)
    salt = hmac.new(SEED, bytes(4), hashlib.sha256).digest()
    expected = (
        struct.pack(">H", 18) + b"standstill/slot/v1" + salt + bytes.fromhex("01 010203 03 000004 000005 000006 000007")
        + (8).to_bytes(8, "big") + b"w" * 32 + hashlib.sha256("Modell ä".encode()).digest() + b"g" * 32
        + (9).to_bytes(8, "big")
    )  # fmt: skip
    assert c.slot_leaf(c.salt(SEED, 0), slot) == expected
    empty = struct.pack(">H", 18) + b"standstill/slot/v1" + hmac.new(SEED, b"\0\0\0\x01", hashlib.sha256).digest()
    empty += bytes(1 + 3 + 1 + 12 + 8 + 32 * 3 + 8)
    assert c.slot_leaves([slot], SEED, 2) == [expected, empty]
    head = c.registry_epoch_head([slot], SEED, 4)
    assert head.hex() == "a1566ab57f86fc8534c6ae7f44b0872cd49b4759d6682b25ffa5384c71721a93"


def test_openings_lead_to_the_root_and_to_no_other() -> None:
    root = c.epoch_root(READINGS, 7, 3600, SEED, 64)
    for index in range(3):
        opening = c.ReadingOpening.of(READINGS, index, 7, 3600, SEED, 64)
        assert opening.root(64) == root and len(opening.path) == 6
        for change in (
            replace(opening, start=opening.start + 1), replace(opening, index=opening.index ^ 1),
            replace(opening, salt=bytes(32)), replace(opening, reading=replace(opening.reading, work=1)),
            replace(opening, reading=replace(opening.reading, chip_seconds=opening.reading.chip_seconds + 1)),
            replace(opening, reading=replace(opening.reading, tag=9)),
            replace(opening, reading=replace(opening.reading, epoch=8)),
        ):  # fmt: skip
            assert change.root(64) != root
    with pytest.raises(c.CommitmentError):
        c.ReadingOpening.of(READINGS, 3, 7, 3600, SEED, 64)
    with pytest.raises(PathError):
        c.ReadingOpening.of(READINGS, 1, 7, 3600, SEED, 64).root(32)
    slots = [replace(c.EMPTY_SLOT, used=True, tag=i, kind=3) for i in range(3, 6)]
    head = c.registry_epoch_head(slots, SEED, 16)
    for index in (0, 2, 3, 15):
        opened = c.SlotOpening.of(slots, index, SEED, 16)
        assert opened.root(16) == head and opened.slot.used == (index < 3)
        assert replace(opened, index=opened.index ^ 1).root(16) != head
    assert replace(c.SlotOpening.of(slots, 0, SEED, 16), slot=c.EMPTY_SLOT).root(16) != head


def test_neighbours_on_a_path_cannot_be_guessed_without_their_salt() -> None:
    """Every possible neighbour of a small world is tried: none has the hash on the path, with any salt that is known."""
    readings = [Reading(0, 2, 3, 3 * 5), Reading(0, 1, 7, 0)]
    seed = random.Random(1).randbytes(32)
    opening = c.ReadingOpening.of(readings, 1, 0, 10, seed, 2)
    for salt in (opening.salt, bytes(32), b""):
        for seconds in range(11):
            for tag in range(16):
                for work in (0, seconds * 5):
                    leaf = c.reading_leaf(bytes(32), 0, Reading(0, tag, seconds, work))
                    assert leaf_hash(leaf.replace(bytes(32), salt, 1)) != opening.path[0]
    assert leaf_hash(c.reading_leaf(c.salt(seed, 0), 0, readings[0])) == opening.path[0]


def test_equal_readings_under_another_seed_share_no_hash() -> None:
    one = c.reading_leaves(READINGS, 7, 3600, SEED, 64)
    two = c.reading_leaves(READINGS, 7, 3600, bytes(32), 64)
    assert not {leaf_hash(leaf) for leaf in one} & {leaf_hash(leaf) for leaf in two}
    paths = [c.audit_path(leaves, 0) for leaves in (one, two)]
    assert not set(paths[0]) & set(paths[1])
    assert len(set(one)) == 64


def test_the_number_of_readings_does_not_show() -> None:
    few, many = [Reading(0, 1, 64, 0)], [Reading(0, 2, 1, 1) for _ in range(64)]
    sizes = {tuple(map(len, c.reading_leaves(r, 0, 64, SEED, 64))) for r in (few, many)}
    assert len(sizes) == 1
    paths = {tuple(map(len, c.ReadingOpening.of(r, 0, 0, 64, SEED, 64).path)) for r in (few, many)}
    assert len(paths) == 1


@pytest.mark.parametrize(
    ("readings", "size"),
    [
        ([Reading(0, 2, 1, 0)] * 3, 2),
        ([Reading(0, 2, 1, 0)] * 2, 4),
        ([Reading(0, 2, 1, 0), Reading(1, 2, 2, 0)], 4),
        ([Reading(0, 2**24, 3, 0)], 4),
        ([Reading(0, 2, 3, 2**48)], 4),
        ([Reading(0, 2, 4, 0), Reading(0, 2, -1, 0)], 4),
        ([Reading(0, 2, 3, True)], 4),
    ],
)
def test_what_cannot_be_committed_to(readings: list[Reading], size: int) -> None:
    with pytest.raises(c.CommitmentError):
        c.epoch_root(readings, 0, 3, SEED, size)


def test_refusals_of_slots_seeds_and_roots() -> None:
    used = replace(c.EMPTY_SLOT, used=True, tag=3)
    for call in (
        lambda: c.registry_epoch_head([used] * 3, SEED, 2),
        lambda: c.slot_leaf(bytes(32), replace(c.EMPTY_SLOT, tag=3)),
        lambda: c.slot_leaf(bytes(31), used),
        lambda: c.slot_leaf(bytes(32), replace(used, weights=b"")),
        lambda: c.salt(b"short", 0),
        lambda: c.salts(b"short", 1),
        lambda: c.salt(SEED, 2**32),
        lambda: c.roots_digest([b"x"]),
        lambda: c.meter_leaf("Not a name", bytes(32)),
        lambda: c.reading_leaf(b"", 0, READINGS[0]),
    ):
        with pytest.raises(c.CommitmentError):
            call()


def test_openings_do_not_print_what_they_open() -> None:
    opening = c.ReadingOpening.of(READINGS, 1, 7, 3600, SEED, 64)
    assert "3000" not in repr(opening) and opening.salt.hex() not in repr(opening)
    assert repr(opening.salt) not in repr(opening)
