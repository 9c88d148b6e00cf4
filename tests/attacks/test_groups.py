"""Groups of meters: one root an epoch for all of them, and no meter that can be swapped, left out, doubled or told anew inside."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import world
from lab_fixtures import METER_KEYS, make_agreement

from claims.agreement.check import validate
from claims.agreement.decode import decode_agreement
from claims.agreement.file import parse_agreement
from claims.agreement.meters import MeterTable, meters_in, write_table
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.signatures import epoch_root_message
from claims.base import clock
from claims.base.errors import AgreementError, ClaimRejected, ClaimsError, MalformedFile
from claims.base.merkle import PathError, path_length
from claims.claim.commitments import lab_epoch_root, merkle_root, meter_leaf, roots_digest
from claims.claim.file import Claim, MeterHead, SiteHead
from claims.claim.groups import EpochTree, group_leaf, root_by_path
from claims.claim.losses import NO_ROOT
from claims.claim.roots import Roots
from claims.inspection.check import OpeningRejected, check_opening
from claims.inspection.open import make_opening
from claims.lab.epochs import publish_epoch
from claims.lab.losses import claimed_heads, lost_in, unit_roots
from claims.lab.meter import SoftwareMeter, seal_through, sign_period
from claims.lab.prove import roots_files
from claims.lab.registry import open_registry
from claims.lab.store import Store
from claims.verify.roots import check_roots
from tests.inspection import test_inspect_open as base

# ---- a lab of two sites, five meters, three groups ---------------------------------------------------------------

PLACES = {
    "m-1": ("north", "rack-b"), "m-2": ("south", "rack-c"), "m-3": ("north", "rack-b"), "m-4": ("north", "rack-a"),
    "m-5": ("north", "rack-b"),
}  # fmt: skip
SEEDS = {name: 30 + number for number, name in enumerate(PLACES)}


def meter(name: str, site: str, group: str) -> str:
    key = f'key = "{world.public(SEEDS[name])}"'
    return f'[[meter]]\nlab = "alpha"\nname = "{name}"\nchip = "h100"\nchips = 8\n{key}\nsite = "{site}"\ngroup = "{group}"\n\n'


START, END = world.TEXT.index('[[meter]]\nlab = "alpha"'), world.TEXT.index('[[meter]]\nlab = "beta"')
TEXT = (
    world.TEXT[:START].replace("log_rows = 16\n", "log_rows = 16\nregistry_rows = 17\n")
    + "".join(meter(name, *places) for name, places in PLACES.items()) + world.TEXT[END:]
)  # fmt: skip
TERMS = parse_agreement(TEXT)
LAB = TERMS.lab("alpha")
FIRST, LAST = TERMS.period_epochs(0)
EPOCHS = range(FIRST, LAST + 1)


def test_groups_are_agreed() -> None:
    assert [(unit.name, [m.name for m in unit.meters]) for unit in LAB.units] == [
        ("rack-a", ["m-4"]), ("rack-b", ["m-1", "m-3", "m-5"]), ("rack-c", ["m-2"]),
    ]  # fmt: skip
    assert [unit.name for unit in TERMS.lab("beta").units] == ["hall-1"] and not TERMS.lab("beta").groups
    assert LAB.unit_of("m-3") == (1, LAB.groups[1])
    assert decode_agreement(canonical_bytes(TERMS)) == TERMS
    table = write_table(meters_in("a.toml", TEXT.encode()))
    assert table.startswith(b"lab,name,chip,chips,key,site,group\n")
    assert MeterTable("t", table, 6).meters()[2].group == "rack-b" and MeterTable("t", table, 6).meters()[-1].group is None
    assert parse_agreement(TEXT.replace('"rack-c"', '"rack-d"')).digest != TERMS.digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('group = "rack-c"\n', "", "alpha/m-2 has no group"), ('"rack-c"', '"rack-b"', "rack-b has meters of several sites"),
        ('"rack-c"', '"Rack"', "not a name"),
    ],
)  # fmt: skip
def test_a_group_is_whole_and_in_one_table(old: str, new: str, words: str) -> None:
    with pytest.raises(AgreementError, match=words):
        parse_agreement(TEXT.replace(old, new, 1))


def test_groups_make_room_for_roots() -> None:
    """Of groups the roots of a period are those of the groups."""
    many = tuple(replace(LAB.meters[0], name=f"m-{n:02}", key=bytes.fromhex(world.public(100 + n)[8:])) for n in range(32))
    rows, fail = {"registry_rows": None, "log_rows": 22}, lambda field, what, hint: MalformedFile(what)

    def terms(group: str | None) -> Agreement:
        meters = tuple(replace(meter, site=None, group=group) for meter in many)
        return replace(TERMS, epochs_per_period=100_000, periods=1, labs=(replace(LAB, meters=meters, **rows),), pause=None)

    validate(terms("one"), fail)
    with pytest.raises(MalformedFile, match="epoch roots of a period take more than 64 MiB"):
        validate(terms(None), fail)


# ---- paths ------------------------------------------------------------------------------------------------


def test_paths_lead_to_what_is_published_from_the_own_place_alone() -> None:
    rng = random.Random(1)
    roots = {name: rng.randbytes(32) for name in PLACES}
    tree = EpochTree(LAB, roots)
    inside = {unit.name: merkle_root([meter_leaf(m.name, roots[m.name]) for m in unit.meters]) for unit in LAB.groups}
    assert tree.root == merkle_root([group_leaf(name, inside[name]) for name in ("rack-a", "rack-b", "rack-c")])
    for name in PLACES:
        path = tree.path(name)
        assert root_by_path(LAB, name, roots[name], path) == tree.root
        for other in PLACES:
            if other != name:
                assert root_or_none(other, roots[name], path) != tree.root, "no meter stands in another's place"
        for bad in (path[:-1], (*path, bytes(32)), path[::-1] if len(path) > 1 else ()):
            assert root_or_none(name, roots[name], bad) != tree.root
    beta = TERMS.lab("beta")
    assert EpochTree(beta, {"hall-1": bytes(32)}).root == lab_epoch_root([("hall-1", bytes(32))]), "without groups nothing changes"


def root_or_none(name: str, root: bytes, path: tuple[bytes, ...]) -> bytes | None:
    try:
        return root_by_path(LAB, name, root, path)
    except PathError:
        return None


def test_lengths_of_paths() -> None:
    from claims.claim.commitments import audit_path

    for size in range(1, 20):
        leaves = [bytes([n]) for n in range(size)]
        assert [path_length(n, size) for n in range(size)] == [len(audit_path(leaves, n)) for n in range(size)]


# ---- claims, roots files, log: both verifiers ----------------------------------------------------------------------


@dataclass
class Published:
    """The log, as far as roots go."""

    roots: dict[int, bytes]
    agreement: Agreement = TERMS

    def epoch(self, lab: str, epoch: int) -> tuple[Any, int] | None:
        return SimpleNamespace(root=self.roots[epoch]), epoch


@dataclass
class Case:
    """What a verifier of roots gets. ``files``: meters' or groups' roots, of each site."""

    claim: Claim
    files: dict[str, Roots]
    logged: dict[int, bytes]


def honest(seed: int = 0) -> tuple[Case, dict[str, tuple[bytes, ...]]]:
    rng = random.Random(seed)
    roots = {name: tuple(rng.randbytes(32) for _ in EPOCHS) for name in PLACES}
    return case_of(roots), roots


def group_roots(roots: dict[str, tuple[bytes, ...]]) -> dict[str, tuple[bytes, ...]]:
    return {
        unit.name: tuple(lab_epoch_root([(m.name, roots[m.name][at]) for m in unit.meters]) for at in range(len(EPOCHS)))
        for unit in LAB.groups
    }


def case_of(roots: dict[str, tuple[bytes, ...]], logged: dict[str, tuple[bytes, ...]] | None = None) -> Case:
    """A claim of these roots; ``logged``: of which the log has the roots, where those are others."""
    own = group_roots(roots)
    units = {site.name: [unit.name for unit in LAB.units if unit.meters[0].site == site.name] for site in LAB.sites}
    told = {site: tuple((name, own[name]) for name in names) for site, names in units.items()}
    files = {site: Roots(TERMS.digest, "alpha", 0, FIRST, LAST, items) for site, items in told.items()}
    sites = tuple(SiteHead(name, world.head(1), bytes(32), hashlib.sha256(file.encode()).digest()) for name, file in files.items())
    heads = tuple(MeterHead(m.name, world.head(2), roots_digest(own[m.group or ""]), bytes(64)) for m in LAB.meters)
    claim = world.claim(TERMS, 0, proof=b"", sites=sites, registry_proof=bytes(32), meters=heads)
    logged = logged or roots
    entries = {epoch: EpochTree(LAB, {name: own[epoch - FIRST] for name, own in logged.items()}).root for epoch in EPOCHS}
    return Case(claim, files, entries)


def in_python(case: Case) -> str:
    try:
        check_roots(case.claim, [io.BytesIO(file.encode()) for file in case.files.values()], Published(case.logged))  # type: ignore[arg-type]
    except (ClaimRejected, MalformedFile):
        return "refused"
    return "held"


def in_javascript(cases: list[Case]) -> list[str]:
    def coded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    sent = [
        {
            "claim": coded(case.claim.encode()), "agreement": coded(canonical_bytes(TERMS)), "named": coded(case.claim.site_roots),
            "files": [coded(file.encode()) for file in case.files.values()],
            "epochs": [[epoch, coded(root)] for epoch, root in case.logged.items()],
        }
        for case in cases
    ]  # fmt: skip
    judge, text = Path(__file__).parents[1] / "site" / "judge.mjs", json.dumps({"task": "roots", "cases": sent})
    done = subprocess.run(["node", str(judge)], input=text, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr[-3000:]
    return ["held" if answer.get("ok") == [] else "refused" for answer in json.loads(done.stdout)]


def changed(edit: Callable[[dict[str, list[bytes]]], None]) -> Case:
    """The claim that was signed over honest roots, with roots files and log of others."""
    case, roots = honest()
    told = {name: list(own) for name, own in roots.items()}
    edit(told)
    other = case_of({name: tuple(own) for name, own in told.items()})
    sites = tuple(replace(site, roots=new.roots) for site, new in zip(case.claim.sites, other.claim.sites, strict=True))
    return Case(replace(case.claim, sites=sites), other.files, other.logged)


def swap(told: dict[str, list[bytes]]) -> None:
    told["m-1"], told["m-3"] = told["m-3"], told["m-1"]


def omit(told: dict[str, list[bytes]]) -> None:
    told["m-5"] = [NO_ROOT] * len(EPOCHS)


def later(told: dict[str, list[bytes]]) -> None:
    told["m-3"][7] = hashlib.sha256(b"a better past").digest()


def only_log() -> Case:
    """The log has other roots of one epoch than the group's meters signed."""
    case, roots = honest()
    told = {name: list(own) for name, own in roots.items()}
    later(told)
    return case_of(roots, {name: tuple(own) for name, own in told.items()})


