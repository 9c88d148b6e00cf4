"""Where a log lies: a folder or a static web host, both hostile. Reads are bounded in bytes and time.

A folder's files are opened component by component without following symbolic links below the folder itself. A host is
spoken to over HTTP(S) directly (no proxy), follows no redirect to another host or scheme, and has a deadline per file.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urljoin, urlsplit

from claims.base.below import AbsentFile, names_below, read_below, tail_below
from claims.base.errors import UnreadableFile
from claims.tlog.errors import LogError
from claims.tlog.tiles import MAX_SIZE

__all__ = ["FolderSource", "HttpSource", "SIZES", "Source", "newest_sizes", "open_source", "read_wide"]

SIZES = "checkpoints/sizes"

SIZES_LIMIT = 8 * 2**20
_PAGE_LIMIT = 64 * 1024
_GZIP_EXTRA = 64 * 1024
"""Bytes that gzip's header may add to what does not compress; the limit of a file is for its decoded bytes."""
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
    """A log on a static web host.

    Args:
        address: ``http`` or ``https`` URL of the log's folder, without user, query and fragment.
        timeout: seconds for one network step; ``deadline``: seconds for one file; ``budget``: for all files together.
    """

    def __init__(self, address: str, timeout: float = 20.0, deadline: float = 60.0, budget: float = 1800.0) -> None:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise LogError("not a web address") from None
        if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
            raise LogError("a log's address is http:// or https://, a host and a path, and no more")
        if not address.isascii() or not address.isprintable() or " " in address:
            raise LogError("a log's address is printable ASCII")
        self.address = address.rstrip("/") + "/"
        self._site = (parts.scheme, host, port)
        self._timeout, self._deadline, self._budget = timeout, deadline, budget
        self._connection: http.client.HTTPConnection | None = None

    def __str__(self) -> str:
        return self.address

    def _connect(self) -> http.client.HTTPConnection:
        scheme, host, port = self._site
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def read(self, path: str, limit: int) -> bytes | None:
        """See :class:`Source`. 404 and 410 mean that there is none; up to 3 redirects within the same host are followed."""
        url = self.address + quote(path)
        for _ in range(4):
            kind, value = self._fetch(url, limit)
            if kind == "data":
                return value
            if kind == "absent":
                return None
            try:
                target = urlsplit(urljoin(url, value.decode("latin-1")))
                site = (target.scheme, target.hostname, target.port)
            except ValueError:
                raise LogError(f"{url}: redirects to what is not an address") from None
            if site != self._site:
                raise LogError(f"{url}: redirects to another host or scheme")
            url = target.geturl()
        raise LogError(f"{url}: too many redirects")

    def _fetch(self, url: str, limit: int) -> tuple[str, bytes]:
        """One request, tried again once when a kept connection has gone."""
        for kept in (self._connection is not None, False):
            if self._connection is None:
                self._connection = self._connect()
            if self._budget <= 0:
                raise LogError(f"{self.address}: the host is too slow")
            begin = time.monotonic()
            late = threading.Event()
            sockets: list[socket.socket] = []
            timer = threading.Timer(min(self._deadline, self._budget), _cut, (sockets, late))
            timer.daemon = True
            timer.start()
            try:
                if self._connection.sock is None:
                    self._connection.connect()
                sockets.append(self._connection.sock)  # the connection forgets it when an answer ends with the connection
                result = self._exchange(self._connection, url, limit)
                if late.is_set():
                    raise LogError(f"{url}: took too long")
                return result
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                if kept and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    continue
                raise LogError(f"{url}: {str(error) or type(error).__name__}") from None
            except LogError:
                self.close()
                raise
            finally:
                timer.cancel()
                self._budget -= time.monotonic() - begin
        raise LogError(f"{url}: the host closed the connection")

    def _exchange(self, connection: http.client.HTTPConnection, url: str, limit: int) -> tuple[str, bytes]:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept-Encoding": "gzip, identity", "User-Agent": "standstill"})
        response = connection.getresponse()
        coding = (response.getheader("Content-Encoding") or "identity").lower()
        most = limit if coding == "identity" else 2 * limit + _GZIP_EXTRA
        data = response.read((most if response.status == 200 else _PAGE_LIMIT) + 1)
        whole = response.isclosed() and not response.length
        if response.will_close or not whole:
            self.close()
        if response.status in (404, 410):
            return "absent", b""
        if response.status in (301, 302, 303, 307, 308):
            return "redirect", (response.getheader("Location") or "").encode("latin-1", "replace")
        if response.status != 200:
            raise LogError(f"{url}: the host answers {response.status}")
        if len(data) > most:
            raise LogError(f"{url}: larger than {limit} bytes")
        if response.length:
            raise LogError(f"{url}: the host broke off")
        if coding in ("gzip", "x-gzip"):
            return "data", _gunzip(data, limit, url)
        if coding != "identity":
            raise LogError(f"{url}: content encoding {coding!r} was not asked for")
        return "data", data

    def sizes(self) -> list[int]:
        """See :class:`Source`: the lines of ``checkpoints/sizes``."""
        lines = self.tail(SIZES, SIZES_LIMIT).decode("ascii", "replace").split("\n")[:-1]  # the list grows: a line may not be whole yet
        if not all(map(_SIZE.fullmatch, lines)) or len(lines) > MAX_SIZE:
            raise LogError(f"{self.address}{SIZES}: not one size per line")
        return sorted(set(map(int, lines)))

    def tail(self, path: str, most: int) -> bytes:
        """See :class:`Source`: all of it."""
        return self.read(path, SIZES_LIMIT) or b""


def _gunzip(data: bytes, limit: int, url: str) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    try:
        result = engine.decompress(data, limit + 1)
    except zlib.error:
        raise LogError(f"{url}: not gzip data") from None
    if len(result) > limit or not engine.eof or engine.unused_data:
        raise LogError(f"{url}: larger than {limit} bytes unpacked, or cut short")
    return result


def _cut(sockets: Sequence[socket.socket], late: threading.Event) -> None:
    """End a request that drips: the reader's next network step fails."""
    late.set()
    for item in sockets:
        with suppress(OSError):
            item.shutdown(socket.SHUT_RDWR)
