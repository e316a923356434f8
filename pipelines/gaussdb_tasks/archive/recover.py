"""Recover a database that lacks entries of the archive, before a load continues.

A load adds its entry to the archive, and then publishes its database. If it is killed in between,
the database lacks the entry. The next load adopts it: it brings the rows into the database, once.
The same recovers a database that was lost, or that was restored from an old copy.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.manifest import LOAD, ManifestError
from gaussdb_tasks.archive.replay import apply_entries, create_tables
from gaussdb_tasks.archive.store import Archive, ChainEntry, Entry, file_sha256, tombstone_name
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.write import (
    Head,
    chain_head,
    create_amendments_table,
    read_recorded_head,
    recorded_head,
)
from gaussdb_tasks.database.state import has_tables
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.os_errors import refuse_fault_of_machine

_REMEDY: Final = "run gaussdb-tasks verify, and restore the files that it lists from a copy"


class ArchiveError(DatabaseError):
    """The archive is damaged, or the chain cannot be continued."""


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """Describe how the database is brought up to date with the archive.

    Attributes:
        missing: entries that the database lacks.
        is_rebuild: whether to create a new database: there is none, or it lacks an amendment.
        recorded: the newest entry that the database records.
    """

    archive: Archive
    missing: tuple[Entry, ...]
    is_rebuild: bool
    recorded: Head | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """Describe the database after the recovery.

    Attributes:
        head: the entry that the next one follows; None for the first.
        adopted: names of the entries that were brought into the database.
        problems: faults of the archive, as messages.
    """

    head: Head | None
    adopted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def plan_recovery(archive: Archive, published: Path) -> RecoveryPlan:
    """Compare the archive with the published database; only the entries' names are read.

    Raises:
        DatabaseError: the database holds objects that no load creates.
    """
    head = read_recorded_head(published, is_refusing=True)
    last = 0 if head is None else head.sequence
    missing = tuple(entry for entry in archive.entries() if entry.sequence > last)
    is_new = not published.exists()
    is_rebuild = any(is_new or entry.kind != LOAD for entry in missing)
    return RecoveryPlan(archive, missing, is_rebuild, head)


def recover(connection: duckdb.DuckDBPyConnection, plan: RecoveryPlan) -> Recovered:
    """Bring the missing entries into the clone, and return the head of the chain.

    The clone is new and empty if the plan is a rebuild.

    Raises:
        ArchiveError: a missing entry is damaged.
    """
    create_amendments_table(connection)
    if not has_tables(connection):
        create_tables(connection)
    if plan.missing:
        chain = read_chain(plan.archive.entries())
        first = 0 if plan.is_rebuild else len(chain) - len(plan.missing)
        refuse_damage(chain[first:], recorded_head(connection))
        put_tombstones(plan.archive, chain)  # an amendment may have been stopped before this
        apply_entries(connection, chain, first)
        return Recovered(chain_head(chain), tuple(entry.name for entry in plan.missing))
    head = recorded_head(connection)
    return Recovered(None) if head is None else _check_head(head, plan.archive)


def read_chain(entries: Sequence[Entry]) -> list[ChainEntry]:
    """Read the manifests of entries.

    Raises:
        ArchiveError: a manifest cannot be read.
    """
    chain = []
    for entry in entries:
        try:
            chain.append(entry.read())
        except (ManifestError, OSError) as error:
            refuse_fault_of_machine(error, entry.digest_path)
            message = f"{entry.digest_path}: {error}; {_REMEDY}"
            raise ArchiveError(message) from error
    return chain


def _check_head(head: Head, archive: Archive) -> Recovered:
    """Continue from the head that was published, even if the archive lost or changed it."""
    problem = f"the archive lacks entry {head.sequence}, which the database contains; {_REMEDY}"
    entries = archive.entries()
    for entry in entries:
        if entry.sequence != head.sequence:
            continue
        try:
            (last,) = read_chain([entry])
        except ArchiveError as error:
            problem = str(error)
            continue
        if last.sha256 == head.sha256:
            chain = [last]
            with suppress(ArchiveError):  # then the task types are written once more
                holders = [each for each in entries if each.sequence == last.manifest.task_types]
                chain = [*read_chain(holders), last]
            known = chain_head(chain)
            return Recovered(known and replace(known, archive_id=head.archive_id))
        problem = f"{entry.digest_path} differs from the one that was published; {_REMEDY}"
    return Recovered(head, problems=(problem,))


def refuse_damage(new: Sequence[ChainEntry], head: Head | None) -> None:
    """Refuse entries that do not follow a head, or whose files differ from their digests.

    Raises:
        ArchiveError: an entry is refused.
    """
    previous = None if head is None else head.sha256
    for entry in new:
        if entry.manifest.previous != previous:
            message = (
                f"the archive's entry {entry.name} does not follow the previous entry; {_REMEDY}"
            )
            raise ArchiveError(message)
        previous = entry.sha256
        for table, rows in entry.manifest.tables.items():
            file = entry.file(table)
            if file is None or file.with_name(tombstone_name(file.name)).exists():
                continue
            if not file.exists() or file_sha256(file) != rows.file_sha256:
                message = f"the archive's {entry.name}/{rows.file} is missing or damaged; {_REMEDY}"
                raise ArchiveError(message)
