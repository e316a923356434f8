"""An archive that is published answers like its local database."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.audited_archive import AuditedArchive
from tests.support.commands import Command
from tests.support.publishing import TABLES, Place, local_rows, new_place


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_published_rows_and_views_are_those_of_the_database(
    place: Place, data_dir: DataDir
) -> None:
    done = place.publish(data_dir)
    assert (done.entries, done.sequence, done.is_cleaned) == (5, 5, False)
    expected = local_rows(data_dir)
    assert place.rows() == expected
    again = place.publish(data_dir)
    assert again.entries == 0
    assert place.rows(TABLES) == {name: expected[name] for name in TABLES}


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_commands_publish_show_and_verify(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    """What was not published by this program is a finding."""
    given = ["--data-dir", str(data_dir.path)]
    empty = command("publish", "--status", *given, *place.options)
    published = command("publish", *given, *place.options, "--format", "json")
    assert published.exit_code == 0, published.stderr
    assert "published 5 entries" in published.stderr
    answer = json.loads(published.stdout)
    assert answer["sequence"] == 5
    status = command("publish", "--status", *given, *place.options, "--format", "json")
    (lane,) = json.loads(status.stdout)["archives"]
    assert (lane["archive_sequence"], lane["entries_waiting"]) == (5, 0)
    assert lane["archive_id"] == answer["archive_id"]
    verified = command("verify", *given, "--published", place.url)
    assert verified.exit_code == 0, verified.stderr + verified.stdout
    place.change("update task_center.tasks set status = 'Failed' where job_id like '%5'")
    place.change("delete from task_center.rejected_records")
    place.change("insert into task_center.coverage from task_center.coverage limit 1")
    place.change(
        "insert into task_center.vanished_tasks "
        "select * replace ('nobody' as project_id) from task_center.vanished_tasks limit 1"
    )
    found = command("verify", *given, "--published", place.url, "--format", "json")
    assert found.exit_code == 1
    findings = json.loads(found.stdout)["findings"]
    assert {(each["where"], each["column"]) for each in findings} == {
        ("task_center.tasks", "status"),
        ("task_center.rejected_records", None),
        ("task_center.coverage", None),
        ("task_center.vanished_tasks", None),
    }
    assert empty.exit_code == 2, empty.stderr
    assert "yet; publish to it first" in empty.stderr


def test_an_archive_with_every_kind_of_entry_answers_as_its_database(
    place: Place, audited: AuditedArchive, tmp_path: Path
) -> None:
    """It has retention, redaction, renormalisation and a rotation, one after the other."""
    data_dir = audited.copied(tmp_path).data_dir
    entries = sorted(path.name for path in data_dir.archive.iterdir())
    kinds = {name.rpartition("-")[2] for name in entries}
    assert kinds == {"load", "retention", "redaction", "renormalisation", "rotation"}
    assert place.publish(data_dir).entries == len(entries)
    assert place.rows() == local_rows(data_dir)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_what_was_edited_there_is_replaced(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    """An edited lane is noticed; for rows, there is an option."""
    given = ["publish", "--data-dir", str(data_dir.path), *place.options]
    place.publish(data_dir)
    for column, value in (
        (
            "head_digest",
            "(select min_by(head_digest, archive_sequence) from task_center.load_runs)",
        ),
        ("archive_sequence", "1"),
    ):
        place.change(f"update task_center.published_archives set {column} = {value}")
    assert place.publish(data_dir).entries == 4
    expected = local_rows(data_dir)
    assert place.rows() == expected
    place.change("update task_center.tasks set status = 'Failed'")
    place.change("delete from task_center.load_runs")
    assert place.publish(data_dir).entries == 0
    done = command(*given, "--replace")
    assert "all rows were replaced" in done.stderr
    assert place.rows() == expected


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_rows_that_are_written_again_are_of_undamaged_entries(
    place: Place, data_dir: DataDir, tmp_path: Path
) -> None:
    """A night needs no earlier entry, unless rows there were edited."""
    earlier = DataDir(tmp_path / "earlier")
    shutil.copytree(data_dir.path, earlier.path)
    shutil.rmtree(max(earlier.archive.iterdir()))
    place.publish(earlier)
    place.change("delete from task_center.load_runs")
    before = place.rows(TABLES)
    first, damaged, *_ = sorted(data_dir.archive.glob("*/task_versions*.parquet"))
    damaged.write_bytes(first.read_bytes())
    with pytest.raises(ArchiveError, match=damaged.parent.name):
        place.publish(data_dir)
    assert place.rows(TABLES) == before


@pytest.mark.parametrize("place", ["postgres", "lake", "file_lake"], indirect=True)
def test_a_view_that_was_edited_is_found_and_made_again(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    given = ["--data-dir", str(data_dir.path), "--published", place.url, "--format", "json"]
    place.publish(data_dir)
    assert command("verify", *given).exit_code == 0
    place.change(
        "create or replace view main.task_regressions as "
        "select region, task_name from task_center.tasks where false"
    )
    found = command("verify", *given)
    assert found.exit_code == 1
    assert [each["where"] for each in json.loads(found.stdout)["findings"]] == ["main"]
    place.publish(data_dir)
    if place.server is not None:  # how PostgreSQL shows a definition depends on it
        place.server.run(f"alter database {place.database} set search_path = main, task_center")
    assert command("verify", *given).exit_code == 0
    assert place.rows() == local_rows(data_dir)


def deleted(file: Path) -> None:
    file.unlink()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def overwritten(file: Path) -> None:
    size = file.stat().st_size
    file.write_bytes(bytes(size - 4) + b"PAR1")


@pytest.fixture(params=["file_lake", "delta"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new target whose rows are in files below the folder of the test."""
    if request.param == "delta":
        pytest.importorskip("deltalake")
        yield str(tmp_path / "target")
    else:
        yield from (place.url for place in new_place("file_lake", request, tmp_path))


