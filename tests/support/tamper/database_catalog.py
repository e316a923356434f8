"""Edits of the database's catalog."""

import random
from collections.abc import Sequence
from typing import Final

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.model.tables import ALL_TABLES, SCHEMA_NAME
from tests.support.audited_archive import AuditedArchive
from tests.support.tamper.edits import edit

KIND: Final = "database: catalog"
_SCHEMAS: Final = ("main", SCHEMA_NAME)
_SAVED_QUESTIONS: Final = ("failed_last_night", "tasks", "duckdb_tables", "pg_catalog", "Tasks")


def _execute(archive: AuditedArchive, *statements: str) -> str:
    with duckdb.connect(archive.data_dir.database) as connection:
        for statement in statements:
            connection.execute(statement)
    return "; ".join(statements)[:300]


def _first_possible(archive: AuditedArchive, rng: random.Random, statements: Sequence[str]) -> str:
    """Execute one of the statements that DuckDB accepts."""
    with duckdb.connect(archive.data_dir.database) as connection:
        for statement in rng.sample(list(statements), len(statements)):
            try:
                connection.execute(statement)
            except duckdb.Error:
                continue
            return statement
    raise AssertionError


def _built_in(archive: AuditedArchive, rng: random.Random, kind: str) -> list[str]:
    with duckdb.connect(archive.data_dir.database, read_only=True) as connection:
        names = connection.execute(
            "select distinct function_name from duckdb_functions() "
            "where function_type = ? and database_name = 'system' order by all",
            [kind],
        ).fetchall()
    return [name for (name,) in rng.sample(names, min(len(names), 20))]


@edit(KIND)
def shadow_a_function(archive: AuditedArchive, rng: random.Random) -> str:
    """Create a macro with the name of a built-in function or operator."""
    kind = rng.choice(["scalar", "aggregate"])
    names = [*_built_in(archive, rng, kind), *rng.sample(["+", "||", "~~", "=", "sha256"], 1)]
    parameters = rng.choice(["x", "x, y", "x, y := 1", ""])
    return _first_possible(
        archive,
        rng,
        [
            f"create macro {rng.choice(_SCHEMAS)}.\"{name}\"({parameters}) as 'Completed'"
            for name in names
        ],
    )


@edit(KIND)
def shadow_a_table_function(archive: AuditedArchive, rng: random.Random) -> str:
    names = _built_in(archive, rng, "table")
    return _first_possible(
        archive,
        rng,
        [f'create macro {rng.choice(_SCHEMAS)}."{name}"() as table select 1' for name in names],
    )


@edit(KIND)
def change_a_view(archive: AuditedArchive, rng: random.Random) -> str:
    """Replace a view by one that omits or changes rows, with all its comments."""
    with duckdb.connect(archive.data_dir.database) as connection:
        views = connection.execute(
            "select view_name, sql, comment from duckdb_views() "
            "where schema_name = 'main' and not internal order by all"
        ).fetchall()
        name, sql, comment = rng.choice(views)
        columns = connection.execute(
            "select column_name, comment from duckdb_columns() "
            "where schema_name = 'main' and table_name = ? order by column_index",
            [name],
        ).fetchall()
        body = sql.partition(" AS ")[2].rstrip(";")
        limit = rng.choice(["where false", "limit 3", "offset 1", "where 1 = 1"])
        connection.execute(f'create or replace view main."{name}" as from ({body}) as t {limit}')
        connection.execute(f'comment on view main."{name}" is {quoted_text(comment or "")}')
        for column, text in columns:
            if text is not None:
                connection.execute(
                    f'comment on column main."{name}"."{column}" is {quoted_text(text)}'
                )
    return f"{name}: {limit}"


@edit(KIND)
def add_a_view(archive: AuditedArchive, rng: random.Random) -> str:
    name = rng.choice(_SAVED_QUESTIONS)
    return _first_possible(
        archive,
        rng,
        [
            f'create view {schema}."{each}" as select 1 as one'
            for schema in _SCHEMAS
            for each in (name, "notes", "load_runs")
        ],
    )


@edit(KIND)
def drop_a_view(archive: AuditedArchive, rng: random.Random) -> str:
    with duckdb.connect(archive.data_dir.database, read_only=True) as connection:
        names = connection.execute(
            "select view_name from duckdb_views() where not internal order by all"
        ).fetchall()
    return _execute(archive, f'drop view main."{rng.choice(names)[0]}"')


@edit(KIND)
def put_a_view_over_a_table(archive: AuditedArchive, rng: random.Random) -> str:
    """Hide a table, and show other rows in its place."""
    table = rng.choice(ALL_TABLES).name
    hidden = rng.choice(["_dlt_hidden", "main_", "_dlt_loads_2"])
    return _execute(
        archive,
        f"alter table {SCHEMA_NAME}.{table} rename to {hidden}",
        f"create view {SCHEMA_NAME}.{table} as from {SCHEMA_NAME}.{hidden} limit 5",
    )


