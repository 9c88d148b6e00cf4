"""A lab whose buildings have stores of their own: tags are allotted at headquarters, signed roots and summaries come back.

    headquarters: allot_tags --Tags--> building: take_tags
    building: report_of --SiteReport--> headquarters: take_report --> epochs published
    building: prove_site --summary_of--> headquarters: take_summary --> registry closed, claim proven

A building needs nothing of the registry but tags; headquarters sees no reading, but each tag's work in a period.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from claims.agreement.model import Agreement
from claims.agreement.over import check_over, last_over
from claims.agreement.signatures import epoch_root_message, ledger_head_message
from claims.agreement.terms import Site
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError
from claims.base.hybrid import halves
from claims.base.threads import in_threads
from claims.claim.commitments import roots_digest
from claims.claim.entries import check_entry, encode_entry
from claims.claim.entry_kinds import IS_LOST, LossEntry
from claims.claim.handover import MeterReport, Records, SiteReport, SiteSummary, TagRow, Tags
from claims.claim.lists import LOST_SITE
from claims.claim.losses import NO_ROOT, lost_head
from claims.claim.records import FIRST_TAG, EpochSeal, Lost, SignedHead, SummaryHead
from claims.lab.amended import check_amended
from claims.lab.closing import check_headquarters, next_epoch, signed_otherwise
from claims.lab.losses import lost_in, unit_roots
from claims.lab.registry import RECEIVERS, check_enrolled, keep_calendar, late_work
from claims.lab.renewal import verifies
from claims.lab.store import Store
from claims.verify.tables import check_proof, statement_of_site

__all__ = ["allot_tags", "report_of", "summary_of", "take_loss", "take_report", "take_summary", "take_tags"]

_LOST = (NO_ROOT, bytes(64))
"""In a report in place of a root and its signature, where a meter is lost."""


def _at_headquarters(store: Store, agreement: Agreement) -> None:
    check_headquarters(store)
    check_enrolled(store, agreement)
    keep_calendar(store, agreement)


def _at_site(store: Store, agreement: Agreement) -> Site:
    if store.site is None:
        raise ClaimsError("this is no site's own store", "it proves the whole lab: standstill prove; a site's: standstill building init")
    keep_calendar(store, agreement)
    return agreement.lab(store.lab).site(store.site)


def _about(store: Store, agreement: Agreement, digest: bytes, lab: str, period: int, what: str) -> None:
    """Refuse a file of another agreement, lab or period."""
    if digest != agreement.digest:
        raise ClaimsError(f"{what} is of another agreement, {digest.hex()}", "use the one that was signed, at both ends")
    if lab != store.lab:
        raise ClaimsError(f"{what} is of lab {lab}, and this is the store of lab {store.lab}", "take it where it belongs")
    agreement.period_epochs(period)
    check_amended(store, agreement, period)


# ---- tags --------------------------------------------------------------------------------------------------


def allot_tags(store: Store, agreement: Agreement, period: int, names: Iterable[str]) -> Tags:
    """Give each run that buildings work toward in a period its tag; returns all tags of the period, for every building.

    Each must have a checkpoint, or a snapshot, before the period's last epoch is published: then no work is without an entry.

    Raises:
        ClaimsError: the last epoch is published, or the name is a checkpoint of another period, or of a kind that receives no work.
        StoreError: the name's work in an earlier period is still open.
    """
    _at_headquarters(store, agreement)
    last = agreement.period_epochs(period)[1]
    check_amended(store, agreement, period)
    names, through = list(names), store.published_through()
    if names and ((through is not None and through >= last) or store.registry_head(period) is not None):
        raise ClaimsError(f"period {period} is published to its end: a new tag would be in no epoch of it", "allot it to the next period")
    with store.transaction():
        tags = [store.tag(name) for name in names]
        for name, tag in zip(names, tags, strict=True):
            noted = store.noted(tag) if tag >= FIRST_TAG else None
            if tag < FIRST_TAG or (noted is not None and (noted.kind not in RECEIVERS or noted.period != period)):
                raise ClaimsError(f"{name} is a checkpoint that receives no work in period {period}", "give the run's next checkpoint")
        store.allot(period, tags)
    return Tags(agreement.digest, store.lab, period, tuple(_with_saved(store, row) for row in store.allotted(period)))


def _with_saved(store: Store, row: TagRow) -> TagRow:
    noted = store.noted(row.tag)
    return TagRow(row.name, row.tag, noted.epoch if noted is not None and noted.kind != "SNAPSHOT" else None)


def take_tags(store: Store, agreement: Agreement, tags: Tags) -> int:
    """In a building: book work to the tags that headquarters allotted. Returns how many are new. All or nothing.

    Raises:
        ClaimsError: a file of something else, a tag that is another checkpoint's, or work booked after its checkpoint was saved.
    """
    _at_site(store, agreement)
    _about(store, agreement, tags.agreement, tags.lab, tags.period, "the tags file")
    with store.transaction():
        before = {row.tag: row for row in store.allotted(tags.period)}
        for row in tags.rows:
            if row.tag not in before:
                _take_tag(store, tags.period, row)
            known = before.get(row.tag)
            if row.saved is not None and (known is None or known.saved != row.saved):
                used = store.last_use(row.tag)
                if used is not None and used > row.saved:
                    raise late_work(row.name, row.saved, used)
                store.note_saved(row.tag, row.saved)
    return sum(row.tag not in before for row in tags.rows)


def _take_tag(store: Store, period: int, row: TagRow) -> None:
    store.check_name(row.name)
    old = store.find_tag(row.name)
    if old is not None:
        earlier = [number for number in range(period) if any(item.tag == old for item in store.allotted(number))]
        if not earlier:
            raise ClaimsError(f"{row.name} has another tag here", "take the tags files of one lab's headquarters, in order of periods")
        store.rename(row.name, store.snapshot_name(row.name, earlier[-1]))
    store.take_tag(row)
    if old is not None:
        store.move_later(old, row.tag, earlier[-1])
    store.allot(period, [row.tag])


def take_loss(store: Store, agreement: Agreement, entry: LossEntry) -> None:
    """In a building: note what headquarters said is lost (``meter lost``), before the period is signed; again changes nothing.

    Raises:
        ClaimsError: of another building or agreement, an inspector's word, or epochs from it on are sealed. BadSignature: not the lab's.
    """
    site = _at_site(store, agreement)
    _about(store, agreement, entry.agreement, entry.lab, entry.epoch // agreement.epochs_per_period, "the entry")
    check_entry(entry, agreement)
    meters = [meter for meter in site.meters if entry.name == (site.name if entry.what == LOST_SITE else meter.name)]
    if not meters or entry.word != IS_LOST:
        what = f"{entry.title}: that is not about what site {site.name} lost"
        raise ClaimsError(what, "take it to the building that it is about; of what is back, to standstill meter back")
    data = encode_entry(entry)
    if any(item.entry == data for meter in meters for item in store.losses(meter.name)):
        return
    for meter in meters:
        if meter.key and next_epoch(store, agreement, meter.name) > entry.epoch:
            raise ClaimsError(f"meter {meter.name} has sealed epoch {entry.epoch}, or is lost already", "what is sealed is not lost")
    items = [Lost(meter.name, entry.epoch, entry.what, entry.name, False, meter.agreed_key, agreement.digest, data) for meter in meters]
    store.add_losses(items)


# ---- what meters signed ------------------------------------------------------------------------------------


def report_of(store: Store, agreement: Agreement, period: int, first: int | None = None) -> SiteReport:
    """What a building's meters signed of a period: roots from the epoch ``first`` on, as far as all have sealed, and heads.

    Raises:
        ClaimsError: they signed under another agreement, or this is no building's store.
    """
    site, (begin, _) = _at_site(store, agreement), agreement.period_epochs(period)
    seals, lost = {meter.name: store.epoch_seals(period, meter.name) for meter in site.meters}, lost_in(store, agreement, period)
    for name, own in seals.items():
        for seal in own:
            if seal.agreement != agreement.digest:
                raise signed_otherwise(agreement, f"meter {name} has signed epoch {seal.epoch}", seal.agreement)
    skip = 0 if first is None else max(0, first - begin)
    count = max(0, min((len(own) for name, own in seals.items() if name not in lost), default=0) - skip)
    meters = []
    for meter in site.meters:
        if meter.name in lost:
            own = [(seal.root, seal.signature) for seal in seals[meter.name][skip : skip + count] if seal.epoch < lost[meter.name]]
            meters.append(MeterReport(meter.name, (*own, *[_LOST] * (count - len(own))), None))
            continue
        head = store.signed_head(period, meter.name)
        signed = None if head is None else (head.head, head.roots_digest, head.signature)
        epochs = tuple((seal.root, seal.signature) for seal in seals[meter.name][skip : skip + count])
        meters.append(MeterReport(meter.name, epochs, signed))
    return SiteReport(agreement.digest, store.lab, period, site.name, begin + skip, count, tuple(meters))


def take_report(store: Store, agreement: Agreement, report: SiteReport) -> int:
    """At headquarters: keep what a building's meters signed. Returns how many epochs are new. All or nothing.

    Raises:
        ClaimsError: a file of something else, a signature that does not verify, a gap, or something else than was taken before.
    """
    _at_headquarters(store, agreement)
    what = f"the report of site {report.site}"
    _about(store, agreement, report.agreement, report.lab, report.period, what)
    site, (begin, end) = agreement.lab(store.lab).site(report.site), agreement.period_epochs(report.period)
    if [meter.name for meter in report.meters] != [meter.name for meter in site.meters]:
        raise ClaimsError(f"{what} has other meters than the agreement", "use the agreement that was signed, at both ends")
    if report.count and not begin <= report.first <= report.first + report.count - 1 <= min(end, last_over(agreement)):
        raise ClaimsError(f"{what} has epochs that are not of period {report.period}, or not over", "check both clocks")
    report = _without_lost(store, agreement, report)
    _check_signatures(agreement, report)
    new = []
    with store.transaction():
        for meter in report.meters:
            new.append(_take_epochs(store, agreement, report, meter))
        lab, lost = agreement.lab(store.lab), lost_in(store, agreement, report.period)
        for meter in report.meters:
            if meter.head is not None:
                check_over(agreement, report.period)
                head, digest, signature = meter.head
                roots = unit_roots(store, agreement, report.period, lab.unit_of(meter.name)[1], lost)
                if len(roots) != end - begin + 1 or roots_digest(roots) != digest:
                    raise ClaimsError(f"meter {meter.name} signed other epoch roots than were taken here", "ask for a report of all epochs")
                known = store.signed_head(report.period, meter.name)
                if known is not None and (known.head, known.roots_digest) == (head, digest):
                    agreed = lab.meter(meter.name)
                    message = ledger_head_message(agreement.digest, store.lab, meter.name, report.period, head, digest)
                    if known.signature != signature and agreed.former and verifies(agreed.whole_key, signature, message):
                        store.renew_head(meter.name, report.period, signature)
                    continue
                store.seal(SignedHead(meter.name, report.period, agreement.digest, head, digest, signature), None)
    return max(new)


def _without_lost(store: Store, agreement: Agreement, report: SiteReport) -> SiteReport:
    """The report without what it has in place of lost meters' roots. Raises ClaimsError where it has more or less of them."""
    lost, meters = lost_in(store, agreement, report.period), []
    for meter in report.meters:
        kept = max(0, lost.get(meter.name, report.first + report.count) - report.first)
        if any((pair == _LOST) != (at >= kept) for at, pair in enumerate(meter.epochs)) or (meter.name in lost and meter.head is not None):
            what = f"the report of site {report.site} and this store do not know the same losses of meter {meter.name}"
            raise ClaimsError(what, "take the entry of the loss to the building: standstill building lost")
        meters.append(replace(meter, epochs=meter.epochs[:kept]))
    return replace(report, meters=tuple(meters))


