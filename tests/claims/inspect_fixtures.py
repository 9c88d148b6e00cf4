"""A small period in public, by commands: agreement, log, three epochs, and drand's real round 1000 as the one that draws."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

import claims.cli_close
import claims.cli_epoch
import claims.cli_inspect
import claims.cli_log  # noqa: F401  (each registers commands)
from claims.agreement import Agreement
from claims.agreement_file import load_agreement
from claims.beacon import time_of_round
from claims.claim import Claim, MeterHead, sign_claim
from claims.cli import cli
from claims.entries import ClaimEntry, encode_entry, sign_entry
from claims.errors import ClaimRejected, ClaimsError
from claims.inspect_draw import Drawn, draw_committed, load_round
from claims.inspect_file import Opening
from claims.inspect_material import StoreMaterial
from claims.keys import load_key_file
from claims.prove import roots_of
from claims.store import Store
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.reader import open_log
from claims.units import format_time
from claims.verify_log import log_trust

ROUNDS = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())["valid"]
EPOCH, EPOCHS, DUE = 60, 3, time_of_round(1000)
START = DUE - EPOCHS * EPOCH - 61
"""The period ends 61 s before round 1000; the cosigner dates last entry and claim 1 s later, when they are due; the margin is 59 s."""
ENTRIES = (*(f"alpha-epoch-{epoch}.entry" for epoch in range(EPOCHS)), "alpha-0.entry")
METERS = {"hall-1": 8, "hall-2": 4}
PARTIES = ("alpha", "beta", "delta", "operator")

AGREEMENT = """format = "standstill-agreement/3"
name = "inspected"
start = {start}
epoch = "1 min"
epochs_per_period = 3
periods = 2
[rules]
charge = "peak"
residue = "charge-every-lineage"
[log]
origin = "example.org/log"
operator = "operator"
key = "{log}"
cosignatures = 1
[commitment]
readings = 8
checkpoints = 16
[deadlines]
epoch = "1 s"
claim = "1 s"
grace = "1 d"
opening = "2 h"
[inspection]
draws = 8
slots = 3
margin = "59 s"
[[party]]
name = "alpha"
key = "{alpha}"
[[party]]
name = "operator"
key = "{operator}"
[[party]]
name = "delta"
key = "{delta}"
[[party]]
name = "beta"
key = "{beta}"
cosign_key = "{cosign}"
[[chip]]
name = "h100"
peak = "1.979e15 FLOP/s"
note = "FP8 dense"
[[lab]]
name = "alpha"
log_rows = 16
{opening}
[lab.caps]
total = "1e21 FLOP"
unattributed = "1e20 FLOP"
lineage = "1e22 FLOP"
{meters}"""

USAGE = """meter,epoch,checkpoint,chip_seconds
hall-1,0,run-1,200
hall-1,0,,100
hall-1,1,run-1,300
hall-1,1,secret-run,60
hall-1,2,run-2,300
hall-1,2,secret-run,100
hall-2,0,run-1,200
hall-2,1,run-1,200
hall-2,2,run-2,120
hall-2,2,,20
"""


@dataclass(frozen=True)
class Folder:
    """A folder with keys, store, agreement and log, and commands run in it."""

    path: Path

    def run(self, *arguments: object, code: int = 0) -> str:
        """Run ``standstill`` through click; its output, and the message of an expected error."""
        before = Path.cwd()
        os.chdir(self.path)
        try:
            state = {"STANDSTILL_STATE": str(self.path / "state")}  # a copy of the folder is another world
            result = CliRunner().invoke(cli, [str(item) for item in arguments], env=state)
        finally:
            os.chdir(before)
        error, text, got = result.exception, result.output, result.exit_code
        if isinstance(error, ClaimsError):
            text, got = f"{text}{error}", 1 if isinstance(error, ClaimRejected) else 2
        elif error is not None and not isinstance(error, SystemExit):
            raise error
        assert got == code, text
        return text

    @property
    def terms(self) -> Agreement:
        return load_agreement(self.path / "agreement.toml")

    def key(self, name: str):  # type: ignore[no-untyped-def]
        return load_key_file(self.path / f"{name}.key")

    def append(self, *entries: str, log: str = "log") -> None:
        self.run("log", "append", log, *entries, "-k", "log.key", "-a", "agreement.toml")

    def cosign(self, at: int, log: str = "log", memory: str = "beta.memory") -> None:
        seen = LogMemory.load(self.path / memory, log_trust(self.terms))
        cosign(self.path / log, self.key("cosign"), "beta", seen, now=at)

    def drawn(self, log: str = "log", number: int = 1000) -> Drawn:
        view = open_log(self.path / log, log_trust(self.terms), exclude={"alpha"})
        return draw_committed(self.terms, "alpha", 0, load_round(str(self.path / f"{number}.json")), view)

    def claim(self) -> Claim:
        """The lab's claim of the closed period and its entry; no inspection verifies the proof, which is none."""
        terms, key = self.terms, self.key("alpha")
        with Store.open(self.path / "alpha.store") as store:
            closed = StoreMaterial(store, terms).behind(0)
            before = store.registry_head(-1)
            roots = roots_of(store, terms, 0).encode()
        assert before is not None
        heads = tuple(MeterHead(one.meter, one.head, one.roots_digest, one.signature) for one in closed.heads)
        unsigned = Claim(terms.digest, "alpha", 0, 0, EPOCHS - 1, before.head, closed.head, heads, bytes(64), b"none", bytes(64))
        claim = sign_claim(unsigned, key)
        (self.path / "alpha-0.claim").write_bytes(claim.encode())
        digests = (hashlib.sha256(claim.encode()).digest(), hashlib.sha256(roots).digest())
        (self.path / "alpha-0.entry").write_bytes(encode_entry(sign_entry(key, ClaimEntry(terms.digest, "alpha", 0, *digests))))
        return claim

    def opening(self, name: str = "alpha-0-beta.opening") -> Opening:
        return Opening.decode((self.path / name).read_bytes())


