"""From the archive to the database: tables made again, and entries applied to them.

Rows enter in the order in which they were kept, so that a table made again is equal to the first,
row for row, and the same digests hold of it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql, quoted_text
from gaussdb_tasks.archive.current_rows import Rows, effective_rows
from gaussdb_tasks.archive.store import Link
from gaussdb_tasks.archive.write import make_room_for_acts, mark_load
from gaussdb_tasks.database.upgrades import upgrade
from gaussdb_tasks.model.tables import ARCHIVE_ACTS, LOAD_ID, LOADED_TABLES, SCHEMA_NAME, TASKS

_APPENDED: Final = (
    archive_tables.TASK_VERSIONS,
    archive_tables.COVERAGE,
    archive_tables.LOAD_RUNS,
    archive_tables.REJECTED_RECORDS,
)
_KEY: Final = ", ".join(archive_tables.SIGHTINGS.key)

# A task's latest state is the version that its last sighting counted to.
_SIGHTED: Final = frozenset(archive_tables.SIGHTINGS.column_names)
_TASK_COLUMNS: Final = (*TASKS.columns, LOAD_ID)
_TASKS_FROM_SIGHTINGS: Final = f"""
    select {
    ", ".join(
        f"{'sightings' if column.name in _SIGHTED else 'versions'}.{column.name}"
        for column in _TASK_COLUMNS
    )
}
    from latest_sightings as sightings
    inner join {SCHEMA_NAME}.task_versions as versions using ({_KEY})
    where versions.version = sightings.version_count
"""
# As tasks came: what is asked for by time lies together.
_ORDER: Final = "order by first_seen_at, created_at, job_id"


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that a load fills, as dlt makes them, where they are missing."""
    make_room_for_acts(connection)
    upgrade(connection)
    for table in LOADED_TABLES:
        columns = ", ".join(column.ddl for column in (*table.columns, LOAD_ID))
        connection.execute(f"create table if not exists {SCHEMA_NAME}.{table.name} ({columns})")


def apply_entries(
    connection: duckdb.DuckDBPyConnection, chain: Sequence[Link], first: int = 0
) -> None:
    """Bring the rows of entries into the database.

    Args:
        connection: a database that holds what the entries before hold; empty for the whole chain.
        chain: every entry, in order.
        first: the index of the first to apply; those from there on must be loads, unless it is 0.
    """
    make_tables(connection)
    new = chain[first:]
    if not new:
        return
    _number_loads(connection, new)
    for segment in _APPENDED:
        for relation in relations(_rows(chain, segment, new)):
            connection.execute(f"insert into {_table(segment)} by name {_typed(segment, relation)}")
    _merge_tasks(connection, _rows(chain, archive_tables.SIGHTINGS, new))
    _merge_vanished(connection, _rows(chain, archive_tables.VANISHED_TASKS, new))
    _put_task_types(connection, chain)
    for link in new:
        if link.digest.load is None:
            record_act(connection, link)
        else:
            load_id = link.digest.load.load_id
            mark_load(connection, load_id, link.digest.sequence, link.sha256)


def record_act(connection: duckdb.DuckDBPyConnection, link: Link) -> None:
    """Write into the database what was done to the archive."""
    digest = link.digest
    connection.execute(
        f"insert into {SCHEMA_NAME}.{ARCHIVE_ACTS.name} "
        "values (?, cast(? as timestamp), ?, ?, ?, ?, ?)",
        [
            digest.sequence,
            digest.at,
            digest.kind,
            digest.reason,
            digest.row_count,
            digest.tool_version,
            link.sha256,
        ],
    )


def expected_tasks(connection: duckdb.DuckDBPyConnection, chain: Sequence[Link]) -> str:
    """Return SQL for the rows of ``tasks`` that follow from the versions in the database.

    It reads a temporary table, made here of what the archive says was seen.
    """
    _number_loads(connection, chain)
    _read_sightings(connection, _rows(chain, archive_tables.SIGHTINGS, chain))
    return _TASKS_FROM_SIGHTINGS


def expected_vanished_tasks(
    connection: duckdb.DuckDBPyConnection, chain: Sequence[Link]
) -> str | None:
    """Return SQL for the rows of ``vanished_tasks`` that the archive holds; None for none."""
    _number_loads(connection, chain)
    rows = _rows(chain, archive_tables.VANISHED_TASKS, chain)
    return _latest(archive_tables.VANISHED_TASKS, rows) if rows else None


