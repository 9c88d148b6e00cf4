"""``standstill log countersign``: a receipt of an entry, made by one party and added to by another."""

from __future__ import annotations

from pathlib import Path

import pytest
import world
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from claims.claim.receipts import Receipt
from claims.cli.main import main
from tests.claim.test_receipts import ENTRY
from tests.status.test_status_log import TERMS, TEXT


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def test_two_parties_countersign_and_the_author_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(TEXT)
    (tmp_path / "claim.entry").write_bytes(ENTRY)
    for name, seed in (("beta", 2), ("delta", 61), ("alpha", 1)):
        pem = world.key(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(pem)
        (tmp_path / f"{name}.key").chmod(0o600)
    words = ("log", "countersign", str(tmp_path / "claim.entry"), "--agreement", str(tmp_path / "a.toml"), "--clock-is-right", "--key")
    assert run(*words, str(tmp_path / "beta.key")) == 0 and "1 of the 1 signatures" in capsys.readouterr().out
    assert run(*words, str(tmp_path / "delta.key")) == 0
    _, times = Receipt.decode((tmp_path / "claim.receipt").read_bytes()).check(TERMS)
    assert sorted(times) == ["beta", "delta"]
    assert run(*words, str(tmp_path / "alpha.key")) == 1 and "no party whose receipt" in capsys.readouterr().err
