"""agreement.toml -> Agreement: every field read, bounded and cross-checked, every error with field and line.

Unknown fields are refused, so that a misspelt cap cannot go unnoticed. Amounts are text, read exactly by
:mod:`claims.base.units`. FORMATS.md section 1 lists the fields.
"""

from __future__ import annotations

import datetime as _datetime
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from claims.agreement import terms as ag
from claims.agreement.check import is_origin, validate
from claims.agreement.model import Agreement
from claims.base.canonical import NAME_RULE, head_from_hex, is_name
from claims.base.ed25519 import is_public_key
from claims.base.errors import AgreementError, ClaimsError, MalformedFile
from claims.base.files import AGREEMENT_LIMIT, read_bounded
from claims.base.text import MAX_PROSE, is_prose
from claims.base.toml import TomlError, parse_toml
from claims.base.units import cap_from_text, peak_from_text, seconds_from_text, share_from_text, time_from_text

__all__ = ["FORMAT", "load_agreement", "parse_agreement"]

FORMAT = "standstill-agreement/3"
T = TypeVar("T")


def load_agreement(path: str | os.PathLike[str]) -> Agreement:
    """Read an agreement file.

    Raises:
        UnreadableFile: it is missing or larger than 8 MiB.
        AgreementError: it is not a valid agreement; says where and what to do.
    """
    data = read_bounded(path, AGREEMENT_LIMIT)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AgreementError(str(path), "", line, "not UTF-8 text", "save the file as UTF-8") from None
    return parse_agreement(text, str(path))


def parse_agreement(text: str, source: str = "agreement.toml") -> Agreement:
    """Parse and validate agreement text. Raises AgreementError naming ``source``, field and line."""
    try:
        values = parse_toml(text)
    except TomlError as error:
        raise AgreementError(source, "", error.line, error.what, error.hint) from None
    root = _Table(source, text, "", values)
    agreement = _agreement(root)
    validate(agreement, root.error)
    return agreement


class _Table:
    """A TOML table whose fields are taken one by one; what is left at the end is refused."""

    def __init__(self, source: str, text: str, path: str, values: dict[str, Any]) -> None:
        self._source, self._text, self._path, self._left = source, text, path, dict(values)

    def error(self, key: str, what: str, hint: str = "") -> AgreementError:
        path = ".".join(part for part in (self._path, key) if part)
        return AgreementError(self._source, path, _find_line(self._text, self._path, key), what, hint)

    def has(self, key: str) -> bool:
        return key in self._left

    def _take(self, key: str, kind: type[T], name: str) -> T:
        if key not in self._left:
            raise self.error(key, "missing", f"add {key} ({name})")
        value = self._left.pop(key)
        if type(value) is not kind:
            raise self.error(key, f"is {type(value).__name__}, not {name}", f"write it as {name}")
        return value

    def string(self, key: str, read: Callable[[str], T], name: str = "text in quotes") -> T:
        value = self._take(key, str, name)
        try:
            return read(value)
        except ClaimsError as error:
            raise self.error(key, error.what, error.hint) from None

    def integer(self, key: str, low: int, high: int) -> int:
        value = self._take(key, int, "a whole number")
        if not low <= value <= high:
            shown = value if abs(value) < 2**64 else "a number of 2^64 or more"  # Python writes no number of 4,301 digits
            raise self.error(key, f"{shown} is not between {low} and {high}", "choose a value in this range")
        return value

    def time(self, key: str) -> int:
        value = self._left.get(key)
        if isinstance(value, _datetime.datetime):
            self._left[key] = value.isoformat()
        return self.string(key, time_from_text, "a time such as 2026-01-01T00:00:00Z")

    def table(self, key: str) -> _Table:
        return _Table(self._source, self._text, self._dot(key), self._take(key, dict, f"a table [{self._dot(key)}]"))

    def tables(self, key: str, most: int) -> list[_Table]:
        rows = self._take(key, list, f"one or more tables [[{key}]]")
        if not 1 <= len(rows) <= most:
            raise self.error(key, f"{len(rows)} tables, not 1 to {most}", f"write one [[{key}]] for each")
        if any(type(row) is not dict for row in rows):
            raise self.error(key, "is a list of values, not of tables", f"write [[{key}]] before each")
        return [_Table(self._source, self._text, f"{self._dot(key)}[{i}]", row) for i, row in enumerate(rows)]

    def optional_tables(self, key: str) -> list[_Table]:
        return self.tables(key, ag.MAX_CHANGES) if self.has(key) else []

    def names(self, key: str) -> list[str]:
        values = self._take(key, list, 'a list of names such as ["lab-a", "lab-b"]')
        if not all(type(value) is str and is_name(value) for value in values):
            raise self.error(key, "is not a list of names", NAME_RULE)
        return values

    def end(self) -> None:
        for key in self._left:
            raise self.error(key, "unknown field", "remove it or correct its spelling (claims/FORMATS.md lists them)")

    def _dot(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _find_line(text: str, path: str, key: str) -> int | None:
    """Line of ``key`` in the table ``path`` such as ``lab[1].caps``; its header's line, or None, otherwise."""
    counts: dict[str, int] = {}
    section, header_line = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]", line)
        if header:
            name = header[2]
            if header[1] == "[[":
                first, _, rest = name.partition(".")
                if rest and first in counts:
                    name = f"{first}[{counts[first]}].{rest}"
                counts[name] = counts.get(name, -1) + 1
                section = f"{name}[{counts[name]}]"
            else:
                first, _, rest = name.partition(".")
                section = f"{first}[{counts[first]}].{rest}" if rest and first in counts else name
            if section == path or (not path and name == key):
                header_line = number
            if section == (f"{path}.{key}" if path else key):
                return number
        elif section == path and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return header_line