def with_file(edit: Callable[[Roots], Roots]) -> Case:
    case, _ = honest()
    files = case.files | {"north": edit(case.files["north"])}
    sites = tuple(replace(site, roots=hashlib.sha256(files[site.name].encode()).digest()) for site in case.claim.sites)
    return Case(replace(case.claim, sites=sites), files, case.logged)


def one_signs_otherwise() -> Case:
    """One meter of the group signed another digest: the group is not whole without it."""
    case, _ = honest()
    meters = tuple(replace(m, roots_digest=bytes(32)) if m.name == "m-5" else m for m in case.claim.meters)
    return replace(case, claim=replace(case.claim, meters=meters))


def own_digest() -> Case:
    """A meter signed the digest of its own roots, as if it had no group: then nothing says where its group has them."""
    case, roots = honest()
    meters = tuple(replace(m, roots_digest=roots_digest(roots["m-5"])) if m.name == "m-5" else m for m in case.claim.meters)
    return replace(case, claim=replace(case.claim, meters=meters))


def meters_for_groups() -> Case:
    """A roots file of the meters, in the place of that of the groups."""
    _, roots = honest()
    return with_file(lambda file: replace(file, meters=tuple((m.name, roots[m.name]) for m in LAB.meters if m.site == "north")))


ATTACKS: dict[str, Callable[[], Case]] = {
    "two meters swapped": lambda: changed(swap),
    "one meter omitted": lambda: changed(omit),
    "one epoch told anew": lambda: changed(later),
    "the log told otherwise": only_log,
    "groups in another order": lambda: with_file(lambda file: replace(file, meters=file.meters[::-1])),
    "a group left out": lambda: with_file(lambda file: replace(file, meters=file.meters[:1])),
    "a group twice": lambda: with_file(lambda file: replace(file, meters=(*file.meters, file.meters[0]))),
    "a group renamed": lambda: with_file(lambda file: replace(file, meters=(("rack-z", file.meters[0][1]), *file.meters[1:]))),
    "zero roots of a group": lambda: with_file(
        lambda file: replace(file, meters=((file.meters[0][0], (NO_ROOT,) * len(EPOCHS)), *file.meters[1:]))
    ),
    "one signs otherwise": one_signs_otherwise,
    "one signs its own digest": own_digest,
    "meters in the place of groups": meters_for_groups,
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_python_refuses(name: str) -> None:
    assert in_python(ATTACKS[name]()) == "refused"


def test_honest_roots_hold() -> None:
    assert all(in_python(honest(seed)[0]) == "held" for seed in range(3))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_decides_alike() -> None:
    answers = in_javascript([honest()[0], *(make() for make in ATTACKS.values())])
    assert answers == ["held", *["refused"] * len(ATTACKS)]


# ---- a lab's store -----------------------------------------------------------------------------------------------


def grouped(terms: Agreement) -> Agreement:
    lab = terms.labs[0]
    return replace(terms, labs=(replace(lab, meters=tuple(replace(meter, group="rack") for meter in lab.meters)),))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Agreement]:
    store = Store.create(tmp_path / "alpha.store", "alpha")
    terms = grouped(make_agreement(open_registry(store, ())))
    monkeypatch.setattr(clock, "now", lambda: terms.period_span(0)[1])
    return store, terms


