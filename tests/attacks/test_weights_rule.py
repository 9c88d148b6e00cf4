"""Weights from outside at less than the agreed charge: lists, rules, dates and digests that a lab, or a party that drafts, could bend."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import world
from inspect_fixtures import CHECK, OPEN, build
from lab_fixtures import EPOCHS, make_lab

from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.models import known_model, known_models
from claims.agreement.terms import Amends, OpenModel, Rules
from claims.base.errors import AgreementError, ClaimsError, MalformedFile
from claims.claim.commitments import Slot, SlotOpening, name_digest
from claims.claim.file import MeterHead
from claims.claim.records import KINDS, Draft
from claims.cli.show_agreement import agreement_lines
from claims.inspection.binding import Binding
from claims.inspection.check import OpeningRejected
from claims.inspection.file import OpenedSlot, Opening
from claims.inspection.outside import check_externals
from claims.inspection.record import Record
from claims.lab.lineage import note_checkpoint
from claims.lab.registry import RegistryError

BIG, SMALL, OTHER = b"\1" * 32, b"\2" * 32, b"\3" * 32
CHARGES = {BIG: 38 * 10**12, SMALL: 10**10}
MODELS = (OpenModel("big", CHARGES[BIG], "a paper", (BIG,)), OpenModel("small", CHARGES[SMALL], "", (SMALL, b"\4" * 32)))
DECLARED, LISTED, LISTED_OR = Rules(True, True), Rules(True, True, True), Rules(True, True, True, CHARGES[BIG])
TABLES = f"""
[[open_model]]
name = "big"
charge = "3.8e25 FLOP"
source = "a paper"
weights = ["{BIG.hex()}"]

