"""Openings after a draw: an honest one, every manipulation of it, what it reveals; records; genesis; rounds from the web."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lab_fixtures import EPOCHS, LAB_KEY, METER_KEYS, PEAK, make_agreement, public

from circuits.chain import registry_head
from circuits.statement import registry_header
from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message, sign_ledger_head, sign_registry_head
from claims.agreement.terms import Deadlines, InspectionTerms, LogTerms, Party
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, MalformedFile, UnreadableFile
from claims.base.merkle import leaf_hash
from claims.claim.commitments import (
    EMPTY_SLOT,
    ReadingOpening,
    Slot,
    SlotOpening,
    audit_path,
    epoch_root,
    lab_epoch_root,
    meter_leaf,
    name_digest,
    reading_leaf,
    registry_epoch_head,
    roots_digest,
)
from claims.claim.entries import check_entry, encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry
from claims.claim.file import Claim
from claims.claim.records import IDLE, LedgerSecrets, Reading, RegistryEntry, SignedHead, circuit_entry
from claims.inspection.beacon import RoundRejected, parse_round, time_of_round, verify_round
from claims.inspection.binding import Behind, bind, check_heads
from claims.inspection.check import OpeningRejected, check_claim_heads, check_opening, equivocations
from claims.inspection.draw import draw_committed, draw_slots, load_round
from claims.inspection.file import OpenedReading, OpenedSlot, Opening
from claims.inspection.genesis import check_genesis, genesis_commitment, genesis_seed
from claims.inspection.open import MaterialError, SealedEpoch, SealedRegistry, make_opening
from claims.inspection.record import Record, check_record, check_record_entry, make_record, record_entry
from claims.inspection.terms import settled
from claims.lab.meter import ledger_head

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())
ROUND = parse_round(json.dumps(next(item for item in VECTORS["valid"] if item["round"] == 1000)).encode())
VERIFIED = verify_round(ROUND)
BETA, GAMMA, LOG = (Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in (21, 22, 23))
START = time_of_round(1000) - 4 * 60 - 61
"""The period ends 61 s before the round; T, when claim and entries are due, is 1 s later and the margin 59 s: so round 1000 is eligible."""
TAG = 77_777
CHECKPOINTS = 16


def classed(terms: Agreement) -> Agreement:
    """The agreement with few leaves, and hall-b in a class of its own that has twice as many."""
    (chip,), lab = terms.chips, terms.labs[0]
    meters = tuple(replace(meter, chip="h200") if meter.name == "hall-b" else meter for meter in lab.meters)
    chips = (replace(chip, readings=8), replace(chip, name="h200", readings=16))
    return replace(terms, chips=chips, labs=(replace(lab, meters=meters),), checkpoints=CHECKPOINTS)




@dataclass
class FakeLog:
    entries: list[bytes]
    time: int

    def committed_time(self, index: int, exclude: Collection[str] = ()) -> int:
        assert set(exclude) == {"alpha", "gamma"}
        return self.time - (len(self.entries) - 1 - index)


def behind(terms: Agreement, sealed: dict[tuple[str, int], SealedEpoch], slots: tuple[Slot, ...]) -> Behind:
    """A period as a lab closes it: these readings, and these checkpoints behind a RESIDUE, with work that no opening shows."""
    entries = [RegistryEntry("unattributed work", 2, 6, 0, 0, 0, 0, 0, 0, 0, bytes(32), 0)]
    for i, s in enumerate(slots):
        entries.append(RegistryEntry(f"c{i}", s.tag, s.kind, s.parent1, s.parent2, 0, s.epoch, 77, s.declared, 88, s.weights, 0))
    heads, ledgers = [], []
    for number, meter in enumerate(terms.labs[0].meters):
        epochs = sorted(epoch for name, epoch in sealed if name == meter.name)
        readings = [reading for epoch in epochs for reading in sealed[meter.name, epoch].readings]
        blinding = LedgerSecrets(tuple(range(number, number + 8)), tuple(range(50, 58)))
        head = ledger_head(terms, meter, 0, readings, blinding)
        roots = roots_digest([sealed[meter.name, epoch].root for epoch in epochs])
        signature = sign_ledger_head(METER_KEYS[meter.name], terms.digest, "alpha", meter.name, 0, head, roots)
        heads.append(SignedHead(meter.name, 0, terms.digest, head, roots, signature))
        ledgers.append((readings, blinding))
    return of_entries(Behind(tuple(heads), tuple(ledgers), (0,) * 8, tuple(range(100, 108)), tuple(range(200, 208)), tuple(entries)))


def of_entries(closed: Behind) -> Behind:
    """With the registry head of its entries."""
    entries = [circuit_entry(entry) for entry in closed.entries]
    return replace(closed, head=registry_head(closed.iv, registry_header("alpha"), entries, closed.trailer))


class World:
    """A lab with one run, saved in epoch ``saved`` and worked toward through ``worked``; idle after that."""

    draws = 6

    def __init__(self, saved: int = EPOCHS - 1, worked: int = EPOCHS - 1, cut: Callable[[Agreement], Agreement] = lambda own: own) -> None:
        self.worked = worked
        parties = (Party("alpha", public(LAB_KEY)), Party("beta", public(BETA)), Party("gamma", public(GAMMA)))
        log = LogTerms("log.example/x", "gamma", public(LOG), 1)
        self.terms = replace(
            classed(cut(make_agreement())), start=START, parties=parties, log=log, inspection=InspectionTerms(self.draws, 3, 59),
            deadlines=Deadlines(1, 1, 60, 600),
        )
        self.meters = self.terms.labs[0].meters
        self.sealed: dict[tuple[str, int], SealedEpoch] = {}
        slots = (
            Slot(True, 5, 3, 0, 0, 0, 0, 0, b"o" * 32, name_digest("other")),
            Slot(True, TAG, 3, 0, 0, 0, saved, 0, b"w" * 32, name_digest("run-1"), genesis_commitment(bytes(32), b"lr=1"), 900),
        )
        self.slots = SealedRegistry(slots, ("other", "run-1"), b"R" * 32)
        self._made: Opening | None = None
        entries = [self._publish(epoch) for epoch in range(EPOCHS)] + [self.claim_entry()]
        self.closing = behind(self.terms, self.sealed, slots)
        self.log = FakeLog(entries, START + 4 * 60 + 1)
        self.drawn = draw_committed(self.terms, "alpha", 0, ROUND, self.log)

    def _publish(self, epoch: int) -> bytes:
        roots = []
        for number, meter in enumerate(self.meters):
            cover = self.terms.coverage(meter)
            parts = (cover // 4, cover // 2, cover - cover // 4 - cover // 2)
            tag, peak = (TAG, PEAK) if epoch <= self.worked else (IDLE, 0)
            readings = tuple(Reading(epoch, tag, part, part * peak) for part in parts)
            seed = hashlib.sha256(b"seed%d.%d" % (number, epoch)).digest()
            root = epoch_root(readings, epoch, cover, seed, self.terms.readings(meter))
            message = epoch_root_message(self.terms.digest, "alpha", meter.name, epoch, root)
            self.sealed[meter.name, epoch] = SealedEpoch(readings, seed, root, METER_KEYS[meter.name].sign(message))
            roots.append((meter.name, root))
        head = registry_epoch_head(self.slots.slots, self.slots.seed, CHECKPOINTS)
        entry = EpochEntry(self.terms.digest, "alpha", epoch, lab_epoch_root(roots), head)
        return encode_entry(sign_entry(LAB_KEY, entry))

    def claim_entry(self) -> bytes:
        """Of a claim file that no test here reads."""
        return encode_entry(sign_entry(LAB_KEY, ClaimEntry(self.terms.digest, "alpha", 0, bytes(32), bytes(32))))

    def epoch(self, meter: str, epoch: int) -> SealedEpoch:
        return self.sealed[meter, epoch]

    def registry(self, epoch: int) -> SealedRegistry:
        return self.slots

    def behind(self, period: int) -> Behind:
        return self.closing

    def make(self) -> Opening:
        if self._made is None:
            self._made = make_opening(self.terms, self.drawn, self, "beta", LAB_KEY)
        return self._made

    def reading(self, meter: str, epoch: int, index: int):  # type: ignore[no-untyped-def]
        """The lab opens any leaf it likes, correctly."""
        own, agreed = self.sealed[meter, epoch], self.terms.labs[0].meter(meter)
        one = ReadingOpening.of(own.readings, index, epoch, self.terms.coverage(agreed), own.seed, self.terms.readings(agreed))
        leaves = []
        for m in self.meters:
            s = self.sealed[m.name, epoch]
            leaves.append(meter_leaf(m.name, epoch_root(s.readings, epoch, self.terms.coverage(m), s.seed, self.terms.readings(m))))
        return OpenedReading(meter, one, own.signature, tuple(audit_path(leaves, self.meters.index(agreed))))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def resign(opening: Opening) -> Opening:
    return replace(opening, signature=LAB_KEY.sign(opening.message()))


def refused(world: World, opening: Opening, code: str, inspector: str = "beta") -> None:
    with pytest.raises(OpeningRejected) as caught:
        check_opening(world.terms, world.drawn, opening, inspector)
    assert caught.value.code in code.split(" or ")


def test_an_honest_opening_passes_and_survives_its_file(world: World) -> None:
    opening = world.make()
    assert Opening.decode(opening.encode()) == opening
    checked = check_opening(world.terms, world.drawn, opening, "beta")
    assert checked.slot_of(TAG).name == "run-1"  # type: ignore[union-attr]
    for draw in world.drawn.draws:
        spans = [(r.meter, r.opening.reading.epoch, r.opening.start, r.opening.reading.chip_seconds) for r in opening.readings]
        assert sum((m, e) == (draw.meter, draw.epoch) and s <= draw.offset < s + n for m, e, s, n in spans) == 1
    assert set(world.drawn.slots) | {1} == {s.opening.index for s in opening.slots}


def with_reading(world: World, **changes: object) -> Opening:
    """The opening with its first reading changed, in the order in which it belongs."""
    opening = world.make()
    readings = (replace(opening.readings[0], **changes), *opening.readings[1:])  # type: ignore[arg-type]
    ordered = sorted(readings, key=lambda item: (item.opening.reading.epoch, item.meter, item.opening.index))
    return resign(replace(opening, readings=tuple(ordered)))


def with_leaf(world: World, **changes: object) -> Opening:
    return with_reading(world, opening=replace(world.make().readings[0].opening, **changes))


def test_every_manipulation_of_a_reading_is_refused(world: World) -> None:
    first = world.make().readings[0]
    one, reading = first.opening, first.opening.reading
    other = next(m.name for m in world.meters if m.name != first.meter)
    refused(world, with_leaf(world, salt=bytes(32)), "reading-path")
    refused(world, with_leaf(world, salt=b""), "reading-path")
    refused(world, with_leaf(world, index=one.index ^ 1), "reading-path or selection")
    refused(world, with_leaf(world, path=one.path[:-1]), "reading-path")
    refused(world, with_leaf(world, path=(bytes(32), *one.path[1:])), "reading-path")
    refused(world, with_leaf(world, start=one.start + 1 if one.start == 0 else one.start - 1), "reading-path")
    refused(world, with_leaf(world, reading=replace(reading, tag=5)), "reading-path")
    refused(world, with_leaf(world, reading=replace(reading, work=0)), "reading-values")
    refused(world, with_leaf(world, reading=replace(reading, tag=0, work=0)), "reading-values")
    refused(world, with_leaf(world, start=2**50), "reading-values")
    refused(world, with_leaf(world, reading=replace(reading, epoch=EPOCHS)), "selection")
    refused(world, with_reading(world, meter=other), "reading-path or reading-values or selection")
    refused(world, with_reading(world, meter="hall-z"), "selection")
    refused(world, with_reading(world, signature=bytes(64)), "meter-signature")
    refused(world, with_reading(world, meter_path=(bytes(32),)), "reading-path")
    refused(world, with_reading(world, meter_path=()), "reading-path")


def test_exactly_the_drawn_items(world: World) -> None:
    opening = world.make()
    opened = {(r.opening.reading.epoch, r.meter, r.opening.index) for r in opening.readings}
    spare = next((e, m.name, i) for e in range(EPOCHS) for m in world.meters for i in range(3) if (e, m.name, i) not in opened)
    extra = world.reading(spare[1], spare[0], spare[2])
    key = lambda r: (r.opening.reading.epoch, r.meter, r.opening.index)  # noqa: E731
    refused(world, resign(replace(opening, readings=opening.readings[1:])), "selection")
    refused(world, resign(replace(opening, readings=tuple(sorted((*opening.readings, extra), key=key)))), "selection")
    refused(world, resign(replace(opening, readings=tuple(sorted((*opening.readings[1:], extra), key=key)))), "selection")
    refused(world, resign(replace(opening, readings=(opening.readings[0], *opening.readings))), "selection")
    refused(world, resign(replace(opening, readings=opening.readings[::-1])), "selection")
    used = {s.opening.index for s in opening.slots}
    index = next(i for i in range(16) if i not in used)
    more = OpenedSlot("other" if index == 0 else "", SlotOpening.of(world.slots.slots, index, world.slots.seed, 16))
    slots = tuple(sorted((*opening.slots, more), key=lambda s: s.opening.index))
    refused(world, resign(replace(opening, slots=slots)), "selection")
    missing = tuple(s for s in opening.slots if s.opening.index != 1)
    refused(world, resign(replace(opening, slots=missing)), "slot-missing")
    fewer = tuple(s for s in opening.slots if s.opening.index == 1)
    refused(world, resign(replace(opening, slots=fewer)), "selection")


def test_every_manipulation_of_a_slot_is_refused(world: World) -> None:
    opening = world.make()
    at = next(i for i, s in enumerate(opening.slots) if s.opening.index == 1)

    def swap(place: int, **changes: object) -> Opening:
        slot = replace(opening.slots[place].opening, **changes)
        slots = list(opening.slots)
        slots[place] = OpenedSlot(slots[place].name, slot)
        return resign(replace(opening, slots=tuple(slots)))

    true = opening.slots[at].opening.slot
    for change in ({"tag": 5}, {"weights": bytes(32)}, {"parent1": 5}, {"genesis_round": 901}, {"epoch": 2}, {"kind": 4}):
        refused(world, swap(at, slot=replace(true, **change)), "slot-path")  # type: ignore[arg-type]
    refused(world, swap(at, slot=EMPTY_SLOT), "slot-path")
    refused(world, swap(at, salt=bytes(32)), "slot-path")
    empty = next(i for i, s in enumerate(opening.slots) if not s.opening.slot.used)
    refused(world, swap(empty, slot=replace(EMPTY_SLOT, tag=9)), "slot-path")
    refused(world, swap(empty, slot=replace(EMPTY_SLOT, used=True)), "slot-path")
    named = tuple(replace(s, name="x") if i == empty else s for i, s in enumerate(opening.slots))
    refused(world, resign(replace(opening, slots=named)), "slot-values")
    value = json.loads(opening.encode())
    value["slots"][at]["name"] = "run-2"
    from claims.base.canonical import to_json

    refused(world, resign(Opening.decode(to_json(value))), "slot-path")


def test_replays_and_other_readers_are_refused(world: World) -> None:
    opening = world.make()
    refused(world, opening, "addressed", inspector="gamma")
    for change in ({"period": 1}, {"round": 1001}, {"lab": "beta"}, {"agreement": bytes(32)}):
        refused(world, resign(replace(opening, **change)), "addressed")  # type: ignore[arg-type]
    refused(world, replace(opening, signature=bytes(64)), "signature")
    refused(world, replace(opening, to="gamma"), "signature", inspector="gamma")
    unlogged = replace(world.drawn.committed, epochs={e: replace(x, root=bytes(32)) for e, x in world.drawn.committed.epochs.items()})
    with pytest.raises(OpeningRejected):
        check_opening(world.terms, replace(world.drawn, committed=unlogged), opening, "beta")
    with pytest.raises(ClaimsError, match="not those published"):
        make_opening(world.terms, replace(world.drawn, committed=unlogged), world, "beta", LAB_KEY)
    for to, key in (("alpha", LAB_KEY), ("beta", BETA), ("delta", LAB_KEY)):
        with pytest.raises(ClaimsError):
            make_opening(world.terms, world.drawn, world, to, key)


def test_a_colluding_meter_that_overlaps_two_opened_leaves_is_refused(world: World) -> None:
    """Both leaves are under one signed, logged root; they cover one chip-second twice."""
    from claims.claim.commitments import merkle_root, salt

    meter, epoch = world.drawn.draws[0].meter, world.drawn.draws[0].epoch
    offset = world.drawn.draws[0].offset
    own, agreed = world.sealed[meter, epoch], world.terms.labs[0].meter(meter)
    cover = world.terms.coverage(agreed)
    twice = Reading(epoch, TAG, cover, cover * PEAK)
    leaves = [reading_leaf(salt(own.seed, i), 0, twice) for i in range(world.terms.readings(agreed))]
    root = merkle_root(leaves)
    roots = []
    for m in world.meters:
        s = world.sealed[m.name, epoch]
        true = epoch_root(s.readings, epoch, world.terms.coverage(m), s.seed, world.terms.readings(m))
        roots.append((m.name, root if m.name == meter else true))
    entry = replace(world.drawn.committed.epochs[epoch], root=lab_epoch_root(roots))
    committed = replace(world.drawn.committed, epochs=world.drawn.committed.epochs | {epoch: entry})
    draws = tuple(d for d in world.drawn.draws if d.offset == offset and (d.meter, d.epoch) == (meter, epoch))
    drawn = replace(world.drawn, committed=committed, draws=(*draws, *draws))
    signature = METER_KEYS[meter].sign(epoch_root_message(world.terms.digest, "alpha", meter, epoch, root))
    path = tuple(audit_path([meter_leaf(*pair) for pair in roots], world.meters.index(agreed)))
    both = tuple(
        OpenedReading(meter, ReadingOpening(i, 0, twice, salt(own.seed, i), tuple(audit_path(leaves, i))), signature, path)
        for i in range(2)
    )
    opening = world.make()
    with pytest.raises(OpeningRejected) as caught:
        check_opening(world.terms, drawn, resign(replace(opening, readings=both)), "beta")
    assert caught.value.code == "overlap"
    with pytest.raises(OpeningRejected) as caught:  # one of them alone: it is not the ledger's reading at that index
        check_opening(world.terms, drawn, resign(replace(opening, readings=both[:1])), "beta")
    assert caught.value.code == "proof"


# ---- what is hidden ----------------------------------------------------------------------------------------


def guesses(world: World, meter: str, epoch: int, start: int):  # type: ignore[no-untyped-def]
    cover = world.terms.coverage(world.terms.labs[0].meter(meter))
    for tag in (1, 2, 5, TAG):
        for length in range(cover - start + 1):
            yield Reading(epoch, tag, length, 0 if tag == 1 else length * PEAK)


def test_neighbours_are_hidden_by_their_salts_and_by_nothing_else(world: World) -> None:
    item = world.reading("hall-a", 0, 0)
    one, epoch = item.opening, item.opening.reading.epoch
    neighbour = world.sealed[item.meter, epoch].readings[1]
    start = one.reading.chip_seconds
    bare = leaf_hash(reading_leaf(bytes(32), start, neighbour))
    tried = {leaf_hash(reading_leaf(bytes(32), start, g)): g for g in guesses(world, item.meter, epoch, start)}
    assert tried[bare] == neighbour  # a known salt: the search finds it
    for known in (bytes(32), one.salt):
        tried = {leaf_hash(reading_leaf(known, start, g)): g for g in guesses(world, item.meter, epoch, start)}
        assert one.path[0] not in tried
    sealed = world.sealed[item.meter, epoch]
    from claims.claim.commitments import salt

    assert leaf_hash(reading_leaf(salt(sealed.seed, 1), start, neighbour)) == one.path[0]


def test_equal_readings_of_two_epochs_have_unrelated_hashes(world: World) -> None:
    seen = [h for e in range(EPOCHS) for h in world.reading("hall-a", e, 0).opening.path]
    assert len(set(seen)) == len(seen)


def test_an_opening_holds_no_seed_and_no_other_salt(world: World) -> None:
    from claims.claim.commitments import salt

    opening = world.make()
    text = opening.encode().decode()
    opened = {(r.meter, r.opening.reading.epoch, r.opening.index) for r in opening.readings}
    for (meter, epoch), sealed in world.sealed.items():
        assert sealed.seed.hex() not in text
        for i in range(8):
            assert (salt(sealed.seed, i).hex() in text) == ((meter, epoch, i) in opened)
    used = {s.opening.index for s in opening.slots}
    assert world.slots.seed.hex() not in text
    assert all((salt(world.slots.seed, i).hex() in text) == (i in used) for i in range(16))


@pytest.mark.parametrize("old, new", [(b'"round": 1000', b'"round": 1000.0'), (b"{", b"{ "), (b"true", b"1"), (b"hall-a", b"HALL-A")])
def test_malformed_openings(world: World, old: bytes, new: bytes) -> None:
    data = world.make().encode()
    assert old in data
    with pytest.raises(MalformedFile):
        Opening.decode(data.replace(old, new, 1))


# ---- what stands behind the claim --------------------------------------------------------------------------


def shown(opening: Opening) -> tuple[list[tuple[str, int, Reading]], list[Slot]]:
    """What an opening's proof is about."""
    return [(r.meter, r.opening.index, r.opening.reading) for r in opening.readings], [s.opening.slot for s in opening.slots]


