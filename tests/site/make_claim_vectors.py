"""Makes the golden claims of tests/site/vectors: `python -m tests.site.make_claim_vectors`, from the repository's root.

Two periods of one lab under an agreement with a log: claim files of format 3, roots files, a log of their entries with one
cosigned head for each period. Everything around the proofs is written here byte by byte from claims/FORMATS.md and
FORMATS-log.md, not by the code that reads it. Keys come from fixed seeds, the randomness of proofs and of ML-DSA from the operating system.
The keys of alpha, of the log and of beta's cosignatures are hybrid, and meter hall-b has a period key; the others are of Ed25519 alone.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from claims.base.hybrid import HybridKey
from tests.fixtures.lab_fixtures import LAB_KEY, METER_KEYS

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))

TARGET = Path(__file__).parent / "vectors"
_LOG, BETA, GAMMA, _BETA_COSIGNS, GAMMA_COSIGNS, ALPHA_COSIGNS = (
    Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in range(101, 107)
)
ORIGIN = "log.example/standstill-test"
Half = Ed25519PrivateKey | MLDSA44PrivateKey
Key = Ed25519PrivateKey | HybridKey
ALPHA, LOG_KEY, BETA_COSIGNS = (
    HybridKey(curve, MLDSA44PrivateKey.from_seed_bytes(bytes([201 + at]) * 32)) for at, curve in enumerate((LAB_KEY, _LOG, _BETA_COSIGNS))
)
METERS: dict[str, Key] = METER_KEYS | {"hall-b": HybridKey(METER_KEYS["hall-b"], MLDSA44PrivateKey.from_seed_bytes(b"\xcc" * 32))}


def sha(*parts: bytes) -> bytes:
    """SHA-256 of the concatenation."""
    return hashlib.sha256(b"".join(parts)).digest()


def domain(text: str) -> bytes:
    """u16 length || domain."""
    return len(text).to_bytes(2, "big") + text.encode()


def name(text: str) -> bytes:
    """u8 length || name."""
    return bytes([len(text)]) + text.encode()


def u32(*values: int) -> bytes:
    """Each value in four bytes."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, by its recursive definition."""
    if len(leaves) < 2:
        return sha(b"\0", leaves[0]) if leaves else sha()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\1", mth(leaves[:k]), mth(leaves[k:]))


def epoch_root(lab: str, meter: str, epoch: int) -> bytes:
    """A stand-in for the root over a meter's salted readings: a verifier of claims never sees more than 32 bytes."""
    return sha(b"epoch root", name(lab), name(meter), u32(epoch))


def lab_epoch_root(lab: str, meters: Sequence[str], epoch: int) -> bytes:
    """Root over the meters' roots."""
    return mth([domain("standstill/epoch-meter/v1") + name(m) + epoch_root(lab, m, epoch) for m in meters])


def halves(key: Key) -> tuple[Half, ...]:
    """Each half that signs."""
    return (key.curve, key.lattice) if isinstance(key, HybridKey) else (key,)


def public(key: Key) -> bytes:
    """A public key of either kind."""
    return b"".join(half.public_key().public_bytes_raw() for half in halves(key))


@functools.cache
def sign(key: Key, message: bytes) -> bytes:
    """A signature by a key of either kind: signed once, since ML-DSA would sign otherwise the next time."""
    if not isinstance(key, HybridKey):
        return key.sign(message)
    bound = domain("standstill/sign/hybrid/v1") + sha(public(key)) + message
    return key.curve.sign(bound) + key.lattice.sign(bound, b"standstill/sign/hybrid/v1")


def framed(signature: bytes) -> bytes:
    """u16 length || signature."""
    return len(signature).to_bytes(2, "big") + signature


def entry(digest: bytes, kind: int, body: bytes, key: Key) -> bytes:
    """A signed log entry."""
    unsigned = b"standstill-log" + b"\0\1" + bytes([kind]) + digest + body
    return unsigned + sign(key, domain("standstill/sign/log-entry/v1") + sha(unsigned))


def head(entries: Sequence[bytes], time: int, cosigners: dict[str, Key]) -> bytes:
    """A signed and cosigned checkpoint."""
    import base64

    def line(who: str, kind: int, key: Half, stamp: bytes, message: bytes) -> str:
        key_id = sha(who.encode(), b"\n", bytes([kind]), key.public_key().public_bytes_raw())[:4]
        return f"\u2014 {who} {base64.b64encode(key_id + stamp + key.sign(message)).decode()}\n"

    def subtree(who: str, when: int) -> bytes:
        sized = [bytes([len(part)]) + part.encode() for part in (who, ORIGIN)]
        tree = bytes(8) + len(entries).to_bytes(8, "big") + mth(entries)
        return b"subtree/v1\n\0" + sized[0] + when.to_bytes(8, "big") + sized[1] + tree

    text = f"{ORIGIN}\n{len(entries)}\n{base64.b64encode(mth(entries)).decode()}\n"
    lines = line(ORIGIN, 1, LOG_KEY.curve, b"", text.encode()) + line(ORIGIN, 6, LOG_KEY.lattice, bytes(8), subtree(ORIGIN, 0))
    for who, key in cosigners.items():
        curve, *lattice = halves(key)
        message, stamp = f"cosignature/v1\ntime {time}\n{text}".encode(), time.to_bytes(8, "big")
        lines += line(who, 4, curve, stamp, message) + "".join(line(who, 6, half, stamp, subtree(who, time)) for half in lattice)
    return (text + "\n" + lines).encode()


