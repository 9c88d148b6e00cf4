"""Edwards25519 in affine integers, slow and plain: signatures by keys that are not of prime order."""

from __future__ import annotations

import hashlib
import random

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    return x % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P


def multiply(n: int, a: Point) -> Point:
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, a)
        a, n = add(a, a), n >> 1
    return result


def encode(a: Point) -> bytes:
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point:
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return (x if x & 1 == sign else P - x), y


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def sign(secret: int, key: bytes, message: bytes, rng: random.Random, shift: Point) -> bytes:
    """RFC 8032's equation with a random nonce and R moved by a point of small order: holds only up to the cofactor."""
    nonce = rng.randrange(1, ORDER)
    r = encode(add(multiply(nonce, BASE), shift))
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    return r + ((nonce + h * secret) % ORDER).to_bytes(32, "little")
