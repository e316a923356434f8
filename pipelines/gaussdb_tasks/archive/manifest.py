"""The manifest of an entry: its digest.json, with its content and the previous entry's hash.

A manifest may come from anybody. Decoding it accepts only names of known tables, columns and files,
so that no name of it can reach SQL or a path unchecked.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.errors import ConfigurationError, GaussdbTasksError
from gaussdb_tasks.model.tables import ALL_TABLES
from gaussdb_tasks.model.times import parse_time

FORMAT: Final = 1
"""Format of the archive. A program reads this format and older ones."""

LOAD: Final = "load"
ROTATION: Final = "rotation"
EntryKind: TypeAlias = Literal["load", "retention", "redaction", "renormalisation", "rotation"]

# An amendment of ten years of loads has some 10 MB.
MAX_BYTES: Final = 64 * 1024 * 1024
ENTRY_NAME: Final = re.compile(
    r"(?P<sequence>\d{6,12})-(?P<at>\d{8}T\d{6}Z)-(?P<kind>[a-z]{1,32})", re.ASCII
)
_DATABASE_TABLES: Final = frozenset(table.name for table in ALL_TABLES)


def file_names(table: str) -> tuple[str, ...]:
    """Return the names that a file with rows of a table can have; the first is the usual one."""
    return f"{table}.parquet", f"{table}.renormalised.parquet"


FILE_NAMES: Final = frozenset(
    file_name for table in archive_tables.BY_NAME for file_name in file_names(table)
)

Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Sequence: TypeAlias = Annotated[int, Meta(ge=1, le=10**12)]
Text: TypeAlias = Annotated[str, Meta(max_length=10_000)]


class ManifestError(GaussdbTasksError):
    """The file digest.json of an entry cannot be read."""


class NewerArchiveError(ManifestError):
    """A newer program wrote the archive."""


class TableDigest(msgspec.Struct, frozen=True, kw_only=True):
    """Describe the rows of one table in an entry.

    Attributes:
        rows_sha256: digest of the rows in their canonical form.
        columns: columns of the canonical form, in order.
        file: file in the entry's folder; None if there are no rows.
        kept_sha256: digest of the rows over the columns that no redaction changes; None if there
            are no rows, if no redaction changes the table, and in entries of 0.1.0.
    """

    row_count: Count
    rows_sha256: Sha256
    columns: tuple[str, ...]
    file: str | None
    file_bytes: Count | None
    file_sha256: Sha256 | None
    kept_sha256: Sha256 | None = None


class LoadIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Identify the load of an entry; each of its rows has ``load_id`` as ``_dlt_load_id``."""

    run_id: Text
    load_number: Count
    load_id: Text


class ProjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """Describe the time ranges and the tasks that a load read from one project.

    Attributes:
        read: time ranges that were requested, as [from, to].
        covered: time ranges for which the load proved that it read every task.
    """

    region: Text
    project_id: Text
    outcome: Text
    seen_count: Count
    new_count: Count
    changed_count: Count
    rejected_count: Count
    vanished_count: Count
    read: tuple[tuple[Text, Text], ...]
    covered: tuple[tuple[Text, Text], ...]


class Restatement(msgspec.Struct, frozen=True, kw_only=True):
    """Replace an earlier load's rows of one table by rows in this entry's file.

    Attributes:
        sequence: sequence number of the load's entry.
        rows_removed: number of rows that were deleted.
        rows_changed: number of rows that have other values than before.
        kept_sha256: as in ``TableDigest``.
    """

    sequence: Sequence
    table: str
    row_count: Count
    rows_sha256: Sha256
    columns: tuple[str, ...]
    rows_removed: Count = 0
    rows_changed: Count = 0
    kept_sha256: Sha256 | None = None


class RemovedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Describe a file of an earlier entry that was replaced by a tombstone.

    Attributes:
        entry: name of the earlier entry.
        file_sha256: SHA-256 of the removed file.
        rows_removed: number of its rows that were deleted.
        rows_changed: number of its rows that are kept in another file, with other values. Its
            remaining rows are kept there unchanged.
    """

    entry: str
    file: str
    file_sha256: Sha256
    rows_removed: Count
    rows_changed: Count


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Name the key that signs from the next entry on, and the one that signed until now.

    Attributes:
        old_key: fingerprint of the old key: SHA-256 of the 32 bytes of its public half.
        old_public_key: these bytes in hexadecimal; None if the old key is lost.
        new_key: fingerprint of the new key.
        new_public_key: the 32 bytes of its public half in hexadecimal.
        is_old_key_lost: whether the new key signs this entry, because the old one is lost.
    """

    old_key: Sha256
    old_public_key: Sha256 | None
    new_key: Sha256
    new_public_key: Sha256
    is_old_key_lost: bool = False

    @property
    def signer(self) -> str:
        """Fingerprint of the key that signs the entry with the handover."""
        return self.new_key if self.is_old_key_lost else self.old_key


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Describe an entry of the archive; this is the content of its digest.json.

    Attributes:
        format: format of the archive, 1.
        sequence: position in the chain, from 1.
        kind: load, or the kind of amendment.
        at: clock of the load or amendment, UTC.
        previous: SHA-256 of the previous entry's digest.json; None for the first entry.
        load: identity of the load; None for an amendment.
        projects: results of a load, by project.
        tables: rows of the entry, by table; a table without rows has no file.
        task_types: sequence number of the entry that contains the documented task types.
        database: row count of each table in the database after the entry.
        restates: rows of earlier loads that an amendment replaced.
        removes: files of earlier entries that an amendment removed.
        reason: reason of an amendment.
        signed_by: fingerprint of the key that signed digest.json; None if it is not signed.
        handover: change of the signing key; only in a rotation.
    """

    format: Annotated[int, Meta(ge=1)]
    sequence: Sequence
    kind: EntryKind
    at: Annotated[str, Meta(max_length=32)]
    tool_version: Text
    previous: Sha256 | None
    load: LoadIdentity | None = None
    projects: tuple[ProjectResult, ...] = ()
    tables: dict[str, TableDigest] = {}
    task_types: Sequence | None = None
    database: dict[str, Count] = {}
    restates: tuple[Restatement, ...] = ()
    removes: tuple[RemovedFile, ...] = ()
    reason: Text | None = None
    signed_by: Sha256 | None = None
    handover: Handover | None = None

    @property
    def row_count(self) -> int:
        """Number of rows that an amendment removed; if it removed none, those that it changed."""
        removed = sum(each.rows_removed for each in self.restates)
        return removed or self.rows_changed

    @property
    def rows_changed(self) -> int:
        """Number of rows that an amendment says it changed."""
        return sum(each.rows_changed for each in self.restates)


class _Format(msgspec.Struct):
    format: int


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of digest.json; the chain's hashes are computed from them."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(content: bytes) -> Manifest:
    """Read the bytes of digest.json.

    Raises:
        NewerArchiveError: a newer program wrote it.
        ManifestError: it is not a manifest, or it names an unknown table, column or file.
    """
    if len(content) > MAX_BYTES:
        message = f"it is not a manifest (it has {len(content):,} bytes)"
        raise ManifestError(message)
    try:
        if msgspec.json.decode(content, type=_Format).format > FORMAT:
            message = "the archive was written by a newer gaussdb-tasks; upgrade gaussdb-tasks"
            raise NewerArchiveError(message)
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"it is not a manifest ({error})"
        raise ManifestError(message) from error
    for problem in _problems(manifest):
        message = f"it is not a manifest of this archive ({problem})"
        raise ManifestError(message)
    return manifest


def _problems(manifest: Manifest) -> Iterator[str]:
    """Yield what the types do not exclude: unknown names, and references to no earlier entry."""
    yield from _kind_problems(manifest)
    yield from _handover_problems(manifest)
    for name, table in manifest.tables.items():
        yield from _table_problems(name, table.columns)
        yield from _file_problems(name, table)
    for restated in manifest.restates:
        yield from _table_problems(restated.table, restated.columns)
    yield from _reference_problems(manifest)
    for name in manifest.database.keys() - _DATABASE_TABLES:
        yield f"unknown table {_shown(name)}"


def _kind_problems(manifest: Manifest) -> Iterator[str]:
    try:
        parse_time(manifest.at, option="at")
    except ConfigurationError:
        yield f"{_shown(manifest.at)} is not a time"
    is_load = manifest.kind == LOAD
    if is_load != (manifest.load is not None):
        yield "only a load has the identity of a load"
    if is_load and (manifest.restates or manifest.removes):
        yield "a load restates and removes nothing"


def _handover_problems(manifest: Manifest) -> Iterator[str]:
    handover = manifest.handover
    if (manifest.kind == ROTATION) != (handover is not None):
        yield "a rotation, and no other entry, has a handover"
    if handover is None:
        return
    if manifest.restates or manifest.removes or manifest.tables:
        yield "a rotation restates and removes nothing, and has no rows"
    if manifest.signed_by != handover.signer:
        yield "a rotation is signed by the old key, or by the new one if the old one is lost"
    if handover.is_old_key_lost != (handover.old_public_key is None):
        yield "a handover names the old public key, unless it is lost"
    if handover.old_key == handover.new_key:
        yield "a handover names two different keys"
    for fingerprint, public_key in (
        (handover.old_key, handover.old_public_key),
        (handover.new_key, handover.new_public_key),
    ):
        if public_key is not None and sha256(bytes.fromhex(public_key)) != fingerprint:
            yield "a fingerprint is not the SHA-256 of its public key"


def _file_problems(name: str, table: TableDigest) -> Iterator[str]:
    has_file = table.file is not None
    if has_file and table.file not in file_names(name):
        yield f"unknown file {_shown(table.file)}"
    if {table.file_bytes is not None, table.file_sha256 is not None} != {has_file}:
        yield f"a file of {name} needs a name, a size and a hash"
    if has_file != (table.row_count > 0):
        yield f"{name} has a file if and only if it has rows"


def _reference_problems(manifest: Manifest) -> Iterator[str]:
    for restated in manifest.restates:
        if restated.sequence >= manifest.sequence:
            yield f"it restates entry {restated.sequence}, which is not an earlier one"
    for removed in manifest.removes:
        match = ENTRY_NAME.fullmatch(removed.entry)
        if match is None or int(match["sequence"]) >= manifest.sequence:
            yield f"it removes a file of {_shown(removed.entry)}, which is not an earlier entry"
        if removed.file not in FILE_NAMES:
            yield f"unknown file {_shown(removed.file)}"
    if manifest.task_types is not None and manifest.task_types > manifest.sequence:
        yield f"entry {manifest.task_types} with the task types is not an earlier one"


def _table_problems(name: str, columns: tuple[str, ...]) -> Iterator[str]:
    table = archive_tables.BY_NAME.get(name)
    if table is None:
        yield f"unknown table {_shown(name)}"
        return
    unknown = set(columns).difference(table.column_names)
    if unknown:
        yield f"unknown column {_shown(min(unknown))}"
    if len(set(columns)) != len(columns):
        yield f"a column of {name} is listed twice"


def _shown(text: str | None) -> str:
    return repr(text)[:80]


def sha256(content: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()
