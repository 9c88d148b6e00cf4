"""Agreement v3: log, commitments, deadlines, inspections, deciders, terms by period; text and bytes under one set of rules."""

from __future__ import annotations

import dataclasses
import re

import pytest
import world
from hypothesis import given, settings
from hypothesis import strategies as st

from claims.agreement import terms as ag
from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import canonical_bytes
from claims.agreement.presets import PRESETS, preset, with_preset
from claims.base.errors import AgreementError, ClaimsError, MalformedFile
from claims.cli.show_agreement import AGREEMENT_TEMPLATE, agreement_lines

REGIME = f"""
[log]
origin = "log.example/standstill"
operator = "gamma"
key = "{world.public(50)}"
cosignatures = 2

[commitment]
checkpoints = 256

[deadlines]
epoch = "2 h"
claim = "6 h"
grace = "0 s"
opening = "3 h"
sign_by = 2025-12-31T00:00:00Z
late_epochs = 2
cosign = "1 d"

[inspection]
draws = 8
slots = 4
margin = "10 min"

[keys]
revoke = ["gamma", "delta", "beta"]
quorum = 1

[[rules_from]]
from_period = 4
charge = "metered"
residue = "none"

[[rules_from]]
from_period = 6
charge = "peak"
residue = "none"
"""

EXTRA = "".join(
    f'\n[[party]]\nname = "{name}"\nkey = "{world.public(60 + i)}"\ncosign_key = "{world.public(70 + i)}"\n'
    for i, name in enumerate(("gamma", "delta", "epsilon", "eta"))
)

LATER = """freeze = "5e22 FLOP"

[[lab.caps_from]]
from_period = 3
total = "1e21 FLOP"
unattributed = "1e19 FLOP"
lineage = "2e22 FLOP"

[[lab.caps_from]]
from_period = 5
total = "1e20 FLOP"
unattributed = "1e19 FLOP"
lineage = "2e22 FLOP"
freeze = "1e22 FLOP"
"""

CLASS = 'note = "FP8 dense"\n'
FULL = (
    world.TEXT.replace("[pause]", REGIME + "\n[pause]").replace('freeze = "5e22 FLOP"\n', LATER)
    .replace(CLASS, f"{CLASS}readings = 16\n") + EXTRA
)  # fmt: skip


def test_no_more_cosignatures_are_asked_for_than_a_head_can_have() -> None:
    """A head has at most 100 signature lines, of which two are the log's."""
    for count, words in (("99", "99 is not between 1 and 98"), ("98", "98 must cosign")):
        with pytest.raises(AgreementError, match=words):
            parse_agreement(FULL.replace("cosignatures = 2", f"cosignatures = {count}"))


def test_every_field_is_read_and_decoded() -> None:
    terms = parse_agreement(FULL)
    assert terms.log == ag.LogTerms("log.example/standstill", "gamma", bytes.fromhex(world.public(50)[8:]), 2)
    assert terms.checkpoints == 256 and terms.chips[0].readings == 16
    assert terms.deadlines == ag.Deadlines(7200, 21600, 0, 10800, terms.start - 86400, 2, 86400)
    assert terms.inspection == ag.InspectionTerms(8, 4, 600)
    assert terms.pause == ag.Pause("any party asks", "all agree", ("alpha", "beta"), 2)
    assert terms.party("gamma").cosign_key == bytes.fromhex(world.public(70)[8:]) and terms.party("beta").cosign_key is None
    assert terms.keys == ag.KeyTerms(("beta", "delta", "gamma"), 1)
    assert decode_agreement(canonical_bytes(terms)) == terms
    assert (world.agreement().checkpoints, world.agreement().chips[0].readings) == (1024, 64)
    assert decode_agreement(canonical_bytes(world.agreement())) == world.agreement()
    assert any("decided by 2 of alpha, beta" in line for line in agreement_lines(terms))


