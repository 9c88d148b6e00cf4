"""The page in headless Chromium, with a stand-in for the verifier: what a visitor sees, hears and can do.

cd tests/site && npm ci --ignore-scripts        # playwright-core and axe-core; or STANDSTILL_NODE_MODULES=FOLDER
apt-get install chromium                        # or CHROMIUM=PATH
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from claims.agreement.explain import ALLOWANCES, OPEN_WEIGHTS, POWER
from tests.attacks.conftest import any_proof  # noqa: F401
from tests.site import browser
from tests.site.browser import needs_browser, served
from tests.site.sample_view import DAY, DIGEST, START, fake_claim, write_sample
from tests.site.whole_page import whole_page

pytestmark = [pytest.mark.slow, needs_browser]
PUBLISHED = 5
NOW = START + 31 * DAY + 20000


def drive(scenario, url, **options):
    """What a scenario sees an hour or so after the page was computed."""
    return browser.drive(scenario, url, **{"clock": NOW * 1000, **options})


@pytest.fixture(scope="module")
def no(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "no"
    write_sample(folder, "no")
    with served(folder) as url:
        yield url


def clean_run(seen):
    assert seen["errors"] == [] and seen["outside"] == [] and seen["dialogs"] == 0


def test_loads_without_errors_or_outside_requests(no):
    seen = drive("load", no)
    clean_run(seen)
    assert seen["headline"] == "The standstill does not hold." and seen["scripts"] == 1
    assert seen["provenance"].startswith("As computed by the publisher")
    assert seen["cells"] == ["not checked here yet"] * PUBLISHED
    assert not any(".claim" in url for url in seen["requests"])


def test_a_page_that_is_out_of_date_says_so_in_its_headline(no, tmp_path):
    seen = drive("verify", no, clock=(NOW + 20 * DAY) * 1000)
    assert "This page is out of date." in seen["alarm"] and seen["headline"] == "The standstill did not hold on 1 February 2026."
    assert "confirmed" not in seen["panel"] and "out of date" in seen["live"]
    assert drive("load", no)["alarm"] == "" and drive("load", no)["headline"] == "The standstill does not hold."
    write_sample(tmp_path / "yes", "yes")
    with served(tmp_path / "yes") as url:
        seen = drive("verify", url, clock=(NOW + 40 * DAY) * 1000)
    assert seen["headline"] == "The standstill held on 1 February 2026." and "confirmed" not in seen["panel"]


def test_verify_all_confirms_what_agrees(no):
    seen = drive("verify", no)
    clean_run(seen)
    assert seen["provenance"].startswith("Checked in this browser") and "4 of 5 claims verified" in seen["provenance"]
    assert "confirmed" in seen["panel"] and seen["cells"].count("checked here: holds") == 4
    assert seen["cells"].count("checked here: fails. The proof does not hold.") == 1


def test_a_lying_publisher_is_contradicted_loudly(tmp_path):
    write_sample(tmp_path / "lie", "yes", lie=True)
    with served(tmp_path / "lie") as url:
        seen = drive("verify", url)
        one = drive("one", url, name="aurora-1")
    clean_run(seen)
    for result in (seen, one):
        assert (
            "Your browser does not agree with the publisher." in result["alarm"] and "contradicted" in result["panel"]
        )
        assert "aurora, period 1" in result["alarm"] and "the constraints do not hold" in result["alarm"]
        assert result["hedge"] and "confirmed" not in result["panel"]
    assert not seen["before"]["hedge"] and seen["cells"].count("checked here: fails. The proof does not hold.") == 1
    assert "Failed check: proof" in one["result"]


def test_a_claim_that_is_announced_but_not_served(tmp_path):
    write_sample(tmp_path / "gone", "yes", nasty=False)
    (tmp_path / "gone/files/claims/cygnus-1.claim").unlink()
    with served(tmp_path / "gone") as url:
        seen = drive("verify", url)
    assert "did not find the claim to hold" in seen["alarm"] and "404" in seen["alarm"] and seen["hedge"]


def test_another_agreement_under_the_stated_digest(tmp_path):
    write_sample(tmp_path / "other", "yes", nasty=False)
    (tmp_path / "other/agreement.bin").write_bytes(b"another agreement")
    with served(tmp_path / "other") as url:
        seen = drive("verify", url)
        digest = drive("digest", url, values=[DIGEST])
    assert "does not have the digest" in seen["alarm"] and seen["hedge"]
    assert "cannot be read" in digest["out"][0]


def test_a_broken_verifier_confirms_nothing(tmp_path):
    write_sample(tmp_path / "broken", "yes", nasty=False)
    (tmp_path / "broken/worker.js").write_text("throw new Error('no');")
    with served(tmp_path / "broken") as url:
        seen = drive("verify", url)
    assert "confirmed" not in seen["panel"] and "the verifier did not run" in seen["alarm"]


@pytest.mark.parametrize("by_drag", [False, True])
def test_files_that_a_visitor_brings(no, tmp_path, by_drag):
    cases = {
        "good.claim": (fake_claim("aurora", 0), "ok", ["PROVEN", "The same file, byte for byte"]),
        "tampered.claim": (
            fake_claim("aurora", 0, b"bad!"),
            "bad",
            ["Failed check: proof", "the constraints do not hold", "Not the file that is published"],
        ),
        "part.claim": (fake_claim("aurora", 0, b"part"), "part", ["INCOMPLETE", "log: NOT CHECKED <b>"]),
        "later.claim": (fake_claim("borealis", 2), "part", ["the claim before it is not proven"]),
        "junk.claim": (b"<script>alert(1)</script>", "bad", ["Failed check: proof"]),
        "empty.claim": (b"", "bad", ["REJECTED"]),
    }
    files = []
    for name, (data, _, _) in cases.items():
        (tmp_path / name).write_bytes(data)
        files.append(str(tmp_path / name))
    seen = drive("drop", no, files=files, byDrag=by_drag)
    clean_run(seen)
    for found, (name, (_, style, words)) in zip(seen["findings"], cases.items(), strict=True):
        assert f"finding {style}" == found["style"] and name in found["text"]
        for word in words:
            assert word in found["text"], (name, word)


def test_digest_of_ones_own_copy(no):
    seen = drive("digest", no, values=[DIGEST, f" SHA256:{DIGEST.upper()}", "ab" * 32, "c0ffee"])
    assert (
        seen["out"][:2] == ["The same agreement."] * 2
        and seen["out"][2].startswith("Another agreement")
        and "64" in seen["out"][3]
    )


def test_by_keyboard_alone(no):
    seen = drive("keyboard", no, until="digest")
    names = [step["name"] for step in seen["path"]]
    assert names[0].startswith("Skip to") and "verify-all" in names and "file" in names and names[-1] == "digest"
    assert all(step["outline"] for step in seen["path"]), [step for step in seen["path"] if not step["outline"]]
    assert all(step["visible"] for step in seen["path"])
    assert seen["live"].startswith("Done")


def test_stopping_confirms_nothing_and_can_be_taken_up_again(no):
    seen = drive("stop", no)
    assert (
        seen["stopped"]["provenance"].startswith("As computed by the publisher")
        and "confirmed" not in seen["stopped"]["panel"]
    )
    assert "confirmed" in seen["panel"]


def test_accessible_at_every_width_in_light_and_dark(no, tmp_path):
    shots = os.environ.get("STANDSTILL_SHOTS", str(tmp_path))
    Path(shots).mkdir(exist_ok=True)
    seen = drive("looks", no, shots=shots)
    clean_run(seen)
    grounds = {}
    for name in ("desktop-light", "desktop-dark", "phone-light", "phone-dark", "tablet-light"):
        assert seen[name]["axe"] == [] and seen[name]["overflow"] <= 0, (name, seen[name])
        grounds[name] = seen[name]["ground"]
    assert grounds["desktop-light"] == grounds["phone-light"] != grounds["desktop-dark"] == grounds["phone-dark"]


def test_all_at_once_is_accessible(any_proof, tmp_path):  # noqa: F811
    """Sites, a lost meter, limits that moved, power, open models, and a lab that is over: each in words, and checked here."""
    shots = os.environ.get("STANDSTILL_SHOTS", str(tmp_path))
    (Path(shots) / "all").mkdir(parents=True, exist_ok=True)
    site, now = whole_page(tmp_path / "whole")
    with served(site) as url:
        seen, done = drive("looks", url, shots=f"{shots}/all", clock=now * 1000), drive("verify", url, clock=now * 1000)
        body = drive("plain", url, clock=now * 1000)["body"]
    clean_run(seen)
    for name in ("desktop-light", "desktop-dark", "phone-light", "phone-dark", "tablet-light"):
        assert seen[name]["axe"] == [] and seen[name]["overflow"] <= 0, (name, seen[name])
    assert "agrees with the publisher" in done["live"] and not done["alarm"]
    assert [cell.partition(" (")[0] for cell in done["cells"]] == ["checked here: over a limit"] * 2
    for sentence in (*POWER, *ALLOWANCES, *OPEN_WEIGHTS, "A lab was over a limit that it signed"):
        assert sentence in body
    facts = ("lost, and charged in full: meter hall-2", "void: alpha would give more", "alpha 40 %")
    folded, markup = ("alpha / north", "1 of 4 hours absent"), (site / "index.html").read_text()
    assert [words for words in facts if words not in body] == [words for words in folded if words not in markup] == []


def test_readable_without_scripts(no):
    seen = drive("plain", no)
    assert seen["headline"] == "The standstill does not hold." and seen["buttons"] == 0
    for words in ("As computed by the publisher", "http.server", "Missing", "standstill verify FILE"):
        assert words in seen["body"]


def test_a_claim_that_the_publisher_leaves_out_is_missed(tmp_path):
    """The browser computes from the agreement what is due: hiding a row, or calling it pending, shows."""
    view = write_sample(tmp_path / "hide", "yes", nasty=False)
    place = tmp_path / "hide/site.json"
    view["claims"] = [row for row in view["claims"] if (row["lab"], row["period"]) != ("draco", 0)]
    row = next(row for row in view["claims"] if (row["lab"], row["period"]) == ("cygnus", 0))
    row.update(state="pending", claim=None, missing_after=9999999999)
    place.write_text(json.dumps(view))
    with served(tmp_path / "hide") as url:
        seen = drive("load", url)
    assert seen["hedge"] and "draco, period 0" in seen["alarm"] and "cygnus, period 0" in seen["alarm"]
    assert "aurora" not in seen["alarm"] and "out of date" not in seen["alarm"]
