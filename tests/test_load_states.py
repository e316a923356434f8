"""A service that lists a task in several states at once: all are kept, in order, and none twice."""

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.archive.amendments import rereading
from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.renormalisation import renormalise
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import Record as KeptRecord
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.time_range import TimeRange
from gaussdb_tasks.model.times import DAY, HOUR, Micros, to_datetime
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, Record, job_id, record
from tests.support.equal_databases import everything
from tests.support.loads import load, rows

TWICE, FROM_SECOND, RUNNING, ONCE = 1, 2, 3, 4
NIGHTS = [NOW, NOW + DAY, NOW + 2 * DAY]


def completed(number: int, created: Micros = NOW - 5 * HOUR, **fields: Any) -> Record:
    """Make a task that took an hour."""
    return record(number, created, created + HOUR, process="100", **fields)


def running(number: int, process: str | None, created: Micros = NOW - 5 * HOUR) -> Record:
    """Make a task in flight."""
    return record(number, created, None, process=process)


FAILED = completed(FROM_SECOND, status="Failed", fail_reason="disk full")
LISTED: list[list[Record]] = [
    [completed(TWICE), running(TWICE, "40"), running(FROM_SECOND, "10"), running(RUNNING, "60")],
    [completed(TWICE), running(TWICE, "40"), FAILED, running(FROM_SECOND, "10")],
    [running(TWICE, "40"), completed(TWICE), running(FROM_SECOND, "10"), FAILED],
]
BESIDE: list[list[Record]] = [
    [completed(ONCE)],
    [completed(ONCE), running(RUNNING, "80"), running(RUNNING, "60"), running(RUNNING, "70")],
    [completed(ONCE), completed(RUNNING)],
]


def load_night(folder: Path, night: int) -> LoadReport:
    """Load what the service lists in a night."""
    listed = {PROJECT: LISTED[night] + BESIDE[night]}
    with Emulator(FixedWorld(listed), clock=SettableClock(NIGHTS[night])) as emulator:
        return load(emulator, folder, NIGHTS[night])


