"""Verify the archive of a data directory, and its database, also while a load is running."""

import time
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_database import verify_database
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.write import read_recorded_head
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError

# A load publishes a moment after it added its entry. Who holds the lock for longer hides nothing.
_MAX_SECONDS_UNPUBLISHED: Final = 60.0
_POLL_SECONDS: Final = 0.2
_MAX_REPEATS: Final = 3


def verify(data_dir: DataDir, options: VerifyOptions) -> Verification:
    """Verify the archive of a data directory, and its database against it.

    A load adds its entry to the archive before it publishes the database, so a running load is
    waited for in between. A database that still lacks entries then differs from its archive. If
    there are findings, and a load added an entry meanwhile, the verification is repeated.
    """
    for _ in range(_MAX_REPEATS):
        entries = Archive(data_dir.archive).entries()
        found = _verify(data_dir, options)
        if found.is_intact or Archive(data_dir.archive).entries() == entries:
            break
    return found


def _verify(data_dir: DataDir, options: VerifyOptions) -> Verification:
    database = data_dir.database
    if not database.exists() and not data_dir.archive.exists():
        message = (
            f"there is neither a database nor an archive in {data_dir.path}; choose the directory "
            "with --data-dir"
        )
        raise ConfigurationError(message)
    identity = _identity(database)
    found = verify_archive(Archive(data_dir.archive), options, database)
    if not database.exists():
        detail = "there is no database; rebuild it from the archive with: gaussdb-tasks rebuild"
        found.add(Fault.MISSING, database.name, detail)
        return found
    _wait_for_publication(data_dir, found)
    if _identity(database) != identity:
        found.matched.clear()  # it is another file now, or was changed
    verify_database(database, found, is_fast=options.is_fast)
    return found


def _identity(database: Path) -> tuple[int, ...] | None:
    try:
        stat = database.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def verify_copy(path: Path, options: VerifyOptions) -> Verification:
    """Verify an archive without a database, such as a copy."""
    if not path.is_dir():
        message = f"--archive: there is no directory {path}"
        raise ConfigurationError(message)
    found = verify_archive(Archive(path), options)
    found.notes.append("the database was not verified")
    return found


def _wait_for_publication(data_dir: DataDir, found: Verification) -> None:
    if not found.chain:
        return
    last, end = found.chain[-1].manifest.sequence, time.monotonic() + _MAX_SECONDS_UNPUBLISHED
    while data_dir.is_locked() and not _records(data_dir.database, last):
        if time.monotonic() > end:
            return
        time.sleep(_POLL_SECONDS)


def _records(database: Path, sequence: int) -> bool:
    try:
        head = read_recorded_head(database)
    except (GaussdbTasksError, duckdb.Error):
        return True  # the checks of the database report it
    return head is not None and head.sequence >= sequence
