"""Replay the archive: create the tables again, and bring the rows of entries into them.

Rows enter in the order of the archive's files. So a table that is created again equals the original
one row for row, and has the same digests.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import (
    UNPRUNED_LOAD_ID,
    ArchiveTable,
    parquet_sql,
    quoted_text,
    table_sql,
)
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.store import ChainEntry, archive_id_of, loads_of
from gaussdb_tasks.archive.write import create_amendments_table, record_loads
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.database.untrusted import BELIEVING_NO_STATISTICS
from gaussdb_tasks.database.upgrades import upgrade
from gaussdb_tasks.model.tables import (
    AMENDMENTS,
    LOAD_ID,
    LOADED_TABLES,
    SCHEMA_NAME,
    TASK_TYPES,
    TASKS,
)
from gaussdb_tasks.model.times import SECOND, iso

_TASK_TYPES: Final = table_sql(archive_tables.TASK_TYPES)
_KEY: Final = ", ".join(archive_tables.OBSERVATIONS.key)

# A task's latest state is the version that its last observation counted to.
_OBSERVED: Final = frozenset(archive_tables.OBSERVATIONS.column_names)
_TASK_COLUMNS: Final = (*TASKS.columns, LOAD_ID)
_TASKS_FROM_OBSERVATIONS: Final = f"""
    select {
    ", ".join(
        f"{'observations' if column.name in _OBSERVED else 'versions'}.{column.name}"
        for column in _TASK_COLUMNS
    )
}
    from latest_observations as observations
    inner join {SCHEMA_NAME}.task_versions as versions using ({_KEY})
    where versions.version = observations.version_count
