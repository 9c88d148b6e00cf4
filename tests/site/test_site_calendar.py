"""What the page finds out by itself: which claims are due, when the pause was lifted, and what that makes of a publisher's account."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import world

from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import Amends, Deadlines
from claims.base.errors import ClaimsError
from claims.decisions.file import Decision, sign_decision
from claims.decisions.life import lifted_spans
from tests.site.sample_view import page_that_runs

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

TERMS = replace(world.agreement(), deadlines=Deadlines(3600, 21600, 21600, 10800))
START, DAY = TERMS.start, 86400
END = 253402300800

RUN = """
import { createInterface } from "node:readline";
import { readAccount } from "./account.js";
import { liftedSpans, readDecision } from "./decisions.js";
import { schedule } from "./schedule.js";
import { survey } from "./survey.js";
import { verdict } from "./verdict.js";
import { decodeAgreement } from "./verifier/agreement.js";
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const judge = (cases) => cases.map(({ agreement, signatures, decisions, until, before, site, findings }) => {
  const terms = decodeAgreement(bytes(agreement));
  const files = decisions.map(bytes);
  const read = files.map((data) => readDecision(data, terms));
  const spans = liftedSpans(read.filter(Boolean));
  const wanted = schedule(terms, until, { before: before ?? Infinity, spans });
  let found = null;
  if (site) {
    const account = readAccount(site);
    const agreements = [{ agreement: bytes(agreement), signatures: signatures === null ? null : bytes(signatures) }];
    const own = survey({ agreements, decisions: files, evidence: [], log: null, until: Math.max(until, account.computedAt) });
    const known = new Map(Object.entries(findings));
    found = verdict({ account, survey: own, findings: known, checked: true, now: until, shown: account.answer });
    found.own = Object.fromEntries(found.own);
  }
  return { counted: read.map(Boolean), spans: spans.map(([a, b]) => [a, b === Number.MAX_SAFE_INTEGER ? END : b]), wanted, found };
});
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try { answer = judge(JSON.parse(line)); } catch (error) { answer = error.message; }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
""".replace("END", str(END))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's scripts, running: a line of cases, a line of answers."""
    folder = page_that_runs(tmp_path_factory.mktemp("page") / "site", RUN)
    with subprocess.Popen(["node", "run.js"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


def run(page: Any, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page's scripts make of each case: agreement, decisions, the visitor's clock, what the publisher says."""
    plain = [
        {
            "agreement": canonical_bytes(case.get("agreement", TERMS)).hex(),
            "signatures": world.signed(case.get("agreement", TERMS)).encode().hex() if case.get("signed", True) else None,
            "decisions": [data.hex() for data in case.get("decisions", ())],
            "until": case["until"],
            "before": case.get("before"),
            "site": case.get("site"),
            "findings": case.get("findings", {}),
        }
        for case in cases
    ]
    page.stdin.write(json.dumps(plain) + "\n")
    page.stdin.flush()
    line = page.stdout.readline()
    assert line, "Node ended; its error is above"
    found: list[dict[str, Any]] = json.loads(line)
    assert isinstance(found, list), found
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
    first = first["wanted"]
    second = [item for item in second["wanted"] if item["end"] <= START + 3 * DAY]
    assert [(item["period"], item["lifted"], item["missingAfter"]) for item in first] == [
        (0, False, START + DAY + 43200), (1, True, START + 2 * DAY + 43200),
    ]  # fmt: skip
    assert [(item["lab"], item["period"], item["due"]) for item in second] == [("alpha", 2, None), ("beta", 2, None)]


# ---- the verdict on an account ------------------------------------------------------------------------------

STRICT = replace(TERMS, log=None, inspection=None)
FREE = replace(STRICT, deadlines=None)
PROVEN = {"verdict": "PROVEN", "transfers": [], "power": None, "losses": []}
FAILS = {"verdict": "REJECTED", "check": "proof", "reason": "the proof does not hold"}
ABSENT = {"verdict": "INCOMPLETE", "absent": True, "reason": "no claim is published here"}
WAITS = {"verdict": "INCOMPLETE", "reason": "Missing: the claim for period 0."}
NOW = START + 3 * DAY - 1


def said(*rows: tuple[int, str, bool], answer: str = "yes", at: int = START + 2 * DAY, **life: bool) -> dict[str, Any]:
    """An account of alpha's periods: (period, state, whether a claim is there); beta has none before period 2."""
    return {
        "format": "standstill-site/1",
        "computed_at": at,
        "holds": {"answer": answer, "why": []},
        "life": {"counts": True, "replaced": False, "expired": False, **life},
        "log": None,
        "decisions": [], "evidence": [], "files": [], "allowances": [], "keys": [],
        "agreement": {"name": "x", "digest": "00" * 32},
        "agreements": [{"binary": "agreement.bin", "signatures": None}],
        "claims": [
            {
                "lab": "alpha", "period": period, "state": state, "claim": "x" if there else None, "roots": None, "check": None,
                "reason": "", "transfers": [], "power": None,
            }
            for period, state, there in rows
        ],
    }  # fmt: skip


def found(page: Any, *rows: tuple[int, str, bool], alpha: Sequence[dict[str, Any]] = (PROVEN, PROVEN), **case: Any) -> dict[str, Any]:
    """The verdict; ``alpha``: what the browser found of alpha's claims, from period 0 on; no other claim is there."""
    keys = ("answer", "at", "replaced", "expired")
    account = said(*rows, **{key: case.pop(key) for key in keys if key in case})
    findings = {f"alpha-{number}": item for number, item in enumerate(alpha)}
    terms = case.pop("agreement", STRICT)
    until = case.pop("until", NOW)
    for number in range(9):
        findings.setdefault(f"alpha-{number}", ABSENT)
        findings.setdefault(f"beta-{number}", ABSENT)
    return run(page, {"agreement": terms, "site": account, "until": until, "findings": findings, **case})[0]["found"]


GOOD, NEXT = (0, "proven", True), (1, "proven", True)


def lift(terms: Agreement, *seeds: int, kind: str = "lift", at: int = START + DAY) -> bytes:
    return decided(kind, at, *seeds, terms=terms).encode()


LIFTED = replace(STRICT, pause=TERMS.pause)
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "all holds": ({"rows": (GOOD, NEXT)}, "confirmed", ""),
    "pending and not due": (
        {"rows": (GOOD, (1, "pending", False)), "alpha": (PROVEN,), "until": START + 2 * DAY + 60}, "confirmed", "",
    ),
    "a row is left out": ({"rows": (GOOD,), "alpha": (PROVEN,)}, "contradicted", "leaves it out"),
    "due, and said to be pending": (
        {"rows": (GOOD, (1, "pending", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 21601}, "contradicted", "late",
    ),
    "missing, and said to be pending": (
        {"rows": (GOOD, (1, "pending", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 43201, "answer": "undecided"},
        "contradicted", "missing",
    ),
    "missing, and said so": (
        {"rows": (GOOD, (1, "missing", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 43201, "answer": "no"}, "confirmed", "",
    ),
    "missing, and yet it holds": (
        {"rows": (GOOD, (1, "missing", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 43201},
        "contradicted", "yet that the standstill",
    ),
    "what is not here accuses no later claim": (
        {"rows": ((0, "missing", False), (1, "missing", True)), "alpha": (ABSENT, WAITS), "at": START + 2 * DAY + 43201, "answer": "no"},
        "confirmed", "",
    ),
    "a claim that fails spoils the next": (
        {"rows": ((0, "rejected", True), (1, "rejected", True)), "alpha": (FAILS, WAITS), "answer": "no"}, "confirmed", "",
    ),
    "in grace, and said to be missing": (
        {"rows": (GOOD, (1, "missing", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 21601, "answer": "no"}, "contradicted", "late",
    ),
    "due without deadlines": (
        {"rows": (GOOD, (1, "pending", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 1, "agreement": FREE},
        "contradicted", "due since",
    ),
    "undecided without deadlines": (
        {"rows": (GOOD, (1, "pending", False)), "alpha": (PROVEN,), "at": START + 2 * DAY + 1, "agreement": FREE, "answer": "undecided"},
        "confirmed", "",
    ),
    "a claim that fails": ({"rows": (GOOD, NEXT), "alpha": (PROVEN, FAILS)}, "contradicted", "the claim fails here"),
    "a claim that fails, said to be pending": (
        {"rows": (GOOD, (1, "pending", True)), "alpha": (PROVEN, FAILS)}, "contradicted", "rejected",
    ),
    "a claim that holds, said to be missing": (
        {"rows": (GOOD, (1, "missing", False)), "answer": "no", "at": START + 2 * DAY + 43201}, "contradicted", "is here and holds",
    ),
    "a claim that was not looked at": ({"rows": (GOOD, NEXT), "alpha": (PROVEN, None)}, "unchecked", ""),
    "lifted without a decision": ({"rows": (GOOD, (1, "lifted", False)), "alpha": (PROVEN,)}, "contradicted", "no decision that counts"),
    "lifted": (
        {"rows": (GOOD, (1, "lifted", False)), "alpha": (PROVEN,), "agreement": LIFTED, "at": START + 2 * DAY,
         "decisions": [lift(LIFTED, 1, 2), lift(LIFTED, 1, 2, kind="trigger", at=START + DAY + 1)]}, "confirmed", "",
    ),
    "lifted by too few": (
        {"rows": (GOOD, (1, "lifted", False)), "alpha": (PROVEN,), "agreement": LIFTED, "decisions": [lift(LIFTED, 1)]},
        "contradicted", "no decision",
    ),
    "the pause is lifted, and yet it holds": (
        {"rows": (GOOD, (1, "lifted", False)), "alpha": (PROVEN,), "agreement": LIFTED, "decisions": [lift(LIFTED, 1, 2)]},
        "contradicted", "pause is lifted since",
    ),
    "nothing is proven": ({"rows": ((0, "pending", False),), "alpha": (), "at": START + DAY}, "contradicted", "no proven claim"),
    "replaced": ({"rows": (GOOD, NEXT), "replaced": True}, "contradicted", "replaced"),
    "not signed": ({"rows": (GOOD, NEXT), "signed": False}, "contradicted", "not signed by"),
    "rejected, and it holds": (
        {"rows": (GOOD, (1, "rejected", True)), "answer": "no"}, "contradicted", "holds here",
    ),
    "no, and nothing is wrong": ({"rows": (GOOD, NEXT), "answer": "no"}, "open", "the answer is"),
    "from the future": ({"rows": (GOOD, NEXT), "until": START}, "open", "in the future"),
    "a lab that is none": ({"rows": (GOOD, NEXT, (9, "missing", False)), "answer": "no"}, "contradicted", "asks for no claim"),
    "out of date": ({"rows": (GOOD, NEXT), "until": START + 4 * DAY}, "old", "alpha, period 2: due since"),
    "out of date without deadlines": (
        {"rows": (GOOD,), "alpha": (PROVEN,), "agreement": FREE, "at": START + DAY + 1}, "old", "alpha, period 1: due since",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_account_is_held_against_what_the_browser_finds(page: Any, name: str) -> None:
    case, kind, words = CASES[name]
    given = {"alpha": (PROVEN, PROVEN), **case}
    answer = found(page, *given.pop("rows"), **given)
    lines = answer["against"] + answer["open"] + answer["stale"]
    assert answer["kind"] == kind, (answer["kind"], lines)
    assert (any(words in line for line in lines) if words else not lines), lines


def test_what_cannot_be_computed_is_never_confirmed(page: Any) -> None:
    """Too many claims for a browser: said, not cut short."""
    terms = replace(STRICT, deadlines=None, periods=100_000, labs=tuple(replace(lab, since_period=0) for lab in STRICT.labs))
    with pytest.raises(AssertionError, match="too many for a browser"):
        found(page, GOOD, agreement=terms, until=START + 100_000 * DAY)
