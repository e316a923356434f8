"""A living task center is loaded again and again; nothing is lost and nothing is invented."""

from pathlib import Path

import pytest

from gaussdb_tasks.emulator import InventedWorld
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.model.times import DAY, HOUR, parse_time
from tests.support import IS_THOROUGH
from tests.support.invented_nights import NightOf, Story, nights_of

BEGIN = parse_time("2026-01-10T02:00:00Z", option="BEGIN")


def test_a_story_with_everything_in_it(tmp_path: Path) -> None:
    """Missed loads, a clock that jumps back, a project that appears and one that is forbidden."""
    world = InventedWorld(5, tasks_per_day=20)
    first, second = (project.project_id for project in world.projects)
    both = (first, second)
    nights = [
        NightOf(BEGIN, (first,)),
        NightOf(BEGIN + DAY, both),
        NightOf(BEGIN + 4 * DAY, both, {second}),
        NightOf(BEGIN + 3 * DAY + HOUR, both),
        NightOf(BEGIN + 5 * DAY, both),
        NightOf(BEGIN + 38 * DAY, both),
        NightOf(BEGIN + 39 * DAY, both),
    ]
    story = Story(tmp_path)
    story.load(world, nights)
    assert story.faults() == []
    done, look = ExitCode.DONE, ExitCode.NEEDS_ATTENTION
    codes = [report.exit_code for report in story.reports]
    assert codes == [done, done, look, done, done, look, done]
    (failed,) = [each for each in story.reports[2].projects if each.error is not None]
    assert failed.key.project_id == second
    assert [len(should.gaps()) for should in story.should.values()] == [1, 1]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_random_loads(tmp_path: Path, seed: int) -> None:
    """A short series; `make simulate-years` runs a long one."""
    world = InventedWorld(seed, tasks_per_day=12)
    story = Story(tmp_path)
    story.load(world, nights_of(world, BEGIN, 40 if IS_THOROUGH else 8, seed))
    assert story.faults() == []
