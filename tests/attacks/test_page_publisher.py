"""A publisher who wants a false "holds": every lie of its site.json, alone and together, over folders that do not hold.

Whatever it says, the page never confirms what ``standstill status`` does not find of the same files at the time that the account states.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import world
from folders import HOUR, PLAIN, TEXT, Made

from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import AssentEntry, JoulesEntry
from claims.claim.evidence import find_equivocations
from claims.claim.lists import LOST_METER, TOTAL, Limit, Loss
from claims.status.compute import compute
from tests.attacks.test_allowances import CEILED, gift
from tests.site.page_agrees import published
from tests.site.test_site_tables import GOOD, Sites, cut

pytestmark = pytest.mark.usefixtures("any_proof")
View = dict[str, Any]


# ---- folders that do not hold ----------------------------------------------------------------------------------


def beat(made: Made, now: int) -> int:
    """The log goes on: a cosigned head of now."""
    if made.terms.log is not None:
        made.add(now - 1, sign_entry(world.key(60), AssentEntry(bytes(32), "gamma")))
    return now


def false_proof(made: Made) -> int:
    made.epochs()
    made.claim(claim=made.draft(proof=b"false"))
    return made.end() + 7 * HOUR


def nothing(made: Made) -> int:
    return beat(made, made.end() + 20 * HOUR)


def second_missing(made: Made) -> int:
    made.epochs()
    made.claim()
    return beat(made, made.end(1) + 20 * HOUR)


def over(made: Made) -> int:
    agreed = made.terms.lab("alpha").caps.total
    made.epochs()
    made.claim(claim=made.draft(limits=(Limit(TOTAL, agreed, 1 << agreed.bit_length()),)))
    return made.end() + 7 * HOUR


def lost_and_never_said(made: Made) -> int:
    made.epochs()
    made.claim(claim=made.draft(losses=(Loss(LOST_METER, "hall-2", 0),)))
    return made.end() + 7 * HOUR


def an_epoch_is_not_in_the_log(made: Made) -> int:
    made.epochs(count=3)
    made.claim()
    return made.end() + 7 * HOUR


def two_heads(made: Made) -> int:
    made.epochs()
    made.claim()
    (made.folder / "evidence").mkdir()
    (made.folder / "evidence" / "x.evidence").write_bytes(find_equivocations(made.draft(), made.draft(shift=7))[0].encode())
    return made.end() + 7 * HOUR


def nobody_inspected(made: Made) -> int:
    made.epochs()
    made.claim()
    return beat(made, made.end() + 9 * HOUR)


def a_break_in_the_chain(made: Made) -> int:
    for period in (0, 1):
        made.epochs(period)
        made.claim(period, claim=made.draft(period, head_before=world.head(77)) if period else None)
    return made.end(1) + 60


def unsigned(made: Made) -> int:
    made.epochs()
    made.claim()
    made.drop("agreement.sigs")
    return made.end() + 7 * HOUR


def not_over(made: Made) -> int:
    return made.end() - HOUR


def the_log_is_gone(made: Made) -> int:
    made.epochs()
    made.claim()
    made.drop("log")
    return made.end() + 7 * HOUR


def amended_and_hidden(made: Made) -> int:
    made.epochs()
    made.claim()
    old = made.amend(TEXT)
    assert old.digest != made.terms.digest
    made.drop("agreements")
    return made.end(1) + 60


def a_gift_is_left_out(made: Made) -> int:
    made.add(made.terms.start - 600, gift(made, "alpha", "beta", 4 * 10**9))
    made.epochs()
    made.claim()
    return made.end() + 7200


def a_gift_that_came_late(made: Made) -> int:
    entry = gift(made, "beta", "alpha", 4 * 10**9)
    made.add(made.terms.start + 60, entry)
    made.epochs()
    made.claim(claim=made.draft(transfers=(hashlib.sha256(encode_entry(entry)).digest(),)))
    return made.end() + 7200


WORLDS = [
    a_gift_is_left_out, a_gift_that_came_late,
    false_proof, nothing, second_missing, over, lost_and_never_said, an_epoch_is_not_in_the_log, two_heads, nobody_inspected,
    a_break_in_the_chain, unsigned, not_over, the_log_is_gone, amended_and_hidden,
]  # fmt: skip


FED = CEILED.replace("[pause]", f"""[[feed]]
name = "hall-feed"
lab = "alpha"
holder = "delta"
key = "{world.public(80)}"
kind = "building"
meters = ["hall-1"]
base_watts = 0
idle_watts = 300
busy_watts = 1000

[pause]""")
"""Labs may receive caps, and one of alpha's meters is under a power feed."""


# ---- lies ------------------------------------------------------------------------------------------------------


