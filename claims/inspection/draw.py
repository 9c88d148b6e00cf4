"""What an inspection opens, where the agreement has a public log: the round follows from the log, and the draw from the round.

    epoch entries and claim in the log --quorum's dates--> T --margin--> the one eligible round --> chip-seconds and registry slots

The claim comes first: a lab that knew the draw could fit the claim's ledgers and registry to it, true wherever they are opened.
FORMATS-inspection.md sections I5 and I6 are the specification.
"""

from __future__ import annotations

import http.client
import re
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from claims.agreement.model import Agreement
from claims.agreement.terms import InspectionTerms
from claims.base.errors import ClaimRejected, UnreadableFile
from claims.base.files import read_bounded
from claims.claim.entry_kinds import EpochEntry, JoulesEntry
from claims.claim.power import is_confirmed, shown_joules
from claims.claim.published import PublishedEntries
from claims.inspection.beacon import (
    ROUND_LIMIT,
    Round,
    RoundRejected,
    VerifiedRound,
    parse_round,
    round_after,
    verify_round,
)
from claims.inspection.terms import MAX_DRAWS, Draw, InspectionError, _prefix, _uniform, draw, settled

__all__ = ["SLOT_DOMAIN", "Committed", "Drawn", "LogSource", "committed", "draw_committed", "draw_slots", "eligible_round", "load_round"]

SLOT_DOMAIN = b"standstill/inspection-slots/v1"


class LogSource(Protocol):
    """What is needed of a verified log (``claims.tlog.reader.LogView``)."""

    entries: list[bytes]

    def committed_time(self, index: int, exclude: Collection[str] = ()) -> int:
        """Unix time by which a quorum, without ``exclude``, had seen entry ``index``."""


