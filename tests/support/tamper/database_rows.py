"""Edits of rows in the database."""

import random
from typing import Final

import duckdb

from gaussdb_tasks.model.tables import ALL_TABLES, SCHEMA_NAME, stored_columns
from tests.support.audited_archive import AuditedArchive
from tests.support.tamper.edits import edit

KIND: Final = "database: rows"
_IN_ORDER: Final = ("task_versions", "coverage", "load_runs", "rejected_records")
"""Tables whose rows have an order."""
# Values that differ in their canonical form from most others, in SQL over the stored one.
_VALUES: Final = {
    "text": (
        "null",
        "''",
        "concat({0}, 'x')",
        "concat({0}, ' ')",
        "concat({0}, chr(0))",
        "upper({0})",
        "substr({0}, 2)",
        "'Completed'",
        "concat('1:', {0})",
        "replace({0}, 'a', 'á')",
    ),
    "json": ("null", "'{{}}'", "concat(' ', {0})", "'null'", '\'{{"colour": "red"}}\''),
    "bigint": ("null", "{0} + 1", "{0} - 1", "-{0}", "0", "9223372036854775807"),
    "double": (
        "null",
        "-0.0",
        "0.0",
        "{0} + 1e-9",
        "'nan'",
        "'inf'",
        "'-inf'",
        "nextafter({0}, 200)",
    ),
    "bool": ("null", "not {0}", "true", "false"),
    "date": ("null", "{0} + 1", "'infinity'", "'-infinity'", "date '0001-01-01'"),
    "timestamp": (
        "null",
        "{0} + interval 1 microsecond",
        "{0} - interval 1 day",
        "'infinity'",
        "'-infinity'",
        "timestamp '1969-12-31 23:59:59.999999'",
    ),
}


@edit(KIND)
def change_a_value(archive: AuditedArchive, rng: random.Random) -> str:
    """Change one value of any column of any table."""
    with duckdb.connect(archive.data_dir.database) as connection:
        places = [(table, column) for table in ALL_TABLES for column in stored_columns(table)]
        for table, column in rng.sample(places, len(places)):
            name, row = f"{SCHEMA_NAME}.{table.name}", _any_row(connection, table.name, rng)
            values = _VALUES[column.data_type]
            for value in rng.sample(values, len(values)) if row is not None else ():
                if _replace(connection, name, column.name, value.format(column.name), row):
                    return f"{name}.{column.name} = {value}"
    raise AssertionError


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, value: str, row: int | None
) -> bool:
    """Replace a value; return whether it is another one now."""
    sql = f"select cast({column} as varchar) from {table} where rowid = ?"
    before = connection.execute(sql, [row]).fetchone()
    try:
        connection.execute(f"update {table} set {column} = {value} where rowid = ?", [row])
    except duckdb.Error:
        return False  # not null, or out of range
    return connection.execute(sql, [row]).fetchone() != before


def _any_row(
    connection: duckdb.DuckDBPyConnection, table: str, rng: random.Random, *, but_last: int = 0
) -> int | None:
    rows = connection.execute(f"select rowid from {SCHEMA_NAME}.{table} order by all").fetchall()
    chosen = rows[: len(rows) - but_last]
    return rng.choice(chosen)[0] if chosen else None


def _any_table(
    connection: duckdb.DuckDBPyConnection, rng: random.Random, *names: str, least: int = 1
) -> str:
    wanted = names or tuple(table.name for table in ALL_TABLES)
    counts = {
        name: len(connection.execute(f"from {SCHEMA_NAME}.{name}").fetchall()) for name in wanted
    }
    return rng.choice([name for name, count in counts.items() if count >= least])


@edit(KIND)
def delete_rows(archive: AuditedArchive, rng: random.Random) -> str:
    """Delete one row, or those of one status."""
    with duckdb.connect(archive.data_dir.database) as connection:
        if rng.random() < 0.2:
            table = rng.choice(["tasks", "task_versions"])
            connection.execute(f"delete from {SCHEMA_NAME}.{table} where status = 'Failed'")
            return f"failed tasks of {table}"
        table = _any_table(connection, rng)
        row = _any_row(connection, table, rng)
        connection.execute(f"delete from {SCHEMA_NAME}.{table} where rowid = ?", [row])
    return f"row {row} of {table}"


