"""A lab whose keys are on a token, by commands: what goes wrong at a token, and what must not get out."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import AGREEMENT, DAY, START, Desk
from softhsm import PIN, needs_softhsm, tokens, uri

from claims.base.token import TokenHalf

pytestmark = needs_softhsm


@pytest.fixture(scope="module", autouse=True)
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tokens(tmp_path_factory.mktemp("softhsm"), *(f"hall-{number}" for number in range(5)), "other"):
        yield


@pytest.fixture
def hall(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """The desk with all its keys on a token of its own, whose name this is; its PIN is in ``hall.pin``."""
    name = next(_HALLS)
    monkeypatch.delenv("STANDSTILL_PIN", raising=False)
    Path("hall.pin").write_text(f"{PIN}\n")
    Path("hall.pin").chmod(0o600)
    Path("halves").mkdir()
    key = desk.run("keygen", "--no-passphrase", party(name)).splitlines()[0]
    meter = ("--lab", "lab", "--chip", "h100", "--chips", 8, "--no-passphrase")
    meters = desk.run("meter", "init", "hall-1", "hall-2", *meter, "--keys", place(name))
    text = Path("agreement.toml").read_text()
    head = text[text.index("opening_head") : text.index("[lab.caps]")]
    number = text.partition('"standstill-agreement/')[2][0]
    Path("agreement.toml").write_text(AGREEMENT.format(format=number, lab=key, opening=head, meters=meters))
    return name


_HALLS = (f"hall-{number}" for number in range(10))


def place(token: str, more: str = "&mldsa44-folder=halves") -> str:
    return uri(None, token, f"&pin-source=file:hall.pin{more}")


def meter_key(token: str, meter: str) -> str:
    return uri(meter, token, f"&pin-source=file:hall.pin&mldsa44-file=halves/{meter}.half")


def party(token: str) -> str:
    return uri("lab", token, "&pin-source=file:hall.pin&mldsa44-file=lab.half")


def test_a_period_whose_keys_are_all_on_a_token(desk: Desk, hall: str) -> None:
    """Journals go by public key: a restored store is refused though the key is on a token."""
    text = desk.run("agreement", "check", "agreement.toml", "-k", party(hall))
    assert f"this key    party lab\n            Ed25519: key 'lab' on token '{hall}', made there and never readable\n" in text
    assert "ML-DSA-44: in the file lab.half" in text
    assert "Ed25519 half is of party lab: its ML-DSA-44 half is missing" in desk.run(
        "agreement", "check", "agreement.toml", "-k", uri("lab", hall, "&pin-source=file:hall.pin"), code=2
    )
    desk.run("agreement", "sign", "agreement.toml", "-k", party(hall), "--yes")
    desk.at(START + 5 * DAY)
    old = Path("lab.store").read_bytes()
    desk.work(0)
    assert "2 of 2 meters" in desk.run("epoch", "seal", "--all", *desk.books, "--keys", place(hall))
    assert "120 entries" in desk.run("epoch", "publish", *desk.books, "-k", party(hall))
    desk.run("meter", "close", "--all", *desk.books, "-n", 0, "--keys", place(hall), "--yes")
    assert desk.signed(0, "hall-1") and desk.signed(0, "hall-2")
    Path("lab.store").write_bytes(old)
    for left in ("lab.store-wal", "lab.store-shm"):
        Path(left).unlink(missing_ok=True)
    text = desk.run("epoch", "seal", "--all", *desk.books, "--keys", place(hall), "--clock-is-right", code=2)
    assert "this key has signed" in text and "it is older than what was signed" in text


@pytest.mark.parametrize("after", [0, 1, 30])
def test_a_session_that_is_lost_while_many_are_sealed(desk: Desk, hall: str, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The token is not asked again; what is half done is undone, and the same command goes on later."""
    desk.at(START + 2 * DAY)
    sign, asked = TokenHalf.sign, []

    def leave(half: TokenHalf, data: bytes, context: bytes | None = None) -> bytes:
        if len(asked) == after:
            half.private.session.close()
        asked.append(data)
        return sign(half, data, context)

    with monkeypatch.context() as patch:
        patch.setattr(TokenHalf, "sign", leave)
        text = desk.run("epoch", "seal", "--all", *desk.books, "--keys", place(hall), "--unsigned", code=2)
    assert "did not sign: the session ended" in text and "run the same command again" in text
    assert len(asked) == after + 1 and desk.sealed("hall-1") is desk.sealed("hall-2") is None
    assert "2 of 2 meters: epochs through 47 sealed" in desk.run(
        "epoch", "seal", "--all", *desk.books, "--keys", place(hall), "--unsigned"
    )


