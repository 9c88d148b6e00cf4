"""What the attacks share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import HOUR, START, Desk
from folders import Made
from inspect_fixtures import Folder, build
from made_up import believe

from tests.attacks.honest import PERIOD, SIGN, amendment, change
from tests.site.page_agrees import differences, stand_in_page


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An operator's desk."""
    return Desk(tmp_path, monkeypatch, capsys)


@pytest.fixture
def any_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """As :func:`made_up.believe`."""
    believe(monkeypatch)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page's modules under Node, or None where there is no Node."""
    if shutil.which("node") is None:
        yield None
        return
    page = stand_in_page(tmp_path_factory.mktemp("stand-in") / "site")
    yield page
    page.close()


@pytest.fixture
def page_agrees(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page decides as status does about every folder whose state a test asks for."""
    if stand_in is None:
        return
    judge = Made.at

    def at(made: Made, now: int, **options: Any) -> Any:
        state = judge(made, now, **options)
        if not options:
            found = differences(stand_in, made.folder, state)
            assert not found, "\n".join(found)
        return state

    monkeypatch.setattr(Made, "at", at)


@pytest.fixture
def turned(desk: Desk) -> Desk:
    """Period 0 is closed, and period 1 has begun; ``next.toml`` amends the agreement from period 1 on, and nobody has signed it."""
    desk.run(*SIGN)
    desk.at(START + PERIOD)
    desk.work(0)
    desk.close(0, "--yes")
    desk.run("lab", "close", *desk.books, "-n", 0)
    amendment(desk, 1)
    desk.at(START + PERIOD + HOUR)
    return desk


@pytest.fixture
def folder(desk: Desk) -> Path:
    """A publication folder with the agreement."""
    desk.run(*SIGN)
    path = Path("FOLDER")
    (path / "claims").mkdir(parents=True)
    for name in ("agreement.toml", "agreement.sigs"):
        (path / name).write_bytes(Path(name).read_bytes())
    return path


@pytest.fixture
def logged(desk: Desk) -> Desk:
    """The agreement has a log, an operator, and a rival that cosigns; the lab has an entry of epoch 0."""
    keys = {name: desk.run("keygen", f"{name}.key", "--no-passphrase").strip() for name in ("log", "operator", "rival", "cosign")}
    parties = f'[[party]]\nname = "operator"\nkey = "{keys["operator"]}"\n[[party]]\nname = "rival"\nkey = "{keys["rival"]}"\n'
    parties += f'cosign_key = "{keys["cosign"]}"\n[[chip]]'
    log = f'[log]\norigin = "example.org/log"\noperator = "operator"\nkey = "{keys["log"]}"\ncosignatures = 1\n[rules]'
    change("agreement.toml", ("[[chip]]", parties), ("[rules]", log))
    for name in ("lab", "operator", "rival"):
        desk.run("agreement", "sign", "agreement.toml", "-k", f"{name}.key")
    desk.run("log", "init", "LOG", "--origin", "example.org/log", "-k", "log.key")
    desk.at(START + HOUR)
    for name in ("hall-1", "hall-2"):
        desk.run("epoch", "seal", name, *desk.books, "-k", f"keys/{name}.key")
    desk.run("epoch", "publish", *desk.books, "-k", "lab.key", "-o", "entries")
    return desk


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A closed period of which a round draws."""
    return build(tmp_path_factory.mktemp("opened"))
