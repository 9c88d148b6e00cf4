"""Logs that lie to witnesses, clients that wear them down, and witnesses that lie to a log (FORMATS-log.md section 11)."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest
import world
from click.testing import CliRunner

import claims.tlog.witness as module
import tests.status.test_status_log as regime
from claims.agreement.file import parse_agreement
from claims.base.errors import UnreadableFile
from claims.base.keys import generate_key_file, public_text
from claims.base.merkle import tree_root
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, DecisionEntry, Entry
from claims.claim.published import PublishedEntries
from claims.cli.main import cli
from claims.decisions.log import logged_decisions
from claims.tlog.add_checkpoint import SIZE_TYPE
from claims.tlog.checkpoint import Checkpoint, cosign_lines, cosignatures, sign_checkpoint
from claims.tlog.cosign import cosign
from claims.tlog.errors import LogError
from claims.tlog.evidence import LogEvidence
from claims.tlog.memory import LogMemory
from claims.tlog.note import ED25519, Note, NoteSignature, parse_lines, verifier_keys
from claims.tlog.reader import open_log
from claims.tlog.submit import Submission, submit
from claims.tlog.witness import KEPT, Witness
from claims.tlog.writer import LogWriter
from claims.verify.log import late_assents, log_trust
from tests.tlog import logs
from tests.tlog.witnesses import BARE, KEY, KNOWN, NAME, NOW, SEED, asked, post, served, show, told, witness

FIVE, NINE = logs.entries(0, 5), logs.entries(0, 9)
OTHER = [*logs.entries(0, 3), b"what only some are shown", logs.entry(4)]


# ---- a log that lies to witnesses ----------------------------------------------------------------------------


def test_a_log_that_forks_between_two_witnesses(tmp_path: Path) -> None:
    """Each keeps to its own tree, of that size and of every later one; the second sees the fork, and keeps what convicts the log."""
    one, two = witness(tmp_path / "one"), witness(tmp_path / "two")
    assert (show(one, FIVE, 0).status, show(two, OTHER, 0).status) == (200, 200)
    refused = show(two, FIVE, 5, NOW + 100)
    assert refused.status == 409 and refused.kind != SIZE_TYPE
    assert (show(one, NINE, 5).status, show(two, NINE, 5, NOW + 100).status) == (200, 422)
    assert show(two, [*OTHER, b"more"], 5, NOW + 100).status == 200
    (evidence,) = (tmp_path / "two").glob("*.evidence")
    assert LogEvidence.decode(evidence.read_bytes()).check(logs.ORIGIN, logs.public(100)) == (5, 5)


def test_a_log_that_forks_a_thousand_times_fills_no_disk(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)
    for number in range(20):
        assert show(place, [*FIVE[:4], b"%d" % number], 5).status == 409
    assert len(list((tmp_path / "w").iterdir())) == 2


@pytest.mark.parametrize("old", [0, 1, 3, 4, 6, 9])
def test_an_old_size_again(old: int, tmp_path: Path) -> None:
    """Whatever size a request starts from, a tree below the last one is never cosigned."""
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)
    for size in range(old, 7):
        answer = place.add_checkpoint(asked(NINE[:size], old), NOW)
        assert (answer.status, answer.body, answer.kind) == (409, b"5\n", SIZE_TYPE)
    assert place.add_checkpoint(asked(NINE[:4], 5, proof=()), NOW).status == 400


def test_other_logs_and_other_keys(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    head = Checkpoint(logs.ORIGIN, 5, tree_root(logs.hashes(FIVE)))
    for other, status in (("log.example/standstilL", 404), ("witness", 404), (logs.ORIGIN, 403)):
        note = sign_checkpoint(replace(head, origin=other), logs.key(99)).encode()
        assert place.add_checkpoint(asked(FIVE, 0, note), NOW).status == status
    good = sign_checkpoint(head, logs.LOG)
    unsigned = Note(good.text, cosign_lines(good.text, logs.ORIGIN, logs.LOG, NOW))
    moved = Note(replace(head, size=6).text(), good.signatures)
    spoilt = Note(good.text, (*good.signatures, replace(good.signatures[0], data=bytes(64))))
    for note in (unsigned, moved, spoilt):
        assert place.add_checkpoint(asked(FIVE, 0, note.encode()), NOW).status == 403
    assert show(place, FIVE, 0).status == 200


def test_half_of_a_hybrid_log_s_signature(tmp_path: Path) -> None:
    place = witness(tmp_path / "w", replace(BARE, key=hw.public(100)))
    note = sign_checkpoint(Checkpoint(logs.ORIGIN, 5, tree_root(logs.hashes(FIVE))), hw.key(100))
    for line in note.signatures:
        assert place.add_checkpoint(asked(FIVE, 0, Note(note.text, (line,)).encode()), NOW).status == 403
    assert place.add_checkpoint(asked(FIVE, 0, note.encode()), NOW).status == 200


def test_proofs_that_do_not_prove(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)
    for proof, status in (((), 422), ((bytes(32),) * 3, 422), ((bytes(32),) * 63, 422), ((bytes(32),) * 64, 400), ((bytes(31),), 400)):
        assert place.add_checkpoint(asked(NINE, 5, proof=proof), NOW).status == status
    assert place.add_checkpoint(asked(FIVE, 5, proof=(bytes(32),)), NOW + KEPT).status == 422
    fresh = witness(tmp_path / "fresh")
    assert fresh.add_checkpoint(asked(FIVE, 0, proof=(bytes(32),)), NOW).status == 422
    rootless = sign_checkpoint(Checkpoint(logs.ORIGIN, 0, bytes(32)), logs.LOG).encode()
    assert fresh.add_checkpoint(asked([], 0, rootless), NOW).status == 422


def test_two_heads_of_one_size_at_once(tmp_path: Path) -> None:
    """Many clients at the same moment, of two trees: all that are cosigned are of one."""
    for attempt in range(5):
        place = witness(tmp_path / str(attempt))
        start = threading.Barrier(8)

        def ask(number: int, place: Witness = place, start: threading.Barrier = start) -> tuple[bool, int]:
            start.wait()
            return bool(number % 2), show(place, OTHER if number % 2 else FIVE, 0).status

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        assert len({tree for tree, status in answers if status == 200}) == 1 and {status for _, status in answers} == {200, 409}


def test_a_request_that_overtakes_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race of the specification: the smaller head is held up before it is remembered, and the larger one comes meanwhile."""
    place, answers = witness(tmp_path / "w"), []
    late = threading.Thread(target=lambda: answers.append(show(place, NINE, 0).status))
    write = module.write_atomic

    def slow(*arguments: Any) -> None:
        monkeypatch.setattr(module, "write_atomic", write)
        late.start()
        late.join(0.2)
        write(*arguments)

    monkeypatch.setattr(module, "write_atomic", slow)
    assert show(place, FIVE, 0).status == 200
    late.join()
    assert answers == [409] and show(place, NINE, 0).body == b"5\n"


