"""The claim file: one lab's claim for one period: what it is about, and its proof, or the SHA-256 of each of its proofs.

One encoding per claim, exact to the last byte (FORMATS.md section 5):

    magic, version | agreement digest | lab, period, epochs | head before, head after |
    meters: name, head, roots digest, signature | sites: name, summary head, SHA-256 of its proof and of its roots file |
    SHA-256 of the registry's proof | lists | lab's signature of the head after and the lists | proof | lab's signature of all of it

A lab without sites has one table, whose proof is in the file; of a lab with sites the proofs are files of their own.
Nothing in it is trusted: the verifier derives the statement from the agreement and takes only heads from here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from claims.agreement.bounds import MAX_FLEET
from claims.agreement.signatures import claim_message, sign_ledger_head, sign_registry_head
from claims.base.canonical import Reader, Writer
from claims.base.errors import MalformedClaim
from claims.base.hybrid import SigningKey
from claims.claim.lists import LOST_SITE, Limit, Lists, Loss, Over

__all__ = [
    "MAGIC", "MAX_PROOF", "Claim", "MeterHead", "SiteHead", "decode_claim", "sign_claim", "sign_ledger_head", "sign_registry_head",
]  # fmt: skip

MAGIC = b"standstill-claim"
VERSION = 3
MAX_PROOF = 16 * 2**20
"""Largest proof, bytes."""
MAX_SITES = 256
_EPOCHS = 2**24 - 1

Head = tuple[int, ...]


@dataclass(frozen=True)
class MeterHead:
    """A meter's ledger head for the period (8 field elements), the digest of its epoch roots (32 bytes), its signature of both, by its
    ``whole_key`` (64 or 2,484 bytes)."""

    name: str
    head: Head
    roots_digest: bytes
    signature: bytes


@dataclass(frozen=True)
class SiteHead:
    """A site's summary head for the period (8 field elements), and the SHA-256 of its proof file and of its roots file."""

    name: str
    head: Head
    proof: bytes
    roots: bytes


@dataclass(frozen=True)
class Claim:
    """What a claim file holds.

    Attributes:
        agreement_digest: 32 bytes.
        lab: name.
        period: index below 2^24.
        first_epoch, last_epoch: below 2^24.
        head_before, head_after: registry heads around the period, 8 field elements each.
        meters: 1 to 2^18, ascending by name.
        registry_signature: the lab's, of ``head_after`` and the digest of ``lists``; 64 or 2,484 bytes.
        proof: at most 16 MiB; empty where there are sites.
        signature: the lab's, of the SHA-256 of everything before its length; 64 or 2,484 bytes.
        sites: at most 256, ascending by name; none where one table holds the whole lab.
        registry_proof: SHA-256 of the registry's proof file; empty without sites.
        losses, limits, overs, transfers: see :class:`claims.claim.lists.Lists`.
    """

    agreement_digest: bytes
    lab: str
    period: int
    first_epoch: int
    last_epoch: int
    head_before: Head
    head_after: Head
    meters: tuple[MeterHead, ...]
    registry_signature: bytes
    proof: bytes
    signature: bytes
    sites: tuple[SiteHead, ...] = ()
    registry_proof: bytes = b""
    losses: tuple[Loss, ...] = ()
    limits: tuple[Limit, ...] = ()
    overs: tuple[Over, ...] = ()
    transfers: tuple[bytes, ...] = ()

    @property
    def lists(self) -> Lists:
        """Everything that it lists, which the lab signs with its registry head."""
        return Lists(self.losses, self.limits, self.overs, self.transfers)

    @property
    def lost_sites(self) -> frozenset[str]:
        """Names of the sites that it lists as lost: they have no proof."""
        return frozenset(loss.name for loss in self.losses if loss.kind == LOST_SITE)

    @property
    def tables(self) -> tuple[str | None, ...]:
        """Sites that have a proof file, in order, and None for the registry; none without sites."""
        lost = self.lost_sites
        return (*(site.name for site in self.sites if site.name not in lost), None) if self.sites else ()

    @property
    def proofs(self) -> tuple[bytes, ...]:
        """SHA-256 of the proof files, in the order of ``tables``."""
        of = {site.name: site.proof for site in self.sites}
        return tuple(self.registry_proof if name is None else of[name] for name in self.tables)

    @property
    def site_roots(self) -> bytes:
        """SHA-256 over the SHA-256 of the sites' roots files, in order: what the log's entry of a claim with sites names as its roots."""
        return hashlib.sha256(b"".join(site.roots for site in self.sites)).digest()

    def body(self) -> bytes:
        """Canonical bytes up to the last signature. Raises MalformedFile for values out of range."""
        out = Writer()
        out.raw(MAGIC)
        out.uint(VERSION, 2)
        out.raw(_sized(self.agreement_digest, 32, "agreement digest"))
        out.name(self.lab)
        out.uint(self.period, 4)
        out.uint(self.first_epoch, 4)
        out.uint(self.last_epoch, 4)
        out.head(self.head_before)
        out.head(self.head_after)
        out.uint(len(self.meters), 4)
        for meter in self.meters:
            out.name(meter.name)
            out.head(meter.head)
            out.raw(_sized(meter.roots_digest, 32, "roots digest"))
            out.signature(meter.signature)
        out.uint(len(self.sites), 2)
        for site in self.sites:
            out.name(site.name)
            out.head(site.head)
            out.raw(_sized(site.proof, 32, "SHA-256 of a site's proof"))
            out.raw(_sized(site.roots, 32, "SHA-256 of a site's roots file"))
        out.raw(_sized(self.registry_proof, 32 if self.sites else 0, "SHA-256 of the registry's proof"))
        out.raw(self.lists.encode())
        out.signature(self.registry_signature)
        out.blob(_sized(self.proof, 0, "proof of a claim with sites") if self.sites else self.proof)
        return out.data

    def encode(self) -> bytes:
        """The file's bytes."""
        out = Writer()
        out.raw(self.body())
        out.signature(self.signature)
        return out.data

    def signed_message(self) -> bytes:
        """What ``signature`` signs."""
        return claim_message(hashlib.sha256(self.body()).digest())


