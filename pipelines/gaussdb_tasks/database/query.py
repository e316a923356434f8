"""Run a user's SELECT on the published database; it can neither write nor reach other files."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import duckdb

from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.saved_questions import SavedQuestion, saved_questions
from gaussdb_tasks.database.sql_files import THEMES, view_files
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, to_datetime
from gaussdb_tasks.os_errors import refuse_fault_of_machine

_NAME: Final = re.compile(r"\s*(?:main\.)?([\w-]+)\s*;?\s*")
# Words such as `stuck now` may be meant as a name; no SELECT is of words only but has such a name.
_WORDS: Final = re.compile(r"[\w\s-]+")
# A parameter whose default is a number is one.
_NUMBER: Final = re.compile(r"by default (\d+)$")
_MAX_NUMBER: Final = 1_000_000
_UNKNOWN_TABLE: Final = re.compile(r"Table with name (\w+) does not exist")
_UNKNOWN_COLUMN: Final = re.compile(r'Referenced column "([^"]*)" not found')
_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*")
_READING: Final = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A view or a saved question: its theme and meaning, and its parameters with theirs."""

    name: str
    kind: str
    theme: str
    meaning: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_for_queries(path: Path, now: Micros | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database for SQL that users wrote.

    Args:
        path: the published database.
        now: the time that views use as the present; None for the machine's clock.

    Raises:
        ConfigurationError: the file is missing, or it is not a DuckDB database.
    """
    with read_published(path, enable_external_access=False) as connection:
        restrict(connection, now)
        yield connection


def restrict(connection: duckdb.DuckDBPyConnection, now: Micros | None) -> None:
    """Prepare a connection for SQL that users wrote: its settings are final."""
    connection.execute("set TimeZone = 'UTC'")  # now() and current_date then agree everywhere
    connection.execute("set lock_configuration = true")
    if now is not None:
        present = to_datetime(now).replace(tzinfo=None)
        connection.execute("set variable gaussdb_tasks_now = ?::timestamp", [present])


def run_query(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    variables: Mapping[str, str] = _NO_VARIABLES,
) -> duckdb.DuckDBPyConnection:
    """Run a query; return the cursor with the answer.

    Args:
        connection: from ``open_for_queries``.
        query: the name of a view, the name of a saved question, or a SELECT.
        variables: values for ``getvariable``; a saved question takes its own parameters only.

    Raises:
        ConfigurationError: the name is unknown, or DuckDB cannot answer the query.
    """
    sql = _sql(connection, query, variables)
    for name, value in variables.items():
        _set_variable(connection, name, value)
    with query_errors(query):
        # Parse with this connection, which can open no file: parsing IMPORT DATABASE reads one.
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _READING:
            message = (
                f"{query!r} is not one SELECT; only reading is possible here: write one SELECT"
            )
            raise ConfigurationError(message)
        return connection.execute(sql)


@contextmanager
def query_errors(query: str) -> Iterator[None]:
    """Report DuckDB's errors in one sentence; rows that are fetched later can raise them, too.

    Raises:
        ConfigurationError: DuckDB cannot answer the query.
    """
    try:
        yield
    except duckdb.Error as error:
        refuse_fault_of_machine(error)
        if not isinstance(error, duckdb.InvalidInputException):
            message = f"DuckDB cannot answer {query!r}: {_in_one_line(error)}{_hint(error, query)}"
            raise ConfigurationError(message) from error
        # The SQL of a saved question refuses a parameter with error().
        problem = _in_one_line(error).removeprefix("Invalid Input Error: ")
        is_named = _NAME.fullmatch(query) is not None
        asked = query if is_named else f"DuckDB cannot answer {query!r}"
        message = f"{asked}: {problem}"
        raise ConfigurationError(message) from error


def _hint(error: duckdb.Error, query: str) -> str:
    """Return what the user may have meant, to follow DuckDB's message."""
    table, column = _UNKNOWN_TABLE.search(str(error)), _UNKNOWN_COLUMN.search(str(error))
    if table is not None and table[1] in {saved.name for saved in saved_questions()}:
        return f"; {table[1]} is a saved question, not a view: gaussdb-tasks query {table[1]}"
    if column is not None and f'"{column[1]}"' in query:
        return f"; write a text in single quotes: '{column[1]}'"
    if isinstance(error, duckdb.PermissionException):
        return "; a query reads only the database, no other file and no network"
    return ""


def views(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the views of the database, sorted by name, and what each answers."""
    sql = """
        select view_name, coalesce(comment, '') from duckdb_views()
        where database_name = current_database() and schema_name = 'main' and not internal
        order by view_name
    """
    return dict(connection.execute(sql).fetchall())


def named_queries(connection: duckdb.DuckDBPyConnection) -> list[NamedQuery]:
    """Return all queries that have a name: the database's views, then the saved questions."""
    themes = {file.name: file.theme for file in view_files()}
    return [
        *(
            NamedQuery(name, "view", themes.get(name, THEMES[-1]), meaning)
            for name, meaning in views(connection).items()
        ),
        *(
            NamedQuery(saved.name, "question", saved.theme, saved.meaning, saved.parameters)
            for saved in saved_questions()
        ),
    ]


def _sql(connection: duckdb.DuckDBPyConnection, query: str, variables: Mapping[str, str]) -> str:
    match = _NAME.fullmatch(query)
    if match is None and _WORDS.fullmatch(query) is None:
        return query
    by_name = {named.name: named for named in reversed(named_queries(connection))}
    text = query.strip() if match is None else match[1]
    name = text.lower()
    if name in by_name:
        return _sql_of(by_name[name], variables)
    meant = re.sub(r"[\s-]+", "_", name)
    if match is None and meant not in by_name:
        return query
    import difflib  # noqa: PLC0415 - only an error needs it

    listed = "to see all: gaussdb-tasks query --list"
    similar = [meant] if meant in by_name else difflib.get_close_matches(meant, by_name)
    hint = f"did you mean {' or '.join(similar)}" if similar else listed
    message = f"there is no view and no saved question {text!r}; {hint}"
    raise ConfigurationError(message)


def _sql_of(named: NamedQuery, variables: Mapping[str, str]) -> str:
    _refuse_impossible(named, variables)
    if named.kind == "view":
        orders = {file.name: file.order for file in view_files()}
        order = orders.get(named.name, "order by all")
        return f'select * from main."{named.name}" {order}'  # noqa: S608 - the name of a view
    questions: dict[str, SavedQuestion] = {saved.name: saved for saved in saved_questions()}
    return questions[named.name].sql


def _refuse_impossible(named: NamedQuery, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        if name not in named.parameters:
            settable = ", ".join(named.parameters) or "nothing"
            message = f"--set {name}: in {named.name}, {settable} can be set"
            raise ConfigurationError(message)
        default = _NUMBER.search(named.parameters[name])
        # A longer text is not converted: int() refuses thousands of digits.
        is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_NUMBER))
        if default is not None and not (is_number and 0 < int(value) <= _MAX_NUMBER):
            message = (
                f"--set {name}={value}: {value!r} is not a whole number from 1 to {_MAX_NUMBER}; "
                f"write it like --set {name}={default[1]}"
            )
            raise ConfigurationError(message)


def _set_variable(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    if _VARIABLE.fullmatch(name) is None:
        message = (
            f"--set {name}: a name consists of letters, digits and _, as in --set month=2026-03"
        )
        raise ConfigurationError(message)
    connection.execute(f"set variable {name} = ?", [value])


def _in_one_line(error: duckdb.Error) -> str:
    # Below its message DuckDB repeats the SQL and marks a place in it; one line has no room for it.
    message, _, _ = str(error).partition("\nLINE ")
    return " ".join(message.split())
