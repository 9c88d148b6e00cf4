"""A publication folder as hostile bytes: bounded listings, bytes and work, no symbolic links, files known by content, not by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from claims.agreement.file import parse_agreement
from claims.agreement.meters import Beside, beside
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.below import Found, file_digest, list_below, open_below, peek_below, read_below
from claims.base.errors import BadSignature, ClaimsError, UnreadableFile
from claims.base.files import CLAIM_LIMIT
from claims.claim.file import decode_claim
from claims.decisions.file import DECISION_LIMIT, Decision
from claims.status.notes import GRAVE, JUNK, PLAIN, Notes

__all__ = ["BUDGETS", "ClaimFile", "Folder", "SignedAgreement", "Stored", "open_stored", "read_stored"]

MAX_FILES = 20_000
"""Entries in one subfolder."""
RECORD_LIMIT = 4 * 2**20
TOML_LIMIT = 4 * 2**20
"""Largest agreement of a folder, bytes: a MiB of the worst text takes more than a second, and this is some 30,000 meters."""
SIGNATURES_LIMIT = 2**21
"""Largest signatures file, bytes: 256 hybrid signatures and what goes around them."""
BUDGETS = {
    "agreements/.toml": 3 * 2**20,
    "agreements/.meters.csv": 64 * 2**20,
    "agreements/.sigs": 32 * 2**20,
    "claims/.claim": 8 * 2**30,
    "claims/.proof": 8 * 2**30,
    "claims/.roots": 8 * 2**30,
    "decisions/.decision": 16 * 2**20,
    "evidence/.evidence": 64 * 2**20,
    "inspections/.record": 2**30,
    "receipts/.receipt": 16 * 2**20,
}
"""Bytes that are read of all files of a subfolder together: what costs more work per byte has less."""
MAX_PEEKS = 1000
"""Files of no published kind that are looked at."""
_PRIVATE = {b"SQLite format 3\0": "a private store or journal", b"-----BEGIN": "a private key"}
_EXPECTED = re.compile(r"claims/([a-z0-9][a-z0-9._-]*)-(?:0|[1-9][0-9]{0,7})\.(?:claim|roots|[a-z0-9._-]+\.(?:proof|roots))")

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """A file in the folder: where it is, and the SHA-256 of what it held when it was indexed."""

    root: Path
    path: str
    digest: bytes
    limit: int


@dataclass(frozen=True)
class ClaimFile:
    """A well-formed claim file; nothing in it is verified."""

    stored: Stored
    agreement: bytes
    lab: str
    period: int


@dataclass(frozen=True)
class SignedAgreement:
    """An agreement with the parties that have not signed it. ``signatures`` is None where the file is absent or does not verify."""

    agreement: Agreement
    signatures: AgreementSignatures | None
    unsigned: tuple[str, ...]


@dataclass
class Folder:
    """Reads a publication folder; what cannot be read or parsed is noted and left out.

    Attributes:
        labs: whose claim and roots files are read before others.
        notes: what counts for nothing, and why.
    """

    root: Path
    labs: Collection[str] = ()
    notes: Notes = field(default_factory=Notes)

    def note(self, what: str, weight: int = GRAVE) -> None:
        """Note a problem that is not one file's."""
        self.notes.add("", what, weight)

    def note_file(self, path: str, what: str) -> None:
        """Note what is wrong with a file; a claim's that stands under its expected name weighs more than what may be junk."""
        self.notes.add(path[:200], what, PLAIN if self._is_expected(path) else JUNK)

    def files(self, name: str, suffix: str) -> list[Found]:
        """Regular files of a subfolder with that suffix: expected names first, small ones before large ones.

        Raises:
            UnreadableFile: more than MAX_FILES entries, or unreadable.
        """
        try:
            listed = list_below(self.root, name, MAX_FILES)
        except UnreadableFile as error:
            if "symbolic link" not in error.what:
                raise
            self.note(f"{name}: not a folder, or a symbolic link: left out")
            return []
        found = []
        for item in listed or ():
            if item.name.startswith(".") or not item.name.endswith(suffix):
                continue
            if item.kind == "file":
                found.append(item)
            else:
                self.note_file(f"{name}/{item.name}", "not a regular file: left out")
        return sorted(found, key=lambda item: (not self._is_expected(f"{name}/{item.name}"), item.size, item.name))

    def note_private(self) -> None:
        """Note private keys, stores and openings among what is published: they are public from the first copy on."""
        folders = {kind.partition("/")[0] for kind in BUDGETS}
        peeks = MAX_PEEKS
        for folder in ("", "log", *sorted(folders)):
            try:
                listed = list_below(self.root, folder, MAX_FILES) or ()
            except UnreadableFile:
                continue  # said by whoever needs the folder
            for item in listed:
                known = f"{folder}/.{item.name.rpartition('.')[2]}" in BUDGETS or item.name in ("agreement.toml", "agreement.sigs")
                if known or item.kind != "file" or not peeks:
                    continue
                peeks -= 1
                path = f"{folder}/{item.name}".lstrip("/")
                start = peek_below(self.root, path, 64)
                what = next((what for magic, what in _PRIVATE.items() if start.startswith(magic) and b"PUBLIC KEY" not in start), None)
                if what is not None or item.name.endswith(".opening"):
                    what = what or "an opening for inspectors"
                    self.note(f"{path}: {what} is among what is published: remove it, and take it for known to all")

    def _is_expected(self, path: str) -> bool:
        match = _EXPECTED.fullmatch(path)
        return match is not None and match[1] in self.labs

    def read(self, name: str, suffix: str, limit: int, files: Iterable[Found] | None = None) -> Iterator[tuple[str, bytes]]:
        """Path and bytes of a subfolder's files, within their budget; what is unreadable or beyond it is noted and left out."""
        kind = f"{name}/{suffix}"
        left, unread = BUDGETS[kind], 0
        for item in self.files(name, suffix) if files is None else files:
            path = f"{name}/{item.name}"
            if item.size > limit:
                self.note_file(path, f"larger than {limit} bytes")
            elif item.size > left:
                unread += 1
            else:
                try:
                    data = read_below(self.root, path, limit)
                except ClaimsError as error:
                    self.note_file(path, self.reason(path, error))
                    continue
                left -= len(data)
                yield path, data
        if unread:
            budget = f"{BUDGETS[kind] // 2**20} MiB"
            self.note(f"{name}/: {unread} files ({suffix}) were left unread: together they are larger than {budget}")

    def reason(self, path: str, error: ClaimsError) -> str:
        """An error's words without the file's place."""
        return error.what.removeprefix(f"{self.root / path}: ").removeprefix(f"{path.rpartition('/')[2]}: ")

    def parsed(self, name: str, suffix: str, limit: int, decode: Callable[[bytes], T]) -> Iterator[tuple[str, T]]:
        """Files of a subfolder, decoded; those that are malformed are noted and left out."""
        for path, data in self.read(name, suffix, limit):
            try:
                yield path, decode(data)
            except ClaimsError as error:
                self.note_file(path, self.reason(path, error))

    def claims(self) -> list[ClaimFile]:
        """Every well-formed claim file, each content once."""
        found: dict[bytes, ClaimFile] = {}
        for path, data in self.read("claims", ".claim", CLAIM_LIMIT):
            try:
                claim = decode_claim(data)
            except ClaimsError as error:
                self.note_file(path, self.reason(path, error))
                continue
            digest = hashlib.sha256(data).digest()
            stored = Stored(self.root, path, digest, CLAIM_LIMIT)
            if path != f"claims/{claim.lab}-{claim.period}.claim":
                self.note_file(path, f"holds a claim of lab {claim.lab}, period {claim.period}")
            found.setdefault(digest, ClaimFile(stored, claim.agreement_digest, claim.lab, claim.period))
        return list(found.values())

    def by_digest(self, name: str, suffix: str, limit: int) -> dict[bytes, Stored]:
        """Files of a subfolder by the SHA-256 of their content."""
        found: dict[bytes, Stored] = {}
        for path, data in self.read(name, suffix, limit):
            digest = hashlib.sha256(data).digest()
            found.setdefault(digest, Stored(self.root, path, digest, limit))
        return found

    def decisions(self) -> list[Decision]:
        """Every well-formed decision; signatures are not checked."""
        return [item for _, item in self.parsed("decisions", ".decision", DECISION_LIMIT, Decision.decode)]

    def agreement(self) -> SignedAgreement:
        """agreement.toml with agreement.sigs. Raises ClaimsError where the agreement cannot be read."""
        found = {item.name for item in list_below(self.root, "", MAX_FILES) or ()}
        path, sigs = "agreement.toml", "agreement.sigs"
        if path not in found:
            raise UnreadableFile(f"{self.root}: there is no {path} in it", "name a publication folder: what the parties published")
        agreement = _parse(path, read_below(self.root, path, TOML_LIMIT), beside(self.root))
        signatures = None
        if sigs in found:
            try:
                signatures = AgreementSignatures.decode(read_below(self.root, sigs, SIGNATURES_LIMIT))
            except ClaimsError as error:
                self.note(f"{sigs}: {self.reason(sigs, error)}")
        return self._signed(sigs, agreement, signatures)

    def agreements(self, present: Agreement) -> list[SignedAgreement]:
        """The readable agreements in agreements/, each digest once.

        A signatures file says of which agreement it is: those that the present one amends are parsed first, then the others that have
        signatures, then the rest, small ones before large ones, until their budget is spent.
        """
        signed: dict[str, AgreementSignatures] = {
            path.removesuffix(".sigs"): item
            for path, item in self.parsed("agreements", ".sigs", SIGNATURES_LIMIT, AgreementSignatures.decode)
        }
        files = {f"agreements/{item.name}".removesuffix(".toml"): item for item in self.files("agreements", ".toml")}
        found: dict[bytes, SignedAgreement] = {}
        tables = self._tables()
        for path, data in self.read("agreements", ".toml", TOML_LIMIT, _in_order(present, files, signed, found)):
            stem = path.removesuffix(".toml")
            try:
                item = self._signed(f"{stem}.sigs", _parse(path, data, tables), signed.get(stem))
            except ClaimsError as error:
                self.note_file(path, self.reason(path, error))
                continue
            known = found.get(item.agreement.digest)
            if known is None or len(item.unsigned) < len(known.unsigned):
                found[item.agreement.digest] = item
        return list(found.values())

    def _tables(self) -> Beside:
        """Meter tables in agreements/, within their budget: each use counts, since parsing is what costs."""
        kind, read = "agreements/.meters.csv", beside(self.root, "agreements")
        left = BUDGETS[kind]

        def within(name: str) -> bytes:
            nonlocal left
            data = read(name)
            if len(data) > left:
                raise UnreadableFile(f"left unread: the meter tables are larger than {BUDGETS[kind] // 2**20} MiB together")
            left -= len(data)
            return data

        return within

    def _signed(self, sigs: str, agreement: Agreement, signatures: AgreementSignatures | None) -> SignedAgreement:
        everyone = tuple(party.name for party in agreement.parties)
        if signatures is None:
            return SignedAgreement(agreement, None, everyone)
        try:
            return SignedAgreement(agreement, signatures, tuple(signatures.missing(agreement)))
        except BadSignature as error:
            if sigs == "agreement.sigs":
                self.note(f"{sigs}: {error.what}")
            else:
                self.note_file(sigs, error.what)
            return SignedAgreement(agreement, None, everyone)


