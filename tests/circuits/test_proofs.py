"""The machine-checked proofs speak of the published program, and hide no hole. `make proofs` checks the proofs themselves."""

import re
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
    cells = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([A-Z][a-z]+\.[a-z_]+)`", cell)} - {f"{name}.v" for name in check.FILES}
    helpers = {"Program.the_program_is_the_published_one", "Program.shape_of_the_program"}
    assert named == set(check.THEOREMS) - helpers


def test_where_there_is_no_coq_it_says_skipped(monkeypatch, capsys):
    monkeypatch.setattr(check.shutil, "which", lambda name: None)
    assert check.main([]) == 0
    out = capsys.readouterr().out
    assert "SKIPPED" in out and "theorems hold" not in out


def test_the_page_counts_the_constraints_that_no_theorem_uses():
    """A constraint is used where a file names it, or by the table of successors, which runs through all."""
    text = "".join((PROOFS / f"{name}.v").read_text() for name in check.FILES if name not in ("Words", "Names"))
    names = embed.claim_program().constraint_names[164:]
    order = [name for name in names if "_then_" in name or name.startswith("after_") and "before" not in name]
    unused = [n for n in names if n not in order and not re.search(rf"\bk_{re.sub('[^A-Za-z0-9_]', '_', n.replace(']', ''))}\b", text)]
    told = " ".join(README.split())
    assert f"Of the {len(names)} constraints" in told and f"{len(unused)} are used by no theorem" in told
    assert f"{len(check.THEOREMS)} theorems" in told


def test_a_deleted_constraint_is_one_word():
    words = embed.words()
    changed = embed.without(words, 200)
    assert sum(a != b for a, b in zip(words, changed, strict=True)) == 1