def states(word: str) -> Callable[[View], None]:
    def lie(view: View) -> None:
        for row in view["claims"]:
            row.update(state=word, check=None)

    lie.__name__ = f"all_{word}"
    return lie


def proven_where_a_file_is(view: View) -> None:
    for row in view["claims"]:
        row.update(state="proven" if row["claim"] else "pending", check=None)


def no_rows(view: View) -> None:
    view["claims"] = []


def first_row_alone(view: View) -> None:
    del view["claims"][1:]


def no_paths(view: View) -> None:
    for row in view["claims"]:
        row.update(claim=None, roots=None)


def paths_to_nothing(view: View) -> None:
    for row in view["claims"]:
        row.update(claim="files/claims/none.claim", roots=None)


def paths_to_one_file(view: View) -> None:
    first = next((row["claim"] for row in view["claims"] if row["claim"]), None)
    for row in view["claims"]:
        row["claim"] = first


def no_files(view: View) -> None:
    view["files"] = []


def no_log(view: View) -> None:
    view["log"] = None


def no_bundle(view: View) -> None:
    if view["log"]:
        view["log"].update(bundle=None, problem="")


def another_bundle(view: View) -> None:
    if view["log"]:
        view["log"]["bundle"] = "agreement.bin"


def no_signatures(view: View) -> None:
    view["agreements"][0]["signatures"] = None


def signatures_of_something(view: View) -> None:
    view["agreements"][0]["signatures"] = "agreement.bin"


def no_evidence(view: View) -> None:
    view["files"] = [item for item in view["files"] if item["kind"] != "evidence"]


def junk_decisions(view: View) -> None:
    view["decisions"] = [{"path": "agreement.bin", "text": "lifted"}]


def replaced(view: View) -> None:
    view["life"].update(replaced=True)


def expired(view: View) -> None:
    view["life"].update(expired=True, counts=False)


def agreement_twice(view: View) -> None:
    view["agreements"].append(dict(view["agreements"][0]))


def in_the_future(view: View) -> None:
    view["computed_at"] += 40 * 86400


def before_anything(view: View) -> None:
    view["computed_at"] = 1


def rows_of_another_lab(view: View) -> None:
    for row in view["claims"]:
        row["lab"] = "gamma"


def later_rows(view: View) -> None:
    for row in view["claims"]:
        row["period"] += 1


def doubled_rows(view: View) -> None:
    view["claims"] += json.loads(json.dumps(view["claims"]))


def nothing_moved(view: View) -> None:
    view["allowances"] = []
    for row in view["claims"]:
        row["transfers"] = []


def more_moved(view: View) -> None:
    for item in view["allowances"]:
        item["transfers"] += json.loads(json.dumps(item["transfers"]))


def all_of_it_counts(view: View) -> None:
    for item in view["allowances"]:
        for row in item["transfers"]:
            row.update(state="counts, dated 2025-12-31T00:00:00Z", counts=True)


def a_smaller_amount(view: View) -> None:
    for item in view["allowances"]:
        for row in item["transfers"]:
            row.update(text=row["text"].replace("4e21", "4e20"))


def another_total(view: View) -> None:
    for row in view["claims"]:
        row["transfers"] = [line.replace("6e21", "6e20") for line in row["transfers"]]


def no_hour_absent(view: View) -> None:
    for row in view["claims"]:
        row["power"] = "2 of 2 meters under a feed, 0 of 4 hours absent"


def nothing_said(view: View) -> None:
    """Only the answer is another."""


LIES = [
    *map(states, ("proven", "pending", "lifted", "under inspection", "over", "late", "rejected")), proven_where_a_file_is, no_rows,
    first_row_alone, no_paths, paths_to_nothing, paths_to_one_file, no_files, no_log, no_bundle, another_bundle, no_signatures,
    signatures_of_something, no_evidence, junk_decisions, replaced, expired, agreement_twice, in_the_future, before_anything,
    rows_of_another_lab, later_rows, doubled_rows, nothing_moved, more_moved, all_of_it_counts, a_smaller_amount, another_total,
    no_hour_absent, nothing_said,
]  # fmt: skip


def told(view: View, *lies: Callable[[View], None]) -> View:
    out: View = json.loads(json.dumps(view))
    out["holds"] = {"answer": "yes", "why": ["all is well"]}
    for lie in lies:
        lie(out)
    return out


