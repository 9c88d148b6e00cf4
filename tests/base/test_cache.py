"""The reader's own cache: what is not exactly what this software put there, for this user alone, is as if it were not there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims.base import cache as module
from claims.base.cache import Cache, cache_folder, open_cache


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("STANDSTILL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "standstill"


@pytest.fixture
def cache(place: Path) -> Iterator[Cache]:
    with open_cache() as found:
        assert found is not None
        yield found


def kept(place: Path) -> Path:
    (path,) = place.iterdir()
    return path


def test_what_was_put_is_found_under_its_kind_and_key_alone(place: Path, cache: Cache) -> None:
    cache.put("kind", b"key", b"data")
    assert cache.get("kind", b"key", 4) == b"data"
    assert cache.get("kind", b"key", 3) is None and cache.get("kind", b"kex", 9) is None and cache.get("kin", b"dkey", 9) is None
    cache.put("kind", b"key", b"other")
    assert cache.get("kind", b"key", 9) == b"other"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700 and stat.S_IMODE(kept(place).stat().st_mode) == 0o600


def test_a_file_under_another_s_name_or_changed_in_any_byte_is_not_taken(place: Path, cache: Cache) -> None:
    cache.put("kind", b"one", b"data")
    whole = kept(place).read_bytes()
    for at in range(len(whole)):
        kept(place).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.get("kind", b"one", 9) is None
    for wrong in (b"", whole[:31], whole[:-1], whole + b"x"):
        kept(place).write_bytes(wrong)
        assert cache.get("kind", b"one", 9) is None
    cache.put("kind", b"two", b"x")
    for path in place.iterdir():
        path.write_bytes(whole)
    assert cache.get("kind", b"one", 9) == b"data" and cache.get("kind", b"two", 9) is None


def test_what_another_version_of_the_software_kept_is_not_taken(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("kind", b"key", b"data")
    monkeypatch.setattr(module, "software", lambda: bytes(32))
    assert cache.get("kind", b"key", 9) is None


@pytest.mark.parametrize("how", ["symlink", "hard mode", "folder", "pipe"])
def test_links_and_what_others_may_write_are_not_taken(place: Path, cache: Cache, tmp_path: Path, how: str) -> None:
    cache.put("kind", b"key", b"data")
    path = kept(place)
    if how == "hard mode":
        path.chmod(0o644)
    else:
        target = path.rename(tmp_path / "elsewhere")
        {"symlink": lambda: path.symlink_to(target), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[how]()
    assert cache.get("kind", b"key", 9) is None
    cache.put("kind", b"key", b"data")
    assert how == "folder" or cache.get("kind", b"key", 9) == b"data"


def test_another_user_s_files_and_folder_are_not_taken(place: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("kind", b"key", b"data")
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    assert cache.get("kind", b"key", 9) is None
    with open_cache() as found:
        assert found is None


@pytest.mark.parametrize("how", ["open to others", "a link", "a file", "off", "relative"])
def test_a_folder_that_is_not_this_user_s_alone_is_no_cache(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "open to others":
        place.mkdir()
        place.chmod(0o755)
    elif how == "a link":
        (tmp_path / "real").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "real")
    elif how == "a file":
        place.write_bytes(b"")
    elif how == "off":
        monkeypatch.setenv("STANDSTILL_CACHE", "off")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "here")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache_folder() == tmp_path / "home/.cache/standstill"
        return
    with open_cache() as found:
        assert found is None


def test_what_nobody_uses_is_removed(place: Path, cache: Cache) -> None:
    cache.put("kind", b"old", b"data")
    cache.put("kind", b"used", b"data")
    for path in place.iterdir():
        os.utime(path, (1, 1))
    assert cache.get("kind", b"used", 9) == b"data"
    with open_cache() as again:
        assert again is not None
        again.put("kind", b"new", b"data")
        assert again.get("kind", b"old", 9) is None and again.get("kind", b"used", 9) == b"data"
