"""Make the views that analysts query, and ask the data checks before a night is published."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import duckdb

from gaussdb_tasks.database.sql_files import SqlFile, SqlFileError, check_files, view_files
from gaussdb_tasks.model.tables import ALL_TABLES, SCHEMA_NAME

VIEW_SCHEMA: Final = "main"

_FIRST_ROWS: Final = 5
_FETCH_SIZE: Final = 10_000

_COMMENTS_AND_TEXTS: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_CTE: Final = re.compile(r"\b(\w+)\s+as\s+\(")
_REFERENCE: Final = re.compile(
    r"""
    (?<!distinct[ ])\b          # not the predicate "is distinct from"
    (?:from|join)\s+
    (?:(?P<schema>\w+)\.)?
    (?P<name>\w+)\b
    (?!\s*\()                   # not a function that returns a table
    """,
    re.VERBOSE,
)
_CHECK_HEAD: Final = re.compile(r"-- severity: (?P<severity>fail|warn)\n-- (?P<meaning>\S.*)\n")


class Severity(StrEnum):
    """What a finding means for the night: it must not be published, or somebody should know."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What a data check found: how many rows offend, and the first few of them as text."""

    check_name: str
    severity: Severity
    meaning: str
    row_count: int
    first_rows: tuple[str, ...]


def apply_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every view again, and comment on them and on the tables, in one transaction of its own.

    A view that no file defines any more stays: nothing tells it from one that a user made.

    Raises:
        SqlFileError: a file refers to what does not exist, or its SQL does not run; nothing is
            changed.
    """
    ordered = in_dependency_order(view_files())
    connection.execute("begin transaction")
    try:
        for file in ordered:
            _execute(connection, file)
        _comment_on_tables(connection)
    except (SqlFileError, duckdb.Error):
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _comment_on_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Say in the database what its tables hold, where it does not say so yet."""
    wanted = {
        f"table {SCHEMA_NAME}.{table.name}": f"{_as_sentence(table.grain)} All times are UTC."
        for table in ALL_TABLES
    } | {
        f"column {SCHEMA_NAME}.{table.name}.{column.name}": column.description
        for table in ALL_TABLES
        for column in table.columns
    }
    sql = """
        select 'table ' || schema_name || '.' || table_name, comment from duckdb_tables()
        union all
        select 'column ' || schema_name || '.' || table_name || '.' || column_name, comment
        from duckdb_columns()
    """
    said = dict(connection.execute(sql).fetchall())
    for target, comment in wanted.items():
        if target in said and said[target] != comment:
            quoted = comment.replace("'", "''")
            connection.execute(f"comment on {target} is '{quoted}'")


def _as_sentence(grain: str) -> str:
    return f"{grain[0].upper()}{grain[1:]}."


def in_dependency_order(views: Iterable[SqlFile]) -> tuple[SqlFile, ...]:
    """Sort views so that each comes after those it selects from.

    Raises:
        SqlFileError: a reference is neither a view, nor a table that a load fills, nor a name from
            the file's own `with`; or views refer to each other in a circle.
    """
    by_name = {view.name: view for view in views}
    graph = {name: _referenced_views(by_name[name], by_name.keys()) for name in sorted(by_name)}
    return tuple(by_name[name] for name in sort_views(graph))


def sort_views(references: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Sort the names of views so that each comes after those it refers to.

    Raises:
        SqlFileError: views refer to each other in a circle.
    """
    try:
        return tuple(TopologicalSorter(references).static_order())
    except CycleError as error:
        message = f"views refer to each other in a circle: {' -> '.join(error.args[1])}"
        raise SqlFileError(message) from error


def run_checks(connection: duckdb.DuckDBPyConnection) -> tuple[CheckFinding, ...]:
    """Run every data check and return what was found, in order of the checks' names.

    Raises:
        SqlFileError: a check has no proper head, or its SQL does not run.
    """
    findings = (_run_check(connection, file) for file in check_files())
    return tuple(finding for finding in findings if finding.row_count)


def _referenced_views(file: SqlFile, view_names: Iterable[str]) -> set[str]:
    code = _COMMENTS_AND_TEXTS.sub(" ", file.text)
    known = {
        VIEW_SCHEMA: set(view_names),
        SCHEMA_NAME: {table.name for table in ALL_TABLES},
        None: set(_CTE.findall(code)),
    }
    references = {(match["schema"], match["name"]) for match in _REFERENCE.finditer(code)}
    for schema, name in sorted(references, key=str):
        if name not in known.get(schema, ()):
            reference = f"{schema}.{name}" if schema else name
            message = (
                f"{file.name}.sql selects from {reference}, which is neither "
                f"{VIEW_SCHEMA}.<view>, nor {SCHEMA_NAME}.<table>, nor named by its `with`"
            )
            raise SqlFileError(message)
    return {name for schema, name in references if schema == VIEW_SCHEMA}


def _run_check(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> CheckFinding:
    head = _CHECK_HEAD.match(file.text)
    if head is None:
        message = f"{file.name}.sql does not begin with `-- severity: fail|warn` and its meaning"
        raise SqlFileError(message)
    cursor = _execute(connection, file)
    names = [column[0] for column in cursor.description or ()]
    first_rows = cursor.fetchmany(_FIRST_ROWS)
    return CheckFinding(
        check_name=file.name,
        severity=Severity(head["severity"]),
        meaning=head["meaning"],
        row_count=len(first_rows) + _count_remaining(cursor),
        first_rows=tuple(_row_text(names, row) for row in first_rows),
    )


def _execute(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(file.text)
    except duckdb.Error as error:
        message = f"{file.name}.sql does not run: {error}"
        raise SqlFileError(message) from error


def _count_remaining(cursor: duckdb.DuckDBPyConnection) -> int:
    batches = iter(lambda: cursor.fetchmany(_FETCH_SIZE), [])
    return sum(len(batch) for batch in batches)


def _row_text(names: Sequence[str], row: Sequence[Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
