"""Both verifiers on one vector: what every tampering test asks.

`judge` returns "accepted" or the name of the failed check. It fails the test when a verifier raises anything but its typed
rejection, or when the two disagree. Where the bytes are no proof at all the two may name different checks: one reads
the whole proof first, the other stops at the first bad nonce (PROTOCOL.md section 8).
"""

from __future__ import annotations

from tests.reference import verifier as reference
from tests.toy import Instance
from zk.errors import MalformedProof, ProofRejected
from zk.verifier import verify

ACCEPTED = "accepted"
EARLY = ("zeta", "lookup grinding", "constraint grinding", "zeta grinding", "deep grinding", "fold grinding", "query grinding")


def first(item: Instance, proof: bytes) -> str:
    """The outcome of zk/verifier.py."""
    try:
        verify(*item.statement(), proof, item.options, floor_bits=0.0, allow_insecure=True)
    except ProofRejected as error:
        return error.check
    except MalformedProof:
        return "format"
    return ACCEPTED


def second(item: Instance, proof: bytes) -> str:
    """The outcome of tests/reference/verifier.py."""
    program, publics, interactions, log_rows = item.statement()
    try:
        reference.verify(program.encode(), publics, interactions, log_rows, item.option_words(), proof)
    except reference.Reject as error:
        return error.check
    return ACCEPTED


def judge(item: Instance, proof: bytes, *, both: bool = True) -> str:
    """The outcome that both verifiers share."""
    one = first(item, proof)
    if both:
        two = second(item, proof)
        if one != two and not (two == "format" and one in EARLY):
            raise AssertionError(f"the verifiers disagree: {one!r} and {two!r}")
    return one
