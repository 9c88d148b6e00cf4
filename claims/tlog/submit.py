"""Asking witnesses to cosign a log's newest head (C2SP tlog-witness), and keeping their cosignatures in the log's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from claims.base.units import format_time
from claims.tlog.add_checkpoint import PATH, SIZE_TYPE, AddCheckpoint, parse_size
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint, cosignatures
from claims.tlog.cosign import add_cosignatures
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.note import Note, parse_lines
from claims.tlog.reader import AHEAD, read_checkpoint
from claims.tlog.source import FolderSource
from claims.tlog.tree import Tree
from claims.tlog.web import Answer, Host

__all__ = ["Submission", "submit"]

_ANSWER_LIMIT = 64 * 1024
_TRIES = 3
"""The first asks for the witness's size; another client may come between the second and it."""
_WORDS = {
    400: "does not understand the request",
    403: "does not know this log, or does not take its signature",
    404: "does not know this log",
    422: "has cosigned a head that this one does not extend: the log forked, or the witness errs",
    429: "is asked too often: try again later",
}


@dataclass(frozen=True)
class Submission:
    """What came of asking one witness: the names of those whose cosignatures were kept, or why there are none."""

    address: str
    names: tuple[str, ...]
    problem: str = ""


def submit(
    folder: Path, trust: LogTrust, addresses: list[str], now: Callable[[], int], *, deadline: float = 20.0
) -> tuple[int, list[Submission]]:
    """Show the newest head to witnesses, one after the other; returns its size and what came of each. Needs no key.

    A cosignature counts that one of ``trust``'s cosigners made now, by this machine's clock. It is added to the head in the folder.

    Args:
        addresses: submission prefixes, ``http`` or ``https``, without user, query and fragment. ``now``: Unix seconds.
        deadline: seconds for one request.

    Raises:
        LogError: the folder holds no log that can be read, or an address is none; nobody was asked.
    """
    source = FolderSource(folder)
    head = read_checkpoint(source, "checkpoint", trust.alone())
    if head is None:
        raise LogError(f"{folder}: there is no log (no file checkpoint)")
    own = tuple(item for key in trust.log_keys for item in head.note.by(key))
    asked = _Asked(Note(head.note.text, own), head, Tree(source, head.head.size, head.head.root), trust, now)
    hosts = [Host(address, "a witness", timeout=deadline, deadline=deadline, budget=_TRIES * deadline) for address in addresses]
    found = []
    for host in hosts:
        try:
            names = add_cosignatures(folder, trust, asked.ask(host).encode())
            found.append(Submission(host.address, tuple(names)))
        except LogError as error:
            found.append(Submission(host.address, (), error.what.removeprefix(f"{host.address}{PATH}: ")))
        finally:
            host.close()
    return head.head.size, found


@dataclass(frozen=True)
class _Asked:
    """A head with the log's own lines, and the tree that it is of."""

    note: Note
    head: SignedCheckpoint
    tree: Tree
    trust: LogTrust
    now: Callable[[], int]

    def ask(self, host: Host) -> Note:
        """The head with the witness's cosignatures. Raises LogError: there are none that count."""
        old, size = 0, self.head.head.size
        for _ in range(_TRIES):
            body = AddCheckpoint(old, tuple(self.tree.consistency(old)), self.note.encode()).encode()
            answer = host.ask(host.address + PATH, _ANSWER_LIMIT, body)
            if answer.status == 200:
                return self._cosigned(answer.body)
            old = self._size(answer, old, size)
        raise LogError("says each time that it has cosigned another size")

    @staticmethod
    def _size(answer: Answer, old: int, size: int) -> int:
        """The size that the witness cosigned last, where that is why it refused. Raises LogError for any other answer."""
        if answer.status != 409:
            raise LogError(_WORDS.get(answer.status, f"answers {answer.status}"))
        if answer.kind != SIZE_TYPE:
            raise LogError("has cosigned another tree of this size: the log forked, or the witness errs")
        known = parse_size(answer.body.decode("ascii", "replace").removesuffix("\n"))
        if known is None or known == old:
            raise LogError("does not answer with a size that it can have cosigned")
        if known > size:
            raise LogError(f"has cosigned size {known}, and this log has {size} entries: it went back, or this is an older copy")
        return known

    def _cosigned(self, body: bytes) -> Note:
        """What counts of an answer: of each known cosigner the first cosignature, if it is of now. Raises LogError: nothing does."""
        lines = parse_lines(body)
        answered, keep = Note(self.note.text, lines), []
        for name, key in self.trust.cosigners.items():
            found, bad = cosignatures(answered, key)
            if any(item.name == name for item in bad):
                raise LogRejected(f"answers with a line of {name} that does not verify")
            for (time, _), signed in list(found.items())[:1]:
                if abs(time - self.now()) > AHEAD:
                    raise LogError(f"dates its cosignature {format_time(time)}, and the clock here shows {format_time(self.now())}")
                keep += signed
        if not keep:
            names = ", ".join(sorted({item.name for item in lines})[:4])
            raise LogError(f"cosigns as {names}: no whole cosignature by a key that is known here")
        return Note(self.note.text, (*self.note.signatures, *keep))
