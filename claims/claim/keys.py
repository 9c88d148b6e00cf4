"""Keys that change: which ones are in force where in a log's order, under one agreement (FORMATS-log.md section 10).

    words of a key's holder, of its new key and of a quorum of others --each judged where it stands--> a change, from the next entry on

Only the log's order counts, never a date. What an entry of index i fixes is judged by the keys in force there, which follow from the
entries before it: so they are the same on every mirror that has the entry. What no entry fixes, a receipt or an opening, is judged by
any key that was in force and is not revoked.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from claims.agreement.model import Agreement
from claims.base.ed25519 import check_signature, is_key
from claims.base.errors import BadSignature, ClaimRejected
from claims.base.hybrid import halves, is_hybrid
from claims.claim.entries import entry_message
from claims.claim.entry_kinds import BY_NEW, BY_OLD, BY_PARTY, KEY_ROLES, REVOKE, ROTATE, KeyEntry

__all__ = ["Change", "KeyBook", "Role", "concerned", "role_of", "signed_by_any", "under_any"]

Role = tuple[int, str, str]
"""Of a key: 1 party, 2 meter, 3 feed; its owner, its holder."""
_T = TypeVar("_T")


class Change:
    """A key's life. ``since``: index of the entry that put it in force (None: the agreement did); ``revoked``: that revoked it, or None."""

    def __init__(self, key: bytes, since: int | None) -> None:
        self.key = key
        self.since = since
        self.revoked: int | None = None

    @property
    def id(self) -> bytes:
        """SHA-256 of the key, by which words name it."""
        return hashlib.sha256(self.key).digest()


def role_of(entry: KeyEntry) -> Role:
    """The role that a word is about."""
    return entry.role, entry.owner, entry.holder


def concerned(agreement: Agreement, role: Role) -> frozenset[str]:
    """Parties that have no say about a role's key: its owner and, of a feed, the lab that it feeds."""
    labs = {feed.lab for feed in agreement.feeds if role[0] == 3 and feed.name == role[2]}
    return frozenset({role[1], *labs})


def _change(entry: KeyEntry) -> tuple[object, ...]:
    return (*role_of(entry), entry.word, entry.old, entry.new)


def under_any(views: Sequence[Agreement], check: Callable[[Agreement], _T]) -> _T:
    """What ``check`` gives under the first of several sets of keys under which it raises no BadSignature; else that of the last."""
    for terms in views[:-1]:
        try:
            return check(terms)
        except BadSignature:
            continue
    return check(views[-1])


def signed_by_any(views: Sequence[Agreement], who: str, party: str, signature: bytes, message: bytes) -> None:
    """Check a party's signature under any of several sets of keys. Raises BadSignature."""
    under_any(views, lambda terms: check_signature(who, terms.party(party).key, signature, message))


