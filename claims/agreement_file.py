"""agreement.toml -> Agreement: every field read, bounded and cross-checked, every error with field and line.

Unknown fields are refused, so that a misspelt cap cannot go unnoticed. Amounts are text, read exactly by
:mod:`claims.units`. FORMATS.md section 1 lists the fields.
"""

from __future__ import annotations

import datetime as _datetime
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from claims import agreement as ag
from claims.canonical import NAME_RULE, head_from_hex, is_name
from claims.errors import AgreementError, ClaimsError, MalformedFile
from claims.files import AGREEMENT_LIMIT, read_bounded
from claims.units import cap_from_text, format_time, peak_from_text, seconds_from_text, time_from_text

__all__ = ["FORMAT", "is_public_key", "load_agreement", "parse_agreement"]

FORMAT = "standstill-agreement/1"
MAX_TEXT = 4000
"""Characters in a note or pause text."""
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SMALL_ORDER_Y = frozenset({
    0, 1, _P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
})  # fmt: skip
"""y of the eight points whose order divides 8: under such a key anyone can sign."""

T = TypeVar("T")


def load_agreement(path: str | os.PathLike[str]) -> ag.Agreement:
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


def parse_agreement(text: str, source: str = "agreement.toml") -> ag.Agreement:
    """Parse and validate agreement text. Raises AgreementError naming ``source``, field and line."""
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        line = re.search(r"at line (\d+)", str(error))
        where = int(line[1]) if line else None
        raise AgreementError(source, "", where, f"not TOML: {error}", "see https://toml.io") from None
    root = _Table(source, text, "", values)
    agreement = _agreement(root)
    _cross_check(agreement, root)
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
            raise self.error(key, f"{value} is not between {low} and {high}", "choose a value in this range")
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
    bad = [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn")]
    if bad or len(text) > MAX_TEXT or unicodedata.normalize("NFC", text) != text:
        raise MalformedFile(
            f"is longer than {MAX_TEXT} characters, holds control characters, or is not NFC text",
            hint="use plain printable text",
        )
    return text


def is_public_key(data: bytes) -> bool:
    """Whether 32 bytes are a canonical Ed25519 point, on the curve and not of small order (RFC 8032, 5.1.3)."""
    if len(data) != 32:
        return False
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        return False
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(x_squared, (_P - 1) // 2, _P) == 1


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


def _agreement(root: _Table) -> ag.Agreement:
    root.string("format", _one_of(FORMAT))
    name, start = root.string("name", _name), root.time("start")
    epoch_seconds = root.string("epoch", seconds_from_text, 'a duration such as "1 h"')
    if epoch_seconds >= 2**32:
        raise root.error("epoch", "is 2^32 seconds or more", "choose a shorter epoch")
    per_period = _epochs_per_period(root, epoch_seconds)
    periods = root.integer("periods", 1, ag.MAX_EPOCHS // per_period)
    rules = root.table("rules")
    charge = rules.string("charge", _one_of("peak", "metered"))
    residue = rules.string("residue", _one_of("charge-every-lineage", "none"))
    rules.end()
    parties = [_party(table) for table in root.tables("party", ag.MAX_LABS)]
    chips = [_chip(table) for table in root.tables("chip", ag.MAX_METERS)]
    meters = [_meter(table) for table in root.tables("meter", ag.MAX_METERS * ag.MAX_LABS)]
    labs = [_lab(table, periods, meters) for table in root.tables("lab", ag.MAX_LABS)]
    for meter in meters:
        if meter.lab not in {lab.name for lab in labs}:
            raise root.error("meter", f"{meter.name}: {meter.lab!r} is no lab", "add a [[lab]] of that name")
    amends = _amends(root.table("amends"), periods) if root.has("amends") else None
    pause = _pause(root.table("pause")) if root.has("pause") else None
    root.end()
    return ag.Agreement(
        name=name,
        start=start,
        epoch_seconds=epoch_seconds,
        epochs_per_period=per_period,
        periods=periods,
        rules=ag.Rules(charge == "peak", residue == "charge-every-lineage"),
        parties=_sorted(root, "party", parties),
        chips=_sorted(root, "chip", chips),
        labs=_sorted(root, "lab", labs),
        amends=amends,
        pause=pause,
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
    party = ag.Party(table.string("name", _name), table.string("key", _key))
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
    )
    table.end()
    return meter


def _lab(table: _Table, periods: int, meters: list[ag.Meter]) -> ag.Lab:
    name = table.string("name", _name)
    log_rows = table.integer("log_rows", ag.MIN_LOG_ROWS, ag.MAX_LOG_ROWS)
    head = table.string("opening_head", _head)
    since = table.integer("since_period", 0, periods - 1) if table.has("since_period") else 0
    caps = table.table("caps")
    total, unattributed, lineage = (caps.string(key, _cap) for key in ("total", "unattributed", "lineage"))
    freeze = caps.string("freeze", _cap) if caps.has("freeze") else None
    caps.end()
    own = [meter for meter in meters if meter.lab == name]
    if not 1 <= len(own) <= ag.MAX_METERS:
        raise table.error("name", f"lab {name} has {len(own)} meters, not 1 to {ag.MAX_METERS}", "add [[meter]] tables")
    table.end()
    ordered = _sorted(table, "meter", own)
    return ag.Lab(name, log_rows, head, since, ag.Caps(total, unattributed, lineage, freeze), ordered)


def _amends(table: _Table, periods: int) -> ag.Amends:
    amends = ag.Amends(table.string("digest", _digest), table.integer("from_period", 1, periods - 1))
    table.end()
    return amends


def _pause(table: _Table) -> ag.Pause:
    pause = ag.Pause(*(table.string(key, _prose) for key in ("trigger", "lifts", "decides")))
    table.end()
    return pause


def _sorted(table: _Table, key: str, items: Iterable[T]) -> tuple[T, ...]:
    ordered = sorted(items, key=lambda item: str(getattr(item, "name")))  # noqa: B009
    for one, two in zip(ordered, ordered[1:], strict=False):
        if getattr(one, "name") == getattr(two, "name"):  # noqa: B009
            raise table.error(key, f"two have the name {getattr(one, 'name')!r}", "give each its own name")  # noqa: B009
    return tuple(ordered)


def _cross_check(agreement: ag.Agreement, root: _Table) -> None:
    """References between tables, keys used once, and bounds that need more than one field."""
    parties = {party.name for party in agreement.parties}
    labs = {lab.name for lab in agreement.labs}
    chips = {chip.name for chip in agreement.chips}
    if missing := labs - parties:
        raise root.error("lab", f"{sorted(missing)} are no parties", "add a [[party]] of the same name")
    owners: dict[bytes, str] = {}
    meters = [meter for lab in agreement.labs for meter in lab.meters]
    for role, key in [(f"party {p.name}", p.key) for p in agreement.parties] + [
        (f"meter {m.lab}/{m.name}", m.key) for m in meters
    ]:
        if key in owners:
            raise root.error("meter", f"{owners[key]} and {role} have the same key", "make a key for each role")
        owners[key] = role
    for meter in meters:
        if meter.chip not in chips:
            raise root.error("meter", f"{meter.lab}/{meter.name}: no chip class {meter.chip!r}", "add a [[chip]]")
        if agreement.coverage(meter) > ag.MAX_COVERAGE:
            what = f"{meter.lab}/{meter.name}: chips x epoch seconds is 2^48 or more"
            raise root.error("meter", what, "split the meter or shorten the epoch")
    for lab in agreement.labs:
        _check_lab(agreement, lab, root)
    if agreement.start + agreement.epoch_seconds * agreement.epochs_per_period * agreement.periods > 253402300799:
        raise root.error("periods", f"end after the year 9999 (start {format_time(agreement.start)})", "lower it")


def _check_lab(agreement: ag.Agreement, lab: ag.Lab, root: _Table) -> None:
    rows = len(lab.meters) * (3 + agreement.epochs_per_period) + 9
    if rows > 2**lab.log_rows:
        what = f"lab {lab.name}: one reading per meter and epoch needs {rows} rows, more than 2^{lab.log_rows}"
        raise root.error("lab", what, "raise log_rows, or shorten the period")
    if lab.caps.freeze is not None and lab.caps.freeze > lab.caps.lineage:
        what = f"lab {lab.name}: the freeze level is above the lineage cap"
        raise root.error("lab", what, "lower the freeze level")

