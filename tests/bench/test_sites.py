"""The lab that is cut into sites for `bench sites` is the same lab."""

from __future__ import annotations

import pytest

from bench.sites import cut
from bench.workload import make_claim, readings_of
from circuits.relation import check_witness


@pytest.mark.parametrize("sites", [1, 4])
def test_the_tables_of_a_cut_are_true_and_hold_every_reading(sites: int) -> None:
    statement, witness = make_claim(16)
    tables = cut(statement, witness, sites)
    assert len(tables) == sites + 1 and sum(readings_of(own) for _, _, own in tables) == readings_of(witness)
    assert {site.log_rows for _, site, _ in tables} == {16}
    for _, table, own in tables:
        check_witness(table, own)
