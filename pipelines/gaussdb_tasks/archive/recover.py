"""Archive and database in step: what one knows and the other lacks, before a load goes on.

An entry enters the archive just before its night is published. A load that is killed between the
two leaves an entry that the database lacks: it is adopted, never counted twice, for the archive
only ever grows. The same brings back a database that was lost, or restored from an old copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from gaussdb_tasks.archive.manifest import ManifestError
from gaussdb_tasks.archive.replay import apply_entries, make_tables
from gaussdb_tasks.archive.store import Archive, Entry, Link, file_sha256, tombstone_name
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.write import Head, head_of, known_head, make_room_for_acts
from gaussdb_tasks.database.connect import read_published
from gaussdb_tasks.database.state import has_tables
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import SCHEMA_NAME

_LOOK: Final = "run gaussdb-tasks verify, and bring back what it names from a copy"


class ArchiveError(DatabaseError):
    """The archive cannot be gone on with."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How archive and database stand to each other.

    Attributes:
        missing: entries that the database lacks.
        is_rebuild: whether the database has to be made again: it is not there, or lacks an act.
    """

    archive: Archive
    missing: tuple[Entry, ...]
    is_rebuild: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where the chain goes on.

    Attributes:
        head: the entry that the next one follows; None for the first.
        adopted: names of the entries that were brought into the database.
        doubts: what is wrong with the archive, for a person.
    """

    head: Head | None
    adopted: tuple[str, ...]
    doubts: tuple[str, ...]


def standing(archive: Archive, published: Path) -> Standing:
    """Compare the archive with the published database; only the entries' names are read."""
    entries = archive.entries()
    if not published.exists():
        return Standing(archive, entries, bool(entries))
    with read_published(published) as connection:
        known = _known(connection)
    known_sequence = 0 if known is None else known.sequence
    missing = tuple(entry for entry in entries if entry.sequence > known_sequence)
    return Standing(archive, missing, any(entry.kind != "load" for entry in missing))


def recover(connection: duckdb.DuckDBPyConnection, stand: Standing) -> Recovered:
    """Bring into the clone what it lacks, and return where the chain goes on.

    Args:
        connection: the clone; new and empty if the database has to be made again.
        stand: as ``standing`` found it.

    Raises:
        ArchiveError: an entry that is to be adopted is damaged.
    """
    _prepare(connection)
    if stand.missing:
        chain = read_chain(stand.archive.entries())
        first = 0 if stand.is_rebuild else len(chain) - len(stand.missing)
        put_tombstones(stand.archive, chain)  # what an act that was stopped had left to do
        _refuse_damage(chain[first:], known_head(connection))
        apply_entries(connection, chain, first)
        return Recovered(head_of(chain), tuple(entry.name for entry in stand.missing), ())
    known = known_head(connection)
    if known is None:
        return Recovered(None, (), ())
    return _in_step(known, stand.archive)


def read_chain(entries: Sequence[Entry]) -> list[Link]:
    """Read the digests of entries.

    Raises:
        ArchiveError: one cannot be read.
    """
    chain = []
    for entry in entries:
        try:
            chain.append(entry.read())
        except (ManifestError, OSError) as error:
            message = f"{entry.digest_path}: {error}; {_LOOK}"
            raise ArchiveError(message) from error
    return chain


def _known(connection: duckdb.DuckDBPyConnection) -> Head | None:
    sql = """
        select count(*) from duckdb_columns()
        where schema_name = ? and (table_name, column_name) in (
            ('load_runs', 'archive_sequence'), ('archive_acts', 'archive_sequence')
        )
    """
    return (
        known_head(connection)
        if connection.execute(sql, [SCHEMA_NAME]).fetchone() == (2,)
        else None
    )


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    make_room_for_acts(connection)
    if not has_tables(connection):
        make_tables(connection)


def _in_step(known: Head, archive: Archive) -> Recovered:
    """Go on from what was published, whatever became of the archive since."""
    doubt = f"the archive lacks entry {known.sequence}, which the database knows; {_LOOK}"
    entries = [entry for entry in archive.entries() if entry.sequence == known.sequence]
    for entry in entries:
        try:
            link = entry.read()
        except (ManifestError, OSError) as error:
            doubt = f"{entry.digest_path}: {error}; {_LOOK}"
            continue
        if link.sha256 == known.sha256:
            keepers = [e for e in archive.entries() if e.sequence == link.digest.task_types]
            return Recovered(head_of([*_readable(keepers), link]), (), ())
        doubt = f"{entry.digest_path} is not what was published; {_LOOK}"
    return Recovered(known, (), (doubt,))


def _readable(entries: Sequence[Entry]) -> list[Link]:
    try:
        return read_chain(entries)
    except ArchiveError:
        return []  # then the kinds of task are kept once more


def _refuse_damage(new: Sequence[Link], known: Head | None) -> None:
    previous = None if known is None else known.sha256
    for link in new:
        name = link.entry.name
        if link.digest.previous != previous:
            message = f"the archive's entry {name} does not follow the one before it; {_LOOK}"
            raise ArchiveError(message)
        previous = link.sha256
        for table, held in link.digest.tables.items():
            file = link.file(table)
            if file is None or file.with_name(tombstone_name(file.name)).exists():
                continue
            if not file.exists() or file_sha256(file) != held.file_sha256:
                message = f"the archive's {name}/{held.file} is missing or damaged; {_LOOK}"
                raise ArchiveError(message)
