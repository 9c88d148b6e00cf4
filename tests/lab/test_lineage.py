"""Lineage over a period's end: what is known of a beginning is kept, or whoever says otherwise is refused with both named."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_fixtures import EPOCHS, PEAK, make_agreement, make_lab, seal_and_close

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.claim.records import Draft, Genesis, PublishedHead, Usage, fresh_elements
from claims.imports.checkpoints import import_checkpoints
from claims.imports.usage import import_usage
from claims.lab.lineage import note_checkpoint, snapshot, starts_from_nothing, unplaced
from claims.lab.registry import Opening, RegistryError, check_enrolled, entries_of, open_registry
from claims.lab.store import Store
from claims.lab.store_file import StoreError

BASE = Opening("base", 10**9)
LAST = EPOCHS - 1


@pytest.fixture
def lab(tmp_path: Path):  # type: ignore[no-untyped-def]
    store, agreement = make_lab(tmp_path, (BASE, Opening("other", 5)))
    yield store, agreement
    store.close()


def checkpoint(name: str, parents: tuple[str, ...], epoch: int, **more: object) -> Draft:
    values = {"kind": "CHECKPOINT", "branch": None, "declared": 0, "weights": bytes(32)} | more
    return Draft(name=name, parents=parents, epoch=epoch, **values)  # type: ignore[arg-type]


def use(store: Store, epoch: int, name: str, chip_ms: int = 10_000) -> None:
    period = epoch // EPOCHS
    store.add_usage(period, "hall-a", [Usage(epoch, store.tag_in(name, period), chip_ms, None)])


# ---- a snapshot's parent -----------------------------------------------------------------------------------


def test_a_snapshot_takes_the_noted_beginning(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    use(store, 0, "run")
    note_checkpoint(store, agreement, checkpoint("run", ("base",), EPOCHS, branch=True))
    snapshot(store, agreement, 0, "run")
    (closed,), (later,) = store.drafts(0), store.drafts(1)
    assert (closed.parents, closed.branch) == (("base",), True)
    assert (later.parents, later.branch) == (("run @period-0",), False)


@pytest.mark.parametrize("closed", [False, True])
def test_a_checkpoint_noted_after_its_snapshot_continues_it_or_is_refused(lab, closed: bool) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    use(store, 0, "run")
    snapshot(store, agreement, 0, "run", "base")
    if closed:
        seal_and_close(store, agreement, 0)
    for parents in ((), ("other",)):
        with pytest.raises(RegistryError, match=r"parent is given as (no parent|other), and run @period-0 has base"):
            note_checkpoint(store, agreement, checkpoint("run", parents, EPOCHS))
    with pytest.raises(RegistryError, match="no MERGE continues"):
        note_checkpoint(store, agreement, checkpoint("run", ("base", "other"), EPOCHS, kind="MERGE"))
    note_checkpoint(store, agreement, checkpoint("run", ("base",), EPOCHS))
    assert store.drafts(1)[0].parents == ("run @period-0",)


def test_the_snapshot_itself_may_be_named_as_parent(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    use(store, 0, "run")
    snapshot(store, agreement, 0, "run", root=True)
    note_checkpoint(store, agreement, checkpoint("run", ("run @period-0",), EPOCHS))
    assert store.drafts(1)[0].parents == ("run @period-0",)


def test_a_beginning_is_not_invented_and_not_contradicted(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    genesis = Genesis(b"g" * 32, 7)
    use(store, 0, "run")
    with pytest.raises(RegistryError, match="nothing says what it started from.*--root"):
        snapshot(store, agreement, 0, "run")
    with pytest.raises(RegistryError, match="from base, or from nothing"):
        snapshot(store, agreement, 0, "run", "base", root=True)
    note_checkpoint(store, agreement, checkpoint("run", ("base",), EPOCHS, branch=True))
    for said in ({"parent": "other"}, {"root": True}, {"genesis": genesis}):
        with pytest.raises(RegistryError, match=f"and the checkpoint noted for epoch {EPOCHS} has base"):
            snapshot(store, agreement, 0, "run", **said)  # type: ignore[arg-type]
    with pytest.raises(RegistryError, match="branch is given as no"):
        snapshot(store, agreement, 0, "run", branch=False)
    assert store.find_tag("run @period-0") is None
    snapshot(store, agreement, 0, "run", "base", branch=True)


def test_a_genesis_is_kept_and_said_again_alike(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    genesis, other = Genesis(b"g" * 32, 7), Genesis(b"h" * 32, 7)
    use(store, 0, "run")
    note_checkpoint(store, agreement, checkpoint("run", (), EPOCHS, genesis=genesis))
    with pytest.raises(RegistryError, match="its genesis belongs to the checkpoint noted"):
        snapshot(store, agreement, 0, "run", genesis=other)
    snapshot(store, agreement, 0, "run", genesis=genesis)
    use(store, 0, "late")
    snapshot(store, agreement, 0, "late", genesis=genesis)
    with pytest.raises(RegistryError, match="its genesis belongs to late @period-0"):
        note_checkpoint(store, agreement, checkpoint("late", (), EPOCHS, genesis=other))
    note_checkpoint(store, agreement, checkpoint("late", (), EPOCHS, genesis=genesis))
    assert [draft.genesis for draft in store.drafts(0)] == [genesis, genesis]
    assert [draft.parents for draft in store.drafts(1)] == [("run @period-0",), ("late @period-0",)]


def test_snapshots_go_in_order_and_late_usage_finds_its_own(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    use(store, 0, "run")
    use(store, EPOCHS, "run")
    with pytest.raises(RegistryError, match="snapshots go in order"):
        snapshot(store, agreement, 1, "run", "base")
    snapshot(store, agreement, 0, "run", "base")
    use(store, 1, "run")  # of a meter that was slower: it belongs to the period's snapshot
    assert unplaced(store, 0) == [] and unplaced(store, 1) == ["run"]
    snapshot(store, agreement, 1, "run")
    assert store.drafts(1)[0].parents == ("run @period-0",)
    note_checkpoint(store, agreement, checkpoint("run", ("base",), 2 * EPOCHS))
    assert store.drafts(2)[0].parents == ("run @period-1",)
    with pytest.raises(RegistryError, match="is noted, for epoch"):
        use(store, 2 * EPOCHS, "run")
        snapshot(store, agreement, 2, "run")


def test_a_checkpoint_dated_into_a_snapshot_is_refused(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    use(store, 0, "run")
    snapshot(store, agreement, 0, "run", "base")
    with pytest.raises(RegistryError, match=f"closed as unfinished at epoch {LAST}, as run @period-0"):
        note_checkpoint(store, agreement, checkpoint("run", ("base",), 1))


def test_nobody_else_takes_a_snapshot_s_name(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    with pytest.raises(StoreError, match="snapshots have such names"):
        store.tag("run @period-0")
    note_checkpoint(store, agreement, checkpoint("unattributed work", ("base",), 0))
    note_checkpoint(store, agreement, checkpoint("child", ("unattributed work",), EPOCHS))
    seal_and_close(store, agreement, 0)
    seal_and_close(store, agreement, 1)
    assert store.entries()[-1].parent1 == store.find_tag("unattributed work")


# ---- dates ---------------------------------------------------------------------------------------------------


def test_nothing_is_dated_before_its_parent_or_receives_later_work(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    note_checkpoint(store, agreement, checkpoint("a", ("base",), 2))
    with pytest.raises(StoreError, match="b, epoch 1, is dated before its parent a, epoch 2"):
        note_checkpoint(store, agreement, checkpoint("b", ("a",), 1))
    usage = tmp_path / "usage.csv"
    usage.write_text("meter,epoch,checkpoint,chip_seconds\nhall-a,3,a,5\n")
    with pytest.raises(ClaimsError, match="a was saved in epoch 2, and work of epoch 3 is booked to it"):
        import_usage(store, agreement, usage)
    use(store, 3, "c")
    with pytest.raises(RegistryError, match="c was saved in epoch 1, and work of epoch 3"):
        note_checkpoint(store, agreement, checkpoint("c", ("base",), 1))
    with pytest.raises(RegistryError, match="c: a EXTERNAL receives no readings"):
        note_checkpoint(store, agreement, checkpoint("c", (), 3, kind="EXTERNAL", declared=5))
    use(store, 3, "a")  # what no importer lets through, no meter signs and no registry closes
    with pytest.raises(RegistryError, match="a was saved in epoch 2"):
        seal_and_close(store, agreement, 0)


def test_imports_say_what_starts_from_nothing(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    path = tmp_path / "c.csv"
    path.write_text("name,kind,parents,epoch,declared_flop\na,,,0,\nb,,a,1,\nc,EXTERNAL,,1,1e20\n")
    report = import_checkpoints(store, agreement, path)
    assert (report.noted, report.roots) == (3, ["a"])
    assert report.text() == "3 checkpoints noted; of these start from nothing: 1: a"
    assert starts_from_nothing(store, store.tag("a")) and not starts_from_nothing(store, store.tag("base"))


def test_a_store_that_is_not_the_enrolled_one_is_said_at_the_first_command(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    other = make_agreement((1,) * 8)
    path = tmp_path / "x.csv"
    path.write_text("meter,epoch,checkpoint,chip_seconds\n")
    use(store, 0, "run")
    for call in (
        lambda: import_usage(store, other, path),
        lambda: import_checkpoints(store, other, tmp_path / "x.csv"),
        lambda: snapshot(store, other, 0, "run", "base"),
        lambda: seal_and_close(store, other, 0),
    ):
        with pytest.raises(ClaimsError, match=r"opening head is not the one in the agreement|is not known"):
            call()
    late = dataclasses.replace(agreement, labs=(dataclasses.replace(agreement.labs[0], since_period=1),))
    with pytest.raises(RegistryError, match="first claim is for period 0, the agreement's for period 1"):
        check_enrolled(store, late)


# ---- the same history, whole and cut ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    draft: Draft
    work: dict[int, int]  # epoch to chip-seconds
    ahead: bool
    """Noted at the beginning, where its parents are; else in its own period, after what came before was closed."""
    again: bool
    """A snapshot is told the beginning although it is noted."""


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Chains, branches, merges and outside weights over eight epochs."""
    steps: list[Step] = []
    for name in "abcdefg"[: draw(st.integers(1, 7))]:
        earlier = [step.draft for step in steps]
        kinds = ["CHECKPOINT"] * 3 + ["EXTERNAL"] + (["MERGE"] if len(earlier) > 1 else [])
        kind = draw(st.sampled_from(kinds))
        count = {"CHECKPOINT": draw(st.integers(0, 1)), "MERGE": 2, "EXTERNAL": 0}[kind]
        pool = [d.name for d in earlier] + ([] if kind == "MERGE" else ["base"])
        parents = tuple(draw(st.lists(st.sampled_from(pool), min_size=count, max_size=count, unique=True)))
        begin = max((d.epoch for d in earlier if d.name in parents), default=0)
        epoch = draw(st.integers(begin, 7))
        branch = draw(st.booleans()) if kind == "CHECKPOINT" and parents else None
        work = draw(st.dictionaries(st.integers(begin, epoch), st.integers(1, 60))) if kind == "CHECKPOINT" else {}
        declared = draw(st.integers(0, 1000)) if kind == "EXTERNAL" else 0
        ahead = draw(st.booleans()) and all(step.ahead for step in steps if step.draft.name in parents)
        steps.append(Step(Draft(name, kind, parents, branch, epoch, declared, bytes(32)), work, ahead, draw(st.booleans())))
    return steps


