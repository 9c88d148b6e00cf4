"""RFC 6962 hashing and proofs: published vectors, and a recursive twin straight from the RFC's text."""

from __future__ import annotations

from base64 import b64decode

import pytest

from claims.base.merkle import EMPTY_ROOT, PathError, audit_paths, leaf_hash, node_hash, tree_root
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.hashing import Frontier
from claims.tlog.proof import (
    check_consistency,
    check_inclusion,
    consistency_proof,
    prefix_proof,
    prefix_roots,
)
from tests.tlog.vectors import ARGON, CT_LEAVES, CT_ROOTS, OAK, VERIFY_CONSISTENCY, VERIFY_INCLUSION


def mth(data: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not data:
        return EMPTY_ROOT
    if len(data) == 1:
        return leaf_hash(data[0])
    k = 1
    while k * 2 < len(data):
        k *= 2
    return node_hash(mth(data[:k]), mth(data[k:]))


def path(m: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    return path(m, data[:k]) + [mth(data[k:])] if m < k else path(m - k, data[k:]) + [mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return subproof(m, data[:k], whole) + [mth(data[k:])]
    return subproof(m - k, data[k:], False) + [mth(data[:k])]


DATA = [b"leaf %d" % i for i in range(70)]
HASHES = [leaf_hash(item) for item in DATA]


def test_known_hashes() -> None:
    """RFC 6962 hasher vectors of transparency-dev/merkle, rfc6962/rfc6962_test.go."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_known_roots() -> None:
    for size, root in enumerate(CT_ROOTS, 1):
        assert tree_root([leaf_hash(leaf) for leaf in CT_LEAVES[:size]]).hex() == root


def test_known_inclusion_proofs() -> None:
    for number, size, proof in VERIFY_INCLUSION:
        hashes = [leaf_hash(leaf) for leaf in CT_LEAVES[:size]]
        assert [item.hex() for item in audit_paths(hashes, [number - 1])[number - 1]] == proof
        check_inclusion(hashes[number - 1], number - 1, size, tree_root(hashes), [bytes.fromhex(item) for item in proof])


def test_known_consistency_proofs() -> None:
    for old, new, proof in VERIFY_CONSISTENCY:
        hashes = [leaf_hash(leaf) for leaf in CT_LEAVES[:new]]
        assert [item.hex() for item in consistency_proof(hashes, old)] == proof
        check_consistency(old, new, bytes.fromhex(CT_ROOTS[old - 1]), tree_root(hashes), [bytes.fromhex(i) for i in proof])


def test_proofs_of_a_public_certificate_log() -> None:
    """A log of 961,984,013 entries: answers of Argon 2020 kept with golang.org/x/mod, sumdb/tlog/testdata."""
    size, root = ARGON["size"], b64decode(ARGON["root"])
    old, old_root = ARGON["old_size"], b64decode(ARGON["old_root"])
    proof = [b64decode(item) for item in ARGON["consistency"]]
    check_consistency(old, size, old_root, root, proof)
    leaf = leaf_hash(b64decode(ARGON["leaf"]))
    audit = [b64decode(item) for item in ARGON["audit_path"]]
    check_inclusion(leaf, 10000, size, root, audit)
    for wrong in (9999, 10001, 10000 ^ 2):
        with pytest.raises(LogRejected):
            check_inclusion(leaf, wrong, size, root, audit)
    for sizes in ((old - 1, size), (old + 1, size), (old, size // 2), (old, size * 2)):
        with pytest.raises(LogRejected):
            check_consistency(*sizes, old_root, root, proof)


def test_a_proof_of_a_public_tile_log() -> None:
    """project-oak/oak, oak_tlog: entry 76958 of 76959."""
    audit = [b64decode(item) for item in OAK["hashes"]]
    check_inclusion(leaf_hash(OAK["entry"]), OAK["index"], OAK["size"], b64decode(OAK["root"]), audit)
    with pytest.raises(LogRejected):
        check_inclusion(leaf_hash(OAK["entry"] + b" "), OAK["index"], OAK["size"], b64decode(OAK["root"]), audit)


def test_against_the_recursive_twin() -> None:
    for size in range(1, 71):
        root = mth(DATA[:size])
        assert tree_root(HASHES[:size]) == root
        for index in range(size):
            proof = list(audit_paths(HASHES[:size], [index])[index])
            assert proof == path(index, DATA[:size])
            check_inclusion(HASHES[index], index, size, root, proof)
        for old in range(1, size + 1):
            proof = consistency_proof(HASHES[:size], old)
            assert proof == subproof(old, DATA[:size], True)
            check_consistency(old, size, mth(DATA[:old]), root, proof)
            assert prefix_roots(prefix_proof(HASHES[:size], old), old, size) == (mth(DATA[:old]), root)


@pytest.mark.parametrize("size", [2, 3, 7, 8, 13])
def test_every_changed_hash_and_length_is_refused(size: int) -> None:
    root = tree_root(HASHES[:size])
    for index in range(size):
        proof = list(audit_paths(HASHES[:size], [index])[index])
        spoiled = [proof[:-1], [*proof, root], [root, *proof], proof[::-1] if proof[::-1] != proof else [*proof, proof[0]]]
        spoiled += [[*proof[:i], bytes(32), *proof[i + 1 :]] for i in range(len(proof))]
        for wrong in spoiled:
            with pytest.raises(LogRejected):
                check_inclusion(HASHES[index], index, size, root, wrong)
        with pytest.raises(LogRejected):
            check_inclusion(HASHES[index], size + index, size, root, proof)
    for old in range(1, size):
        proof, old_root = consistency_proof(HASHES[:size], old), tree_root(HASHES[:old])
        spoiled = [proof[:-1], [*proof, root], [root, *proof], []]
        spoiled += [[*proof[:i], bytes(32), *proof[i + 1 :]] for i in range(len(proof))]
        for wrong in spoiled:
            with pytest.raises(LogRejected):
                check_consistency(old, size, old_root, root, wrong)
        with pytest.raises(LogRejected):
            check_consistency(old, size, root, old_root, proof)


def test_edges_of_consistency() -> None:
    root = tree_root(HASHES[:5])
    check_consistency(0, 5, EMPTY_ROOT, root, [])
    check_consistency(5, 5, root, root, [])
    for old, new, one, two in ((0, 5, root, root), (5, 5, root, EMPTY_ROOT), (5, 4, root, root), (-1, 5, root, root)):
        with pytest.raises(LogRejected):
            check_consistency(old, new, one, two, [])
    with pytest.raises(LogRejected):
        check_consistency(5, 2**63, root, root, [root] * 63)
    with pytest.raises(LogRejected):
        check_consistency(2, 5, root[:31], root, [])


def test_proofs_of_what_is_not_there() -> None:
    for wrong in (-1, 5, 2**63):
        with pytest.raises(PathError):
            audit_paths(HASHES[:5], [wrong])
    for wrong in (-1, 6):
        with pytest.raises(LogError):
            consistency_proof(HASHES[:5], wrong)
        with pytest.raises(LogError):
            prefix_proof(HASHES[:5], wrong)
    for old, size, nodes in ((6, 5, []), (0, 0, []), (2, 5, []), (2, 2**63, HASHES[:3]), (2, 5, [b"short"] * 3)):
        with pytest.raises(LogRejected):
            prefix_roots(nodes, old, size)


def test_a_prefix_proof_at_the_largest_sizes_ends() -> None:
    with pytest.raises(LogRejected):
        prefix_roots([bytes(32)] * 3, 2**62 + 1, 2**63 - 1)


def test_the_frontier_has_every_root_on_the_way() -> None:
    frontier = Frontier()
    for size, item in enumerate(HASHES, 1):
        frontier.append(item)
        assert frontier.root() == mth(DATA[:size]) and frontier.size == size
