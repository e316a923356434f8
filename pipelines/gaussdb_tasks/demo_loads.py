"""Run the demo: load an invented task center night after night."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gaussdb_tasks.api.auth.sign_in import token_access
from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, InventedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.load import LoadRequest, run_load
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import DAY, HOUR, Micros
from gaussdb_tasks.settings import LoadSettings

_MARKER_NAME: Final = ".demo"
_TIME_OF_LOAD: Final[Micros] = 2 * HOUR


def nights_before(now: Micros, count: int) -> Sequence[Micros]:
    """Return the times of the last nightly loads, at 02:00 UTC, oldest first."""
    last = (now - _TIME_OF_LOAD) // DAY * DAY + _TIME_OF_LOAD
    return [last - ago * DAY for ago in reversed(range(count))]


def load_nights(
    path: Path, nights: Sequence[Micros], *, seed: int, tasks_per_day: int
) -> Iterator[LoadReport]:
    """Load each night from an emulator on loopback into a new database.

    Raises:
        ConfigurationError: the directory holds a database that is not a demo's.
    """
    world = InventedWorld(seed, tasks_per_day=tasks_per_day)
    clock = SettableClock(nights[0])
    with Emulator(world, clock=clock) as emulator:
        data_dir = _prepare(path, emulator.project_ids)
        accesses = [
            token_access(
                endpoint=emulator.endpoint,
                project_id=project.project_id,
                token=emulator.token,
                region="eu-de",
                connections=8,
                name=project.name,
            )
            for project in world.projects
        ]
        request = LoadRequest(data_dir, accesses, LoadSettings(now=nights[0]))
        for night in nights:
            clock.set(night)
            yield run_load(replace(request, settings=LoadSettings(now=night)))


def _prepare(path: Path, project_ids: Sequence[str]) -> DataDir:
    """Prepare the directory; remove an earlier demo, and refuse any other database."""
    data_dir = DataDir(path)
    data_dir.prepare()
    marker = path / _MARKER_NAME
    with data_dir.locked():
        if data_dir.database.exists():
            if not marker.exists() or not _holds_only(
                data_dir.database, marker.read_text().split()
            ):
                message = f"{data_dir.database} was not made by a demo; name another --data-dir"
                raise ConfigurationError(message)
            data_dir.database.unlink()
            if data_dir.archive.is_dir():
                shutil.rmtree(data_dir.archive)
        marker.write_text("\n".join(project_ids))
    return data_dir


def _holds_only(path: Path, project_ids: Sequence[str]) -> bool:
    with read_published(path) as connection:
        sql = "select count(*) from task_center.load_runs where not list_contains(?, project_id)"
        row = connection.execute(sql, [list(project_ids)]).fetchone()
    return row == (0,)
