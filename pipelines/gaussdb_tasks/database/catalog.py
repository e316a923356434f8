"""The closed list of what a database may hold, and how a database differs from it.

It may hold the tables of this program and of dlt, and the views of ``sql/``, with their comments.
The functions read a connection of ``read_untrusted``: nothing in the file can change their answers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import duckdb

from gaussdb_tasks.database import connect
from gaussdb_tasks.database.sql_files import Target, view_files
from gaussdb_tasks.database.untrusted import UNTRUSTED
from gaussdb_tasks.database.upgrades import ADDED_NULLABLE, refuse_unfilled, schema_version
from gaussdb_tasks.database.views import VIEW_SCHEMA, comments_in
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    Column,
    stored_columns,
)

# What dlt 1.31 creates for itself. A new database has no pipeline state.
_DLT_TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "_dlt_loads": "load_id varchar not null, schema_name varchar, status bigint not null, "
        "inserted_at timestamptz not null, schema_version_hash varchar",
        "_dlt_version": "version bigint not null, engine_version bigint not null, "
        "inserted_at timestamptz not null, schema_name varchar not null, "
        "version_hash varchar not null, schema varchar not null",
        "_dlt_pipeline_state": "version bigint not null, engine_version bigint not null, "
        "pipeline_name varchar not null, state varchar not null, "
        "created_at timestamptz not null, version_hash varchar, "
        "_dlt_load_id varchar not null, _dlt_id varchar not null",
    }
)
STORED_COLUMNS: Final = MappingProxyType(
    {table.name: stored_columns(table) for table in ALL_TABLES}
)
# The first version has no table for its version.
_OPTIONAL_TABLES: Final = frozenset({*_DLT_TABLES, SCHEMA_VERSIONS.name})
_FIRST_RECORDED_VERSION: Final = 2

# Functions that list objects, and the columns that identify one.
_OTHER_OBJECTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "macro": ("duckdb_functions", "schema_name, function_name"),
        "type": ("duckdb_types", "schema_name, type_name"),
        "sequence": ("duckdb_sequences", "schema_name, sequence_name"),
        "index": ("duckdb_indexes", "schema_name, index_name"),
        "trigger": ("duckdb_triggers", "schema_name, trigger_name"),
    }
)
# It changes no row. Tables of 0.1.0 have none, and DuckDB 1.5 does not show it.
_COMPRESSION: Final = re.compile(r" using compression \w+", re.IGNORECASE)
_MAX_TEXT_LENGTH: Final = 60
_MAX_REPORTED_OBJECTS: Final = 5

_ColumnsByName: TypeAlias = dict[str, tuple[str, bool]]
"""Type, and whether it may be null."""


class CatalogFault(NamedTuple):
    """An object of a database that is missing, that no load creates, or that differs."""

    kind: Literal["missing", "extra", "differs"]
    where: str
    detail: str
    column: str | None = None

    @property
    def name(self) -> str:
        """Name the object in one short line, whatever characters the name has."""
        name = self.where if self.column is None else f"{self.where}.{self.column}"
        return visible(name)[:_MAX_TEXT_LENGTH]


def foreign_objects(connection: duckdb.DuckDBPyConnection) -> Iterator[CatalogFault]:
    """Find what a load neither creates nor replaces: a load must not build on it."""
    yield from foreign_relations(connection)
    yield from (fault for _, fault in _other_objects(connection, [UNTRUSTED]))


def foreign_relations(connection: duckdb.DuckDBPyConnection) -> Iterator[CatalogFault]:
    """Find schemas, tables, views and comments that a load neither creates nor replaces."""
    for (schema,) in _fetch(connection, "select schema_name from duckdb_schemas()"):
        if schema not in {VIEW_SCHEMA, SCHEMA_NAME}:
            yield CatalogFault("extra", f"schema {schema}", "no load creates this schema")
    yield from _foreign_tables(connection)
    view_names = {file.name for file in view_files()}
    for schema, name in _fetch(connection, "select schema_name, view_name from duckdb_views()"):
        if schema != VIEW_SCHEMA or name not in view_names:
            yield CatalogFault("extra", f"{schema}.{name}", "no load creates this view")
    for schema, name, column in comments_of(connection):
        is_replaced = (schema == VIEW_SCHEMA and name in view_names) or _is_described(name, column)
        if not is_replaced:
            detail = "no load writes this comment"
            yield CatalogFault("extra", f"{schema}.{name}", detail, column)


def refuse_foreign_objects(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse to build on a database that differs from what loads create.

    Tables and columns that an upgrade adds may be missing.

    Raises:
        ConfigurationError: no load has filled it.
        DatabaseError: it holds other objects.
    """
    refuse_unfilled(connection, path)
    is_current = schema_version(connection) == SCHEMA_VERSION
    faults = foreign_objects(connection)
    refuse(path, (fault for fault in faults if is_current or fault.kind != "missing"))


