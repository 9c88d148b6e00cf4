"""Claims of labs with sites: both verifiers build one statement for each table, and the page decides as status does."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import world
from folders import PLAIN, TEXT, Made
from made_up import believe

from circuits.claim import public_interactions, public_vector
from claims.agreement.model import canonical_bytes
from claims.agreement.signatures import sign_ledger_head
from claims.base.errors import ClaimRejected, MalformedClaim
from claims.claim.entries import sign_entry
from claims.claim.entry_kinds import ClaimEntry
from claims.claim.file import Claim, MeterHead, SiteHead, decode_claim
from claims.claim.lists import TOTAL, Limit
from claims.claim.roots import Roots
from claims.verify.tables import statements_of
from tests.site import fuzz_claims
from tests.site.cases import honest
from tests.site.page_agrees import differences, published, stand_in_page
from tests.site.page_node import PageNode, needs_node
from tests.site.test_fuzz import ask, encoded
from zk.poseidon2 import P, permute

pytestmark = needs_node
VECTORS = Path(__file__).parents[1] / "vectors"
GOOD = (b"SSPF proof n", b"SSPF proof s", b"SSPF proof r")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_both_verifiers_build_the_same_statements() -> None:
    """Whole tables, sites' and registries', under agreed and stated limits, with lost meters and sites, and after transfers of cap."""
    cases, expected, lost = [], [], 0
    for seed in range(80):
        case = honest(random.Random(seed), sites=seed % 2 == 0)
        if seed % 3 == 0:
            fuzz_claims.limits_and_losses_of_a_claim(case)
        elif seed % 6 == 2:
            case.agreement = replace(case.agreement, labs=(replace(case.agreement.labs[0], lost=10**6), *case.agreement.labs[1:]))
            case.claims[-1].lists = b"\0\1\2" + fuzz_claims.name("north") + fuzz_claims.u32(case.claims[-1].first) + bytes(6)
        data = case.claims[-1].write()
        moved = seed % 5 - 2
        try:
            claim = decode_claim(data)
            tables = statements_of(case.agreement, claim, moved)
        except (ClaimRejected, MalformedClaim):
            continue
        lost += bool(claim.losses)
        cases.append([encoded(data), encoded(canonical_bytes(case.agreement)), moved])
        expected.append([[public_vector(one), [[n, list(m)] for n, m in public_interactions(one)], one.log_rows] for one in tables])
    assert ask({"task": "statements", "cases": cases}) == expected
    assert {len(tables) for tables in expected} == {1, 2, 3} and lost >= 10


def test_both_verifiers_permute_alike() -> None:
    rng = random.Random(2)
    states = [[0] * 16, [P - 1] * 16, *([rng.randrange(P) for _ in range(16)] for _ in range(20))]
    assert ask({"task": "permutations", "states": states}) == [permute(state) for state in states]


@pytest.mark.parametrize("name", ["site_std", "registry_std"])
def test_the_vectors_of_sites_and_registries_hold(name: str) -> None:
    facts = json.loads((VECTORS / f"{name}.json").read_text())
    size = (VECTORS / f"{name}.proof").stat().st_size
    request = {
        "task": "proofs", "program": None, "proof": str(VECTORS / f"{name}.proof"), "options": None, "logRows": facts["log_rows"],
        "statements": [[facts["publics"], facts["public_interactions"]]], "edits": [{}, {"flips": [[size // 2, 1]]}, {"cut": size - 1}],
    }  # fmt: skip
    good, *bad = ask(request)
    assert good["ok"] >= 100 and all("check" in item for item in bad)


# ---- the page ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageNode]:
    made = stand_in_page(tmp_path_factory.mktemp("stand-in") / "site")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    believe(monkeypatch)


def cut(text: str) -> str:
    """Alpha's halls are two sites."""
    for seed, site in ((11, "north"), (12, "south")):
        text = text.replace(f'key = "{world.public(seed)}"\n', f'key = "{world.public(seed)}"\nsite = "{site}"\n')
    return text.replace("log_rows = 16\n", "log_rows = 16\nregistry_rows = 17\n", 1)


