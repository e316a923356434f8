"""Databases that share the rows of one archive, each as loads of some projects make it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    LOAD_ID,
    LOADED_TABLES,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    stored_columns,
)

_HAVE_PROJECTS: Final = "hash(project_id) % {count} = {number}"
_OF_ARCHIVES: Final = "hash(archive_id) % {count} = {number}"


def share_out(connection: duckdb.DuckDBPyConnection, folder: Path, count: int) -> list[DataDir]:
    """Write the rows of an archive into databases; all rows of a project are in one of them."""
    data_dirs = [DataDir(folder / f"part-{number}") for number in range(count)]
    for number, data_dir in enumerate(data_dirs):
        data_dir.path.mkdir(parents=True)
        connection.execute(f"attach '{data_dir.database}' as part")
        connection.execute(f"create schema part.{SCHEMA_NAME}")
        for table in ALL_TABLES:
            columns = ", ".join(column.ddl for column in stored_columns(table))
            connection.execute(f"create table part.{SCHEMA_NAME}.{table.name} ({columns})")
            names = [column.name for column in table.columns]
            load_id = [f"'load' as {LOAD_ID.name}"] if table in LOADED_TABLES else []
            connection.execute(
                f"insert into part.{SCHEMA_NAME}.{table.name} by name "
                f"select {', '.join([*names, *load_id])} from memory.{SCHEMA_NAME}.{table.name} "
                f"where {_condition(names).format(count=count, number=number)}"
            )
        connection.execute("detach part")
        _finish(data_dir.database)
    return data_dirs


def _condition(names: Sequence[str]) -> str:
    if "project_id" in names:
        return _HAVE_PROJECTS
    return _OF_ARCHIVES if "archive_id" in names else "true"


def _finish(database: Path) -> None:
    with duckdb.connect(database) as connection:
        version = f"{SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"
        connection.execute(f"delete from {version}")
        connection.execute(f"insert into {version} values ({SCHEMA_VERSION})")
        apply_views(connection)
