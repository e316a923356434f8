"""That the benchmark of views measures what it says: every view, on an archive that is sound."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.database.checks import Severity, run_checks
from gaussdb_tasks.database.sql_files import view_files
from tests.support import ROOT
from tests.support.invented_archive import invent_archive

TASKS = 20_000


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an invented archive as the benchmark does."""
    path = tmp_path_factory.mktemp("invented") / "archive.duckdb"
    invent_archive(path, TASKS)
    with duckdb.connect(path, read_only=True) as connection:
        yield connection


def number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return the number that a query answers with."""
    ((answer,),) = connection.execute(sql).fetchall()
    assert isinstance(answer, int)
    return answer


def test_every_view_is_measured() -> None:
    """A new view needs no word here: each has its line, and every line its numbers."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_views", "--tasks", "200"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    head, _, *lines = [line.strip("| ").split(" | ") for line in run.stdout.splitlines()]
    assert head == ["view", "200: rows", "seconds", "first", "MB"]
    assert [line[0] for line in lines] == [f"`{file.name}`" for file in view_files()]
    for _, *numbers in lines:
        assert all(float(shown.replace(",", "").strip("*")) >= 0 for shown in numbers)


@pytest.mark.parametrize("view", [file.name for file in view_files()])
def test_every_view_has_something_to_show(invented: duckdb.DuckDBPyConnection, view: str) -> None:
    """What has no rows costs nothing, so its time would say nothing."""
    assert number(invented, f"select count(*) from main.{view}") > 0


def test_no_check_fails_on_the_invented_archive(invented: duckdb.DuckDBPyConnection) -> None:
    """The archive is one that a load would publish."""
    failures = [found for found in run_checks(invented) if found.severity is Severity.FAIL]
    assert failures == []


def test_tasks_are_the_latest_versions(invented: duckdb.DuckDBPyConnection) -> None:
    """The checks look at the last load; here every task agrees with its history."""
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


def test_every_version_says_something_new(invented: duckdb.DuckDBPyConnection) -> None:
    """A state is a version for what differs in it, in its record as in its digest."""
    versions = "from task_center.task_versions"
    for content in ("raw", "version_hash"):
        distinct = number(invented, f"select count(distinct (job_id, {content})) {versions}")
        assert distinct == number(invented, f"select count(*) {versions}") > TASKS


def test_the_mix_is_as_promised(invented: duckdb.DuckDBPyConnection) -> None:
    """Kinds, instances, failures and versions are as frequent as in an archive of years."""
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


def test_the_same_archive_every_time(invented: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Runs can be compared, since chance has no part in them."""
    again = tmp_path / "again.duckdb"
    invent_archive(again, TASKS)
    content = "select sum(hash(*columns(*))) % 1000000007 from task_center.task_versions"
    with duckdb.connect(again, read_only=True) as connection:
        assert connection.execute(content).fetchall() == invented.execute(content).fetchall()
