"""A load that is killed at any point leaves one complete load, and the next load is correct.

`make crash-matrix` kills a load at every point, `make test-thorough` at several of each step.
`make test` kills it at one point of each step, and just before and after the rename. The point
changes with the code.
"""

import linecache
from itertools import groupby
from pathlib import Path

import pytest

import gaussdb_tasks
from tests.support import IS_THOROUGH
from tests.support.crash_points import CrashPoint, Step, step_of
from tests.support.killed_loads import KilledLoads, sample

PACKAGE = Path(gaussdb_tasks.__file__).parent


@pytest.fixture(scope="module")
def points(killed_loads: KilledLoads) -> list[CrashPoint]:
    return killed_loads.points()


def test_every_step_has_points(points: list[CrashPoint]) -> None:
    assert {step_of(point) for point in points} == set(Step)


@pytest.mark.parametrize("step", Step)
def test_killed_at_a_step(step: Step, killed_loads: KilledLoads, points: list[CrashPoint]) -> None:
    """Readers see one complete load, and the next load gives the result of a load without kill."""
    of_step = [point for point in points if step_of(point) is step]
    for point in sample(of_step, 4 if IS_THOROUGH else 1, seed=len(of_step)):
        outcome = killed_loads.kill_at(point)
        assert outcome.fault is None, point
        assert outcome.was_killed, point


def test_killed_around_the_rename(killed_loads: KilledLoads, points: list[CrashPoint]) -> None:
    """Before the rename the first load is published, after it the second; never anything else."""
    publishing = [point for point in points if step_of(point) is Step.PUBLISH]
    (rename,) = [at for at, point in enumerate(publishing) if ".replace(target)" in source(point)]
    around = publishing if IS_THOROUGH else publishing[rename : rename + 2]
    outcomes = [killed_loads.kill_at(point) for point in around]
    assert [outcome.fault for outcome in outcomes] == [None] * len(around)
    published = [outcome.is_published is True for outcome in outcomes]
    assert [value for value, _ in groupby(published)] == [False, True]


def source(point: CrashPoint) -> str:
    """Return the line of code at a point."""
    return linecache.getline(str(PACKAGE / point.module), int(point.place.removeprefix("line ")))


def test_killed_while_it_waits_for_an_answer(killed_loads: KilledLoads) -> None:
    outcome = killed_loads.kill_during_call(2)
    assert outcome.was_killed
    assert outcome.is_published is False
    assert outcome.fault is None
