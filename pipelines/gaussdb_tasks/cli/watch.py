"""Look at the task center again and again, and find what changed since the last look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from gaussdb_tasks.cli.list_table import LONG_TEXTS, task_rows, with_typical
from gaussdb_tasks.cli.table import make_table
from gaussdb_tasks.errors import GaussdbTasksError, ServiceError
from gaussdb_tasks.extract.listing import Listing
from gaussdb_tasks.extract.part import Row
from gaussdb_tasks.model.times import Micros, iso

# Some gateways allow 200 calls in five minutes; half of them are left to others.
_SECONDS_PER_CALL: Final = 3.0
_MAX_GONE_LINES: Final = 5
_LINES_BELOW: Final = 3

_Key = tuple[str, str, str]
"""Region, project and job_id of a task."""

_RUNNING_ON: Final = {"age_seconds", "listed_at"}
"""Columns that differ from look to look."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look shows.

    Attributes:
        rows: of ``listed_tasks``, each with the key ``change``.
        gone: rows of the last look that are no longer listed.
        errors: what could not be read, a line each.
        next_in_seconds: when the next look follows; longer than requested if it takes many calls.
    """

    listed_at: Micros
    rows: Sequence[Row]
    gone: Sequence[Row] = ()
    errors: Sequence[str] = ()
    next_in_seconds: float = 0.0


@dataclass
class Watch:
    """Looks again and again until it is interrupted.

    Args:
        read: reads the list.
        seconds: the time between two looks.
        wait: waits for a number of seconds.
    """

    read: Callable[[], Listing]
    seconds: float
    wait: Callable[[float], None]
    _last: Look | None = field(default=None, init=False)
    _tasks: dict[_Key, Row] = field(default_factory=dict, init=False)

    def looks(self) -> Iterator[Look]:
        """Yield what each look shows; an error of the service is shown, and the watch goes on.

        Raises:
            GaussdbTasksError: the first look fails for a reason that a repeat does not change.
        """
        while True:
            look = self._look()
            yield look
            self.wait(look.next_in_seconds)

    def _look(self) -> Look:
        try:
            listing = self.read()
        except GaussdbTasksError as error:
            if self._last is None and not isinstance(error, ServiceError):
                raise
            last = self._last or Look(0, ())
            return Look(last.listed_at, last.rows, last.gone, error.lines, self.seconds)
        rows = list(listing.rows())
        tasks = _by_task(rows)
        is_first = self._last is None
        changes = {key: None if is_first else self._change(key, row) for key, row in tasks.items()}
        whole = {each.project for each in listing.projects if each.part.is_whole}
        gone = [
            row
            for (region, project_id, job_id), row in self._tasks.items()
            if (region, project_id) in whole and (region, project_id, job_id) not in tasks
        ]
        for row in gone:
            del self._tasks[_key(row)]
        self._tasks |= tasks
        self._last = Look(
            listing.listed_at,
            [{**row, "change": changes.get(_key(row))} for row in rows],
            gone,
            [line for error in listing.failures for line in error.lines],
            max(self.seconds, _SECONDS_PER_CALL * listing.calls_made),
        )
        return self._last

    def _change(self, key: _Key, row: Row) -> str | None:
        before = self._tasks.get(key)
        if before is None:
            return "new"
        for name, unit in (("status", ""), ("progress_percent", " %"), ("instance_status", "")):
            if before[name] != row[name]:
                return f"{_shown(before[name])} → {_shown(row[name])}{unit}"
        is_same = all(before[name] == row[name] for name in row.keys() - _RUNNING_ON)
        return None if is_same else "changed"


def screen_lines(
    look: Look, typical_seconds: Mapping[str | None, float], width: int, height: int
) -> Iterator[str]:
    """Write a look as lines for a terminal of this size."""
    rows = [with_typical(row, typical_seconds) for row in look.rows]
    gone = look.gone[:_MAX_GONE_LINES]
    names, values = task_rows(rows)
    table = make_table(names, values[:height], width, cut=LONG_TEXTS)
    room = max(height - _LINES_BELOW - len(table.head) - len(gone), 1)
    if rows:
        yield from table.head
        yield from chain.from_iterable(table.rows[:room])
    if len(rows) > room:
        yield f"... and {len(rows) - room:,} more tasks"
    for row in gone:
        yield f"no longer listed: {row['job_id']}, {row['task_label']} of {row['instance_name']}"
    if len(look.gone) > len(gone):
        yield f"... and {len(look.gone) - len(gone):,} more that are no longer listed"
    listed_at = f"listed at {iso(look.listed_at)}" if look.listed_at else "not listed yet"
    yield f"tasks: {len(rows):,}; {listed_at}; next look in {look.next_in_seconds:g} s; Ctrl-C ends"


def _by_task(rows: Sequence[Row]) -> dict[_Key, Row]:
    return {_key(row): row for row in rows if row["job_id"] is not None}


def _key(row: Row) -> _Key:
    return row["region"], row["project_id"], row["job_id"]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value or "none")
