"""The second act, whole: a month in public, every cheat stopped by what is there for it, and the commands that it prints."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run
from rich.console import Console

from claims.agreement.signatures import AgreementSignatures
from claims.base.ed25519 import known_signatures
from claims.base.errors import ClaimRejected, ClaimsError
from claims.claim.entries import decode_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry, InspectionEntry
from claims.claim.evidence import decode_evidence
from claims.claim.power import Joules
from claims.claim.records import IDLE
from claims.cli.show import describe
from claims.demo.act_one import MonthResult, run_month
from claims.demo.act_two import PERIOD, ROUND
from claims.demo.power import HOLDER
from claims.inspection.power import compare
from claims.lab.store import Store
from claims.status.verdict import verify_in_folder
from claims.tlog.reader import open_log
from claims.verify.claim import verify_claim
from claims.verify.log import log_trust


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[MonthResult, str]:
    stream = io.StringIO()
    out = tmp_path_factory.mktemp("month") / "out"
    return run_month(out, Console(file=stream, width=110)), stream.getvalue()


def test_every_hour_is_in_the_log_and_every_claim_proven_with_it(shown: tuple[MonthResult, str]) -> None:
    month = shown[0].month
    entries = [decode_entry(item) for item in month.view("ai2").entries]
    for lab in month.labs:
        epochs = [item.epoch for item in entries if isinstance(item, EpochEntry) and item.lab == lab.plan.name]
        assert epochs == list(range(720 + 24))  # the month, and a day of the next
        assert sum(isinstance(item, ClaimEntry) and item.lab == lab.plan.name for item in entries) == 1
    heads = {item.registry_head for item in entries if isinstance(item, EpochEntry)}
    assert len(heads) == 3 * (720 + 24), "a registry head is blinded afresh every hour"
    assert all(row.report is not None and row.report.proven for row in month.rows)
    assert sum(isinstance(item, InspectionEntry) for item in entries) == 3


def test_each_lab_opened_to_another_what_the_real_round_drew(shown: tuple[MonthResult, str]) -> None:
    month = shown[0].month
    for row in month.rows:
        assert row.checked is not None and row.inspector != row.lab.plan.name
        drawn = row.checked.drawn
        assert drawn.round.number == 1000 and len(drawn.draws) == 64 and len(drawn.slots) == 16
        wanted = {(item.meter, item.epoch) for item in drawn.draws}
        assert {(item.meter, item.opening.reading.epoch) for item in row.checked.opening.readings} == wanted


def test_every_cheat_is_stopped_and_two_leave_evidence(shown: tuple[MonthResult, str]) -> None:
    result = shown[0]
    assert [item.check for item in result.caught] == [
        "meters", "store", "log", "log", "log", "continuity", "meters", "signatures", "signatures",
    ]  # fmt: skip
    files = [item.evidence for item in result.caught if item.evidence is not None]
    assert len(files) == 2
    decode_evidence(files[0].read_bytes()).check(result.month.agreement)


def test_the_lie_is_proven_and_caught_by_the_power_record(shown: tuple[MonthResult, str]) -> None:
    lie, unseen = shown[0].lie, shown[0].unseen
    for told in (lie, unseen):
        row = told.month.row("ai2")
        assert row.report is not None and row.report.proven and row.checked is not None
        assert 0.1 < told.hidden < 0.3 and 0 < told.exposed < told.drawn == 64
        assert told.exposed <= sum(item.opening.reading.tag == IDLE for item in row.checked.opening.readings) * 64
    assert lie.recorded == "failed, power" and 0 < lie.over < lie.hours <= 64
    assert (unseen.recorded, unseen.hours, unseen.month.agreement.feeds) == ("passed", 0, ())
    assert lie.month.row("ai2").report.power.line() == "1 of 1 meters under a feed, 0 of 720 hours absent"  # type: ignore[union-attr]
    assert "Without one. The opening is what the meters signed" in " ".join(shown[1].split())


def test_the_power_is_made_by_the_rule_that_is_printed(shown: tuple[MonthResult, str]) -> None:
    """1,000 W for each chip-second of a published run, 230 W for all others; and no honest hour draws more than its chips account for."""
    month = shown[0].month
    plan, terms = month.row("ai2").lab.plan, month.agreement
    (feed,) = terms.feeds
    assert (feed.holder, feed.base_watts, feed.idle_watts, feed.busy_watts) == (HOLDER, 0, 300, 1000)
    rule = "a chip draws 1,000 W while a run is under way (its published 700 W and 300 W of its server), else 230 W"
    assert rule in " ".join(shown[1].split())
    given = [Joules.decode(path.read_bytes()) for path in (month.private / "ai2" / "joules").iterdir()]
    assert len(given) == 720 + 24 + 4 * 24
    chip_ms = sum((int(run["stop"]) - int(run["start"])) * int(run["chips"]) for run in plan.usage)
    whole = 512 * 1000 * 3600 * len(given)
    assert 0 <= (1000 * chip_ms + 230 * (whole - chip_ms)) // 1000 - sum(item.joules for item in given) < len(given)
    held = compare(terms, month.row("ai2").checked.opening)  # type: ignore[union-attr]
    assert held and all(item.holds for item in held)


def test_the_states_say_what_happened(shown: tuple[MonthResult, str]) -> None:
    (_, _, honest), (_, _, caught), (_, _, unseen) = shown[0].states
    assert (honest.holds, caught.holds, unseen.holds) == ("yes", "no", "yes")
    states = {(row.lab, row.period): row for row in caught.rows}
    assert states[("ai2", PERIOD)].state == states[("nebius", PERIOD)].state == "rejected"
    assert "failed" in states[("ai2", PERIOD)].reason and "did not open" in states[("nebius", PERIOD)].reason
    assert states[("university-of-florida", PERIOD)].state == "proven"
    assert not any(row.epochs_late for state in (honest, caught) for row in state.rows)
    assert not honest.problems and not caught.problems


@known_signatures(None)
def test_a_claim_has_one_verdict(shown: tuple[MonthResult, str]) -> None:
    """Every row of both folders: from the folder, and from the single files of it, as ``status`` has it."""
    for _, folder, state in shown[0].states:
        terms = state.agreement
        signatures = AgreementSignatures.decode((folder / "agreement.sigs").read_bytes())
        records = {hashlib.sha256(data).digest(): data for data in (path.read_bytes() for path in folder.glob("inspections/*.record"))}
        claimed = [row for row in state.rows if row.claim is not None]
        assert len(claimed) == len(terms.labs)
        for row in claimed:
            path = folder / "claims" / f"{row.lab}-{row.period}.claim"
            data, roots = path.read_bytes(), path.with_suffix(".roots").read_bytes()
            word = {"proven": "PROVEN", "rejected": "REJECTED"}.get(row.state, "INCOMPLETE")
            whole = verify_in_folder(data, folder, now=state.now)
            assert (whole.word, whole.state, whole.inspections) == (word, row.state, row.inspected)
            view = open_log(folder / "log", log_trust(terms), exclude={row.lab})
            given: dict[str, Any] = {"signatures": signatures, "log": view, "roots": roots, "now": state.now}
            if word == "REJECTED":
                with pytest.raises(ClaimRejected) as caught:
                    verify_claim(data, terms, records=records, **given)
                assert caught.value.check == row.check == "inspection"
            else:
                alone = verify_claim(data, terms, records=records, **given)
                assert (alone.word, alone.log, alone.notes, alone.inspections) == (word, whole.log, whole.notes, whole.inspections)
            without = verify_claim(data, terms, **given)
            assert [item.kind for item in without.missing] == ["record"] and len(without.inspections) == 1


def test_the_printed_commands_work(shown: tuple[MonthResult, str]) -> None:
    result, text = shown
    folder = result.month.folder.parent
    block = text[text.index("Try next") :].replace("\\\n", " ")
    commands = [line.strip() for line in block.splitlines() if line.strip().startswith("standstill ")]
    assert len(commands) == 9
    for command in commands:
        if "--serve" not in command:
            run(folder, *shlex.split(command)[1:])
    assert json.loads((folder / "page" / "site.json").read_text()) and (folder / "caught-page" / "index.html").exists()


def test_every_file_explains_itself(shown: tuple[MonthResult, str], tmp_path: Path) -> None:
    month = shown[0].month
    (tmp_path / "x.opening").write_bytes(month.rows[0].opening)
    (tmp_path / "x.entry").write_bytes(month.view("ai2").entries[-1])
    evidence = [item.evidence for item in shown[0].caught if item.evidence]
    files = [*tmp_path.iterdir(), *month.folder.glob("*/*.record"), *month.folder.glob("claims/*"), *evidence]
    lines = {path: describe(path) for path in files}
    assert "PRIVATE" in lines[tmp_path / "x.opening"][0] and "inspection" in lines[tmp_path / "x.entry"][2]
    assert len(files) == 2 + 3 + 6 + 2 and all(len(text) >= 1 for text in lines.values())
    assert not any("olmo" in line or "llama" in line for text in lines.values() for line in text)


def holds_any(data: bytes, secrets: list[bytes]) -> bool:
    """Whether any secret stands in the data, raw or as hex: all its windows of 8 bytes against the first 8 of each."""
    wanted = {one[:8]: one for one in [*secrets, *(secret.hex().encode() for secret in secrets)]}
    mix = np.uint64(0x9E3779B97F4A7C15)  # spreads hexadecimal digits too over 24 bits
    begins = np.zeros(2**24, dtype=bool)
    begins[np.array([int.from_bytes(head, "little") for head in wanted], dtype="<u8") * mix >> 40] = True
    for offset in range(8):
        windows = np.frombuffer(data, dtype="<u8", offset=offset, count=(len(data) - offset) // 8)
        for at in offset + 8 * np.flatnonzero(begins[windows * mix >> 40]):
            one = wanted.get(data[at : at + 8])
            if one is not None and data.startswith(one, int(at)):
                return True
    return False


def test_what_is_published_holds_no_name_key_or_opening(shown: tuple[MonthResult, str]) -> None:
    month, lie, unseen = shown[0].month, shown[0].lie.month, shown[0].unseen.month
    opened = [row.checked.opening for row in (*month.rows, *lie.rows, *unseen.rows) if row.checked is not None]
    secrets = [item.opening.salt for one in opened for item in (*one.readings, *one.slots)]
    secrets += [item.salt for one in opened for item in one.joules]
    for lab in month.labs:
        with Store.open(lab.store.path) as store:
            heads = store.epoch_heads(PERIOD)
            seals = [seal for meter in lab.meters for seal in store.epoch_seals(PERIOD, meter.name)]
            secrets += [item.seed for item in (*heads, *seals)]
    files = [path for path in month.folder.parent.rglob("*") if path.is_file() and "private" not in path.parts]
    published = b"\n".join(path.read_bytes() for path in files)
    assert len(files) > 100
    for word in (b"olmo-", b"llama2_", b"llama31_", b"PRIVATE", b"BEGIN ", b"standstill-opening"):  # no word that base64 makes by chance
        names = [path.name for path in files if word in path.read_bytes()]
        assert all(re.fullmatch(r".*\.(js|html|css|json|md)", name) for name in names), (word, names)
    assert holds_any(published, [published[100:132]]) and holds_any(published + b"." + bytes(32).hex().encode(), [bytes(32)])
    assert not holds_any(published, secrets)
    for path in (month.folder.parent / "private").rglob("*"):
        if path.suffix in (".key", ".store"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_round_is_the_published_one() -> None:
    values = json.loads(ROUND.read_text())
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())
    assert values in [{key: item[key] for key in ("round", "signature", "randomness")} for item in vectors["valid"]]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "month").mkdir()
    with pytest.raises(ClaimsError, match="exists already"):
        run_month(tmp_path, Console(file=io.StringIO()))
