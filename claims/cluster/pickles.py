"""What a pickle may name in a process that speaks Dask: Dask's own frame of a task, and the one function of a task.

Dask sends functions, arguments, results and errors as pickles, and a pickle can call whatever it names. Here it can name nothing else, so
who holds a certificate of the run cannot run code of his own in scheduler, workers and courier by a pickle. Handlers of Dask that run
code in other ways are blocked by the settings (``claims.cluster.files``).
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

__all__ = ["NAMES", "install", "loads"]

NAMES = frozenset({
    ("builtins", "bytes"),
    ("claims.cluster.worker", "prove"),
    ("dask._expr", "Expr._reconstruct"),
    ("dask._expr", "LLGExpr"),
    ("dask._task_spec", "Task"),
    ("distributed.shuffle._worker_plugin", "ShuffleWorkerPlugin"),
})  # fmt: skip
"""Module and name of everything that a pickle may name; the last: each scheduler sends it to each worker that comes."""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"a pickle names {module}.{name}: refused")
        return super().find_class(module, name)


def loads(data: bytes, /, *, buffers: Iterable[Any] | None = None) -> Any:
    """pickle.loads for such a process. Raises UnpicklingError: the pickle names something else."""
    return _Plain(io.BytesIO(data), buffers=buffers).load()


def install() -> None:
    """From here on this process unpickles nothing else."""
    pickle.loads = loads
