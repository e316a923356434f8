"""Nights as Delta tables: each brings the rows of new entries only, and all add up."""

import shutil
from pathlib import Path

import pytest

from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.delta_lake import assert_equal, findings, publish, stop_after
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
