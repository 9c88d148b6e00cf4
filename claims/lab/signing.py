"""Signing out of a store: the store, the key's journal and, where it is at hand, the log are compared before anything is signed.

    compare: all that the journal and the log have seen is in the store, with the same content
    sign into the store (one transaction or many), then bring the journal up to the store and sync it, then write files for others

So a store that is restored from a backup, or copied, is refused where it is older than what the key signed; a kill at any moment leaves a
store that knows more than the journal, which the next command brings up. With an old journal, an old store and no log nothing can notice.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from claims.agreement.model import Agreement
from claims.base.errors import ClaimsError
from claims.base.hybrid import halves
from claims.claim.entries import decode_entry, unsigned_bytes
from claims.claim.entry_kinds import ClaimEntry, Entry, EpochEntry, LossEntry
from claims.claim.file import decode_claim
from claims.claim.keys import KeyBook
from claims.claim.lists import LOST_SITE
from claims.claim.published import PublishedEntries
from claims.lab.amended import learn
from claims.lab.journal import (
    Journal,
    JournalError,
    JournalMissing,
    Statement,
    of_entry,
    of_ledger_head,
    of_registry_head,
    of_roots,
    of_seal,
    ring_of,
    subject_of_epochs,
)
from claims.lab.store import Store

__all__ = ["StoreBehind", "compare_former", "compare_log", "releasing", "signer", "signing", "signing_all", "signing_alone"]


class StoreBehind(JournalError):
    """The store lacks, or holds differently, what its key signed: it is older than that, or a copy that went another way."""


@contextlib.contextmanager
def signing(
    store: Store, agreement: Agreement, meter: str | None, state: Path, log: PublishedEntries | None = None, *, anew: bool = False
) -> Iterator[Journal]:
    """Compare, let the block sign into the store, then note in the key's journal what the store holds, and sync it.

    What the block signed may leave the process after this block, not before.

    Args:
        meter: whose key signs; None: the lab's own.
        state: folder of the journals.
        log: the agreement's log, to compare the store with.
        anew: where there is no journal, make it of what the store holds.

    Raises:
        JournalMissing: the key has signed before and there is no journal of it. StoreBehind: see there; nothing was signed.
        JournalError: another process signs with this key, or its journal cannot be used.
    """
    learn(store, agreement, state)
    if log is not None:
        compare_log(store, agreement, log)
    with _signing(store, agreement, [meter], state, anew=anew) as journal:
        yield journal


@contextlib.contextmanager
def signing_all(
    store: Store, agreement: Agreement, meters: Sequence[str], state: Path, log: PublishedEntries | None = None, *,
    ring: bool = False, anew: bool = False,
) -> Iterator[None]:  # fmt: skip
    """As :func:`signing`, for several meters: their journals are held together, and the log is compared once.

    Args:
        ring: the meters' keys are made of a keyring: all of them have one journal.
    """
    learn(store, agreement, state)
    if log is not None:
        compare_log(store, agreement, log)
    with contextlib.ExitStack() as journals:
        for one in [meters] if ring else [[name] for name in meters]:
            journals.enter_context(_signing(store, agreement, one, state, ring=ring, anew=anew))
        yield


@contextlib.contextmanager
def _signing(
    store: Store, agreement: Agreement, whose: Sequence[str | None], state: Path, *, ring: bool = False, anew: bool = False
) -> Iterator[Journal]:
    public, who = (ring_of(store.lab), f"the keyring of lab {store.lab}") if ring else signer(store, agreement, whose[0])

    def seen() -> bool:
        return not anew and any(_has_signed(store, agreement, name) for name in whose)

    def follow() -> None:
        for name in whose:
            _follow(journal, store, agreement, name)

    if not Journal.place(state, public).exists() and not ring and public != signer(store, agreement.as_signed, whose[0])[0] and seen():
        raise JournalMissing(f"the key of {who} changed, and nothing was signed with it yet", "standstill key renew")
    with signing_alone(public, who, state, seen) as journal:
        _compare(journal, store, agreement)
        follow()
        try:
            yield journal
        except BaseException:
            with contextlib.suppress(ClaimsError):  # what was signed before the error is noted; if not now, then by the next command
                follow()
                journal.commit()
            raise
        follow()


def releasing(store: Store, agreement: Agreement, state: Path) -> None:
    """Before meters' signatures leave with the lab's files: each meter's journal that lies on this machine has them, or the keyring's."""
    meters = agreement.lab(store.lab).meters
    own = [meter.name for meter in meters if Journal.place(state, meter.key).exists()]
    for name in own:
        with signing(store, agreement, name, state):
            pass
    if Journal.place(state, ring_of(store.lab)).exists():
        with signing_all(store, agreement, sorted({meter.name for meter in meters} - {*own}), state, ring=True):
            pass


@contextlib.contextmanager
def signing_alone(public: bytes, who: str, state: Path, seen: Callable[[], bool] = lambda: False) -> Iterator[Journal]:
    """The journal of a key that signs without a store: the block adds each statement before it signs.

    Args:
        seen: whether something shows that the key has signed what a journal is needed for.
    """
    with Journal.opened(state, public, who, seen=not Journal.place(state, public).exists() and seen()) as journal:
        yield journal


def compare_log(store: Store, agreement: Agreement, log: PublishedEntries) -> None:
    """Raise StoreBehind where the log has an entry of the store's lab that the store does not hold.

    A building's store holds none but of what it lost itself: ClaimsError where it was not told of that.
    """
    for entry in log.by(store.lab):
        if store.site is not None:
            _compare_loss(store, agreement, store.site, entry)
            continue
        if isinstance(entry, EpochEntry):
            head = store.epoch_head(entry.epoch)
            held = None if head is None or head.agreement != agreement.digest else head.entry
        elif isinstance(entry, ClaimEntry):
            claim = store.kept_claim(entry.period)
            held = None if claim is None or claim.agreement != agreement.digest else claim.entry
        elif isinstance(entry, LossEntry):
            known = store.loss_entries(agreement.digest)
            held = next((item for item in known if decode_entry(item).identity == entry.identity), None)
        else:
            continue
        if held is None or unsigned_bytes(decode_entry(held)) != unsigned_bytes(entry):
            raise _behind(store, f"the log has {entry.title}", held is not None)


def _compare_loss(store: Store, agreement: Agreement, site: str, entry: Entry) -> None:
    if not isinstance(entry, LossEntry):
        return
    own = [meter.name for meter in agreement.lab(store.lab).site(site).meters]
    known = [decode_entry(item).identity for item in store.loss_entries(agreement.digest)]
    if entry.name in ([site] if entry.what == LOST_SITE else own) and entry.identity not in known:
        raise ClaimsError(f"the log says: {entry.title}; this building does not know it", "take that entry: standstill building lost ENTRY")


def compare_former(store: Store, agreement: Agreement, keys: KeyBook, meter: str | None, state: Path) -> None:
    """Hold a store against the journals of the keys that a meter, or the lab (None), had before: a new key's journal begins empty.
    A claim may be signed again, and its entry is another one then; its registry head is the same.

    Raises:
        StoreBehind: it lacks what one of them signed.
    """
    role = (1, store.lab, store.lab) if meter is None else (2, store.lab, meter)
    for life in keys.lives(role):
        public = life.key if meter is None else halves(life.key)[0]
        if life.key != keys.in_force(role) and Journal.place(state, public).exists():
            with signing_alone(public, f"{role[2]}, the one before", state) as journal:
                _compare(journal, store, agreement, but=("entry-2",))


def signer(store: Store, agreement: Agreement, meter: str | None) -> tuple[bytes, str]:
    """Public key and name for messages of a meter (None: the lab itself)."""
    lab = agreement.lab(store.lab)
    if meter is None:
        return agreement.party(store.lab).key, f"lab {store.lab}"
    return lab.meter(meter).key, f"meter {meter}"


def _has_signed(store: Store, agreement: Agreement, meter: str | None) -> bool:
    """Whether the store holds something that this key signed under the agreement."""
    if meter is not None and store.has_sealed(agreement.digest, meter):
        return True
    return bool(_epochs(store, agreement, meter, -1)) or next(_periods(store, agreement, meter), None) is not None


def _epochs(store: Store, agreement: Agreement, meter: str | None, after: int) -> list[tuple[int, bytes]]:
    """Number and digest of each statement about an epoch after one that the store holds of a key."""
    digest, lab = agreement.digest, store.lab
    if meter is not None:
        return of_roots(digest, lab, meter, store.roots_after(digest, meter, after))
    return [(item.number, item.digest) for item in map(of_entry, map(decode_entry, store.epoch_entries_after(digest, after)))]


def _periods(store: Store, agreement: Agreement, meter: str | None) -> Iterator[Statement]:
    """What the store holds of a key's other statements."""
    digest, lab = agreement.digest, store.lab
    if meter is not None:
        yield from (of_ledger_head(lab, head) for head in store.signed_heads(digest, meter))
        return
    yield from (of_entry(decode_entry(entry)) for entry in store.loss_entries(digest))
    for kept in store.kept_claims(digest):
        claim = decode_claim(kept.claim)
        yield of_registry_head(digest, lab, kept.period, claim.head_after, claim.lists.digest)
        yield of_entry(decode_entry(kept.entry))


