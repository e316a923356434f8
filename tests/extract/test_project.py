"""A project is read completely, however the API works, or the load reports what is unproved."""

import threading
from collections import Counter
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import RequestRefusedError
from gaussdb_tasks.extract.change_detection import TaskChange
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.record import content_hash
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY
from tests.support.model_center import (
    NOW,
    Event,
    Filter,
    Job,
    ModelCenter,
    ModelRead,
    Order,
    Total,
    Unit,
    jobs_through_the_month,
    read,
)

orders = st.sampled_from(["newest", "oldest", "arbitrary", "shuffled"])
units = st.sampled_from(["records", "pages", "pages from one"])
totals = st.sampled_from(["exact", "missing", "page length", "behind", "ahead"])
filters = st.sampled_from(["created", "created and ended"])
events = st.lists(
    st.builds(
        Event,
        before_call=st.integers(1, 14),
        kind=st.sampled_from(["appear", "delete"]),
        which=st.integers(0, 400),
    ),
    max_size=6,
)


@settings(max_examples=2 * settings().max_examples)
@given(
    count=st.integers(0, 420),
    running=st.integers(0, 5),
    seed=st.integers(0, 5),
    order=orders,
    unit=units,
    total=totals,
    time_filter=filters,
    is_inclusive=st.booleans(),
    page_cap=st.sampled_from([100, 100, 40]),
    list_events=events,
)
def test_every_task_once_or_incomplete(  # noqa: PLR0913, PLR0917 - what an API can vary in
    count: int,
    running: int,
    seed: int,
    order: Order,
    unit: Unit,
    total: Total,
    time_filter: Filter,
    is_inclusive: bool,  # noqa: FBT001 - drawn
    page_cap: int,
    list_events: list[Event],
) -> None:
    """Each task that was there all the time is new exactly once, or the load is incomplete."""
    center = ModelCenter(
        jobs_through_the_month(count, running=running, seed=seed),
        order,
        unit,
        total,
        time_filter,
        is_inclusive,
        page_cap=page_cap,
        events=list_events,
    )
    there = {job.job_id for job in center.jobs}
    result = read(center)
    new = Counter(v.task.job_id for v in result.versions if v.change is TaskChange.NEW)
    assert set(new.values()) <= {1}
    assert set(new) <= there | center.added_ids
    if not result.reader.incomplete_reasons:
        assert there - center.deleted_ids <= set(new)


@given(
    count=st.integers(0, 420),
    running=st.integers(0, 5),
    order=st.sampled_from(["newest", "oldest", "arbitrary"]),
    unit=units,
    total=totals,
    time_filter=filters,
    is_inclusive=st.booleans(),
)
def test_a_stable_list_is_always_proved(  # noqa: PLR0913, PLR0917 - what an API can vary in
    count: int,
    running: int,
    order: Order,
    unit: Unit,
    total: Total,
    time_filter: Filter,
    is_inclusive: bool,  # noqa: FBT001 - drawn
) -> None:
    """The list does not change and has a stable order: every task is proved read."""
    jobs = jobs_through_the_month(count, running=running)
    center = ModelCenter(jobs, order, unit, total, time_filter, is_inclusive)
    result = read(center)
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == count


TRAITS: list[dict[str, Any]] = [
    {},
    {"order": "oldest"},
    {"order": "arbitrary"},
    {"unit": "pages"},
    {"unit": "pages from one", "order": "arbitrary"},
    {"unit": "pages", "total": "missing"},
    {"unit": "pages from one", "total": "page length"},
    {"time_filter": "created and ended", "unit": "pages"},
    {"total": "missing"},
    {"total": "page length"},
    {"total": "behind"},
    {"needs_bounds": True},
]
# Windows of more than 5,000 tasks are split, so the largest count is split twice.
COUNTS = [0, 1, 99, 100, 101, 199, 1000, 1429, 5001]
LARGE = [(5_000, {}), *((12_000, traits) for traits in (TRAITS[0], TRAITS[4], TRAITS[5]))]
# Few traits change how a large window is split; `make test-thorough` splits it with each.
SPLIT_ONCE = [TRAITS[0], TRAITS[3], TRAITS[6], TRAITS[7], TRAITS[-1]]


@pytest.mark.parametrize(
    ("count", "traits"),
    [
        *(
            pytest.param(
                *(count, traits),
                marks=pytest.mark.thorough
                if count == COUNTS[-1] and traits not in SPLIT_ONCE
                else (),
            )
            for traits in TRAITS
            for count in COUNTS
        ),
        *LARGE,
    ],
    ids=str,
)
def test_a_first_load_takes_few_calls(count: int, traits: dict[str, Any]) -> None:
    """The first load of N tasks takes at most 1.15 x ceil(N/100) + 6 calls, with any traits."""
    center = ModelCenter(jobs_through_the_month(count, running=min(count, 3)), **traits)
    result = read(center)
    assert result.changes.seen_count == count
    # Without any task nothing shows whether windows list running ones.
    assert result.reader.incomplete_reasons == [] or (count == 0 and "needs_bounds" in traits)
    assert center.calls <= 1.15 * ceil(count / 100) + 6


