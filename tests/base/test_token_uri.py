"""URIs of keys on tokens: one form, everything else refused, and nothing secret repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims.base.errors import TokenError
from claims.base.token_uri import TokenUri, is_token_uri

DRIVER = "module-path=/usr/lib/driver.so"


def test_what_a_uri_says() -> None:
    text = f"pkcs11:token=my%20hall;serial=7f;object=lab+1;id=%00%ff;type=private?{DRIVER}&pin-source=file:/etc/pin&mldsa44-file=a.half"
    found = TokenUri.parse(text)
    assert found.which == (("token", "my hall"), ("serial", "7f")) and found.object == "lab+1" and found.id == b"\0\xff"
    assert (found.module, found.pin_file, found.lattice_file) == (Path("/usr/lib/driver.so"), Path("/etc/pin"), Path("a.half"))
    assert str(found) == "pkcs11:token=my%20hall;serial=7f;object=lab%2B1;id=%00%ff"
    assert TokenUri.parse(f"PKCS11:object=a?{DRIVER}&pin-source=pin").pin_file == Path("pin")
    assert not TokenUri.parse(f"pkcs11:?{DRIVER}").names_key and TokenUri.parse(f"pkcs11:?{DRIVER}").of("m").object == "m"
    several = TokenUri.parse(f"pkcs11:?{DRIVER}&mldsa44-folder=halves")
    assert (several.lattice_file, several.of("m").lattice_file) == (None, Path("halves/m.half"))
    assert is_token_uri("pkcs11:a") and not is_token_uri("./pkcs11:a") and not is_token_uri("pkcs11")


SECRET = "hunter2"


@pytest.mark.parametrize("text, said", [
    (f"object=a?{DRIVER}&pin-value={SECRET}", "pin-value .* is refused"),
    (f"object=a;pin-value={SECRET}?{DRIVER}", "pin-value .* is refused"),
    (f"object=a?{DRIVER}&PIN-Value={SECRET}", "pin-value .* is refused"),
    (f"object=a?{DRIVER}&{SECRET}", "is not read"),
    (f"object=a?{DRIVER}&{SECRET}=1", "is not read"),
    (f"object=a?{DRIVER}&pin-source=|echo%20{SECRET}", "is not a file"),
    (f"object=a?{DRIVER}&pin-source=file:", "is not a file"),
    (f"object=a?{DRIVER}&pin-source=a%00b", "zero byte"),
    (f"object=a?{DRIVER}&{DRIVER}", "stands twice"),
    (f"object=a;object=a?{DRIVER}", "stands twice"),
    (f"object=a;slot-id=3?{DRIVER}", "slot-id that is not read"),
    (f"object=a;type=cert?{DRIVER}", "another thing than a private key"),
    (f"object=a b?{DRIVER}", "must be written as %XX"),
    (f"object=a%2?{DRIVER}", "must be written as %XX"),
    (f"object=%ff?{DRIVER}", "not UTF-8"),
    (f"object=?{DRIVER}", "is empty"),
    (f"object=a?{DRIVER}?{DRIVER}", ""),
    (f"object=a?{DRIVER}&mldsa44-folder=b", "mldsa44-folder of a token with several"),
    (f"token=a?{DRIVER}&mldsa44-file=b", "mldsa44-file is of one key"),
    ("object=a", "no module-path"),
    ("object=a?module-path=driver.so", "no module-path, or not a whole one"),
    ("object=a?module-name=softhsm2", "module-name .* is refused"),
    (f"object={'a' * 5000}?{DRIVER}", "at most"),
])  # fmt: skip
def test_what_is_refused(text: str, said: str) -> None:
    if not said:  # a second "?" belongs to the query, where it is a character as others
        assert TokenUri.parse(f"pkcs11:{text}").module == Path(f"/usr/lib/driver.so?{DRIVER}")
        return
    with pytest.raises(TokenError, match=said) as caught:
        TokenUri.parse(f"pkcs11:{text}")
    assert SECRET not in str(caught.value)
