"""A world of invented tasks that start, progress, end, fail or get stuck.

Tasks and instances of a UTC day follow from seed, project and day alone. Days are counted from
1970, and any day can be requested without the days before it. The words given to `RandomSource`
are part of the seed: do not change them, or every world changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, count, islice
from operator import attrgetter
from typing import Final

from gaussdb_tasks.emulator.invented_tasks import (
    BACKUP,
    CLONE,
    CREATE,
    DELETE,
    STARTED_BY_USERS,
    InventedTask,
    InventedTaskType,
    RecordStyle,
)
from gaussdb_tasks.emulator.random_source import RandomSource
from gaussdb_tasks.emulator.world import Project, Snapshot
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND, Micros

_DEFAULT_PROJECTS: Final = ("eu-de_shop", "eu-de_finance")
_CACHED_DAYS: Final = 1_000
_CACHED_PERIODS: Final = 16

_SERVICES: Final = (
    "orders",
    "billing",
    "catalog",
    "payments",
    "stock",
    "shipping",
    "customers",
    "pricing",
    "loyalty",
    "ledger",
    "returns",
    "suppliers",
    "invoices",
    "sessions",
)
_STAGES: Final = ("prod", "test")
_PERMANENT_PER_TEMPORARY: Final = 3
_MIN_CYCLE_DAYS: Final = 8
_MAX_CYCLE_DAYS: Final = 24
_LAST_CREATION_DAY: Final = 2
_CLONED_SHARE: Final = 0.4

_NIGHTLY_BACKUP_SHARE: Final = 0.4
"""Share of a day's tasks that are nightly backups of permanent instances."""
_WORKDAY_FACTOR: Final = 1.3
_WEEKEND_FACTOR: Final = 0.25
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""
_SATURDAY: Final = 5
_OFFICE_HOURS_SHARE: Final = 0.85
_STUCK_SHARE: Final = 0.003
_DELETED_SHARE: Final = 0.004
_WEIGHTS: Final = [task_type.weight for task_type in STARTED_BY_USERS]