"""
# A join returns rows in any order. This one stores tasks of the same time together.
_TASK_ORDER: Final = "order by first_seen_at, created_at, job_id, region, project_id"


def create_tables(connection: duckdb.DuckDBPyConnection, *, is_shared: bool = False) -> None:
    """Create the tables that a load fills, as dlt creates them, where they are missing.

    Args:
        connection: its current database gets the tables.
        is_shared: whether that is not a file of DuckDB.
    """
    create_amendments_table(connection)
    upgrade(connection)
    for table in LOADED_TABLES:
        columns = (*table.columns, LOAD_ID)
        ddl = ", ".join(each.ddl if is_shared else each.ddl_of_file for each in columns)
        connection.execute(f"create table if not exists {SCHEMA_NAME}.{table.name} ({ddl})")


def apply_entries(
    connection: duckdb.DuckDBPyConnection,
    chain: Sequence[ChainEntry],
    first: int = 0,
    *,
    is_shared: bool = False,
    null_replacement: str = "\0",
) -> None:
    """Bring the rows of entries into the database.

    Args:
        connection: a database with the rows of the earlier entries; empty for the whole chain.
        chain: all entries, in order.
        first: index of the first entry to apply. Unless it is 0, the entries from there on must be
            loads, or amendments that replace no rows.
        is_shared: whether other archives fill the database, too: then task types that are the same
            are not written again.
        null_replacement: the character that texts of the database have instead of U+0000.
    """
    create_tables(connection)
    new = chain[first:]
    if not new:
        return
    for name, value in BELIEVING_NO_STATISTICS.items():
        connection.execute(f"set {name} = {quoted_text(value)}")
    _apply(connection, chain, new, null_replacement)
    _replace_task_types(connection, chain, is_shared=is_shared)
    for name in BELIEVING_NO_STATISTICS:
        connection.execute(f"reset {name}")


def _apply(
    connection: duckdb.DuckDBPyConnection,
    chain: Sequence[ChainEntry],
    new: Sequence[ChainEntry],
    null_replacement: str,
) -> None:
    number_loads(connection, new)
    for table in archive_tables.APPENDED:
        for relation in relations(_rows(chain, table, new)):
            connection.execute(f"insert into {table_sql(table)} by name {typed(table, relation)}")
    _merge_tasks(connection, _rows(chain, archive_tables.OBSERVATIONS, new), null_replacement)
    _merge_vanished(connection, _rows(chain, archive_tables.VANISHED_TASKS, new), null_replacement)
    archive_id = archive_id_of(chain)
    for entry in new:
        if entry.manifest.load is None:
            record_amendment(connection, entry, archive_id)
    loads = [(each.load_id, each.manifest.sequence, each.sha256) for each in loads_of(new)]
    if loads:
        record_loads(connection, loads, archive_id)


def record_amendment(
    connection: duckdb.DuckDBPyConnection, entry: ChainEntry, archive_id: str | None
) -> None:
    """Record an amendment of an archive in the database."""
    manifest = entry.manifest
    connection.execute(
        f"insert into {SCHEMA_NAME}.{AMENDMENTS.name} "
        f"({', '.join(column.name for column in AMENDMENTS.columns)}) "
        "values (?, cast(? as timestamp), ?, ?, ?, ?, ?, ?)",
        [
            manifest.sequence,
            manifest.at,
            manifest.kind,
            manifest.reason,
            manifest.row_count,
            manifest.tool_version,
            entry.sha256,
            archive_id,
        ],
    )


def expected_tasks(connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry]) -> str:
    """Return SQL for the rows of ``tasks`` that follow from the versions in the database.

    It reads a temporary table that is created here from the archive's observations, after
    ``number_loads``.
    """
    latest_observations(connection, chain)
    return _TASKS_FROM_OBSERVATIONS


def latest_observations(connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry]) -> str:
    """Make a temporary table of the last observation of each task; return its name.

    ``number_loads`` ran.
    """
    _read_observations(connection, _rows(chain, archive_tables.OBSERVATIONS, chain))
    return "latest_observations"


def expected_vanished_tasks(chain: Sequence[ChainEntry]) -> str:
    """Return SQL for the rows of ``vanished_tasks`` in the archive; ``number_loads`` ran."""
    table = archive_tables.VANISHED_TASKS
    return _latest(table, _rows(chain, table, chain))


def task_types_file(chain: Sequence[ChainEntry]) -> Path | None:
    """Return the file with the documented task types of the last load."""
    holder = next((each.manifest.task_types for each in reversed(loads_of(chain))), None)
    files = (
        entry.file(archive_tables.TASK_TYPES.name)
        for entry in chain
        if entry.manifest.sequence == holder
    )
    return next(files, None)


def relations(rows: Sequence[Rows], *, is_ordered: bool = True) -> Iterator[str]:
    """Return relations of SQL that give the rows in order, each of as many files as it can.

    Args:
        rows: of loads, in the order in which they are read.
        is_ordered: whether each relation fixes the order of its rows. If not, each is a file scan,
            where ``file_row_number`` can be selected.
    """
    for amendment_file, group in groupby(rows, key=lambda each: each.amendment_file):
        of_a_kind = tuple(group)
        if amendment_file is None:
            yield parquet_sql(*(each.file for each in of_a_kind if each.file is not None))
            continue
        load_ids = ", ".join(quoted_text(each.load_id) for each in of_a_kind)
        selected = f"{parquet_sql(amendment_file)} where {UNPRUNED_LOAD_ID} in ({load_ids})"
        # DuckDB makes a join of a long IN list, and a join keeps no order with several threads.
        yield f"(select * from {selected} order by file_row_number)" if is_ordered else selected


def _rows(
    chain: Sequence[ChainEntry], table: ArchiveTable, new: Sequence[ChainEntry]
) -> list[Rows]:
    wanted = {entry.manifest.sequence for entry in new}
    return [
        rows
        for rows in current_rows(chain, table)
        if rows.file is not None and rows.load.manifest.sequence in wanted
    ]


def typed(table: ArchiveTable, relation: str) -> str:
    """Read a relation with the types of the table; a column that an old file lacks is null."""
    nulls = ", ".join(f"null::{column.sql_type} as {column.name}" for column in table.columns)
    columns = ", ".join(
        f"cast({column.name} as {column.sql_type}) as {column.name}" for column in table.columns
    )
    return (
        f"select {columns} from "
        f"(select * from {relation} union all by name select {nulls} where false)"
    )


def _latest(table: ArchiveTable, rows: Sequence[Rows], null_replacement: str = "\0") -> str:
    """Read the last row of each key, as the database has the key."""
    if not rows:
        return table.select(f"{table_sql(table)} where false")
    selects = " union all ".join(typed(table, relation) for relation in relations(rows))
    stored = table.with_nulls_replaced(f"({selects})", null_replacement)
    return (
        f"select rows.* from {stored} as rows "
        "inner join load_order using (_dlt_load_id) "
        f"qualify row_number() over (partition by {', '.join(table.key)} "
        "order by load_order.position desc) = 1"
    )


def number_loads(connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry]) -> None:
    """Make the temporary table ``load_order``: ``_dlt_load_id`` and ``position`` of each load."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import; verify --fast does not need it

    load_ids = pa.array([each.load_id for each in loads_of(chain)], pa.string())
    positions = pa.array(range(len(load_ids)), pa.int64())
    numbered = pa.table({"_dlt_load_id": load_ids, "position": positions})
    with registered(connection, "numbered", numbered):
        connection.execute("create or replace temporary table load_order as from numbered")


