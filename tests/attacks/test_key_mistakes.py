"""Mistakes around keys that change, by honest people: a step left out, an older copy of a log, store or file, a command run twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from desk import HOUR, START

from claims.claim.entries import decode_entry, unsigned_bytes
from claims.claim.entry_kinds import ClaimEntry
from claims.claim.power import power_seen
from claims.lab.journal import default_state
from tests.cli.test_key_commands import Office, entries

BOOKS = ("-s", "lab.store", "-a", "agreement.toml")
SHORT = ('period = "5 d"', 'period = "3 h"')
FEED = """
[deadlines]
epoch = "1 h"
claim = "1 h"
grace = "1 h"
opening = "1 h"
[inspection]
draws = 4
slots = 0
margin = "1 h"
{feed}[[chip]]"""


def begun(office: Office, *, feed: bool = False) -> Office:
    path = Path("agreement.toml")
    path.write_text(path.read_text().replace(*SHORT).replace("log_rows = 16\n", 'log_rows = 16\nlost = "100 %"\n'))
    if feed:
        made = office.run("feed", "key", "power", "--lab", "lab", "--holder", "third", "--meter", "hall-1", "--kind", "utility",
                          "--watts", 0, 300, 1000, "-k", "feed.key", "--no-passphrase")  # fmt: skip
        path.write_text(path.read_text().replace("[[chip]]", FEED.format(feed=made), 1))
    office.begin()
    office.at(START + 3 * HOUR + 60)
    return office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Office:
    return begun(Office(tmp_path, monkeypatch, capsys))


@pytest.fixture
def fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Office:
    return begun(Office(tmp_path, monkeypatch, capsys), feed=True)


@pytest.fixture
def cheap(any_proof: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs take no time."""
    monkeypatch.setattr("claims.lab.prove.in_this_process", lambda tables, _: ((number, b"proof") for number in range(len(tables))))


def new_meter(office: Office) -> None:
    """hall-1 gets another key, and this machine knows it."""
    office.run("meter", "init", "hall-1", "--lab", "lab", "--chip", "h100", "--chips", 8, "-k", "new.key", "--no-passphrase")
    office.change("meter:lab/hall-1", "keys/hall-1.key", "new.key")
    office.update()


def new_lab(office: Office, *, update: bool = True) -> None:
    office.new("lab-2")
    office.change("party:lab", "lab.key", "lab-2.key")
    if update:
        office.update()


def renew(office: Office, key: str, *options: str, code: int = 0) -> str:
    return office.run("key", "renew", *BOOKS, "--log", "LOG", "-k", key, *options, code=code)


def closed(office: Office) -> None:
    office.usage("hall-1,0,,3600", "hall-2,0,,3600")
    office.hours(2)
    office.append(*entries(2))
    office.close(0, "--yes")
    office.run("lab", "close", *BOOKS, "-n", 0)


def prove(office: Office, key: str = "lab.key", *, code: int = 0, log: tuple[str, ...] = ("--log", "LOG")) -> str:
    return office.run("prove", *BOOKS, *log, "-k", key, "-n", 0, code=code)


def verified(office: Office) -> str:
    """What anybody finds of the claim, once it is in the log."""
    office.append("lab-0.entry")
    office.run("log", "cosign", "LOG", "-a", "agreement.toml", "--name", "rival", "-k", "cosign.key", "--memory", "rival.memory")
    return office.run("verify", "lab-0.claim", "-a", "agreement.toml", "--log", "LOG").splitlines()[0]


def test_a_meter_s_key_changes_between_its_signature_and_the_claim(office: Office, cheap: None) -> None:
    """A claim with the signature of the key before would be rejected, for ever: it is not made."""
    closed(office)
    new_meter(office)
    assert "key renew --meter hall-1" in prove(office, code=2)
    assert not Path("lab-0.claim").exists()
    renew(office, "new.key", "--meter", "hall-1")
    prove(office)
    assert verified(office) == "PROVEN"


