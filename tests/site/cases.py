"""A claim with everything that belongs to it, at random, signed with keys of fixed seeds: honest, for others to spoil.

Its proof is a stub: a case in which nothing is wrong is rejected by the check `proof`, the last one, and by no other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.decode import decode_agreement
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.terms import Amends, Caps, Meter, Rules
from tests.site.make_claim_vectors import (
    ALPHA,
    ALPHA_COSIGNS,
    BETA,
    BETA_COSIGNS,
    GAMMA,
    GAMMA_COSIGNS,
    METERS,
    TARGET,
    Key,
    bundle,
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

PARTIES = {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA}
COSIGNERS = {"alpha": ALPHA_COSIGNS, "beta": BETA_COSIGNS, "gamma": GAMMA_COSIGNS}
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x63" * 32)
OTHER_LOG = Ed25519PrivateKey.from_private_bytes(b"\x64" * 32)
DELTA = Ed25519PrivateKey.from_private_bytes(b"\xd1" * 32)
DELTA_COSIGNS = Ed25519PrivateKey.from_private_bytes(b"\xd2" * 32)
EPOCHS = 4
P = 2**31 - 2**24 + 1


@dataclass
class ClaimDraft:
    """What a claim file says, before it is written and signed."""

    agreement: bytes
    lab: str
    period: int
    first: int
    last: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    meters: list[dict[str, Any]]
    roots: dict[str, dict[int, bytes]]
    keys: dict[str, Key] = field(default_factory=dict)
    sites: bytes | None = None
    lists: bytes = bytes(7)
    proof: bytes = b"stub"
    site_of: dict[str, str] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    zero: int = 64
    """Bytes of what stands in place of a lost meter's signature."""
    said: list[bytes] = field(default_factory=list)
    tail: bytes = b""

    def write(self) -> bytes:
        """The file."""
        lab_key = self.keys.get("lab", ALPHA)
        out = b"standstill-claim" + b"\0\3" + self.agreement + name(self.lab) + u32(self.period, self.first, self.last)
        out += u32(*self.before, *self.after) + u32(len(self.meters))
        for meter in self.meters:
            signed = self.agreement + name(self.lab) + name(meter["name"]) + u32(self.period, *meter["head"]) + meter["roots"]
            key = self.keys.get(meter["name"], METERS.get(meter["name"], STRANGER))
            out += name(meter["name"]) + u32(*meter["head"]) + meter["roots"]
            out += framed(bytes(self.zero) if meter["name"] in self.lost else sign(key, domain("standstill/sign/ledger-head/v2") + signed))
        registry = self.agreement + name(self.lab) + u32(self.period, *self.after) + sha(self.lists)
        out += (self.write_sites() if self.sites is None else self.sites) + self.lists
        out += framed(sign(self.keys.get("registry", lab_key), domain("standstill/sign/registry-head/v1") + registry))
        out += u32(len(self.proof)) + self.proof
        return out + framed(sign(lab_key, domain("standstill/sign/claim/v1") + sha(out))) + self.tail

    def write_sites(self) -> bytes:
        """The sites, each with a head of its own, and the SHA-256 of its files."""
        names = sorted(set(self.site_of.values()))
        out, proofs = len(names).to_bytes(2, "big"), self.write_proofs()
        for at, (which, roots) in enumerate(zip(names, self.write_roots() if names else (), strict=True)):
            out += name(which) + u32(*(at + 1 for _ in range(8))) + sha(proofs[at]) + sha(roots)
        return out + (sha(proofs[-1]) if names else b"")

    def write_proofs(self) -> list[bytes]:
        """The proof files: stubs."""
        return [f"stub {which} {self.period}".encode() for which in (*sorted(set(self.site_of.values())), "registry") if self.site_of]

    def write_roots(self) -> list[bytes]:
        """The roots files: one, or one for each site."""
        parts = [[m for m in self.roots if self.site_of.get(m) == which] for which in sorted(set(self.site_of.values()))]
        return [self._roots_file(names) for names in parts or [list(self.roots)]]

    def _roots_file(self, names: list[str]) -> bytes:
        out = b"standstill-roots" + b"\0\1" + self.agreement + name("alpha") + u32(self.period, self.first, self.last)
        out += len(names).to_bytes(2, "big")
        for meter in names:
            out += name(meter) + b"".join(self.roots[meter][epoch] for epoch in sorted(self.roots[meter]))
        return out

    def entries(self, digest: bytes) -> list[bytes]:
        """What the lab published of it under an agreement: its epochs, and the claim."""
        out, first = [entry(digest, 6, body, ALPHA) for body in self.said], min(self.period, 2**24) * EPOCHS
        for epoch in range(first, first + EPOCHS):
            leaves = [domain("standstill/epoch-meter/v1") + name(m) + found[epoch] for m, found in self.roots.items() if epoch in found]
            out.append(entry(digest, 1, name("alpha") + u32(epoch) + mth(leaves) + sha(b"registry") + bytes(1), ALPHA))
        roots = self.write_roots()
        named = sha(*(sha(data) for data in roots)) if self.site_of else sha(roots[0])
        return [*out, self.entry(digest, sha(self.write()), named)]

    def entry(self, digest: bytes, claim: bytes, roots: bytes) -> bytes:
        """An entry of a claim for its period."""
        return entry(digest, 2, name("alpha") + u32(self.period) + claim + roots, ALPHA)