def refuse_other_objects(
    connection: duckdb.DuckDBPyConnection, databases: Mapping[str, Path]
) -> None:
    """Refuse attached databases with macros, types and the like; list them once for all.

    Raises:
        DatabaseError: one holds such objects.
    """
    faults: dict[str, list[CatalogFault]] = {}
    for database, fault in _other_objects(connection, list(databases)):
        faults.setdefault(database, []).append(fault)
    for database, path in databases.items():
        refuse(path, faults.get(database, ()))


def refuse(path: Path, faults: Iterable[CatalogFault]) -> None:
    """Refuse a database that has faults.

    Raises:
        DatabaseError: it has some.
    """
    names = [fault.name for fault in faults]
    if names:
        shown = ", ".join(names[:_MAX_REPORTED_OBJECTS])
        more = len(names) - _MAX_REPORTED_OBJECTS
        message = (
            f"{path} has objects that no load creates, or lacks some: {shown}"
            f"{f' and {more:,} more' if more > 0 else ''}; nothing was changed: make it again from "
            "its archive with gaussdb-tasks rebuild --replace, and keep your own views in another "
            "database that attaches this one (read_only)"
        )
        raise DatabaseError(message)


def _foreign_tables(connection: duckdb.DuckDBPyConnection) -> Iterator[CatalogFault]:
    actual = tables_of(connection)
    for schema, name in actual:
        if schema != SCHEMA_NAME or name not in STORED_COLUMNS.keys() | _DLT_TABLES.keys():
            yield CatalogFault("extra", f"{schema}.{name}", "no load creates this table")
    wanted, columns_by_table, is_older = dict(_DLT_TABLES), _columns(connection), False
    for name, expected in STORED_COLUMNS.items():
        if (SCHEMA_NAME, name) in actual:
            columns = columns_by_table[name]
            faults = list(_column_faults(name, expected, columns))
            yield from faults
            is_older |= any(fault.kind == "missing" for fault in faults)
            if not faults:
                wanted[name] = _ddl(name, expected, columns)
        elif name not in _OPTIONAL_TABLES:
            yield CatalogFault("missing", f"{SCHEMA_NAME}.{name}", "the table is missing")
    for name, definition in _definitions(tuple(wanted.items())).items():
        found = _COMPRESSION.sub("", actual.get((SCHEMA_NAME, name), definition))
        if found != definition:
            detail = _describe_definition(definition, found)
            yield CatalogFault("differs", f"{SCHEMA_NAME}.{name}", detail)
    has_version = (SCHEMA_NAME, SCHEMA_VERSIONS.name) in actual
    yield from _schema_version(connection, is_there=has_version, is_older=is_older)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, _ColumnsByName]:
    """Return the columns of each table of the schema, in the order of the table."""
    sql = """
        select table_name, column_name, lower(data_type), is_nullable
        from duckdb_columns()
        where database_name = ? and schema_name = ?
        order by table_name, column_index
    """
    columns: dict[str, _ColumnsByName] = {}
    rows = connection.execute(sql, [UNTRUSTED, SCHEMA_NAME]).fetchall()
    for table, name, data_type, is_nullable in rows:
        columns.setdefault(table, {})[name] = (data_type, is_nullable)
    return columns


def _column_faults(
    table: str, expected: Sequence[Column], actual: _ColumnsByName
) -> Iterator[CatalogFault]:
    where = f"{SCHEMA_NAME}.{table}"
    for column in expected:
        if column.name not in actual:
            yield CatalogFault("missing", where, "the column is missing", column.name)
        elif actual[column.name][0] != column.sql_type:
            detail = f"its type is {actual[column.name][0]}, not {column.sql_type}"
            yield CatalogFault("differs", where, detail, column.name)
    for name in sorted(actual.keys() - {column.name for column in expected}):
        yield CatalogFault("extra", where, "no load creates this column", name)


