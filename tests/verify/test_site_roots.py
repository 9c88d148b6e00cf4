"""Roots files of a lab with sites: one for each, which the claim names, read side by side into the roots that the log has."""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import world

from claims.agreement.file import parse_agreement
from claims.base.errors import ClaimRejected, MalformedFile
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.file import Claim, SiteHead
from claims.claim.roots import Roots, RootsReader
from claims.verify.roots import check_roots, held, judge_roots, roots_in, roots_name
from tests.agreement.test_agreement_sites import CUT

TERMS = parse_agreement(CUT)
LAB = TERMS.lab("alpha")
FIRST, LAST = TERMS.period_epochs(0)


@dataclass
class Published:
    """The log, as far as roots go."""

    roots: dict[int, bytes]
    agreement: Any = TERMS

    def epoch(self, lab: str, epoch: int) -> tuple[Any, int] | None:
        return (SimpleNamespace(root=self.roots[epoch]), epoch) if epoch in self.roots else None


def made(seed: int = 0) -> tuple[Claim, dict[str, Roots], Published]:
    rng = random.Random(seed)
    roots = {meter.name: tuple(rng.randbytes(32) for _ in range(FIRST, LAST + 1)) for meter in LAB.meters}
    files = {
        site.name: Roots(TERMS.digest, "alpha", 0, FIRST, LAST, tuple((meter.name, roots[meter.name]) for meter in site.meters))
        for site in LAB.sites
    }
    sites = tuple(
        SiteHead(name, world.head(i), bytes(32), hashlib.sha256(file.encode()).digest()) for i, (name, file) in enumerate(files.items())
    )
    claim = world.claim(TERMS, 0, proof=b"", sites=sites, registry_proof=bytes(32))
    claim = replace(claim, meters=tuple(replace(meter, roots_digest=roots_digest(roots[meter.name])) for meter in claim.meters))
    order = [(meter.name, roots[meter.name]) for meter in LAB.meters]
    logged = {epoch: lab_epoch_root([(name, found[epoch - FIRST]) for name, found in order]) for epoch in range(FIRST, LAST + 1)}
    return claim, files, Published(logged)


def check(claim: Claim, files: dict[str, Roots], published: Any) -> None:
    check_roots(claim, [io.BytesIO(file.encode()) for file in files.values()], published)


def test_meters_of_several_sites_lead_to_the_logged_roots() -> None:
    assert len(LAB.sites) > 1 and [m.name for s in LAB.sites for m in s.meters] != [m.name for m in LAB.meters], "the sites interleave"
    claim, files, published = made()
    check(claim, files, published)
    encoded = [file.encode() for file in files.values()]
    assert judge_roots(claim, claim.site_roots, held(encoded), published) == []  # type: ignore[arg-type]


def test_a_site_file_that_is_not_here_is_named() -> None:
    claim, files, published = made()
    last = list(files)[-1]
    here = held(file.encode() for name, file in files.items() if name != last)
    (missing,) = judge_roots(claim, claim.site_roots, here, published)  # type: ignore[arg-type]
    assert missing.kind == "roots" and f"site {last}" in missing.what and roots_name("alpha", 0, last) in missing.where
    assert claim.sites[-1].roots.hex() in missing.where


def test_the_log_names_the_files_that_the_claim_names() -> None:
    claim, files, published = made()
    with pytest.raises(ClaimRejected, match="other roots files") as caught:
        judge_roots(claim, bytes(32), held(file.encode() for file in files.values()), published)  # type: ignore[arg-type]
    assert caught.value.check == "log"


@pytest.mark.parametrize("place", range(len(LAB.sites)))
def test_another_content_is_refused(place: int) -> None:
    claim, files, published = made()
    name = list(files)[place]
    own = files[name]
    (meter, first), *others = own.meters
    cases = [
        (replace(own, meters=((meter, (first[1], first[0], *first[2:])), *others)), "signed other epoch roots"),
        (replace(own, period=1), "another claim"),
        (replace(own, lab="beta"), "another claim"),
        (replace(own, agreement_digest=bytes(32)), "another claim"),
        (replace(own, meters=tuple(others)), "other meters"),
        (replace(own, meters=(*own.meters, ("zz", first))), "other meters"),
        (replace(own, meters=(("zz", first), *others)), "other meters"),
        (files[list(files)[place - 1]], "other meters|signed other"),
    ]
    for bad, words in cases:
        with pytest.raises(ClaimRejected, match=words):
            check(claim, files | {name: bad}, published)
    published.roots[LAST] = bytes(32)
    with pytest.raises(ClaimRejected, match=f"epoch {LAST}"):
        check(claim, files, published)


def test_bytes_after_a_file_are_refused() -> None:
    claim, files, published = made()
    for place in range(len(files)):
        streams = [io.BytesIO(file.encode() + (b"x" if at == place else b"")) for at, file in enumerate(files.values())]
        with pytest.raises(MalformedFile, match="follow the end"):
            check_roots(claim, streams, published)  # type: ignore[arg-type]


def test_a_reader_holds_one_meter_at_a_time() -> None:
    _, files, _ = made()
    data = next(iter(files.values())).encode()
    taken: list[int] = []

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            taken.append(size or 0)
            return super().read(size)

    assert len(list(RootsReader(Counting(data)))) == len(next(iter(files.values())).meters)
    assert max(taken) <= 32 * (LAST - FIRST + 1) + 256 and min(taken) > 0


def test_files_are_found_by_what_they_hold(tmp_path: Path) -> None:
    claim, files, published = made()
    for at, file in enumerate(files.values()):
        (tmp_path / f"odd-{at}.roots").write_bytes(file.encode())
    (tmp_path / "decoy.roots").write_bytes(b"decoy")
    found = roots_in(tmp_path, {site.roots for site in claim.sites}, [roots_name("alpha", 0, site.name) for site in claim.sites])
    assert judge_roots(claim, claim.site_roots, found, published) == []  # type: ignore[arg-type]
    (tmp_path / "odd-0.roots").write_bytes(b"changed since")
    assert [item.kind for item in judge_roots(claim, claim.site_roots, found, published)] == ["roots"]  # type: ignore[arg-type]
    assert found(bytes(32)) is None
