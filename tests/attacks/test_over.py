"""Claims over a limit: what such a lab can say, and attempts to be over and have it unsaid (DESIGN: "A claim over a limit").

The proof system is a stub that refuses what the relation refuses; folders take any proof. Every false claim is signed by its lab.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from folders import HOUR, PLAIN, TEXT, Made
from lab_fixtures import LAB_KEY, PEAK, make_lab, seal_and_close, with_sites

from circuits.relation import check_witness
from circuits.statement import Statement
from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected, ClaimsError
from claims.base.units import format_time
from claims.claim.evidence import find_equivocations
from claims.claim.file import Claim, decode_claim
from claims.claim.limits import limit_words
from claims.claim.lists import FREEZE, LINEAGE, LOST, TOTAL, UNATTRIBUTED, Limit, Over
from claims.claim.records import Usage
from claims.lab.lineage import note_checkpoint
from claims.lab.prove import finish_claim
from claims.lab.registry import Opening
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused, assemble
from tests.attacks.judged import forged, refused, verdict
from tests.lab.test_prove import draft
from tests.lab.test_tables import Prover, prover  # noqa: F401
from zk.errors import WitnessError

MOST = 2**64 - 1
ROOM = {"total": 10**9, "unattributed": 10**8, "lineage": 10**9, "freeze": 10**9}
yes = {"over": lambda _: True}


def busy(store: Store, agreement: Agreement, period: int, seconds: int = 12, rest: int = 3, parent: str = "base") -> None:
    """A run of so many chip-seconds from a parent, and unattributed work."""
    first, name = 4 * period, f"run-{period}"
    usage = [Usage(first, store.tag(name), seconds * 1000, None)] if seconds else []
    store.add_usage(period, "hall-a", [*usage, *([Usage(first + 1, 2, rest * 1000, None)] if rest else [])])
    if seconds:
        note_checkpoint(store, agreement, draft(name, (parent,), first))
    seal_and_close(store, agreement, period)


def lab(tmp_path: Path, **caps: int | None) -> tuple[Store, Agreement]:
    """A closed period: base of 10^6 units, 12 chip-seconds on it, 3 unattributed."""
    store, agreement = make_lab(tmp_path, (Opening("base", 10**6),), **(ROOM | caps))
    busy(store, agreement, 0)
    return store, agreement


def made(store: Store, agreement: Agreement, period: int = 0, **options: Any) -> Claim:
    return decode_claim(finish_claim(store, agreement, period, LAB_KEY, nullcontext, **(yes | options)).claim)


CAPS: list[tuple[dict[str, int], tuple[Limit, ...]]] = [
    ({"total": 15 * PEAK - 1}, (Limit(TOTAL, 15 * PEAK - 1, 2**15),)),
    ({"total": 1}, (Limit(TOTAL, 1, 2**15),)),
    ({"unattributed": 3 * PEAK - 1}, (Limit(UNATTRIBUTED, 3 * PEAK - 1, 2**13),)),
    ({"lineage": 10**6 + 15 * PEAK - 1, "freeze": 10**6}, (Limit(LINEAGE, 10**6 + 15 * PEAK - 1, 2**20), Limit(FREEZE, 10**6, 2**20))),
    ({"freeze": 10**6}, (Limit(FREEZE, 10**6, 2**20),)),
    ({"freeze": 3 * PEAK - 1, "lineage": 2 * 10**6}, (Limit(FREEZE, 3 * PEAK - 1, 2**20),)),
]  # fmt: skip


@pytest.mark.parametrize(("caps", "limits"), CAPS)
def test_a_lab_over_a_limit_has_a_claim_that_says_so(
    tmp_path: Path, prover: Prover, caps: dict[str, int], limits: tuple[Limit, ...]  # noqa: F811
) -> None:
    store, agreement = lab(tmp_path, **caps)
    with pytest.raises(WitnessRefused) as caught:
        finish_claim(store, agreement, 0, LAB_KEY, nullcontext)
    assert "--over" in caught.value.hint and store.kept_claim(0) is None
    with pytest.raises(ClaimsError, match="no claim was made"):
        made(store, agreement, over=lambda _: False)
    claim = made(store, agreement)
    assert claim.limits == limits and claim.overs == ()
    found = verdict(claim, agreement)
    assert (found.word, found.exit_code, found.proven, found.missing) == ("OVER", 4, False, ())
    assert all(f"over: {limit_words(limit)}" in "\n".join(found.lines()) for limit in limits)
    assert finish_claim(store, agreement, 0, LAB_KEY, nullcontext).claim == claim.encode(), "one claim of a period, with or without --over"


def test_a_lab_that_is_over_nothing_says_nothing(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path)
    claim = made(store, agreement, over=lambda _: pytest.fail("asked"))
    assert claim.limits == () and verdict(claim, agreement).word == "PROVEN"


def test_a_lab_with_sites_states_its_limits_to_the_registry_alone(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, terms = make_lab(tmp_path, (Opening("base", 10**6),), **(ROOM | {"total": 1}))
    agreement = with_sites(terms)
    busy(store, agreement, 0)
    done = finish_claim(store, agreement, 0, LAB_KEY, nullcontext, **yes)  # type: ignore[arg-type]
    claim, by_digest = decode_claim(done.claim), {}
    for digest, proof in zip(claim.proofs, done.proofs.values(), strict=True):
        by_digest[digest] = proof
    assert [item.total_cap for item in prover.made] == [0, 0, 2**15]
    assert verdict(claim, agreement, proofs=by_digest.get).word == "OVER"
    assert refused(forged(claim, limits=()), agreement, proofs=by_digest.get) == "proof"


# ---- less than the truth is stated --------------------------------------------------------------------------


@pytest.fixture
def over(tmp_path: Path, prover: Prover) -> tuple[Store, Agreement, Claim]:  # noqa: F811
    """A lab that is over its total, its true claim, and what it signs."""
    store, agreement = lab(tmp_path, total=14 * PEAK)
    return store, agreement, made(store, agreement)


FALSE: list[tuple[tuple[Limit, ...], str]] = [
    ((), "proof"),  # nothing is stated
    ((Limit(TOTAL, 14 * PEAK, 2**14),), "format"),  # below what is agreed
    ((Limit(TOTAL, 14 * PEAK, 14 * PEAK),), "format"),  # what is agreed
    ((Limit(TOTAL, 14 * PEAK, 15 * PEAK),), "format"),  # the amount
    ((Limit(TOTAL, 14 * PEAK, MOST - 1),), "format"),
    ((Limit(TOTAL, 14 * PEAK, 2**16),), "proof"),  # another than was proven
    ((Limit(TOTAL, 2**14, 2**15),), "lists"),  # over less than is agreed
    ((Limit(TOTAL, 2**15, 2**15),), "format"),
    ((Limit(TOTAL, 15 * PEAK, 2**15),), "lists"),  # as if more were agreed
    ((Limit(UNATTRIBUTED, 10**8, 2**27),), "proof"),  # something else is over
    ((Limit(LINEAGE, 14 * PEAK, 2**15),), "lists"),  # the agreed total as the agreed lineage cap
    ((Limit(TOTAL, 14 * PEAK, 2**15), Limit(LOST, 0, 1)), "lists"),  # a share that is not lost
    ((Limit(TOTAL, 14 * PEAK, 2**15), Limit(TOTAL, 14 * PEAK, 2**16)), "format"),  # two
    ((Limit(TOTAL, 14 * PEAK, 2**15), Limit(FREEZE, 10**9, 2**30)), "proof"),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "check"), FALSE)
def test_a_claim_that_states_something_else_is_refused(over: tuple[Store, Agreement, Claim], limits: tuple[Limit, ...], check: str) -> None:
    _, agreement, claim = over
    assert refused(forged(claim, limits=limits), agreement) == check


def test_a_freeze_is_not_stated_where_none_is_agreed(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, total=1, freeze=None)
    claim = made(store, agreement)
    assert refused(forged(claim, limits=(Limit(FREEZE, 10**9, 2**30),)), agreement) == "lists"


@pytest.mark.parametrize("stated", [15 * PEAK - 1, 2**14, 0])
def test_the_prover_makes_no_proof_below_the_truth(over: tuple[Store, Agreement, Claim], stated: int) -> None:
    store, agreement, _ = over
    table = assemble(store, agreement, 0, over=True).tables[0]
    check_witness(table.statement, table.witness)
    with pytest.raises(WitnessError):
        check_witness(dataclasses.replace(table.statement, total_cap=stated), table.witness)


def test_unattributed_work_does_not_wrap_around(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    """R' = R + U just above 2^64 is written as a small number, under every limit that can be stated."""
    store, agreement = lab(tmp_path, total=1, unattributed=1, lineage=1, freeze=1)
    table = assemble(store, agreement, 0, over=True).tables[0]
    registry = table.witness.registry
    assert registry is not None
    rest = registry.new_entries[0]
    free: Statement = dataclasses.replace(table.statement, total_cap=MOST, unattributed_cap=MOST, lineage_cap=MOST, freeze_level=MOST)
    check_witness(free, table.witness)
    old = (*registry.old_entries, dataclasses.replace(rest, work=MOST, cumulative=MOST, epoch=0))
    for cumulative in ((MOST + rest.work) % 2**64, rest.work, 0, MOST):
        new = (dataclasses.replace(rest, cumulative=cumulative), *registry.new_entries[1:])
        witness = dataclasses.replace(table.witness, registry=dataclasses.replace(registry, old_entries=old, new_entries=new))
        with pytest.raises(WitnessError):
            check_witness(free, witness)