def test_a_lab_with_two_lists_opens_neither(world: World) -> None:
    """One list for inspectors, another in the claim."""
    changed = tuple(replace(e, parent1=5) if e.tag == TAG else e for e in world.closing.entries)
    liar = World()
    liar.closing = of_entries(replace(world.closing, entries=changed))
    with pytest.raises(MaterialError, match="closed period is not that of its heads"):
        liar.make()
    opening = world.make()
    readings, slots = shown(opening)
    lied = [replace(slot, parent1=5) if slot.tag == TAG else slot for slot in slots]
    forged = bind(world.terms, "alpha", 0, liar.closing, readings, lied, LAB_KEY)
    refused(world, resign(replace(opening, binding=forged)), "proof")
    grafted = replace(opening.binding, head=liar.closing.head, signature=forged.signature)
    refused(world, resign(replace(opening, binding=grafted)), "proof")


def test_a_meter_with_two_ledgers_opens_neither(world: World) -> None:
    """True epoch roots for inspectors, a ledger head over idle time in the claim; the bribed meter signs both."""
    opening = world.make()
    target = opening.readings[0]
    epoch, index = target.opening.reading.epoch, target.opening.index
    liar = World()
    own = liar.sealed[target.meter, epoch]
    idle = tuple(replace(r, tag=1, work=0) if i == index else r for i, r in enumerate(own.readings))
    liar.closing = behind(liar.terms, {**liar.sealed, (target.meter, epoch): replace(own, readings=idle)}, liar.slots.slots)
    with pytest.raises(MaterialError, match="closed period is not that of its heads"):
        liar.make()
    readings, slots = shown(opening)
    lied = [(m, i, replace(r, tag=1, work=0) if (m, i, r.epoch) == (target.meter, index, epoch) else r) for m, i, r in readings]
    forged = bind(liar.terms, "alpha", 0, liar.closing, lied, slots, LAB_KEY)
    refused(world, resign(replace(opening, binding=forged)), "proof")
    check_heads(world.terms, "alpha", 0, forged)


