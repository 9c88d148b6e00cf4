"""An inspection by commands: draw through the log, open, check, record, refuse; and what labs, inspectors and strangers would try."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from inspect_fixtures import CHECK, DRAW, DUE, ENTRIES, EPOCHS, METERS, OPEN, REFUSE, START, Folder, build

from claims.base.merkle import leaf_hash
from claims.claim.commitments import SlotOpening, meter_leaf, reading_leaf, reading_starts, salt
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry, InspectionEntry
from claims.claim.file import Claim, MeterHead, sign_claim
from claims.claim.records import Reading
from claims.inspection.file import OpenedReading, OpenedSlot, Opening
from claims.inspection.open import _open_epoch
from claims.inspection.record import Record, check_record, check_record_entry
from claims.lab.opening import StoreMaterial
from claims.lab.store import Store

OPENED = "alpha-0-beta.opening"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = build(tmp_path_factory.mktemp("inspected"))
    folder.run(*OPEN)
    return folder


@pytest.fixture
def folder(base: Folder, tmp_path: Path) -> Folder:
    shutil.copytree(base.path, tmp_path / "copy")
    return Folder(tmp_path / "copy")


def forge(folder: Folder, change: Callable[[Opening], Opening], *, sign: bool = True) -> None:
    """Change the opening file; the lab signs the change."""
    opening = change(folder.opening())
    if sign:
        opening = replace(opening, signature=folder.key("alpha").sign(opening.message()))
    (folder.path / OPENED).write_bytes(opening.encode())


def failures(folder: Folder) -> tuple[str, ...]:
    record = Record.decode((folder.path / "beta-alpha-0.record").read_bytes())
    assert record.outcome == "failed"
    return record.failures


def no_record(folder: Folder) -> bool:
    return not any((folder.path / f"beta-alpha-0.{kind}").exists() for kind in ("record", "entry"))


# ---- the whole way -----------------------------------------------------------------------------------------


def test_an_inspection_from_draw_to_published_record(folder: Folder) -> None:
    text = folder.run("inspect", "round", "-a", "agreement.toml", "-n", 0, "--log", "log", "--lab", "alpha")
    assert "1000 of drand quicknet, due 23 Aug 2023, 15:59:24 UTC" in text and "23 Aug 2023, 15:58:24 UTC, by the clocks" in text
    text = folder.run("inspect", "round", "-a", "agreement.toml", "-n", 0)
    assert "This is the round unless the lab's commitments or its claim come into the log after 23 Aug 2023, 15:58:24 UTC, when all" in text
    assert "1000 of drand quicknet" in text
    drawn = folder.drawn()
    told = json.loads(folder.run("inspect", "draw", "--lab", "alpha", *DRAW, "--json"))
    assert [(row["meter"], row["epoch"], row["chip_second"]) for row in told["draws"]] == [
        (item.meter, item.epoch, item.offset) for item in drawn.draws
    ]
    assert told["slots"] == list(drawn.slots) and told["round"] == told["first_eligible_round"] == 1000
    assert told["committed_at"] == "2023-08-23T15:58:24Z" and len(drawn.draws) == 8 and len(drawn.slots) == 3
    text = folder.run("inspect", "draw", "--lab", "alpha", *DRAW)
    assert "the one round that draws" in text and "standstill inspect open" in text and "NOT CHECKED" not in text
    assert stat.S_IMODE((folder.path / OPENED).stat().st_mode) == 0o600
    assert "exists already" in folder.run(*OPEN, code=2)

    text = folder.run(*CHECK)
    assert "COMPARE ON SITE" in text and "Nothing is recorded yet" in text and no_record(folder)
    assert "--finding is recorded" in folder.run(*CHECK, "--finding", "agrees", code=2)
    assert "beta's" in folder.run(*CHECK, "--finding", "agrees", "-k", "delta.key", code=2)
    final = (*CHECK, "--finding", "agrees", "-k", "beta.key")
    assert "passed: beta-alpha-0.record" in folder.run(*final)
    before = (folder.path / "beta-alpha-0.record").read_bytes()
    folder.run(*final)
    record = Record.decode(before)
    assert before == (folder.path / "beta-alpha-0.record").read_bytes() and (record.draws, record.slots) == (8, 3)
    check_record(record, folder.terms)
    entry = decode_entry((folder.path / "beta-alpha-0.entry").read_bytes())
    assert isinstance(entry, InspectionEntry)
    check_record_entry(record, entry)
    for secret in ("run-1", "run-2", "secret-run", "aa" * 32, *(r.opening.salt.hex() for r in folder.opening().readings)):
        assert secret.encode() not in before
    folder.append("beta-alpha-0.entry")
    folder.cosign(DUE + 60)
    folder.run(*final)
    differs = (*CHECK, "--finding", "differs", "-k", "beta.key", "--out", "elsewhere")
    assert "is another record of this inspection by beta" in folder.run(*differs, code=2)


def test_what_is_printed_to_compare_on_site(folder: Folder) -> None:
    lines = folder.run(*CHECK).splitlines()
    opening = folder.opening()
    names = {item.opening.slot.tag: item.name for item in opening.slots if item.opening.slot.used}
    for item in opening.readings:
        reading = item.opening.reading
        job = names.get(reading.tag, "idle" if reading.tag == 1 else "unattributed work")
        begin = f"23 Aug 2023, 15:{55 + reading.epoch}:23 UTC"
        share = f"{reading.chip_seconds} of {60 * METERS[item.meter]}"
        assert any(line.startswith(item.meter) and begin in line and share in line and job in line for line in lines)
    for item in opening.slots:
        start = f"slot {item.opening.index:<6} "
        assert any(line.startswith(start + (item.name or "empty")) for line in lines)
        if item.opening.slot.used:
            assert any(item.opening.slot.weights.hex() in line or "were not kept" in line for line in lines)
            parent = item.opening.slot.parent1
            assert any("parent" in line and (names.get(parent) or (f"tag {parent}" if parent else "none")) in line for line in lines)


def test_no_round_but_the_eligible_one_draws(folder: Folder) -> None:
    given = ["inspect", "draw", "--lab", "alpha", *DRAW]

    def with_round(name: str, code: int = 1, log: str = "log") -> str:
        return folder.run(*[name if item == "1000.json" else log if item == "log" else item for item in given], code=code)

    assert "not the eligible one, 1000" in with_round("1001.json")
    assert "only rounds due after" in with_round("123.json")
    stolen = json.loads((folder.path / "1000.json").read_text())
    (folder.path / "forged.json").write_text(json.dumps(json.loads((folder.path / "1001.json").read_text()) | {"round": 1000}))
    assert "signature is not quicknet's" in with_round("forged.json")
    (folder.path / "flipped.json").write_text(json.dumps(stolen | {"randomness": "00" * 32}))
    assert "randomness is not SHA-256" in with_round("flipped.json")
    (folder.path / "junk.json").write_text("[]")
    with_round("junk.json", code=2)
    with_round("http://example.org/1000", code=2)
    shutil.copytree(folder.path / "log", folder.path / "undated")
    for head in (folder.path / "undated" / "checkpoints").iterdir():
        head.unlink()
    text = (folder.path / "undated" / "checkpoint").read_text()
    (folder.path / "undated" / "checkpoint").write_text("\n".join(line for line in text.split("\n") if " beta " not in line))
    assert "log: " in with_round("1000.json", log="undated")


@pytest.mark.parametrize("options", [("--count", 3), ("--committed-at", "2023-08-23T15:00:00Z"), ("--margin", "1 s")])
def test_what_the_agreement_fixes_cannot_be_chosen(folder: Folder, options: tuple[object, ...]) -> None:
    assert "the agreement fixes" in folder.run("inspect", "draw", "--lab", "alpha", *DRAW, *options, code=2)


def test_an_agreement_without_inspection_draws_without_log(folder: Folder) -> None:
    text = (folder.path / "agreement.toml").read_text()
    (folder.path / "agreement.toml").write_text(text.replace('[inspection]\ndraws = 8\nslots = 3\nmargin = "59 s"\n', ""))
    given = ("inspect", "draw", "--lab", "alpha", "-a", "agreement.toml", "-n", 0, "--round", "1000.json", "--margin", "1 s")
    assert "give --count" in folder.run(*given, "--log", "log", "--count", 2, code=2)
    assert "give --count" in folder.run(*given, code=2)
    assert "no command here checks them" in folder.run(*given, "--count", 2)
    assert "no [inspection]" in folder.run(*CHECK, code=1)
    assert "no [inspection]" in folder.run(*[item if item != "beta" else "delta" for item in OPEN], code=1)


# ---- what a lab would try ----------------------------------------------------------------------------------


def test_one_reading_more_or_fewer_is_recorded_as_failed(folder: Folder) -> None:
    opened = {(r.opening.reading.epoch, r.meter, r.opening.index) for r in folder.opening().readings}
    with Store.open(folder.path / "alpha.store") as store:
        material = StoreMaterial(store, folder.terms)
        spare = next((e, m, i) for e in range(EPOCHS) for m in METERS for i in range(2) if (e, m, i) not in opened)
        epoch, name, index = spare
        own, meter = material.epoch(name, epoch), folder.terms.lab("alpha").meter(name)
        one = _open_epoch(folder.terms, meter, epoch, own, [reading_starts(own.readings)[index]])[0]
        other = "hall-1" if name == "hall-2" else "hall-2"
        path = (leaf_hash(meter_leaf(other, material.epoch(other, epoch).root)),)
    extra = OpenedReading(name, one, own.signature, path)
    original = (folder.path / OPENED).read_bytes()

    def more(opening: Opening) -> Opening:
        rows = sorted((*opening.readings, extra), key=lambda r: (r.opening.reading.epoch, r.meter, r.opening.index))
        return replace(opening, readings=tuple(rows))

    def fewer(opening: Opening) -> Opening:
        return replace(opening, readings=opening.readings[1:])

    def twice(opening: Opening) -> Opening:
        return replace(opening, readings=(opening.readings[0], *opening.readings))

    for change in (more, fewer, twice, lambda opening: more(fewer(opening))):
        (folder.path / OPENED).write_bytes(original)
        forge(folder, change)
        text = folder.run(*CHECK, "-k", "beta.key", code=1)
        assert "opening: " in text and "COMPARE" not in text
        assert set(failures(folder)) <= {"selection", "slot-missing"}
        for kind in ("record", "entry"):
            (folder.path / f"beta-alpha-0.{kind}").unlink()
        shutil.rmtree(folder.path / "state")  # beta never signed it
    (folder.path / OPENED).write_bytes(original)
    assert "COMPARE" in folder.run(*CHECK)


def test_slots_more_or_fewer_or_changed_are_recorded_as_failed(folder: Folder) -> None:
    original = (folder.path / OPENED).read_bytes()
    used = {item.opening.index for item in folder.opening().slots}
    with Store.open(folder.path / "alpha.store") as store:
        registry = StoreMaterial(store, folder.terms).registry(EPOCHS - 1)
    index = next(i for i in range(15, -1, -1) if i not in used)
    name = registry.names[index] if index < len(registry.names) else ""
    extra = OpenedSlot(name, SlotOpening.of(registry.slots, index, registry.seed, 16))

    def more(opening: Opening) -> Opening:
        return replace(opening, slots=tuple(sorted((*opening.slots, extra), key=lambda s: s.opening.index)))

    def renamed(opening: Opening) -> Opening:
        data = opening.encode().replace(b'"name": "run-', b'"name": "ran-')
        return Opening.decode(data)

    def other_weights(opening: Opening) -> Opening:
        slots = [replace(s, opening=replace(s.opening, slot=replace(s.opening.slot, weights=b"x" * 32))) for s in opening.slots]
        return replace(opening, slots=tuple(s if s.opening.slot.used else old for s, old in zip(slots, opening.slots, strict=True)))

    cases = [(more, "selection"), (lambda o: replace(o, slots=o.slots[:-1]), "selection or slot-missing")]
    if any(item.name.startswith("run-") for item in folder.opening().slots):
        cases += [(renamed, "slot-path"), (other_weights, "slot-path")]
    for change, code in cases:
        (folder.path / OPENED).write_bytes(original)
        forge(folder, change)
        folder.run(*CHECK, "-k", "beta.key", code=1)
        assert failures(folder)[0] in code
        for kind in ("record", "entry"):
            (folder.path / f"beta-alpha-0.{kind}").unlink()
        shutil.rmtree(folder.path / "state")  # beta never signed it


def test_an_opening_for_another_inspector_or_of_nobody_counts_for_nothing(folder: Folder) -> None:
    folder.run(*["delta" if item == "beta" else item for item in OPEN])
    theirs = ["alpha-0-delta.opening" if item == OPENED else item for item in CHECK]
    text = folder.run(*theirs, "-k", "beta.key", code=1)
    assert "for another inspector" in text and "nothing is recorded" in text and no_record(folder)
    shutil.copy(folder.path / "alpha-0-delta.opening", folder.path / OPENED)
    forge(folder, lambda opening: replace(opening, to="beta"), sign=False)
    text = folder.run(*CHECK, "-k", "beta.key", code=1)
    assert "signature of lab alpha on the opening does not verify" in text and no_record(folder)
    assert "not a party" in folder.run(*["mallory" if item == "beta" else item for item in OPEN], code=1)
    assert "no lab inspects itself" in folder.run(*["alpha" if item == "beta" else item for item in OPEN], code=2)
    assert "not lab alpha's" in folder.run(*["beta.key" if item == "alpha.key" else item for item in OPEN], "--out", "x", code=2)
    assert not (folder.path / "x").exists()


def test_an_opening_of_another_round_is_not_accepted_again(folder: Folder) -> None:
    """The same entries, which a cosigner saw 3 s later in another copy: there, round 1001 draws."""
    folder.run("log", "init", "later", "--origin", "example.org/log", "-k", "log.key")
    folder.append(*ENTRIES, log="later")
    folder.cosign(START + EPOCHS * 60 + 4, log="later", memory="later.memory")
    swap = {"log": "later", "1000.json": "1001.json"}
    folder.run(*[swap.get(str(item), item) for item in OPEN], "--out", "1001.opening")
    old = {OPENED: "1001.opening"}
    text = folder.run(*[old.get(str(item), item) for item in CHECK], "-k", "beta.key", code=1)
    assert "another period or round" in text and no_record(folder)
    assert "COMPARE" in folder.run(*[{**swap, **old}.get(str(item), item) for item in CHECK])
    assert "only rounds due after" in folder.run(*["later" if item == "log" else item for item in CHECK], code=1)
    forge(folder, lambda opening: replace(opening, round=1001))
    assert "another period or round" in folder.run(*CHECK, "-k", "beta.key", code=1)
    assert no_record(folder)


def test_a_log_that_holds_something_else_does_not_open(folder: Folder) -> None:
    folder.run("inspect", "draw", "--lab", "alpha", *DRAW, "--log-memory", "seen.memory")
    folder.run("log", "init", "fork", "--origin", "example.org/log", "-k", "log.key")
    for epoch in range(EPOCHS):
        entry = EpochEntry(folder.terms.digest, "alpha", epoch, bytes([epoch]) * 32, b"h" * 32)
        (folder.path / f"fork-{epoch}").write_bytes(encode_entry(sign_entry(folder.key("alpha"), entry)))
    folder.append(*(f"fork-{epoch}" for epoch in range(EPOCHS)), "alpha-0.entry", log="fork")
    folder.cosign(START + EPOCHS * 60 + 1, log="fork", memory="fork.memory")
    fork = {"log": "fork"}
    forked_open, forked_check = ([fork.get(str(item), item) for item in command] for command in (OPEN, CHECK))
    assert "are not those published" in folder.run(*forked_open, "--out", "forked.opening", code=2)
    assert not (folder.path / "forked.opening").exists()
    assert "not under the logged root" in folder.run(*forked_check, code=1)
    assert "log: " in folder.run(*forked_check, "--log-memory", "seen.memory", code=1)
    folder.run("keygen", "other.key", "--no-passphrase")
    folder.run("log", "init", "other", "--origin", "example.org/log", "-k", "other.key")
    folder.run("log", "append", "other", *(f"alpha-epoch-{epoch}.entry" for epoch in range(EPOCHS)), "-k", "other.key")
    folder.run(*["other" if item == "log" else item for item in CHECK], code=1)
    folder.run("log", "init", "short", "--origin", "example.org/log", "-k", "log.key")
    folder.append("alpha-epoch-0.entry", "alpha-epoch-1.entry", log="short")
    folder.cosign(START + EPOCHS * 60 + 1, log="short", memory="short.memory")
    assert "no entry of lab alpha for epoch 2" in folder.run(*["short" if item == "log" else item for item in OPEN], "--out", "x", code=1)
    folder.run("log", "append", "log", "fork-1", "-k", "log.key")
    folder.cosign(DUE)
    assert "conflicting entries" in folder.run(*CHECK, code=1)


ALTERED = {
    "readings": "UPDATE readings SET tag = CASE tag WHEN 1 THEN 2 ELSE 1 END",
    "order of readings": "UPDATE readings SET seq = 1000 - seq",
    "a reading gone": "DELETE FROM readings WHERE chip_seconds > 0",
    "seeds of readings": "UPDATE epoch_seals SET seed = randomblob(32)",
    "roots": "UPDATE epoch_seals SET root = randomblob(32)",
    "signatures": "UPDATE epoch_seals SET signature = randomblob(64)",
    "agreement": "UPDATE epoch_seals SET agreement = randomblob(32)",
    "no seals": "DELETE FROM epoch_seals",
    "iv of the registry": "UPDATE meta SET value = zeroblob(32) WHERE key = 'registry_iv'",
    "cumulative": "UPDATE entries SET cumulative = zeroblob(8) WHERE tag > 2",
    "trailer": "UPDATE registry_heads SET trailer = zeroblob(32)",
    "not closed": "DELETE FROM registry_heads WHERE period = 0",
    "weights": "UPDATE entries SET weights = randomblob(32)",
    "names": "UPDATE names SET name = name || '!'",
    "seed of the registry": "UPDATE epoch_heads SET seed = randomblob(32)",
    "no heads": "DELETE FROM epoch_heads",
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_store_that_was_altered_after_publication_opens_nothing(folder: Folder, what: str) -> None:
    with sqlite3.connect(folder.path / "alpha.store") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        assert database.execute(ALTERED[what]).rowcount > 0
    database.close()
    text = folder.run(*OPEN, "--out", "altered.opening", code=2)
    assert any(words in text for words in ("the store", "would reject this opening", "is not closed"))
    assert not (folder.path / "altered.opening").exists()
    assert "run-1" not in text and "secret-run" not in text


def in_log(folder: Folder, log: str, *entries: str) -> None:
    """Another log, in which a cosigner saw these entries when they were due."""
    folder.run("log", "init", log, "--origin", "example.org/log", "-k", "log.key")
    folder.append(*entries, log=log)
    folder.cosign(START + EPOCHS * 60 + 1, log=log, memory=f"{log}.memory")


def test_nothing_is_drawn_before_the_claim(folder: Folder) -> None:
    """A lab that knew the draw could make a claim that is true just where it is opened."""
    in_log(folder, "early", *ENTRIES[:-1])
    for command in (OPEN, CHECK, REFUSE, ("inspect", "draw", "--lab", "alpha", *DRAW)):
        text = folder.run(*["early" if item == "log" else "x" if item == OPENED else item for item in command], code=1)
        assert "no claim of lab alpha for period 0" in text
    folder.append("alpha-0.entry", log="early")
    folder.cosign(DUE + 10, log="early", memory="early.memory")
    assert "only rounds due after" in folder.run(*["early" if item == "log" else item for item in CHECK], code=1)
    assert no_record(folder)


def test_the_claim_is_of_the_registry_that_was_opened(folder: Folder) -> None:
    store = ("-s", "alpha.store", "-a", "agreement.toml")
    for kind in ("claim", "entry"):
        (folder.path / f"alpha-0.{kind}").unlink()
    folder.run("prove", *store, "-n", 0, "-k", "alpha.key")
    assert "is not the claim that the log names" in folder.run(*CHECK, code=2)
    in_log(folder, "proved", *ENTRIES)
    check = ["proved" if item == "log" else item for item in CHECK]
    assert "give its file with --claim" in folder.run(*check[:-2], "--finding", "agrees", "-k", "beta.key", code=2)
    assert no_record(folder)
    folder.run(*check, "--finding", "agrees", "-k", "beta.key")
    record = Record.decode((folder.path / "beta-alpha-0.record").read_bytes())
    assert record.outcome == "passed" and record.heads == folder.opening().binding.digest


def check_of_another_claim(folder: Folder) -> list[object]:
    """`inspect check` of the true opening against a claim about another registry, which the lab signed and logged."""
    key, terms = folder.key("alpha"), folder.terms
    empty = tuple(MeterHead(meter.name, tuple(range(8)), bytes(32), bytes(64)) for meter in terms.lab("alpha").meters)
    head = tuple(range(1, 9))
    other = sign_claim(Claim(terms.digest, "alpha", 0, 0, EPOCHS - 1, head, head, empty, bytes(64), b"proof", bytes(64)), key)
    (folder.path / "other.claim").write_bytes(other.encode())
    entry = ClaimEntry(terms.digest, "alpha", 0, hashlib.sha256(other.encode()).digest(), bytes(32))
    (folder.path / "other.entry").write_bytes(encode_entry(sign_entry(key, entry)))
    in_log(folder, "other", *ENTRIES[:-1], "other.entry")
    swap = {"log": "other", "alpha-0.claim": "other.claim"}
    return [swap.get(str(item), item) for item in CHECK]


def test_a_claim_of_another_registry_convicts_the_lab(folder: Folder) -> None:
    """The lab shows inspectors its true list, and claims about another one."""
    text = folder.run(*check_of_another_claim(folder), "-k", "beta.key", code=1)
    assert "signed two heads for period 0" in text and failures(folder) == ("heads",)
    folder.run("check-evidence", "alpha-registry-0.evidence", "-a", "agreement.toml")


def test_the_failure_is_recorded_when_its_evidence_is_there_already(folder: Folder) -> None:
    """Looked at first, recorded later: the evidence file of the first look does not stand in the way."""
    check = check_of_another_claim(folder)
    folder.run(*check, code=1)
    assert (folder.path / "alpha-registry-0.evidence").exists() and no_record(folder)
    folder.run(*check, "-k", "beta.key", code=1)
    assert failures(folder) == ("heads",)


# ---- what an inspector would try ---------------------------------------------------------------------------


def test_neighbours_stay_hidden_in_the_file_that_the_command_writes(folder: Folder) -> None:
    """All values that a neighbour may have are tried, under every salt that the file gives away."""
    data = (folder.path / OPENED).read_text()
    opening, terms = folder.opening(), folder.terms
    opened = {(r.meter, r.opening.reading.epoch, r.opening.index) for r in opening.readings}
    own = {leaf_hash(reading_leaf(r.opening.salt, r.opening.start, r.opening.reading)) for r in opening.readings}
    hashes = {h for r in opening.readings for h in (*r.opening.path, *r.meter_path)} | {h for s in opening.slots for h in s.opening.path}
    hashes -= own  # an opened reading is on the path of an opened neighbour
    known = [bytes(32), *(r.opening.salt for r in opening.readings), *(s.opening.salt for s in opening.slots)]
    peak, tags = terms.chip("h100").peak, {1, 2, *(s.opening.slot.tag for s in opening.slots if s.opening.slot.used)}
    with Store.open(folder.path / "alpha.store") as store:
        material, found = StoreMaterial(store, terms), 0
        for meter in terms.lab("alpha").meters:
            for epoch in range(EPOCHS):
                sealed = material.epoch(meter.name, epoch)
                starts = reading_starts(sealed.readings)
                assert sealed.seed.hex() not in data
                for index in range(8):
                    assert (salt(sealed.seed, index).hex() in data) == ((meter.name, epoch, index) in opened)
                for index, reading in enumerate(sealed.readings):
                    if (meter.name, epoch, index) in opened:
                        continue
                    tries = [Reading(epoch, t, n, 0 if t == 1 else n * peak) for t in (*tags, reading.tag) for n in range(481)]
                    true = {leaf_hash(reading_leaf(salt(sealed.seed, index), starts[index], g)) for g in tries}
                    assert leaf_hash(reading_leaf(salt(sealed.seed, index), starts[index], reading)) in true
                    found += len(true & hashes)
                    assert not {leaf_hash(reading_leaf(s, starts[index], g)) for s in known for g in tries} & hashes
        registry = material.registry(EPOCHS - 1)
    assert found <= len(opened)  # only with the store's seeds does the search find the siblings on the paths
    shown = {s.opening.index for s in opening.slots}
    assert registry.seed.hex() not in data
    for index, name in enumerate(registry.names):
        assert not name or (json.dumps(name) in data) == (index in shown)
        assert (salt(registry.seed, index).hex() in data) == (index in shown)


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2**33)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "huge": huge,
    "just too large": lambda path: path.write_bytes(b" " * 10**6),
    "nested": lambda path: path.write_bytes(b"[" * 50_000),
    "nested objects": lambda path: path.write_bytes(b'{"a":' * 10_000),
    "random": lambda path: path.write_bytes(os.urandom(4096)),
    "empty": lambda path: path.write_bytes(b""),
    "long number": lambda path: path.write_bytes(b'{"period": ' + b"9" * 50_000 + b"}"),
    "not a number": lambda path: path.write_bytes(path.read_bytes().replace(b'"round": 1000', b'"round": NaN')),
    "twice": lambda path: path.write_bytes(path.read_bytes().replace(b'"to": "beta"', b'"to": "beta",\n  "to": "beta"')),
    "white space": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "lone surrogate": lambda path: path.write_bytes(path.read_bytes().replace(b'"to": "', b'"to": "\\ud800')),
    "negative": lambda path: path.write_bytes(path.read_bytes().replace(b'"index": ', b'"index": -')),
    "a text": lambda path: path.write_bytes(b'"standstill-opening/1"'),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_opening_files_are_unreadable_and_leave_no_record(folder: Folder, what: str) -> None:
    HOSTILE[what](folder.path / OPENED)
    text = folder.run(*CHECK, "-k", "beta.key", "--finding", "agrees", code=2)
    assert no_record(folder) and len(text) < 500


def test_names_cannot_send_escape_sequences(folder: Folder) -> None:
    names = [item.name for item in folder.opening().slots if item.name]
    if names:
        forge(folder, lambda o: Opening.decode(o.encode().replace(json.dumps(names[0]).encode(), b'"\\u001b[31m"')))
        assert "\x1b" not in folder.run(*CHECK, code=1)


# ---- refusals ----------------------------------------------------------------------------------------------


def test_a_refusal_is_recorded_after_the_deadline_only(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claims.cli.opening.time.time", lambda: DUE + 2 * 3600.0)
    text = folder.run(*REFUSE, code=1)
    assert "may open until 23 Aug 2023, 17:59:24 UTC" in text and no_record(folder)
    monkeypatch.setattr("claims.cli.opening.time.time", lambda: DUE + 2 * 3600.0 + 1)
    assert "not party beta's" in folder.run(*["delta.key" if item == "beta.key" else item for item in REFUSE], code=2)
    assert "refused: " in folder.run(*REFUSE)
    record = Record.decode((folder.path / "beta-alpha-0.record").read_bytes())
    assert (record.outcome, record.opening, record.round) == ("refused", None, 1000)
    append = ("log", "append", "log", "beta-alpha-0.entry", "-k", "log.key", "-a", "agreement.toml")
    folder.run(*append, "--clock-is-right")  # this test's clock is behind that of the log's earlier heads
    folder.cosign(DUE + 2 * 3600 + 5)
    assert "another record of this inspection" in folder.run(*CHECK, "-k", "beta.key", "--finding", "agrees", "-o", "x", code=2)
    assert "1001" in folder.run(*["1001.json" if item == "1000.json" else item for item in REFUSE], code=1)


# ---- genesis -----------------------------------------------------------------------------------------------


def test_a_genesis_is_rechecked_with_what_the_lab_shows(folder: Folder) -> None:
    item = next((s for s in folder.opening().slots if s.name == "run-1"), None)
    told = folder.run("genesis", "seed", "run-1.genesis", "--round", "123.json")
    seed, record = told.split("seed    ")[1].split()[0], told.split("record  ")[1].split()[0]
    text = folder.run("genesis", "check", "run-1.genesis", "--round", "123.json", "--record", record)
    assert seed in text and "did not exist before it" in text
    given = (*CHECK, "--genesis", "run-1.genesis", "123.json")
    if item is None:
        assert "no opened slot" in folder.run(*given, code=1)
        return
    assert record == f"{item.opening.slot.genesis_commitment.hex()}:{item.opening.slot.genesis_round}"
    assert "NOT CHECKED: have the lab show it" in folder.run(*CHECK)
    assert f"seed {seed}" in folder.run(*given)
    assert "another round than 1000" in folder.run(*CHECK, "--genesis", "run-1.genesis", "1000.json", code=1)
    (folder.path / "config.txt").write_text("lr = 4e-4\n")
    folder.run("genesis", "commit", "config.txt", "--out", "other.genesis")
    assert "no opened slot" in folder.run(*CHECK, "--genesis", "other.genesis", "123.json", "-k", "beta.key", code=1)
    assert no_record(folder)
    folder.run(*CHECK, "-k", "beta.key", "--finding", "genesis")
    assert failures(folder) == ("genesis",)