# ---- two readers --------------------------------------------------------------------------------------------


def test_limits_that_differ_between_two_readers_are_evidence_under_equal_heads(over: tuple[Store, Agreement, Claim]) -> None:
    _, agreement, claim = over
    for limits in ((), (Limit(TOTAL, 14 * PEAK, 2**16),), (Limit(TOTAL, 14 * PEAK, MOST),)):
        (found,) = find_equivocations(claim, forged(claim, limits=limits))
        found.check(agreement)
        assert found.meter is None and found.heads[0][0] == found.heads[1][0]
        assert found.against(agreement) == ("alpha", 0)


def test_a_signature_over_other_limits_does_not_serve(over: tuple[Store, Agreement, Claim]) -> None:
    _, agreement, claim = over
    other = dataclasses.replace(claim, limits=(Limit(TOTAL, 14 * PEAK, 2**16),))
    other = dataclasses.replace(other, signature=LAB_KEY.sign(other.signed_message()))
    assert refused(other, agreement) == "signatures"


# ---- what comes after ---------------------------------------------------------------------------------------


@pytest.fixture
def later(over: tuple[Store, Agreement, Claim]) -> tuple[Agreement, Claim, Claim]:
    """The claim that was over, and a next one that is within all limits."""
    store, agreement, first = over
    busy(store, agreement, 1, seconds=2, rest=1)
    return agreement, first, made(store, agreement, 1)


