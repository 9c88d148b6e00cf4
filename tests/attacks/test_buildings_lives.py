"""Random lives of an honest lab of three stores with a public log, by commands: nothing that its operators do in order leads into a trap.

Each hour buildings seal, report, and headquarters publishes; meters and a whole building burn and come back, runs have tags, end or
go on, the lab is over a limit now and then. Every period ends in a claim that verifies; the proof system is a stub.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from commands import log, parties, run

from claims.claim.file import decode_claim
from tests.attacks.test_tables import TEXT
from tests.lab.test_tables import Prover

METERS = {"hall-1": "north", "hall-2": "north", "hall-3": "south"}
TERMS = ("-a", "agreement.toml")
HQ = ("-s", "hq.store", *TERMS)
LAB = ("-k", "lab.key")
PER, PERIODS = 4, 3
LOG = log("log.example/lives") + '[inspection]\ndraws = 4\nslots = 2\nmargin = "1 h"\n' + parties("operator", "rival", cosigner="rival")


class Life:
    """A lab, its operators, a rival, and the log. ``lost``: lost meters; ``open``: runs with work and no checkpoint yet, by tag's name."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.rng = place, random.Random(seed)
        self.lost: set[str] = set()
        self.words: list[str] = []
        self.long = False
        who = ("lab", "log", "operator", "rival", "cosign")
        keys = {name: self("keygen", f"{name}.key", "--no-passphrase", "--ed25519").strip() for name in who}
        opening = self("lab", "init", "alpha", "-s", "hq.store", "--opening", "base=1e21 FLOP").strip()
        meters = ""
        for site in ("north", "south"):
            self("building", "init", "alpha", site, "-s", f"{site}.store")
        for name, site in METERS.items():
            made = self("meter", "init", name, "--lab", "alpha", "--chip", "h100", "--chips", 8, "-k", f"{name}.key", "--no-passphrase")
            meters += f'{made}site = "{site}"\n'
        text = TEXT.format(alpha=keys["lab"], opening=opening, meters=meters)
        text = text.replace("registry_rows = 16\n", 'registry_rows = 16\nlost = "30 %"\n').replace('"1e20 FLOP"', '"5e21 FLOP"')
        text = text.replace('total = "1e21 FLOP"', 'total = "2e21 FLOP"').replace("[[party]]", LOG.format(**keys) + "[[party]]", 1)
        (place / "agreement.toml").write_text(text)
        for name in ("lab", "operator", "rival"):
            self("agreement", "sign", "agreement.toml", "-k", f"{name}.key")
        self("log", "init", "log", "--origin", "log.example/lives", "-k", "log.key")

    def __call__(self, *arguments: object, code: int = 0) -> str:
        return run(self.place, *arguments, code=code)

    def append(self, *entries: str) -> None:
        self("log", "append", "log", *entries, *TERMS, "-k", "log.key")
        self("log", "cosign", "log", *TERMS, "--name", "rival", "-k", "cosign.key", "--memory", "rival.memory")

    @staticmethod
    def at(site: str) -> tuple[str, ...]:
        return "-s", f"{site}.store", *TERMS

    def alive(self, site: str = "") -> list[str]:
        return [name for name, where in METERS.items() if name not in self.lost and site in ("", where)]

    # ---- a period --------------------------------------------------------------------------------------------

    def period(self, number: int) -> str:
        """What became of a period."""
        runs = [f"run-{number}"] + (["long"] if self.rng.random() < 0.7 else [])
        self("lab", "tags", *runs, *HQ, "-n", number, "-o", f"{number}.tags")
        for site in ("north", "south"):
            self("building", "tags", f"{number}.tags", *self.at(site))
        self._come_back(number)
        for epoch in range(PER * number, PER * number + PER):
            self._hour(number, epoch, runs)
        for name in self.alive():
            self("meter", "close", name, *self.at(METERS[name]), "-n", number, "-k", f"{name}.key", "--yes", "--idle")
        for site in ("north", "south"):
            self._hand_in(number, site)
        if "long" in runs:
            self("lab", "snapshot", "long", *HQ, "-n", number, *(() if self.long else ("--root",)))
            self.long = True
        self("lab", "close", *HQ, "-n", number)
        return self._claim(number)

    def _come_back(self, number: int) -> None:
        for name in sorted(self.lost) if number else ():
            if self.rng.random() < 0.5:
                look = ("--lab", "alpha", *TERMS, "-n", number, "--log", "log", "--inspector", "rival", "-k", "rival.key", "--yes")
                self("inspect", "back", name, *look)
                entry = f"rival-alpha-back-{name}-{PER * number}.entry"
                self.append(entry)
                for store in ("hq", METERS[name]):
                    self("meter", "back", entry, "-s", f"{store}.store", *TERMS)
                self.lost.discard(name)

    def _hour(self, number: int, epoch: int, runs: list[str]) -> None:
        for name in self.alive():
            site = METERS[name]
            works = [run_name for run_name in runs if self.rng.random() < 0.5]
            rows = "".join(f"{name},{epoch},{work},{self.rng.choice((500, 9000))}\n" for work in works)
            if rows:
                (self.place / "usage.csv").write_text("meter,epoch,checkpoint,chip_seconds\n" + rows)
                self("import", "readings", "usage.csv", *self.at(site))
        if self.rng.random() < 0.2 and self.alive():
            self._burn(epoch)
        for name in self.alive():
            self("epoch", "seal", name, *self.at(METERS[name]), "-k", f"{name}.key", "--through", epoch)
        if epoch == PER * number:
            (self.place / "checkpoints.csv").write_text(f"name,kind,parents,epoch\nrun-{number},CHECKPOINT,base,{PER * number + PER - 1}\n")
            self("import", "checkpoints", "checkpoints.csv", *HQ)
        for site in ("north", "south"):
            report = f"{site}-{epoch}.report"
            self("building", "report", *self.at(site), "-n", number, "--from", epoch, "-o", report)
            self("lab", "take", report, *HQ)
        if epoch < PER * number + PER - 1:
            self._publish(epoch)

    def _burn(self, epoch: int) -> None:
        """Before anybody seals the hour: a meter, or all of a building."""
        name = self.rng.choice(self.alive())
        site = METERS[name]
        whole = self.rng.random() < 0.3 and self.alive(site) == [other for other, where in METERS.items() if where == site]
        what = site if whole else name
        self("meter", "lost", what, *(("--site",) if whole else ()), "--from-epoch", epoch, *HQ, *LAB, "--yes")
        entry = f"alpha-lost-{what}-{epoch}.entry"
        self.append(entry)
        self("building", "lost", entry, *self.at(site))
        self.lost |= set(self.alive(site)) if whole else {name}

    def _publish(self, epoch: int) -> None:
        self("epoch", "publish", *HQ, *LAB, "--through", epoch, "-o", "entries")
        self.append(f"entries/alpha-epoch-{epoch}.entry")

    def _hand_in(self, number: int, site: str) -> None:
        if not self.alive(site):
            return  # nothing of it is left
        self("building", "prove", *self.at(site), "-n", number)
        self("lab", "take", f"alpha-{number}.{site}.summary", *HQ)

    def _claim(self, number: int) -> str:
        self._publish(PER * number + PER - 1)
        prove = ("prove", *HQ, "-n", number, *LAB)
        try:
            self(*prove)
        except AssertionError:
            self(*prove, "--over", "--yes", code=4)
        self.append(f"alpha-{number}.entry")
        before = [x for earlier in range(number) for x in ("-p", f"alpha-{earlier}.claim")]
        claim = decode_claim((self.place / f"alpha-{number}.claim").read_bytes())
        said = self("verify", f"alpha-{number}.claim", *TERMS, *before, "--log", "log", "--jobs", 1, code=4 if claim.limits else 0)
        return said.splitlines()[0]


def lived(place: Path, seed: int) -> list[str]:
    place.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STANDSTILL_STATE", str(place / "state"))
        made = Prover()
        patch.setattr("circuits.prove.prove_claim", made.prove)
        patch.setattr("circuits.verify.verify_claim_proof", made.verify)
        life = Life(place, seed)
        for number in range(PERIODS):
            life.words.append(life.period(number))
    return life.words


def test_lives_of_a_lab_of_three_stores(tmp_path: Path) -> None:
    assert len(lived(tmp_path / "1", 1)) == PERIODS


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(100, 160, 20))
def test_sixty_lives(tmp_path: Path, first: int) -> None:
    words = [word for seed in range(first, first + 20) for word in lived(tmp_path / str(seed), seed)]
    assert {"PROVEN", "OVER"} <= set(words) and len(words) == 60
