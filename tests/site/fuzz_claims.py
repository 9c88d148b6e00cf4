"""Random claims with everything that belongs to them, signed with keys of fixed seeds and then spoilt: for both verifiers.

A case is spoilt before it is signed as well as after, so that what is wrong lies as deep as each check. The proof is a stub: a
case in which nothing is wrong is rejected by the check `proof`, the last one, and by no other.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from claims.agreement.decode import decode_agreement
from claims.agreement.terms import Amends, Party
from claims.base.hybrid import HybridKey
from tests.site.cases import (
    COSIGNERS,
    DELTA,
    DELTA_COSIGNS,
    EPOCHS,
    OTHER_LOG,
    PARTIES,
    STRANGER,
    Case,
    ClaimDraft,
    P,
    honest,
)
from tests.site.make_claim_vectors import (
    ALPHA,
    ALPHA_COSIGNS,
    BETA,
    BETA_COSIGNS,
    GAMMA_COSIGNS,
    METERS,
    ORIGIN,
    TARGET,
    Half,
    domain,
    entry,
    framed,
    head,
    mth,
    name,
    sha,
    sign,
    u32,
)

# ---- mutations: each takes a case and spoils it, or changes what should not matter ---------------------------

MUTATIONS: list[Callable[[Case], None]] = []


def mutation(function: Callable[[Case], None]) -> Callable[[Case], None]:
    """Registers a mutation."""
    MUTATIONS.append(function)
    return function


def _any_claim(case: Case) -> ClaimDraft:
    return case.rng.choice(case.claims) if case.rng.random() < 0.4 else case.claims[-1]


@mutation
def number_of_a_claim(case: Case) -> None:
    """Period or epochs are others, also out of range."""
    which = case.rng.choice(["period", "first", "last"])
    draft = _any_claim(case)
    value = getattr(draft, which)
    setattr(draft, which, case.rng.choice([min(value + 1, 2**32 - 1), max(0, value - 1), 2, 3, 2**24 - 1, 2**24, 2**32 - 1]))


@mutation
def head_of_a_claim(case: Case) -> None:
    """A head is another, or not of field elements."""
    draft, word = _any_claim(case), case.rng.choice([P, P - 1, 0, 2**32 - 1])
    which = case.rng.choice(["before", "after"])
    words = list(getattr(draft, which))
    words[case.rng.randrange(8)] = word
    setattr(draft, which, tuple(words))


@mutation
def meters_of_a_claim(case: Case) -> None:
    """Meters are left out, doubled, renamed, exchanged or added."""
    draft = _any_claim(case)
    meters, kind = draft.meters, case.rng.randrange(7)
    if len(meters) < 2:
        return
    if kind == 0:
        meters.pop(case.rng.randrange(len(meters)))
    elif kind == 1:
        meters.append(dict(meters[-1]))
    elif kind == 2:
        meters.reverse()
    elif kind == 3:
        case.rng.choice(meters)["name"] = case.rng.choice(["hall-c", "Hall-a", "", "a" * 64, "a" * 65, "hall-a\n", "-x"])
    elif kind == 4:
        meters[0]["head"], meters[1]["head"] = meters[1]["head"], meters[0]["head"]
    elif kind == 5:
        case.rng.choice(meters)["roots"] = case.rng.randbytes(32)
    else:
        meters.clear()


@mutation
def lists_of_a_claim(case: Case) -> None:
    """Sites, losses, limits, earlier ones and transfers, well-formed or not."""
    draft, rng = _any_claim(case), case.rng
    if rng.random() < 0.3:
        names = rng.choice([["north"], ["north", "south"], ["south", "north"], ["Up"]])
        draft.sites = len(names).to_bytes(2, "big") + b"".join(name(n) + u32(*range(8)) + bytes(64) for n in names)
        draft.sites += rng.choice([bytes(32), bytes(32), b""])
        draft.proof = rng.choice([b"", b"", b"stub"])
    count, most = rng.randrange(3), 2**64 - 1
    amounts = [(5, 8), (5, most), (8, 8), (5, 9), (0, 1), (most, most)]
    limit = [bytes([rng.choice([1, 2, 3, 4, 5, 6, 0])]) + u64(*rng.choice(amounts)) for _ in range(2)]
    losses = [bytes([rng.choice([1, 2, 2, 3])]) + name(rng.choice(["hall-a", "hall-b"])) + u32(rng.choice([0, 1, 2]))
              + bytes([rng.choice([0, 0, 1, 2])])
              for _ in range(count)]  # fmt: skip
    overs = [u32(rng.choice([0, 1, 2])) + limit[1] for _ in range(rng.randrange(2))]
    moved = sorted(rng.randbytes(32) for _ in range(count)) if rng.random() < 0.8 else [bytes(32)] * count
    parts = [count.to_bytes(2, "big"), *losses, bytes([1]), limit[0], len(overs).to_bytes(2, "big"), *overs]
    parts += [count.to_bytes(2, "big"), *moved]
    kept = rng.randrange(4)
    draft.lists = [b"".join(parts), bytes(5) + b"".join(parts[-1 - count :]), parts[0] + b"".join(losses) + bytes(5), bytes(7)][kept]


def lose(draft: ClaimDraft, meter: str, first: int, said: bool) -> None:
    """A meter is lost from an epoch on, as the lab says in the log or does not."""
    draft.lost[meter] = first
    draft.zero = 64 if first % 7 else 2484
    if said:
        draft.said.append(name("alpha") + name("alpha") + bytes([1]) + name(meter) + bytes([1]) + u32(first))
    found = draft.roots.get(meter, {})
    found.update({epoch: bytes(32) for epoch in found if epoch >= first})
    for item in draft.meters:
        if item["name"] == meter:
            item |= {"head": (0,) * 8, "roots": mth(list(found.values()))}


@mutation
def limits_and_losses_of_a_claim(case: Case) -> None:
    """It is over limits, repeated by later claims or not quite, or lists meters or sites as lost."""
    rng, earlier, gone = case.rng, [], ""
    lab = case.agreement.labs[0]
    coverage = {m.name: m.chips for m in lab.meters}
    for draft in case.claims:
        caps = lab.caps_at(min(draft.period, 2**24 - 1))
        frozen = rng.choice([1, 7]) if caps.freeze is None else caps.freeze
        agreed = {1: caps.total, 2: caps.unattributed, 3: caps.lineage, 4: frozen, 5: lab.lost}
        which = sorted(rng.sample(range(1, 5), rng.randrange(4)))
        limits = {n: min(1 << max(agreed[n].bit_length(), rng.randrange(65)), 2**64 - 1) for n in which if agreed[n] < 2**64 - 1}
        losses, lost = [], 0
        if gone or rng.random() < 0.5:
            first = draft.first if gone and rng.random() < 0.8 else draft.first + rng.randrange(4)
            gone = gone or rng.choice(list(coverage))
            lose(draft, gone, first, rng.random() < 0.8)
            lost = coverage[gone] * (draft.last - first + 1)
            losses.append(bytes([1]) + name(gone) + u32(first) + bytes(1))
        elif rng.random() < 0.4:
            first = draft.first + rng.randrange(5)
            meter = rng.choice([*coverage, "hall-x"])
            lost = coverage.get(meter, 1) * (draft.last - first + 1)
            losses.append(bytes([1]) + name(meter) + u32(first) + bytes([rng.randrange(2)]))
        share = -(-lost * 10**6 // (sum(coverage.values()) * EPOCHS))
        if share > 0:
            limits[5] = share + rng.choice([0, 0, 0, 1])
        listed = [bytes([n]) + u64(agreed[n] + (rng.random() < 0.1), stated) for n, stated in limits.items()]
        overs = earlier if rng.random() < 0.8 else earlier[:-1]
        parts = [len(losses).to_bytes(2, "big"), *losses, bytes([len(listed)]), *listed, len(overs).to_bytes(2, "big"), *overs, bytes(2)]
        draft.lists = b"".join(parts)
        earlier = [*earlier, *(u32(min(draft.period, 2**32 - 1)) + item for item in listed)]


@mutation
def names_and_digest_of_a_claim(case: Case) -> None:
    """Another lab or agreement."""
    draft = _any_claim(case)
    if case.rng.random() < 0.5:
        draft.lab = case.rng.choice(["beta", "alphA", "alpha2", "", "nobody"])
    else:
        draft.agreement = case.rng.randbytes(32)


def u64(*values: int) -> bytes:
    """Each value in eight bytes."""
    return b"".join(value.to_bytes(8, "big") for value in values)


@mutation
def a_strangers_signature(case: Case) -> None:
    """One of the signatures in a claim is by another key."""
    who = case.rng.choice(["lab", "registry", "hall-a", "hall-b"])
    _any_claim(case).keys[who] = case.rng.choice([STRANGER, ALPHA, ALPHA.curve, METERS["hall-a"], METERS["hall-b"], METERS["hall-b"].curve])


@mutation
def period_keys(case: Case) -> None:
    """Other meters than those of the vectors have a period key; they sign so, or as before."""
    who, add = case.rng.choice([("hall-a", True), ("hall-b", False)])
    lattice = MLDSA44PrivateKey.from_seed_bytes(b"\xcd" * 32)
    public = lattice.public_key().public_bytes_raw() if add else b""
    old_digest, (lab, *others) = case.agreement.digest, case.agreement.labs
    meters = tuple(replace(meter, period_key=public) if meter.name == who else meter for meter in lab.meters)
    case.agreement = replace(case.agreement, labs=(replace(lab, meters=meters), *others))
    old, honest_keys = METERS[who], case.rng.random() < 0.7
    for draft in [draft for draft in case.claims if draft.agreement == old_digest]:
        draft.agreement = case.agreement.digest
        if honest_keys:
            draft.keys[who] = old.curve if isinstance(old, HybridKey) else HybridKey(old, lattice)


@mutation
def another_proof(case: Case) -> None:
    """Stubs of other lengths, and one that begins well."""
    case.claims[-1].proof = case.rng.choice([b"", b"SSPF", b"SSPF\0\1", b"SSPF\0\1" + case.rng.randbytes(5000), b"SSPF\0\2" + bytes(80)])


@mutation
def bytes_of_a_file(case: Case) -> None:
    """One bit, one cut, or more at the end."""
    which = case.rng.choice(["claim", "agreement", "signatures", "roots"])
    seed, kind = case.rng.random(), case.rng.randrange(4)

    def change(data: bytes) -> bytes:
        at = int(seed * len(data))
        flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        return [flipped, flipped, data[:at], data + b"\0"][kind]

    case.file_edits.append((which, change))


@mutation
def who_signs_the_agreement(case: Case) -> None:
    """A party is missing, or another key signs."""
    who = case.rng.choice(list(PARTIES))
    if case.rng.random() < 0.5:
        del case.signed_by[who]
    else:
        case.signed_by[case.rng.choice([who, "delta"])] = STRANGER


@mutation
def json_of_the_signatures(case: Case) -> None:
    """Other spellings of the same JSON, and more of it."""
    old, new = case.rng.choice([
        (b"\n}\n", b"\n}"), (b"\n}\n", b"\n}\n\n"), (b"{\n", b"{\n  \"a\": 1,\n"), (b"  \"format\"", b"\t\"format\""),
        (b"alpha", b"\\u0061lpha"), (b"\"", b"'"), (b"{\n  \"agreement\": \"", b"{\n  \"agreement\": \"A"),
        (b"signatures/1", b"signatures/2"), (b"{", b"\xef\xbb\xbf{"), (b"[", b"[" * 60), (b"[", b"[" * 20000), (b"\"beta\"", b"\"alpha\""),
        (b"\"beta\"", b"null"), (b"\"party\"", b"\"__proto__\""), (b"\"signatures\": [", b"\"signatures\": {"),
        (b"\"party\": \"beta\"", b"\"party\": \"beta\", \"party\": \"beta\""), (b"\"signature\": \"", b"\"signature\": \"00"),
    ])  # fmt: skip
    case.file_edits.append(("signatures", lambda data: data.replace(old, new, 1)))


@mutation
def left_out(case: Case) -> None:
    """A file is not given, and perhaps need not be."""
    files = ["signatures", "roots", "log", "previous", "previousRoots", "previousAgreement", "heads", "entries", "proofs"]
    case.dropped.add(case.rng.choice(files))
    if case.rng.random() < 0.6:
        case.policy[case.rng.choice(["early", "previous_accepted", "previous_accepted"])] = True


@mutation
def policies(case: Case) -> None:
    """The reader accepted the previous claims before; the period is not over by its clock."""
    for which in ("early", "previous_accepted"):
        if case.rng.random() < 0.5:
            case.policy[which] = True


@mutation
def order_of_previous_claims(case: Case) -> None:
    """One too many, or the claim itself again."""
    extra = case.rng.choice(case.claims)
    case.claims.insert(case.rng.randrange(len(case.claims)), replace(extra))


@mutation
def entry_of_a_previous_claim(case: Case) -> None:
    """Left out, or another than the claim that is given, first or second."""
    draft, kind = case.claims[0], case.rng.randrange(3)
    other = draft.entry(draft.agreement, case.rng.randbytes(32), sha(b"roots"))
    if kind == 0:
        case.logged = False
    elif len(case.claims) > 1:
        case.entry_edits.append(lambda entries: entries.insert(0 if kind == 1 else len(entries), other))


@mutation
def logs_and_beginnings_of_the_amended_agreement(case: Case) -> None:
    """It has another log or none, or amends one itself; the amendment begins with it or before it, has no log, or starts anew."""
    if case.amended is None or case.amended.log is None:
        return
    kind, old, new = case.rng.randrange(6), case.amended, case.agreement
    if kind < 2:
        log = replace(old.log, key=OTHER_LOG.public_key().public_bytes_raw()) if kind else None
        case.amended = replace(old, log=log)
    elif kind < 4:
        case.amended = replace(old, amends=Amends(bytes(32), kind - 1))
    elif kind == 4:
        new = replace(new, log=None, inspection=None)
    else:
        new = replace(new, labs=(replace(new.labs[0], since_period=1, opening_head=case.claims[-1].before), *new.labs[1:]))
    case.agreement = replace(new, amends=Amends(case.amended.digest, 1))
    for draft in case.claims:
        draft.agreement = case.amended.digest if draft.period == 0 else case.agreement.digest


@mutation
def another_amended_agreement(case: Case) -> None:
    """Not the one that was amended."""
    case.amended = replace(case.amended or case.agreement, name=case.rng.choice(["other", "test"]))


@mutation
def roots_of_the_file(case: Case) -> None:
    """Meters or roots of the roots file are others than those that were signed and logged."""
    draft, kind = _any_claim(case), case.rng.randrange(4)
    roots = draft.roots
    if not roots:
        return
    meter = case.rng.choice(list(roots))
    if kind == 0:
        roots[meter][case.rng.choice(list(roots[meter]))] = case.rng.randbytes(32)
    elif kind == 1:
        draft.roots = dict(reversed(roots.items()))
    elif kind == 2:
        roots["hall-c"] = roots.pop(meter)
    else:
        roots[meter].popitem()


@mutation
def entries_of_the_log(case: Case) -> None:
    """Left out, doubled, contradicted, by others, or in no known format."""
    rng, digest = case.rng, case.agreement.digest
    period = case.claims[-1].period
    epoch = rng.choice([period * EPOCHS, period * EPOCHS + 3, 0, 9, 2**24 - 1, 2**24])
    kind, key = rng.choice([1, 1, 2, 2, 3, 9]), rng.choice([ALPHA, ALPHA, ALPHA.curve, BETA, STRANGER])
    lab = rng.choice(["alpha", "alpha", "alpha", "beta", "Alpha"])
    number = epoch if kind == 1 else rng.choice([period, period + 1, 2**24])
    made = entry(rng.choice([digest, digest, digest, bytes(32)]), kind, name(lab) + u32(number) + rng.randbytes(64), key)
    junk = rng.choice([b"", b"standstill-log", made[:-1], made + b"\0", b"x" * 6145, made.replace(b"\0\1", b"\0\2", 1)])
    at, choice = rng.random(), rng.randrange(6)

    def change(entries: list[bytes]) -> None:
        place = int(at * len(entries))
        if choice < 3 and not entries:
            return
        if choice == 0:
            entries.pop(place)
        elif choice == 1:
            entries.append(entries[place])
        elif choice == 2:
            resigned = entries[place][:-64] + STRANGER.sign(b"x")
            entries.insert(place, resigned)
        else:
            entries.insert(place, junk if choice == 3 else made)

    case.entry_edits.append(change)


@mutation
def cosigners_of_the_head(case: Case) -> None:
    """Who cosigns, with which key, under which names."""
    case.cosigners = {who: key for who, key in COSIGNERS.items() if case.rng.random() < 0.5}
    if case.rng.random() < 0.4:
        which = case.rng.choice([STRANGER, BETA_COSIGNS, BETA_COSIGNS.curve, ALPHA_COSIGNS])
        case.cosigners[case.rng.choice(["alpha", "beta", "delta"])] = which


@mutation
def older_heads(case: Case) -> None:
    """Stored heads besides the newest: with quorum or without, of a fork, of another size."""
    at, forked, bare = case.rng.random(), case.rng.random() < 0.3, case.rng.random() < 0.5

    def change(heads: list[bytes], entries: list[bytes]) -> None:
        size = int(at * (len(entries) + 1))
        part = [*entries[:size], b"x"][-size:] if forked and size else entries[:size]
        heads.append(head(part, 1_700_000_000, {} if bare else {"beta": BETA_COSIGNS}))

    case.head_edits.append(change)


def _line(who: str, kind: int, key: Half, data: bytes) -> bytes:
    public = key.public_key().public_bytes_raw()
    packed = base64.b64encode(sha(who.encode(), b"\n", bytes([kind]), public)[:4] + data)
    return f"\u2014 {who} ".encode() + packed + b"\n"


@mutation
def lines_of_the_head(case: Case) -> None:
    """Lines that do not verify under a known name and key; unknown ones; names and spellings of every sort."""
    rng = case.rng
    known = rng.choice([("alpha", ALPHA_COSIGNS), ("beta", BETA_COSIGNS.curve), ("gamma", GAMMA_COSIGNS)])
    dash = "\u2014 "
    texts = [
        "nobody AAAA", "nobody AAAAAAA=", "nobody AAAAAAB=", "nobody AAAA AAA=", "nobody AAAAAAA=\r", "a+b AAAAAAA=", " AAAAAAA=",
        "a\u00a0b AAAAAAA=", "\U0001fae9 AAAAAAA=", "\u0378 AAAAAAA=", "a\u200bb AAAAAAA=", "a\u2028b AAAAAAA=", f"{'x' * 256} AAAAAAA=",
    ]  # fmt: skip
    lines = [(dash + text + "\n").encode() for text in texts]
    lines += [b"- nobody AAAAAAA=\n", b"\xe2\x80\x94 \xff AAAAAAA=\n", b"\n", lines[1] * 126, lines[1] * 125]
    lines += [_line(known[0], 4, known[1], data) for data in (bytes(72), b"\xff" * 72, bytes(71))]
    lines += [_line("beta", 6, BETA_COSIGNS.lattice, data) for data in (bytes(2428), b"\xff" * 2428, bytes(2427))]
    lines += [_line(known[0], 1, known[1], bytes(64)), _line("delta", 4, STRANGER, bytes(72)), _line("delta", 9, STRANGER, b"")]
    line, which = rng.choice(lines), rng.random()
    case.head_edits.append(lambda heads, _: heads.__setitem__(int(which * len(heads)), heads[int(which * len(heads))] + line))


@mutation
def text_of_the_head(case: Case) -> None:
    """The head's own lines, signed by the log or not."""
    old, new = case.rng.choice([
        (ORIGIN.encode(), b"log.example/other"), (b"\n\n", b"\nextension\n\n"), (b"\n\n", b"\n\n\n"), (b"\n", b"\r\n"),
        (b"\n\n", b"\n\x1f\n\n"),
        (b"\n5\n", b"\n05\n"), (b"\n5\n", b"\n4\n"), (b"\n5\n", b"\n9223372036854775808\n"), (b"=\n", b"\n"), (b"\n\xe2", b"\n \xe2"),
    ])  # fmt: skip
    case.head_edits.append(lambda heads, _: heads.__setitem__(0, heads[0].replace(old, new, 1)))


