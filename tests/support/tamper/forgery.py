"""Complete a change as a thorough forger does: whatever follows from it is made again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import parquet_sql
from gaussdb_tasks.archive.manifest import sha256
from gaussdb_tasks.archive.project_results import RUN_COLUMNS, WINDOW_COLUMNS, project_results
from gaussdb_tasks.archive.recover import read_chain
from gaussdb_tasks.archive.store import Archive, Entry, checksum_line
from gaussdb_tasks.archive.tombstones import put_tombstones
from gaussdb_tasks.archive.write import row_counts
from gaussdb_tasks.errors import GaussdbTasksError
from tests.support.audited_archive import AuditedArchive
from tests.support.forged_archive import Document, ForgedArchive

Sign: TypeAlias = Callable[[Document, Path], None]
"""Signs a changed manifest in its folder, or changes who signs it."""


def keep_signatures(_document: Document, _folder: Path) -> None:
    """Leave the signature as it was: the forger has no key."""


class Forgery:
    """Changes of an archive, and all that follows from them."""

    def __init__(self, archive: AuditedArchive, sign: Sign = keep_signatures) -> None:
        self._archive = archive
        self._sign = sign
        self.rows = ForgedArchive(archive.data_dir)

    def entry(self, sequence: int) -> Entry:
        """Return an entry."""
        return self._archive.entries()[sequence - 1]

    def change(self, sequence: int, change: Callable[[Document], object]) -> None:
        """Change the manifest of an entry."""
        document = read_document(self.entry(sequence))
        change(document)
        self._write(self.entry(sequence), document)

    def complete(self) -> None:
        """Make digests, counts, the chain, tombstones and the database again.

        Time stamps that do not fit any more are removed. What cannot be read stays as it is.
        """
        self.chain()
        with suppress(GaussdbTasksError, duckdb.Error, LookupError, TypeError, ValueError):
            for entry in self._archive.entries():
                self._follow_rows(entry)
            self._count_rows()
            self.chain()
            self.rows.restore_database()
            if self._count_database():
                self.chain()
                self.rows.restore_database()
        self._remove_stamps()

    def _write(self, entry: Entry, document: Document) -> None:
        write_document(entry.path, document)
        self._sign(document, entry.path)

    def chain(self) -> None:
        """Make each entry follow the one before, and tombstones follow the amendments."""
        previous = None
        for entry in self._archive.entries():
            document = read_document(entry)
            if document.get("previous") != previous:
                document["previous"] = previous
                self._write(entry, document)
            previous = sha256(entry.digest_path.read_bytes())
        with suppress(GaussdbTasksError):
            archive = Archive(self._archive.data_dir.archive)
            chain = read_chain(archive.entries())
            for tombstone in archive.path.glob("*/*.removed.json"):
                tombstone.with_name(json.loads(tombstone.read_bytes())["removed"]).touch()
            put_tombstones(archive, chain)

    def _follow_rows(self, entry: Entry) -> None:
        """Make the results of projects from the rows of a load."""
        document = read_document(entry)
        if document["load"] is None:
            return
        with duckdb.connect() as connection:
            rows = [
                connection.execute(
                    f"select {', '.join(columns)} from {parquet_sql(entry.path / name)}"
                ).fetchall()
                for name, columns in (
                    ("load_runs.parquet", RUN_COLUMNS),
                    ("coverage.parquet", WINDOW_COLUMNS),
                )
            ]
        results = json.loads(json.dumps([_fields(each) for each in project_results(*rows)]))
        if document["projects"] != results:
            document["projects"] = results
            self._write(entry, document)

    def _count_rows(self) -> None:
        counts: dict[tuple[str, int], int] = {}
        for entry in self._archive.entries():
            document = read_document(entry)
            for table in archive_tables.APPENDED:
                if document["load"] is not None:
                    held = document["tables"][table.name]
                    counts[table.name, entry.sequence] = held["row_count"]
            for each in document["restates"]:
                counts[each["table"], each["sequence"]] = each["row_count"]
            now = {
                table.name: sum(n for (name, _), n in counts.items() if name == table.name)
                for table in archive_tables.APPENDED
            }
            self._set_counts(entry, document, now)

    def _count_database(self) -> bool:
        """Write the row counts of the database into the last entry; return whether they differ."""
        last = self._archive.entries()[-1]
        with duckdb.connect(self._archive.data_dir.database, read_only=True) as connection:
            return self._set_counts(last, read_document(last), row_counts(connection))

    def _set_counts(self, entry: Entry, document: Document, counts: Mapping[str, int]) -> bool:
        if document["database"] == document["database"] | counts:
            return False
        document["database"] |= counts
        self._write(entry, document)
        return True

    def _remove_stamps(self) -> None:
        for entry in self._archive.entries():
            stamp, content = entry.path / "digest.tsr", entry.digest_path.read_bytes()
            if stamp.exists() and hashlib.sha256(content).digest() not in stamp.read_bytes():
                stamp.unlink()


def read_document(entry: Entry) -> Document:
    """Read a manifest as it is."""
    document: Document = json.loads(entry.digest_path.read_bytes())
    return document


def write_document(folder: Path, document: Document) -> None:
    """Write a manifest as the program writes it, with its checksum."""
    content = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    (folder / "digest.json").write_bytes(content)
    (folder / "digest.sha256").write_text(checksum_line(sha256(content)))


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
