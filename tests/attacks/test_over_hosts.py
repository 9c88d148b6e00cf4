"""Alpha was over in period 0, and says so: hosts that want the standstill to hold, and rivals that want its later claim rejected.

A host leaves out, exchanges and adds; it signs nothing that is not its own. Whatever it does, nobody reads "holds", and alpha's claim of
period 1, which repeats what is due, is never rejected. Each folder is judged by the page's modules too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import world
from folders import PLAIN, TEXT, Made, signatures

from claims.agreement.file import parse_agreement
from claims.claim.evidence import find_equivocations
from claims.claim.file import decode_claim, sign_claim
from claims.claim.lists import LOST_METER, TOTAL, Limit, Loss, Over
from claims.decisions.file import Decision, sign_decision
from tests.attacks.test_over import TOTAL_OVER, folder

pytestmark = pytest.mark.usefixtures("any_proof", "page_agrees")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: folder(tmp_path_factory.mktemp(name), text) for name, text in (("log", TEXT), ("plain", PLAIN))}


@pytest.fixture(params=["log", pytest.param("plain", marks=pytest.mark.slow)])
def made(request: pytest.FixtureRequest, built: dict[str, Made], tmp_path: Path) -> Made:
    own = built[request.param]
    shutil.copytree(own.folder.parent, tmp_path / "copy")
    copy = Made.__new__(Made)
    copy.folder, copy.text, copy.terms = tmp_path / "copy" / "folder", own.text, own.terms
    return copy


def claim_file(made: Made, period: int) -> Path:
    return made.folder / "claims" / f"alpha-{period}.claim"


def forged(made: Made, name: str = "alpha-0", seed: int = 2, period: int = 0, **changes: object) -> None:
    """A claim of alpha's, with changes, under another signature."""
    claim = decode_claim(claim_file(made, period).read_bytes())
    made.file(sign_claim(replace(claim, **changes), world.key(seed)), name=name)  # type: ignore[arg-type]


def lift(made: Made, *seeds: int) -> None:
    item = Decision(made.terms.digest, "lift", made.terms.start, "so")
    for seed in seeds:
        item = sign_decision(world.key(seed), item, made.terms)
    (made.folder / "decisions").mkdir(exist_ok=True)
    (made.folder / "decisions" / "lift.decision").write_bytes(item.encode())


def evidence(made: Made) -> None:
    """Two claims of period 1, of which the host signed one."""
    claim = decode_claim(claim_file(made, 1).read_bytes())
    other = sign_claim(replace(claim, overs=()), world.key(2))
    (made.folder / "evidence").mkdir()
    for number, found in enumerate(find_equivocations(claim, other)):
        (made.folder / "evidence" / f"{number}.evidence").write_bytes(found.encode())


def higher_caps(made: Made) -> None:
    """agreement.toml with a higher cap, and the parties' signatures of the other one."""
    path = made.folder / "agreement.toml"
    path.write_text(path.read_text().replace('total = "1e22 FLOP"', 'total = "1e27 FLOP"', 1))


def another_agreement(made: Made) -> None:
    """Beside it, an agreement of higher caps that all have signed."""
    text = made.text.replace('total = "1e22 FLOP"', 'total = "1e27 FLOP"', 1).replace('name = "two-labs"', 'name = "two-labs-2"', 1)
    (made.folder / "agreements").mkdir(exist_ok=True)
    (made.folder / "agreements" / "other.toml").write_text(text)
    (made.folder / "agreements" / "other.sigs").write_bytes(signatures(parse_agreement(text)))


def exchanged(made: Made) -> None:
    one, two = (claim_file(made, period).read_bytes() for period in (0, 1))
    claim_file(made, 0).write_bytes(two)
    claim_file(made, 1).write_bytes(one)


LIES: dict[str, Callable[[Made], None]] = {
    "nothing": lambda made: None,
    "the claim that is over is left out": lambda made: claim_file(made, 0).unlink(),
    "both claims are left out": lambda made: made.drop("claims/*.claim"),
    "roots are left out": lambda made: made.drop("claims/*.roots"),
    "the log is left out": lambda made: made.drop("log"),
    "the signatures are left out": lambda made: made.drop("agreement.sigs"),
    "files exchanged": exchanged,
    "a limit left out, under another key": lambda made: forged(made, limits=()),
    "a smaller limit beside it, under another key": lambda made: forged(made, "alpha-0b", limits=(Limit(TOTAL, 10**10, 2**34),)),
    "a claim of nobody": lambda made: forged(made, "alpha-0b", seed=77, limits=()),
    "an earlier claim under the later name": lambda made: shutil.copy(claim_file(made, 0), claim_file(made, 1)),
    "a claim of period 1 that repeats nothing, under another key": lambda made: forged(made, "alpha-1b", period=1, overs=()),
    "a claim that repeats more, under another key": lambda made: forged(
        made, "alpha-1b", period=1, overs=(Over(0, TOTAL, 10**10, 2**36),)),
    "a loss in its name": lambda made: forged(made, "alpha-0b", losses=(Loss(LOST_METER, "hall-1", 0),)),
    "a decision of one": lambda made: lift(made, 2),
    "evidence that nobody signed": evidence,
    "higher caps under old signatures": higher_caps,
    "another agreement beside it": another_agreement,
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_no_host_makes_it_hold_or_rejects_the_later_claim(made: Made, lie: str) -> None:
    LIES[lie](made)
    now = made.end(1) + 700
    state = made.at(now)
    rows = {row.period: row for row in state.rows if row.lab == "alpha"}
    assert state.holds != "yes" and (rows or "signatures" in lie), "an agreement that is not signed has no rows"
    assert not rows or rows[0].state in ("over", "pending", "late", "missing") and rows[1].state != "rejected"
    if lie == "nothing":
        assert (state.holds, rows[0].state, rows[1].state) == ("no", "over", "proven")
        assert rows[0].limits == (TOTAL_OVER,)
