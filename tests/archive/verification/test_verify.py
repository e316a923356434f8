"""Verify while a load is running: it waits for the publication, and hides nothing."""

import shutil
import time
from pathlib import Path

import pytest

from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verification import verify as verify_module
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir


@pytest.fixture
def newest(data_dir: DataDir, tmp_path: Path) -> Path:
    """Put a database in place that lacks the last two entries; return the one that has them."""
    newest = tmp_path / "newest.duckdb"
    shutil.move(data_dir.database, newest)
    restore(read_chain(Archive(data_dir.archive).entries())[:-2], data_dir.database)
    return newest


def test_a_publication_is_waited_for(
    data_dir: DataDir, newest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: newest.replace(data_dir.database))
    with data_dir.locked():
        assert verify(data_dir, VerifyOptions()).is_intact


@pytest.mark.usefixtures("newest")
@pytest.mark.parametrize("is_fast", [True, False])
def test_whoever_holds_the_lock_hides_no_missing_entry(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch, *, is_fast: bool
) -> None:
    monkeypatch.setattr(verify_module, "_MAX_SECONDS_UNPUBLISHED", 0.0)
    with data_dir.locked():
        found = verify(data_dir, VerifyOptions(is_fast=is_fast))
    lacking = [each.entry for each in found.findings if "lacks this entry" in each.detail]
    assert lacking == [each.name for each in Archive(data_dir.archive).entries()[-2:]]


def test_a_load_that_ends_during_the_verification_is_no_finding(
    data_dir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It adds its entry after the archive was read, and publishes before the database is opened."""
    newest, entry = tmp_path / "newest.duckdb", Archive(data_dir.archive).entries()[-1]
    shutil.move(data_dir.database, newest)
    restore(read_chain(Archive(data_dir.archive).entries())[:-1], data_dir.database)
    shutil.move(entry.path, tmp_path / entry.name)

    def publish(archive: Archive, options: VerifyOptions, database: Path) -> Verification:
        found = verify_archive(archive, options, database)
        if newest.exists():
            shutil.move(tmp_path / entry.name, entry.path)
            newest.replace(data_dir.database)
        return found

    monkeypatch.setattr(verify_module, "verify_archive", publish)
    assert verify(data_dir, VerifyOptions()).is_intact
