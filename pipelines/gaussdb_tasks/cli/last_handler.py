"""The last handler: errors that no command expects become one masked sentence.

Messages of libraries may show a header with a token or a URL with a password. So nothing of them is
shown as it is: not an error, not a warning, not a log record, not the end of a thread.
"""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import click

from gaussdb_tasks import known_secrets
from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.options import Option
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.foreign_text import shortened, visible
from gaussdb_tasks.os_errors import explain, explain_memory

_MAX_SHOWN_CHARACTERS: Final = 300
_CAUSED: Final = "The above exception was the direct cause of the following exception:"
_EXPLAINED: Final = "keystoneauth.identity"
"""The library whose faults end in a message of this program, or pass by themselves."""
_DURING: Final = "During handling of the above exception, another exception occurred:"


_DEBUG: Final = SimpleNamespace(is_on=False)
"""Whether tracebacks are shown."""


def debug_option(*, expose_value: bool) -> click.Option:
    """Make the option ``--debug`` of a command."""
    return Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,  # the values of other options may fail
        expose_value=expose_value,
        callback=_set_debug,
        help="Show the traceback of an error, with secrets masked.",
    )


def _set_debug(_ctx: click.Context, _param: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click's signature
    _DEBUG.is_on = value
    return value


def report(error: BaseException) -> int:
    """Report an error in one sentence, and return its exit code."""
    explained = _explained(error)
    if _DEBUG.is_on:
        console.error(*_traceback(error), event="traceback")
    console.error(*explained.lines)
    return explained.exit_code


def _traceback(error: BaseException) -> Iterator[str]:
    """Yield the lines of a traceback; the text of each error is in one line.

    Foreign text must not begin a line: it could look like a part of the traceback, or of the log.
    """
    for each, link in reversed(list(_chain(error))):
        yield "Traceback (most recent call last):"
        for frame in traceback.format_tb(each.__traceback__):
            yield from frame.rstrip("\n").split("\n")
        notes = map(str, getattr(each, "__notes__", ()))
        text = known_secrets.mask("\n".join((str(each), *notes)))
        kind = type(each)
        yield visible(f"{kind.__module__}.{kind.__qualname__}: {text}")
        if link:
            yield from ("", link, "")


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield an error and those that led to it, each with its link to the one before."""
    shown: set[int] = set()
    link = ""
    current: BaseException | None = error
    while current is not None and id(current) not in shown:
        shown.add(id(current))
        yield current, link
        if current.__cause__ is not None:
            current, link = current.__cause__, _CAUSED
        else:
            current, link = (None if current.__suppress_context__ else current.__context__), _DURING


def _explained(error: BaseException) -> GaussdbTasksError:
    match error:
        case GaussdbTasksError():
            return error
        case OSError() if error.errno is not None:
            return explain(error)
    of_memory = explain_memory(error)
    if of_memory is not None:
        return of_memory
    reason = " ".join(shortened(known_secrets.mask(str(error)), _MAX_SHOWN_CHARACTERS).split())
    return GaussdbTasksError(
        f"unexpected error: {type(error).__name__}{': ' if reason else ''}{reason}; "
        "run the command again with --debug, and report what it shows"
    )


@contextmanager
def libraries_masked() -> Iterator[None]:
    """Show what libraries log, warn of, or raise in threads as masked messages."""
    _DEBUG.is_on = False
    before = (threading.excepthook, sys.unraisablehook, warnings.showwarning, logging.lastResort)
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable
    warnings.showwarning = _show_warning
    logging.lastResort = _MaskingHandler(logging.WARNING)
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook, warnings.showwarning, logging.lastResort = before


def _report_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and ended.exc_type is not SystemExit:
        report(ended.exc_value)


def _report_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    if unraisable.exc_value is not None:
        report(unraisable.exc_value)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    console.warn(f"{category.__name__}: {message}", event="library")


class _MaskingHandler(logging.Handler):
    """Writes a record as a message; used for loggers without a handler of their own."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_EXPLAINED):
            console.warn(f"{record.name}: {record.getMessage()}", event="library")
