"""What ties opened slots to the claim: a proof that they are entries of the registry behind the claim's registry head.

    slots opened under the logged epoch head --same values--> entries of the registry that `head` commits to (zero knowledge)
    the lab's signature of `head`, as in its claim --> a claim with another head is evidence against the lab

Without it a lab could keep two lists: a true one for inspectors, and another one in the claim, whose caps it meets. The
proof is that of circuits/README.md section 10; base, work and cumulative are not shown. FORMATS-inspection.md section I7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claims.agreement import Agreement
from claims.commitments import Slot
from claims.records import Elements, RegistryEntry
from claims.signatures import check_signature, registry_head_message, sign_registry_head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from circuits.opening import OpeningStatement

__all__ = ["MAX_BINDING", "Binding", "ClosedRegistry", "bind", "check_binding", "check_head_signature"]

MAX_BINDING = 2**20
"""Bytes of a proof."""


@dataclass(frozen=True)
class ClosedRegistry:
    """A lab's registry after a period: 8 elements each of head, IV and trailer; all entries in order."""

    head: Elements
    iv: Elements = field(repr=False)
    trailer: Elements = field(repr=False)
    entries: tuple[RegistryEntry, ...] = field(repr=False)


@dataclass(frozen=True)
class Binding:
    """``head``: the registry head after the period; ``signature``: the lab's, as in its claim; ``proof``: of the opened slots."""

    head: Elements
    signature: bytes
    proof: bytes = field(repr=False)


def _statement(agreement: Agreement, lab: str, period: int, head: Elements, slots: Sequence[Slot]) -> OpeningStatement:
    from circuits.opening import OpenedEntry, OpeningStatement, opening_log_rows
    from circuits.statement import registry_header

    most = agreement.commitment.checkpoints + period - agreement.lab(lab).since_period + 1
    shown = sorted((slot for slot in slots if slot.used), key=lambda slot: slot.tag)
    entries = tuple(OpenedEntry(s.tag, s.kind, s.parent1, s.parent2, s.epoch, s.declared, s.weights) for s in shown)
    return OpeningStatement(opening_log_rows(most), registry_header(lab), head, entries)


def bind(
    agreement: Agreement, lab: str, period: int, closed: ClosedRegistry, slots: Sequence[Slot], key: Ed25519PrivateKey
) -> Binding:
    """Prove that the used ones among ``slots`` are entries of a closed registry, and sign its head as a claim does.

    Raises:
        zk.errors.WitnessError: they are not, or the registry has another head.
    """
    from circuits.open_entries import RegistryOpening, prove_opening
    from claims.registry import circuit_entry

    statement = _statement(agreement, lab, period, closed.head, slots)
    witness = RegistryOpening(closed.iv, tuple(circuit_entry(entry) for entry in closed.entries), closed.trailer)
    return Binding(closed.head, sign_registry_head(key, agreement.digest, lab, period, closed.head), prove_opening(statement, witness))


def check_head_signature(agreement: Agreement, lab: str, period: int, binding: Binding) -> None:
    """Check the lab's signature of the head. Raises BadSignature."""
    message = registry_head_message(agreement.digest, lab, period, binding.head)
    check_signature(f"lab {lab} on its registry head", agreement.party(lab).key, binding.signature, message)


def check_binding(agreement: Agreement, lab: str, period: int, binding: Binding, slots: Sequence[Slot]) -> None:
    """Verify the proof for these slots. Raises zk.errors.ZkError."""
    from circuits.opening import verify_opening

    verify_opening(_statement(agreement, lab, period, binding.head, slots), binding.proof)
