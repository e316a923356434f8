"""Loading from an emulator without the command line, and looking at what was published."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import duckdb

from gaussdb_tasks.api.auth.sign_in import token_access
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator
from gaussdb_tasks.load import LoadReport, LoadRequest, run_load
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import LoadSettings, RetrySettings

QUICK = RetrySettings(attempts=2, first_wait_seconds=0.001)


class Center(Protocol):
    """A task center that can be loaded: a task center, or where one is served."""

    @property
    def endpoint(self) -> str:
        """Where it is."""

    @property
    def token(self) -> str:
        """What opens it."""

    @property
    def project_ids(self) -> Sequence[str]:
        """Its projects."""


class Address(NamedTuple):
    """Where an emulator is served, for other processes."""

    endpoint: str
    token: str
    project_ids: tuple[str, ...]


def address_of(center: Emulator) -> Address:
    """Say where an emulator is served."""
    return Address(center.endpoint, center.token, tuple(center.project_ids))


def job_of(
    center: Center, folder: Path, now: Micros, *, project_ids: Sequence[str] = (), **settings: Any
) -> LoadRequest:
    """Describe a load of a task center's projects into a folder."""
    accesses = [
        token_access(
            endpoint=center.endpoint,
            project_id=project_id,
            token=center.token,
            region="eu-de",
            connections=4,
        )
        for project_id in project_ids or center.project_ids
    ]
    return LoadRequest(
        DataDir(folder), accesses, LoadSettings(now=now, **settings), QUICK, connections=4
    )


def load(center: Center, folder: Path, now: Micros, **options: Any) -> LoadReport:
    """Load a task center's projects into a folder."""
    return run_load(job_of(center, folder, now, **options))


@contextmanager
def published(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open what was published, as an analyst does."""
    connection = duckdb.connect(DataDir(folder).database, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the published database."""
    with published(folder) as connection:
        return connection.execute(sql).fetchall()
