"""Load nights through the dlt source into each destination, and compare with our own database.

A program of its own environment, which has what each destination requires:
``python -m tests.support.dlt_destinations FOLDER POSTGRES_FOLDER``. It prints JSON: for each
destination how each table differs, and what was logged or warned.
"""

import json
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import dlt
import duckdb
from dlt.destinations.impl.ducklake.configuration import DuckLakeCredentials

from gaussdb_tasks import task_center
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.tables import LOADED_TABLES, Table
from gaussdb_tasks.model.times import DAY, HOUR, Micros, to_datetime
from tests.support.documented_destinations import DESTINATIONS, DocumentedDestination
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, record
from tests.support.loads import load, published

Rows = Sequence[tuple[Any, ...]]
_DATASET: Final = "gaussdb"
_OWN: Final = frozenset({"run_id", "archive_sequence", "head_digest", "archive_id"})
"""Columns whose values belong to one load: its id, and its entry in an archive."""


class Tried(NamedTuple):
    """A destination, and how to read the rows of some columns of a table from it."""

    destination: Any
    read: Callable[[dlt.Pipeline, Table, Sequence[str]], Rows]


def destinations(folder: Path, postgres: str) -> Mapping[str, Tried]:
    """Return the destinations to try, by name."""
    (extension,) = Path(import_module("duckdb_extension_ducklake").__path__[0]).rglob(
        f"v{duckdb.__version__}/*.duckdb_extension"
    )
    duckdb.execute(f"install '{extension}'")
    lake = DuckLakeCredentials(
        "lake", catalog=f"duckdb:///{folder}/catalog.duckdb", storage=f"{folder}/ducklake"
    )
    # dlt requires a host; that of the query is the folder of the server's socket.
    server = f"postgresql://postgres:any@localhost/postgres?host={postgres}"

    def files(name: str) -> Any:
        return dlt.destinations.filesystem((folder / name).as_uri())

    return {
        "duckdb": Tried(dlt.destinations.duckdb(str(folder / "own.duckdb")), _from_sql),
        "postgres": Tried(dlt.destinations.postgres(server), _from_sql),
        "ducklake": Tried(dlt.destinations.ducklake(lake), _from_sql),
        "filesystem with delta": Tried(files("delta"), _from_delta),
        "filesystem with iceberg": Tried(files("iceberg"), _from_iceberg),
        "filesystem": Tried(files("parquet"), _from_parquet),
    }


def nights(world: FixedWorld) -> Iterator[Micros]:
    """Change the task center, and yield the clock of each load: four nights."""
    yield NOW
    world.replace(PROJECT, record(2, NOW - HOUR, NOW + HOUR, status="Failed", fail_reason="no"))
    world.add(PROJECT, record(5, NOW + 5 * HOUR, None, process="10%"))
    world.add(OTHER_PROJECT, record(6, NOW + 6 * HOUR, NOW + 7 * HOUR))
    world.remove(PROJECT, job_id(1))
    yield NOW + DAY
    world.replace(PROJECT, record(5, NOW + 5 * HOUR, None, process="50%"))
    world.replace(PROJECT, record(3, NOW - 2 * DAY, NOW - DAY, extra_field={"b": [1, None]}))
    yield NOW + 2 * DAY
    world.replace(PROJECT, record(5, NOW + 5 * HOUR, NOW + 2 * DAY))
    world.add(PROJECT, record(1, NOW - 3 * DAY, NOW - 3 * DAY + HOUR))
    yield NOW + 3 * DAY


def new_world() -> FixedWorld:
    """Make two projects: one with odd records."""
    return FixedWorld(
        {
            PROJECT: [
                record(1, NOW - 3 * DAY, NOW - 3 * DAY + HOUR),
                record(2, NOW - HOUR, None, process="5%"),
                record(3, NOW - 2 * DAY, NOW - DAY, extra_field={"b": [1, None]}),
                record(
                    4,
                    NOW - DAY,
                    NOW - HOUR,
                    fail_reason="it's \"\\n\" 'so'\n\tü \0 😀",
                    status="Failed",
                ),
                {**record(8), "created_at": None},
            ],
            OTHER_PROJECT: [record(1, NOW - DAY, NOW - HOUR)],
        }
    )


def main() -> None:
    """Load all nights, and print what was found of each destination."""
    folder = Path(sys.argv[1])
    tried = destinations(folder, sys.argv[2])
    notes = _load_all(folder, tried)
    found = {}
    with published(folder / "own") as own:
        for each in DESTINATIONS:
            pipeline, read = _pipeline(folder, each, tried), tried[each.name].read
            different = {
                table.name: _differences(own, table, partial(read, pipeline), each)
                for table in LOADED_TABLES
                if table.name in each.tables
            }
            found[each.name] = {"different": different, "noted": notes[each.name]}
    sys.stdout.write(json.dumps(found))


