"""Sealing: what a load brought becomes an entry, chained to the one before, not yet in place.

Everything is read from the clone that is about to be published, and the head's digest is written
into it: the archive and the database know each other.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import table_sql
from gaussdb_tasks.archive.canonical import digest_rows
from gaussdb_tasks.archive.manifest import (
    FORMAT,
    LOAD,
    LoadIdentity,
    Manifest,
    ProjectNight,
    TableDigest,
    encode,
    sha256,
)
from gaussdb_tasks.archive.parquet import write_load, write_rows
from gaussdb_tasks.archive.signing import Signer
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    SIGNATURE_NAME,
    Link,
    checksum_line,
    entry_name,
)
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import ARCHIVE_ACTS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.model.time_range import TimeRange, merge
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.version import VERSION

_LOAD: Final = f"""
    select any_value(run_id), any_value(_dlt_load_id), any_value(epoch_us(observed_at))
    from {SCHEMA_NAME}.load_runs where load_number = ?
"""
_PROJECTS: Final = f"""
    select
        region, project_id, outcome,
        seen_count, new_count, changed_count, rejected_count, vanished_count
    from {SCHEMA_NAME}.load_runs where load_number = ?
    order by region, project_id
"""
_WINDOWS: Final = f"""
    select
        region, project_id,
        epoch_us(window_from), epoch_us(window_to),
        epoch_us(covered_from), epoch_us(covered_to), is_complete
    from {SCHEMA_NAME}.coverage where _dlt_load_id = ?
"""
_HEAD: Final = f"""
    select archive_sequence, head_digest
    from (
        select archive_sequence, head_digest from {SCHEMA_NAME}.load_runs
        union all
        select archive_sequence, head_digest from {SCHEMA_NAME}.archive_acts
    )
    where archive_sequence is not null
    order by archive_sequence desc
    limit 1
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry that a database knows: its place, and its digest's SHA-256.

    Attributes:
        task_types: the entry that keeps the documented kinds of task, and their digest; None where
            it is not known.
    """

    sequence: int
    sha256: str
    task_types: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """An entry that is finished and not in the archive yet."""

    folder: Path
    name: str
    digest: Manifest
    sha256: str


def known_head(connection: duckdb.DuckDBPyConnection) -> Head | None:
    """Return the newest entry that the database knows."""
    row = connection.execute(_HEAD).fetchone()
    return None if row is None else Head(*row)


def head_of(chain: Sequence[Link]) -> Head | None:
    """Return the last entry of a chain as a head to go on from."""
    if not chain:
        return None
    last = chain[-1]
    types = last.digest.task_types
    keeper = next((link for link in chain if link.digest.sequence == types), None)
    held = None if keeper is None else keeper.digest.tables.get(archive_tables.TASK_TYPES.name)
    known = None if types is None or held is None else (types, held.rows_sha256)
    return Head(last.digest.sequence, last.sha256, known)


def write_load_entry(
    connection: duckdb.DuckDBPyConnection,
    load_number: int,
    head: Head | None,
    folder: Path,
    signer: Signer | None = None,
) -> WrittenEntry:
    """Write the entry of a load into a new folder, and its digest's hash into the database.

    Raises:
        DatabaseError: a file does not hold what the database does.
    """
    folder.mkdir()
    run_id, load_id, observed_at = _one_row(connection, _LOAD, load_number)
    held = {
        segment.name: write_load(connection, segment, load_id, observed_at, folder)
        for segment in archive_tables.OF_A_LOAD
    }
    sequence = 1 if head is None else head.sequence + 1
    types, keeper = _task_types(connection, folder, sequence, head)
    digest = Manifest(
        format=FORMAT,
        sequence=sequence,
        kind=LOAD,
        at=iso(observed_at),
        tool_version=VERSION,
        previous=None if head is None else head.sha256,
        load=LoadIdentity(run_id=run_id, load_number=load_number, load_id=load_id),
        projects=_projects(connection, load_number, load_id),
        tables=held | types,
        task_types=keeper,
        database=row_counts(connection),
    )
    sealed = finish(folder, digest, observed_at, signer)
    mark_load(connection, load_id, sequence, sealed.sha256)
    return sealed


def mark_load(
    connection: duckdb.DuckDBPyConnection, load_id: str, sequence: int, digest_sha256: str
) -> None:
    """Write into the database which entry keeps a load."""
    sql = (
        f"update {SCHEMA_NAME}.load_runs set archive_sequence = ?, head_digest = ? "
        "where _dlt_load_id = ?"
    )
    connection.execute(sql, [sequence, digest_sha256, load_id])


def finish(folder: Path, digest: Manifest, at: Micros, signer: Signer | None) -> WrittenEntry:
    """Write the digest into an entry's folder, signed if there is a key."""
    if signer is not None:
        digest = msgspec.structs.replace(digest, signed_by=signer.fingerprint)
    content = encode(digest)
    digest_sha256 = sha256(content)
    (folder / DIGEST_NAME).write_bytes(content)
    (folder / CHECKSUM_NAME).write_text(checksum_line(digest_sha256))
    if signer is not None:
        (folder / SIGNATURE_NAME).write_bytes(signer.sign(content))
    return WrittenEntry(folder, entry_name(digest.sequence, digest.kind, at), digest, digest_sha256)


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows of every table that a load fills."""
    counts = (f"(select count(*) from {SCHEMA_NAME}.{table.name})" for table in LOADED_TABLES)
    row = connection.execute(f"select {', '.join(counts)}").fetchone() or ()
    return {table.name: count for table, count in zip(LOADED_TABLES, row, strict=True)}


def make_room_for_acts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of acts, which no load fills."""
    columns = ", ".join(column.ddl for column in ARCHIVE_ACTS.columns)
    connection.execute(f"create schema if not exists {SCHEMA_NAME}")
    connection.execute(f"create table if not exists {SCHEMA_NAME}.{ARCHIVE_ACTS.name} ({columns})")


