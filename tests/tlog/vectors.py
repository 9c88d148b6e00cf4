"""Published vectors (vectors.json names each one's source)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ALL: dict[str, Any] = json.loads((Path(__file__).parent / "vectors.json").read_text())
CT_LEAVES = [bytes.fromhex(leaf) for leaf in ALL["rfc6962"]["leaves"]]
CT_ROOTS: list[str] = ALL["rfc6962"]["roots"]
VERIFY_INCLUSION = ALL["rfc6962"]["inclusion"]
VERIFY_CONSISTENCY = ALL["rfc6962"]["consistency"]
ARGON = ALL["argon2020"]
OAK = ALL["oak"] | {"entry": ALL["oak"]["entry"].encode()}
