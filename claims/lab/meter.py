"""Software meters: they turn usage into readings that cover every chip-second, and sign roots of epochs and heads of periods.

    usage (exact chip-milliseconds) --cover--> readings of an epoch --salted Merkle tree--> root --Ed25519--> epoch seal
    readings of a period --sponge--> ledger head, and digest of the epoch roots --Ed25519, and ML-DSA-44 with a period key--> signed head

A real meter sits in the rack and signs what it measured. This one signs what it was given, with a key of its
own, kept apart from the lab's: it stands in for hardware that does not exist yet, and says nothing about truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_ledger_head
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError, TokenError
from claims.base.hybrid import HybridKey, SigningKey, curve_half
from claims.claim.commitments import roots_digest
from claims.claim.records import EpochSeal, LedgerSecrets, Reading, SignedHead, fresh_elements
from claims.lab import heads
from claims.lab.closing import check_turn, next_epoch, signed_otherwise
from claims.lab.coverage import check_readings
from claims.lab.losses import lost_in, unit_roots
from claims.lab.registry import check_enrolled, keep_calendar
from claims.lab.sealing import BLOCK, Due, seal_epochs
from claims.lab.store import Store

__all__ = ["SoftwareMeter", "enrolled", "ledger_head", "seal_through", "sign_period"]


def ledger_head(
    agreement: Agreement, meter: Meter, period: int, readings: Iterable[Reading], blinding: LedgerSecrets
) -> tuple[int, ...]:
    """The sponge head of a ledger (circuits/README.md section 2)."""
    rows = [(r.epoch, r.tag, r.chip_seconds, r.work) for r in readings]
    return heads.ledger_heads([_chain(agreement, meter, period, rows, blinding)])[0]


def _chain(
    agreement: Agreement, meter: Meter, period: int, rows: Sequence[tuple[int, int, int, int]], blinding: LedgerSecrets
) -> heads.Chain:
    from circuits.statement import ledger_header

    return heads.Chain(blinding.iv, ledger_header(agreement.digest, meter.lab, meter.name, period), rows, blinding.trailer)


class SoftwareMeter:
    """A meter with a signing key of its own.

    Args:
        name: as in the agreement.
        key: the meter's, in memory or on a token; never the lab's. Hybrid where the agreement gives the meter a period key.
    """

    def __init__(self, name: str, key: SigningKey) -> None:
        self.name = name
        self._key = key
        self.sign_epoch = curve_half(key).sign

    def __repr__(self) -> str:
        return f"SoftwareMeter({self.name!r})"

    def seal_epoch(self, store: Store, agreement: Agreement, epoch: int) -> EpochSeal:
        """Cover an epoch, commit to its readings under a fresh seed, sign the root, and put all of it in the store.

        Usage of the epoch is refused from then on. An epoch that was sealed before under this agreement is returned as it is.

        Raises:
            ClaimsError: the key is not the one in the agreement, or as in :func:`claims.lab.sealing.seal_epochs`.
        """
        (meter,), period = enrolled(store, agreement, [self]), epoch // agreement.epochs_per_period
        with store.transaction():
            known = store.epoch_seal(self.name, epoch)
            if known is not None:
                self._check_known(store, agreement, range(epoch, epoch + 1))
                return known
            seal_epochs(store, agreement, period, [Due(meter, range(epoch, epoch + 1), self.sign_epoch)])
            sealed = store.epoch_seal(self.name, epoch)
            assert sealed is not None
            return sealed

    def seal(self, store: Store, agreement: Agreement, period: int) -> SignedHead:
        """As :func:`sign_period`, of this meter alone."""
        return sign_period(store, agreement, period, [self])[0]

    def agreed(self, store: Store, agreement: Agreement) -> Meter:
        """See :func:`enrolled`."""
        meter = agreement.lab(store.lab).meter(self.name)
        if store.site not in (None, meter.site):
            raise ClaimsError(f"meter {self.name} is not of site {store.site}, whose store this is", "use its own site's store")
        if isinstance(self._key, HybridKey):
            self.period_signer(meter)
        else:  # hours need one half: the other may be kept apart
            self._curve(meter)
        return meter

    def _curve(self, meter: Meter) -> SigningKey:
        curve = curve_half(self._key)
        if curve.public_key().public_bytes_raw() != meter.key:
            raise ClaimsError(f"meter {self.name}: its key is not the one in the agreement", "use the key that was enrolled")
        return curve

    def period_signer(self, meter: Meter) -> SigningKey:
        """The key that signs this meter's periods, both halves or one, as agreed. Raises ClaimsError: a half is missing, or another one."""
        curve = self._curve(meter)
        if not meter.period_key:
            return curve
        if self._key.public_key().public_bytes_raw() != meter.whole_key:
            what = f"meter {self.name}: its key lacks the ML-DSA-44 half whose public one is period_key in the agreement"
            raise ClaimsError(what, "use the key that was enrolled, with both halves")
        return self._key

    def _check_known(self, store: Store, agreement: Agreement, epochs: range) -> None:
        if (other := store.sealed_otherwise(self.name, epochs, agreement.digest)) is not None:
            raise signed_otherwise(agreement, f"meter {self.name} has signed epoch {other[0]}", other[1])

    def sealed_before(self, store: Store, agreement: Agreement, epochs: range) -> int:
        """How many of some epochs the meter sealed before. Raises ClaimsError: some of them under another agreement."""
        self._check_known(store, agreement, epochs)
        return store.count_seals(self.name, epochs, agreement.digest)


