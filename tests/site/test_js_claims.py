"""Whole claims under the JavaScript verifier: agreement, signatures, log, continuity and proof, and what breaks each.

The claims of tests/site/vectors are made by tests/site/make_claim_vectors.py, whose writer shares no code with any reader.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.site.make_claim_vectors import (
    ALPHA,
    ALPHA_COSIGNS,
    BETA,
    BETA_COSIGNS,
    GAMMA_COSIGNS,
    TARGET,
    bundle,
    entry,
    head,
    name,
    sha,
    u32,
)

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def ask(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What judge.mjs answers."""
    text = json.dumps({"task": "claims", "requests": requests})
    done = subprocess.run(["node", str(HERE / "judge.mjs")], input=text, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def request(period: int = 0, **changes: Any) -> dict[str, Any]:
    """Everything that belongs to a claim."""
    files = {"claim": f"alpha-{period}.claim", "agreement": "agreement.bin", "signatures": "agreement.sigs"}
    files |= {"roots": f"alpha-{period}.roots", "log": "log.bundle"}
    ends = {"previous": "claim", "previousRoots": "roots"}
    before = {key: [str(TARGET / f"alpha-{p}.{end}") for p in range(period)] for key, end in ends.items()}
    return {"paths": {key: str(TARGET / file) for key, file in files.items()}, **before, **changes}


def without(base: dict[str, Any], *names: str) -> dict[str, Any]:
    """The request without some files."""
    return {**base, "paths": {key: path for key, path in base["paths"].items() if key not in names}}


def kinds(answer: dict[str, Any]) -> list[str]:
    """What is missing."""
    return [item["kind"] for item in answer["missing"]]


def test_both_periods_are_proven() -> None:
    first, second = ask([request(0), request(1)])
    for answer, period in ((first, 0), (second, 1)):
        assert answer["verdict"] == "PROVEN" and answer["missing"] == [] and answer["shows"]
        assert (answer["lab"], answer["period"]) == ("alpha", period)
        assert answer["bits"]["unique"] >= 100 and answer["bits"]["johnson"] >= 128
    assert "opening head" in first["continuity"] and "period 0 on" in second["continuity"]


def test_what_is_missing_is_named_and_rejects_nothing() -> None:
    answers = ask([
        without(request(0), "log"), without(request(0), "roots"), request(1, previous=[]), without(request(0), "signatures"),
        without(request(1, previous=[]), "log", "signatures"), request(0, edit=("roots", {"flips": [(300, 1)]})),
    ])  # fmt: skip
    assert [kinds(answer) for answer in answers] == [
        ["log"], ["roots"], ["previous"], ["signatures"], ["signatures", "log", "previous"], ["roots"],
    ]  # fmt: skip
    assert all(answer["verdict"] == "INCOMPLETE" and not answer["shows"] for answer in answers)


def test_what_does_not_belong_there_is_rejected() -> None:
    answers = ask([
        without(request(0), "claim"), without(request(0), "agreement"),
        request(1, previous=[str(TARGET / "alpha-1.claim")]), request(0, previous=[str(TARGET / "alpha-0.claim")]),
    ])  # fmt: skip
    assert [answer["check"] for answer in answers] == ["format", "agreement", "continuity", "continuity"]


def test_a_previous_claim_may_rest_on_an_earlier_verdict() -> None:
    damaged = {"flips": [(200_000, 1)]}
    whole, taken, broken = ask([
        request(1, edit=("previous", damaged)),
        request(1, other={"previousAccepted": True}),
        request(1, edit=("claim", damaged), other={"previousAccepted": True}),
    ])
    assert kinds(whole) == ["previous"]  # it is not the file that the log names
    assert taken["verdict"] == "PROVEN" and "opening head" in taken["continuity"]
    assert broken["check"] == "signatures"


@pytest.mark.parametrize(
    ("file", "checks"),
    [("claim", {"format", "agreement", "lab", "period", "meters", "signatures"}), ("agreement", {"agreement"}),
     ("signatures", {"signatures"}), ("roots", {"roots"}), ("log", {"log", "entry"})],
)  # fmt: skip
def test_edited_files_are_found_out_under_the_name_of_what_they_break(file: str, checks: set[str]) -> None:
    base = request(0)
    data = Path(base["paths"][file]).read_bytes()
    rng = random.Random(file)
    edits: list[dict[str, Any]] = [{"cut": rng.randrange(len(data))} for _ in range(6)] + [{"tail": "00"}]
    places = [rng.randrange(min(len(data), 1000)) for _ in range(30)] + [rng.randrange(len(data)) for _ in range(10)]
    edits += [{"flips": [(at, 1 << rng.randrange(8))]} for at in places]
    answers = ask([request(0, edit=(file, edit)) for edit in edits])
    for edit, answer in zip(edits, answers, strict=True):
        if file == "log" and answer["verdict"] == "PROVEN":
            continue  # foreign lines and bytes are no business of this claim; the next test has those that are
        found = {answer["check"]} if answer["verdict"] == "REJECTED" else set(kinds(answer))
        assert found and found <= checks, (edit, answer)


def test_the_log_is_held_to_heads_cosigners_and_entries(tmp_path: Path) -> None:

    entries = parse_entries()
    digest = sha((TARGET / "agreement.bin").read_bytes())
    good = {"alpha": ALPHA_COSIGNS, "beta": BETA_COSIGNS}
    beta = {"beta": BETA_COSIGNS}
    barred = {"alpha": ALPHA_COSIGNS, "gamma": GAMMA_COSIGNS}
    twin = entry(digest, 1, name("alpha") + u32(2) + bytes(65), ALPHA)
    forged = entry(digest, 1, name("alpha") + u32(2) + bytes(65), BETA)
    claim_twin = entry(digest, 2, name("alpha") + u32(0) + bytes(64), ALPHA)
    logs = {
        "whole": (bundle([head(entries, 5, beta)], entries), True),
        "the lab and the operator do not count": (bundle([head(entries, 5, barred)], entries), False),
        "no cosignature": (bundle([head(entries, 5, {})], entries), False),
        "another key under the name": (bundle([head(entries, 5, {"beta": GAMMA_COSIGNS})], entries), False),
        "no head": (bundle([], entries), False),
        "an entry is left out": (bundle([head(entries[1:], 5, good)], entries[1:]), False),
        "the claim's entry is left out": (bundle([head(entries[:5], 5, good)], entries[:5]), False),
        "entries behind the head": (bundle([head(entries[:5], 5, good)], entries), False),
        "an older head with quorum": (bundle([head(entries, 9, {}), head(entries[:6], 5, good)], entries), True),
        "entries that the head does not have": (bundle([head(entries, 5, good)], [*entries[:3], b"x", *entries[4:]]), False),
        "a fork below": (bundle([head(entries, 5, good), head(entries[:4] + [b"x"], 4, good)], entries), False),
        "the lab contradicts itself": (bundle([head([*entries, twin], 5, good)], [*entries, twin]), False),
        "two claims": (bundle([head([*entries, claim_twin], 5, good)], [*entries, claim_twin]), False),
        "somebody else contradicts the lab": (bundle([head([*entries, forged], 5, good)], [*entries, forged]), True),
        "somebody else comes first": (bundle([head([forged, *entries], 5, good)], [forged, *entries]), True),
        "an entry twice": (bundle([head([*entries, entries[0]], 5, good)], [*entries, entries[0]]), True),
    }
    requests = []
    for number, (data, _) in enumerate(logs.values()):
        (tmp_path / str(number)).write_bytes(data)
        base = request(0)
        requests.append({**base, "paths": {**base["paths"], "log": str(tmp_path / str(number))}})
    for (what, (_, proven)), answer in zip(logs.items(), ask(requests), strict=True):
        assert (answer["verdict"] == "PROVEN") == proven, (what, answer)
        assert proven or answer.get("check") == "log" or kinds(answer) in (["log"], ["entry"]), (what, answer)


def parse_entries() -> list[bytes]:
    """The entries of the stored bundle."""
    data = (TARGET / "log.bundle").read_bytes()
    at = 25
    for _ in range(int.from_bytes(data[23:25], "big")):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    count, at = int.from_bytes(data[at : at + 4], "big"), at + 4
    entries = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


def test_the_python_readers_take_the_same_heads() -> None:
    """The log's own reader agrees about a head that was written byte by byte here."""
    from claims.agreement.decode import decode_agreement
    from claims.tlog.checkpoint import LogTrust, SignedCheckpoint

    terms = decode_agreement((TARGET / "agreement.bin").read_bytes())
    assert terms.log is not None
    cosigners = {p.name: p.cosign_key for p in terms.parties if p.cosign_key is not None}
    trust = LogTrust(terms.log.origin, terms.log.key, cosigners, 1)
    entries = parse_entries()
    signed = SignedCheckpoint.open(head(entries, 7, {"beta": BETA_COSIGNS}), trust)
    assert signed.head.size == len(entries) and signed.times == {"beta": 7}


def test_the_modules_need_no_dynamic_code_and_load_nothing_from_elsewhere() -> None:
    """What a strict content security policy forbids, and any address but one's own files."""
    for path in sorted((HERE.parents[1] / "claims" / "site").glob("verifier/*.js")):
        text = path.read_text()
        for word in ("eval(", "new Function", "import(", "WebAssembly", "http:", "https:", "innerHTML", "process."):
            assert word not in text, (path.name, word)
        for line in text.splitlines():
            if " from \"" in line:
                assert line.split(" from \"")[1].startswith(("./", "../vendor/")), (path.name, line)


def test_a_previous_claim_under_a_log_is_not_taken_where_none_is_agreed_any_more() -> None:
    """An amendment that drops the log does not spare the claims before it (in Python: test_verify_previous_log.py)."""
    log = "{origin: 'a', key: new Uint8Array(32)}"
    cases = [f"{log}, null, false", f"{log}, null, true", "null, null, false", f"{log}, {log}, false"]
    calls = ", ".join(f"judge({case})" for case in cases)
    module = (HERE.parents[1] / "claims" / "site" / "verifier" / "log.js").as_uri()
    text = f"""import {{ isLogged }} from "{module}";
const judge = (theirs, ours, previousAccepted) => {{
  const missing = [];
  const goesOn = isLogged({{}}, {{log: theirs}}, {{log: ours}}, {{entries: null, previousAccepted, missing}});
  return [goesOn, missing.map(({{ kind }}) => kind)];
}};
console.log(JSON.stringify([{calls}]));"""
    done = subprocess.run(["node", "--input-type=module", "-e", text], capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == [[True, ["previous log"]], [True, []], [True, []], [True, []]]
