"""A lying prover: false witnesses and forged messages, each rejected by both verifiers at the named check."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests import toy
from tests.reference import verifier as reference
from tests.reference.slow_prover import Poly, Tree
from tests.tampering.cheats import STRATEGIES, Cheat, LieOutOfDomain
from tests.tampering.judge import ACCEPTED, first, judge
from tests.toy import Instance
from zk.errors import OptionsError, ProofRejected, StatementError
from zk.evaluation import Challenges
from zk.field import Ext, P
from zk.options import STD
from zk.proof import Opening, Places
from zk.transcript import Transcript
from zk.verifier import verify

N = 1 << toy.LOG_ROWS
RNG = random.Random(11)
COUNTER = toy.counter(rng=RNG)
SUMS = toy.sums(rng=RNG)


def with_cell(item: Instance, column: str, row: int, value: int) -> Instance:
    changed = item.but()
    changed.column(column)[row] = value % P
    return changed


def value_out_of_range(count: int) -> Instance:
    """A value that is in no table row; the multiplicity of row 0 stands in for it, or nothing does."""
    item = toy.sums([N + 5] + [3] * (N - 1), [0] * N)
    item.column("count")[:] = [count, 0, 0, N - 1] + [0] * (N - 4)
    return item


def replaced_public(item: Instance, multiplicity: int, message: Sequence[int]) -> Instance:
    return item.but(public_interactions=[(multiplicity % P, list(message))])


TOTAL = SUMS.public_interactions[0][1][1]
FALSE: dict[str, Callable[[], Instance]] = {
    "another public start": lambda: COUNTER.but(publics=[COUNTER.publics[0] + 1]),
    "a step skipped": lambda: with_cell(COUNTER, "n", 100, COUNTER.column("n")[100] + 1),
    "the last row wrong": lambda: with_cell(COUNTER, "n", N - 1, 0),
    "bus without its public term": lambda: COUNTER.but(public_interactions=[]),
    "bus with another public message": lambda: replaced_public(COUNTER, -1, [toy.TOTAL, 0]),
    "public term of another bus": lambda: replaced_public(COUNTER, -1, [toy.RANGE, COUNTER.column("n")[-1]]),
    "public term counted twice": lambda: COUNTER.but(public_interactions=COUNTER.public_interactions * 2),
    "public multiplicity of wrong sign": lambda: replaced_public(COUNTER, 1, [toy.TOTAL, COUNTER.column("n")[-1]]),
    "public multiplicity 0": lambda: replaced_public(COUNTER, 0, [toy.TOTAL, COUNTER.column("n")[-1]]),
    "total one too small": lambda: replaced_public(SUMS, -1, [toy.TOTAL, TOTAL - 1, 7]),
    "value not in the table": lambda: value_out_of_range(0),
    "value not in the table, counted as row 0": lambda: value_out_of_range(1),
    "a multiplicity one too large": lambda: with_cell(SUMS, "count", 9, SUMS.column("count")[9] + 1),
    "all multiplicities 0 (free lookups)": lambda: SUMS.but(
        trace=[c if k != 3 else [0] * N for k, c in enumerate(SUMS.trace)]
    ),
    "a mark that is no bit": lambda: with_cell(SUMS, "mark", 4, 2),
    "marked sum wrong": lambda: with_cell(SUMS, "marked[1]", N - 1, SUMS.column("marked[1]")[-1] + 1),
    "square not received": lambda: with_cell(SUMS, "shuffled", 0, SUMS.column("shuffled")[0] + 1),
    "table with a gap": lambda: with_cell(SUMS, "table", N - 1, 12345),
}


SLOWER = {  # also tried with every strategy in test_every_false_statement_by_every_strategy
    "public term counted twice", "public multiplicity of wrong sign", "value not in the table",
    "a multiplicity one too large", "table with a gap", "square not received",
}  # fmt: skip


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", ["another public start", "a step skipped", "bus with another public message"])
def test_false_statement_by_every_strategy(name: str, strategy: str) -> None:
    cheat, expected = STRATEGIES[strategy]
    item = FALSE[name]()
    assert judge(item, cheat(item, name).prove_false()) in expected


QUICK = [name for name in FALSE if name not in SLOWER]


@pytest.mark.parametrize("name", QUICK)
def test_false_statement(name: str) -> None:
    item = FALSE[name]()
    assert judge(item, Cheat(item, name).prove_false()) == "out of domain"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", FALSE)
def test_every_false_statement_by_every_strategy(name: str, strategy: str) -> None:
    cheat, expected = STRATEGIES[strategy]
    item = FALSE[name]()
    assert judge(item, cheat(item, name).prove_false()) in expected


def test_the_lying_prover_is_otherwise_honest() -> None:
    """Without a lie its proofs are accepted: the rejections above are not its own mistakes."""
    assert judge(COUNTER, Cheat(COUNTER).prove_false()) == ACCEPTED
    assert judge(SUMS, LieOutOfDomain(SUMS).prove_false()) == ACCEPTED


def test_what_no_constraint_forbids_is_accepted() -> None:
    """A square's other root is a true witness: rejections are not for any change whatever."""
    item = with_cell(SUMS, "shuffled", 3, -SUMS.column("shuffled")[3])
    assert judge(item, Cheat(item).prove_false()) == ACCEPTED