def _follow(journal: Journal, store: Store, agreement: Agreement, meter: str | None) -> None:
    """Add to the journal what the store holds beyond it."""
    subject = subject_of_epochs(store.lab, meter)
    if later := _epochs(store, agreement, meter, journal.last(agreement.digest, subject)):
        journal.extend(agreement.digest, subject, later)
    for statement in _periods(store, agreement, meter):
        journal.add(statement)


def _compare(journal: Journal, store: Store, agreement: Agreement, but: Sequence[str] = ()) -> None:
    """Raise StoreBehind where the store lacks what the key signed, under this agreement or another one that the store knows.

    ``but``: kinds of statements that are not looked at.
    """
    known, until = {agreement.digest: True}, dict[bytes, float]()
    for statement in journal.statements():
        kind, *names = statement.subject.split(" ")
        if kind not in _LOOK or kind in but or names[0] != store.lab:
            continue
        if statement.agreement not in known:  # another treaty of the same key has a store of its own
            known[statement.agreement] = store.knows_agreement(statement.agreement)
        if not known[statement.agreement]:
            continue
        period = statement.number // agreement.epochs_per_period if kind in ("epoch-root", "entry-1", "entry-6") else statement.number
        if statement.agreement not in until:
            until[statement.agreement] = next((first for first, _ in store.successors(statement.agreement)), math.inf)
        if period >= until[statement.agreement]:
            continue  # it counts nowhere, and may have been set aside
        found = _LOOK[kind](store, statement, names)
        if found is None or found.digest != statement.digest:
            raise _behind(store, f"this key has signed {statement.title}", found is not None)


