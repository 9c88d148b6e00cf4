"""Statements of a lab with sites, and the check of their proofs; the proof system is replaced by a stub that knows one proof a table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import world

from circuits.statement import Statement, summary_header
from claims.agreement.file import parse_agreement
from claims.base.errors import ClaimRejected
from claims.base.files import PROOF_LIMIT
from claims.claim.file import Claim, SiteHead
from claims.verify.claim import verify_claim
from claims.verify.report import Verdict
from claims.verify.tables import LINK_BITS, check_tables, proof_name, proofs_in, statements_of
from tests.agreement.test_agreement_sites import CUT
from zk.errors import ProofRejected
from zk.options import STD
from zk.security import security_report

TERMS = parse_agreement(CUT)
END = TERMS.period_span(0)[1]


def proof_of(statement: Statement) -> bytes:
    return hashlib.sha256(repr(statement).encode()).digest()


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    from circuits.claim import claim_program, public_interactions

    def check(statement: Statement, proof: bytes) -> Any:
        statement.validate()
        if proof != proof_of(statement):
            raise ProofRejected("query", "the stub says no")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


def honest(period: int = 0) -> tuple[Claim, dict[bytes, bytes]]:
    """Alpha's claim with its proof files."""
    heads = {site.name: world.head(500 + i) for i, site in enumerate(TERMS.lab("alpha").sites)}
    empty = tuple(SiteHead(name, head, bytes(32), bytes(32)) for name, head in heads.items())
    draft = world.claim(TERMS, period, proof=b"", registry_proof=bytes(32), sites=empty)
    proofs = [proof_of(statement) for statement in statements_of(TERMS, draft)]
    sites = tuple(replace(site, proof=sha(proof)) for site, proof in zip(draft.sites, proofs, strict=False))
    claim = world.claim(TERMS, period, proof=b"", sites=sites, registry_proof=sha(proofs[-1]))
    return claim, {sha(proof): proof for proof in proofs}


def verdict(claim: Claim, proofs: Mapping[bytes, bytes], **options: Any) -> Verdict:
    return verify_claim(claim.encode(), TERMS, signatures=world.signed(TERMS), now=END, proofs=proofs.get, **options)


def rejected(claim: Claim, proofs: Mapping[bytes, bytes], match: str, check: str = "proof") -> None:
    with pytest.raises(ClaimRejected, match=match) as caught:
        verdict(claim, proofs)
    assert caught.value.check == check


def test_the_statements_follow_from_agreement_and_claim() -> None:
    claim, _ = honest()
    north, south, registry = statements_of(TERMS, claim)
    lab, caps = TERMS.lab("alpha"), TERMS.lab("alpha").caps
    for statement, site, head in zip((north, south), lab.sites, claim.sites, strict=True):
        statement.validate()
        assert (statement.total_cap, statement.unattributed_cap, statement.lineage_cap, statement.freeze_level) == (0, 0, 0, None)
        assert statement.registry is None and not statement.charge_residue and statement.log_rows == lab.log_rows
        assert [meter.head for meter in statement.meters] == [m.head for m in claim.meters if m.name in [own.name for own in site.meters]]
        (summary,) = statement.summaries
        assert (summary.header, summary.head) == (summary_header(TERMS.digest, "alpha", site.name, 0), head.head)
        assert statement.charge_peak == TERMS.rules_at(0).charge_peak
    registry.validate()
    assert registry.summaries == north.summaries + south.summaries and registry.meters == ()
    assert (registry.total_cap, registry.freeze_level, registry.log_rows) == (caps.total, caps.freeze, lab.registry_rows)
    assert registry.charge_residue == TERMS.rules_at(0).charge_residue


def test_all_tables_are_proven_and_the_link_is_told() -> None:
    claim, proofs = honest()
    found = verdict(claim, proofs)
    assert found.proven and found.proof is not None and found.proof.link_bits == LINK_BITS == 124
    assert "link        at most 124 bits between its tables, Poseidon2, conjectural" in found.lines()
    assert found.to_json()["link_bits"] == 124 and found.proof.proof_bytes == sum(map(len, proofs.values()))