@pytest.mark.parametrize(
    ("damage", "table"),
    [(deleted, "task_versions"), (emptied, "task_types"), (overwritten, "tasks")],
)
def test_a_damaged_file_is_found_and_replaced(
    data_dir: DataDir, command: Command, files: str, damage: Callable[[Path], None], table: str
) -> None:
    given = ["--data-dir", str(data_dir.path)]
    assert command("publish", *given, "--to", files).exit_code == 0
    damage(data_files(data_dir, table)[0])
    found = command("verify", *given, "--published", files, "--format", "json")
    assert found.exit_code == 1, found.stderr
    (finding,) = json.loads(found.stdout)["findings"]
    assert finding["fault"] == ("missing" if damage is deleted else "invalid")
    assert finding["where"] == f"task_center.{table}"
    assert finding["detail"].startswith("it cannot be read: ")
    assert command("publish", *given, "--to", files, "--replace").exit_code == 0
    assert command("verify", *given, "--published", files).exit_code == 0


def test_a_target_without_its_lanes_is_refused(
    data_dir: DataDir, command: Command, files: str
) -> None:
    """The error says what is possible then."""
    given = ["--data-dir", str(data_dir.path)]
    command("publish", *given, "--to", files)
    for file in data_files(data_dir, "published_archives"):
        file.unlink()
    for name, option in (("publish", "--to"), ("verify", "--published")):
        refused = command(name, *given, option, files)
        assert refused.exit_code == 1
        assert "or publish to another --to" in refused.stderr


def data_files(data_dir: DataDir, table: str) -> list[Path]:
    return [*data_dir.path.parent.glob(f"target/**/{table}/**/*.parquet")]