def test_a_reading_moved_to_another_place_is_not_the_one_drawn(world: World) -> None:
    """The ledger has the reading, but at another index: so it stands for other chip-seconds."""
    opening = world.make()
    target = opening.readings[0]
    epoch = target.opening.reading.epoch
    liar = World()
    own = liar.sealed[target.meter, epoch]
    index = target.opening.index
    turns = ((*own.readings[1:], own.readings[0]), (own.readings[-1], *own.readings[:-1]))
    turned = next(turn for turn in turns if turn[index] != own.readings[index])
    liar.closing = behind(liar.terms, {**liar.sealed, (target.meter, epoch): replace(own, readings=turned)}, liar.slots.slots)
    with pytest.raises(MaterialError, match="closed period is not that of its heads"):
        liar.make()


def test_the_proof_is_of_exactly_what_is_opened(world: World) -> None:
    opening = world.make()
    readings, slots = shown(opening)
    for some, others in ((readings[1:], slots), (readings, [])):
        short = bind(world.terms, "alpha", 0, world.closing, some, others, LAB_KEY)
        refused(world, resign(replace(opening, binding=short)), "proof")
    ((_, made),) = opening.binding.proofs
    for proof in (b"", b"x", made[:-1], bytes(len(made))):
        refused(world, resign(replace(opening, binding=replace(opening.binding, proofs=((None, proof),)))), "proof")
    for proofs in ((), ((None, made),) * 2, (("north", made),), (("north", made), (None, made))):
        refused(world, resign(replace(opening, binding=replace(opening.binding, proofs=proofs))), "proof")


