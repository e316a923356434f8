"""Killed at any step, a load leaves one whole night, and the next one makes it right.

`make crash-matrix` kills a load at every point; here it is some of each step, others each time the
code changes, since the points are what the code does.
"""

from collections.abc import Iterator
from itertools import groupby

import pytest

from tests.support.crash_points import CrashPoint, Step, step_of
from tests.support.doomed_loads import Stage, sample, stage


@pytest.fixture(scope="module")
def survival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two nights: the first is loaded, the second is to be survived."""
    with stage(tmp_path_factory.mktemp("survival")) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def points(survival: Stage) -> dict[Step, list[CrashPoint]]:
    """Every point at which the second night can be killed, by the step it belongs to."""
    found = sorted(survival.points(), key=step_of)
    return {step: list(group) for step, group in groupby(found, key=step_of)}


@pytest.mark.parametrize("step", Step)
def test_killed_at_a_step(
    step: Step, survival: Stage, points: dict[Step, list[CrashPoint]]
) -> None:
    """What analysts see is one whole night, and the next load's outcome is an undisturbed one's."""
    for point in sample(points[step], 2, seed=len(points[step])):
        outcome = survival.kill_at(point)
        assert outcome.fault is None, point
        assert outcome.was_killed, point


def test_killed_around_the_rename(survival: Stage, points: dict[Step, list[CrashPoint]]) -> None:
    """Before the rename it is last night, after it tonight, and nothing else in between."""
    around = [point for point in points[Step.PUBLISH] if point.room == "warehouse/files.py"]
    outcomes = [survival.kill_at(point) for point in around]
    assert [outcome.fault for outcome in outcomes] == [None] * len(around)
    published = [outcome.is_published is True for outcome in outcomes]
    assert set(published) == {False, True}
    assert published == sorted(published)


@pytest.mark.parametrize("tenths", [3, 6, 9, 12])
def test_killed_at_some_moment(tenths: int, survival: Stage) -> None:
    """Whenever it is killed, also inside DuckDB or while it waits for an answer, it is the same."""
    assert survival.kill_after(tenths / 10).fault is None