@pytest.mark.parametrize("whose", ["meter", "lab"])
def test_a_key_changes_between_the_claim_and_its_entry(office: Office, cheap: None, whose: str) -> None:
    """The claim is signed again, over the files that are there, and is the same statement."""
    closed(office)
    prove(office)
    old = Path("lab-0.claim").read_bytes()
    key, options = ("new.key", ("--meter", "hall-1")) if whose == "meter" else ("lab-2.key", ())
    (new_meter if whose == "meter" else new_lab)(office)
    mine = "lab.key" if whose == "meter" else "lab-2.key"
    assert "key renew" in prove(office, mine, code=2) and Path("lab-0.claim").read_bytes() == old
    renew(office, key, *options)
    if whose == "meter":  # its signature is in the claim, of which the lab's key signs one
        assert "key rotate party:lab" in renew(office, mine, code=2)
        assert "key renew" in prove(office, mine, code=2)
        new_lab(office)
        mine = "lab-2.key"
        assert "1 signatures" in renew(office, mine)
    assert "0 signatures" in renew(office, mine)
    prove(office, mine)
    assert Path("lab-0.claim").read_bytes() != old and verified(office) == "PROVEN"
    prove(office, mine)


def test_a_key_changes_once_the_claim_is_in_the_log(office: Office, cheap: None) -> None:
    closed(office)
    prove(office)
    assert verified(office) == "PROVEN"
    old = Path("lab-0.claim").read_bytes()
    new_meter(office)
    prove(office)
    assert Path("lab-0.claim").read_bytes() == old and verified(office) == "PROVEN"


def test_an_older_store_takes_up_a_claim_that_somebody_spoilt(office: Office, cheap: None) -> None:
    """A bit of the lab's signature flipped on the disk: with [keys] too that is no claim of this lab."""
    closed(office)
    office.run("lab", "backup", "before.store", "-s", "lab.store")
    prove(office)
    data = bytearray(Path("lab-0.claim").read_bytes())
    data[-9] ^= 1
    Path("lab-0.claim").write_bytes(data)
    Path("lab-0.entry").unlink()
    Path("before.store").replace("lab.store")
    assert "does not verify" in prove(office, code=2)
    assert not Path("lab-0.entry").exists()


def test_a_machine_that_was_not_told(office: Office, cheap: None) -> None:
    """Nothing was noted beside the agreement: the log that is compared says so."""
    closed(office)
    new_lab(office, update=False)
    assert "key update" in prove(office, code=2)
    assert "--log" in prove(office, code=2, log=())
    assert "key update" in office.run("epoch", "publish", *BOOKS, "--log", "LOG", "-k", "lab.key", "-o", "out", "--through", 2, code=2)


def test_what_was_signed_with_the_old_key_lies_in_the_folder(office: Office) -> None:
    """Cron goes on: the entries that the log lacks are written again over those, and others' files are not."""
    office.hours(0)
    office.append(*entries(0))
    office.hours(2)
    old = [Path(name).read_bytes() for name in entries(2)]
    new_lab(office)
    assert "key renew" in office.hours(2, "lab-2.key", code=2)
    renew(office, "lab-2.key")
    office.hours(2, "lab-2.key")
    new = [Path(name).read_bytes() for name in entries(2)]
    assert [one == two for one, two in zip(old, new, strict=True)] == [True, False, False]
    assert [unsigned_bytes(decode_entry(item)) for item in old] == [unsigned_bytes(decode_entry(item)) for item in new]
    office.append(*entries(2))
    Path("out/lab-epoch-1.entry").write_bytes(old[0])
    assert "another file" in office.hours(2, "lab-2.key", code=2)


