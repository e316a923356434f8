"""Answering questions: a SELECT on the published database that cannot write, nor reach out."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.instants import Micros, to_datetime
from gaussdb_tasks.warehouse.database import read_published

_NAME: Final = re.compile(r"\s*(?:main\.)?(\w+)\s*")
_READING: Final = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})


@contextmanager
def open_to_ask(path: Path, now: Micros | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database for questions that users wrote.

    Args:
        path: the published database.
        now: what views take for the present; None for the machine's clock.

    Raises:
        ConfigurationError: there is no database, or the file is none.
    """
    with read_published(path, enable_external_access=False, lock_configuration=True) as connection:
        if now is not None:
            instant = to_datetime(now).replace(tzinfo=None)
            connection.execute("set variable gaussdb_tasks_now = ?::timestamp", [instant])
        yield connection


def ask(connection: duckdb.DuckDBPyConnection, question: str) -> duckdb.DuckDBPyConnection:
    """Run a question, the name of a view or a SELECT; return the cursor with the answer.

    Raises:
        ConfigurationError: it is neither, or DuckDB cannot answer it.
    """
    sql = _sql(connection, question)
    with explained(question):
        # By this connection, which may open no file: to parse IMPORT DATABASE is to read one.
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _READING:
            message = f"{question!r} is not one SELECT; only reading is possible here"
            raise ConfigurationError(message)
        return connection.execute(sql)


@contextmanager
def explained(question: str) -> Iterator[None]:
    """Turn what DuckDB raises, at once or while rows are fetched, into one sentence.

    Raises:
        ConfigurationError: DuckDB cannot answer the question.
    """
    try:
        yield
    except duckdb.Error as error:
        message = f"DuckDB cannot answer {question!r}: {_in_one_line(error)}"
        raise ConfigurationError(message) from error


def view_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of the views that analysts use, sorted."""
    sql = "select view_name from duckdb_views() where schema_name = 'main' and not internal"
    return sorted(name for (name,) in connection.execute(sql).fetchall())


def _sql(connection: duckdb.DuckDBPyConnection, question: str) -> str:
    match = _NAME.fullmatch(question)
    if match is None:
        return question
    name = match[1].lower()
    views = view_names(connection)
    if name not in views:
        near = difflib.get_close_matches(name, views)
        hint = f"did you mean {' or '.join(near)}" if near else f"there are: {', '.join(views)}"
        message = f"there is no view {match[1]!r}; {hint}"
        raise ConfigurationError(message)
    return f'select * from main."{name}" order by all'  # noqa: S608 - it is a view's name


def _in_one_line(error: duckdb.Error) -> str:
    return " ".join(str(error).split())
