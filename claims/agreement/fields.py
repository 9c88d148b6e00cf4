"""Texts of an agreement's fields as values; each raises a ClaimsError that says what is wrong, and :class:`Table` adds where."""

from __future__ import annotations

import re
from collections.abc import Callable

from claims.agreement import bounds
from claims.base.canonical import NAME_RULE, head_from_hex, is_name
from claims.base.ed25519 import is_key
from claims.base.errors import MalformedFile
from claims.base.hybrid import is_hybrid
from claims.base.text import MAX_PROSE, is_key_name, is_origin, is_prose
from claims.base.units import cap_from_text, charge_from_text, peak_from_text, seconds_from_text

__all__ = [
    "FORMAT", "as_cap", "as_charge", "as_digest", "as_external", "as_format", "as_head", "as_key", "as_key_name", "as_meter_key",
    "as_name", "as_origin", "as_peak", "as_period_key", "as_prose", "as_span", "one_of",
]  # fmt: skip

FORMAT = "standstill-agreement/3"


def as_name(text: str) -> str:
    if not is_name(text):
        raise MalformedFile(f"{text!r} is not a name", hint=NAME_RULE)
    return text


def as_key_name(text: str) -> str:
    """A name of C2SP signed notes."""
    if not is_key_name(text):
        raise MalformedFile(
            "not a name of signed notes", hint="1 to 255 bytes without spaces, + and characters that nobody sees, as example.org/w1"
        )
    return text


def as_prose(text: str) -> str:
    if not is_prose(text):
        raise MalformedFile(
            f"is longer than {MAX_PROSE} characters, or holds control characters or others that nobody sees",
            hint="use plain printable text",
        )
    return text


def as_key(text: str) -> bytes:
    """A key of either kind, 32 or 1,344 bytes."""
    match = re.fullmatch(r"ed25519:([0-9a-f]{64})(?: mldsa44:([0-9a-f]{2624}))?", text)
    if match is None or not is_key(bytes.fromhex(match[1] + (match[2] or ""))):
        raise MalformedFile(
            "not a usable public key",
            hint='write "ed25519:" and 64 lower-case hex digits, and of a hybrid key " mldsa44:" and 2,624, as `standstill keygen` does',
        )
    return bytes.fromhex(match[1] + (match[2] or ""))


def as_meter_key(text: str) -> bytes:
    """A key of Ed25519 alone, 32 bytes: it signs every epoch."""
    key = as_key(text)
    if is_hybrid(key):
        raise MalformedFile("a meter's or feed's key is of Ed25519 alone", hint="its ML-DSA-44 half is its period_key")
    return key


def as_period_key(text: str) -> bytes:
    """An ML-DSA-44 key, 1,312 bytes: it signs once a period."""
    match = re.fullmatch(r"mldsa44:([0-9a-f]{2624})", text)
    if match is None:
        raise MalformedFile("not a period key", hint='write "mldsa44:" and 2,624 lower-case hex digits, as `standstill meter init` does')
    return bytes.fromhex(match[1])


def as_digest(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise MalformedFile("not a digest", hint="write 64 lower-case hex digits, as `standstill agreement digest` does")
    return bytes.fromhex(text)


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise MalformedFile(f"{text!r} is none of the choices", hint=f"choose one of: {', '.join(choices)}")
        return text

    return read


def as_origin(text: str) -> str:
    if not is_origin(text):
        raise MalformedFile(
            f"{text[:128]!r} is not a log origin", hint="printable ASCII without spaces and +, 1 to 128 characters"
        )
    return text


def as_span(text: str) -> int:
    """A duration that may be zero, as in "0 s"."""
    if re.fullmatch(r"0 ?(s|min|h|d)", text):
        return 0
    seconds = seconds_from_text(text)
    if seconds > bounds.MAX_DURATION:
        raise MalformedFile("is 2^32 seconds or more", hint="choose a shorter one")
    return seconds


def as_head(text: str) -> tuple[int, ...]:
    try:
        return head_from_hex(text)
    except MalformedFile as error:
        raise MalformedFile(error.what, hint="write the head that `standstill lab init` prints") from None


def as_format(text: str) -> str:
    older = re.fullmatch(r"standstill-agreement/([0-9]{1,4})", text)
    if older is not None and text != FORMAT:
        raise MalformedFile(
            f"an agreement of format {older[1]}; this program reads {FORMAT}",
            hint="the parties have to write and sign it anew, or use the program that it was made with",
        )
    return one_of(FORMAT)(text)


def as_peak(text: str) -> int:
    peak = peak_from_text(text)
    if not 1 <= peak <= bounds.MAX_PEAK:
        raise MalformedFile(f"peak is {peak} units of 10^12 FLOP/s, not 1 to {bounds.MAX_PEAK}", hint="split the class")
    return peak


def as_cap(text: str) -> int:
    cap = cap_from_text(text)
    if cap > bounds.MAX_CAP:
        raise MalformedFile("the cap is 2^64 units of 10^12 FLOP or more", hint="lower it below 1.84e31 FLOP")
    return cap


def as_charge(text: str) -> int:
    charge = charge_from_text(text)
    if charge > bounds.MAX_CAP:
        raise MalformedFile("the charge is 2^64 units of 10^12 FLOP or more", hint="no claim counts so much")
    return charge


def as_external(text: str) -> tuple[bool, int | None]:
    """A rule for weights from outside: whether a list counts, and the amount for what is not on it."""
    if text.startswith("listed-or "):
        return True, as_charge(text.removeprefix("listed-or "))
    if text not in ("declared", "listed"):
        raise MalformedFile(f"{text!r} is none of the choices", hint='write "declared", "listed" or "listed-or 3e25 FLOP"')
    return text == "listed", None
