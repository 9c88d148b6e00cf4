"""Where a log lies: a folder or a static web host, both hostile. Reads are bounded in bytes and time.

A folder's files are opened component by component without following symbolic links below the folder itself. A host (web.py)
redirects to no other host or scheme, and has a deadline per file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urljoin, urlsplit

from claims.base.below import AbsentFile, names_below, read_below, tail_below
from claims.base.errors import UnreadableFile
from claims.tlog.errors import LogError
from claims.tlog.tiles import MAX_SIZE
from claims.tlog.web import Host

__all__ = ["FolderSource", "HttpSource", "SIZES", "Source", "newest_sizes", "open_source", "read_wide"]

SIZES = "checkpoints/sizes"

SIZES_LIMIT = 8 * 2**20
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


class Source(Protocol):
    """Something that holds a log's files."""

    def read(self, path: str, limit: int) -> bytes | None:
        """A file's bytes, None when there is none. Raises LogError for anything else, and above ``limit``."""

    def sizes(self) -> list[int]:
        """Sizes of the stored checkpoints, ascending; hostile."""

    def tail(self, path: str, most: int) -> bytes:
        """The last bytes of a file, ``most`` or, where the place has no shorter answer, all of it; nothing where there is no file."""


def read_wide(source: Source, path: str, full: str, limit: int) -> bytes | None:
    """A partial file, or the full one that replaced it."""
    data = source.read(path, limit)
    return source.read(full, limit) if data is None and path != full else data


def newest_sizes(source: Source, most: int) -> list[int]:
    """The last sizes that the log's list of them names, ascending, ``most`` at most; hostile."""
    lines = source.tail(SIZES, 17 * (most + 1)).decode("ascii", "replace").split("\n")[:-1]
    return sorted({int(line) for line in lines[-most:] if _SIZE.fullmatch(line)})


def open_source(where: str | os.PathLike[str]) -> Source:
    """A folder, or the host of an ``http://`` or ``https://`` address."""
    text = os.fspath(where)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        return HttpSource(text)
    return FolderSource(Path(text))


class FolderSource:
    """A log in a folder, or in the subfolder ``below`` it, to which no link may lead either."""

    def __init__(self, folder: str | os.PathLike[str], below: str = "") -> None:
        self.folder = Path(folder)
        self._base = f"{below}/" if below else ""

    def __str__(self) -> str:
        return str(self.folder / self._base)

    def read(self, path: str, limit: int) -> bytes | None:
        """See :class:`Source`. Symbolic links, devices and pipes below the folder are refused."""
        try:
            return read_below(self.folder, self._base + path, limit)
        except AbsentFile:
            return None
        except UnreadableFile as error:
            raise LogError(error.what) from None

    def sizes(self) -> list[int]:
        """See :class:`Source`."""
        try:
            found = names_below(self.folder, f"{self._base}checkpoints", 2 * MAX_SIZE)
        except UnreadableFile as error:
            raise LogError(error.what) from None
        return sorted(int(name) for name in found if _SIZE.fullmatch(name))

    def tail(self, path: str, most: int) -> bytes:
        """See :class:`Source`."""
        try:
            return tail_below(self.folder, self._base + path, most)
        except AbsentFile:
            return b""
        except UnreadableFile as error:
            raise LogError(error.what) from None


class HttpSource:
    """A log on a static web host. Arguments, and what is raised: as :class:`~claims.tlog.web.Host`."""

    def __init__(self, address: str, timeout: float = 20.0, deadline: float = 60.0, budget: float = 1800.0) -> None:
        self._host = Host(address, "a log", timeout, deadline, budget)
        self.address = self._host.address

    def __str__(self) -> str:
        return self.address

    def close(self) -> None:
        """Drop the connection."""
        self._host.close()

    def read(self, path: str, limit: int) -> bytes | None:
        """See :class:`Source`. 404 and 410 mean that there is none; up to 3 redirects within the same host are followed."""
        url = self.address + quote(path)
        for _ in range(4):
            answer = self._host.ask(url, limit)
            if answer.status == 200:
                return answer.body
            if answer.status in (404, 410):
                return None
            if answer.status not in (301, 302, 303, 307, 308):
                raise LogError(f"{url}: the host answers {answer.status}")
            try:
                target = urlsplit(urljoin(url, answer.location))
                site = (target.scheme, target.hostname, target.port)
            except ValueError:
                raise LogError(f"{url}: redirects to what is not an address") from None
            if site != self._host.site:
                raise LogError(f"{url}: redirects to another host or scheme")
            url = target.geturl()
        raise LogError(f"{url}: too many redirects")

    def sizes(self) -> list[int]:
        """See :class:`Source`: the lines of ``checkpoints/sizes``."""
        lines = self.tail(SIZES, SIZES_LIMIT).decode("ascii", "replace").split("\n")[:-1]  # the list grows: a line may not be whole yet
        if not all(map(_SIZE.fullmatch, lines)) or len(lines) > MAX_SIZE:
            raise LogError(f"{self.address}{SIZES}: not one size per line")
        return sorted(set(map(int, lines)))

    def tail(self, path: str, most: int) -> bytes:
        """See :class:`Source`: all of it."""
        return self.read(path, SIZES_LIMIT) or b""
