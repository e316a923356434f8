"""Messages on stderr while a command runs, as text or as JSON log lines; lines of text on stdout.

A message is one line. Line ends and other invisible characters in it are escaped; a message of
several lines is given as several texts.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

import click

from gaussdb_tasks.cli.json_text import json_text
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.foreign_text import shortened, visible, visible_json
from gaussdb_tasks.known_secrets import mask

if TYPE_CHECKING:
    from gaussdb_tasks.model.project_state import ProjectKey

_REPORT_INTERVAL_SECONDS: Final = 30.0
_MIN_REPORTED_WAIT_SECONDS: Final = 2.0


class Progress(Protocol):
    """Callback that shows the progress of a load."""

    def __call__(self, project: "ProjectKey", seen: int, announced: int) -> None:
        """Show the number of tasks read and the number announced by the API; 0 if unknown."""


_FORMAT: Final = SimpleNamespace(is_json=False, run_id=None)
"""The format of all messages: text, or JSON with the run's id."""


def log_as_json(run_id: str | None) -> None:
    """Write all further messages as JSON; None: as text."""
    _FORMAT.is_json = run_id is not None
    _FORMAT.run_id = run_id


def is_json() -> bool:
    """Return whether messages are written as JSON."""
    return bool(_FORMAT.is_json)


def info(message: str, event: str = "note", **fields: object) -> None:
    """Write a message; ``event`` and ``fields`` appear in JSON only."""
    _write((message,), event, "info", fields)


def warn(message: str, event: str = "note", **fields: object) -> None:
    """Write a warning; the command goes on."""
    _write((message,), event, "warning", fields)


def error(*lines: str, event: str = "failed", **fields: object) -> None:
    """Write an error, as text with the program's name before it."""
    if _FORMAT.is_json:
        _write(lines, event, "error", fields)
    else:
        _print(lines, "gaussdb-tasks: ")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of text to stdout, as UTF-8 like all data, whatever the locale."""
    with stdout() as out:
        out.writelines(f"{visible(line)}\n".encode() for line in lines)


@contextmanager
def stdout() -> Iterator[BinaryIO]:
    """Give the stream of stdout; data that its reader no longer takes are discarded.

    Raises:
        GaussdbTasksError: stdout cannot be written.
    """
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_stdout()  # the reader has closed it, like `head`
    except OSError as error:
        _discard_stdout()
        message = f"stdout cannot be written ({error.strerror})"
        raise GaussdbTasksError(message) from error


def _discard_stdout() -> None:
    """Discard what is still buffered: Python would write it, and fail again, at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def page(lines: Sequence[str]) -> bool:
    """Show lines in the pager of ``PAGER`` if the terminal has no room for them; return if so."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if len(lines) < os.get_terminal_size(sys.stdout.fileno()).lines:
        return False
    # Ctrl-C is for the pager: a search or a long line stops, and the table stays.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        click.echo_via_pager(f"{visible(line)}\n" for line in lines)
    finally:
        signal.signal(signal.SIGINT, handler)
    return True


class Screen:
    """Lines on a terminal that later ones replace; notes stay above them."""

    def __init__(self, live: Any) -> None:
        self._live = live

    @property
    def height(self) -> int:
        """The number of lines that fit."""
        return int(self._live.console.height)

    def show(self, lines: Iterable[str]) -> None:
        """Replace the lines."""
        self._live.update(_screen_text("\n".join(map(visible, lines))), refresh=True)

    def note(self, message: str, **_fields: object) -> None:
        """Write a message above the lines."""
        self._live.console.print(_screen_text(visible(_masked(message))))


@contextmanager
def screen() -> Iterator[Screen]:
    """Show lines on the terminal of stdout; the last ones stay."""
    from rich.console import Console  # noqa: PLC0415 - slow to import; only a terminal needs it
    from rich.live import Live  # noqa: PLC0415

    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield Screen(live)


def _screen_text(text: str) -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(text, no_wrap=True, overflow="crop")


def plain(message: str) -> None:
    """Write a message as text without the time, also to a file."""
    _print((message,))


def _write(lines: Sequence[str], event: str, level: str, fields: dict[str, object]) -> None:
    """Write a message: to a terminal without the time, to a file with it."""
    timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _FORMAT.is_json:
        head = {"at": timestamp, "level": level, "run_id": _FORMAT.run_id, "event": event}
        message = "\n".join(map(_masked, lines))
        record = {**head, **_masked_values(fields), "message": message}
        click.echo(visible_json(json_text(record)), err=True)
    else:
        _print(lines, "" if sys.stderr.isatty() else f"{timestamp} ")


def _print(lines: Sequence[str], prefix: str = "") -> None:
    click.echo(prefix + "\n".join(visible(_masked(line)) for line in lines), err=True)


def _masked_values(value: Any) -> Any:
    match value:
        case str():
            return _masked(value)
        case dict():
            return {key: _masked_values(each) for key, each in value.items()}
        case list() | tuple():
            return [_masked_values(each) for each in value]
    return value


def _masked(line: str) -> str:
    # Masked before it is cut: the first half of a secret would not be recognised.
    return shortened(mask(line))


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress: bars on a terminal, else a line every 30 seconds."""
    if sys.stderr.isatty() and not _FORMAT.is_json:
        with _bars() as bars:
            yield bars
    else:
        yield _ProgressLines()


class RateLimitMessages:
    """Reports the waits that the service's rate limit causes, at most every 30 seconds."""

    def __init__(self, write: Callable[..., None] = info) -> None:
        self._write = write
        self._next_message_at = 0.0

    def __call__(self, seconds: float) -> None:
        """Report a wait, if it is long enough to matter."""
        now = time.monotonic()
        if seconds >= _MIN_REPORTED_WAIT_SECONDS and now >= self._next_message_at:
            self._next_message_at = now + max(seconds, _REPORT_INTERVAL_SECONDS)
            self._write(
                f"the service limits the rate of calls: waiting {seconds:.0f} s",
                event="rationed",
                wait_seconds=round(seconds, 3),
            )


class _ProgressLines:
    """Writes a line about a project that takes long."""

    def __init__(self) -> None:
        self._last_line_at = time.monotonic()

    def __call__(self, project: "ProjectKey", seen: int, announced: int) -> None:
        if time.monotonic() - self._last_line_at >= _REPORT_INTERVAL_SECONDS:
            self._last_line_at = time.monotonic()
            of_total = f" of {announced:,}" if announced else ""
            info(
                f"project {project.project_id}: {seen:,}{of_total} tasks read so far",
                event="progress",
                **project._asdict(),
                seen=seen,
                announced=announced or None,
            )


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 - slow to import; only a terminal needs it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar_of_project = {}

        def show(project: "ProjectKey", seen: int, announced: int) -> None:
            if project not in bar_of_project:
                description = f"project {visible(project.project_id)}"
                bar_of_project[project] = bars.add_task(description, total=None)
            total = max(seen, announced) or None
            bars.update(bar_of_project[project], completed=seen, total=total)

        yield show