def _check_signatures(agreement: Agreement, report: SiteReport) -> None:
    """By the key in force, or one before it: which one an epoch needs, its entry in the log says (``standstill key renew``)."""
    lab = agreement.lab(report.lab)
    try:
        for meter in report.meters:
            agreed = lab.meter(meter.name)
            wholes = [agreed.whole_key, *agreed.former]
            signed = [
                (f"meter {meter.name} on its root of epoch {epoch}", [halves(key)[0] for key in wholes], signature,
                 epoch_root_message(agreement.digest, lab.name, meter.name, epoch, root))
                for epoch, (root, signature) in enumerate(meter.epochs, report.first)
            ]  # fmt: skip
            if meter.head is not None:
                head, digest, signature = meter.head
                message = ledger_head_message(agreement.digest, lab.name, meter.name, report.period, head, digest)
                signed.append((f"meter {meter.name} on its ledger head", wholes, signature, message))
            for _ in in_threads(lambda item: _check_any(*item), signed):
                pass
    except BadSignature as error:
        raise ClaimsError(f"the report of site {report.site}: {error.what}", "have the building write it again") from None


def _check_any(who: str, keys: Sequence[bytes], signature: bytes, message: bytes) -> None:
    if not any(verifies(key, signature, message) for key in keys):
        raise BadSignature(f"the signature of {who} does not verify")


