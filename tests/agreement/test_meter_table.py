"""The meters of a fleet in a file beside the agreement: the same agreement, one spelling, and nothing but that file is read."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import world

from claims.agreement import file
from claims.agreement.decode import decode_agreement
from claims.agreement.file import load_agreement, parse_agreement
from claims.agreement.meters import HEADER, MeterTable, meters_in, table_lines, write_table
from claims.agreement.model import canonical_bytes
from claims.base.errors import AgreementError, MalformedFile
from claims.cli.main import main
from claims.cli.show_agreement import agreement_lines
from claims.site.generate import generate
from claims.site.render_detail import _meters
from claims.site.terms import terms_of
from claims.status import folder as status_folder
from claims.status.compute import compute
from tests.agreement.test_agreement_sites import CUT
from tests.status.test_status import DAY, START, amended, signed

NAME = "fleet.meters.csv"
TABLE = write_table(meter for lab in world.agreement().labs for meter in lab.meters)


def without_meters(text: str) -> str:
    return re.sub(r'\[\[meter\]\]\n(?:[a-z_]+ = .*\n)+\n?', "", text)


def tabled(text: str = world.TEXT, table: bytes = TABLE, name: str = NAME) -> str:
    return f"{without_meters(text)}\n{table_lines(name, table)}\n"


def laid(folder: Path, text: str = "", table: bytes = TABLE) -> Path:
    """An agreement with its table beside it."""
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(table)
    (folder / "agreement.toml").write_text(text or tabled(table=table))
    return folder / "agreement.toml"


@pytest.mark.parametrize("text", [world.TEXT, CUT], ids=["plain", "sites"])
def test_it_is_the_same_agreement(tmp_path: Path, text: str) -> None:
    inside = parse_agreement(text)
    table = write_table(meters_in("a.toml", text.encode()))
    assert load_agreement(laid(tmp_path / "one", tabled(text, table), table)) == inside
    assert table.startswith(f"{HEADER}{',site' if text == CUT else ''}\n".encode())
    shuffled = b"".join([table.splitlines(True)[0], *reversed(table.splitlines(True)[1:])])
    assert write_table(meters_in("a.csv", shuffled)) == table == write_table(meters_in("a.csv", table.replace(b"\n", b"\r\n")))


EDITS = {
    "another order": (lambda t: b"".join([t.splitlines(True)[0], *reversed(t.splitlines(True)[1:])]), 3, "does not come after"),
    "a row twice": (lambda t: t + t.splitlines(True)[-1], 5, "does not come after"),
    "no last line break": (lambda t: t[:-1], 4, "the last line does not end"),
    "a line break too many": (lambda t: t + b"\n", 5, "1 cells, not 5"),
    "carriage returns": (lambda t: t.replace(b"\n", b"\r\n"), 1, "does not begin with"),
    "a byte order mark": (lambda t: b"\xef\xbb\xbf" + t, None, "not ASCII"),
    "quotes": (lambda t: t.replace(b",h100,", b',"h100",', 1), 2, "chip"),
    "a zero before": (lambda t: t.replace(b",8,", b",08,", 1), 2, "chips"),
    "no chips": (lambda t: t.replace(b",8,", b",0,", 1), 2, "chips"),
    "upper case": (lambda t: t.replace(b"hall-1", b"Hall-1", 1), 2, "name"),
    "a space": (lambda t: t.replace(b",h100,", b", h100,", 1), 2, "chip"),
    "another key": (lambda t: t.replace(b"ed25519:43aa", b"ed25519:43AA", 1), 2, "key"),
    "a cell more": (lambda t: t.replace(b",h100,", b",h100,,", 1), 2, "6 cells, not 5"),
    "columns in another order": (lambda t: t.replace(b"lab,name", b"name,lab", 1), 1, "does not begin with"),
    "an unknown column": (lambda t: t.replace(b"\n", b",\n").replace(b",key,", b",key,note"), 1, "does not begin with"),
    "an empty column": (lambda t: t.replace(b"\n", b",\n").replace(b",key,", b",key,site"), 1, "nothing stands"),
    "another lab": (lambda t: t.replace(b"beta,hall", b"zeta,hall"), None, "lab beta has 0 meters"),
    "a key twice": (lambda t: re.sub(rb"(alpha,hall-2.*ed25519:)\w+", rb"\g<1>" + world.public(11)[8:].encode(), t), None, "the same key"),
    "a key that is none": (lambda t: re.sub(rb"ed25519:\w+", b"ed25519:" + b"0" * 64, t, count=1), None, "alpha/hall-1 has no usable"),
    "another chip": (lambda t: t.replace(b",h100,", b",h200,", 1), None, "no chip class 'h200'"),
    "many chips": (lambda t: t.replace(b",8,", b",999999999999999,", 1), None, "alpha/hall-1: chips"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_another_spelling_is_refused_where_it_stands(tmp_path: Path, name: str) -> None:
    edit, line, what = EDITS[name]
    table = edit(TABLE)
    assert table != TABLE
    with pytest.raises(AgreementError, match=re.escape(what)) as caught:
        load_agreement(laid(tmp_path, tabled(table=table), table))
    assert caught.value.line == line or caught.value.source.endswith(".toml")


@pytest.mark.parametrize("name", ["../f.meters.csv", "/etc/x.meters.csv", "sub/f.meters.csv", "usage.csv", ".meters.csv", "a b.meters.csv"])
def test_only_a_plain_name_is_taken(name: str) -> None:
    with pytest.raises(AgreementError, match="meter_table.file"):
        parse_agreement(tabled(name=name), "a.toml", lambda _: pytest.fail("it was read"))


def test_only_the_agreed_file_counts(tmp_path: Path) -> None:
    path = laid(tmp_path)
    (tmp_path / NAME).write_bytes(TABLE.replace(b",16,", b",17,"))
    with pytest.raises(AgreementError, match=r"agreement.toml:\d+: meter_table.sha256: .* is another file.*its SHA-256 is"):
        load_agreement(path)
    (tmp_path / NAME).rename(tmp_path / "x")
    with pytest.raises(AgreementError, match="which is not beside it; get fleet.meters.csv where the agreement is from"):
        load_agreement(path)
    (tmp_path / "x").write_bytes(TABLE)
    (tmp_path / NAME).symlink_to(tmp_path / "x")
    with pytest.raises(AgreementError, match="symbolic link"):
        load_agreement(path)
    (tmp_path / NAME).unlink()
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(AgreementError, match="not a regular file"):
        load_agreement(path)
    with pytest.raises(AgreementError, match="only one file is read"):
        parse_agreement(tabled())
    for extra, what in ((world.TEXT[world.TEXT.index("[[meter]]") :], "beside"), ("more = 1\n", "unknown field")):
        with pytest.raises(AgreementError, match=what):
            parse_agreement(tabled() + extra, "a.toml", lambda _: TABLE)


def test_the_number_of_rows_is_bounded_before_they_are_read() -> None:
    data = b"\n" * 10
    with pytest.raises(AgreementError, match="9 rows, and the agreement says 3"):
        MeterTable("t", data, 3).meters()
    with pytest.raises(AgreementError, match="not between 1 and 262144"):
        parse_agreement(tabled().replace("\nrows = 3", "\nrows = 262145"), "a.toml", lambda _: TABLE)


def test_the_fleet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claims.agreement.check.MAX_FLEET", 2)
    with pytest.raises(AgreementError, match="3 meters of all labs, more than 2"):
        parse_agreement(world.TEXT)


def test_a_cache_does_not_stand_for_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STANDSTILL_CACHE", raising=False)
    monkeypatch.setattr(file, "_CACHED", 0)
    parsed: list[int] = []
    own = file._parse
    monkeypatch.setattr(file, "_parse", lambda root, table: parsed.append(1) or own(root, table))
    path = laid(tmp_path / "one")
    first, again = load_agreement(path), load_agreement(path)
    assert first == again and first.digest == again.digest and len(parsed) == 1
    path.with_name(NAME).unlink()
    with pytest.raises(AgreementError, match="not beside it"):
        load_agreement(path)
    path.with_name(NAME).write_bytes(TABLE.replace(b",16,", b",17,"))
    with pytest.raises(AgreementError, match="another file"):
        load_agreement(path)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def test_the_command_makes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(world.TEXT)
    assert run("agreement", "meters", "a.toml", "-o", NAME) == 0
    lines = capsys.readouterr().out
    assert lines == f"{table_lines(NAME, TABLE)}\n" and Path(NAME).read_bytes() == TABLE
    Path("b.toml").write_text(without_meters(world.TEXT) + lines)
    assert run("agreement", "digest", "b.toml") == 0
    assert capsys.readouterr().out.strip() == world.agreement().digest.hex()
    assert run("show", NAME) == 0 and "3 of alpha, beta" in capsys.readouterr().out
    assert run("show", "b.toml") == 0 and "meter     hall-1" in capsys.readouterr().out
    for bad, what in (
        (["a.toml", "a.toml", "-o", f"b{NAME}"], "alpha/hall-1 stands there twice"), (["a.toml", "-o", "fleet.csv"], "ends in .meters.csv"),
    ):  # fmt: skip
        assert run("agreement", "meters", *bad) == 2 and what in capsys.readouterr().err
    Path("bad.csv").write_text(f"{HEADER}\nlab,m,h100,8,ed25519:{'0' * 64}\n")
    assert run("agreement", "meters", "bad.csv", "-o", f"b{NAME}") == 2 and "bad.csv:2: key: not a usable" in capsys.readouterr().err
    Path("bad.csv").write_text("lab,name\n")
    assert run("agreement", "meters", "bad.csv", "-o", f"b{NAME}") == 2 and "the columns are not" in capsys.readouterr().err


def test_signatures_count_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    laid(tmp_path).with_suffix(".sigs").write_bytes(signed(world.agreement()).encode())
    assert run("agreement", "verify", "agreement.toml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == world.agreement().digest.hex()


def test_a_fleet_is_shown_by_classes(tmp_path: Path) -> None:
    lab = world.agreement().lab("alpha")
    meters = tuple(replace(lab.meters[0], name=f"m-{n:03}", chips=10) for n in range(100))
    terms = replace(world.agreement(), labs=(replace(lab, meters=meters),))
    lines = agreement_lines(terms)
    assert "  meters    100 of h100: 1,000 chips" in lines and not any("m-001" in line for line in lines)
    shown = terms_of(terms, ())["labs"][0]
    assert shown["count"] == 100 and shown["meters"] == [{"name": "100 meters", "chip": "h100", "chips": 1000, "site": None}]
    assert "Each is in the agreement" in _meters(terms_of(terms, ())).text
    assert "Each is in the agreement" not in _meters(terms_of(world.agreement(), ())).text
    assert sum("m-001" in line for line in agreement_lines(terms, every=True)) == 1


# ---- publication folders ----------------------------------------------------------------------------------------


def publish(folder: Path, text: str, sub: str = "") -> None:
    place = folder / sub
    place.mkdir(parents=True, exist_ok=True)
    (place / NAME).write_bytes(TABLE)
    (place / "agreement.toml").write_text(tabled(text))
    (place / "agreement.sigs").write_bytes(signed(parse_agreement(text)).encode())


def test_a_folder_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.status.test_status import TERMS, TEXT, claim

    folder = tmp_path / "folder"
    publish(folder, amended())
    publish(folder, TEXT, "agreements")
    claim(folder)
    state = compute(folder, now=START + DAY)
    assert state.agreement == parse_agreement(amended()) and state.rows[0].agreement == TERMS.digest
    monkeypatch.setitem(status_folder.BUDGETS, "agreements/.meters.csv", 10)
    assert "meter tables are larger" in "".join(compute(folder, now=START + DAY).problems)
    monkeypatch.undo()
    (folder / "agreements" / NAME).unlink()
    state = compute(folder, now=START + DAY)
    assert "which is not beside it" in "".join(state.problems) and TERMS.digest not in {row.agreement for row in state.rows}
    (folder / NAME).unlink()
    with pytest.raises(AgreementError, match="which is not beside it"):
        compute(folder, now=START + DAY)


def test_one_planted_table_is_not_parsed_for_every_agreement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small agreements that all name one large table cost a bounded sum."""
    from tests.status.test_status import TEXT

    folder = tmp_path / "folder"
    publish(folder, TEXT)
    (folder / "agreements").mkdir()
    (folder / "agreements" / NAME).write_bytes(TABLE)
    for number in range(20):
        text = tabled(TEXT.replace("two-labs", f"labs-{number}"))
        (folder / "agreements" / f"{number}.toml").write_text(text)
    read: list[int] = []
    own = MeterTable.meters
    monkeypatch.setattr(MeterTable, "meters", lambda table: read.append(len(table.data)) or own(table))
    monkeypatch.setitem(status_folder.BUDGETS, "agreements/.meters.csv", 5 * len(TABLE))
    compute(folder, now=START)
    assert sum(read[1:]) <= 5 * len(TABLE)


