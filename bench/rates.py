"""What this machine can do, measured: memory bandwidth, field products, SHA-256 compressions. The limits of `bench roofline`.

Each rate is the best of several runs on all of the prover's threads, on data that suits it: a copy far larger than any cache;
products and compressions that never leave the first-level cache. A phase cannot be faster than these, and no phase can use
all of them at once, so what they give is a limit from below on its time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from bench.profile import copy_bandwidth
from zk.kernels import field
from zk.kernels._jit import THREADS, kernel
from zk.kernels._memory import aligned
from zk.kernels.lanes import load, mul, store
from zk.kernels.sha256 import ROUND, compress2
from zk.kernels.simd import LANES

REPEAT = 5
_ROUNDS = 1 << 16
_CHAINS = 8


@dataclass(frozen=True)
class Rates:
    """Per second, all threads together.

    Attributes:
        bandwidth: bytes read and written by copies.
        products: Montgomery products of KoalaBear.
        vector_sha: SHA-256 compressions, sixteen messages in the lanes of vectors: the prover's own code, in cache.
        library_sha: SHA-256 compressions by `hashlib` over long messages (OpenSSL, with SHA instructions where there are any).
    """

    bandwidth: float
    products: float
    vector_sha: float
    library_sha: float

    @property
    def sha(self) -> float:
        """The faster of the two ways to hash."""
        return max(self.vector_sha, self.library_sha)


@kernel
def _products(data, rounds):  # type: ignore[no-untyped-def]
    """Eight independent chains of vector products, held in registers."""
    a, b, c, d = load(data), load(data + 64), load(data + 128), load(data + 192)
    e, f, g, h = load(data + 256), load(data + 320), load(data + 384), load(data + 448)
    y = load(data + 512)
    for _ in range(rounds):
        a, b, c, d = mul(a, y), mul(b, y), mul(c, y), mul(d, y)
        e, f, g, h = mul(e, y), mul(f, y), mul(g, y), mul(h, y)
    store(data, a)
    store(data + 64, b)
    store(data + 128, c)
    store(data + 192, d)
    store(data + 256, e)
    store(data + 320, f)
    store(data + 384, g)
    store(data + 448, h)


@kernel
def _compressions(work, constants, rounds):  # type: ignore[no-untyped-def]
    """Two batches of sixteen messages at a time; the schedule makes each message from the one before."""
    for _ in range(rounds):
        compress2(work, work + 1024, constants)


def measure() -> Rates:
    """Measures all rates. About a second, after compiling."""
    sha_rounds, library_bytes = _ROUNDS >> 4, 1 << 24

    def products(words: np.ndarray) -> None:
        _products(words.ctypes.data, _ROUNDS)

    def compressions(words: np.ndarray) -> None:
        _compressions(words.ctypes.data, ROUND.ctypes.data, sha_rounds)

    def library(words: np.ndarray) -> None:
        hashlib.sha256(bytes_)

    bytes_ = bytes(library_bytes)
    return Rates(
        bandwidth=copy_bandwidth(),
        products=_rate(products, _CHAINS * LANES * _ROUNDS),
        vector_sha=_rate(compressions, 2 * LANES * sha_rounds),
        library_sha=_rate(library, library_bytes // 64),
    )


def check() -> bool:
    """Whether the product kernel computes what it says: x y^rounds, against plain integers."""
    words = _inputs()
    x, y = field.from_mont(words[:1]).item(), field.from_mont(words[8 * LANES : 8 * LANES + 1]).item()
    _products(words.ctypes.data, 1000)
    return bool(field.from_mont(words[:1]).item() == x * pow(y, 1000, field.P) % field.P)


def best(a: Rates, b: Rates) -> Rates:
    """The larger of each."""
    return Rates(**{name: max(value, asdict(b)[name]) for name, value in asdict(a).items()})


def _inputs() -> np.ndarray:
    words = aligned(1024)
    words[:] = np.random.default_rng(1).integers(1, field.P, 1024, dtype=np.uint32)
    return words


def _rate(run: Callable[[np.ndarray], None], work: int) -> float:
    inputs = [_inputs() for _ in range(THREADS)]
    run(inputs[0])
    fastest = float("inf")
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(REPEAT):
            begin = time.perf_counter()
            list(pool.map(run, inputs))
            fastest = min(fastest, time.perf_counter() - begin)
    return work * THREADS / fastest
