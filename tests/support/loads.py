"""Load from an emulator without the command line, and query the published database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import duckdb

from gaussdb_tasks.api.auth.sign_in import token_access
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator
from gaussdb_tasks.load import LoadRequest, run_load
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.settings import LoadSettings, RetrySettings

FAST_RETRIES = RetrySettings(attempts=2, first_wait_seconds=0.001)


class LoadableTaskCenter(Protocol):
    """A task center that can be loaded: an emulator, or the address of one."""

    @property
    def endpoint(self) -> str:
        """Its base URL."""

    @property
    def token(self) -> str:
        """A token that it accepts."""

    @property
    def project_ids(self) -> Sequence[str]:
        """The ids of its projects."""


class EmulatorAddress(NamedTuple):
    """The address of a served emulator, for other processes."""

    endpoint: str
    token: str
    project_ids: tuple[str, ...]


def address_of(center: Emulator) -> EmulatorAddress:
    """Return the address of a served emulator."""
    return EmulatorAddress(center.endpoint, center.token, tuple(center.project_ids))


def load_request(
    center: LoadableTaskCenter,
    folder: Path,
    now: Micros,
    *,
    project_ids: Sequence[str] = (),
    **settings: Any,
) -> LoadRequest:
    """Return the request of a load of a task center's projects into a folder."""
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
        DataDir(folder), accesses, LoadSettings(now=now, **settings), FAST_RETRIES, connections=4
    )


def load(center: LoadableTaskCenter, folder: Path, now: Micros, **options: Any) -> LoadReport:
    """Load a task center's projects into a folder."""
    return run_load(load_request(center, folder, now, **options))


@contextmanager
def published(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published database, as an analyst does."""
    connection = duckdb.connect(DataDir(folder).database, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query the published database."""
    with published(folder) as connection:
        return connection.execute(sql).fetchall()
