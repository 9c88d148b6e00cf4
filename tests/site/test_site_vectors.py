"""Real claims on the page, checked by the real verifier in headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from claims.agreement.decode import decode_agreement
from claims.claim.file import decode_claim, sign_claim
from claims.site import serve
from claims.site.log import read_log
from tests.site import browser
from tests.site.browser import needs_browser, served
from tests.site.make_claim_vectors import ALPHA
from tests.site.vector_site import VECTORS, write_log, write_vector_site

pytestmark = [pytest.mark.slow, needs_browser]


def drive(scenario: str, url: str, **options: Any) -> dict[str, Any]:
    """What a scenario sees a minute after the page was computed."""
    end = decode_agreement((VECTORS / "agreement.bin").read_bytes()).period_span(1)[1]
    return browser.drive(scenario, url, **{"clock": (end + 120) * 1000, **options})


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
        assert result["errors"] == [] and result["outside"] == [] and "does not agree" not in result["alarm"]
    assert seen["cells"] == ["checked here: holds"] * 2 and "2 of 2 claims verified" in seen["provenance"]
    assert "everything was checked in this browser" in one["result"]


def test_the_page_s_own_bundle_of_a_log_is_what_the_browser_reads(tmp_path):
    place = write_log(tmp_path)
    paths = {f"files/log/{path.relative_to(place).as_posix()}" for path in place.rglob("*") if path.is_file()}
    log = read_log(tmp_path, [decode_agreement((VECTORS / "agreement.bin").read_bytes())], paths, 2**31)
    assert log is not None and log.bundle is not None
    write_vector_site(tmp_path / "site", {"log.bundle": log.bundle})
    with served(tmp_path / "site") as url:
        seen = drive("verify", url)
    assert seen["cells"] == ["checked here: holds"] * 2 and "does not agree" not in seen["alarm"]


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("alpha-0.claim", 200_000, "did not find the claim to hold"),
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
        "whole.claim": (whole, "ok", ["PROVEN", "same file"]),
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


# ---- a publisher who lies in site.json, beside an honest program -----------------------------------------------


def lie(folder: Any, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The page of the vectors with another site.json; what the browser sees after checking all."""
    write_vector_site(folder)
    view = json.loads((folder / "site.json").read_text())
    change(view)
    (folder / "site.json").write_text(json.dumps(view))
    with served(folder) as url:
        return drive("verify", url)


def contradicted(seen: dict[str, Any], words: str) -> None:
    assert seen["hedge"] and words in seen["alarm"] and "confirmed" not in seen["panel"], (seen["alarm"], seen["cells"])


def test_a_previous_claim_that_changes_between_two_requests(tmp_path, monkeypatch):
    """Checked as one file, continued from as another: signed by the lab, with a proof that shows nothing."""
    good = decode_claim((VECTORS / "alpha-0.claim").read_bytes())
    other = sign_claim(replace(good, proof=good.proof[:-1] + b"\0"), ALPHA).encode()
    write_vector_site(tmp_path / "site")
    times = []
    send = serve._Handler.send_head

    def send_head(self):
        if self.path.startswith("/files/claims/alpha-0.claim"):
            times.append(1)
            if len(times) == 3:
                (tmp_path / "site/files/claims/alpha-0.claim").write_bytes(other)
        return send(self)

    monkeypatch.setattr(serve._Handler, "send_head", send_head)
    with served(tmp_path / "site") as url:
        seen = drive("verify", url)
    assert len(times) == 3
    contradicted(seen, "alpha, period 1")


def test_rows_that_hide_what_is_due(tmp_path):
    """The other lies are in tests/attacks/test_lying_page.py, without a browser."""
    contradicted(lie(tmp_path / "one", lambda view: view["claims"].pop()), "leaves it out")
    seen = lie(tmp_path / "two", lambda view: (view["claims"].pop(), view.update(decisions=None)))
    contradicted(seen, "site.json: decisions is not a list")


FRAGMENTS = ["#claim-%", "#claim-alpha-1", "#%E0%A4%A", "#panel", "#__proto__", "#:~:text=Nothing", "#alarm", "?x=%#claim-%25"]


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_nothing_in_the_address_bar_skips_a_check(tmp_path, fragment):
    write_vector_site(tmp_path / "site")
    view = json.loads((tmp_path / "site" / "site.json").read_text())
    view["claims"].pop()
    (tmp_path / "site" / "site.json").write_text(json.dumps(view))
    with served(tmp_path / "site") as url:
        seen = drive("load", url, fragment=fragment)
    assert seen["errors"] == []
    contradicted(seen, "leaves it out")
