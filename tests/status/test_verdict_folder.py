"""One verdict: a claim has it from a publication folder, from its single files, and from ``status``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import world
from click.testing import CliRunner

import tests.status.test_status_log as log
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimRejected, ClaimsError
from claims.cli.status import status
from claims.cli.verify import verify
from claims.status.verdict import verify_in_folder
from claims.tlog.reader import open_log
from claims.verify.claim import verify_claim
from claims.verify.report import Verdict
from tests.status.test_status_log import proven, world_  # noqa: F401

LATER = log.DRAWN + 40


def alone(made: log.Published, now: int = LATER, **changes: Any) -> Verdict:
    """The verdict from single files."""
    folder = made.folder
    given: dict[str, Any] = {
        "signatures": AgreementSignatures.decode((folder / "agreement.sigs").read_bytes()),
        "log": open_log(folder / "log", log.TRUST, exclude={"alpha"}),  # type: ignore[arg-type]
        "roots": (folder / "claims" / "alpha-0.roots").read_bytes(),
        "records": {hashlib.sha256(data).digest(): data for data in (path.read_bytes() for path in folder.glob("inspections/*"))},
        "now": now,
    } | changes  # fmt: skip
    data = (folder / "claims" / "alpha-0.claim").read_bytes()
    try:
        return verify_claim(data, log.TERMS, **given)
    except ClaimRejected as error:
        return Verdict(log.TERMS, "alpha", 0, hashlib.sha256(data).digest(), rejected=error)


def both(made: log.Published, now: int = LATER) -> tuple[Verdict, Verdict, str]:
    """From single files, from the folder, and the row's state."""
    data = (made.folder / "claims" / "alpha-0.claim").read_bytes()
    return alone(made, now), verify_in_folder(data, made.folder, now=now), made.row(now).state


def agree(made: log.Published, word: str, state: str, now: int = LATER) -> Verdict:
    one, two, row = both(made, now)
    assert (one.word, two.word, two.state, row) == (word, word, state, state)
    assert [item.note("alpha", 0) for item in one.inspections] == [item.note("alpha", 0) for item in two.inspections] or not one.inspections
    return one


def test_a_claim_before_its_draw_is_proven(proven: log.Published) -> None:  # noqa: F811
    verdict = agree(proven, "PROVEN", "proven", log.END + 700)
    assert verdict.log is not None and verdict.log.cosigners[0][0] == "delta"
    assert f"{verdict.log.epochs.ended - verdict.log.epochs.late} of 4 hours committed in time" in "\n".join(verdict.lines())


def test_a_drawn_claim_waits_for_its_inspection(proven: log.Published) -> None:  # noqa: F811
    verdict = agree(proven, "INCOMPLETE", "under inspection")
    assert [item.kind for item in verdict.missing] == ["inspection"] and verdict.shown() == []


@pytest.mark.parametrize("outcome", ["passed", "failed", "refused"])
def test_a_recorded_inspection_decides_in_every_command(proven: log.Published, outcome: str) -> None:  # noqa: F811
    """``verify --log`` said proven for a claim whose refused inspection was in that very log."""
    at = log.DRAWN + 3 * log.HOUR + 10
    log.record(proven, at, outcome)
    word, state = ("PROVEN", "proven") if outcome == "passed" else ("REJECTED", "rejected")
    verdict = agree(proven, word, state, at + 40)
    assert verdict.rejected is None or verdict.rejected.check == "inspection"
    (entry,) = alone(proven, at + 40, records={}).inspections
    assert (entry.inspector, entry.outcome, entry.counts) == ("beta", outcome, None)
    for path in proven.folder.glob("inspections/*"):
        path.unlink()
    verdict = agree(proven, "INCOMPLETE", "under inspection", at + 40)
    assert [item.kind for item in verdict.missing] == ["record"] and "beta recorded" in verdict.lines()[1]


