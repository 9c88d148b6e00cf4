"""`standstill inspect`: rounds, draws and plans by command; exit codes; what is said about openings."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
import world
from click.testing import CliRunner, Result

from claims.base.dates import readable
from claims.base.errors import MissingDependency
from claims.cli.main import cli, main

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())
ROUNDS = {item["round"]: item for item in VECTORS["valid"]}
OPENINGS = "openings themselves are made between lab and inspector"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Period 0 ends at 15:00:00 on the day on which round 1000 was due at 15:59:24."""
    text = world.TEXT.replace("2026-01-01T00:00:00Z", "2023-08-23T14:00:00Z").replace('epoch = "1 h"', 'epoch = "10 min"')
    (tmp_path / "a.toml").write_text(text.replace("epochs_per_period = 24", "epochs_per_period = 6"))
    for number, item in ROUNDS.items():
        (tmp_path / f"{number}.json").write_text(json.dumps(item))
    (tmp_path / "replayed.json").write_text(json.dumps(ROUNDS[1000] | {"round": 1001}))
    (tmp_path / "junk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["inspect", *arguments])


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", *arguments])
    return stopped.value.code


DRAW = ("draw", "-a", "a.toml", "--lab", "alpha", "--period", "0", "--margin", "30 min")


def test_draw_prints_meters_epochs_times_and_chip_seconds(folder: Path) -> None:
    given = (*DRAW, "--round", "1000.json", "--count", "4")
    result = json.loads(run(*given, "--json").stdout)
    assert result["round"] == 1000 and result["period_end"] == "2023-08-23T15:00:00Z"
    assert result["randomness"] == ROUNDS[1000]["randomness"] and OPENINGS in result["note"]
    assert [row["draw"] for row in result["draws"]] == [1, 2, 3, 4]
    text = run(*given).stdout
    for row in result["draws"]:
        assert row["begin"] == f"2023-08-23T14:{row['epoch']}0:00Z"
        line = readable(f"{row['draw']}  {row['meter']}  {row['epoch']}  {row['begin']}  {row['end']}  {row['chip_second']}")
        assert line.split() in [printed.split() for printed in text.splitlines()]
    assert OPENINGS in text and "NOT CHECKED" in text and "not the first eligible round (413)" in text


def test_the_list_to_take_along(folder: Path) -> None:
    given = (*DRAW, "--round", "1000.json", "--count", "4")
    drawn = json.loads(run(*given, "--json").stdout)["draws"]
    said = run(*given, "--json", "--list", "list.csv")
    assert json.loads(said.stdout)["draws"] == drawn and "list.csv: written" in said.stderr
    rows = list(csv.DictReader((folder / "list.csv").read_text().splitlines()))
    assert [(int(row["draw"]), row["meter"], int(row["epoch"]), row["begin"], int(row["chip_second"])) for row in rows] == [
        (row["draw"], row["meter"], row["epoch"], row["begin"], row["chip_second"]) for row in drawn
    ]
    assert all(row["what"] == "open" and row["seen_on_site"] == "" and int(row["chips"]) > 0 for row in rows)
    assert run(*given, "--list", "list.html").exit_code == 0
    page = (folder / "list.html").read_text()
    assert page.count("<tr>") == 5 and "seen on site" in page and all(f"<td>{row['meter']}</td>" in page for row in drawn)
    assert "<script" not in page and "http" not in page
    assert run(*given, "--list", "list.txt").exit_code == 2 and not (folder / "list.txt").exists()


def test_a_first_eligible_round_and_a_known_commitment_leave_no_warning(folder: Path) -> None:
    margin = ("--margin", "3563 s")
    text = run(*DRAW[:-2], *margin, "--round", "1000.json", "--count", "1", "--committed-at", "2023-08-23T15:59:23Z").stdout
    assert "NOT CHECKED" not in text and "first eligible" not in text and OPENINGS in text
    printed = run("round", "-a", "a.toml", "--period", "0", *margin).stdout
    assert "1000 of drand quicknet, due 23 Aug 2023, 15:59:24 UTC" in printed and printed.count("/public/1000") == 1


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--round", "replayed.json"), 1, "REJECTED: beacon: the signature is not quicknet's for round 1001"),
        (("--round", "123.json"), 1, "REJECTED: beacon: round 123 was due at"),
        (("--round", "1000.json", "--committed-at", "2023-08-23T15:59:24Z"), 1, "REJECTED: beacon"),
        (("--round", "1000.json", "--margin", "1 d"), 1, "REJECTED: beacon"),
        (("--round", "1000.json", "--lab", "gamma"), 1, "REJECTED: lab"),
        (("--round", "1000.json", "--period", "12"), 1, "REJECTED: period"),
        (("--round", "junk.json"), 2, "round is not"),
        (("--round", "none.json"), 2, "No such file"),
        (("--round", "1000.json", "--committed-at", "noon"), 2, "not a time"),
        (("--round", "1000.json", "--margin", "soon"), 2, "not a duration"),
        (("--round", "1000.json", "--count", "0"), 2, "--count"),
        ((), 2, "--round"),
    ],
)
def test_exit_codes(folder: Path, options: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*DRAW, "--count", "1", *options) == code
    assert words in capsys.readouterr().err


def test_plan(folder: Path) -> None:
    text = run("plan", "--fraction", "1%", "--miss", "1/20").stdout
    assert text.startswith("299 draws: ") and "and 298 with more" in text and "compared with the site" in text
    table = run("plan").stdout
    assert ["1%", "230", "299", "459", "688", "1375"] in [line.split() for line in table.splitlines()]
    assert exit_code("plan", "--fraction", "1%") == 2
    assert exit_code("plan", "--fraction", "1%", "--miss", "often") == 2
    assert exit_code("plan", "--fraction", "1%", "--miss", "1") == 2


def test_plot_is_written_and_the_same_each_time(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        assert f"{name}: written" in run("plan", "--plot", name).stdout
    data = (folder / "one.svg").read_bytes()
    assert b"<svg" in data and data == (folder / "two.svg").read_bytes()
    run("plan", "--plot", "one.png")
    assert (folder / "one.png").read_bytes().startswith(b"\x89PNG")
    assert exit_code("plan", "--plot", "one.pdf") == 2 and not (folder / "one.pdf").exists()


def test_plot_without_matplotlib_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("plan", "--plot", "p.svg")
    assert isinstance(result.exception, MissingDependency) and "pip install matplotlib" in str(result.exception)
    assert not (folder / "p.svg").exists()
