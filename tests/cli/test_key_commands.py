"""Changing keys by commands: one lab with a meter and its store, an operator, a rival that cosigns, a third party."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import log, parties
from desk import DAY, START, Desk

from claims.agreement.file import load_agreement
from claims.claim.entries import decode_entry
from claims.claim.key_file import decode_keys
from claims.claim.published import PublishedEntries
from claims.lab.store import Store
from claims.tlog.checkpoint import LogTrust
from claims.tlog.reader import open_log

KEYS = log("example.org/standstill") + '[keys]\nrevoke = ["operator", "rival", "third"]\nquorum = 2\n'
KEYS += parties("operator", "rival", "third", cosigner="rival")


class Office(Desk):
    """A desk whose agreement has a log and keys that may change; every key without a passphrase."""

    def begin(self) -> None:
        made = {name: self.new(name) for name in ("log", "operator", "rival", "cosign", "third")}
        text = Path("agreement.toml").read_text()
        Path("agreement.toml").write_text(text.replace("[[chip]]", KEYS.format(**made) + "[[chip]]", 1))
        for name in ("lab", "operator", "rival", "third"):
            self.run("agreement", "sign", "agreement.toml", "-k", f"{name}.key", "--yes")
        self.run("log", "init", "LOG", "--origin", "example.org/standstill", "-k", "log.key")

    def new(self, name: str) -> str:
        return self.run("keygen", f"{name}.key", "--no-passphrase").strip()

    def append(self, *names: str, code: int = 0) -> str:
        return self.run("log", "append", "LOG", *names, "-a", "agreement.toml", "-k", "log.key", code=code)

    def change(self, role: str, old: str, new: str, *options: str) -> None:
        """All of a change, in order."""
        self.run("key", "rotate", role, "-a", "agreement.toml", "--old", old, "--new", new, "--yes", *options)
        slug = role.replace(":", "-").replace("/", "-") + ("-spare" if options else "-rotate")
        for name in ("rival", "third"):
            self.run("key", "countersign", f"{slug}-old.entry", "-a", "agreement.toml", "-k", f"{name}.key", "--yes")
        self.append(*(f"{slug}-{by}.entry" for by in ("rival", "third", "old", "new")))

    def update(self) -> str:
        return self.run("key", "update", "-a", "agreement.toml", "--log", "LOG")

    def hours(self, last: int, key: str = "lab.key", meter: str = "keys/hall-1.key", code: int = 0) -> str:
        """Seal and publish through an hour; the last command's output."""
        for name, own in (("hall-1", meter), ("hall-2", "keys/hall-2.key")):
            self.run("epoch", "seal", name, "-s", "lab.store", "-a", "agreement.toml", "-k", own, "--through", last)
        return self.run("epoch", "publish", "-s", "lab.store", "-a", "agreement.toml", "-k", key, "-o", "out", "--through", last, code=code)

    def seen(self) -> PublishedEntries:
        terms = load_agreement("agreement.toml")
        assert terms.log is not None
        return PublishedEntries(terms, enumerate(open_log("LOG", LogTrust(terms.log.origin, terms.log.key)).entries))


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Office:
    office = Office(tmp_path, monkeypatch, capsys)
    office.begin()
    office.at(START + DAY)
    return office


def entries(last: int) -> list[str]:
    return [f"out/lab-epoch-{number}.entry" for number in range(last + 1)]


def test_a_party_goes_on_with_a_new_key(office: Office) -> None:
    office.hours(1)
    office.append(*entries(1))
    office.hours(2)  # signed with the old key, and not in the log when it changes
    office.new("lab-2")
    office.change("party:lab", "lab.key", "lab-2.key")
    assert "is not that of lab lab" in office.hours(3, "lab-2.key", code=2)  # this machine does not know yet
    assert "4 words; 1 keys have changed" in office.update()
    stale = office.append(*entries(2), code=1)
    assert "does not verify" in stale
    renew = ("key", "renew", "-s", "lab.store", "-a", "agreement.toml", "--log", "LOG", "-k", "lab-2.key")
    assert "1 signatures" in office.run(*renew) and "0 signatures" in office.run(*renew)
    for path in Path("out").iterdir():
        path.unlink()
    office.hours(4, "lab-2.key")
    office.append(*entries(4))
    found = office.seen()
    assert all(found.epoch("lab", number) for number in range(5)) and not found.refused
    assert "is not that of lab lab" in office.hours(5, "lab.key", code=2)


def test_a_meter_seals_and_renews(office: Office) -> None:
    office.hours(0)
    office.append(*entries(0))
    office.hours(1)
    office.run("meter", "init", "hall-1", "--lab", "lab", "--chip", "h100", "--chips", 8, "-k", "keys/new.key", "--no-passphrase")
    office.change("meter:lab/hall-1", "keys/hall-1.key", "keys/new.key")
    office.update()
    renew = ("key", "renew", "-s", "lab.store", "-a", "agreement.toml", "--log", "LOG", "--meter", "hall-1", "-k")
    assert "1 signatures" in office.run(*renew, "keys/new.key")  # epoch 0 stands in the log under the old one
    assert "0 signatures" in office.run(*renew, "keys/new.key")
    assert "not the one in the agreement" in office.run(*renew, "keys/hall-1.key", code=2)
    office.hours(2, meter="keys/new.key")
    terms = office.seen().keys
    with Store.open(Path("lab.store")) as store:
        seals = store.signed_roots(terms.agreement.digest, "hall-1")
    from claims.agreement.signatures import epoch_root_message
    from claims.base.ed25519 import check_signature

    for epoch, root, signature in seals:
        key = (terms.agreement if epoch == 0 else terms.now).lab("lab").meter("hall-1").key
        check_signature("hall-1", key, signature, epoch_root_message(terms.agreement.digest, "lab", "hall-1", epoch, root))


