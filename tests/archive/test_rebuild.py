"""The archive is enough to rebuild the database, to adopt missing entries, and to continue."""

import os
import shutil
from typing import Any

import duckdb
import pytest

from gaussdb_tasks import load as load_module
from gaussdb_tasks.archive import rebuild as rebuild_module
from gaussdb_tasks.archive.rebuild import rebuild, restore
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database import files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import CheckFailedError, DatabaseError, ExitCode
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE
from tests.support.commands import Command
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record
from tests.support.equal_databases import everything
from tests.support.loads import load, rows

LATER = NOW + 6 * DAY


def load_later(data_dir: DataDir, at: int = LATER) -> LoadReport:
    """Run another load, with one new task."""
    listed = {PROJECT: [record(20, at - HOUR, at - MINUTE)], OTHER_PROJECT: []}
    with Emulator(FixedWorld(listed), clock=SettableClock(at)) as emulator:
        return load(emulator, data_dir.path, at)


def is_intact(data_dir: DataDir) -> bool:
    """Verify archive and database."""
    return verify(data_dir, VerifyOptions()).is_intact


def names(data_dir: DataDir) -> list[str]:
    """Return the names of the entries."""
    return [entry.name for entry in Archive(data_dir.archive).entries()]


def test_a_deleted_database_is_rebuilt(data_dir: DataDir, command: Command) -> None:
    """Every table and view is equal row for row; the appended tables in their order, too."""
    before = everything(data_dir.database)
    data_dir.database.unlink()
    run = command("rebuild", "--data-dir", data_dir.path)
    assert run.exit_code == 0, run.stderr
    assert " 5 entries, 8 task versions in " in run.last_line
    assert everything(data_dir.database) == before
    assert is_intact(data_dir)


def test_records_are_stored_as_zstd_by_a_load_and_by_a_rebuild(data_dir: DataDir) -> None:
    """DuckDB would choose another compression, which takes three times as many bytes."""
    loaded = compressions_of_raw(data_dir)
    rebuild(data_dir, is_replacing=True)
    assert loaded == compressions_of_raw(data_dir)
    assert loaded == {"task_versions": {"ZSTD"}, "rejected_records": {"ZSTD"}}


def compressions_of_raw(data_dir: DataDir) -> dict[str, set[str]]:
    """Return how the database stores the records, by table."""
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        segments = {
            name: connection.execute(
                f"select compression from pragma_storage_info('task_center.{name}') "
                "where column_name = 'raw' and segment_type = 'VARCHAR'"
            ).fetchall()
            for name in ("task_versions", "rejected_records")
        }
    return {name: {each for (each,) in found} for name, found in segments.items()}


def test_columns_and_comments_are_those_of_a_load(data_dir: DataDir) -> None:
    """A rebuilt database has the columns that dlt creates, and the comments on them."""
    sql = """
        select table_name, column_name, data_type, is_nullable, comment from duckdb_columns()
        where schema_name = 'task_center' and not starts_with(table_name, '_dlt') order by all
    """
    before = rows(data_dir.path, sql)
    rebuild(data_dir, is_replacing=True)
    assert rows(data_dir.path, sql) == before


def test_a_load_continues_with_a_rebuilt_database(data_dir: DataDir) -> None:
    """dlt can load into it, and the chain continues."""
    rebuild(data_dir, is_replacing=True)
    report = load_later(data_dir)
    assert report.exit_code is ExitCode.DONE
    assert report.entry_name.startswith("000006-")
    assert report.total("new_count") == 1
    assert is_intact(data_dir)


def test_a_database_is_replaced_only_on_request(data_dir: DataDir, command: Command) -> None:
    """It needs --replace, or another file, which must not exist."""
    for arguments in ((), ("--output", data_dir.database)):
        run = command("rebuild", "--data-dir", data_dir.path, *arguments)
        assert run.exit_code == 2
        assert "--replace" in run.stderr
    other = data_dir.path / "other.duckdb"
    assert command("rebuild", "--data-dir", data_dir.path, "--output", other).exit_code == 0
    assert everything(other) == everything(data_dir.database)