@dataclass(frozen=True)
class Committed:
    """A lab's commitments of a period, as logged.

    Attributes:
        time: Unix seconds at which the last of them, or the claim, was dated.
        joules: by (feed, epoch), of those feeds of the lab whose joules of the epoch are not absent.
        terms: the agreement with the keys in force at the entry of each epoch, and, under None, of the claim; ``undated``: with those
            of what no entry fixes.
        unconfirmed: feeds with a period key that have not signed the period as the log has it.
    """

    lab: str
    period: int
    time: int
    epochs: dict[int, EpochEntry]
    joules: dict[tuple[str, int], JoulesEntry] = field(default_factory=dict)
    terms: Mapping[int | None, Agreement] = field(default_factory=dict)
    undated: tuple[Agreement, ...] = ()
    unconfirmed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Drawn:
    """What is to be opened: chip-seconds and slots in the order drawn; either may hold one twice.

    Attributes:
        hours: (epoch, feed) of the drawn chip-seconds under a feed, whose joules and whose meters' readings are opened too; ascending.
        absent: (epoch, feed) of those whose joules are absent; each such chip-second drew another one.
        lost: lost meters to their first lost epochs, as the claim lists them.
        visits: drawn chip-seconds that are lost: nothing can open them, and each drew another one.
    """

    committed: Committed
    round: VerifiedRound
    draws: tuple[Draw, ...]
    slots: tuple[int, ...]
    hours: tuple[tuple[int, str], ...] = ()
    absent: tuple[tuple[int, str], ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    visits: tuple[Draw, ...] = ()

    def is_lost(self, meter: str, epoch: int) -> bool:
        """Whether a meter could not seal an epoch."""
        return epoch >= self.lost.get(meter, epoch + 1)


def terms_of(agreement: Agreement) -> InspectionTerms:
    """The agreement's terms of inspection. Raises ClaimRejected (check ``inspection``) when it has none, or no log."""
    if agreement.inspection is None or agreement.log is None:
        raise ClaimRejected("inspection", "the agreement has no [inspection], or no [log] to date commitments")
    return agreement.inspection


def committed(agreement: Agreement, lab: str, period: int, view: LogSource) -> Committed:
    """Find the epoch entries and the claim entry of a lab's period in a verified log, and when the last was dated.

    Cosignatures of the lab and of the log's operator do not count toward the date.

    Raises:
        ClaimRejected: no such lab or period, an epoch without an entry, no claim, or two conflicting entries.
        LogError: no quorum dates an entry.
    """
    terms_of(agreement)
    first, last = agreement.period_epochs(period)
    if period < agreement.lab(lab).since_period:
        raise ClaimRejected("period", f"lab {lab} claims from period {agreement.lab(lab).since_period} on")
    published = PublishedEntries(agreement, enumerate(view.entries))
    if published.conflicts_of(lab, period):
        raise ClaimRejected("log", f"the log holds conflicting entries of lab {lab} for period {period}")
    exclude = {lab, agreement.log.operator} if agreement.log is not None else {lab}
    found: dict[int, EpochEntry] = {}
    terms: dict[int | None, Agreement] = {}
    dated = 0
    for epoch in range(first, last + 1):
        entry = published.epoch(lab, epoch)
        if entry is None:
            raise ClaimRejected("log", f"the log has no entry of lab {lab} for epoch {epoch}")
        found[epoch], terms[epoch] = entry[0], published.keys.at(entry[1])
        dated = max(dated, view.committed_time(entry[1], exclude))
    claim = published.claim(lab, period)
    if claim is None:
        raise ClaimRejected("log", f"the log has no claim of lab {lab} for period {period}: nothing is drawn before there is one")
    dated = max(dated, view.committed_time(claim[1], exclude))
    terms[None] = published.keys.at(claim[1])
    power = {
        (feed.name, epoch): joules
        for feed in agreement.as_signed.feeds_of(lab)
        for epoch in range(first, last + 1)
        if (joules := shown_joules(published, feed, epoch)) is not None
    }
    unconfirmed = frozenset(feed.name for feed in agreement.as_signed.feeds_of(lab) if not is_confirmed(published, feed, period))
    return Committed(lab, period, dated, found, power, terms, tuple(published.keys.undated), unconfirmed)


def eligible_round(agreement: Agreement, commitments: Committed) -> int:
    """The one round that draws: the first due strictly after :func:`claims.inspection.terms.settled` plus the margin."""
    return round_after(settled(agreement, commitments.period, commitments.time) + terms_of(agreement).margin)


def draw_slots(agreement_digest: bytes, lab: str, period: int, size: int, beacon_round: VerifiedRound, count: int) -> list[int]:
    """Uniform, independent slots of 0 .. size - 1, by the draw's rule under a domain of its own; ``count`` may be 0.

    Raises:
        InspectionError: an argument is out of range.
    """
    if type(count) is not int or not 0 <= count <= MAX_DRAWS or size < 2:
        raise InspectionError(f"the number of slots drawn is not 0 to {MAX_DRAWS}, or there are fewer than two slots")
    return _uniform(_prefix(agreement_digest, lab, period, beacon_round, SLOT_DOMAIN), size, count)


def draw_committed(
    agreement: Agreement, lab: str, period: int, beacon_round: Round, view: LogSource, lost: Mapping[str, int] | None = None
) -> Drawn:
    """Verify the round, check that it is the eligible one, and draw.

    Args:
        lost: what the claim that the log names lists as lost (``claims.claim.losses.lost_meters``).

    Raises:
        ClaimRejected: as :func:`committed`; RoundRejected (a ClaimRejected) for any other round, early or late.
        LogError: no quorum dates an entry.
    """
    terms = terms_of(agreement)
    commitments = committed(agreement, lab, period, view)
    due = settled(agreement, period, commitments.time) + terms.margin
    eligible = eligible_round(agreement, commitments)
    if beacon_round.number > eligible:
        raise RoundRejected(f"round {beacon_round.number} is not the eligible one, {eligible}: no choice among rounds")
    verified = verify_round(beacon_round, after=due)
    agreed, digest = agreement.lab(lab), agreement.digest
    meters = [(meter.name, meter.chips) for meter in agreed.meters]
    epochs = agreement.period_epochs(period)
    most = min(2 * terms.draws, MAX_DRAWS) if agreement.feeds_of(lab) or lost else terms.draws
    draws = draw(digest, lab, period, meters, epochs, agreement.epoch_seconds, verified, most)
    slots = draw_slots(digest, lab, period, agreement.checkpoints, verified, terms.slots)
    return _taken(agreement, Drawn(commitments, verified, (), tuple(slots), lost=lost or {}), draws, terms.draws)


def _taken(agreement: Agreement, drawn: Drawn, stream: list[Draw], wanted: int) -> Drawn:
    """As many as are wanted, and another for each that is lost, or whose feed has no joules of the epoch, while the stream goes on."""
    feeds = {meter: feed for feed in agreement.feeds_of(drawn.committed.lab) for meter in feed.meters}
    taken: list[Draw] = []
    hours: set[tuple[int, str]] = set()
    absent: set[tuple[int, str]] = set()
    visits: list[Draw] = []
    for item in stream:
        if wanted == 0:
            break
        if drawn.is_lost(item.meter, item.epoch):
            visits.append(item)
            continue
        taken.append(item)
        feed = feeds.get(item.meter)
        if feed is None:
            wanted -= 1
            continue
        there = (feed.name, item.epoch) in drawn.committed.joules and not any(drawn.is_lost(name, item.epoch) for name in feed.meters)
        wanted -= there
        (hours if there else absent).add((item.epoch, feed.name))
    return replace(
        drawn, draws=tuple(taken), hours=tuple(sorted(hours)), absent=tuple(sorted(absent)), visits=tuple(visits)
    )  # fmt: skip


# ---- rounds from a file or a web address -----------------------------------------------------------------


def load_round(source: str, *, timeout: float = 10.0, deadline: float = 30.0, context: ssl.SSLContext | None = None) -> Round:
    """A round from a file, or from an ``https://`` address that serves drand's JSON. Parsed, not yet verified.

    Redirects are not followed; at most ``ROUND_LIMIT`` bytes are read. ``context``: for authorities of one's own.

    Raises:
        UnreadableFile: no such file, no answer in time, another scheme, or a status other than 200.
        MalformedRound: not a round file.
    """
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", source) is None:
        return parse_round(read_bounded(source, ROUND_LIMIT))
    return parse_round(_fetch(source, timeout, time.monotonic() + deadline, context))


def _fetch(address: str, timeout: float, stop: float, context: ssl.SSLContext | None) -> bytes:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnreadableFile("not a web address") from None
    plain = address.isascii() and address.isprintable() and " " not in address
    if parts.scheme != "https" or not host or parts.username is not None or parts.query or parts.fragment or not plain:
        raise UnreadableFile("a round's address is https://, a host and a path, and no more")
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    try:
        connection.request("GET", parts.path or "/", headers={"Accept": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise UnreadableFile(f"{host} answers {answer.status}", "give the address of the round itself, or save the file")
        data = b""
        while len(data) <= ROUND_LIMIT and (piece := answer.read1(ROUND_LIMIT + 1 - len(data))):
            data += piece
            if time.monotonic() > stop:
                raise UnreadableFile(f"{host} answers too slowly")
    except (OSError, http.client.HTTPException) as error:
        raise UnreadableFile(f"{host}: {str(error)[:200] or type(error).__name__}") from None
    finally:
        connection.close()
    return data
