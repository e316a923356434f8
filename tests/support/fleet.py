"""Loaders that share the projects of a task center, killed at random and started again.

Each loader has a data directory and a process of its own. After its load it publishes to all
targets.
"""

import itertools
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.cli import main
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.emulator.pages import Query
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.shard import number_of
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, iso, parse_time
from gaussdb_tasks.publication.extensions import extension_files
from tests.support import postgres
from tests.support.commands import password_env
from tests.support.emulator_client import NOW, job_id, record
from tests.support.publishing import CLOCK, Place, rows_of, without_signatures

SHARDS: Final = 5
_PROJECTS_OF_A_SHARD: Final = 2
_ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815")
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["dlt", "gaussdb_tasks.load", __name__])
_MAX_CALLS_BETWEEN_KILLS: Final = 6
_MAX_SECONDS_BETWEEN_KILLS: Final = 1.5

Versions = Mapping[tuple[str, str], Sequence[str]]
"""The status of each version, by project and task."""


@dataclass
class Fleet:
    """A task center, its loaders, and what they must have found."""

    emulator: Emulator
    clock: SettableClock
    folder: Path
    places: Sequence[Place]
    rng: random.Random
    kill_count: int = 0
    expected: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    whole_counts: dict[str, set[int]] = field(default_factory=dict)
    """The number of versions that each project can have: that of no night, of one, of two."""
    _nights: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _processes: dict[int, Any] = field(default_factory=dict)
    _kills: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls_until_kill: int = 1

    @property
    def data_dirs(self) -> list[DataDir]:
        """The data directory of each shard."""
        return [DataDir(self.folder / f"shard-{number}") for number in range(1, SHARDS + 1)]

    @contextmanager
    def opened(self, now: Micros | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open all data directories as one."""
        with open_together([each.database for each in self.data_dirs], now) as connection:
            yield connection

    def night(self, *, tasks: int, kills_in_calls: int, kills_at_moments: int = 0) -> None:
        """Load the tasks of another day in all shards at once, whatever is killed meanwhile."""
        now = NOW + self._nights * DAY
        self._nights += 1
        self.clock.set(now)
        self._change_tasks(now, tasks)
        self._kills = kills_in_calls
        waiting = set(range(1, SHARDS + 1))
        while waiting or self._processes:
            for number in sorted(waiting):
                self._start(number, now)
            waiting.clear()
            seconds = self.rng.uniform(0, _MAX_SECONDS_BETWEEN_KILLS) if kills_at_moments else None
            sentinels = {each.sentinel: number for number, each in self._processes.items()}
            ended = multiprocessing.connection.wait(sentinels, timeout=seconds)
            if not ended:
                kills_at_moments -= 1
                self._kill(self.rng.choice(list(self._processes)))
            for sentinel in ended:
                if self._is_killed(sentinels[sentinel]):
                    waiting.add(sentinels[sentinel])

    def versions(self, connection: duckdb.DuckDBPyConnection) -> Versions:
        """Return the versions in the union of all data directories, or in a target."""
        sql = """
            select project_id, job_id, list(status order by version)
            from task_center.task_versions
            group by all
        """
        rows = connection.execute(sql).fetchall()
        return {(project, job): statuses for project, job, statuses in rows}

    def parts_of_nights(self, place: Place) -> Mapping[str, int]:
        """Return the projects of which a reader of a target sees a part of a night."""
        sql = "select project_id, count(*) from task_center.task_versions group by project_id"
        with place.opened() as connection:
            connection.execute("set enable_progress_bar = false")
            counts = dict(connection.execute(sql).fetchall())
        return {each: n for each, n in counts.items() if n not in self.whole_counts[each]}

    def differences(self, names: Sequence[str]) -> Iterator[str]:
        """Name the tables and views of targets that differ from the union of all directories."""
        now = parse_time(CLOCK.replace(" ", "T") + "Z", option="CLOCK")
        with self.opened(now) as connection:
            expected = rows_of(connection, names)
        for place in self.places:
            found = place.rows(names)
            for name in names:
                if found[name] != expected[name]:
                    yield f"{place.kind}: {name}"

    def _change_tasks(self, now: Micros, tasks: int) -> None:
        """End the task of each project that runs, and start others."""
        world = self.emulator.world
        assert isinstance(world, FixedWorld)
        for project in self.emulator.project_ids:
            for (owner, job), statuses in self.expected.items():
                if owner == project and statuses[-1] == "Running":
                    statuses.append("Completed")
                    number = int(job.rpartition("-")[2])
                    world.replace(project, record(number, now - DAY - HOUR, now - 20 * HOUR))
            numbers = list(itertools.islice(self._numbers, tasks))
            running = numbers[-1]
            for number in numbers:
                is_running = number == running
                end = None if is_running else now - HOUR + number % 50 * MINUTE
                world.add(project, record(number, now - HOUR, end))
                status = "Running" if is_running else "Completed"
                self.expected[project, job_id(number)] = [status]
            found = (len(each) for (owner, _), each in self.expected.items() if owner == project)
            self.whole_counts.setdefault(project, {0}).add(sum(found))

    def _start(self, number: int, now: Micros) -> None:
        env = {
            **password_env(self.emulator, _ACCOUNT),
            "GAUSSDB_TASKS_ENDPOINT": self.emulator.endpoint,
            "GAUSSDB_TASKS_NOW": iso(now),
        }
        data_dir = self.data_dirs[number - 1]
        process = _CONTEXT.Process(target=_load, args=(env, data_dir, number, self.places))
        with self._lock:
            process.start()
            self._processes[number] = process

    def _is_killed(self, number: int) -> bool:
        """Return whether a loader that ended was killed; it must have ended well otherwise."""
        with self._lock:
            process = self._processes.pop(number)
            process.join()
        if process.exitcode == -signal.SIGKILL:
            self.kill_count += 1
            return True
        assert process.exitcode == 0, _log(self.data_dirs[number - 1]).read_text()
        return False

    def _kill(self, number: int) -> None:
        with self._lock:
            if number in self._processes:
                self._processes[number].kill()

    def kill_some(self, query: Query) -> None:
        """Kill a loader after some calls: the one that makes the call, or another one."""
        self._calls_until_kill -= 1
        if self._kills and self._calls_until_kill <= 0:
            self._kills -= 1
            self._calls_until_kill = self.rng.randint(1, _MAX_CALLS_BETWEEN_KILLS)
            caller = number_of(ProjectKey("eu-de", query.project_id), SHARDS)
            self._kill(caller if self.rng.random() < 0.5 else self.rng.randint(1, SHARDS))


@contextmanager
def prepare_fleet(folder: Path, seed: int) -> Iterator[Fleet]:
    """Serve a task center in which each shard has projects, and targets if they are installed."""
    ids = _project_ids()
    world = FixedWorld({each: [] for each in ids}, names=ids)
    clock = SettableClock(NOW)
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    with (
        Emulator(world, clock=clock, account=_ACCOUNT) as emulator,
        _targets(folder) as places,
    ):
        fleet = Fleet(emulator, clock, folder, places, rng)
        emulator.before_page(fleet.kill_some)
        yield fleet


def _project_ids() -> dict[str, str]:
    """Return ids and names of projects, as many for each shard."""
    found: dict[str, str] = {}
    counts: Counter[int] = Counter()
    for number in itertools.count():
        project_id = f"{number:032x}"
        shard = number_of(ProjectKey("eu-de", project_id), SHARDS)
        if counts[shard] < _PROJECTS_OF_A_SHARD:
            counts[shard] += 1
            found[project_id] = f"eu-de_team{number}"
        if counts.total() == SHARDS * _PROJECTS_OF_A_SHARD:
            return found
    raise AssertionError


@contextmanager
def _targets(folder: Path) -> Iterator[list[Place]]:
    """Serve a DuckLake and a PostgreSQL database; nothing where they are not installed."""
    with ExitStack() as stack:
        try:
            extension_files("lake", "ducklake", "postgres_scanner")
        except ConfigurationError:
            yield []
            return
        if not postgres.IS_INSTALLED:
            yield []
            return
        server = stack.enter_context(postgres.server())
        places = []
        for kind in ("postgres", "lake"):
            server.run(f"create database fleet_{kind}")
            places.append(Place(kind, folder / kind, server, f"fleet_{kind}"))
        yield places


def _log(data_dir: DataDir) -> Path:
    return data_dir.path.with_suffix(".log")


def _load(env: Mapping[str, str], data_dir: DataDir, number: int, places: Sequence[Place]) -> None:
    """Load a shard as the command does, and publish it."""
    for name in list(os.environ):
        if name.startswith(("OS_", "GAUSSDB_TASKS_")):
            del os.environ[name]
    os.environ.update(env)
    sys.argv = ["gaussdb-tasks", "load", "--all-projects", "--data-dir", str(data_dir.path)]
    sys.argv += ["--shard", f"{number}/{SHARDS}"]
    sys.stderr = _log(data_dir).open("a", buffering=1)
    try:
        main()
    except SystemExit as exit_:
        if exit_.code:
            raise
    with without_signatures():
        for place in places:
            place.publish(data_dir)