@pytest.mark.parametrize(("left", "words"), [(0, "site north"), (1, "site south"), (2, "the registry")])
def test_a_proof_that_is_not_here_is_missing_and_accuses_nobody(left: int, words: str) -> None:
    claim, proofs = honest()
    short = {digest: data for digest, data in proofs.items() if digest != claim.proofs[left]}
    for given in (short, short | {claim.proofs[left]: b"another file"}):
        found = verdict(claim, given)
        (missing,) = found.missing
        assert found.word == "INCOMPLETE" and missing.kind == "proof" and words in missing.what and found.proof is None


def test_a_proof_that_fails_rejects_whatever_is_missing_and_the_first_is_named() -> None:
    claim, proofs = honest()
    bad = {sha(b"bad"): b"bad", sha(b"worse"): b"worse"}
    north, south = claim.sites
    for sites, match in (
        ((replace(north, proof=sha(b"bad")), replace(south, proof=sha(b"worse"))), "proof: site north: .*the stub"),
        ((north, replace(south, proof=sha(b"bad"))), "proof: site south: .*the stub"),
        ((replace(north, proof=bytes(32)), replace(south, proof=sha(b"bad"))), "proof: site south: .*the stub"),
    ):
        rejected(world.claim(TERMS, proof=b"", sites=sites, registry_proof=claim.registry_proof), proofs | bad, match)
    rejected(world.claim(TERMS, proof=b"", sites=claim.sites, registry_proof=sha(b"bad")), proofs | bad, "proof: the registry: .*the stub")


def test_earlier_claims_need_their_proofs_too() -> None:
    first, proofs = honest()
    second, more = honest(1)
    end = TERMS.period_span(1)[1]

    def later(given: Mapping[bytes, bytes], **options: Any) -> Verdict:
        return verify_claim(
            second.encode(), TERMS, signatures=world.signed(TERMS), now=end, previous=[first.encode()], proofs=given.get, **options
        )

    assert later(proofs | more).proven
    found = later(more)
    assert [item.kind for item in found.missing] == ["proof"] * 3 and "previous claim, period 0: the proof of site" in found.missing[0].what
    assert later(more, previous_accepted=True).proven


def test_sites_are_exactly_the_agreements() -> None:
    claim, proofs = honest()
    north, south = claim.sites
    for sites in ((north,), (north, replace(south, name="west")), (north, south, replace(south, name="west"))):
        rejected(world.claim(TERMS, proof=b"", sites=sites, registry_proof=claim.registry_proof), proofs, "the sites", "meters")
    whole = world.claim(TERMS)
    rejected(whole, proofs, "the claim has none", "meters")
    plain = world.agreement()
    with pytest.raises(ClaimRejected, match="no|none") as caught:
        check_tables(plain, world.claim(plain, proof=b"", sites=claim.sites, registry_proof=claim.registry_proof), proofs.get)
    assert caught.value.check == "meters"


def test_proof_files_are_found_by_content_within_bounds(tmp_path: Path) -> None:
    claim, proofs = honest()
    north, south, registry = (proofs[digest] for digest in claim.proofs)
    (tmp_path / proof_name("alpha", 0, "north")).write_bytes(south)  # under another one's name
    (tmp_path / "any.proof").write_bytes(north)
    (tmp_path / "late.txt").write_bytes(registry)
    (tmp_path / "large.proof").write_bytes(bytes(PROOF_LIMIT + 1))
    (tmp_path / "link.proof").symlink_to(tmp_path / "late.txt")
    found = proofs_in(tmp_path, claim.proofs, [proof_name("alpha", 0, None)])
    assert found == {sha(north): north, sha(south): south}
    assert proofs_in(tmp_path / "absent", claim.proofs) == {}
