"""The benchmark of views: it measures every view, on a sound archive."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from gaussdb_tasks.database.checks import Severity, run_checks
from gaussdb_tasks.database.sql_files import view_files
from tests.benchmarks import bench_views
from tests.support.invented_archive import TASKS, invent_archive


@pytest.fixture(scope="module")
def invented(invented_archive: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an invented archive as the benchmark does."""
    with duckdb.connect(invented_archive, read_only=True) as connection:
        yield connection


def number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return the number that a query answers with."""
    ((answer,),) = connection.execute(sql).fetchall()
    assert isinstance(answer, int)
    return answer


def test_every_view_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_this_process(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(bench_views, "alone", in_this_process)  # a process a view takes long
    run = CliRunner().invoke(bench_views.bench, ["--tasks", "200"], catch_exceptions=False)
    assert run.exit_code == 0
    head, _, *lines = [line.strip("| ").split(" | ") for line in run.stdout.splitlines()]
    assert head == ["view", "200: rows", "seconds", "first", "MB"]
    assert [line[0] for line in lines] == [f"`{file.name}`" for file in view_files()]
    for _, *numbers in lines:
        assert all(float(shown.replace(",", "").strip("*")) >= 0 for shown in numbers)


def test_a_measurement_has_a_process_of_its_own() -> None:
    assert bench_views.alone(os.getpid) != os.getpid()


@pytest.mark.parametrize("view", [file.name for file in view_files()])
def test_every_view_has_something_to_show(invented: duckdb.DuckDBPyConnection, view: str) -> None:
    assert number(invented, f"select count(*) from main.{view}") > 0


def test_no_check_fails_on_the_invented_archive(invented: duckdb.DuckDBPyConnection) -> None:
    failures = [found for found in run_checks(invented) if found.severity is Severity.FAIL]
    assert failures == []


def test_tasks_are_the_latest_versions(invented: duckdb.DuckDBPyConnection) -> None:
    """Data checks look at the last load only; here every task must agree with its history."""
    columns = """
        region, project_id, job_id, created_at, task_name, status, ended_at, duration_ms,
        instance_status, fail_reason, version_hash
    """
    latest = f"""
        select {columns}, max(version) over job as version_count, min(observed_at) over job,
            observed_at
        from task_center.task_versions
        window job as (partition by region, project_id, job_id, created_at)
        qualify version = version_count and version = count(*) over job
    """
    states = f"""
        select {columns}, version_count, first_seen_at, last_changed_at from task_center.tasks
    """
    assert number(invented, f"select count(*) from ({states} intersect {latest})") == TASKS
    assert number(invented, f"select count(*) from ({latest})") == TASKS


def test_every_version_has_another_record(invented: duckdb.DuckDBPyConnection) -> None:
    """Versions of a task differ in their record and in its hash."""
    versions = "from task_center.task_versions"
    for content in ("raw", "version_hash"):
        distinct = number(invented, f"select count(distinct (job_id, {content})) {versions}")
        assert distinct == number(invented, f"select count(*) {versions}") > TASKS


def test_the_mix_of_tasks(invented: duckdb.DuckDBPyConnection) -> None:
    """Kinds, instances, failures and versions are as frequent as in a real archive of years."""
    tasks, kinds, instances, projects, failed, versioned = invented.execute(
        """
        select
            count(*),
            count(distinct task_name),
            count(distinct instance_id),
            count(distinct project_id),
            avg(cast(is_failed as integer)),
            avg(cast(version_count > 1 as integer))
        from main.tasks
        """
    ).fetchall()[0]
    assert (tasks, kinds, instances, projects) == (TASKS, 13, 300, 3)
    assert failed == pytest.approx(0.03, rel=0.2)
    assert versioned == pytest.approx(0.055, rel=0.2)
    assert number(invented, "select count(*) from main.failure_reasons") == 40


def test_the_archive_is_reproducible(invented: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    again = tmp_path / "again.duckdb"
    invent_archive(again, TASKS)
    content = "select sum(hash(*columns(*))) % 1000000007 from task_center.task_versions"
    with duckdb.connect(again, read_only=True) as connection:
        assert connection.execute(content).fetchall() == invented.execute(content).fetchall()
