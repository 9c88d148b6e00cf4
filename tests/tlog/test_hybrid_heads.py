"""Heads of a log whose key, and whose cosigners' keys, have two halves: C2SP's lines, both demanded, in both verifiers."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import hybrid_world as hw
import pytest

from claims.agreement.bounds import MAX_HYBRID_COSIGNERS
from claims.base.hybrid import halves
from claims.base.keys import public_bytes
from claims.tlog.checkpoint import (
    Checkpoint,
    LogTrust,
    SignedCheckpoint,
    cosign_lines,
    cosign_text,
    cosignatures,
    date_head,
    sign_checkpoint,
)
from claims.tlog.cosign import add_cosignatures, cosign
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogEvidence
from claims.tlog.memory import LogMemory
from claims.tlog.note import LATTICE, NOTE_LIMIT, Note, NoteSignature, VerifierKey, key_id, verifier_keys
from claims.tlog.reader import open_log
from claims.tlog.writer import LogWriter
from tests.site.test_js_verifier import ask
from tests.tlog import logs
from tests.tlog.test_writer import Stop, StoppingDisk, no_sync

__all__ = ["no_sync"]

LOG = hw.key(100)
SEEDS = {"alpha": 101, "beta": 102}
HEAD = Checkpoint(logs.ORIGIN, 7, bytes(range(32)))
TEXT = HEAD.text()
TRUST = LogTrust(logs.ORIGIN, hw.public(100), {"alpha": hw.public(101), "beta": hw.public(102), "gamma": logs.public(103)}, 1)


def judged(*notes: Note) -> list[Any]:
    """What both verifiers make of heads: names to times, or None; they agree."""
    answers = ask(
        "heads", notes=[base64.b64encode(note.encode()).decode() for note in notes], origin=TRUST.origin, key=TRUST.key.hex(),
        cosigners={name: key.hex() for name, key in TRUST.cosigners.items()},
    )  # fmt: skip
    found: list[Any] = []
    for note, answer in zip(notes, answers, strict=True):
        try:
            opened = SignedCheckpoint.open(note.encode(), TRUST)
        except LogError:
            assert answer.get("check") == "log", answer
            found.append(None)
            continue
        dated = None if opened.dated is None else list(opened.dated)
        stamps = {name: list(times) for name, times in opened.stamps.items()}
        assert answer == {"ok": {"size": opened.head.size, "times": dict(opened.times), "stamps": stamps, "dated": dated}}
        found.append(dict(opened.stamps))
    return found


def note(*lines: NoteSignature, own: Note | None = None) -> Note:
    signed = own or sign_checkpoint(HEAD, LOG)
    return Note(signed.text, (*signed.signatures, *lines))


def test_both_halves_of_the_log_and_of_each_cosigner_are_demanded() -> None:
    own = date_head(sign_checkpoint(HEAD, LOG), LOG, 9, 3)
    curve, lattice, dated = own.signatures
    alpha, beta = cosign_lines(TEXT, "alpha", hw.key(101), 20), cosign_lines(TEXT, "beta", hw.key(102), 21)
    gamma = cosign_lines(TEXT, "gamma", logs.key(103), 22)
    assert (len(own.signatures), len(alpha), len(gamma)) == (3, 2, 1)
    renamed = cosign_lines(TEXT, "example.org/w1", hw.key(101), 20)
    forged = replace(alpha[1], data=alpha[1].data[:-1] + bytes([alpha[1].data[-1] ^ 1]))
    elsewhere = cosign_text(Checkpoint("other.example/log", 7, HEAD.root).text(), "alpha", hw.key(101).lattice, 20)
    other_size = cosign_text(Checkpoint(logs.ORIGIN, 8, HEAD.root).text(), "alpha", hw.key(101).lattice, 20)
    moved = replace(renamed[1], name="alpha", id=key_id("alpha", LATTICE, halves(hw.public(101))[1]))
    stranger, other_head = (sign_checkpoint(*of).signatures[1] for of in ((HEAD, hw.key(99)), (replace(HEAD, size=8), LOG)))
    stamped = replace(alpha[1], data=(21).to_bytes(8, "big") + alpha[1].data[8:])
    cases: list[tuple[str, Note, Any]] = [
        ("all there", note(*alpha, *beta, *gamma, own=own), {"alpha": (20,), "beta": (21,), "gamma": (22,)}),
        ("own lattice line stripped", note(own=Note(TEXT, (curve, dated))), None),
        ("own curve line stripped", note(own=Note(TEXT, (lattice, dated))), None),
        ("own lattice line of another key", note(own=Note(TEXT, (curve, stranger))), None),
        ("own lattice line of another head", note(own=Note(TEXT, (curve, other_head))), None),
        ("own date stripped", note(own=Note(TEXT, (curve, lattice))), {}),
        ("own date cut to the curve's half", note(own=Note(TEXT, (curve, lattice, replace(dated, data=dated.data[:80])))), None),
        ("lattice half stripped", note(alpha[0], *beta), {"beta": (21,)}),
        ("curve half stripped", note(alpha[1], *beta), {"beta": (21,)}),
        ("halves of two times", note(alpha[0], cosign_lines(TEXT, "alpha", hw.key(101), 25)[1]), {}),
        ("halves of two names", note(alpha[0], renamed[1]), {}),
        ("halves of two cosigners", note(alpha[0], beta[1]), {}),
        ("under a name of its own", note(*renamed), {"alpha": (20,)}),
        ("a lattice half for another name", note(alpha[0], moved), None),
        ("a lattice half with another time", note(alpha[0], stamped), None),
        ("a lattice half of another log", note(alpha[0], elsewhere), None),
        ("a lattice half of another size", note(alpha[0], other_size), None),
        ("a forged half", note(alpha[0], forged), None),
        ("swapped halves", note(replace(alpha[0], data=alpha[1].data), replace(alpha[1], data=alpha[0].data)), None),
        ("two randomised lines of one time", note(*alpha, *cosign_lines(TEXT, "alpha", hw.key(101), 20)), {"alpha": (20,)}),
        ("first and latest", note(*alpha, *cosign_lines(TEXT, "alpha", hw.key(101), 30)), {"alpha": (20, 30)}),
        ("a lattice line of a cosigner without one", note(*gamma, cosign_lines(TEXT, "gamma", hw.key(103), 22)[1]), {"gamma": (22,)}),
    ]
    for (what, _, expected), found in zip(cases, judged(*(item for _, item, _ in cases)), strict=True):
        assert found == expected, what


def test_a_head_of_go_is_read_and_every_line_of_it_counts() -> None:
    vector = json.loads((Path(__file__).parent / "hybrid_note.json").read_text())
    (log, log_lattice), (curve, lattice) = ([VerifierKey.decode(text) for text in vector[name]] for name in ("log_keys", "cosigner_keys"))
    assert [key.encode() for key in (log, log_lattice, curve, lattice)] == [*vector["log_keys"], *vector["cosigner_keys"]]
    trust = LogTrust(log.name, log.key + log_lattice.key, {"w": curve.key + lattice.key}, 1)
    signed = SignedCheckpoint.open(vector["note"].encode(), trust)
    assert signed.has_quorum(trust) and signed.head.size == 123
    for at in range(4):
        lines = [line for number, line in enumerate(signed.note.signatures) if number != at]
        without = Note(signed.note.text, tuple(lines)).encode()
        if at < 2:
            with pytest.raises(LogRejected):
                SignedCheckpoint.open(without, trust)
        else:
            assert SignedCheckpoint.open(without, trust).times == {}


def test_verifier_keys_of_a_wrong_length_are_none() -> None:
    for key in verifier_keys("alpha", 4, hw.public(1)):
        assert VerifierKey.decode(key.encode()) == key
        for bad in (replace(key, key=key.key[:-1]), replace(key, key=key.key + b"\0"), replace(key, kind=7)):
            with pytest.raises(LogError):
                VerifierKey.decode(bad.encode())


def start(folder: Path) -> LogMemory:
    return LogMemory.load(folder.parent / "writer.memory", LogTrust(logs.ORIGIN, hw.public(100)), keeps_leaves=False)


@pytest.mark.usefixtures("no_sync")
def test_a_head_is_signed_once_whatever_step_an_append_stops_at(tmp_path: Path) -> None:
    """The memory has the signature before the folder does: after a crash the same one is published."""
    counting = StoppingDisk(tmp_path / "count", 0)
    with LogWriter.create(tmp_path / "count", logs.ORIGIN, LOG, memory=lambda trust: start(tmp_path / "count" / "x")) as writer:
        writer._disk = counting
        writer.append([b"one", b"two"])
    for step in range(1, counting.steps + 1):
        folder = tmp_path / f"at-{step}" / "log"
        folder.parent.mkdir()
        with LogWriter.create(folder, logs.ORIGIN, LOG, memory=lambda trust, folder=folder: start(folder)) as writer:
            writer._disk = StoppingDisk(folder, step)
            with pytest.raises(Stop):
                writer.append([b"one", b"two"])
        seen = start(folder)
        with LogWriter.open(folder, LOG, memory=lambda trust, folder=folder: start(folder)) as writer:
            if writer.size == 0:
                writer.append([b"one", b"two"])
        trust = LogTrust(logs.ORIGIN, hw.public(100))
        published = open_log(folder, trust).signed.note
        if seen.size == 2:
            assert Note.decode(seen.note or b"").signatures == published.signatures[:2]
        assert Note.decode(start(folder).note or b"").signatures[:2] == published.signatures[:2]


def test_two_signatures_of_one_head_are_no_fork_and_no_rewind(tmp_path: Path) -> None:
    one, two = sign_checkpoint(HEAD, LOG).encode(), sign_checkpoint(HEAD, LOG).encode()
    assert one != two
    with pytest.raises(LogRejected):
        LogEvidence.of(LogTrust(logs.ORIGIN, hw.public(100)), one, two)
    fork = LogEvidence.of(LogTrust(logs.ORIGIN, hw.public(100)), one, sign_checkpoint(replace(HEAD, root=bytes(32)), LOG).encode())
    assert LogEvidence.decode(fork.encode()) == fork


def test_cosigners_of_both_kinds_cosign_again_and_come_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    with LogWriter.create(folder, logs.ORIGIN, LOG) as writer:
        writer.append([b"entry"], 5)
    trust = LogTrust(logs.ORIGIN, hw.public(100), {name: hw.public(seed) for name, seed in SEEDS.items()}, 2)

    def memory(name: str) -> LogMemory:
        return LogMemory.load(tmp_path / f"{name}.memory", trust)

    first = cosign(folder, hw.key(101), "alpha", memory("alpha"), 10, others=trust.cosigners)
    again = cosign(folder, hw.key(101), "alpha", memory("alpha"), 12, others=trust.cosigners)
    assert again.signatures == first.signatures  # kept: it is not signed anew
    for time in (14, 16):
        cosign(folder, hw.key(101), "alpha", memory("alpha"), time, others=trust.cosigners, again=True)
    head = open_log(folder, trust.alone()).signed
    stored = Note.decode((folder / "checkpoint").read_bytes())
    assert [time for time, _ in cosignatures(stored, hw.public(101))[0]] == [10, 16]
    elsewhere = Note(head.note.text, cosign_lines(head.note.text, "beta", hw.key(102), 20))
    assert add_cosignatures(folder, trust, Note(stored.text, (*stored.signatures, *elsewhere.signatures)).encode()) == ["alpha", "beta"]
    assert open_log(folder, trust).signed.times == {"alpha": 10, "beta": 20}
    alone = "".join(line.line() for line in cosign_lines(head.note.text, "beta", hw.key(102), 25)).encode()
    assert add_cosignatures(folder, trust, alone) == ["beta"]
    half = cosign_lines(head.note.text, "beta", hw.key(102), 30)[0].line().encode()
    assert add_cosignatures(folder, trust, half) == []


def test_a_head_has_room_for_sixteen_hybrid_cosigners_and_never_outgrows_its_readers(tmp_path: Path) -> None:
    """With the first and the latest cosignature of each, names as long as parties' names, and the longest origin."""
    folder = tmp_path / "log"
    with LogWriter.create(folder, "x" * 128, LOG) as writer:
        writer.append([b"entry"], 5)
    seeds = {f"{number:064d}": 200 + number for number in range(MAX_HYBRID_COSIGNERS)}
    trust = LogTrust("x" * 128, hw.public(100), {name: hw.public(seed) for name, seed in seeds.items()}, 16)
    text = (folder / "checkpoints/1").read_bytes().decode().split("\n\n")[0] + "\n"
    for time in (10, 20):
        lines = [line for name, seed in seeds.items() for line in cosign_lines(text, name, hw.key(seed), time)]
        add_cosignatures(folder, trust, "".join(line.line() for line in lines).encode())
    assert open_log(folder, trust).signed.has_quorum(trust)
    size = len((folder / "checkpoint").read_bytes())
    assert size < NOTE_LIMIT
    with pytest.raises(LogError, match="no room"):
        for time in range(30, 34):
            lines = [line for name, seed in seeds.items() for line in cosign_lines(text, name, hw.key(seed), time)]
            add_cosignatures(folder, trust, "".join(line.line() for line in lines).encode())
    assert open_log(folder, trust).signed.has_quorum(trust)


def test_public_halves() -> None:
    assert public_bytes(LOG) == b"".join(halves(hw.public(100)))
