"""Field elements in 31 bits each: how a proof stores them. PROTOCOL.md section 8.

Hashes are over words of 32 bits. Eight elements are 31 bytes, and 32 as words: a zero byte goes before each eight, and
three passes over one large integer spread all of them at once: blocks of four elements, of two, of one.
"""

from __future__ import annotations

from zk.errors import MalformedProof
from zk.field import P

BITS, EIGHT, EIGHT_WORDS = 31, 31, 32  # bits of an element; bytes of eight, packed and as words


def packed_bytes(count: int) -> int:
    """Length of `count` packed elements."""
    return (BITS * count + 7) // 8


def pack_words(words: bytes) -> bytes:
    """Words u32 of canonical elements, 4 bytes each, as packed elements."""
    eights = -(-len(words) // EIGHT_WORDS)
    bits = int.from_bytes(words.ljust(EIGHT_WORDS * eights, b"\0"), "big")
    for step in (0, 1, 2):
        high = bits & _odd_blocks(step, eights) << (1 << step)
        bits ^= high ^ high >> (1 << step)
    spread = bits.to_bytes(EIGHT_WORDS * eights, "big")
    packed = b"".join(spread[i + 1 : i + EIGHT_WORDS] for i in range(0, len(spread), EIGHT_WORDS))
    return packed[: packed_bytes(len(words) // 4)]


def unpack_words(packed: bytes, count: int) -> bytes:
    """The words of `count` packed elements (`packed_bytes(count)` bytes). Raises MalformedProof unless they are canonical."""
    eights = -(-count // 8)
    packed = packed.ljust(EIGHT * eights, b"\0")
    bits = int.from_bytes(b"".join(b"\0" + packed[i : i + EIGHT] for i in range(0, len(packed), EIGHT)), "big")
    for step in (2, 1, 0):
        high = bits & _odd_blocks(step, eights)
        bits ^= high ^ high << (1 << step)
    if bits + _repeated(2**BITS - P, eights) & _repeated(2**BITS, eights):
        raise MalformedProof("an element is not below p")
    words = bits.to_bytes(EIGHT_WORDS * eights, "big")
    if any(words[4 * count :]):
        raise MalformedProof("a bit that fills up a run of elements is set")
    return words[: 4 * count]


def _repeated(word: int, eights: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big") * 8 * eights, "big")


def _odd_blocks(step: int, eights: int) -> int:
    """Ones where blocks 1, 3, ... of 2^step elements lie, from the lowest on, before they are spread by 2^step bits."""
    block = BITS << step
    return int.from_bytes(((1 << block) - 1 << block).to_bytes(8 << step, "big") * ((4 >> step) * eights), "big")
