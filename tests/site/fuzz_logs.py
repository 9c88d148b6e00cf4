"""Random logs of one lab's period: late and early entries, absent and late cosigners, receipts, heads and dates that a mirror removes."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import world

import tests.status.test_status_log as regime
from claims.agreement.file import parse_agreement
from claims.agreement.signatures import sign_agreement
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, Entry, EpochEntry, InspectionEntry
from claims.claim.receipts import Receipt, countersign
from claims.tlog.cosign import cosign
from claims.tlog.memory import LogMemory
from claims.tlog.note import Note
from claims.tlog.writer import LogWriter
from claims.verify.log import log_trust

HOUR = 3600
ROOTS = b"standstill-roots, taken to hold"
CHOICES = ("", "late_epochs = 0\n", "late_epochs = 1\n", 'late_epochs = 3\ncosign = "3 h"\n', 'cosign = "5 h"\n')

WITNESS = f'\n[[witness]]\nname = "w.example/1"\nkey = "{world.public(80)}"\n'


class RandomLog:
    """A publication folder with one log. ``terms``: its agreement; ``moments``: at which the state is worth asking."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng, self.folder = random.Random(seed), folder
        rng = self.rng
        folder.mkdir(parents=True)
        operator = rng.choice(["gamma", "gamma", "gamma", "alpha"])
        text = regime.TEXT.replace('epoch = "2 h"\n', f'epoch = "2 h"\n{rng.choice(CHOICES)}')
        text = text.replace("cosignatures = 1", f"cosignatures = {rng.choice((1, 1, 2))}")
        if rng.random() < 0.6:
            text = text.replace('[inspection]\ndraws = 8\nslots = 4\nmargin = "1 h"\n\n', "")
        text = text.replace('operator = "gamma"', f'operator = "{operator}"') + (WITNESS if seed % 2 else "")
        self.terms = parse_agreement(text)
        (folder / "agreement.toml").write_text(text)
        signatures = None
        for number in regime.SEEDS.values():
            signatures = sign_agreement(world.key(number), self.terms, signatures)
        assert signatures is not None
        (folder / "agreement.sigs").write_bytes(signatures.encode())
        self._history()
        if rng.random() < 0.5:
            self._mirror()
        self.moments = [regime.START + int(hours * HOUR) for hours in (1.5, 5, 8, 11, 17, 40)]

    def _history(self) -> None:
        rng, at = self.rng, regime.START
        with LogWriter.create(self.folder / "log", self.terms.log.origin, world.key(50)):  # type: ignore[union-attr]
            pass
        epochs = (EpochEntry(self.terms.digest, "alpha", epoch, bytes([epoch]) * 32, bytes(32)) for epoch in range(4))
        waiting: list[Entry] = [sign_entry(world.key(1), entry) for entry in epochs]
        if rng.random() < 0.8:
            waiting.append(self.claim_entry())
        lazy = rng.choice([0, 0, 1, 4])
        for number, entry in enumerate(waiting):
            end = regime.START + min(number + 1, 4) * HOUR
            at = max(at, end + rng.choice([60, 60, 60, 7000, 7300, 9000]) * rng.choice([1, 1, 1, 2]))
            left_out = rng.random() < 0.12
            if left_out or rng.random() < 0.2:
                self._receipt(entry, at)
            if left_out:
                continue
            twofold = rng.random() < 0.03 and isinstance(entry, EpochEntry)
            more = [sign_entry(world.key(1), replace(entry, root=b"x" * 32))] if twofold else []  # type: ignore[call-arg]
            if rng.random() < 0.03:
                self._receipt(sign_entry(world.key(1), replace(entry, signature=b"")), at)
            self._append(at, entry, *more)
            self._cosigned(at, lazy)
        if rng.random() < 0.5:
            outcome = rng.choice([1, 1, 2, 3])
            self._append(at, sign_entry(world.key(2), InspectionEntry(self.terms.digest, "beta", "alpha", 0, 1, outcome, bytes(32))))
        for _ in range(rng.randrange(4)):
            at += rng.choice([HOUR, 4 * HOUR, 9 * HOUR, 14 * HOUR])
            self._append(at, None)
            self._cosigned(at, lazy)

    def claim_entry(self) -> ClaimEntry:
        """The entry of the claim that is in the folder."""
        digests = [hashlib.sha256(data).digest() for data in (self.claim(), ROOTS)]
        return sign_entry(world.key(1), ClaimEntry(self.terms.digest, "alpha", 0, *digests))

    def claim(self) -> bytes:
        """Written into the folder."""
        data = world.claim(self.terms).encode()
        (self.folder / "claims").mkdir(exist_ok=True)
        (self.folder / "claims/alpha-0.claim").write_bytes(data)
        (self.folder / "claims/alpha-0.roots").write_bytes(ROOTS)
        return data

    def _append(self, at: int, *entries: Entry | None) -> None:
        with LogWriter.open(self.folder / "log", world.key(50)) as writer:
            writer.append([b"%d" % at if entry is None else encode_entry(entry) for entry in entries], now=at)

    def _cosigned(self, at: int, lazy: int) -> None:
        trust = log_trust(self.terms)
        assert trust is not None
        for name in sorted(trust.cosigners):
            if self.rng.randrange(5) < lazy:
                continue
            memory = LogMemory.load(self.folder.parent / f"{self.folder.name}.{name}", trust)
            late = self.rng.choice([0, 30, 30, 5000, 9000])
            try:
                cosign(self.folder / "log", world.key(regime.COSIGN.get(name, 80)), name, memory, at + late)
            except Exception:
                continue

    def _receipt(self, entry: Entry, at: int) -> None:
        found: Receipt | None = None
        for name in self.rng.sample(["beta", "delta", "gamma"], self.rng.choice([1, 2, 3])):
            if self.terms.log is None or name == self.terms.log.operator:
                continue
            when = at + self.rng.choice([0, 3000, 9000])
            _, found = countersign(world.key(regime.SEEDS[name]), encode_entry(entry), self.terms, when, found)
        if found is not None:
            (self.folder / "receipts").mkdir(exist_ok=True)
            (self.folder / f"receipts/r{self.rng.randrange(10**9)}.receipt").write_bytes(found.encode())

    def _mirror(self) -> None:
        """What a mirror can do without any key: remove heads, and lines of heads."""
        log = self.folder / "log"
        for path in [*log.glob("checkpoints/[0-9]*"), log / "checkpoint"]:
            note = Note.decode(path.read_bytes())
            if self.rng.random() < 0.3:
                kept = tuple(line for line in note.signatures[1:] if self.rng.random() < 0.6)
                path.write_bytes(Note(note.text, (note.signatures[0], *kept)).encode())
            elif self.rng.random() < 0.2 and path.name != "checkpoint":
                path.unlink()

