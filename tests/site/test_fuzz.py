"""Both verifiers on random claims: one verdict, and one name of the check that fails.

The seeds are fixed. Each case is made by tests/site/fuzz_claims.py, or is an edit of a golden file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claims.agreement.decode import decode_agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.merkle import leaf_hash
from claims.claim.published import PublishedEntries
from claims.tlog.checkpoint import SignedCheckpoint
from claims.tlog.errors import LogError
from claims.tlog.hashing import Frontier
from claims.tlog.reader import LogView, open_log
from claims.tlog.tiles import TILE_WIDTH, encode_bundle, entries_path
from claims.verify.claim import CHECKS, check_claim, parse_claim
from claims.verify.log import allowance_dates, log_trust
from claims.verify.roots import held
from tests.site import fuzz_agreements, fuzz_claims
from tests.site.cases import Case, honest
from tests.site.fuzz_claims import MUTATIONS, make, make_golden, make_sites, make_transfers

HERE = Path(__file__).parent
FAST, SLOW = [*range(60), 1797], range(1000, 2200)
"""1797: a line of the lab itself under the head that does not verify."""

Verdict = tuple[str, list[Any] | None]
LISTS = ("previous", "previousRoots", "roots", "proofs")

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


class Place:
    """A log that shows one head and these entries: a source for `open_log`."""

    def __init__(self, head: bytes, entries: list[bytes], size: int) -> None:
        self.files = {"checkpoint": head}
        for at in range(0, size, TILE_WIDTH):
            part = entries[at : min(at + TILE_WIDTH, size)]
            self.files[entries_path(at // TILE_WIDTH, len(part))] = encode_bundle(part)

    def read(self, path: str, limit: int) -> bytes | None:
        """A file."""
        data = self.files.get(path)
        if data is not None and len(data) > limit:
            raise LogError("too long")
        return data

    def sizes(self) -> list[int]:
        """No older heads."""
        return []


def believed(files: dict[str, Any], agreement: Any, lab: str) -> LogView:
    """The largest view that one of the heads gives; LogError where there is none, or two histories."""
    trust, entries = log_trust(agreement), files["entries"]
    frontier, roots = Frontier(), []
    for item in entries:
        roots.append(frontier.root())
        frontier.append(leaf_hash(item))
    roots.append(frontier.root())
    views = []
    for data in files["heads"]:
        try:
            shown = SignedCheckpoint.open(data, trust).head
        except LogError:
            continue
        if shown.size < len(roots) and roots[shown.size] != shown.root:
            raise LogError("two histories")
        try:
            views.append(open_log(Place(data, entries, min(shown.size, len(entries))), trust, exclude={lab}))
        except LogError:
            continue
    if not views:
        raise LogError("no head counts")
    return max(views, key=lambda view: view.size)


def python(files: dict[str, Any], policy: dict[str, bool]) -> Verdict:
    """The failed check, or "proven" or "incomplete"; and what is said of a claim that is proven, or what is missing."""
    try:
        claim = parse_claim(files["claim"])
        try:
            agreement = decode_agreement(files["agreement"])
        except ClaimsError:
            return "agreement", None
        try:
            signatures = None if files["signatures"] is None else AgreementSignatures.decode(files["signatures"])
        except ClaimsError:
            signatures = None
        amended = [] if files["previousAgreement"] is None else [decode_agreement(files["previousAgreement"])]
        published = dated = None
        if agreement.log is not None and files["log"] is not None:
            try:
                view = believed(files, agreement, claim.lab)
                published, dated = PublishedEntries(agreement, enumerate(view.entries)), allowance_dates(view, agreement)
            except LogError:
                published = None
        verdict, _ = check_claim(
            files["claim"], agreement, signatures=signatures, previous=files["previous"], previous_agreements=amended,
            published=published, dated=dated, roots=held(files["roots"]), previous_roots=files["previousRoots"],
            proofs={hashlib.sha256(data).digest(): data for data in files["proofs"]}.get,
            previous_accepted=policy.get("previous_accepted", False), now=0 if policy.get("early") else 10**11,
        )  # fmt: skip
        if not verdict.proven:
            return "incomplete", sorted({item.kind for item in verdict.missing})
        bits = verdict.proof.security
        said = [verdict.lab, verdict.period, verdict.shown(), verdict.agreement.digest.hex()]
        return "proven", [*said, round(bits.unique_decoding.bits, 1), round(bits.johnson.bits, 1)]
    except ClaimRejected as error:
        return error.check, None


def encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def javascript(cases: list[tuple[dict[str, Any], dict[str, bool]]]) -> list[Verdict]:
    """The same of the JavaScript verifier."""
    requests = []
    for files, policy in cases:
        given = {which: encoded(files[which]) for which in ("claim", "agreement", "signatures", "log", "previousAgreement")}
        requests.append({
            "files": given, **{which: [encoded(data) for data in files[which]] for which in LISTS},
            "previousAccepted": policy.get("previous_accepted", False), "now": 0 if policy.get("early") else 10**11,
        })  # fmt: skip
    answers = ask({"task": "cases", "requests": requests})
    return [_verdict(answer) for answer in answers]


def _verdict(answer: dict[str, Any]) -> Verdict:
    if answer["verdict"] == "REJECTED":
        return answer["check"], None
    if answer["verdict"] == "INCOMPLETE":
        return "incomplete", sorted({item["kind"] for item in answer["missing"]})
    said = [answer["lab"], answer["period"], answer["shows"], answer["agreement"]["digest"]]
    return "proven", [*said, answer["bits"]["unique"], answer["bits"]["johnson"]]


def ask(request: dict[str, Any]) -> Any:
    """What judge.mjs answers."""
    done = subprocess.run(["node", str(HERE / "judge.mjs")], input=json.dumps(request), capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def compare(seeds: Sequence[int], make: Callable[[int], Case] = make) -> tuple[Counter[str], Counter[str]]:
    """How often each check failed, and each mutation was used; fails where the verifiers differ."""
    cases = [make(seed) for seed in seeds]
    files = [case.files() for case in cases]
    expected = [python(item, case.policy) for item, case in zip(files, cases, strict=True)]
    found = javascript([(item, case.policy) for item, case in zip(files, cases, strict=True)])
    differ = [
        (seed, case.names, case.policy, case.dropped, f"python {one}", f"javascript {other}")
        for seed, case, one, other in zip(seeds, cases, expected, found, strict=True)
        if one != other
    ]
    assert not differ, differ[:12]
    return Counter(outcome for outcome, _ in expected), Counter(name for case in cases for name in case.names)


def test_random_claims_are_judged_alike() -> None:
    checks, _ = compare(FAST)
    assert checks["proof"] >= 5 and not checks["proven"]


def test_lists_of_transfers_are_judged_alike() -> None:
    checks, _ = compare(range(30), make_transfers)
    assert min(checks[which] for which in ("proof", "incomplete", "lists")) >= 2


@pytest.mark.slow
def test_hundreds_of_lists_of_transfers_are_judged_alike() -> None:
    checks, _ = compare(range(1000, 1400), make_transfers)
    assert min(checks[which] for which in ("proof", "incomplete", "lists", "continuity", "log")) >= 4


def with_a_loss(size: int) -> Case:
    """A claim of the first period that lists a meter as lost, and has so many zero bytes in place of its signature."""
    case = honest(random.Random(3))
    del case.claims[1:]
    (draft,) = case.claims
    case.agreement = replace(case.agreement, labs=(replace(case.agreement.labs[0], lost=10**6), *case.agreement.labs[1:]))
    gone = case.agreement.labs[0].meters[0].name
    fuzz_claims.lose(draft, gone, draft.first + 1, said=True)
    draft.zero, draft.agreement = size, case.agreement.digest
    draft.lists = b"\0\1\1" + fuzz_claims.name(gone) + fuzz_claims.u32(draft.first + 1) + bytes(6)
    return case


def test_the_signature_of_a_lost_meter_is_64_zero_bytes_to_both() -> None:
    """Of a hybrid meter too: as many as such a key signs were taken by the page, and refused by Python."""
    assert compare([2484], with_a_loss)[0] == {"lists": 1} != compare([64], with_a_loss)[0]


def test_a_claim_of_one_table_is_refused_for_a_lab_with_sites() -> None:
    checks, _ = compare(range(6), make_sites)
    assert set(checks) == {"meters"}


def other_sites(seed: int) -> Case:
    """An earlier claim that names the roots file of a site which its lab does not have."""
    case = honest(random.Random(seed))
    case.amended, draft = None, case.claims[0]
    (roots,), whole = draft.write_roots(), draft.entries
    draft.sites = b"\0\1" + fuzz_claims.name("x") + fuzz_claims.u32(*range(8)) + bytes(32) + fuzz_claims.sha(roots) + bytes(32)
    draft.proof = b""

    def entries(digest: bytes) -> list[bytes]:
        named = fuzz_claims.sha(fuzz_claims.sha(roots))
        return [*whole(digest)[:-1], draft.entry(digest, fuzz_claims.sha(draft.write()), named)]

    draft.entries = entries  # type: ignore[method-assign]
    return case


def test_an_earlier_claim_of_other_sites_is_refused_by_name() -> None:
    """It was a ValueError that ended the program."""
    checks, _ = compare([8, 32, 40], other_sites)
    assert "continuity" in checks and set(checks) <= {"continuity", "meters"}


@pytest.mark.slow
def test_hundreds_of_random_claims_are_judged_alike() -> None:
    checks, names = compare(SLOW)
    assert set(checks) == {*CHECKS, "incomplete"} - {"inspection", "deadlines"}, "a check is never the one that fails"
    assert min(checks.values()) >= 5 and set(names) == {change.__name__ for change in MUTATIONS}


@pytest.mark.slow
def test_claims_that_hold_are_judged_alike_under_whatever_log() -> None:
    """With real proofs: what is accepted by one is accepted by the other, and proven by both or by none."""
    outcomes, _ = compare([*range(38), 42, 47], make_golden)
    assert min(outcomes["proven"], outcomes["incomplete"], outcomes["log"]) >= 1


def compare_agreements(seeds: Sequence[int]) -> Counter[bool]:
    """How many agreements were valid, and how many were not; fails where the verifiers differ."""
    return judged_alike(seeds, [fuzz_agreements.make(seed) for seed in seeds])


def judged_alike(seeds: Sequence[int], cases: Sequence[bytes]) -> Counter[bool]:
    """How many of the agreements are valid, and not."""
    answers = ask({"task": "agreementBytes", "cases": [encoded(data) for data in cases]})
    counts: Counter[bool] = Counter()
    differ = []
    for seed, data, answer in zip(seeds, cases, answers, strict=True):
        try:
            expected, why = decode_agreement(data).digest.hex(), "valid"
        except ClaimsError as error:
            expected, why = "agreement", error.what
        counts[why == "valid"] += 1
        if answer.get("ok", answer.get("check")) != expected:
            differ.append((seed, f"python: {why}", answer))
    assert not differ, differ[:12]
    return counts


def test_agreements_at_their_bounds_are_judged_alike() -> None:
    counts = compare_agreements(range(150))
    assert min(counts[True], counts[False]) >= 15


def test_readings_that_split_are_counted_alike() -> None:
    """The most chips that one table holds, and one reading an epoch more."""
    counts = judged_alike(range(12), [fuzz_agreements.splitting(step) for step in range(-6, 6)])
    assert counts[True] == counts[False] == 6


@pytest.mark.slow
def test_thousands_of_agreements_at_their_bounds_are_judged_alike() -> None:
    counts = compare_agreements(range(1000, 4000))
    assert min(counts[True], counts[False]) >= 300


@pytest.mark.slow
def test_lying_provers_are_judged_alike() -> None:
    """Every forged proof of tests/tampering, false statements and damaged bytes, before the JavaScript verifier."""
    folder = HERE.parent / "tampering"
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.site.third_judge", "-m", "not slow"]
    command += [str(folder / name) for name in ("test_false_statements.py", "test_fiat_shamir.py", "test_bytes.py")]
    done = subprocess.run(
        [*command, "-k", "not every_byte_flipped and not every_length"], cwd=HERE.parents[1], capture_output=True, text=True, timeout=560
    )
    assert done.returncode == 0, done.stdout[-3000:]
    told = re.search(r"third judge: (\d+) proofs, (\d+) outcomes, 0 differ", done.stdout)
    assert told is not None and int(told[1]) >= 500 and int(told[2]) >= 14, done.stdout[-2000:]
