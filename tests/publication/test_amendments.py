"""Amendments reach what is published, also its older snapshots and files."""

from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY
from tests.support.emulator_client import NOW
from tests.support.publishing import TABLES, Place, local_rows

SECRET = b"disk full"


def files_with(text: bytes, *folders: Path) -> list[Path]:
    """Return the files below folders that hold a text."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in found if text in path.read_bytes()]


def kept_bytes(place: Place) -> list[object]:
    """Return where the text is: in files of the target, and in the tables of a server."""
    folders = [place.folder] if place.folder.exists() else []
    found: list[object] = [*files_with(SECRET, *folders)]
    if place.server is not None:
        place.server.run("checkpoint", place.database)
        files = files_with(SECRET, place.server.files_of(place.database))
        found += [
            place.server.run(
                f"select pg_filenode_relation(0, {file.name})::regclass", place.database
            )
            for file in files
        ]
    return found


def redact_reasons(data_dir: DataDir) -> None:
    redact(
        data_dir,
        ["fail_reason"],
        [],
        Amendment("redaction", NOW + 100 * DAY, "a test"),
        is_dry_run=False,
    )


def test_a_redacted_text_is_in_no_file_of_the_target(place: Place, data_dir: DataDir) -> None:
    place.publish(data_dir)
    assert kept_bytes(place), "the text must be there before"
    redact_reasons(data_dir)
    done = place.publish(data_dir)
    assert (done.entries, done.is_replaced, done.is_cleaned) == (1, True, True)
    assert kept_bytes(place) == []
    assert place.rows(TABLES) == local_rows(data_dir, TABLES)


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_a_redacted_text_is_removed_although_the_lane_was_deleted(
    place: Place, data_dir: DataDir
) -> None:
    place.publish(data_dir)
    place.change("delete from task_center.published_archives")
    redact_reasons(data_dir)
    done = place.publish(data_dir)
    assert (done.entries, done.is_replaced, done.is_cleaned) == (6, True, True)
    assert kept_bytes(place) == []


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_a_lake_deletes_no_file_of_others(place: Place, data_dir: DataDir, tmp_path: Path) -> None:
    """It is made in a folder without files; who adds some later hears of it."""
    place.publish(data_dir)
    second = Place(place.kind, place.folder, None, "")
    catalogue = Path(place.url.removeprefix("ducklake:"))
    catalogue.rename(tmp_path / "away")
    with pytest.raises(ConfigurationError, match="has files, such as"):
        second.publish(data_dir)
    (tmp_path / "away").replace(catalogue)
    foreign = place.folder / "files" / "theirs" / "a.parquet"
    foreign.parent.mkdir()
    duckdb.sql("select 1 as n").write_parquet(str(foreign))
    redact_reasons(data_dir)
    with pytest.raises(ConfigurationError, match="move the file"):
        place.publish(data_dir)
    foreign.rename(tmp_path / "moved.parquet")
    assert place.publish(data_dir).is_cleaned
    assert kept_bytes(place) == []
