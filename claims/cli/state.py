"""Options of commands that sign: where the keys' journals lie, and the log to compare with."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from claims.base.errors import ClaimsError

if TYPE_CHECKING:
    from claims.agreement.model import Agreement
    from claims.claim.published import PublishedEntries
    from claims.lab.journal import Journal
    from claims.lab.store import Store

__all__ = [
    "compared_log", "keys_by_log", "learn_amendment", "log_given", "log_option", "room_for_journals", "signing_store", "signing_stores",
    "state_folder", "state_option", "store_signing_options",
]  # fmt: skip

FILES_PER_JOURNAL = 3
"""SQLite's database and its rollback journal, and one to spare."""
OTHER_FILES = 64
_STATE, _LOG = "standstill.state", "standstill.log"


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def note(context: click.Context, _: click.Parameter, value: Any) -> None:
        context.meta[name] = value

    return note


state_option = click.option(
    "--state", type=click.Path(path_type=Path), envvar="STANDSTILL_STATE", expose_value=False, callback=_keep(_STATE),
    help="Folder of the journals of what keys signed; no part of backups. [default: standstill in $XDG_STATE_HOME]",
)  # fmt: skip
_log_option = click.option(
    "--log", metavar="LOG", expose_value=False, callback=_keep(_LOG),
    help="The agreement's log, a folder or URL: the store is compared with it before anything is signed.",
)  # fmt: skip

log_option = click.option(
    "--log", metavar="LOG", expose_value=False, callback=_keep(_LOG),
    help="The agreement's log, a folder or URL, which has transfers of cap.",
)  # fmt: skip
"""Of a command that signs nothing."""


def store_signing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options ``--state`` and ``--log`` of commands that sign out of a store."""
    return _log_option(state_option(command))


def state_folder() -> Path:
    """The folder that ``--state`` names, or the default."""
    from claims.lab.journal import default_state

    given = click.get_current_context().meta.get(_STATE)
    return default_state() if given is None else Path(given)


def log_given() -> str | None:
    """The log that ``--log`` names, or None."""
    given = click.get_current_context().meta.get(_LOG)
    return None if given is None else str(given)


def compared_log(terms: Agreement, source: str) -> PublishedEntries:
    """Every entry that the log's key has signed, cosigned or not: what counts is what the lab has given out."""
    from claims.claim.published import PublishedEntries
    from claims.tlog.checkpoint import LogTrust
    from claims.tlog.reader import open_log

    if terms.log is None:
        raise click.UsageError("--log: the agreement has no log")
    view = open_log(source, LogTrust(terms.log.origin, terms.log.key))
    return PublishedEntries(terms, enumerate(view.entries))


def keys_by_log(terms: Agreement) -> PublishedEntries | None:
    """The log that ``--log`` names, of an agreement whose keys may change; None of another.

    Raises:
        ClaimsError: none is named, or other keys are in force by it than are known here.
    """
    source = log_given()
    if terms.keys is None:
        return None
    if source is None:
        what = "keys of this agreement may change, and only its log says which are in force"
        raise ClaimsError(what, "give it: --log LOG")
    return _same_keys(terms, compared_log(terms, source))


def _same_keys(terms: Agreement, log: PublishedEntries) -> PublishedEntries:
    """The log. Raises ClaimsError where its words put other keys in force than are known here."""
    if terms.keys is not None and list(log.keys.now.roles) != list(terms.roles):
        raise ClaimsError("by this log other keys are in force than are known here: nothing was signed", "standstill key update --log LOG")
    return log


def learn_amendment(store: Store, terms: Agreement) -> None:
    """Note in the store which amendments of the agreement the lab's key has signed on this machine, where it has a place for journals."""
    from claims.lab.amended import learn
    from claims.lab.journal import JournalError

    with suppress(JournalError):
        learn(store, terms, state_folder())


@contextmanager
def signing_stores(store: Store, terms: Agreement, meters: Sequence[str], *, ring: bool) -> Iterator[None]:
    """As :func:`signing_store` for several meters at once: all journals are held to the end, and the log is compared once.

    Args:
        ring: their keys are made of a keyring.

    Raises:
        ClaimsError: the system does not allow so many open files.
    """
    from claims.lab.signing import signing_all

    room_for_journals(1 if ring else len(meters))
    source = click.get_current_context().meta.get(_LOG)
    log = None if source is None else _same_keys(terms, compared_log(terms, source))
    with signing_all(store, terms, meters, state_folder(), log, ring=ring):
        yield


def room_for_journals(count: int) -> None:
    """Let this process open as many files as the journals of all meters need, which are locked together: all sign, or none.

    Raises:
        ClaimsError: the system allows fewer.
    """
    needed = FILES_PER_JOURNAL * count + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        what = f"{count} meters at once need {needed} open files, and this system allows {hard}: nothing was signed"
        raise ClaimsError(what, "raise the limit (ulimit -n), or close the meters by name in several commands")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextmanager
def signing_store(store: Store, terms: Agreement, meter: str | None = None) -> Iterator[Journal]:
    """What :func:`claims.lab.signing.signing` does, with the options of the running command."""
    from claims.lab.signing import signing

    source = click.get_current_context().meta.get(_LOG)
    log = None if source is None else _same_keys(terms, compared_log(terms, source))
    with signing(store, terms, meter, state_folder(), log) as journal:
        yield journal
