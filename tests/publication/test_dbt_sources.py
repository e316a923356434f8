"""`views --format dbt` describes everything that is published."""

from typing import Any, Final

import pytest
import yaml

from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.model.tables import ALL_TABLES
from gaussdb_tasks.publication.lane import LANES
from tests.support.commands import Command
from tests.support.sample_archive import Archive

SCHEMAS: Final = {"main": "gaussdb_tasks", "task_center": "gaussdb_tasks_tables"}


@pytest.fixture
def sources(command: Command) -> list[dict[str, Any]]:
    """The sources, as YAML reads them."""
    printed = command("views", "--format", "dbt")
    assert (printed.exit_code, printed.stderr) == (0, "")
    document = yaml.safe_load(printed.stdout)
    assert list(document) == ["version", "sources"]
    assert document["version"] == 2
    return list(document["sources"])


def test_every_column_is_described_in_its_order(sources: list[dict[str, Any]]) -> None:
    """The columns are those that the engine has."""
    described = {
        (source["schema"], table["name"]): [column["name"] for column in table["columns"]]
        for source in sources
        for table in source["tables"]
    }
    with Archive().connection as connection:
        expected = {
            ("main", file.name): [
                name for name, *_ in connection.execute(f"describe main.{file.name}").fetchall()
            ]
            for file in view_files()
        }
    for table in (*ALL_TABLES, LANES):
        expected["task_center", table.name] = [column.name for column in table.columns]
    assert described == expected


def test_dbt_finds_what_it_requires(sources: list[dict[str, Any]]) -> None:
    """Nothing but properties of dbt; no description is empty, or a template to dbt."""
    assert {source["schema"]: source["name"] for source in sources} == SCHEMAS
    for source in sources:
        assert set(source) == {"name", "description", "schema", "tables"}
        for table in source["tables"]:
            assert set(table) == {"name", "description", "columns"}
            assert all(set(column) == {"name", "description"} for column in table["columns"])
            for described in (source, table, *table["columns"]):
                assert described["description"].strip()
                assert "{" not in described["description"]
