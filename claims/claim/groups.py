"""What a lab publishes of an epoch: the root over the roots of its meters, or of its groups of meters, each the root over its meters'.

    group root(group, epoch) = MTH(meter leaves)      the group's meters, in the agreement's order
    lab epoch root           = MTH(group leaves)      the lab's groups, by name; of a lab without groups, MTH(meter leaves)

A meter of a group signs its ledger head together with the digest of its *group's* roots of the period, and only after it has seen, for each
epoch, a path from its own root, at its own place, to the group's root (FORMATS.md section 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from claims.agreement.terms import Group, Lab
from claims.base.canonical import is_name
from claims.base.merkle import leaf_hash, path_length, root_from_path
from claims.claim.commitments import CommitmentError, audit_path, lab_epoch_root, merkle_root, meter_leaf

__all__ = ["EpochTree", "group_leaf", "group_root", "root_by_path", "unit_leaf"]

_DOMAIN = b"standstill/epoch-group/v1"
_GROUP = len(_DOMAIN).to_bytes(2, "big") + _DOMAIN


def group_leaf(group: str, root: bytes) -> bytes:
    """Data of a group's leaf under its lab's epoch root: u16 length || domain || name || 32 bytes root."""
    if not is_name(group) or len(root) != 32:
        raise CommitmentError("a group's leaf is a name and a root of 32 bytes")
    return _GROUP + len(group).to_bytes(1, "big") + group.encode("ascii") + root


def group_root(group: Group, roots: Mapping[str, bytes]) -> bytes:
    """The root of an epoch over the roots of a group's meters, by name."""
    return lab_epoch_root([(meter.name, roots[meter.name]) for meter in group.meters])


def unit_leaf(lab: Lab, name: str, root: bytes) -> bytes:
    """Data of a leaf under the lab's epoch root: of a group, or, where the lab has none, of a meter."""
    return group_leaf(name, root) if lab.groups else meter_leaf(name, root)


class EpochTree:
    """The tree over one epoch of a lab. ``root``: what its entry of the log has.

    Args:
        roots: each meter's, by name.
    """

    def __init__(self, lab: Lab, roots: Mapping[str, bytes]) -> None:
        self._lab, self._roots = lab, roots
        units = ((unit.name, group_root(unit, roots) if lab.groups else roots[unit.name]) for unit in lab.units)
        self._leaves = [unit_leaf(lab, name, root) for name, root in units]
        self.root = merkle_root(self._leaves)

    def path(self, meter: str) -> tuple[bytes, ...]:
        """The hashes that lead from a meter's root to the lab's: those inside its group first."""
        place, unit = self._lab.unit_of(meter)
        inside: Iterable[bytes] = ()
        if self._lab.groups:
            inside = audit_path([meter_leaf(m.name, self._roots[m.name]) for m in unit.meters], _index(unit, meter))
        return (*inside, *audit_path(self._leaves, place))


def root_by_path(lab: Lab, meter: str, root: bytes, path: Sequence[bytes]) -> bytes:
    """The lab's epoch root to which a meter's root leads at its own place in the agreement; the caller compares it.

    Raises:
        PathError: the path does not fit that place.
    """
    place, unit = lab.unit_of(meter)
    leaf = leaf_hash(meter_leaf(meter, root))
    if lab.groups:
        index, size = _index(unit, meter), len(unit.meters)
        inside = path_length(index, size)
        leaf, path = leaf_hash(group_leaf(unit.name, root_from_path(leaf, index, size, path[:inside]))), path[inside:]
    return root_from_path(leaf, place, len(lab.units), path)


def _index(unit: Group, meter: str) -> int:
    return next(index for index, item in enumerate(unit.meters) if item.name == meter)
