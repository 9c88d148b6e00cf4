"""What is known of an agreement's keys, beside it: the words about them that a log has, in its order (``standstill-keys/1``).

    {"agreement": "<digest>", "entries": ["<hex>", ...], "format": "standstill-keys/1"}

Each word is signed and is judged where it stands, as in the log: so the file can be old, and puts no key in force that no log did.
"""

from __future__ import annotations

from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import from_json, to_json
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.claim.entries import decode_entry, encode_entry
from claims.claim.entry_kinds import KeyEntry
from claims.claim.keys import KeyBook

__all__ = ["FORMAT", "KEYS_LIMIT", "decode_keys", "encode_keys", "titles_of"]

FORMAT = "standstill-keys/1"
KEYS_LIMIT = 2**26


def encode_keys(book: KeyBook) -> bytes:
    """Canonical JSON of the words that counted in a log."""
    entries = [encode_entry(word).hex() for _, word in book.words]
    return to_json({"agreement": book.agreement.digest.hex(), "entries": entries, "format": FORMAT})


def titles_of(data: bytes) -> list[str]:
    """What the words of such a file say, whether they count or not. Raises MalformedFile."""
    try:
        value: Any = from_json(data)
        return [decode_entry(bytes.fromhex(item)).title for item in value["entries"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
        raise MalformedFile("not a canonical keys file", hint="make it again: standstill key update") from None


def decode_keys(data: bytes, agreement: Agreement) -> KeyBook:
    """The keys as such a file has them.

    Raises:
        MalformedFile: not such a file of this agreement, or a word that does not count where it stands.
    """
    book, why = KeyBook(agreement), "not a canonical keys file"
    try:
        value: Any = from_json(data)
        words = [decode_entry(bytes.fromhex(item)) for item in value["entries"]]
        good = bytes.fromhex(value["agreement"]) == agreement.digest
        for index, word in enumerate(words):
            good = good and isinstance(word, KeyEntry) and word.agreement == agreement.digest
            if good:
                book.add(word, index)  # type: ignore[arg-type]
        good = good and encode_keys(book) == data
    except (BadSignature, ClaimRejected) as error:
        good, why = False, f"a keys file with a word that does not count: {error.what}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedFile):
        good = False
    if not good:
        raise MalformedFile(why, hint="make it again: standstill key update")
    return book