# ---- forged messages of a true statement ------------------------------------------------------------------------


class LongFinal(Cheat):
    """A final polynomial of more coefficients than the bound: FRI's word has too high a degree."""

    extra = 3

    def masks(self) -> list[Poly]:
        return [self.uniform(self.options.degree_bound(self.log_rows) + 64 * self.extra) for _ in range(5)]

    def final(self, polynomial: list[Ext], bound: int) -> tuple[Ext, ...]:
        return tuple(polynomial[: bound + self.extra])


class HighMask(Cheat):
    """The FRI mask has one coefficient in a block above the bound, and the final polynomial is cut."""

    def masks(self) -> list[Poly]:
        d = self.options.final_length(self.log_rows) << 3 * self.options.folds(self.log_rows)
        return [self.uniform(d + 1) for _ in range(5)]


class HighPartsThatCancel(Cheat):
    """A main column and the mask carry the same high-degree part with opposite signs."""

    def main_columns(self) -> list[Poly]:
        columns = super().main_columns()
        self.excess = [0] * 600 + self.uniform(100)
        spare = columns[1] + [0] * (700 - len(columns[1]))
        columns[1] = [(a + b) % P for a, b in zip(spare, self.excess, strict=True)]
        return columns

    def masks(self) -> list[Poly]:
        masks = super().masks()
        first = masks[0] + [0] * (700 - len(masks[0]))
        return [[(a - b) % P for a, b in zip(first, self.excess, strict=True)], *masks[1:]]


class BadNonce(Cheat):
    """Omits one proof of work."""

    label = ""

    def nonce(self, label: str, bits: int) -> int:
        if label != self.label:
            return super().nonce(label, bits)
        nonce = next(n for n in range(1000) if not self.transcript.grind_is_good(bits, n))
        self.transcript.absorb(label, nonce.to_bytes(8, "big"))
        return nonce


class OtherLeaves(Cheat):
    """Opens the leaves beside the ones asked for."""

    tree = 0

    def __init__(self, item: Instance, seed: object = 0) -> None:
        super().__init__(item, seed)
        self.opened = 0

    def open(self, tree: Tree, leaves: Sequence[int], places: Sequence[Places]) -> Opening:
        wrong = self.opened == self.tree
        self.opened += 1
        return tree.open([n ^ 1 for n in leaves] if wrong else leaves, places)


class ChangedTree(Cheat):
    """Commits to a tree of half or twice the depth asked for, by its subtree or by a node above."""

    def root(self, tree: Tree) -> bytes:
        return tree.levels[-2][0]


class ForgedAux(Cheat):
    """Auxiliary columns of its own making."""

    def aux_columns(self, lookup: Challenges, share: Ext) -> list[Poly]:
        return [self.masked(self.uniform(self.n)) for _ in range(5 * len(self.program.groups))]


class ForgedQuotient(Cheat):
    """Random quotient chunks."""

    def quotient(self, *_: object) -> list[Poly]:
        return [self.uniform(self.options.chunk(self.log_rows)) for _ in range(10)]


class ForgedValue(Cheat):
    """One out-of-domain value is changed."""

    position = 0

    def out_of_domain(self, values: list[Ext], zeta: Ext) -> list[Ext]:
        k = self.position
        return [*values[:k], self.challenge_like(), *values[k + 1 :]]

    def challenge_like(self) -> Ext:
        a, b, c, d, e = self.uniform(5)
        return a, b, c, d, e


def forge(cheat: type[Cheat], **attributes: object) -> str:
    kind = type(cheat.__name__, (cheat,), attributes)
    return judge(COUNTER, kind(COUNTER).prove_false())


