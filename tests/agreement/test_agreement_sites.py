"""Sites in an agreement: every meter in exactly one, bounds of each, and no claim of several tables taken for one of one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import world

from claims.agreement import terms as ag
from claims.agreement.check import validate
from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.forecast import residue_lines, residue_reaches
from claims.agreement.model import Agreement, canonical_bytes
from claims.base.errors import AgreementError, ClaimRejected, MalformedFile
from claims.base.units import format_share, share_from_text
from claims.cli.show_agreement import agreement_lines, agreement_value
from claims.verify.claim import verify_claim
from claims.verify.tables import statements_of


def at(site: str, meter: int) -> str:
    return f'key = "{world.public(meter)}"\nsite = "{site}"\n'


CUT = (
    world.TEXT.replace("log_rows = 16\n", "log_rows = 16\nregistry_rows = 17\n")
    .replace(f'key = "{world.public(11)}"\n', at("south", 11)).replace(f'key = "{world.public(12)}"\n', at("north", 12))
)  # fmt: skip
"""A lab of two sites, without a log."""
TEXT = (
    CUT.replace("log_rows = 17\n", 'log_rows = 17\nlost = "0.5 %"\nceiling = "2e22 FLOP"\n')
    + f"""
[log]
origin = "example.org/log"
operator = "gamma"
key = "{world.public(50)}"
cosignatures = 1

[[party]]
name = "gamma"
key = "{world.public(51)}"

[[party]]
name = "delta"
key = "{world.public(52)}"
cosign_key = "{world.public(53)}"
"""
)  # fmt: skip
TERMS = parse_agreement(TEXT)


def test_sites_are_sorted_groups_of_the_labs_meters() -> None:
    lab = TERMS.lab("alpha")
    assert [(site.name, [meter.name for meter in site.meters]) for site in lab.sites] == [("north", ["hall-2"]), ("south", ["hall-1"])]
    assert (lab.log_rows, lab.registry_rows) == (16, 17) and lab.site_of("hall-1").name == "south"
    assert TERMS.lab("beta").sites == () and TERMS.lab("beta").registry_rows is None
    with pytest.raises(ClaimRejected, match="no sites"):
        TERMS.lab("beta").site_of("hall-1")
    assert decode_agreement(canonical_bytes(TERMS)) == TERMS
    assert any("2 sites, each a table of 2^16 rows, and a registry of 2^17 rows" in line for line in agreement_lines(TERMS))
    assert agreement_value(TERMS)["sites"] == {"alpha": {"north": ["hall-2"], "south": ["hall-1"]}, "beta": {}}


def test_lost_and_ceiling_are_read() -> None:
    assert (TERMS.lab("beta").lost, TERMS.lab("beta").ceiling) == (5000, 2 * 10**10)
    assert (TERMS.lab("alpha").lost, TERMS.lab("alpha").ceiling) == (0, None)
    lines = "\n".join(agreement_lines(TERMS))
    assert "up to 0.5 % of a period's chip-seconds" in lines and "ceiling   2e22 FLOP" in lines
    assert [share_from_text(format_share(n)) for n in (0, 1, 10, 5000, 10**6)] == [0, 1, 10, 5000, 10**6]


@pytest.mark.parametrize(
    ("old", "new"),
    [("registry_rows = 17", "registry_rows = 16"), ('site = "south"', 'site = "north"'), ('site = "south"', 'site = "west"'),
     ('lost = "0.5 %"\n', ""), ('lost = "0.5 %"', 'lost = "0.5001 %"'), ('ceiling = "2e22 FLOP"\n', ""), ("2e22 FLOP", "3e22 FLOP")],
)
def test_the_digest_binds_the_cut(old: str, new: str) -> None:
    changed = parse_agreement(TEXT.replace(old, new))
    assert changed.digest != TERMS.digest and changed.digest != parse_agreement(world.TEXT).digest


REFUSED = [
    ('site = "south"\n', "", "meter", "has no site"),
    ("registry_rows = 17\n", "", "lab", "registry_rows goes with sites"),
    ("registry_rows = 17", "registry_rows = 15", "lab[0].registry_rows", "between"),
    ('site = "south"', 'site = "South"', "meter[1].site", "not a name"),
    ('lost = "0.5 %"', 'lost = "100.0001 %"', "lab[1].lost", "is not a share"),
    ('lost = "0.5 %"', 'lost = "0.00001 %"', "lab[1].lost", "is not a share"),
    ('lost = "0.5 %"', 'lost = "-1 %"', "lab[1].lost", "is not a share"),
    ("2e22 FLOP", "9e21 FLOP", "lab", "the ceiling is below a total cap"),
    ('site = "south"', 'site = "registry"', "meter", "no site is called registry"),
    ("log_rows = 17\n", "log_rows = 17\nregistry_rows = 17\n", "lab", "registry_rows goes with sites"),
]


@pytest.mark.parametrize(("old", "new", "field", "words"), REFUSED)
def test_refusals(old: str, new: str, field: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(AgreementError, match=re.escape(words)) as caught:
        parse_agreement(TEXT.replace(old, new, 1))
    assert caught.value.field == field and caught.value.hint


def fleet(sites: int, each: int, *, chips: int = 1, **changes: object) -> Agreement:
    """The agreement with a lab of ``sites`` sites of ``each`` meters; keys are made up, so it is for single rules only."""
    meters = tuple(
        ag.Meter("alpha", f"m-{i:07}", "h100", chips, i.to_bytes(32, "big"), f"s-{i // each:03}") for i in range(sites * each)
    )
    lab = replace(TERMS.lab("alpha"), meters=meters, **changes)
    return replace(TERMS, labs=(lab, TERMS.lab("beta")))


def judged(terms: Agreement, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with the agreement, its keys aside."""
    monkeypatch.setattr("claims.agreement.check._keys", lambda agreement, fail: None)
    try:
        validate(terms, lambda field, what, hint: MalformedFile(what, hint=hint))
    except MalformedFile as error:
        return error.what
    return ""


