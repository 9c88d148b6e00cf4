"""Geneses: the formats' vector, files that survive and files that do not, what a slot may say, the commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from inspect_fixtures import ROUNDS, Folder
from lab_fixtures import make_agreement

from claims.base.errors import ClaimRejected, MalformedFile
from claims.claim.commitments import NOTHING, Slot, name_digest
from claims.inspection import genesis as genesis_module
from claims.inspection.beacon import VerifiedRound, time_of_round
from claims.inspection.genesis import (
    GenesisError,
    GenesisFile,
    check_genesis,
    check_slot_genesis,
    genesis_commitment,
    genesis_seed,
)

RANDOMNESS = {item["round"]: bytes.fromhex(item["randomness"]) for item in ROUNDS}
CONFIG = b"lr = 3e-4"


def test_the_vector_of_the_formats() -> None:
    text = (Path(genesis_module.__file__).parents[1] / "FORMATS-inspection.md").read_text()
    commitment = genesis_commitment(bytes(32), CONFIG)
    assert f"commitment  {commitment.hex()}" in text
    assert f"seed        {genesis_seed(commitment, VerifiedRound(1000, RANDOMNESS[1000])).hex()}" in text


def test_every_part_changes_the_seed() -> None:
    one = genesis_commitment(bytes(32), CONFIG)
    assert len({one, genesis_commitment(b"\x01" + bytes(31), CONFIG), genesis_commitment(bytes(32), CONFIG + b"\n")}) == 3
    rounds = [VerifiedRound(1000, RANDOMNESS[1000]), VerifiedRound(1001, RANDOMNESS[1000]), VerifiedRound(1000, RANDOMNESS[1001])]
    assert len({genesis_seed(c, r) for c in (one, bytes(32)) for r in rounds}) == 6


@pytest.mark.parametrize("nonce, config", [(bytes(31), b""), (bytes(33), b""), (bytes(32), b"\xff"), (bytes(32), b"x" * (2**20 + 1))])
def test_what_cannot_be_committed_to(nonce: bytes, config: bytes) -> None:
    with pytest.raises(GenesisError) as caught:
        genesis_commitment(nonce, config)
    assert nonce.hex() not in str(caught.value)
    with pytest.raises(GenesisError):
        genesis_seed(bytes(31), VerifiedRound(1000, RANDOMNESS[1000]))


def test_files_survive_and_show_nothing_by_accident() -> None:
    for config in (b"", CONFIG, "größer \u0001 \U0001f600".encode(), b"\x00" * 2**20):
        made = GenesisFile(b"n" * 32, config)
        assert GenesisFile.decode(made.encode()) == made
        assert len(made.encode()) <= genesis_module.GENESIS_LIMIT
    assert "nnn" not in repr(GenesisFile(b"n" * 32, CONFIG)) and "lr" not in repr(GenesisFile(b"n" * 32, CONFIG))


@pytest.mark.parametrize(
    "old, new",
    [(b"lr", b"Lr"), (b'"nonce": "00', b'"nonce": "01'), (b'"nonce": "00', b'"nonce": "'), (b"{", b"{ "), (b"}", b'}"'),
     (b"genesis/1", b"genesis/2"), (b'"lr', b'"\\ud800lr'), (b'"lr = 3e-4"', b"7"), (b'"config"', b'"konfig"')],
)  # fmt: skip
def test_malformed_files(old: bytes, new: bytes) -> None:
    data = GenesisFile(bytes(32), CONFIG).encode()
    assert old in data
    with pytest.raises(MalformedFile, match="not a canonical genesis file"):
        GenesisFile.decode(data.replace(old, new, 1))


def slot(commitment: bytes, number: int, epoch: int = 0) -> Slot:
    return Slot(True, 5, 3, 0, 0, 0, epoch, 0, bytes(32), name_digest("run"), commitment, number)


def test_what_a_slot_may_say() -> None:
    terms, commitment = make_agreement(), genesis_commitment(bytes(32), CONFIG)
    end = terms.epoch_span(2)[1]
    last = (end - 1 - time_of_round(1)) // 3 + 1
    assert time_of_round(last) < end <= time_of_round(last + 1)
    check_slot_genesis(terms, slot(NOTHING, 0))
    check_slot_genesis(terms, slot(commitment, 1))
    check_slot_genesis(terms, slot(commitment, last, 2))
    for bad in (slot(NOTHING, 1), slot(commitment, 0), slot(commitment, last + 1, 2), slot(commitment, last, 1), slot(commitment, 2**63)):
        with pytest.raises(ClaimRejected, match="genesis"):
            check_slot_genesis(terms, bad)
    verified = VerifiedRound(1000, RANDOMNESS[1000])
    assert check_genesis(terms, slot(commitment, 1000), verified) == genesis_seed(commitment, verified)
    with pytest.raises(GenesisError, match="both"):
        check_genesis(terms, slot(commitment, 1000), verified, bytes(32))


def test_commands(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for item in ROUNDS:
        (tmp_path / f"{item['round']}.json").write_text(json.dumps(item))
    (tmp_path / "config.txt").write_bytes(CONFIG)
    text = folder.run("genesis", "commit", "config.txt", "--out", "run.genesis")
    assert stat.S_IMODE((tmp_path / "run.genesis").stat().st_mode) == 0o600
    made = GenesisFile.decode((tmp_path / "run.genesis").read_bytes())
    assert made.config == CONFIG and f"commitment {made.commitment.hex()}" in text and made.nonce.hex() not in text
    assert "exists already" in folder.run("genesis", "commit", "config.txt", "--out", "run.genesis", code=2)
    folder.run("genesis", "commit", "config.txt", "--out", "again.genesis")
    assert GenesisFile.decode((tmp_path / "again.genesis").read_bytes()).commitment != made.commitment
    seed = genesis_seed(made.commitment, VerifiedRound(1000, RANDOMNESS[1000])).hex()
    record = f"{made.commitment.hex()}:1000"
    text = folder.run("genesis", "seed", "run.genesis", "--round", "1000.json")
    assert seed in text and record in text
    check = ("genesis", "check", "run.genesis", "--round", "1000.json", "--record")
    assert seed in folder.run(*check, record)
    for wrong in (record[:-1] + "1", "0" + record[1:] if record[0] != "0" else "1" + record[1:], ""):
        assert "not those of the record" in folder.run(*check, wrong, code=1)
    assert "not those of the record" in folder.run("genesis", "check", "again.genesis", "--round", "1000.json", "--record", record, code=1)
    forged = json.loads((tmp_path / "1000.json").read_text()) | {"round": 1001}
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    assert "signature is not quicknet's" in folder.run("genesis", "seed", "run.genesis", "--round", "forged.json", code=1)
    (tmp_path / "config.txt").write_bytes(b"\xff")
    assert "not UTF-8" in folder.run("genesis", "commit", "config.txt", "--out", "bad.genesis", code=2)
    (tmp_path / "huge").write_bytes(b"x" * (2**20 + 1))
    assert "larger than" in folder.run("genesis", "commit", "huge", "--out", "bad.genesis", code=2)
    assert not (tmp_path / "bad.genesis").exists()