@pytest.fixture(scope="module")
def three_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load three nights, to read only; check the counts of each load."""
    folder = tmp_path_factory.mktemp("nights")
    counts = []
    for night in range(3):
        (project,) = load_night(folder, night).projects
        counts.append((project.seen_count, project.new_count, project.changed_count))
    assert counts == [(4, 4, 0), (4, 0, 2), (4, 0, 1)]
    return folder


@pytest.fixture
def loaded(three_nights: Path, tmp_path: Path) -> DataDir:
    """Copy the three nights."""
    return DataDir(Path(shutil.copytree(three_nights, tmp_path / "data")))


def states(folder: Path) -> dict[int, list[tuple[str, float | None, int]]]:
    """Return status, progress and night of each version, by the number of the task."""
    found: dict[int, list[tuple[str, float | None, int]]] = {}
    for task, status, progress, observed_at, version in rows(
        folder,
        "select job_id, status, progress_percent, observed_at, version "
        "from task_center.task_versions order by job_id, version",
    ):
        versions = found.setdefault(int(task[-12:]), [])
        versions.append((status, progress, NIGHTS.index(_micros(observed_at))))
        assert version == len(versions)
    return found


EXPECTED = {
    TWICE: [("Running", 40, 0), ("Completed", 100, 0)],
    FROM_SECOND: [("Running", 10, 0), ("Failed", 100, 1)],
    RUNNING: [("Running", 60, 0), ("Running", 70, 1), ("Running", 80, 1), ("Completed", 100, 2)],
    ONCE: [("Completed", 100, 0)],
}


def is_intact(data_dir: DataDir) -> bool:
    """Verify archive and database."""
    return verify(data_dir, VerifyOptions()).is_intact


def test_every_state_is_kept_once(three_nights: Path) -> None:
    assert states(three_nights) == EXPECTED
    raws = rows(three_nights, "select raw from task_center.task_versions")
    for listed in (listed for night in LISTED + BESIDE for listed in night):
        assert any(json.loads(raw) == listed for (raw,) in raws)


def test_tasks_show_the_latest_version(three_nights: Path) -> None:
    """Times and number of versions are right, and each task is counted once."""
    found = {
        int(task[-12:]): (status, count, *(NIGHTS.index(_micros(at)) for at in times))
        for task, status, count, *times in rows(
            three_nights,
            "select job_id, status, version_count, first_seen_at, last_changed_at, last_seen_at "
            "from tasks",
        )
    }
    assert found == {
        TWICE: ("Completed", 2, 0, 0, 0),
        FROM_SECOND: ("Failed", 2, 0, 1, 1),
        RUNNING: ("Completed", 4, 0, 2, 2),
        ONCE: ("Completed", 1, 0, 0, 0),
    }
    rates = "select sum(finished_count), sum(failed_count) from failure_rates_by_name"
    assert rows(three_nights, rates) == [(4, 1)]
    durations = "select sum(finished_count) from task_durations_by_name"
    assert rows(three_nights, durations) == [(4,)]


def test_the_earlier_versions_of_a_load_were_valid_for_no_time(three_nights: Path) -> None:
    sql = "select version, valid_to - valid_from from task_history where job_id = ? order by 1"
    found = rows(three_nights, sql.replace("?", f"'{job_id(RUNNING)}'"))
    days = [None if passed is None else passed.days for _, passed in found]
    assert days == [1, 0, 1, None]


def test_changes_show_each_state(loaded: DataDir, command: Command) -> None:
    run = command("changes", "--since", "2", "--format", "csv", "--data-dir", loaded.path)
    assert run.exit_code == 0, run.stderr
    found = [
        (int(row["entry"]), int(row["job_id"][-12:]), row["status_before"], row["status"])
        for row in csv.DictReader(run.stdout.splitlines())
    ]
    assert found == [
        (2, FROM_SECOND, "Running", "Failed"),
        (2, RUNNING, "Running", "Running"),
        (2, RUNNING, "Running", "Running"),
        (3, RUNNING, "Running", "Completed"),
    ]


def test_archive_and_database_are_whole_and_rebuilt_equal(
    loaded: DataDir, command: Command
) -> None:
    assert is_intact(loaded)
    before = everything(loaded.database)
    loaded.database.unlink()
    run = command("rebuild", "--data-dir", loaded.path)
    assert run.exit_code == 0, run.stderr
    assert everything(loaded.database) == before
    assert is_intact(loaded)


def test_evidence_proves_each_state(loaded: DataDir, command: Command) -> None:
    run = command("evidence", job_id(RUNNING), "--data-dir", loaded.path, "--format", "json")
    assert run.exit_code == 0, run.stderr
    (task,) = json.loads(run.stdout)["tasks"]
    seen_by = [int(state["proof"]["seen_by"][:6]) for state in task["states"]]
    assert seen_by == [1, 2, 2, 3]
    progress = [json.loads(state["state"]["raw"])["process"] for state in task["states"]]
    assert progress == ["60", "70", "80", "100"]


def test_a_redaction_changes_each_state_and_the_next_load_adds_none(loaded: DataDir) -> None:
    amendment = Amendment("redaction", NIGHTS[-1] + HOUR, "ticket")
    redact(loaded, ["instance_name"], [], amendment, is_dry_run=False)
    assert is_intact(loaded)
    assert states(loaded.path) == EXPECTED
    assert rows(loaded.path, "select count(*) from task_history where raw like '%orders%'") == [
        (0,)
    ]
    later = NIGHTS[-1] + 2 * HOUR
    listed = {PROJECT: LISTED[2] + BESIDE[2]}
    with Emulator(FixedWorld(listed), clock=SettableClock(later)) as emulator:
        load(emulator, loaded.path, later)
    assert states(loaded.path) == EXPECTED
    assert is_intact(loaded)


def test_a_state_is_not_new_if_the_window_of_its_task_was_not_read(loaded: DataDir) -> None:
    """The list of running tasks shows one of two states; a load of other days does not decide."""
    later = NIGHTS[-1] + 2 * HOUR
    listed = {PROJECT: LISTED[2] + BESIDE[2]}
    other_days = TimeRange(NOW - 9 * DAY, NOW - 8 * DAY)
    with Emulator(FixedWorld(listed), clock=SettableClock(later)) as emulator:
        report = load(emulator, loaded.path, later, time_range=other_days)
    assert report.projects[0].seen_count == 2
    assert states(loaded.path) == EXPECTED


def test_retention_removes_all_states_of_old_tasks(loaded: DataDir) -> None:
    later = NOW + 400 * DAY
    young = {PROJECT: [completed(9, later - HOUR), running(9, "40", later - HOUR)]}
    with Emulator(FixedWorld(young), clock=SettableClock(later)) as emulator:
        load(emulator, loaded.path, later)
    amendment = Amendment("retention", later + HOUR, "ticket")
    retain(loaded, NOW + 300 * DAY, Holds(), amendment, is_dry_run=False)
    assert is_intact(loaded)
    found = rows(loaded.path, "select distinct job_id from task_history")
    assert found == [(job_id(9),)]


def test_a_renormalisation_keeps_order_and_number(
    loaded: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereading, "normalise", _in_capitals)
    amendment = Amendment("renormalisation", NIGHTS[-1] + HOUR, "ticket")
    renormalise(loaded, amendment, is_dry_run=False)
    assert is_intact(loaded)
    assert states(loaded.path) == EXPECTED
    assert rows(loaded.path, "select distinct instance_name from task_history") == [
        ("ORDERS-PROD",)
    ]


def test_status_and_report_count_each_task_once(loaded: DataDir, command: Command) -> None:
    run = command("query", "archive_status", "--format", "json", "--data-dir", loaded.path)
    assert run.exit_code == 0, run.stderr
    (project,) = json.loads(run.stdout)
    assert (project["open_task_count"], project["rejected_count"]) == (0, 0)


def _in_capitals(kept: KeptRecord) -> Task | Rejection:
    """Normalise as a later version might."""
    read = normalise(kept)
    assert isinstance(read, Task)
    return read._replace(instance_name=(read.instance_name or "").upper())


def _micros(at: datetime) -> Micros:
    """Convert a time of the database, which has no zone."""
    return next(night for night in NIGHTS if to_datetime(night).replace(tzinfo=None) == at)
