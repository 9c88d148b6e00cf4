"""Key files and atomic writes."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from claims.base import keys
from claims.base.errors import KeyFileError, UnreadableFile
from claims.base.files import read_bounded, write_atomic, write_new
from claims.base.keys import generate_key_file, load_key_file, public_bytes, public_text, read_passphrase_file


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    old = os.umask(0)
    try:
        public = generate_key_file(path, None)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_bytes(load_key_file(path)) == public and public_text(public) == f"ed25519:{public.hex()}"
    with pytest.raises(UnreadableFile, match="exists already"):
        generate_key_file(path, None)
    link = tmp_path / "link.key"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableFile):
        generate_key_file(link, None)


def test_encrypted_keys(tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "ROUNDS", rounds)
    path = tmp_path / "a.key"
    public = generate_key_file(path, b"correct horse")
    assert b"ENCRYPTED" in path.read_bytes()
    assert (600_000).to_bytes(3, "big") in base64.b64decode(b"".join(path.read_bytes().split(b"\n")[1:-2]))
    assert public_bytes(load_key_file(path, lambda: b"correct horse")) == public
    with pytest.raises(KeyFileError, match="another passphrase") as caught:
        load_key_file(path, lambda: b"wrong horse")
    assert "wrong horse" not in str(caught.value)
    with pytest.raises(KeyFileError, match="encrypted"):
        load_key_file(path)
    with pytest.raises(KeyFileError, match="empty"):
        generate_key_file(tmp_path / "b.key", b"")


def test_encrypted_keys_of_other_programs_and_of_this_one_before(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    before = serialization.BestAvailableEncryption(b"horse")
    path = tmp_path / "old.key"
    write_new(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, before), 0o600)
    assert public_bytes(load_key_file(path, lambda: b"horse")) == public_bytes(key)
    public = generate_key_file(tmp_path / "new.key", b"horse")
    if (openssl := shutil.which("openssl")) is not None:
        command = [openssl, "pkey", "-in", tmp_path / "new.key", "-passin", "pass:horse", "-pubout", "-outform", "DER"]
        assert subprocess.run(command, capture_output=True, check=True).stdout.endswith(public)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_files_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    generate_key_file(path, None)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="others may read"):
        load_key_file(path)
    with pytest.raises(KeyFileError, match="others may read"):
        read_passphrase_file(path)


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    other = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, data in (("junk", b"junk"), ("empty", b""), ("x25519", other), ("large", bytes(70000)), ("fake", b"ENCRYPTED")):
        write_new(tmp_path / name, data, 0o600)
        with pytest.raises(KeyFileError):
            load_key_file(tmp_path / name, lambda: b"x")
    with pytest.raises(KeyFileError):
        load_key_file(Path("/dev/null"))
    with pytest.raises(UnreadableFile):
        load_key_file(tmp_path / "missing")


def test_passphrase_files(tmp_path: Path) -> None:
    write_new(tmp_path / "p", b"secret words\nsecond line\n", 0o600)
    assert read_passphrase_file(tmp_path / "p") == b"secret words"
    write_new(tmp_path / "e", b"\nsecond", 0o600)
    with pytest.raises(KeyFileError, match="empty"):
        read_passphrase_file(tmp_path / "e")


def test_reads_are_bounded_and_of_files_only(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    with pytest.raises(UnreadableFile, match="larger than 4"):
        read_bounded(tmp_path / "a", 4)
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/zero", tmp_path / "none", "a\0b"):
        with pytest.raises(UnreadableFile):
            read_bounded(path, 10)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "a", b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UnreadableFile, match="no space is left; free some"):
        write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]
