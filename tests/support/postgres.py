"""A PostgreSQL server of the tests' own: on a socket in a temporary folder, without a port."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final
from urllib.parse import quote

import duckdb
import pytest

from gaussdb_tasks.model.tables import ALL_TABLES, Table

_FOLDERS: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_BIN: Final = _FOLDERS[-1] if _FOLDERS else None
_TYPES: Final = {
    "text": "text",
    "json": "json",
    "bigint": "bigint",
    "double": "double precision",
    "bool": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}

IS_INSTALLED: Final = _BIN is not None
needs_postgres = pytest.mark.skipif(
    not IS_INSTALLED, reason="PostgreSQL is not installed: apt-get install postgresql"
)


class Server:
    """A running server; every database has the order of texts of a language, not of bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the URL of a database for libpq."""
        return f"postgresql://{user}@/{database}?host={quote(str(self._folder), safe='')}"

    def require_password(self, user: str, password: str, database: str) -> None:
        """Make a user that owns a database and signs in with a password."""
        literal = password.replace("'", "''")
        self.run(f"create role {user} login password '{literal}'")
        self.run(f"alter database {database} owner to {user}")
        rules = self._folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.run("select pg_reload_conf()")

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folder / "log"

    def files_of(self, database: str) -> Path:
        """Return the folder with the tables of a database."""
        oid = self.run(f"select oid from pg_database where datname = '{database}'").strip()
        return self._folder / "data" / "base" / oid

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run SQL in a database; return the output of psql."""
        return self._run(sql.encode(), database).decode()

    def copy(self, database: str, archive: duckdb.DuckDBPyConnection) -> None:
        """Copy the tables of an archive into a new database."""
        self.run(f"create database {database}")
        self.run(f"create schema task_center; {_definitions()}", database)
        for table in ALL_TABLES:
            columns = ", ".join(column.name for column in table.columns)
            file = self._folder / f"{table.name}.csv"
            # A null is an empty field, and every other value is quoted.
            archive.execute(
                f"copy (select {columns} from task_center.{table.name}) to '{file}' "
                "(format csv, header false, force_quote *)"
            )
            copy = f"copy task_center.{table.name} ({columns}) from stdin (format csv);\n"
            self._run(copy.encode() + file.read_bytes() + b"\\.\n", database)

    def _run(self, text: bytes, database: str) -> bytes:
        arguments = ["--set", "ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "--tuples-only"]
        run = _as_server_user(
            "psql", "--no-align", *arguments, "--host", str(self._folder), database, text=text
        )
        return run.stdout


@contextmanager
def server() -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    folder = Path(mkdtemp(prefix="gaussdb-tasks-"))  # the path of a socket must be short
    data = str(folder / "data")
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    language = ("--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8", "--locale=C")
    try:
        _as_server_user("initdb", "--pgdata", data, "--auth=trust", "--no-sync", *language)
        log = str(folder / "log")
        _as_server_user(
            "pg_ctl", "start", "--wait", "--pgdata", data, "--log", log, "--options", options
        )
        try:
            yield Server(folder)
        finally:
            _as_server_user("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", data)
    finally:
        shutil.rmtree(folder)


def _as_server_user(
    program: str, *arguments: str, text: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program of PostgreSQL; the server refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    run = subprocess.run(
        [str(_BIN and _BIN / program), *arguments],
        input=text,
        capture_output=True,
        check=False,
        user=user,
        cwd="/",
        env={"PGCLIENTENCODING": "UTF8", "LC_ALL": "C", "PGTZ": "America/New_York"},
    )
    assert run.returncode == 0, f"{program}: {run.stderr.decode()}"
    return run


def _definitions() -> str:
    return ";".join(map(_definition, ALL_TABLES))


def _definition(table: Table) -> str:
    columns = ", ".join(
        f"{column.name} {_TYPES[column.data_type]}{'' if column.nullable else ' not null'}"
        for column in table.columns
    )
    return f"create table task_center.{table.name} ({columns})"