class Sites(Made):
    """A folder whose lab has sites."""

    def sited(self, period: int = 0, proofs: Sequence[bytes] = GOOD, **changes: Any) -> Claim:
        """A claim with its files beside it, not yet filed."""
        where = self.folder / "claims"
        where.mkdir(exist_ok=True)
        whole, sites = self.roots(period), []
        for at, (meter, site) in enumerate(zip(whole.meters, ("north", "south"), strict=True)):
            roots = Roots(whole.agreement_digest, "alpha", period, whole.first_epoch, whole.last_epoch, (meter,)).encode()
            (where / f"alpha-{period}.{site}.roots").write_bytes(roots)
            (where / f"alpha-{period}.{site}.proof").write_bytes(proofs[at])
            sites.append(SiteHead(site, world.head(500 + at), sha(proofs[at]), sha(roots)))
        (where / f"alpha-{period}.registry.proof").write_bytes(proofs[2])
        return self.draft(period, proof=b"", sites=tuple(sites), registry_proof=sha(proofs[2]), **changes)

    def publish(self, claim: Claim) -> None:
        """Files a claim, and logs it."""
        data = self.file(claim)
        if self.terms.log is not None:
            self.epochs(claim.period)
            entry = ClaimEntry(self.terms.digest, "alpha", claim.period, sha(data), claim.site_roots)
            self.add(self.end(claim.period) + 600, sign_entry(world.key(1), entry))


