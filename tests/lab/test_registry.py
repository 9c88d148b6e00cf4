"""Registry arithmetic: cumulatives, bases, merges, residue, snapshots, overflow, and closing a period."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_fixtures import EPOCHS, METER_KEYS, PEAK, make_lab, seal_all, seal_and_close

from claims.base.errors import ClaimsError
from claims.claim.records import Draft, RegistryEntry, Usage, fresh_elements
from claims.lab.lineage import note_checkpoint, snapshot, unplaced
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import (
    RESIDUE,
    Opening,
    RegistryError,
    build_entries,
    close_period,
    open_registry,
    opening_head,
    preview,
    registry_head,
    residue,
)
from claims.lab.store import Store

TAGS = {name: number for number, name in enumerate("abcdefghij", 3)}


def draft(
    name: str, kind: str = "CHECKPOINT", parents: str = "", branch: bool | None = None, declared: int = 0
) -> Draft:
    return Draft(name, kind, tuple(parents), branch, 0, declared, bytes(32))


def build(
    drafts: list[Draft],
    work: dict[str, int] | None = None,
    old: list[RegistryEntry] | None = None,
    unattributed: int = 0,
):
    amounts = {TAGS[name]: value for name, value in (work or {}).items()} | {2: unattributed}
    return build_entries(old or [], [(TAGS[d.name], d) for d in drafts], TAGS, amounts, 0, 0)


def cumulatives(entries: list[RegistryEntry]) -> dict[str, int]:
    return {entry.name: entry.cumulative for entry in entries if entry.kind != RESIDUE}


def bases(entries: list[RegistryEntry]) -> dict[str, int]:
    return {entry.name: entry.base for entry in entries if entry.kind != RESIDUE}


def test_a_chain_adds_up_and_keeps_its_base() -> None:
    entries = build([draft("a"), draft("b", parents="a"), draft("c", parents="b")], {"a": 1, "b": 20, "c": 300})
    assert cumulatives(entries) == {"a": 1, "b": 21, "c": 321}
    assert set(bases(entries).values()) == {0}


def test_three_branches_averaged_count_their_trunk_once() -> None:
    drafts = [draft("a"), draft("b", parents="a"), draft("c", parents="a"), draft("d", parents="a")]
    drafts += [draft("e", parents="b"), draft("f", "MERGE", "ec"), draft("g", "MERGE", "fd"), draft("h", parents="g")]
    entries = build(drafts, {"a": 1000, "b": 1, "c": 2, "d": 4, "e": 8, "h": 16})
    assert cumulatives(entries)["g"] == 1000 + 1 + 2 + 4 + 8
    assert cumulatives(entries)["h"] == 1031
    assert {bases(entries)[name] for name in "bcdefgh"} == {TAGS["a"]}


def test_branches_that_do_not_say_so_are_charged_for_the_trunk_twice() -> None:
    drafts = [
        draft("a"),
        draft("b", parents="a", branch=False),
        draft("c", parents="a", branch=False),
        draft("d", "MERGE", "bc"),
    ]
    assert cumulatives(build(drafts, {"a": 1000, "b": 1, "c": 2}))["d"] == 2003


def test_a_second_child_in_a_later_period_starts_a_branch() -> None:
    first = build([draft("a"), draft("b", parents="a")], {"a": 5})
    later = build([draft("c", parents="a"), draft("d", parents="b")], {}, old=first)
    assert bases(later) == {"c": TAGS["a"], "d": 0}


def test_a_merge_of_different_bases_counts_everything() -> None:
    drafts = [draft("a", "EXTERNAL", declared=100), draft("b", "EXTERNAL", declared=7), draft("c", "MERGE", "ab")]
    entries = build(drafts)
    assert cumulatives(entries)["c"] == 107 and bases(entries)["c"] == 0


def test_the_residue_comes_first_and_grows() -> None:
    entries = build([draft("a")], {"a": 1}, unattributed=40)
    assert [entry.kind for entry in entries] == [RESIDUE, 3] and (entries[0].work, entries[0].cumulative) == (40, 40)
    later = build([draft("b", parents="a")], {"b": 1}, old=entries, unattributed=2)
    assert (later[0].tag, later[0].work, later[0].cumulative) == (2, 2, 42) and residue([*entries, *later]) == 42


def test_amounts_over_64_bits_are_refused_and_never_wrap() -> None:
    top = 2**64 - 1
    assert cumulatives(build([draft("a", "EXTERNAL", declared=top)])) == {"a": top}
    with pytest.raises(RegistryError, match="checkpoint b: cumulative work does not fit in 64 bits"):
        build([draft("a", "EXTERNAL", declared=top), draft("b", parents="a")], {"b": 1})
    with pytest.raises(RegistryError, match="checkpoint a: declared|cumulative"):
        build([draft("a", "EXTERNAL", declared=top + 1)])
    full = build([], unattributed=top)
    with pytest.raises(RegistryError, match="unattributed work since the agreement began does not fit"):
        build([], old=full, unattributed=1)


def test_readings_need_an_entry_that_may_receive_them() -> None:
    with pytest.raises(RegistryError, match="checkpoint b has work in this period and is not noted in it"):
        build([draft("a")], {"a": 1, "b": 2})
    with pytest.raises(RegistryError, match="a MERGE receives no readings"):
        build([draft("a"), draft("b"), draft("c", "MERGE", "ab")], {"c": 1})
    old = build([draft("a")], {"a": 1})
    with pytest.raises(RegistryError, match="checkpoint a has work in this period and is not noted in it"):
        build([], {"a": 2}, old=old)


def test_parents_come_first_and_the_residue_is_nobodys_parent() -> None:
    with pytest.raises(RegistryError, match="its parent b comes later or not at all"):
        build([draft("a", parents="b"), draft("b")])
    old = build([draft("a")], {"a": 1}, unattributed=5)
    with pytest.raises(RegistryError, match="its parent r comes later"):
        build_entries(old, [(9, Draft("x", "CHECKPOINT", ("r",), None, 0, 0, bytes(32)))], {"r": 2}, {}, 1, 4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Draft], dict[str, int]]:
    """A random lineage of up to ten checkpoints: chains, branches, merges, outside weights."""
    drafts: list[Draft] = []
    work: dict[str, int] = {}
    for name in list(TAGS)[: draw(st.integers(1, 10))]:
        earlier = [d.name for d in drafts]
        kind = draw(st.sampled_from(["CHECKPOINT", "EXTERNAL"] + (["MERGE"] if len(earlier) > 1 else [])))
        if kind == "EXTERNAL":
            drafts.append(draft(name, kind, declared=draw(st.integers(0, 1000))))
        elif kind == "MERGE":
            pair = draw(st.lists(st.sampled_from(earlier), min_size=2, max_size=2, unique=True))
            drafts.append(draft(name, kind, "".join(pair)))
        else:
            parents = draw(st.sampled_from(["", *earlier]))
            drafts.append(draft(name, kind, parents, draw(st.sampled_from([None, True, False]))))
            work[name] = draw(st.integers(0, 1000))
    return drafts, work


@given(histories())
def test_no_cumulative_is_below_the_true_union_of_its_ancestors(history: tuple[list[Draft], dict[str, int]]) -> None:
    drafts, work = history
    entries = build(drafts, work)
    ancestors: dict[str, set[str]] = {}
    for d in drafts:
        ancestors[d.name] = {d.name}.union(*(ancestors[p] for p in d.parents))
    own = {d.name: work.get(d.name, 0) + d.declared for d in drafts}
    for name, cumulative in cumulatives(entries).items():
        assert cumulative >= sum(own[a] for a in ancestors[name])


@given(histories())
def test_entries_satisfy_the_circuits_rules(history: tuple[list[Draft], dict[str, int]]) -> None:
    entries = [e for e in build(*history) if e.kind != RESIDUE]
    known = {0: (0, 0)}
    for e in entries:
        (c1, b1), (c2, b2) = known[e.parent1], known[e.parent2]
        assert e.base in ((b1,) if e.kind == 5 else (b1, e.parent1))
        shared = e.kind == 5 and b1 == b2
        assert e.cumulative == e.work + e.declared + c1 + c2 - (known[e.base][0] if shared else 0)
        known[e.tag] = (e.cumulative, e.base)


# ---- on a store ------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path):
    store, agreement = make_lab(tmp_path, (Opening("olmo-2/stage1", 10**9),))
    yield store, agreement
    store.close()


def test_the_opening_registry_is_written_once_and_its_head_recomputes(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    assert opening_head(store) == agreement.labs[0].opening_head
    (entry,) = store.entries()
    assert (entry.kind, entry.declared, entry.cumulative, entry.period) == (1, 10**9, 10**9, None)
    (published,) = store.registry_heads()
    assert published.head == registry_head(store, store.entries(), published.trailer)
    assert registry_head(store, store.entries(), fresh_elements()) != published.head
    with pytest.raises(RegistryError, match="opened before"):
        open_registry(store, [])


def test_opening_refuses_twins_and_overflow(tmp_path: Path) -> None:
    with Store.create(tmp_path / "x.store", "alpha") as store:
        for openings in ([Opening("a", 1), Opening("a", 2)], [Opening("a", 2**64)], [Opening("idle", 1)]):
            with pytest.raises(RegistryError):
                open_registry(store, openings)
        assert store.entries() == [] and store.registry_heads() == []
        with pytest.raises(RegistryError, match="has not been opened"):
            opening_head(store)


def test_a_period_closes_once_with_exact_sums(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    tag = store.tag("run")
    store.add_usage(0, "hall-a", [Usage(0, tag, 10_000, None), Usage(1, 2, 3_000, None), Usage(2, tag, 500, None)])
    store.add_usage(0, "hall-b", [Usage(3, tag, 1_000, None)])
    assert unplaced(store, 0) == ["run"]
    note_checkpoint(store, agreement, Draft("run", "CHECKPOINT", ("olmo-2/stage1",), None, 3, 0, bytes(32)))
    with pytest.raises(RegistryError, match="meter hall-a has not signed period 0"):
        close_period(store, agreement, 0)
    seal_all(store, agreement, 0)
    expected = preview(store, agreement, 0)
    published = close_period(store, agreement, 0)
    assert store.entries()[1:] == expected and published.entries == 3
    rest, run = expected
    assert (rest.work, rest.cumulative) == (3 * PEAK, 3 * PEAK)
    assert (run.work, run.cumulative, run.epoch) == (12 * PEAK, 12 * PEAK + 10**9, 3)
    with pytest.raises(RegistryError, match="closed already"):
        close_period(store, agreement, 0)


def test_heads_differ_even_when_nothing_was_trained(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    seal_and_close(store, agreement, 0)
    seal_and_close(store, agreement, 1)
    assert len({head.head for head in store.registry_heads()}) == 3
    assert [entry.kind for entry in store.entries()] == [1, RESIDUE, RESIDUE]


def test_unfinished_work_is_snapshot_and_continues_under_a_new_tag(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    before = store.tag("run")
    store.add_usage(0, "hall-a", [Usage(0, before, 10_000, None)])
    seal_all(store, agreement, 0)
    with pytest.raises(
        RegistryError, match="checkpoint run has work in this period and is not noted in it; note the checkpoint, or"
    ):
        close_period(store, agreement, 0)
    assert snapshot(store, agreement, 0, "run", "olmo-2/stage1") == "run @period-0"
    close_period(store, agreement, 0)
    after = store.tag("run")
    assert after != before
    store.add_usage(1, "hall-a", [Usage(EPOCHS, after, 7_000, None)])
    note_checkpoint(store, agreement, Draft("run", "CHECKPOINT", ("olmo-2/stage1",), None, EPOCHS, 0, bytes(32)))
    seal_and_close(store, agreement, 1)
    entries = {entry.name: entry for entry in store.entries()}
    assert entries["run @period-0"].kind == 4 and entries["run @period-0"].epoch == EPOCHS - 1
    assert entries["run"].parent1 == before and entries["run"].cumulative == 17 * PEAK + 10**9
    with pytest.raises(RegistryError, match="there is nothing to close"):
        snapshot(store, agreement, 2, "nothing", None)


def test_an_agreement_that_the_meters_did_not_sign_under_is_refused(lab) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    store, agreement = lab
    seal_all(store, agreement, 0)
    with pytest.raises(ClaimsError, match="under another agreement"):
        close_period(store, replace(agreement, name="other"), 0)


def test_a_snapshot_moves_what_was_noted_ahead_to_the_new_tag(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    before = store.tag("run")
    store.add_usage(0, "hall-a", [Usage(0, before, 10_000, None)])
    store.add_usage(1, "hall-a", [Usage(EPOCHS, before, 7_000, None)])
    for name, parent in (("run", "olmo-2/stage1"), ("next", "run")):
        note_checkpoint(store, agreement, Draft(name, "CHECKPOINT", (parent,), None, EPOCHS, 0, bytes(32)))
    snapshot(store, agreement, 0, "run", "olmo-2/stage1")
    seal_and_close(store, agreement, 0)
    seal_and_close(store, agreement, 1)
    entries = {entry.name: entry for entry in store.entries()}
    after = entries["run"].tag
    assert entries["run @period-0"].tag == before and after != before
    assert (entries["run"].parent1, entries["next"].parent1) == (before, after)
    assert entries["next"].cumulative == 17 * PEAK + 10**9


def test_a_snapshot_after_a_later_period_was_signed_is_refused(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    tag = store.tag("run")
    store.add_usage(1, "hall-a", [Usage(EPOCHS, tag, 1_000, None)])
    for period in (0, 1):
        SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal(store, agreement, period)
    store.add_usage(0, "hall-b", [Usage(0, tag, 1_000, None)])
    with pytest.raises(ClaimsError, match="signed readings of"):
        snapshot(store, agreement, 0, "run", root=True)
    assert store.find_tag("run") == tag
