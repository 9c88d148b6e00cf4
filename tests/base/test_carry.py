"""Files that travel between stores, sealed: what opens, what does not, and that the same file is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims.base.carry import OVERHEAD, is_sealed, load_carry_key, make_carry_key, seal, unseal
from claims.base.errors import KeyFileError, MalformedFile, UnreadableFile


def test_a_sealed_file_opens_under_its_key_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_carry_key(tmp_path / name)
    one, two = (load_carry_key(tmp_path / name) for name in ("one", "two"))
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600 and one != two
    for data in (b"x", b"a summary" * 1000):
        made = seal(one, data)
        assert is_sealed(made) and not is_sealed(data) and len(made) == len(data) + OVERHEAD and made == seal(one, data)
        assert unseal(one, made) == data and b" summary" not in made
        changed = [made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :] for at in range(len(made) - len(data) - 16, min(len(made), 60))]
        for bad in (*changed, made[:-1], made + b"x", made[:25]):
            with pytest.raises(MalformedFile, match="another key, or changed"):
                unseal(one, bad)
        with pytest.raises(MalformedFile):
            unseal(two, made)


def test_what_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_carry_key(path)
    with pytest.raises(UnreadableFile):
        make_carry_key(path)
    text = path.read_text()
    for bad in ("", text[2:], text + text, "z" + text[1:], "\u00e9"):
        path.write_text(bad)
        with pytest.raises(KeyFileError, match="not a key for what travels"):
            load_carry_key(path)
    path.write_text(text)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="others may read"):
        load_carry_key(path)