DRAW = ("-a", "agreement.toml", "-n", 0, "--round", "1000.json", "--log", "log")
OPEN = ("inspect", "open", "-s", "alpha.store", *DRAW, "--to", "beta", "-k", "alpha.key")
CHECK = ("inspect", "check", "alpha-0-beta.opening", "--lab", "alpha", *DRAW, "--inspector", "beta", "--claim", "alpha-0.claim")
REFUSE = ("inspect", "refuse", "--lab", "alpha", *DRAW, "--inspector", "beta", "-k", "beta.key")


def build(path: Path) -> Folder:
    """Everything up to the moment at which round 1000 draws."""
    folder = Folder(path)
    run = folder.run
    keys = {name: run("keygen", f"{name}.key", "--no-passphrase").strip() for name in (*PARTIES, "cosign", "log")}
    opening = run("lab", "init", "alpha", "-s", "alpha.store", "--opening", "foundation=1e20 FLOP").strip()
    meters = "".join(
        run("meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", chips, "-k", f"{name}.key", "--no-passphrase")
        for name, chips in METERS.items()
    )
    text = AGREEMENT.format(start=format_time(START), opening=opening, meters=meters, **keys)
    (path / "agreement.toml").write_text(text)
    for item in ROUNDS:
        (path / f"{item['round']}.json").write_text(json.dumps(item))
    (path / "config.txt").write_text("lr = 3e-4\nseed = from the beacon\n")
    run("genesis", "commit", "config.txt", "--out", "run-1.genesis")
    record = run("genesis", "seed", "run-1.genesis", "--round", "123.json").split("record  ")[1].split()[0]
    (path / "checkpoints.csv").write_text(
        "name,parents,branch,epoch,weights,genesis,genesis_round\n"
        f"run-1,,,1,{'aa' * 32},{record.replace(':', ',')}\n"
        f"run-2,run-1,no,2,{'bb' * 32},,\n"
        f"secret-run,foundation,yes,2,{'cc' * 32},,\n"
    )
    (path / "usage.csv").write_text(USAGE)
    store = ("-s", "alpha.store", "-a", "agreement.toml")
    run("import", "checkpoints", "checkpoints.csv", *store)
    run("import", "readings", "usage.csv", *store)
    for name in METERS:
        run("epoch", "seal", name, *store, "-k", f"{name}.key", "--through", EPOCHS - 1)
    run("epoch", "publish", *store, "-k", "alpha.key", "--through", EPOCHS - 1)
    run("log", "init", "log", "--origin", "example.org/log", "-k", "log.key")
    for name in METERS:
        run("meter", "close", name, *store, "-n", 0, "-k", f"{name}.key", "--yes")
    run("lab", "close", *store, "-n", 0)
    folder.claim()
    folder.append(*ENTRIES)
    folder.cosign(START + EPOCHS * EPOCH + 1)
    return folder
