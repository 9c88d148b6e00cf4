"""From a publication folder to the page: what the state says is what the page says."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import world

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.signatures import sign_agreement
from claims.base.errors import ClaimsError
from claims.claim.evidence import find_equivocations
from claims.decisions.file import Decision, sign_decision
from claims.site.generate import generate
from claims.site.log import encode_bundle, read_log
from claims.site.terms import terms_of
from claims.status.compute import compute
from tests.site.make_claim_vectors import TARGET, bundle
from tests.site.vector_site import vector_entries, write_log
from zk.errors import ProofRejected
from zk.options import STD

HOUR, DAY = 3600, 86400
NASTY = "<script>alert(1)</script> & <b>"
DEADLINES = '[deadlines]\nepoch = "2 h"\nclaim = "6 h"\ngrace = "6 h"\nopening = "3 h"\n'
TEXT = world.TEXT.replace("[pause]", DEADLINES + "\n[pause]", 1).replace('note = "FP8 dense"', f'note = "{NASTY}"')
TERMS = parse_agreement(TEXT)
START = TERMS.start


@pytest.fixture(autouse=True)
def _proofs(monkeypatch):
    """A proof is valid when it is b"proof"."""
    from circuits.claim import claim_program, public_interactions
    from zk.security import security_report

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        if proof != b"proof":
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "published"
    (root / "claims").mkdir(parents=True)
    (root / "agreement.toml").write_text(TEXT)
    signatures = None
    for seed in (1, 2):
        signatures = sign_agreement(world.key(seed), TERMS, signatures)
    (root / "agreement.sigs").write_bytes(signatures.encode())
    return root


def put(folder, name, period=0, **changes):
    made = world.claim(TERMS, period, **changes)
    (folder / "claims" / name).write_bytes(made.encode())
    return made


def made(folder, tmp_path, now, name="site"):
    report = generate(folder, tmp_path / name, now=now)
    view = json.loads((tmp_path / name / "site.json").read_text())
    return view, (tmp_path / name / "index.html").read_text(), report


def test_the_page_says_what_the_state_says(folder, tmp_path):
    put(folder, "alpha-0.claim")
    for hours in (1, 25, 31, 37, 55, 80, 24 * 20):
        now = START + hours * HOUR
        state = compute(folder, now=now)
        view, text, _ = made(folder, tmp_path, now, f"at-{hours}")
        assert view["holds"] == {"answer": state.holds, "why": list(state.why)}
        found = {
            (row["lab"], row["period"]): (row["state"], row["late"], row["due"], row["missing_after"])
            for row in view["claims"]
        }
        assert found == {(r.lab, r.period): (r.state, r.late, r.due, r.missing_after) for r in state.rows}
        assert view["computed_at"] == now and NASTY not in text and "&lt;script&gt;alert(1)" in text


def test_a_claim_is_known_by_its_content(folder, tmp_path):
    put(folder, "beta-7.claim")
    (folder / "claims/alpha-0.claim").write_bytes(b"standstill-claim of another")
    view, text, _ = made(folder, tmp_path, START + 25 * HOUR)
    row = view["claims"][0]
    assert row["claim"] == "files/claims/beta-7.claim" and row["state"] == "proven" and row["shows"]
    assert any("beta-7.claim" in line for line in view["problems"]) and "count for nothing" in text


def test_rejections_name_check_and_reason(folder, tmp_path):
    put(folder, "alpha-0.claim", proof=b"made up")
    view, text, report = made(folder, tmp_path, START + 25 * HOUR)
    row = view["claims"][0]
    assert (row["state"], row["check"]) == ("rejected", "proof") and row["reason"].startswith("proof")
    assert row["claim"] == "files/claims/alpha-0.claim" and report.state.holds == "no" and "does not hold" in text


def test_rules_that_change_are_shown_with_their_periods(folder, tmp_path):
    """Not those of one period for all: the counting rules, like the caps, may differ from period to period."""
    change = "[[rules_from]]\nfrom_period = 3\ncharge = \"metered\"\nresidue = \"none\"\n\n[pause]"
    (folder / "agreement.toml").write_text(TEXT.replace("[pause]", change, 1))
    view, text, _ = made(folder, tmp_path, START)
    assert view["agreement"]["rules"] == [
        {"from_period": None, "charge_peak": True, "charge_residue": True, "external": None},
        {"from_period": 3, "charge_peak": False, "charge_residue": False, "external": None},
    ]
    for words in ("Work is charged<", "Work is charged, from period 3 on", "as the meters sign it", "has a limit of its own only"):
        assert words in text


def test_evidence_and_decisions_say_what_they_are(folder, tmp_path):
    one, two = put(folder, "alpha-0.claim"), world.claim(TERMS, 0, head_after=tuple(range(20, 28)))
    (folder / "evidence").mkdir()
    for item in find_equivocations(one, two):
        (folder / "evidence" / f"{item.meter or 'lab'}.evidence").write_bytes(item.encode())
    (folder / "decisions").mkdir()
    decision = Decision(TERMS.digest, "lift", START + 5 * DAY, f"talks {NASTY}")
    (folder / "decisions/b.decision").write_bytes(decision.encode())
    for seed in (1, 2):
        decision = sign_decision(world.key(seed), decision, TERMS)
    (folder / "decisions/a.decision").write_bytes(decision.encode())
    view, text, _ = made(folder, tmp_path, START + 25 * HOUR)
    assert view["evidence"] and "Lab alpha signed two heads for period 0." in [
        item["text"] for item in view["evidence"]
    ]
    assert view["decisions"][0]["text"].startswith(
        "The pause is lifted from 2026-01-06T00:00:00Z on, signed by alpha, beta"
    )
    assert view["decisions"][1]["text"].startswith("Does not count: decision: signed by 0") and NASTY not in text


def test_binary_agreements_are_those_of_the_digests(folder, tmp_path):
    view, _, _ = made(folder, tmp_path, START)
    assert [item["digest"] for item in view["agreements"]] == [TERMS.digest.hex()] == [view["agreement"]["digest"]]
    assert decode_agreement((tmp_path / "site/agreement.bin").read_bytes()) == TERMS
    assert view["agreements"][0]["signatures"] == "files/agreement.sigs"


def test_parties_that_have_not_signed(folder, tmp_path):
    (folder / "agreement.sigs").write_bytes(sign_agreement(world.key(1), TERMS, None).encode())
    view, text, _ = made(folder, tmp_path, START + DAY)
    assert {party["name"]: party["signed"] for party in view["agreement"]["parties"]} == {"alpha": True, "beta": False}
    assert "not signed" in text and view["holds"]["answer"] == "undecided" and not view["life"]["counts"]
    (folder / "agreement.sigs").unlink()
    view, _, _ = made(folder, tmp_path, START + DAY)
    assert (
        not any(party["signed"] for party in view["agreement"]["parties"])
        and view["agreements"][0]["signatures"] is None
    )


def test_an_unusable_agreement_makes_no_page(folder, tmp_path):
    (folder / "agreement.toml").write_text("format = 3")
    with pytest.raises(ClaimsError):
        generate(folder, tmp_path / "site", now=START)
    assert not (tmp_path / "site").exists()


def test_terms_hold_plain_values_only():
    json.dumps(terms_of(TERMS, ()))
    assert terms_of(TERMS, ())["chips"][0] == {"name": "h100", "peak": "1.98e15 FLOP/s", "note": NASTY}


def test_bundle_bytes():
    data = encode_bundle([b"head"], [b"", b"xyz"])
    assert data == b"standstill-log-bundle\0\1\0\1\0\0\0\4head\0\0\0\2\0\0\0\3xyz"
    assert bundle([b"head"], [b"", b"xyz"]) == data


def test_a_log_on_the_page(tmp_path):
    place = write_log(tmp_path)
    agreement = decode_agreement((TARGET / "agreement.bin").read_bytes())
    paths = {f"files/log/{path.relative_to(place).as_posix()}" for path in place.rglob("*") if path.is_file()}
    log = read_log(tmp_path, [agreement], paths, 2**31)
    assert log is not None and log.bundle is not None and log.bundle.startswith(b"standstill-log-bundle")
    view = log.view(None)
    assert view["size"] == len(vector_entries()) and view["problem"] == "" and view["path"] == "files/log/checkpoint"
    assert {item["name"]: item["time"] for item in view["cosigners"]} == {"alpha": None, "beta": START + 10 * DAY}
    roots = hashlib.sha256((TARGET / "alpha-1.roots").read_bytes()).hexdigest()
    assert log.roots_of(agreement, "alpha", 1) == roots and log.roots_of(agreement, "alpha", 2) is None
    (place / "checkpoint").write_bytes((place / "checkpoint").read_bytes().replace(b"\n12\n", b"\n13\n"))
    broken = read_log(tmp_path, [agreement], paths, 2**31)
    assert (
        broken is not None
        and broken.bundle is None
        and broken.view(None)["problem"]
        and broken.view(None)["size"] is None
    )
    assert read_log(tmp_path, [TERMS], paths, 2**31) is None
