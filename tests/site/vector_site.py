"""A page of the claims in tests/site/vectors, which are real: every check of the browser's verifier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claims import __version__
from claims.agreement.decode import decode_agreement
from claims.site.generate import _write_page, _Writer
from claims.site.terms import terms_of
from claims.status.compute import log_trust
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.writer import LogWriter
from claims.verify.report import NOT_SHOWN, shown
from tests.site.make_claim_vectors import BETA_COSIGNS, LOG_KEY, ORIGIN

VECTORS = Path(__file__).parent / "vectors"


def vector_entries() -> list[bytes]:
    """The entries of log.bundle."""
    data = (VECTORS / "log.bundle").read_bytes()
    at = len(b"standstill-log-bundle") + 2
    heads, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    for _ in range(heads):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    count, at = int.from_bytes(data[at : at + 4], "big"), at + 4
    entries = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


def write_log(folder: Path) -> Path:
    """The vectors' entries as a log in ``folder/log``, in two steps, the last head cosigned by beta alone."""
    agreement = decode_agreement((VECTORS / "agreement.bin").read_bytes())
    trust = log_trust(agreement)
    assert trust is not None
    entries = vector_entries()
    writer = LogWriter.create(folder / "log", ORIGIN, LOG_KEY)
    writer.append(entries[:3])
    writer.append(entries[3:])
    writer.close()
    memory = LogMemory.load(folder / "beta.memory", trust.alone())
    cosign(folder / "log", BETA_COSIGNS, "beta", memory, now=1767225600 + 10 * 86400)
    return folder / "log"


def write_vector_site(out: Path, changes: dict[str, bytes] | None = None) -> dict[str, Any]:
    """Write the page to a new folder; ``changes`` replaces published files by name."""
    data = {path.name: path.read_bytes() for path in VECTORS.iterdir() if path.is_file()}
    agreement = decode_agreement(data["agreement.bin"])
    data |= changes or {}
    out.mkdir()
    writer = _Writer(out)
    lab, log = agreement.lab("alpha"), agreement.log
    assert log is not None
    rows, files = [], []
    for period in range(2):
        begin, end = agreement.period_span(period)
        for kind in ("claim", "roots"):
            item = data[f"alpha-{period}.{kind}"]
            path = f"files/claims/alpha-{period}.{kind}"
            files.append({"path": path, "bytes": len(item), "sha256": writer.write(path, item), "kind": kind})
        rows.append(
            {
                "lab": "alpha",
                "period": period,
                "agreement": agreement.digest.hex(),
                "begin": begin,
                "end": end,
                "due": None,
                "missing_after": None,
                "state": "proven",
                "late": False,
                "check": None,
                "reason": "proven",
                "published": end,
                "claim": f"files/claims/alpha-{period}.claim",
                "roots": f"files/claims/alpha-{period}.roots",
                "continues": period > 0,
                "shows": shown(agreement, lab, period),
                "transfers": [],
                "power": None,
            }
        )
    writer.write("files/agreement.sigs", data["agreement.sigs"])
    view = {
        "format": "standstill-site/1",
        "version": __version__,
        "computed_at": agreement.period_span(1)[1] + 60,
        "life": {"word": "In force", "text": "", "counts": True, "replaced": False, "expired": False},
        "holds": {"answer": "yes", "why": ["2 claims are proven, and no other is due"]},
        "claims": rows,
        "allowances": [],
        "not_shown": list(NOT_SHOWN),
        "inspections": [],
        "evidence": [],
        "decisions": [],
        "problems": [],
        "keys": [],
        "log": {
            "origin": log.origin,
            "operator": log.operator,
            "size": 1,
            "root": "",
            "path": None,
            "problem": "",
            "quorum": log.cosignatures,
            "cosigners": [],
            "bundle": "log.bundle",
        },
        "agreement": terms_of(agreement, ()),
        "agreements": [
            {"digest": agreement.digest.hex(), "binary": "agreement.bin", "signatures": "files/agreement.sigs"}
        ],
        "files": files,
    }
    _write_page(writer, view, {name: data[name] for name in ("agreement.bin", "log.bundle")})
    return view