def confirmed(made: Made, page: Any, now: int, lies: list[tuple[Callable[[View], None], ...]]) -> list[str]:
    """The lies that the page confirms although status finds no "yes" of the same files at the time that they state."""
    view, files = published(made.folder, compute(made.folder, now=now))
    views = [told(view, *some) for some in lies]
    found = page.verdicts([{"site": json.dumps(item), "changed": files, "now": now} for item in views])
    out = []
    for some, item, answer in zip(lies, views, found, strict=True):
        if answer["kind"] in ("confirmed", "old") and compute(made.folder, now=item["computed_at"]).holds != "yes":
            out.append(f"{[lie.__name__ for lie in some]}: {answer['kind']}")
    return out


@pytest.mark.parametrize("make", WORLDS, ids=lambda item: item.__name__)
def test_no_lie_makes_it_hold(tmp_path: Path, stand_in: Any, make: Callable[[Made], int]) -> None:
    if stand_in is None:
        pytest.skip("node is not installed")
    made = Made(tmp_path / "folder", CEILED if "gift" in make.__name__ else TEXT)
    now = make(made)
    assert compute(made.folder, now=now).holds != "yes"
    rng = random.Random(make.__name__)
    several = [tuple(rng.sample(LIES, rng.choice([2, 2, 3, 4]))) for _ in range(40)]
    assert not confirmed(made, stand_in, now, [*((lie,) for lie in LIES), *several])


@pytest.mark.parametrize("text", [TEXT, PLAIN], ids=["log", "plain"])
@pytest.mark.parametrize("bad", range(3))
def test_no_lie_hides_a_false_table(tmp_path: Path, stand_in: Any, text: str, bad: int) -> None:
    """Also where the false proof is not served, or another table's is in its place."""
    if stand_in is None:
        pytest.skip("node is not installed")
    made = Sites(tmp_path / "folder", cut(text))
    made.publish(made.sited(proofs=[b"SSPF false" if at == bad else proof for at, proof in enumerate(GOOD)]))
    now = made.end() + 700
    assert not confirmed(made, stand_in, now, [(lie,) for lie in LIES])
    name = ("north", "south", "registry")[bad]
    for other in (None, b"SSPF proof n", b"SSPF proof r"):
        path = made.folder / "claims" / f"alpha-0.{name}.proof"
        path.unlink(missing_ok=True)
        if other is not None:
            path.write_bytes(other)
        assert not confirmed(made, stand_in, now, [(lie,) for lie in LIES[::4]])


def test_what_holds_is_confirmed(tmp_path: Path, stand_in: Any) -> None:
    """So what the lies meet is no page that confirms nothing."""
    if stand_in is None:
        pytest.skip("node is not installed")
    made = Made(tmp_path / "folder")
    made.epochs()
    made.claim()
    now = made.end() + 700
    view, files = published(made.folder, compute(made.folder, now=now))
    honest, told_so = stand_in.verdicts([{"site": json.dumps(item), "changed": files, "now": now} for item in (view, told(view))])
    assert honest["kind"] == told_so["kind"] == "confirmed" and honest["answer"] == "yes"


@pytest.fixture
def holding(tmp_path: Path) -> Made:
    """Alpha gave a part of its cap, listed it, and has joules of all hours but one."""
    made = Made(tmp_path / "folder", FED)
    entry = gift(made, "alpha", "beta", 4 * 10**9)
    made.add(made.terms.start - 600, entry)
    for epoch in range(4):
        if epoch != 2:
            joules = JoulesEntry(made.terms.digest, "hall-feed", epoch, bytes([epoch]) * 32)
            made.add(made.terms.epoch_span(epoch)[1] + 30, sign_entry(world.key(80), joules))
        made.add(made.terms.epoch_span(epoch)[1] + 60, decode_entry(made.epoch_entries()[epoch]))
    made.claim(claim=made.draft(transfers=(hashlib.sha256(encode_entry(entry)).digest(),)))
    return made


@pytest.mark.parametrize("lie", [nothing_moved, more_moved, all_of_it_counts, a_smaller_amount, another_total, no_hour_absent])
def test_lies_about_what_moved_and_what_was_measured_are_named(holding: Made, stand_in: Any, lie: Callable[[View], None]) -> None:
    if stand_in is None:
        pytest.skip("node is not installed")
    now = holding.end() + 700
    view, files = published(holding.folder, compute(holding.folder, now=now))
    row = next(row for row in view["claims"] if row["lab"] == "alpha")
    assert row["power"] == "1 of 2 meters under a feed, 1 of 4 hours absent"
    assert row["transfers"][0] == "total cap 6e21 FLOP after transfers, 1e22 FLOP agreed"
    told_so = json.loads(json.dumps(view))
    lie(told_so)
    honest, found = stand_in.verdicts([{"site": json.dumps(item), "changed": files, "now": now} for item in (view, told_so)])
    assert not honest["against"] and found["kind"] == "contradicted" and "publisher" in found["against"][0]
