"""Every number of docs/tour.md's example, from the text's own tables and formulas."""

from __future__ import annotations

import re
from pathlib import Path

import galois
import numpy as np

from circuits.chain import Entry
from circuits.relation import check_witness
from circuits.statement import MeterTerms, RegistryTerms, Statement, ledger_header, registry_header
from circuits.witness import ClaimWitness, LedgerWitness, RegistryWitness

TEXT = (Path(__file__).parents[2] / "docs" / "tour.md").read_text()
F = galois.GF(17)
H = F([1, 4, 16, 13])


def rows(header: str) -> list[list[str]]:
    """Cells of the table that begins with `header`."""
    lines = TEXT[TEXT.index(header) :].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: next(i for i, x in enumerate(lines) if not x)]]


def tag(cell: str) -> int:
    return int(re.findall(r"tag (\d+)", cell)[0])


def polynomial(text: str) -> galois.Poly:
    """A polynomial as the page writes it, over the field of 17 elements."""
    terms = {}
    for part in text.replace(" ", "").split("+"):
        factor, _, power = part.partition("X")
        terms[0 if "X" not in part else int(power.strip("^") or 1)] = int(factor or 1)
    return galois.Poly.Degrees(list(terms), list(terms.values()), field=F)


def column(values: list[int]) -> galois.Poly:
    return galois.lagrange_poly(H, F([value % 17 for value in values]))


READINGS = [(int(e), tag(t) if "tag" in t else 0, int(s), int(w)) for e, t, s, w in rows("| epoch | booked to")]
SECONDS, WORK = [r[2] for r in READINGS], [r[3] for r in READINGS]


def test_the_example_satisfies_the_relation_and_nothing_less_does() -> None:
    by_name = {row[0].split()[0]: row for row in rows("| entry | kind")}
    block = (0,) * 8

    def entry(name: str, kind: int, parent: int) -> Entry:
        row = by_name[name]
        work, declared, cumulative = (int(cell) for cell in row[3:])
        return Entry(tag(row[0]), kind, parent, 0, parent, 0, work, declared, cumulative)

    columns = [np.array(part, dtype=np.int64) for part in zip(*READINGS, strict=True)]
    ledger = LedgerWitness(block, *columns, block)  # type: ignore[arg-type]
    new = (entry("R", 6, 0), entry("run/1", 3, tag(by_name["base"][0])))
    registry = RegistryWitness(block, (entry("base", 1, 0),), new, block, block)

    def statement(total: int, unattributed: int, lineage: int) -> Statement:
        meter = MeterTerms(ledger_header(bytes(32), "toy", "meter", 0), 3, 2 * 10, block)
        return Statement(
            16, 0, 1, total, unattributed, lineage, None, True, True, (meter,),
            RegistryTerms(registry_header("toy"), block, block),
        )  # fmt: skip

    check_witness(statement(105, 24, 205), ClaimWitness((ledger,), registry))
    for caps in ((104, 24, 205), (105, 23, 205), (105, 24, 204)):
        try:
            check_witness(statement(*caps), ClaimWitness((ledger,), registry))
        except Exception as error:
            assert "cap" in str(error), error
        else:
            raise AssertionError(caps)


def test_equations_on_all_rows() -> None:
    s, c, v = (column(values) for values in ([0, 1, 1, 1], SECONDS, WORK))
    printed = re.search(r"\$\$ s = (.*?), \\quad c = (.*?), \\quad v = (.*?), \$\$", TEXT)
    assert printed and [polynomial(text) for text in printed.groups()] == [s, c, v]
    vanishing = galois.Poly([1, 0, 0, 0, 16], field=F)
    three = galois.Poly([3], field=F)
    quotient, rest = divmod(s * (v - three * c), vanishing)
    assert rest == 0 and quotient == polynomial("2X^2 + 4X + 6") and "(X^4 - 1)(2X^2 + 4X + 6)" in TEXT
    assert [int(p(2)) for p in (s, v, c, quotient)] == [10, 8, 3, 5]
    assert 10 * (8 - 9) % 17 == 7 == 15 * 5 % 17
    wrong = column([*WORK[:3], WORK[3] + 1])
    assert divmod(s * (wrong - three * c), vanishing)[1] == polynomial(re.findall(r"remainder is\s+\$(.*?)\$", TEXT)[0])
    masked = c + vanishing * galois.Poly([2, 11], field=F)
    assert masked == polynomial(re.findall(r"\(2X \+ 11\) = (.*?)\$", TEXT)[0])
    assert [int(masked(x)) for x in H] == [int(c(x)) for x in H]


def test_the_bus() -> None:
    given = sum(((F(w % 17) + F(5)) / (F(4) + F(3) * F(t)) for _, t, _, w in READINGS if t != 1), F(0))
    taken = (F(81 % 17) + F(2) * F(5)) / F(8) + (F(24 % 17) + F(5)) / F(10)
    assert int(given) == int(taken) == 13
    assert F(1) / F(10) != F(1) / F(8)


def test_the_fold() -> None:
    f, x = polynomial("4X^3 + 3X^2 + 2X + 1"), F(3)
    even, odd = (f(x) + f(-x)) / F(2), (f(x) - f(-x)) / (F(2) * x)
    assert (int(even), int(odd)) == (11, 4)
    assert int(even + F(5) * odd) == 14 == int(F(11) + F(6) * x**2)
