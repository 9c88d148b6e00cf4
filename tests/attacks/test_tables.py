"""A lab with two buildings from import to PROVEN by commands, and false claims made of its true proofs.

Every attempt is signed by the lab itself: what refuses it is a proof, or a head, never a missing signature.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import agreement, run, run_process

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected, ClaimsError, MalformedClaim
from claims.base.keys import load_key_file
from claims.claim.file import Claim, decode_claim, sign_claim
from claims.claim.lists import Loss
from claims.verify.claim import verify_claim

pytestmark = pytest.mark.slow

TEXT = agreement("two-buildings", "alpha", lab="registry_rows = 16\n")
COMMON = ("-s", "alpha.store", "-a", "agreement.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two claimed periods, by the commands of the README."""
    place = tmp_path_factory.mktemp("two-buildings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDSTILL_STATE", str(place / "state"))
        key = run(place, "keygen", "lab.key", "--no-passphrase").strip()
        opening = run(place, "lab", "init", "alpha", "-s", "alpha.store", "--opening", "base=1e21 FLOP").strip()
        meters = "".join(
            run(place, "meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", f"{name}.key", "--no-passphrase")
            + f'site = "{site}"\n'
            for name, site in (("hall-1", "north"), ("hall-2", "north"), ("hall-3", "south"))
        )
        (place / "agreement.toml").write_text(TEXT.format(alpha=key, opening=opening, meters=meters))
        run(place, "agreement", "sign", "agreement.toml", "-k", "lab.key")
        for period in (0, 1):
            first, run_name = 4 * period, f"run-{period}"
            (place / "usage.csv").write_text(
                f"meter,epoch,checkpoint,chip_seconds\nhall-1,{first},{run_name},20000\n"
                f"hall-2,{first + 1},,3600\nhall-3,{first},{run_name},9000\n"
            )
            parent = "base" if period == 0 else "run-0"
            (place / "checkpoints.csv").write_text(f"name,kind,parents,epoch\n{run_name},CHECKPOINT,{parent},{first + 1}\n")
            run(place, "import", "readings", "usage.csv", *COMMON)
            run(place, "import", "checkpoints", "checkpoints.csv", *COMMON)
            for name in ("hall-1", "hall-2", "hall-3"):
                run(place, "meter", "close", name, *COMMON, "-n", period, "-k", f"{name}.key", "--yes")
            run(place, "lab", "close", *COMMON, "-n", period)
            run(place, "prove", *COMMON, "-n", period, "-k", "lab.key")
    return place


@pytest.fixture(scope="module")
def terms(folder: Path) -> Agreement:
    return parse_agreement((folder / "agreement.toml").read_text())


@pytest.fixture(scope="module")
def proofs(folder: Path) -> dict[bytes, bytes]:
    return {hashlib.sha256(data).digest(): data for data in (path.read_bytes() for path in folder.glob("*.proof"))}


def claim_of(folder: Path, period: int = 0) -> Claim:
    return decode_claim((folder / f"alpha-{period}.claim").read_bytes())


def test_two_buildings_are_proven_by_commands(folder: Path, tmp_path: Path) -> None:
    names = {path.name for path in folder.glob("*.proof")}
    assert names == {f"alpha-{period}.{table}.proof" for period in (0, 1) for table in ("north", "south", "registry")}
    text = run(folder, "verify", "alpha-0.claim", "-a", "agreement.toml", "--jobs", 1)
    assert text.startswith("PROVEN\n") and "at most 124 bits" in text
    text = run_process(folder, "verify", "alpha-1.claim", "-a", "agreement.toml", "-p", "alpha-0.claim", "--jobs", 2)
    assert text.startswith("PROVEN\n")
    assert "a site's table" in run(folder, "show", "alpha-0.north.proof") and "site        north" in run(folder, "show", "alpha-0.claim")
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("alpha-0.claim", "agreement.toml", "agreement.sigs", "alpha-0.north.proof", "alpha-0.registry.proof"):
        shutil.copy(folder / name, alone / name)
    text = run(alone, "verify", "alpha-0.claim", "-a", "agreement.toml", code=3)
    assert "the proof of site south" in text and "alpha-0.south.proof" in text
    assert run(alone, "verify", "alpha-0.claim", "-a", "agreement.toml", "--proofs", folder).startswith("PROVEN")
    shutil.copy(folder / "alpha-0.north.proof", alone / "alpha-0.south.proof")  # another site's under this name
    run(alone, "verify", "alpha-0.claim", "-a", "agreement.toml", code=3)
    (alone / "alpha-0.south.proof").write_bytes((folder / "alpha-0.south.proof").read_bytes()[:-1])
    run(alone, "verify", "alpha-0.claim", "-a", "agreement.toml", code=3)
    shutil.copy(folder / "alpha-0.south.proof", alone / "whatever.proof")
    assert run(alone, "verify", "alpha-0.claim", "-a", "agreement.toml").startswith("PROVEN")


Change = Callable[[Claim, Claim], Claim]


def _proofs(claim: Claim, *order: bytes) -> Claim:
    north, south = claim.sites
    return replace(claim, sites=(replace(north, proof=order[0]), replace(south, proof=order[1])), registry_proof=order[2])


