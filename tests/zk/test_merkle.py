"""zk/merkle.py against a tree that is built whole."""

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.errors import MalformedProof
from zk.merkle import leaf_hash, node_hash, opening_nodes, opening_root, sibling_count

TREE = 2


def whole_tree(leaves):
    levels = [leaves]
    while len(levels[-1]) > 1:
        level = len(levels).to_bytes(2, "big")
        below = levels[-1]
        levels.append(
            [hashlib.sha256(b"\x01\x02" + level + below[i] + below[i + 1]).digest() for i in range(0, len(below), 2)]
        )
    return levels


def random_leaves(depth, seed=0):
    rng = random.Random(seed)
    return [rng.randbytes(32) for _ in range(1 << depth)]


def naive_siblings(indices, depth):
    """Nodes needed for the root that do not follow from the opened leaves; level by level, ascending."""
    result = []
    known = set(indices)
    for level in range(depth):
        needed = sorted({i ^ 1 for i in known} - known)
        result += [(level, i) for i in needed]
        known = {i // 2 for i in known}
    return result


cases = st.integers(0, 7).flatmap(
    lambda depth: st.tuples(st.just(depth), st.sets(st.integers(0, (1 << depth) - 1), min_size=1, max_size=20))
)


@settings(max_examples=200)
@given(cases)
def test_openings_lead_to_the_root(case):
    depth, chosen = case
    levels = whole_tree(random_leaves(depth))
    indices = sorted(chosen)
    nodes = opening_nodes(indices, depth)
    assert nodes == naive_siblings(indices, depth)
    assert sibling_count(chosen, depth) == len(nodes)
    siblings = [levels[level][i] for level, i in nodes]
    opened = [(i, levels[0][i]) for i in indices]
    assert opening_root(TREE, depth, opened, siblings) == levels[-1][0]
    for changed in range(len(siblings)):
        other = list(siblings)
        other[changed] = bytes(32)
        assert opening_root(TREE, depth, opened, other) != levels[-1][0]
    with pytest.raises(MalformedProof):
        opening_root(TREE, depth, opened, [*siblings, bytes(32)])
    if siblings:
        with pytest.raises(MalformedProof):
            opening_root(TREE, depth, opened, siblings[:-1])


def test_repetitions_and_order_do_not_matter_to_the_list_of_nodes():
    assert opening_nodes([5, 2, 5, 2], 4) == opening_nodes([2, 5], 4)


@pytest.mark.parametrize("numbers", [[], [2, 1], [1, 1], [-1, 2], [0, 16]])
def test_leaves_out_of_order_or_range_are_refused(numbers):
    with pytest.raises(MalformedProof):
        opening_root(TREE, 4, [(i, bytes(32)) for i in numbers], [bytes(32)] * 20)


def test_trees_levels_and_kinds_are_separated():
    a, b = bytes(32), bytes([1] * 32)
    row = a + b
    hashes = {
        node_hash(1, 1, a, b),
        node_hash(2, 1, a, b),
        node_hash(1, 2, a, b),
        node_hash(1, 1, b, a),
        leaf_hash(1, b"", row),
        leaf_hash(2, b"", row),
        leaf_hash(1, b"\0", row),
        leaf_hash(1, b"", row + bytes(4)),
    }
    assert len(hashes) == 8


def test_hashes_by_definition():
    salt, row = bytes(range(16)), bytes(range(40))
    assert leaf_hash(3, salt, row) == hashlib.sha256(b"\x00\x03\x00\x0a" + salt + row).digest()
    assert node_hash(17, 300, salt, row) == hashlib.sha256(b"\x01\x11\x01\x2c" + salt + row).digest()


def test_a_node_does_not_pass_for_a_leaf():
    """The tree of depth 3 read as one of depth 2: its nodes at level 1 do not stand in for leaves."""
    levels = whole_tree(random_leaves(3))
    opened = [(0, levels[1][0])]
    siblings = [levels[1][1], levels[2][1]]
    assert opening_root(TREE, 2, opened, siblings) != levels[-1][0]


def test_values_do_not_move_between_leaves():
    levels = whole_tree(random_leaves(3))
    siblings = [levels[level][i] for level, i in opening_nodes([2, 5], 3)]
    assert opening_root(TREE, 3, [(2, levels[0][5]), (5, levels[0][2])], siblings) != levels[-1][0]
    assert opening_root(TREE, 3, [(3, levels[0][2]), (5, levels[0][5])], siblings) != levels[-1][0]
