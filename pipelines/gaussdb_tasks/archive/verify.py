"""Verifying a data directory while loads may be at work in it."""

from pathlib import Path

import duckdb

from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verify_database import known_sequence, verify_database
from gaussdb_tasks.archive.verify_files import Demands, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError


def verify(data_dir: DataDir, demands: Demands) -> Verification:
    """Verify the archive of a data directory, and its database against it.

    A load that publishes meanwhile is no fault: an entry enters the archive before the database.
    """
    database = data_dir.database
    if not database.exists() and not data_dir.archive.exists():
        message = (
            f"there is neither a database nor an archive in {data_dir.path}; name the directory "
            "with --data-dir"
        )
        raise ConfigurationError(message)
    found = verify_archive(Archive(data_dir.archive), demands)
    if not database.exists():
        detail = "there is no database; make it from the archive with: gaussdb-tasks rebuild"
        found.add(Fault.MISSING, database.name, detail)
        return found
    if data_dir.is_locked():
        _leave_out_what_is_under_way(database, found)
    verify_database(database, found, is_fast=demands.is_fast)
    return found


def verify_copy(path: Path, demands: Demands) -> Verification:
    """Verify an archive that lies somewhere without a database."""
    if not path.is_dir():
        message = f"--archive: there is no directory {path}"
        raise ConfigurationError(message)
    found = verify_archive(Archive(path), demands)
    found.notes.append("no database was looked at")
    return found


def _leave_out_what_is_under_way(database: Path, found: Verification) -> None:
    try:
        known = known_sequence(database)
    except (GaussdbTasksError, duckdb.Error):
        return  # the database's own checks say why
    for link in [link for link in found.chain if link.digest.sequence > known]:
        found.chain.remove(link)
        found.notes.append(f"{link.entry.name} is not published yet: a load is at work")