ATTACKS: dict[str, tuple[Change, str]] = {
    "proofs of two sites exchanged": (lambda a, b: _proofs(a, a.proofs[1], a.proofs[0], a.proofs[2]), "site north"),
    "one site's proof twice": (lambda a, b: _proofs(a, a.proofs[0], a.proofs[0], a.proofs[2]), "site south"),
    "a site's proof of another period": (lambda a, b: _proofs(a, a.proofs[0], b.proofs[1], a.proofs[2]), "site south"),
    "the registry's proof of another period": (lambda a, b: _proofs(a, a.proofs[0], a.proofs[1], b.proofs[2]), "the registry"),
    "a site's proof as the registry's": (lambda a, b: _proofs(a, *a.proofs[:2], a.proofs[0]), "the registry"),
    "the registry's proof as a site's": (lambda a, b: _proofs(a, a.proofs[2], *a.proofs[1:]), "site north"),
    "all proofs of another period": (lambda a, b: _proofs(a, *b.proofs), "site north"),
    "a summary head exchanged": (
        lambda a, b: replace(a, sites=(replace(a.sites[0], head=a.sites[1].head), a.sites[1])), "site north"),
    "a summary head of another period": (
        lambda a, b: replace(a, sites=(a.sites[0], replace(a.sites[1], head=b.sites[1].head))), "site south"),
    "another period's site, head and proof": (lambda a, b: replace(a, sites=(a.sites[0], b.sites[1])), "site south"),
    "an earlier registry head": (lambda a, b: replace(a, head_after=a.head_before), "the registry"),
    "a site left out": (lambda a, b: replace(a, sites=a.sites[:1]), "meters"),
    "a site renamed": (lambda a, b: replace(a, sites=(a.sites[0], replace(a.sites[1], name="west"))), "meters"),
    "no sites": (lambda a, b: replace(a, sites=(), registry_proof=b"", proof=b"x"), "meters"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_true_proofs_make_no_false_claim(folder: Path, terms: Agreement, proofs: dict[bytes, bytes], attack: str) -> None:
    change, where = ATTACKS[attack]
    made = sign_claim(change(claim_of(folder), claim_of(folder, 1)), load_key_file(folder / "lab.key"))
    with pytest.raises(ClaimRejected, match=where) as caught:
        verify_claim(made.encode(), terms, proofs=proofs.get)
    assert caught.value.check == ("meters" if where == "meters" else "proof")


def test_sites_in_another_order_or_twice_are_no_claim(folder: Path) -> None:
    claim = claim_of(folder)
    for sites in (claim.sites[::-1], (claim.sites[0],) * 2, (*claim.sites, claim.sites[1])):
        with pytest.raises(MalformedClaim, match="ascending"):
            decode_claim(replace(claim, sites=sites).encode())


def test_another_cut_of_the_same_ledgers_is_not_proven(folder: Path, terms: Agreement, proofs: dict[bytes, bytes]) -> None:
    """An agreement that puts hall-2 into the south has another digest: no head and no proof is about it."""
    lab = terms.labs[0]
    meters = tuple(replace(meter, site="south") if meter.name == "hall-2" else meter for meter in lab.meters)
    other = replace(terms, labs=(replace(lab, meters=meters),))
    made = sign_claim(replace(claim_of(folder), agreement_digest=other.digest), load_key_file(folder / "lab.key"))
    with pytest.raises(ClaimsError):
        verify_claim(made.encode(), other, proofs=proofs.get)


def test_signed_lists_that_are_changed_are_refused(folder: Path, terms: Agreement, proofs: dict[bytes, bytes]) -> None:
    key, claim = load_key_file(folder / "lab.key"), claim_of(folder)
    for changes in ({"losses": (Loss(1, "hall-1", 0, True),)}, {"transfers": (bytes(32),)}):
        listed = replace(claim, **changes)  # type: ignore[arg-type]
        whole = replace(listed, signature=key.sign(listed.signed_message()))
        with pytest.raises(ClaimRejected, match="registry head"):
            verify_claim(whole.encode(), terms, proofs=proofs.get)
        with pytest.raises(ClaimRejected) as caught:
            verify_claim(sign_claim(listed, key).encode(), terms, proofs=proofs.get)
        assert caught.value.check == "lists"


def test_a_publication_folder_is_judged_with_its_proofs(folder: Path, tmp_path: Path) -> None:
    """A proof that is not in the folder leaves its period, and the one after it, without a claim that counts."""
    (tmp_path / "claims").mkdir()
    for name in ("agreement.toml", "agreement.sigs"):
        shutil.copy(folder / name, tmp_path / name)
    for path in [*folder.glob("alpha-*.claim"), *folder.glob("*.proof")]:
        shutil.copy(path, tmp_path / "claims" / path.name)
    now = ("--now", "2026-01-01T08:00:00Z", "--jobs", 1)
    assert "alpha" in (text := run(tmp_path, "status", tmp_path, *now)) and "2 claims are proven" in text
    text = run(tmp_path, "verify", tmp_path / "claims" / "alpha-1.claim", "--folder", tmp_path, *now)
    assert text.startswith("PROVEN")
    (tmp_path / "claims" / "alpha-0.registry.proof").unlink()
    assert "the proof of the registry" in run(tmp_path, "status", tmp_path, *now, code=3)
