"""Cheating in a month that is public: every way a lab or the log's operator has that files show, and what catches it.

What the verifier, the log or a rival's memory can catch is tried against the published month and must be rejected. What no file of
the lab's shows is in :mod:`claims.demo.lies`.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from claims.agreement.signatures import sign_agreement, sign_ledger_head
from claims.base.errors import ClaimsError
from claims.base.files import write_new
from claims.base.keys import load_key_file
from claims.claim.commitments import epoch_root, lab_epoch_root, roots_digest
from claims.claim.entries import decode_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry
from claims.claim.evidence import TwoEntries, decode_evidence
from claims.claim.file import Claim, MeterHead, sign_claim
from claims.claim.published import PublishedEntries
from claims.claim.records import IDLE, UNATTRIBUTED, Reading, Usage, fresh_elements
from claims.claim.roots import Roots
from claims.demo.act_two import (
    LIAR,
    PERIOD,
    Month,
    MonthLab,
    claim_entry,
)
from claims.demo.attacks import stopped_by
from claims.demo.labs import DemoLab
from claims.lab.store_file import StoreError
from claims.tlog.cosign import cosign
from claims.tlog.evidence import LogEvidence, LogFork
from claims.tlog.writer import LogWriter
from claims.verify.claim import check_claim, verify_claim
from claims.verify.report import Verdict

__all__ = ["CHEAT", "Caught", "NotCaught", "caught"]

CHEAT = "nebius"
"""The lab that tries; it has several meters, its own key, and those of its meters where a title says so."""


@dataclass(frozen=True)
class Caught:
    """A way to cheat and what stopped it: ``by`` is who notices, ``check`` the rejecting check, ``what`` its words."""

    title: str
    by: str
    check: str
    what: str
    evidence: Path | None = None


class NotCaught(ClaimsError):
    """An attempt to cheat was not stopped by the check that is there for it."""


@dataclass
class Cheat:
    """The cheating lab's means: its true claim, its store, a rival's claim, the published log."""

    month: Month
    row: MonthLab
    rival: MonthLab

    @property
    def lab(self) -> DemoLab:
        """The lab that cheats."""
        return self.row.lab

    def judge(self, claim: Claim, roots: bytes, extra: Sequence[bytes] = (), previous: Sequence[bytes] = ()) -> Verdict:
        """What everybody does with a claim that the lab has put into the log in place of its true one, with further entries."""
        data, agreement = sign_claim(claim, self.lab.key).encode(), self.month.agreement
        name = self.lab.plan.name
        kept = [item for item in self.month.view(name).entries if not self._own_claim(item)]
        entries = [*kept, claim_entry(agreement, self.lab, data, roots, claim.period), *extra]
        published = PublishedEntries(agreement, enumerate(entries))
        verdict, _ = check_claim(
            data, agreement, signatures=self.month.signatures, published=published, roots=roots, previous=previous, now=self.month.now
        )
        return verdict

    def _own_claim(self, data: bytes) -> bool:
        entry = decode_entry(data)
        return isinstance(entry, ClaimEntry) and entry.lab == self.lab.plan.name

    def changed(self, **values: object) -> Verdict:
        """Judge the true claim with fields replaced."""
        return self.judge(dataclasses.replace(self.row.claim, **values), self.row.roots)  # type: ignore[arg-type]

    def rewritten(self) -> tuple[Claim, bytes, bytes]:
        """One busy epoch told anew as idle: the claim and roots that a bribed meter signs for it, and a second epoch entry."""
        agreement, store, old = self.month.agreement, self.lab.store, Roots.decode(self.row.roots)
        name = self.row.claim.meters[0].name
        meter = agreement.lab(self.lab.plan.name).meter(name)
        busy = next(r.epoch for r in store.readings(PERIOD, name) if r.tag != IDLE)
        coverage = agreement.coverage(meter)
        forged = epoch_root([Reading(busy, IDLE, coverage, 0)], busy, coverage, bytes(32), agreement.readings(meter))
        mine = list(dict(old.meters)[name])
        mine[busy - old.first_epoch] = forged
        roots = dataclasses.replace(old, meters=((name, tuple(mine)), *old.meters[1:]))
        key = load_key_file(self.lab.folder / f"meter-{name}.key", lambda: b"")
        head, digest = self.row.claim.meters[0].head, roots_digest(mine)
        signature = sign_ledger_head(key, agreement.digest, self.lab.plan.name, name, PERIOD, head, digest)
        meters = (MeterHead(name, head, digest, signature), *self.row.claim.meters[1:])
        at = busy - roots.first_epoch
        root = lab_epoch_root([(meter_name, values[at]) for meter_name, values in roots.meters])
        entry = sign_entry(self.lab.key, EpochEntry(agreement.digest, self.lab.plan.name, busy, root, bytes(32)))
        return dataclasses.replace(self.row.claim, meters=meters), roots.encode(), encode_entry(entry)

    def other_agreement(self) -> Verdict:
        """Show one rival an agreement with hundredfold caps, signed by the lab, and a claim that names it."""
        terms = self.month.agreement
        labs = tuple(
            dataclasses.replace(lab, caps=dataclasses.replace(lab.caps, total=lab.caps.total * 100)) for lab in terms.labs
        )
        lenient = dataclasses.replace(terms, labs=labs)
        claim = sign_claim(dataclasses.replace(self.row.claim, agreement_digest=lenient.digest), self.lab.key)
        return verify_claim(claim.encode(), lenient, signatures=sign_agreement(self.lab.key, lenient, None))


def caught(month: Month, evidence_dir: Path) -> list[Caught]:
    """Try everything that published files can show; every attempt must be stopped.

    Args:
        evidence_dir: where files that convince third parties go.

    Raises:
        NotCaught: one was not, or by another check.
    """
    cheat = Cheat(month, month.row(CHEAT), next(row for row in month.rows if row.lab.plan.name not in (CHEAT, LIAR)))
    claim, roots, second = cheat.rewritten()
    true, name, rival = cheat.row.claim, cheat.lab.plan.name, cheat.rival
    first, last = month.agreement.period_epochs(PERIOD + 1)
    replay = dataclasses.replace(true, period=PERIOD + 1, first_epoch=first, last_epoch=last)
    stranger = dataclasses.replace(rival.claim, lab=name)
    return [
        _rejected("a meter is left out", "verifier", "meters", lambda: cheat.changed(meters=true.meters[1:])),
        _refused_by_store(cheat),
        _rejected("the same behind the program's back, with a bribed meter's key", "log", "log", lambda: cheat.judge(claim, roots)),
        dataclasses.replace(
            _rejected("and that epoch is published a second time", "log", "log", lambda: cheat.judge(claim, roots, [second])),
            evidence=_two_entries(cheat, second, evidence_dir),
        ),
        _forked(month, cheat, evidence_dir),
        _rejected(
            "a restart from scratch, on another registry", "verifier", "continuity",
            lambda: cheat.changed(head_before=fresh_elements()),
        ),
        _rejected("a rival's claim under the lab's own name", "verifier", "meters", lambda: cheat.judge(stranger, rival.roots)),
        _rejected(
            "last period's claim again", "verifier", "signatures",
            lambda: cheat.judge(replay, cheat.row.roots, previous=[true.encode()]),
        ),
        _rejected("another agreement, with looser caps, for one rival", "verifier", "signatures", cheat.other_agreement),
    ]  # fmt: skip


def _rejected(title: str, by: str, check: str, attempt: Callable[[], Verdict]) -> Caught:
    outcome = stopped_by(attempt)
    if outcome is None:
        raise NotCaught(f"{title}: it was proven")
    if outcome[0] != check:
        raise NotCaught(f"{title}: stopped by {outcome[0]}, not by {check}: {outcome[1]}")
    return Caught(title, by, check, outcome[1])


def _refused_by_store(cheat: Cheat) -> Caught:
    """Late readings for a signed epoch."""
    title, name = "an epoch is rewritten after it was published", cheat.row.claim.meters[0].name
    try:
        cheat.lab.store.add_usage(PERIOD, name, [Usage(0, UNATTRIBUTED, 1, None)])
    except StoreError as error:
        return Caught(title, "the lab's own store", "store", error.what)
    raise NotCaught(f"{title}: it was accepted")


def _two_entries(cheat: Cheat, second: bytes, folder: Path) -> Path:
    """The evidence that two entries for one epoch are, checked from its file."""
    mine = decode_entry(second)
    true = next(item for item in cheat.month.view(cheat.lab.plan.name).entries if decode_entry(item).identity == mine.identity)
    path = folder / f"{cheat.lab.plan.name}-two-entries.evidence"
    write_new(path, TwoEntries.of(true, second).encode(), 0o644)
    decode_evidence(path.read_bytes()).check(cheat.month.agreement)
    return path


def _forked(month: Month, cheat: Cheat, folder: Path) -> Caught:
    """The operator signs a second history for the lab; a cosigner is asked to follow."""
    title, name = "the log is forked: a second history, without the lab's first", cheat.lab.plan.name
    fork = month.private / "fork"
    entries = [item for item in month.view(name).entries if not cheat._own_claim(item)]
    witness = next(lab for lab in month.labs if lab.plan.name != name)
    try:
        with LogWriter.create(fork, month.view(name).signed.head.origin, month.log_key) as writer:
            writer.append(entries)
        cosign(fork, witness.cosign_key, witness.plan.name, month.memory(witness), now=month.now + 1)
    except LogFork as error:
        path = folder / "log-fork.evidence"
        write_new(path, error.evidence.encode(), 0o644)
        terms = month.agreement.log
        if terms is None:
            raise NotCaught("the agreement names no log") from None
        LogEvidence.decode(path.read_bytes()).check(terms.origin, terms.key)
        return Caught(title, "every cosigner's memory", "log", str(error), path)
    finally:
        shutil.rmtree(fork, ignore_errors=True)
    raise NotCaught(f"{title}: it was cosigned")
