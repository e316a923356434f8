"""Rebuild the database from the archive alone: write a new file, then put it in place."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.archive.replay import apply_entries
from gaussdb_tasks.archive.store import Archive, ChainEntry
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.verification.findings import Fault, Finding
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.write import read_recorded_head, recorded_head, row_counts
from gaussdb_tasks.database import connect, files
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.model.tables import TASK_VERSIONS
from gaussdb_tasks.os_errors import refuse_fault_of_machine

# Rows can be read in spite of them; `verify` reports them.
_NO_DAMAGE: Final = frozenset({Fault.EXTRA, Fault.SIGNATURE, Fault.TIMESTAMP})


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Describe a rebuilt database.

    Attributes:
        version_count: number of rows of ``task_versions``.
        skipped: findings for damaged entries and files, which were skipped.
    """

    path: Path
    entry_count: int
    version_count: int
    head_digest: str
    seconds: float
    skipped: tuple[Finding, ...] = ()


def rebuild(
    data_dir: DataDir,
    *,
    output: Path | None = None,
    is_replacing: bool = False,
    is_skipping_damage: bool = False,
) -> Rebuilt:
    """Rebuild the database of a data directory from its archive.

    With an output, that file is written, which must not exist; the directory's is not changed.
    Damaged files are an error, or are skipped.

    Raises:
        ConfigurationError: there is no archive, or the target exists.
        ArchiveError: the archive is damaged, or lacks entries that the database contains.
        LockedError: a load is running.
    """
    started = time.monotonic()
    with data_dir.locked_with_archive(), data_dir.scratch("rebuild") as scratch:
        target = output or data_dir.database
        _refuse_to_overwrite(target, is_replacing=is_replacing and output is None)
        archive = Archive(data_dir.archive)
        chain, skipped = read_intact_chain(archive, is_skipping_damage=is_skipping_damage)
        put_tombstones(archive, chain)  # an amendment may have been stopped before this
        if output is None and not is_skipping_damage:
            refuse_data_loss(target, chain[-1].manifest.sequence)
        fresh = scratch / data_dir.database.name
        restore(chain, fresh)
        with connect.read_published(fresh) as connection:
            version_count = row_counts(connection)[TASK_VERSIONS.name]
            head = recorded_head(connection)
        if output is None:
            files.publish(fresh, target)
        else:
            files.move(fresh, target)
    return Rebuilt(
        path=target,
        entry_count=len(chain),
        version_count=version_count,
        head_digest="" if head is None else head.sha256,
        seconds=time.monotonic() - started,
        skipped=skipped,
    )


def restore(chain: Sequence[ChainEntry], path: Path, first: int = 0) -> None:
    """Write a new database with the rows of a chain: the entries, in order.

    Args:
        chain: all entries.
        path: the database.
        first: index of the first entry whose rows are written. Of the tasks that it and later ones
            observed, those are missing whose state is in an earlier one.

    Raises:
        ArchiveError: a file of the archive cannot be read, although it has its digest.
    """
    with connect.writable_clone(None, path) as connection:
        try:
            apply_entries(connection, chain, first)
        except (duckdb.DataError, duckdb.ProgrammingError) as error:
            refuse_fault_of_machine(error)
            reason = str(error).partition("\n")[0]
            message = f"the archive's rows cannot be read: {reason}; run gaussdb-tasks verify"
            raise ArchiveError(message) from error
        apply_views(connection)


def read_intact_chain(
    archive: Archive, *, is_skipping_damage: bool
) -> tuple[list[ChainEntry], tuple[Finding, ...]]:
    """Verify every byte of an archive; return its chain, and findings for what was skipped.

    Raises:
        ArchiveError: the archive is damaged.
    """
    found = verify_archive(archive, VerifyOptions(is_rereading=False))
    if not found.chain:
        message = f"{archive.path} has no readable entry: {found.findings[0]}"
        raise ArchiveError(message)
    damage = tuple(each for each in found.findings if each.fault not in _NO_DAMAGE)
    if not damage:
        return found.chain, ()
    if not is_skipping_damage:
        unread = [each for each in damage if each.fault is Fault.UNREAD]
        if unread:  # they may be intact
            message = (
                f"{len(unread):,} files of the archive could not be read, such as {unread[0]}; "
                "nothing was changed"
            )
            raise ArchiveError(message)
        message = (
            f"the archive is damaged: {len(damage):,} findings, such as {damage[0]}; restore the "
            "files from a copy (gaussdb-tasks verify lists them), or skip damaged files with "
            "--skip-damaged"
        )
        raise ArchiveError(message)
    return [entry.without(found.damaged) for entry in found.chain], damage


def refuse_data_loss(target: Path, last_sequence: int) -> None:
    """Refuse to replace a database that contains entries which the archive lacks.

    Raises:
        ArchiveError: the database contains a later entry than ``last_sequence``.
    """
    try:
        head = read_recorded_head(target)
    except (GaussdbTasksError, duckdb.Error) as error:
        refuse_fault_of_machine(error, target)
        return  # an unreadable database has nothing to lose
    if head is not None and head.sequence > last_sequence:
        message = (
            f"{target} contains entries up to {head.sequence}, the archive ends at {last_sequence};"
            " restore the entries from a copy, or write another file with --output"
        )
        raise ArchiveError(message)


def _refuse_to_overwrite(target: Path, *, is_replacing: bool) -> None:
    if target.exists() and not is_replacing:
        message = (
            f"{target} exists; replace it with --replace, or write another file with --output FILE"
        )
        raise ConfigurationError(message)
