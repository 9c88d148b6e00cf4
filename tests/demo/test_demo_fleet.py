"""The demonstration of a fleet, small, by the same code: what it says, and what it leaves."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from claims.base.errors import ClaimsError
from claims.cli.main import cli
from claims.demo import act_fleet
from claims.demo.act_fleet import FleetResult, run_fleet
from claims.demo.act_one import DemoFailed

METERS, HOURS = 4, 6


def played(folder: Path) -> tuple[FleetResult, str]:
    stream = io.StringIO()
    result = run_fleet(folder, Console(file=stream, width=80), METERS, HOURS)
    return result, stream.getvalue()


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands without a process for each, and no cluster."""

    def command(play: act_fleet._Play, *arguments: object) -> str:
        monkeypatch.chdir(play.folder)
        monkeypatch.setenv("STANDSTILL_STATE", str(play.folder / "private" / "state"))
        done = CliRunner().invoke(cli, [str(item) for item in arguments])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    monkeypatch.setattr(act_fleet._Play, "_command", command)
    monkeypatch.setattr(act_fleet, "find_spec", lambda name: None)


def test_a_small_fleet_is_proven_and_the_story_fits_80_columns(in_one_process: None, tmp_path: Path) -> None:
    result, said = played(tmp_path / "out")
    assert result.workers == 0 and result.readings >= METERS * HOURS and "PROVEN" in said and "not installed" in said
    assert max(map(len, said.replace(str(tmp_path), "").splitlines())) <= 80
    public = {path.name for path in (tmp_path / "out" / "public" / "claims").iterdir()}
    proofs = {f"fleet-0.{name}.proof" for name in ("north", "south", "registry")}
    assert public == {"fleet-0.claim", "fleet-0.north.roots", "fleet-0.south.roots"} | proofs
    told = json.loads(CliRunner().invoke(cli, ["status", str(tmp_path / "out" / "public"), "--json"]).stdout)
    assert told["holds"] == "yes" and not told["problems"]
    private = tmp_path / "out" / "private"
    assert not private.stat().st_mode & 0o077
    assert not [path for path in private.glob("*.key") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    with pytest.raises(ClaimsError, match="not an empty folder"):
        played(tmp_path / "out")


def test_a_step_that_fails_is_named(tmp_path: Path) -> None:
    play = act_fleet._Play(tmp_path, Console(file=io.StringIO()), METERS, HOURS)
    with pytest.raises(DemoFailed, match=r"standstill show nothing \.\.\. ended with 2: error: nothing"):
        play._command("show", "nothing")


@pytest.mark.slow
def test_a_local_cluster_proves_it(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    result, said = played(tmp_path / "out")
    assert result.workers and f"{result.workers} workers of a local cluster" in said and "not installed" not in said
    assert not (tmp_path / "out" / "private" / "cluster").exists()
