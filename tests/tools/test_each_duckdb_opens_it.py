"""DuckDB 1.4, 1.5 and 2.0 open the file and read the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import every_view
from tests.support.documented_tools import DATABASE, DUCKDBS
from tests.support.loaded_archive import load_demo
from tests.support.tool_environments import OTHER_DUCKDBS, PINNED, Environment, environment, version

OLDEST, NEWEST = OTHER_DUCKDBS


def everything(duckdb: Environment, folder: Path, **variables: str) -> dict[str, Any]:
    """Read all views of a folder's database with a DuckDB."""
    program = Path(every_view.__file__).read_text()
    answers: dict[str, Any] = json.loads(duckdb.answer(program, folder, DATABASE, **variables))
    return answers


@pytest.fixture(scope="session", params=DUCKDBS)
def opened_with(request: pytest.FixtureRequest) -> tuple[str, Environment]:
    """Return the name and the environment of each DuckDB."""
    return request.param, environment(request.param)


def test_every_duckdb_reads_the_same(opened_with: tuple[str, Environment], archive: Path) -> None:
    """Rows, types and comments of all views are the same as with the pinned DuckDB."""
    name, duckdb = opened_with
    answers = everything(duckdb, archive)
    pinned = everything(environment(PINNED), archive)
    assert answers["duckdb"] == version(name, "duckdb")
    assert answers["rows"] == pinned["rows"]
    assert answers["views"] == pinned["views"]


@pytest.mark.parametrize("time_zone", ["Asia/Kathmandu", "America/St_Johns"])
def test_the_time_zone_does_not_matter(
    opened_with: tuple[str, Environment], archive: Path, time_zone: str
) -> None:
    """A session reads the same rows, even with a UTC offset that has odd minutes."""
    _, duckdb = opened_with
    answers = everything(duckdb, archive, TZ=time_zone)
    assert answers["time_zone"] == time_zone
    assert answers["rows"] == everything(environment(PINNED), archive, TZ="UTC")["rows"]


def test_every_view_and_column_has_a_comment(
    opened_with: tuple[str, Environment], archive: Path
) -> None:
    """Each DuckDB reads the comments, and only `coverage_gaps` may be empty."""
    _, duckdb = opened_with
    answers = everything(duckdb, archive)
    described = answers["views"]
    assert all(row[-1] for view in described.values() for row in view)
    assert {view for view, rows in answers["rows"].items() if not rows} <= {"coverage_gaps"}


def test_the_oldest_duckdb_opens_a_file_of_the_newest(tmp_path: Path, archive: Path) -> None:
    """DuckDB 1.4 reads a database that loads with DuckDB 2.0 published; the tasks are the same."""
    oldest, newest = environment(OLDEST), environment(NEWEST)
    folder = tmp_path
    load_demo(newest, folder)
    answers = everything(oldest, folder)
    assert answers["duckdb"] == version(OLDEST, "duckdb")
    assert answers["rows"] == everything(newest, folder)["rows"]
    assert answers["rows"]["tasks"] == everything(oldest, archive)["rows"]["tasks"]