def _load_all(folder: Path, tried: Mapping[str, Tried]) -> Mapping[str, list[str]]:
    """Load all nights into our own database and each destination; return what was noted."""
    notes: dict[str, list[str]] = {name: [] for name in tried}
    clock, world = SettableClock(NOW), new_world()
    with Emulator(world, clock=clock) as emulator:
        for now in nights(world):
            clock.set(now)
            load(emulator, folder / "own", now)
            for each in DESTINATIONS:
                source = task_center(
                    emulator.project_ids,
                    endpoint=emulator.endpoint,
                    token=emulator.token,
                    region="eu-de",
                    now=to_datetime(now),
                )
                options: dict[str, Any] = {"table_format": each.table_format or None}
                with _noted(notes[each.name]):
                    pipeline = _pipeline(folder, each, tried)
                    pipeline.run(source.with_resources(*each.tables), **options)
    return notes


def _pipeline(
    folder: Path, documented: DocumentedDestination, tried: Mapping[str, Tried]
) -> dlt.Pipeline:
    return dlt.pipeline(
        f"try_{documented.name.replace(' ', '_')}",
        destination=tried[documented.name].destination,
        dataset_name=_DATASET,
        pipelines_dir=str(folder / "pipelines"),
    )


def _differences(
    own: duckdb.DuckDBPyConnection,
    table: Table,
    read: Callable[[Table, Sequence[str]], Rows],
    destination: DocumentedDestination,
) -> tuple[int, list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return how many rows there are, those of our own database only, and those of it only."""
    null = "\ufffd" if destination.name == "postgres" else "\0"
    columns = [column.name for column in table.columns if column.name not in _OWN]
    sql = f"select {', '.join(columns)} from task_center.{table.name}"
    rows = own.execute(sql).fetchall()
    ours = Counter(
        _texts(
            [
                tuple(each.replace("\0", null) if isinstance(each, str) else each for each in row)
                for row in rows
            ]
        )
    )
    theirs = Counter(_texts(read(table, columns)))
    only_ours, only_theirs = (ours - theirs).elements(), (theirs - ours).elements()
    return theirs.total(), list(only_ours), list(only_theirs)


class _Notes(logging.Handler):
    """Takes what is logged as a warning."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    """Add what is warned, or logged as a warning."""
    handler = _Notes(notes)
    loggers = [logging.getLogger(), logging.getLogger("dlt")]
    for logger in loggers:
        logger.addHandler(handler)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    for logger in loggers:
        logger.removeHandler(handler)
    notes += [f"{each.category.__name__}: {each.message}" for each in warned]


def _texts(rows: Rows) -> Iterator[tuple[str, ...]]:
    return (tuple(map(_text, row)) for row in rows)


def _text(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return repr(value)


def _from_sql(pipeline: dlt.Pipeline, table: Table, columns: Sequence[str]) -> Rows:
    with (
        pipeline.sql_client() as client,
        client.execute_query(f"select {', '.join(columns)} from {table.name}") as cursor,
    ):
        return cursor.fetchall()


def _from_parquet(pipeline: dlt.Pipeline, table: Table, columns: Sequence[str]) -> Rows:
    folder = Path(pipeline.destination.config_params["bucket_url"].removeprefix("file://"))
    sql = f"select {', '.join(columns)} from '{folder}/{_DATASET}/{table.name}/*.parquet'"
    return duckdb.execute(sql).fetchall()


def _from_delta(pipeline: dlt.Pipeline, table: Table, columns: Sequence[str]) -> Rows:
    from dlt.common.libs.deltalake import get_delta_tables  # noqa: PLC0415 - not everywhere

    found = get_delta_tables(pipeline, table.name)[table.name].to_pyarrow_table()
    return [tuple(row.values()) for row in found.select(columns).to_pylist()]


def _from_iceberg(pipeline: dlt.Pipeline, table: Table, columns: Sequence[str]) -> Rows:
    from dlt.common.libs.pyiceberg import get_iceberg_tables  # noqa: PLC0415 - not everywhere

    found = get_iceberg_tables(pipeline, table.name)[table.name].scan().to_arrow()
    return [tuple(row.values()) for row in found.select(columns).to_pylist()]


if __name__ == "__main__":
    main()
