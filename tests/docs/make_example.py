"""docs/example anew: the folder that docs/lab.md publishes; its digest into docs/verify.md.

    python -m tests.docs.make_example

The keys are thrown away, so nobody can ever sign another claim of this example.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from claims.agreement.file import load_agreement
from tests.docs.walk import DOCS, walk


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        walk("lab.md", Path(scratch))
        shutil.rmtree(DOCS / "example", ignore_errors=True)
        shutil.copytree(Path(scratch) / "FOLDER", DOCS / "example")
    digest = load_agreement(DOCS / "example" / "agreement.toml").digest.hex()
    page = DOCS / "verify.md"
    page.write_text(re.sub(r"^DIGEST=.*$", f"DIGEST={digest}", page.read_text(), flags=re.MULTILINE))


if __name__ == "__main__":
    main()