@pytest.mark.parametrize("word", ["rotate", "revoke"])
def test_an_hour_that_was_sealed_with_the_old_key_is_published(office: Office, cheap: None, word: str) -> None:
    """After a second change nobody could sign it again, and no inspector be shown it. Without a key it is lost."""
    office.hours(0)
    office.append(*entries(0))
    seal = ("epoch", "seal", "hall-1", *BOOKS, "-k", "keys/hall-1.key", "--through", 1)
    office.run(*seal)
    office.run(*(part.replace("hall-1", "hall-2") if isinstance(part, str) else part for part in seal))
    if word == "rotate":
        new_meter(office)
    else:
        for name in ("rival", "third"):
            office.run("key", "revoke", "meter:lab/hall-1", "-a", "agreement.toml", "-k", f"{name}.key", "--yes")
        office.append(*(f"meter-lab-hall-1-revoke-{name}.entry" for name in ("rival", "third")))
        office.update()
    publish = ("epoch", "publish", *BOOKS, "-k", "lab.key", "-o", "out", "--through", 1)
    assert ("key renew --meter hall-1" if word == "rotate" else "meter lost hall-1") in office.run(*publish, code=2)
    if word == "rotate":
        renew(office, "new.key", "--meter", "hall-1")
    else:
        office.run("meter", "lost", "hall-1", "--from-epoch", 1, *BOOKS, "-k", "lab.key", "--yes", "-o", "lost.entry")
        office.append("lost.entry")
    office.run(*publish)
    office.append(*entries(1))
    meter = "new.key" if word == "rotate" else "keys/hall-1.key"
    for name, key in (("hall-1", meter), ("hall-2", "keys/hall-2.key"))[word == "revoke" :]:
        office.run("epoch", "seal", name, *BOOKS, "-k", key, "--through", 2)
        office.run("meter", "close", name, *BOOKS, "-k", key, "-n", 0, "--idle", "--yes")
    office.run("epoch", "publish", *BOOKS, "-k", "lab.key", "-o", "out", "--through", 2)
    office.append(*entries(2))
    office.run("lab", "close", *BOOKS, "-n", 0)
    prove(office)
    assert verified(office) == "PROVEN"


def test_an_older_copy_of_the_log_takes_no_key_back(office: Office) -> None:
    shutil.copytree("LOG", "older")
    new_lab(office)
    known = Path("agreement.keys").read_bytes()
    update = ("key", "update", "-a", "agreement.toml", "--log")
    assert "does not begin with them" in office.run(*update, "older", code=2)
    assert Path("agreement.keys").read_bytes() == known
    Path("agreement.keys").write_bytes(known[:-9])
    office.run(*update, "LOG")  # as the message about a damaged one says
    assert Path("agreement.keys").read_bytes() == known


@pytest.mark.parametrize("journal", [True, False], ids=["the old key's journal", "the log"])
def test_an_older_store_is_not_signed_for_with_a_new_key(office: Office, journal: bool) -> None:
    """A new key has an empty journal: the one before, and the log, know what was signed."""
    office.hours(0)
    office.append(*entries(0))
    office.run("lab", "backup", "before.store", "-s", "lab.store")
    office.hours(1)
    if not journal:
        office.append(*entries(1))
        shutil.rmtree(default_state())
    new_lab(office)
    Path("lab.store").rename("newest.store")
    Path("before.store").rename("lab.store")
    assert "older than what was signed" in renew(office, "lab-2.key", code=2)
    Path("newest.store").replace("lab.store")
    assert "signatures" in renew(office, "lab-2.key")


def test_words_are_written_twice(office: Office) -> None:
    """ML-DSA signs otherwise each time; a folder with a word of another change is left alone."""
    office.new("lab-2")
    office.new("lab-3")
    rotate = ("key", "rotate", "party:lab", "-a", "agreement.toml", "--old", "lab.key", "--yes", "--new")
    office.run(*rotate, "lab-2.key")
    office.run(*rotate, "lab-2.key")
    assert "another file" in office.run(*rotate, "lab-3.key", code=2)
    sign = ("key", "countersign", "party-lab-rotate-old.entry", "-a", "agreement.toml", "-k", "rival.key", "--yes")
    office.run(*sign)
    office.run(*sign)


