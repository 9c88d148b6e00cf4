"""Writing the page: a folder of static files, whole or not at all, the same bytes for the same input.

    publication folder --collect--> files --claims.status.compute--> state --model--> view --render--> index.html

The new page is made beside its place and renamed into it. An earlier page there is recognised by its marker and its
SHA256SUMS, and replaced only if it holds nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims.base.errors import MalformedFile, UnreadableFile
from claims.base.files import read_bounded
from claims.base.packaged import packaged
from claims.site.collect import collect, read_published
from claims.site.render import page

if TYPE_CHECKING:
    from claims.status.model import State

__all__ = ["FORMAT", "MARKER", "SUMS", "SiteReport", "generate"]

FORMAT = "standstill-site/1"
MARKER = "standstill-site"
"""File that marks a folder as a page made by this program; its content is ``FORMAT`` and a newline."""
SUMS = "SHA256SUMS"

_ASSETS = ("page", "verifier", "vendor")
"""Folders beside this file that are on every page; what lies in the first goes to the page's own folder."""
_TEMPLATE = "index.html"
_SUMS_LIMIT = 64 * 2**20


@dataclass(frozen=True)
class SiteReport:
    """What was written, and of which state. ``left_out``: paths of the publication folder that are not on the page, with the reason."""

    files: int
    bytes: int
    left_out: tuple[tuple[str, str], ...]
    state: State


class _Writer:
    """Writes files below a new folder and remembers their digests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sums: dict[str, str] = {}
        self.bytes = 0

    def write(self, path: str, data: bytes) -> str:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "xb") as file:
            file.write(data)
        os.chmod(target, 0o644)
        self.sums[path] = hashlib.sha256(data).hexdigest()
        self.bytes += len(data)
        return self.sums[path]

    def finish(self) -> None:
        lines = "".join(f"{self.sums[path]}  {path}\n" for path in sorted(self.sums))
        self.write(SUMS, lines.encode())
        for folder, _, _ in os.walk(self.root):
            os.chmod(folder, 0o755)


def generate(folder: Path, out: Path, *, now: int) -> SiteReport:
    """Write the page of a publication folder.

    Args:
        folder: the publication folder (FORMATS-status.md); only read.
        out: where the page goes: a new or empty folder, or one that holds an earlier page and nothing else. It may
            neither lie in ``folder`` nor hold it.
        now: Unix seconds for which the state is computed.

    Raises:
        UnreadableFile: a folder or file that cannot be read or written, or ``out`` holds something else.
        ClaimsError: the agreement is not valid; a private key lies among the files.
    """
    from claims.site.model import view_of
    from claims.status.compute import compute

    source, target = folder.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise UnreadableFile(f"{out}: lies in the publication folder, or holds it", "choose another folder")
    _check_target(target)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=_parent(target)))
    try:
        writer = _Writer(temporary)
        copied, left = _copy(source, writer)
        state = compute(source, now=now)
        view, binaries = view_of(source, copied, state)
        _write_page(writer, view, binaries)
        _put_in_place(temporary, target)
    except OSError as error:
        raise UnreadableFile(f"{error.filename or out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return SiteReport(len(writer.sums), writer.bytes, tuple(left), state)


def _copy(source: Path, writer: _Writer) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    found, unknown = collect(source)
    copied, left = [], [(path, "no kind of file that is published") for path in unknown]
    for item in found:
        try:
            data = read_published(source, item)
        except (MalformedFile, UnreadableFile) as error:
            left.append((item.path, error.what))
            continue
        path = f"files/{item.path}"
        copied.append({"path": path, "bytes": len(data), "sha256": writer.write(path, data), "kind": item.kind})
    return copied, sorted(left)


def _write_page(writer: _Writer, view: dict[str, Any], binaries: Mapping[str, bytes]) -> None:
    for path, data in binaries.items():
        writer.write(path, data)
    for folder in _ASSETS:
        base = "" if folder == "page" else f"{folder}/"
        for name, file in packaged("claims.site", folder):
            if name != _TEMPLATE:
                writer.write(base + name, file.read_bytes())
    template = files("claims.site").joinpath("page", _TEMPLATE).read_text(encoding="utf-8")
    writer.write("index.html", page(template, view).encode())
    writer.write("site.json", (json.dumps(view, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode())
    writer.write(MARKER, f"{FORMAT}\n".encode())
    writer.finish()


# ---- the place ----------------------------------------------------------------------------------------------


def _parent(target: Path) -> Path:
    if not target.parent.is_dir():
        raise UnreadableFile(f"{target.parent}: not a folder")
    return target.parent


def _check_target(target: Path) -> None:
    """Refuse a place that holds anything but an earlier page."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UnreadableFile(f"{target}: exists already and is no folder")
    present = {
        path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    if not present:
        return
    hint = "choose another folder; nothing was changed"
    marker = target / MARKER
    if not marker.is_file() or not read_bounded(marker, 64).startswith(b"standstill-site/"):
        raise UnreadableFile(f"{target}: holds files, and is not a page made by this program", hint)
    if not (target / SUMS).is_file():
        raise UnreadableFile(f"{target}: an earlier page without its {SUMS}", hint)
    lines = read_bounded(target / SUMS, _SUMS_LIMIT).decode("utf-8", "replace").splitlines()
    known = {line[66:] for line in lines} | {SUMS}
    foreign = sorted(present - known)
    if foreign:
        raise UnreadableFile(f"{target}: holds {foreign[0]}, which is not of the earlier page", hint)


def _put_in_place(temporary: Path, target: Path) -> None:
    """Rename the new page into its place; an earlier one is moved aside first, and back if that fails."""
    if not target.exists():
        os.rename(temporary, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    old = aside / "page"
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(old, target)
        raise
    finally:
        if not old.exists() or target.exists():
            shutil.rmtree(aside, ignore_errors=True)
