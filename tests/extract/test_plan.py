"""The plan of a load reads everything needed, in the fewest calls."""

from collections.abc import Sequence
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.extract.plan import Plan, Purpose, calls_for, plan_load
from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.time_range import TimeRange, subtract
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, SECOND, Micros, parse_time
from gaussdb_tasks.settings import LoadSettings

NOW = parse_time("2026-03-18T02:00:00Z", option="NOW")
SETTINGS = LoadSettings(now=NOW)
HORIZON_START = NOW - 30 * DAY
COVERED_UNTIL_YESTERDAY = (TimeRange(HORIZON_START - DAY, NOW - DAY),)


def known(
    created_at: Micros, *, is_final: bool = True, vanished_at: Micros | None = None
) -> KnownTask:
    """Make a known task."""
    return KnownTask(created_at, 1, "0" * 64, is_final, created_at, created_at, vanished_at)


def tasks_every(span: Micros, *, until: Micros = NOW - DAY) -> dict[str, KnownTask]:
    """Make finished tasks at equal distances over the horizon."""
    starts = range(HORIZON_START + span // 2, until, span)
    return {f"finished-{at}": known(at) for at in starts}


def state(
    tasks: dict[str, KnownTask] | None = None,
    covered: Sequence[TimeRange] = COVERED_UNTIL_YESTERDAY,
    *,
    is_count_usable: bool | None = None,
    is_running_listed: bool | None = None,
    last_full_read_at: Micros | None = None,
) -> ProjectState:
    """Make a project state, by default with 45 tasks a day up to yesterday."""
    return ProjectState(
        known_from=HORIZON_START - DAY,
        tasks=tasks_every(DAY // 45) if tasks is None else tasks,
        covered=tuple(covered),
        is_count_usable=is_count_usable,
        is_running_listed=is_running_listed,
        last_full_read_at=last_full_read_at,
    )


def time_ranges(plan: Plan) -> list[TimeRange]:
    """List the time ranges of the windows."""
    return [window.time_range for window in plan.windows]


def test_a_first_load_reads_the_full_horizon() -> None:
    """Without a project state the full horizon is read, and needs no count."""
    plan = plan_load(SETTINGS, ProjectState(known_from=0))
    assert time_ranges(plan) == [TimeRange(HORIZON_START, NOW + 5 * MINUTE)]
    assert plan.windows[0].purpose is Purpose.HORIZON
    assert not plan.is_horizon_counted


def test_a_quiet_load_reads_new_time_with_an_overlap_and_counts() -> None:
    """Three calls: running tasks, one window from the end of covered time, and the count."""
    plan = plan_load(SETTINGS, state())
    assert time_ranges(plan) == [TimeRange(NOW - DAY - 15 * MINUTE, NOW + 5 * MINUTE)]
    assert plan.is_horizon_counted
    assert plan.expected_calls == 3


def test_a_small_project_is_read_completely_each_time() -> None:
    """If the full horizon fits a page, reading it takes fewer calls than a window and a count."""
    plan = plan_load(SETTINGS, state(tasks_every(DAY)))
    assert [window.purpose for window in plan.windows] == [Purpose.HORIZON]
    assert plan.expected_calls == 2


def test_a_gap_is_read_again() -> None:
    """Time that is not proved is read by the next load, with an overlap on both sides."""
    gap = TimeRange(NOW - 5 * DAY, NOW - 4 * DAY)
    covered = (TimeRange(HORIZON_START, gap.start), TimeRange(gap.end, NOW - DAY))
    plan = plan_load(SETTINGS, state(covered=covered))
    assert TimeRange(gap.start - 15 * MINUTE, gap.end + 15 * MINUTE) in time_ranges(plan)


def test_after_a_long_pause_the_horizon_is_read() -> None:
    """All covered time has left the horizon: it is like a first load."""
    plan = plan_load(SETTINGS, state(covered=()))
    assert [window.purpose for window in plan.windows] == [Purpose.HORIZON]


def test_a_task_in_flight_is_read_again() -> None:
    """A task that may have ended since the last load lies in one of the windows."""
    start = NOW - 20 * DAY
    tasks = {**tasks_every(DAY // 45), "open": known(start, is_final=False)}
    plan = plan_load(SETTINGS, state(tasks))
    assert any(s.start < start < s.end for s in time_ranges(plan))
    assert plan.expected_calls == 4


def test_a_task_seen_running_needs_no_window() -> None:
    """A task in the list of running tasks costs no window."""
    tasks = {**tasks_every(DAY // 45), "open": known(NOW - 20 * DAY, is_final=False)}
    assert plan_load(SETTINGS, state(tasks), ["open"]).expected_calls == 3


def test_a_finished_task_that_is_listed_as_running_is_read_again() -> None:
    """Only a window shows whether the service lists its end as well."""
    start = NOW - 20 * DAY
    plan = plan_load(SETTINGS, state({**tasks_every(DAY // 45), "ended": known(start)}), ["ended"])
    assert any(s.start < start < s.end for s in time_ranges(plan))


def test_deleted_and_expired_tasks_need_no_window() -> None:
    """A task that was deleted, or is older than the horizon, costs no window."""
    tasks = {
        **tasks_every(DAY // 45),
        "deleted": known(NOW - 20 * DAY, is_final=False, vanished_at=NOW - DAY),
        "expired": known(HORIZON_START - HOUR, is_final=False),
    }
    assert plan_load(SETTINGS, state(tasks)).expected_calls == 3


def test_one_window_reaches_back_if_that_takes_fewer_calls() -> None:
    """A task that was in flight yesterday is read with the new time, in the same call."""
    tasks = {**tasks_every(DAY // 45), "open": known(NOW - DAY - HOUR, is_final=False)}
    plan = plan_load(SETTINGS, state(tasks))
    assert len(plan.windows) == 1
    assert plan.windows[0].time_range.start < NOW - DAY - HOUR
    assert plan.expected_calls == 3


def test_windows_reach_to_now_if_the_filter_looks_at_ends() -> None:
    """If windows hide tasks that end after them, only a window up to now shows the new ends."""
    tasks = {**tasks_every(DAY // 45), "open": known(NOW - 20 * DAY, is_final=False)}
    plan = plan_load(SETTINGS, state(tasks, is_running_listed=False))
    assert len(plan.windows) == 1
    assert plan.windows[0].time_range.end == NOW + 5 * MINUTE


def test_full_reads_everything() -> None:
    """--full reads the full horizon, also covered time."""
    plan = plan_load(LoadSettings(now=NOW, full=True), state())
    assert time_ranges(plan) == [TimeRange(HORIZON_START, NOW + 5 * MINUTE)]


def test_a_named_time_range_is_read_alone() -> None:
    """--from and --to read that time range only."""
    time_range = TimeRange(NOW - 3 * DAY, NOW - 2 * DAY)
    plan = plan_load(LoadSettings(now=NOW, time_range=time_range), state())
    assert time_ranges(plan) == [time_range]
    assert not plan.is_horizon_counted
    longer = LoadSettings(now=NOW, time_range=TimeRange(0, NOW - 2 * DAY))
    assert time_ranges(plan_load(longer, state())) == [TimeRange(HORIZON_START, NOW - 2 * DAY)]


def test_without_counts_the_horizon_is_read_once_per_week() -> None:
    """If total_count is unusable, no call counts; a weekly full read replaces it."""
    recently = state(is_count_usable=False, last_full_read_at=NOW - 6 * DAY)
    plan = plan_load(SETTINGS, recently)
    assert not plan.is_horizon_counted
    assert plan.windows[0].purpose is Purpose.NEW
    long_ago = state(is_count_usable=False, last_full_read_at=NOW - 7 * DAY)
    assert plan_load(SETTINGS, long_ago).windows[0].purpose is Purpose.HORIZON


def test_a_clock_that_went_back_still_reads_the_overlap() -> None:
    """Time is covered up to tomorrow, but the last minutes are still read."""
    plan = plan_load(SETTINGS, state(covered=[TimeRange(HORIZON_START, NOW + DAY)]))
    assert time_ranges(plan) == [TimeRange(NOW - 15 * MINUTE, NOW + 5 * MINUTE)]


def test_a_calendar_month_can_be_shorter_than_the_horizon() -> None:
    """In March "the last month" may reach back 28 days only; in June it is the horizon's 30."""
    assert SETTINGS.surely_visible_from == parse_time("2026-02-18T02:00:00Z", option="NOW")
    june = LoadSettings(now=NOW + 90 * DAY)
    assert june.surely_visible_from == june.visible.start


def test_pages_overlap_by_one_record() -> None:
    """Each page after the first brings 99 new records; a full page needs another one."""
    counts = {0: 1, 1: 1, 99: 1, 100: 2, 198: 2, 199: 3, 1000: 11}
    assert {count: calls_for(count) for count in counts} == counts


minutes = st.integers(1, 30 * 24 * 60 - 1)


@given(
    finished=st.lists(minutes, max_size=400),
    in_flight=st.lists(minutes, max_size=5, unique=True),
    gaps=st.lists(st.tuples(minutes, st.integers(1, 3000)), max_size=2),
    is_running_listed=st.sampled_from([None, True]),
)
def test_the_plan_reads_all_that_is_needed_in_the_fewest_calls(
    finished: list[int],
    in_flight: list[int],
    gaps: list[tuple[int, int]],
    *,
    is_running_listed: bool | None,
) -> None:
    """All needs are read, and no other partition into windows takes fewer calls."""
    holes = [
        TimeRange(HORIZON_START + at * MINUTE, HORIZON_START + (at + length) * MINUTE)
        for at, length in gaps
    ]
    covered = subtract(TimeRange(HORIZON_START, NOW - DAY), holes)
    tasks = {f"f{i}": known(HORIZON_START + at * MINUTE) for i, at in enumerate(finished)}
    starts = [HORIZON_START + at * MINUTE for at in in_flight]
    tasks |= {f"o{at}": known(at, is_final=False) for at in starts}
    known_now = state(tasks, covered, is_running_listed=is_running_listed)
    plan = plan_load(SETTINGS, known_now)

    uncovered = subtract(TimeRange(HORIZON_START, NOW), covered)
    assert subtract_all(uncovered, time_ranges(plan)) == ()
    assert all(any(s.start < at < s.end for s in time_ranges(plan)) for at in starts)
    if covered:
        assert plan.expected_calls <= cheapest_by_trying(known_now, uncovered, starts)


def subtract_all(
    time_ranges: Sequence[TimeRange], parts: Sequence[TimeRange]
) -> tuple[TimeRange, ...]:
    """Return the time in the time ranges that no part covers."""
    return tuple(left for each in time_ranges for left in subtract(each, parts))


def cheapest_by_trying(
    known_now: ProjectState, uncovered: Sequence[TimeRange], starts: Sequence[Micros]
) -> int:
    """Try every partition of the needs, and the full horizon; return the fewest calls."""
    overlap = 15 * MINUTE
    needs = [
        TimeRange(
            max(HORIZON_START, s.start - overlap), s.end + (overlap if s.end < NOW else 5 * MINUTE)
        )
        for s in uncovered
    ]
    needs = sorted([*needs, *(TimeRange(at - 2 * SECOND, at + 2 * SECOND) for at in starts)])
    horizon = TimeRange(HORIZON_START, NOW + 5 * MINUTE)
    costs = [1 + calls_of(known_now, horizon)]
    for count in range(len(needs)):
        for cuts in combinations(range(1, len(needs)), count):
            bounds = [0, *cuts, len(needs)]
            groups = [needs[a:b] for a, b in pairwise(bounds)]
            joined = [TimeRange(group[0].start, max(s.end for s in group)) for group in groups]
            costs.append(2 + sum(calls_of(known_now, time_range) for time_range in joined))
    return min(costs)


def calls_of(known_now: ProjectState, time_range: TimeRange) -> int:
    """Estimate the calls of a window: known tasks in it, and the usual rate elsewhere."""
    starts = [task.created_at for task in known_now.tasks.values()]
    visible = TimeRange(HORIZON_START, NOW)
    spans = [part.clip(visible) for part in known_now.covered]
    span = sum(s.end - s.start for s in spans)
    covered_count = sum(any(s.start <= at < s.end for s in spans) for at in starts)
    rate = covered_count / span if span else 0.0
    unknown = subtract(time_range.clip(visible), known_now.covered)
    expected = sum(time_range.start <= at < time_range.end for at in starts)
    return calls_for(expected + rate * sum(s.end - s.start for s in unknown))
