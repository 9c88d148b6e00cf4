"""agreement.toml: what it reads to, and every way in which it refuses, with field and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from claims.agreement.bounds import MAX_EPOCHS
from claims.agreement.file import load_agreement, parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.ed25519 import is_public_key
from claims.base.errors import AgreementError, ClaimRejected, UnreadableFile
from claims.cli.show import describe
from claims.cli.show_agreement import agreement_lines
from claims.decisions.file import Decision


def test_values_are_exact_and_sorted() -> None:
    terms = world.agreement()
    assert [party.name for party in terms.parties] == ["alpha", "beta"]
    assert [meter.name for meter in terms.lab("alpha").meters] == ["hall-1", "hall-2"]
    assert terms.chip("h100").peak == 1980, "1.9795e15 rounds up"
    assert terms.lab("alpha").caps.total == 10**10
    assert terms.lab("alpha").caps.freeze == 5 * 10**10
    assert terms.lab("beta").caps.freeze is None and terms.lab("beta").since_period == 2
    assert terms.coverage(terms.lab("alpha").meter("hall-2")) == 16 * 3600
    assert terms.period_epochs(3) == (72, 95)
    assert terms.period_at(terms.start + 86400) == 1 and terms.epoch_at(terms.start + 86399) == 23


def test_digest_is_pinned() -> None:
    assert world.agreement().digest.hex() == PINNED


PINNED = "2375d548edc450643dd974582fa88970efd5fbd0192fb619b60ca7b223d3ea72"


def test_digest_ignores_formatting_and_order() -> None:
    one = world.agreement()
    text = world.TEXT.replace('peak = "1.9795e15 FLOP/s"', 'peak  =  "1.9795 PFLOP/s" # comment')
    text = text.replace("2026-01-01T00:00:00Z", '"2026-01-01T00:00:00+00:00"').replace('epoch = "1 h"', 'epoch = "60 min"')
    text = text.replace("epochs_per_period = 24", 'period = "1 d"')
    tables = text.split("\n\n")
    assert parse_agreement("\n\n".join([tables[0], *reversed(tables[1:4]), *tables[4:]])).digest == one.digest
    assert parse_agreement(text).digest == one.digest


CHANGES = [
    ('name = "two-labs"', 'name = "two-labz"'),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
    ('epoch = "1 h"', 'epoch = "2 h"'),
    ("epochs_per_period = 24", "epochs_per_period = 25"),
    ("periods = 12", "periods = 13"),
    ('charge = "peak"', 'charge = "metered"'),
    ('residue = "charge-every-lineage"', 'residue = "none"'),
    ('peak = "1.9795e15', 'peak = "1.9805e15'),
    ('note = "FP8 dense"', 'note = "FP8"'),
    ("log_rows = 16", "log_rows = 18"),
    ("00000001", "00000002"),
    ("since_period = 2", "since_period = 1"),
    ('total = "1e22 FLOP"', 'total = "1.1e22 FLOP"'),
    ('unattributed = "1e20 FLOP"', 'unattributed = "0 FLOP"'),
    ('lineage = "1e23 FLOP"', 'lineage = "2e23 FLOP"'),
    ('freeze = "5e22 FLOP"\n', ""),
    ("chips = 16", "chips = 17"),
    (world.public(12), world.public(13)),
    ('trigger = "any party asks"', 'trigger = "nobody asks"'),
    ('[pause]\ntrigger = "any party asks"\nlifts = "all agree"\ndeciders = ["beta", "alpha"]\nquorum = 2\n', ""),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_digest_binds_every_field(old: str, new: str) -> None:
    assert old in world.TEXT
    assert parse_agreement(world.TEXT.replace(old, new, 1)).digest != world.agreement().digest


AMENDS = '[amends]\ndigest = "' + "ab" * 32 + '"\nfrom_period = 3\n\n[pause]'

ERRORS = [
    # old, new, field, line of, words in the message
    ('format = "standstill-agreement/3"\n', "", "format", None, "missing"),
    ('agreement/3"', 'agreement/2"', "format", 'format', "an agreement of format 2"),
    ('agreement/3"', 'agreement/x"', "format", 'format', "none of the choices"),
    ('name = "two-labs"', 'name = "Two Labs"', "name", "name =", "not a name"),
    ('name = "two-labs"', "name = 7", "name", "name =", "is int"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "", "start", "not a time"),
    ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "", "start", "not a time"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "", "start", "not a time"),
    ("2026-01-01T00:00:00Z", "1767225600", "start", "start", "is int"),
    ('epoch = "1 h"', 'epoch = "0 h"', "epoch", "epoch =", "positive"),
    ('epoch = "1 h"', 'epoch = "1.0001 s"', "epoch", "epoch =", "whole"),
    ('epoch = "1 h"', 'epoch = "1 hour"', "epoch", "epoch =", "duration"),
    ('epoch = "1 h"', 'epoch = "60000 d"', "epoch", "epoch =", "2^32"),
    ("epochs_per_period = 24\n", "", "period", None, "exactly one"),
    ("epochs_per_period = 24", 'epochs_per_period = 24\nperiod = "1 d"', "period", "period =", "exactly one"),
    ("epochs_per_period = 24", 'period = "90 min"', "period", "period =", "whole number"),
    ("epochs_per_period = 24", "epochs_per_period = 0", "epochs_per_period", "epochs_per", "between"),
    ("periods = 12", "periods = true", "periods", "periods =", "is bool"),
    ("periods = 12", f"periods = {MAX_EPOCHS // 24 + 1}", "periods", "periods =", "between"),
    ('charge = "peak"', 'charge = "half"', "rules.charge", "charge", "none of the choices"),
    ('charge = "peak"', 'charge = "peak"\nother = 1', "rules.other", "other", "unknown field"),
    ('[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n', "", "rules", None, "missing"),
    ('lifts = "all agree"', 'lifts = "a\\u001b[2J"', "pause.lifts", "lifts", "control characters"),
    ('lifts = "all agree"', 'lifts = "a\\u202e"', "pause.lifts", "lifts", "control characters"),
    (world.public(2), "ed25519:" + "00" * 32, "party[0].key", None, "public key"),
    (world.public(2), "ed25519:" + "ff" * 32, "party[0].key", None, "public key"),
    (world.public(2), world.public(2).upper(), "party[0].key", None, "public key"),
    (world.public(2), world.public(11), "meter", None, "same key"),
    ('name = "beta"\nkey', 'name = "alpha"\nkey', "party", None, "two have the name"),
    ('peak = "1.9795e15 FLOP/s"', 'peak = "1.9795e15 FLOP"', "chip[0].peak", "peak =", "not an amount"),
    ('peak = "1.9795e15 FLOP/s"', 'peak = "0 FLOP/s"', "chip[0].peak", "peak =", "peak is 0"),
    ('peak = "1.9795e15 FLOP/s"', 'peak = "16777.216 PFLOP/s"', "chip[0].peak", "peak =", "16777216"),
    ('peak = "1.9795e15 FLOP/s"', "peak = 1.9795e15", "chip[0].peak", "peak =", "is float"),
    ('note = "FP8 dense"\n', "", "chip[0].note", "[[chip]]", "missing"),
    ("log_rows = 16", "log_rows = 15", "lab[0].log_rows", "log_rows = 15", "between"),
    ("log_rows = 17", "log_rows = 23", "lab[1].log_rows", "log_rows = 23", "between"),
    ("00000001", "7f000001", "lab[0].opening_head", "opening_head", "canonical field"),
    ("00000001", "0000001", "lab[0].opening_head", "opening_head", "64 lower-case"),
    ("since_period = 2", "since_period = 12", "lab[1].since_period", "since_period", "between"),
    ('total = "1e22 FLOP"', 'total = "2e31 FLOP"', "lab[0].caps.total", "total", "2^64"),
    ('total = "1e22 FLOP"', 'total = "-1 FLOP"', "lab[0].caps.total", "total", "not an amount"),
    ('total = "1e22 FLOP"', 'total = "1e999 FLOP"', "lab[0].caps.total", "total", "not an amount"),
    ('freeze = "5e22 FLOP"', 'freeze = "5e23 FLOP"', "lab", None, "above the lineage cap"),
    ('freeze = "5e22 FLOP"', 'freese = "5e22 FLOP"', "lab[0].caps.freese", "freese", "unknown field"),
    ("chips = 16", "chips = 0", "meter[0].chips", "chips = 0", "between"),
    ("chips = 16", "chips = 16.0", "meter[0].chips", "chips = 16.0", "is float"),
    ("chips = 16", f"chips = {2**48 // 3600 + 1}", "meter", None, "2^48"),
    ('chip = "h100"\nchips = 16', 'chip = "h200"\nchips = 16', "meter", None, "no chip class"),
    ('name = "hall-2"', 'name = "hall-1"', "lab[0].meter", None, "two have the name"),
    ('lab = "beta"', 'lab = "gamma"', "lab[1].name", None, "0 meters"),
    ('[[meter]]\nlab = "beta"', '[[meter]]\nlab = "gamma"\nname = "x"\nchip = "h100"\nchips = 1\nkey = "'
     + world.public(31) + '"\n\n[[meter]]\nlab = "beta"', "meter", None, "is no lab"),
    ('[[party]]\nname = "beta"', '[[party]]\nname = "gamma"', "lab", None, "no parties"),
    ("epochs_per_period = 24", "epochs_per_period = 40000", "lab", None, "rows"),
    ("2026-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "periods", "periods", "9999"),
    ("[pause]", AMENDS.replace("from_period = 3", "from_period = 0"), "amends.from_period", "from_period", "between"),
    ("[pause]", AMENDS.replace("ab", "AB"), "amends.digest", "digest", "not a digest"),
    ('[[chip]]\nname = "h100"', 'chip = [1]\n[x]\nname = "h100"', "party[1].chip", None, "unknown field"),
    ("periods = 12", "periods = 12\nsurprise = 1", "surprise", "surprise", "unknown field"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "line_of", "words"), ERRORS)
def test_refusals_name_field_line_and_remedy(old: str, new: str, field: str, line_of: str | None, words: str) -> None:
    assert old in world.TEXT
    text = world.TEXT.replace(old, new, 1)
    with pytest.raises(AgreementError, match=re.escape(words)) as caught:
        parse_agreement(text, "a.toml")
    error = caught.value
    assert str(error).startswith("a.toml")
    if words:
        assert error.field == field and error.hint
    if line_of is not None:
        assert error.line is not None and line_of in text.splitlines()[error.line - 1]


def test_toml_errors_have_a_line() -> None:
    with pytest.raises(AgreementError, match="a.toml:2: not TOML"):
        parse_agreement('format = "x"\nname = = 1\n', "a.toml")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(AgreementError):
        parse_agreement("a = " + "[" * 100_000, "a.toml")


def test_keys_of_many_parts_are_refused_before_they_take_gigabytes() -> None:
    """tomllib keeps every beginning of a dotted key: 100 KB of one line would take 20 GB."""
    for line in (".".join(["a"] * 18) + " = 1", "[" + ".".join(["a"] * 18) + "]", 'x = [\n{"a".' + "'b'." * 17 + "c = 1}]"):
        with pytest.raises(AgreementError, match="more than 16 dots"):
            parse_agreement(f'name = "x" # "\n{line}\n', "a.toml")
    dots = "a." * 50
    for good in (f'"{dots}" # {dots}', f'"""\n{dots}\\"b"""""', f"'''{dots}\n'c'''''", f"'{dots}'"):
        with pytest.raises(AgreementError, match="none of the choices"):
            parse_agreement(f"format = {good}\n")
    with pytest.raises(AgreementError, match="a.toml:4: a key with"):
        parse_agreement(f'a = """\n\n"""\n{dots}b = 1\n', "a.toml")


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0b1" + "0" * 20000])
def test_numbers_that_python_does_not_write_are_refused(number: str) -> None:
    with pytest.raises(AgreementError, match="2.64 or more is not between"):
        parse_agreement(world.TEXT.replace("periods = 12", f"periods = {number}"))


def test_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.toml"
    with pytest.raises(UnreadableFile, match="No such file"):
        load_agreement(path)
    with pytest.raises(UnreadableFile):
        load_agreement(tmp_path)
    path.write_bytes(b"x\n\xff")
    with pytest.raises(AgreementError, match=":2: not UTF-8"):
        load_agreement(path)
    path.write_text(world.TEXT)
    assert load_agreement(path) == world.agreement()


def test_amendments_shift_the_first_period() -> None:
    terms = parse_agreement(world.TEXT.replace("[pause]", AMENDS))
    assert terms.first_period == 3 and terms.digest != world.agreement().digest
    with pytest.raises(ClaimRejected):
        terms.period_epochs(2)
    assert terms.period_epochs(3) == (72, 95)


@pytest.mark.parametrize("name", ["party", "lab", "chip"])
def test_lookups_of_unknown_names_are_rejections(name: str) -> None:
    with pytest.raises(ClaimRejected):
        getattr(world.agreement(), name)("nobody")


def test_low_order_and_off_curve_points_are_no_keys() -> None:
    p = 2**255 - 19
    for y in (0, 1, p - 1, p, p + 1, 2, 2**255 - 1):
        for sign in (0, 1 << 255):
            data = (y | sign).to_bytes(32, "little")
            assert not is_public_key(data) or y == 2
    assert is_public_key(bytes.fromhex(world.public(1)[8:])) and not is_public_key(b"")


@given(st.text(max_size=300))
def test_any_text_is_an_agreement_or_a_typed_refusal(text: str) -> None:
    try:
        assert isinstance(parse_agreement(text), Agreement)
    except AgreementError:
        pass


@given(st.integers(0, len(world.TEXT) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_a_typed_refusal_or_another_reading(at: int, char: str) -> None:
    try:
        parse_agreement(world.TEXT[:at] + char + world.TEXT[at + 1 :])
    except AgreementError:
        pass


def test_a_text_writes_no_line_of_what_is_shown() -> None:
    """Who signs reads what `agreement check` prints: a note may have lines, and none of them may pass for a cap or a key."""
    forged = 'note = "FP8\\nlab         alpha: table of 2^16 rows\\n  caps      total 1e20 FLOP"'
    text = re.sub(r'note = "[^"]*"', lambda _: forged, world.TEXT, count=1)
    shown = "\n".join(agreement_lines(parse_agreement(text))).splitlines()
    assert "            | lab         alpha: table of 2^16 rows" in shown
    assert sum(line.startswith("lab         alpha") for line in shown) == 1
    assert not any(line.startswith("  caps      total 1e20") for line in shown)


def test_a_decision_and_signatures_write_no_lines_of_what_is_shown(tmp_path: Path) -> None:
    """Nothing of these files is checked before it is shown."""
    (tmp_path / "a.sigs").write_bytes(AgreementSignatures(bytes(32), {"x\nsigned by   alpha": bytes(64)}).encode())
    (tmp_path / "a.decision").write_bytes(Decision(bytes(32), "lift", 0, "peace\nsigned by   alpha").encode())
    for name in ("a.sigs", "a.decision"):
        assert not any(line.startswith("signed by   alpha") for line in "\n".join(describe(tmp_path / name)).splitlines())
