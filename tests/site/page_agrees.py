"""Whether the page decides as ``standstill status`` does: one folder, both, state by state. The proofs of both are stand-ins."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from claims.base.errors import MalformedFile, UnreadableFile
from claims.claim.limits import capacity, limit_words
from claims.site.collect import collect, read_published
from claims.site.model import view_of
from claims.status.model import Row, State
from tests.site.page_node import PageNode

SITE = Path(__file__).parents[2] / "claims" / "site"
STAND_IN = """
import { Rejected } from "./errors.js";
export const FLOOR_BITS = 100;
export function verifyProof(program, publics, interactions, logRows, proof) {
  if (!/^(SSPF )?proof/.test(new TextDecoder().decode(proof))) throw new Rejected("query", "made up");
  return { security: { unique: { bits: 103.5 }, johnson: { bits: 120 } } };
}
"""
"""A verifier of proofs as the attacks on status have it: one is valid when it begins with b"proof", or as a file with b"SSPF proof"."""


def stand_in_page(folder: Path) -> PageNode:
    """The page's modules with that verifier of proofs."""
    folder.mkdir()
    shutil.copytree(SITE / "page", folder, dirs_exist_ok=True)
    for name in ("verifier", "vendor"):
        shutil.copytree(SITE / name, folder / name)
    (folder / "verifier" / "stark.js").write_text(STAND_IN)
    return PageNode(folder)


def published(folder: Path, state: State) -> tuple[dict[str, Any], dict[str, bytes]]:
    """site.json of a publication folder in its state as values, and the page's files."""
    files, copied = {}, []
    for item in collect(folder)[0]:
        path = f"files/{item.path}"
        try:
            files[path] = read_published(folder, item)
        except (MalformedFile, UnreadableFile):
            continue
        digest = hashlib.sha256(files[path]).hexdigest()
        copied.append({"path": path, "bytes": len(files[path]), "sha256": digest, "kind": item.kind})
    view, binaries = view_of(folder, copied, state)
    return view, files | binaries


def _said(state: State, row: Row, finding: dict[str, Any]) -> list[str]:
    """In what they differ about a claim whose proofs both accepted."""
    if row.proof is None or finding.get("verdict") not in ("PROVEN", "OVER"):
        return []
    most = capacity(state.agreement_of(row), row.lab)
    said = {
        "transfers": list(row.transfers), "moved": str(row.moved), "power": None if row.power is None else row.power.line(),
        "over": [*(limit_words(limit, most) for limit in row.limits), *row.over_here],
        "earlier": [*row.lost, *(f"in period {over.period}: {limit_words(over)}" for over in row.overs)],
    }  # fmt: skip
    finding = finding | {"earlier": [*finding["lost"], *finding["earlier"]]}
    return [f"{row.lab} {row.period}: {key}: status {text}, page {finding[key]}" for key, text in said.items() if finding[key] != text]


def differences(page: PageNode, folder: Path, state: State) -> list[str]:
    """In what page and status differ about a folder, and which lies the page confirms."""
    view, files = published(folder, state)
    lie = json.loads(json.dumps(view))
    lie["holds"]["answer"] = "yes"
    for row in lie["claims"]:
        row["state"] = "proven" if row["claim"] else "pending"
    cases = [{"site": json.dumps(item), "changed": files, "now": state.now} for item in (view, lie)]
    honest, lied = page.verdicts(cases)
    out = [] if honest["kind"] in ("confirmed", "open") else [f"an honest page is {honest['kind']}: {honest['against']} {honest['open']}"]
    for row in state.rows:
        own = honest["own"].get(f"{row.lab}-{row.period}")
        if own != row.state:
            out.append(f"{row.lab} {row.period}: status {row.state} ({row.reason}), page {own}")
        out += _said(state, row, honest["findings"].get(f"{row.lab}-{row.period}") or {})
    if len(honest["own"]) != len(state.rows):
        out.append(f"status has {len(state.rows)} rows, the page {len(honest['own'])}")
    if honest["answer"] != state.holds:
        out.append(f"status {state.holds} ({state.why}), page {honest['answer']} ({honest['open']})")
    if lied["kind"] == "confirmed" and state.holds != "yes":
        out.append(f"the page confirms a lie: status {state.holds} ({state.why})")
    return out