def _task_types(
    connection: duckdb.DuckDBPyConnection, folder: Path, sequence: int, head: Head | None
) -> tuple[dict[str, TableDigest], int]:
    """Keep the documented kinds of task where they are not those of the entry before."""
    segment = archive_tables.TASK_TYPES
    relation = f"(from {table_sql(segment)} order by task_name)"
    rows = digest_rows(connection, segment, relation)
    known = None if head is None else head.task_types
    if known is not None and known[1] == rows.rows_sha256:
        return {}, known[0]
    return {segment.name: write_rows(connection, segment, relation, folder)}, sequence


def _projects(
    connection: duckdb.DuckDBPyConnection, load_number: int, load_id: str
) -> tuple[ProjectNight, ...]:
    read: dict[tuple[str, str], list[TimeRange]] = defaultdict(list)
    covered: dict[tuple[str, str], list[TimeRange]] = defaultdict(list)
    for region, project_id, *bounds, is_complete in connection.execute(
        _WINDOWS, [load_id]
    ).fetchall():
        read[region, project_id].append(TimeRange(*bounds[:2]))
        if is_complete:
            covered[region, project_id].append(TimeRange(*bounds[2:]))
    return tuple(
        ProjectNight(
            region=region,
            project_id=project_id,
            outcome=outcome,
            seen_count=counts[0],
            new_count=counts[1],
            changed_count=counts[2],
            rejected_count=counts[3],
            vanished_count=counts[4],
            read=_told(read[region, project_id]),
            covered=_told(covered[region, project_id]),
        )
        for region, project_id, outcome, *counts in connection.execute(
            _PROJECTS, [load_number]
        ).fetchall()
    )


def _told(time_ranges: Sequence[TimeRange]) -> tuple[tuple[str, str], ...]:
    return tuple((iso(start), iso(end)) for start, end in merge(time_ranges))


def _one_row(
    connection: duckdb.DuckDBPyConnection, sql: str, load_number: int
) -> tuple[str, str, int]:
    row = connection.execute(sql, [load_number]).fetchone()
    if row is None or row[1] is None:
        message = f"load {load_number} has left no row in load_runs"
        raise DatabaseError(message)
    return row[0], row[1], row[2]