def _ddl(table: str, expected: Sequence[Column], actual: _ColumnsByName) -> str:
    """Define the expected columns in the order of the actual table, which an upgrade may change."""
    columns = {column.name: column for column in expected}
    return ", ".join(
        f"{name} {data_type}"
        if is_nullable and (table, name) in ADDED_NULLABLE
        else columns[name].ddl
        for name, (data_type, is_nullable) in actual.items()
    )


@cache
def _definitions(columns_by_table: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Return definitions of tables as this DuckDB writes them: with defaults, constraints, ..."""
    creates = (f"create table {SCHEMA_NAME}.{name} ({ddl})" for name, ddl in columns_by_table)
    with connect.open_empty(None) as blank:
        blank.execute(";".join([f"create schema {SCHEMA_NAME}", *creates]))
        return dict(blank.execute("select table_name, sql from duckdb_tables()").fetchall())


def _describe_definition(expected: str, actual: str) -> str:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(expected, actual, strict=False))
    start = max(sum(1 for _ in same) - _MAX_TEXT_LENGTH // 2, 0)
    end = start + _MAX_TEXT_LENGTH
    return f"its definition has {actual[start:end]!r}; expected: {expected[start:end]!r}"


def _schema_version(
    connection: duckdb.DuckDBPyConnection, *, is_there: bool, is_older: bool
) -> Iterator[CatalogFault]:
    where = f"{SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"
    if not is_there:
        if not is_older:  # version 1 had no such table, and lacked columns
            yield CatalogFault("missing", where, "the table is missing")
        return
    try:
        rows = connection.execute(f"select version from {where} limit 2").fetchall()  # noqa: S608 - a constant
    except duckdb.CatalogException:  # it has another definition, which is reported
        return
    versions = [version for (version,) in rows]
    known = range(_FIRST_RECORDED_VERSION, SCHEMA_VERSION + 1)
    if len(versions) != 1 or versions[0] not in known:
        detail = f"it is {versions}, not {SCHEMA_VERSION}"
        yield CatalogFault("differs", where, detail, "version")


def _other_objects(
    connection: duckdb.DuckDBPyConnection, databases: Sequence[str]
) -> Iterator[tuple[str, CatalogFault]]:
    """Find objects of kinds that no load creates, each with its database.

    DuckDB lists its own functions each time, which is slow: ask for all databases at once.
    """
    for kind, (function, columns) in _OTHER_OBJECTS.items():
        sql = f"select database_name, {columns} from {function}() where database_name in $names"  # noqa: S608 - constants
        if kind == "type":  # an empty database, as the current one, has some already
            sql += f"""
                except all
                select unnest($names), {columns} from {function}()
                where database_name = current_database()
            """  # noqa: S608 - constants
        try:
            rows = connection.execute(f"{sql} order by all", {"names": databases}).fetchall()
        except duckdb.CatalogException:  # DuckDB 1 has no triggers
            if kind != "trigger":
                raise
            continue
        for database, schema, name in rows:
            detail = f"no load creates this {kind}"
            yield database, CatalogFault("extra", f"{kind} {schema}.{name}", detail)


def tables_of(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    """Return the definition of each table, by schema and name."""
    sql = "select schema_name, table_name, sql from duckdb_tables()"
    return {(schema, name): definition for schema, name, definition in _fetch(connection, sql)}


def comments_of(connection: duckdb.DuckDBPyConnection) -> dict[Target, str]:
    """Return the comments of the tables, views and columns that have one."""
    comments = comments_in(connection, UNTRUSTED)
    return {target: comment for target, comment in comments.items() if comment is not None}


def _is_described(table: str, column: str | None) -> bool:
    """Return whether a load writes the comment of a table or column."""
    return any(
        each.name == table and (column is None or column in {one.name for one in each.columns})
        for each in ALL_TABLES
    )


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> Sequence[tuple[str, ...]]:
    return connection.execute(f"{sql} where database_name = ? order by all", [UNTRUSTED]).fetchall()
