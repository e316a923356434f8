"""A series of complete loads neither loses nor invents a state."""

from pathlib import Path

import pytest

from gaussdb_tasks.emulator import InventedWorld
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.model.times import DAY, HOUR, parse_time
from tests.support import IS_THOROUGH
from tests.support.invented_loads import LoadAt, LoadSeries, invent_loads

BEGIN = parse_time("2026-01-10T02:00:00Z", option="BEGIN")


def test_a_series_with_every_kind_of_event(tmp_path: Path) -> None:
    """Missed loads, a clock that jumps back, a project that appears and one that is forbidden."""
    world = InventedWorld(5, tasks_per_day=20)
    first, second = (project.project_id for project in world.projects)
    both = (first, second)
    loads = [
        LoadAt(BEGIN, (first,)),
        LoadAt(BEGIN + DAY, both),
        LoadAt(BEGIN + 4 * DAY, both, {second}),
        LoadAt(BEGIN + 3 * DAY + HOUR, both),
        LoadAt(BEGIN + 5 * DAY, both),
        LoadAt(BEGIN + 38 * DAY, both),
        LoadAt(BEGIN + 39 * DAY, both),
    ]
    series = LoadSeries(tmp_path)
    series.load(world, loads)
    assert series.differences() == []
    done, attention = ExitCode.DONE, ExitCode.NEEDS_ATTENTION
    codes = [report.exit_code for report in series.reports]
    assert codes == [done, done, attention, done, done, attention, done]
    (failed,) = [each for each in series.reports[2].projects if each.error is not None]
    assert failed.key.project_id == second
    assert [len(expected.gaps()) for expected in series.expected.values()] == [1, 1]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_random_loads(tmp_path: Path, seed: int) -> None:
    """A short series; `make simulate-years` runs a long one."""
    world = InventedWorld(seed, tasks_per_day=12)
    series = LoadSeries(tmp_path)
    series.load(world, invent_loads(world, BEGIN, 40 if IS_THOROUGH else 5, seed))
    assert series.differences() == []
