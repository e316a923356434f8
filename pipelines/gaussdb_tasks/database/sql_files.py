"""Read the SQL files, from the installed package or from ``sql/`` of a checkout."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, TypeAlias

import duckdb

from gaussdb_tasks.database.dialects import DUCKDB, Dialect
from gaussdb_tasks.errors import GaussdbTasksError

THEMES: Final = (
    "All tasks",
    "What runs",
    "What failed",
    "How long tasks take",
    "What is new",
    "Backups and restores",
    "Instances",
    "Completeness",
    "Other",
)
"""Headings under which views and saved questions are listed, in this order."""

_SUFFIX: Final = ".sql"
_COMMENT: Final = re.compile(
    r"^comment on (?:view|column) (?P<schema>\w+)\.(?P<view>\w+)(?:\.(?P<column>\w+))? is\s+"
    r"'(?P<text>(?:[^']|'')*)';\n",
    re.MULTILINE,
)
_THEME: Final = re.compile(r"^-- theme: (.+)$", re.MULTILINE)
_ORDER: Final = re.compile(r"^-- (order by .+)$", re.MULTILINE)
# A subset of Jinja, so that sqlfluff can read the files as well.
_INCLUDE: Final = re.compile(r"\{% include '(?P<path>[\w/]+\.sql)' %\}\n")


Target: TypeAlias = tuple[str, str, str | None]
"""The place of a comment: schema, table or view, and column; None for the table or view itself."""


class SqlFileError(GaussdbTasksError):
    """A SQL file is missing, malformed, or does not run."""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A SQL file: its name without the suffix, which is the name of its object, and its text."""

    name: str
    text: str

    @property
    def theme(self) -> str:
        """The heading under which the view or the question is listed."""
        match = _THEME.search(self.text)
        return match[1] if match else THEMES[-1]

    @property
    def order(self) -> str:
        """The clause that sorts the rows for a reader; a view itself has no order."""
        match = _ORDER.search(self.text)
        return match[1] if match else "order by all"

    @property
    def comments(self) -> dict[Target, str]:
        """The comments of a view and its columns."""
        return {
            (match["schema"], match["view"], match["column"]): match["text"].replace("''", "'")
            for match in _COMMENT.finditer(self.text)
        }

    @property
    def definition(self) -> str:
        """The SQL without the comments on the view."""
        return _COMMENT.sub("", self.text)

    def execute(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """Run the SQL; return the cursor.

        Raises:
            SqlFileError: DuckDB refuses it.
        """
        try:
            return connection.execute(self.text)
        except duckdb.Error as error:
            message = f"{self.name}.sql does not run: {error}"
            raise SqlFileError(message) from error


def view_files(dialect: Dialect = DUCKDB) -> tuple[SqlFile, ...]:
    """Read the definitions of all views as an engine reads them, in order of their names."""
    return _read(_sql_folder(), dialect)


def check_files() -> tuple[SqlFile, ...]:
    """Read all data checks, in order of their names."""
    return _read(_sql_folder() / "checks", DUCKDB)


def example_files() -> tuple[SqlFile, ...]:
    """Read all saved questions, in order of their names."""
    return _read(_sql_folder() / "examples", DUCKDB)


def _sql_folder() -> Traversable:
    packaged = files("gaussdb_tasks") / "sql"
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parents[3] / "sql"
    if checkout.is_dir():
        return checkout
    message = f"the SQL of gaussdb-tasks is neither in {packaged} nor in {checkout}; install again"
    raise SqlFileError(message)


def _read(folder: Traversable, dialect: Dialect) -> tuple[SqlFile, ...]:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return tuple(_file(entry, dialect) for entry in entries if entry.name.endswith(_SUFFIX))


def _file(entry: Traversable, dialect: Dialect) -> SqlFile:
    text = _with_includes(entry.read_text(encoding="utf-8"), dialect)
    try:
        return SqlFile(entry.name.removesuffix(_SUFFIX), dialect.render(text))
    except LookupError as error:
        message = f"{entry.name} has a token that {dialect.name} does not know: {error}"
        raise SqlFileError(message) from error


def _with_includes(text: str, dialect: Dialect) -> str:
    """Replace each include by the text of its file; paths are relative to the SQL folder."""
    return _INCLUDE.sub(
        lambda include: _fragment(dialect.fragments.get(include["path"], include["path"])), text
    )


def _fragment(path: str) -> str:
    return (_sql_folder() / path).read_text(encoding="utf-8")