def test_the_lab_goes_on_and_repeats_it(later: tuple[Agreement, Claim, Claim]) -> None:
    agreement, first, second = later
    assert second.limits == () and second.overs == (Over(0, TOTAL, 14 * PEAK, 2**15),)
    for accepted in (False, True):
        found = verdict(second, agreement, first, previous_accepted=accepted)
        assert found.word == "PROVEN" and "over: in period 0: " in "\n".join(found.lines())
        value = found.to_json()
        unit = 10**12
        assert value["earlier_over"] == [{"period": 0, "limit": "total", "agreed": 14 * PEAK * unit, "stated": 2**15 * unit}]


@pytest.mark.parametrize(
    "overs",
    [
        (), (Over(0, TOTAL, 14 * PEAK, 2**16),), (Over(0, TOTAL, 13 * PEAK, 2**15),), (Over(0, LINEAGE, 14 * PEAK, 2**15),),
        (Over(0, TOTAL, 14 * PEAK, 2**15), Over(0, FREEZE, 1, 2)), (Over(0, UNATTRIBUTED, 14 * PEAK, 2**15),),
    ],
)  # fmt: skip
@pytest.mark.parametrize("accepted", [False, True])
def test_a_later_claim_leaves_nothing_out(later: tuple[Agreement, Claim, Claim], overs: tuple[Over, ...], accepted: bool) -> None:
    agreement, first, second = later
    assert refused(forged(second, overs=overs), agreement, first, previous_accepted=accepted) == "continuity"