def test_over_long_final_polynomial() -> None:
    """Every length is fixed, so the surplus is read as the nonce, and what follows as openings."""
    assert forge(LongFinal) in ("query grinding", "format")


def test_word_of_too_high_a_degree() -> None:
    assert forge(HighMask) == "final"


def test_high_degree_parts_that_cancel() -> None:
    assert forge(HighPartsThatCancel) in ("out of domain", "final")


@pytest.mark.parametrize(
    "label",
    ["lookup grinding", "constraint grinding", "zeta grinding", "deep grinding", "fold grinding", "query grinding"],
)
def test_grinding_omitted(label: str) -> None:
    assert forge(BadNonce, label=label) == label


@pytest.mark.parametrize("tree,check", list(enumerate(["main root", "aux root", "quotient root", "fri root", "fri root"])))
def test_other_leaves_opened(tree: int, check: str) -> None:
    assert forge(OtherLeaves, tree=tree) == check


def test_a_node_passed_off_as_root() -> None:
    assert forge(ChangedTree) == "main root"


def test_forged_auxiliary_columns() -> None:
    assert forge(ForgedAux) == "out of domain"


def test_forged_quotient() -> None:
    assert forge(ForgedQuotient) == "out of domain"


@pytest.mark.parametrize("position", [0, 2, 7, 17, 18, 19])
def test_forged_out_of_domain_value(position: int) -> None:
    """0: a constrained column; 2, 18..: the accumulator; 7: the quotient; 17: the next row."""
    assert forge(ForgedValue, position=position) == "out of domain"


def test_forged_value_of_a_column_that_no_constraint_reads() -> None:
    """Nothing but DEEP binds it: FRI must reject."""
    assert forge(ForgedValue, position=1) == "final"


# ---- replay -----------------------------------------------------------------------------------------------------

PROOF = Cheat(COUNTER, "replayed").prove_false()
OTHER = replace(COUNTER.options, name="OTHER")


@pytest.mark.parametrize(
    "change",
    [
        {"publics": [4]},
        {"public_interactions": [(P - 1, [toy.TOTAL, COUNTER.column("n")[-1], 0])]},
        {"public_interactions": [(P - 1, [toy.TOTAL, COUNTER.column("n")[-1]]), (0, [1])]},
        {"public_interactions": []},
        {"log_rows": 9},
        {"program": toy.SUMS},
        {"program": replace(toy.COUNTER, n_registers=9)},
        {"options": replace(OTHER, queries=4)},
        {"options": replace(OTHER, queries=2)},
        {"options": replace(OTHER, query_grinding=2)},
        {"options": replace(OTHER, query_grinding=0)},
        {"options": replace(OTHER, round_grinding=1)},
        {"options": replace(OTHER, slack_shift=1)},
        {"options": replace(OTHER, log_final_rows=4)},
        {"options": replace(OTHER, log_final_rows=8)},
        {"options": replace(OTHER, log_blowup=3)},
        {"options": replace(OTHER, salt_bytes=20)},
    ],
    ids=lambda change: "-".join(change),
)
def test_replay_for_another_question(change: dict[str, object]) -> None:
    assert judge(COUNTER, PROOF) == ACCEPTED
    assert judge(COUNTER.but(**change), PROOF) != ACCEPTED


@pytest.mark.parametrize("field,value", [("queries", 0), ("queries", -1), ("queries", True), ("log_arity", 2), ("log_blowup", 0),
    ("log_blowup", 1), ("slack_shift", 0), ("log_final_rows", 0), ("salt_bytes", 0), ("round_grinding", 33),
    ("query_grinding", -1), ("slack_shift", 3)])  # fmt: skip
def test_options_that_are_no_options(field: str, value: int) -> None:
    item = COUNTER.but(options=replace(OTHER, **{field: value}))  # type: ignore[arg-type]
    with pytest.raises(OptionsError):
        verify(*item.statement(), PROOF, item.options, floor_bits=0.0, allow_insecure=True)
    words = COUNTER.option_words()
    order = ("log_blowup", "queries", "query_grinding", "round_grinding", "log_arity", "slack_shift", "log_final_rows")
    words[(*order, "salt_bytes").index(field)] = value
    with pytest.raises(reference.Reject):
        reference.verify(item.program.encode(), item.publics, item.public_interactions, 8, words, PROOF)


