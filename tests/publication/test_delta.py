"""Archives as Delta tables in a folder: what is there, also after kills, races and redactions."""

import json
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY, HOUR, iso
from gaussdb_tasks.publication.delta_lanes import read_lane_rows
from gaussdb_tasks.publication.delta_tables import LANE, DeltaTables, active_files, rows_of
from gaussdb_tasks.publication.delta_writer import SHARED, LaneWriter
from gaussdb_tasks.publication.lane import Lane, LaneError
from gaussdb_tasks.publication.publish import refuse_unusable
from gaussdb_tasks.publication.target import parse_target
from tests.support.commands import Command
from tests.support.delta_lake import (
    NAMES,
    SECRET,
    THIRD_PROJECT,
    as_published,
    assert_equal,
    chain_of,
    files_of,
    findings,
    load_third,
    of_database,
    publish,
    publish_at_once,
    row_of,
    stop_after,
    verified,
)
from tests.support.emulator_client import NOW, record
from tests.support.made_once import made_once

pytest.importorskip("deltalake", reason="needs the extra [delta]")


@pytest.fixture(scope="session")
def other_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of another archive, of one load."""

    def load_once(folder: Path) -> None:
        load_third(folder, NOW, [record(1, NOW - DAY, NOW - DAY + HOUR)])

    return made_once(tmp_path_factory, "other_original", load_once)


@pytest.fixture
def other(other_original: Path, tmp_path: Path) -> DataDir:
    return DataDir(Path(shutil.copytree(other_original, tmp_path / "other")))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def test_every_table_equals_the_database(data_dir: DataDir, lake: Path) -> None:
    assert publish(data_dir, lake) == (5, False, False)
    assert_equal(lake, data_dir)
    for table in SHARED:
        opened = DeltaTables(str(lake)).open_known(table.name)
        found = duckdb.sql(f"from read_parquet({active_files(opened)})").fetchall()
        assert sorted(found) == of_database(data_dir, table.name)
    assert all(of_database(data_dir, name) for name in NAMES if name != "archive_acts")


def test_entries_are_appended_night_after_night(data_dir: DataDir, lake: Path) -> None:
    """What is already there stays as it is: no file of versions is written again."""
    publish(data_dir, lake)
    before = files_of(lake, "task_versions")
    assert publish(data_dir, lake) == (0, False, False)
    for number in (6, 7):
        at = NOW + number * DAY
        load_third(data_dir.path, at, [record(number, at - HOUR, None), record(5, at, at)])
        assert publish(data_dir, lake) == (1, False, False)
        assert_equal(lake, data_dir)
    after = files_of(lake, "task_versions")
    assert before < after
    assert len(after) == len(before) + 2
    log = next(lake.glob("task_versions/_delta_log"))
    assert len(list(log.glob("*.json"))) == 4, "made, and a commit for each publication"


def test_replaced_files_are_deleted_a_night_later(data_dir: DataDir, lake: Path) -> None:
    """Who reads the last publication can go on during the next one."""
    publish(data_dir, lake)
    first = files_of(lake, "tasks")
    versions = row_of(lake, data_dir).versions
    expected = as_published(lake, data_dir, "tasks")
    for number in (6, 7):
        load_third(data_dir.path, NOW + number * DAY, [record(number, NOW - 3 * DAY, None)])
        publish(data_dir, lake)
        if number == 6:
            assert as_published(lake, data_dir, "tasks", versions) == expected
    assert not first & files_of(lake, "tasks")
    assert_equal(lake, data_dir)


def test_tasks_of_other_days_are_not_written_again(data_dir: DataDir, lake: Path) -> None:
    """Also those that started later than an observed task."""
    publish(data_dir, lake)
    earlier = tasks_in_use(lake)
    load_third(data_dir.path, NOW + 6 * DAY, [record(6, NOW + 5 * DAY, NOW + 5 * DAY)])
    publish(data_dir, lake)
    later = tasks_in_use(lake) - earlier
    load_third(data_dir.path, NOW + 7 * DAY, [record(7, NOW - 3 * DAY, None)])
    publish(data_dir, lake)
    assert later
    assert later <= tasks_in_use(lake)
    assert not earlier & tasks_in_use(lake)
    assert_equal(lake, data_dir)


def tasks_in_use(lake: Path) -> set[str]:
    return set(active_files(DeltaTables(str(lake)).open_known("tasks")))


def test_archives_lie_side_by_side(data_dir: DataDir, other: DataDir, lake: Path) -> None:
    for each in (data_dir, other):
        publish(each, lake)
    assert_equal(lake, data_dir, other)
    tables = DeltaTables(str(lake))
    assert len(read_lane_rows(tables)) == 2
    shared = tables.open_known("task_types")
    assert shared.version() == 1, "the second archive has the same kinds"


def test_a_project_of_another_archive_is_refused(
    data_dir: DataDir, other: DataDir, lake: Path
) -> None:
    publish(other, lake)
    load_third(data_dir.path, NOW + 9 * DAY, [])
    with pytest.raises(LaneError, match=f"has project {THIRD_PROJECT} .eu-de. from archive"):
        publish(data_dir, lake)
    assert list(read_lane_rows(DeltaTables(str(lake)))) == [chain_of(other)[0].sha256]


@pytest.mark.parametrize("count", [3, 6])
def test_a_stopped_publication_is_completed_by_the_next(
    nights: list[DataDir], lake: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """It stops after some commits of the second night; readers still have the first."""
    first, second, third = nights
    publish(first, lake)
    stop_after(count, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(second, lake)
    monkeypatch.undo()
    assert_equal(lake, first)
    publish((second, third)[count % 2], lake)
    assert_equal(lake, (second, third)[count % 2])


@pytest.mark.parametrize("count", [8])
def test_a_stopped_first_publication_shows_nothing(
    nights: list[DataDir], lake: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    stop_after(count, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(nights[0], lake)
    monkeypatch.undo()
    assert [row.lane.sequence for row in read_lane_rows(DeltaTables(str(lake))).values()] == [0]
    publish(nights[1], lake)
    assert_equal(lake, nights[1])


def test_rows_of_an_entry_that_was_lost_again_are_replaced(
    nights: list[DataDir], lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table has the second entry, but the archive got another one before the lane had it."""
    publish(nights[0], lake)
    stop_after(4, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(nights[1], lake)
    monkeypatch.undo()
    restored = DataDir(Path(shutil.copytree(nights[0].path, tmp_path / "restored")))
    load_third(restored.path, NOW + 2 * DAY, [record(7, NOW, NOW + HOUR)])
    publish(restored, lake)
    assert_equal(lake, restored)


def test_two_publications_of_an_archive_at_once(nights: list[DataDir], lake: Path) -> None:
    """Both try; one commits each table, and the other finds it done."""
    publish(nights[0], lake)
    copy = DataDir(Path(shutil.copytree(nights[1].path, lake.parent / "copy")))
    assert max(publish_at_once(lake, nights[1], copy)) == (1, False, False)
    assert_equal(lake, nights[1])


def files_with(lake: Path, text: str) -> list[Path]:
    """Return the files that hold a text, also compressed."""
    return [
        path
        for path in lake.rglob("*")
        if path.is_file()
        and (
            text.encode() in path.read_bytes()
            or (path.suffix == ".parquet" and text in repr(pq.read_table(path).to_pylist()))
        )
    ]


def test_a_redacted_text_is_in_no_file(
    nights: list[DataDir], redacted: DataDir, lake: Path
) -> None:
    """Neither in Parquet, of which a stopped publication left some, nor in the log."""
    for night in nights:
        publish(night, lake)
    stray = next((lake / "task_versions").glob("*/*.parquet"))
    shutil.copy(stray, stray.with_name("part-stopped.parquet"))
    assert len(files_with(lake, SECRET)) > 2
    assert publish(redacted, lake) == (1, True, True)
    assert files_with(lake, SECRET) == []
    assert_equal(lake, redacted)


@pytest.mark.parametrize("count", [5, 11])
def test_a_stopped_clean_up_is_completed_by_the_next_publication(
    nights: list[DataDir],
    redacted: DataDir,
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    publish(nights[2], lake)
    stop_after(count, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(redacted, lake)
    monkeypatch.undo()
    assert publish(redacted, lake)[2]
    assert files_with(lake, SECRET) == []
    assert_equal(lake, redacted)


def test_verify_finds_what_differs(
    nights: list[DataDir], lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row too many, a changed one and a missing one, each in another table."""
    first, second, _ = nights
    publish(first, lake)
    assert findings(first, lake) == set()
    assert findings(second, lake) == {("missing", str(lake), None)}  # the second entry
    stop_after(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        publish(second, lake)
    monkeypatch.undo()
    assert findings(first, lake) == set(), "rows of a publication that is not complete count"
    forged = DataDir(Path(shutil.copytree(second.path, tmp_path / "forged")))
    with duckdb.connect(forged.database) as connection:
        connection.execute("update task_center.tasks set status = 'Failed' where job_id like '%1'")
        connection.execute("delete from task_center.coverage where observed_at < now()::timestamp")
        connection.execute("insert into task_center.task_versions from task_center.task_versions")
    shutil.rmtree(lake)
    publish(forged, lake)
    assert findings(second, lake) == set(), "rows come from the archive, not from the database"
    shutil.rmtree(lake)
    lane, digests = lane_of(second)
    with read_published(forged.database) as connection:
        LaneWriter(DeltaTables(str(lake)), lane, digests, []).write(connection)
    assert findings(second, lake) == {
        ("differs", "task_center.tasks", "status"),
        ("differs", "task_center.coverage", None),
        ("differs", "task_center.task_versions", None),
    }


def test_the_first_entry_of_an_archive_can_be_lost(
    data_dir: DataDir, lake: Path, command: Command
) -> None:
    """The second one names it. So the archive is found there, and what it lacks."""
    publish(data_dir, lake)
    given = ("--data-dir", data_dir.path, "--to", lake, "--format", "json")
    before = json.loads(command("publish", "--status", *given).stdout)
    shutil.rmtree(min(data_dir.archive.iterdir()))
    assert json.loads(command("publish", "--status", *given).stdout) == before
    found = findings(data_dir, lake)
    assert ("gap", "000002-20260319T120000Z-load", None) in found
    assert ("differs", "task_center.load_runs", None) in found


def test_verify_finds_what_somebody_else_wrote(nights: list[DataDir], lake: Path) -> None:
    """Readers see the newest version; another publication replaces what was written."""
    data_dir = nights[0]
    publish(data_dir, lake)
    tables = DeltaTables(str(lake))
    opened = tables.open_known("coverage")
    rows = rows_of(opened).to_table()
    stray = rows.set_column(rows.schema.get_field_index(LANE), LANE, [["nobody"] * rows.num_rows])
    for each in (rows, stray):
        tables.write(tables.open_known("coverage"), each.to_reader(), {})
    found = ("differs", "task_center.coverage", None)
    details = [each.detail for each in verified(data_dir, lake)]
    assert findings(data_dir, lake) == {found}
    assert sorted(details) == [
        "rows are there twice",
        "rows of lane nobody are there, which no archive published",
    ]
    publish(data_dir, lake, is_replacing=True)
    assert [each.detail for each in verified(data_dir, lake)] == details[:1]


def lane_of(data_dir: DataDir) -> tuple[Lane, dict[int, str]]:
    """Return the lane of a whole archive, and the digests of its entries."""
    chain = chain_of(data_dir)
    digests = {entry.manifest.sequence: entry.sha256 for entry in chain}
    return Lane(chain[0].sha256, len(chain), chain[-1].sha256, iso(NOW), "0"), digests


def test_another_version_of_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltalake.__version__", "1.0.0")
    with pytest.raises(ConfigurationError, match=r"deltalake 1\.0\.0 is installed"):
        refuse_unusable(parse_target("lake"))
