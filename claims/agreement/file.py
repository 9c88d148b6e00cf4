"""agreement.toml -> Agreement: every field read, bounded and cross-checked, every error with field and line.

Unknown fields are refused, so that a misspelt cap cannot go unnoticed. Amounts are text, read exactly by
:mod:`claims.base.units`. FORMATS.md section 1 lists the fields.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from claims.agreement import bounds
from claims.agreement import terms as ag
from claims.agreement.check import validate
from claims.agreement.decode import decode_known
from claims.agreement.fields import (
    as_cap,
    as_charge,
    as_digest,
    as_external,
    as_format,
    as_head,
    as_key,
    as_key_name,
    as_meter_key,
    as_name,
    as_origin,
    as_peak,
    as_period_key,
    as_prose,
    as_span,
    one_of,
)  # fmt: skip
from claims.agreement.meters import Beside, MeterTable, beside, meter_of, meter_table
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.table import Table
from claims.base.cache import open_cache
from claims.base.errors import AgreementError
from claims.base.files import AGREEMENT_LIMIT, CANONICAL_LIMIT, read_bounded
from claims.base.toml import TomlError, parse_toml
from claims.base.units import seconds_from_text, share_from_text

__all__ = ["load_agreement", "parse_agreement"]

_CACHED = 2**16
"""Characters, of a text and its meter table, from which on a cache is worth it: some 400 meters."""
T = TypeVar("T")


def load_agreement(path: str | os.PathLike[str]) -> Agreement:
    """Read an agreement file, and the meter table beside it where it names one.

    Raises:
        UnreadableFile: it is missing or larger than 8 MiB.
        AgreementError: it is not a valid agreement, or its meter table is missing; says where and what to do.
    """
    data = read_bounded(path, AGREEMENT_LIMIT)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AgreementError(str(path), "", line, "not UTF-8 text", "save the file as UTF-8") from None
    return parse_agreement(text, str(path), beside(Path(path).parent))


def parse_agreement(text: str, source: str = "agreement.toml", read: Beside | None = None) -> Agreement:
    """Parse and validate agreement text. Raises AgreementError naming ``source``, field and line.

    A large agreement that this user had parsed before is taken from the cache: but its meter table has to be there.

    Args:
        read: reads the meter table that the text may name; without it such a text is refused.
    """
    written = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    if len(text) >= _CACHED and (known := _known("agreement", written)) is not None:
        return known
    root = _root(text, source)
    table = meter_table(root, source, read)
    kind = "agreement" if table is None else "agreement and meters"  # a text names its table's SHA-256, so its own digest stands for both
    large = len(text) + (0 if table is None else len(table.data)) >= _CACHED
    if table is not None and large and (known := _known(kind, written)) is not None:
        return known
    agreement = _parse(root, table)
    if large:
        with open_cache() as cache:
            if cache is not None:
                cache.put(kind, written, canonical_bytes(agreement))
    return agreement


def _known(kind: str, written: bytes) -> Agreement | None:
    with open_cache() as cache:
        known = None if cache is None else cache.get(kind, written, CANONICAL_LIMIT)
    return None if known is None else decode_known(known)


def _root(text: str, source: str) -> Table:
    try:
        return Table(source, text, "", parse_toml(text))
    except TomlError as error:
        raise AgreementError(source, "", error.line, error.what, error.hint) from None


def _parse(root: Table, table: MeterTable | None) -> Agreement:
    agreement = _agreement(root, table)

    def fail(field: str, what: str, hint: str) -> AgreementError:
        return root.error(field, what, hint) if table is None or field != "meter" else AgreementError(table.source, "", None, what, hint)

    validate(agreement, fail)
    return agreement


def _agreement(root: Table, table: MeterTable | None) -> Agreement:
    root.string("format", as_format)
    name, start = root.string("name", as_name), root.time("start")
    epoch_seconds = root.string("epoch", seconds_from_text, 'a duration such as "1 h"')
    if epoch_seconds >= 2**32:
        raise root.error("epoch", "is 2^32 seconds or more", "choose a shorter epoch")
    per_period = _epochs_per_period(root, epoch_seconds)
    periods = root.integer("periods", 1, bounds.MAX_EPOCHS // per_period)
    rules = _rules(root.table("rules"))
    later = [_from(table, periods, _rules) for table in root.optional_tables("rules_from")]
    parties = [_party(table) for table in root.tables("party", bounds.MAX_LABS)]
    chips = [_chip(table) for table in root.tables("chip", bounds.MAX_METERS)]
    meters: dict[str, list[ag.Meter]] = {}
    for meter in [meter_of(one) for one in root.tables("meter", bounds.MAX_FLEET)] if table is None else table.meters():
        meters.setdefault(meter.lab, []).append(meter)
    labs = [_lab(one, periods, meters) for one in root.tables("lab", bounds.MAX_LABS)]
    if strange := meters.keys() - {lab.name for lab in labs}:
        name = min(strange)
        raise root.error("meter", f"{meters[name][0].name}: {name!r} is no lab", "add a [[lab]] of that name")
    amends = _amends(root.table("amends"), periods) if root.has("amends") else None
    pause = _pause(root.table("pause")) if root.has("pause") else None
    log = _log(root.table("log")) if root.has("log") else None
    checkpoints = _checkpoints(root.table("commitment")) if root.has("commitment") else Agreement.checkpoints
    deadlines = _deadlines(root.table("deadlines")) if root.has("deadlines") else None
    inspection = _inspection(root.table("inspection")) if root.has("inspection") else None
    models = [_model(table) for table in root.optional_tables("open_model", bounds.MAX_MODELS)]
    feeds = [_feed(table) for table in root.optional_tables("feed", bounds.MAX_FEEDS)]
    witnesses = [_witness(table) for table in root.optional_tables("witness", bounds.MAX_WITNESSES)]
    keys = _keys(root.table("keys")) if root.has("keys") else None
    root.end()
    return Agreement(
        name=name,
        start=start,
        epoch_seconds=epoch_seconds,
        epochs_per_period=per_period,
        periods=periods,
        rules=rules,
        parties=_sorted(root, "party", parties),
        chips=_sorted(root, "chip", chips),
        labs=_sorted(root, "lab", labs),
        amends=amends,
        pause=pause,
        log=log,
        checkpoints=checkpoints,
        deadlines=deadlines,
        inspection=inspection,
        rules_from=tuple(later),
        open_models=_sorted(root, "open_model", models),
        feeds=_sorted(root, "feed", feeds),
        witnesses=_sorted(root, "witness", witnesses),
        keys=keys,
    )


def _epochs_per_period(root: Table, epoch_seconds: int) -> int:
    if root.has("period") == root.has("epochs_per_period"):
        hint = 'write either period = "30 d" or epochs_per_period = 720'
        raise root.error("period", "exactly one of period and epochs_per_period is needed", hint)
    if root.has("epochs_per_period"):
        return root.integer("epochs_per_period", 1, bounds.MAX_EPOCHS)
    seconds = root.string("period", seconds_from_text, 'a duration such as "30 d"')
    if seconds % epoch_seconds or seconds // epoch_seconds > bounds.MAX_EPOCHS:
        what = f"{seconds} s is not a whole number, at most {bounds.MAX_EPOCHS}, of epochs of {epoch_seconds} s"
        raise root.error("period", what, "make the period a multiple of the epoch")
    return seconds // epoch_seconds


def _party(table: Table) -> ag.Party:
    party = ag.Party(
        table.string("name", as_name),
        table.string("key", as_key),
        table.string("cosign_key", as_key) if table.has("cosign_key") else None,
    )
    table.end()
    return party


def _witness(table: Table) -> ag.Witness:
    witness = ag.Witness(table.string("name", as_key_name), table.string("key", as_key))
    table.end()
    return witness


def _chip(table: Table) -> ag.ChipClass:
    chip = ag.ChipClass(
        table.string("name", as_name),
        table.string("peak", as_peak, 'text such as "1.979e15 FLOP/s"'),
        table.string("note", as_prose),
        _leaves(table, "readings", ag.ChipClass.readings),
    )
    table.end()
    return chip


def _lab(table: Table, periods: int, meters: Mapping[str, list[ag.Meter]]) -> ag.Lab:
    name = table.string("name", as_name)
    log_rows = table.integer("log_rows", bounds.MIN_LOG_ROWS, bounds.MAX_LOG_ROWS)
    head = table.string("opening_head", as_head)
    since = table.integer("since_period", 0, periods - 1) if table.has("since_period") else 0
    caps = _caps(table.table("caps"))
    later = [_from(row, periods, _caps) for row in table.optional_tables("caps_from")]
    own = meters.get(name, [])
    if not own:
        raise table.error("name", f"lab {name} has 0 meters", "add [[meter]] tables")
    registry_rows = None
    if table.has("registry_rows"):
        registry_rows = table.integer("registry_rows", bounds.MIN_LOG_ROWS, bounds.MAX_LOG_ROWS)
    lost = table.string("lost", share_from_text, 'a share such as "1 %"') if table.has("lost") else 0
    ceiling = table.string("ceiling", as_cap) if table.has("ceiling") else None
    table.end()
    ordered = _sorted(table, "meter", own)
    return ag.Lab(name, log_rows, head, since, caps, ordered, tuple(later), registry_rows, lost, ceiling)


def _rules(table: Table) -> ag.Rules:
    charge = table.string("charge", one_of("peak", "metered"))
    residue = table.string("residue", one_of("charge-every-lineage", "none"))
    listed, unlisted = table.string("external", as_external) if table.has("external") else (False, None)
    table.end()
    return ag.Rules(charge == "peak", residue == "charge-every-lineage", listed, unlisted)


def _caps(table: Table) -> ag.Caps:
    total, unattributed, lineage = (table.string(key, as_cap) for key in ("total", "unattributed", "lineage"))
    freeze = table.string("freeze", as_cap) if table.has("freeze") else None
    table.end()
    return ag.Caps(total, unattributed, lineage, freeze)


def _from(table: Table, periods: int, read: Callable[[Table], T]) -> tuple[int, T]:
    """What holds from a period on: ``from_period`` and the fields that ``read`` takes."""
    period = table.integer("from_period", 1, periods - 1)
    return period, read(table)


def _amends(table: Table, periods: int) -> ag.Amends:
    amends = ag.Amends(table.string("digest", as_digest), table.integer("from_period", 1, periods - 1))
    table.end()
    return amends


def _model(table: Table) -> ag.OpenModel:
    model = ag.OpenModel(
        table.string("name", as_name),
        table.string("charge", as_charge),
        table.string("source", as_prose),
        tuple(sorted(table.strings("weights", as_digest, "weights digests"))),
    )
    table.end()
    return model


def _feed(table: Table) -> ag.Feed:
    feed = ag.Feed(
        name=table.string("name", as_name),
        lab=table.string("lab", as_name),
        holder=table.string("holder", as_name),
        key=table.string("key", as_meter_key),
        kind=table.string("kind", one_of(*ag.FEED_KINDS)),
        meters=tuple(sorted(table.names("meters"))),
        base_watts=table.integer("base_watts", 0, bounds.MAX_WATTS),
        idle_watts=table.integer("idle_watts", 0, bounds.MAX_WATTS),
        busy_watts=table.integer("busy_watts", 0, bounds.MAX_WATTS),
        period_key=table.string("period_key", as_period_key) if table.has("period_key") else b"",
    )
    table.end()
    return feed


def _pause(table: Table) -> ag.Pause:
    trigger, lifts = table.string("trigger", as_prose), table.string("lifts", as_prose)
    pause = ag.Pause(trigger, lifts, *_quorum_of(table, "deciders"))
    table.end()
    return pause


def _keys(table: Table) -> ag.KeyTerms:
    keys = ag.KeyTerms(*_quorum_of(table, "revoke"))
    table.end()
    return keys


def _quorum_of(table: Table, key: str) -> tuple[tuple[str, ...], int]:
    """A list of parties, sorted, and how many of them it takes."""
    names = table.names(key)
    if not names or len(set(names)) != len(names):
        raise table.error(key, "is not one or more names, each once", 'write a list such as ["lab-a", "lab-b"]')
    return tuple(sorted(names)), table.integer("quorum", 1, len(names))


def _log(table: Table) -> ag.LogTerms:
    log = ag.LogTerms(
        table.string("origin", as_origin),
        table.string("operator", as_name),
        table.string("key", as_key),
        table.integer("cosignatures", 1, bounds.MAX_COSIGNATURES),
    )
    table.end()
    return log


def _leaves(table: Table, key: str, default: int) -> int:
    """An optional number of leaves to pad to."""
    if not table.has(key):
        return default
    size = table.integer(key, bounds.MIN_LEAVES, bounds.MAX_LEAVES)
    if size & (size - 1):
        raise table.error(key, f"{size} is not a power of two", "choose a power of two")
    return size


def _checkpoints(table: Table) -> int:
    size = _leaves(table, "checkpoints", Agreement.checkpoints)
    table.end()
    return size


def _deadlines(table: Table) -> ag.Deadlines:
    example = 'a duration such as "7 d"'
    deadlines = ag.Deadlines(
        epoch=table.string("epoch", as_span, example),
        claim=table.string("claim", as_span, example),
        grace=table.string("grace", as_span, example),
        opening=table.string("opening", as_span, example),
        sign_by=table.time("sign_by") if table.has("sign_by") else None,
        late_epochs=table.integer("late_epochs", 0, bounds.MAX_EPOCHS) if table.has("late_epochs") else None,
        cosign=table.string("cosign", as_span, example) if table.has("cosign") else None,
    )
    table.end()
    return deadlines


def _inspection(table: Table) -> ag.InspectionTerms:
    terms = ag.InspectionTerms(
        draws=table.integer("draws", 1, bounds.MAX_DRAWS),
        slots=table.integer("slots", 0, bounds.MAX_DRAWS),
        margin=table.string("margin", as_span, 'a duration such as "10 min"'),
    )
    table.end()
    return terms


def _sorted(table: Table, key: str, items: Iterable[T]) -> tuple[T, ...]:
    ordered = sorted(items, key=lambda item: str(getattr(item, "name")))  # noqa: B009
    for one, two in zip(ordered, ordered[1:], strict=False):
        if getattr(one, "name") == getattr(two, "name"):  # noqa: B009
            raise table.error(key, f"two have the name {getattr(one, 'name')!r}", "give each its own name")  # noqa: B009
    return tuple(ordered)
