"""Words of the interpreter's programs (vm.py): kinds of operands, operations, and the larger operations that `fuse` makes of them."""

REG, COL, NEXT, CONST, SEL = range(5)
ADD, SUB, MUL, ASSERT, MSG, NUM, MADD, CUBE, ADD3, ADD4, DIFF = range(11)
INDEX_BITS = 24
INDEX_MASK = (1 << INDEX_BITS) - 1


def operand(kind: int, index: int) -> int:
    """Encode an operand."""
    return kind << INDEX_BITS | index
