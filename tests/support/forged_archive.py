"""Change an archive as somebody does who knows its format: everything that follows is recomputed.

Each hash, row digest and row count of a changed entry fits again, and later entries follow it. What
remains to be found is that the content is false.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import duckdb
import msgspec

from gaussdb_tasks.archive.amendments.amendment import Amendment, write_amendment
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.amendments.rewrites import RowChange, plan_rewrites
from gaussdb_tasks.archive.archive_tables import ArchiveTable, parquet_sql
from gaussdb_tasks.archive.canonical import digest_by_load
from gaussdb_tasks.archive.manifest import EntryKind, decode, encode, sha256
from gaussdb_tasks.archive.parquet import write_rows
from gaussdb_tasks.archive.rebuild import restore
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.archive.store import (
    CHECKSUM_NAME,
    SIGNATURE_NAME,
    Archive,
    Entry,
    checksum_line,
)
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import Micros

Document: TypeAlias = dict[str, Any]


class ForgedArchive:
    """An archive whose entries are changed, and made consistent again."""

    def __init__(self, data_dir: DataDir, signer: KeySigner | None = None) -> None:
        """Take an archive.

        Args:
            data_dir: its directory.
            signer: signs changed entries that were signed; None: their signatures stay.
        """
        self._data_dir = data_dir
        self._signer = signer

    def entry(self, sequence: int) -> Entry:
        """Return the entry with a sequence number."""
        entries = Archive(self._data_dir.archive).entries()
        return next(entry for entry in entries if entry.sequence == sequence)

    def change_rows(self, sequence: int, table: ArchiveTable, *statements: str) -> None:
        """Change the rows of an entry's file by SQL on a table ``changed_rows``.

        Digests and counts of the rows, also by load, follow.
        """
        entry = self.entry(sequence)
        document = json.loads(entry.digest_path.read_bytes())
        held = document["tables"][table.name]
        path = entry.path / held["file"]
        with duckdb.connect() as connection:
            connection.execute(f"create table changed_rows as from {parquet_sql(path)}")
            for statement in statements:
                connection.execute(statement)
            path.unlink()
            written = write_rows(connection, table, "changed_rows", path)
            by_load, kept = {}, {}
            if written.file is not None and document["restates"]:
                columns = tuple(held["columns"])
                relation = parquet_sql(entry.path / written.file)
                by_load = dict(digest_by_load(connection, table, relation, columns).digests)
                if table.kept_columns:
                    columns = table.kept_columns
                    kept = dict(digest_by_load(connection, table, relation, columns).digests)
        document["tables"][table.name] = msgspec.to_builtins(written)
        for restated in document["restates"]:
            load_id = self._load_id(restated["sequence"])
            if restated["table"] == table.name and load_id in by_load:
                count, digest = by_load[load_id]
                restated |= {"row_count": count, "rows_sha256": digest}
                restated["kept_sha256"] = kept[load_id].rows_sha256 if load_id in kept else None
        self._write(entry, document)
        self.chain()

    def accept_file(self, sequence: int, table: ArchiveTable) -> None:
        """Make the manifest of an entry have the hash and the size of the file that is there."""
        path = self.entry(sequence).path / table.file_name

        def accept(document: Document) -> None:
            content = path.read_bytes()
            document["tables"][table.name] |= {
                "file_bytes": len(content),
                "file_sha256": sha256(content),
            }

        self.change_manifest(sequence, accept)

    def change_manifest(self, sequence: int, change: Callable[[Document], None]) -> None:
        """Change the manifest of an entry."""
        entry = self.entry(sequence)
        document = json.loads(entry.digest_path.read_bytes())
        change(document)
        self._write(entry, document)
        self.chain()

    def add_amendment(
        self,
        kind: EntryKind,
        at: Micros,
        changes: Mapping[ArchiveTable, RowChange],
        *,
        is_removing: bool,
    ) -> int:
        """Append an amendment that makes any changes, with its database; return its sequence."""
        with open_context(self._data_dir) as context:
            rewrites = plan_rewrites(context, changes)
            write_amendment(
                self._data_dir,
                context,
                Amendment(kind, at, "ticket 4711", self._signer),
                rewrites,
                is_removing=is_removing,
            )
            return context.chain[-1].manifest.sequence + 1

    def chain(self) -> None:
        """Make each entry follow the one before; sign again what was signed."""
        previous = None
        for entry in Archive(self._data_dir.archive).entries():
            document = json.loads(entry.digest_path.read_bytes())
            if document["previous"] != previous:
                document["previous"] = previous
                self._write(entry, document)
            previous = sha256(entry.digest_path.read_bytes())

    def restore_database(self) -> None:
        """Make the database that follows from the archive."""
        chain = read_chain(Archive(self._data_dir.archive).entries())
        self._data_dir.database.unlink()
        restore(chain, self._data_dir.database)

    def _load_id(self, sequence: int) -> str:
        load = self.entry(sequence).read().manifest.load
        return "" if load is None else load.load_id

    def _write(self, entry: Entry, document: Document) -> None:
        """Write a manifest as the program writes it, with its checksum and its signature."""
        content = encode(decode(json.dumps(document).encode()))
        entry.digest_path.write_bytes(content)
        (entry.path / CHECKSUM_NAME).write_text(checksum_line(sha256(content)))
        if document["signed_by"] is not None and self._signer is not None:
            (entry.path / SIGNATURE_NAME).write_bytes(self._signer.sign(content))