class InventedWorld:
    """Projects with invented instances, and about `tasks_per_day` tasks a day in each project.

    Instances are created, backed up every night, restored, resized, upgraded and deleted; users
    work on weekdays. The same seed, projects and `tasks_per_day` give the same world, byte for
    byte.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        projects: Sequence[str] = _DEFAULT_PROJECTS,
        tasks_per_day: int = 40,
    ) -> None:
        self.projects: Sequence[Project] = tuple(
            Project(RandomSource(seed, name).hex_id(), name) for name in projects
        )
        self._activities = {
            project.project_id: _ProjectActivity(seed, project.project_id, tasks_per_day)
            for project in self.projects
        }
        self._tasks_on = lru_cache(_CACHED_DAYS)(self._invent_day)
        self._tasks_in = lru_cache(_CACHED_PERIODS)(self._join_days)
        self._snapshot_at = lru_cache(_CACHED_PERIODS)(self._make_snapshot)

    def tasks_between(self, project_id: str, start: Micros, end: Micros) -> list[InventedTask]:
        """List the tasks created from start to end, both inclusive; oldest first."""
        tasks = self._tasks_in(project_id, start // DAY, end // DAY)
        return [task for task in tasks if start <= task.created_at <= end]

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Return a project's tasks at a time; the world changes once a second."""
        return self._snapshot_at(project_id, since // DAY, now // SECOND * SECOND)

    def _make_snapshot(self, project_id: str, first_day: int, now: Micros) -> Snapshot:
        tasks = self._tasks_in(project_id, first_day, now // DAY)
        listed = [task for task in tasks if task.is_listed_at(now)]
        return Snapshot(now, listed, len(listed))

    def _join_days(self, project_id: str, first_day: int, last_day: int) -> Sequence[InventedTask]:
        days = (self._tasks_on(project_id, day) for day in range(first_day, last_day + 1))
        return tuple(chain.from_iterable(days))

    def _invent_day(self, project_id: str, day: int) -> Sequence[InventedTask]:
        return self._activities[project_id].tasks_on(day)


@dataclass(frozen=True, slots=True)
class _Instance:
    """A database instance; `backup_time` of its nightly backup counts from midnight."""

    instance_id: str
    name: str
    backup_time: Micros


@dataclass(frozen=True, slots=True)
class _TemporaryInstance:
    instance: _Instance
    created_at: Micros
    deleted_at: Micros
    is_clone: bool


@dataclass(frozen=True)
class _Fleet:
    """The instances of a project: `size` permanent ones, and about a third as many temporary."""

    seed: int
    project_id: str
    size: int

    def existing_on(self, day: int) -> list[_Instance]:
        """List the instances that exist all day."""
        temporary = (
            each.instance
            for each in self._temporary_near(day)
            if each.created_at // DAY < day < each.deleted_at // DAY
        )
        return [*self._permanent, *temporary]

    def created_on(self, day: int) -> list[_TemporaryInstance]:
        return [each for each in self._temporary_near(day) if each.created_at // DAY == day]

    def deleted_on(self, day: int) -> list[_TemporaryInstance]:
        return [each for each in self._temporary_near(day) if each.deleted_at // DAY == day]

    @cached_property
    def _permanent(self) -> tuple[_Instance, ...]:
        names = islice(_names(self._services), self.size)
        return tuple(self._instance(name, self._source("standing", name)) for name in names)

    @cached_property
    def _services(self) -> list[str]:
        return self._source("services").sample(_SERVICES, len(_SERVICES))

    def _source(self, *purpose: object) -> RandomSource:
        return RandomSource(self.seed, self.project_id, *purpose)

    def _instance(self, name: str, source: RandomSource) -> _Instance:
        instance_id = f"{source.hex_id()}in14"
        return _Instance(instance_id, name, source.uniform_duration(30 * MINUTE, 4 * HOUR))

    def _temporary_near(self, day: int) -> Iterator[_TemporaryInstance]:
        """Yield for each slot the one instance whose cycle contains the day."""
        for slot in range(-(-self.size // _PERMANENT_PER_TEMPORARY)):
            source = self._source("slot", slot)
            cycle_days = source.randint(_MIN_CYCLE_DAYS, _MAX_CYCLE_DAYS)
            first_day = day - (day + source.randrange(cycle_days)) % cycle_days
            yield self._temporary(slot, first_day, cycle_days)

    def _temporary(self, slot: int, first_day: int, cycle_days: int) -> _TemporaryInstance:
        source = self._source("guest", slot, first_day)
        created_day = first_day + source.randint(0, _LAST_CREATION_DAY)
        deleted_day = first_day + source.randint(_LAST_CREATION_DAY + 2, cycle_days - 1)
        is_clone = source.happens(_CLONED_SHARE)
        purpose = "clone" if is_clone else "dev"
        date = times.to_datetime(created_day * DAY).strftime("%m%d")
        service = self._services[slot % len(self._services)]
        return _TemporaryInstance(
            self._instance(f"{service}-{purpose}-{date}", source),
            created_at=created_day * DAY + source.uniform_duration(7 * HOUR, 16 * HOUR),
            deleted_at=deleted_day * DAY + source.uniform_duration(8 * HOUR, 17 * HOUR),
            is_clone=is_clone,
        )


def _names(services: list[str]) -> Iterator[str]:
    """Yield names without end: orders-prod, orders-test, ..., orders-prod-02, ..."""
    for round_number in count(1):
        suffix = "" if round_number == 1 else f"-{round_number:02d}"
        for service in services:
            for stage in _STAGES:
                yield f"{service}-{stage}{suffix}"


@dataclass(frozen=True)
class _ProjectActivity:
    """Invents the tasks of one project, day by day."""

    seed: int
    project_id: str
    tasks_per_day: int

    def tasks_on(self, day: int) -> tuple[InventedTask, ...]:
        """Invent the tasks created on a day; oldest first."""
        source = RandomSource(self.seed, self.project_id, "day", day)
        existing = self._fleet.existing_on(day)
        tasks = [
            *self._nightly_backups(source, day, existing),
            *self._creations_and_deletions(source, day),
            *self._started_by_users(source, day, existing),
        ]
        return tuple(sorted(tasks, key=attrgetter("created_at")))

    @cached_property
    def _fleet(self) -> _Fleet:
        size = max(1, round(self.tasks_per_day * _NIGHTLY_BACKUP_SHARE))
        return _Fleet(self.seed, self.project_id, size)

    def _nightly_backups(
        self, source: RandomSource, day: int, existing: Sequence[_Instance]
    ) -> Iterator[InventedTask]:
        for instance in existing:
            delay = source.uniform_duration(0, MINUTE)
            yield self._task(source, BACKUP, instance, day * DAY + instance.backup_time + delay)

    def _creations_and_deletions(self, source: RandomSource, day: int) -> Iterator[InventedTask]:
        for each in self._fleet.created_on(day):
            task_type = CLONE if each.is_clone else CREATE
            yield from self._with_retries(source, task_type, each.instance, each.created_at)
        for each in self._fleet.deleted_on(day):
            yield from self._with_retries(source, DELETE, each.instance, each.deleted_at)

    def _with_retries(
        self,
        source: RandomSource,
        task_type: InventedTaskType,
        instance: _Instance,
        created_at: Micros,
    ) -> Iterator[InventedTask]:
        """Retry some minutes after each failure, as users do, but not after midnight."""
        end_of_day = (created_at // DAY + 1) * DAY
        while created_at < end_of_day:
            task = self._task(source, task_type, instance, created_at)
            yield task
            if task.outcome == "Completed" or task.ends_at is None:
                return
            created_at = task.ends_at + source.uniform_duration(2 * MINUTE, 20 * MINUTE)

    def _started_by_users(
        self, source: RandomSource, day: int, existing: Sequence[_Instance]
    ) -> Iterator[InventedTask]:
        is_weekend = (day + _EPOCH_WEEKDAY) % 7 >= _SATURDAY
        factor = _WEEKEND_FACTOR if is_weekend else _WORKDAY_FACTOR
        number = source.event_count(factor * (self.tasks_per_day - len(existing)))
        for task_type in source.choices(STARTED_BY_USERS, _WEIGHTS, k=number):
            created_at = day * DAY + _time_of_day(source)
            yield self._task(source, task_type, source.choice(existing), created_at)

    def _task(
        self,
        source: RandomSource,
        task_type: InventedTaskType,
        instance: _Instance,
        created_at: Micros,
    ) -> InventedTask:
        fails = source.happens(task_type.failure_rate)
        duration = source.lognormal_duration(task_type.median_seconds, task_type.spread)
        if fails:
            duration = max(SECOND, int(duration * source.uniform(0.05, 1.3)) // SECOND * SECOND)
        ends_at = None if source.happens(_STUCK_SHARE) else created_at + duration
        return InventedTask(
            project_id=self.project_id,
            job_id=source.uuid(),
            name=task_type.name,
            instance_id=instance.instance_id,
            instance_name=instance.name,
            busy_status=task_type.busy_status,
            final_status=task_type.failed_status if fails else task_type.done_status,
            created_at=created_at,
            visible_at=created_at + source.uniform_duration(0, 15 * SECOND),
            planned_end=created_at + duration,
            ends_at=ends_at,
            outcome="Failed" if fails else "Completed",
            fail_reason=_fail_reason(source, task_type, instance) if fails else None,
            deleted_at=_deleted_at(source, ends_at),
            max_progress=source.randint(10, 99) if ends_at is None or fails else 99,
            style=_record_style(source),
        )


def _time_of_day(source: RandomSource) -> Micros:
    if source.happens(_OFFICE_HOURS_SHARE):
        return int(source.triangular(6 * HOUR, 18 * HOUR, 9 * HOUR)) // SECOND * SECOND
    return source.uniform_duration(0, DAY - SECOND)


def _fail_reason(source: RandomSource, task_type: InventedTaskType, instance: _Instance) -> str:
    return source.choice(task_type.fail_reasons).format(
        instance=instance.instance_id,
        node=f"{instance.name}_root_{source.randrange(3)}",
        uuid=source.uuid(),
        address=source.address(),
        number=source.choice((2, 4, 8, 40, 120, 300, 600, 1800)),
        digit=source.randint(1, 3),
    )


def _deleted_at(source: RandomSource, ends_at: Micros | None) -> Micros | None:
    if ends_at is None or not source.happens(_DELETED_SHARE):
        return None
    return ends_at + source.uniform_duration(10 * MINUTE, 5 * DAY)


def _record_style(source: RandomSource) -> RecordStyle:
    created_offset, ended_offset = source.choices(((8, 8), (8, 0), (0, 0)), (85, 8, 7))[0]
    return RecordStyle(
        blank=source.choices(("null", "empty", "missing"), (80, 12, 8))[0],
        progress=source.choices(("null", "empty", "number", "percent"), (40, 10, 25, 25))[0],
        created_offset_hours=created_offset,
        ended_offset_hours=ended_offset,
        shows_planned_end=source.happens(0.05),
        shows_instance=source.happens(0.99),
    )