def test_heads_are_signed_as_in_a_claim_and_are_the_claims(world: World) -> None:
    opening, terms = world.make(), world.terms
    one = opening.binding
    for key, period in ((BETA, 0), (LAB_KEY, 1)):
        signature = sign_registry_head(key, terms.digest, "alpha", period, one.head, one.lists)
        refused(world, resign(replace(opening, binding=replace(one, signature=signature))), "heads")
    forged = replace(one.meters[0], signature=LAB_KEY.sign(b"x"))
    for meters in ((forged, *one.meters[1:]), one.meters[1:], one.meters[::-1], (*one.meters, one.meters[0]), ()):
        refused(world, resign(replace(opening, binding=replace(one, meters=meters))), "heads")
    claim = Claim(terms.digest, "alpha", 0, 0, EPOCHS - 1, (0,) * 8, one.head, one.meters, one.signature, b"", bytes(64))
    check_claim_heads(opening, claim)
    assert equivocations(opening, claim) == []
    other = replace(one.meters[0], head=tuple(range(8)))
    listed = replace(claim, transfers=(b"t" * 32,))
    for changed in (replace(claim, head_after=tuple(range(8))), replace(claim, meters=(other, *claim.meters[1:])), listed):
        with pytest.raises(OpeningRejected) as caught:
            check_claim_heads(opening, changed)
        assert caught.value.code == "heads" and len(equivocations(opening, changed)) == 1
    for change in ({"period": 1}, {"lab": "beta"}, {"agreement_digest": bytes(32)}):
        with pytest.raises(ClaimsError, match="of another agreement, lab or period"):
            check_claim_heads(opening, replace(claim, **change))  # type: ignore[arg-type]


