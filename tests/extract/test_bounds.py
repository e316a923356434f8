"""A read ends whatever the service sends; what was proved is kept, the rest is incomplete."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import LimitReachedError, ResponseTooLargeError
from gaussdb_tasks.extract import paging
from gaussdb_tasks.model.times import HOUR, SECOND
from tests.support.model_center import (
    NOW,
    Job,
    ModelCenter,
    Unit,
    jobs_through_the_month,
    read,
)

units = st.sampled_from(["records", "pages", "pages from one"])


@dataclass
class WithSizes:
    """A task center whose records have sizes; it sends no response above a bound.

    Attributes:
        sizes: by job_id; other records have the size 1.
    """

    center: ModelCenter
    max_size: int
    sizes: dict[str, int] = field(default_factory=dict)

    def __call__(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Answer one call."""
        page = self.center(query, offset=offset, limit=limit)
        if sum(self.sizes.get(record.identity, 1) for record in page.records) > self.max_size:
            message = "a response is too large"
            raise ResponseTooLargeError(message)
        return page


@settings(max_examples=settings().max_examples // 2)
@given(
    count=st.integers(1, 260),
    unit=units,
    max_size=st.sampled_from([100, 60, 13, 5]),
    heavy=st.dictionaries(st.integers(0, 259), st.integers(2, 5), max_size=20),
)
def test_pages_that_are_too_large_are_read_in_parts(
    count: int, unit: Unit, max_size: int, heavy: dict[int, int]
) -> None:
    """Each record fits a response of its own: every task is read and proved."""
    jobs = jobs_through_the_month(count)
    sizes = {jobs[at].job_id: size for at, size in heavy.items() if at < count}
    center = ModelCenter(jobs, unit=unit)
    result = read(WithSizes(center, max_size, sizes))
    if unit == "records":
        assert result.reader.incomplete_reasons == []
    # Small numbered pages cannot always overlap, so their list is not always proved.
    assert result.changes.seen_count == count or result.reader.incomplete_reasons


def test_a_page_above_the_limit_costs_few_calls() -> None:
    """One page of twelve is too large: its parts and some smaller pages are added."""
    jobs = jobs_through_the_month(1_100)
    heavy = {job.job_id: 3 for job in jobs[500:560]}
    center = ModelCenter(jobs)
    result = read(WithSizes(center, 120, heavy))
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == 1_100
    assert center.calls < 40


def test_later_pages_begin_with_the_size_that_fitted() -> None:
    """Where every page of 100 is too large, most calls do not try that size again."""
    center = ModelCenter(jobs_through_the_month(2_000))
    limits: list[int] = []

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        if query.status is None:
            limits.append(limit)
        return WithSizes(center, 30)(query, offset=offset, limit=limit)

    result = read(fetch)
    assert result.changes.seen_count == 2_000
    assert result.reader.incomplete_reasons == []
    assert len([limit for limit in limits if limit > 30]) < len(limits) / 4


@pytest.mark.parametrize("giant_at", [0, 1, 99, 100, 250, 299])
@pytest.mark.parametrize("total", ["exact", "missing"])
def test_a_record_that_is_too_large_leaves_a_small_gap(giant_at: int, total: str) -> None:
    """All others are read; only time close to the record is not proved."""
    jobs = jobs_through_the_month(300)
    giant = jobs[giant_at]
    center = ModelCenter(jobs, total=total)  # type: ignore[arg-type]
    result = read(WithSizes(center, 1_000, {giant.job_id: 5_000}))
    assert result.changes.seen_count == 299
    assert any("too large to be read" in each for each in result.reader.incomplete_reasons)
    unproved = [w.result.time_range for w in result.reader.windows if not w.result.is_complete]
    assert any(start <= giant.created_at <= end for start, end in unproved)
    inside = [job for job in jobs if any(s <= job.created_at <= e for s, e in unproved)]
    assert len(inside) <= 3
    assert center.calls < 400


def test_responses_that_are_all_too_large() -> None:
    """Nothing can be read: the load is incomplete, not failed, after few calls."""
    center = ModelCenter(jobs_through_the_month(300))
    result = read(WithSizes(center, 0))
    assert result.changes.seen_count == 0
    assert result.reader.incomplete_reasons
    assert not any(window.result.is_complete for window in result.reader.windows)
    assert center.calls < 60


def endless(
    created_at: Callable[[TaskQuery, int], int], total: Callable[[int], int | None]
) -> Callable[..., Page]:
    """Make a task center whose list never ends: record n is the same in each answer."""
    calls = iter(range(10**9))

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        if query.status is not None:
            return Page((), 0)
        jobs = [Job(n, created_at(query, n), NOW) for n in range(offset, offset + limit)]
        return Page(tuple(job.record() for job in jobs), total(next(calls)))

    return fetch


@pytest.mark.parametrize("is_filtered", [True, False])
@pytest.mark.parametrize(
    "total",
    [lambda _call: None, lambda call: 1_000 * call, lambda _call: 100],
    ids=["no total", "a count that grows", "a count too low"],
)
def test_a_list_without_end(
    monkeypatch: pytest.MonkeyPatch, total: Callable[[int], int | None], *, is_filtered: bool
) -> None:
    """Full pages for ever: the read stops, keeps what it has, and says why."""
    monkeypatch.setattr(paging, "MAX_RECORDS_OF_A_READ", 1_000)
    calls = 0

    def created_at(query: TaskQuery, number: int) -> int:
        if not is_filtered:
            return NOW - HOUR - number * 3 * SECOND
        start, end = query.start or 0, query.end or 0
        return start + number * 3 * SECOND % max(end - start, 1)

    listing = endless(created_at, total)

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        nonlocal calls
        calls += 1
        return listing(query, offset=offset, limit=limit)

    result = read(fetch)
    assert any("longer than" in reason for reason in result.reader.incomplete_reasons)
    assert result.changes.seen_count > 900
    assert calls < 500


def test_a_long_list_without_a_count_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than one read may be is split in time, and proved."""
    monkeypatch.setattr(paging, "MAX_RECORDS_OF_A_READ", 500)
    center = ModelCenter(jobs_through_the_month(1_800, running=2), total="missing")
    result = read(center)
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == 1_800


def test_the_bytes_of_a_read_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large records are read in parts too, although they are few."""
    monkeypatch.setattr(paging, "_MAX_BYTES_OF_A_READ", 300_000)
    center = ModelCenter(jobs_through_the_month(900, running=2), total="missing")
    most = 0

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        nonlocal most
        most = max(most, offset)
        page = center(query, offset=offset, limit=limit)
        return page._replace(byte_count=1_000 * len(page.records))

    result = read(fetch)
    assert result.reader.incomplete_reasons == []
    assert result.changes.seen_count == 900
    assert most < 600


@pytest.mark.parametrize("calls_allowed", range(0, 14, 3))
def test_a_limit_keeps_what_was_proved(calls_allowed: int) -> None:
    """After the limit no call is made; each window is proved or has the reason."""
    center = ModelCenter(jobs_through_the_month(900))
    calls = 0

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        nonlocal calls
        calls += 1
        if calls > calls_allowed:
            message = "the time limit was reached"
            raise LimitReachedError(message)
        return center(query, offset=offset, limit=limit)

    result = read(fetch)
    windows = [window.result for window in result.reader.windows]
    assert windows
    for window in windows:
        assert window.is_complete or window.incomplete_reason == "the time limit was reached"
    assert (result.reader.incomplete_reasons == []) == (calls <= calls_allowed)
    assert any(not window.is_complete for window in windows) == (calls_allowed < 12)


def test_too_many_calls_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on the calls for a project ends a load that nothing else ends."""
    monkeypatch.setattr(paging, "_MAX_CALLS", 5)
    center = ModelCenter(jobs_through_the_month(900))
    result = read(center)
    assert center.calls == 5
    assert any("after 5 calls" in reason for reason in result.reader.incomplete_reasons)
