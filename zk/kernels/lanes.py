"""Intrinsics for numba code around the instruction writers of simd.py. numba makes them when a kernel is compiled."""

from functools import cache
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from zk.kernels._jit import Late
from zk.kernels.simd import (
    I32,
    I64,
    IRV16,
    IRW8,
    ir_add,
    ir_clamp,
    ir_dot5,
    ir_dot5_of,
    ir_even,
    ir_load,
    ir_load_splat,
    ir_load_splat_wide,
    ir_mul,
    ir_mul_shoup,
    ir_odd,
    ir_ptr,
    ir_reduce,
    ir_scalar_add,
    ir_scalar_mul,
    ir_scalar_reduce,
    ir_splat,
    ir_store,
    ir_sub,
)

INT, VOID, V16, W8 = "int64", "void", "V16", "W8"
"""Types of arguments and results."""


@cache
def _types() -> dict[str, Any]:
    """numba's types by these names; those of vectors are made here."""
    from numba import types
    from numba.extending import models, register_model

    found = {INT: types.int64, VOID: types.void}
    for name, data in ((V16, IRV16), (W8, IRW8)):
        kind = type(name, (types.Type,), {})

        def model(manager: Any, its_type: Any, data: Any = data) -> Any:
            return models.PrimitiveModel(manager, its_type, data)  # type: ignore[no-untyped-call]

        register_model(kind)(model)
        found[name] = kind(name=name)
    return found


def vector_op(writer: Any, result: str, *kinds: str) -> Any:
    """An intrinsic with fixed argument types around an instruction writer."""
    return Late(lambda: _intrinsic(writer, result, *kinds))


def _intrinsic(writer: Any, result: str, *kinds: str) -> Any:
    from numba.extending import intrinsic

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out = writer(builder, *args)
        return context.get_dummy_value() if out is None else out

    typed = _types()[result](*(_types()[kind] for kind in kinds)), codegen
    function: Any = {
        1: lambda t, a: typed,
        2: lambda t, a, b: typed,
        3: lambda t, a, b, c: typed,
        4: lambda t, a, b, c, d: typed,
        5: lambda t, a, b, c, d, e: typed,
        6: lambda t, a, b, c, d, e, f: typed,
        7: lambda t, a, b, c, d, e, f, g: typed,
        8: lambda t, a, b, c, d, e, f, g, h: typed,
        9: lambda t, a, b, c, d, e, f, g, h, i: typed,
        10: lambda t, a, b, c, d, e, f, g, h, i, j: typed,
    }[len(kinds)]
    function.__name__ = function.__qualname__ = writer.__name__.removeprefix("ir_").strip("_")
    return intrinsic(function)


def _mul_shoup(b: Any, x: Any, w: Any, ratio: Any) -> Any:
    return ir_mul_shoup(b, x, (w, ratio))


def _load_word(b: Any, address: Any) -> Any:
    return b.zext(b.load(ir_ptr(b, address, I32), align=4), I64)


def _store_word(b: Any, address: Any, value: Any) -> None:
    b.store(b.trunc(value, I32), ir_ptr(b, address, I32), align=4)


def _load_long(b: Any, address: Any) -> Any:
    return b.load(ir_ptr(b, address, I64), align=8)


def _store_long(b: Any, address: Any, value: Any) -> None:
    b.store(value, ir_ptr(b, address, I64), align=8)


def _load_byte(b: Any, address: Any) -> Any:
    return b.zext(b.load(ir_ptr(b, address, ir.IntType(8)), align=1), I64)


def _splat_word(b: Any, value: Any) -> Any:
    return ir_splat(b, b.trunc(value, I32))


def _zero_wide(b: Any, value: Any) -> Any:
    return ir_splat(b, value)


load = vector_op(ir_load, V16, INT)
store = vector_op(ir_store, VOID, INT, V16)
splat = vector_op(_splat_word, V16, INT)
load_splat = vector_op(ir_load_splat, V16, INT)
load_splat_wide = vector_op(ir_load_splat_wide, W8, INT)
add = vector_op(ir_add, V16, V16, V16)
sub = vector_op(ir_sub, V16, V16, V16)
mul = vector_op(ir_mul, V16, V16, V16)
mul_shoup = vector_op(_mul_shoup, V16, V16, V16, V16)
even = vector_op(ir_even, W8, V16)
odd = vector_op(ir_odd, W8, V16)
reduce = vector_op(ir_reduce, V16, W8, W8)
clamp = vector_op(ir_clamp, W8, W8)
splat_wide = vector_op(_zero_wide, W8, INT)


def _wide_add(b: Any, x: Any, y: Any) -> Any:
    return b.add(x, y)


def _wide_mul(b: Any, x: Any, y: Any) -> Any:
    return b.mul(x, y)


wide_add = vector_op(_wide_add, W8, W8, W8)
wide_mul = vector_op(_wide_mul, W8, W8, W8)
load_word = vector_op(_load_word, INT, INT)
store_word = vector_op(_store_word, VOID, INT, INT)
load_long = vector_op(_load_long, INT, INT)
store_long = vector_op(_store_long, VOID, INT, INT)
load_byte = vector_op(_load_byte, INT, INT)


scalar_mul = vector_op(ir_scalar_mul, INT, INT, INT)
scalar_add = vector_op(ir_scalar_add, INT, INT, INT)
scalar_reduce = vector_op(ir_scalar_reduce, INT, INT)


def ext_intrinsic(writer: Any, count: int) -> Any:
    """An intrinsic of `count` addresses (or other 64-bit integers) without a result; `writer(builder, *args)` emits it."""
    return vector_op(writer, VOID, *([INT] * count))


dot5 = ext_intrinsic(ir_dot5, 6)
dot5_of = ext_intrinsic(ir_dot5_of, 6)

