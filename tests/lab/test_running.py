"""``lab status`` while a period runs, and what will fail said at the first command."""

from __future__ import annotations

import dataclasses
import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from commands import run
from lab_fixtures import EPOCHS, METER_KEYS, PEAK, make_agreement, make_lab, seal_and_close, with_caps, with_sites

from claims.agreement.model import Agreement
from claims.claim.records import Draft, Usage
from claims.cli.lab_status import _text
from claims.imports.checkpoints import import_checkpoints
from claims.imports.rows import ImportRefused
from claims.imports.usage import import_usage, not_noted
from claims.lab.lineage import note_checkpoint, snapshot
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import Opening, open_registry
from claims.lab.running import TableTooSmall, _counted, _ledgers, running
from claims.lab.store import Store
from claims.lab.witness import WitnessRefused, assemble, period_figures
from tests.lab.test_lineage import AGREEMENT

NOTHING_DONE = {"meters_to_close": [], "sealed_through": {}, "published_through": None}


def one_lab(folder: Path, *, meters: int = 1, **changes: str) -> tuple[str, ...]:
    """A lab by commands under AGREEMENT of test_lineage with other texts in it; the options that name store and agreement."""
    key = run(folder, "keygen", "lab.key", "--no-passphrase").strip()
    opening = run(folder, "lab", "init", "lab-a", "-s", "lab.store").strip()
    tables = [
        run(folder, "meter", "init", f"m{i}", "--lab", "lab-a", "--chip", "h100", "--chips", 8, "-k", f"m{i}.key", "--no-passphrase")
        for i in range(meters)
    ]
    text = AGREEMENT.format(key=key, opening=opening, meter="\n".join(tables))
    for old, new in changes.items():
        assert f'{old} = "' in text
        text = "\n".join(f'{old} = "{new}"' if line.startswith(f"{old} = ") else line for line in text.splitlines())
    (folder / "agreement.toml").write_text(text)
    return ("-s", "lab.store", "-a", "agreement.toml")


def test_status_of_an_open_period_has_figures_and_says_what_is_over(tmp_path: Path) -> None:
    """shared case lab-status-before-close: total and unattributed 5.69952e20 of 1e20 and 1e19, before anything is closed."""
    common = one_lab(tmp_path, total="1e20 FLOP", unattributed="1e19 FLOP")
    assert "0 FLOP of" in run(tmp_path, "lab", "status", *common)
    (tmp_path / "u.csv").write_text(
        "meter,start,stop,checkpoint,chips\nm0,2026-01-05T02:00:00Z,2026-01-05T12:00:00Z,unattributed,8\n"
    )
    run(tmp_path, "import", "readings", "u.csv", *common)
    text = run(tmp_path, "lab", "status", *common, code=1)
    assert "total              5.69952e20 FLOP of 1e20 FLOP  570.0 %  EXCEEDED" in text
    assert "EXCEEDED: unattributed cap exceeded: 5.69952e20 FLOP > 1e19 FLOP" in text
    table = json.loads(run(tmp_path, "lab", "status", *common, "-n", 0, "--json", code=1))
    assert table["total"] == {"flop": 569952 * 10**15, "cap_flop": 10**20, "percent": 570.0, "exceeded": True}
    assert (table["closed"], table["meters_to_close"], table["over"]) == (False, ["m0"], True)
    assert table["rows"]["needed"] == 720 + 3 + 5 + 4


def test_a_table_too_small_is_said_at_import(tmp_path: Path) -> None:
    """shared case table-too-small: 80672 rows, 65536 in the table; one checkpoint's 5 rows come with its file."""
    common = one_lab(tmp_path, meters=6, epoch="1 min", period="7 d")
    (tmp_path / "u.csv").write_text(
        "meter,start,stop,checkpoint,chips\nm0,2026-01-01T00:00:00Z,2026-01-08T00:00:00Z,unattributed,4\n"
        "m0,2026-01-01T00:00:00Z,2026-01-08T00:00:00Z,run/x,2\n"
    )
    text = run(tmp_path, "import", "readings", "u.csv", *common, code=1)
    assert "period 0 would need 80672 rows, the agreement's table has 65536" in text
    assert "table rows         60507 of 65536, 5029 left" in run(tmp_path, "lab", "status", *common)
    assert "5.69952e17" not in run(tmp_path, "lab", "status", *common), "nothing was imported"


