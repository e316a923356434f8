"""Verify the archive of a data directory, and its database, also while a load is running."""

from pathlib import Path

import duckdb

from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.verify_database import recorded_sequence, verify_database
from gaussdb_tasks.archive.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError


def verify(data_dir: DataDir, options: VerifyOptions) -> Verification:
    """Verify the archive of a data directory, and its database against it.

    A load adds its entry to the archive before it publishes the database. While a load is running,
    such an entry is reported in a note and not compared.
    """
    database = data_dir.database
    if not database.exists() and not data_dir.archive.exists():
        message = (
            f"there is neither a database nor an archive in {data_dir.path}; choose the directory "
            "with --data-dir"
        )
        raise ConfigurationError(message)
    found = verify_archive(Archive(data_dir.archive), options)
    if not database.exists():
        detail = "there is no database; rebuild it from the archive with: gaussdb-tasks rebuild"
        found.add(Fault.MISSING, database.name, detail)
        return found
    if data_dir.is_locked():
        _skip_unpublished_entries(database, found)
    verify_database(database, found, is_fast=options.is_fast)
    return found


def verify_copy(path: Path, options: VerifyOptions) -> Verification:
    """Verify an archive without a database, such as a copy."""
    if not path.is_dir():
        message = f"--archive: there is no directory {path}"
        raise ConfigurationError(message)
    found = verify_archive(Archive(path), options)
    found.notes.append("the database was not verified")
    return found


def _skip_unpublished_entries(database: Path, found: Verification) -> None:
    try:
        last = recorded_sequence(database)
    except (GaussdbTasksError, duckdb.Error):
        return  # the checks of the database report it
    for entry in [entry for entry in found.chain if entry.manifest.sequence > last]:
        found.chain.remove(entry)
        found.notes.append(f"{entry.name} is not published yet: a load is running")
