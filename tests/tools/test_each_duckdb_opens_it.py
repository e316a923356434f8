"""The file opens with DuckDB 1.4, 1.5 and 2.0, and says the same to each."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import every_view
from tests.support.loaded_archive import load_demo
from tests.support.shown_tools import DATABASE, DUCKDBS
from tests.support.tool_environments import OTHER_DUCKDBS, PINNED, Environment, environment, version

OLDEST, NEWEST = OTHER_DUCKDBS


def everything(duckdb: Environment, folder: Path, **variables: str) -> dict[str, Any]:
    """Ask a DuckDB for all that the views in a folder's database hold."""
    program = Path(every_view.__file__).read_text()
    answers: dict[str, Any] = json.loads(duckdb.answer(program, folder, DATABASE, **variables))
    return answers


@pytest.fixture(scope="session", params=DUCKDBS)
def opened_with(request: pytest.FixtureRequest) -> tuple[str, Environment]:
    """Give each DuckDB in turn, with the name of where it is."""
    return request.param, environment(request.param)


def test_every_duckdb_reads_the_same(opened_with: tuple[str, Environment], archive: Path) -> None:
    """Rows, types and comments of all views are those that the pinned DuckDB sees."""
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
    """A session far from UTC, by an odd number of minutes, reads the same rows."""
    _, duckdb = opened_with
    answers = everything(duckdb, archive, TZ=time_zone)
    assert answers["time_zone"] == time_zone
    assert answers["rows"] == everything(environment(PINNED), archive, TZ="UTC")["rows"]


def test_every_view_and_column_says_what_it_is(
    opened_with: tuple[str, Environment], archive: Path
) -> None:
    """Comments are where each DuckDB looks for them, and there is something in every view."""
    _, duckdb = opened_with
    answers = everything(duckdb, archive)
    described = answers["views"]
    assert all(facts[-1] for facts in [fact for view in described.values() for fact in view])
    assert {view for view, rows in answers["rows"].items() if not rows} <= {"coverage_gaps"}


def test_a_file_that_the_newest_wrote_opens_in_the_oldest(tmp_path: Path, archive: Path) -> None:
    """What loads publish that run with DuckDB 2.0 is read by 1.4, and holds the same tasks."""
    oldest, newest = environment(OLDEST), environment(NEWEST)
    folder = load_demo(newest, tmp_path)
    answers = everything(oldest, folder)
    assert answers["duckdb"] == version(OLDEST, "duckdb")
    assert answers["rows"] == everything(newest, folder)["rows"]
    assert answers["rows"]["tasks"] == everything(oldest, archive)["rows"]["tasks"]
