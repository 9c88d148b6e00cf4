"""A period in public by commands alone: epochs sealed and published, a log with a cosigner, a claim checked against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import agreement, log, run

AGREEMENT = agreement(
    "logged", "alpha", "operator", "witness", cosigner="witness", periods=2, terms=log("example.org/log")
)

COMMON = ("-s", "alpha.store", "-a", "agreement.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("alpha", "operator", "witness", "cosign", "log")
    keys = {name: run(tmp_path, "keygen", f"{name}.key", "--no-passphrase").strip() for name in names}
    opening = run(tmp_path, "lab", "init", "alpha", "-s", "alpha.store").strip()
    options = ("--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", "meter.key", "--no-passphrase")
    meter = run(tmp_path, "meter", "init", "hall-1", *options)
    (tmp_path / "agreement.toml").write_text(AGREEMENT.format(opening=opening, meters=meter, **keys))
    run(tmp_path, "log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    for party in ("alpha", "operator", "witness"):
        run(tmp_path, "agreement", "sign", "agreement.toml", "-k", f"{party}.key", "--log-entry", f"{party}.entry")
    run(tmp_path, "log", "append", "log", "alpha.entry", "operator.entry", "witness.entry", "-k", "log.key", "-a", "agreement.toml")
    return tmp_path


def publish(folder: Path, *entries: str) -> None:
    run(folder, "log", "append", "log", *entries, "-k", "log.key", "-a", "agreement.toml")
    run(folder, "log", "cosign", "log", "-k", "cosign.key", "--name", "witness", "--memory", "witness.memory", "-a", "agreement.toml")


def usage(folder: Path, rows: str, code: int = 0) -> str:
    (folder / "usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\n" + rows)
    return run(folder, "import", "readings", "usage.csv", *COMMON, code=code)


def test_a_period_in_public(folder: Path) -> None:
    usage(folder, "hall-1,0,run-1,20000\nhall-1,2,run-1,3600\n")
    seal = ("epoch", "seal", "hall-1", *COMMON, "--unsigned", "-k", "meter.key", "--through")
    assert "is not over" in run(folder, *seal, 16_000_000, code=2)
    assert "epochs 0 to 1 sealed" in run(folder, *seal, 1)
    assert "through epoch 1 before" in run(folder, *seal, 1)
    assert "has signed epoch 1" in usage(folder, "hall-1,1,run-1,5\n", code=2)
    assert "2 entries" in run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key")
    publish(folder, "alpha-epoch-0.entry", "alpha-epoch-1.entry")
    assert "2 entries" in run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", "--out", "new/entries")
    assert len(list((folder / "new/entries").glob("*.entry"))) == 2, "the same again, into a folder that was not there"
    (folder / "file").write_text("")
    assert "error" in run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", "--out", "file", code=2)
    assert "has not sealed epoch 2" in run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", "--through", 2, code=2)

    run(folder, *seal, 3)
    assert "work toward run-1 has no checkpoint" in run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key", code=2)
    run(folder, "lab", "snapshot", "run-1", *COMMON, "-n", 0, "--genesis", "ab" * 32 + ":1000")
    (folder / "alpha-epoch-0.entry").unlink()
    before = (folder / "alpha-epoch-1.entry").read_bytes()
    run(folder, "epoch", "publish", *COMMON, "-k", "alpha.key")
    assert (folder / "alpha-epoch-1.entry").read_bytes() == before
    publish(folder, *(f"alpha-epoch-{epoch}.entry" for epoch in range(4)))
    run(folder, "meter", "close", "hall-1", *COMMON, "-n", 0, "-k", "meter.key", "--yes")
    run(folder, "lab", "close", *COMMON, "-n", 0)
    verify = ("verify", "alpha-0.claim", "-a", "agreement.toml")
    assert "alpha-0.entry" in run(folder, "prove", *COMMON, "-n", 0, "-k", "alpha.key")
    assert "? the log example.org/log, which shows" in run(folder, *verify, code=3)
    logged = (*verify, "--log", "log", "--log-memory", "rival.memory")
    assert "which this copy of the log has not" in run(folder, *logged, code=3)
    publish(folder, "alpha-0.entry")
    assert run(folder, *logged).startswith("PROVEN\n")

    run(folder, "log", "init", "fork", "--origin", "example.org/log", "-k", "log.key", "--state", "elsewhere")
    run(folder, "log", "append", "fork", "alpha-0.entry", "-k", "log.key", "--state", "elsewhere")
    run(folder, "log", "cosign", "fork", "-k", "cosign.key", "--name", "witness", "--memory", "other.memory", "-a", "agreement.toml")
    text = run(folder, *verify, "--log", "fork", "--log-memory", "rival.memory", code=3)
    assert "evidence against operator" in text and "it cannot be used: the log forked" in text
    assert "--log-memory needs --log" in run(folder, *verify, "--log-memory", "x", code=2)
