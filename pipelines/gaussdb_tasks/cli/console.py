"""What a command says while it works: on stderr, for a person or for a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import click
import msgspec

from gaussdb_tasks.model.project_state import ProjectKey

_LINE_EVERY_SECONDS: Final = 30.0
_SHORTEST_REST_SECONDS: Final = 2.0


class Progress(Protocol):
    """Takes note of how far a load has come."""

    def __call__(self, project: ProjectKey, seen: int, announced: int) -> None:
        """Note the tasks seen so far, and how many the API has announced (0: it has not)."""


class _Log:
    """How to say things: in lines for people, or as JSON, an object a line."""

    def __init__(self) -> None:
        self.is_json = False
        self.run_id: str | None = None


_LOG: Final = _Log()


def log_as_json(run_id: str | None) -> None:
    """Say everything from now on as JSON; None: as text again."""
    _LOG.is_json = run_id is not None
    _LOG.run_id = run_id


def is_json() -> bool:
    """Tell whether JSON is spoken."""
    return _LOG.is_json


def say(message: str, event: str = "note", level: str = "info", **fields: object) -> None:
    """Say something: as it is to a person, with the time to a log, with fields to a machine."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _LOG.is_json:
        line = {"at": stamp, "level": level, "run_id": _LOG.run_id, "event": event, **fields}
        click.echo(msgspec.json.encode({**line, "message": message}), err=True)
    elif sys.stderr.isatty():
        click.echo(message, err=True)
    else:
        click.echo(f"{stamp} {message}", err=True)


def complain(message: str) -> None:
    """Say what ended a command, as its last word."""
    if _LOG.is_json:
        say(message, event="failed", level="error")
    else:
        click.echo(f"gaussdb-tasks: {message}", err=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar to a person, and write a line now and then into a log."""
    if sys.stderr.isatty() and not _LOG.is_json:
        with _bars() as bars:
            yield bars
    else:
        yield _Lines()


class Pauses:
    """Says now and then that the gateway asks for rest."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, seconds: float) -> None:
        """Note a rest of so many seconds."""
        now = time.monotonic()
        if seconds >= _SHORTEST_REST_SECONDS and now >= self._quiet_until:
            self._quiet_until = now + max(seconds, _LINE_EVERY_SECONDS)
            say(
                f"the service rations calls: waiting for {seconds:.0f} s",
                event="rationed",
                wait_seconds=round(seconds, 3),
            )


class _Lines:
    """Writes a line about a project that takes long."""

    def __init__(self) -> None:
        self._last_line_at = time.monotonic()

    def __call__(self, project: ProjectKey, seen: int, announced: int) -> None:
        if time.monotonic() - self._last_line_at >= _LINE_EVERY_SECONDS:
            self._last_line_at = time.monotonic()
            of = f" of {announced:,}" if announced else ""
            say(
                f"project {project.project_id}: {seen:,}{of} tasks read so far",
                event="progress",
                **project._asdict(),
                seen=seen,
                announced=announced or None,
            )


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415 - only a person at a terminal waits for it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
        rows = {}

        def show(project: ProjectKey, seen: int, announced: int) -> None:
            if project not in rows:
                rows[project] = bars.add_task(f"project {project.project_id}", total=None)
            bars.update(rows[project], completed=seen, total=max(seen, announced) or None)

        yield show