def test_the_proof_shows_nothing_else(world: World) -> None:
    """Work and cumulative of every entry, blinding values, and whatever is not opened, are in no field of the file."""
    opening = world.make()
    fields = json.loads(opening.encode())
    del fields["proofs"]
    text = json.dumps(fields)
    assert all(name not in text for name in ("cumulative", "trailer", '"iv"'))
    again = make_opening(world.terms, world.drawn, world, "beta", LAB_KEY)
    assert again.binding.proofs != opening.binding.proofs and again.binding.digest == opening.binding.digest
    assert "proofs=" not in repr(opening) and "iv=" not in repr(world.closing)


# ---- rounds, slots, records, genesis -----------------------------------------------------------------------


def test_only_the_eligible_round_draws(world: World) -> None:
    for later in (2, 60, -3):  # committed later: round 1000 is early; earlier than the period's end: the end decides
        view = FakeLog(world.log.entries, world.log.time + later)
        if later > 0:
            with pytest.raises(RoundRejected):
                draw_committed(world.terms, "alpha", 0, ROUND, view)
        else:
            assert draw_committed(world.terms, "alpha", 0, ROUND, view).draws == world.drawn.draws
    after = replace(ROUND, number=1001)
    with pytest.raises(RoundRejected, match="not the eligible one, 1000"):
        draw_committed(world.terms, "alpha", 0, after, world.log)
    with pytest.raises(ClaimRejected, match="no entry"):
        draw_committed(world.terms, "alpha", 0, ROUND, FakeLog(world.log.entries[1:], world.log.time))
    with pytest.raises(ClaimRejected, match="no claim of lab alpha"):
        draw_committed(world.terms, "alpha", 0, ROUND, FakeLog(world.log.entries[:-1], world.log.time))