@pytest.fixture
def lab(tmp_path: Path):  # type: ignore[no-untyped-def]
    store, agreement = make_lab(tmp_path, (Opening("base", 10**9),))
    yield store, agreement
    store.close()


def usage(folder: Path, rows: str) -> Path:
    path = folder / f"{abs(hash(rows))}.csv"
    path.write_text("meter,epoch,checkpoint,chip_seconds\n" + rows)
    return path


def test_figures_before_and_after_the_end_are_the_same(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    import_usage(store, agreement, usage(tmp_path, "hall-a,0,run,10.5\nhall-b,1,run,3\nhall-a,2,,7\nhall-a,4,run,20\nhall-b,5,new,1\n"))
    note_checkpoint(store, agreement, Draft("run", "CHECKPOINT", ("base",), None, 2 * EPOCHS, 0, bytes(32)))
    SoftwareMeter("hall-a", METER_KEYS["hall-a"]).seal_epoch(store, agreement, 0)
    before = [running(store, agreement, period) for period in (0, 1)]
    assert store.drafts(0) == [] and store.find_tag("run @period-0") is None, "a look changes nothing"
    assert [item.origin for item in before[0].lineages] == ["base"]
    assert {item.name: item.origin for item in before[1].lineages} == {"run @period-1": "run @period-0", "new @period-1": "?"}
    assert (before[0].total, before[0].unattributed) == (21 * PEAK, 7 * PEAK)
    for period in (0, 1):
        snapshot(store, agreement, period, "run")
        if period:
            snapshot(store, agreement, period, "new", root=True)
        seal_and_close(store, agreement, period)
        after, closed = running(store, agreement, period), period_figures(store, period)
        assert (before[period].total, before[period].residue) == (closed.total, closed.residue)
        assert before[period].lineages[0].charged == after.lineages[0].charged
        assert after.lineages[0].charged == closed.largest_lineage + closed.residue
        assert before[period].rows.needed == after.rows.needed


def test_near_a_cap_is_named(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    import_usage(store, agreement, usage(tmp_path, "hall-a,0,run,10\n"))
    note_checkpoint(store, agreement, Draft("run", "CHECKPOINT", (), None, 1, 0, bytes(32)))
    for cap, words in ((12 * PEAK, "83.3 %  WARNING: near the cap"), (10 * PEAK, "100.0 %  WARNING"), (10 * PEAK - 1, "EXCEEDED")):
        figures = running(store, with_caps(agreement, lineage=cap), 0)
        text = "\n".join(_text("alpha", figures, NOTHING_DONE))
        assert words in text and "near or over     run: " in text and figures.over is (cap < 10 * PEAK)
    assert "near" not in "\n".join(_text("alpha", running(store, with_caps(agreement, lineage=13 * PEAK), 0), NOTHING_DONE))


def test_a_cap_that_is_exceeded_ends_prove_with_1(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    import_usage(store, agreement, usage(tmp_path, "hall-a,0,,10\n"))
    seal_and_close(store, agreement, 0)
    with pytest.raises(WitnessRefused) as refusal:
        assemble(store, with_caps_kept(store, agreement), 0)
    assert refusal.value.exit_code == 1


def with_caps_kept(store: Store, agreement: Agreement) -> Agreement:
    """The agreement with a total cap of 1 unit and the digest that the meters signed."""
    other = with_caps(agreement, total=1)
    object.__setattr__(other, "digest", agreement.digest)
    return other


def test_a_row_that_stands_twice_is_said_to_be_one(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    report = import_usage(store, agreement, usage(tmp_path, "hall-a,0,run,100\nhall-a,1,run,100\nhall-a, 0,run,100\n"))
    assert report.repeats == [(2, 4)] and not_noted(store, [0]) == ["run"]
    with pytest.raises(ImportRefused, match=r":4: this row is that of line 2 again, and meter hall-a: epoch 3 would hold"):
        import_usage(store, agreement, usage(tmp_path, "hall-a,3,run,300\nhall-b,3,run,1\nhall-a,3,run,300\n"))


def test_what_no_claim_will_take_is_not_imported(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    path = tmp_path / "far.csv"
    path.write_text("meter,start,stop,checkpoint,chips\nhall-a,2062-01-01T00:00:00Z,2062-01-01T00:01:00Z,run,8\n")
    with pytest.raises(ImportRefused, match="every row lies outside"):
        import_usage(store, agreement, path, skip_outside=True)
    many = "".join(f"hall-a,0,run-{i},1\n" for i in range(64))
    with pytest.raises(TableTooSmall, match="epoch 0 would have more readings than the 64"):
        import_usage(store, agreement, usage(tmp_path, many))
    assert store.usage(0, "hall-a") == []
    metered = make_agreement(agreement.labs[0].opening_head, charge_peak=False)
    with pytest.raises(ImportRefused, match="the row has no work"):
        import_usage(store, metered, usage(tmp_path, "hall-a,0,run,1\n"))


def test_many_checkpoints_fill_the_table_too(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    path = tmp_path / "c.csv"
    path.write_text("name,parents,epoch\n" + "".join(f"c{i},base,0\n" for i in range(13_200)))
    with pytest.raises(TableTooSmall, match="the agreement's table has 65536"):
        import_checkpoints(store, agreement, path)
    assert store.drafts(0) == []


def test_a_period_before_the_first_claim_takes_no_usage(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "late.store", "alpha")
    terms = make_agreement(open_registry(store, (), 1))
    agreement = dataclasses.replace(terms, labs=(dataclasses.replace(terms.labs[0], since_period=1),))
    with store, pytest.raises(ImportRefused, match="work of period 0, and lab alpha claims from period 1 on"):
        import_usage(store, agreement, usage(tmp_path, "hall-a,0,run,1\n"))


def test_a_closed_period_is_counted_apart(lab) -> None:  # type: ignore[no-untyped-def]
    store, agreement = lab
    seal_and_close(store, agreement, 0)
    store.add_usage(1, "hall-a", [Usage(EPOCHS, 2, 1000, None)])
    assert running(store, agreement, 1).unattributed == PEAK and running(store, agreement, 0).total == 0


@pytest.mark.parametrize("seed", range(6))
def test_readings_are_counted_as_they_will_be_made(lab, seed: int) -> None:  # type: ignore[no-untyped-def]
    """Twin: every meter's period covered. Full and half-full epochs, fractions of seconds, several rows of a tag, sealed epochs."""
    store, agreement = lab
    rng = random.Random(seed)
    first, last = agreement.period_epochs(0)
    tags = [2, *(store.tag(f"run-{number}") for number in range(3))]
    for name in METER_KEYS:
        room = agreement.coverage(agreement.lab("alpha").meter(name)) * 1000
        for epoch in rng.sample(range(first, last + 1), rng.randrange(last + 2 - first)):
            cuts = sorted(rng.randrange(room + 1) for _ in range(rng.randrange(4)))
            ends = [0, *cuts, room] if rng.random() < 0.5 else [0, *cuts]
            parts = [b - a for a, b in pairwise(ends)]
            store.add_usage(0, name, [Usage(epoch, rng.choice(tags), part, None) for part in parts])
        for epoch in range(first, first + rng.randrange(3)):
            SoftwareMeter(name, METER_KEYS[name]).seal_epoch(store, agreement, epoch)
    each = last + 1 - first
    made = [ledger.readings + each - ledger.epochs for ledger in _ledgers(store, agreement, 0)]
    assert [ledger.readings for ledger in _counted(store, agreement, 0)] == made
    assert [set(ledger.work) - {1} for ledger in _ledgers(store, with_sites(agreement), 0)] == [
        set(ledger.work) - {1} for ledger in _counted(store, with_sites(agreement), 0)
    ]
