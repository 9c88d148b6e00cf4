"""Decisions, and the states through which an agreement goes."""

from __future__ import annotations

import dataclasses

import pytest
import world
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from claims.agreement.model import Agreement
from claims.agreement.terms import Amends
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.cli.show import describe
from claims.cli.status import decision
from claims.decisions.file import Decision, sign_decision
from claims.decisions.life import life_of, lifted_spans

TERMS = world.agreement()
DAY = 86400
START = TERMS.start
END = START + 12 * DAY


def decided(kind: str, effective: int, *signers: int, terms: Agreement = TERMS) -> Decision:
    item = Decision(terms.digest, kind, effective, "all agreed")
    for seed in signers:
        item = sign_decision(world.key(seed), item, terms)
    return item


def amendment(period: int = 3, **changes: object) -> Agreement:
    return dataclasses.replace(TERMS, amends=Amends(TERMS.digest, period), **changes)  # type: ignore[arg-type]


# ---- decisions ---------------------------------------------------------------------------------------------


def test_a_decision_needs_its_quorum() -> None:
    both = decided("lift", START, 1, 2)
    both.check(TERMS)
    assert Decision.decode(both.encode()) == both
    for item in (decided("lift", START), decided("lift", START, 1)):
        with pytest.raises(ClaimRejected, match="2 must sign"):
            item.check(TERMS)


def test_a_signature_binds_every_field() -> None:
    both = decided("lift", START, 1, 2)
    for change in ({"decision": "trigger"}, {"effective": START + 1}, {"reason": "other"}):
        with pytest.raises(BadSignature):
            dataclasses.replace(both, **change).check(TERMS)
    with pytest.raises(ClaimRejected, match="another agreement"):
        both.check(amendment())
    with pytest.raises(BadSignature):
        dataclasses.replace(both, agreement=amendment().digest).check(amendment())
    swapped = {"alpha": both.signatures["beta"], "beta": both.signatures["alpha"]}
    with pytest.raises(BadSignature):
        dataclasses.replace(both, signatures=swapped).check(TERMS)


def test_the_commands_make_sign_and_check(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.toml").write_text(world.TEXT)
    terms, path, run = ["-a", str(tmp_path / "a.toml")], str(tmp_path / "d.decision"), CliRunner().invoke
    made = run(decision, ["make", path, *terms, "--kind", "lift", "--effective", "2026-01-02T00:00:00Z", "--reason", "agreed"])
    assert made.exit_code == 0, made.output
    for seed in (1, 2):
        assert isinstance(run(decision, ["check", path, *terms]).exception, ClaimRejected)
        pem = world.key(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "key").write_bytes(pem)
        (tmp_path / "key").chmod(0o600)
        assert run(decision, ["sign", path, *terms, "-k", str(tmp_path / "key")]).exit_code == 0
    result = run(decision, ["check", path, *terms])
    assert result.exit_code == 0 and "2 Jan 2026, 00:00 UTC" in result.output


def test_only_deciders_sign() -> None:
    assert TERMS.pause is not None
    narrow = dataclasses.replace(TERMS, pause=dataclasses.replace(TERMS.pause, deciders=("alpha",), quorum=1))
    decided("lift", START, 1, terms=narrow).check(narrow)
    with pytest.raises(BadSignature, match="no decider"):
        decided("lift", START, 2, terms=narrow)
    with pytest.raises(BadSignature, match="no decider"):
        decided("lift", START, 11)
    item = decided("lift", START, 1, terms=narrow)
    with pytest.raises(BadSignature, match="does not decide"):
        dataclasses.replace(item, signatures={**item.signatures, "beta": bytes(64)}).check(narrow)
    with pytest.raises(ClaimRejected):
        sign_decision(world.key(1), Decision(TERMS.digest, "lift", 0, ""), dataclasses.replace(TERMS, pause=None))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"lift"', b'"stop"'), (b"1767225600", b"-1"), (b"1767225600", b"1767225600.0"), (b"1767225600", b"true"),
        (b"1767225600", b"999999999999"), (b"all agreed", b"\\u001b[2J"), (b"decision/1", b"decision/2"), (b"  ", b" "),
        (b'"reason"', b'"raison"'), (b'"alpha"', b'"ALPHA"'), (b"}\n", b"}"), (b"{", b"[" * 100),
    ],
)  # fmt: skip
def test_files_that_are_not_canonical_are_refused(old: bytes, new: bytes) -> None:
    data = decided("lift", START, 1, 2).encode()
    assert old in data
    with pytest.raises(MalformedFile):
        Decision.decode(data.replace(old, new, 1))


