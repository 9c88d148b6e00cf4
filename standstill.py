"""The command ``standstill``. It runs nothing of its packages before it knows that they are its own.

Other projects are called ``zk``, ``circuits`` and ``claims`` too. Installed beside this one they take a package's place, file by
file, without a word; what ran then would verify, or prove, something else.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__all__ = ["main", "stranger"]

PACKAGES = ("zk", "circuits", "claims")
MARK = b'"""Standstill\'s '
"""How the first file of each package begins."""


def stranger() -> str | None:
    """What Python finds in the place of a package of Standstill, in words; None where all are its own. No package is run."""
    home = Path(__file__).resolve().parent
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = None if found is None else found.origin
        where = None if origin is None else Path(origin).resolve().parents[1]
        if found is None or origin is None or where != home:
            there = "nothing" if found is None else f"another one, in {where or found.submodule_search_locations}"
            return f"standstill's own package {name} should lie in {home}, and Python finds {there}"
        if not found.loader.get_data(origin).startswith(MARK):  # type: ignore[union-attr]
            return f"the package {name} in {home} is another project's: it was installed over standstill's own package {name}"
    return None


def main() -> None:
    """Entry point."""
    if (what := stranger()) is not None:
        print(f"error: {what}; install standstill in an environment of its own: pipx install . in its checkout", file=sys.stderr)
        sys.exit(2)
    from claims.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
