"""What an installation has: a verifier without the prover's packages, a word about what is missing, and no other project's modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from claims import __version__

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "site" / "vectors"
WITHOUT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numpy", "numba", "llvmlite", "rich", "py_ecc", "galois", "pyarrow"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from standstill import main
main()
"""


def without(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command where only click and cryptography are there."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publication folder without a log: agreement and one claim."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "agreements").mkdir()
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",), ("verify", "--help"), ("status", "--help"), ("site", "--help"), ("log", "verify", "--help"),
        ("show", VECTORS / "alpha-0.claim"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_a_verifiers_commands_need_click_and_cryptography_alone(arguments: tuple[str | Path, ...]) -> None:
    done = without(*arguments)
    assert done.returncode == 0, done.stderr


def test_status_and_site_of_a_folder_need_no_more(folder: Path, tmp_path: Path) -> None:
    done = without("status", folder)
    assert done.returncode in (0, 1, 2, 3) and "Traceback" not in done.stderr and "pip install" not in done.stderr


def test_a_command_that_needs_more_says_which_extra(tmp_path: Path) -> None:
    done = without("demo", "--out", tmp_path / "demo")
    assert done.returncode == 2
    assert "this command needs the package rich" in done.stderr and "pip install '.[lab]'" in done.stderr


def started(folder: Path, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """``standstill --version`` of the software in a folder. ``first``: where Python looks before."""
    paths = [str(path) for path in (first, folder) if path is not None]
    code = f"import sys; sys.path[:0] = {paths!r}; import standstill; standstill.main()"
    return subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, cwd=folder.parent, timeout=560)


@pytest.mark.parametrize("name", ["zk", "circuits", "claims"])
def test_another_project_of_the_same_name_is_found_at_start(tmp_path: Path, name: str) -> None:
    """It comes first on the path, or was installed over ours; nothing of it runs."""
    other = tmp_path / "other" / name
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise SystemExit('it ran')\n")
    ours = tmp_path / "ours"
    for package in ("zk", "circuits", "claims"):
        shutil.copytree(ROOT / package, ours / package, ignore=shutil.ignore_patterns("__pycache__", "data", "site"))
    shutil.copy(ROOT / "standstill.py", ours)
    assert started(ours).stdout == f"standstill, version {__version__}\n"
    beside = started(ours, other.parent)
    (ours / name / "__init__.py").write_bytes((other / "__init__.py").read_bytes())
    for done in (beside, started(ours)):
        assert done.returncode == 2
        assert f"standstill's own package {name}" in done.stderr and "pipx install ." in done.stderr


@pytest.mark.slow
def test_the_bare_wheel_verifies(tmp_path: Path) -> None:
    """Builds the wheel, installs it with nothing but what it names, and runs the verifier's commands outside the checkout."""
    run = {"check": True, "capture_output": True, "text": True, "timeout": 600}
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(ROOT)], **run)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"zk", "circuits", "claims", "standstill.py"}
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], **run)
    there = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], **run).stdout.lower()
    assert not {"numpy", "numba", "rich", "py_ecc"} & {line.partition("==")[0] for line in there.split()}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(tmp_path / "env" / "bin" / "standstill"), "show", str(VECTORS / "alpha-0.claim")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0 and "claim" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_one_file_verifier(tmp_path: Path) -> None:
    """Built twice it has the same bytes; it verifies outside the checkout; without cryptography it checks all but signatures."""
    run = {"capture_output": True, "text": True, "timeout": 600, "cwd": tmp_path}
    sums = []
    for name in ("one.pyz", "two.pyz"):
        subprocess.run([sys.executable, ROOT / ".ci" / "pyz.py", tmp_path / name], check=True, **run)
        sums.append((tmp_path / name).read_bytes())
    assert sums[0] == sums[1]
    example = ROOT / "docs" / "example"
    claim = (example / "claims" / "lab-a-0.claim").read_bytes()
    (tmp_path / "good.claim").write_bytes(claim)
    (tmp_path / "bad.claim").write_bytes(claim[: len(claim) // 2] + bytes([claim[len(claim) // 2] ^ 1]) + claim[len(claim) // 2 + 1 :])

    def verdict(*flags: str, claim: str = "good.claim") -> tuple[int, str]:
        rest = ["--agreement", example / "agreement.toml", "--now", "2026-01-04T00:00:00Z"]
        done = subprocess.run([sys.executable, *flags, "one.pyz", "verify", claim, *rest], **run)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    assert verdict("-I")[0] == 0
    code, text = verdict("-I", "-S")  # no site-packages, so no cryptography
    assert code == 3 and "no signature could be checked" in text
    assert verdict("-I", "-S", claim="bad.claim")[0] == 1
    done = subprocess.run([sys.executable, "-I", "one.pyz", "site", example, "--out", "page", "--now", "2026-01-04T00:00:00Z"], **run)
    assert (tmp_path / "page" / "app.js").is_file(), done.stderr
    folder = [sys.executable, "-I", "-S", "one.pyz", "verify", "good.claim", "--folder", example]
    done = subprocess.run(folder, **run)
    assert done.returncode == 2 and "give --agreement" in done.stderr
