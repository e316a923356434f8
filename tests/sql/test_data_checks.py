"""The data checks: each finds its error in the last load, and nothing in sound data."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gaussdb_tasks.database import connect
from gaussdb_tasks.database.checks import CheckFinding, Severity, run_checks
from gaussdb_tasks.database.sql_files import SqlFile, check_files
from tests.support.sample_archive import (
    CREATED_AT,
    LOADED_AT,
    Archive,
    Row,
    given,
    load_run,
    task,
    version,
    window,
)

PREVIOUS_LOAD = LOADED_AT - timedelta(days=1)
YESTERDAY = CREATED_AT - timedelta(days=1)
OLD = CREATED_AT - timedelta(days=7)
"""A start earlier than any start in the last load."""

Rows = dict[str, list[Row]]


def sound_rows() -> Rows:
    """Make a sound archive with two loads.

    The last load observed a changed task, a new one and a running one; an older task is from the
    load before.
    """
    changed = {"job_id": "changed", "created_at": YESTERDAY}
    before = {"created_at": YESTERDAY - timedelta(days=1)}
    in_flight = {"job_id": "in flight", "status": "Running", **before}
    old = {"job_id": "old", "created_at": OLD}
    from_previous_load = {"first_seen_at": PREVIOUS_LOAD, "last_changed_at": PREVIOUS_LOAD}
    return {
        "load_runs": [load_run(run_id="run-0", observed_at=PREVIOUS_LOAD), load_run()],
        "coverage": [
            window(
                PREVIOUS_LOAD - timedelta(days=1),
                PREVIOUS_LOAD,
                run_id="run-0",
                observed_at=PREVIOUS_LOAD,
            ),
            window(PREVIOUS_LOAD, LOADED_AT),
        ],
        "task_versions": [
            version(**changed, status="Running", observed_at=PREVIOUS_LOAD),
            version(**in_flight, observed_at=PREVIOUS_LOAD),
            version(**old, observed_at=PREVIOUS_LOAD),
            version(**changed, version=2),
            version(job_id="new"),
        ],
        "tasks": [
            task(**changed, version_count=2, version_hash="hash-2", first_seen_at=PREVIOUS_LOAD),
            task(**in_flight, **from_previous_load),
            task(**old, **from_previous_load, last_seen_at=PREVIOUS_LOAD),
            task(job_id="new"),
        ],
    }


def one_state(**columns: object) -> Rows:
    """Make an archive with one task in one state."""
    return {
        "load_runs": [load_run()],
        "tasks": [task(**columns)],
        "task_versions": [version(**columns)],
    }


def found(rows: Rows) -> dict[str, int]:
    """Return the checks with findings, and their row counts."""
    findings = run_checks(given(**rows).connection)
    return {finding.check_name: finding.row_count for finding in findings}


def test_sound_data_have_no_findings() -> None:
    assert found(sound_rows()) == {}
    assert found({}) == {}
    assert found({"load_runs": [load_run()]}) == {}


def test_each_check_has_a_severity_and_a_meaning() -> None:
    heads = {file.name: file.text.splitlines()[:2] for file in check_files()}
    assert all(meaning.startswith("-- ") and meaning.endswith(".") for _, meaning in heads.values())
    fails = {name for name, (severity, _) in heads.items() if severity == "-- severity: fail"}
    assert fails == {
        "complete_window_lacks_tasks",
        "duplicate_task",
        "duplicate_version",
        "impossible_duration",
        "latest_state_differs",
        "missing_version",
        "repeated_version",
    }


@pytest.mark.parametrize("job_id", ["changed", "new"])
def test_a_duplicate_version_is_found(job_id: str) -> None:
    rows = sound_rows()
    rows["task_versions"] += [row for row in rows["task_versions"] if row["job_id"] == job_id][-1:]
    assert found(rows)["duplicate_version"] == 1


def test_an_old_version_written_again_is_found() -> None:
    rows = sound_rows()
    again = rows["task_versions"][0] | {"observed_at": LOADED_AT, "version_hash": "other"}
    rows["task_versions"].append(again)
    assert found(rows)["duplicate_version"] == 1


@pytest.mark.parametrize("job_id", ["changed", "in flight", "new"])
def test_a_duplicate_task_is_found(job_id: str) -> None:
    rows = sound_rows()
    rows["tasks"] += [row for row in rows["tasks"] if row["job_id"] == job_id]
    assert found(rows)["duplicate_task"] == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"version_hash": "hash-1"},
        {"version_count": 1},
        {"version_count": 3},
        {"version_count": 1, "version_hash": "hash-1"},
        {"job_id": "elsewhere"},
        {"region": "elsewhere"},
    ],
)
def test_a_latest_state_that_differs_from_the_newest_version_is_found(
    columns: dict[str, object],
) -> None:
    rows = sound_rows()
    rows["tasks"][0].update(columns)
    assert found(rows)["latest_state_differs"] == 1


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The database of a month with many tasks."""
    archive = Archive(str(tmp_path_factory.mktemp("month") / "month.duckdb"))
    archive.insert(load_runs=[load_run()], tasks=[task()], task_versions=[version()])
    for table in ("tasks", "task_versions"):
        archive.connection.execute(
            f"insert into task_center.{table} select tasks.* replace ("
            "md5(number::varchar) || md5(number::varchar) as job_id, "
            "sha256(number::varchar) as version_hash) "
            f"from task_center.{table} as tasks, range(100_000) as numbers(number)"
        )
    archive.connection.execute("checkpoint")
    archive.connection.execute("set threads = 2")
    yield archive
    archive.connection.close()


