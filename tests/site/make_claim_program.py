"""Writes the claim's program for the JavaScript verifier: `python -m tests.site.make_claim_program`, from the root.

To be made again whenever the claim's program changes; test_js_verifier.py fails until it is.
"""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

TARGET = Path(__file__).parents[2] / "claims" / "site" / "verifier" / "claim-program.js"

HEAD = '''/**
 * The compute claim's program: zk/PROTOCOL.md section 4's encoding of the AIR that circuits/README.md describes.
 *
 * Data, not code: made by `python -m tests.site.make_claim_program`. The digest is checked when it is decoded.
 */
import {{ decodeProgram }} from "./program.js";
import {{ toHex }} from "./bytes.js";
import {{ Rejected }} from "./errors.js";

export const CLAIM_PROGRAM_DIGEST = "{digest}";

let decoded = null;

/** The program, decoded once. */
export function claimProgram() {{
  if (decoded === null) {{
    const program = decodeProgram(Uint8Array.from(atob(ENCODED.join("")), (c) => c.charCodeAt(0)));
    if (toHex(program.digest) !== CLAIM_PROGRAM_DIGEST) throw new Rejected("program", "the claim's program is damaged");
    decoded = program;
  }}
  return decoded;
}}

// prettier-ignore
const ENCODED = [
'''


def source() -> str:
    """The module's text."""
    from circuits.claim import claim_program

    program = claim_program()
    lines = textwrap.wrap(base64.b64encode(program.encode()).decode(), 116)
    return HEAD.format(digest=program.digest().hex()) + "".join(f'  "{line}",\n' for line in lines) + "];\n"


if __name__ == "__main__":
    TARGET.write_text(source())