class KeyBook:
    """The keys of an agreement's roles as a log's words change them. Words are taken in the log's order.

    Attributes:
        agreement: as it was signed.
        now: the agreement with the keys that are in force after what was taken.
        words: those that counted where they stood, with their indices.
    """

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = self.now = agreement.as_signed
        self._lives: dict[Role, list[Change]] = {}
        self._spares: dict[Role, bytes] = {}
        self._said: dict[tuple[object, ...], set[tuple[int, str]]] = {}
        self._used: set[bytes] | None = None
        self._views: list[tuple[int, Agreement]] = []
        self.words: list[tuple[int, KeyEntry]] = []

    @property
    def changed(self) -> bool:
        """Whether any key was replaced or revoked."""
        return bool(self._views)

    def at(self, index: int) -> Agreement:
        """The agreement with the keys that are in force where an entry stands: those of the words before it."""
        position = bisect_left(self._views, index, key=lambda item: item[0])
        return self._views[position - 1][1] if position else self.agreement

    @property
    def undated(self) -> list[Agreement]:
        """For what no entry fixes: each set of keys that was in force, the newest first, without those that are revoked."""
        revoked = {role: {life.key for life in lives if life.revoked is not None} for role, lives in self._lives.items()}
        gone = {role: keys for role, keys in revoked.items() if keys}
        views = [view for _, view in reversed(self._views)] + [self.agreement]
        if not gone:
            return views
        return [self._with(view, {role: b"" for role, keys in gone.items() if _key_in(view, role) in keys}) for view in views]

    @property
    def every(self) -> list[Agreement]:
        """Each set of keys that was in force, the newest first, revoked or not."""
        return [view for _, view in reversed(self._views)] + [self.agreement]

    @property
    def count(self) -> int:
        """How many roles have had a change."""
        return len(self._lives)

    def rows(self) -> list[dict[str, Any]]:
        """What changed, and what would with more words, as JSON values with a ``text``. Keys are named by their SHA-256."""
        rows: list[dict[str, Any]] = []
        for role in sorted({*self._lives, *self._spares}):
            keys = [{"key": life.id.hex(), "since": life.since, "revoked": life.revoked} for life in self.lives(role)]
            spare = self._spares.get(role)
            row = {"role": KEY_ROLES[role[0]], "owner": role[1], "holder": role[2], "in_force": bool(self.in_force(role)), "keys": keys}
            row["spare"] = None if spare is None else hashlib.sha256(spare).hexdigest()
            rows.append(row | {"text": _row_text(row)})
        for words in self._said.values():
            entry = next(word for _, word in self.words if _change(word) in self._said and self._said[_change(word)] is words)
            lacking = self.lacking(entry)
            rows.append({"change": entry.change, "lacking": lacking, "text": f"not yet: {entry.change}; lacks {lacking}"})
        return rows

    def lives(self, role: Role) -> list[Change]:
        """Every key that was in force in a role, in order. Raises ClaimRejected: the agreement has no such role."""
        return self._lives.get(role) or [Change(_key_in(self.agreement, role), None)]

    def silent(self) -> list[tuple[Role, int]]:
        """Roles without a key in force, each with the index of the entry that revoked the last one."""
        last = [(role, lives[-1].revoked) for role, lives in self._lives.items() if not self.in_force(role)]
        return [(role, index) for role, index in last if index is not None]

    def spare(self, role: Role) -> bytes | None:
        """The key that takes over when the one in force is revoked, or None."""
        return self._spares.get(role)

    def in_force(self, role: Role) -> bytes:
        """The key in force in a role after what was taken, or b"". Raises ClaimRejected: there is no such role."""
        return _key_in(self.now, role)

    def waiting(self) -> Iterator[tuple[tuple[object, ...], frozenset[tuple[int, str]]]]:
        """Changes that lack words: (role, owner, holder, word, old, new), and who has given one: signer, author."""
        yield from ((change, frozenset(said)) for change, said in self._said.items())

    def add(self, entry: KeyEntry, index: int) -> None:
        """Check a word where it stands, take it, and let the change happen that it completes.

        Raises:
            ClaimRejected: check ``log``: it does not fit the agreement and the keys that are in force.
            BadSignature: whoever it says signed it did not.
        """
        check_signature(entry.title, self.check(entry), entry.signature, entry_message(entry))
        self.words.append((index, entry))
        self._said.setdefault(_change(entry), set()).add((entry.signer, entry.author))
        if self.lacking(entry):
            return
        del self._said[_change(entry)]
        self._happen(entry, index)

    def lacking(self, entry: KeyEntry) -> str:
        """What a change still needs, in words; "" where it has all. ``entry``: one of its words."""
        said, terms = [signer for signer, _ in self._said.get(_change(entry), ())], self.agreement.keys
        quorum = (0 if terms is None else terms.quorum) - said.count(BY_PARTY)
        keys = ((BY_OLD, "the old key"), (BY_NEW, "the new key")) if entry.word != REVOKE else ()
        missing = [name for by, name in keys if by not in said]
        return ", ".join([*missing, *([f"{quorum} of those whom [keys] names"] if quorum > 0 else [])])

    def check(self, entry: KeyEntry) -> bytes:
        """The key that has to have signed a word that stands here. Raises ClaimRejected (check ``log``) where none of the kind counts."""
        try:
            return self._check(entry)
        except ClaimRejected as error:
            raise ClaimRejected("log", f"{entry.title}: {error.what.removeprefix(f'{error.check}: ')}") from None

    def _check(self, entry: KeyEntry) -> bytes:
        terms, role = self.agreement.keys, role_of(entry)
        if terms is None:
            raise ClaimRejected("log", "the agreement has no [keys]: only an amendment changes a key")
        current = self.in_force(role)
        known = [*(life.key for life in self.lives(role) if life.revoked is None), *filter(None, [self._spares.get(role)])]
        old = next((key for key in known if key and hashlib.sha256(key).digest() == entry.old), None)
        if old is None or (entry.word != REVOKE and old != current):
            raise ClaimRejected("log", "that is not the key in force" if entry.word != REVOKE else "that is no key of this role to revoke")
        if (entry.word == REVOKE) == bool(entry.new) or (entry.word == REVOKE and entry.signer != BY_PARTY):
            raise ClaimRejected("log", "old and new key sign where one is replaced, and only there")
        if entry.word != REVOKE:
            self._check_new(entry, old)
        if entry.signer != BY_PARTY:
            if entry.author != entry.owner:
                raise ClaimRejected("log", "a key's own word comes under its owner's name")
            return old if entry.signer == BY_OLD else entry.new
        if entry.author not in terms.revoke or entry.author in concerned(self.agreement, role):
            raise ClaimRejected("log", f"{entry.author} has no say about this key")
        return self.now.party(entry.author).key

    def _check_new(self, entry: KeyEntry, old: bytes) -> None:
        if not is_key(entry.new) or (is_hybrid(old) and not is_hybrid(entry.new)):
            raise ClaimRejected("log", "the new key is not usable, or not hybrid in place of a hybrid one")
        if self._used is None:
            self._used = {half for _, key in self.agreement.roles for half in halves(key) if half}
        if any(half in self._used for half in halves(entry.new) if half):
            raise ClaimRejected("log", "the new key, or a half of it, has a role already, or had one")

    def _happen(self, entry: KeyEntry, index: int) -> None:
        role = role_of(entry)
        if entry.word != REVOKE:
            assert self._used is not None
            self._used.update(half for half in halves(entry.new) if half)
        if entry.word not in (ROTATE, REVOKE):
            self._spares[role] = entry.new
            return
        lives = self._lives.setdefault(role, self.lives(role))
        current = self.in_force(role)
        if entry.word == REVOKE:
            life = next((item for item in lives if item.id == entry.old), None)
            if life is None:
                del self._spares[role]
                return
            life.revoked = index
            if life.key != current:
                return
        new = entry.new if entry.word == ROTATE else self._spares.pop(role, b"")
        if new:
            lives.append(Change(new, index))
        self.now = self._with(self.now, {role: new})
        self._views.append((index, self.now))

    @staticmethod
    def _with(view: Agreement, keys: dict[Role, bytes]) -> Agreement:
        parties = {holder: key for (role, _, holder), key in keys.items() if role == 1}
        meters = {(owner, holder): key for (role, owner, holder), key in keys.items() if role == 2}
        return view.with_keys(parties, meters, {holder: key for (role, _, holder), key in keys.items() if role == 3})