def test_the_page_has_the_meters_inside_and_the_table_beside(tmp_path: Path) -> None:
    from tests.status.test_status import TEXT

    folder = tmp_path / "folder"
    publish(folder, TEXT)
    (folder / "usage.meters.csv").write_text("meter,start,stop,checkpoint,chips\n")
    (folder / "usage.csv").write_text("meter,start,stop,checkpoint,chips\n")
    report = generate(folder, tmp_path / "site", now=START)
    assert (tmp_path / "site/agreement.bin").read_bytes() == canonical_bytes(parse_agreement(TEXT))
    assert (tmp_path / "site/files" / NAME).read_bytes() == TABLE
    assert {path for path, _ in report.left_out} == {"usage.csv", "usage.meters.csv"}, "what a lab keeps to itself stays there"


def test_canonical_bytes_of_a_fleet_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = canonical_bytes(world.agreement())
    monkeypatch.setattr("claims.agreement.decode.CANONICAL_LIMIT", len(data) - 1)
    with pytest.raises(MalformedFile, match="larger"):
        decode_agreement(data)
    monkeypatch.setattr("claims.agreement.check.MAX_FLEET", 2)
    with pytest.raises(MalformedFile):
        decode_agreement(data)


def test_a_table_is_read_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claims.agreement.meters.TABLE_LIMIT", len(TABLE) - 1)
    with pytest.raises(AgreementError, match="larger than"):
        load_agreement(laid(tmp_path))
