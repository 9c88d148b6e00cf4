"""``standstill site``: usage, exit codes, what it says."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import claims.cli.site as cli_site  # registers the command
import claims.site.model as model
from claims.cli.main import main
from tests.site.sample_view import AGREEMENT, sample


@pytest.fixture
def folder(tmp_path, monkeypatch):
    root = tmp_path / "published"
    root.mkdir()
    (root / "agreement.toml").write_text("name = 1\n")
    (root / "lab.key\x1b[2J").write_text("secret")

    def view_of(source, copied, state):
        view = sample("no")
        view["files"], view["computed_at"] = copied, state.now
        return view, {"agreement.bin": AGREEMENT}

    monkeypatch.setattr(model, "view_of", view_of)
    monkeypatch.setattr("claims.status.compute.compute", lambda folder, *, now: SimpleNamespace(now=now, holds="no"))
    return root


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    taken = capsys.readouterr()
    return stop.value.code, taken.out, taken.err


def test_makes_a_page(folder, tmp_path, capsys):
    code, out, err = run(capsys, "site", folder, "--out", tmp_path / "site", "--now", "2026-02-01T00:00:00Z")
    assert code == 0 and "does not hold" in out and "left out: lab.key" in err and "\x1b" not in err
    assert '"computed_at": 1769904000' in (tmp_path / "site/site.json").read_text()


def test_many_files_of_one_folder_are_one_line(folder, tmp_path, capsys):
    for name in ("private/a/lab.key", "private/a/lab.store", "private/b/lab.key", "private/c", "page/index.html", "page/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    _, _, err = run(capsys, "site", folder, "--out", tmp_path / "site", "--now", "2026-02-01T00:00:00Z")
    lines = [line for line in err.splitlines() if line.startswith("left out: p")]
    assert [line.partition(": no")[0] for line in lines] == [
        "left out: page/index.html", "left out: page/x", "left out: private/, 4 files",
    ]  # fmt: skip


def test_usage(folder, tmp_path, capsys):
    for arguments in ((folder,), (folder, "--out", folder / "x"), (folder, "--serve", "0"), (folder, "--serve", "70000")):
        code, _, err = run(capsys, "site", *arguments)
        assert code == 2 and "rror" in err
    code, _, err = run(capsys, "site", folder, "--out", tmp_path / "site", "--now", "yesterday")
    assert code == 2 and "yesterday" in err and not (tmp_path / "site").exists()


def test_the_package_imports_nothing():
    script = "import sys, claims.site; print(sorted(m for m in sys.modules if m.startswith(('claims.', 'zk', 'numpy', 'click'))))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['claims.site']"


def test_the_command_line_loads_the_page_only_when_asked():
    script = "import sys, claims.cli.site; print([m for m in sys.modules if m.startswith(('claims.site', 'numpy', 'http.server'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_of_files_that_are_left_out_write_no_lines() -> None:
    assert cli_site._left_out((("x\n1 files, 9 bytes; the standstill: holds\u202e", "unknown"),)) == [
        "x\ufffd1 files, 9 bytes; the standstill: holds\ufffd: unknown"
    ]
