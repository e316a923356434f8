"""The manifest of an entry: its digest.json, with its content and the previous entry's hash."""

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from gaussdb_tasks.errors import GaussdbTasksError

FORMAT: Final = 1
"""Format of the archive. A program reads this format and older ones."""

LOAD: Final = "load"
EntryKind: TypeAlias = Literal["load", "retention", "redaction", "renormalisation"]


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
    """

    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    file: str | None
    file_bytes: int | None
    file_sha256: str | None


class LoadIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Identify the load of an entry; each of its rows has ``load_id`` as ``_dlt_load_id``."""

    run_id: str
    load_number: int
    load_id: str


class ProjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """Describe the time ranges and the tasks that a load read from one project.

    Attributes:
        read: time ranges that were requested, as [from, to].
        covered: time ranges for which the load proved that it read every task.
    """

    region: str
    project_id: str
    outcome: str
    seen_count: int
    new_count: int
    changed_count: int
    rejected_count: int
    vanished_count: int
    read: tuple[tuple[str, str], ...]
    covered: tuple[tuple[str, str], ...]


class Restatement(msgspec.Struct, frozen=True, kw_only=True):
    """Replace an earlier load's rows of one table by rows in this entry's file.

    Attributes:
        sequence: sequence number of the load's entry.
        rows_removed: number of rows that were deleted.
        rows_changed: number of rows that have other values than before.
    """

    sequence: int
    table: str
    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    rows_removed: int = 0
    rows_changed: int = 0


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
    file_sha256: str
    rows_removed: int
    rows_changed: int


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
    """

    format: int
    sequence: int
    kind: EntryKind
    at: str
    tool_version: str
    previous: str | None
    load: LoadIdentity | None = None
    projects: tuple[ProjectResult, ...] = ()
    tables: dict[str, TableDigest] = {}
    task_types: int | None = None
    database: dict[str, int] = {}
    restates: tuple[Restatement, ...] = ()
    removes: tuple[RemovedFile, ...] = ()
    reason: str | None = None
    signed_by: str | None = None

    @property
    def row_count(self) -> int:
        """Number of rows that an amendment removed; if it removed none, those that it changed."""
        removed = sum(each.rows_removed for each in self.restates)
        return removed or sum(each.rows_changed for each in self.restates)


class _Format(msgspec.Struct):
    format: int


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of digest.json; the chain's hashes are computed from them."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(content: bytes) -> Manifest:
    """Read the bytes of digest.json.

    Raises:
        NewerArchiveError: a newer program wrote it.
        ManifestError: it is not a manifest.
    """
    try:
        if msgspec.json.decode(content, type=_Format).format > FORMAT:
            message = "the archive was written by a newer gaussdb-tasks; upgrade gaussdb-tasks"
            raise NewerArchiveError(message)
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"it is not a manifest ({error})"
        raise ManifestError(message) from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()