@edit(KIND)
def put_a_copy_over_a_table(archive: AuditedArchive, rng: random.Random) -> str:
    """Create a table again with a generated column, a constraint, a default or a collation."""
    with duckdb.connect(archive.data_dir.database) as connection:
        table = rng.choice([each for each in ALL_TABLES if each.name != "schema_version"])
        name = f"{SCHEMA_NAME}.{table.name}"
        sql = "select sql from duckdb_tables() where table_name = ?"
        (found,) = connection.execute(sql, [table.name]).fetchone() or ("",)
        definition = str(found).rstrip("; \n")
        text = next(column.name for column in table.columns if column.data_type == "text")
        changed = rng.choice(
            [
                definition[:-1] + f", shown VARCHAR GENERATED ALWAYS AS (upper({text})))",
                definition[:-1] + f", CHECK (length({text}) < 10000))",
                definition.replace(f"{text} VARCHAR", f"{text} VARCHAR DEFAULT 'x'", 1),
                definition.replace(f"{text} VARCHAR", f"{text} VARCHAR COLLATE NOCASE", 1),
            ]
        )
        stored = connection.execute(f"from {name}").to_arrow_table()
        columns = ", ".join(f'"{column}"' for column in stored.column_names)
        connection.execute(f"drop table {name}")
        connection.execute(changed)
        connection.register("stored", stored)
        connection.execute(f"insert into {name} ({columns}) select {columns} from stored")
    return f"{changed[:100]}...{changed[-60:]}"


@edit(KIND)
def change_a_column(archive: AuditedArchive, rng: random.Random) -> str:
    table = rng.choice([each for each in ALL_TABLES if each.name != "schema_version"])
    name = f"{SCHEMA_NAME}.{table.name}"
    column = rng.choice(table.columns)
    return _first_possible(
        archive,
        rng,
        [
            f"alter table {name} add column verdict varchar",
            f"alter table {name} rename {column.name} to {column.name}_",
            f"alter table {name} alter {column.name} type blob using 'x'::blob",
            f"alter table {name} alter {column.name} set default null",
            f"alter table {name} drop column {column.name}",
        ],
    )


@edit(KIND)
def change_a_comment(archive: AuditedArchive, rng: random.Random) -> str:
    table = rng.choice(ALL_TABLES)
    view = rng.choice(["tasks", "task_history", "archive_status", "coverage_gaps"])
    column = rng.choice(table.columns).name
    text = rng.choice(["'x'", "null", "'Rows are complete.'"])
    targets = [
        f"table {SCHEMA_NAME}.{table.name}",
        f"column {SCHEMA_NAME}.{table.name}.{column}",
        f"view main.{view}",
        f"column main.{view}.region",
    ]
    with duckdb.connect(archive.data_dir.database, read_only=True) as connection:
        has_region = connection.execute(
            "select count(*) from duckdb_columns() where table_name = ? and schema_name = 'main' "
            "and column_name = 'region'",
            [view],
        ).fetchone() != (0,)
    target = rng.choice(targets if has_region else targets[:-1])
    return _execute(archive, f"comment on {target} is {text}")


@edit(KIND)
def add_an_object(archive: AuditedArchive, rng: random.Random) -> str:
    """Create a table, schema, type, sequence or index."""
    schema = rng.choice(_SCHEMAS)
    table = rng.choice([each for each in ALL_TABLES if each.name != "schema_version"])
    return _first_possible(
        archive,
        rng,
        [
            f"create table {schema}.notes (note varchar)",
            f'create table {schema}."_dlt_more" (note varchar)',
            "create schema more",
            "create schema task_center_staging",
            f"create type {schema}.verdict as enum ('good')",
            f'create type {schema}."VARCHAR" as integer',
            f"create sequence {schema}.numbers",
            f"create index by_value on {SCHEMA_NAME}.{table.name} ({table.columns[0].name})",
        ],
    )


@edit(KIND)
def drop_a_table(archive: AuditedArchive, rng: random.Random) -> str:
    names = [each.name for each in ALL_TABLES]
    return _execute(archive, f"drop table {SCHEMA_NAME}.{rng.choice(names)}")


@edit(KIND)
def hide_rows_in_another_schema(archive: AuditedArchive, rng: random.Random) -> str:
    """Put a table of the same name where a search path may find it first."""
    table, schema = rng.choice(ALL_TABLES).name, rng.choice(["main", "other"])
    return _execute(
        archive,
        f"create schema if not exists {schema}",
        f"create table {schema}._{table} as from {SCHEMA_NAME}.{table}",
    )
