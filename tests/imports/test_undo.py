"""What was imported is known by number, and taken back as long as nothing of it is signed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from desk import HOUR, START, Desk

from claims.lab.store import Store


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, monkeypatch, capsys)
    desk.at(START + 20 * HOUR)
    return desk


def test_an_import_is_listed_undone_and_made_again(desk: Desk) -> None:
    desk.usage("hall-1,3,run,3600", "hall-2,4,run,7200")
    Path("checkpoints.csv").write_text("name,epoch\nrun,9\n")
    desk.run("import", "checkpoints", "checkpoints.csv", *desk.books)
    text = desk.run("import", "list", "-s", "lab.store")
    assert "usage.csv: 2 rows on 2 meters, 3 chip-hours" in text and "1 checkpoint in open" in text
    listed = json.loads(desk.run("import", "list", "-s", "lab.store", "--json"))
    assert [item["kind"] for item in listed["imports"]] == ["readings", "checkpoints"]
    assert "2 rows and 0 checkpoints taken back" in desk.run("import", "undo", 1, "-s", "lab.store")
    with Store.open("lab.store") as store:
        assert store.usage(0, "hall-1") == [] and len(store.drafts(0)) == 1
    desk.usage("hall-1,3,run,3600", "hall-2,4,run,7200")
    assert "0 rows and 1 checkpoint" in desk.run("import", "undo", 2, "-s", "lab.store")
    assert "no import number 2" in desk.run("import", "undo", 2, "-s", "lab.store", code=2)


def test_the_list_is_in_columns(desk: Desk) -> None:
    for seconds in (0, 1):  # a date is longer by its seconds
        desk.at(START + 20 * HOUR + seconds)
        desk.usage(f"hall-1,{3 + seconds},run,3600")
    lines = desk.run("import", "list", "-s", "lab.store").splitlines()
    assert [line.split(" UTC")[0].count(":") for line in lines] == [1, 2]
    assert len({line.index("usage.csv") for line in lines}) == 1


def test_what_is_sealed_stays(desk: Desk) -> None:
    desk.usage("hall-1,3,run,3600")
    desk.run("epoch", "seal", "hall-1", *desk.books, "--keys", "keys", "--unsigned", "--through", 3)
    assert "meter hall-1 has sealed epoch 3 of it" in desk.run("import", "undo", 1, "-s", "lab.store", code=2)
    with Store.open("lab.store") as store:
        for text in ("DELETE FROM usage", "DELETE FROM imports", "UPDATE imports SET label = 'x'"):
            with pytest.raises(sqlite3.IntegrityError):
                store._db.execute(text)


def test_a_parent_goes_after_its_child(desk: Desk) -> None:
    for number, row in enumerate(("one,,3", "two,one,4")):
        Path(f"{number}.csv").write_text(f"name,parents,epoch\n{row}\n")
        desk.run("import", "checkpoints", f"{number}.csv", *desk.books)
    assert "its checkpoint one is the parent of two" in desk.run("import", "undo", 1, "-s", "lab.store", code=2)
    desk.run("import", "undo", 2, "-s", "lab.store")
    desk.run("import", "undo", 1, "-s", "lab.store")


def test_overlapping_rows_are_named_with_file_and_line(desk: Desk) -> None:
    desk.usage("hall-2,1,run,10", "hall-1,3,run,20000")
    Path("usage.csv").rename("march.csv")
    Path("late.csv").write_text("meter,epoch,checkpoint,chip_seconds\nhall-1,2,other,10\n\nhall-1,3,other,10000\n")
    text = desk.run("import", "readings", "late.csv", *desk.books, code=2)
    assert "its chips have 28800: late.csv:4, usage.csv:3;" in text


def test_a_closed_periods_checkpoints_stay(desk: Desk) -> None:
    desk.at(START + 130 * HOUR)
    Path("checkpoints.csv").write_text("name,epoch\nrun,9\n")
    desk.run("import", "checkpoints", "checkpoints.csv", *desk.books)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    assert "the period of its checkpoint run is closed" in desk.run("import", "undo", 1, "-s", "lab.store", code=2)


# ---- snapshots -------------------------------------------------------------------------------------------------

SNAPSHOT = ("lab", "snapshot", "run", "-n", 0, *Desk.books)


def test_a_snapshot_is_undone_and_made_again(desk: Desk) -> None:
    desk.at(START + 130 * HOUR)
    desk.usage("hall-1,3,run,3600", "hall-1,125,run,7200")
    with Store.open("lab.store") as store:
        before, tag = [store.usage(period, "hall-1") for period in (0, 1)], store.find_tag("run")
    for _ in range(2):
        desk.run(*SNAPSHOT, "--root")
        assert "run @period-0 is undone" in desk.run(*SNAPSHOT, "--undo")
        with Store.open("lab.store") as store:
            assert [store.usage(period, "hall-1") for period in (0, 1)] == before
            assert store.find_tag("run") == tag and store.drafts(0) == [] and store.snapshots("run") == []
    assert "no snapshot of run in period 0" in desk.run(*SNAPSHOT, "--undo", code=2)
    desk.run(*SNAPSHOT, "--undo", "--root", code=2)


def test_what_goes_on_from_a_snapshot_is_undone_first(desk: Desk) -> None:
    desk.at(START + 130 * HOUR)
    desk.usage("hall-1,3,run,3600", "hall-1,122,run,7200")
    desk.run(*SNAPSHOT, "--root")
    Path("checkpoints.csv").write_text("name,epoch\nrun,126\n")
    desk.run("import", "checkpoints", "checkpoints.csv", *desk.books)
    assert "run goes on from run @period-0; undo that first" in desk.run(*SNAPSHOT, "--undo", code=2)
    desk.run("import", "undo", 2, "-s", "lab.store")
    desk.run(*SNAPSHOT, "--undo")


def test_a_snapshot_stays_once_later_work_is_sealed_or_its_period_closed(desk: Desk) -> None:
    desk.at(START + 130 * HOUR)
    desk.usage("hall-1,3,run,3600", "hall-1,122,run,7200", "hall-2,3,,1")
    desk.run(*SNAPSHOT, "--root")
    desk.run("epoch", "seal", "hall-1", *desk.books, "--keys", "keys", "--unsigned", "--through", 122)
    assert "signed readings of run after period 0" in desk.run(*SNAPSHOT, "--undo", code=2)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    assert "a closed period stays closed" in desk.run(*SNAPSHOT, "--undo", code=2)
