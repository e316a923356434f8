"""Verify the published database against the archive: which load, which task, which column."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import duckdb

from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_catalog import verify_catalog
from gaussdb_tasks.archive.verification.verify_derived import verify_states
from gaussdb_tasks.archive.verification.verify_recorded_entries import (
    verify_amendments,
    verify_recorded_entries,
)
from gaussdb_tasks.archive.verification.verify_rows import verify_counts, verify_rows
from gaussdb_tasks.database.connect import journal_of
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import DatabaseError, GaussdbTasksError, ResourceError

Check: TypeAlias = Callable[[duckdb.DuckDBPyConnection, Verification], None]

FAST_CHECKS: Final = (verify_catalog, verify_recorded_entries, verify_amendments, verify_counts)
_INCOMPLETE: Final = "it cannot be read completely: "
FULL_CHECKS: Final = (
    verify_catalog,
    verify_recorded_entries,
    verify_amendments,
    verify_rows,
    verify_states,
)


def verify_database(path: Path, found: Verification, *, is_fast: bool) -> None:
    """Compare the published database with the chain; a fast check counts rows only."""
    journal = journal_of(path)
    if journal.exists():
        detail = (
            "another program writes to the database: loads leave no write-ahead log, and readers "
            "see its changes"
        )
        found.add(Fault.EXTRA, journal.name, detail)
    checks: Sequence[Check] = FAST_CHECKS if is_fast else FULL_CHECKS
    try:
        while checks:
            with read_untrusted(path) as connection:
                checks = _run(checks, connection, found, path.name)
    except ResourceError:
        raise
    except DatabaseError as error:  # a fault of the machine, or another program writes to it
        found.add(Fault.UNREAD, path.name, f"it was not verified: {error}")
    except GaussdbTasksError as error:
        found.add_unreadable(path.name, error, entry=None)
    except duckdb.Error as error:
        found.add_unreadable(path.name, error, entry=None, words=_INCOMPLETE)


def _run(
    checks: Sequence[Check],
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    name: str,
) -> Sequence[Check]:
    """Run checks until one fails; return those that are left, for a new connection.

    A damaged block invalidates the connection.
    """
    for count, check in enumerate(checks, start=1):
        try:
            check(connection, found)
        except duckdb.Error as error:
            found.add_unreadable(name, error, entry=None, words=_INCOMPLETE)
            return checks[count:]
    return ()
