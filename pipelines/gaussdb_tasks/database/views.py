"""Create the views of ``sql/`` in dependency order, with their comments."""

import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

import duckdb

from gaussdb_tasks.database.dialects import Dialect
from gaussdb_tasks.database.sql_files import SqlFile, SqlFileError, Target, view_files
from gaussdb_tasks.database.view_definitions import is_current
from gaussdb_tasks.model.tables import ALL_TABLES, SCHEMA_NAME

VIEW_SCHEMA: Final = "main"

_COMMENTS_AND_LITERALS: Final = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_COLUMN_COMMENT: Final = re.compile(r"^comment on column [^']+'(?:[^']|'')*';\n", re.MULTILINE)
_CTE: Final = re.compile(r"\b(\w+)\s+as\s+\(")
_REFERENCE: Final = re.compile(
    r"""
    (?<!distinct[ ])\b          # not the predicate "is distinct from"
    (?:from|join)\s+
    (?:(?P<schema>\w+)\.)?
    (?P<name>\w+)\b
    (?!\s*\()                   # not a table function
    """,
    re.VERBOSE,
)


def apply_views(connection: duckdb.DuckDBPyConnection, *, unless_current: bool = False) -> None:
    """Create or replace every view, and comment on views and tables, in one transaction.

    Args:
        connection: the database, in which no macro can change what a name means.
        unless_current: whether views that are as they would be made, and all of them are, stay.

    Raises:
        SqlFileError: a file refers to an unknown relation, or its SQL does not run; nothing is
            changed.
    """
    ordered = in_dependency_order(view_files())
    connection.execute("begin transaction")
    try:
        if not (unless_current and _are_current(connection, ordered)):
            for file in ordered:
                file.execute(connection)
        _comment_on_tables(connection)
    except (SqlFileError, duckdb.Error):
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _are_current(connection: duckdb.DuckDBPyConnection, files: Sequence[SqlFile]) -> bool:
    """Check whether the database has the definitions and the comments of some views."""
    definitions = definitions_in(connection)
    if definitions.keys() != {file.name for file in files}:
        return False
    of_views = {
        target: comment
        for target, comment in comments_in(connection).items()
        if comment is not None and target[0] == VIEW_SCHEMA
    }
    if of_views != {target: text for file in files for target, text in file.comments.items()}:
        return False
    return all(is_current(connection, definitions[file.name], file.definition) for file in files)


def definitions_in(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> dict[str, str]:
    """Return the definitions of the views of a database; None for the current one."""
    sql = """
        select view_name, sql from duckdb_views()
        where database_name = coalesce(?, current_database()) and schema_name = ?
        order by view_name
    """
    return dict(connection.execute(sql, [database, VIEW_SCHEMA]).fetchall())


def view_script(dialect: Dialect) -> str:
    """Return the statements that create all views, with their comments, in an engine.

    They are one transaction if the engine has transactions for them.
    """
    texts = {file.name: file.text for file in view_files(dialect)}
    ordered = in_dependency_order(view_files())
    if dialect.comments == "clauses":
        texts = {
            file.name: _with_comment_clauses(texts[file.name], file, dialect) for file in ordered
        }
    elif dialect.comments == "statements on views only":
        texts = {name: _COLUMN_COMMENT.sub("", text) for name, text in texts.items()}
    begin, commit = ("begin;\n", "commit;\n") if dialect.has_transactions else ("", "")
    schema = f"create schema if not exists {VIEW_SCHEMA};\n"
    return "\n".join([begin + schema, *(texts[file.name] for file in ordered)]) + commit


def _with_comment_clauses(text: str, file: SqlFile, dialect: Dialect) -> str:
    """Move the comments of a view, and of its columns in their order, into its statement."""
    columns, of_view = [], ""
    for (_, _, column), comment in file.comments.items():
        literal = dialect.literal("'" + comment.replace("'", "''") + "'")
        if column is None:
            of_view = f"comment {literal}"
        else:
            columns.append(f"    {column} comment {literal}")
    head = f"create or replace view {VIEW_SCHEMA}.{file.name}"
    listed = ",\n".join(columns)
    clauses = f"{head} (\n{listed}\n)\n{of_view} as\n"
    definition = text[: text.index("\ncomment on ")]
    return definition.replace(f"{head} as\n", clauses)


def table_comments() -> dict[Target, str]:
    """Return the comments that a load writes on tables and their columns."""
    return {
        (SCHEMA_NAME, table.name, None): f"{_as_sentence(table.grain)} All times are UTC."
        for table in ALL_TABLES
    } | {
        (SCHEMA_NAME, table.name, column.name): column.description
        for table in ALL_TABLES
        for column in table.columns
    }


def _comment_on_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Comment on tables and columns whose comment is missing or differs."""
    present = comments_in(connection)
    for target, comment in table_comments().items():
        if target in present and present[target] != comment:
            kind = "table" if target[-1] is None else "column"
            name = ".".join(filter(None, target))
            quoted = comment.replace("'", "''")
            connection.execute(f"comment on {kind} {name} is '{quoted}'")


def comments_in(
    connection: duckdb.DuckDBPyConnection, database: str | None = None
) -> dict[Target, str | None]:
    """Return the comment of each table, view and column; None for one without a comment.

    Args:
        connection: any connection.
        database: the name of an attached database; None for the current one.
    """
    sql = """
        select database_name, schema_name, table_name, null as column_name, comment
        from duckdb_tables()
        union all
        select database_name, schema_name, view_name, null, comment from duckdb_views()
        union all
        select database_name, schema_name, table_name, column_name, comment from duckdb_columns()
    """
    sql = f"from ({sql}) where database_name = coalesce(?, current_database()) order by all"
    rows = connection.execute(sql, [database]).fetchall()
    return {(schema, table, column): comment for _, schema, table, column, comment in rows}


def _as_sentence(grain: str) -> str:
    return f"{grain[0].upper()}{grain[1:]}."


def in_dependency_order(views: Iterable[SqlFile]) -> tuple[SqlFile, ...]:
    """Sort views so that each comes after the views it selects from.

    Raises:
        SqlFileError: a reference is not a view, a loaded table or a name from the file's `with`
            clause; or views refer to each other in a circle.
    """
    by_name = {view.name: view for view in views}
    graph = {name: _referenced_views(by_name[name], by_name.keys()) for name in sorted(by_name)}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        message = f"views refer to each other in a circle: {' -> '.join(error.args[1])}"
        raise SqlFileError(message) from error


def _referenced_views(file: SqlFile, view_names: Iterable[str]) -> set[str]:
    code = _COMMENTS_AND_LITERALS.sub(" ", file.text)
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