def test_show_describes_a_decision(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.decision"
    path.write_bytes(decided("lift", START, 1).encode())
    lines = describe(path)
    assert "not checked" in lines[0] and "signed by   alpha" in lines


def test_repeated_parties_and_large_files_are_refused() -> None:
    data = decided("lift", START, 1, 2).encode()
    with pytest.raises(MalformedFile):
        Decision.decode(data.replace(b'"beta"', b'"alpha"'))
    with pytest.raises(MalformedFile):
        Decision.decode(data + b" " * 2**20)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_typed_refusal(data: bytes) -> None:
    with pytest.raises(MalformedFile):
        Decision.decode(data)


# ---- life --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "state"),
    [(START - 1, "signed"), (START, "in force"), (END - 1, "in force"), (END, "expired")],
)
def test_the_calendar_s_states(now: int, state: str) -> None:
    assert life_of(TERMS, [], now=now).state == state
    assert life_of(TERMS, ["beta"], now=now).state == "draft"


def test_an_amendment_takes_over_when_its_first_period_begins() -> None:
    successor = amendment()
    assert life_of(TERMS, [], now=START + 3 * DAY - 1, successors=[successor]).state == "in force"
    life = life_of(TERMS, [], now=START + 3 * DAY, successors=[successor])
    assert (life.state, life.successor) == ("amended", successor.digest)
    assert life_of(TERMS, [], now=END + DAY, successors=[successor]).state == "amended"
    assert life_of(successor, [], now=START + 3 * DAY - 1).state == "signed"
    assert life_of(successor, [], now=START + 3 * DAY).state == "in force"


def test_nobody_amends_for_another() -> None:
    """An amendment without one of the parties, or with another key in its place, signed by all whom it names."""
    alone = amendment(parties=tuple(party for party in TERMS.parties if party.name == "alpha"))
    swapped = amendment(parties=tuple(dataclasses.replace(p, key=bytes(32)) if p.name == "beta" else p for p in TERMS.parties))
    more = amendment(parties=(*TERMS.parties, dataclasses.replace(TERMS.parties[0], name="gamma", key=bytes(32))))
    for successor, state in ((alone, "expired"), (swapped, "expired"), (more, "amended")):
        assert life_of(TERMS, [], now=END + DAY, successors=[successor]).state == state


def test_what_is_no_amendment_of_it_takes_nothing_over() -> None:
    other = dataclasses.replace(amendment(), amends=Amends(bytes(32), 3))
    shifted = amendment(start=START + 1)
    assert life_of(TERMS, [], now=START + 4 * DAY, successors=[other, shifted, TERMS]).state == "in force"


def test_lifting_and_triggering() -> None:
    lift, trigger = decided("lift", START + DAY), decided("trigger", START + 2 * DAY)
    for decisions in ([lift, trigger], [trigger, lift]):
        assert life_of(TERMS, [], now=START + DAY - 1, decisions=decisions).state == "in force"
        assert life_of(TERMS, [], now=START + DAY, decisions=decisions).state == "lifted"
        assert life_of(TERMS, [], now=START + 2 * DAY, decisions=decisions).state == "in force"
        assert lifted_spans(TERMS, decisions) == [(START + DAY, START + 2 * DAY)]
    assert life_of(TERMS, [], now=START + 3 * DAY, decisions=[lift]).state == "lifted"


def test_at_one_moment_triggering_wins() -> None:
    pair = [decided("trigger", START), decided("lift", START)]
    assert lifted_spans(TERMS, pair) == lifted_spans(TERMS, pair[::-1]) == []
    assert lifted_spans(TERMS, [decided("lift", 5), decided("lift", 7), decided("trigger", 9)]) == [(5, 9)]
    assert lifted_spans(amendment(), pair) == []
