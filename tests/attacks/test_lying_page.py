"""A publisher of the page who lies in site.json, beside an honest program: no lie is ever confirmed.

The claims are real (tests/site/vectors), and so is their verifier. Each case is one attempt; the fuzzing after them makes
some thousands more.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from claims.agreement.decode import decode_agreement
from claims.agreement.model import canonical_bytes
from claims.agreement.terms import Amends
from claims.site.log import encode_bundle
from claims.tlog.note import NOTE_LIMIT
from tests.site import make_claim_vectors as made
from tests.site.page_node import PageNode, needs_node
from tests.site.vector_site import VECTORS, vector_entries, write_vector_site

pytestmark = needs_node

View = dict[str, Any]
DAY = 86400
CLAIM, OTHER = "files/claims/alpha-1.claim", "files/claims/alpha-0.claim"
HELD = (VECTORS / "alpha-1.claim").read_bytes()
FALSE = {CLAIM: HELD[:200_000] + bytes([HELD[200_000] ^ 1]) + HELD[200_001:]}
"""Changed files: the second claim is a false one."""
GONE = {CLAIM: None}
"""Changed files: the second claim is not there, though it is due."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PageNode, View]]:
    folder = tmp_path_factory.mktemp("page") / "site"
    view = write_vector_site(folder)
    page = PageNode(folder)
    yield page, view
    page.close()


