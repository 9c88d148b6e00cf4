"""``standstill show`` knows every kind of file of a publication folder; what is malformed ends in one typed error."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import world

from claims.agreement.model import canonical_bytes
from claims.base.errors import ClaimsError
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.claim.receipts import Receipt
from claims.cli.show import SITE_FORMAT, describe
from claims.lab import journal, store_file
from claims.site.model import FORMAT
from claims.tlog.reader import open_log
from tests.tlog import logs

TERMS = world.agreement()
ENTRY = encode_entry(sign_entry(world.key(1), EpochEntry(TERMS.digest, "alpha", 5, bytes(32), bytes(32))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs.make(tmp_path / "log", 300)
    logs.extend(tmp_path / "log", ENTRY)
    logs.cosigned(tmp_path / "log", "alpha", 1000)
    view = open_log(tmp_path / "log", logs.trust(1))
    (tmp_path / "a.tlog-proof").write_bytes(view.prove(300).encode())
    (tmp_path / "agreement.bin").write_bytes(canonical_bytes(TERMS))
    (tmp_path / "agreement.toml").write_text(world.TEXT)
    (tmp_path / "agreement.sigs").write_bytes(world.signed(TERMS).encode())
    (tmp_path / "site.json").write_text(json.dumps({"format": SITE_FORMAT, "labs": [1, 2]}))
    (tmp_path / "round.json").write_text(json.dumps({"round": 7, "signature": "00", "randomness": "00"}))
    (tmp_path / "x.entry").write_bytes(ENTRY)
    (tmp_path / "x.receipt").write_bytes(Receipt(ENTRY, {"beta": (5, bytes(64))}).encode())
    return tmp_path


KINDS = {
    "log/checkpoint": ("a signed head of a log", "size        301 entries"),
    "log/checkpoints/300": ("a signed head of a log", "size        300 entries"),
    "log/checkpoints/sizes": ("the sizes of a log's published heads", "holds       3 sizes"),
    "log/tile/0/000": ("hashes of a log's tree, level 0", "of entries 0 to 255"),
    "log/tile/1/000.p/1": ("hashes of a log's tree, level 1", "of full tiles of level 0 0 to 0"),
    "log/tile/entries/001.p/45": ("entries 256 to 300 of a log", "lab alpha's entry of epoch 5, signed by alpha"),
    "a.tlog-proof": ("a proof that an entry is in a log", "entry       number 300"),
    "agreement.bin": ("an agreement in canonical bytes", TERMS.digest.hex()),
    "agreement.toml": ("an agreement", TERMS.digest.hex()),
    "agreement.sigs": ("signatures of an agreement", "signed by   alpha"),
    "site.json": ("what a publisher's page shows", "holds       2 labs"),
    "round.json": ("a drand round", "round       7"),
    "x.entry": ("an entry for the public log", "lab alpha's entry of epoch 5"),
    "x.receipt": ("a receipt", "signed by   beta, with the time 1970-01-01T00:00:05Z"),
    "alpha.memory": ("what a reader or cosigner has seen", ""),
}


def test_no_format_is_forgotten(tmp_path: Path) -> None:
    """Every format that the program names in its sources is one that `show` has a word for."""
    import re

    sources = (path.read_text() for path in Path(describe.__code__.co_filename).parents[1].rglob("*.py"))
    named = {name for text in sources for name in re.findall(r'"(standstill-[a-z-]+/[0-9]+)"', text)}
    assert len(named) > 20
    for name in sorted(named - {"standstill-agreement/3", "standstill-spool/1"}):
        (tmp_path / "x").write_text(json.dumps({"format": name}))
        try:
            assert describe(tmp_path / "x")[0]
        except ClaimsError as error:
            assert "JSON of no kind" not in str(error), name


def test_what_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    from claims.collect.spool import Header, Spool
    from claims.collect.timeline import Carry
    from claims.site.log import MAGIC

    Spool.create(tmp_path, Header("lab", "hall-1", 3, Carry(5))).close()
    assert describe(tmp_path / "spool")[0].startswith("PRIVATE: a collector's spool")
    (tmp_path / "log.bundle").write_bytes(MAGIC + bytes(100))
    assert "page's visitors" in describe(tmp_path / "log.bundle")[0]
    (tmp_path / "intent").write_bytes(b"standstill-log-intent/1\n5 " + b"0" * 64 + b"\n")
    assert "about to publish" in describe(tmp_path / "intent")[0]


def test_every_kind_is_explained_and_every_cut_is_refused_in_one_way(folder: Path) -> None:
    assert SITE_FORMAT == FORMAT
    for name, (kind, words) in KINDS.items():
        path = folder / name
        lines = describe(path)
        assert lines[0].startswith(kind) and any(words in line for line in lines), (name, lines)
        data = path.read_bytes()
        for cut in (data[:-1], data[: len(data) // 2], data + b"\xff", b""):
            path.write_bytes(cut)
            try:
                describe(path)
            except ClaimsError:
                pass
    (folder / "junk").write_bytes(b"\x00junk")
    with pytest.raises(ClaimsError, match="not a file that Standstill knows"):
        describe(folder / "junk")


def test_stores_journals_and_other_databases_are_told_apart(tmp_path: Path) -> None:
    kinds = {store_file.APPLICATION_ID: "a lab's private store, or a backup", journal.APPLICATION_ID: "a key's journal", 7: ""}
    for number, words in kinds.items():
        path = tmp_path / f"{number}"
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA application_id = {number}")
            db.execute("CREATE TABLE t (x)")
        db.close()
        if words:
            assert describe(path)[0].startswith(words)
        else:
            with pytest.raises(ClaimsError, match="not a file that Standstill knows"):
                describe(path)