METERS = [SoftwareMeter(name, key) for name, key in METER_KEYS.items()]


def test_a_lab_publishes_one_root_for_its_group(lab: tuple[Store, Agreement], monkeypatch: pytest.MonkeyPatch) -> None:
    store, terms = lab
    monkeypatch.setattr("claims.lab.meter.BLOCK", terms.epochs_per_period)  # a group over several blocks
    heads = sign_period(store, terms, 0, METERS)
    unit = terms.labs[0].groups[0]
    (digest,) = {head.roots_digest for head in heads}
    own = unit_roots(store, terms, 0, unit, {})
    assert digest == roots_digest(own)
    file = Roots.decode(roots_files(store, terms, 0)[None])
    assert file.meters == (("rack", own),)
    for epoch, root in enumerate(own):
        assert root == lab_epoch_root([(m.name, store.epoch_seal(m.name, epoch).root) for m in unit.meters])  # type: ignore[union-attr]


def test_the_logged_root_is_the_groups(lab: tuple[Store, Agreement]) -> None:
    from lab_fixtures import LAB_KEY

    from claims.claim.entries import decode_entry

    store, terms = lab
    seal_through(store, terms, METERS, 0)
    entry = decode_entry(publish_epoch(store, terms, 0, LAB_KEY))
    roots = {name: store.epoch_seal(name, 0).root for name in METER_KEYS}  # type: ignore[union-attr]
    assert entry.root == EpochTree(terms.labs[0], roots).root != lab_epoch_root(sorted(roots.items()))  # type: ignore[union-attr]


