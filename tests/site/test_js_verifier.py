"""The JavaScript verifier of the public page against the Python one: same answer, and same failed check, on everything.

Both are given the golden proofs, and every edit of them; the random ones are drawn from fixed seeds.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import claim_program
from tests.site import make_claim_program
from tests.tampering.judge import ACCEPTED, first
from tests.toy import Instance
from tests.vectors import make, make_claim
from zk import field
from zk.errors import OptionsError
from zk.options import STD
from zk.security import security_report
from zk.verifier import verify

HERE = Path(__file__).parent
VECTORS = HERE.parent / "vectors"
TOYS = list(make.names())

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

Edit = dict[str, Any]
UNTOUCHED: Edit = {}


def ask(task: str, **request: Any) -> Any:
    """What judge.mjs answers."""
    done = subprocess.run(
        ["node", str(HERE / "judge.mjs")], input=json.dumps({"task": task, **request}), capture_output=True, text=True,
        timeout=560,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def apply(data: bytes, edit: Edit) -> bytes:
    """The same change as `edited` of judge.mjs."""
    out = bytearray(data[: edit.get("cut", len(data))]) + bytes.fromhex(edit.get("tail", ""))
    for at, mask in edit.get("flips", []):
        out[at] ^= mask
    return bytes(out)


def random_edits(rng: random.Random, size: int, count: int) -> list[Edit]:
    """Flips of one bit, with some cuts and tails among them."""
    edits: list[Edit] = [{"cut": rng.randrange(size)} for _ in range(count // 10)]
    edits += [{"tail": "00"}, {"cut": size - 1}, {"cut": 0}, {"cut": 5}, {"cut": size - 32}]
    return edits + [{"flips": [(rng.randrange(size), 1 << rng.randrange(8))]} for _ in range(count)]


def names(answers: list[dict[str, Any]]) -> list[str]:
    """"accepted" or the failed check of each answer."""
    return [answer.get("check", ACCEPTED) for answer in answers]


def javascript(tmp_path: Path, item: Instance, proof: bytes, edits: list[Edit], statements: list[Any] | None = None) -> list[str]:
    """The outcomes of the JavaScript verifier."""
    (tmp_path / "program").write_bytes(item.program.encode())
    (tmp_path / "proof").write_bytes(proof)
    options = None if item.options is STD else asdict(item.options)
    return names(ask(
        "proofs", program=str(tmp_path / "program"), proof=str(tmp_path / "proof"), options=options, logRows=item.log_rows,
        statements=statements or [[item.publics, item.public_interactions]], edits=edits,
    ))  # fmt: skip


@cache
def toy(name: str) -> tuple[Instance, bytes]:
    return make.load(name)


def test_the_claim_program_is_that_of_circuits() -> None:
    """If this alone fails: python -m tests.site.make_claim_program."""
    assert make_claim_program.TARGET.read_text() == make_claim_program.source()
    assert claim_program().digest().hex() in make_claim_program.source()


def test_field_arithmetic_is_the_same() -> None:
    rng = random.Random(1)
    edge = [0, 1, 2, 127, 2**24, 2**30, field.P - 2, field.P - 1]
    elements = [tuple(rng.choice(edge) for _ in range(5)) for _ in range(200)]
    elements += [tuple(rng.randrange(field.P) for _ in range(5)) for _ in range(200)]
    pairs = [(rng.choice(elements), rng.choice(elements)) for _ in range(2000)]
    for (a, b), found in zip(pairs, ask("field", pairs=pairs), strict=True):
        assert tuple(found["mul"]) == field.ext_mul(a, b)
        assert tuple(found["add"]) == field.ext_add(a, b)
        assert tuple(found["sub"]) == field.ext_sub(a, b)
        assert found["base"] == a[0] * b[0] % field.P
        if any(a):
            assert field.ext_mul(tuple(found["inverse"]), a) == field.ONE


@pytest.mark.parametrize("name", TOYS)
def test_toy_proofs_and_edits_have_one_outcome(name: str, tmp_path: Path) -> None:
    item, proof = toy(name)
    edits = [UNTOUCHED, *random_edits(random.Random(name), len(proof), 60)]
    found = javascript(tmp_path, item, proof, edits)
    assert found[0] == ACCEPTED and ACCEPTED not in found[1:]
    assert found == [first(item, apply(proof, edit)) for edit in edits]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOYS)
def test_every_byte_of_a_toy_proof_matters_in_the_same_way(name: str, tmp_path: Path) -> None:
    item, proof = toy(name)
    rng = random.Random(name)
    edits: list[Edit] = [{"flips": [(at, 1 << rng.randrange(8))]} for at in range(len(proof))]
    edits += [{"cut": at} for at in range(0, len(proof), 7)]
    found = javascript(tmp_path, item, proof, edits)
    assert ACCEPTED not in found
    assert found == [first(item, apply(proof, edit)) for edit in edits]


@pytest.mark.parametrize("name", ["counter", "sums"])
def test_another_statement_has_one_outcome(name: str, tmp_path: Path) -> None:
    item, proof = toy(name)
    others = [item.but(publics=[v + 1 for v in item.publics]), item.but(public_interactions=[])]
    multiplicity, message = item.public_interactions[0]
    others.append(item.but(public_interactions=[(multiplicity, [*message[:-1], message[-1] + 1])]))
    others.append(item.but(public_interactions=[(multiplicity, [*message, 0])]))
    statements = [[other.publics, other.public_interactions] for other in others]
    found = javascript(tmp_path, item, proof, [UNTOUCHED], statements)
    assert found == [first(other, proof) for other in others]
    assert ACCEPTED not in found


def std_edits(count: int) -> tuple[Instance, bytes, list[Edit]]:
    item, proof = make_claim.load()
    return item, proof, random_edits(random.Random(5), len(proof), count)


def test_the_golden_claim_proof(tmp_path: Path) -> None:
    item, proof, edits = std_edits(10)
    found = javascript(tmp_path, item, proof, [UNTOUCHED, *edits])
    assert found[0] == ACCEPTED
    assert found[1:] == [first(item, apply(proof, edit)) for edit in edits]
    assert ACCEPTED not in found[1:]


@pytest.mark.slow
def test_the_golden_claim_proof_edited_in_hundreds_of_places(tmp_path: Path) -> None:
    item, proof, edits = std_edits(300)
    rng = random.Random(6)
    edits += [{"flips": [(at, 1 << rng.randrange(8))]} for at in range(0, 2000, 37)]
    found = javascript(tmp_path, item, proof, edits)
    assert found == [first(item, apply(proof, edit)) for edit in edits]
    assert ACCEPTED not in found


def test_the_golden_claim_under_other_statements(tmp_path: Path) -> None:
    item, proof = make_claim.load()
    others = [item.but(publics=[v + (i == k) for i, v in enumerate(item.publics)]) for k in range(len(item.publics))]
    terms = item.public_interactions
    others += [item.but(public_interactions=terms[:k] + terms[k + 1 :]) for k in range(len(terms))]
    statements = [[other.publics, other.public_interactions] for other in others]
    assert ACCEPTED not in javascript(tmp_path, item, proof, [UNTOUCHED], statements)


def test_only_std_is_accepted_without_insecure_options(tmp_path: Path) -> None:
    item, proof = toy("counter")
    assert javascript(tmp_path, item.but(options=STD), proof, [UNTOUCHED]) == ["options"]
    with pytest.raises(OptionsError):
        verify(*item.statement(), proof)


def test_security_is_computed_alike() -> None:
    cases, expected = [], []
    weaker = [STD, replace(STD, queries=60), replace(STD, round_grinding=0), replace(STD, query_grinding=0, log_blowup=3)]
    weaker.append(replace(STD, log_final_rows=3))  # the final polynomial is rounded up
    interactions = make_claim.load()[0].public_interactions
    for options in weaker:
        for log_rows in range(16, 22):
            report = security_report(claim_program(), log_rows, options, interactions)
            expected.append((report.unique_decoding, report.johnson.bits))
            cases.append({"options": asdict(options), "logRows": log_rows, "interactions": interactions})
    for (unique, johnson), answer in zip(expected, ask("security", cases=cases), strict=True):
        assert answer["ok"]["unique"] == pytest.approx(unique.bits, abs=1e-6)
        assert answer["ok"]["johnson"] == pytest.approx(johnson, abs=1e-6)
        assert [name for name, _ in answer["ok"]["terms"]] == [term.name for term in unique.terms]
        for (_, bits), term in zip(answer["ok"]["terms"], unique.terms, strict=True):
            assert bits == pytest.approx(term.bits, abs=1e-6)


def test_damaged_programs_are_refused_or_are_other_programs(tmp_path: Path) -> None:
    data = toy("sums")[0].program.encode()
    (tmp_path / "program").write_bytes(data)
    edits = [{"cut": at} for at in range(0, len(data), 4)]
    edits += [{"flips": [(at, 1 << at % 8)]} for at in range(len(data))]
    answers = ask("program", file=str(tmp_path / "program"), edits=edits)
    assert {answer.get("check", "program") for answer in answers} == {"program"}
    assert all("check" in answer for answer in answers[: len(data) // 4])
    assert toy("sums")[0].program.digest().hex() not in [answer.get("ok") for answer in answers]


# ---- keys and signatures ---------------------------------------------------------------------------------

P25519 = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
"""A point of order 8."""


def signatures_and_keys() -> list[tuple[bytes, bytes, bytes]]:
    """(key, signature, message): honest ones, damaged ones, and those on which cofactored verifiers differ."""
    from tests.site import edwards as ed

    rng = random.Random(9)
    cases = []
    for n in range(6):
        secret, message = rng.randrange(1, ORDER), rng.randbytes(n * 40)
        torsion = ed.multiply(n % 8, ed.decode(ORDER_8))
        key = ed.encode(ed.add(ed.multiply(secret, ed.BASE), torsion))
        for cofactor in range(4):
            r = ed.encode(ed.add(ed.multiply(rng.randrange(ORDER), ed.BASE), ed.multiply(cofactor, ed.decode(ORDER_8))))
            cases.append((key, ed.sign(secret, key, message, rng, ed.multiply(cofactor, ed.decode(ORDER_8))), message))
            cases.append((key, r + bytes(32), message))
    key, signature, message = cases[0]
    s = int.from_bytes(signature[32:], "little")
    cases += [(key, signature[:32] + (s + ORDER).to_bytes(32, "little"), message), (key, bytes(64), message)]
    cases += [(key, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], message) for at in range(64)]
    cases += [(key, signature, message + b"\0"), (bytes(31) + b"\x80", signature, message)]
    cases += [(value.to_bytes(32, "little"), signature, message) for value in (0, 1, P25519 - 1, P25519, P25519 + 1, 2**255 - 1, 2, 7)]
    return cases


def test_keys_and_signatures_are_judged_alike() -> None:
    """Without the cofactor, as OpenSSL: a key of mixed order could otherwise split the two verifiers."""
    from claims.base.ed25519 import check_signature, is_public_key
    from claims.base.errors import BadSignature

    cases = signatures_and_keys()
    found = ask("signatures", cases=[[part.hex() for part in case] for case in cases])
    accepted = 0
    for (key, signature, message), (usable, verifies) in zip(cases, found, strict=True):
        assert usable == is_public_key(key), key.hex()
        try:
            check_signature("", key, signature, message)
            expected = True
        except BadSignature:
            expected = False
        assert verifies == (expected and usable), (key.hex(), signature.hex())
        accepted += verifies
    assert accepted >= 3


def test_keys_of_small_order_are_refused_by_both() -> None:
    """Under such a key anyone can sign."""
    from claims.base.ed25519 import is_public_key
    from tests.site import edwards as ed

    keys = [ed.encode(ed.multiply(n, ed.decode(ORDER_8))) for n in range(8)]
    assert [usable for usable, _ in ask("signatures", cases=[[key.hex(), "00" * 64, ""] for key in keys])] == [False] * 8
    assert [is_public_key(key) for key in keys] == [False] * 8


# ---- agreements ------------------------------------------------------------------------------------------


def test_agreements_and_their_edits_are_judged_alike(tmp_path: Path) -> None:
    from claims.agreement.decode import decode_agreement
    from claims.agreement.model import canonical_bytes
    from claims.base.errors import ClaimsError
    from tests.fixtures import world

    data = canonical_bytes(world.agreement())
    (tmp_path / "agreement.bin").write_bytes(data)
    rng = random.Random(11)
    edits: list[Edit] = [UNTOUCHED, {"tail": "00"}, *({"cut": at} for at in range(0, len(data), 11))]
    edits += [{"flips": [(at, 1 << rng.randrange(8))]} for at in range(len(data))]
    edits += [{"flips": [(at, mask)]} for at in range(27, 80) for mask in (1, 128)]
    for edit, answer in zip(edits, ask("agreements", file=str(tmp_path / "agreement.bin"), edits=edits), strict=True):
        try:
            expected: dict[str, str] = {"ok": decode_agreement(apply(data, edit)).digest.hex()}
        except ClaimsError:
            expected = {"check": "agreement"}
        assert {name: answer[name] for name in answer if name != "reason"} == expected, edit