def test_limits_are_those_of_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """4,096 meters, 2^21 roots and the rows of a table hold for each site; a lab of one table has them as before."""
    assert judged(fleet(2, 4096, log_rows=17), monkeypatch) == ""
    assert "site s-000 has 4097 meters" in judged(fleet(1, 4097, log_rows=22), monkeypatch)
    assert "257 sites" in judged(fleet(257, 1), monkeypatch)
    assert "need 65561 rows" in judged(fleet(1, 2428, log_rows=16), monkeypatch)
    assert judged(fleet(1, 2427, log_rows=16), monkeypatch) == ""
    long = replace(fleet(2, 4096, log_rows=22), epochs_per_period=513, periods=1)
    assert "64 MiB" in judged(replace(long, labs=(long.labs[0], replace(TERMS.lab("beta"), since_period=0)), pause=None), monkeypatch)


def test_without_a_log_nothing_dates_a_loss_and_that_is_said() -> None:
    assert TERMS.lab("beta").lost and TERMS.log is not None
    assert any("no log is agreed, so nothing shows when" in line for line in agreement_lines(replace(TERMS, log=None)))
    for terms in (TERMS, replace(TERMS, log=None, labs=(TERMS.lab("alpha"), replace(TERMS.lab("beta"), lost=0)))):
        assert not any("no log is agreed" in line for line in agreement_lines(terms))


