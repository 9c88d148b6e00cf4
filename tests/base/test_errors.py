"""Errors go from one process to another whole: one that does not unpickle breaks a pool of processes."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from typing import Any

import circuits
import claims
import zk
from claims.cli.needs import EXTRAS


def errors() -> list[type[Exception]]:
    """Every class of exceptions of the project."""
    found = set()
    for package in (zk, circuits, claims):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            try:
                members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            except ModuleNotFoundError as error:
                if error.name not in EXTRAS:
                    raise
                continue
            found |= {kind for _, kind in members if issubclass(kind, Exception) and kind.__module__ == module.name}
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def made(kind: type[Exception]) -> Exception:
    """One of them, each argument a value of the type that it says."""
    if kind.__init__ is Exception.__init__:
        return kind("<what>")
    values: dict[str, Any] = {"int": 7, "int | None": 7, "list[str]": ["one", "two"], "bytes": b"\x01"}
    return kind(*(values.get(str(item.annotation), f"<{item.name}>") for item in inspect.signature(kind).parameters.values()))


def whole(kind: type[Exception]) -> bool:
    """Whether one goes through a pickle and is the same then."""
    error = made(kind)
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return type(again) is kind and str(again) == str(error) and again.args == error.args and vars(again) == vars(error)


def test_every_error_goes_through_a_pickle_whole() -> None:
    kinds = errors()
    assert len(kinds) > 40
    assert [f"{kind.__module__}.{kind.__name__}" for kind in kinds if not whole(kind)] == []