@edit(KIND)
def repeat_a_row(archive: AuditedArchive, rng: random.Random) -> str:
    """Insert a row again, word for word."""
    with duckdb.connect(archive.data_dir.database) as connection:
        table = _any_table(connection, rng)
        row = _any_row(connection, table, rng)
        name = f"{SCHEMA_NAME}.{table}"
        connection.execute(f"insert into {name} select * from {name} where rowid = ?", [row])
    return f"row {row} of {table}"


@edit(KIND)
def invent_a_row(archive: AuditedArchive, rng: random.Random) -> str:
    """Insert a row of a load with other values."""
    changes = {
        "tasks": "job_id, 'x' || job_id",
        "task_versions": "job_id, 'x' || job_id",
        "coverage": "covered_to, covered_to + interval 1 day",
        "load_runs": "project_id, 'another'",
        "rejected_records": "record_hash, sha256(raw || 'x')",
        "vanished_tasks": "job_id, 'x' || job_id",
        "archive_acts": "archive_sequence, archive_sequence + 100",
        "task_types": "task_name, 'x' || task_name",
    }
    with duckdb.connect(archive.data_dir.database) as connection:
        table = _any_table(connection, rng, *changes)
        column, value = changes[table].split(", ", 1)
        row, name = _any_row(connection, table, rng), f"{SCHEMA_NAME}.{table}"
        connection.execute(
            f"insert into {name} "
            f"select * replace ({value} as {column}) from {name} where rowid = ?",
            [row],
        )
    return f"like row {row} of {table}"


@edit(KIND)
def exchange_two_values(archive: AuditedArchive, rng: random.Random) -> str:
    """Exchange the values of two rows, so that all totals stay."""
    with duckdb.connect(archive.data_dir.database) as connection:
        places = [(table, column) for table in ALL_TABLES for column in stored_columns(table)]
        for table, column in rng.sample(places, len(places)):
            name, place = f"{SCHEMA_NAME}.{table.name}", column.name
            rows = connection.execute(
                f"select min(rowid), any_value({place} order by rowid) from {name} "
                f"group by {place} order by 1"
            ).fetchall()
            if len(rows) < 2 or len({tuple(row) for row in rows}) < 2:
                continue
            (one, first), (other, second) = rng.sample(rows, 2)
            try:
                connection.execute(
                    f"update {name} set {place} = case rowid when ? then ?::{column.sql_type} "
                    f"else ?::{column.sql_type} end where rowid in (?, ?)",
                    [one, second, first, one, other],
                )
            except duckdb.Error:
                continue  # a null cannot move to a column that has none
            return f"{name}.{place} of rows {one} and {other}"
    raise AssertionError


@edit(KIND)
def move_a_row_to_the_end(archive: AuditedArchive, rng: random.Random) -> str:
    """Change the order of the rows of a table that has one."""
    with duckdb.connect(archive.data_dir.database) as connection:
        table = _any_table(connection, rng, *_IN_ORDER, least=2)
        row = _any_row(connection, table, rng, but_last=1)
        name = f"{SCHEMA_NAME}.{table}"
        rows = connection.execute(f"select rowid from {name} order by rowid").fetchall()
        if row == rows[-1][0]:
            row = rows[0][0]
        connection.execute(f"create temp table moved as from {name} where rowid = {row}")
        connection.execute(f"delete from {name} where rowid = {row}")
        connection.execute(f"insert into {name} from moved")
    return f"row {row} of {table}"


@edit(KIND)
def record_another_head(archive: AuditedArchive, rng: random.Random) -> str:
    """Change the digest of an entry that the database records."""
    with duckdb.connect(archive.data_dir.database) as connection:
        table = rng.choice(["load_runs", "archive_acts"])
        name, row = f"{SCHEMA_NAME}.{table}", _any_row(connection, table, rng)
        value = rng.choice(["sha256(head_digest)", "upper(head_digest)", "head_digest || ' '"])
        connection.execute(f"update {name} set head_digest = {value} where rowid = ?", [row])
    return f"row {row} of {table}: {value}"