@pytest.mark.parametrize(("sites", "meters"), [(True, 2427), (False, 4)])
def test_a_table_holds_its_meters_when_all_are_lost(sites: bool, meters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost meter's work at peak may take several readings an epoch, as any meter's does."""
    per_reading = (2**48 - 1) // 1980 // 3600
    most = (2**16 - (5 if sites else 9) - 3 * meters) // TERMS.epochs_per_period

    def terms(readings: int) -> Agreement:
        made = fleet(1, meters, log_rows=16)
        each = [readings // meters + (at < readings % meters) for at in range(meters)]
        pairs = zip(made.labs[0].meters, each, strict=True)
        own = tuple(replace(meter, chips=count * per_reading, site=meter.site if sites else None) for meter, count in pairs)
        return replace(made, labs=(replace(made.labs[0], meters=own, registry_rows=17 if sites else None), made.labs[1]))

    monkeypatch.setattr("claims.agreement.check._capacity", lambda *_: None)
    assert judged(terms(most), monkeypatch) == ""
    assert "the fewest readings" in judged(terms(most + 1), monkeypatch)


@pytest.mark.parametrize("sites", [True, False])
def test_what_a_table_counts_bounds_what_its_meters_can_do(sites: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One record may hold all that a site does: below 2^56 units. A lab of one table: below 2^64."""
    most = 2**56 if sites else 2**64
    per_chip = 3600 * 1980 * 24
    chips = (most - 1) // per_chip
    meters, left = [], chips
    while left:
        meters.append(min(left, (2**48 - 1) // 3600))
        left -= meters[-1]

    def terms(counts: list[int]) -> Agreement:
        made = fleet(1, len(counts))
        pairs = zip(made.labs[0].meters, counts, strict=True)
        own = tuple(replace(meter, chips=n, site=meter.site if sites else None) for meter, n in pairs)
        return replace(made, labs=(replace(made.labs[0], meters=own, registry_rows=17 if sites else None, log_rows=22), made.labs[1]))

    assert judged(terms(meters), monkeypatch) == ""
    assert "can do" in judged(terms([*meters[:-1], meters[-1] + 1]), monkeypatch)


MIXED: list[Callable[[ag.Lab], ag.Lab]] = [
    lambda lab: replace(lab, registry_rows=None),
    lambda lab: replace(lab, meters=(replace(lab.meters[0], site=None), lab.meters[1])),
    lambda lab: replace(lab, meters=tuple(replace(meter, site=None) for meter in lab.meters)),
]


@pytest.mark.parametrize("change", MIXED)
def test_bytes_cannot_say_that_some_meters_have_a_site(change: Callable[[ag.Lab], ag.Lab]) -> None:
    with pytest.raises(MalformedFile, match="sites"):
        canonical_bytes(replace(TERMS, labs=(change(TERMS.lab("alpha")), TERMS.lab("beta"))))


def test_a_site_of_the_bytes_is_a_name() -> None:
    data = canonical_bytes(TERMS)
    with pytest.raises(MalformedFile, match="site"):
        decode_agreement(data.replace(b"\x05north", b"\x05North"))


def test_a_claim_of_one_table_is_none_of_a_lab_with_sites() -> None:
    """The heads and signatures may all be right: the claim is refused before anything is taken for a whole table."""
    claim = world.claim(TERMS)
    for refused in (lambda: statements_of(TERMS, claim), lambda: verify_claim(claim.encode(), TERMS)):
        with pytest.raises(ClaimRejected, match="the sites north, south, the claim has none") as caught:
            refused()
        assert caught.value.check == "meters"


def test_the_forecast_is_the_first_period_that_passes_the_freeze() -> None:
    """Against a walk over all periods, with caps and rules that change."""
    base = world.agreement()
    caps = replace(base.lab("alpha").caps, unattributed=10, lineage=100, freeze=35)
    for later, rules in (
        ((), ()), (((2, replace(caps, unattributed=0)), (5, caps)), ()), (((4, replace(caps, freeze=None)),), ()),
        ((), ((4, ag.Rules(True, False)),)), ((), ((1, ag.Rules(True, False)), (9, ag.Rules(True, True)))),
        (((2, replace(caps, freeze=5)),), ()),
    ):  # fmt: skip
        lab = replace(base.lab("alpha"), caps=caps, caps_from=later)
        terms = replace(base, labs=(lab, base.lab("beta")), rules_from=rules)
        residue, walked = 0, None
        for period in range(terms.periods):
            now = lab.caps_at(period)
            residue += now.unattributed
            limit = now.lineage if now.freeze is None else now.freeze
            if terms.rules_at(period).charge_residue and now.unattributed and residue > limit and walked is None:
                walked = period, residue
        assert residue_reaches(terms, lab) == walked


def test_the_forecast_in_words() -> None:
    lines = "\n".join(residue_lines(world.agreement()))
    assert "alpha and beta: unattributed work may be at its cap in every period" in lines
    text = world.TEXT.replace('unattributed = "1e20 FLOP"', 'unattributed = "1e22 FLOP"', 1)
    lines = "\n".join(residue_lines(parse_agreement(text)))
    assert "in period 5 it has come to 6e22 FLOP, and at most 5e22 FLOP is agreed:\n" in lines
    assert residue_lines(parse_agreement(text.replace("charge-every-lineage", "none"))) == []