def test_who_withholds_a_root_holds_up_the_group_and_is_named(lab: tuple[Store, Agreement]) -> None:
    """No meter signs a digest over roots that are not there: the group is closed together, or without what is lost."""
    from lab_fixtures import LAB_KEY

    from claims.lab.losing import lose

    store, terms = lab
    one, other = METERS
    seal_through(store, terms, [one], 1)
    with pytest.raises(ClaimsError, match=f"group rack: meter {other.name} has not sealed every epoch of period 0"):
        sign_period(store, terms, 0, [one])
    assert store.signed_head(0, one.name) is None
    lose(store, terms, other.name, LAB_KEY, 0)
    (head,) = sign_period(store, terms, 0, [one])
    unit, lost = terms.labs[0].groups[0], lost_in(store, terms, 0)
    own = unit_roots(store, terms, 0, unit, lost)
    assert head.roots_digest == roots_digest(own)
    first = {one.name: store.epoch_seal(one.name, 0).root, other.name: NO_ROOT}  # type: ignore[union-attr]
    assert own[0] == lab_epoch_root(sorted(first.items()))
    claimed = {item.meter: item.roots_digest for item in claimed_heads(store, terms, 0)}
    assert claimed == dict.fromkeys((one.name, other.name), head.roots_digest)


def test_one_after_the_other_signs_the_same_digest(lab: tuple[Store, Agreement]) -> None:
    store, terms = lab
    seal_through(store, terms, METERS, terms.epochs_per_period - 1)
    heads = [head for meter in METERS for head in sign_period(store, terms, 0, [meter])]
    assert len({head.roots_digest for head in heads}) == 1


