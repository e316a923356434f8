"""Archives as Delta tables in a folder: what is there, also after kills, races and redactions."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.database.connect import read_published, registered
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.tables import LOAD_ID
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE
from gaussdb_tasks.publication import delta
from gaussdb_tasks.publication.delta import LANES, OF_LANES, SHARED, Published, read_lanes
from gaussdb_tasks.publication.delta_tables import (
    LANE,
    ConflictError,
    DeltaTables,
    PublicationError,
    active_files,
    rows_of,
)
from tests.support.emulator_client import NOW, Record, record
from tests.support.loads import load
from tests.support.made_once import made_once

pytest.importorskip("deltalake", reason="needs the extra [delta]")

THIRD_PROJECT = "eeeeeeeeeeee4000800000000000000e"
NAMES = tuple(table.name for table in OF_LANES)


@pytest.fixture(scope="session")
def other_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of another archive, of one load."""

    def load_once(folder: Path) -> None:
        _load(folder, NOW, [record(1, NOW - DAY, NOW - DAY + HOUR)])

    return made_once(tmp_path_factory, "other_original", load_once)


@pytest.fixture
def other(other_original: Path, tmp_path: Path) -> DataDir:
    return DataDir(Path(shutil.copytree(other_original, tmp_path / "other")))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def _load(folder: Path, at: int, listed: list[Record], project: str = THIRD_PROJECT) -> None:
    with Emulator(FixedWorld({project: listed}), clock=SettableClock(at)) as emulator:
        load(emulator, folder, at)


def chain_of(data_dir: DataDir) -> list[ChainEntry]:
    return read_chain(Archive(data_dir.archive).entries())


def publish(data_dir: DataDir, lake: Path | str) -> Published:
    with read_published(data_dir.database) as connection:
        return delta.publish(connection, chain_of(data_dir), DeltaTables(str(lake)))


def as_published(
    lake: Path | str, data_dir: DataDir, table: str, versions: Any = None
) -> list[tuple[Any, ...]]:
    """Return a lane's rows at the versions that its row names."""
    tables, (first, *_) = DeltaTables(str(lake)), chain_of(data_dir)
    lane = read_lanes(tables)[first.sha256]
    opened = tables.open(table, (versions or lane.versions)[table])
    assert opened is not None
    connection = duckdb.connect()
    with registered(connection, "found", rows_of(opened, lane.archive_id)):
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


def test_every_table_equals_the_database(data_dir: DataDir, lake: Path) -> None:
    assert publish(data_dir, lake) == Published(5, 5, None)
    assert_equal(lake, data_dir)
    for table in SHARED:
        opened = DeltaTables(str(lake)).open(table.name)
        assert opened is not None
        found = duckdb.sql(f"from read_parquet({active_files(opened)})").fetchall()
        assert sorted(found) == of_database(data_dir, table.name)
    assert all(of_database(data_dir, name) for name in NAMES if name != "archive_acts")


def test_entries_are_appended_night_after_night(data_dir: DataDir, lake: Path) -> None:
    """What is already there stays as it is: no file of versions is written again."""
    publish(data_dir, lake)
    before = files_of(lake, "task_versions")
    assert publish(data_dir, lake) == Published(5, 0, None)
    for number in (6, 7):
        at = NOW + number * DAY
        _load(data_dir.path, at, [record(number, at - HOUR, None), record(5, at, at)])
        assert publish(data_dir, lake) == Published(number, 1, None)
        assert_equal(lake, data_dir)
    after = files_of(lake, "task_versions")
    assert before < after
    assert len(after) == len(before) + 2
    log = next(lake.glob("task_versions/_delta_log"))
    assert len(list(log.glob("*.json"))) == 4, "made, and a commit for each publication"


def files_of(lake: Path, table: str) -> set[str]:
    return {path.name for path in (lake / table).rglob("*.parquet")}


def test_replaced_files_are_deleted_a_night_later(data_dir: DataDir, lake: Path) -> None:
    """Who reads the last publication can go on during the next one."""
    publish(data_dir, lake)
    first = files_of(lake, "tasks")
    versions = read_lanes(DeltaTables(str(lake)))[chain_of(data_dir)[0].sha256].versions
    expected = as_published(lake, data_dir, "tasks")
    for number in (6, 7):
        _load(data_dir.path, NOW + number * DAY, [record(number, NOW + 5 * DAY, None)])
        publish(data_dir, lake)
        if number == 6:
            assert as_published(lake, data_dir, "tasks", versions) == expected
    assert not first & files_of(lake, "tasks")
    assert_equal(lake, data_dir)


def test_archives_lie_side_by_side(data_dir: DataDir, other: DataDir, lake: Path) -> None:
    for each in (data_dir, other):
        publish(each, lake)
    assert_equal(lake, data_dir, other)
    tables = DeltaTables(str(lake))
    assert len(read_lanes(tables)) == 2
    shared = tables.open("task_types")
    assert shared is not None
    assert shared.version() == 1, "the second archive has the same kinds"


def test_a_project_of_another_archive_is_refused(
    data_dir: DataDir, other: DataDir, lake: Path
) -> None:
    publish(other, lake)
    _load(data_dir.path, NOW + 9 * DAY, [])
    with pytest.raises(PublicationError, match=f"has project {THIRD_PROJECT} in eu-de from anoth"):
        publish(data_dir, lake)
    assert list(read_lanes(DeltaTables(str(lake)))) == [chain_of(other)[0].sha256]


def test_an_archive_that_was_continued_elsewhere_is_refused(
    other: DataDir, lake: Path, tmp_path: Path
) -> None:
    fork = DataDir(Path(shutil.copytree(other.path, tmp_path / "fork")))
    for number, each in enumerate((other, fork)):
        _load(each.path, NOW + DAY + number * MINUTE, [])
    publish(other, lake)
    with pytest.raises(PublicationError, match="entry 2 of this archive with another digest"):
        publish(fork, lake)


@pytest.mark.parametrize("count", (2,))
def test_a_stopped_publication_is_completed_by_the_next(
    other: DataDir, lake: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """It stops after some commits of the second night; readers still have the first."""
    publish(other, lake)
    first = {name: of_database(other, name) for name in NAMES}
    listed = [record(1, NOW - DAY, NOW - DAY + HOUR), record(2, NOW, None)]
    _load(other.path, NOW + DAY, listed)
    stop_after(count, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(other, lake)
    monkeypatch.undo()
    for name in NAMES if count < 7 else ():
        assert as_published(lake, other, name) == first[name]
    _load(other.path, NOW + 2 * DAY, listed)  # the next run has one more entry
    publish(other, lake)
    assert_equal(lake, other)


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = DeltaTables.write, iter(range(count))

    def stopping(*arguments: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(DeltaTables, "write", stopping)
