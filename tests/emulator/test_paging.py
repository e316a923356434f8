"""Properties of filtering and paging, compared with a model of a few comprehensions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaussdb_tasks.contract import STATUS_COMPLETED, STATUS_FAILED, STATUS_RUNNING
from gaussdb_tasks.emulator import (
    Account,
    Behaviour,
    FixedWorld,
    InventedWorld,
    SettableClock,
    World,
)
from gaussdb_tasks.emulator.credentials import Authenticator
from gaussdb_tasks.emulator.http import Request
from gaussdb_tasks.emulator.service import TaskService
from gaussdb_tasks.model.times import DAY, MINUTE, SECOND, Micros
from tests.support.emulator_client import NOW, PROJECT, millis, record

SPAN: Final = 40
"""Times are drawn from these minutes before NOW: few, so that many are equal."""
STATUSES: Final = (STATUS_RUNNING, STATUS_COMPLETED, STATUS_FAILED)
NAMES: Final = ("CreateGaussDBV5Instance", "DeleteGaussDBV5Instance")

TIMES: Final = st.integers(0, SPAN).map(lambda minutes: NOW - minutes * MINUTE)
SHIFTS: Final = st.sampled_from([-1_000, 0, 1_000])


@dataclass(frozen=True)
class Drawn:
    """A drawn task, before it is written as a record."""

    number: int
    created_at: Micros
    ended_at: Micros | None
    status: str
    name: str

    def record(self) -> dict[str, object]:
        """Write it as the API does."""
        return record(
            self.number, self.created_at, self.ended_at, status=self.status, name=self.name
        )


TASKS: Final = st.lists(
    st.builds(
        Drawn,
        number=st.integers(0, 10_000),
        created_at=TIMES,
        ended_at=st.none() | TIMES,
        status=st.sampled_from(STATUSES),
        name=st.sampled_from(NAMES),
    ),
    unique_by=lambda task: task.number,
    max_size=60,
)
BOUNDS: Final = st.none() | st.builds(int.__add__, TIMES, SHIFTS)
WINDOWS: Final = st.tuples(BOUNDS, BOUNDS).filter(
    lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1]
)
NO_DEADLINE: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Reader:
    """Reads a world page by page, without HTTP."""

    world: World
    behaviour: Behaviour = field(default_factory=Behaviour)

    def read_all(self, limit: int, **params: str | None) -> tuple[list[str], set[object]]:
        """Read until a page is short; return all job_ids, and every total_count."""
        project_id = self.world.projects[0].project_id
        authenticator = Authenticator(Account(), frozenset({project_id}))
        service = TaskService(self.world, authenticator, SettableClock(NOW), lambda _query: None)
        token = authenticator.tokens.issue({project_id})
        given_params = tuple((key, value) for key, value in params.items() if value is not None)
        job_ids: list[str] = []
        totals: set[object] = set()
        while True:
            paging = (("offset", str(len(job_ids))), ("limit", str(limit)))
            request = Request(
                "GET", f"/v3/{project_id}/tasks", given_params + paging, {"x-auth-token": token}
            )
            response = service.answer(request, self.behaviour)
            assert response.status == 200, response.body
            page = json.loads(response.body)
            job_ids += [task["job_id"] for task in page["tasks"]]
            totals.add(page["total_count"])
            if len(page["tasks"]) < limit:
                return job_ids, totals


def as_params(window: tuple[Micros | None, Micros | None]) -> dict[str, str | None]:
    """Write a window as parameters."""
    start, end = (None if bound is None else millis(bound) for bound in window)
    return {"start_time": start, "end_time": end}


def ids(tasks: Sequence[Drawn]) -> list[str]:
    """Return the sorted job_ids of tasks."""
    return sorted(str(task.record()["job_id"]) for task in tasks)


@NO_DEADLINE
@given(
    tasks=TASKS,
    window=WINDOWS,
    status=st.none() | st.sampled_from(STATUSES),
    name=st.none() | st.sampled_from(NAMES),
    limit=st.integers(1, 100),
)
def test_paging_returns_exactly_the_tasks_of_the_window(
    tasks: list[Drawn],
    window: tuple[Micros | None, Micros | None],
    status: str | None,
    name: str | None,
    limit: int,
) -> None:
    """Each task once, newest first; total_count is their number on every page."""
    start, end = window
    model = [
        task
        for task in tasks
        if (start is None or task.created_at >= start)
        and (end is None or task.created_at <= end)
        and status in {None, task.status}
        and name in {None, task.name}
    ]
    world = FixedWorld({PROJECT: [task.record() for task in tasks]})
    read, totals = Reader(world).read_all(limit, **as_params(window), status=status, name=name)
    assert sorted(read) == ids(model)
    assert totals == {len(model)}
    created = {str(task.record()["job_id"]): task.created_at for task in tasks}
    assert [created[job_id] for job_id in read] == sorted(map(created.__getitem__, read))[::-1]


@NO_DEADLINE
@given(tasks=TASKS, window=WINDOWS, limit=st.integers(1, 100))
def test_filtering_by_creation_and_end_follows_its_model(
    tasks: list[Drawn], window: tuple[Micros | None, Micros | None], limit: int
) -> None:
    """created_at >= start_time and ended_at <= end_time, for the bounds that are given."""
    start, end = window
    model = [
        task
        for task in tasks
        if (start is None or task.created_at >= start)
        and (end is None or (task.ended_at is not None and task.ended_at <= end))
    ]
    world = FixedWorld({PROJECT: [task.record() for task in tasks]})
    reader = Reader(world, Behaviour(time_filter="created_and_ended"))
    read, totals = reader.read_all(limit, **as_params(window))
    assert sorted(read) == ids(model)
    assert totals == {len(model)}


@cache
def invented_world(seed: int) -> InventedWorld:
    """Return one world for each seed: it caches the days that it invented."""
    return InventedWorld(seed, projects=["eu-de"], tasks_per_day=12)


@NO_DEADLINE
@given(
    seed=st.integers(0, 9),
    start=st.integers(0, 32 * 24).map(lambda hours: NOW - hours * 60 * MINUTE),
    length=st.integers(0, 5 * DAY // SECOND).map(lambda seconds: seconds * SECOND),
    limit=st.integers(1, 100),
    status=st.none() | st.sampled_from(STATUSES),
)
def test_paging_an_invented_world_returns_its_tasks(
    seed: int, start: Micros, length: Micros, limit: int, status: str | None
) -> None:
    """The listed tasks of the window, within the horizon, by their status at NOW."""
    world = invented_world(seed)
    tasks = world.tasks_between(world.projects[0].project_id, start, start + length)
    model = [
        task.job_id
        for task in tasks
        if task.created_at >= NOW - 30 * DAY
        and task.visible_at <= NOW
        and (task.deleted_at is None or task.deleted_at > NOW)
        and status in {None, task.record_at(NOW)["status"]}
    ]
    read, totals = Reader(world).read_all(
        limit, **as_params((start, start + length)), status=status
    )
    assert sorted(read) == sorted(model)
    assert totals == {len(model)}
