"""Answering questions: a SELECT on the published database that cannot write, nor reach out."""

import difflib
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
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, to_datetime

_NAME: Final = re.compile(r"\s*(?:main\.)?(\w+)\s*")
_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*")
_READING: Final = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
_NOTHING_SET: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Askable:
    """Something that can be asked by its name: a view or a saved question, and what it answers."""

    name: str
    kind: str
    meaning: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_to_ask(path: Path, now: Micros | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database for questions that users wrote.

    Args:
        path: the published database.
        now: what views take for the present; None for the machine's clock.

    Raises:
        ConfigurationError: there is no database, or the file is none.
    """
    with read_published(path, enable_external_access=False) as connection:
        connection.execute("set TimeZone = 'UTC'")  # now() and current_date mean the same anywhere
        connection.execute("set lock_configuration = true")
        if now is not None:
            instant = to_datetime(now).replace(tzinfo=None)
            connection.execute("set variable gaussdb_tasks_now = ?::timestamp", [instant])
        yield connection


def ask(
    connection: duckdb.DuckDBPyConnection,
    question: str,
    variables: Mapping[str, str] = _NOTHING_SET,
) -> duckdb.DuckDBPyConnection:
    """Run a question; return the cursor with the answer.

    Args:
        connection: as ``open_to_ask`` gives it.
        question: the name of a view or of a saved question, or a SELECT.
        variables: what ``getvariable`` gives in it; a saved question takes its parameters only.

    Raises:
        ConfigurationError: it is none of them, or DuckDB cannot answer it.
    """
    sql = _sql(connection, question, variables)
    for name, value in variables.items():
        _set(connection, name, value)
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


def views(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the names of the views that analysts use, sorted, and what each answers."""
    sql = """
        select view_name, coalesce(comment, '') from duckdb_views()
        where schema_name = 'main' and not internal
        order by view_name
    """
    return dict(connection.execute(sql).fetchall())


def askables(connection: duckdb.DuckDBPyConnection) -> list[Askable]:
    """Return what can be asked by its name: the database's views, then the saved questions."""
    return [
        *(Askable(name, "view", meaning) for name, meaning in views(connection).items()),
        *(
            Askable(question.name, "question", question.meaning, question.parameters)
            for question in saved_questions()
        ),
    ]


def _sql(connection: duckdb.DuckDBPyConnection, question: str, variables: Mapping[str, str]) -> str:
    match = _NAME.fullmatch(question)
    if match is None:
        return question
    name = match[1].lower()
    known = {askable.name: askable for askable in reversed(askables(connection))}
    if name not in known:
        near = difflib.get_close_matches(name, known)
        hint = f"did you mean {' or '.join(near)}" if near else "gaussdb-tasks query --list"
        message = f"there is no view and no saved question {match[1]!r}; {hint}"
        raise ConfigurationError(message)
    return _sql_of(known[name], variables)


def _sql_of(askable: Askable, variables: Mapping[str, str]) -> str:
    _refuse_unknown(askable, variables)
    if askable.kind == "view":
        orders = {file.name: file.order for file in view_files()}
        order = orders.get(askable.name, "order by all")
        return f'select * from main."{askable.name}" {order}'  # noqa: S608 - it is a view's name
    questions: dict[str, SavedQuestion] = {saved.name: saved for saved in saved_questions()}
    return questions[askable.name].sql


def _refuse_unknown(askable: Askable, variables: Mapping[str, str]) -> None:
    for name in variables:
        if name not in askable.parameters:
            known = ", ".join(askable.parameters) or "nothing"
            message = f"--set {name}: in {askable.name}, {known} can be set"
            raise ConfigurationError(message)


def _set(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    if _VARIABLE.fullmatch(name) is None:
        message = f"--set {name}: a name is of letters, digits and _, as in --set month=2026-03"
        raise ConfigurationError(message)
    connection.execute(f"set variable {name} = ?", [value])


def _in_one_line(error: duckdb.Error) -> str:
    # DuckDB repeats the question below, and points at a place in it; in one line that says nothing.
    said, _, _ = str(error).partition("\nLINE ")
    return " ".join(said.split())