def test_what_is_not_in_the_log_is_incomplete(proven: log.Published) -> None:  # noqa: F811
    (proven.folder / "claims" / "alpha-0.roots").write_bytes(b"")
    verdict = agree(proven, "INCOMPLETE", "pending", log.END + 700)
    assert [item.kind for item in verdict.missing] == ["roots"]


def test_a_period_that_is_not_over_is_proven_nowhere(proven: log.Published) -> None:  # noqa: F811
    verdict = agree(proven, "INCOMPLETE", "pending", log.END - 1)
    assert "period" in [item.kind for item in verdict.missing]


def test_another_file_than_the_logged_one_is_rejected(proven: log.Published) -> None:  # noqa: F811
    other = log.claim(proof=b"other").encode()
    assert verify_in_folder(other, proven.folder, now=log.END + 700).rejected.check == "log"  # type: ignore[union-attr]
    (proven.folder / "claims" / "alpha-0.claim").write_bytes(other)
    assert alone(proven, log.END + 700).rejected.check == "log"  # type: ignore[union-attr]


def test_claims_without_a_row(proven: log.Published) -> None:  # noqa: F811
    stranger = world.claim(world.agreement()).encode()
    assert verify_in_folder(stranger, proven.folder, now=LATER).rejected.check == "agreement"  # type: ignore[union-attr]
    assert verify_in_folder(b"junk", proven.folder, now=LATER).rejected.check == "format"  # type: ignore[union-attr]
    later = verify_in_folder(world.claim(log.TERMS, 3).encode(), proven.folder, now=log.END)
    assert later.word == "INCOMPLETE" and [item.kind for item in later.missing] == ["period"]
    (proven.folder / "agreement.sigs").unlink()
    data = (proven.folder / "claims" / "alpha-0.claim").read_bytes()
    draft = verify_in_folder(data, proven.folder, now=LATER)
    assert [item.kind for item in draft.missing] == ["unsigned"]


def test_the_agreement_that_is_expected(proven: log.Published) -> None:  # noqa: F811
    digest, now = log.TERMS.digest, log.END + 700
    assert proven.at(now, expect=digest).holds == "yes"
    with pytest.raises(ClaimsError, match=digest.hex()):
        proven.at(now, expect=bytes(32))
    claim, folder = str(proven.folder / "claims" / "alpha-0.claim"), str(proven.folder)
    for call, *arguments in ([status, folder], [verify, claim, "--folder", folder]):
        for wanted, code in ((digest.hex(), 0), ("00", 2)):
            done = CliRunner().invoke(call, [*arguments, "--expect", wanted, "--now", str(now)])  # type: ignore[arg-type]
            assert done.exit_code == code, done.output
        refused = CliRunner().invoke(call, [*arguments, "--expect", "00" * 32, "--now", str(now)])  # type: ignore[arg-type]
        assert isinstance(refused.exception, ClaimsError)


def test_the_command_takes_all_from_the_folder(proven: log.Published, tmp_path: Path) -> None:  # noqa: F811
    claim, folder = str(proven.folder / "claims" / "alpha-0.claim"), str(proven.folder)
    done = CliRunner().invoke(verify, [claim, "--folder", folder, "--now", str(log.END + 700), "--json"])
    value = json.loads(done.output)
    assert (done.exit_code, value["verdict"], value["state"], value["log"]["epochs"]["late"]) == (0, "PROVEN", "proven", 0)
    assert value["shows"] and value["security_bits"]["unique_decoding"] >= 100
    assert CliRunner().invoke(verify, [claim, "--folder", folder, "--log", folder]).exit_code == 2
    assert CliRunner().invoke(verify, [claim]).exit_code == 2
    own = tmp_path / "own.toml"
    own.write_text(world.TEXT)
    done = CliRunner().invoke(verify, [claim, "--folder", folder, "--agreement", str(own)])
    assert isinstance(done.exception, ClaimsError), "the folder serves another agreement than the reader's own"
