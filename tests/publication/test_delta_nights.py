"""Nights as Delta tables: each brings the rows of new entries only, and all add up."""

import shutil
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.publication.delta_tables import DeltaTables
from tests.support.audited_archive import AuditedArchive
from tests.support.delta_lake import assert_equal, files_of, findings, publish, stop_after
from tests.support.invented_nights import NIGHTS, first_nights

pytest.importorskip("deltalake", reason="needs the extra [delta]")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def test_a_night_reads_no_rows_of_earlier_entries(
    invented_nights: DataDir, lake: Path, tmp_path: Path
) -> None:
    """Their files are gone, and there is no local database. All rows of all nights are there.

    Only the first entry stays whole: it has the documented task types.
    """
    for count in (1, 2, 3, 5, 6, NIGHTS):  # a night was skipped, then several
        data_dir = first_nights(invented_nights, count, tmp_path / "nights")
        publish(data_dir, lake)
        for file in data_dir.archive.glob("*/*.parquet"):
            if not file.parent.name.startswith("000001-"):
                file.unlink()
    assert_equal(lake, invented_nights)
    assert findings(invented_nights, lake) == set()


def test_nights_that_are_stopped_add_up(
    invented_nights: DataDir, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is stopped after another commit, so that each table has other entries."""
    nights = tmp_path / "nights"
    publish(first_nights(invented_nights, 3, nights), lake)
    for count, commits in ((4, 6), (5, 1), (6, 3), (7, 0)):
        stop_after(commits, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            publish(first_nights(invented_nights, count, nights), lake)
        monkeypatch.undo()
    publish(first_nights(invented_nights, NIGHTS, nights), lake)
    assert_equal(lake, invented_nights)


def test_what_was_edited_there_is_found_after_a_night(
    invented_nights: DataDir, lake: Path, tmp_path: Path
) -> None:
    """Rows of tasks that are observed again are kept there, whether they were edited or not."""
    nights = tmp_path / "nights"
    publish(first_nights(invented_nights, NIGHTS - 1, nights), lake)
    tasks = DeltaTables(str(lake)).open_known("tasks")
    with duckdb.connect(invented_nights.database) as connection:
        sql = """
            select job_id from task_center.tasks
            where last_seen_at > last_changed_at order by last_seen_at desc, job_id limit 2
        """
        (edited,), (deleted,) = connection.execute(sql).fetchall()
    tasks.update({"status": "'Forged'"}, predicate=f"job_id = '{edited}'")
    tasks.delete(f"job_id = '{deleted}'")
    publish(invented_nights, lake)
    assert findings(invented_nights, lake) == {
        ("differs", "task_center.tasks", "status"),
        ("differs", "task_center.tasks", None),
    }


def test_an_amendment_that_replaces_no_rows_is_appended(
    audited: AuditedArchive, lake: Path, tmp_path: Path
) -> None:
    data_dir = audited.data_dir
    names = sorted(path.name for path in data_dir.archive.iterdir())
    (rotated,) = (place for place, name in enumerate(names) if name.endswith("-rotation"))
    publish(first_nights(data_dir, rotated, tmp_path / "nights"), lake)
    versions = files_of(lake, "task_versions")
    done = publish(first_nights(data_dir, len(names), tmp_path / "nights"), lake)
    assert done == (len(names) - rotated, False, False)
    assert versions <= files_of(lake, "task_versions")
    assert_equal(lake, data_dir)


def test_a_table_that_is_made_again_gets_all_rows_of_intact_entries(
    invented_nights: DataDir, lake: Path, tmp_path: Path
) -> None:
    nights = tmp_path / "nights"
    data_dir = first_nights(invented_nights, NIGHTS - 1, nights)
    publish(data_dir, lake)
    shutil.rmtree(lake / "coverage")
    shutil.rmtree(lake / "vanished_tasks")
    first_nights(invented_nights, NIGHTS, nights)
    damaged = next(data_dir.archive.glob("000003-*/load_runs.parquet"))
    intact = damaged.read_bytes()
    damaged.write_bytes(next(data_dir.archive.glob("000004-*/load_runs.parquet")).read_bytes())
    with pytest.raises(ArchiveError, match="is missing or damaged"):
        publish(data_dir, lake)
    damaged.write_bytes(intact)
    publish(data_dir, lake)
    assert_equal(lake, invented_nights)
