"""Folders made to cost much, to hide what matters, or to lead elsewhere while they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tests.status.test_status as test_status
from claims.agreement.file import parse_agreement
from claims.base import below
from claims.base.below import list_below, read_below
from claims.base.errors import UnreadableFile
from claims.site.generate import generate
from claims.status import folder as status_folder
from claims.status.compute import compute
from claims.status.notes import GRAVE, JUNK, MAX_NOTES, Notes
from claims.tlog.source import FolderSource
from tests.status.test_status import DAY, START, TERMS, TEXT, claim, publish, put, signed

_proofs = test_status._proofs


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the agreements that were parsed."""
    sizes: list[int] = []

    def parse(text: str, name: str, read: Any) -> Any:
        sizes.append(len(text))
        return parse_agreement(text, name, read)

    monkeypatch.setattr(status_folder, "parse_agreement", parse)
    return sizes


def test_planted_agreements_cost_a_bounded_sum(tmp_path: Path, parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of 8 MB took 153 s and 700 MB. What is amended is found all the same, whatever lies beside it."""
    monkeypatch.setitem(status_folder.BUDGETS, "agreements/.toml", 100_000)
    amends = f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]'
    publish(tmp_path, TEXT.replace("[pause]", amends))
    publish(tmp_path, TEXT, "agreements/zz")
    for number in range(40):
        put(tmp_path, "agreements", f"{number}.toml", f"a{number} = [{'1,' * 2500}]\n".encode())
        put(tmp_path, "agreements", f"{number}.sigs", signed(TERMS).encode())
    put(tmp_path, "agreements", "large.toml", b"#\n" * 3_000_000)
    state = compute(tmp_path, now=START + DAY // 2)
    assert sum(parsed[1:]) <= 100_000 and [row.period for row in state.rows] == [0], "the amended agreement's period"
    assert state.rows[0].agreement == TERMS.digest
    assert "agreements/: " in state.problems[0] and "were left unread: together they are larger than" in state.problems[0]


def test_claims_that_are_expected_are_read_before_junk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path)
    made = claim(tmp_path)
    monkeypatch.setitem(status_folder.BUDGETS, "claims/.claim", len(made.encode()) + 100)
    for number in range(30):
        put(tmp_path, "claims", f"{number}.claim", b"x" * 50)
    state = compute(tmp_path, now=START + DAY)
    assert state.holds == "yes" and any("28 files (.claim) were left unread" in line for line in state.problems)


def test_what_matters_is_not_pushed_out_by_junk(tmp_path: Path) -> None:
    publish(tmp_path)
    claim(tmp_path)
    (tmp_path / "agreements").mkdir()
    for number in range(300):
        put(tmp_path, "decisions", f"{number}.decision", b"%d" % number)
        put(tmp_path, "evidence", f"{number}.evidence", b"%d" % number)
        put(tmp_path, "agreements", f"{number}.toml", b"format = '%d'" % number)
        put(tmp_path, "agreements", f"{number}.sigs", b"%d" % number)
    put(tmp_path, "claims", "alpha-1.claim", b"junk")
    state = compute(tmp_path, now=START + DAY)
    assert len(state.problems) <= MAX_NOTES + 1
    assert state.problems[0].startswith("claims/alpha-1.claim: not a claim file")
    (tmp_path / "agreement.sigs").write_bytes(b"junk")
    assert compute(tmp_path, now=START + DAY).problems[0].startswith("agreement.sigs: ")


def test_notes_are_by_gravity_and_what_is_alike_is_one() -> None:
    notes = Notes()
    for number in range(500):
        notes.add(f"claims/{number}", "junk", JUNK)
        notes.add(f"claims/{number}", f"junk {number}", JUNK)
    notes.add("", "the log\nforked", GRAVE)
    lines = notes.lines()
    assert lines[0] == "the log\ufffdforked" and lines[1] == "claims/0, claims/1, claims/2 and 497 more: junk"
    assert len(lines) == MAX_NOTES + 1 and lines[-1] == "402 lighter problems are left out"


# ---- links -------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "secret"
    for sub in ("", "claims", "log"):
        (folder / sub).mkdir(exist_ok=True)
    for name in ("alpha-0.claim", "claims/alpha-0.claim", "log/checkpoint"):
        (folder / name).write_bytes(b"standstill-claim SECRET")
    return folder


def test_every_component_is_opened_without_following_links(tmp_path: Path, secret: Path) -> None:
    root = tmp_path / "root"
    (root / "claims").mkdir(parents=True)
    (root / "claims" / "a").symlink_to(secret / "alpha-0.claim")
    (root / "sub").symlink_to(secret)
    (root / "fifo").mkdir()
    os.mkfifo(root / "fifo" / "x")
    for path in ("claims/a", "sub/alpha-0.claim", "sub/claims/alpha-0.claim", "fifo/x", "claims", "none", "claims/../claims/a\0"):
        with pytest.raises(UnreadableFile):
            read_below(root, path, 1000)
    with pytest.raises(UnreadableFile, match="symbolic link"):
        list_below(root, "sub", 10)
    assert list_below(root, "none", 10) is None
    assert [item.kind for item in list_below(root, "", 10) or ()] == ["folder", "folder", "other"]
    (root / "log").symlink_to(secret / "log")
    with pytest.raises(Exception, match="symbolic link"):
        FolderSource(root, "log").read("checkpoint", 1000)
    (tmp_path / "link").symlink_to(root)
    assert list_below(tmp_path / "link", "fifo", 10), "the folder itself may be reached through a link: the reader named it"


@pytest.mark.parametrize("swap", ["file", "folder"])
def test_links_that_are_swapped_in_are_not_followed(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    """Right after a folder was listed: two of twelve runs of ``site`` published a file of mode 0600."""
    source = publish(tmp_path / "source")
    claim(source)
    listing = below.list_below

    def swapped(root: Path, path: str, most: int) -> Any:
        found = listing(root, path, most)
        if path == "claims":
            target = source / "claims"
            if not target.is_symlink() and not (target / "alpha-0.claim").is_symlink():
                (target / "alpha-0.claim").unlink()
                if swap == "file":
                    (target / "alpha-0.claim").symlink_to(secret / "alpha-0.claim")
                else:
                    target.rmdir()
                    target.symlink_to(secret / "claims")
        return found

    for module in ("claims.status.folder", "claims.site.collect"):
        monkeypatch.setattr(f"{module}.list_below", swapped)
    generate(source, tmp_path / "page", now=START + DAY)
    assert not [path for path in (tmp_path / "page").rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]
    assert compute(source, now=START + DAY).holds != "yes"


def test_the_text_of_an_agreement_is_bounded_too(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "agreement.toml").write_bytes(TEXT.encode() + b"#" * status_folder.TOML_LIMIT)
    with pytest.raises(UnreadableFile, match="larger than 4194304 bytes"):
        compute(tmp_path, now=START + DAY // 2)
