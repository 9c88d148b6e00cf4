"""Bounds of the numbers of an agreement, and of what it leads to."""

from __future__ import annotations

__all__ = [
    "MAX_CAP", "MAX_CHANGES", "MAX_COSIGNATURES", "MAX_COVERAGE", "MAX_DIGESTS", "MAX_DRAWS", "MAX_DURATION", "MAX_EPOCHS",
    "MAX_FEEDS", "MAX_FLEET", "MAX_HEADS", "MAX_HYBRID_COSIGNERS", "MAX_LABS", "MAX_LAB_FEEDS", "MAX_LEAVES", "MAX_LOG_ROWS",
    "MAX_METERS", "MAX_MODELS", "MAX_OPENED", "MAX_PEAK", "MAX_READING", "MAX_RECORD", "MAX_ROOTS", "MAX_SHARE",
    "MAX_SITES", "MAX_TIME", "MAX_WATTS", "MAX_WITNESSES", "MAX_WORK", "MIN_LEAVES", "MIN_LOG_ROWS",
]  # fmt: skip

MAX_PEAK = 2**24 - 1
"""Largest peak, units of 10^12 FLOP/s: three range-checked bytes in a field element."""
MAX_COVERAGE = 2**48 - 1
"""Largest chips x epoch seconds: two 24-bit limbs."""
MAX_READING = 2**48 - 1
"""Work of one reading, units of 10^12 FLOP: what is more is split."""
MAX_CAP = 2**64 - 1
MAX_SHARE = 10**6
"""Parts per million."""
MAX_EPOCHS = 2**24 - 1
"""Epochs of all periods together: an epoch is a 24-bit number."""
MAX_METERS = 4096
"""Of one table: of a lab, or of each of its sites."""
MAX_SITES = 256
"""Of one lab."""
MAX_FLEET = 2**18
"""Meters of an agreement, and so of a lab: their keys take half a minute once, their canonical bytes half of what is read."""
MAX_RECORD = 2**56 - 1
"""Work that a site can do in a period: one record of its summary may hold all of it."""
MAX_WORK = 2**64 - 1
"""Work that a lab can do in a period."""
MAX_LABS = 256
MAX_COSIGNATURES = 98
"""Of the 100 signature lines that a head of the log may have, two are the log's."""
MAX_HYBRID_COSIGNERS = 16
"""Parties and witnesses that cosign with a hybrid key: a head has at most 128 KiB, with the first and the latest cosignature of each."""
MAX_WITNESSES = 256
MIN_LOG_ROWS, MAX_LOG_ROWS = 16, 22
MIN_LEAVES, MAX_LEAVES = 2, 65536
"""Padded leaves of an epoch root, and padded slots of a registry's epoch head: powers of two."""
MAX_ROOTS = 2**21
"""Meters of a table, or groups of them, x epochs of a period: its roots of a period stay within 64 MiB."""
MAX_CHANGES = 4096
"""Later caps of one lab; later rules."""
MAX_DRAWS = 4096
"""Draws, or slots, of one inspection."""
MAX_DURATION = 2**32 - 1
"""Seconds."""
MAX_HEADS = 63 * 2**20
"""Bytes of all meters of a lab in its claim."""
MAX_MODELS, MAX_DIGESTS = 4096, 4096
"""Open models of an agreement; weights digests of one."""
MAX_FEEDS, MAX_LAB_FEEDS = 4096, 256
"""Of an agreement; of one lab, whose epoch entry has a bit for each."""
MAX_WATTS = 2**32 - 1
MAX_OPENED = 54_613
"""Readings in one opening: 160 MiB."""
MAX_TIME = 253402300799
"""9999-12-31T23:59:59Z."""
