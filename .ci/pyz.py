"""Builds standstill-verify.pyz: the verifier as one file, run by `python3 standstill-verify.pyz`. The same commit gives the same bytes.

In it: standstill.py, the tracked files of zk/, circuits/ and claims/, and the package click at one version, by its SHA-256. Not in
it: cryptography, which has machine code. It is taken from the machine; without it no signature is checked and every verdict is INCOMPLETE.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLICK = "click==8.3.1 --hash=sha256:981153a64e25f12d547d3426c367a4857371575ee7ad18df2a6183ab0545b2a6"
DEMONSTRATION = ("claims/data/mlperf/", "claims/data/olmo/", "claims/data/drand/")
"""Data that only the demonstration reads, which needs the prover."""
MAIN = """\
from standstill import main

if __name__ == "__main__":
    main()
"""


def own_files() -> dict[str, bytes]:
    """Tracked files of the three packages, and the licence, by path. Raises CalledProcessError outside a git checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", "standstill.py", "zk", "circuits", "claims", "LICENSE"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = (name for name in names if name and not name.startswith(DEMONSTRATION))
    return {name: (ROOT / name).read_bytes() for name in wanted}


def click_files() -> dict[str, bytes]:
    """Files of click's wheel. Raises CalledProcessError where pip cannot get exactly that wheel."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{CLICK}\n", encoding="ascii")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--require-hashes", "--only-binary", ":all:", "-d", folder, "-r", str(wanted)], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith(("/", "RECORD", "WHEEL"))}


def packed(files: dict[str, bytes]) -> bytes:
    """One zip file: paths in order, one date, nothing compressed, since compressors differ."""
    buffer = io.BytesIO(b"")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, data)
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


def build(target: Path) -> str:
    """Writes the file; returns its SHA-256 as hex."""
    data = packed({**click_files(), **own_files(), "__main__.py": MAIN.encode("ascii")})
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(0o755)
    temporary.replace(target)
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "standstill-verify.pyz"
    print(f"{build(place)}  {place}")