def test_a_feed_s_key_changes_in_the_middle_of_a_day(fed: Office) -> None:
    """Hours that the log lacks are signed again, those that it has stand, and the holder's machine goes on."""
    terms, books = ("-a", "agreement.toml"), ("-a", "agreement.toml", "-k", "feed.key")
    Path("h.csv").write_text("epoch,joules\n0,100\n1,100\n")
    fed.run("feed", "record", "power", *terms, "--csv", "h.csv")
    publish = ("feed", "publish", "power", *terms, "-o", "out", "--to", "given")
    fed.run("feed", "seal", "power", *books)
    fed.run(*publish)
    fed.append("out/power-epoch-0.entry")
    older = Path("power.feed").read_bytes()
    Path("h.csv").write_text("epoch,joules\n2,100\n")
    fed.run("feed", "record", "power", *terms, "--csv", "h.csv")
    fed.run("feed", "seal", "power", *books)
    fed.run("feed", "key", "power", "--lab", "lab", "--holder", "third", "--meter", "hall-1", "--kind", "utility", "--watts", 0, 300, 1000,
            "-k", "feed-2.key", "--no-passphrase")  # fmt: skip
    fed.run("key", "rotate", "feed:power", *terms, "--old", "feed.key", "--new", "feed-2.key", "--yes")
    for name in ("rival", "operator"):
        fed.run("key", "countersign", "feed-power-rotate-old.entry", *terms, "-k", f"{name}.key", "--yes")
    fed.append(*(f"feed-power-rotate-{by}.entry" for by in ("rival", "operator", "old", "new")))
    fed.update()
    newer = (*terms, "-k", "feed-2.key")
    assert "feed renew" in fed.run("feed", "seal", "power", *newer, code=2)
    again = ("feed", "renew", "power", *newer, "--log", "LOG")
    assert "is not feed power's" in fed.run("feed", "renew", "power", *books, "--log", "LOG", code=2)
    assert "2 signatures" in fed.run(*again) and "0 signatures" in fed.run(*again)
    fed.run("feed", "close", "power", *newer, "-n", 0)
    fed.run(*publish)
    fed.append(*(f"out/power-epoch-{epoch}.entry" for epoch in range(3)), "out/power-period-0.entry")
    seen = fed.seen()
    assert not seen.refused and all(seen.joules("power", epoch) for epoch in range(3)) and seen.feed_period("power", 0)
    Path("power.feed").write_bytes(older)
    assert "older than what was signed" in fed.run(*again, code=2)


def test_the_claim_s_entry_names_the_file(office: Office, cheap: None) -> None:
    """Stopped between the two files that change: the next run writes both."""
    closed(office)
    prove(office)
    old = Path("lab-0.claim").read_bytes()
    new_lab(office)
    renew(office, "lab-2.key")
    prove(office, "lab-2.key")
    Path("lab-0.claim").write_bytes(old)
    prove(office, "lab-2.key")
    entry = decode_entry(Path("lab-0.entry").read_bytes())
    assert isinstance(entry, ClaimEntry) and Path("lab-0.claim").read_bytes() != old and verified(office) == "PROVEN"


@pytest.mark.parametrize("word", ["rotate", "revoke"])
def test_power_is_read_alike_before_and_after_a_feed_s_key_changed(fed: Office, word: str) -> None:
    """Also by who noted the change beside the agreement. Without a key in force, nothing confirms the period."""
    terms = ("-a", "agreement.toml")
    Path("h.csv").write_text("epoch,joules\n0,8000000\n")
    fed.run("feed", "record", "power", *terms, "--csv", "h.csv")
    fed.run("feed", "seal", "power", *terms, "-k", "feed.key")
    fed.run("feed", "publish", "power", *terms, "-o", "out", "--to", "given")
    fed.append("out/power-epoch-0.entry")
    fed.usage("hall-1,0,,3600", "hall-2,0,,3600")
    fed.at(START + 4 * HOUR)
    for name in ("hall-1", "hall-2"):
        fed.run("epoch", "seal", name, *BOOKS, "-k", f"keys/{name}.key", "--through", 2)
    fed.run("epoch", "publish", *BOOKS, "-k", "lab.key", "-o", "out", "--through", 2, "--joules", "given", "--log", "LOG")
    fed.append(*entries(2))
    before = power_seen(fed.seen().keys.now, "lab", 0, fed.seen())
    assert before is not None and (before.absent, before.unconfirmed) == (2, ("power",))
    words = [f"feed-power-{word}-{by}.entry" for by in ("rival", "operator")]
    if word == "rotate":
        fed.run("feed", "key", "power", "--lab", "lab", "--holder", "third", "--meter", "hall-1", "--kind", "utility", "--watts", 0, 300,
                1000, "-k", "feed-2.key", "--no-passphrase")  # fmt: skip
        fed.run("key", "rotate", "feed:power", *terms, "--old", "feed.key", "--new", "feed-2.key", "--yes")
        words += [f"feed-power-rotate-{by}.entry" for by in ("old", "new")]
    for name in ("rival", "operator"):
        given = ("countersign", words[2]) if word == "rotate" else ("revoke", "feed:power")
        fed.run("key", *given, *terms, "-k", f"{name}.key", "--yes")
    fed.append(*words)
    seen = fed.seen()
    assert seen.keys.changed and power_seen(seen.keys.now, "lab", 0, seen) == power_seen(seen.agreement, "lab", 0, seen) == before