def _name(text: str) -> str:
    if not is_name(text):
        raise MalformedFile(f"{text!r} is not a name", hint=NAME_RULE)
    return text


def _prose(text: str) -> str:
    if not is_prose(text):
        raise MalformedFile(
            f"is longer than {MAX_PROSE} characters, or holds control characters or others that nobody sees",
            hint="use plain printable text",
        )
    return text


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


def _key(text: str) -> bytes:
    match = re.fullmatch(r"ed25519:([0-9a-f]{64})", text)
    if match is None or not is_public_key(bytes.fromhex(match[1])):
        raise MalformedFile(
            "not a usable Ed25519 public key",
            hint='write "ed25519:" and 64 lower-case hex digits, as `standstill keygen` prints them',
        )
    return bytes.fromhex(match[1])


def _digest(text: str) -> bytes:
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise MalformedFile("not a digest", hint="write 64 lower-case hex digits, as `standstill agreement digest` does")
    return bytes.fromhex(text)


def _head(text: str) -> tuple[int, ...]:
    try:
        return head_from_hex(text)
    except MalformedFile as error:
        raise MalformedFile(error.what, hint="write the head that `standstill lab init` prints") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise MalformedFile(f"{text!r} is none of the choices", hint=f"choose one of: {', '.join(choices)}")
        return text

    return read


def _format(text: str) -> str:
    older = re.fullmatch(r"standstill-agreement/([0-9]{1,4})", text)
    if older is not None and text != FORMAT:
        raise MalformedFile(
            f"an agreement of format {older[1]}; this program reads {FORMAT}",
            hint="the parties have to write and sign it anew, or use the program that it was made with",
        )
    return _one_of(FORMAT)(text)


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


def _agreement(root: _Table) -> Agreement:
    root.string("format", _format)
    name, start = root.string("name", _name), root.time("start")
    epoch_seconds = root.string("epoch", seconds_from_text, 'a duration such as "1 h"')
    if epoch_seconds >= 2**32:
        raise root.error("epoch", "is 2^32 seconds or more", "choose a shorter epoch")
    per_period = _epochs_per_period(root, epoch_seconds)
    periods = root.integer("periods", 1, ag.MAX_EPOCHS // per_period)
    rules = _rules(root.table("rules"))
    later = [_from(table, periods, _rules) for table in root.optional_tables("rules_from")]
    parties = [_party(table) for table in root.tables("party", ag.MAX_LABS)]
    chips = [_chip(table) for table in root.tables("chip", ag.MAX_METERS)]
    meters = [_meter(table) for table in root.tables("meter", ag.MAX_LAB_METERS * ag.MAX_LABS)]
    labs = [_lab(table, periods, meters) for table in root.tables("lab", ag.MAX_LABS)]
    names = {lab.name for lab in labs}
    for meter in meters:
        if meter.lab not in names:
            raise root.error("meter", f"{meter.name}: {meter.lab!r} is no lab", "add a [[lab]] of that name")
    amends = _amends(root.table("amends"), periods) if root.has("amends") else None
    pause = _pause(root.table("pause")) if root.has("pause") else None
    log = _log(root.table("log")) if root.has("log") else None
    commitment = _commitment(root.table("commitment")) if root.has("commitment") else ag.Commitment()
    deadlines = _deadlines(root.table("deadlines")) if root.has("deadlines") else None
    inspection = _inspection(root.table("inspection")) if root.has("inspection") else None
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
        commitment=commitment,
        deadlines=deadlines,
        inspection=inspection,
        rules_from=tuple(later),
    )


def _epochs_per_period(root: _Table, epoch_seconds: int) -> int:
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


