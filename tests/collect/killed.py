"""A process that runs collectors, one after another, each in a fork of its own that the test can kill.

Reads lines on its standard input: ``run`` starts a collector and prints its process id; ``wait`` waits for it and prints
how it ended. Arguments: folder, endpoint, poll interval and largest gap in seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Event

from lab_fixtures import METER_KEYS
from rig import METER

from claims.agreement.decode import decode_agreement
from claims.collect.fetch import Endpoint, Exporters
from claims.collect.run import Collector
from claims.collect.samples import Labels
from claims.collect.seal import Sealing
from claims.collect.timeline import Policy
from claims.lab.meter import SoftwareMeter
from claims.lab.store import Store


def collect(folder: Path, address: str, interval: float, max_gap: float) -> None:
    log = open(folder / "said", "a")

    def say(text: str) -> None:
        log.write(text + "\n")
        log.flush()

    agreement = decode_agreement((folder / "agreement.bin").read_bytes())
    age = int(max_gap * 1000)
    with Store.open(folder / "alpha.store") as store:
        sealing = Sealing(store, agreement, SoftwareMeter(METER, METER_KEYS[METER]), Policy(age))
        source = Exporters([Endpoint.of(address)], Labels(), 1.0, age)
        first = None if (folder / "spool" / "spool").exists() else 0
        Collector(source, sealing, folder / "spool", interval, say, Event()).run(from_epoch=first)


def main() -> None:
    folder, address, interval, max_gap = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    child = 0
    for line in sys.stdin:
        if line == "run\n":
            child = os.fork()
            if child == 0:
                try:
                    collect(folder, address, interval, max_gap)
                finally:
                    os._exit(3)  # a collector of these tests never ends by itself
            print(child, flush=True)
        else:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
