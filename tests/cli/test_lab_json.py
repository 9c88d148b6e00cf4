"""--json of a lab's own commands, and what `show` says of the files that only a lab has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from desk import DAY, HOUR, START, Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def value(text: str) -> dict[str, Any]:
    """The value on standard output, which comes first; what stands on standard error follows."""
    found, _ = json.JSONDecoder().raw_decode(text)
    assert isinstance(found, dict)
    return found


def test_a_period_by_a_script(desk: Desk) -> None:
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key")
    desk.at(START + 2 * HOUR)
    for name in ("hall-1", "hall-2"):
        sealed = value(desk.run("epoch", "seal", name, *desk.books, "-k", f"keys/{name}.key", "--json"))
        assert sealed == {"lab": "lab", "meter": name, "sealed": [0, 1], "through": 1}
    publish = ("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries", "--json")
    assert value(desk.run(*publish))["entries"] == [f"entries/lab-epoch-{epoch}.entry" for epoch in (0, 1)]
    assert value(desk.run(*publish)) == {"lab": "lab", "through": 1, "entries": []}
    desk.at(START + 5 * DAY)
    desk.usage("hall-1,50,,100", "hall-2,100,,100")
    state = value(desk.run("lab", "status", *desk.books, "--json"))
    assert (state["sealed_through"], state["published_through"]) == ({"hall-1": 1, "hall-2": 1}, 1)
    assert "sealed through     epoch 1 (2 meters, hall-1 the first)" in desk.run("lab", "status", *desk.books)
    closed = value(desk.run("meter", "close", "--all", *desk.books, "-n", 0, "--keys", "keys", "--yes", "--json"))
    assert sorted(closed["heads"]) == ["hall-1", "hall-2"] and closed["signed_before"] == []
    head = value(desk.run("lab", "close", *desk.books, "-n", 0, "--json"))
    assert len(head["head"]) == 64
    error = value(desk.run("lab", "close", *desk.books, "-n", 0, "--json", code=2))
    assert error["format"] == "standstill-error/1" and error["what"] == "period 0 is closed already"
    rebuilt = value(desk.run("journal", "rebuild", "-a", "agreement.toml", "-s", "lab.store", "--json"))
    assert rebuilt["compared_with_log"] is False and [item["of"] for item in rebuilt["journals"]][0] == "lab lab"


def test_the_files_that_a_lab_has(desk: Desk) -> None:
    desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key", "--state", "state")
    desk.at(START + HOUR)
    desk.run("epoch", "seal", "hall-1", *desk.books, "-k", "keys/hall-1.key", "--state", "state")
    desk.run("lab", "backup", "b", "-s", "lab.store")
    for name in ("lab.store", "b"):
        shown = value(desk.run("show", name, "--json"))
        assert "private store" in shown["kind"] and shown["lines"][0] == "store of lab lab"
    shown = [desk.run("show", path) for path in sorted(Path("state").glob("*.journal"))]
    assert any("epoch-root lab hall-1, 1, the last 0" in text for text in shown)
    assert all("a key's journal" in text and "key         " in text for text in shown)
    Path("b").write_bytes(Path("b").read_bytes()[:5000])
    assert "cannot be opened here" in desk.run("show", "b")


def test_set_up_by_a_script(desk: Desk) -> None:
    made = value(desk.run("lab", "init", "other", "-s", "other.store", "--json"))
    assert made["lab"] == "other" and len(bytes.fromhex(made["opening_head"])) == 32
    signed = value(desk.run("agreement", "sign", "agreement.toml", "-k", "lab.key", "--yes", "--json"))
    assert signed["signatures"] == "agreement.sigs" and signed["missing"] == []
    assert signed["digest"] == value(desk.run("agreement", "digest", "agreement.toml", "--json"))["digest"]