@pytest.mark.parametrize("unit", ["records", "pages", "pages from one"])
@pytest.mark.parametrize("time_filter", ["created", "created and ended"])
@pytest.mark.parametrize("total", ["exact", "missing", "page length"])
def test_a_quiet_load_takes_few_calls(unit: Unit, time_filter: Filter, total: Total) -> None:
    """A known month with 45 new tasks and a few in flight takes at most 6 calls."""
    jobs = jobs_through_the_month(1350, running=4)
    known, new = jobs[:-45], jobs[-45:]
    center = ModelCenter(known, unit=unit, time_filter=time_filter, total=total)
    first = read(center)
    covered = (TimeRange(NOW - 30 * DAY, new[0].created_at),)
    state = ProjectState(
        known_from=NOW - 31 * DAY,
        tasks=first.changes.known_tasks(),
        covered=covered,
        is_count_usable=first.reader.traits.is_count_usable,
        is_running_listed=first.reader.traits.is_running_listed,
        last_full_read_at=NOW - DAY,
    )
    center.jobs = jobs
    center.calls = 0
    result = read(center, state)
    assert result.changes.new_count == 45
    assert result.reader.incomplete_reasons == []
    assert center.calls <= 6


def state_after(center: ModelCenter) -> ProjectState:
    """Read a model and return the state that a database would hold for the next load."""
    result = read(center)
    return ProjectState(
        known_from=NOW - 31 * DAY,
        tasks=result.changes.known_tasks(),
        covered=(TimeRange(NOW - 30 * DAY, NOW),),
        is_count_usable=result.reader.traits.is_count_usable,
        is_running_listed=result.reader.traits.is_running_listed,
        last_full_read_at=NOW,
    )


def test_deleted_records_are_found_by_counting() -> None:
    """The horizon's count differs: it is read, and exactly the deleted tasks are missing."""
    center = ModelCenter(jobs_through_the_month(600, running=3))
    state = state_after(center)
    deleted = {center.jobs.pop(at).job_id for at in (500, 300, 7)}
    result = read(center, state)
    assert {v.job_id for v in result.changes.vanishings} == deleted
    assert result.reader.incomplete_reasons == []


def test_a_task_that_was_hidden_is_found_by_counting() -> None:
    """A task that appears in covered time is outside the windows, but the count shows it."""
    jobs = jobs_through_the_month(600)
    late = jobs.pop(100)
    center = ModelCenter(jobs)
    state = state_after(center)
    center.jobs = [*jobs, late]
    result = read(center, state)
    assert result.changes.has_seen(late.job_id)
    assert result.changes.new_count == 1


def test_a_task_that_ends_is_found_if_windows_hide_running_ones() -> None:
    """A known running task that has ended, with a filter on ends, is in the next window."""
    jobs = jobs_through_the_month(600)
    jobs[50] = Job(50, jobs[50].created_at, None)
    center = ModelCenter(jobs, time_filter="created and ended")
    state = state_after(center)
    assert state.is_running_listed is False
    center.jobs = [*jobs[:50], Job(50, jobs[50].created_at, NOW), *jobs[51:]]
    result = read(center, state)
    assert [v.change for v in result.versions if v.task.job_id == jobs[50].job_id] == [
        TaskChange.CHANGED
    ]
    assert result.changes.vanishings == []


@pytest.mark.parametrize("running", [0, 2])
def test_both_bounds_can_be_mandatory(running: int) -> None:
    """A service that refuses the query for running tasks without times gets one with times."""
    center = ModelCenter(jobs_through_the_month(150, running=running), needs_bounds=True)
    result = read(center)
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == 150


@pytest.mark.parametrize("total", ["exact", "missing", "page length"])
def test_the_load_is_incomplete_if_running_tasks_cannot_be_listed(total: Total) -> None:
    """Times are mandatory and hide tasks without an end: no time is covered."""
    jobs = jobs_through_the_month(250, running=6)
    center = ModelCenter(
        list(jobs), total=total, needs_bounds=True, time_filter="created and ended"
    )
    result = read(center)
    assert "hides running tasks" in " ".join(result.reader.incomplete_reasons)
    assert not any(window.result.is_complete for window in result.reader.windows)
    assert result.changes.seen_count == 244
    center.jobs = [Job(number, job.created_at, NOW) for number, job in enumerate(jobs)]
    again = read(
        center, ProjectState(known_from=NOW - 31 * DAY, tasks=result.changes.known_tasks())
    )
    assert again.changes.new_count == 6


