"""A publication folder as hostile bytes: bounded listings and reads, no symbolic links, files known by content, not by name."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from claims.agreement import Agreement
from claims.agreement_file import parse_agreement
from claims.claim import decode_claim
from claims.decision import DECISION_LIMIT, Decision
from claims.errors import BadSignature, ClaimsError, UnreadableFile
from claims.files import AGREEMENT_LIMIT, CLAIM_LIMIT
from claims.signatures import AgreementSignatures
from claims.text import replace_hidden

__all__ = ["ClaimFile", "Folder", "SignedAgreement", "Stored"]

MAX_FILES = 20_000
"""Entries in one subfolder."""
RECORD_LIMIT = 4 * 2**20
MAX_PROBLEMS = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """A file in the folder: where it is, and the SHA-256 of what it held when it was indexed."""

    path: Path
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
    """Reads a publication folder; what cannot be read or parsed is noted in ``problems`` and left out."""

    root: Path
    problems: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Note a problem, in one line whatever a file is called; at most MAX_PROBLEMS are kept."""
        what = replace_hidden(what, "\ufffd")
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(what)
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append("more problems are left out")

    def subfolder(self, name: str) -> Path | None:
        """The subfolder, unless it is absent or not a real folder."""
        path = self.root / name
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableFile(f"{path}: {error.strerror or error}") from None
        if not stat.S_ISDIR(mode):
            self.note(f"{name}: not a folder, or a symbolic link: left out")
            return None
        return path

    def files(self, name: str, suffix: str) -> list[Path]:
        """Regular files of a subfolder with that suffix, sorted by name. Raises UnreadableFile beyond MAX_FILES entries."""
        folder = self.subfolder(name)
        if folder is None:
            return []
        found: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                for count, entry in enumerate(entries):
                    if count >= MAX_FILES:
                        raise UnreadableFile(f"{folder}: more than {MAX_FILES} files", "remove what does not belong there")
                    if entry.name.startswith(".") or not entry.name.endswith(suffix):
                        continue
                    if not entry.is_file(follow_symlinks=False):
                        self.note(f"{name}/{entry.name[:100]}: not a regular file: left out")
                        continue
                    found.append(folder / entry.name)
        except OSError as error:
            raise UnreadableFile(f"{folder}: {error.strerror or error}") from None
        return sorted(found)

    def label(self, path: Path) -> str:
        """A path for messages, below the folder."""
        return str(path.relative_to(self.root))[:200]

    def parsed(self, name: str, suffix: str, limit: int, decode: Callable[[bytes], T]) -> Iterator[tuple[Path, T]]:
        """Files of a subfolder, decoded; those that are unreadable or malformed are noted and left out."""
        for path in self.files(name, suffix):
            try:
                yield path, decode(read_file(path, limit))
            except ClaimsError as error:
                self.note(f"{self.label(path)}: {error.what}")

    def claims(self) -> list[ClaimFile]:
        """Every well-formed claim file, each content once."""
        found: dict[bytes, ClaimFile] = {}
        for path in self.files("claims", ".claim"):
            try:
                data = read_file(path, CLAIM_LIMIT)
                claim = decode_claim(data)
            except ClaimsError as error:
                self.note(f"{self.label(path)}: {error.what}")
                continue
            digest = hashlib.sha256(data).digest()
            stored = Stored(path, digest, CLAIM_LIMIT)
            if path.name != f"{claim.lab}-{claim.period}.claim":
                self.note(f"{self.label(path)}: holds a claim of lab {claim.lab}, period {claim.period}")
            found.setdefault(digest, ClaimFile(stored, claim.agreement_digest, claim.lab, claim.period))
        return list(found.values())

    def by_digest(self, name: str, suffix: str, limit: int) -> dict[bytes, Stored]:
        """Files of a subfolder by the SHA-256 of their content."""
        found: dict[bytes, Stored] = {}
        for path in self.files(name, suffix):
            try:
                digest = hashlib.sha256(read_file(path, limit)).digest()
            except ClaimsError as error:
                self.note(f"{self.label(path)}: {error.what}")
                continue
            found.setdefault(digest, Stored(path, digest, limit))
        return found

    def decisions(self) -> list[Decision]:
        """Every well-formed decision; signatures are not checked."""
        return [item for _, item in self.parsed("decisions", ".decision", DECISION_LIMIT, Decision.decode)]

    def agreement(self) -> SignedAgreement:
        """agreement.toml with agreement.sigs. Raises ClaimsError where the agreement cannot be read."""
        return self._signed(self.root / "agreement.toml")

    def agreements(self) -> list[SignedAgreement]:
        """The readable agreements in agreements/, each digest once."""
        found: dict[bytes, SignedAgreement] = {}
        for path in self.files("agreements", ".toml"):
            try:
                item = self._signed(path)
            except ClaimsError as error:
                self.note(f"{self.label(path)}: {error.what}")
                continue
            known = found.get(item.agreement.digest)
            if known is None or len(item.unsigned) < len(known.unsigned):
                found[item.agreement.digest] = item
        return list(found.values())

    def _signed(self, path: Path) -> SignedAgreement:
        try:
            text = read_file(path, AGREEMENT_LIMIT).decode("utf-8")
        except UnicodeDecodeError:
            raise UnreadableFile(f"{path}: not UTF-8 text") from None
        agreement = parse_agreement(text, path.name)
        everyone = tuple(party.name for party in agreement.parties)
        beside = path.with_suffix(".sigs")
        if not os.path.lexists(beside):
            return SignedAgreement(agreement, None, everyone)
        try:
            signatures = AgreementSignatures.decode(read_file(beside, AGREEMENT_LIMIT))
            return SignedAgreement(agreement, signatures, tuple(signatures.missing(agreement)))
        except (BadSignature, ClaimsError) as error:
            self.note(f"{self.label(beside)}: {error.what}")
            return SignedAgreement(agreement, None, everyone)


def read_stored(stored: Stored) -> bytes:
    """The file again. Raises UnreadableFile when it changed meanwhile."""
    data = read_file(stored.path, stored.limit)
    if hashlib.sha256(data).digest() != stored.digest:
        raise UnreadableFile(f"{stored.path}: changed while it was read", "try again")
    return data


def read_file(path: Path, limit: int) -> bytes:
    """All bytes of a regular file that is not a symbolic link, at most ``limit``. Raises UnreadableFile."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableFile(f"{path}: not a regular file")
            if status.st_size > limit:
                raise UnreadableFile(f"{path}: larger than {limit} bytes")
            data = file.read(limit + 1)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}") from None
    if len(data) > limit:
        raise UnreadableFile(f"{path}: larger than {limit} bytes")
    return data
