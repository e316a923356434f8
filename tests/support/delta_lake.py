"""Archives to publish as Delta tables, and what is there afterwards."""

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.verification.findings import Finding
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.connect import read_published, registered
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, HOUR
from gaussdb_tasks.publication.delta_lanes import LaneRow, read_lane_rows
from gaussdb_tasks.publication.delta_tables import LANE, DeltaTables, rows_of
from gaussdb_tasks.publication.delta_writer import OF_LANES
from gaussdb_tasks.publication.publish import publish_entries, verify_published
from gaussdb_tasks.publication.target import parse_target
from tests.support.emulator_client import NOW, Record, record
from tests.support.loads import load
from tests.support.made_once import made_once

THIRD_PROJECT = "eeeeeeeeeeee4000800000000000000e"
SECRET = "disk of tenant-4711 is full"
NAMES = tuple(table.name for table in OF_LANES)


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[DataDir]:
    """Return an archive after each of three loads."""

    def load_each(folder: Path) -> None:
        listed = [record(1, NOW - DAY, NOW - DAY + HOUR), record(2, NOW - HOUR, None)]
        for number in range(3):
            if number:
                shutil.copytree(folder / str(number - 1), folder / str(number))
            more = [record(3 + number, NOW - 2 * DAY, NOW + number * DAY, fail_reason=SECRET)]
            load_third(folder / str(number), NOW + number * DAY, listed + more)

    folder = made_once(tmp_path_factory, "nights_of_delta", load_each)
    return [DataDir(folder / str(number)) for number in range(3)]


@pytest.fixture(scope="session")
def redacted(nights: list[DataDir], tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """Return the archive of three nights after a redaction."""

    def redact_copy(folder: Path) -> None:
        data_dir = DataDir(Path(shutil.copytree(nights[2].path, folder / "data")))
        amendment = Amendment("redaction", NOW + 100 * DAY, "a test")
        redact(data_dir, ["fail_reason"], [], amendment, is_dry_run=False)

    return DataDir(made_once(tmp_path_factory, "redacted_of_delta", redact_copy) / "data")


def load_third(folder: Path, at: int, listed: list[Record], project: str = THIRD_PROJECT) -> None:
    with Emulator(FixedWorld({project: listed}), clock=SettableClock(at)) as emulator:
        load(emulator, folder, at)


def chain_of(data_dir: DataDir) -> list[ChainEntry]:
    return read_chain(Archive(data_dir.archive).entries())


def publish(
    data_dir: DataDir, lake: Path | str, *, is_replacing: bool = False
) -> tuple[int, bool, bool]:
    """Publish; return the new entries, and whether rows were replaced and files cleaned."""
    with data_dir.locked_with_archive(), data_dir.scratch("publish") as scratch:
        done = publish_entries(
            data_dir, parse_target(str(lake)), scratch, is_replacing=is_replacing
        )
    assert done.sequence == chain_of(data_dir)[-1].manifest.sequence
    return done.entries, done.is_replaced, done.is_cleaned


def publish_at_once(lake: Path | str, *data_dirs: DataDir) -> list[tuple[int, bool, bool]]:
    """Publish archives, each in a process: threads of one would wait for each other in deltalake.

    Args:
        lake: where they are published.
        data_dirs: the directories of the archives.
    """
    context = get_context("forkserver")  # its server may have been started before the test
    with ProcessPoolExecutor(len(data_dirs), context, _set_variables, (dict(os.environ),)) as pool:
        return list(pool.map(publish, data_dirs, [lake] * len(data_dirs)))


def _set_variables(variables: Mapping[str, str]) -> None:
    os.environ |= variables


@cache
def tables_in(lake: str) -> DeltaTables:
    """Open a lake once: a client of a bucket takes half a second."""
    return DeltaTables(lake)


def row_of(lake: Path | str, data_dir: DataDir) -> LaneRow:
    return read_lane_rows(tables_in(str(lake)))[chain_of(data_dir)[0].sha256]


def as_published(
    lake: Path | str, data_dir: DataDir, table: str, versions: Mapping[str, int] | None = None
) -> list[tuple[Any, ...]]:
    """Return a lane's rows at the versions that its row names, or at others."""
    row = row_of(lake, data_dir)
    opened = tables_in(str(lake)).open_known(table, (versions or row.versions)[table])
    rows = rows_of(opened, row.lane.archive_id)
    with duckdb.connect() as connection, registered(connection, "found", rows):
        found = connection.execute(f"select * exclude ({LANE}) from found").fetchall()
    return sorted(found, key=repr)


def of_database(data_dir: DataDir, table: str) -> list[tuple[Any, ...]]:
    with read_published(data_dir.database) as connection:
        rows = connection.execute(f"from task_center.{table}").fetchall()
    return sorted(rows, key=repr)


def assert_equal(lake: Path | str, *data_dirs: DataDir) -> None:
    for data_dir in data_dirs:
        for name in NAMES:
            found, wanted = as_published(lake, data_dir, name), of_database(data_dir, name)
            assert (name, found) == (name, wanted)


def files_of(lake: Path, table: str) -> set[str]:
    return {path.name for path in (lake / table).rglob("*.parquet")}


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the next publication after some commits."""
    write, left = DeltaTables.write, iter(range(count))

    def stopping(*arguments: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(DeltaTables, "write", stopping)


def verified(data_dir: DataDir, lake: Path) -> list[Finding]:
    return verify_published(data_dir, parse_target(str(lake)), VerifyOptions()).findings


def findings(data_dir: DataDir, lake: Path) -> set[tuple[str, str, str | None]]:
    return {(each.fault.value, each.where, each.column) for each in verified(data_dir, lake)}