def make(seed: int) -> Case:
    """Case number `seed`: up to three mutations of an honest one; every third has two labs."""
    rng = random.Random(seed)
    case = honest(rng, rival=seed % 3 == 2, sites=seed % 4 == 1)
    for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2, 2, 3])):
        change = rng.choice(MUTATIONS)
        case.names.append(change.__name__)
        change(case)
    return case


def make_sites(seed: int) -> Case:
    """A claim of one table for a lab whose claims have several: its heads and signatures are right."""
    case = honest(random.Random(seed))
    old, lab = case.agreement.digest, case.agreement.labs[0]
    meters = tuple(replace(meter, site=case.rng.choice(["north", "south"])) for meter in lab.meters)
    case.agreement = replace(case.agreement, labs=(replace(lab, meters=meters, registry_rows=16), *case.agreement.labs[1:]))
    for claim in case.claims:
        if claim.agreement == old:
            claim.agreement = case.agreement.digest
    return case


# ---- transfers of cap ------------------------------------------------------------------------------------------


def transfer(digest: bytes, giver: str, receiver: str, period: int, serial: int, amount: int, spoilt: bool = False) -> bytes:
    """A log entry of a transfer of cap. ``spoilt``: the receiver accepted another."""
    said = name(giver) + name(receiver) + u32(period, serial) + u64(amount)
    accepted = sign(PARTIES[receiver], domain("standstill/sign/allowance/v1") + digest + (said[:-1] + b"\1" if spoilt else said))
    return entry(digest, 8, said + framed(accepted), PARTIES[giver])


