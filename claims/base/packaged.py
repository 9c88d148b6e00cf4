"""Files that come with the software, read the same way from a folder and from inside one zip file (``standstill-verify.pyz``)."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["packaged"]


def packaged(package: str, folder: str = "") -> list[tuple[str, Traversable]]:
    """Files of a package, or of a folder in it: (path below that folder with slashes, file), by path; names with a dot first are left out.

    Raises:
        ModuleNotFoundError: there is no such package.
    """
    found: list[tuple[str, Traversable]] = []
    left = [("", files(package).joinpath(folder) if folder else files(package))]
    while left:
        path, place = left.pop()
        for item in place.iterdir():
            if item.name.startswith((".", "__pycache__")):
                continue
            name = f"{path}{item.name}"
            if item.is_dir():
                left.append((f"{name}/", item))
            else:
                found.append((name, item))
    return sorted(found, key=lambda pair: pair[0])
