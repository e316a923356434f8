"""Write the entry of a load: archive tables and a manifest, chained to the previous entry.

All rows are read from the clone that is published afterwards. The manifest's hash is written into
the clone, so that the database can be compared with the archive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
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
    TableDigest,
    encode,
    sha256,
)
from gaussdb_tasks.archive.parquet import Digests, rows_of_load, write_rows
from gaussdb_tasks.archive.project_results import RUN_COLUMNS, WINDOW_COLUMNS, project_results
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    DIGEST_NAME,
    SIGNATURE_NAME,
    ChainEntry,
    archive_id_of,
    checksum_line,
    entry_name,
)
from gaussdb_tasks.database.catalog import refuse_foreign_objects
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.database.upgrades import with_text_column
from gaussdb_tasks.errors import DatabaseError
from gaussdb_tasks.model.tables import AMENDMENTS, LOAD_RUNS, LOADED_TABLES, SCHEMA_NAME
from gaussdb_tasks.model.times import Micros, iso
from gaussdb_tasks.version import VERSION

_LOAD: Final = f"""
    select any_value(run_id), any_value(_dlt_load_id), any_value(epoch_us(observed_at))
    from {SCHEMA_NAME}.load_runs where load_number = ?
"""
_PROJECTS: Final = f"""
    select {", ".join(RUN_COLUMNS)} from {SCHEMA_NAME}.load_runs where load_number = ?
"""
_WINDOWS: Final = f"""
    select {", ".join(WINDOW_COLUMNS)} from {SCHEMA_NAME}.coverage where _dlt_load_id = ?
"""
_ENTRIES: Final = " union all ".join(
    "select archive_sequence, head_digest, archive_id from "
    + with_text_column(f"{SCHEMA_NAME}.{table.name}", "archive_id")
    for table in (LOAD_RUNS, AMENDMENTS)
)
_HEAD: Final = f"""
    from ({_ENTRIES}) where archive_sequence is not null order by archive_sequence desc limit 1
"""


@dataclass(frozen=True, slots=True)
class Head:
    """Identify the newest entry of a chain: its sequence number and its manifest's SHA-256.

    Attributes:
        archive_id: SHA-256 of the first manifest of the chain; None if unknown.
        task_types: sequence number of the entry that contains the documented task types, and the
            digest of their rows; None if unknown.
    """

    sequence: int
    sha256: str
    archive_id: str | None = None
    task_types: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """Describe an entry that is complete and not in the archive yet."""

    folder: Path
    name: str
    sha256: str


def recorded_head(connection: duckdb.DuckDBPyConnection) -> Head | None:
    """Return the newest entry that is recorded in the database."""
    row = connection.execute(_HEAD).fetchone()
    return None if row is None else Head(*row)


def records_entries(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the database has the columns that record entries; early versions lack them."""
    sql = """
        select count(*) from duckdb_columns()
        where database_name = current_database() and schema_name = ?
            and column_name = 'head_digest' and table_name in ('load_runs', 'archive_acts')
    """
    return connection.execute(sql, [SCHEMA_NAME]).fetchone() == (2,)


def read_recorded_head(published: Path, *, is_refusing: bool = False) -> Head | None:
    """Return the newest entry that a published database records; None if there is none.

    Raises:
        DatabaseError: it holds objects that no load creates, and ``is_refusing``.
    """
    if not published.exists():
        return None
    with read_untrusted(published) as connection:
        if is_refusing:
            refuse_foreign_objects(connection, published)
        return recorded_head(connection) if records_entries(connection) else None


def chain_head(chain: Sequence[ChainEntry]) -> Head | None:
    """Return the head of a chain: the entry that the next one follows; None if it is empty."""
    if not chain:
        return None
    last = chain[-1]
    sequence = last.manifest.task_types
    holder = next((entry for entry in chain if entry.manifest.sequence == sequence), None)
    rows = None if holder is None else holder.manifest.tables.get(archive_tables.TASK_TYPES.name)
    task_types = None if sequence is None or rows is None else (sequence, rows.rows_sha256)
    return Head(last.manifest.sequence, last.sha256, archive_id_of(chain), task_types)


