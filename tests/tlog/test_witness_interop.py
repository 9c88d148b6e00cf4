"""Witnesses and clients of others: litewitness of torchwood, Tessera's client, and a client with torchwood's verifiers.

Needs `go` and the Go module proxy, ssh-agent and ssh-add; what is not there is SKIPPED. STANDSTILL_GO_BIN keeps what was built.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import hybrid_world as hw
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from claims.base.merkle import EMPTY_ROOT
from claims.tlog.checkpoint import LogTrust, SignedCheckpoint, cosignatures
from claims.tlog.note import COSIGNATURE, ED25519, VerifierKey, key_id, verifier_keys
from claims.tlog.submit import submit
from claims.tlog.witness import Witness
from claims.tlog.writer import LogWriter
from tests.tlog import logs
from tests.tlog.witnesses import BARE, KNOWN, NAME, served, told, witness

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
LITEWITNESS = "filippo.io/torchwood/cmd/litewitness@v0.10.0"
TESSERA = "github.com/transparency-dev/tessera/cmd/examples/posix-oneshot@v1.0.4"


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("STANDSTILL_GO_BIN")
    return Path(given) if given else tmp_path_factory.mktemp("go")


def built(binaries: Path, package: str) -> Path:
    """A command of another project, built here; or the test is skipped, and says why."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    own = package == "witnessclient"
    target = binaries / package.partition("@")[0].rpartition("/")[2]
    command = ["go", "build", "-o", str(target), "."] if own else ["go", "install", package]
    environment = {**os.environ, "GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod", "GOBIN": str(binaries)}
    if not target.exists():
        done = subprocess.run(command, env=environment, cwd=HERE / "witnessclient" if own else binaries, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{package} cannot be built here: {done.stderr[-300:]}")
    return target


def vkeys(name: str, kind: int, public: bytes) -> list[str]:
    return [half.encode() for half in verifier_keys(name, kind, public)]


@contextmanager
def litewitness(program: Path, folder: Path, trusted: dict[str, str]) -> Iterator[tuple[str, LogTrust]]:
    """A litewitness that trusts one verifier key for each origin: its address, and its key as a cosigner of the test log."""
    if not all(map(shutil.which, ("ssh-agent", "ssh-add"))):
        pytest.skip("ssh-agent and ssh-add are not installed")
    key = logs.key(77)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    (folder / "key.pem").chmod(0o600)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(folder / "agent")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (folder / "agent").exists():
        time.sleep(0.05)
    run = {**os.environ, "SSH_AUTH_SOCK": str(folder / "agent")}
    subprocess.run(["ssh-add", str(folder / "key.pem")], env=run, check=True, capture_output=True)
    listed = subprocess.run(["ssh-add", "-l"], env=run, check=True, capture_output=True, text=True).stdout
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(program), "-name", "lite.example/w", "-db", "lite.db", "-ssh-agent", "agent", "-key", listed.split()[1]]
    process = subprocess.Popen([*command, "-listen", f"127.0.0.1:{port}"], cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        printed = ""
        while "listening" not in printed:
            line = process.stderr.readline()
            assert line, printed
            printed += line
        found = re.search(r"vkey=(\S+)", printed)
        assert found is not None
        with sqlite3.connect(folder / "lite.db") as base:
            for origin, vkey in trusted.items():
                empty = base64.b64encode(EMPTY_ROOT).decode()
                base.execute("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", (origin, empty))
                base.execute("INSERT INTO key (origin, key) VALUES (?, ?)", (origin, vkey))
        base.close()
        cosigner = VerifierKey.decode(found[1].strip('"'))
        yield f"http://127.0.0.1:{port}/", replace(KNOWN, cosigners={cosigner.name: cosigner.key})
    finally:
        for item, how in ((process, signal.SIGINT), (agent, signal.SIGTERM)):
            item.send_signal(how)
            item.communicate(timeout=60)


def test_litewitness_cosigns_our_heads(binaries: Path, tmp_path: Path) -> None:
    """A log of Ed25519, and two with hybrid keys, of which it knows one half each: five sizes of each, then what it must refuse."""
    program = built(binaries, LITEWITNESS)
    hybrid = hw.key(100)
    curve, lattice = vkeys("b.example", ED25519, hw.public(100))[0], vkeys("c.example", ED25519, hw.public(100))[1]
    trusted = {logs.ORIGIN: vkeys(logs.ORIGIN, ED25519, logs.public(100))[0], "b.example": curve, "c.example": lattice}
    with litewitness(program, tmp_path, trusted) as (url, trust):
        kept = 0
        for origin, key in ((logs.ORIGIN, logs.LOG), ("b.example", hybrid), ("c.example", hybrid)):
            folder, size = tmp_path / origin.partition("/")[0], 0
            own = replace(trust, origin=origin, key=key.public_key().public_bytes_raw())
            LogWriter.create(folder, origin, key).close()
            for grown in (1, 2, 3, 300, 301):
                with LogWriter.open(folder, key) as writer:
                    writer.append(logs.entries(size, grown))
                size = grown
                for _ in range(2):
                    found = submit(folder, own, [url], lambda: int(time.time()))
                    assert found == (size, [replace(found[1][0], names=("lite.example/w",), problem="")])
                    kept += 1
        assert kept == 30
        fork = tmp_path / "fork"
        LogWriter.create(fork, logs.ORIGIN, logs.LOG).close()
        stranger = logs.make(tmp_path / "stranger", 1)
        for count, why in ((10, "it went back"), (301, "errs"), (302, "errs")):
            with LogWriter.open(fork, logs.LOG) as writer:
                writer.append([b"other %d" % number for number in range(writer.size, count)])
            assert why in submit(fork, trust, [url], lambda: int(time.time()))[1][0].problem
        with sqlite3.connect(tmp_path / "lite.db") as base:
            base.execute("DELETE FROM key WHERE origin = ?", (logs.ORIGIN,))
        base.close()
        assert "does not know this log" in submit(stranger, trust, [url], lambda: int(time.time()))[1][0].problem


def signer_key(origin: str) -> str:
    """The test log's private key as golang.org/x/mod writes it."""
    material = base64.b64encode(bytes([ED25519]) + logs.LOG.private_bytes_raw()).decode()
    return f"PRIVATE+KEY+{origin}+{key_id(origin, ED25519, logs.public(100)).hex()}+{material}"


def test_a_client_with_torchwood_s_verifiers(binaries: Path, tmp_path: Path) -> None:
    """Both halves of a hybrid witness, on heads whose proofs golang.org/x/mod made; and every refusal of the specification."""
    program = built(binaries, "witnessclient")
    with served(witness(tmp_path / "w", key=hw.key(110)), now=int(time.time())) as server:
        keys = vkeys(NAME, COSIGNATURE, hw.public(110))
        done = subprocess.run([str(program), server.url, signer_key(logs.ORIGIN), *keys], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("cosigned: 200") == 12 and len(done.stdout.splitlines()) == 43


def test_tessera_publishes_what_our_witness_cosigned(binaries: Path, tmp_path: Path) -> None:
    """A log of Tessera that needs our witness's cosignature: four times it grows, each time by another process."""
    program = built(binaries, TESSERA)
    trust = replace(KNOWN, origin="tessera.example")
    (tmp_path / "key").write_text(signer_key(trust.origin))
    place = tmp_path / "w"
    for size in (1, 2, 20, 300):
        entries = tmp_path / f"entries-{size}"
        entries.mkdir()
        held = SignedCheckpoint.open((tmp_path / "log/checkpoint").read_bytes(), trust).head.size if size > 1 else 0
        for number in range(held, size):
            (entries / f"{number}").write_text(f"entry {number}")
        with served(witness(place, replace(BARE, origin=trust.origin)), now=int(time.time())) as server:
            (tmp_path / "policy").write_text(f"witness w {vkeys(NAME, COSIGNATURE, logs.public(110))[0]} {server.url}\nquorum w\n")
            command = [str(program), "--storage_dir", str(tmp_path / "log"), "--entries", f"{entries}/*"]
            command += ["--private_key", str(tmp_path / "key"), "--witness_policy_file", str(tmp_path / "policy")]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        signed = SignedCheckpoint.open((tmp_path / "log/checkpoint").read_bytes(), trust)
        assert signed.head.size == size and signed.has_quorum(trust) and cosignatures(signed.note, logs.public(110))[0]
    assert Witness(NAME, logs.key(110), place, [replace(BARE, origin=trust.origin)], told)
