"""Programs from elsewhere: decoded as written, and refused for each thing that PROTOCOL.md section 4 asks."""

from dataclasses import replace
from pathlib import Path

import pytest

from circuits.claim import claim_program
from tests import toy
from zk.air import ADD, ASSERT, CONST, MSG, NEXT, NUM, REG, SEL, operand
from zk.errors import AirError
from zk.field import P
from zk.program_file import check_program, decode_program
from zk.verifier import verify

VECTORS = Path(__file__).parents[1] / "vectors"


def test_published_programs_are_decoded_as_compiled():
    data = (VECTORS / "claim_std.program").read_bytes()
    assert decode_program(data) == claim_program() and decode_program(data).encode() == data
    for program in (toy.SUMS, toy.COUNTER):
        assert decode_program(program.encode()) == program


def op_changed(at, *op):
    return replace(toy.COUNTER, ops=(*toy.COUNTER.ops[:at], op, *toy.COUNTER.ops[at + 1 :]))


def first(code):
    return next(i for i, op in enumerate(toy.COUNTER.ops) if op[0] == code)


def without(at):
    return replace(toy.COUNTER, ops=toy.COUNTER.ops[:at] + toy.COUNTER.ops[at + 1 :])


BROKEN = {
    "a register that was not written": lambda: op_changed(0, ADD, 0, operand(REG, 0), operand(CONST, 0)),
    "a register that is not there": lambda: op_changed(0, ADD, 99, operand(CONST, 0), operand(CONST, 0)),
    "a constant that is not there": lambda: op_changed(0, ADD, 0, operand(CONST, 77), operand(CONST, 0)),
    "a fourth selector": lambda: op_changed(0, ADD, 0, operand(SEL, 3), operand(CONST, 0)),
    "an undeclared next column": lambda: op_changed(0, ADD, 0, operand(NEXT, 1), operand(CONST, 0)),
    "an unknown code": lambda: op_changed(0, 6, 0, operand(CONST, 0), operand(CONST, 0)),
    "an operand of a seventh kind": lambda: op_changed(0, ADD, 0, 6 << 24, operand(CONST, 0)),
    "a constraint asserted twice": lambda: replace(toy.COUNTER, ops=(*toy.COUNTER.ops, toy.COUNTER.ops[first(ASSERT)])),
    "a constraint never asserted": lambda: replace(toy.COUNTER, n_constraints=toy.COUNTER.n_constraints + 1),
    "a numerator that is missing": lambda: without(first(NUM)),
    "a message element that is missing": lambda: without(first(MSG)),
    "a message element given twice": lambda: replace(toy.COUNTER, ops=(*toy.COUNTER.ops, toy.COUNTER.ops[first(MSG)])),
    "a constant that is no element": lambda: replace(toy.COUNTER, constants=(*toy.COUNTER.constants, P)),
    "a group twice": lambda: replace(toy.COUNTER, groups=toy.COUNTER.groups * 2),
    "no interaction": lambda: replace(toy.COUNTER, groups=(), interactions=()),
    "a next column out of range": lambda: replace(toy.COUNTER, next_columns=(0, 7)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_unusable_program_is_refused(name):
    program = BROKEN[name]()
    with pytest.raises(AirError):
        check_program(program)
    with pytest.raises(AirError):
        decode_program(program.encode())
    with pytest.raises(AirError):
        verify(program, [0], [], 8, b"", toy.TOY_OPTIONS, allow_insecure=True)


@pytest.mark.parametrize("cut", [0, 4, 8, 40, 400, -4, -1])
def test_a_cut_encoding_is_refused(cut):
    with pytest.raises(AirError):
        decode_program(toy.SUMS.encode()[:cut])


def test_words_that_no_program_can_have_are_refused():
    """The one word that may be anything is the second of an ASSERT: it has no meaning."""
    read = []
    for at in range(0, len(toy.COUNTER.encode()), 4):
        data = bytearray(toy.COUNTER.encode())
        data[at : at + 4] = b"\xff\xff\xff\xfe"
        try:
            read.append(decode_program(bytes(data)).encode() == data)
        except AirError:
            continue
    assert read == [True] * toy.COUNTER.n_constraints
    with pytest.raises(AirError):
        decode_program(toy.COUNTER.encode() + bytes(4))
