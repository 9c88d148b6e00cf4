"""Checks the machine-checked proofs of the circuit: `make proofs`.

    python proofs/check.py [--traces]
    python proofs/check.py --without CONSTRAINT...     each named constraint deleted in turn: which file notices

1. Words.v and Names.v are what proofs/embed.py writes from the published program.
2. No file says Admitted, Axiom, Parameter or a word of that kind.
3. coqc accepts every file, each within a time limit. The build lies in a temporary folder.
4. Each theorem of THEOREMS is closed: `Print Assumptions` finds no axiom.
5. coqchk, a second checker, accepts the joined theorem's file and all that it needs, Coq's library included, and finds no axiom.
6. With --traces (it needs the `lab` extra): rows of an honest trace satisfy every constraint in the Coq interpreter, which
   gives what zk/check.py gives for each output; the same rows with one byte changed are refused. Honest statements and records
   have in Coq the public values, terms and heads that they have in Python.

Exit code 0: checked, or coqc is absent, and then the last line says SKIPPED. 1: something does not hold.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import embed  # noqa: E402

FILES = (
    "Words", "Names", "Machine", "Program", "Symbolic", "Rows", "Bytes",
    "Readings", "Registry", "Total", "Heads", "Records", "Tags", "Entries", "Whole",
    "Statement", "Cut", "Joints", "Along", "Bases", "Lineage", "Books",
    "Receive", "Sponge", "Relation", "Extract", "Claim", "Joined", "Site", "Main",
)  # fmt: skip
THEOREMS = (
    "Program.the_program_is_the_published_one",
    "Program.shape_of_the_program",
    "Rows.one_kind_each_row",
    "Rows.order_of_rows",
    "Bytes.table_holds_bytes",
    "Bytes.every_pair_is_in_the_table",
    "Bytes.every_byte_is_a_byte",
    "Readings.work_is_chip_seconds_times_peak",
    "Readings.idle_has_no_work",
    "Readings.ledger_is_finite",
    "Readings.every_epoch_has_its_coverage",
    "Readings.ledger_work_is_chip_seconds_times_peak",
    "Registry.entry_has_five_rows",
    "Registry.cumulative_is_the_sum",
    "Registry.work_is_what_is_received",
    "Registry.new_entry_is_under_its_limit",
    "Registry.residue_entry_is_under_its_cap",
    "Total.registry_is_finite",
    "Total.new_work_is_under_the_total_cap",
    "Total.residue_passes_on",
    "Total.residue_is_under_the_freeze",
    "Records.sent_tags_ascend",
    "Records.received_tags_ascend",
    "Records.record_is_what_is_received",
    "Entries.fetch_has_a_source",
    "Entries.fetched_is_a_cumulative",
    "Entries.cumulative_is_the_sum_of_what_is_fetched",
    "Tags.tags_balance",
    "Tags.one_receiver_takes_all",
    "Tags.a_tag_without_receiver_has_no_giver",
    "Heads.heads_are_the_verifiers",
    "Heads.head_is_a_term",
    "Heads.header_is_a_term",
    "Heads.header_is_in_range",
    "Heads.ledgers_are_as_stated",
    "Whole.ledger_ends_at_its_head",
    "Whole.registries_are_as_stated",
    "Cut.one_row_a_chain",
    "Cut.each_term_has_a_row",
    "Cut.body_has_a_header",
    "Cut.body_ends",
    "Along.registry_shape",
    "Along.residue_comes_along",
    "Along.owes_comes_along",
    "Along.entry_is_new",
    "Along.one_new_residue",
    "Bases.bases_never_undercount",
    "Lineage.the_registry",
    "Lineage.entry_rows",
    "Lineage.tags_are_sorted",
    "Books.tags_are_distinct",
    "Books.tag_is_above_two",
    "Books.residue_has_tag_two",
    "Books.fetched_is_of_the_tag",
    "Books.kind_of_entry",
    "Books.entry_is_of_its_kind",
    "Books.cumulative_of",
    "Books.lineage_is_not_undercounted",
    "Books.residue_is_the_sum",
    "Sponge.output_is_the_permutation",
    "Sponge.chain_is_hashed",
    "Receive.who_receives_nothing",
    "Receive.work_is_all_that_is_given",
    "Receive.given_has_a_receiver",
    "Receive.new_entry_is_capped",
    "Receive.unattributed_is_capped",
    "Receive.residue_is_capped",
    "Extract.each_meter_has_its_ledger",
    "Extract.each_summary_has_its_records",
    "Claim.given_is_given",
    "Joined.before_head_is",
    "Joined.after_head_is",
    "Joined.each_entry_holds",
    "Joined.total_is_capped",
    "Site.the_summary",
    "Site.record_is_all_that_is_given",
    "Site.busy_has_a_record",
    "Site.the_summary_holds",
    "Main.satisfied_means_true",
    "Main.satisfied_means_true_of_a_site",
)
LIMIT = 540  # seconds for one file
FORBIDDEN = re.compile(r"\b(Admitted|admit|Axioms?|Parameters?|Conjecture|Unset\s+Guard|bypass_check|give_up)\b")
CLOSED = "Closed under the global context"
NOTHING_UNSAFE = 4  # coqchk: axioms, type-in-type, unsafe fixpoints, assumed positivity


def comments_removed(text: str) -> str:
    """The text of a Coq file without its comments."""
    return re.sub(r"\(\*.*?\*\)", "", text, flags=re.DOTALL)


def holes() -> list[str]:
    """Words in the files that could hide a hole."""
    found = []
    for name in FILES:
        for word in FORBIDDEN.findall(comments_removed((HERE / f"{name}.v").read_text())):
            found.append(f"proofs/{name}.v says {word}")
    return found


def coqc(folder: Path, name: str) -> str:
    """Compiles one file of a folder.

    Raises:
        RuntimeError: it does not compile, or takes too long.
    """
    try:
        done = subprocess.run(
            ["coqc", "-q", "-Q", ".", "Standstill", f"{name}.v"], cwd=folder, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"proofs/{name}.v took more than {LIMIT} s") from late
    if done.returncode:
        raise RuntimeError(f"proofs/{name}.v does not hold:\n{done.stderr.strip()}")
    return done.stdout


def assumptions(folder: Path) -> list[str]:
    """The theorems that rest on an axiom, with what Coq says."""
    lines = [f"From Standstill Require {' '.join(FILES)}."]
    for theorem in THEOREMS:
        lines.append(f"Print Assumptions Standstill.{theorem}.")
    (folder / "Assumptions.v").write_text("\n".join([*lines, ""]))
    out = coqc(folder, "Assumptions").strip().splitlines()
    if out == [CLOSED] * len(THEOREMS):
        return []
    return ["Print Assumptions is not closed everywhere:", *out]


def second_checker(folder: Path) -> list[str]:
    """What coqchk says against Main.v and the files that it needs. Its virtual machine is the kernel's."""
    command = ["coqchk", "-silent", "-o", "-bytecode-compiler", "yes", "-Q", ".", "Standstill", "Standstill.Main"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return [f"coqchk took more than {LIMIT} s"]
    out = done.stdout + done.stderr
    if done.returncode or out.count("<none>") != NOTHING_UNSAFE or "* Axioms: <none>" not in out:
        return ["coqchk does not accept Main.v without axioms:", out.strip()]
    return []


def noticed_in(number: int) -> str | None:
    """The first file that does not compile without this constraint; None if all do."""
    with tempfile.TemporaryDirectory(prefix="standstill-proofs-") as name:
        folder = Path(name)
        for file in FILES:
            shutil.copy(HERE / f"{file}.v", folder)
        (folder / "Words.v").write_text(embed.words_file(embed.without(embed.words(), number)))
        for file in FILES:
            try:
                coqc(folder, file)
            except RuntimeError:
                return file
    return None


def deletions(names: list[str]) -> int:
    """Deletes each constraint and prints which file notices. Exit code 1 if one is not noticed."""
    numbers = {name: k for k, name in enumerate(embed.claim_program().constraint_names)}
    missed = 0
    for name in names:
        file = noticed_in(numbers[name])
        print(f"without {name}: {f'{file}.v does not hold' if file else 'NOT NOTICED'}", flush=True)
        missed += file is None
    return int(missed > 0)


def main(arguments: list[str]) -> int:
    """Runs all checks."""
    if "--without" in arguments:
        return deletions(arguments[arguments.index("--without") + 1 :])
    if embed.main(["--check"]):
        return 1
    if found := holes():
        print("\n".join(found))
        return 1
    if shutil.which("coqc") is None:
        print("proofs: SKIPPED, there is no coqc here (Debian: apt install coq). Nothing was proved.")
        return 0
    with tempfile.TemporaryDirectory(prefix="standstill-proofs-") as name:
        folder = Path(name)
        try:
            for file in FILES:
                shutil.copy(HERE / f"{file}.v", folder)
                start = time.monotonic()
                coqc(folder, file)
                print(f"proofs/{file}.v holds ({time.monotonic() - start:.0f} s)", flush=True)
            failures = assumptions(folder) or second_checker(folder)
            if "--traces" in arguments and not failures:
                import samples
                import traces

                samples.check(folder, coqc)
                failures = traces.check(folder, coqc)
        except RuntimeError as error:
            failures = [str(error)]
    if failures:
        print("\n".join(failures))
        return 1
    print(f"proofs: {len(THEOREMS)} theorems hold, none rests on an axiom.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