def _sized(data: bytes, size: int, what: str) -> bytes:
    if len(data) != size:
        raise MalformedClaim(f"{what} has {len(data)} bytes, not {size}")
    return data


def sign_claim(claim: Claim, key: SigningKey) -> Claim:
    """The claim with both of the lab's signatures, whatever it held in their place."""
    head = sign_registry_head(key, claim.agreement_digest, claim.lab, claim.period, claim.head_after, claim.lists.digest)
    unsigned = replace(claim, registry_signature=head)
    return replace(unsigned, signature=key.sign(unsigned.signed_message()))


def decode_claim(data: bytes) -> Claim:
    """Parse a claim file; ``decode_claim(data).encode() == data``.

    Raises:
        MalformedClaim: not exactly one canonical claim; names the part and the byte.
    """
    read = Reader(data, MalformedClaim)
    if len(data) < len(MAGIC) or read.raw(len(MAGIC), "the magic") != MAGIC:
        raise MalformedClaim("not a claim file: it does not start with 'standstill-claim'")
    if (version := read.uint(2, "the version")) != VERSION:
        raise read.fail(f"claim format {version} is not supported, only {VERSION}")
    digest, lab = read.raw(32, "the agreement digest"), read.name("the lab's name")
    period = read.uint(4, "the period", _EPOCHS)
    first = read.uint(4, "the first epoch", _EPOCHS)
    last = read.uint(4, "the last epoch", _EPOCHS)
    before, after = read.head("the head before"), read.head("the head after")
    meters: list[MeterHead] = []
    count = read.uint(4, "the number of meters", MAX_FLEET)
    for _ in range(count):
        meter = MeterHead(
            read.name("a meter's name"), read.head("a meter's head"), read.raw(32, "a meter's roots digest"),
            read.signature("a meter's signature"),
        )  # fmt: skip
        if meters and meters[-1].name >= meter.name:
            raise read.fail(f"meter {meter.name} is not in ascending order of names")
        meters.append(meter)
    if not meters:
        raise read.fail("the claim has no meters")
    sites = _read_sites(read)
    registry_proof = read.raw(32, "the SHA-256 of the registry's proof") if sites else b""
    lists = Lists.read(read, period)
    registry_signature = read.signature("the registry head's signature")
    proof = read.blob("the proof", 0 if sites else MAX_PROOF)
    signature = read.signature("the claim's signature")
    read.end()
    return Claim(
        agreement_digest=digest,
        lab=lab,
        period=period,
        first_epoch=first,
        last_epoch=last,
        head_before=before,
        head_after=after,
        meters=tuple(meters),
        registry_signature=registry_signature,
        proof=proof,
        signature=signature,
        sites=sites,
        registry_proof=registry_proof,
        losses=lists.losses,
        limits=lists.limits,
        overs=lists.overs,
        transfers=lists.transfers,
    )


def _read_sites(read: Reader) -> tuple[SiteHead, ...]:
    sites: list[SiteHead] = []
    for _ in range(read.uint(2, "the number of sites", MAX_SITES)):
        site = SiteHead(
            read.name("a site's name"), read.head("a site's head"), read.raw(32, "the SHA-256 of a site's proof"),
            read.raw(32, "the SHA-256 of a site's roots file"),
        )  # fmt: skip
        if sites and sites[-1].name >= site.name:
            raise read.fail(f"site {site.name} is not in ascending order of names")
        sites.append(site)
    return tuple(sites)