def transfers_of_cap(case: Case) -> None:
    """The two labs gave each other parts of their caps, and a claim lists some of it, or what it may not."""
    rng, old = case.rng, case.agreement
    assert old.log is not None
    delta = Party("delta", *(key.public_key().public_bytes_raw() for key in (DELTA, DELTA_COSIGNS)))
    most = [max(caps.total for caps in (lab.caps, *(later for _, later in lab.caps_from))) for lab in old.labs]
    ceilings = [rng.choice([None, total, 2**64 - 1, 2**64 - 1]) for total in most]
    since = [old.labs[0].since_period, rng.randrange(2)]
    labs = tuple(replace(lab, ceiling=most, since_period=first) for lab, most, first in zip(old.labs, ceilings, since, strict=True))
    case.agreement = replace(old, labs=labs, parties=tuple(sorted((*old.parties, delta), key=lambda party: party.name)))
    case.signed_by["delta"] = DELTA
    if rng.random() < 0.8:
        case.cosigners["delta"] = DELTA_COSIGNS
    for draft in case.claims:
        draft.agreement = case.agreement.digest if draft.agreement == old.digest else draft.agreement
    for draft in case.claims:
        _list_transfers(case, draft)


def _list_transfers(case: Case, draft: ClaimDraft) -> None:
    rng, made = case.rng, []
    alpha = case.agreement.labs[0].caps_at(min(draft.period, 2**24 - 1)).total
    for serial in range(rng.randrange(4)):
        giver, receiver = rng.sample(["alpha", "beta"], 2)
        period = draft.period if rng.random() < 0.9 else draft.period + 1
        amount = rng.choice([1, alpha // 3, alpha, min(alpha + 1, 2**64 - 1), rng.randrange(2**64)])
        made.append((giver, amount, transfer(draft.agreement, giver, receiver, min(period, 2**24), serial, amount, rng.random() < 0.1)))
    at = rng.random()

    def insert(entries: list[bytes]) -> None:
        place = int(at * len(entries))
        entries[place:place] = [data for *_, data in made]

    case.entry_edits.append(insert)
    listed = [item for item in made if rng.random() < 0.7]
    moved = sum(amount if giver == "beta" else -amount for giver, amount, _ in listed)
    limits, total = b"", alpha + moved + (rng.random() < 0.2)
    if rng.random() < 0.3 and 0 <= total < 2**64 - 1:
        limits = b"\1" + u64(total, min(1 << total.bit_length(), 2**64 - 1))
    digests = sorted([sha(data) for *_, data in listed] + ([rng.randbytes(32)] if rng.random() < 0.1 else []))
    draft.lists = bytes(2) + bytes([len(limits) // 17]) + limits + bytes(2) + len(digests).to_bytes(2, "big") + b"".join(digests)


def make_transfers(seed: int) -> Case:
    """Two labs that gave each other parts of their caps; every third case is spoilt besides."""
    rng = random.Random(seed)
    case = honest(rng, rival=True, sites=seed % 4 == 1)
    transfers_of_cap(case)
    if seed % 3 == 0:
        change = rng.choice(MUTATIONS)
        case.names.append(change.__name__)
        change(case)
    return case


# ---- claims that hold, under logs and policies that may not ----------------------------------------------------


@dataclass
class Stored(ClaimDraft):
    """A claim file of the vectors, as it is."""

    file: str = ""

    def write(self) -> bytes:
        """Its bytes."""
        return (TARGET / f"{self.file}.claim").read_bytes()

    def write_roots(self) -> list[bytes]:
        """Its roots file."""
        return [(TARGET / f"{self.file}.roots").read_bytes()]


@dataclass
class Golden(Case):
    """The second claim of the vectors, with the first, their log and the rest."""

    def entries(self) -> list[bytes]:
        """As they are."""
        data = (TARGET / "log.bundle").read_bytes()
        at, out = len(b"standstill-log-bundle") + 4, []
        for _ in range(int.from_bytes(data[at - 2 : at], "big")):
            at += 4 + int.from_bytes(data[at : at + 4], "big")
        count, at = int.from_bytes(data[at : at + 4], "big"), at + 4
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            out.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        return out


def make_golden(seed: int) -> Case:
    """Case number `seed`: the golden claims with up to two mutations of what surrounds them."""
    rng = random.Random(seed)
    agreement = decode_agreement((TARGET / "agreement.bin").read_bytes())
    drafts = [Stored(agreement.digest, "alpha", n, n * EPOCHS, n * EPOCHS + 3, (), (), [], {}, file=f"alpha-{n}") for n in (0, 1)]
    case = Golden(agreement, None, list(drafts), rng, dict(PARTIES))
    around = [entries_of_the_log, cosigners_of_the_head, older_heads, lines_of_the_head, text_of_the_head, left_out, policies]
    for change in rng.sample(around, rng.choice([1, 1, 2])):
        case.names.append(change.__name__)
        change(case)
    return case
