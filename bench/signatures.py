"""Sizes and times of signatures by keys of Ed25519 alone and of both halves: one entry, one head, a year of hours of a lab."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.machine import ROOT
from claims.agreement.signatures import ledger_head_message, sign_ledger_head
from claims.base.ed25519 import check_signature
from claims.base.hybrid import HybridKey, SigningKey, mldsa
from claims.base.keys import meter_key, public_bytes, public_text
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry
from claims.tlog.checkpoint import Checkpoint, cosign_lines, date_head, sign_checkpoint
from claims.tlog.note import Note

YEAR, FLEET = 8760, 1000
_PAGE = """
import { fromHex } from "./claims/site/verifier/bytes.js";
import { verifySignature } from "./claims/site/verifier/ed25519.js";
const [key, signature, message] = JSON.parse(process.argv[1]).map(fromHex);
const times = [];
for (let i = 0; i < 60; i++) {
  const begin = performance.now();
  if (!verifySignature(key, signature, message)) throw new Error("does not verify");
  if (i >= 20) times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
console.log(times[times.length >> 1]);
"""


def _median(act: Callable[[], object], samples: int = 200) -> float:
    """Milliseconds."""
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        act()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def _page(public: bytes, signature: bytes, message: bytes) -> float | None:
    """Milliseconds of the page's verifier, by Node; None where there is none."""
    node = shutil.which("node")
    if node is None:
        return None
    case = json.dumps([public.hex(), signature.hex(), message.hex()])
    done = subprocess.run([node, "--input-type=module", "-e", _PAGE, case], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(key: SigningKey) -> dict[str, Any]:
    """Figures of one kind of key: bytes, and milliseconds of one core."""
    public, message = public_bytes(key), bytes(60)
    signature = key.sign(message)
    entry = encode_entry(sign_entry(key, EpochEntry(bytes(32), "lab-a", 7, bytes(32), bytes(32))))
    head = date_head(sign_checkpoint(Checkpoint("log.example/a", YEAR, bytes(32)), key), key, 1, 0)
    cosigned = Note(head.text, (*head.signatures, *cosign_lines(head.text, "party-b", key, 1)))
    return {
        "key_bytes": len(public), "key_text": len(public_text(public)), "signature_bytes": len(signature), "entry_bytes": len(entry),
        "head_bytes": len(head.encode()), "cosignature_bytes": len(cosigned.encode()) - len(head.encode()),
        "year_of_hours_bytes": YEAR * len(entry), "sign_ms": _median(lambda: key.sign(message)),
        "verify_ms": _median(lambda: check_signature("it", public, signature, message)), "page_ms": _page(public, signature, message),
    }  # fmt: skip


def fleet(ring: SigningKey) -> dict[str, float]:
    """A period's end of 1,000 meters whose keys a keyring makes: CPU seconds, and bytes of their heads in a claim."""
    begin = time.process_time()
    names = [f"rack-{at:04}" for at in range(FLEET)]
    keys = [meter_key(ring, "lab-a", name) for name in names]
    made = time.process_time()
    about = [(bytes(32), "lab-a", name, 0, (1,) * 8, bytes(32)) for name in names]
    heads = [sign_ledger_head(key, *item) for key, item in zip(keys, about, strict=True)]
    signed = time.process_time()
    for key, item, signature in zip(keys, about, heads, strict=True):
        check_signature("it", public_bytes(key), signature, ledger_head_message(*item))
    end = time.process_time()
    size = sum(67 + len(name) + len(signature) for name, signature in zip(names, heads, strict=True))
    return {"fleet_keys_s": made - begin, "fleet_sign_s": signed - made, "fleet_verify_s": end - signed, "fleet_bytes": size}


def both() -> dict[str, dict[str, Any]]:
    """Figures of a key of Ed25519 alone, and of a hybrid one."""
    curve = Ed25519PrivateKey.generate()
    kinds: dict[str, SigningKey] = {"ed25519": curve, "hybrid": HybridKey(curve, mldsa().MLDSA44PrivateKey.generate())}
    return {name: measure(key) | fleet(key) for name, key in kinds.items()}
