"""Load nights through the dlt source into each destination, and compare with our own database.

A program of its own environment, which has what each destination requires:
``python -m tests.support.dlt_destinations FOLDER POSTGRES_FOLDER``. It prints JSON: for each
destination the tables that differ, and what was logged or warned.
"""

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import dlt
import duckdb

from gaussdb_tasks import task_center
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.tables import LOADED_TABLES, Table
from gaussdb_tasks.model.times import DAY, HOUR, Micros, to_datetime
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, record
from tests.support.loads import load, published

Rows = Sequence[tuple[Any, ...]]
_DATASET: Final = "gaussdb"
_OWN: Final = frozenset({"run_id", "archive_sequence", "head_digest"})
"""Columns whose values belong to one load: its id, and its entry in an archive."""
_MERGED: Final = frozenset({"tasks", "vanished_tasks"})
_APPENDED: Final = tuple(table.name for table in LOADED_TABLES if table.name not in _MERGED)


@dataclass(frozen=True)
class Destination:
    """A destination, how to run into it, and how to read it.

    Attributes:
        read: returns the rows of some columns of a table.
        tables: the tables to load; a destination that can only append gets some of them.
    """

    destination: Any
    read: Callable[[dlt.Pipeline, Table, Sequence[str]], Rows]
    options: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[str, ...] = tuple(table.name for table in LOADED_TABLES)


def destinations(folder: Path, postgres: str) -> Mapping[str, Destination]:
    """Return the destinations to try."""
    import_module("deltalake"), import_module("pyiceberg"), import_module("psycopg2")
    (extension,) = Path(import_module("duckdb_extension_ducklake").__path__[0]).rglob(
        f"v{duckdb.__version__}/*.duckdb_extension"
    )
    duckdb.execute(f"install '{extension}'")
    files = dlt.destinations.filesystem
    credentials = dlt.destinations.impl.ducklake.configuration.DuckLakeCredentials(
        "lake", catalog=f"duckdb:///{folder}/catalog.duckdb", storage=f"{folder}/ducklake"
    )
    return {
        "duckdb": Destination(dlt.destinations.duckdb(str(folder / "own.duckdb")), _from_sql),
        "postgres": Destination(
            dlt.destinations.postgres(
                f"postgresql://postgres:any@localhost/postgres?host={postgres}"
            ),
            _from_sql,
        ),
        "ducklake": Destination(dlt.destinations.ducklake(credentials), _from_sql),
        "filesystem": Destination(
            files((folder / "parquet").as_uri()), _from_parquet, tables=_APPENDED
        ),
        "filesystem, delta": Destination(
            files((folder / "delta").as_uri()), _from_delta, {"table_format": "delta"}
        ),
        "filesystem, iceberg": Destination(
            files((folder / "iceberg").as_uri()), _from_iceberg, {"table_format": "iceberg"}
        ),
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
                    fail_reason="it's \"\\n\" 'so'\n\tü 😀",
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
    found: dict[str, dict[str, Any]] = {}
    clock, world = SettableClock(NOW), new_world()
    tried = destinations(folder, sys.argv[2])
    pipelines = {
        name: dlt.pipeline(
            f"try_{name.replace(', ', '_')}",
            destination=each.destination,
            dataset_name=_DATASET,
            pipelines_dir=str(folder / "pipelines"),
        )
        for name, each in tried.items()
    }
    noted: dict[str, list[str]] = {name: [] for name in tried}
    with Emulator(world, clock=clock) as emulator:
        for now in nights(world):
            clock.set(now)
            load(emulator, folder / "own", now)
            for name, each in tried.items():
                source = task_center(
                    emulator.project_ids,
                    endpoint=emulator.endpoint,
                    token=emulator.token,
                    region="eu-de",
                    now=to_datetime(now),
                ).with_resources(*each.tables)
                with _notes(noted[name]):
                    pipelines[name].run(source, **each.options)
    with published(folder / "own") as own:
        for name, each in tried.items():
            counts = {}
            different = {}
            for table in LOADED_TABLES:
                if table.name not in each.tables:
                    continue
                columns = [column.name for column in table.columns if column.name not in _OWN]
                sql = f"select {', '.join(columns)} from task_center.{table.name}"
                ours = _sorted(own.execute(sql).fetchall())
                theirs = _sorted(each.read(pipelines[name], table, columns))
                counts[table.name] = len(theirs)
                if ours != theirs:
                    different[table.name] = [
                        [row for row in ours if row not in theirs],
                        [row for row in theirs if row not in ours],
                    ]
            found[name] = {"counts": counts, "different": different, "noted": noted[name]}
    sys.stdout.write(json.dumps(found))


@contextmanager
def _notes(notes: list[str]) -> Iterator[None]:
    """Add what is warned or logged as a warning."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda log: notes.append(f"{log.name}: {log.getMessage()}")  # type: ignore[method-assign]
    loggers = [logging.getLogger(), logging.getLogger("dlt")]
    for logger in loggers:
        logger.addHandler(handler)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    for logger in loggers:
        logger.removeHandler(handler)
    notes += [f"{each.category.__name__}: {each.message} ({each.filename})" for each in warned]


def _sorted(rows: Rows) -> list[list[str]]:
    return sorted([_text(value) for value in row] for row in rows)


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
    from dlt.common.libs.deltalake import get_delta_tables

    found = get_delta_tables(pipeline, table.name)[table.name].to_pyarrow_table()
    return [tuple(row.values()) for row in found.select(columns).to_pylist()]


def _from_iceberg(pipeline: dlt.Pipeline, table: Table, columns: Sequence[str]) -> Rows:
    from dlt.common.libs.pyiceberg import get_iceberg_tables

    found = get_iceberg_tables(pipeline, table.name)[table.name].scan().to_arrow()
    return [tuple(row.values()) for row in found.select(columns).to_pylist()]


if __name__ == "__main__":
    main()