def _behind(store: Store, what: str, differs: bool) -> StoreBehind:
    how = "holds another" if differs else "does not hold it"
    return StoreBehind(
        f"{what}, and {store.path} {how}: it is older than what was signed, or a copy of the store",
        "use the newest store (nothing was signed now: a second, different signature would be evidence against its owner)",
    )


def _seal(store: Store, item: Statement, names: list[str]) -> Statement | None:
    seal = store.epoch_seal(names[1], item.number)
    return None if seal is None or seal.agreement != item.agreement else of_seal(store.lab, names[1], seal)


def _ledger(store: Store, item: Statement, names: list[str]) -> Statement | None:
    head = store.signed_head(item.number, names[1])
    return None if head is None or head.agreement_digest != item.agreement else of_ledger_head(store.lab, head)


def _registry(store: Store, item: Statement, _: list[str]) -> Statement | None:
    head = store.registry_head(item.number)
    return None if head is None else of_registry_head(item.agreement, store.lab, item.number, head.head, store.claimed_lists(item.number))


def _epoch(store: Store, item: Statement, _: list[str]) -> Statement | None:
    head = store.epoch_head(item.number)
    return None if head is None or head.agreement != item.agreement else of_entry(decode_entry(head.entry))


def _claim(store: Store, item: Statement, _: list[str]) -> Statement | None:
    kept = store.kept_claim(item.number)
    return None if kept is None or kept.agreement != item.agreement else of_entry(decode_entry(kept.entry))


def _loss(store: Store, item: Statement, _: list[str]) -> Statement | None:
    found = (of_entry(decode_entry(entry)) for entry in store.loss_entries(item.agreement))
    return next((known for known in found if known.subject == item.subject and known.number == item.number), None)


_LOOK: dict[str, Callable[[Store, Statement, list[str]], Statement | None]] = {
    "epoch-root": _seal, "ledger-head": _ledger, "registry-head": _registry, "entry-1": _epoch, "entry-2": _claim,
    "entry-6": _loss,
}  # fmt: skip
