"""Extras that a command needs."""

from __future__ import annotations

from claims.base.errors import MissingDependency

__all__ = ["missing_extra"]

EXTRAS = {
    "numpy": "lab", "numba": "lab", "llvmlite": "lab", "rich": "lab", "py_ecc": "inspect", "pyarrow": "parquet",
    "dask": "cluster", "distributed": "cluster", "pkcs11": "hsm",
}  # fmt: skip
"""Package -> the extra of ``standstill`` that brings it."""


def missing_extra(error: ModuleNotFoundError) -> MissingDependency | None:
    """What to say of a package that is not installed; None where no extra brings it."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return None
    how = f"install Standstill with it, in a checkout: pip install '.[{EXTRAS[name]}]'"
    return MissingDependency(f"this command needs the package {name}, which is not installed", how)