def write_load_entry(  # noqa: PLR0913 - the parts of an entry
    connection: duckdb.DuckDBPyConnection,
    load_number: int,
    head: Head | None,
    folder: Path,
    signer: KeySigner | None = None,
    *,
    of_files: Mapping[str, Digests] = MappingProxyType({}),
) -> WrittenEntry:
    """Write the entry of a load into a folder, and its manifest's hash into the database.

    The folder is new, or has the files of ``LoadedFiles``, and ``of_files`` their digests.

    Raises:
        DatabaseError: a file was read back with other rows than the database has.
    """
    folder.mkdir(exist_ok=True)
    run_id, load_id, observed_at = _load(connection, load_number)
    tables = {
        table.name: write_rows(
            connection,
            table,
            rows_of_load(table, load_id, observed_at),
            folder / table.file_name,
            of_files.get(table.name),
        )
        for table in archive_tables.OF_A_LOAD
    }
    sequence = 1 if head is None else head.sequence + 1
    task_types, task_types_sequence = _task_types(connection, folder, sequence, head)
    manifest = Manifest(
        format=FORMAT,
        sequence=sequence,
        kind=LOAD,
        at=iso(observed_at),
        tool_version=VERSION,
        previous=None if head is None else head.sha256,
        load=LoadIdentity(run_id=run_id, load_number=load_number, load_id=load_id),
        projects=project_results(
            connection.execute(_PROJECTS, [load_number]).fetchall(),
            connection.execute(_WINDOWS, [load_id]).fetchall(),
        ),
        tables=tables | task_types,
        task_types=task_types_sequence,
        database=row_counts(connection),
    )
    written = write_manifest(folder, manifest, observed_at, signer)
    archive_id = written.sha256 if head is None else head.archive_id
    record_loads(connection, [(load_id, sequence, written.sha256)], archive_id)
    return written


def _load(connection: duckdb.DuckDBPyConnection, load_number: int) -> tuple[str, str, Micros]:
    """Return the run_id of a load, the load_id of its rows, and its clock."""
    row = connection.execute(_LOAD, [load_number]).fetchone()
    if row is None or row[1] is None:
        message = f"load {load_number} has no row in load_runs"
        raise DatabaseError(message)
    run_id, load_id, observed_at = row
    return str(run_id), str(load_id), int(observed_at)


def record_loads(
    connection: duckdb.DuckDBPyConnection,
    entries: Sequence[tuple[str, int, str]],
    archive_id: str | None,
) -> None:
    """Record the entries of loads in the database, with one scan of its loads.

    An entry is given as its load_id, its sequence and its manifest's SHA-256.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import; verify --fast does not need it

    load_ids, sequences, digests = zip(*entries, strict=True)
    recorded = pa.table(
        {"_dlt_load_id": load_ids, "archive_sequence": sequences, "head_digest": digests}
    )
    with registered(connection, "recorded_entries", recorded):
        connection.execute(
            f"update {SCHEMA_NAME}.load_runs as loads "
            "set archive_sequence = entries.archive_sequence, head_digest = entries.head_digest, "
            "archive_id = ? "
            "from recorded_entries as entries where loads._dlt_load_id = entries._dlt_load_id",
            [archive_id],
        )


def write_manifest(
    folder: Path, manifest: Manifest, at: Micros, signer: KeySigner | None
) -> WrittenEntry:
    """Write the manifest into an entry's folder, and sign it if there is a key."""
    if signer is not None:
        manifest = msgspec.structs.replace(manifest, signed_by=signer.fingerprint)
    content = encode(manifest)
    content_sha256 = sha256(content)
    (folder / DIGEST_NAME).write_bytes(content)
    (folder / CHECKSUM_NAME).write_text(checksum_line(content_sha256))
    if signer is not None:
        (folder / SIGNATURE_NAME).write_bytes(signer.sign(content))
    name = entry_name(manifest.sequence, manifest.kind, at)
    return WrittenEntry(folder, name, content_sha256)


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows of every table that a load fills."""
    counts = (f"(select count(*) from {SCHEMA_NAME}.{table.name})" for table in LOADED_TABLES)
    row = connection.execute(f"select {', '.join(counts)}").fetchone() or ()
    return {table.name: count for table, count in zip(LOADED_TABLES, row, strict=True)}


def create_amendments_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table of amendments, which no load fills, if it is missing."""
    columns = ", ".join(column.ddl for column in AMENDMENTS.columns)
    connection.execute(f"create schema if not exists {SCHEMA_NAME}")
    connection.execute(f"create table if not exists {SCHEMA_NAME}.{AMENDMENTS.name} ({columns})")


def _task_types(
    connection: duckdb.DuckDBPyConnection, folder: Path, sequence: int, head: Head | None
) -> tuple[dict[str, TableDigest], int]:
    """Write the documented task types if they changed; return their entry's sequence number too."""
    table = archive_tables.TASK_TYPES
    relation = f"(from {table_sql(table)} order by task_name)"
    rows = digest_rows(connection, table, relation)
    previous = None if head is None else head.task_types
    if previous is not None and previous[1] == rows.rows_sha256:
        return {}, previous[0]
    return {table.name: write_rows(connection, table, relation, folder / table.file_name)}, sequence