[[open_model]]
name = "small"
charge = "9.9999999999999e21 FLOP"
source = ""
weights = ["{'04' * 32}", "{SMALL.hex()}"]
"""


def text(external: str = 'external = "listed-or 3.8e25 FLOP"', tables: str = TABLES) -> str:
    return world.TEXT.replace('"charge-every-lineage"\n', f'"charge-every-lineage"\n{external}\n', 1) + tables


TERMS = parse_agreement(text())


def terms(rules: Rules = LISTED, *, later: tuple[tuple[int, Rules], ...] = (), models: tuple[OpenModel, ...] = MODELS) -> Agreement:
    return replace(TERMS, rules=rules, rules_from=later, open_models=models)


def opening(agreement: Agreement, *slots: tuple[int, bytes, int], kind: str = "EXTERNAL") -> Opening:
    """An opening that shows slots: epoch, weights, declared."""
    number = KINDS.index(kind) + 1
    shown = tuple(
        OpenedSlot("x", SlotOpening(i, Slot(True, 3 + i, number, 0, 0, 0, epoch, declared, weights, name_digest("x")), bytes(32), ()))
        for i, (epoch, weights, declared) in enumerate(slots)
    )
    binding = Binding((MeterHead("hall-1", (0,) * 8, bytes(32), bytes(64)),), (0,) * 8, bytes(32), bytes(64), ())
    return Opening(agreement.digest, "alpha", 3, 1000, "beta", (), shown, binding)


def refused(agreement: Agreement, *slots: tuple[int, bytes, int], earlier: tuple[Agreement, ...] = ()) -> str:
    with pytest.raises(OpeningRejected) as caught:
        check_externals(agreement, opening(agreement, *slots), earlier)
    assert caught.value.code == "external"
    return caught.value.what


# ---- what the list says ----------------------------------------------------------------------------------


def test_a_list_is_read_sorted_and_bound() -> None:
    assert TERMS.open_models == MODELS and TERMS.rules == LISTED_OR  # charges are rounded up
    assert decode_agreement(canonical_bytes(TERMS)) == TERMS
    for change in ('"listed"', '"listed-or 3.9e25 FLOP"'):
        assert parse_agreement(text(f"external = {change}")).digest != TERMS.digest
    assert parse_agreement(text("", "")).digest == parse_agreement(text('external = "declared"', "")).digest == world.agreement().digest
    assert parse_agreement(text(tables=TABLES.replace("04" * 32, "05" * 32))).digest != TERMS.digest
    lines = "\n".join(agreement_lines(TERMS))
    assert "open model  big: charged 3.8e25 FLOP" in lines and "does not show that the model named is the one loaded" in lines


@pytest.mark.parametrize(("old", "new", "words"), [
    (f'"{SMALL.hex()}"', f'"{BIG.hex()}"', "have the same digest"),
    (f'"{SMALL.hex()}"', f'"{"04" * 32}"', "have the same digest"),
    (f'"{SMALL.hex()}"', f'"{"00" * 32}"', "weights that nobody kept"),
    (f'"{SMALL.hex()}"', f'"{"AB" * 32}"', "not a digest"),
    (f'"{SMALL.hex()}"', '"0203"', "not a digest"),
    (f'["{"04" * 32}", "{SMALL.hex()}"]', "[]", "0 weights digests"),
    ('name = "small"', 'name = "big"', "two have the name"),
    ('charge = "9.9999999999999e21 FLOP"', 'charge = "0 FLOP"', "the charge is not 1"),
    ('charge = "3.8e25 FLOP"', 'charge = "3.9e25 FLOP"', "unlisted weights would declare less than big"),
    ('charge = "3.8e25 FLOP"', 'charge = "1e40 FLOP"', "2^64 units"),
    ('"listed-or 3.8e25 FLOP"', '"listed-or 3.79e25 FLOP"', "unlisted weights would declare less"),
    ('"listed-or 3.8e25 FLOP"', '"listed-or"', "none of the choices"),
    ('"listed-or 3.8e25 FLOP"', '"Listed"', "none of the choices"),
    ('"listed-or 3.8e25 FLOP"', '"listed-or  3.8e25 FLOP"', "not an amount"),
    ('"listed-or 3.8e25 FLOP"', '"listed-or -3.8e25 FLOP"', "not an amount"),
    ('"listed-or 3.8e25 FLOP"', '"declared"', "no rule names the list"),
])  # fmt: skip
def test_lists_that_would_undercharge_are_no_agreements(old: str, new: str, words: str) -> None:
    assert text().count(old) == 1
    with pytest.raises(AgreementError, match=words.replace("^", r"\^")):
        parse_agreement(text().replace(old, new))


def test_a_later_rule_binds_the_amount_too() -> None:
    later = '\n[[rules_from]]\nfrom_period = 2\ncharge = "peak"\nresidue = "none"\nexternal = "listed-or 1e22 FLOP"\n'
    with pytest.raises(AgreementError, match="unlisted weights would declare less"):
        parse_agreement(text('external = "listed"') + later)


def test_bytes_that_no_text_has_are_no_agreement() -> None:
    swapped = replace(TERMS, open_models=MODELS[::-1])
    unsorted = replace(TERMS, open_models=(MODELS[0], replace(MODELS[1], weights=MODELS[1].weights[::-1])))
    for changed in (swapped, unsorted):
        with pytest.raises(MalformedFile):
            decode_agreement(canonical_bytes(changed))
    data, place = canonical_bytes(TERMS), canonical_bytes(TERMS).index(b"\x01\x01\x02" + CHARGES[BIG].to_bytes(8, "big"))
    for number in (0, 1, 3):
        with pytest.raises(MalformedFile):
            decode_agreement(data[: place + 2] + bytes([number]) + data[place + 3 :])
    with pytest.raises(MalformedFile, match="without a list"):
        canonical_bytes(replace(TERMS, rules=replace(LISTED_OR, listed=False)))


# ---- the inspector ----------------------------------------------------------------------------------------


def test_one_unit_less_is_a_failure() -> None:
    for weights, charge in CHARGES.items():
        check_externals(TERMS, opening(TERMS, (0, weights, charge), (0, weights, charge + 5)))
        assert "declares less than" in refused(TERMS, (0, weights, charge), (1, weights, charge - 1))


def test_weights_with_another_digest_are_charged_as_the_largest() -> None:
    """A cast or re-sharded file has another digest: under ``listed-or`` it costs what the largest of the list does, else it is refused."""
    for weights in (OTHER, bytes(32)):
        assert refused(terms(LISTED_OR), (0, weights, CHARGES[BIG] - 1))
        check_externals(terms(LISTED_OR), opening(TERMS, (0, weights, CHARGES[BIG])))
        assert "no list" in refused(terms(LISTED), (0, weights, 2**64 - 1))


def test_an_empty_list_lets_nothing_in() -> None:
    assert parse_agreement(text('external = "listed"', "")).open_models == ()
    assert refused(terms(LISTED, models=()), (0, BIG, 2**64 - 1))


def test_the_rule_of_its_period_judges_an_old_one() -> None:
    stricter = terms(DECLARED, later=((2, LISTED),))
    last, first = 2 * TERMS.epochs_per_period - 1, 2 * TERMS.epochs_per_period
    check_externals(stricter, opening(stricter, (last, OTHER, 1), (first, BIG, CHARGES[BIG])))
    assert refused(stricter, (first, OTHER, 1))
    looser = terms(LISTED, later=((2, DECLARED),))
    assert refused(looser, (last, BIG, 1))
    check_externals(looser, opening(looser, (first, BIG, 1)))


def test_an_amendment_frees_no_old_one() -> None:
    """Judged by the list in force in its epoch's period: neither a new list nor a wrong predecessor stands in for the amended one."""
    old = terms(LISTED)
    cheap = replace(terms(LISTED, models=(replace(MODELS[0], charge=1), MODELS[1])), amends=Amends(old.digest, 2))
    third = replace(cheap, amends=Amends(cheap.digest, 3))
    before, under = (0, BIG, 1), (2 * TERMS.epochs_per_period, BIG, 1)
    check_externals(cheap, opening(cheap, under))
    assert refused(cheap, before, earlier=(old,))
    assert refused(third, before, earlier=(old, cheap)) and refused(third, under, before, earlier=(cheap, old))
    check_externals(third, opening(third, under), (cheap,))
    for known in ((), (replace(old, name="another"),), (cheap,)):
        with pytest.raises(ClaimsError, match="under an agreement that was amended") as caught:
            check_externals(cheap, opening(cheap, before), known)
        assert not isinstance(caught.value, OpeningRejected)