def test_a_damaged_archive_is_refused(data_dir: DataDir, command: Command) -> None:
    """With --skip-damaged it is rebuilt without the damaged files, which are reported: exit 3."""
    file = next(data_dir.archive.glob("000002-*/coverage.parquet"))
    file.write_bytes(b"x")
    run = command("rebuild", "--replace", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "coverage.parquet" in run.stderr
    assert "--skip-damaged" in run.stderr
    output = data_dir.path / "rest.duckdb"
    run = command("rebuild", "--skip-damaged", "--output", output, "--data-dir", data_dir.path)
    assert run.exit_code == 3
    assert "skipped: 000002-20260319T120000Z-load/coverage.parquet" in run.stderr
    before, after = everything(data_dir.database), everything(output)
    assert after["task_center.task_versions"] == before["task_center.task_versions"]
    assert len(after["task_center.coverage"]) < len(before["task_center.coverage"])


def test_a_database_with_more_entries_is_kept(data_dir: DataDir, command: Command) -> None:
    """A rebuild from an archive that lacks its last entries would lose loads."""
    shutil.rmtree(data_dir.archive / names(data_dir)[-1])
    before = data_dir.database.read_bytes()
    run = command("rebuild", "--replace", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "contains entries up to 5, the archive ends at 4" in run.stderr
    assert data_dir.database.read_bytes() == before


class KilledError(Exception):
    """A process that ends here."""


def _killed(*_: Any, **__: Any) -> None:
    raise KilledError


def test_a_killed_rebuild_leaves_the_old_database(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file replaces the old one when it is complete."""
    before = data_dir.database.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(rebuild_module, "apply_views", _killed)
        with pytest.raises(KilledError):
            rebuild(data_dir, is_replacing=True)
    assert data_dir.database.read_bytes() == before


def test_an_unpublished_load_is_adopted(data_dir: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill between archive and database, the next load adds the entry, once."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "publish", _killed)
        with pytest.raises(KilledError):
            load_later(data_dir)
    assert len(names(data_dir)) == 6
    report = load_later(data_dir, LATER + DAY)
    assert report.adopted == (names(data_dir)[5],)
    assert report.exit_code is ExitCode.DONE
    # One task in two loads, listed with other times in the second: two states, each once.
    sql = "select version from task_center.task_versions where job_id like '%20' order by 1"
    assert rows(data_dir.path, sql) == [(1,), (2,)]
    assert rows(data_dir.path, "select max(load_number) from task_center.load_runs") == [(7,)]
    assert is_intact(data_dir)


@pytest.mark.parametrize(
    "place",
    [
        "write_load_entry",
        *(pytest.param(each, marks=pytest.mark.thorough) for each in ("apply_views", "load_into")),
    ],
)
def test_a_load_that_fails_leaves_no_entry(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Archive and data directory stay as they were."""
    before = names(data_dir)
    with monkeypatch.context() as patch:
        patch.setattr(load_module, place, _killed)
        with pytest.raises(KilledError):
            load_later(data_dir)
    assert names(data_dir) == before
    assert not (data_dir.path / ".scratch").exists()
    assert is_intact(data_dir)


def test_a_load_that_fails_its_checks_leaves_no_entry(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that is not published is not in the archive."""

    def failing(_connection: object) -> None:
        message = "a check"
        raise CheckFailedError(message)

    before = names(data_dir)
    monkeypatch.setattr(load_module, "refuse_failed_checks", failing)
    with pytest.raises(CheckFailedError):
        load_later(data_dir)
    assert names(data_dir) == before


def test_the_next_load_rebuilds_a_lost_database(data_dir: DataDir) -> None:
    """The load reports the adopted entries."""
    before = everything(data_dir.database)["task_center.task_versions"]
    data_dir.database.unlink()
    report = load_later(data_dir)
    assert len(report.adopted) == 5
    after = everything(data_dir.database)["task_center.task_versions"]
    assert after[: len(before)] == before
    assert is_intact(data_dir)


def test_the_next_load_updates_an_older_database(data_dir: DataDir) -> None:
    """A database from a backup lacks entries of the archive."""
    chain = read_chain(Archive(data_dir.archive).entries())
    data_dir.database.unlink()
    restore(chain[:3], data_dir.database)
    report = load_later(data_dir)
    assert [name[:6] for name in report.adopted] == ["000004", "000005"]
    assert is_intact(data_dir)


def test_a_damaged_entry_is_not_adopted(data_dir: DataDir) -> None:
    """Nothing is published, and the message names the file."""
    data_dir.database.unlink()
    next(data_dir.archive.glob("000003-*/coverage.parquet")).write_bytes(b"x")
    with pytest.raises(DatabaseError, match=r"coverage\.parquet is missing or damaged"):
        load_later(data_dir)
    assert not data_dir.database.exists()


@pytest.mark.parametrize("damage", ["moved away", "head removed", "head edited"])
def test_a_load_continues_without_an_intact_archive(data_dir: DataDir, damage: str) -> None:
    """Tasks expire, so they are loaded first: the chain continues from the published head."""
    last = data_dir.archive / names(data_dir)[-1]
    if damage == "moved away":
        data_dir.archive.rename(data_dir.path / "aside")
    elif damage == "head removed":
        shutil.rmtree(last)
    else:
        (last / "digest.json").write_text("{}")
    report = load_later(data_dir)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert len(report.archive_problems) == 1
    assert "gaussdb-tasks verify" in report.archive_problems[0]
    assert report.entry_name.startswith("000006-")
    assert not is_intact(data_dir)


def test_a_restored_archive_is_intact(data_dir: DataDir) -> None:
    """Loads that ran meanwhile follow its last entry."""
    aside = data_dir.path / "aside"
    data_dir.archive.rename(aside)
    load_later(data_dir)
    for entry in sorted(aside.iterdir()):
        entry.rename(data_dir.archive / entry.name)
    assert is_intact(data_dir)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_archive_that_cannot_be_written(data_dir: DataDir) -> None:
    """Nothing is published without an entry in the archive."""
    before = data_dir.database.read_bytes()
    data_dir.archive.chmod(0o500)
    try:
        with pytest.raises(DatabaseError):
            load_later(data_dir)
    finally:
        data_dir.archive.chmod(0o700)
    assert data_dir.database.read_bytes() == before
