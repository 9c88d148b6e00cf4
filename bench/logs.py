"""A log of many labs' hours, of Ed25519 or hybrid keys: its size, and what append, cosign and status take, by the commands.

    append     the entries of one more hour of every lab     cosign    the new head, by one cosigner
    cold       status of the publication folder, nothing in the reader's cache     warm    the same again

The labs' entries are real entries over random roots; there are no claims (each adds the check of its proof, once).
CPU and wall seconds of a command, the start of Python included.
"""

from __future__ import annotations

import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_agreement
from claims.base.hybrid import SigningKey
from claims.base.keys import generate_key_file, load_key_file, public_bytes, public_text
from claims.base.units import format_time
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import EpochEntry

__all__ = ["run"]

Record = dict[str, Any]
START, HOUR, PERIOD = 1_735_689_600, 3600, 720
ORIGIN, COSIGNERS = "example.org/fleet", ("first", "second")


def run(labs: int, hours: int, hybrid: bool, folder: Path | None = None) -> Record:
    """Sizes and times of a log with an entry of each lab each hour, and a head each hour.

    Args:
        folder: where it is made; None: a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="standstill-log-", dir=folder) as name:
        return _Log(Path(name), labs, hours, hybrid).run()


class _Log:
    def __init__(self, folder: Path, labs: int, hours: int, hybrid: bool) -> None:
        self.folder, self.hours, self.public = folder, hours, folder / "public"
        self.labs, self.public_log = [f"lab-{number:02}" for number in range(labs)], folder / "public" / "log"
        (folder / "keys").mkdir()
        self.public.mkdir()
        names = ("log", "operator", *COSIGNERS, *(f"of-{name}" for name in COSIGNERS), *self.labs)
        self.keys = {name: self._key(name, hybrid) for name in names}
        self.agreement = self._agree()

    def run(self) -> Record:
        begun = time.process_time()
        self._fill()
        made = time.process_time() - begun
        size = sum(path.stat().st_size for path in (self.public_log / "tile" / "entries").rglob("*") if path.is_file())
        record = {"entries": len(self.labs) * self.hours, "heads": self.hours, "entry_bytes": size, "made_cpu": made}
        now = ("--now", format_time(START + self.hours * HOUR))
        record["status cold"] = self._command("status", self.public, *now)
        record["status warm"] = self._command("status", self.public, *now)
        paths = [self.folder / f"{lab}.entry" for lab in self.labs]
        for lab, path in zip(self.labs, paths, strict=True):
            path.write_bytes(self._entry(lab, self.hours))
        agreed = ("-a", self.public / "agreement.toml")
        record["append"] = self._command("log", "append", self.public_log, *paths, "-k", self._path("log"), *agreed, "--clock-is-right")
        cosigner = ("--name", COSIGNERS[0], "-k", self._path(f"of-{COSIGNERS[0]}"), "--memory", self.folder / "memory.0")
        record["cosign"] = self._command("log", "cosign", self.public_log, *cosigner, *agreed, "--clock-is-right")
        return record

    def _path(self, name: str) -> Path:
        return self.folder / "keys" / f"{name}.key"

    def _key(self, name: str, hybrid: bool) -> SigningKey:
        generate_key_file(self._path(name), None, hybrid=hybrid)
        return load_key_file(self._path(name))

    def _agree(self) -> Agreement:
        public = {name: public_text(public_bytes(key)) for name, key in self.keys.items()}
        meter_keys = {lab: generate_key_file(self._path(f"meter-{lab}"), None) for lab in self.labs}
        parts = [
            f'format = "standstill-agreement/3"\nname = "log"\nstart = {format_time(START)}\nepoch = "1 h"\nepochs_per_period = {PERIOD}\n'
            'periods = 13\n[rules]\ncharge = "peak"\nresidue = "charge-every-lineage"\n'
            f'[log]\norigin = "{ORIGIN}"\noperator = "operator"\nkey = "{public["log"]}"\ncosignatures = {len(COSIGNERS)}\n'
            '[deadlines]\nepoch = "1 d"\nclaim = "7 d"\ngrace = "7 d"\nopening = "7 d"\n'
            '[[chip]]\nname = "chip"\npeak = "1e15 FLOP/s"\nnote = "FP8"\n'
        ]  # fmt: skip
        parts += [f'[[party]]\nname = "{name}"\nkey = "{public[name]}"\n' for name in ("operator", *self.labs)]
        parts += [f'[[party]]\nname = "{name}"\nkey = "{public[name]}"\ncosign_key = "{public[f"of-{name}"]}"\n' for name in COSIGNERS]
        for lab in self.labs:
            parts.append(
                f'[[lab]]\nname = "{lab}"\nlog_rows = 16\nopening_head = "{bytes(32).hex()}"\n'
                '[lab.caps]\ntotal = "1e27 FLOP"\nunattributed = "1e27 FLOP"\nlineage = "1e27 FLOP"\n'
                f'[[meter]]\nlab = "{lab}"\nname = "hall"\nchip = "chip"\nchips = 8\nkey = "{public_text(meter_keys[lab])}"\n'
            )
        text = "".join(parts)
        (self.public / "agreement.toml").write_text(text, encoding="utf-8")
        agreement, signed = parse_agreement(text, "agreement.toml"), None
        for name in ("operator", *COSIGNERS, *self.labs):
            signed = sign_agreement(self.keys[name], agreement, signed)
        assert signed is not None
        (self.public / "agreement.sigs").write_bytes(signed.encode())
        return agreement

    def _entry(self, lab: str, epoch: int) -> bytes:
        entry = EpochEntry(self.agreement.digest, lab, epoch, secrets.token_bytes(32), secrets.token_bytes(32))
        return encode_entry(sign_entry(self.keys[lab], entry))

    def _fill(self) -> None:
        """An hour after another: an entry of every lab, a head, its cosignatures."""
        from claims.tlog.cosign import cosign
        from claims.tlog.memory import LogMemory
        from claims.tlog.writer import LogWriter
        from claims.verify.log import log_trust

        trust = log_trust(self.agreement)
        memories = {name: LogMemory.load(self.folder / f"memory.{number}", trust) for number, name in enumerate(COSIGNERS)}
        own = LogMemory.load(self.folder / "memory", trust.alone(), keeps_leaves=False)
        LogWriter.create(self.public_log, ORIGIN, self.keys["log"], memory=lambda _: own).close()
        for epoch in range(self.hours):
            at = START + (epoch + 1) * HOUR + 60
            with LogWriter.open(self.public_log, self.keys["log"], memory=lambda _: own) as writer:
                writer.append([self._entry(lab, epoch) for lab in self.labs], now=at)
            for number, (name, memory) in enumerate(memories.items()):
                cosign(self.public_log, self.keys[f"of-{name}"], name, memory, now=at + number + 1)

    def _command(self, *arguments: object) -> Record:
        """CPU and wall seconds of a command, in a process of its own."""
        own = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "STANDSTILL_STATE": str(self.folder / "state")}
        words = [sys.executable, "-m", "claims", *map(str, arguments)]
        wall, cpu = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(words, env=own, capture_output=True, check=False)
        if done.returncode not in (0, 1, 3):
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return {"wall": time.perf_counter() - wall, "cpu": _cpu_of_children() - cpu}


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
