"""Compiled kernels on disk as object files, and LLVM's loader for them: what is compiled once runs later without numba.

numba takes half a second to import, and as long again to load its own cache; this takes some milliseconds. A file holds the SHA-256 of
the rest, the name of a function, a zero byte and an object file. The folder is named by a digest of every source in this package, of the
versions of numba and llvmlite, and of the processor and its features, so that code is found only by what it was compiled from and for.

Environment: STANDSTILL_CACHE_DIR (cache folder, default ~/.cache/standstill).
"""

import ctypes
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from operator import index
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]

_SUFFIX = ".kernel"


def _sources_digest() -> str:
    """SHA-256 over all kernel sources, compiler versions, and the processor's name and features."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    processor = f"{llvm.get_default_triple()} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    for part in (metadata.version("numba"), metadata.version("llvmlite"), processor, sys.version):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


def _usable(folder: Path) -> bool:
    """Create `folder` with mode 0700; true where it is ours and writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cache_folder() -> Path:
    """The folder for compiled code: configured, per-user default, or a fresh private temporary one."""
    configured = os.environ.get("STANDSTILL_CACHE_DIR")
    base = Path(configured) if configured else Path.home() / ".cache" / "standstill"
    if _usable(base):
        folder = base / _sources_digest()
        if _usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="standstill-"))


CACHE_FOLDER = _cache_folder()
"""Where compiled kernels are kept. Whoever can write here can change what the prover runs: hence mode 0700."""


def is_empty() -> bool:
    """True where nothing has been compiled yet."""
    return not any(CACHE_FOLDER.glob("*" + _SUFFIX))


def find(name: str, arguments: int) -> Callable[..., int] | None:
    """The function kept under a name, of so many 64-bit integers; None where there is none, or a damaged one. Names are file names."""
    try:
        held = (CACHE_FOLDER / (name + _SUFFIX)).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(held[32:]).digest() != held[:32]:  # LLVM ends the process where an object file is damaged
        return None
    symbol, _, code = held[32:].partition(b"\0")
    return _callable(name, arguments, symbol.decode(), code)


def keep(name: str, arguments: int, symbol: str, code: bytes) -> Callable[..., int]:
    """Keep the object file that defines a symbol, whole or, where the disk is full, not at all. Returns what `find` will."""
    held, part = symbol.encode() + b"\0" + code, CACHE_FOLDER / f"{name}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            file.write(hashlib.sha256(held).digest() + held)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, CACHE_FOLDER / (name + _SUFFIX))
    except OSError:
        part.unlink(missing_ok=True)
    return _callable(name, arguments, symbol, code)


_engines: list[Any] = []  # of loaded code, which is never unloaded


@cache
def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine()


def _callable(name: str, arguments: int, symbol: str, code: bytes) -> Callable[..., int]:
    """A compiled function by numba's calling convention: places for result and exception, then the arguments; not 0 where it failed.

    It runs without the interpreter lock. Where the kernel has no result, 0 is returned.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())  # one for each: others may define the same helpers
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    kinds = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * arguments
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(engine.get_function_address(symbol))

    def call(*values: Any) -> int:
        result, raised = ctypes.c_int64(), ctypes.c_void_p()
        if function(ctypes.byref(result), ctypes.byref(raised), *map(index, values)):
            raise RuntimeError(f"kernel {name} failed")
        return result.value

    return call
