"""The command line ``standstill``. Exit codes: FORMATS.md section 10."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import click

from claims.base.errors import AgreementError, ClaimRejected, ClaimsError, UnreadableFile
from claims.cli import (  # noqa: F401  (each registers its commands)
    agreement,
    allowance,
    building,
    close,
    cluster,
    demo,
    epoch,
    feed,
    files,
    genesis,
    import_cluster,
    import_list,
    imports,
    inspect,
    journal,
    key,
    keys,
    lab,
    lab_status,
    log,
    log_witness,
    log_write,
    lost,
    meter,
    opening,
    prove,
    receipt,
    site,
    status,
    verify,
    weights,
)
from claims.cli.group import cli, out
from claims.cli.needs import missing_extra
from claims.cli.screen import working

__all__ = ["cli", "main"]


def _end(error: Exception, code: int, as_json: bool) -> NoReturn:
    """Print an error, in one line also where a file's name would make it several, and exit."""
    if as_json:
        value: dict[str, Any] = {"format": "standstill-error/1", "exit": code, "check": None, "what": str(error), "hint": ""}
        value |= {"file": None, "field": None, "line": None}
        if isinstance(error, ClaimsError):
            value |= {"what": error.what, "hint": error.hint}
        if isinstance(error, ClaimRejected):
            value |= {"check": error.check}
        if isinstance(error, AgreementError):
            value |= {"file": error.source, "field": error.field or None, "line": error.line}
        if isinstance(error, click.ClickException):
            value |= {"what": error.format_message()}
        out(json.dumps(value, indent=2), exact=True)
    else:
        what = error.format_message() if isinstance(error, click.ClickException) else str(error)
        how = "REJECTED" if isinstance(error, ClaimRejected) else "error" if code != 1 else "refused"
        out(f"{how}: {what}".replace("\n", "\ufffd"), err=True)
    sys.exit(code)


def main(argv: list[str] | None = None) -> None:
    """Entry point: runs a command and turns every expected error into one line and an exit code."""
    as_json = "--json" in (sys.argv[1:] if argv is None else argv)
    try:
        with working():
            code = cli.main(argv, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ClaimsError as error:
        _end(error, error.exit_code, as_json)
    except click.exceptions.Abort:
        out("aborted", err=True)
        sys.exit(2)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            out(f"{error.ctx.get_usage()}\n{error.ctx.command_path} --help says more", err=True)
        _end(error, 2, as_json)
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error)) is None:
            raise
        _end(missing, 2, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except (OSError, MemoryError, UnicodeEncodeError) as error:
        _end(UnreadableFile(str(error)), 2, as_json)
