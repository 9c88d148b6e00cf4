"""Which head is the log, which is only newer, and what each signer says about when an entry was there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from claims.tlog.checkpoint import SignedCheckpoint, date_head, sign_checkpoint
from claims.tlog.cosign import cosign
from claims.tlog.dates import HeadDates
from claims.tlog.errors import LogError, LogRejected
from claims.tlog.evidence import LogFork
from claims.tlog.note import Note
from claims.tlog.reader import open_log
from claims.tlog.writer import LogWriter
from tests.tlog import logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Entries 0-1 at 100, cosigned by alpha and beta; 2-3 at 200, cosigned by alpha alone; 4 at 300, by nobody."""
    folder = tmp_path / "log"
    with LogWriter.create(folder, logs.ORIGIN, logs.LOG):
        pass
    for at, items in ((100, (0, 2)), (200, (2, 4)), (300, (4, 5))):
        with LogWriter.open(folder, logs.LOG) as writer:
            writer.append(logs.entries(*items), now=at)
        if at < 300:
            logs.cosigned(folder, "alpha", at + 10)
        if at < 200:
            logs.cosigned(folder, "beta", at + 20)
    return folder


def strip(path: Path) -> None:
    """A mirror removes every line but the log's signature: no key is needed for that."""
    note = Note.decode(path.read_bytes())
    path.write_bytes(Note(note.text, note.signatures[:1]).encode())


def test_the_newer_head_and_its_entries_are_there(log: Path) -> None:
    view = open_log(log, logs.trust(2))
    assert (view.size, view.newest.head.size, view.tail, view.tail_problem) == (2, 5, logs.entries(2, 5), None)
    assert view.as_of() == 110 and view.newest.dated == (300, 4)
    assert sorted(view.heads()) == [0, 2, 4, 5] and sorted(view.history()) == [0, 2]
    assert view.cosigned_last() == {"alpha": (4, 210), "beta": (2, 120), "gamma": None}


def test_each_signer_s_word(log: Path) -> None:
    dates = HeadDates(open_log(log, logs.trust(2)))
    assert [dates.seen(index) for index in range(6)] == [100, 100, 200, 200, 300, None]
    assert [dates.published(index) for index in range(6)] == [100, 100, 200, 200, 300, None]
    assert [dates.absent(index) for index in (0, 2, 4)] == [None, 110, 110]
    assert dates.behind(2, 250) == ["beta", "gamma"] and dates.behind(0, 110) == ["beta", "gamma"] and dates.behind(0, 120) == ["gamma"]
    others = HeadDates(open_log(log, logs.trust(1)), {"alpha"}, own=False)
    assert [others.seen(index) for index in (0, 2)] == [120, None] and others.published(0) is None


def test_a_head_that_is_removed_leaves_the_log_s_word_out(log: Path) -> None:
    """The head of size 5 says that the one before had 4 entries: of entries 2 and 3 it says nothing."""
    (log / "checkpoints/4").unlink()
    dates = HeadDates(open_log(log, logs.trust(2)))
    assert [dates.published(index) for index in (1, 2, 3, 4)] == [100, None, None, 300] and dates.seen(2) == 300


def test_without_any_quorum_a_bare_view_holds_all_in_its_tail(log: Path) -> None:
    for path in (log / "checkpoint", *(log / "checkpoints").glob("[1-9]")):
        strip(path)
    with pytest.raises(LogRejected):
        open_log(log, logs.trust(2))
    view = open_log(log, logs.trust(2), bare=True)
    assert (view.size, view.tail, view.as_of(), view.newest.dated) == (0, logs.entries(0, 5), None, None)


def test_an_older_checkpoint_does_not_hide_a_stored_head(log: Path) -> None:
    (log / "checkpoint").write_bytes((log / "checkpoints/2").read_bytes())
    view = open_log(log, logs.trust(2))
    assert (view.size, view.newest.head.size, view.tail) == (2, 5, logs.entries(2, 5))
    logs.cosigned(log, "beta", 400)
    assert open_log(log, logs.trust(1)).size == 5


