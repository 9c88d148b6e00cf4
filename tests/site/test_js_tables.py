"""A real claim of two sites by the page's verifier in Node: it says what Python says, of true proofs and of changed ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimRejected
from claims.base.keys import load_key_file
from claims.claim.file import Claim, decode_claim, sign_claim
from claims.verify.claim import verify_claim
from tests.attacks.test_tables import folder  # noqa: F401
from tests.site.page_node import needs_node
from tests.site.test_fuzz import ask, encoded

pytestmark = [pytest.mark.slow, needs_node]
NOW = 2 * 10**9
TABLES = ("site north", "site south", "the registry")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def without(files: Mapping[bytes, bytes], digest: bytes) -> dict[bytes, bytes]:
    """All files but one."""
    return {other: data for other, data in files.items() if other != digest}


def with_proofs(claim: Claim, *digests: bytes) -> Claim:
    """A claim that names these proofs, of its sites in order and of its registry."""
    sites = tuple(replace(site, proof=digest) for site, digest in zip(claim.sites, digests, strict=False))
    return replace(claim, sites=sites, registry_proof=digests[2])


class Case:
    """What a reader has: a claim's bytes, those before it, and proof files in any order."""

    def __init__(self, claim: Claim, proofs: Mapping[bytes, bytes], *previous: bytes) -> None:
        self.claim, self.proofs, self.previous = claim.encode(), dict(proofs), list(previous)

    def python(self, terms: Agreement, signatures: AgreementSignatures) -> tuple[str, str, list[str]]:
        """Word, failed check with what stands before its reason, and kinds of what is missing."""
        try:
            found = verify_claim(
                self.claim, terms, signatures=signatures, previous=self.previous, previous_signatures={}, now=NOW, proofs=self.proofs.get
            )
        except ClaimRejected as error:
            return "REJECTED", f"{error.check} {error.what.rpartition(': ')[0] if error.check == 'proof' else ''}".strip(), []
        return found.word, "", sorted(item.kind for item in found.missing)

    def request(self, terms: Agreement, signatures: bytes) -> dict[str, Any]:
        files = {"claim": encoded(self.claim), "agreement": encoded(canonical_bytes(terms)), "signatures": encoded(signatures), "log": None}
        lists = {"previous": [*map(encoded, self.previous)], "proofs": [*map(encoded, self.proofs.values())]}
        return {"files": files, "now": NOW, "previousAccepted": False, "roots": [], "previousRoots": [], **lists}


def javascript(answer: dict[str, Any]) -> tuple[str, str, list[str]]:
    """The same of what the page's verifier answers."""
    if answer["verdict"] == "REJECTED":
        return "REJECTED", f"{answer['check']} {_where(answer['reason']) if answer['check'] == 'proof' else ''}".strip(), []
    return answer["verdict"], "", sorted(item["kind"] for item in answer["missing"])


def _where(reason: str) -> str:
    return next((name for name in TABLES if name in reason), reason)


@pytest.fixture(scope="module")
def cases(folder: Path) -> dict[str, Case]:  # noqa: F811
    first, second = (decode_claim((folder / f"alpha-{period}.claim").read_bytes()) for period in (0, 1))
    proofs = {sha(data): data for data in (path.read_bytes() for path in folder.glob("*.proof"))}
    key = load_key_file(folder / "lab.key")
    own = {digest: proofs[digest] for digest in first.proofs}

    def signed(change: Callable[[Claim], Claim]) -> Claim:
        return sign_claim(change(first), key)

    found = {
        "the first period": Case(first, own),
        "the second": Case(second, proofs, first.encode()),
        "files in another order": Case(first, dict(reversed(proofs.items()))),
        "without the claim before": Case(second, proofs),
        "a proof of the claim before left out": Case(second, without(proofs, first.proofs[1]), first.encode()),
        "no proof": Case(first, {}),
    }
    for place, digest in enumerate(first.proofs):
        found[f"left out {place}"] = Case(first, without(own, digest))
        for at in (len(own[digest]) // 3, len(own[digest]) - 1):
            data = bytearray(own[digest])
            data[at] ^= 1
            changed = bytes(data)
            files = without(own, digest) | {sha(changed): changed}
            found[f"changed {place}, byte {at}"] = Case(first, files)
            named = [sha(changed) if i == place else other for i, other in enumerate(first.proofs)]
            found[f"changed and named {place}, byte {at}"] = Case(signed(lambda claim, named=named: with_proofs(claim, *named)), files)
    for name, order in {
        "two sites": (1, 0, 2), "a site and the registry": (2, 1, 0), "the other site and the registry": (0, 2, 1), "all": (1, 2, 0),
        "one for both": (0, 0, 2),
    }.items():  # fmt: skip
        digests = [first.proofs[i] for i in order]
        found[f"exchanged: {name}"] = Case(signed(lambda claim, digests=digests: with_proofs(claim, *digests)), own)
    later = [second.proofs[0], *first.proofs[1:]]
    found["another period's"] = Case(signed(lambda claim: with_proofs(claim, *later)), proofs)
    heads = (first.sites[1].head, first.sites[0].head)
    sites = tuple(replace(site, head=head) for site, head in zip(first.sites, heads, strict=True))
    found["summaries exchanged"] = Case(signed(lambda claim: replace(claim, sites=sites)), own)
    found["an older registry"] = Case(signed(lambda claim: replace(claim, head_after=claim.head_before)), own)
    return found


def test_both_verifiers_say_the_same_of_a_real_claim_of_two_sites(folder: Path, cases: dict[str, Case]) -> None:  # noqa: F811
    terms = parse_agreement((folder / "agreement.toml").read_text())
    sigs = (folder / "agreement.sigs").read_bytes()
    signatures = AgreementSignatures.decode(sigs)
    found = ask({"task": "cases", "requests": [case.request(terms, sigs) for case in cases.values()]})
    answers = dict(zip(cases, map(javascript, found), strict=True))
    python = {name: case.python(terms, signatures) for name, case in cases.items()}
    for name in cases:
        word, where, missing = python[name]
        python[name] = (word, f"proof {_where(where)}" if where.startswith("proof") else where, missing)
    assert answers == python
    words = {name: word for name, (word, _, _) in answers.items()}
    assert [name for name, word in words.items() if word == "PROVEN"] == ["the first period", "the second", "files in another order"]
    lacking = [name for name in words if "left out" in name or name.startswith("changed ") and "named" not in name]
    assert {words[name] for name in lacking} == {"INCOMPLETE"} and len(lacking) == 1 + 3 + 6
    rejected = {name: where for name, (word, where, _) in answers.items() if word == "REJECTED"}
    assert len(rejected) == 6 + 5 + 1 + 1 + 1 and set(rejected.values()) == {f"proof {name}" for name in TABLES}
    assert rejected["exchanged: two sites"] == "proof site north" and rejected["exchanged: one for both"] == "proof site south"
