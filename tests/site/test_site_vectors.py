"""Real claims on the page, checked by the real verifier in headless Chromium."""

from __future__ import annotations

import pytest

from claims.agreement import decode_agreement
from claims.site.log import read_log
from tests.site.browser import drive, needs_browser, served
from tests.site.vector_site import VECTORS, write_log, write_vector_site

pytestmark = [pytest.mark.slow, needs_browser]


def flipped(name: str, at: int) -> bytes:
    data = bytearray((VECTORS / name).read_bytes())
    data[at] ^= 1
    return bytes(data)


def test_every_claim_is_proven_in_the_browser(tmp_path):
    write_vector_site(tmp_path / "site")
    with served(tmp_path / "site") as url:
        seen = drive("verify", url)
        one = drive("one", url, name="alpha-1")
    for result in (seen, one):
        assert result["errors"] == [] and result["outside"] == [] and result["alarm"] == ""
    assert seen["cells"] == ["checked here: holds"] * 2 and "2 of 2 claims hold" in seen["provenance"]
    assert "everything was checked in this browser" in one["result"]


def test_the_page_s_own_bundle_of_a_log_is_what_the_browser_reads(tmp_path):
    place = write_log(tmp_path)
    paths = {f"files/log/{path.relative_to(place).as_posix()}" for path in place.rglob("*") if path.is_file()}
    log = read_log(tmp_path, decode_agreement((VECTORS / "agreement.bin").read_bytes()), paths)
    assert log is not None and log.bundle is not None
    write_vector_site(tmp_path / "site", {"log.bundle": log.bundle})
    with served(tmp_path / "site") as url:
        seen = drive("verify", url)
    assert seen["cells"] == ["checked here: holds"] * 2 and seen["alarm"] == ""


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("alpha-0.claim", 200_000, "signatures"),
        ("alpha-0.roots", 300, "log"),
        ("log.bundle", 1500, "log"),
        ("agreement.sigs", 300, "agreement"),
        ("agreement.bin", 300, "does not have the digest"),
    ],
)
def test_any_published_file_that_is_changed_is_found_out(tmp_path, name, at, words):
    write_vector_site(tmp_path / "site", {name: flipped(name, at)})
    with served(tmp_path / "site") as url:
        seen = drive("verify", url)
    assert seen["hedge"] and words in seen["alarm"] and "confirmed" not in seen["panel"], seen["alarm"]
    assert seen["cells"].count("checked here: holds") < 2


def test_claims_that_a_visitor_brings(tmp_path):
    write_vector_site(tmp_path / "site")
    whole = (VECTORS / "alpha-1.claim").read_bytes()
    cases = {
        "whole.claim": (whole, "ok", ["Accepted", "same file"]),
        "proof.claim": (flipped("alpha-1.claim", 250_000), "bad", ["Failed check: signatures", "does not verify"]),
        "period.claim": (whole[:59] + b"\x07" + whole[60:], "bad", ["Failed check: period"]),
        "cut.claim": (whole[:-1], "bad", ["Failed check: format"]),
        "longer.claim": (whole + b"\0", "bad", ["Failed check: format"]),
        "text.claim": (b"The standstill holds.", "bad", ["Failed check: format", "not a claim file"]),
    }
    for name, (data, _, _) in cases.items():
        (tmp_path / name).write_bytes(data)
    with served(tmp_path / "site") as url:
        seen = drive("drop", url, files=[str(tmp_path / name) for name in cases], byDrag=True)
    assert seen["errors"] == [] and seen["dialogs"] == 0
    for found, (name, (_, style, words)) in zip(seen["findings"], cases.items(), strict=True):
        assert found["style"] == f"finding {style}", (name, found)
        for word in words:
            assert word in found["text"], (name, found)
