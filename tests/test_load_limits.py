"""A load that reaches its limit, or that is sent records twice, publishes what was proved."""

from dataclasses import replace
from pathlib import Path

import pytest

from gaussdb_tasks.api.deadline import Deadline
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.extract.project_tables import Outcome
from gaussdb_tasks.load import run_load
from gaussdb_tasks.model.times import DAY, HOUR
from tests.support.emulator_client import NOW, PROJECT, Record, record
from tests.support.loads import load, load_request, rows


def records(count: int) -> list[Record]:
    """Make tasks through the month, oldest first."""
    return [
        record(number, NOW - 29 * DAY + number * HOUR, NOW - 29 * DAY + (number + 1) * HOUR)
        for number in range(count)
    ]


def emulator_of(listed: list[Record]) -> Emulator:
    return Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(NOW))


@pytest.mark.parametrize("calls_in_time", [pytest.param(0, marks=pytest.mark.thorough), 3])
def test_a_load_that_reaches_its_time_limit(tmp_path: Path, calls_in_time: int) -> None:
    """It makes no further call, publishes with code 3, and the next load reads the rest."""
    seconds = [0.0]
    with emulator_of(records(350)) as emulator:
        calls = 0

        @emulator.before_page
        def passes(_query: object) -> None:
            nonlocal calls
            calls += 1
            if calls == calls_in_time:
                seconds[0] = 600.0

        if calls_in_time == 0:
            seconds[0] = 600.0
        started = 0.0 if calls_in_time else 600.0
        deadline = Deadline(600 - started, monotonic=lambda: seconds[0])
        request = replace(load_request(emulator, tmp_path, NOW), connections=1, deadline=deadline)
        report = run_load(request)
        assert len(emulator.calls) == calls_in_time
        assert report.exit_code is ExitCode.NEEDS_ATTENTION
        assert [project.outcome for project in report.projects] == [Outcome.INCOMPLETE]
        assert all("--max-minutes" in each for each in report.projects[0].incomplete_reasons)
        assert rows(tmp_path, "select bool_or(is_complete) from task_center.coverage") == [(False,)]
        assert report.lost == ()
        again = load(emulator, tmp_path, NOW)
    assert again.exit_code is ExitCode.DONE
    assert rows(tmp_path, "select count(*) from tasks") == [(350,)]


def test_a_record_listed_twice_stays_quiet(tmp_path: Path) -> None:
    """Every load is done with code 0; the first one reads all, the next ones only what is new."""
    listed = records(250)
    listed.append(listed[180])
    calls = []
    with emulator_of(listed) as emulator:
        for night in range(3):
            before = len(emulator.calls)
            report = load(emulator, tmp_path, NOW + night * HOUR)
            calls.append(len(emulator.calls) - before)
            assert report.exit_code is ExitCode.DONE, report.projects[0].incomplete_reasons
            assert night or report.total("seen_count") == 250
    assert calls[0] > max(calls[1:])
    assert max(calls[1:]) <= 4
    notes = "select distinct reason from task_center.coverage where reason is not null"
    assert rows(tmp_path, notes) == [("1 records are listed more than once",)]
    assert rows(tmp_path, "select count(*) from coverage_gaps") == [(0,)]
    assert rows(tmp_path, "select count(*), sum(version_count) from tasks") == [(250, 250)]
