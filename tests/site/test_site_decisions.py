"""Decisions under an agreement with a log: the page's scripts date and count them as Python does."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import world

import tests.status.test_status_log as regime
from claims.agreement.model import Agreement, canonical_bytes
from claims.claim.entries import encode_entry
from claims.claim.published import PublishedEntries
from claims.decisions.file import Decision, decision_entry, sign_decision
from claims.decisions.life import lifted_spans
from claims.decisions.log import logged_decisions
from claims.site.log import MAX_HEADS, encode_bundle, read_log
from claims.status.compute import log_trust
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.reader import open_log
from claims.tlog.writer import LogWriter
from tests.site.sample_view import page_that_runs

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

START, HOUR = regime.START, 3600
END = 253402300800
RUN = """
import { readFileSync } from "node:fs";
import { countedDecisions, liftedSpans } from "./decisions.js";
import { decodeAgreement } from "./verifier/agreement.js";
import { Rejected } from "./verifier/errors.js";
import { openLog } from "./verifier/log.js";
const opened = (terms, log) => {
  try {
    return terms.log && log ? openLog(terms, log) : null;
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
};
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const out = JSON.parse(readFileSync("cases.json")).map(({ agreement, files, log }) => {
  const terms = decodeAgreement(bytes(agreement));
  const counted = countedDecisions(terms, files.map(bytes), opened(terms, log === null ? null : bytes(log)));
  const found = counted.map(({ decision, effective }) => [effective, decision]);
  return [found, liftedSpans(counted).map(([a, b]) => [a, b === Number.MAX_SAFE_INTEGER ? END : b])];
});
console.log(JSON.stringify(out));
""".replace("END", str(END))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return page_that_runs(tmp_path_factory.mktemp("page") / "site", RUN)


def run(page: Any, *cases: tuple[Agreement, list[bytes], bytes | None]) -> list[tuple[list[Any], list[Any]]]:
    plain = [
        {"agreement": canonical_bytes(terms).hex(), "files": [data.hex() for data in files], "log": None if log is None else log.hex()}
        for terms, files, log in cases
    ]
    (page / "cases.json").write_text(json.dumps(plain))
    done = subprocess.run(["node", "run.js"], cwd=page, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr
    return [(sorted(found), spans) for found, spans in json.loads(done.stdout)]


def terms_with(quorum: int) -> Agreement:
    assert regime.TERMS.log is not None
    return replace(regime.TERMS, log=replace(regime.TERMS.log, cosignatures=quorum))


def bundle_of(folder: Path, terms: Agreement) -> bytes:
    log = folder / "log"
    made = read_log(folder, [terms], {f"files/log/{path.relative_to(log).as_posix()}" for path in log.rglob("*") if path.is_file()}, 2**31)
    assert made is not None and made.bundle is not None
    return made.bundle


def append(folder: Path, terms: Agreement, at: int, data: list[bytes], *cosigners: str) -> None:
    log, trust = folder / "log", log_trust(terms)
    assert trust is not None and terms.log is not None
    opened = LogWriter.open(log, world.key(50)) if log.exists() else LogWriter.create(log, terms.log.origin, world.key(50))
    with opened as writer:
        writer.append(data)
    for name in cosigners:
        cosign(log, world.key(regime.COSIGN[name]), name, LogMemory.load(folder / f"{name}.memory", trust), at)


def counts_in_python(folder: Path, terms: Agreement) -> tuple[list[Any], list[Any]]:
    trust = log_trust(terms)
    assert trust is not None
    view = open_log(folder / "log", trust)
    logged = logged_decisions(terms, PublishedEntries(terms, list(enumerate(view.entries))), view)
    counted = [found for item in logged.values() if (found := item.counted(terms)) is not None]
    return sorted([item.effective, item.decision] for item in counted), [list(span) for span in lifted_spans(terms, counted)]


def random_entry(rng: random.Random, terms: Agreement, choices: list[Decision]) -> bytes:
    item, name = rng.choice(choices), rng.choice(["alpha", "beta", "alpha", "beta", "alpha", "beta", "gamma"])
    seed = regime.SEEDS[name if rng.randrange(8) else "delta"]
    data = encode_entry(decision_entry(item, name, world.key(seed)))
    spoil = rng.randrange(12)
    if spoil == 0:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    elif spoil == 1:
        data = data[: rng.randrange(len(data))] + b"\0" * rng.randrange(2)
    return data


def test_logs_of_any_kind_are_read_as_in_python(page: Any, tmp_path: Path) -> None:
    rng, cases, expected = random.Random(55), [], []
    for number in range(24):
        folder, terms = tmp_path / str(number), terms_with(rng.choice([1, 1, 2]))
        folder.mkdir()
        choices = [
            Decision(terms.digest, rng.choice(["lift", "trigger"]), START + rng.randrange(40) * HOUR, rng.choice(["a\u00e9", "b"]))
            for _ in range(3)
        ]
        choices.append(replace(choices[0], agreement=bytes(32)))
        at = START
        append(folder, terms, at, [b"first"], "alpha", "beta", "delta")
        for _ in range(rng.randrange(2, 8)):
            at += rng.randrange(1, 9 * HOUR)
            entries = [random_entry(rng, terms, choices) for _ in range(rng.randrange(1, 5))]
            cosigners = rng.sample(["alpha", "beta", "delta"], rng.randrange(4))
            append(folder, terms, at, [data for data in entries if data] or [b"x"], *cosigners)
        cases.append((terms, [], bundle_of(folder, terms)))
        expected.append(counts_in_python(folder, terms))
    assert run(page, *cases) == expected
    lengths = [len(found) for found, _ in expected]
    assert min(lengths) == 0 and max(lengths) > 1 and any(spans for _, spans in expected)


def test_old_decisions_keep_their_dates_on_the_page(page: Any, tmp_path: Path) -> None:
    """The heads that date them are in the bundle, however many came after."""
    terms = terms_with(1)
    item = Decision(terms.digest, "lift", START, "agreed")
    words = [encode_entry(decision_entry(item, name, world.key(regime.SEEDS[name]))) for name in ("alpha", "beta")]
    append(tmp_path, terms, START + 60, words[:1], "beta", "delta")
    append(tmp_path, terms, START + 120, words[1:], "alpha", "delta")
    for number in range(MAX_HEADS + 3):
        append(tmp_path, terms, START + HOUR + number, [b"%d" % number], "delta")
    expected = ([[START + 120, "lift"]], [[START + 120, END]])
    assert counts_in_python(tmp_path, terms) == expected and run(page, (terms, [], bundle_of(tmp_path, terms))) == [expected]


def test_what_counts_without_a_log_and_with_one(page: Any, tmp_path: Path) -> None:
    terms = terms_with(1)
    alone = replace(terms, log=None, inspection=None)
    item, same = (Decision(each.digest, "lift", START, "agreed") for each in (terms, alone))
    for seed in (1, 2):
        item, same = sign_decision(world.key(seed), item, terms), sign_decision(world.key(seed), same, alone)
    append(tmp_path, terms, START + 60, [b"other"], "delta")
    log = bundle_of(tmp_path, terms)
    spoilt, none = log[:-1] + b"x", encode_bundle([], [])
    lifted, nothing = ([[START, "lift"]], [[START, END]]), ([], [])
    cases = [(alone, [same.encode()], None), *((terms, [item.encode()], data) for data in (log, spoilt, none, b"", None))]
    assert run(page, *cases) == [lifted, *[nothing] * 5]