def test_terms_by_period() -> None:
    terms = parse_agreement(FULL)
    lab = terms.lab("alpha")
    assert [lab.caps_at(period).total for period in (0, 2, 3, 4, 5, 11)] == [10**10] * 2 + [10**9] * 2 + [10**8] * 2
    assert lab.caps_at(2).freeze == 5 * 10**10 and lab.caps_at(3).freeze is None and lab.caps_at(5).freeze == 10**10
    assert [terms.rules_at(period).charge_peak for period in (0, 3, 4, 5, 6)] == [True, True, False, False, True]
    assert terms.rules_at(3).charge_residue and not terms.rules_at(6).charge_residue


CHANGES = [
    ('"log.example/standstill"', '"log.example/standstil"'), ('operator = "gamma"', 'operator = "delta"'),
    (world.public(50), world.public(51)), ("cosignatures = 2", "cosignatures = 1"), ("readings = 16", "readings = 32"),
    ("checkpoints = 256", "checkpoints = 512"), ('epoch = "2 h"', 'epoch = "3 h"'), ('claim = "6 h"', 'claim = "7 h"'),
    ('grace = "0 s"', 'grace = "1 s"'), ('opening = "3 h"', 'opening = "4 h"'), ("sign_by = 2025-12-31", "sign_by = 2025-12-30"),
    ("sign_by = 2025-12-31T00:00:00Z\n", ""),
    ("late_epochs = 2", "late_epochs = 0"), ("late_epochs = 2\n", ""), ('cosign = "1 d"', 'cosign = "1 s"'), ('cosign = "1 d"\n', ""),
    ("draws = 8", "draws = 9"), ("slots = 4", "slots = 0"),
    ('margin = "10 min"', 'margin = "0 s"'), ("from_period = 4", "from_period = 5"), ('charge = "metered"', 'charge = "peak"'),
    ("from_period = 3", "from_period = 2"), ('lineage = "2e22 FLOP"', 'lineage = "3e22 FLOP"'), ("quorum = 2", "quorum = 1"),
    ('revoke = ["gamma", "delta", "beta"]\nquorum = 1', 'revoke = ["gamma", "delta", "beta"]\nquorum = 2'),
    ('"gamma", "delta", "beta"', '"gamma", "delta", "eta"'), ('[keys]\nrevoke = ["gamma", "delta", "beta"]\nquorum = 1\n', ""),
    (world.public(70), world.public(79)), (f'cosign_key = "{world.public(72)}"\n', ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_the_digest_binds_every_new_field(old: str, new: str) -> None:
    assert old in FULL
    text = FULL.replace(old, new, 1)
    if "cosign_key" in old and not new:
        text = text.replace("cosignatures = 2", "cosignatures = 1")
        assert parse_agreement(FULL.replace("cosignatures = 2", "cosignatures = 1")).digest != parse_agreement(text).digest
    assert parse_agreement(text).digest != parse_agreement(FULL).digest


ERRORS = [
    ('"log.example/standstill"', '"log example"', "log.origin", "origin"),
    ('"log.example/standstill"', '"log+example"', "log.origin", "origin"),
    ('"log.example/standstill"', '"' + "x" * 129 + '"', "log.origin", "origin"),
    ('operator = "gamma"', 'operator = "zeta"', "log", "no party"),
    ("cosignatures = 2", "cosignatures = 4", "log", "must cosign"),
    ("cosignatures = 2", "cosignatures = 3", "deadlines", "must cosign"),
    ("cosignatures = 2", "cosignatures = 0", "log.cosignatures", "between"),
    (world.public(50), world.public(70), "log", "same key"),
    (world.public(70), world.public(1), "party", "same key"),
    ("readings = 16", "readings = 17", "chip[0].readings", "power of two"),
    ("checkpoints = 256", "checkpoints = 131072", "commitment.checkpoints", "between"),
    ('claim = "6 h"', 'claim = "0 s"', "deadlines", "between"),
    ('grace = "0 s"', 'grace = "60000 d"', "deadlines.grace", "2^32"),
    ("sign_by = 2025-12-31", "sign_by = 2026-01-02", "deadlines", "sign_by"),
    ("late_epochs = 2", "late_epochs = 99999", "deadlines", "between"),
    ("late_epochs = 2", "late_epochs = -1", "deadlines.late_epochs", "between"),
    ('cosign = "1 d"', 'cosign = "0 s"', "deadlines", "between"),
    ("draws = 8", "draws = 0", "inspection.draws", "between"),
    ("from_period = 6", "from_period = 4", "rules_from", "ascend"),
    ("from_period = 5", "from_period = 3", "lab", "ascend"),
    ("from_period = 5", "from_period = 12", "lab[0].caps_from[1].from_period", "between"),
    ('freeze = "1e22 FLOP"', 'freeze = "3e22 FLOP"', "lab", "above the lineage cap"),
    ('deciders = ["beta", "alpha"]', 'deciders = ["beta", "beta"]', "pause.deciders", "each once"),
    ('deciders = ["beta", "alpha"]', "deciders = []", "pause.deciders", "one or more"),
    ('deciders = ["beta", "alpha"]', 'deciders = ["beta", "zeta"]', "pause", "no parties"),
    ('deciders = ["beta", "alpha"]', 'deciders = ["beta", 1]', "pause.deciders", "names"),
    ("quorum = 2", "quorum = 3", "pause.quorum", "between"),
    ("quorum = 1", "quorum = 3", "keys", "2 of revoke are others than whom the key of party beta concerns"),
    ("quorum = 1", "quorum = 4", "keys.quorum", "between"),
    ('"gamma", "delta", "beta"', '"gamma", "delta", "zeta"', "keys", "no parties"),
    ('"gamma", "delta", "beta"', '"gamma", "gamma"', "keys.revoke", "each once"),
    ("quorum = 2", 'quorum = 2\ndecides = "x"', "pause.decides", "unknown field"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "words"), ERRORS)
def test_refusals(old: str, new: str, field: str, words: str) -> None:
    assert old in FULL
    text = FULL.replace(old, new, 1)
    with pytest.raises(AgreementError, match=re.escape(words)) as caught:
        parse_agreement(text, "a.toml")
    assert caught.value.field == field and caught.value.hint


def test_lines_of_nested_tables_are_found() -> None:
    text = FULL.replace("from_period = 5", "from_period = 12", 1)
    with pytest.raises(AgreementError) as caught:
        parse_agreement(text)
    assert caught.value.line is not None and text.splitlines()[caught.value.line - 1] == "from_period = 12"


def test_an_inspection_needs_a_log() -> None:
    start, end = FULL.index("[log]"), FULL.index("[commitment]")
    with pytest.raises(AgreementError, match="needs a"):
        parse_agreement(FULL[:start] + FULL[end:])


def test_keys_that_change_need_a_log() -> None:
    terms = dataclasses.replace(parse_agreement(FULL), log=None, inspection=None, deadlines=None)
    with pytest.raises(MalformedFile, match=r"whose order says when a key changed"):
        decode_agreement(canonical_bytes(terms))


@pytest.mark.parametrize("field", ["late_epochs = 2\n", 'cosign = "1 d"\n'])
def test_lateness_needs_a_log(field: str) -> None:
    other = "late_epochs = 2\n" if "cosign" in field else 'cosign = "1 d"\n'
    text = FULL.replace(other, "").replace(FULL[FULL.index("[inspection]") : FULL.index("[[rules_from]]")], "")
    with pytest.raises(AgreementError, match=r"needs a \[log\], which dates what is published"):
        parse_agreement(text[: text.index("[log]")] + text[text.index("[commitment]") :])


def test_bytes_of_another_format_are_named() -> None:
    data = canonical_bytes(parse_agreement(FULL))
    with pytest.raises(MalformedFile, match="an agreement of format 2; this program reads format 3"):
        decode_agreement(data.replace(b"standstill/agreement/v3", b"standstill/agreement/v2"))


def test_a_period_s_roots_are_bounded() -> None:
    terms = parse_agreement(FULL)
    lab = terms.lab("alpha")
    wide = dataclasses.replace(lab, log_rows=22, meters=lab.meters)
    with pytest.raises(MalformedFile, match="64 MiB"):
        decode_agreement(
            canonical_bytes(dataclasses.replace(terms, labs=(wide, terms.lab("beta")), epochs_per_period=2**20 + 1, periods=12))
        )


def _with(**changes: object) -> bytes:
    return canonical_bytes(dataclasses.replace(parse_agreement(FULL), **changes))  # type: ignore[arg-type]


def test_bytes_are_held_to_the_same_rules_as_text() -> None:
    terms = parse_agreement(FULL)
    one, two = terms.labs
    assert terms.log is not None and terms.pause is not None
    bad = [
        _with(parties=terms.parties[::-1]), _with(labs=(two, one)), _with(labs=()), _with(chips=()),
        _with(parties=tuple(p for p in terms.parties if p.name != "alpha")),
        _with(parties=(dataclasses.replace(terms.parties[0], key=bytes(32)), *terms.parties[1:])),
        _with(labs=(dataclasses.replace(one, meters=one.meters[::-1]), two)), _with(labs=(dataclasses.replace(one, meters=()), two)),
        _with(labs=(dataclasses.replace(one, caps_from=one.caps_from[::-1]), two)),
        _with(labs=(dataclasses.replace(one, log_rows=23), two)), _with(labs=(dataclasses.replace(one, since_period=12), two)),
        _with(rules_from=terms.rules_from[::-1]), _with(periods=0), _with(epoch_seconds=0), _with(epochs_per_period=0),
        _with(log=dataclasses.replace(terms.log, origin="a b")), _with(log=dataclasses.replace(terms.log, cosignatures=0)),
        _with(checkpoints=3), _with(checkpoints=1),
        *(_with(chips=(dataclasses.replace(terms.chips[0], readings=size),)) for size in (1, 3, 2**17)),
        _with(pause=dataclasses.replace(terms.pause, deciders=("beta", "alpha"))), _with(pause=dataclasses.replace(terms.pause, quorum=0)),
        _with(pause=dataclasses.replace(terms.pause, trigger="\x1b[2J")), _with(pause=dataclasses.replace(terms.pause, trigger="x" * 4001)),
        _with(amends=ag.Amends(bytes(32), 0)), _with(chips=(dataclasses.replace(terms.chips[0], peak=0),)),
        _with(inspection=ag.InspectionTerms(0, 0, 0)), _with(deadlines=ag.Deadlines(0, 1, 1, 1)), _with(start=2**63),
        _with(deadlines=ag.Deadlines(1, 1, 1, 1, late_epochs=24)), _with(deadlines=ag.Deadlines(1, 1, 1, 1, cosign=0)),
    ]  # fmt: skip
    for data in bad:
        with pytest.raises(MalformedFile):
            decode_agreement(data)


@settings(deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused_or_another_agreement(data: st.DataObject) -> None:
    good = canonical_bytes(parse_agreement(FULL))
    at, value = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 255))
    bad = good[:at] + bytes([value]) + good[at + 1 :]
    try:
        assert canonical_bytes(decode_agreement(bad)) == bad
    except MalformedFile:
        assert bad != good


@settings(deadline=None)
@given(st.integers(0, 3000))
def test_no_prefix_and_no_extension_is_an_agreement(cut: int) -> None:
    good = canonical_bytes(world.agreement())
    for bad in (good[: cut % len(good)], good + bytes(1 + cut % 7)):
        with pytest.raises(MalformedFile):
            decode_agreement(bad)


@pytest.mark.parametrize("item", PRESETS, ids=lambda item: item.name)
def test_presets_give_an_agreement_with_their_caps(item) -> None:  # type: ignore[no-untyped-def]
    text = with_preset(AGREEMENT_TEMPLATE, item)
    text = text.replace("<standstill keygen>", world.public(1)).replace("ed25519:<standstill meter init>", world.public(2))
    text = text.replace("<standstill lab init>", "00000001" * 8)
    caps = parse_agreement(text).labs[0].caps
    assert caps.lineage == 10 ** (int(item.lineage.split()[0][2:]) - 12)
    assert (caps.freeze is not None) == (item.freeze is not None)
    assert item.source.split(",")[0] in text and "Not covered" in text


def test_unknown_presets_name_the_known() -> None:
    with pytest.raises(ClaimsError, match="eu-ai-act"):
        preset("nothing")