def test_a_first_claim_repeats_nothing(over: tuple[Store, Agreement, Claim], later: tuple[Agreement, Claim, Claim]) -> None:
    agreement, first, _ = later
    with pytest.raises(ClaimRejected) as caught:
        verdict(forged(first, overs=(Over(1, TOTAL, 1, 2),)), agreement)
    assert caught.value.check == "format", "nothing is earlier"


def test_what_is_repeated_is_repeated_for_ever(over: tuple[Store, Agreement, Claim]) -> None:
    """Over again in period 1: period 2 repeats both; a reader who accepted period 1 sees the first one left out."""
    store, agreement, first = over
    busy(store, agreement, 1, seconds=20, rest=0)
    second = made(store, agreement, 1)
    busy(store, agreement, 2, seconds=1, rest=0)
    third = made(store, agreement, 2)
    assert second.limits and third.overs == (*second.overs, Over(1, *dataclasses.astuple(second.limits[0]))) and len(third.overs) == 2
    assert verdict(third, agreement, first, second).word == "PROVEN"
    assert verdict(second, agreement, first).word == "OVER"
    for overs in (third.overs[1:], third.overs[:1]):
        assert refused(forged(third, overs=overs), agreement, second, previous_accepted=True) == "continuity"


def test_a_lineage_above_its_cap_may_be_held_and_not_continued(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, lineage=10**6 + 15 * PEAK - 1, freeze=10**6 + 14 * PEAK)
    first = made(store, agreement)
    busy(store, agreement, 1, seconds=0, rest=0)
    held = made(store, agreement, 1)
    assert (held.limits, verdict(held, agreement, first).word) == ((), "PROVEN")
    busy(store, agreement, 2, seconds=1, rest=0, parent="run-0")
    again = made(store, agreement, 2)
    assert [limit.which for limit in again.limits] == [LINEAGE, FREEZE]
    assert verdict(again, agreement, first, held).word == "OVER"
    assert refused(forged(again, limits=()), agreement, first, held) == "proof"


def test_a_store_without_the_claim_before_does_not_forget_what_it_was_over(tmp_path: Path, prover: Prover) -> None:  # noqa: F811
    store, agreement = lab(tmp_path, total=14 * PEAK)
    busy(store, agreement, 1, seconds=1, rest=0)
    with pytest.raises(WitnessRefused, match="the claim of period 0 is not in the store"):
        made(store, agreement, 1)


# ---- in a folder --------------------------------------------------------------------------------------------

TOTAL_OVER = Limit(TOTAL, 10**10, 2**35)


def folder(tmp_path: Path, text: str = TEXT) -> Made:
    """Alpha was over in period 0, and not in period 1."""
    made = Made(tmp_path / "folder", text)
    for period, claim in enumerate((made.draft(limits=(TOTAL_OVER,)), made.draft(1, overs=(Over(0, TOTAL, 10**10, 2**35),)))):
        if text == TEXT:
            made.epochs(period)
        made.claim(period, claim=claim)
    return made


