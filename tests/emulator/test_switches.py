"""Each setting of `Behaviour`."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from gaussdb_tasks.emulator import Behaviour, Emulator, FixedWorld, SettableClock
from gaussdb_tasks.emulator.behaviour import OffsetUnit
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND
from tests.support.emulator_client import NOW, PROJECT, Client, client_of, job_id, millis, record


@contextmanager
def serving(behaviour: Behaviour, *records: object) -> Iterator[Client]:
    """Serve these records at NOW; by default ten records, one a minute."""
    ten = [record(number, NOW - number * MINUTE, NOW) for number in range(10)]
    world = FixedWorld({PROJECT: records or ten})
    emulator = Emulator(world, behaviour=behaviour, clock=SettableClock(NOW))
    with client_of(emulator) as client:
        yield client


def test_the_default_behaviour_is_the_contract() -> None:
    """The defaults are the documented behaviour."""
    assert Behaviour() == Behaviour(
        time_filter="created",
        required_bounds="none",
        default_period=7 * DAY,
        bounds="inclusive",
        bound_precision="milliseconds",
        offset_unit="records",
        page_cap=100,
        order="newest_first",
        total_count="exact",
        horizon=30 * DAY,
        expired_token="gateway_401",
    )


def test_filtering_by_creation_and_end_hides_tasks_that_end_after_the_window() -> None:
    """created_at >= start_time and ended_at <= end_time, as a sibling service documents."""
    records = [
        record(1, NOW - 3 * HOUR, NOW - 2 * HOUR),
        record(2, NOW - 3 * HOUR, NOW - HOUR + SECOND),
        record(3, NOW - 3 * HOUR, None),
        record(4, NOW - 5 * HOUR, NOW - 2 * HOUR),
        record(5, NOW - 2 * HOUR, NOW - HOUR),
    ]
    window = {"start_time": millis(NOW - 4 * HOUR), "end_time": millis(NOW - HOUR)}
    with serving(Behaviour(time_filter="created_and_ended"), *records) as client:
        assert client.job_ids(**window) == [job_id(5), job_id(1)]
        assert client.job_ids(status="Running") == [job_id(3)]
        assert client.job_ids(start_time=window["start_time"], status="Running") == [job_id(3)]


def test_filtering_by_creation_and_end_keeps_unreadable_times() -> None:
    """A record with unreadable times is inside every window with this filter too."""
    odd = {**record(1), "ended_at": "never"}
    with serving(Behaviour(time_filter="created_and_ended"), odd) as client:
        assert client.page(start_time="1000", end_time="2000") == ([odd], 1)


@pytest.mark.parametrize(
    ("required_bounds", "given", "is_allowed"),
    [
        ("together", [], True),
        ("together", ["start_time"], False),
        ("together", ["end_time"], False),
        ("together", ["start_time", "end_time"], True),
        ("always", [], False),
        ("always", ["start_time"], False),
        ("always", ["start_time", "end_time"], True),
    ],
)
def test_bounds_can_be_mandatory(
    required_bounds: str,
    given: list[str],
    is_allowed: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A missing bound is a parameter error."""
    behaviour = Behaviour(required_bounds=required_bounds)  # type: ignore[arg-type]
    with serving(behaviour) as client:
        response = client.get(**dict.fromkeys(given, millis(NOW)))
    if is_allowed:
        assert response.status_code == 200
    else:
        assert (response.status_code, response.json()["error_code"]) == (400, "DBS.280001")


def test_bounds_can_be_exclusive() -> None:
    """A task exactly at a bound is outside."""
    window = {"start_time": millis(NOW - 5 * MINUTE), "end_time": millis(NOW - 2 * MINUTE)}
    with serving(Behaviour(bounds="exclusive")) as client:
        assert client.job_ids(**window) == [job_id(3), job_id(4)]


def test_bounds_can_be_rounded_to_the_second() -> None:
    """The milliseconds of both bounds are dropped."""
    late = {"start_time": millis(NOW + 999_000)}
    with serving(Behaviour(bound_precision="seconds")) as client:
        assert client.job_ids(**late) == [job_id(0)]
        assert client.page(end_time=millis(NOW - 1_000))[1] == 9
    with serving(Behaviour()) as client:
        assert client.job_ids(**late) == []