def _in_order(
    present: Agreement, files: Mapping[str, Found], signed: Mapping[str, AgreementSignatures], found: Mapping[bytes, SignedAgreement]
) -> Iterator[Found]:
    """Agreements to parse; ``found`` grows meanwhile, and says which one is wanted next."""
    by_digest: dict[bytes, list[str]] = {}
    for stem in files:
        if stem in signed:
            by_digest.setdefault(signed[stem].agreement, []).append(stem)
    given, wanted = set(), present.amends
    while wanted is not None:
        for stem in by_digest.pop(wanted.digest, []):
            given.add(stem)
            yield files[stem]
        item = found.get(wanted.digest)
        wanted = None if item is None else item.agreement.amends
    rest = [stem for stem in files if stem not in given]
    yield from (files[stem] for stem in sorted(rest, key=lambda stem: stem not in signed))


def _parse(path: str, data: bytes, read: Beside) -> Agreement:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableFile(f"{path}: not UTF-8 text") from None
    return parse_agreement(text, path.rpartition("/")[2], read)


def open_stored(stored: Stored) -> BinaryIO:
    """The file again, open. Raises UnreadableFile when it changed meanwhile."""
    file = open_below(stored.root, stored.path, stored.limit)
    if file_digest(file) != stored.digest:
        file.close()
        raise UnreadableFile(f"{stored.path}: changed while it was read", "try again")
    return file


def read_stored(stored: Stored) -> bytes:
    """The file again. Raises UnreadableFile when it changed meanwhile."""
    data = read_below(stored.root, stored.path, stored.limit)
    if hashlib.sha256(data).digest() != stored.digest:
        raise UnreadableFile(f"{stored.path}: changed while it was read", "try again")
    return data