def test_a_thief_and_a_spare(office: Office) -> None:
    office.new("spare")
    office.change("party:lab", "lab.key", "spare.key", "--spare")
    for name in ("rival", "third"):
        office.run("key", "revoke", "party:lab", "-a", "agreement.toml", "-k", f"{name}.key", "--yes")
    office.append("party-lab-revoke-rival.entry")
    assert "not yet" in office.run("key", "list", "-a", "agreement.toml", "--log", "LOG")
    office.append("party-lab-revoke-third.entry")
    (row,) = json.loads(office.run("key", "list", "-a", "agreement.toml", "--log", "LOG", "--json"))["keys"]
    assert row["in_force"] and [item["revoked"] is None for item in row["keys"]] == [False, True] and row["spare"] is None
    office.hours(0)  # the thief, and whoever has not heard
    assert "does not verify" in office.append(*entries(0), code=1)
    office.update()
    office.run("key", "renew", "-s", "lab.store", "-a", "agreement.toml", "--log", "LOG", "-k", "spare.key")
    Path("out/lab-epoch-0.entry").unlink()
    office.hours(1, "spare.key")
    office.append(*entries(1))
    assert office.seen().epoch("lab", 1) is not None


def test_what_is_refused(office: Office) -> None:
    office.new("lab-2")
    office.new("one")
    rotate = ("key", "rotate", "party:lab", "-a", "agreement.toml", "--new")
    assert "no terminal to ask on" in office.run(*rotate, "lab-2.key", "--old", "lab.key", code=2)
    assert not list(Path().glob("*.entry"))
    assert "not the key in force" in office.run(*rotate, "lab-2.key", "--old", "one.key", "--yes", code=2)
    assert "has a role already" in office.run(*rotate, "rival.key", "--old", "lab.key", "--yes", code=2)
    office.run("keygen", "alone.key", "--no-passphrase", "--ed25519")
    assert "not hybrid in place of a hybrid one" in office.run(*rotate, "alone.key", "--old", "lab.key", "--yes", code=2)
    office.run(*rotate, "lab-2.key", "--old", "lab.key", "--yes")
    word = "party-lab-rotate-old.entry"
    assert "no say" in office.run("key", "countersign", word, "-a", "agreement.toml", "-k", "lab.key", "--yes", code=2)
    assert "is no party's" in office.run("key", "countersign", word, "-a", "agreement.toml", "-k", "one.key", "--yes", code=2)
    office.answers("n\n")
    office.run("key", "countersign", word, "-a", "agreement.toml", "-k", "rival.key", code=2)
    assert not Path("party-lab-rotate-rival.entry").exists()
    for role in ("lab", "party:", "meter:lab", "party:lab/hall-1", "feed:none"):
        office.run("key", "revoke", role, "-a", "agreement.toml", "-k", "rival.key", "--yes", code=2)
    assert "no say" in office.run("key", "revoke", "party:rival", "-a", "agreement.toml", "-k", "rival.key", "--yes", code=2)
    office.run("key", "revoke", "party:nobody", "-a", "agreement.toml", "-k", "rival.key", "--yes", code=2)


def test_a_keys_file_puts_no_key_in_force_that_no_log_did(office: Office) -> None:
    office.new("lab-2")
    office.change("party:lab", "lab.key", "lab-2.key")
    office.update()
    terms, place = load_agreement("agreement.toml"), Path("agreement.keys")
    good = place.read_bytes()
    assert len(decode_keys(good, terms).words) == 4
    value = json.loads(good)
    other = json.loads(good) | {"agreement": "00" * 32}
    entry = Path("party-lab-rotate-new.entry").read_bytes()
    hostile = [
        b"", b"{}", good[:-1], good + b"\n", json.dumps(value).encode(), good.replace(value["entries"][3].encode(), b"00"),
        json.dumps(other, indent=2, sort_keys=True).encode() + b"\n",
        good.replace(entry.hex().encode(), (entry[:-1] + bytes([entry[-1] ^ 1])).hex().encode()),
    ]
    for data in hostile:
        place.write_bytes(data)
        assert "keys file" in office.run("agreement", "check", "agreement.toml", code=2)
    place.unlink()
    assert decode_entry(entry).title


def test_a_decision_is_signed_by_some_before_a_key_changes_and_by_others_after(office: Office) -> None:
    text, path = Path("agreement.toml").read_text(), Path("agreement.toml")
    pause = '[pause]\ntrigger = "asked"\nlifts = "agreed"\ndeciders = ["rival", "third"]\nquorum = 2\n[keys]'
    path.write_text(text.replace("[keys]", pause).replace('name = "third"', f'name = "third"\ncosign_key = "{office.new("cosign-3")}"'))
    decision = ("-a", "agreement.toml", "--kind", "lift", "--effective", "2026-11-02T00:00:00Z", "--reason", "so")
    office.run("decision", "make", "x.decision", *decision)
    office.run("decision", "sign", "x.decision", "-a", "agreement.toml", "-k", "rival.key", "--yes")
    office.new("rival-2")
    office.run("key", "rotate", "party:rival", "-a", "agreement.toml", "--old", "rival.key", "--new", "rival-2.key", "--yes")
    for name in ("operator", "third"):
        office.run("key", "countersign", "party-rival-rotate-old.entry", "-a", "agreement.toml", "-k", f"{name}.key", "--yes")
    office.append(*(f"party-rival-rotate-{by}.entry" for by in ("operator", "third", "old", "new")))
    office.update()
    office.run("decision", "sign", "x.decision", "-a", "agreement.toml", "-k", "third.key", "--yes")
    assert "signed by   rival" in office.run("decision", "check", "x.decision", "-a", "agreement.toml")