def _take_epochs(store: Store, agreement: Agreement, report: SiteReport, meter: MeterReport) -> int:
    seals, agreed = [], agreement.lab(store.lab).meter(meter.name)
    for epoch, (root, signature) in enumerate(meter.epochs, report.first):
        known = store.epoch_seal(meter.name, epoch)
        if known is None:
            seals.append(EpochSeal(epoch, None, root, signature, agreement.digest))
        elif known.seed is not None:
            raise ClaimsError(f"meter {meter.name} sealed epoch {epoch} in this store", "one store has a meter's readings")
        elif (known.root, known.agreement) != (root, agreement.digest):
            raise ClaimsError(f"meter {meter.name} signed another root of epoch {epoch} before", "two roots are evidence against it")
        elif known.signature != signature and agreed.former:  # signed again after the key changed, and not an older report
            message = epoch_root_message(agreement.digest, store.lab, meter.name, epoch, root)
            if verifies(agreed.key, signature, message):
                store.renew_seal(meter.name, epoch, signature)
    if seals and seals[0].epoch != next_epoch(store, agreement, meter.name):
        due = next_epoch(store, agreement, meter.name)
        raise ClaimsError(f"meter {meter.name}: epoch {due} is not here, and the report begins later", "ask for one that begins there")
    store.seal_epoch(report.period, meter.name, seals, ())
    return len(seals)