@pytest.fixture(params=[TEXT, PLAIN], ids=["log", "plain"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Sites:
    return Sites(tmp_path / "folder", cut(request.param))


def state(made: Sites, page: PageNode, period: int = 0) -> str:
    now = made.end(period) + 700
    found = differences(page, made.folder, made.at(now))
    assert not found, found
    return made.row(now, period).state


def test_a_claim_of_several_tables_is_proven_and_gone_on_from(made: Sites, page: PageNode) -> None:
    for period in (0, 1):
        made.publish(made.sited(period))
    assert [state(made, page, period) for period in (0, 1)] == ["proven", "proven"]


@pytest.mark.parametrize("name", ["north.proof", "registry.proof", "south.roots"])
def test_a_file_beside_a_claim_that_is_not_here_accuses_nobody(made: Sites, page: PageNode, name: str) -> None:
    made.publish(made.sited())
    made.drop(f"claims/alpha-0.{name}")
    assert state(made, page) == ("proven" if made.terms.log is None and name.endswith("roots") else "pending")


@pytest.mark.parametrize("place", range(3))
def test_the_first_table_that_fails_is_named(made: Sites, page: PageNode, place: int) -> None:
    made.publish(made.sited(proofs=tuple(b"SSPF proof %d" % at if at < place else b"SSPF false %d" % at for at in range(3))))
    assert state(made, page) == "rejected"
    found = finding(made, page)
    assert found["check"] == "proof" and found["reason"].startswith(("site north", "site south", "the registry")[place])


def finding(made: Sites, page: PageNode, name: str = "alpha-0") -> dict[str, Any]:
    now = made.end() + 700
    view, files = published(made.folder, made.at(now))
    (found,) = page.verdicts([{"site": json.dumps(view), "changed": files, "now": now}])
    answer: dict[str, Any] = found["findings"][name]
    return answer


def test_what_joins_the_tables_is_said(made: Sites, page: PageNode) -> None:
    made.publish(made.sited())
    found = finding(made, page)
    assert (found["verdict"], found["bits"]["link"], found["count"], found["left"]) == ("PROVEN", 124, 3, 0)


def test_sites_that_are_over_a_limit(made: Sites, page: PageNode) -> None:
    agreed = made.terms.lab("alpha").caps.total
    made.publish(made.sited(limits=(Limit(TOTAL, agreed, 1 << agreed.bit_length()),)))
    assert state(made, page) == "over"
    found = finding(made, page)
    assert found["verdict"] == "OVER" and "over the total limit" in found["over"][0]


def test_roots_of_another_site_or_exchanged_proofs_hold_nothing(made: Sites, page: PageNode) -> None:
    claim = made.sited()
    north, south = claim.sites
    made.publish(made.draft(
        proof=b"", registry_proof=claim.registry_proof, sites=(replace(north, roots=south.roots), replace(south, roots=north.roots)),
    ))  # fmt: skip
    assert state(made, page) == ("proven" if made.terms.log is None else "rejected")


# ---- many sites ----------------------------------------------------------------------------------------------


def many(tmp_path: Path, count: int) -> Made:
    """A lab of many sites without a log, and its claim."""
    meters = ""
    for at in range(count):
        meters += f'[[meter]]\nlab = "alpha"\nname = "hall-{at:03}"\nchip = "h100"\nchips = 8\nkey = "{world.public(100 + at)}"\n'
        meters += f'site = "s{at:03}"\n'
    head, _, rest = PLAIN.partition('[[meter]]\nlab = "alpha"')
    text = cut(head) + meters + rest[rest.index('[[meter]]\nlab = "beta"') :]
    made = Made(tmp_path / "folder", text)
    (made.folder / "claims").mkdir()
    terms, heads, sites = made.terms, [], []
    for at, site in enumerate(terms.lab("alpha").sites):
        proof, meter = b"SSPF proof %d" % at, site.meters[0].name
        (made.folder / "claims" / f"alpha-0.{site.name}.proof").write_bytes(proof)
        head = world.head(at)
        signature = sign_ledger_head(world.key(100 + at), terms.digest, "alpha", meter, 0, head, bytes(32))
        heads.append(MeterHead(meter, head, bytes(32), signature))
        sites.append(SiteHead(site.name, world.head(500 + at), sha(proof), bytes(32)))
    (made.folder / "claims" / "alpha-0.registry.proof").write_bytes(b"SSPF proof r")
    made.file(world.claim(terms, meters=tuple(heads), sites=tuple(sites), registry_proof=sha(b"SSPF proof r"), proof=b""))
    return made


def test_with_many_tables_the_page_says_what_it_left(tmp_path: Path, page: PageNode) -> None:
    """Of 64 sites the first fifteen and the registry are checked: not confirmed, not refuted; all of them once the visitor asks."""
    made = many(tmp_path, 64)
    now = made.end() + 700
    view, files = published(made.folder, made.at(now))
    left, whole = page.verdicts([{"site": json.dumps(view), "changed": files, "now": now, "rest": rest} for rest in (None, "alpha-0")])
    assert left["kind"] == "open" and left["findings"]["alpha-0"]["left"] == 49 and "49 of 65 tables" in " ".join(left["open"])
    assert whole["kind"] == "confirmed" and whole["findings"]["alpha-0"]["left"] == 0
    bad = files | {"files/claims/alpha-0.s050.proof": b"false"}
    left, whole = page.verdicts([{"site": json.dumps(view), "changed": bad, "now": now, "rest": rest} for rest in (None, "alpha-0")])
    assert (left["kind"], whole["kind"]) == ("open", "contradicted"), "a file that changed is missing to whoever looks"


def test_sites_are_shown_by_name_with_the_heights_of_their_tables(made: Sites, tmp_path: Path) -> None:
    from claims.site.generate import generate

    generate(made.folder, tmp_path / "site", now=made.end())
    view, text = json.loads((tmp_path / "site" / "site.json").read_text()), (tmp_path / "site" / "index.html").read_text()
    alpha = next(lab for lab in view["agreement"]["labs"] if lab["name"] == "alpha")
    assert [(table["name"], table["meters"], table["rows"]) for table in alpha["tables"]] == [
        ("north", 1, 65536), ("south", 1, 65536), ("registry", 0, 131072),
    ]  # fmt: skip
    assert "alpha / north" in text and "131,072" in text