def test_a_service_may_refuse_windows_that_end_in_the_future() -> None:
    """Windows end a little after now; a service that refuses that gets windows up to now."""
    center = ModelCenter(jobs_through_the_month(250, running=2))

    def strict(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        if query.end is not None and query.end > NOW:
            message = "400 DBS.280001: end_time must not be in the future"
            raise RequestRefusedError(message)
        return center(query, offset=offset, limit=limit)

    result = read(strict)
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == 250


def test_a_count_that_ignores_the_filter_is_not_used() -> None:
    """Every page counts the whole project: the count is not used, and all tasks are proved."""
    center = ModelCenter(jobs_through_the_month(250, running=4))

    def with_full_count(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        return center(query, offset=offset, limit=limit)._replace(total_count=250)

    result = read(with_full_count)
    assert result.changes.seen_count == 250
    assert result.reader.incomplete_reasons == []
    assert result.reader.traits.is_count_usable is False


def test_an_offset_without_effect_does_not_loop() -> None:
    """A service that always lists the first page ends as incomplete, not in a loop."""
    center = ModelCenter(jobs_through_the_month(400))

    def first_page_only(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        return center(query, offset=offset - offset, limit=limit)

    result = read(first_page_only)
    assert result.reader.incomplete_reasons or result.changes.seen_count == 400
    assert center.calls < 200


def test_a_huge_count_does_not_cost_as_many_calls() -> None:
    """A total_count in the billions, also of an empty list, is not a count and costs few calls."""
    center = ModelCenter(jobs_through_the_month(300))

    def with_huge_count(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        return center(query, offset=offset, limit=limit)._replace(total_count=10**9)

    result = read(with_huge_count)
    assert result.changes.seen_count == 300
    assert result.reader.incomplete_reasons == []
    assert result.reader.traits.is_count_usable is False
    assert center.calls < 40


def states_of(result: ModelRead, job_id: str) -> list[tuple[str | None, int]]:
    """Return status and number of the new versions of a task."""
    return [(v.task.status, v.version) for v in result.versions if v.task.job_id == job_id]


def test_states_of_two_readings_are_in_the_order_of_the_readings() -> None:
    """A task runs in the list of running tasks and has ended in the window after it."""
    jobs = jobs_through_the_month(250)
    ended = jobs[100]
    running = Job(100, ended.created_at, None)

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        listed = [running] if query.status else jobs
        return ModelCenter(list(listed))(query, offset=offset, limit=limit)

    result = read(fetch)
    assert states_of(result, ended.job_id) == [("Running", 1), ("Completed", 2)]
    again = ProjectState(
        known_from=NOW - 31 * DAY,
        tasks=result.changes.known_tasks(),
        earlier_hashes=result.changes.earlier_hashes(),
        covered=(TimeRange(NOW - 31 * DAY, NOW),),
        is_count_usable=True,
        is_running_listed=True,
    )
    assert states_of(read(fetch, again), ended.job_id) == []


@pytest.mark.parametrize("time_filter", ["created", "created and ended"])
def test_a_task_that_runs_again_is_in_a_new_state_although_it_was_in_it_before(
    time_filter: Filter,
) -> None:
    """It was running, then failed; now it runs as before, and a window no longer lists its end."""
    jobs = jobs_through_the_month(250, running=1)
    center = ModelCenter(list(jobs), time_filter=time_filter)
    running = Job(100, jobs[100].created_at, None)
    state = state_after(center)
    known = state.tasks[running.job_id]._replace(version=2)
    earlier = content_hash(running.record().fields)
    before = replace(
        state,
        tasks={**state.tasks, running.job_id: known},
        earlier_hashes={running.job_id: frozenset({earlier})},
    )
    center.jobs = [*jobs[:100], running, *jobs[101:]]
    assert states_of(read(center, before), running.job_id) == [("Running", 3)]


def test_a_state_that_only_a_probe_shows_is_kept() -> None:
    """Each page is kept, also one that finds out how the service pages and is not read further."""
    jobs = jobs_through_the_month(250)
    center = ModelCenter(list(jobs), unit="pages")
    strange = Job(900_000, jobs[5].created_at, jobs[5].ended_at)

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        page = center(query, offset=offset, limit=limit)
        is_probe = offset == 1 and limit == PAGE_LIMIT - 1 and center.calls < 5
        return page._replace(records=(*page.records, strange.record())) if is_probe else page

    result = read(fetch)
    assert states_of(result, strange.job_id) == [("Completed", 1)]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_order_of_states_does_not_depend_on_threads(is_reversed: bool) -> None:  # noqa: FBT001 - drawn
    """Pages that are fetched at once and answered in any order give the same versions."""
    jobs = jobs_through_the_month(500)
    center = ModelCenter(
        [*jobs, *(Job(number, jobs[number].created_at, None) for number in range(0, 500, 7))],
        total="tasks",
    )
    lock, answered = threading.Lock(), threading.Condition()
    done: set[int] = set()

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        if query.status is not None:  # so that the window is the first to show both states
            return Page((), 0)
        with lock:
            page = center(query, offset=offset, limit=limit)
        # The pages at 198 and 297 are fetched at once.
        first, second = (297, 198) if is_reversed else (198, 297)
        with answered:
            if offset == second:
                assert answered.wait_for(lambda: first in done, timeout=60)
            done.add(offset)
            answered.notify_all()
        return page

    result = read(fetch, connections=4)
    assert {198, 297} <= done
    for number in range(500):
        states = ["Running", "Completed"] if number % 7 == 0 else ["Completed"]
        expected = [(status, at) for at, status in enumerate(states, 1)]
        assert states_of(result, f"job-{number:06d}") == expected
