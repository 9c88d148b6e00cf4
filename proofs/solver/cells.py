"""Which cells mean something in which kind of row: circuits/README.md sections 3 and 7 as data.

FREE and UNLISTED may hold anything in every row of their kind. STATE comes along from the row before, GIVEN is what a bus says. The rest
is determined; CONDITIONAL lists where it is so only in some rows of a kind. tests/circuits/test_claim_mutations.py compares FREE and
UNLISTED with honest traces, determinism.py with what follows from the constraints.
"""

from __future__ import annotations

from circuits.gadgets import COLUMNS, KIND_FLAGS, KINDS

# README.md section 7: cells that mean nothing in their kind of row. UNUSED ones mean nothing outside entries.
UNUSED = {
    *("acc[0]", "acc[1]", "acc[2]", "sum[0]", "sum[1]", "sum[2]", "val[0]", "val[1]", "val[2]", "fbase", "base"),
    *("opening", "external", "worker", "merge", "residue", "works", "owes"),
}
SUMS = {"sum[0]", "sum[1]", "sum[2]"}
CHAIN_STATE = {"index", "res[0]", "res[1]", "res[2]", "tot[0]", "tot[1]", "tot[2]", "sorted_prev", "new"}
FREE = {
    "padding": UNUSED | CHAIN_STATE | {"aux", "key", "shared_base", "chain"},
    "iv": UNUSED | CHAIN_STATE | {"key", "shared_base"},
    "el": UNUSED | CHAIN_STATE | {"aux", "key", "shared_base"},
    "hd": UNUSED | {"aux", "key", "shared_base"},
    "mi": UNUSED - {"owes"} | {"aux", "key", "shared_base"},
    "er": UNUSED - {"owes"} | {"aux", "key", "shared_base"},
    "busy": UNUSED | {"aux", "index", "sorted_prev"},
    "idle": UNUSED | {"aux", "index", "sorted_prev", "key"},
    "e0": {"acc[0]", "acc[1]", "acc[2]", "sum[0]", "sum[1]", "sum[2]", "base", "shared_base", "works"},
    "e1": {"aux", "works"},
    "e2": set(),
    "e3": {"aux", "fbase", "shared_base", "sum[0]", "sum[1]", "sum[2]", "val[0]", "val[1]", "val[2]"},
    "e4": {"fbase"},
    "sent": UNUSED | CHAIN_STATE | {"aux", "shared_base"},
    "es": UNUSED | CHAIN_STATE | {"aux", "key", "shared_base"},
    "side": (UNUSED - SUMS) | CHAIN_STATE | {"aux", "shared_base"},
    "got": (UNUSED - SUMS) | CHAIN_STATE | {"shared_base"},
    "eg": UNUSED | CHAIN_STATE | {"aux", "key", "shared_base"},
}

# README.md sections 3 and 7: bytes that mean nothing in their kind of row, if their look-up is counted again.
UNLISTED = {
    "padding": range(20), "iv": range(20), "hd": range(20), "mi": range(20), "el": range(20), "busy": (), "idle": (18, 19),
    "er": range(10, 20), "e0": (18, 19), "e1": (18, 19), "e2": (13, 19), "e3": range(16, 20), "e4": (), "sent": (0, 1, 2, 3, 4, 5, 13),
    "side": (15, 16), "got": (13, 17, 18, 19), "es": range(20), "eg": range(20),
}  # fmt: skip
GAP = {"hd", "sent", "got"}  # bytes 14-16 mean something where a record follows

ENTRY_STATE = {"chain", *CHAIN_STATE, "owes"}
CARRIED = {*KIND_FLAGS, "key", "base"}
ACC = {"acc[0]", "acc[1]", "acc[2]"}
STATE = {
    "padding": set(), "iv": set(), "hd": {"chain"},
    "busy": {"chain", "res[0]", "res[1]", "res[2]", "tot[0]", "tot[1]", "tot[2]"},
    "el": {"chain"}, "es": {"chain"}, "eg": {"chain"}, "sent": {"chain"}, "side": {"chain"}, "got": {"chain", "key"},
    "mi": ENTRY_STATE, "er": ENTRY_STATE, "e0": ENTRY_STATE, "e1": ENTRY_STATE | CARRIED | ACC,
    "e2": ENTRY_STATE | CARRIED | ACC | {"shared_base"}, "e3": ENTRY_STATE | CARRIED | ACC | {"works"},
    "e4": ENTRY_STATE | CARRIED | ACC | {"works"},
}  # fmt: skip
REMAINING = {f"byte[{i}]" for i in range(12, 18)} | {"shared_base"}  # of a reading: from the row before
STATE["busy"] |= REMAINING
STATE["idle"] = STATE["busy"]
SUCCESSOR = {"side": {"key"}}  # what the next row's block says of a row

FETCH = {"val[0]", "val[1]", "val[2]", "fbase"}
BLOCK = {f"in[{i}]" for i in range(8)}
GIVEN = {kind: set(BLOCK) for kind in (*KINDS, "padding")}
GIVEN["padding"] = set()
GIVEN["iv"] |= {"aux"}
GIVEN["hd"] |= {"chain", "res[0]", "res[1]", "res[2]", "tot[0]", "tot[1]", "tot[2]"}
GIVEN["e0"] |= FETCH | {"key"}
GIVEN["e1"] |= FETCH | SUMS
GIVEN["e2"] |= FETCH | SUMS | {"aux"}
GIVEN["e4"] |= {"aux"}
GIVEN["side"] |= SUMS
GIVEN["got"] |= SUMS | {"aux"}

SHARED = COLUMNS.names[COLUMNS.index("new") :]
BYTES = [f"byte[{i}]" for i in range(20)]


def free(kind: str, then: str | None = None) -> set[str]:
    """Cells of a row of this kind that may hold anything, `then` being the kind of the next row."""
    found = FREE[kind] | {f"byte[{i}]" for i in UNLISTED[kind]}
    gap = {"byte[14]", "byte[15]", "byte[16]"} if kind in GAP else set()
    return found - gap if then in ("sent", "side") else found | gap


def counting(kind: str, then: str) -> list[str]:
    """Cells of a row of this kind that mean something and are neither given nor came along, in the order of columns."""
    left = free(kind, then) | GIVEN[kind] | STATE[kind]
    mine = [f"in[{i}]" for i in range(8)] if kind == "padding" else []
    start = [f"in[{i}]" for i in range(8, 16)] if kind in ("iv", "padding") else []
    chain = ["chain"] if kind == "iv" else []
    return [name for name in (*mine, *start, *chain, *BYTES, *SHARED) if name not in left]