@pytest.mark.usefixtures("any_proof", "page_agrees")
@pytest.mark.parametrize("text", [TEXT, PLAIN], ids=["log", "plain"])
def test_the_standstill_does_not_hold_and_the_lab_goes_on(tmp_path: Path, text: str) -> None:
    made = folder(tmp_path, text)
    now = made.end(1) + 700
    rows = [made.row(now, period) for period in (0, 1)]
    assert [row.state for row in rows] == ["over", "proven"]
    assert "over the total limit: agreed at most 1e22 FLOP, stated no bound" in rows[0].reason, "its meters cannot do as much"
    assert "in period 0: total compute of the period over the total limit" in rows[1].reason
    assert rows[0].to_json()["over"] and rows[1].to_json()["earlier_over"] and not rows[1].to_json()["over"]
    state = made.at(now)
    assert state.holds == "no" and any("is over" in line for line in state.why)
    assert made.run("status", made.folder, "--now", now)[0] == 1
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (4, "OVER")
    assert made.judged("claims/alpha-1.claim", now) == made.alone(1, now) == (0, "PROVEN")
    code, said = made.run("verify", made.folder / "claims" / "alpha-0.claim", "--folder", made.folder, "--now", now)
    assert code == 4 and said.startswith("OVER\n") and "no bound" in said and "total compute of the period: at most" not in said
    assert "freeze" in said, "the limits that hold are shown"


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_it_is_drawn_and_inspected_and_stays_over(tmp_path: Path) -> None:
    made = folder(tmp_path)
    now = made.end(0) + 20 * HOUR
    row = made.row(now)
    assert row.state == "over" and "no inspector has recorded" in row.reason
    assert made.judged("claims/alpha-0.claim", now) == made.alone(0, now) == (4, "OVER")


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_a_folder_shows_a_later_claim_that_leaves_it_out(tmp_path: Path) -> None:
    made = Made(tmp_path / "folder", PLAIN)
    made.claim(0, claim=made.draft(limits=(TOTAL_OVER,)))
    made.claim(1)
    row = made.row(made.end(1) + 700, 1)
    assert (row.state, row.check) == ("rejected", "continuity")


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_evidence_of_another_statement_of_its_limits_rejects_it(tmp_path: Path) -> None:
    made = folder(tmp_path)
    one, two = (made.draft(limits=limits) for limits in ((TOTAL_OVER,), ()))
    (found,) = find_equivocations(one, two)
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "a.evidence").write_bytes(found.encode())
    row = made.row(made.end(1) + 700)
    assert (row.state, row.check) == ("rejected", "evidence")


@pytest.mark.usefixtures("any_proof", "page_agrees")
def test_the_page_says_it_in_words(tmp_path: Path) -> None:
    made = folder(tmp_path, PLAIN)
    code, _ = made.run("site", made.folder, "--out", tmp_path / "page", "--now", format_time(made.end(1) + 700))
    assert code == 0
    page, data = (tmp_path / "page" / name for name in ("index.html", "site.json"))
    assert "state-over" in page.read_text() and "over the total limit" in page.read_text()
    states = {(row["lab"], row["period"]): row["state"] for row in json.loads(data.read_text())["claims"]}
    assert states["alpha", 0] == "over"


def test_the_lifted_period_of_a_claim_that_is_over_is_lifted(tmp_path: Path, any_proof: None, page_agrees: None) -> None:
    made = folder(tmp_path, PLAIN)
    made.decide("lift", made.terms.start, made.terms.start)
    made.decide("trigger", made.end(0), made.end(0))
    now = made.end(1) + 700
    assert [made.row(now, period).state for period in (0, 1)] == ["lifted", "proven"]
    assert made.judged("claims/alpha-0.claim", now) == (4, "OVER")
