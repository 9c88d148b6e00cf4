"""Check ``continuity``: the head before a claim is the opening head, or the head after of the claim before it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.base.errors import ClaimRejected
from claims.claim.file import Claim
from claims.claim.limits import overs_after
from claims.verify.log import check_log
from claims.verify.losses import check_history
from claims.verify.report import Missing
from claims.verify.roots import RootFiles, no_files

if TYPE_CHECKING:
    from claims.claim.published import PublishedEntries

__all__ = ["Chain", "same_log"]


def same_log(one: Agreement, other: Agreement) -> bool:
    """Whether two agreements name one log."""
    logs = [None if terms.log is None else (terms.log.origin, terms.log.key) for terms in (one, other)]
    return None not in logs and logs[0] == logs[1]


@dataclass
class Chain:
    """A claim and those before it, newest first.

    Attributes:
        links: each claim with the agreement that holds for it.
        amended: the agreements that the claim's amends, one after another, in any order.
        published: the log's entries under the claim's agreement, or None where they are not at hand.
        accepted: the reader accepted the previous claims before: their proofs are not checked again.
        roots: the roots files that are here, by their SHA-256.
        missing: what the verdict waits for.
        broken: going back ended for something that is missing.
    """

    links: list[tuple[Claim, Agreement]]
    amended: Sequence[Agreement]
    published: PublishedEntries | None
    accepted: bool
    roots: RootFiles = no_files
    missing: list[Missing] = field(default_factory=list)
    broken: bool = False

    def extend(self, claim: Claim, data: bytes, check_terms: Callable[[Claim, Agreement], None]) -> bool:
        """Go back by one claim; False where something is missing to do so.

        Raises:
            ClaimRejected: check ``continuity``: what was given is not the claim before the oldest link.
        """
        after, agreement = self.links[-1]
        if claim.lab != after.lab or claim.period != after.period - 1:
            what = f"is lab {claim.lab}'s for period {claim.period}; the one before is {after.lab}'s for period {after.period - 1}"
            raise ClaimRejected("continuity", f"a previous claim {what}")
        if after.period == agreement.lab(after.lab).since_period:
            what = f"lab {after.lab} starts from its opening head in period {after.period}: no claim before it counts"
            raise ClaimRejected("continuity", what)
        terms: Agreement | None = agreement
        while terms is not None and claim.period < terms.first_period:
            terms = self._predecessor(terms)
        if terms is None or not self._is_logged(claim, data, terms):
            self.broken = True
            return False
        where = f"the claim given for period {claim.period}"
        try:
            check_terms(claim, terms)
        except ClaimRejected as error:
            raise ClaimRejected("continuity", f"{where} is rejected: {error}") from None
        if claim.head_after != after.head_before:
            raise ClaimRejected("continuity", f"the head before is not the head after of {where}")
        if after.overs != overs_after(claim):
            what = "the claim does not repeat exactly the limits that earlier claims of the lab were over"
            raise ClaimRejected("continuity", f"{what}: {where} lists others, or was over others itself")
        check_history(after, agreement, (claim, terms), self._published(agreement))
        self.links.append((claim, terms))
        return True

    def _published(self, terms: Agreement) -> PublishedEntries | None:
        """The log's entries under an agreement of the chain; None without one, where it is another one, or not at hand."""
        if self.published is None or not same_log(terms, self.links[0][1]):
            return None
        return self.published.under(terms)

    def close(self) -> str:
        """Check the oldest link's head before; what the chain rests on, in words.

        A chain that does not reach back to the opening head rests on its oldest claim, which a lab could have made over an
        invented registry: it counts only if the reader accepted that claim before.
        """
        oldest, terms = self.links[-1]
        lab, skipped = terms.lab(oldest.lab), " (their proofs taken as accepted before)" if self.accepted else ""
        if oldest.period == lab.since_period:
            if oldest.head_before != lab.opening_head:
                raise ClaimRejected("continuity", "the head before is not the agreement's opening head")
            if oldest.overs:
                raise ClaimRejected("continuity", "the lab's first claim lists earlier ones that were over a limit")
            check_history(oldest, terms, None, self._published(terms))
            if len(self.links) == 1:
                return "starts at the agreement's opening head"
            return f"an unbroken chain of claims from the opening head, period {oldest.period} on{skipped}"
        if len(self.links) > 1 and self.accepted:
            return f"an unbroken chain of claims from period {oldest.period} on, which you accepted before"
        if not self.broken:
            self._miss_previous(oldest, lab.since_period)
        return "NOT CHECKED"

    def _miss_previous(self, after: Claim, first: int) -> None:
        """Say which claims are missing before ``after``, back to the lab's first."""
        last = after.period - 1
        which = f"for period {last}" if last == first else f"for the periods {first} to {last}"
        how = "give every one (--previous, oldest first)"
        if last > first:
            how += f", or the one for period {last} if you accepted that one before (--previous-accepted)"
        what = f"lab {after.lab}'s claim {which}: without it the lab may have started from a registry of its own invention"
        where = f"it usually lies in claims/ of the publication folder, as {after.lab}-{last}.claim"
        self.missing.append(Missing("previous", what, where, how))

    def _predecessor(self, agreement: Agreement) -> Agreement | None:
        amends = agreement.amends
        if amends is None:
            raise ClaimRejected("continuity", "there is no period before the agreement's first")
        given = next((item for item in self.amended if item.digest == amends.digest), None)
        if given is None:
            what = f"the amended agreement {amends.digest.hex()}, under which the earlier claims were made"
            where = "it usually lies in agreements/ of the publication folder"
            self.missing.append(Missing("amended", what, where, "give it (--previous-agreement)"))
            return None
        calendar = (agreement.start, agreement.epoch_seconds, agreement.epochs_per_period)
        if (given.start, given.epoch_seconds, given.epochs_per_period) != calendar:
            raise ClaimRejected("continuity", "the amendment changes the calendar (start, epoch or period)")
        return given

    def _is_logged(self, claim: Claim, data: bytes, terms: Agreement) -> bool:
        """Hold an earlier claim against the log; False where the one to go on from is not at hand.

        An earlier claim under another log, or that the reader accepted before with a longer log, is gone on from all the same.
        """
        agreement = self.links[0][1]
        if terms.log is None:
            return True
        if not same_log(terms, agreement):
            missing = Missing("previous log", "the log of the agreement before, which the previous claims are in", "", _OTHER_LOG)
            if not self.accepted and missing not in self.missing:
                self.missing.append(missing)
            return True
        if self.published is None:
            return True  # that the log is missing is said of all of them
        earlier, what = self.published.under(terms), f"lab {claim.lab}'s claim for period {claim.period}"
        if earlier.conflicts_of(claim.lab, claim.period):
            raise ClaimRejected("continuity", f"two different versions of an entry of {what} are in the log")
        entry = earlier.claim(claim.lab, claim.period)
        if entry is None and not self.accepted:
            how = "ask for a newer copy of the log: the lab publishes its claims there"
            self.missing.append(Missing("entry", f"the entry of {what}, which this copy of the log has not", "", how))
            return False
        if entry is not None and entry[0].claim != hashlib.sha256(data).digest():
            where = f"the SHA-256 of that file is {entry[0].claim.hex()}"
            self.missing.append(Missing("previous", f"{what} that the log names; another one was given", where, "ask for that file"))
            return False
        if entry is not None and not self.accepted:
            try:
                self.missing += check_log(claim, data, terms, earlier, self.roots, lambda _: None)
            except ClaimRejected as error:
                raise ClaimRejected("continuity", f"{what} is rejected: {error}") from None
        return True


_OTHER_LOG = "verify those claims by themselves under the agreement before, then say so here (--previous-accepted)"