def _read_observations(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows], null_replacement: str = "\0"
) -> None:
    latest = _latest(archive_tables.OBSERVATIONS, rows, null_replacement)
    connection.execute(f"create or replace temporary table latest_observations as {latest}")


def _merge_tasks(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows], null_replacement: str
) -> None:
    _read_observations(connection, rows, null_replacement)
    _delete_matching(connection, archive_tables.OBSERVATIONS, "latest_observations")
    bounds = _bounds(connection, "latest_observations", "versions")
    connection.execute(
        f"insert into {SCHEMA_NAME}.tasks by name "
        f"{_TASKS_FROM_OBSERVATIONS} and {bounds} {_TASK_ORDER}"
    )
    connection.execute("drop table latest_observations")


def _merge_vanished(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Rows], null_replacement: str
) -> None:
    if rows:
        table = archive_tables.VANISHED_TASKS
        order = f"order by load_order.position, {', '.join(table.key)}"
        latest = f"{_latest(table, rows, null_replacement)} {order}"
        connection.execute(f"create or replace temporary table latest_vanished as {latest}")
        _delete_matching(connection, table, "latest_vanished")
        connection.execute(f"insert into {table_sql(table)} by name from latest_vanished")
        connection.execute("drop table latest_vanished")


def _delete_matching(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, replacements: str
) -> None:
    is_same = " and ".join(f"old.{name} = new.{name}" for name in table.key)
    connection.execute(
        f"delete from {table_sql(table)} as old using {replacements} as new "
        f"where {is_same} and {_bounds(connection, replacements, 'old')}"
    )


def _bounds(connection: duckdb.DuckDBPyConnection, keys: str, rows: str) -> str:
    """Return SQL that bounds rows by the times of keys: a server or a lake reads no others."""
    sql = f"select epoch_us(min(created_at)), epoch_us(max(created_at)) from {keys}"
    first, last = connection.execute(sql).fetchone() or (None, None)
    if first is None:
        return "false"
    bounds = " and ".join(f"timestamp '{iso(time)}'" for time in (first, last + SECOND))
    return f"{rows}.created_at between {bounds}"


def _replace_task_types(
    connection: duckdb.DuckDBPyConnection, chain: Sequence[ChainEntry], *, is_shared: bool
) -> None:
    file = task_types_file(chain)
    if file is None:
        return
    if is_shared:
        columns = ", ".join(column.name for column in TASK_TYPES.columns)
        sides = [f"select {columns} from {each}" for each in (_TASK_TYPES, parquet_sql(file))]
        difference = " union all ".join(
            f"(({one}) except ({other}))" for one, other in (sides, reversed(sides))
        )
        if connection.execute(f"{difference} limit 1").fetchone() is None:
            return
    connection.execute(f"delete from {_TASK_TYPES}")
    connection.execute(
        f"insert into {_TASK_TYPES} by name select *, ? as _dlt_load_id from {parquet_sql(file)}",
        [loads_of(chain)[-1].load_id],
    )