# ---- summaries ---------------------------------------------------------------------------------------------


def summary_of(store: Store, agreement: Agreement, period: int, summary: SummaryHead, records: Records, proof: bytes) -> SiteSummary:
    """The file for headquarters of what :func:`claims.lab.prove.prove_site` made."""
    return SiteSummary(report_of(store, agreement, period), summary.head, summary.secrets, records, proof)


def take_summary(store: Store, agreement: Agreement, handed: SiteSummary) -> bool:
    """At headquarters: verify a site's summary and keep it, with its proof; False where it was taken before. All or nothing.

    Its head is recomputed from its records and blinding values, and the proof is verified, before anything is kept.

    Raises:
        ClaimsError: a file of something else, a head that is not over these records, a tag that was not allotted to the period, another
            summary than was taken before, a period that is closed.
        ClaimRejected: check ``proof``: the proof does not hold.
    """
    from circuits.chain import summary_head
    from circuits.statement import summary_header

    _at_headquarters(store, agreement)
    report, what = handed.report, f"the summary of site {handed.report.site}, period {handed.report.period}"
    site, period = report.site, report.period
    _about(store, agreement, report.agreement, report.lab, period, what)
    header = summary_header(agreement.digest, store.lab, site, period)
    if summary_head(handed.secrets.iv, header, handed.records, handed.secrets.trailer) != handed.head:
        raise ClaimsError(f"{what}: its head is not that of its records", "have the building write it again")
    known = store.summary(period, site)
    if known is not None:
        if (known.head, store.kept_proof(period, site, agreement.digest)) != (handed.head, handed.proof):
            raise ClaimsError(f"{what}: another one was taken before", "a site has one summary of a period: keep the first")
        return False
    if store.registry_head(period) is not None:
        raise ClaimsError(f"{what}: the registry of the period is closed", "it can no longer count")
    allotted = {row.tag for row in store.allotted(period)}
    strangers = sorted(tag for tag, _ in handed.records if tag >= FIRST_TAG and tag not in allotted)
    if strangers:
        raise ClaimsError(f"{what} has work of {len(strangers)} tags that were not allotted to it", "two stores would make two runs one")
    _check_proof(store, agreement, handed)
    with store.transaction():
        take_report(store, agreement, report)
        lost = lost_in(store, agreement, period)
        if any(meter.head is None and meter.name not in lost for meter in report.meters):
            raise ClaimsError(f"{what}: not every meter has signed the period", "standstill meter close, at the building")
        store.add_summary(SummaryHead(site, period, agreement.digest, handed.head, handed.secrets))
        store.add_records(period, site, handed.records)
        store.keep_proof(period, site, agreement.digest, handed.proof)
    return True


def _check_proof(store: Store, agreement: Agreement, handed: SiteSummary) -> None:
    report = handed.report
    own, lost = agreement.lab(store.lab).site(report.site).meters, lost_in(store, agreement, report.period)
    signed = {meter.name: meter.head[0] for meter in report.meters if meter.head is not None}
    heads = [lost_head(agreement, meter, report.period) if meter.name in lost else signed.get(meter.name, ()) for meter in own]
    if () in heads or len(report.meters) != len(own):
        raise ClaimsError(f"the summary of site {report.site} has not the heads of its meters", "have the building write it again")
    statement = statement_of_site(agreement, store.lab, report.period, report.site, heads, handed.head)
    found = check_proof(statement, handed.proof)
    if isinstance(found, str):
        raise ClaimRejected("proof", f"site {report.site}: {found}")
