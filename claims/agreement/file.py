"""agreement.toml -> Agreement: every field read, bounded and cross-checked, every error with field and line.

Unknown fields are refused, so that a misspelt cap cannot go unnoticed. Amounts are text, read exactly by
:mod:`claims.base.units`. FORMATS.md section 1 lists the fields.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from claims.agreement import terms as ag
from claims.agreement.check import is_origin, validate
from claims.agreement.decode import decode_known
from claims.agreement.meters import Beside, MeterTable, beside, meter_of, meter_table
from claims.agreement.model import Agreement, canonical_bytes
from claims.agreement.table import (
    Table,
    as_digest,
    as_key,
    as_key_name,
    as_meter_key,
    as_name,
    as_period_key,
    as_prose,
    one_of,
)
from claims.base.cache import open_cache
from claims.base.canonical import head_from_hex
from claims.base.errors import AgreementError, MalformedFile
from claims.base.files import AGREEMENT_LIMIT, CANONICAL_LIMIT, read_bounded
from claims.base.toml import TomlError, parse_toml
from claims.base.units import cap_from_text, charge_from_text, peak_from_text, seconds_from_text, share_from_text

__all__ = ["FORMAT", "load_agreement", "parse_agreement"]

FORMAT = "standstill-agreement/3"
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


def _origin(text: str) -> str:
    if not is_origin(text):
        raise MalformedFile(
            f"{text[:128]!r} is not a log origin", hint="printable ASCII without spaces and +, 1 to 128 characters"
        )
    return text


def _span(text: str) -> int:
    """A duration that may be zero, as in "0 s"."""
    if re.fullmatch(r"0 ?(s|min|h|d)", text):
        return 0
    seconds = seconds_from_text(text)
    if seconds > ag.MAX_DURATION:
        raise MalformedFile("is 2^32 seconds or more", hint="choose a shorter one")
    return seconds


def _head(text: str) -> tuple[int, ...]:
    try:
        return head_from_hex(text)
    except MalformedFile as error:
        raise MalformedFile(error.what, hint="write the head that `standstill lab init` prints") from None


def _format(text: str) -> str:
    older = re.fullmatch(r"standstill-agreement/([0-9]{1,4})", text)
    if older is not None and text != FORMAT:
        raise MalformedFile(
            f"an agreement of format {older[1]}; this program reads {FORMAT}",
            hint="the parties have to write and sign it anew, or use the program that it was made with",
        )
    return one_of(FORMAT)(text)


def _peak(text: str) -> int:
    peak = peak_from_text(text)
    if not 1 <= peak <= ag.MAX_PEAK:
        raise MalformedFile(f"peak is {peak} units of 10^12 FLOP/s, not 1 to {ag.MAX_PEAK}", hint="split the class")
    return peak


def _cap(text: str) -> int:
    cap = cap_from_text(text)
    if cap > ag.MAX_CAP:
        raise MalformedFile("the cap is 2^64 units of 10^12 FLOP or more", hint="lower it below 1.84e31 FLOP")
    return cap


def _charge(text: str) -> int:
    charge = charge_from_text(text)
    if charge > ag.MAX_CAP:
        raise MalformedFile("the charge is 2^64 units of 10^12 FLOP or more", hint="no claim counts so much")
    return charge


def _external(text: str) -> tuple[bool, int | None]:
    """A rule for weights from outside: whether a list counts, and the amount for what is not on it."""
    if text.startswith("listed-or "):
        return True, _charge(text.removeprefix("listed-or "))
    if text not in ("declared", "listed"):
        raise MalformedFile(f"{text!r} is none of the choices", hint='write "declared", "listed" or "listed-or 3e25 FLOP"')
    return text == "listed", None


def _agreement(root: Table, table: MeterTable | None) -> Agreement:
    root.string("format", _format)
    name, start = root.string("name", as_name), root.time("start")
    epoch_seconds = root.string("epoch", seconds_from_text, 'a duration such as "1 h"')
    if epoch_seconds >= 2**32:
        raise root.error("epoch", "is 2^32 seconds or more", "choose a shorter epoch")
    per_period = _epochs_per_period(root, epoch_seconds)
    periods = root.integer("periods", 1, ag.MAX_EPOCHS // per_period)
    rules = _rules(root.table("rules"))
    later = [_from(table, periods, _rules) for table in root.optional_tables("rules_from")]
    parties = [_party(table) for table in root.tables("party", ag.MAX_LABS)]
    chips = [_chip(table) for table in root.tables("chip", ag.MAX_METERS)]
    meters: dict[str, list[ag.Meter]] = {}
    for meter in [meter_of(one) for one in root.tables("meter", ag.MAX_FLEET)] if table is None else table.meters():
        meters.setdefault(meter.lab, []).append(meter)
    labs = [_lab(one, periods, meters) for one in root.tables("lab", ag.MAX_LABS)]
    if strange := meters.keys() - {lab.name for lab in labs}:
        name = min(strange)
        raise root.error("meter", f"{meters[name][0].name}: {name!r} is no lab", "add a [[lab]] of that name")
    amends = _amends(root.table("amends"), periods) if root.has("amends") else None
    pause = _pause(root.table("pause")) if root.has("pause") else None
    log = _log(root.table("log")) if root.has("log") else None
    checkpoints = _checkpoints(root.table("commitment")) if root.has("commitment") else Agreement.checkpoints
    deadlines = _deadlines(root.table("deadlines")) if root.has("deadlines") else None
    inspection = _inspection(root.table("inspection")) if root.has("inspection") else None
    models = [_model(table) for table in root.optional_tables("open_model", ag.MAX_MODELS)]
    feeds = [_feed(table) for table in root.optional_tables("feed", ag.MAX_FEEDS)]
    witnesses = [_witness(table) for table in root.optional_tables("witness", ag.MAX_WITNESSES)]
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
        return root.integer("epochs_per_period", 1, ag.MAX_EPOCHS)
    seconds = root.string("period", seconds_from_text, 'a duration such as "30 d"')
    if seconds % epoch_seconds or seconds // epoch_seconds > ag.MAX_EPOCHS:
        what = f"{seconds} s is not a whole number, at most {ag.MAX_EPOCHS}, of epochs of {epoch_seconds} s"
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
        table.string("peak", _peak, 'text such as "1.979e15 FLOP/s"'),
        table.string("note", as_prose),
        _leaves(table, "readings", ag.ChipClass.readings),
    )
    table.end()
    return chip


def _lab(table: Table, periods: int, meters: Mapping[str, list[ag.Meter]]) -> ag.Lab:
    name = table.string("name", as_name)
    log_rows = table.integer("log_rows", ag.MIN_LOG_ROWS, ag.MAX_LOG_ROWS)
    head = table.string("opening_head", _head)
    since = table.integer("since_period", 0, periods - 1) if table.has("since_period") else 0
    caps = _caps(table.table("caps"))
    later = [_from(row, periods, _caps) for row in table.optional_tables("caps_from")]
    own = meters.get(name, [])
    if not own:
        raise table.error("name", f"lab {name} has 0 meters", "add [[meter]] tables")
    registry_rows = None
    if table.has("registry_rows"):
        registry_rows = table.integer("registry_rows", ag.MIN_LOG_ROWS, ag.MAX_LOG_ROWS)
    lost = table.string("lost", share_from_text, 'a share such as "1 %"') if table.has("lost") else 0
    ceiling = table.string("ceiling", _cap) if table.has("ceiling") else None
    table.end()
    ordered = _sorted(table, "meter", own)
    return ag.Lab(name, log_rows, head, since, caps, ordered, tuple(later), registry_rows, lost, ceiling)


def _rules(table: Table) -> ag.Rules:
    charge = table.string("charge", one_of("peak", "metered"))
    residue = table.string("residue", one_of("charge-every-lineage", "none"))
    listed, unlisted = table.string("external", _external) if table.has("external") else (False, None)
    table.end()
    return ag.Rules(charge == "peak", residue == "charge-every-lineage", listed, unlisted)


def _caps(table: Table) -> ag.Caps:
    total, unattributed, lineage = (table.string(key, _cap) for key in ("total", "unattributed", "lineage"))
    freeze = table.string("freeze", _cap) if table.has("freeze") else None
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
        table.string("charge", _charge),
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
        base_watts=table.integer("base_watts", 0, ag.MAX_WATTS),
        idle_watts=table.integer("idle_watts", 0, ag.MAX_WATTS),
        busy_watts=table.integer("busy_watts", 0, ag.MAX_WATTS),
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
        table.string("origin", _origin),
        table.string("operator", as_name),
        table.string("key", as_key),
        table.integer("cosignatures", 1, ag.MAX_COSIGNATURES),
    )
    table.end()
    return log


def _leaves(table: Table, key: str, default: int) -> int:
    """An optional number of leaves to pad to."""
    if not table.has(key):
        return default
    size = table.integer(key, ag.MIN_LEAVES, ag.MAX_LEAVES)
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
        epoch=table.string("epoch", _span, example),
        claim=table.string("claim", _span, example),
        grace=table.string("grace", _span, example),
        opening=table.string("opening", _span, example),
        sign_by=table.time("sign_by") if table.has("sign_by") else None,
        late_epochs=table.integer("late_epochs", 0, ag.MAX_EPOCHS) if table.has("late_epochs") else None,
        cosign=table.string("cosign", _span, example) if table.has("cosign") else None,
    )
    table.end()
    return deadlines


def _inspection(table: Table) -> ag.InspectionTerms:
    terms = ag.InspectionTerms(
        draws=table.integer("draws", 1, ag.MAX_DRAWS),
        slots=table.integer("slots", 0, ag.MAX_DRAWS),
        margin=table.string("margin", _span, 'a duration such as "10 min"'),
    )
    table.end()
    return terms


def _sorted(table: Table, key: str, items: Iterable[T]) -> tuple[T, ...]:
    ordered = sorted(items, key=lambda item: str(getattr(item, "name")))  # noqa: B009
    for one, two in zip(ordered, ordered[1:], strict=False):
        if getattr(one, "name") == getattr(two, "name"):  # noqa: B009
            raise table.error(key, f"two have the name {getattr(one, 'name')!r}", "give each its own name")  # noqa: B009
    return tuple(ordered)
