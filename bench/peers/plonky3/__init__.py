"""Plonky3: S(N) as an AIR for its published crates, plain and hiding, at stock settings and at the proven bits of `std`.

README.md has the method. The program is in this folder, its crates are pinned by Cargo.lock, and it is compiled for the machine it
runs on, in the user's scratch folder.
"""

from __future__ import annotations

from pathlib import Path

from bench.peers.model import Job, NotRun, Peer, Plan, Properties, Step

__all__ = ["PEERS"]

FOLDER = Path(__file__).parent
BINARY = "chain-sum-plonky3"
VERSION = "0.8.0"
TAIL, MAX_ROWS = 9, 1 << 20
CHANGES = ("byte", "most", "end", "readings")

_NOTES = (
    "Range checks by 48 bit columns a row, no lookups: 220 columns against Standstill's 199 and its auxiliary ones.",
    "A table of N + 9 rows rounded up to a power of two, no least height but that of the settings.",
    "Bits are Plonky3's own account (p3-security), whole bits, unique decoding; the report also has its list-decoding bits.",
)
_STOCK = "Plonky3's own benchmark settings: challenges of degree 4, 100 queries, 16 bits of grinding, folding by 2"
_STD = "Blow-up, queries, grinding and folding arity of Standstill's std, challenges of degree 5"


def _binary(home: Path) -> Path:
    return home / "bin" / BINARY


def _unavailable(home: Path) -> str | None:
    return None if _binary(home).is_file() else f"{BINARY} is not installed"


def _plan(variant: str, job: Job) -> Plan:
    if job.size + TAIL > MAX_ROWS:
        raise NotRun(f"this AIR takes {MAX_ROWS - TAIL} readings at most")
    program, proof = str(_binary(job.home)), job.folder / "proof.bin"
    verify = (program, "verify", variant, str(proof))
    changes = [change for change in CHANGES if change != "readings" or job.size > 1]
    return Plan(
        setup=None,
        witness=None,
        prove=Step((program, "prove", variant, str(job.instance), str(proof))),
        verify=Step(verify),
        tampered={change: Step((*verify, change)) for change in changes},
        proof=proof,
        fused="The hash chain and the table are made inside prove.",
    )


def _peer(hiding: bool, std: bool) -> Peer:
    variant = f"{'hiding' if hiding else 'plain'}-{'std' if std else 'stock'}"
    kind = "hiding" if hiding else "plain"
    settings = "std bits" if std else "stock"
    blowup = f"{_STD if std else _STOCK}; blow-up {4 if std or hiding else 2}."
    return Peer(
        name=f"plonky3-{variant}",
        title=f"Plonky3 {kind}, {settings}",
        versions={"p3-uni-stark": VERSION, "p3-fri": VERSION, "p3-poseidon2-air": VERSION, "p3-koala-bear": VERSION},
        system=f"STARK over KoalaBear, challenges of degree {5 if std else 4}, FRI, Keccak trees",
        hash="Poseidon2, width 16, rate 8, capacity 8",
        properties=Properties(
            zero_knowledge=hiding,
            trusted_setup="none",
            post_quantum=True,
            security_bits=None,
            assumption="proven; Keccak as a random oracle",
            notes=(blowup, *_NOTES),
        ),
        install=(
            "env", "RUSTFLAGS=-C target-cpu=native", "CARGO_TARGET_DIR={home}/target",
            "cargo", "install", "--locked", "--path", str(FOLDER), "--root", "{home}",
        ),
        unavailable=_unavailable,
        plan=lambda job: _plan(variant, job),
        home="plonky3",
        sources=FOLDER,
    )  # fmt: skip


PEERS = tuple(_peer(hiding, std) for std in (False, True) for hiding in (False, True))