def test_the_round_is_due_after_the_claim_is_due(world: World) -> None:
    """What is claimed cannot depend on the draw, however long the agreement gives a lab for its claim."""
    for epoch, claim in ((1, 600), (600, 1), (600, 600)):
        terms = replace(world.terms, deadlines=Deadlines(epoch, claim, 60, 600))
        assert settled(terms, 0, 0) == settled(terms, 0, settled(terms, 0, 0)) == START + 4 * 60 + 600
    assert settled(world.terms, 0, START + 10**6) == START + 10**6


def test_slots_are_a_draw_of_their_own(world: World) -> None:
    many = draw_slots(bytes(32), "alpha", 0, 16, VERIFIED, 4000)
    counts = [many.count(i) for i in range(16)]
    assert sum((c - 250) ** 2 / 250 for c in counts) < 15 + 5 * 30**0.5
    assert draw_slots(bytes(32), "alpha", 0, 16, VERIFIED, 10) == many[:10] != draw_slots(bytes(32), "alpha", 1, 16, VERIFIED, 10)


def test_records(world: World) -> None:
    data = world.make().encode()
    passed = make_record(world.terms, world.drawn, "beta", BETA, data, heads=world.make().binding.digest)
    failed = make_record(world.terms, world.drawn, "beta", BETA, data, ("site", "overlap"))
    late = time_of_round(1000) + 601
    refusal = make_record(world.terms, world.drawn, "beta", BETA, None, now=late)
    assert [r.outcome for r in (passed, failed, refusal)] == ["passed", "failed", "refused"]
    for record in (passed, failed, refusal):
        assert Record.decode(record.encode()) == record
        check_record(record, world.terms)
        entry = record_entry(record, BETA)
        check_entry(entry, world.terms)
        check_record_entry(record, entry)
        with pytest.raises(BadSignature):
            check_record(replace(record, committed=record.committed + 1), world.terms)
        for item in world.make().readings:
            assert item.opening.salt.hex() not in record.encode().decode()
        assert "run-1" not in record.encode().decode()
    with pytest.raises(ClaimRejected):
        check_record_entry(failed, record_entry(passed, BETA))
    for bad in (replace(passed, failures=("site",)), replace(failed, failures=()), replace(passed, author="alpha")):
        with pytest.raises(MalformedFile):
            Record.decode(bad.encode())
    with pytest.raises(ClaimsError, match="may open until"):
        make_record(world.terms, world.drawn, "beta", BETA, None, now=late - 1)
    with pytest.raises(ClaimRejected, match="no opening is overdue"):
        make_record(replace(world.terms, deadlines=None), world.drawn, "beta", BETA, None, now=late)
    with pytest.raises(ClaimsError, match="a pass without heads"):
        make_record(world.terms, world.drawn, "beta", BETA, data)
    for author, key, failures in (("alpha", LAB_KEY, ()), ("beta", GAMMA, ()), ("beta", BETA, ("gossip",))):
        with pytest.raises(ClaimsError):
            make_record(world.terms, world.drawn, author, key, data, failures)


def test_genesis(world: World) -> None:
    slot = replace(world.slots.slots[1], genesis_round=1000, epoch=EPOCHS + 2)
    assert check_genesis(world.terms, slot, VERIFIED, bytes(32), b"lr=1") == genesis_seed(slot.genesis_commitment, VERIFIED)
    with pytest.raises(ClaimRejected, match="not those"):
        check_genesis(world.terms, slot, VERIFIED, bytes(32), b"lr=2")
    with pytest.raises(ClaimRejected, match="another round"):
        check_genesis(world.terms, replace(slot, genesis_round=999), VERIFIED)
    with pytest.raises(ClaimRejected, match="before its genesis"):
        check_genesis(world.terms, replace(slot, epoch=0), VERIFIED)
    with pytest.raises(ClaimRejected, match="no genesis"):
        check_genesis(world.terms, EMPTY_SLOT, VERIFIED)


@pytest.mark.parametrize("address", ["http://localhost/1", "ftp://h/1", "https://u@h/1", "https://h/1?x=1", "https:///1", "https://h:99999/1"])
def test_addresses_of_rounds(address: str) -> None:
    with pytest.raises(UnreadableFile):
        load_round(address)