def bundle(heads: Sequence[bytes], entries: Sequence[bytes]) -> bytes:
    """The log as the page's verifier takes it."""
    out = b"standstill-log-bundle" + b"\0\1" + len(heads).to_bytes(2, "big")
    out += b"".join(u32(len(item)) + item for item in heads) + u32(len(entries))
    return out + b"".join(len(item).to_bytes(2, "big") + item for item in entries)


def main() -> None:
    """Proves both periods and writes all files."""
    import lab_fixtures as lab

    from claims.agreement.model import Agreement, canonical_bytes
    from claims.agreement.terms import LogTerms, Party
    from claims.lab.lineage import note_checkpoint
    from claims.lab.meter import SoftwareMeter
    from claims.lab.prove import make_claim
    from claims.lab.registry import close_period
    from tests.lab.test_prove import OPENINGS, draft, work

    TARGET.mkdir(exist_ok=True)
    caps = {"total": 10**15, "unattributed": 10**15, "lineage": 10**15, "freeze": None}
    store, terms = lab.make_lab(Path(tempfile.mkdtemp()), OPENINGS, **caps)
    keys: list[tuple[str, Key, Key]] = [("alpha", ALPHA, ALPHA_COSIGNS), ("beta", BETA, BETA_COSIGNS), ("gamma", GAMMA, GAMMA_COSIGNS)]
    parties = tuple(Party(who, public(key), public(cosigns)) for who, key, cosigns in keys)
    log = LogTerms(ORIGIN, "gamma", public(LOG_KEY), 1)
    own = terms.labs[0]
    meters = tuple(replace(meter, period_key=public(METERS[meter.name])[32:]) for meter in own.meters)
    agreement: Agreement = replace(terms, parties=parties, log=log, labs=(replace(own, meters=meters),))
    digest = agreement.digest
    sign_message = domain("standstill/sign/agreement/v1") + digest
    rows = ",\n".join(
        f'    {{\n      "party": "{who}",\n      "signature": "{sign(key, sign_message).hex()}"\n    }}' for who, key, _ in keys
    )
    (TARGET / "agreement.bin").write_bytes(canonical_bytes(agreement))
    (TARGET / "agreement.sigs").write_text(
        f'{{\n  "agreement": "{digest.hex()}",\n  "format": "standstill-agreement-signatures/1",\n  "signatures": [\n{rows}\n  ]\n}}\n'
    )
    note_checkpoint(store, agreement, draft("a", ("base",), 1))
    entries: list[bytes] = []
    heads: list[bytes] = []
    for period in range(2):
        work(store, agreement, period, "a" if period == 0 else "b")
        if period == 1:
            note_checkpoint(store, agreement, draft("b", ("a",), lab.EPOCHS + 1))
        for who, key in METERS.items():
            SoftwareMeter(who, key).seal(store, agreement, period)
        close_period(store, agreement, period)
        made = make_claim(store, agreement, period, ALPHA).claim
        names = [meter.name for meter in made.meters]
        epochs = range(made.first_epoch, made.last_epoch + 1)
        body = b"standstill-claim" + b"\0\3" + digest + name("alpha") + u32(period, made.first_epoch, made.last_epoch)
        body += u32(*made.head_before, *made.head_after) + u32(len(names))
        roots = b"standstill-roots" + b"\0\1" + digest + name("alpha") + u32(period, made.first_epoch, made.last_epoch)
        roots += len(names).to_bytes(2, "big")
        for meter in made.meters:
            found = [epoch_root("alpha", meter.name, epoch) for epoch in epochs]
            signed = digest + name("alpha") + name(meter.name) + u32(period, *meter.head) + mth(found)
            signature = sign(METERS[meter.name], domain("standstill/sign/ledger-head/v2") + signed)
            body += name(meter.name) + u32(*meter.head) + mth(found) + framed(signature)
            roots += name(meter.name) + b"".join(found)
        registry = domain("standstill/sign/registry-head/v1") + digest + name("alpha") + u32(period, *made.head_after) + sha(bytes(7))
        body += bytes(2) + bytes(7) + framed(sign(ALPHA, registry)) + u32(len(made.proof)) + made.proof
        claim = body + framed(sign(ALPHA, domain("standstill/sign/claim/v1") + sha(body)))
        (TARGET / f"alpha-{period}.claim").write_bytes(claim)
        (TARGET / f"alpha-{period}.roots").write_bytes(roots)
        for epoch in epochs:
            content = name("alpha") + u32(epoch) + lab_epoch_root("alpha", names, epoch) + sha(b"registry", u32(epoch)) + bytes(1)
            entries.append(entry(digest, 1, content, ALPHA))
        entries.append(b"bytes that mean nothing here")
        entries.append(entry(digest, 2, name("alpha") + u32(period) + sha(claim) + sha(roots), ALPHA))
        cosigners: dict[str, Key] = {"alpha": ALPHA_COSIGNS, "beta": BETA_COSIGNS}
        heads.insert(0, head(entries, lab.START + 300 * (period + 1), cosigners))
    (TARGET / "log.bundle").write_bytes(bundle(heads, entries))


if __name__ == "__main__":
    main()
