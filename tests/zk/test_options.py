"""zk/options.py: derived numbers of PROTOCOL.md section 3, and what is refused."""

from dataclasses import replace

import pytest

from zk.errors import OptionsError
from zk.options import INSECURE_TEST, STD


def test_std():
    assert STD.encode() == b"".join(v.to_bytes(4, "big") for v in (2, 124, 20, 18, 3, 6, 10, 16))
    assert (STD.blowup, STD.mask_coefficients, STD.blinding_coefficients) == (4, 268, 129)
    assert STD.chunk(16) == 65536 + 402
    assert [STD.degree_bound(18, r) for r in range(4)] == [266240, 33280, 4160, 520]
    assert [STD.folds(k) for k in range(16, 23)] == [2, 3, 3, 3, 4, 4, 4]
    assert [STD.final_length(k) for k in range(16, 23)] == [1040, 260, 520, 1040, 260, 520, 1040]


@pytest.mark.parametrize("log_rows", range(16, 23))
def test_std_hides_from_2_to_the_16_rows(log_rows):
    STD.validate(log_rows)
    h = STD.mask_coefficients
    assert h == 2 * (2 * 5 + STD.queries)
    assert STD.chunk(log_rows) + STD.blinding_coefficients <= STD.degree_bound(log_rows)
    assert 3 * ((1 << log_rows) + h - 1) + 1 - (1 << log_rows) < 2 * STD.chunk(log_rows)  # the quotient fits two chunks


def test_std_does_not_hide_at_2_to_the_15():
    with pytest.raises(OptionsError, match="not hiding"):
        replace(STD, min_log_rows=15).validate(15)


@pytest.mark.parametrize("log_rows", [15, 23, 0, -1, True, 18.0, "18", None, 2**70])
def test_heights_out_of_range(log_rows):
    with pytest.raises(OptionsError):
        STD.validate(log_rows)


@pytest.mark.parametrize(
    "changed",
    [
        {"queries": 0}, {"queries": -1}, {"queries": 1025}, {"queries": True}, {"queries": 120.0},
        {"log_blowup": 1}, {"log_blowup": 5}, {"query_grinding": 33}, {"round_grinding": 33},
        {"round_grinding": -1},
        {"log_arity": 1}, {"log_arity": 4}, {"slack_shift": 0}, {"slack_shift": 9}, {"log_final_rows": 2},
        {"salt_bytes": 0}, {"salt_bytes": 15}, {"salt_bytes": 18}, {"salt_bytes": 33}, {"queries": 300},
    ],
)  # fmt: skip
def test_options_out_of_bounds(changed):
    with pytest.raises(OptionsError):
        replace(STD, **changed).validate(16)


def test_no_lde_domain_beyond_the_two_adicity():
    with pytest.raises(OptionsError):
        replace(STD, log_blowup=3).validate(22)


def test_insecure_options_still_hide():
    INSECURE_TEST.validate(8)
    with pytest.raises(OptionsError):
        INSECURE_TEST.validate(7)
