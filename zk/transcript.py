"""Fiat-Shamir transcript over SHA-256, shared by prover and verifier. PROTOCOL.md section 2.

Labels and data are length-prefixed, and every kind of call hashes under its own letter, so two different
sequences of calls never hash the same bytes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from zk.errors import OptionsError, ProofRejected
from zk.field import DEGREE, Ext, P

DOMAIN = b"standstill/stark/v1"
MAX_GRINDING = 32
MAX_NONCE = 1 << 64


def _sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def words(values: Iterable[int]) -> bytes:
    """u32 big-endian encoding of integers in [0, 2^32)."""
    items = list(values)
    return struct.pack(f">{len(items)}I", *items)


class Transcript:
    """The running state of a proof's transcript: 32 bytes."""

    def __init__(self) -> None:
        self.state = _sha(DOMAIN)

    def absorb(self, label: str, data: bytes) -> None:
        """Binds `data` under `label` (1 to 255 bytes of ASCII)."""
        self.state = _sha(b"A", self.state, _label(label), len(data).to_bytes(8, "big"), data)

    def elements(self, label: str, n: int) -> list[int]:
        """Draws n uniform base elements in [0, P)."""
        seed = self._seed(b"C", label, n)
        result: list[int] = []
        block = 0
        while len(result) < n:
            drawn = struct.unpack(">8I", _sha(b"S", seed, block.to_bytes(4, "big")))
            result += [w & 0x7FFFFFFF for w in drawn if w & 0x7FFFFFFF < P]
            block += 1
        return result[:n]

    def challenges(self, label: str, n: int) -> list[Ext]:
        """Draws n extension elements: 5n base elements, five consecutive ones each."""
        flat = iter(self.elements(label, DEGREE * n))
        return list(zip(flat, flat, flat, flat, flat, strict=True))

    def challenge(self, label: str) -> Ext:
        """Draws one extension element."""
        return self.challenges(label, 1)[0]

    def indices(self, label: str, n: int, bits: int) -> list[int]:
        """Draws n indices in [0, 2^bits), bits <= 32, with repetitions, in the order drawn."""
        seed = self._seed(b"I", label, n)
        drawn: list[int] = []
        for block in range((n + 7) // 8):
            drawn += struct.unpack(">8I", _sha(b"S", seed, block.to_bytes(4, "big")))
        return [w & ((1 << bits) - 1) for w in drawn[:n]]

    def grind_prefix(self, bits: int) -> bytes:
        """34 bytes; a nonce is good if SHA-256(prefix || u64 nonce) begins with `bits` zero bits."""
        if not 0 <= bits <= MAX_GRINDING:
            raise OptionsError(f"grinding of {bits} bits is not within 0..{MAX_GRINDING}")
        return b"G" + self.state + bytes([bits])

    def grind_is_good(self, bits: int, nonce: int) -> bool:
        """Whether `nonce` meets the current state's puzzle. With bits = 0 only nonce 0 is good."""
        prefix = self.grind_prefix(bits)
        if not 0 <= nonce < MAX_NONCE:
            return False
        if bits == 0:
            return nonce == 0
        digest = _sha(prefix, nonce.to_bytes(8, "big"))
        return int.from_bytes(digest[:8], "big") >> (64 - bits) == 0

    def absorb_nonce(self, label: str, bits: int, nonce: int) -> None:
        """Checks the nonce and absorbs it. Prover and verifier both call this.

        Raises:
            ProofRejected: the nonce does not meet the puzzle; `check` is the label.
        """
        if not self.grind_is_good(bits, nonce):
            raise ProofRejected(label, f"the nonce does not give {bits} leading zero bits")
        self.absorb(label, nonce.to_bytes(8, "big"))

    def grind(self, label: str, bits: int) -> int:
        """Finds the least good nonce, absorbs it and returns it. Slow: about 2^bits hashes."""
        nonce = 0
        while not self.grind_is_good(bits, nonce):
            nonce += 1
        self.absorb_nonce(label, bits, nonce)
        return nonce

    def _seed(self, kind: bytes, label: str, n: int) -> bytes:
        seed = _sha(kind, self.state, _label(label), n.to_bytes(8, "big"))
        self.state = _sha(b"R", seed)
        return seed


def _label(label: str) -> bytes:
    data = label.encode("ascii")
    return bytes([len(data)]) + data