@pytest.mark.parametrize(
    ("mib", "runs"),
    [pytest.param(55, 1, id="enough"), pytest.param(15, 2, id="too little: it is lifted")],
)
def test_the_checks_of_a_month_run_in_little_memory(
    month: Archive, monkeypatch: pytest.MonkeyPatch, mib: int, runs: int
) -> None:
    """What does not fit is in the spill folder. A check that needs more runs again."""
    monkeypatch.setattr(connect, "memory_bound", lambda _limit: mib * 1024**2)
    run_counts: Counter[str] = Counter()
    execute = SqlFile.execute

    def counted(file: SqlFile, connection: Any) -> Any:
        run_counts[file.name] += 1
        return execute(file, connection)

    monkeypatch.setattr(SqlFile, "execute", counted)
    assert run_checks(month.connection) == ()
    assert max(run_counts.values()) == runs


def test_two_versions_from_one_load_are_sound() -> None:
    """A task can change while it is read."""
    rows = sound_rows()
    rows["task_versions"].append(version(job_id="new", version=2))
    rows["tasks"][-1].update(version_count=2, version_hash="hash-2")
    assert found(rows) == {}


@pytest.mark.parametrize("missing", [0, 3])
def test_a_missing_version_is_found(missing: int) -> None:
    rows = sound_rows()
    rows["task_versions"].append(version(job_id="changed", created_at=YESTERDAY, version=3))
    rows["tasks"][0].update(version_count=3, version_hash="hash-3")
    assert found(rows) == {}
    del rows["task_versions"][missing]
    assert found(rows) == {"missing_version": 1}
    rows["task_versions"].append(rows["task_versions"][-1])
    assert found(rows)["missing_version"] == 1


def test_a_version_equal_to_the_one_before_is_found() -> None:
    """A version that returns to an earlier state is sound."""
    rows = sound_rows()
    rows["task_versions"][3]["version_hash"] = rows["tasks"][0]["version_hash"] = "hash-1"
    assert found(rows) == {"repeated_version": 1}
    rows = sound_rows()
    rows["task_versions"].append(version(job_id="new", version=2, version_hash="hash-2"))
    rows["task_versions"].append(version(job_id="new", version=3, version_hash="hash-1"))
    rows["tasks"][-1].update(version_count=3, version_hash="hash-1")
    assert found(rows) == {}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"total_count": 2}, True),
        ({"total_count": 2, "is_complete": False}, False),
        ({"total_count": 2, "run_id": "unknown"}, True),
        ({"total_count": 2, "run_id": "uncounted"}, False),
        ({"total_count": 2, "run_id": "undecided"}, True),
        ({"total_count": 0}, False),
        ({"total_count": None}, False),
    ],
)
def test_a_complete_window_that_lacks_tasks_is_found(
    columns: dict[str, object],
    expected: bool,  # noqa: FBT001
) -> None:
    """It is not found if the API's counts are not usable."""
    rows: Rows = {
        "load_runs": [
            load_run(),
            load_run(run_id="uncounted", is_count_usable=False),
            load_run(run_id="undecided", is_count_usable=None),
        ],
        "coverage": [window(PREVIOUS_LOAD, LOADED_AT, **columns)],
    }
    assert ("complete_window_lacks_tasks" in found(rows)) is expected