def test_a_token_that_signs_wrongly_leaves_nothing(desk: Desk, hall: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pkcs11 import PrivateKey

    desk.at(START + DAY)
    real = TokenHalf.sign

    class Wrong:
        def __init__(self, private: PrivateKey) -> None:
            self.private = private

        def sign(self, data: bytes, **options: Any) -> bytes:
            return self.private.sign(data + b"!", **options)

    def sign(half: TokenHalf, data: bytes, context: bytes | None = None) -> bytes:
        return real(TokenHalf(Wrong(half.private), half.public, half.where), data, context)

    monkeypatch.setattr(TokenHalf, "sign", sign)
    text = desk.run("epoch", "seal", "hall-1", *desk.books, "-k", meter_key(hall, "hall-1"), "--unsigned", code=2)
    assert "does not verify under its own public half" in text and desk.sealed("hall-1") is None
    desk.run("agreement", "sign", "agreement.toml", "-k", party(hall), "--yes", code=2)
    assert not Path("agreement.sigs").exists()


def test_where_a_key_is_named(desk: Desk) -> None:
    """A module path is code that gets the PIN: no file's content names one, and no keyring is on a token."""
    Path("keys/hall-1.key").write_text(uri("hall-1", "other"))
    desk.at(START + DAY)
    assert "not a key file" in desk.run("epoch", "seal", "hall-1", *desk.books, "--keys", "keys", "--unsigned", code=2)
    seal = ("epoch", "seal", "--all", *desk.books, "--unsigned")
    assert "a keyring is a file" in desk.run(*seal, "--keyring", uri("ring", "other"), code=2)
    assert "a keyring is a file" in desk.run(
        "meter", "init", "m", "--lab", "lab", "--chip", "h100", "--chips", 8, "--keyring", uri("ring", "other"), code=2
    )
    assert "leave object= and id= out" in desk.run(*seal, "--keys", uri("hall-1", "other"), code=2)


@pytest.mark.filterwarnings("ignore::getpass.GetPassWarning")
def test_a_pin_is_in_no_output(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDSTILL_PIN", "8642097531")
    said = [
        desk.run("keygen", "--ed25519", uri("new", "other"), code=2),  # wrong
        desk.run("keygen", "--ed25519", uri("new", "other"), code=2),  # not tried
        desk.run("keygen", "--ed25519", uri("new", "other", "&pin-value=8642097531"), code=2),
        ]
    assert "the PIN is wrong" in said[0] and "a wrong PIN was given" in said[1] and "pin-value in a token's URI is refused" in said[2]
    assert not any("8642097531" in text for text in said)
    desk.answers(f"{PIN}\n")  # a person, who is not given the variable's
    assert "ed25519:" in desk.run("keygen", "--ed25519", uri("new", "other"))
    monkeypatch.setenv("STANDSTILL_PIN", PIN)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "already" in desk.run("keygen", "--ed25519", uri("new", "other"), code=2)


def test_a_process_with_a_key_leaves_no_core_dump() -> None:
    code = """
import ctypes, resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
from claims.base.keys import Keys
Keys(bytes, lambda *_: "")
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[0] == "0" and (sys.platform != "linux" or ran.stdout.split()[1] == "0")
