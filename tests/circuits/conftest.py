"""Puts this folder's helpers (claim_samples, claim_forge) on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
