"""Serving a page on this machine only, with the headers that a host of it should send."""

from __future__ import annotations

import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from claims.base.errors import UnreadableFile
from claims.site.generate import MARKER

__all__ = ["HEADERS", "make_server"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Sent with every answer. A policy in a header, unlike one in the page, also forbids frames around it."""


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {
        "": "application/octet-stream",
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".toml": "text/plain; charset=utf-8",
        ".md": "text/plain; charset=utf-8",
    }
    server_version = "standstill"
    sys_version = ""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The log's heads are text, as C2SP tlog-tiles wants them served."""
        place = Path(path)
        head = place.name == "checkpoint" or place.parent.name == "checkpoints"
        return "text/plain; charset=utf-8" if head else super().guess_type(path)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: object) -> None:  # type: ignore[override]
        self.send_error(404, "no listing")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: who reads what is nobody's business."""


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a page on 127.0.0.1; port 0 takes a free one. Call ``serve_forever`` and ``server_close``.

    Raises:
        UnreadableFile: the folder holds no page, or the port cannot be had.
    """
    if not (folder / MARKER).is_file():
        raise UnreadableFile(f"{folder}: holds no page made by this program")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise UnreadableFile(f"port {port}: {error}") from None
