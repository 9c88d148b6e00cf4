"""A view for tests of the page alone: four labs, every state, and hostile text wherever a file may hold text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from claims import __version__

NASTY = '<script>alert("x")</script><img src=x onerror=alert(1)> </p>--><!--@main--> \u202egnp.exe & "quoted" \'text\''
AGREEMENT = b"the canonical bytes of an agreement"
DIGEST = hashlib.sha256(AGREEMENT).hexdigest()
START, DAY = 1767225600, 86400
LABS = ("aurora", "borealis", "cygnus", "draco")
NOT_SHOWN = ["that no undeclared chip exists", "that a meter measures truly", "that unattributed work was not training"]
STATES = {
    ("aurora", 0): "proven",
    ("borealis", 0): "proven",
    ("cygnus", 0): "under inspection",
    ("draco", 0): "missing",
    ("aurora", 1): "proven",
    ("borealis", 1): "rejected",
    ("cygnus", 1): "late",
    ("draco", 1): "late",
    ("aurora", 2): "pending",
    ("borealis", 2): "pending",
    ("cygnus", 2): "pending",
}


_MOVED = [
    "total cap 2e24 FLOP after transfers, 3e24 FLOP agreed",
    "1e24 FLOP moved from aurora to borealis (serial 1): counts, dated 2026-01-14T10:00:00Z",
]


def _row(lab: str, period: int, state: str) -> dict[str, Any]:
    begin = START + period * 14 * DAY
    there = state in ("proven", "rejected", "under inspection")
    caps = ["all 2 meters accounted for every chip-second; every busy one charged at its chip's peak"]
    caps += [
        f"{what}: at most {amount} FLOP"
        for what, amount in (("total compute of the period", "3e24"), ("any lineage", "4.56e23"))
    ]
    return {
        "lab": lab,
        "period": period,
        "agreement": DIGEST,
        "begin": begin,
        "end": begin + 14 * DAY,
        "due": begin + 17 * DAY,
        "missing_after": begin + 19 * DAY,
        "state": state,
        "late": lab == "borealis" and there,
        "reason": {"rejected": "proof: " + NASTY, "missing": "No claim was published within the time of grace."}.get(
            state, ""
        ),
        "published": begin + 16 * DAY + 3600 if there else None,
        "claim": f"files/claims/{lab}-{period}.claim" if there else None,
        "roots": f"files/claims/{lab}-{period}.roots" if there else None,
        "check": "proof" if state == "rejected" else None,
        "continues": period > 0,
        "shows": caps if there else [],
        "transfers": _MOVED if (lab, period) == ("aurora", 1) else [],
        "power": "9 of 12 meters under a feed, 3 of 336 hours absent" if there and lab == "aurora" else None,
    }


def sample(answer: str = "no", nasty: bool = True) -> dict[str, Any]:
    """A fresh view. ``nasty``: texts hold markup and invisible characters."""
    text = NASTY if nasty else "Any two signatories ask for it in writing, naming the reason."
    why = {
        "no": ["draco has not published its claim for period 0.", "borealis: the claim for period 1 does not hold."],
        "yes": ["All 4 labs have proven every claim that is due."],
        "undecided": ["No claim is due before 18 Jan 2026."],
    }
    states = {
        key: ("proven" if answer == "yes" and key[1] < 2 else "pending" if answer == "undecided" else s)
        for key, s in STATES.items()
    }
    return {
        "format": "standstill-site/1",
        "version": __version__,
        "computed_at": START + 31 * DAY + 15000,
        "life": {"word": "In force", "text": "", "counts": True, "replaced": False, "expired": False},
        "holds": {"answer": answer, "why": why[answer]},
        "not_shown": NOT_SHOWN,
        "claims": [_row(lab, period, state) for (lab, period), state in states.items()],
        "keys": ["party borealis: 0123456789abcdef of the agreement, revoked by entry 9; 89abcdef01234567 since log entry 9"],
        "allowances": [
            {
                "agreement": DIGEST,
                "period": 1,
                "begin": START + 14 * DAY,
                "caps": "1.2e25 FLOP",
                "stated": None,
                "transfers": [
                    {
                        "giver": "aurora",
                        "receiver": "borealis",
                        "serial": 1,
                        "amount": "1e24 FLOP",
                        "counts": True,
                        "state": "counts, dated 2026-01-14T10:00:00Z",
                        "text": "1e24 FLOP moved from aurora to borealis (serial 1)",
                    }
                ],
                "over": [],
            }
        ],
        "inspections": [
            {
                "lab": lab,
                "period": 0,
                "inspector": "observatory",
                "outcome": outcome,
                "counts": True,
                "round": 6012345,
                "time": START + 20 * DAY,
                "reason": text if outcome == "failed" else "",
                "path": f"files/inspections/observatory-{lab}-0.record",
            }
            for lab, outcome in (("aurora", "passed"), ("borealis", "failed"))
        ],
        "problems": ["claims/mallory-0.claim: not signed by a lab " + text],
        "evidence": [],
        "decisions": [],
        "log": {
            "origin": "log.observatory.example/standstill",
            "operator": "observatory",
            "size": 1372,
            "root": "5e" * 32,
            "path": "files/log/checkpoint",
            "problem": "",
            "bundle": None,
            "quorum": 2,
            "cosigners": [{"name": name, "time": START + 31 * DAY if name != "draco" else None} for name in LABS],
        },
        "agreements": [{"digest": DIGEST, "binary": "agreement.bin", "signatures": "files/agreement.sigs"}],
        "files": [{"path": "files/agreement.toml", "bytes": 5120, "sha256": "ab" * 32, "kind": "agreement"}]
        + [
            {
                "path": f"files/claims/{lab}-{period}.claim",
                "bytes": 391234,
                "sha256": f"{period}{lab[0]}" * 32,
                "kind": "claim",
            }
            for lab in LABS
            for period in range(2)
        ],
        "agreement": {
            "name": "geneva-2026",
            "digest": DIGEST,
            "file": "files/agreement.toml",
            "signatures": "files/agreement.sigs",
            "binary": "agreement.bin",
            "start": START,
            "end": START + 26 * 14 * DAY,
            "epoch_seconds": 3600,
            "period_seconds": 14 * DAY,
            "periods": 26,
            "rules": [
                {"from_period": None, "charge_peak": True, "charge_residue": True, "external": None},
                {"from_period": 13, "charge_peak": True, "charge_residue": False, "external": "only models of the list"},
            ],
            "sign_by": START - DAY,
            "late_epochs": 24,
            "inspection": {"draws": 64, "slots": 16, "margin": DAY},
            "amends": None,
            "deadlines": [["Claims are due", 3 * DAY], ["Time of grace", 2 * DAY]],
            "pause": {
                "trigger": text,
                "lifts": "The same two say so.",
                "deciders": ["aurora", "observatory"],
                "quorum": 2,
            },
            "parties": [
                {
                    "name": name,
                    "signed": name != "draco" or answer == "yes",
                    "lab": name in LABS,
                    "cosigns": True,
                    "alone": False,
                    "operates": name == "observatory",
                }
                for name in (*LABS, "observatory")
            ],
            "witnesses": [{"name": "witness.example.org/w1", "alone": True}],
            "labs": [
                {
                    "name": lab,
                    "since_period": 0,
                    "caps": [
                        {
                            "from_period": None,
                            "total": "3e24 FLOP",
                            "unattributed": "1e23 FLOP",
                            "lineage": "1e26 FLOP",
                            "freeze": None,
                        }
                    ],
                    "ceiling": "5e24 FLOP" if lab == "borealis" else None,
                    "lost": "1 %" if lab == "aurora" else None,
                    "tables": [
                        {"name": "north", "meters": 1, "rows": 65536},
                        {"name": "south", "meters": 1, "rows": 65536},
                        {"name": "registry", "meters": 0, "rows": 131072},
                    ],
                    "count": 2,
                    "alone": 2 if lab == "borealis" else 0,
                    "meters": [
                        {"name": "hall-1", "chip": "gb300", "chips": 18432, "site": "north"},
                        {"name": "hall-2", "chip": "h100-sxm", "chips": 4096, "site": "south"},
                    ],
                }
                for lab in LABS
            ],
            "open_models": [
                {"name": "llama-3.1-405b", "charge": "3.8e25 FLOP", "source": "a published estimate " + text, "weights": 191},
                {"name": "qwen3-32b", "charge": "7.1e24 FLOP", "source": "a published estimate", "weights": 1},
            ],
            "feeds": [
                {
                    "name": "hall-1-feed", "lab": "aurora", "holder": "observatory", "kind": "utility", "meters": 2, "base_watts": 400000,
                    "alone": False, "idle_watts": 300, "busy_watts": 1000,
                    "hidden": ["of its 22528 could still train unseen", "in an hour declared idle 9 %, 29 % if others are switched off;"],
                }
            ],
            "chips": [
                {"name": "gb300", "peak": "1.5e16 FLOP/s", "note": text},
                {"name": "h100-sxm", "peak": "1.979e15 FLOP/s", "note": "FP8 dense"},
            ],
        },
    }


def fake_claim(lab: str, period: int, verdict: bytes = b"good") -> bytes:
    """A file that begins as a claim does; the stand-in for the verifier (stand_in_worker.js) reads its last four bytes."""
    head = b"standstill-claim" + b"\x00\x03" + bytes.fromhex(DIGEST) + bytes([len(lab)]) + lab.encode()
    return head + period.to_bytes(4, "big") + bytes(64) + verdict


def write_sample(
    out: Path, answer: str = "no", *, nasty: bool = True, stand_in: bool = True, lie: bool = False
) -> dict[str, Any]:
    """Write a whole page of the sample view to a new folder.

    Args:
        stand_in: replace the worker by one that judges by a file's last four bytes.
        lie: publish a claim that does not verify where the view says "proven".
    """
    from claims.site.generate import _write_page, _Writer

    out.mkdir()
    writer, view = _Writer(out), sample(answer, nasty)
    view["files"] = []
    for row in view["claims"]:
        if row["claim"]:
            bad = row["state"] == "rejected" or (lie and (row["lab"], row["period"]) == ("aurora", 1))
            data = fake_claim(row["lab"], row["period"], b"bad!" if bad else b"good")
            row["roots"] = None
            view["files"].append(
                {"path": row["claim"], "bytes": len(data), "sha256": writer.write(row["claim"], data), "kind": "claim"}
            )
    for path in ("files/agreement.toml", "files/agreement.sigs"):
        view["files"].append({"path": path, "bytes": 1, "sha256": writer.write(path, b" "), "kind": "agreement"})
    _write_page(writer, view, {"agreement.bin": AGREEMENT})
    if stand_in:
        worker = (Path(__file__).parent / "stand_in_worker.js").read_bytes()
        (out / "worker.js").write_bytes(worker)
    return view


def page_that_runs(place: Path, script: str) -> Path:
    """A page of the sample view in a new folder, with a script that Node runs beside it: run.js."""
    write_sample(place, "yes")
    (place / "package.json").write_text('{"type": "module"}')
    (place / "run.js").write_text(script)
    return place