def case(view: View, changed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What page.mjs takes. ``text``: site.json where it is not that of the view."""
    text = more.pop("text", None) or json.dumps(view)
    return {"site": text, "changed": changed or {}, "now": view_time(view) + 120, **more}


def view_time(view: View) -> int:
    return 1767226000 if not isinstance(view.get("computed_at"), int) else max(1767226000, min(view["computed_at"], 2**32))


def changed(view: View, change: Callable[[View], Any]) -> View:
    found = copy.deepcopy(view)
    change(found)
    return found


def hide(view: View, period: int = 1) -> None:
    view["claims"] = [row for row in view["claims"] if row["period"] != period]


def test_the_truth_is_confirmed(site: tuple[PageNode, View]) -> None:
    page, view = site
    found, unchecked = page.verdicts([case(view), case(view, checked=False)])
    assert found["kind"] == "confirmed" and found["own"]["alpha-1"] == "proven"
    assert unchecked["kind"] == "unchecked" and not unchecked["against"]


LIES: dict[str, Callable[[View], Any]] = {
    "as if nothing were wrong": lambda view: None,
    "pending": lambda view: view["claims"][1].update(state="pending"),
    "pending, at a path that does not exist": lambda view: view["claims"][1].update(state="pending", claim="files/claims/none.claim"),
    "pending, at another claim's path": lambda view: view["claims"][1].update(state="pending", claim=OTHER),
    "pending, without a path": lambda view: view["claims"][1].update(state="pending", claim=None, roots=None),
    "pending, and no file listed": lambda view: (view["claims"][1].update(state="pending", claim=None), view.update(files=[])),
    "under inspection": lambda view: view["claims"][1].update(state="under inspection"),
    "lifted": lambda view: view["claims"][1].update(state="lifted", claim=None),
    "missing": lambda view: view["claims"][1].update(state="missing", claim=None),
    "left out": hide,
    "left out, and decisions null": lambda view: (hide(view), view.update(decisions=None)),
    "left out, and decisions of any type": lambda view: (hide(view), view.update(decisions={"length": 0})),
    "left out, and a decision that is not there": lambda view: (hide(view), view.update(decisions=[{"path": "files/none"}])),
    "left out, and evidence null": lambda view: (hide(view), view.update(evidence=None)),
    "left out, and no agreement": lambda view: (hide(view), view.update(agreements=[])),
    "left out, and the log null": lambda view: (hide(view), view.update(log=None)),
    "left out, and the log's bundle null": lambda view: (hide(view), view["log"].update(bundle=None)),
    "left out, and a problem of the log": lambda view: (hide(view), view["log"].update(problem="cannot be used")),
    "left out, and not counting": lambda view: (hide(view), view["life"].update(counts=False)),
    "left out, and replaced": lambda view: (hide(view), view["life"].update(replaced=True)),
    "left out, and expired": lambda view: (hide(view), view["life"].update(expired=True)),
    "left out, and computed at the beginning of time": lambda view: (hide(view), view.update(computed_at=0)),
    "left out, and computed before it was due": lambda view: (hide(view), view.update(computed_at=1767225601)),
    "left out, and computed in the far future": lambda view: (hide(view), view.update(computed_at=253402300799)),
    "nothing listed at all": lambda view: view.update(claims=[], files=[]),
    "a row of another lab in its place": lambda view: view["claims"][1].update(lab="omega"),
    "a row of another period in its place": lambda view: view["claims"][1].update(period=2),
    "a row of a period that is none": lambda view: view["claims"][1].update(period=2**24),
    "twice": lambda view: view["claims"].append(copy.deepcopy(view["claims"][0])),
    "the other claim in its place": lambda view: view["claims"][1].update(claim=OTHER, roots="files/claims/alpha-0.roots"),
    "does not continue": lambda view: view["claims"][1].update(continues=False),
    "the first claim's row without its path": lambda view: view["claims"][0].update(claim=None),
}  # fmt: skip


@pytest.mark.parametrize("what", [FALSE, GONE], ids=["a false claim", "a claim that is not there"])
def test_no_row_hides_what_does_not_hold(site: tuple[PageNode, View], what: dict[str, Any]) -> None:
    page, view = site
    found = page.verdicts([case(changed(view, lie), what) for lie in LIES.values()])
    for (name, _), answer in zip(LIES.items(), found, strict=True):
        assert answer["kind"] in ("contradicted", "broken"), (name, answer)
        assert answer["against"] or answer["open"], name


def test_a_claim_that_is_there_is_no_lie_about_it(site: tuple[PageNode, View]) -> None:
    """The same accounts beside a claim that holds: whatever hides or belittles it is contradicted too."""
    page, view = site
    harmless = {"as if nothing were wrong", "does not continue", "under inspection"}
    lies = {name: lie for name, lie in LIES.items() if name not in harmless}
    for name, answer in zip(lies, page.verdicts([case(changed(view, lie)) for lie in lies.values()]), strict=True):
        assert answer["kind"] in ("contradicted", "broken"), (name, answer)
    accused = [{"state": "missing", "claim": None}, {"state": "late"}, {"state": "rejected", "check": "proof", "reason": "the proof fails"}]
    views = [changed(view, lambda item, row=row: (item["claims"][1].update(row), item["holds"].update(answer="no"))) for row in accused]
    for answer in page.verdicts([case(item) for item in views]):
        assert answer["kind"] == "contradicted" and "holds" in answer["against"][0]


def test_what_the_page_says_is_what_its_data_say(site: tuple[PageNode, View]) -> None:
    page, view = site
    humble = changed(view, lambda item: item["holds"].update(answer="undecided"))
    (found,) = page.verdicts([case(humble, shown="yes")])
    assert found["kind"] == "contradicted"


def test_an_old_page_is_old_however_true_it_was(site: tuple[PageNode, View]) -> None:
    page, view = site
    early = changed(view, lambda item: (hide(item), item.update(computed_at=1767225600 + 300)))
    cases = [case(early, GONE), case(early, GONE) | {"now": 1767225600 + 310}, case(view) | {"now": view["computed_at"] + 30 * DAY}]
    assert [answer["kind"] for answer in page.verdicts(cases)] == ["old", "confirmed", "old"]


# ---- other material behind the same account ----------------------------------------------------------------


def test_another_log_behind_the_account(site: tuple[PageNode, View]) -> None:
    """The host holds entries back, or shows a log of its own."""
    page, view = site
    entries, data = vector_entries(), (VECTORS / "log.bundle").read_bytes()
    logs = {
        "nothing": b"", "no entries": encode_bundle([], []), "no heads": encode_bundle([], entries),
        "cut": data[:-1], "another last entry": data[:-1] + b"x", "entries held back": encode_bundle([], entries[:-1]),
    }  # fmt: skip
    for name, answer in zip(logs, page.verdicts([case(view, {"log.bundle": log}) for log in logs.values()]), strict=True):
        assert answer["kind"] in ("contradicted", "broken"), (name, answer)


def test_a_head_as_long_as_a_head_may_be(site: tuple[PageNode, View]) -> None:
    """Lines of keys that nobody knows, up to the length that both verifiers take."""
    page, view = site
    entries = vector_entries()
    head = made.head(entries, 5, {"beta": made.BETA_COSIGNS})
    more = [head + f"\u2014 other{k} {base64.b64encode(bytes([k]) * 3400).decode()}\n".encode() for k in range(1, 2)]
    line = more[0][len(head) :]
    full = head + line * ((NOTE_LIMIT - len(head)) // len(line))
    assert 2 * len(full) > 3 * 2**16
    logs = [encode_bundle([note], entries) for note in (head, full, full + line)]
    found = page.verdicts([case(view, {"log.bundle": log}) for log in logs])
    assert [answer["kind"] for answer in found] == ["confirmed", "confirmed", "contradicted"]


def test_cosignatures_that_a_mirror_removes_hide_nothing_that_speaks_against_a_lab(site: tuple[PageNode, View]) -> None:
    """The newest head without its cosignatures: no key is needed for that. An older head, with them, is used for what speaks for a lab."""
    page, view = site
    entries = vector_entries()
    body = made.name("alpha") + made.u32(1) + bytes(64)
    twin = made.entry(decode_agreement((VECTORS / "agreement.bin").read_bytes()).digest, 2, body, made.ALPHA)
    forged = made.entry(decode_agreement((VECTORS / "agreement.bin").read_bytes()).digest, 2, body, made.BETA)
    cosigned = made.head(entries, 5, {"beta": made.BETA_COSIGNS})
    longer, spoilt = [*entries, twin], [*entries, forged]
    logs = {
        "contradicted": encode_bundle([made.head(longer, 9, {}), cosigned], longer),
        "open": encode_bundle([made.head(longer, 9, {}), cosigned], entries),
        "confirmed": encode_bundle([made.head(spoilt, 9, {}), cosigned], spoilt),
    }
    cases = [case(view, {"log.bundle": log}) for log in logs.values()]
    found = page.verdicts(cases)
    assert [answer["kind"] for answer in found] == list(logs), [(answer["against"], answer["open"]) for answer in found]
    assert "two different claims" in found[0]["against"][0] and "newer head" in found[1]["open"][0]
    assert any("newer head" in line for line in found[2]["notes"]) and any("as of" in line for line in found[2]["notes"])


def test_another_agreement_behind_the_account(site: tuple[PageNode, View]) -> None:
    page, view = site
    agreement = decode_agreement((VECTORS / "agreement.bin").read_bytes())
    lab = agreement.labs[0]
    others = [
        replace(agreement, labs=(replace(lab, since_period=1),)),
        replace(agreement, labs=(replace(lab, since_period=1),), amends=Amends(agreement.digest, 1)),
        replace(agreement, labs=(replace(lab, since_period=2),), amends=Amends(bytes(32), 2)),
        replace(agreement, start=agreement.start + 10 * DAY),
        replace(agreement, periods=1),
    ]
    cases = []
    for other in others:
        data = canonical_bytes(other)
        honest = (VECTORS / "agreement.bin").read_bytes()
        stated = changed(view, lambda item, other=other: item["agreement"].update(digest=other.digest.hex()))
        both = changed(stated, lambda item: item["agreements"].append({"binary": "agreement-1.bin", "signatures": "files/agreement.sigs"}))
        cases += [case(view, GONE | {"agreement.bin": data}), case(stated, GONE | {"agreement.bin": data})]
        cases.append(case(both, GONE | {"agreement.bin": data, "agreement-1.bin": honest}))
    assert {answer["kind"] for answer in page.verdicts(cases)} <= {"contradicted", "broken"}


def test_without_signatures_nothing_holds(site: tuple[PageNode, View]) -> None:
    page, view = site
    unsigned = changed(view, lambda item: item["agreements"][0].update(signatures=None))
    two = json.loads((VECTORS / "agreement.sigs").read_bytes())
    two["signatures"].pop()
    text = (json.dumps(two, indent=2, sort_keys=True) + "\n").encode()
    found = page.verdicts([case(unsigned), case(view, {"files/agreement.sigs": text}), case(view, {"files/agreement.sigs": b"{}"})])
    assert [answer["kind"] for answer in found] == ["contradicted"] * 3
    assert "not signed by" in " ".join(found[0]["against"])


# ---- fuzzing ---------------------------------------------------------------------------------------------------

STATES = ["proven", "under inspection", "pending", "late", "missing", "rejected", "lifted"]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 2**31, 2**53, 2**63, -(2**53), 1.5, 1e308, "", "yes", "no", "undecided", "x" * 3000, "alpha", *STATES,
    "../site.json", "//host/x", "__proto__", "constructor", [], {}, [[]], [None], {"length": 3}, {"path": None}, OTHER, CLAIM,
    "agreement.bin", "log.bundle", "files/agreement.sigs",
]  # fmt: skip
KEYS = ["__proto__", "constructor", "toString", "hasOwnProperty", "length", "then", "claims", "state", "claim", "answer", "computed_at"]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value, but those in what only the table shows."""
    found = [at]
    if isinstance(value, dict):
        for key, item in value.items():
            if at or key not in ("agreement", "not_shown"):
                found += places(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += places(item, (*at, number))
    return found


def mutate(view: View, rng: random.Random) -> View:
    """A copy with one to four changes of any kind."""
    root = [copy.deepcopy(view)]
    for _ in range(rng.randrange(1, 5)):
        path = rng.choice(places(root[0]))
        parent: Any = root
        for key in (0, *path)[:-1]:
            parent = parent[key]
        key = (0, *path)[-1]
        if not path:
            continue
        kind = rng.randrange(6)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            other: Any = root[0]
            for step in rng.choice(places(root[0])):
                other = other[step]
            parent[key] = copy.deepcopy(other)
        elif kind == 2 and isinstance(parent[key], dict):
            parent[key][rng.choice(KEYS)] = copy.deepcopy(rng.choice(VALUES))
        elif kind == 3 and isinstance(parent[key], list):
            parent[key] = parent[key] * 2 if rng.randrange(2) else rng.sample(parent[key], len(parent[key]))
        else:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    found: View = root[0]
    return found


def lie_at_random(view: View, rng: random.Random) -> View:
    """Lies of the right types: states, paths and times."""
    found = copy.deepcopy(view)
    for row in found["claims"]:
        if rng.randrange(2):
            row["state"] = rng.choice(STATES)
        if rng.randrange(3) == 0:
            row["claim"] = rng.choice([None, "files/none.claim", CLAIM, "files/claims/alpha-0.claim", "agreement.bin"])
        if rng.randrange(5) == 0:
            row["period"] = rng.randrange(4)
        if rng.randrange(5) == 0:
            row["lab"] = rng.choice(["alpha", "beta", "gamma", "omega"])
    rng.shuffle(found["claims"])
    del found["claims"][rng.randrange(3) :]
    found["holds"]["answer"] = rng.choice(["yes", "yes", "yes", "no", "undecided"])
    if rng.randrange(3) == 0:
        found["computed_at"] = rng.choice([0, 1767225600, 1767225900, 1767226080, 1767226081, 2**31, 253402300799])
    for key in ("counts", "replaced", "expired"):
        found["life"][key] = bool(rng.randrange(2))
    if rng.randrange(3) == 0:
        found["log"] = rng.choice([None, {"bundle": None, "problem": "x"}, {"bundle": "agreement.bin", "problem": ""}])
    if rng.randrange(3) == 0:
        found["files"] = rng.choice([[], found["files"][:2], found["files"][2:]])
    return found


def never_confirmed(site: tuple[PageNode, View], what: dict[str, Any], seed: int, count: int) -> None:
    page, view = site
    rng = random.Random(seed)
    makers = [lambda: mutate(view, rng), lambda: lie_at_random(view, rng), lambda: mutate(lie_at_random(view, rng), rng)]
    views = [makers[number % 3]() for number in range(count)]
    found = page.verdicts([case(item, what) | {"now": 1767226300} for item in views])
    for item, answer in zip(views, found, strict=True):
        assert answer["kind"] != "confirmed" or item["holds"]["answer"] != "yes", (item, answer)
    assert {"contradicted", "broken", "old"} <= {answer["kind"] for answer in found}


@pytest.mark.parametrize("what", [FALSE, GONE], ids=["a false claim", "a claim that is not there"])
def test_no_random_account_of_what_does_not_hold_is_confirmed(site: tuple[PageNode, View], what: dict[str, Any]) -> None:
    never_confirmed(site, what, 10, 300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_many_random_accounts(site: tuple[PageNode, View], seed: int) -> None:
    never_confirmed(site, (FALSE, GONE)[seed % 2], 100 + seed, 1500)


def test_hostile_spellings_of_site_json(site: tuple[PageNode, View]) -> None:
    """Numbers without bound, keys twice, and no JSON at all."""
    page, view = site
    text = json.dumps(view)
    at = f'"computed_at": {view["computed_at"]}'
    assert at in text
    texts = [
        "", "null", "[]", "0", '"yes"', text[:-1], text + "x", "[" * 20000, "{}",
        *(text.replace(at, f'"computed_at": {number}') for number in ("1e400", "-0.0", "9007199254740993")),
        text.replace('"claims": [', '"claims": [], "claims": {"0": ', 1), text.replace('"answer": "yes"', '"answer": "yes", "answer": {}'),
        text.replace('"state": "proven"', '"state": "proven", "__proto__": {"state": "pending"}'),
        text.replace('"claims":', '"__proto__":', 1), text.replace('"files":', '"\\u0066ilez":', 1),
    ]  # fmt: skip
    found = page.verdicts([case(view, GONE, text=item) for item in texts])
    assert {answer["kind"] for answer in found} <= {"broken", "contradicted"}, [answer["kind"] for answer in found]