@pytest.mark.parametrize(
    ("offset_unit", "offset", "first"),
    [
        ("records", "0", 0),
        ("records", "1", 1),
        ("pages", "0", 0),
        ("pages", "1", 3),
        ("pages", "2", 6),
        ("pages_from_one", "0", 0),
        ("pages_from_one", "1", 0),
        ("pages_from_one", "2", 3),
    ],
)
def test_offset_can_count_pages(offset_unit: OffsetUnit, offset: str, first: int) -> None:
    """Records from 0, pages from 0, or pages from 1 where 0 is also the first page."""
    with serving(Behaviour(offset_unit=offset_unit)) as client:
        page = client.job_ids(offset=offset, limit="3")
    assert page == [job_id(number) for number in range(first, first + 3)]


def test_pages_can_be_capped_below_the_requested_limit() -> None:
    """The cap does not change total_count."""
    with serving(Behaviour(page_cap=4)) as client:
        tasks, total_count = client.page(limit="9")
        assert (len(tasks), total_count) == (4, 10)
        assert len(client.job_ids(limit="3")) == 3


@pytest.mark.parametrize(
    ("behaviour", "total_count"),
    [
        (Behaviour(total_count="exact"), 10),
        (Behaviour(total_count="string"), "10"),
        (Behaviour(total_count="page_length"), 3),
        (Behaviour(total_count="lagging", lag=2), 8),
        (Behaviour(total_count="lagging", lag=20), 0),
        (Behaviour(total_count="lagging", lag=-2), 12),
    ],
)
def test_total_count_can_be_wrong(behaviour: Behaviour, total_count: object) -> None:
    """A string, the page's length, or wrong by `lag`."""
    with serving(behaviour) as client:
        assert client.page(limit="3")[1] == total_count


def test_total_count_can_be_null_or_missing() -> None:
    """The field is null, or it does not exist."""
    with serving(Behaviour(total_count="null")) as client:
        assert client.get().json()["total_count"] is None
    with serving(Behaviour(total_count="missing")) as client:
        assert client.get().json().keys() == {"tasks"}


def test_order_can_be_oldest_first() -> None:
    """The newest task comes last."""
    with serving(Behaviour(order="oldest_first")) as client:
        assert client.job_ids() == [job_id(number) for number in range(9, -1, -1)]


def test_order_can_be_arbitrary_but_stable() -> None:
    """Not by time, the same in each answer; a new task does not move the others."""
    with serving(Behaviour(order="arbitrary")) as client:
        before = client.job_ids()
        assert before == client.job_ids()
        assert sorted(before) == [job_id(number) for number in range(10)]
        assert before not in (sorted(before), sorted(before, reverse=True))
        world = client.emulator.world
        assert isinstance(world, FixedWorld)
        world.add(PROJECT, record(77))
        assert [each for each in client.job_ids() if each != job_id(77)] == before


def test_order_can_change_with_each_request() -> None:
    """Every answer has the same tasks in another order."""
    with serving(Behaviour(order="shuffled")) as client:
        answers = [client.job_ids() for _ in range(5)]
    assert {tuple(sorted(answer)) for answer in answers} == {tuple(map(job_id, range(10)))}
    assert all(first != second for first, second in pairwise(answers))


def test_default_period_and_horizon_can_be_set() -> None:
    """The period applies to requests without bounds, the horizon to all."""
    behaviour = Behaviour(default_period=2 * MINUTE, horizon=6 * MINUTE)
    with serving(behaviour) as client:
        assert client.page()[1] == 3
        assert client.page(start_time="0")[1] == 7


def test_behaviour_can_be_replaced_while_serving() -> None:
    """The new behaviour applies from the next request."""
    with serving(Behaviour()) as client:
        assert client.job_ids()[0] == job_id(0)
        client.emulator.behaviour = Behaviour(order="oldest_first")
        assert client.job_ids()[0] == job_id(9)