@dataclass
class Case:
    """A claim, and all that a verifier is given with it. Fields hold what the mutations change, in this order."""

    agreement: Agreement
    amended: Agreement | None
    claims: list[ClaimDraft]
    rng: random.Random
    signed_by: dict[str, Key]
    entry_edits: list[Callable[[list[bytes]], None]] = field(default_factory=list)
    head_edits: list[Callable[[list[bytes], list[bytes]], None]] = field(default_factory=list)
    cosigners: dict[str, Key] = field(default_factory=lambda: {"alpha": ALPHA_COSIGNS, "beta": BETA_COSIGNS})
    file_edits: list[tuple[str, Callable[[bytes], bytes]]] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    policy: dict[str, bool] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    logged: bool = True

    def files(self) -> dict[str, Any]:
        """What is handed to a verifier: bytes by name, `previous` a list, `heads` and `entries` of the log lists."""
        *earlier, last = self.claims
        entries = self.entries()
        for change in self.entry_edits:
            change(entries)
        heads = [head(entries, 1_800_000_000, self.cosigners)]
        for spoil in self.head_edits:
            spoil(heads, entries)
        out: dict[str, Any] = {
            "claim": last.write(), "agreement": canonical_bytes(self.agreement), "signatures": self.signatures(),
            "roots": last.write_roots(), "previous": [draft.write() for draft in earlier],
            "previousRoots": [data for draft in earlier for data in draft.write_roots()], "heads": heads, "entries": entries,
            "proofs": [data for draft in self.claims for data in draft.write_proofs()],
            "previousAgreement": None if self.amended is None else canonical_bytes(self.amended),
        }  # fmt: skip
        for which, change_file in self.file_edits:
            out[which] = [change_file(out[which][0]), *out[which][1:]] if which == "roots" else change_file(out[which])
        for which in self.dropped & out.keys():
            out[which] = [] if isinstance(out[which], list) else None
        out["log"] = None if "log" in self.dropped else bundle(out["heads"], out["entries"])
        return out

    def signatures(self) -> bytes:
        """agreement.sigs by those of `signed_by`."""
        message = domain("standstill/sign/agreement/v1") + self.agreement.digest
        row = '    {{\n      "party": "{}",\n      "signature": "{}"\n    }}'
        rows = ",\n".join(row.format(who, sign(key, message).hex()) for who, key in sorted(self.signed_by.items()))
        listed = f"[\n{rows}\n  ]" if rows else "[]"
        first = f'{{\n  "agreement": "{self.agreement.digest.hex()}",\n  "format": "standstill-agreement-signatures/1",\n'
        return (first + f'  "signatures": {listed}\n}}\n').encode()

    def entries(self) -> list[bytes]:
        """What the lab published."""
        *earlier, last = self.claims
        before = [item for draft in earlier for item in draft.entries(draft.agreement)] if self.logged else []
        return [*before, *last.entries(self.agreement.digest)]


def eight(rng: random.Random) -> tuple[int, ...]:
    """A head."""
    return tuple(rng.randrange(P) for _ in range(8))


def honest(rng: random.Random, rival: bool = False, sites: bool = False) -> Case:
    """A case in which nothing is wrong but the proof. ``rival``: beta is a lab too, so that entries of the log may be its own.

    ``sites``: alpha has two.
    """
    base = decode_agreement((TARGET / "agreement.bin").read_bytes())
    lab = base.labs[0]
    site_of = {meter.name: ("south", "north")[at % 2] for at, meter in enumerate(lab.meters)} if sites else {}
    if sites:
        lab = replace(lab, registry_rows=16, meters=tuple(replace(meter, site=site_of[meter.name]) for meter in lab.meters))
    opening, period = eight(rng), rng.randrange(2)
    since = rng.randrange(period + 1)
    frozen = rng.choice([None, 0, 2**63])
    later = tuple((n, Caps(rng.randrange(2**64), rng.randrange(2**64), 2**63, frozen)) for n in (1, 2) if rng.random() < 0.3)
    agreement = replace(
        base, labs=(replace(lab, opening_head=opening, since_period=since, caps_from=later),),
        rules_from=((1, Rules(rng.random() < 0.5, rng.random() < 0.5)),) if rng.random() < 0.3 else (),
    )  # fmt: skip
    if rival:
        own = Meter("beta", "hall-b", lab.meters[0].chip, 3, STRANGER.public_key().public_bytes_raw())
        other = replace(lab, name="beta", registry_rows=None, opening_head=opening[::-1], since_period=1, meters=(own,))
        agreement = replace(agreement, labs=(*agreement.labs, other), log=replace(agreement.log, cosignatures=1) if agreement.log else None)
    amended = None
    if period == 1 and since == 0 and rng.random() < 0.4:
        amended, agreement = agreement, replace(agreement, amends=Amends(agreement.digest, 1))
    claims, before = [], opening
    for number in range(since, period + 1):
        terms = amended if amended is not None and number == 0 else agreement
        roots = {m.name: {e: rng.randbytes(32) for e in range(number * EPOCHS, (number + 1) * EPOCHS)} for m in lab.meters}
        meters = [{"name": m, "head": eight(rng), "roots": mth(list(found.values()))} for m, found in roots.items()]
        draft = ClaimDraft(terms.digest, "alpha", number, number * EPOCHS, number * EPOCHS + EPOCHS - 1, before, eight(rng), meters, roots)
        if sites:
            draft.site_of, draft.proof = dict(site_of), b""
        claims.append(draft)
        before = draft.after
    return Case(agreement, amended, claims, rng, dict(PARTIES))
