"""The page's modules under Node: what the browser would make of a site.json, without a browser."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
SCRIPT = Path(__file__).with_name("page.mjs")


def runnable(folder: Path) -> Path:
    """A page whose scripts Node takes as modules."""
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


class PageNode:
    """One Node process for one page: proofs that it has verified once are not verified again."""

    def __init__(self, folder: Path) -> None:
        self.folder = runnable(folder)
        command = ["node", str(SCRIPT), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def verdicts(self, cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The verdict on each case: kind, against, open, stale, own, findings. A case: see page.mjs; changed files are bytes here."""
        keep = {"bring": self._kept}
        cases = [{key: keep.get(key, lambda value: value)(value) for key, value in item.items()} for item in cases]
        plain = [item | {"changed": {path: self._kept(data) for path, data in item.get("changed", {}).items()}} for item in cases]
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(plain) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Node ended; its error is above"
        found: list[dict[str, Any]] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def _kept(self, data: bytes | None) -> str | None:
        if data is None:
            return None
        place = self.folder.with_name(f"{hashlib.sha256(data).hexdigest()}.bin")
        if not place.exists():
            place.write_bytes(data)
        return str(place)
