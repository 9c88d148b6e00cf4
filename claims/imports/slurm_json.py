"""``sacct --json``: jobs one at a time, each as a row with the columns of ``sacct -P``.

    {"jobs": [{"job_id", "name", "state": {"current"}, "time": {"submission", "start", "end", "elapsed"}, "nodes",
               "allocation_nodes", "cluster", "tres": {"allocated": [{"type", "name", "count"}]}}, ...], "errors": []}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from claims.base.canonical import check_nesting
from claims.imports.charge import Source
from claims.imports.json_reader import JsonReader
from claims.imports.jsons import shown
from claims.imports.rows import Row

__all__ = ["job_rows"]


def job_rows(name: str, data: bytes) -> Iterator[Row]:
    """Rows of the jobs; their line is the job's number. Steps are left out: they are counted in their jobs.

    Raises:
        ImportRefused: not such a document, errors in it, no job at all, or a field of another kind.
    """
    whole = Source(name)
    try:
        check_nesting(data)
        reader = JsonReader(data.decode("utf-8-sig"))
        jobs = 0
        for key in reader.keys():
            if key == "jobs":
                if jobs:
                    raise whole.refuse("it has two lists of jobs", "import the file of each export by itself")
                for value in reader.items():
                    jobs += 1
                    yield _row(Source(name, jobs), value)
            elif reader.value() and key == "errors":
                raise whole.refuse("sacct says that there were errors", "export it again")
    except (ValueError, RecursionError) as error:
        raise whole.refuse(f"not the JSON of sacct: {str(error)[:100]}", "export with sacct -a -D --json") from None
    if not jobs:
        raise whole.refuse("it has no jobs", "was it exported for the right time, and for all users?")


def _row(source: Source, job: Any) -> Row:
    if not isinstance(job, dict):
        raise source.refuse("a job is not an object")
    times, tres = _table(job, "time", source), _table(job, "tres", source)
    state = _table(job, "state", source).get("current")
    state = " ".join(map(str, state)) if isinstance(state, list) else state
    allocated = tres.get("allocated")
    if not isinstance(allocated, list) or not isinstance(state, str):
        raise source.refuse("it has no list tres.allocated, or no state", "export with sacct --json")
    values = {
        "jobidraw": _number(job, "job_id", source), "jobname": _text(job, "name", source), "state": state,
        "submit": _number(times, "submission", source), "start": _number(times, "start", source),
        "end": _number(times, "end", source), "elapsedraw": _number(times, "elapsed", source),
        "alloctres": ",".join(_tres(entry, source) for entry in allocated), "nodelist": _text(job, "nodes", source),
        "nnodes": _number(job, "allocation_nodes", source), "cluster": _text(job, "cluster", source),
        "restarts": _number(job, "restart_cnt", source),
    }  # fmt: skip
    if values["nnodes"] == "0" or values["nodelist"].lower() in ("", "none assigned"):
        values["nnodes"] = ""
    return Row(source.name, source.line or 0, values)


def _table(job: dict[str, Any], key: str, source: Source) -> dict[str, Any]:
    value = job.get(key)
    if not isinstance(value, dict):
        raise source.refuse(f"{key} is not an object", "export with sacct --json")
    return value


def _text(table: dict[str, Any], key: str, source: Source) -> str:
    value = table.get(key, "")
    if not isinstance(value, str | None):
        raise source.refuse(f"{key} {shown(value)!r} is not a text")
    return value or ""


def _number(table: dict[str, Any], key: str, source: Source) -> str:
    """A whole number as text, also as ``{"set", "infinite", "number"}``; empty where there is none."""
    value = table.get(key)
    if isinstance(value, dict):
        value = value.get("number") if value.get("set") is True and not value.get("infinite") else None
    if value is None:
        return ""
    if type(value) is not int:
        raise source.refuse(f"{key} {shown(value)!r} is not a whole number")
    return str(value)


def _tres(entry: Any, source: Source) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise source.refuse("an entry of tres.allocated has no type")
    name = _text(entry, "name", source)
    return f"{entry['type']}{'/' + name if name else ''}={_number(entry, 'count', source)}"