def enrolled(store: Store, agreement: Agreement, meters: Sequence[SoftwareMeter]) -> list[Meter]:
    """The meters as agreed. Raises ClaimRejected, ClaimsError: the agreement has none of a name, another key, or another registry."""
    check_enrolled(store, agreement)
    keep_calendar(store, agreement)
    return [meter.agreed(store, agreement) for meter in meters]


def seal_through(store: Store, agreement: Agreement, meters: Sequence[SoftwareMeter], last: int) -> None:
    """Seal every epoch of the meters through one, in several transactions. What can be sealed is, also where an epoch is refused.

    Raises:
        ClaimsError: the first refusal, as in :meth:`SoftwareMeter.seal_epoch`.
    """
    block: list[tuple[SoftwareMeter, range]] = []
    problems: list[ClaimsError] = []
    waiting = 0
    for meter in meters:
        epochs = range(next_epoch(store, agreement, meter.name), last + 1)
        if waiting + len(epochs) > BLOCK:
            problems += _seal_block(store, agreement, block)
            block, waiting = [], 0
        if epochs:
            block.append((meter, epochs))
            waiting += len(epochs)
    problems += _seal_block(store, agreement, block)
    if problems:
        raise problems[0]


def _seal_block(store: Store, agreement: Agreement, block: list[tuple[SoftwareMeter, range]]) -> list[ClaimsError]:
    """Seal in one transaction; where that is refused, meter by meter, and of the meter that is refused epoch by epoch.

    A token that does not sign ends all of it: it is not asked again.
    """
    try:
        _seal_together(store, agreement, block)
        return []
    except TokenError:
        raise
    except ClaimsError as error:
        parts = [[one] for one in block] if len(block) > 1 else [[(meter, range(k, k + 1))] for meter, own in block for k in own]
        if len(parts) == 1:
            return [error]
    problems: list[ClaimsError] = []
    for part in parts:
        problems += _seal_block(store, agreement, part)
        if problems and len(block) == 1:  # its later epochs come after it
            break
    return problems


