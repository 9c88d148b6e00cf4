"""Keys on tokens, against SoftHSM 2: made, found, signing; and everything about a token that can be wrong."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from softhsm import PIN, needs_softhsm, tokens, uri

from claims.base.ed25519 import check_signature
from claims.base.errors import KeyFileError, TokenError, UnreadableFile
from claims.base.hybrid import HybridKey
from claims.base.keys import Keys, kept, load_key_file, public_bytes
from claims.base.token import TokenHalf
from claims.base.token_uri import TokenUri

pytestmark = needs_softhsm


@pytest.fixture(scope="module", autouse=True)
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tokens(tmp_path_factory.mktemp("softhsm"), "hall", "spare", "twin", "twin"):
        yield


class Desk:
    """Keys with a PIN and a passphrase, and what was asked of the person for it."""

    def __init__(self, pin: str = PIN) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.keys = Keys(lambda: b"pass", lambda uri, name, person: self.asked.append((name, person)) or pin)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.keys.close()


def named(*arguments: Any) -> TokenUri:
    return TokenUri.parse(uri(*arguments))


def test_a_key_that_never_leaves_its_token(desk: Desk) -> None:
    made = desk.keys.make(named("party"))
    found = desk.keys.load(named("party"))
    assert public_bytes(found) == public_bytes(made) and len(public_bytes(made)) == 32
    check_signature("it", public_bytes(made), found.sign(b"message"), b"message")
    assert kept(found, named("party")) == ["Ed25519: key 'party' on token 'hall', made there and never readable"]
    with pytest.raises(TokenError, match="there is a key 'party' on token 'hall' already"):
        desk.keys.make(named("party"))
    assert desk.asked == [("token 'hall'", False)]


def test_a_hybrid_key_whose_other_half_is_in_a_file(desk: Desk, tmp_path: Path) -> None:
    half = tmp_path / "lab.half"
    where = named("lab", "hall", f"&mldsa44-file={half}")
    made = desk.keys.make(where, hybrid=True)
    assert stat.S_IMODE(half.stat().st_mode) == 0o600 and b"ENCRYPTED" in half.read_bytes()
    found = desk.keys.load(where)
    assert isinstance(found, HybridKey) and public_bytes(found) == public_bytes(made) and len(public_bytes(made)) == 1344
    check_signature("it", public_bytes(made), found.sign(b"message"), b"message")
    assert kept(found, where)[1] == f"ML-DSA-44: in the file {half}"
    assert public_bytes(desk.keys.load(named("lab"))) == public_bytes(made)[:32]  # the agreement does not have this key
    with pytest.raises(KeyFileError, match="not an Ed25519 key"):
        load_key_file(half, lambda: b"pass")
    with pytest.raises(UnreadableFile, match="exists already"):
        desk.keys.make(named("lab-2", "hall", f"&mldsa44-file={half}"), hybrid=True)
    with pytest.raises(TokenError, match="there is no key 'lab-2'"):
        desk.keys.load(named("lab-2"))
    for wrong in (b"no key", half.read_bytes() * 2):
        half.write_bytes(wrong)
        with pytest.raises(KeyFileError):
            desk.keys.load(where)


def test_a_token_without_mldsa_says_what_to_do_and_keeps_nothing(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="makes no ML-DSA-44 keys.*mldsa44-file"):
        desk.keys.make(named("party-2"), hybrid=True)
    with pytest.raises(TokenError, match="there is no key 'party-2'"):
        desk.keys.load(named("party-2"))
    desk.keys.make(named("taken"))
    with pytest.raises(TokenError, match="already"):
        desk.keys.make(named("taken", "hall", f"&mldsa44-file={tmp_path / 'half'}"), hybrid=True)
    assert list(tmp_path.iterdir()) == []  # a half without the other is of no use


def test_names_that_fit_no_key_or_two(desk: Desk) -> None:
    from pkcs11 import Attribute, KeyType, ObjectClass

    for name in ("two", "two-again"):
        desk.keys.make(named(name))
    (token,) = desk.keys._tokens.values()
    session = token._session
    (again,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: "two-again"})
    again[Attribute.LABEL] = "two"
    with pytest.raises(TokenError, match=r"there are 2 such keys: key 'two' on .*; say which one: id=(%[0-9a-f]{2}){16} or id=") as caught:
        desk.keys.load(named("two"))
    chosen = str(caught.value).rpartition("id=")[2]
    assert desk.keys.load(TokenUri.parse(uri(f"two;id={chosen}"))) is not None
    session.generate_keypair(KeyType.RSA, 2048, label="rsa", id=b"\1", store=True)
    with pytest.raises(TokenError, match="key 'rsa' on token 'hall' is not an Ed25519 key"):
        desk.keys.load(named("rsa"))
    with pytest.raises(TokenError, match="there is no key 'Two'"):
        desk.keys.load(named("Two"))
    for public in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: "two"}):
        public.destroy()
    with pytest.raises(TokenError, match="not exactly one usable public half"):
        desk.keys.load(TokenUri.parse(uri(f"two;id={''.join(f'%{byte:02x}' for byte in _ids(session)[0])}")))


def _ids(session: Any) -> list[bytes]:
    from pkcs11 import Attribute, ObjectClass

    found = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: "two"})
    public = {item[Attribute.ID] for item in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})}
    return [item[Attribute.ID] for item in found if item[Attribute.ID] not in public]


def test_a_key_that_could_be_copied_is_said_to_be(desk: Desk) -> None:
    from pkcs11 import Attribute, KeyType

    desk.keys.make(named("safe"))
    (token,) = desk.keys._tokens.values()
    token._session.generate_keypair(
        KeyType.EC_EDWARDS, None, label="open", id=b"\7", store=True,
        public_template={Attribute.EC_PARAMS: bytes.fromhex("06032b6570")},
        private_template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
    )  # fmt: skip
    assert kept(desk.keys.load(named("open")), named("open")) == ["Ed25519: key 'open' on token 'hall', from which it can be copied"]


@pytest.mark.parametrize("text, said", [
    (uri("a", "absent"), r"no token fits the URI; there: 'hall', 'spare', 'twin'"),
    (uri("a", "twin"), r"2 tokens fit the URI; say which one: serial=[0-9a-f]+ or serial="),
    (uri(None), "names a token and no key"),
    ("pkcs11:object=a?module-path=/nowhere/driver.so", "check module-path"),
    ("pkcs11:object=a?module-path=/usr/bin/env", "cannot be loaded as a token's driver"),
    ("pkcs11:object=a?module-path=/usr", "not a file"),
])  # fmt: skip
def test_tokens_that_are_not_there(desk: Desk, text: str, said: str) -> None:
    with pytest.raises(TokenError, match=said):
        desk.keys.load(TokenUri.parse(text))
    assert desk.asked == []


def test_a_driver_that_others_may_change_is_not_loaded(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "driver.so"
    path.write_bytes(b"anything")
    path.chmod(0o664)
    with pytest.raises(TokenError, match="others may change: it would get the PIN"):
        desk.keys.load(TokenUri.parse(f"pkcs11:object=a?module-path={path}"))


def test_a_wrong_pin_is_tried_once_and_then_a_person_is_asked() -> None:
    where = named("a", "spare")
    wrong = Desk("000000")
    for person in (False, True, True):
        with pytest.raises(TokenError, match="the PIN is wrong.* is not tried again by itself") as caught:
            wrong.keys.load(where)
        assert wrong.asked[-1] == ("token 'spare'", person) and "000000" not in str(caught.value)
    right = Desk()
    with pytest.raises(TokenError, match="there is no key 'a'"):
        right.keys.load(where)
    right.keys.close()
    again = Desk()
    with pytest.raises(TokenError, match="there is no key 'a'"):
        again.keys.load(where)
    again.keys.close()
    assert (right.asked, again.asked) == ([("token 'spare'", True)], [("token 'spare'", False)])


class _Liar:
    """A token's key that gives what it wants."""

    def __init__(self, key: Any, answer: bytes) -> None:
        self.key, self.answer = key, answer

    def sign(self, *_: Any, **__: Any) -> bytes:
        return self.answer


@pytest.mark.parametrize("lie", ["of another message", "empty", "longer", "zeros"])
def test_a_signature_that_does_not_verify_is_not_given_out(desk: Desk, lie: str) -> None:
    where = named(f"liar-{lie.replace(' ', '-')}")
    half = desk.keys.make(where)
    assert isinstance(half, TokenHalf)
    good = half.sign(b"message")
    answer = {"of another message": half.sign(b"other"), "empty": b"", "longer": good + b"\0", "zeros": bytes(64)}[lie]
    with pytest.raises(TokenError, match="does not verify under its own public half; nothing of it was written"):
        TokenHalf(_Liar(half.private, answer), half.public, half.where).sign(b"message")


def test_a_session_that_ended_is_said_and_not_begun_again(desk: Desk) -> None:
    half = desk.keys.make(named("leaving"))
    (token,) = desk.keys._tokens.values()
    token._session.close()
    with pytest.raises(TokenError, match="key 'leaving' on token 'hall' did not sign: the session ended; see that the token is there"):
        half.sign(b"message")
    assert len(desk.asked) == 1
