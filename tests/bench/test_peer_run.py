"""The comparison's driver and report, with peers made here: skipped, wrong, slow and unsound ones, ratios, and the command to the end."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.machine import ROOT
from bench.peers import report, run
from bench.peers.model import NotRun, Peer, Plan, Properties, Step, nonce, write_instance

QUICK = run.Limits(20, 20)
PROVE = "import sys; open('proof', 'w').write('x' * int(sys.argv[1]))"


def python(code: str, *arguments: str) -> Step:
    return Step((sys.executable, "-I", "-S", "-c", code, *arguments))


def verdict(accepted: bool, seconds: float = 0.25, **more: float) -> Step:
    return python(f"print({json.dumps(json.dumps({'accepted': accepted, 'seconds': seconds, **more}))})")


def fake(name: str, seconds: float = 1.0, length: int = 100, **changes: object) -> Peer:
    """A peer whose proof has a length and says that it took these seconds. Changes: of the plan's fields, or `unavailable`."""
    prove = python(f"{PROVE}; print('{json.dumps({'seconds': seconds})}')", str(length))
    missing = changes.pop("unavailable", None)
    more = changes.pop("properties", {})

    def plan(job: object) -> Plan:
        folder = job.folder  # type: ignore[attr-defined]
        wrong = {"byte": verdict(False), "most": Step((sys.executable, "-c", "raise SystemExit(1)"))}
        made = Plan(None, None, prove, verdict(True), wrong, folder / "proof")
        return replace(made, **changes)  # type: ignore[arg-type]

    properties = replace(Properties(True, "none", True, 100.0, "a word"), **more)  # type: ignore[arg-type]
    return Peer(name, f"The {name}", {"package": "1"}, "system", "hash", properties, (), lambda home: missing, plan)  # type: ignore[arg-type, return-value]


