"""The machine-checked proofs speak of the published program, and hide no hole. `make proofs` checks the proofs themselves."""

import sys
from pathlib import Path

PROOFS = Path(__file__).parents[2] / "proofs"
sys.path.insert(0, str(PROOFS))

import check  # noqa: E402
import embed  # noqa: E402

README = (PROOFS / "README.md").read_text()


def test_the_embedded_words_are_the_published_program():
    assert embed.main(["--check"]) == 0


def test_a_changed_program_is_noticed(monkeypatch, tmp_path):
    data = bytearray(embed.PROGRAM.read_bytes())
    data[-1] ^= 1
    changed = tmp_path / "program"
    changed.write_bytes(data)
    monkeypatch.setattr(embed, "PROGRAM", changed)
    assert embed.main(["--check"]) == 1


def test_no_file_has_a_hole():
    assert check.holes() == []
    assert check.FORBIDDEN.search(check.comments_removed("Lemma x : False. (* Axiom *) Admitted."))


def test_every_theorem_is_on_the_page_and_no_other():
    named = {line.split("`")[1] for line in README.splitlines() if line.startswith("| `") and "." in line.split("`")[1]}
    files = {f"{name}.v" for name in check.FILES} | {"embed.py", "check.py"}
    helpers = {"Program.the_program_is_the_published_one", "Program.shape_of_the_program"}
    assert named - files == set(check.THEOREMS) - helpers


def test_where_there_is_no_coq_it_says_skipped(monkeypatch, capsys):
    monkeypatch.setattr(check.shutil, "which", lambda name: None)
    assert check.main([]) == 0
    out = capsys.readouterr().out
    assert "SKIPPED" in out and "theorems hold" not in out
