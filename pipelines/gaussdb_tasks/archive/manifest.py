"""The digest of an entry: one small JSON that says what the entry holds and what came before it."""

import hashlib
from typing import Final, Literal, TypeAlias

import msgspec

from gaussdb_tasks.errors import GaussdbTasksError

FORMAT: Final = 1
"""The format of the archive. A program reads what is not newer than its own."""

LOAD: Final = "load"
EntryKind: TypeAlias = Literal["load", "retention", "redaction", "renormalisation"]


class ManifestError(GaussdbTasksError):
    """A digest cannot be read."""


class NewerArchiveError(ManifestError):
    """The archive was written by a newer program."""


class TableDigest(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry holds of one table.

    Attributes:
        columns: the columns of the canonical form, in its order.
        file: the file in the entry's folder; None where there are no rows.
    """

    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    file: str | None
    file_bytes: int | None
    file_sha256: str | None


class LoadIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which load an entry is of; ``load_id`` stands in each of its rows as ``_dlt_load_id``."""

    run_id: str
    load_number: int
    load_id: str


class ProjectNight(msgspec.Struct, frozen=True, kw_only=True):
    """How the night went in one project.

    Attributes:
        read: stretches of time that were asked for, as [from, to].
        covered: stretches of time of which every task was proved read.
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
    """What a load's rows of a table are from this entry on; they lie in this entry's file.

    Attributes:
        sequence: the entry of the load.
        rows_removed: how many rows are gone for good.
        rows_changed: how many rows are not what they were.
    """

    sequence: int
    table: str
    row_count: int
    rows_sha256: str
    columns: tuple[str, ...]
    rows_removed: int = 0
    rows_changed: int = 0


class RemovedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an earlier entry that gave way to a tombstone.

    Attributes:
        entry: the name of the earlier entry.
        file_sha256: what the file's bytes were.
        rows_removed: how many of its rows are in no file any more.
        rows_changed: how many of its rows lie elsewhere otherwise; the rest do as they were.
    """

    entry: str
    file: str
    file_sha256: str
    rows_removed: int
    rows_changed: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of the archive holds.

    Attributes:
        format: of the archive, 1.
        sequence: place in the chain, from 1 on.
        kind: load, or what else was done to the archive.
        at: clock of the load or act.
        previous: SHA-256 of the digest before, as its file's bytes; None for the first.
        load: which load, None for an act.
        projects: how the night went, of a load.
        tables: what the entry holds, by table; no rows, no file.
        task_types: the documented kinds of task, and the entry that keeps them.
        database: rows of each table in the database after the entry.
        restates: what became of earlier loads' rows by an act.
        removes: files of earlier entries that the act removed.
        reason: why an act was done.
        signed_by: fingerprint of the key that signed this digest; None if none did.
    """

    format: int
    sequence: int
    kind: EntryKind
    at: str
    tool_version: str
    previous: str | None
    load: LoadIdentity | None = None
    projects: tuple[ProjectNight, ...] = ()
    tables: dict[str, TableDigest] = {}
    task_types: int | None = None
    database: dict[str, int] = {}
    restates: tuple[Restatement, ...] = ()
    removes: tuple[RemovedFile, ...] = ()
    reason: str | None = None
    signed_by: str | None = None

    @property
    def row_count(self) -> int:
        """Rows that an act removed or, if it removed none, changed or wrote again."""
        removed = sum(said.rows_removed for said in self.restates)
        return removed or sum(said.rows_changed for said in self.restates)


class _Format(msgspec.Struct):
    format: int


def encode(digest: Manifest) -> bytes:
    """Write a digest as it is kept; these bytes are what the chain's hashes are of."""
    return msgspec.json.format(msgspec.json.encode(digest), indent=2) + b"\n"


def decode(content: bytes) -> Manifest:
    """Read a digest.

    Raises:
        NewerArchiveError: a newer program wrote it.
        DigestError: it is none.
    """
    try:
        if msgspec.json.decode(content, type=_Format).format > FORMAT:
            message = "the archive was written by a newer gaussdb-tasks; use that one or a later"
            raise NewerArchiveError(message)
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"it is no digest ({error})"
        raise ManifestError(message) from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()
