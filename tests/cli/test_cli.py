"""The command line: exit codes, one-line errors, and two whole periods by commands alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import world
from commands import ROOT, agreement, run, run_process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.toml").write_text(world.TEXT)
    terms = world.agreement()
    (tmp_path / "a.sigs").write_bytes(world.signed(terms).encode())
    (tmp_path / "alpha-0.claim").write_bytes(world.claim(terms).encode())
    (tmp_path / "two.claim").write_bytes(world.claim(terms, head_after=world.head(7)).encode())
    return tmp_path


def test_verify_exit_codes(folder: Path) -> None:
    assert "REJECTED: proof" in run(folder, "verify", "alpha-0.claim", "-a", "a.toml", code=1)
    result = json.loads(run(folder, "verify", "alpha-0.claim", "-a", "a.toml", "--json", code=1))
    assert result["verdict"] == "REJECTED" and result["check"] == "proof" and result["shows"] == [] and result["period"] == 0
    (folder / "junk.claim").write_bytes(b"junk")
    assert "REJECTED: format" in run(folder, "verify", "junk.claim", "-a", "a.toml", code=1)
    assert "No such file" in run(folder, "verify", "none.claim", "-a", "a.toml", code=2)
    assert "No such file" in run(folder, "verify", "alpha-0.claim", "-a", "none.toml", code=2)
    (folder / "bad.toml").write_text(world.TEXT.replace("chips = 16", "chips = 0"))
    assert "bad.toml:" in run(folder, "verify", "alpha-0.claim", "-a", "bad.toml", code=2)
    run(folder, "verify", "alpha-0.claim", code=2)
    digest = world.agreement().digest.hex()
    assert "REJECTED: proof" in run(folder, "verify", "alpha-0.claim", "-a", "a.toml", "--expect", digest, code=1)
    assert digest in run(folder, "verify", "alpha-0.claim", "-a", "a.toml", "--expect", "00" * 32, code=2)
    run(folder, "verify", "alpha-0.claim", "-a", "a.toml", "--expect", "00", code=2)
    (folder / "a.sigs").unlink()
    assert "REJECTED: proof" in run(folder, "verify", "alpha-0.claim", "-a", "a.toml", code=1)
    (folder / "a.sigs").write_bytes(b"{}")
    assert "a.sigs: left out: not a canonical" in run(folder, "verify", "alpha-0.claim", "-a", "a.toml", code=1)


def test_agreement_commands(folder: Path) -> None:
    run_process(folder, "agreement", "init", "new.toml")
    assert "exists already" in run_process(folder, "agreement", "init", "new.toml", code=2)
    assert "party[0].key" in run_process(folder, "agreement", "check", "new.toml", code=2)
    assert "1.98e15 FLOP/s" in run_process(folder, "agreement", "check", "a.toml")
    assert run_process(folder, "agreement", "digest", "a.toml").strip() == world.agreement().digest.hex()
    assert "signed by every party" in run_process(folder, "agreement", "verify", "a.toml")
    (folder / "a.sigs").unlink()
    assert "no signatures file" in run_process(folder, "agreement", "verify", "a.toml", code=3)
    assert "ed25519:" in run_process(folder, "keygen", "other.key", "--no-passphrase")
    assert "no party's" in run_process(folder, "agreement", "sign", "a.toml", "-k", "other.key", code=2)
    assert "no passphrase" in run_process(folder, "keygen", "third.key", code=2)


def test_show_and_evidence(folder: Path) -> None:
    assert "a claim" in run(folder, "show", "alpha-0.claim")
    assert "signed by   alpha" in run(folder, "show", "a.sigs")
    assert "an agreement" in run(folder, "show", "a.toml")
    run(folder, "show", "nothing", code=2)
    (folder / "unknown").write_bytes(b"\x00\x01")
    run(folder, "show", "unknown", code=2)
    assert "no equivocation" in run(folder, "evidence", "alpha-0.claim", "alpha-0.claim", "-a", "a.toml")
    found = run(folder, "evidence", "alpha-0.claim", "two.claim", "-a", "a.toml", "-o", ".", code=1)
    assert "EQUIVOCATION: lab alpha" in found
    (file,) = folder.glob("*.evidence")
    assert "signed two heads" in run(folder, "check-evidence", file.name, "-a", "a.toml")
    assert "evidence of equivocation" in run(folder, "show", file.name)


def test_no_file_can_send_escape_sequences(folder: Path) -> None:
    (folder / "x.toml").write_text(world.TEXT + '\n"\\u001b[2J" = 1\n')
    assert "\x1b" not in run(folder, "agreement", "check", "x.toml", code=2)


def _agreed(folder: Path) -> None:
    """Keys, store, agreement and signatures of one lab with one meter, by commands."""
    lab_key = run(folder, "keygen", "lab.key", "--no-passphrase").strip()
    opening = run(folder, "lab", "init", "alpha", "-s", "alpha.store", "--opening", "base=1e21 FLOP").strip()
    meter = run(
        folder, "meter", "init", "hall-1", "--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", "meter.key", "--no-passphrase"
    )
    text = agreement("one-lab", "alpha").format(alpha=lab_key, opening=opening, meters=meter)
    (folder / "agreement.toml").write_text(text)
    run(folder, "agreement", "sign", "agreement.toml", "-k", "lab.key")


def _period(folder: Path, period: int, usage: str, checkpoints: str) -> None:
    (folder / "usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\n" + usage)
    (folder / "checkpoints.csv").write_text("name,kind,parents,epoch\n" + checkpoints)
    common = ("-s", "alpha.store", "-a", "agreement.toml")
    run(folder, "import", "readings", "usage.csv", *common)
    run(folder, "import", "checkpoints", "checkpoints.csv", *common)
    run(folder, "meter", "close", "hall-1", *common, "-n", period, "-k", "meter.key", "--yes")
    run(folder, "lab", "close", *common, "-n", period)
    run(folder, "lab", "status", *common, "-n", period)
    run(folder, "prove", *common, "-n", period, "-k", "lab.key")


def test_two_periods_by_commands_alone(tmp_path: Path) -> None:
    _agreed(tmp_path)
    _period(tmp_path, 0, "hall-1,0,run-1,20000\nhall-1,2,,3600\n", "run-1,CHECKPOINT,base,1\n")
    _period(tmp_path, 1, "hall-1,5,run-2,1000\n", "run-2,CHECKPOINT,run-1,6\n")
    text = run(tmp_path, "verify", "alpha-0.claim", "-a", "agreement.toml")
    assert text.startswith("PROVEN\n") and "security" not in text and "shows" in text
    assert "security" in run(tmp_path, "verify", "alpha-0.claim", "-a", "agreement.toml", "--verbose")
    text = run(tmp_path, "verify", "alpha-1.claim", "-a", "agreement.toml", code=3)
    assert text.startswith("INCOMPLETE\n  ? lab alpha's claim for period 0") and "--previous" in text and "shows" not in text
    text = run(tmp_path, "verify", "alpha-1.claim", "-a", "agreement.toml", "-p", "alpha-0.claim", "--json")
    assert json.loads(text)["verdict"] == "PROVEN" and json.loads(text)["security_bits"]["unique_decoding"] >= 100
    data = bytearray((tmp_path / "alpha-0.claim").read_bytes())
    data[-5000] ^= 1
    (tmp_path / "bad.claim").write_bytes(data)
    assert "REJECTED: signatures" in run(tmp_path, "verify", "bad.claim", "-a", "agreement.toml", code=1)
    (tmp_path / "agreement.sigs").rename(tmp_path / "away")
    assert "signatures of the agreement" in run(tmp_path, "verify", "alpha-0.claim", "-a", "agreement.toml", code=3)
    assert "private store" in run(tmp_path, "show", "alpha.store")
    files = {path: path.read_bytes() for path in tmp_path.glob("alpha-0.*")}
    (tmp_path / "alpha-0.claim").unlink()
    run(tmp_path, "prove", "-s", "alpha.store", "-a", "agreement.toml", "-n", "0", "-k", "lab.key")
    assert {path: path.read_bytes() for path in files} == files, "the same claim again, without proving"
    run(tmp_path, "prove", "-s", "alpha.store", "-a", "agreement.toml", "-n", "0", "-k", "lab.key", "-o", "copy/../copy.claim", code=2)
    run(tmp_path, "prove", "-s", "alpha.store", "-a", "agreement.toml", "-n", "0", "-k", "lab.key", "-o", "copy.claim")
    assert (tmp_path / "copy.entry").read_bytes() == files[tmp_path / "alpha-0.entry"]


def test_nothing_is_proven_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    """Found at the end, it would leave a claim without its log entry, and a second claim to be made."""
    _agreed(tmp_path)
    common = ("-s", "alpha.store", "-a", "agreement.toml", "-n", 0, "-k", "lab.key")
    for name in ("alpha-0.roots", "alpha-0.entry"):
        (tmp_path / name).symlink_to("nowhere")
        assert f"{name}: exists already" in run(tmp_path, "prove", *common, code=2)
        (tmp_path / name).unlink()
        assert "beside it" in run(tmp_path, "prove", *common, "-o", name, code=2)
    assert not list(tmp_path.glob("alpha-0.*"))


def test_names_of_files_write_no_lines_and_no_escape_sequences(folder: Path) -> None:
    """A name from a hostile folder, given by a pattern: neither a verdict of its own nor codes for the terminal."""
    name = "x\x1b[2J\nPROVEN\nshows"
    (folder / name).write_bytes(b"")
    for arguments in (("verify", name), ("verify", "alpha-0.claim", name), ("show", name), ("evidence", name, name), ("meter", name)):
        done = subprocess.run(
            [sys.executable, "-m", "claims", *arguments, *(() if len(arguments) == 2 and arguments[0] != "verify" else ("-a", "a.toml"))],
            cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "FORCE_COLOR": "1"},
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode in (1, 2) and "\x1b" not in text and "Traceback" not in text
        assert not any(line.startswith(("PROVEN", "shows")) for line in text.splitlines()), text


def test_names_that_are_not_unicode_are_refused_in_one_line(folder: Path) -> None:
    name = os.fsdecode(b"b\xff")
    text = run_process(folder, "lab", "init", "alpha", "-s", "s", "--opening", f"{name}=3e24 FLOP", code=2)
    assert text.startswith("error: ") and text.count("\n") == 1
    assert not list(folder.glob("s*")), "what could not be opened is made again under its name"
    assert "named twice" in run(folder, "lab", "init", "alpha", "-s", "s", "--opening", "b=1e20 FLOP", "--opening", "b=1e20 FLOP", code=2)
    assert "opening_head" in run_process(folder, "lab", "init", "alpha", "-s", "s", "--opening", "b=1e20 FLOP")


def test_what_is_no_claim_is_no_equivocation(folder: Path) -> None:
    """Exit 1 accuses a lab: a file that cannot be read must not."""
    (folder / "junk.claim").write_bytes(b"junk")
    for files in (("junk.claim", "alpha-0.claim"), ("alpha-0.claim", "junk.claim")):
        assert "not a claim file" in run(folder, "evidence", *files, "-a", "a.toml", code=2)
    terms = world.agreement()
    for number in (6, 7):
        (folder / f"{number}.claim").write_bytes(world.claim(terms, lab="zeta", head_after=world.head(number)).encode())
    assert "no equivocation" in run(folder, "evidence", "6.claim", "7.claim", "-a", "a.toml"), "of a lab that is in no agreement"