@pytest.mark.parametrize("log_rows", [-1, 0, 1, 2, 7, 23, 8.0, True, None, "8"])
def test_heights_that_are_no_heights(log_rows: object) -> None:
    """One-row traces among them."""
    with pytest.raises(OptionsError):
        verify(
            COUNTER.program, COUNTER.publics, COUNTER.public_interactions, log_rows, PROOF, COUNTER.options,  # type: ignore[arg-type]
            floor_bits=0.0, allow_insecure=True,
        )  # fmt: skip


@pytest.mark.parametrize("value", [P + 3, -1, True, 3.0, "3", None, 2**64])
def test_publics_that_are_not_canonical(value: object) -> None:
    for item in (COUNTER.but(publics=[value]), COUNTER.but(public_interactions=[(P - 1, [toy.TOTAL, value])]),
                 COUNTER.but(public_interactions=[(value, [toy.TOTAL, 1])])):  # fmt: skip
        with pytest.raises(StatementError):
            first(item, PROOF)
        with pytest.raises(reference.Reject):
            reference.verify(
                item.program.encode(), item.publics, item.public_interactions, 8, item.option_words(), PROOF
            )


@pytest.mark.parametrize("publics", [[], [3, 3]])
def test_too_few_or_too_many_publics(publics: list[int]) -> None:
    with pytest.raises(StatementError):
        first(COUNTER.but(publics=publics), PROOF)


def test_toy_options_never_reach_a_caller_by_default() -> None:
    with pytest.raises(OptionsError):
        verify(*COUNTER.statement(), PROOF, COUNTER.options)
    with pytest.raises(ProofRejected, match="security"):
        verify(*COUNTER.statement(), PROOF, COUNTER.options, allow_insecure=True)
    with pytest.raises(OptionsError):
        verify(*COUNTER.statement(), PROOF, STD)


@pytest.mark.parametrize("floor", [float("nan"), float("inf")])
def test_a_floor_that_nothing_meets(floor: float) -> None:
    with pytest.raises(ProofRejected, match="security"):
        verify(*COUNTER.statement(), PROOF, COUNTER.options, floor_bits=floor, allow_insecure=True)


# ---- challenges that must not be accepted -----------------------------------------------------------------------


def forced_draw(monkeypatch: pytest.MonkeyPatch, label: str, values: list[int]) -> None:
    """Makes both verifiers draw `values` under a label."""
    for kind in (Transcript, reference.Transcript):
        original = kind.elements

        def draw(self, name, n, original=original):  # type: ignore[no-untyped-def]
            drawn = original(self, name, n)
            return values if name == label else drawn

        monkeypatch.setattr(kind, "elements", draw)


@pytest.mark.parametrize("zeta", [1, pow(3, (P - 1) >> 8, P), P - 1, 3, 3 * pow(3, (P - 1) >> 10, P) % P])
def test_zeta_in_a_domain(zeta: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the trace subgroup, or on the LDE domain."""
    forced_draw(monkeypatch, "zeta", [zeta, 0, 0, 0, 0])
    assert judge(COUNTER, PROOF) in ("zeta", "deep grinding")
    assert first(COUNTER, PROOF) == "zeta"


def test_public_interaction_with_denominator_0(monkeypatch: pytest.MonkeyPatch) -> None:
    [(_, message)] = COUNTER.public_interactions
    alpha = -(message[0] + 2 * message[1]) % P
    forced_draw(monkeypatch, "lookup", [alpha, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    assert judge(COUNTER, PROOF) == "public interaction"


def test_multiplicities_cannot_wrap() -> None:
    """Interactions x rows reaches p: refused, whatever the proof."""
    many = 600
    program = replace(
        toy.COUNTER,
        ops=(*toy.COUNTER.ops[:-3], *(op for i in range(many) for op in _interaction(i))),
        interactions=((1, 2),) * many,
        groups=tuple((i, -1) for i in range(many)),
    )
    options = replace(COUNTER.options, slack_shift=2, max_log_rows=22)
    item = COUNTER.but(program=program, log_rows=22, options=options)
    with pytest.raises(OptionsError, match="wrap"):
        first(item, PROOF)


def _interaction(i: int) -> list[tuple[int, int, int, int]]:
    return [(op, i, a, b) for op, _, a, b in toy.COUNTER.ops[-3:]]


def test_a_program_without_interactions_is_refused() -> None:
    from zk.errors import AirError

    program = replace(toy.COUNTER, ops=toy.COUNTER.ops[:-3], interactions=(), groups=())
    with pytest.raises(AirError):
        first(COUNTER.but(program=program), PROOF)
    with pytest.raises(reference.Reject):
        reference.verify(program.encode(), COUNTER.publics, [], 8, COUNTER.option_words(), PROOF)