def test_withheld_entries_are_said(log: Path) -> None:
    for path in (log / "tile/entries").rglob("*"):
        if path.is_file() and path.name == "5":
            path.unlink()
    with LogWriter.create(log.parent / "older", logs.ORIGIN, logs.LOG) as writer:
        writer.append(logs.entries(0, 2), now=100)
    (log / "tile/entries/000.p/2").write_bytes((log.parent / "older/tile/entries/000.p/2").read_bytes())
    view = open_log(log, logs.trust(2))
    assert (view.size, view.newest.head.size, view.tail) == (2, 5, []) and "is missing" in str(view.tail_problem)


def test_the_view_without_a_cosigner(log: Path) -> None:
    view = open_log(log, logs.trust(1))
    own = view.without({"alpha"})
    assert (view.size, own.size, own.entries, own.tail, own.as_of()) == (4, 2, logs.entries(0, 2), logs.entries(2, 5), 120)
    assert own.without({"beta"}).size == 0 and view.without({"beta"}).size == 4 and view.without({"gamma"}).exclude == {"gamma"}


def test_two_heads_of_one_size_are_a_fork(log: Path) -> None:
    (log / "checkpoint").write_bytes(logs.signed([*logs.entries(0, 4), b"other"]))
    with pytest.raises(LogFork):
        open_log(log, logs.trust(2))


def test_a_date_that_does_not_verify_spoils_the_head(log: Path) -> None:
    note = Note.decode((log / "checkpoint").read_bytes())
    spoilt = Note(note.text, (note.signatures[0], note.signatures[1].__class__(logs.ORIGIN, note.signatures[1].id, bytes(80))))
    with pytest.raises(LogRejected, match="own date"):
        SignedCheckpoint.open(spoilt.encode(), logs.trust())
    head = SignedCheckpoint.open(sign_checkpoint(SignedCheckpoint.open(note.encode(), logs.trust()).head, logs.LOG).encode(), logs.trust())
    twice = date_head(date_head(head.note, logs.LOG, 9, 4), logs.LOG, 7, 3)
    assert head.dated is None and SignedCheckpoint.open(twice.encode(), logs.trust()).dated == (7, 3)


def test_a_quiet_log_is_cosigned_again(log: Path) -> None:
    """The first cosignature on a head stays, and dates its entries; the latest says that nothing was published since."""
    logs.cosigned(log, "alpha", 400)
    for at in (500, 600):
        cosign(log, logs.key(logs.COSIGNERS["alpha"]), "alpha", logs.memory(log, "alpha"), at, again=True)
    view = open_log(log, logs.trust(1))
    assert (view.size, view.signed.times["alpha"], view.as_of(), view.committed_time(4)) == (5, 400, 600, 400)
    assert len(view.signed.note.signatures) == 4, "the log, its date, alpha's first and last"


def test_a_witness_counts_for_heads_and_dates_no_entry(log: Path) -> None:
    """Beta is a witness: the head of size 2 has two cosignatures and is in use, of that date; no entry has a second party's."""
    trust = replace(logs.trust(2), witnesses=frozenset({"beta"}))
    view = open_log(log, trust)
    assert (view.size, view.as_of()) == (2, 110)
    with pytest.raises(LogError):
        view.committed_time(0)
    dates = HeadDates(view, own=False)
    assert (dates.seen(0), dates.absent(2), dates.behind(0, 1000)) == (110, None, ["gamma"])
    logs.cosigned(log, "beta", 400)
    logs.cosigned(log, "gamma", 500)
    view = open_log(log, trust)
    assert (view.size, view.as_of()) == (5, 400)
    with pytest.raises(LogError):
        view.committed_time(4)
    one = open_log(log, replace(trust, quorum=1))
    assert [one.committed_time(index) for index in (0, 2, 4)] == [110, 210, 500]


def test_only_witnesses_make_a_head_that_is_in_use_and_dates_nothing(log: Path) -> None:
    view = open_log(log, replace(logs.trust(2), witnesses=frozenset({"alpha", "beta"})))
    assert (view.size, view.as_of()) == (2, 110) and HeadDates(view, own=False).seen(0) is None
    with pytest.raises(LogError):
        view.committed_time(0)