def task_types_file(chain: Sequence[Link]) -> Path | None:
    """Return the file with the documented kinds of task as the last load knew them."""
    keeper = next(
        (link.digest.task_types for link in reversed(chain) if link.digest.load is not None), None
    )
    files = (
        link.file(archive_tables.TASK_TYPES.name)
        for link in chain
        if link.digest.sequence == keeper
    )
    return next(files, None)


def _rows(chain: Sequence[Link], segment: ArchiveTable, new: Sequence[Link]) -> list[Rows]:
    wanted = {link.digest.sequence for link in new}
    return [
        rows
        for rows in effective_rows(chain, segment)
        if rows.file is not None and rows.load.digest.sequence in wanted
    ]


def relations(rows: Sequence[Rows]) -> Iterator[str]:
    """Return relations of SQL that give the rows in order, each of as many files as it can."""
    for act_file, group in groupby(rows, key=lambda each: each.act_file):
        of_a_kind = tuple(group)
        if act_file is None:
            yield parquet_sql(*(each.file for each in of_a_kind if each.file is not None))
        else:
            load_ids = ", ".join(quoted_text(each.load_id) for each in of_a_kind)
            yield f"{parquet_sql(act_file)} where _dlt_load_id in ({load_ids})"


def _typed(segment: ArchiveTable, relation: str) -> str:
    """Read a relation with the types of the table; a column that an old file lacks is null."""
    nulls = ", ".join(f"null::{column.sql_type} as {column.name}" for column in segment.columns)
    columns = ", ".join(
        f"cast({column.name} as {column.sql_type}) as {column.name}" for column in segment.columns
    )
    return (
        f"select {columns} from "
        f"(select * from {relation} union all by name select {nulls} where false)"
    )


def _latest(segment: ArchiveTable, rows: Sequence[Rows]) -> str:
    """Read the last row of each key."""
    typed = " union all ".join(_typed(segment, relation) for relation in relations(rows))
    return (
        f"select rows.* from ({typed}) as rows "
        "inner join numbered_loads using (_dlt_load_id) "
        f"qualify row_number() over (partition by {', '.join(segment.key)} "
        "order by numbered_loads.place desc) = 1"
    )


def _number_loads(connection: duckdb.DuckDBPyConnection, new: Sequence[Link]) -> None:
    loads = [link.digest.load.load_id for link in new if link.digest.load is not None]
    connection.execute(
        "create or replace temporary table numbered_loads as "
        "select unnest(?::varchar[]) as _dlt_load_id, generate_subscripts(?, 1) as place",
        [loads, loads],
    )


def _read_sightings(connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows]) -> None:
    latest = (
        _latest(archive_tables.SIGHTINGS, rows)
        if rows
        else archive_tables.SIGHTINGS.select(f"{SCHEMA_NAME}.tasks where false")
    )
    connection.execute(f"create or replace temporary table latest_sightings as {latest}")


def _merge_tasks(connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows]) -> None:
    _read_sightings(connection, rows)
    _delete_matching(connection, archive_tables.SIGHTINGS, "latest_sightings")
    connection.execute(f"insert into {SCHEMA_NAME}.tasks by name {_TASKS_FROM_SIGHTINGS} {_ORDER}")
    connection.execute("drop table latest_sightings")


def _merge_vanished(connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows]) -> None:
    if rows:
        segment = archive_tables.VANISHED_TASKS
        latest = _latest(segment, rows)
        connection.execute(f"create or replace temporary table latest_vanished as {latest}")
        _delete_matching(connection, segment, "latest_vanished")
        connection.execute(f"insert into {_table(segment)} by name from latest_vanished")
        connection.execute("drop table latest_vanished")


def _delete_matching(
    connection: duckdb.DuckDBPyConnection, segment: ArchiveTable, replacements: str
) -> None:
    table = _table(segment)
    is_same = " and ".join(f"old.{name} = new.{name}" for name in segment.key)
    connection.execute(f"delete from {table} as old using {replacements} as new where {is_same}")


def _put_task_types(connection: duckdb.DuckDBPyConnection, chain: Sequence[Link]) -> None:
    file = task_types_file(chain)
    load_ids = [link.digest.load.load_id for link in chain if link.digest.load is not None]
    if file is not None:
        table = _table(archive_tables.TASK_TYPES)
        connection.execute(f"delete from {table}")
        connection.execute(
            f"insert into {table} by name select *, ? as _dlt_load_id from {parquet_sql(file)}",
            [load_ids[-1]],
        )


def _table(segment: ArchiveTable) -> str:
    return f"{SCHEMA_NAME}.{segment.table}"