# ---- inspections ----------------------------------------------------------------------------------------------------


class Grouped(base.World):
    """The lab of the other tests of openings, whose two meters are one group."""

    def __init__(self) -> None:
        super().__init__(cut=grouped)

    def _publish(self, epoch: int) -> bytes:
        from claims.claim.entries import decode_entry, encode_entry, sign_entry

        entry = decode_entry(super()._publish(epoch))
        roots = {meter.name: self.sealed[meter.name, epoch].root for meter in self.meters}
        return encode_entry(sign_entry(base.LAB_KEY, replace(entry, root=EpochTree(self.terms.labs[0], roots).root, signature=bytes(64))))


@pytest.fixture(scope="module")
def drawn() -> Grouped:
    return Grouped()


def test_an_inspector_is_shown_the_path_inside_the_group(drawn: Grouped) -> None:
    opening = make_opening(drawn.terms, drawn.drawn, drawn, "beta", base.LAB_KEY)
    assert check_opening(drawn.terms, drawn.drawn, opening, "beta").opening == opening
    assert all(len(item.meter_path) == 1 for item in opening.readings), "one hash inside the group, none beside it"
    first, *rest = opening.readings
    others = [m.name for m in drawn.meters if m.name != first.meter]
    bad = [
        replace(first, meter_path=()), replace(first, meter_path=(*first.meter_path, bytes(32))), replace(first, meter_path=(bytes(32),)),
        replace(first, meter=others[0]),
    ]  # fmt: skip
    for item in bad:
        with pytest.raises(OpeningRejected):
            check_opening(drawn.terms, drawn.drawn, base.resign(replace(opening, readings=(item, *rest))), "beta")


def test_a_reading_that_was_not_logged_is_shown_to_nobody(drawn: Grouped) -> None:
    """A meter that signs a second root of an epoch, for one inspector: it is under no logged root."""
    opening = make_opening(drawn.terms, drawn.drawn, drawn, "beta", base.LAB_KEY)
    first, *rest = opening.readings
    other = replace(first.opening, salt=bytes(32))
    meter = drawn.terms.labs[0].meter(first.meter)
    root = other.root(drawn.terms.readings(meter))
    message = epoch_root_message(drawn.terms.digest, "alpha", meter.name, other.reading.epoch, root)
    forged = replace(first, opening=other, signature=METER_KEYS[meter.name].sign(message))
    with pytest.raises(OpeningRejected) as caught:
        check_opening(drawn.terms, drawn.drawn, base.resign(replace(opening, readings=(forged, *rest))), "beta")
    assert caught.value.code == "reading-path"
