"""A record that is listed twice is read whole, and an alarm about a count is given once."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page, parse_record
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.plan import Purpose
from gaussdb_tasks.model.project_state import ProjectState
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY
from tests.support.model_center import (
    NOW,
    Job,
    Listed,
    ModelCenter,
    ModelRead,
    Order,
    Total,
    jobs_through_the_month,
    read,
)


class OtherState(Job):
    """A task in a second state, listed beside the first."""

    def record(self) -> Record:
        """Return the record with another progress."""
        return parse_record(json.dumps({**super().record().fields, "process": "70"}))


def with_repeats(jobs: list[Listed], at: list[int], *, is_other_state: bool) -> list[Listed]:
    """List some tasks twice: word for word, or in two states."""
    repeated = [jobs[position % len(jobs)] for position in at]
    if not is_other_state:
        return [*jobs, *repeated]
    return [
        *jobs,
        *(OtherState(int(job.job_id[4:]), job.created_at, job.ended_at) for job in repeated),
    ]


@settings(max_examples=settings().max_examples // 2)
@given(
    count=st.integers(1, 420),
    at=st.lists(st.integers(0, 500), max_size=4, unique=True),
    running=st.integers(0, 3),
    order=st.sampled_from(["newest", "oldest", "arbitrary"]),
    total=st.sampled_from(["exact", "missing", "behind", "ahead", "page length"]),
    is_other_state=st.booleans(),
)
def test_a_stable_list_with_repeats_is_proved(  # noqa: PLR0913, PLR0917 - what an API can vary in
    count: int,
    at: list[int],
    running: int,
    order: Order,
    total: Total,
    is_other_state: bool,  # noqa: FBT001 - drawn
) -> None:
    """The list is the same in each answer: every task is read and proved, in every load."""
    jobs = jobs_through_the_month(count, running=min(running, count))
    listed = with_repeats(jobs, at, is_other_state=is_other_state)
    result = read(ModelCenter(listed, order, total=total))
    assert result.changes.seen_count == count
    assert result.reader.incomplete_reasons == []


def test_a_repeated_record_stays_quiet_and_is_noted() -> None:
    """Each load is complete; the window says that a record is listed twice."""
    jobs = jobs_through_the_month(350, running=2)
    center = ModelCenter([*jobs, jobs[99]])
    state = ProjectState(known_from=NOW - 31 * DAY)
    for _ in range(3):
        result = read(center, state)
        assert result.reader.incomplete_reasons == []
        assert result.changes.vanishings == []
        assert any(w.result.note == "1 records are listed more than once" for w in windows(result))
        state = following(result, state)


def windows(result: ModelRead) -> list:  # type: ignore[type-arg]
    return result.reader.windows


def following(result: ModelRead, state: ProjectState) -> ProjectState:
    """Return the state after a load, without the time that it covered."""
    return replace(
        state,
        tasks=result.changes.known_tasks(),
        is_count_usable=result.reader.traits.is_count_usable,
        excess_count=result.reader.excess_count,
    )


def test_a_stable_repeat_costs_one_full_read() -> None:
    """The nights after it are quiet, until the count shows one task more than is known."""
    jobs = jobs_through_the_month(350, running=2)
    center = ModelCenter([*jobs, jobs[99]])
    state = following(read(center), ProjectState(known_from=NOW - 31 * DAY))
    assert state.excess_count == 1
    covered = (TimeRange(NOW - 31 * DAY, NOW - DAY),)
    calls = []
    for _ in range(3):
        state = replace(state, covered=covered, last_full_read_at=NOW - DAY)
        before = center.calls
        result = read(center, state)
        calls.append(center.calls - before)
        assert result.reader.incomplete_reasons == []
        assert not any(window.purpose is Purpose.HORIZON for window in windows(result))
        state = following(result, state)
        assert state.excess_count == 1
    assert max(calls) <= 6
    late = Job(999, NOW - 10 * DAY, NOW - 10 * DAY + 1)
    center.jobs.append(late)
    state = replace(state, covered=covered, last_full_read_at=NOW - DAY)
    found = read(center, state)
    assert found.changes.has_seen(late.job_id)
    assert following(found, state).excess_count == 1


def test_a_task_hidden_behind_a_repeat_is_not_proved() -> None:
    """Pages whose bounds decide the order of equal times show one task twice and hide another."""
    jobs = jobs_through_the_month(250)
    twins = [Job(number, jobs[150].created_at, NOW) for number in (900, 901)]

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        # The first of the twins that a page lists is always the same one.
        order = [*jobs[:150], *twins, *jobs[151:]]
        inside = [
            job
            for job in order
            if (query.start or 0) <= job.created_at <= (query.end or NOW)
            and query.status != "Running"
        ]
        page = inside[offset : offset + limit]
        if twins[1] in page and twins[0] not in page:
            page = [twins[0] if job is twins[1] else job for job in page]
        return Page(tuple(job.record() for job in page), len(inside))

    result = read(fetch)
    assert result.changes.has_seen(twins[1].job_id) or result.reader.incomplete_reasons


@pytest.mark.parametrize("ghosts", [1, 3])
def test_a_count_that_stays_higher_is_reported_once(ghosts: int) -> None:
    """The API counts deleted tasks too: the first load says so, the next ones are complete."""
    jobs = jobs_through_the_month(350, running=2)
    center = ModelCenter(list(jobs))
    gone = [jobs[position].created_at for position in range(40, 40 + ghosts)]

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        page = center(query, offset=offset, limit=limit)
        counted = sum((query.start or 0) <= at <= (query.end or NOW) for at in gone)
        hidden = 0 if query.status else counted
        return page._replace(total_count=(page.total_count or 0) + hidden)

    state = ProjectState(known_from=NOW - 31 * DAY)
    outcomes = []
    for _ in range(3):
        result = read(fetch, state)
        assert result.changes.seen_count == 350
        assert [w.result for w in result.reader.windows if not w.result.is_complete] == []
        outcomes.append(len(result.reader.incomplete_reasons))
        state = following(result, state)
    assert outcomes == [1, 0, 0]
    gone.append(jobs[200].created_at)
    assert len(read(fetch, state).reader.incomplete_reasons) == 1


def test_two_readings_that_differ_prove_nothing() -> None:
    """A list in another order each time has no rows that agree, whatever is counted."""
    jobs = jobs_through_the_month(250)
    center = ModelCenter([*jobs, jobs[3]], order="shuffled")
    result = read(center)
    assert result.changes.seen_count == 250 or result.reader.incomplete_reasons
