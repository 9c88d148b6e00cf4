"""Notes, checkpoints, cosignatures and proof files: published vectors, then hostile bytes."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.base.merkle import EMPTY_ROOT, leaf_hash
from claims.tlog.checkpoint import (
    Checkpoint,
    LogTrust,
    SignedCheckpoint,
    cosign_text,
    cosignature_time,
    sign_checkpoint,
)
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.note import (
    COSIGNATURE,
    ED25519,
    NOTE_LIMIT,
    SIGNATURES_LIMIT,
    Note,
    NoteSignature,
    VerifierKey,
    key_id,
    sign_text,
    verifies,
)
from claims.tlog.proof import TLogProof
from tests.tlog import logs
from tests.tlog.vectors import ALL

GO = ALL["notes"]
HEAD = Checkpoint(logs.ORIGIN, 7, bytes(range(32)))
TEXT = HEAD.text()


# ---- published vectors -------------------------------------------------------------------------------------------


def test_go_notes_verify_and_sign() -> None:
    note = Note.decode((GO["text"] + "\n" + "".join(GO["signatures"].values())).encode())
    assert note.text == GO["text"] and [item.name for item in note.signatures] == ["PeterNeumann", "EnochRoot"]
    for name, text in GO["keys"].items():
        key = VerifierKey.decode(text)
        assert key.name == name and key.kind == ED25519 and key.encode() == text
        (line,) = note.by(key)
        assert verifies(key.key, line.data, note.text.encode())
        assert not verifies(key.key, line.data, note.text.encode() + b"\n")
    private = Ed25519PrivateKey.from_private_bytes(b64decode(GO["private"])[1:])
    assert sign_text(GO["text"], "PeterNeumann", private).line() == GO["signatures"]["PeterNeumann"]


def test_mangled_verifier_keys_are_refused() -> None:
    text = GO["keys"]["PeterNeumann"]
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            if (start, end) != (0, len(text)):
                with pytest.raises(LogError):
                    VerifierKey.decode(text[start:end])
    for at in range(len(text)):
        with pytest.raises(LogError):
            VerifierKey.decode(text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :])
    for bad in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(LogError):
            VerifierKey.decode(bad)


def test_go_bad_notes_are_refused() -> None:
    text, line = GO["text"], GO["signatures"]["PeterNeumann"]
    for bad in (
        text.encode(), (text + "\n").encode(), (text + "\n" + line[:-1]).encode(), b"\x01" + (text + "\n" + line).encode(),
        b"\xff" + (text + "\n" + line).encode(), (text + "\n" + line.replace("PeterNeumann", "Bad Name")).encode(),
        (text + "\n" + line + "Unexpected line.\n").encode(),
    ):
        with pytest.raises(LogError):
            Note.decode(bad)


def test_the_specification_s_note() -> None:
    vector = ALL["signed_note"]
    note, key = Note.decode(vector["note"].encode()), VerifierKey.decode(vector["key"])
    (line,) = note.by(key)
    assert key.id.hex() == "530d903a" and verifies(key.key, line.data, note.text.encode())
    assert note.encode() == vector["note"].encode()


def public_log() -> tuple[LogTrust, bytes]:
    vector = ALL["checkpoint"]
    log, cosigners = VerifierKey.decode(vector["log_key"]), [VerifierKey.decode(text) for text in vector["cosigners"]]
    assert all(key.kind == COSIGNATURE for key in cosigners)
    return LogTrust(log.name, log.key, {key.name: key.key for key in cosigners}, 4), vector["note"].encode()


def test_a_public_log_s_head_with_four_witnesses() -> None:
    trust, data = public_log()
    signed = SignedCheckpoint.open(data, trust)
    assert signed.head.size == ALL["checkpoint"]["size"] and signed.note.encode() == data
    assert set(signed.times.values()) == {ALL["checkpoint"]["time"]} and len(signed.times) == 4
    assert signed.quorum_time(trust) == ALL["checkpoint"]["time"]
    for name in trust.cosigners:
        assert signed.quorum_time(trust, {name}) is None and not signed.has_quorum(trust, {name})
    with pytest.raises(LogRejected):
        SignedCheckpoint.open(data.replace(b"1432088532", b"1432088533"), trust)


def test_head_text_and_timestamp_vectors() -> None:
    vector = ALL["head_text"]
    head = Checkpoint.parse(vector["text"])
    assert (head.size, head.root) == (vector["size"], leaf_hash(vector["leaf"].encode())) and head.text() == vector["text"]
    stamped = b64decode(ALL["timestamp"]["signature"])
    assert int.from_bytes(stamped[4:12], "big") == ALL["timestamp"]["time"] and len(stamped) == 76


def test_the_specification_s_cosignature() -> None:
    """Its example: the lines read back, the time is in the signature, and the message signed is the one printed there."""
    vector = ALL["cosignature"]
    note = Note.decode(vector["note"].encode())
    head = Checkpoint.parse(note.text)
    assert (head.origin, head.size, note.encode()) == ("example.com/behind-the-sofa", vector["size"], vector["note"].encode())
    log, witness = note.signatures
    assert len(log.data) == 64 and len(witness.data) == 72 and int.from_bytes(witness.data[:8], "big") == vector["time"]
    mine = cosign_text(note.text, "witness.example.com/w1", logs.key(5), vector["time"])
    assert mine.data[:8] == witness.data[:8]
    assert verifies(logs.key(5).public_key().public_bytes_raw(), mine.data[8:], vector["message"].encode())


def test_the_specification_s_proof() -> None:
    vector = ALL["proof"]
    checkpoint = sign_checkpoint(Checkpoint.parse(vector["text"]), logs.LOG).encode()
    proof = TLogProof.decode(vector["head"].encode() + checkpoint)
    assert proof.index == vector["index"] and len(proof.path) == 5 and proof.encode() == vector["head"].encode() + checkpoint
    assert proof.extra is not None and proof.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")


# ---- checkpoints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 255, 256, 2**53, 2**63 - 1])
def test_sizes_up_to_the_format_s_bound(size: int) -> None:
    head = Checkpoint("o", size, bytes(32))
    assert Checkpoint.parse(head.text()) == head


@pytest.mark.parametrize(
    "size", ["-1", "+1", "01", "00", "0x10", "1e3", "1_0", "", " 1", "1 ", str(2**63), str(2**64), "9" * 4000, "\u0661", "1.0"]
)
def test_other_sizes_are_refused(size: str) -> None:
    with pytest.raises(LogError):
        Checkpoint.parse(TEXT.replace("\n7\n", f"\n{size}\n"))


def test_malformed_heads_are_refused() -> None:
    root = b64encode(HEAD.root).decode()
    for bad in (
        "", "\n", "o\n7\n", f"\n7\n{root}\n", f"o\n7\n{root}", f"o\n7\n{root}\n\n", f"o\n7\n{root}\n\nx\n", f"o\n\n7\n{root}\n",
        f"o\n7\n{root[:-1]}\n", f"o\n7\n{root} \n", f"o\n7\n{b64encode(bytes(31)).decode()}\n", f"o\n7\n{b64encode(bytes(33)).decode()}\n",
        f"o\n7\n{root.replace('=', '')}\n", "o\n7\nbananas\n", f"o\r\n7\r\n{root}\r\n",
    ):
        with pytest.raises(LogError):
            Checkpoint.parse(bad)
    assert Checkpoint.parse(TEXT + "more\n").extensions == ("more",)


def test_non_canonical_base64_is_refused() -> None:
    """32 bytes leave two unused bits in base64: only zero may stand there."""
    root = b64encode(HEAD.root).decode()
    twin = root[:-2] + chr(ord(root[-2]) + 1) + "="
    assert b64decode(twin) == HEAD.root
    with pytest.raises(LogError):
        Checkpoint.parse(TEXT.replace(root, twin))
    line = sign_checkpoint(HEAD, logs.LOG).signatures[0].line()
    assert line.endswith("=\n")
    with pytest.raises(LogError):
        NoteSignature.parse(line[:-3] + chr(ord(line[-3]) + 1) + "=")


@pytest.mark.parametrize("origin", ["", "with space", "a+b", "tab\t", "line\nbreak", "\u00e9", "x" * 129, "\u2014"])
def test_origins_that_cannot_be(origin: str) -> None:
    with pytest.raises(LogError):
        LogTrust(origin, logs.public(100))


def test_trust_that_cannot_be() -> None:
    for cosigners, quorum in (({}, 1), ({"a": logs.public(1)}, 2), ({"a": logs.public(1), "b": logs.public(1)}, 2),
                              ({"a": logs.public(100)}, 1), ({"a b": logs.public(1)}, 0), ({"a": b"short"}, 0), ({}, -1)):
        with pytest.raises(LogError):
            LogTrust(logs.ORIGIN, logs.public(100), cosigners, quorum)


WEAK = [(1).to_bytes(32, "little"), bytes(32), bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        (2**255 - 20).to_bytes(32, "little"), (2).to_bytes(32, "little"), b"\xff" * 32]  # fmt: skip
"""Points of orders 1, 4, 8 and 2, what is no point, and what is not canonical: the gate of agreements refuses them all."""


@pytest.mark.parametrize("weak", WEAK)
def test_weak_keys_are_refused_wherever_they_come_from(weak: bytes) -> None:
    everywhere = NoteSignature("alpha", key_id("alpha", COSIGNATURE, weak), (5).to_bytes(8, "big") + (1).to_bytes(32, "little") + bytes(32))
    if weak == WEAK[0]:  # under the point of order 1, R = 1 and S = 0 sign every message
        assert cosignature_time(TEXT, everywhere, weak) == 5
    with pytest.raises(LogError, match="usable"):
        LogTrust(logs.ORIGIN, logs.public(100), {"alpha": weak}, 1)
    with pytest.raises(LogError, match="usable"):
        LogTrust(logs.ORIGIN, weak)
    for kind in (ED25519, COSIGNATURE):
        with pytest.raises(LogError, match="usable"):
            VerifierKey.decode(VerifierKey("alpha", kind, weak).encode())


# ---- signatures on notes -----------------------------------------------------------------------------------------


def cosigned(*lines: NoteSignature) -> bytes:
    note = sign_checkpoint(HEAD, logs.LOG)
    return Note(note.text, (*note.signatures, *lines)).encode()


def test_a_line_smuggled_into_the_text_is_text() -> None:
    """The text is what stands before the last empty line, whatever it looks like."""
    line = cosign_text(TEXT, "alpha", logs.key(101), 5).line()
    note = Note.decode(sign_checkpoint(HEAD, logs.LOG).encode())
    injected = Note(note.text + line, note.signatures).encode()
    with pytest.raises(LogRejected):
        SignedCheckpoint.open(injected, logs.trust())
    resigned = sign_checkpoint(Checkpoint(HEAD.origin, HEAD.size, HEAD.root, (line[:-1],)), logs.LOG).encode()
    assert SignedCheckpoint.open(resigned, logs.trust(1)).quorum_time(logs.trust(1)) is None
    with pytest.raises(LogError):
        SignedCheckpoint.open(note.encode().replace(b"\n\n", b"\n\n" + line.encode() + b"\n"), logs.trust())


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x00", "\x85", "\u2028", "\u00a0"])
def test_other_line_ends_and_spaces_do_not_split_lines(separator: str) -> None:
    with pytest.raises(LogError):
        Note.decode(cosigned().replace(b"\n\xe2\x80\x94 log", f"\n\u2014 x{separator}log".encode()))


def test_names_with_spaces_or_plus_are_refused() -> None:
    for name in ("", "a b", "a+b", "a\u00a0b", "a\u3000b", "a\u200bb", "\u202egpj"):
        with pytest.raises(LogError):
            NoteSignature.parse(f"\u2014 {name} AAAAAAAA")
    for line in ("- a AAAAAAAA", "\u2014a AAAAAAAA", "\u2014 a  AAAAAAAA", "\u2014 a AAAA", "\u2014 a AAAAAAAA x", "\u2014 a"):
        with pytest.raises(LogError):
            NoteSignature.parse(line)


def test_note_bounds() -> None:
    unknown = NoteSignature("x", b"abcd", b"z")
    assert SIGNATURES_LIMIT == 100  # golang.org/x/mod/sumdb/note reads no more
    full = cosigned(*[unknown] * (SIGNATURES_LIMIT - 1))
    assert SignedCheckpoint.open(full, logs.trust()).head == HEAD
    with pytest.raises(LogError):
        Note.decode(cosigned(*[unknown] * SIGNATURES_LIMIT))
    with pytest.raises(LogError):
        Note.decode(b"x" * NOTE_LIMIT + b"\n\n" + unknown.line().encode())


def test_a_known_key_s_bad_line_spoils_the_note() -> None:
    good = cosign_text(TEXT, "alpha", logs.key(101), 5)
    assert SignedCheckpoint.open(cosigned(good), logs.trust(1)).times == {"alpha": 5}
    for wrong in (
        NoteSignature("alpha", good.id, good.data[:-1] + bytes([good.data[-1] ^ 1])),
        NoteSignature("alpha", good.id, (6).to_bytes(8, "big") + good.data[8:]),
        NoteSignature("alpha", good.id, good.data[:-1]), NoteSignature("alpha", good.id, good.data + b"x"),
        NoteSignature(logs.ORIGIN, key_id(logs.ORIGIN, ED25519, logs.public(100)), bytes(64)),
    ):
        with pytest.raises(LogRejected):
            SignedCheckpoint.open(cosigned(good, wrong), logs.trust(1))


def test_a_cosigner_may_use_another_key_name() -> None:
    """C2SP witnesses have names such as example.org/w1. The key counts, once, and only where the line verifies."""
    line = cosign_text(TEXT, "example.org/w1", logs.key(101), 7)
    assert SignedCheckpoint.open(cosigned(line), logs.trust(1)).times == {"alpha": 7}
    both = SignedCheckpoint.open(cosigned(cosign_text(TEXT, "alpha", logs.key(101), 5), line), logs.trust(1))
    assert both.times == {"alpha": 5} and not both.has_quorum(logs.trust(2)) and not both.has_quorum(logs.trust(1), ("alpha",))
    broken = NoteSignature(line.name, line.id, line.data[:-1] + bytes([line.data[-1] ^ 1]))
    assert SignedCheckpoint.open(cosigned(broken), logs.trust(1)).times == {}
    elsewhere = NoteSignature("example.org/w2", line.id, line.data)
    assert SignedCheckpoint.open(cosigned(elsewhere), logs.trust(1)).times == {}


def test_a_signature_in_another_domain_does_not_count() -> None:
    """A party's plain signature of the head, under either key type, is no cosignature, and the log's no plain one."""
    plain = logs.key(101).sign(TEXT.encode())
    as_note = NoteSignature("alpha", key_id("alpha", ED25519, logs.public(101)), plain)
    assert SignedCheckpoint.open(cosigned(as_note), logs.trust(1)).times == {}
    for data in (plain, bytes(8) + plain):
        line = NoteSignature("alpha", key_id("alpha", COSIGNATURE, logs.public(101)), data)
        assert cosignature_time(TEXT, line, logs.public(101)) is None
        with pytest.raises(LogRejected):
            SignedCheckpoint.open(cosigned(line), logs.trust(1))
    stamped = cosign_text(TEXT, logs.ORIGIN, logs.LOG, 5)
    for line in (stamped, NoteSignature(logs.ORIGIN, key_id(logs.ORIGIN, ED25519, logs.public(100)), stamped.data)):
        with pytest.raises(LogRejected):
            SignedCheckpoint.open(Note(TEXT, (line,)).encode(), logs.trust())


def test_times_beyond_the_format_do_not_verify() -> None:
    for time in (2**63, 2**64 - 1):
        message = f"cosignature/v1\ntime {time}\n{TEXT}".encode()
        data = time.to_bytes(8, "big") + logs.key(101).sign(message)
        assert cosignature_time(TEXT, NoteSignature("alpha", b"aaaa", data), logs.public(101)) is None
        with pytest.raises(LogError):
            cosign_text(TEXT, "alpha", logs.key(101), time)


def test_one_key_counts_once() -> None:
    """alpha's key under a second trusted name, and the log's own key as a cosigner, raise no quorum."""
    cosigners = {"alpha": logs.public(101), "alpha-again": logs.public(101), "beta": logs.public(102), "self": logs.public(100)}
    trust = LogTrust(logs.ORIGIN, logs.public(100), cosigners, 2)
    alone = [cosign_text(TEXT, name, logs.key(101), time) for name, time in (("alpha", 5), ("alpha-again", 6), ("alpha", 7))]
    own = cosign_text(TEXT, "self", logs.LOG, 1)
    signed = SignedCheckpoint.open(cosigned(*alone, own), trust)
    assert set(signed.times) == {"alpha", "alpha-again", "self"} and not signed.has_quorum(trust)
    both = SignedCheckpoint.open(cosigned(*alone, own, cosign_text(TEXT, "beta", logs.key(102), 9)), trust)
    assert both.quorum_time(trust) == 9
    assert both.quorum_time(trust, {"alpha-again"}) is None  # whichever of its names is excluded


def test_the_quorum_th_smallest_time() -> None:
    lines = [cosign_text(TEXT, name, logs.key(seed), 30 - seed + 100) for name, seed in logs.COSIGNERS.items()]
    signed = SignedCheckpoint.open(cosigned(*lines), logs.trust())
    assert signed.times == {"alpha": 29, "beta": 28, "gamma": 27}
    assert [signed.quorum_time(logs.trust(quorum)) for quorum in (0, 1, 2, 3)] == [None, 27, 28, 29]
    assert signed.quorum_time(logs.trust(1), {"gamma"}) == 28 and signed.quorum_time(logs.trust(3), {"gamma"}) is None


def test_another_log_s_or_key_s_head_is_refused() -> None:
    for origin, seed in (("other.example/log", 100), (logs.ORIGIN, 99)):
        with pytest.raises(LogRejected):
            SignedCheckpoint.open(sign_checkpoint(Checkpoint(origin, 7, HEAD.root), logs.key(seed)).encode(), logs.trust())


# ---- proof files -------------------------------------------------------------------------------------------------

PROOF = TLogProof(5, (leaf_hash(b"1"), leaf_hash(b"2")), b"test checkpoint\n")


def test_proof_file_layout() -> None:
    """transparency-dev/formats, proof/tlog_proof_test.go has these layouts."""
    hashes = "".join(b64encode(item).decode() + "\n" for item in PROOF.path)
    assert PROOF.encode().decode() == f"c2sp.org/tlog-proof@v1\nindex 5\n{hashes}\ntest checkpoint\n"
    assert TLogProof(0, (), b"c\n").encode() == b"c2sp.org/tlog-proof@v1\nindex 0\n\nc\n"
    for proof in (PROOF, TLogProof(0, (), b"c\n"), TLogProof(9, PROOF.path, b"c\n\nd\n", b"extra"), TLogProof(9, (), b"c\n", b"")):
        assert TLogProof.decode(proof.encode()) == proof


@pytest.mark.parametrize(
    "data",
    [
        b"", b"wrong-header\nindex 0\n\nc\n", b"c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\nc\n",
        b"c2sp.org/tlog-proof@v1\n\n\nc\n", b"c2sp.org/tlog-proof@v1\nindex notanumber\n\nc\n", b"c2sp.org/tlog-proof@v1\nindex -5\n\nc\n",
        b"c2sp.org/tlog-proof@v1\nindex 05\n\nc\n", b"c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\nc\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\nc\n", b"c2sp.org/tlog-proof@v1\nindex 0\n" + b64encode(bytes(64)) + b"\n\nc\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + (b64encode(bytes(32)) + b"\n") * 64 + b"\nc\n", b"c2sp.org/tlog-proof@v1\nindex 0\nc\n",
        b"c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nc\r\n", b"c2sp.org/tlog-proof@v1\nindex 0\n" + b"a" * 300000, b"\xff" * 30 + b"\n\nc\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\nc\n", b"c2sp.org/tlog-proof@v1\nextra AA==\n\nc\n",
    ],
)
def test_malformed_proof_files(data: bytes) -> None:
    with pytest.raises(LogError):
        TLogProof.decode(data)


def test_an_empty_tree_has_no_proof() -> None:
    head = sign_checkpoint(Checkpoint(logs.ORIGIN, 0, EMPTY_ROOT), logs.LOG).encode()
    with pytest.raises(LogRejected):
        TLogProof(0, (), head).check(b"", logs.trust())