# ---- crashes, clocks, memories -------------------------------------------------------------------------------


def test_a_crash_between_memory_and_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was remembered and not sent counts as cosigned; the same head is cosigned when it is asked for again, no other one is."""
    place = witness(tmp_path / "w")

    def crash(*_: object) -> Any:
        (file,) = (tmp_path / "w").glob("*.witness")
        assert b"\\n5\\n" in file.read_bytes()
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "cosign_lines", crash)
    with pytest.raises(KeyboardInterrupt):
        show(place, FIVE, 0)
    monkeypatch.undo()
    again = witness(tmp_path / "w")
    assert (show(again, OTHER, 0).status, show(again, OTHER, 5).status, show(again, FIVE, 5).status) == (409, 409, 200)


def test_a_key_that_fails_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is gone for a moment: what is answered then is no cosignature of the head before."""
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)

    def fail(*_: object) -> Any:
        raise UnreadableFile("the token is gone")

    monkeypatch.setattr(module, "cosign_lines", fail)
    with pytest.raises(UnreadableFile):
        show(place, NINE, 5)
    monkeypatch.undo()
    note = Note.decode(logs.signed(NINE))
    assert cosignatures(replace(note, signatures=parse_lines(show(place, NINE, 9).body)), logs.public(SEED))[0]


def test_a_memory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = witness(tmp_path / "w")

    def full(*_: object) -> None:
        raise UnreadableFile("no space left")

    monkeypatch.setattr(module, "write_atomic", full)
    signed: list[object] = []
    monkeypatch.setattr(module, "cosign_lines", lambda *given: signed.append(given))
    with served(place) as server:
        assert post(server.url, asked(FIVE, 0))[0] == 500
    assert not signed
    monkeypatch.undo()
    assert show(place, OTHER, 0).status == 200


