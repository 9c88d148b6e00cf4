"""What must be installed: extras that a command needs, and that ``zk``, ``circuits`` and ``claims`` are this project's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import claims
from claims.base.errors import ClaimsError, MissingDependency

__all__ = ["check_own_packages", "missing_extra"]

EXTRAS = {
    "numpy": "lab", "numba": "lab", "llvmlite": "lab", "rich": "lab", "py_ecc": "inspect", "pyarrow": "parquet",
    "dask": "cluster", "distributed": "cluster", "pkcs11": "hsm",
}  # fmt: skip
"""Package -> the extra of ``standstill`` that brings it."""


def check_own_packages() -> None:
    """Refuse to run where another project of the same name has taken a package's place: it would verify, or prove, something else.

    Raises:
        ClaimsError: names the package and where the other one lies.
    """
    home = Path(claims.__file__).resolve().parents[1]
    for name in ("zk", "circuits"):
        found = importlib.util.find_spec(name)
        place = None if found is None or found.origin is None else Path(found.origin).resolve().parents[1]
        if place != home:
            where = "nothing" if found is None else f"another one, in {place or found.submodule_search_locations}"
            raise ClaimsError(
                f"standstill's own package {name} should lie in {home}, and Python finds {where}",
                "install standstill in an environment of its own: pipx install standstill",
            )


def missing_extra(error: ModuleNotFoundError) -> MissingDependency | None:
    """What to say of a package that is not installed; None where no extra brings it."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    return MissingDependency(
        f"this command needs the package {name}, which is not installed", f"pip install 'standstill[{EXTRAS[name]}]'"
    )
