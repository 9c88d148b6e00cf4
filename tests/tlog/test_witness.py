"""A witness of logs, and asking one (C2SP tlog-witness, FORMATS-log.md section 11): what both sides say when all is well."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hybrid_world as hw
import pytest
from click.testing import CliRunner

from claims.base.keys import generate_key_file, public_text
from claims.base.merkle import tree_root
from claims.cli.main import cli
from claims.tlog.add_checkpoint import SIZE_TYPE, AddCheckpoint, parse_size
from claims.tlog.checkpoint import Checkpoint, SignedCheckpoint, cosignatures, sign_checkpoint
from claims.tlog.errors import LogError
from claims.tlog.note import ED25519, Note, parse_lines, verifier_keys
from claims.tlog.proof import check_consistency, consistency_proof
from claims.tlog.reader import open_log
from claims.tlog.source import FolderSource
from claims.tlog.submit import submit
from claims.tlog.tree import Tree
from claims.tlog.witness import KEPT
from tests.tlog import logs
from tests.tlog.witnesses import BARE, KNOWN, NAME, NOW, SEED, asked, post, served, show, witness

FIVE, NINE = logs.entries(0, 5), logs.entries(0, 9)


def test_the_request_of_the_specification() -> None:
    """Its example, but for the head."""
    lines = ["PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk="]
    text = f"old 20852014\n{lines[0]}\n{lines[1]}\n\nhead".encode()
    found = AddCheckpoint.decode(text)
    assert (found.old, len(found.proof), found.note, found.encode()) == (20852014, 2, b"head", text)
    assert AddCheckpoint.decode(b"old 0\n\nhead") == AddCheckpoint(0, (), b"head")


@pytest.mark.parametrize(
    "text",
    ["", "old 0", "old 0\n", "old 00\n\nx", "old -1\n\nx", "old +1\n\nx", "Old 0\n\nx", "old  0\n\nx", f"old {2**63}\n\nx", "old 1\r\n\nx",
     "old 1\nAA==\n\nx", "old 1\nnot base64\n\nx", "\nold 1\n\nx", "old 1\n" + "A" * 43 + "\n\nx", "old \u0661\n\nx"],
)  # fmt: skip
def test_what_is_no_request(text: str) -> None:
    with pytest.raises(LogError):
        AddCheckpoint.decode(text.encode())


def test_sizes() -> None:
    assert [parse_size(text) for text in ("0", "12", str(2**63 - 1))] == [0, 12, 2**63 - 1]
    assert [parse_size(text) for text in ("", "01", "-1", str(2**63), "1 ", "1\n", "\u0661")] == [None] * 7


@pytest.mark.parametrize("size", [1, 2, 3, 5, 256, 257, 600])
def test_proofs_from_tiles_are_those_from_all_leaves(size: int, tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", size)
    hashes = logs.hashes(logs.entries(0, size))
    tree = Tree(FolderSource(folder), size, tree_root(hashes))
    for old in {0, 1, 2, size // 2, size - 1, size, 255, 256} & set(range(size + 1)):
        assert tree.consistency(old) == consistency_proof(hashes, old)
        if old:
            check_consistency(old, size, tree_root(hashes[:old]), tree_root(hashes), tree.consistency(old))
    with pytest.raises(LogError):
        tree.consistency(size + 1)


def test_a_log_that_grows_is_cosigned(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    first, second = show(place, FIVE, 0), show(place, NINE, 5, NOW + 1)
    assert (first.status, second.status) == (200, 200)
    note = Note.decode(logs.signed(NINE))
    assert cosignatures(replace(note, signatures=parse_lines(second.body)), logs.public(SEED))[0].keys() == {(NOW + 1, NAME)}


def test_the_size_is_told_and_remembered(tmp_path: Path) -> None:
    show(witness(tmp_path / "w"), FIVE, 0)
    place = witness(tmp_path / "w")
    answer = show(place, NINE, 0)
    assert (answer.status, answer.body, answer.kind) == (409, b"5\n", SIZE_TYPE)
    assert show(place, NINE, 5).status == 200


def test_the_same_head_gets_the_same_cosignature_and_later_another(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    first = show(place, FIVE, 0)
    assert show(place, FIVE, 5, NOW + KEPT - 1).body == first.body
    later = show(place, FIVE, 5, NOW + KEPT)
    assert later.status == 200 and later.body != first.body


def test_an_empty_log(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    assert (show(place, [], 0).status, show(place, FIVE, 0).status) == (200, 200)


def test_hybrid_keys_on_both_sides(tmp_path: Path) -> None:
    trust = replace(KNOWN, key=hw.public(100), cosigners={NAME: hw.public(SEED)})
    head = Checkpoint(logs.ORIGIN, 5, tree_root(logs.hashes(FIVE)))
    place = witness(tmp_path / "w", replace(BARE, key=hw.public(100)), key=hw.key(SEED))
    note = sign_checkpoint(head, hw.key(100))
    answer = place.add_checkpoint(asked(FIVE, 0, note.encode()), NOW)
    assert len(parse_lines(answer.body)) == 2
    assert SignedCheckpoint.open(note.encode() + answer.body, trust).has_quorum(trust)


def test_a_log_and_a_witness_over_http(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    with served(witness(tmp_path / "w")) as server:
        for size, more in ((5, ()), (305, logs.entries(5, 305)), (306, logs.entries(305, 306))):
            if more:
                logs.extend(folder, *more)
            assert submit(folder, KNOWN, [server.url], lambda: NOW) == (size, [submitted(server.url)])
            assert open_log(folder, KNOWN).size == size
    assert open_log(folder, KNOWN).signed.times == {NAME: NOW}


def submitted(url: str) -> object:
    from claims.tlog.submit import Submission

    return Submission(url, (NAME,))


def test_a_head_keeps_a_witness_s_first_and_latest_cosignature(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    for at in range(0, 5 * KEPT, KEPT):
        with served(witness(tmp_path / "w"), now=NOW + at) as server:
            submit(folder, KNOWN, [server.url], lambda at=at: NOW + at)  # type: ignore[misc]
    view = open_log(folder, KNOWN)
    assert view.signed.stamps == {NAME: (NOW, NOW + 4 * KEPT)} and view.as_of() == NOW + 4 * KEPT


def test_connections_are_kept(tmp_path: Path) -> None:
    import http.client

    with served(witness(tmp_path / "w")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
        for old, status in ((0, 200), (0, 409), (5, 200)):
            connection.request("POST", "/add-checkpoint", asked(FIVE, old, proof=()))
            answer = connection.getresponse()
            assert (answer.status, answer.will_close) == (status, False) and answer.read()
        connection.close()


def test_ipv6_and_addresses_that_are_none(tmp_path: Path) -> None:
    from claims.base.errors import UnreadableFile
    from claims.tlog.witness_server import WitnessServer

    place = witness(tmp_path / "w")
    try:
        with served(place, listen="[::1]:0") as server:
            assert post(server.url, asked(FIVE, 0))[0] == 200
    except UnreadableFile:
        pytest.skip("this machine has no IPv6")
    for bad in ("", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "nowhere.invalid:1"):
        with pytest.raises(UnreadableFile):
            WitnessServer(bad, place, lambda: NOW, lambda _: None)


# ---- commands ------------------------------------------------------------------------------------------------


def test_the_table_of_an_agreement_from_a_key_and_from_verifier_keys(tmp_path: Path) -> None:
    public = generate_key_file(tmp_path / "w.key", None, hybrid=True)
    run = CliRunner()
    made = run.invoke(cli, ["log", "witness", "key", "--name", NAME, "--key", str(tmp_path / "w.key")])
    published = [half.encode() for half in verifier_keys(NAME, 4, public)]
    assert made.exit_code == 0 and run.invoke(cli, ["log", "witness", "key", *published]).output == made.output
    assert public_text(public) in made.output
    assert made.output.startswith(f'[[witness]]\nname = "{NAME}"\nkey = "ed25519:') and " mldsa44:" in made.output
    for bad in ([], ["--name", NAME], [verifier_keys(logs.ORIGIN, ED25519, logs.public(100))[0].encode()]):
        assert run.invoke(cli, ["log", "witness", "key", *bad]).exit_code == 2


def test_a_witness_is_served_asked_and_stopped(tmp_path: Path) -> None:
    """By the commands, each in a process of its own; the second start finds the memory, which the first one began."""
    folder = logs.make(tmp_path / "log", 5)
    public = generate_key_file(tmp_path / "w.key", None)
    log_key = verifier_keys(logs.ORIGIN, ED25519, logs.public(100))[0].encode()
    own = verifier_keys(NAME, 4, public)[0].encode()
    command = [sys.executable, "-m", "claims", "log", "witness", "serve", str(tmp_path / "memory"), "--name", NAME]
    command += ["--key", str(tmp_path / "w.key"), "--log-key", log_key, "--listen", "127.0.0.1:0"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2 and "--new-memory" in refused.stderr
    for size, more in ((5, ["--new-memory"]), (6, [])):
        if size == 6:
            logs.extend(folder, logs.entry(5))
        with subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == f"{own}\n"
            url = process.stdout.readline().split()[-1]
            ask = [sys.executable, "-m", "claims", "log", "submit", str(folder), "--witness", url, "--log-key", log_key]
            done = subprocess.run([*ask, "--cosigner", own, "--json"], capture_output=True, text=True)
            process.terminate()
            assert process.wait(60) == 0 and process.stderr.read() == f"cosigned {logs.ORIGIN}, size {size}\nstopped\n"
        answers = [{"address": url, "cosigners": [NAME], "problem": None}]
        assert json.loads(done.stdout) == {"origin": logs.ORIGIN, "size": size, "witnesses": answers}, done.stderr
        assert "without TLS" in done.stderr and done.returncode == 0
