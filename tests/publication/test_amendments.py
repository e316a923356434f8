"""Amendments reach what is published, also its older snapshots and files."""

from pathlib import Path

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.database.data_dir import DataDir
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