def _seal_together(store: Store, agreement: Agreement, block: list[tuple[SoftwareMeter, range]]) -> None:
    with store.transaction():
        agreed = enrolled(store, agreement, [meter for meter, _ in block])
        each = agreement.epochs_per_period
        periods = {number for _, epochs in block for number in (epochs[0] // each, epochs[-1] // each)}
        for period in range(min(periods, default=0), max(periods, default=-1) + 1):
            first, last = agreement.period_epochs(period)
            cut = [
                (terms, range(max(first, own[0]), min(last, own[-1]) + 1), meter.sign_epoch)
                for terms, (meter, own) in zip(agreed, block, strict=True)
            ]
            seal_epochs(store, agreement, period, [Due(*item) for item in cut if item[1]])


def sign_period(store: Store, agreement: Agreement, period: int, meters: Sequence[SoftwareMeter]) -> list[SignedHead]:
    """Seal the period's remaining epochs, compute the heads with fresh blinding values, sign and store all of it: all meters, or none.

    A period that was signed before under this agreement is returned as it is; a meter signs one head.

    Raises:
        CoverageError, NotOver, ClaimsError: as in :meth:`SoftwareMeter.seal_epoch`, or a meter has not signed the period before;
            then nothing is sealed that was not before.
    """
    signed: dict[str, SignedHead] = {}
    with store.transaction():
        due = []
        for meter, terms in zip(meters, enrolled(store, agreement, meters), strict=True):
            known = store.signed_head(period, meter.name)
            if known is not None and known.agreement_digest == agreement.digest:
                signed[meter.name] = known
                continue
            check_turn(store, agreement, meter.name, period)
            due.append((meter, terms))
        for block in _blocks(due, agreement.epochs_per_period):
            _seal_rest(store, agreement, period, block)
        digests = _digests(store, agreement, period, [terms for _, terms in due])
        for block in _blocks(due, agreement.epochs_per_period):
            signed |= {head.meter: head for head in _sign_block(store, agreement, period, block, digests)}
    return [signed[meter.name] for meter in meters]


Agreed = tuple[SoftwareMeter, Meter]


def _blocks(meters: Sequence[Agreed], epochs: int) -> Iterator[Sequence[Agreed]]:
    step = max(1, BLOCK // epochs)
    return (meters[at : at + step] for at in range(0, len(meters), step))


def _seal_rest(store: Store, agreement: Agreement, period: int, due: Sequence[Agreed]) -> None:
    first, last = agreement.period_epochs(period)
    known = [meter.sealed_before(store, agreement, range(first, last + 1)) for meter, _ in due]
    rest = [Due(terms, range(first + count, last + 1), meter.sign_epoch) for (meter, terms), count in zip(due, known, strict=True)]
    seal_epochs(store, agreement, period, rest)


def _digests(store: Store, agreement: Agreement, period: int, meters: Sequence[Meter]) -> dict[str, bytes]:
    """The digest that each meter signs with its head, by the name of its group, or its own: over roots under which it knows its own.

    Raises:
        ClaimsError: a meter of the group, which is not lost, has not sealed the period under this agreement.
    """
    lab, lost = agreement.lab(store.lab), lost_in(store, agreement, period)
    first, last = agreement.period_epochs(period)
    units = {unit.name: unit for unit in (lab.unit_of(meter.name)[1] for meter in meters)}
    for unit in units.values():
        for other in unit.meters if lab.groups else ():
            due = range(first, lost.get(other.name, last + 1))
            if store.count_seals(other.name, due, agreement.digest) < len(due):
                what = f"group {unit.name}: meter {other.name} has not sealed every epoch of period {period} under this agreement"
                raise ClaimsError(what, "seal it first (standstill epoch seal), or close the group's meters together")
    return {name: roots_digest(unit_roots(store, agreement, period, unit, lost)) for name, unit in units.items()}


def _sign_block(
    store: Store, agreement: Agreement, period: int, due: Sequence[Agreed], digests: Mapping[str, bytes]
) -> list[SignedHead]:
    lab = agreement.lab(store.lab)
    chains, blinding = [], [LedgerSecrets(fresh_elements(), fresh_elements()) for _ in due]
    for (meter, terms), secret in zip(due, blinding, strict=True):
        rows = store.reading_rows(period, meter.name)
        check_readings(rows, terms, agreement, period)
        chains.append(_chain(agreement, terms, period, rows, secret))
    signed = []
    for (meter, terms), head, secret in zip(due, heads.ledger_heads(chains), blinding, strict=True):
        digest = digests[lab.unit_of(meter.name)[1].name]
        signature = sign_ledger_head(meter.period_signer(terms), agreement.digest, store.lab, meter.name, period, head, digest)
        signed.append(SignedHead(meter.name, period, agreement.digest, head, digest, signature))
        store.seal(signed[-1], secret)
    return signed