def test_what_is_remembered_is_on_the_disk_before_it_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: the file's bytes, its name, its folder; then the cosignature."""
    steps: list[str] = []
    place = witness(tmp_path / "w")
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("rename"), rename(*names)))
    monkeypatch.setattr("claims.base.files.os.replace", os.replace)
    monkeypatch.setattr(module, "cosign_lines", lambda *given: steps.append("sign") or cosign_lines(*given))
    assert show(place, FIVE, 0).status == 200
    assert steps == ["sync", "rename", "sync", "sign"]


def test_a_clock_that_went_back(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)
    assert show(place, NINE, 5, NOW - 1).status == 503
    with pytest.raises(LogError, match="--clock-is-right"):
        place.check_clock(NOW - 1)
    place.check_clock(NOW - 1, is_right=True)
    again = witness(tmp_path / "w")
    again.check_clock(NOW - 1)
    assert show(again, NINE, 5, NOW - 1).status == 200


def test_a_memory_that_is_lost_or_of_another_log(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    show(place, FIVE, 0)
    (file,) = (tmp_path / "w").glob("*.witness")
    good = file.read_bytes()
    other = replace(BARE, origin="log.example/other")
    Witness.begin(tmp_path / "w", other)
    for bad in (b"", good[:-1], good.replace(b"/1", b"/2", 1), good + b" ",
                good.replace(b"log.example/standstill", b"log.example/other"), b"[" * 9000):  # fmt: skip
        file.write_bytes(bad)
        with pytest.raises(LogError):
            Witness(NAME, KEY, tmp_path / "w", [BARE], told)
    file.unlink()
    with pytest.raises(LogError, match="no memory"):
        Witness(NAME, KEY, tmp_path / "w", [BARE], told)
    with pytest.raises(LogError, match="one origin"):
        Witness(NAME, KEY, tmp_path / "w", [other, other], told)


# ---- what a witness's word is not ----------------------------------------------------------------------------


def test_what_only_a_witness_saw_is_undated(tmp_path: Path) -> None:
    """An operator that shows its heads to a witness alone enters an assent and a decision in secret. Who is shown them later, as
    if they were old, finds them in the log, and dated by the first party that read them."""
    text = regime.TEXT + f'\n[[witness]]\nname = "{NAME}"\nkey = "{world.public(80)}"\n'
    terms = parse_agreement(text.replace('opening = "3 h"', 'opening = "3 h"\nsign_by = 2025-12-31T00:00:00Z'))
    trust, folder = log_trust(terms), tmp_path / "log"
    early, later = terms.start - 30 * 86_400, terms.start + 90 * 86_400
    reason = bytes(32)
    words: list[Entry] = [sign_entry(world.key(seed), AssentEntry(terms.digest, name)) for name, seed in regime.SEEDS.items()]
    for name in ("alpha", "beta"):
        words.append(sign_entry(world.key(regime.SEEDS[name]), DecisionEntry(terms.digest, name, 1, terms.start, reason)))
    with LogWriter.create(folder, trust.origin, world.key(50)) as writer:
        writer.append(list(map(encode_entry, words)), now=early)
    cosign(folder, world.key(80), NAME, LogMemory.load(tmp_path / "w.memory", trust), early)

    def seen() -> tuple[int, list[str], list[int | None]]:
        view = open_log(folder, trust)
        published = PublishedEntries(terms, enumerate(view.entries))
        decided = [item.counted(terms) for item in logged_decisions(terms, published, view).values()]
        return view.size, late_assents(published, view), [None if item is None else item.effective for item in decided]

    assert seen() == (6, sorted(regime.SEEDS), [None])
    for name in ("delta", "beta"):
        cosign(folder, world.key(regime.COSIGN[name]), name, LogMemory.load(tmp_path / f"{name}.memory", trust), later, clock_is_right=True)
    assert seen() == (6, sorted(regime.SEEDS), [later])


# ---- witnesses that lie to a log -----------------------------------------------------------------------------

Says = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def liar(says: Says) -> Iterator[str]:
    """The address of a witness that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            says(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(status: int, body: bytes = b"", **headers: str) -> Says:
    def say(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return say


def lines(*items: NoteSignature) -> bytes:
    return "".join(item.line() for item in items).encode()


HEAD = Note.decode(logs.signed(FIVE)).text
GOOD = cosign_lines(HEAD, NAME, KEY, NOW)
BAD = replace(GOOD[0], data=GOOD[0].data[:-1] + bytes([GOOD[0].data[-1] ^ 1]))

LIES: dict[str, tuple[Says, str]] = {
    "nothing": (answer(200), "no signature lines"),
    "garbage": (answer(200, b"\xff\x00garbage"), "UTF-8"),
    "a page": (answer(200, b"<html>welcome</html>\n"), "malformed"),
    "without its newline": (answer(200, lines(*GOOD)[:-1]), "no signature lines"),
    "huge": (answer(200, b"x" * 70_000), "larger than"),
    "huge when unpacked": (answer(200, gzip.compress(bytes(10**8)), Content_Encoding="gzip"), "larger than"),
    "an unknown key": (answer(200, lines(*cosign_lines(HEAD, "mallory.example/w", logs.key(66), NOW))), "cosigns as mallory.example/w"),
    "the name and another key": (answer(200, lines(*cosign_lines(HEAD, NAME, logs.key(66), NOW))), "no whole cosignature"),
    "of another head": (answer(200, lines(*cosign_lines(HEAD.replace("\n5\n", "\n6\n"), NAME, KEY, NOW))), "does not verify"),
    "a signature with one bit changed": (answer(200, lines(BAD)), "does not verify"),
    "good and bad": (answer(200, lines(*GOOD, BAD)), "does not verify"),
    "of next year": (answer(200, lines(*cosign_lines(HEAD, NAME, KEY, NOW + 31_536_000))), "dates its cosignature"),
    "of 1970": (answer(200, lines(*cosign_lines(HEAD, NAME, KEY, 0))), "dates its cosignature 1970"),
    "the log's own signature": (answer(200, lines(*Note.decode(logs.signed(FIVE)).signatures)), "no whole cosignature"),
    "elsewhere": (answer(302, Location="http://127.0.0.1:9/add-checkpoint"), "answers 302"),
    "elsewhere for good": (answer(308, Location="/add-checkpoint"), "answers 308"),
    "not now": (answer(503), "answers 503"),
    "too often": (answer(429), "too often"),
    "a stranger": (answer(404), "does not know this log"),
    "not its key": (answer(403), "does not take its signature"),
    "a fork by size": (answer(409, b"5\n"), "the log forked, or the witness errs"),
    "a fork by proof": (answer(422), "the log forked, or the witness errs"),
    "ahead": (answer(409, b"6\n", Content_Type=SIZE_TYPE), "it went back, or this is an older copy"),
    "the size that was given": (answer(409, b"0\n", Content_Type=SIZE_TYPE), "does not answer with a size that it can have cosigned"),
    "no size": (answer(409, b"-1\n", Content_Type=SIZE_TYPE), "does not answer with a size that it can have cosigned"),
    "a long size": (answer(409, b"9" * 60_000, Content_Type=SIZE_TYPE), "does not answer with a size that it can have cosigned"),
    "an escape sequence": (answer(200, "\u2014 \x1b[2Jx AAAAAAAA\n".encode()), "control characters"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_witness_that_lies(name: str, tmp_path: Path) -> None:
    """Nothing of what it says is kept, and the next witness is asked all the same."""
    says, why = LIES[name]
    folder = logs.make(tmp_path / "log", 5)
    with liar(says) as url, served(witness(tmp_path / "w")) as server:
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        _, (first,) = submit(folder, KNOWN, [url], lambda: NOW)
        assert (first.address, first.names) == (url, ()) and why in first.problem
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        assert submit(folder, KNOWN, [url, server.url], lambda: NOW)[1][1] == Submission(server.url, (NAME,))


def test_a_witness_that_never_comes_to_an_end(tmp_path: Path) -> None:
    """Each time another size: three requests, no more. One that drips its answer is left."""
    folder, asked_for = logs.make(tmp_path / "log", 5), []

    def sizes(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked_for.append(body.split(b"\n")[0])
        answer(409, b"%d\n" % len(asked_for), Content_Type=SIZE_TYPE)(handler, body)

    with liar(sizes) as url:
        assert "another size" in submit(folder, KNOWN, [url], lambda: NOW)[1][0].problem
    assert asked_for == [b"old 0", b"old 1", b"old 2"]
    gone = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while not gone.wait(0.05):
                handler.wfile.write(b"x")

    with liar(drip) as url:
        assert submit(folder, KNOWN, [url], lambda: NOW, deadline=0.5)[1][0].names == ()
        gone.set()


def test_a_witness_with_a_hybrid_key_that_gives_one_half(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    trust = replace(KNOWN, cosigners={NAME: hw.public(SEED)})
    both = cosign_lines(HEAD, NAME, hw.key(SEED), NOW)
    for half in both:
        with liar(answer(200, lines(half))) as url:
            assert "no whole cosignature" in submit(folder, trust, [url], lambda: NOW)[1][0].problem
    with liar(answer(200, lines(*both))) as url:
        assert submit(folder, trust, [url], lambda: NOW)[1][0].names == (NAME,)


def test_a_witness_that_cosigns_a_thousand_times(tmp_path: Path) -> None:
    """One cosignature of an answer is kept, and two of each cosigner on a head: no witness takes the room of others."""
    folder, now = logs.make(tmp_path / "log", 5), [NOW]

    def many(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        answer(200, lines(*(line for at in range(90) for line in cosign_lines(HEAD, NAME, KEY, now[0] + at))))(handler, body)

    with liar(many) as url:
        for _ in range(3):
            assert submit(folder, KNOWN, [url], lambda: now[0])[1][0].names == (NAME,)
            assert open_log(folder, KNOWN).signed.stamps[NAME][-1] == now[0]
            now[0] += 1000
    assert len(Note.decode((folder / "checkpoint").read_bytes()).signatures) == 4  # the log's, its date, and two


# ---- commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["https://u:hunter2@w.example/", "https://:hunter2@w.example", "http://hunter2@w.example/", "ftp://hunter2/"])
def test_an_address_with_a_password_is_not_repeated(address: str, tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    key = verifier_keys(logs.ORIGIN, ED25519, logs.public(100))[0].encode()
    done = CliRunner().invoke(cli, ["log", "submit", str(folder), "--witness", address, "--log-key", key])
    assert isinstance(done.exception, LogError) and "hunter2" not in str(done.exception) + done.output


def test_a_witness_keeps_nothing_of_what_it_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands remember which signatures verified. A log that signs without end would fill a process that never ends."""
    from claims.base import ed25519

    own = generate_key_file(tmp_path / "own.key", None)
    text = f'{regime.TEXT}\n[[witness]]\nname = "{NAME}"\nkey = "{public_text(own)}"\n'
    (tmp_path / "agreement.toml").write_text(text)
    seen: list[object] = []
    monkeypatch.setattr(ed25519, "_KNOWN", [None])
    monkeypatch.setattr("claims.tlog.witness_server.WitnessServer.serve_forever", lambda _: seen.append(ed25519._KNOWN[-1]))
    arguments = ["--key", str(tmp_path / "own.key"), "--name", NAME, "--agreement", str(tmp_path / "agreement.toml"), "--new-memory"]
    done = CliRunner().invoke(cli, ["log", "witness", "serve", str(tmp_path / "memory"), "--listen", "127.0.0.1:0", *arguments])
    assert done.exit_code == 0 and seen == [None]


def test_without_tls_it_is_said(tmp_path: Path) -> None:
    folder = logs.make(tmp_path / "log", 5)
    key = verifier_keys(logs.ORIGIN, ED25519, logs.public(100))[0].encode()
    done = CliRunner().invoke(cli, ["log", "submit", str(folder), "--witness", "http://127.0.0.1:1/", "--log-key", key])
    assert done.exit_code == 3 and "without TLS" in done.output and "Connection refused" in done.output
    done = CliRunner().invoke(cli, ["log", "submit", str(tmp_path), "--witness", "https://w.example/", "--log-key", key])
    assert isinstance(done.exception, LogError) and "there is no log" in str(done.exception)


def test_a_key_that_is_not_the_agreed_witness_s(tmp_path: Path) -> None:
    """A party's cosign_key says that the party read the entries: no witness signs with it, whatever it is called."""
    from tests.agreement.test_agreement_terms import FULL

    own, party = (generate_key_file(tmp_path / name, None) for name in ("own.key", "party.key"))
    text = FULL.replace(world.public(70), public_text(party)) + f'\n[[witness]]\nname = "{NAME}"\nkey = "{public_text(own)}"\n'
    assert parse_agreement(text).witnesses[0].name == NAME
    (tmp_path / "agreement.toml").write_text(text)
    for key, name, why in (("party.key", NAME, "party's cosign_key"), ("party.key", "gamma", "party's cosign_key"), ("own.key", "w", "no")):
        arguments = ["--key", str(tmp_path / key), "--name", name, "--agreement", str(tmp_path / "agreement.toml")]
        done = CliRunner().invoke(cli, ["log", "witness", "serve", str(tmp_path / "memory"), *arguments])
        assert done.exit_code == 1 and why in str(done.exception)
    assert not (tmp_path / "memory").exists()