def _row_text(row: dict[str, Any]) -> str:
    """A role's keys in words."""
    name = row["holder"] if row["role"] != "meter" else f"{row['owner']}/{row['holder']}"
    parts = []
    for item in row["keys"]:
        since = "of the agreement" if item["since"] is None else f"since log entry {item['since']}"
        parts.append(f"{item['key'][:16]} {since}" + (f", revoked by entry {item['revoked']}" if item["revoked"] is not None else ""))
    state = "" if row["in_force"] else "; none in force: only an amendment gives one"
    spare = "" if row["spare"] is None else f"; spare {row['spare'][:16]}"
    return f"{row['role']} {name}: {'; '.join(parts)}{spare}{state}"


def _key_in(terms: Agreement, role: Role) -> bytes:
    """The key of a role in a set of keys. Raises ClaimRejected: the agreement has no such role."""
    number, owner, holder = role
    if number == 2:
        return terms.lab(owner).meter(holder).whole_key
    if number == 1 and owner == holder:
        return terms.party(holder).key
    feed = next((item for item in terms.feeds if (item.name, item.holder) == (holder, owner)), None) if number == 3 else None
    if feed is None:
        raise ClaimRejected("log", f"the agreement has no {KEY_ROLES[number]} {holder} of {owner}")
    return feed.whole_key