def _party(table: _Table) -> ag.Party:
    party = ag.Party(
        table.string("name", _name),
        table.string("key", _key),
        table.string("cosign_key", _key) if table.has("cosign_key") else None,
    )
    table.end()
    return party


def _chip(table: _Table) -> ag.ChipClass:
    chip = ag.ChipClass(
        table.string("name", _name),
        table.string("peak", _peak, 'text such as "1.979e15 FLOP/s"'),
        table.string("note", _prose),
    )
    table.end()
    return chip


def _meter(table: _Table) -> ag.Meter:
    meter = ag.Meter(
        lab=table.string("lab", _name),
        name=table.string("name", _name),
        chip=table.string("chip", _name),
        chips=table.integer("chips", 1, ag.MAX_COVERAGE),
        key=table.string("key", _key),
        site=table.string("site", _name) if table.has("site") else None,
    )
    table.end()
    return meter


def _lab(table: _Table, periods: int, meters: list[ag.Meter]) -> ag.Lab:
    name = table.string("name", _name)
    log_rows = table.integer("log_rows", ag.MIN_LOG_ROWS, ag.MAX_LOG_ROWS)
    head = table.string("opening_head", _head)
    since = table.integer("since_period", 0, periods - 1) if table.has("since_period") else 0
    caps = _caps(table.table("caps"))
    later = [_from(row, periods, _caps) for row in table.optional_tables("caps_from")]
    own = [meter for meter in meters if meter.lab == name]
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


def _rules(table: _Table) -> ag.Rules:
    charge = table.string("charge", _one_of("peak", "metered"))
    residue = table.string("residue", _one_of("charge-every-lineage", "none"))
    table.end()
    return ag.Rules(charge == "peak", residue == "charge-every-lineage")


def _caps(table: _Table) -> ag.Caps:
    total, unattributed, lineage = (table.string(key, _cap) for key in ("total", "unattributed", "lineage"))
    freeze = table.string("freeze", _cap) if table.has("freeze") else None
    table.end()
    return ag.Caps(total, unattributed, lineage, freeze)


def _from(table: _Table, periods: int, read: Callable[[_Table], T]) -> tuple[int, T]:
    """What holds from a period on: ``from_period`` and the fields that ``read`` takes."""
    period = table.integer("from_period", 1, periods - 1)
    return period, read(table)


def _amends(table: _Table, periods: int) -> ag.Amends:
    amends = ag.Amends(table.string("digest", _digest), table.integer("from_period", 1, periods - 1))
    table.end()
    return amends


def _pause(table: _Table) -> ag.Pause:
    trigger, lifts = table.string("trigger", _prose), table.string("lifts", _prose)
    deciders = table.names("deciders")
    if not deciders or len(set(deciders)) != len(deciders):
        raise table.error("deciders", "is not one or more names, each once", 'write a list such as ["lab-a", "lab-b"]')
    pause = ag.Pause(trigger, lifts, tuple(sorted(deciders)), table.integer("quorum", 1, len(deciders)))
    table.end()
    return pause


def _log(table: _Table) -> ag.LogTerms:
    log = ag.LogTerms(
        table.string("origin", _origin),
        table.string("operator", _name),
        table.string("key", _key),
        table.integer("cosignatures", 1, ag.MAX_COSIGNATURES),
    )
    table.end()
    return log


def _commitment(table: _Table) -> ag.Commitment:
    default, sizes = ag.Commitment(), []
    for key, size in (("readings", default.readings), ("checkpoints", default.checkpoints)):
        if table.has(key):
            size = table.integer(key, ag.MIN_LEAVES, ag.MAX_LEAVES)
            if size & (size - 1):
                raise table.error(key, f"{size} is not a power of two", "choose a power of two")
        sizes.append(size)
    table.end()
    return ag.Commitment(*sizes)


def _deadlines(table: _Table) -> ag.Deadlines:
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


def _inspection(table: _Table) -> ag.InspectionTerms:
    terms = ag.InspectionTerms(
        draws=table.integer("draws", 1, ag.MAX_DRAWS),
        slots=table.integer("slots", 0, ag.MAX_DRAWS),
        margin=table.string("margin", _span, 'a duration such as "10 min"'),
    )
    table.end()
    return terms


def _sorted(table: _Table, key: str, items: Iterable[T]) -> tuple[T, ...]:
    ordered = sorted(items, key=lambda item: str(getattr(item, "name")))  # noqa: B009
    for one, two in zip(ordered, ordered[1:], strict=False):
        if getattr(one, "name") == getattr(two, "name"):  # noqa: B009
            raise table.error(key, f"two have the name {getattr(one, 'name')!r}", "give each its own name")  # noqa: B009
    return tuple(ordered)