def lived(folder: Path, steps: list[Step], epochs: int) -> dict[str, int]:
    """Cumulative work by name after periods of ``epochs`` epochs; registries close as ever, under heads that nobody reads."""
    store = Store.create(folder / f"{epochs}.store", "alpha")
    terms = make_agreement(open_registry(store, [BASE]))
    agreement = dataclasses.replace(terms, epochs_per_period=epochs, periods=8 // epochs)
    with store:
        return _lived(store, agreement, steps)


def _lived(store: Store, agreement: Agreement, steps: list[Step]) -> dict[str, int]:
    for step in steps:
        if step.ahead:
            note_checkpoint(store, agreement, step.draft)
    known = {step.draft.name: step for step in steps}
    for period in range(agreement.periods):
        first, last = agreement.period_epochs(period)
        work: dict[int, int] = {}
        for step in steps:
            for epoch, seconds in step.work.items():
                if first <= epoch <= last:
                    tag = store.tag_in(step.draft.name, period)
                    store.add_usage(period, "hall-a", [Usage(epoch, tag, seconds * 1000, None)])
                    work[tag] = work.get(tag, 0) + seconds * PEAK
        for step in steps:
            if not step.ahead and first <= step.draft.epoch <= last:
                note_checkpoint(store, agreement, step.draft)
        for name in unplaced(store, period):
            step, told = known[name], not known[name].ahead and not store.snapshots(name)
            if told or step.again:
                parent = next(iter(step.draft.parents), None)
                snapshot(store, agreement, period, name, parent, root=parent is None, branch=step.draft.branch)
            else:
                snapshot(store, agreement, period, name)
        new = entries_of(store, agreement, period, store.entries(), work)
        store.close_registry(new, PublishedHead(period, fresh_elements(), len(store.entries()) + len(new), fresh_elements()))
    return {entry.name: entry.cumulative for entry in store.entries() if entry.name in known}


@settings(max_examples=60, deadline=None)
@given(histories())
def test_a_history_cut_by_period_ends_has_the_cumulative_work_of_the_whole(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = lived(Path(folder), steps, 8)
        assert set(whole) == {step.draft.name for step in steps}
        for epochs in (4, 2, 1):
            assert lived(Path(folder), steps, epochs) == whole


# ---- by commands -------------------------------------------------------------------------------------------------

AGREEMENT = """format = "standstill-agreement/3"
name = "op"
start = 2026-01-01T00:00:00Z
epoch = "1 h"
period = "30 d"
periods = 12
[rules]
charge = "peak"
residue = "charge-every-lineage"
[[party]]
name = "lab-a"
key = "{key}"
[[chip]]
name = "h100"
peak = "1.979e15 FLOP/s"
note = "data sheet"
[[lab]]
name = "lab-a"
log_rows = 16
{opening}
[lab.caps]
total = "1e26 FLOP"
unattributed = "1e26 FLOP"
lineage = "3e24 FLOP"
{meter}"""


@pytest.mark.parametrize("late", [False, True])
def test_the_parent_of_unfinished_work_is_never_dropped(tmp_path: Path, late: bool) -> None:
    """shared case snapshot-parent: 3.0001139904e24 and 3.0004559616e24 FLOP, which were 1.139904e20 and 4.559616e20."""
    key = run(tmp_path, "keygen", "lab.key", "--no-passphrase").strip()
    opening = run(tmp_path, "lab", "init", "lab-a", "-s", "lab.store", "--opening", "base=3e24 FLOP").strip()
    new = ("meter", "init", "hall-1", "--lab", "lab-a", "--chip", "h100", "--chips", 8, "-k", "hall-1.key", "--no-passphrase")
    (tmp_path / "agreement.toml").write_text(AGREEMENT.format(key=key, opening=opening, meter=run(tmp_path, *new)))
    (tmp_path / "checkpoints.csv").write_text("name,kind,parents,time\nrun/next,checkpoint,base,2026-01-31T06:00:00Z\n")
    (tmp_path / "usage.csv").write_text(
        "meter,start,stop,checkpoint,chips\nhall-1,2026-01-30T22:00:00Z,2026-01-31T06:00:00Z,run/next,8\n"
    )
    common = ("-s", "lab.store", "-a", "agreement.toml")
    run(tmp_path, "import", "readings", "usage.csv", *common)
    if late:
        assert "nothing says" in run(tmp_path, "lab", "snapshot", "run/next", *common, "-n", 0, code=2)
        run(tmp_path, "lab", "snapshot", "run/next", *common, "-n", 0, "--parent", "base")
        (tmp_path / "other.csv").write_text("name,kind,parents,time\nrun/next,checkpoint,,2026-01-31T06:00:00Z\n")
        assert "run/next @period-0 has base" in run(tmp_path, "import", "checkpoints", "other.csv", *common, code=2)
    text = run(tmp_path, "import", "checkpoints", "checkpoints.csv", *common)
    assert "start from nothing: 0" in text
    if not late:
        assert "closed as run/next @period-0, from base" in run(tmp_path, "lab", "snapshot", "run/next", *common, "-n", 0)
    with Store.open(tmp_path / "lab.store") as store:
        agreement = store_agreement(tmp_path)
        work = {store.tag("run/next @period-0"): 113_990_400, store.tag("run/next"): 341_971_200}
        first = entries_of(store, agreement, 0, store.entries(), {tag: work[tag] for tag in list(work)[:1]})
        second = entries_of(store, agreement, 1, store.entries() + first, {tag: work[tag] for tag in list(work)[1:]})
    assert first[-1].cumulative == 3 * 10**12 + 113_990_400 and second[-1].cumulative == 3 * 10**12 + 455_961_600


def store_agreement(folder: Path) -> Agreement:
    from claims.agreement.file import load_agreement

    return load_agreement(folder / "agreement.toml")
