"""Targets to publish to, on servers of the tests' own, and what is there afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import duckdb
import pytest

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.database import connect
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.sql_files import view_files
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import AMENDMENTS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.publication.extensions import connected_with, extension_files
from gaussdb_tasks.publication.publish import Published, publish_entries
from gaussdb_tasks.publication.target import (
    DuckLakeTarget,
    PostgresServer,
    PostgresTarget,
    parse_target,
)
from tests.support import postgres

CLOCK: Final = "2026-09-01 00:00:00"
VIEWS: Final = tuple(f"main.{file.name}" for file in view_files())
TABLES: Final = tuple(f"{SCHEMA_NAME}.{table.name}" for table in (*LOADED_TABLES, AMENDMENTS))
KINDS: Final = ("postgres", "lake", "file_lake")

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class Place:
    """A target of one kind, and the server that has it."""

    kind: str
    folder: Path
    server: postgres.Server | None
    database: str
    user: str = "postgres"

    @property
    def url(self) -> str:
        """The URL for ``--to``."""
        if self.server is None:
            return f"ducklake:{self.folder / 'lake.ducklake'}"
        url = self.server.url(self.database, self.user)
        return url if self.kind == "postgres" else f"ducklake:{url}"

    @property
    def data_path(self) -> str | None:
        """The folder of a lake's data files."""
        return None if self.kind == "postgres" else str(self.folder / "files")

    @property
    def options(self) -> list[str]:
        """The options of `gaussdb-tasks publish`."""
        path = self.data_path
        return ["--to", self.url, *([] if path is None else ["--data-path", path])]

    def publish(self, data_dir: DataDir) -> Published:
        """Publish an archive."""
        target = parse_target(self.url, self.data_path)
        with data_dir.locked_with_archive(), data_dir.scratch("publish") as scratch:
            return publish_entries(data_dir, target, scratch)

    def block(self) -> Callable[[], object]:
        """Make the target one that cannot be opened; return what makes it usable again."""
        if self.server is None:
            self.folder.write_text("a file, not a folder")
            return self.folder.unlink
        server, name = self.server, self.database
        server.run(f"alter database {name} allow_connections false")
        return lambda: server.run(f"alter database {name} allow_connections true")

    def change(self, sql: str) -> None:
        """Change the target, as somebody who may write there can."""
        with self.opened(is_writing=True) as connection:
            connection.execute(sql)

    @contextmanager
    def opened(self, *, is_writing: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the target with DuckDB alone, as an analyst does."""
        target = parse_target(self.url, self.data_path)
        names = ["postgres_scanner"] if self.kind != "file_lake" else []
        names += ["ducklake"] if self.kind != "postgres" else []
        self.folder.mkdir(exist_ok=True)
        with connected_with(extension_files("lake", *names), self.folder) as connection:
            connection.execute("create secret (type postgres)" if self.server else "select 1")
            if isinstance(target, DuckLakeTarget):
                where = target.catalogue
                at = f"postgres:{where.conninfo}" if isinstance(where, PostgresServer) else where
                at, options = f"ducklake:{at}", []
            else:
                assert isinstance(target, PostgresTarget)
                at, options = target.server.conninfo, ["type postgres"]
            options += [] if is_writing else ["read_only"]
            listed = f"({', '.join(options)})" if options else ""
            connection.execute(f"attach {quoted_text(at)} as there {listed}")
            connection.execute("use there")
            connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
            yield connection

    def rows(self, names: Sequence[str] = (*TABLES, *VIEWS)) -> Rows:
        """Return the rows of tables and views."""
        if self.server is not None and self.kind == "postgres":
            self.server.run(f"alter database {self.database} set gaussdb_tasks.now = '{CLOCK}'")
        with self.opened() as connection:
            return rows_of(connection, names)


@contextmanager
def without_signatures() -> Iterator[None]:
    """Load extensions of DuckDB without a check of their signatures.

    For both extensions it takes a quarter of a second, at each connection. Commands in processes of
    their own, and publications to buckets, do check them.
    """
    unsigned = {**connect._CLOSED, "allow_unsigned_extensions": True}
    with patch.object(connect, "_CLOSED", unsigned):
        yield


@pytest.fixture(scope="session")
def publish_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server for all tests of a process."""
    with postgres.server() as started:
        yield started


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty target of each kind."""
    yield from new_place(request.param, request, tmp_path)


def new_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """Make an empty target of a kind, and remove it afterwards."""
    try:
        extension_files("lake", "ducklake", "postgres_scanner")
    except ConfigurationError as error:
        pytest.skip(str(error))
    with without_signatures():
        yield from _new_place(kind, request, folder)


def _new_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    target = folder / "target"
    if kind == "file_lake":
        yield Place(kind, target, None, "")
        return
    if not postgres.IS_INSTALLED:
        pytest.skip("PostgreSQL is not installed")
    server: postgres.Server = request.getfixturevalue("publish_server")
    name = f"test_{abs(hash(str(folder)))}"
    server.run(f"create database {name}")
    yield Place(kind, target, server, name)
    server.run(f"drop database {name} with (force)")


def rows_of(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Rows:
    """Return the rows of tables and views, by name, without an order."""
    return {name: _in_order(_read(connection, name)) for name in names}


def local_rows(data_dir: DataDir, names: Sequence[str] = (*TABLES, *VIEWS)) -> Rows:
    """Return the rows of the published database."""
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set variable gaussdb_tasks_now = timestamp '{CLOCK}'")
        return rows_of(connection, names)


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[Any, ...]]:
    # Archives share the kinds of tasks, whichever load wrote them.
    columns = "* exclude (_dlt_load_id)" if name == f"{SCHEMA_NAME}.task_types" else "*"
    found = connection.execute(f"select {columns} from {name}")
    names = sorted(range(len(found.description)), key=lambda each: found.description[each][0])
    return [tuple(row[each] for each in names) for row in found.fetchall()]


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sort rows; engines differ after the twelfth digit of percentiles."""
    rounded = (
        tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row)
        for row in rows
    )
    return sorted(rounded, key=repr)