@pytest.mark.parametrize(
    "columns",
    [
        {"duration_ms": -1},
        {"status": "Running", "duration_ms": 60_000},
        {"status": None, "duration_ms": 0},
    ],
)
def test_an_impossible_duration_is_found(columns: dict[str, object]) -> None:
    assert found(one_state(**columns))["impossible_duration"] == 1


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("ended_before_created", {"ended_at": CREATED_AT - timedelta(seconds=1)}),
        ("finished_without_end", {"ended_at": None}),
        ("unreadable_end", {"ended_at": None, "extra": '{"ended_at":"soon"}'}),
        ("undocumented_status", {"status": "Canceled", "ended_at": CREATED_AT}),
        ("undocumented_status", {"status": "Pending"}),
        ("undocumented_status", {"status": None}),
    ],
)
def test_an_odd_record_is_found_by_one_check_only(name: str, columns: dict[str, object]) -> None:
    assert found(one_state(duration_ms=None, **columns)) == {name: 1}


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "Running", "ended_at": CREATED_AT - timedelta(seconds=1)},
        {"status": " running"},
        {"status": "FAILED", "ended_at": CREATED_AT},
        {"status": "Completed", "duration_ms": 0},
    ],
)
def test_valid_records_have_no_findings(columns: dict[str, object]) -> None:
    """The end of a running task is an estimate; the case of a status does not matter."""
    assert found(one_state(**columns)) == {}


def test_a_job_id_with_two_starts_is_found() -> None:
    rows = sound_rows()
    other_start = {"job_id": "changed", "version_count": 1}
    rows["tasks"].append(task(**other_start))
    assert found(rows) == {"task_with_two_starts": 1}
    earlier = {"first_seen_at": CREATED_AT}
    rows["tasks"] = [{**row, **earlier} for row in rows["tasks"]]
    assert found(rows) == {}, "it was reported by the load that saw the second start first"
    rows["tasks"][-1] = task(**other_start, project_id="project-2")
    assert found(rows) == {}


def test_checks_look_at_the_last_load_only() -> None:
    """Their cost must not grow with the archive."""
    rows = sound_rows()
    seen = {"last_changed_at": PREVIOUS_LOAD, "last_seen_at": PREVIOUS_LOAD}
    states: list[Row] = [
        {"job_id": "negative", "duration_ms": -1},
        {"job_id": "negative", "duration_ms": -1},
        {"job_id": "unknown", "status": "Paused"},
        {"job_id": "endless", "ended_at": None},
        {"job_id": "some day", "ended_at": None, "extra": '{"ended_at":"some day"}'},
        {"job_id": "reversed", "ended_at": OLD - timedelta(days=1)},
        {"job_id": "two starts", "created_at": OLD - timedelta(days=1)},
        {"job_id": "two starts"},
    ]
    old_states = [{"created_at": OLD, **state} for state in states]
    seen["first_seen_at"] = PREVIOUS_LOAD
    rows["tasks"] += [task(**state, **seen, version_count=9) for state in old_states]
    rows["task_versions"] += [version(**state, observed_at=PREVIOUS_LOAD) for state in old_states]
    second = {"version": 2, "created_at": OLD, "observed_at": PREVIOUS_LOAD}
    rows["task_versions"] += [
        version(**second),
        version(job_id="endless", version_hash="hash-1", **second),
    ]
    rows["coverage"][0]["total_count"] = 9
    assert found(rows) == {}
    as_of_previous_load = rows | {"load_runs": rows["load_runs"][:1]}
    assert len(found(as_of_previous_load)) == len(check_files())


def test_a_finding_has_the_check_the_count_and_the_first_rows() -> None:
    starts = [CREATED_AT + timedelta(seconds=n) for n in range(12_345)]
    rows: dict[str, Any] = {
        "load_runs": [load_run()],
        "tasks": [task(status="Paused", created_at=start) for start in starts],
    }
    findings = {finding.check_name: finding for finding in run_checks(given(**rows).connection)}
    finding = findings["undocumented_status"]
    assert (finding.severity, finding.row_count) == (Severity.WARN, 12_345)
    assert finding.meaning.startswith("A status is not in the API's documentation")
    assert len(finding.first_rows) == 5
    assert finding.first_rows[0].startswith("region=eu-de, project_id=project-1, job_id=job-1, ")
    assert finding.first_rows[0].endswith(", status=Paused")


def test_findings_are_sorted_by_check() -> None:
    rows = one_state(status="Paused", duration_ms=-1)
    rows["tasks"] *= 2
    findings: tuple[CheckFinding, ...] = run_checks(given(**rows).connection)
    names = [finding.check_name for finding in findings]
    assert names == ["duplicate_task", "impossible_duration", "undocumented_status"]