@pytest.mark.parametrize("place", ["postgres", "file_lake"], indirect=True)
def test_what_was_dropped_there_is_found_and_made_again(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    given = ["--data-dir", str(data_dir.path)]
    cascade = " cascade" if place.kind == "postgres" else ""
    place.publish(data_dir)
    place.change(f"drop view main.failed_tasks{cascade}")
    place.change("alter table task_center.rejected_records rename raw to other")
    place.change(f"drop table task_center.vanished_tasks{cascade}")
    found = command("verify", *given, "--published", place.url, "--format", "json")
    missing = {
        each["where"]: each["detail"]
        for each in json.loads(found.stdout)["findings"]
        if each["fault"] == "missing"
    }
    assert missing.pop("main.failed_tasks") == "the view is missing"
    assert "raw" in missing["task_center.rejected_records"]
    assert "vanished_tasks does not exist" in missing["task_center.vanished_tasks"]
    place.change(f"drop table task_center.published_archives{cascade}")
    place.change("drop table task_center.rejected_records")
    status = command("publish", "--status", *given, *place.options)
    assert (status.exit_code, "5 entries wait" in status.stderr) == (0, True)
    assert place.publish(data_dir).entries == 5
    assert place.rows() == local_rows(data_dir)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_views_of_others_on_the_views_do_not_stop_a_publication(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    """Neither those of an analyst, nor those that the loader's user has in the same schema."""
    assert place.server is not None
    given = ["publish", "--data-dir", str(data_dir.path), *place.options]
    place.publish(data_dir)
    place.server.run("create view main.own as select * from task_center.tasks", place.database)
    assert command(*given, "--replace").exit_code == 0
    place.server.run(
        "create schema bi; create materialized view bi.failures as select * from main.failed_tasks",
        place.database,
    )
    replaced = command(*given, "--replace")
    assert replaced.exit_code == 0, replaced.stderr
    counts = "select (select count(*) from bi.failures), (select count(*) from main.own)"
    assert place.server.run(counts, place.database).strip() == "1|7"
    assert place.rows() == local_rows(data_dir)
    place.server.run(
        "drop materialized view bi.failures; drop view main.failed_tasks cascade; "
        "create view main.failed_tasks as select 1 as of_another_version; "
        "create view bi.failures as select * from main.failed_tasks",
        place.database,
    )
    refused = command(*given, "--replace")
    assert refused.exit_code == 2
    assert "bi.failures reads it; drop that one" in refused.stderr


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_a_dropped_view_is_there_after_the_next_entry(
    place: Place, data_dir: DataDir, original: Path, tmp_path: Path
) -> None:
    earlier = DataDir(Path(shutil.copytree(original, tmp_path / "earlier")))
    shutil.rmtree(max(earlier.archive.iterdir()))
    place.publish(earlier)
    place.change("drop view main.failed_tasks")
    place.change("drop table task_center.load_runs")
    assert place.publish(data_dir).entries == 1
    assert place.rows() == local_rows(data_dir)


@pytest.mark.parametrize("place", ["file_lake"], indirect=True)
def test_a_lake_of_another_version_is_refused(
    place: Place, data_dir: DataDir, command: Command
) -> None:
    place.publish(data_dir)
    with duckdb.connect(place.url.removeprefix("ducklake:")) as catalogue:
        catalogue.execute("update ducklake_metadata set value = '9.7' where key = 'version'")
    given = ["--data-dir", str(data_dir.path)]
    for run in (
        command("publish", *given, *place.options),
        command("publish", "--status", *given, *place.options),
        command("verify", *given, "--published", place.url),
    ):
        assert run.exit_code == 2, run.stderr
        assert "made by another version of DuckLake" in run.stderr


def test_a_lake_in_a_file_needs_no_data_path(
    data_dir: DataDir, command: Command, tmp_path: Path
) -> None:
    """DuckLake has the data files beside it; files that lie there already are others'."""
    pytest.importorskip("duckdb_extension_ducklake")
    url = f"ducklake:{tmp_path / 'new' / 'lake.ducklake'}"
    given = ("--data-dir", data_dir.path)
    published = command("publish", *given, "--to", url)
    assert published.exit_code == 0, published.stderr
    assert list((tmp_path / "new/lake.ducklake.files").rglob("*.parquet"))
    verified = command("verify", *given, "--published", url)
    assert verified.exit_code == 0, verified.stderr
    (tmp_path / "new/lake.ducklake").unlink()
    refused = command("publish", *given, "--to", url)
    assert (refused.exit_code, "has files, such as" in refused.stderr) == (2, True)