def results(
    peers: list[Peer], scratch: Path, sizes: tuple[int, ...] = (4,), reps: int = 1, limits: run.Limits = QUICK
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = run.run(peers, scratch, sizes, reps, limits)["results"]
    return found


def test_the_catalogue_begins_with_standstill_and_names_are_unique() -> None:
    names = [peer.name for peer in run.catalogue()]
    assert names[0] == report.OWN and len(set(names)) == len(names)
    assert {"snarkjs", "rapidsnark", "groth16py", "o1js", "barretenberg", "plonky3-hiding-std", "plonky3-plain-stock"} <= set(names)


def test_everyone_rejects_another_byte_another_t_and_another_end(tmp_path: Path) -> None:
    from bench.peers.model import Job

    for peer in run.catalogue():
        tampered = peer.plan(Job(64, tmp_path, tmp_path, tmp_path / "instance.json")).tampered
        assert {"byte", "most", "end"} <= set(tampered), peer.name


def test_no_path_of_this_machine_is_in_a_report(tmp_path: Path) -> None:
    bad = fake("bad", prove=python(f"raise SystemExit('{tmp_path}/x and {ROOT}/y')"))
    (record,) = results([bad], tmp_path)
    assert str(record["reason"]).endswith("SCRATCH/x and ROOT/y")
    for peer in run.catalogue():
        command = json.dumps(run.describe(peer))
        assert str(ROOT) not in command and sys.executable not in command, peer.name


def test_an_honest_peer_is_measured(tmp_path: Path) -> None:
    (record,) = results([fake("good", 2.0)], tmp_path, reps=3)
    assert record["status"] == "run" and record["proof_bytes"] == 100
    assert record["tampered"] == {"byte": "rejected", "most": "rejected"}
    prove = record["prove"]
    assert isinstance(prove, dict) and prove["seconds"] == 2.0 and len(prove["samples"]) == 3
    assert prove["wall"] > 0 and prove["cpu"] > 0 and prove["rss_mb"] > 1
    assert record["readings_per_second"] == 2.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unavailable": "it is not installed"}, "not installed"),
        ({"prove": python("raise SystemExit(3)")}, "exit code 3"),
        ({"prove": python("pass")}, "left no proof"),
        ({"prove": Step(("no-such-program",))}, "127"),
        ({"setup": python("raise ValueError('broken')")}, "broken"),
        ({"witness": python("raise SystemExit(1)")}, "witness failed"),
        ({"verify": python("raise SystemExit(2)")}, "verify failed"),
        ({"tampered": {"byte": python("raise SystemExit(2)")}}, "byte failed"),
        ({"tampered": {"byte": python("open('/no/such/file')")}}, "byte failed"),
    ],
)
def test_a_peer_that_does_not_work_is_skipped_and_the_run_goes_on(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    bad, good = results([fake("bad", **changes), fake("good")], tmp_path)  # type: ignore[arg-type]
    assert bad["status"] == "not run" and words in str(bad["reason"])
    assert good["status"] == "run"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tampered": {"byte": verdict(False), "most": verdict(True)}}, "ACCEPTED: most"),
        ({"tampered": {"end": python("pass")}}, "ACCEPTED: end"),
        ({"verify": verdict(False)}, "own proof was rejected"),
        ({"verify": python("raise SystemExit(1)")}, "own proof was rejected"),
    ],
)
def test_a_wrong_verifier_is_unsound_and_has_no_figures(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    (record,) = results([fake("bad", **changes)], tmp_path)  # type: ignore[arg-type]
    assert record["status"] == "unsound" and words in str(record["reason"])
    (flat,) = report.figures({"results": [record]})
    assert str(flat["trouble"]).startswith("UNSOUND") and "prove_seconds" not in flat


def test_one_that_takes_too_long_is_not_tried_at_larger_sizes(tmp_path: Path) -> None:
    slow = fake("slow", prove=replace(python("import time; time.sleep(600)"), timeout=0.3))
    records = results([slow, fake("good")], tmp_path, (4, 8), limits=run.Limits(600, 600))
    assert [r["status"] for r in records] == ["not run", "run"] * 2
    assert "over 0.3 s" in str(records[0]["reason"]) and "S(4) already was too much" in str(records[2]["reason"])


def test_one_that_refuses_a_size_is_asked_again(tmp_path: Path) -> None:
    peer = fake("picky")

    def plan(job: object) -> Plan:
        if job.size == 4:  # type: ignore[attr-defined]
            raise NotRun("four is unlucky")
        return peer.plan(job)  # type: ignore[arg-type]

    first, second = results([replace(peer, plan=plan)], tmp_path, (4, 8))
    assert (first["status"], first["reason"]) == ("not run", "four is unlucky") and second["status"] == "run"


def test_a_slow_proof_is_measured_once(tmp_path: Path) -> None:
    (record,) = results([fake("slow")], tmp_path, reps=3, limits=run.Limits(20, 20, once=0.5))
    assert isinstance(record["prove"], dict) and len(record["prove"]["samples"]) == 1


def test_repetitions_are_interleaved_and_begin_with_another_peer_each(tmp_path: Path) -> None:
    said: list[str] = []
    run.run([fake("a"), fake("b")], tmp_path, (4,), 2, QUICK, say=said.append)
    assert [line.split(" ", 1)[1] for line in said] == [
        "a: warm-up", "b: warm-up", "b: repetition 1", "a: repetition 1", "a: repetition 2", "b: repetition 2",
    ]  # fmt: skip


def test_what_was_installed_from_other_sources_is_not_run(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "program").write_text("one")
    peer = replace(fake("built"), install=("sh", "-c", "echo {home} > place"), sources=sources)
    scratch = tmp_path / "scratch"
    assert "run with --install" in (run.unavailable(peer, scratch) or "")
    assert run.install(peer, scratch) is None and run.unavailable(peer, scratch) is None
    assert (peer.home_in(scratch) / "place").read_text().strip() == str(peer.home_in(scratch))
    (sources / "program").write_text("two")
    assert "other sources" in (run.unavailable(peer, scratch) or "")


@pytest.mark.parametrize("command", [("sh", "-c", "echo no network >&2; exit 7"), ("no-such-installer",)])
def test_an_installation_that_fails_gives_its_reason(command: tuple[str, ...], tmp_path: Path) -> None:
    reason = run.install(replace(fake("broken"), install=command), tmp_path)
    assert reason is not None and ("no network" in reason or "no-such-installer" in reason)


def flat(peer: str, prove: float, size: int = 1000, proof: int = 1000, bits: float = 100.0) -> dict[str, object]:
    """A record of `run.run`, by hand."""
    step = {"wall": prove + 1, "cpu": prove, "rss_mb": 50.0, "seconds": prove, "samples": [{}]}
    return {
        "peer": peer, "size": size, "status": "run", "prove": step, "verify": {**step, "seconds": 0.1}, "proof_bytes": proof,
        "readings_per_second": size / prove, "security_bits": bits, "list_bits": None, "tampered": {"byte": "rejected"},
    }  # fmt: skip


def test_ratios_are_readings_per_second_over_ours_at_the_same_size() -> None:
    raw = [flat("standstill", 2.0), flat("other", 8.0), flat("other", 1.0, size=500)]
    ours, other, alone = report.figures({"results": raw})
    assert ours["of_ours"] == 1.0 and other["of_ours"] == 0.25 and alone["of_ours"] is None
    assert other["prove_seconds"] == 8.0 and other["prove_wall"] == 9.0 and other["setup_seconds"] is None


def test_a_run_adds_to_an_earlier_file_and_says_which_is_which() -> None:
    def result(commit: str, *records: dict[str, object]) -> dict[str, object]:
        return {"machine": commit, "commit": commit, "reps": 1, "peers": {r["peer"]: {} for r in records}, "results": list(records)}

    first = result("a", flat("x", 1.0), flat("y", 2.0), flat("y", 2.0, size=10))
    gone = {"peer": "y", "size": 10, "status": "not run", "reason": "too slow"}
    second = run.join(result("b", flat("x", 3.0), gone), first)
    third = run.join(result("c", flat("z", 4.0)), second)
    assert [run["commit"] for run in third["runs"]] == ["c", "b", "a"]
    told = {(r["peer"], r["size"]): (third["runs"][r["run"]]["commit"], r["status"]) for r in third["results"]}
    assert told == {("z", 1000): ("c", "run"), ("x", 1000): ("b", "run"), ("y", 1000): ("a", "run"), ("y", 10): ("a", "run")}
    assert set(third["peers"]) == {"x", "y", "z"}


def test_where_others_are_ahead_is_told_with_the_furthest_and_the_furthest_alike() -> None:
    weak, alike = fake("weak", properties={"security_bits": 60.0}), fake("alike")
    groth = fake("groth", properties={"trusted_setup": "per circuit", "post_quantum": False})
    peers = [replace(fake("own"), name=report.OWN), groth, weak, alike]
    raw = [flat(report.OWN, 2.0), flat("groth", 4.0, proof=125), flat("weak", 0.5, bits=60.0), flat("alike", 1.0)]
    size, faster = report.ahead(report.figures({"results": raw}), 1000, peers)
    assert size == "smaller proofs: 1 of 3; ours 1,000 bytes; furthest The groth (125 bytes, 8 times); none of those that give the same"
    assert faster.startswith("faster to prove: 2 of 3; ours 2 s; furthest The weak (0.5 s, 4 times)")
    assert faster.endswith("of those that give the same The alike (1 s, 2 times)")


def test_nobody_ahead_is_no_line_and_without_ours_there_is_nothing_to_compare() -> None:
    peers = [replace(fake("own"), name=report.OWN), fake("b")]
    assert report.ahead(report.figures({"results": [flat(report.OWN, 1.0), flat("b", 2.0)]}), 1000, peers) == []
    assert report.ahead(report.figures({"results": [flat("b", 2.0)]}), 1000, peers) == []


def test_the_command_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    own = replace(fake("own", 1.0, 1000), name=report.OWN)
    peers = (own, fake("small", 4.0, 10, setup=python("pass"), witness=python("pass")), fake("gone", unavailable="it is not installed"))
    monkeypatch.setattr(run, "catalogue", lambda: peers)
    out = tmp_path / "out"
    arguments = ["peers", "--scratch", str(tmp_path / "scratch"), "--sizes", "4,8", "--repeat", "1", "--install", "--out", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "smaller proofs: 1 of 1" in result.output and "The gone: not in the table: it is not installed" in result.output
    record = json.loads((out / "peers.json").read_text())
    assert {"machine", "commit", "peers", "results", "figures"} <= set(record) and len(record["results"]) == 6
    small = next(f for f in record["figures"] if f["peer"] == "small" and f["size"] == 8)
    witness = small["witness_seconds"]
    assert small["of_ours"] == pytest.approx(1 / (4 + witness)) and small["setup_seconds"] > 0
    text = (out / "peers.md").read_text()
    assert "## 8 readings" in text and "| The small |" in text and "package 1" in text
    for name in ("time", "memory", "size"):
        assert (out / f"peers-{name}.png").read_bytes().startswith(b"\x89PNG") and b"<svg" in (out / f"peers-{name}.svg").read_bytes()


def test_an_unsound_peer_fails_the_command_after_the_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(run, "catalogue", lambda: (fake("good"), fake("bad", tampered={"byte": verdict(True)})))
    arguments = ["peers", "--scratch", str(tmp_path), "--sizes", "4", "--repeat", "1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "UNSOUND" in result.output
    assert json.loads((tmp_path / "out" / "peers.json").read_text())["results"][1]["status"] == "unsound"


REFUSED = [["--sizes", "4,x"], ["--sizes", "0"], ["--sizes", ""], ["--sizes", "4194304"], ["--peers", "nobody"]]


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_cannot_be_run_is_refused(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["peers", "--scratch", str(tmp_path / "s"), *arguments])
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "s").exists()


def test_the_instance_is_the_same_for_all_and_within_its_bounds(tmp_path: Path) -> None:
    for name in "ab":
        write_instance(tmp_path / name, 50, seed=3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    record = json.loads((tmp_path / "a").read_text())
    assert len(record["values"]) == len(record["nonces"]) == record["readings"] == 50
    assert all(0 <= value < 1 << 48 for value in record["values"])
    assert 0 <= int(record["most"]) - sum(record["values"]) < 1 << 32
    assert nonce([1, 2, 0, 1]) == 1 + (2 << 31) + (1 << 93)
