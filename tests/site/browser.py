"""Runs a scenario of browser.mjs against a folder served on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from claims.site.serve import make_server

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("STANDSTILL_NODE_MODULES", HERE / "node_modules"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def why_not() -> str:
    """Why no browser test can run here, or ""."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not CHROMIUM:
        return "chromium is not installed: apt-get install chromium, or set CHROMIUM"
    for package in ("playwright-core", "axe-core"):
        if not (MODULES / package / "package.json").is_file():
            return f"{package} is not installed: npm ci --ignore-scripts in tests/site, or set STANDSTILL_NODE_MODULES"
    return ""


needs_browser = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder that is served for as long as the block lasts."""
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def drive(scenario: str, url: str, *, timeout: int = 560, **options: Any) -> dict[str, Any]:
    """What a scenario saw; fails when the script itself does."""
    environment = {**os.environ, "STANDSTILL_NODE_MODULES": str(MODULES.resolve()), "CHROMIUM": str(CHROMIUM)}
    command = ["node", str(HERE / "browser.mjs"), scenario, url, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
