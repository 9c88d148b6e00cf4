"""What the page finds out by itself, beside the claims: which claims are due, when the pause was lifted, what a publisher leaves out."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import world

from claims.agreement import Agreement, Amends, Deadlines, canonical_bytes
from claims.decision import Decision, sign_decision
from claims.errors import ClaimsError
from claims.life import lifted_spans
from tests.site.sample_view import write_sample

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

TERMS = replace(world.agreement(), deadlines=Deadlines(3600, 21600, 21600, 10800))
START, DAY = TERMS.start, 86400
END = 253402300800

RUN = """
import { readFileSync } from "node:fs";
import { inconsistencies } from "./findings.js";
import { liftedSpans, readDecision } from "./decisions.js";
import { compareSchedule, schedule } from "./schedule.js";
import { decodeAgreement } from "./verifier/agreement.js";
const cases = JSON.parse(readFileSync("cases.json"));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const out = cases.map(({ agreement, decisions, until, before, site }) => {
  const terms = decodeAgreement(bytes(agreement));
  const read = decisions.map((data) => readDecision(bytes(data), terms));
  const spans = liftedSpans(read.filter(Boolean));
  const wanted = schedule(terms, until, { before: before ?? Infinity, spans });
  const found = site ? { ...compareSchedule(wanted, site, until), said: inconsistencies(site) } : null;
  return { counted: read.map(Boolean), spans: spans.map(([a, b]) => [a, b === Infinity ? END : b]), wanted, found };
});
console.log(JSON.stringify(out));
""".replace("END", str(END))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("page") / "site"
    write_sample(folder, "yes")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "run.js").write_text(RUN)
    return folder


def run(page: Any, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page's scripts make of each case: agreement, decisions, the visitor's clock, what the publisher says."""
    plain = [
        {
            "agreement": canonical_bytes(case.get("agreement", TERMS)).hex(),
            "decisions": [data.hex() for data in case.get("decisions", ())],
            "until": case["until"],
            "before": case.get("before"),
            "site": case.get("site"),
        }
        for case in cases
    ]
    (page / "cases.json").write_text(json.dumps(plain))
    done = subprocess.run(["node", "run.js"], cwd=page, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def decided(kind: str, effective: int, *seeds: int, terms: Agreement = TERMS, reason: str = "agreed\n\u00e9") -> Decision:
    item = Decision(terms.digest, kind, effective, reason)
    for seed in seeds:
        item = sign_decision(world.key(seed), item, terms)
    return item


def counts(item: Decision) -> bool:
    try:
        item.check(TERMS)
    except ClaimsError:
        return False
    return True


# ---- decisions ---------------------------------------------------------------------------------------------


def test_decisions_count_as_they_do_in_python(page: Any) -> None:
    rng, cases, expected = random.Random(20260), [], []
    other = replace(TERMS, name="other")
    for _ in range(40):
        items = []
        for _ in range(rng.randrange(6)):
            seeds = rng.choice([(1, 2), (1, 2), (1, 2), (1,), ()])
            item = decided(rng.choice(["lift", "trigger"]), START + rng.randrange(8) * DAY // 2, *seeds)
            spoil = rng.randrange(8)
            if spoil == 0 and item.signatures:
                item = replace(item, signatures={**item.signatures, "alpha": bytes(64)})
            elif spoil == 1:
                item = replace(item, effective=item.effective + 1)
            elif spoil == 2:
                item = replace(item, agreement=other.digest)
            elif spoil == 3:
                item = replace(item, signatures={**item.signatures, "stranger": bytes(64)})
            items.append(item)
        cases.append({"decisions": [item.encode() for item in items], "until": START + 5 * DAY})
        good = [item for item in items if counts(item)]
        expected.append(([counts(item) for item in items], [list(span) for span in lifted_spans(TERMS, good)]))
    found = run(page, *cases)
    assert [(item["counted"], item["spans"]) for item in found] == expected
    assert any(spans for _, spans in expected) and any(not all(counted) for counted, _ in expected)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"null", b"[]", b"\xff", b'{"format": "standstill-decision/1", "decision": "constructor"}', b"[" * 5000],
)
def test_any_bytes_are_no_decision(page: Any, data: bytes) -> None:
    good = decided("lift", START, 1, 2).encode()
    cut, nested = good[: len(good) // 2], good.replace(b'"agreed', b'"\\ud800')
    assert run(page, {"decisions": [data, cut, nested], "until": START})[0]["counted"] == [False] * 3


# ---- the calendar ------------------------------------------------------------------------------------------


def test_the_calendar_ends_where_an_amendment_begins_and_knows_what_was_lifted(page: Any) -> None:
    lift, trigger = decided("lift", START + DAY, 1, 2).encode(), decided("trigger", START + DAY + 1, 1, 2).encode()
    later = replace(TERMS, amends=Amends(TERMS.digest, 2), deadlines=None)
    first, second = run(
        page,
        {"decisions": [lift, trigger], "until": START + 10 * DAY, "before": 2},
        {"agreement": later, "until": START + 3 * DAY},
    )
    assert [(item["period"], item["lifted"], item["missingAfter"]) for item in first["wanted"]] == [
        (0, False, START + DAY + 43200), (1, True, START + 2 * DAY + 43200),
    ]  # fmt: skip
    assert [(item["lab"], item["period"], item["due"]) for item in second["wanted"]] == [("alpha", 2, None), ("beta", 2, None)]


# ---- what a publisher leaves out ---------------------------------------------------------------------------


def said(*rows: tuple[int, str, bool], answer: str = "yes", at: int = START + 2 * DAY, **life: bool) -> dict[str, Any]:
    """An account of alpha's periods: (period, state, whether a claim is there)."""
    return {
        "computed_at": at,
        "holds": {"answer": answer},
        "life": {"counts": True, "replaced": False, **life},
        "log": None,
        "claims": [{"lab": "alpha", "period": period, "state": state, "claim": "x" if there else None} for period, state, there in rows],
    }


GOOD = (0, "proven", True)
FREE = replace(TERMS, deadlines=None)
LIFT = decided("lift", START + DAY, 1, 2).encode()


def test_a_page_without_deadlines_grows_old_too(page: Any) -> None:
    """Nothing is ever missing then; but a year after, a page that says "holds" knows nothing of the year."""
    old = {"agreement": FREE, "site": said(GOOD, at=START + DAY + 1), "until": START + 3 * DAY}
    (found,) = run(page, old)
    stale = [(item["lab"], item["period"], item["since"]) for item in found["found"]["stale"]]
    assert stale == [("alpha", 1, START + 2 * DAY), ("alpha", 2, START + 3 * DAY), ("beta", 2, START + 3 * DAY)]
    assert found["found"]["wrong"] == []


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"site": said(GOOD, (1, "proven", True))}, ""),
        ({"site": said(GOOD), "agreement": TERMS}, ""),  # due, and not past it
        ({"site": said(GOOD, at=START + 2 * DAY + 21601)}, "due and not there"),  # in grace: undecided at best
        ({"site": said(GOOD, (1, "pending", False), at=START + 2 * DAY + 43200)}, "counts this claim as missing"),
        ({"site": said(GOOD, (1, "pending", False), at=START + 2 * DAY + 1), "agreement": FREE}, "due and not there"),
        ({"site": said(GOOD, at=START + 2 * DAY + 1), "agreement": FREE}, "due and not there"),
        ({"site": said(GOOD, answer="undecided", at=START + 2 * DAY + 1), "agreement": FREE}, ""),
        ({"site": said(GOOD, (1, "lifted", False))}, "no decision that counts"),
        ({"site": said(GOOD, (1, "lifted", False)), "decisions": [LIFT]}, ""),
        ({"site": said(GOOD, (1, "lifted", False)), "decisions": [decided("lift", START + DAY, 1).encode()]}, "no decision"),
        ({"site": said(GOOD, (1, "pending", False), at=START + 5 * DAY), "decisions": [LIFT], "until": START + 3 * DAY - 1}, ""),
        ({"site": said((0, "lifted", False)), "decisions": [decided("lift", START, 1, 2).encode()]}, "no proven claim"),
        ({"site": said(GOOD, (1, "proven", True), (1, "proven", True))}, "twice"),
        ({"site": said(GOOD, (1, "proven", True), replaced=True)}, "replaced"),
    ],
)  # fmt: skip
def test_a_publisher_s_account_is_held_against_the_agreement(page: Any, case: dict[str, Any], words: str) -> None:
    found = run(page, {"until": START + 3 * DAY - 1, **case})[0]["found"]
    lines = [item["why"] for item in found["wrong"]] + found["said"]
    assert (any(words in line for line in lines) if words else not lines), lines