@pytest.mark.parametrize("kind", ["OPENING", "CHECKPOINT", "SNAPSHOT", "MERGE"])
def test_other_kinds_are_not_judged_by_the_list(kind: str) -> None:
    """What is not shown, and said: loaded weights that a lab writes as a checkpoint without parents."""
    check_externals(TERMS, opening(TERMS, (0, BIG, 0), kind=kind))


# ---- the lab ----------------------------------------------------------------------------------------------


def draft(name: str, weights: bytes, declared: int, epoch: int = 0) -> Draft:
    return Draft(name, "EXTERNAL", (), None, epoch, declared, weights)


def test_the_labs_own_importer_refuses_what_an_inspector_would(tmp_path: Path) -> None:
    store, plain = make_lab(tmp_path)
    listed = replace(plain, rules=LISTED_OR, rules_from=((1, LISTED), (2, DECLARED)), open_models=MODELS)
    with store, store.transaction():
        for weights, declared, words in ((BIG, CHARGES[BIG] - 1, "the weights of big"), (OTHER, CHARGES[BIG] - 1, "no open model")):
            with pytest.raises(RegistryError, match=f"the agreement charges 3.8e25 FLOP for .*{words}"):
                note_checkpoint(store, listed, draft("m", weights, declared))
        with pytest.raises(RegistryError, match="no others may come from outside"):
            note_checkpoint(store, listed, draft("m", OTHER, 2**63, EPOCHS))
        with pytest.raises(RegistryError, match="no others may come from outside"):
            note_checkpoint(store, listed, draft("m", bytes(32), 2**63, EPOCHS))
        note_checkpoint(store, listed, draft("a", SMALL, CHARGES[SMALL]))
        note_checkpoint(store, listed, draft("b", OTHER, CHARGES[BIG]))
        note_checkpoint(store, listed, draft("c", SMALL, CHARGES[SMALL], EPOCHS))
        note_checkpoint(store, listed, draft("d", OTHER, 1, 2 * EPOCHS))
        assert [item.name for period in range(3) for item in store.drafts(period)] == ["a", "b", "c", "d"]


def test_a_lab_that_notes_it_under_another_text_is_caught(tmp_path: Path) -> None:
    """Its program was given a copy of the agreement without the list. Every place of the checkpoint list is drawn here."""
    def listed(agreement: str) -> str:
        agreement = agreement.replace('residue = "charge-every-lineage"\n', 'residue = "charge-every-lineage"\nexternal = "listed"\n')
        return agreement.replace("slots = 3", "slots = 128") + TABLES

    folder = build(tmp_path, listed, f"weights,EXTERNAL,0,1e21,{BIG.hex()}\n")
    assert "will record a failure (external)" in folder.run(*OPEN)
    found = folder.run(*CHECK, "-k", "beta.key", code=1)
    assert "declares less than the agreement charges" in found and "failed: " in found
    record = Record.decode((tmp_path / "beta-alpha-0.record").read_bytes())
    assert (record.outcome, record.failures) == ("failed", ("external",))
    assert record.opening == hashlib.sha256((tmp_path / "alpha-0-beta.opening").read_bytes()).digest()


# ---- the published list -----------------------------------------------------------------------------------


def test_published_estimates_make_tables() -> None:
    models = known_models()
    assert len(models) == 69 and len({model.name for model in models}) == 69
    assert known_model("llama-3.1-405b").charge == "3.8e25 FLOP" and known_model("deepseek-v4-pro").charge == "9.8e24 FLOP"
    tables = "\n".join(model.table([hashlib.sha256(model.name.encode()).hexdigest()]) for model in models)
    agreed = parse_agreement(text('external = "listed-or 3.8e25 FLOP"', "\n" + tables))
    assert len(agreed.open_models) == 69 and all("confidence: " in model.source for model in agreed.open_models)
    with pytest.raises(AgreementError, match="0 weights digests"):
        parse_agreement(text('external = "listed"', "\n" + models[0].table()))
    with pytest.raises(ClaimsError, match="no model"):
        known_model("gpt-4")
