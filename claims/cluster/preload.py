"""Loaded by Dask before a scheduler, nanny or worker of a run listens (``preload`` in its settings). It does nothing elsewhere."""

from __future__ import annotations

from typing import Any

import dask
from distributed.http.routing import RoutingApplication
from distributed.node import ServerNode
from tornado.httpserver import HTTPServer

from claims.cluster.pickles import install


def _no_http(self: Any, routes: Any, *_: Any, **__: Any) -> None:
    """In place of Dask's HTTP server, which listens without authentication whatever the settings are: one that never listens."""
    self.http_application = RoutingApplication(routes)
    self.http_server = HTTPServer(self.http_application)


if dask.config.get("standstill.run", False):
    ServerNode.start_http_server = _no_http
    install()
