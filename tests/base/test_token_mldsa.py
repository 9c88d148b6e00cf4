"""Both halves of a key on one token: Kryoptic, a PKCS #11 3.2 token in software, where the environment names its module."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from softhsm import PIN

from claims.base.ed25519 import check_signature
from claims.base.errors import TokenError
from claims.base.hybrid import HybridKey, halves
from claims.base.keys import Keys, kept, public_bytes
from claims.base.merkle import EMPTY_ROOT
from claims.base.token import TokenHalf
from claims.base.token_uri import TokenUri
from claims.tlog.checkpoint import Checkpoint, LogTrust, SignedCheckpoint, sign_checkpoint

MODULE = os.environ.get("STANDSTILL_KRYOPTIC", "")
pytestmark = pytest.mark.skipif(
    not MODULE or shutil.which("softhsm2-util") is None, reason="no token with ML-DSA-44: $STANDSTILL_KRYOPTIC (tests/README.md)"
)


@pytest.fixture(scope="module", autouse=True)
def kryoptic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("kryoptic")
    (folder / "token.conf").write_text(f'[[slots]]\nslot = 1\ndbtype = "sqlite"\ndbargs = "{folder}/token.sql"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRYOPTIC_CONF", str(folder / "token.conf"))
        command = ["softhsm2-util", "--module", MODULE, "--init-token", "--slot", "1", "--label", "both"]
        subprocess.run([*command, "--pin", PIN, "--so-pin", "13579111"], check=True, capture_output=True)
        yield


@pytest.fixture
def keys() -> Iterator[Keys]:
    made = Keys(lambda: None, lambda *_: PIN)
    yield made
    made.close()


def named(label: str, more: str = "") -> TokenUri:
    return TokenUri.parse(f"pkcs11:token=both;object={label}?module-path={MODULE}{more}")


def test_both_halves_are_made_on_the_token_and_sign_there(keys: Keys) -> None:
    made = keys.make(named("lab"), hybrid=True)
    key = keys.load(named("lab"))
    public = public_bytes(key)
    assert isinstance(key, HybridKey) and public == public_bytes(made) and len(public) == 1344
    for message in (b"", b"message", bytes(100_000)):
        check_signature("it", public, key.sign(message), message)
    assert [line.partition(",")[2] for line in kept(key, named("lab"))] == [" made there and never readable"] * 2
    note = sign_checkpoint(Checkpoint("log.example/h", 0, EMPTY_ROOT), key)  # of ML-DSA-44 without a context
    assert SignedCheckpoint.open(note.encode(), LogTrust("log.example/h", public)).head.size == 0


def test_a_half_in_a_file_is_taken_where_it_is_named(keys: Keys, tmp_path: Path) -> None:
    where = named("mixed", f"&mldsa44-file={tmp_path / 'half'}")
    made = keys.make(where, hybrid=True)
    assert kept(keys.load(where), where)[1] == f"ML-DSA-44: in the file {tmp_path / 'half'}"
    assert public_bytes(keys.load(named("mixed"))) == halves(public_bytes(made))[0]
    assert len(public_bytes(keys.make(named("alone")))) == 32


def test_a_wrong_signature_of_the_second_half_is_not_given_out(keys: Keys) -> None:
    key = keys.make(named("liar"), hybrid=True)
    other = keys.make(named("other"), hybrid=True)
    assert isinstance(key, HybridKey) and isinstance(other, HybridKey)
    assert isinstance(key.lattice, TokenHalf) and isinstance(other.lattice, TokenHalf)
    crossed = TokenHalf(other.lattice.private, key.lattice.public, "it")
    with pytest.raises(TokenError, match="does not verify under its own public half"):
        HybridKey(key.curve, crossed).sign(b"message")
