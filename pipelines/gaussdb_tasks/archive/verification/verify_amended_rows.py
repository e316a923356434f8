"""Verify the rows that amendments wrote: recomputed where the earlier rows are there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pyarrow as pa

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.context import TASK_TABLES, AmendmentContext
from gaussdb_tasks.archive.amendments.rereading import (
    Rereading,
    plan_rereading,
    read_rows,
)
from gaussdb_tasks.archive.amendments.rewrites import Effect
from gaussdb_tasks.archive.archive_tables import parquet_sql, quoted_text
from gaussdb_tasks.archive.canonical import NO_ROWS, digest_by_load
from gaussdb_tasks.archive.current_rows import Key, current_rows
from gaussdb_tasks.archive.file_queries import open_for_files
from gaussdb_tasks.archive.replay import relations, typed
from gaussdb_tasks.archive.store import ChainEntry, loads_of
from gaussdb_tasks.archive.verification.amended_records import check_row
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.version import VERSION

_RENORMALISATION: Final = "renormalisation"
_REDACTION: Final = "redaction"
_HASHES: Final[Mapping[str, str]] = {
    archive_tables.TASK_VERSIONS.name: "version_hash",
    archive_tables.REJECTED_RECORDS.name: "record_hash",
}
"""The column with the hash of the record, by table."""
_RECORD: Final = "_dlt_load_id, region, project_id, observed_at, raw"
# What a prepared file can make the code that reads its rows raise.
_UNREADABLE: Final = (
    duckdb.Error,
    pa.ArrowException,
    LookupError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,
)


class AmendedRows:
    """Verify the rows of an amendment, with findings for those that are not accounted for.

    The connection is from ``open_for_files``; the position is that of the amendment in the chain.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, found: Verification, position: int
    ) -> None:
        self._connection = connection
        self._found = found
        self._entry = found.chain[position]
        self._manifest = self._entry.manifest
        self._earlier = found.chain[:position]
        # The rows that a later renormalisation made again from their records.
        self._superseded = {
            (restated.table, restated.sequence)
            for later in found.chain[position + 1 :]
            if later.manifest.kind == _RENORMALISATION
            for restated in later.manifest.restates
        }

    def verify(self) -> int | None:
        """Verify the rows of an amendment whose manifest accounts for itself.

        Returns:
            the number of rows that it changed; None if the rows do not show it.
        """
        files = map(self._entry.file, self._manifest.tables)
        if not all(map(self._found.is_readable, files)):
            return None  # a later amendment removed them, and accounts for what is left
        try:
            if self._manifest.kind != _RENORMALISATION:
                return self._verify_records()
            if self._can_reread():
                return self._reread()
            self._verify_kept_records()
            self._verify_records()
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0][:200] or type(error).__name__
            self._add(f"its rows cannot be compared: {reason}")
        return None

    def _add(self, detail: str) -> None:
        version = self._manifest.tool_version
        if self._manifest.kind == _RENORMALISATION and version != VERSION:
            detail += (
                f"; version {version} wrote it: verify with that version, or bring the rows to what"
                " this version reads with rebuild --renormalise"
            )
        name = self._entry.name
        self._found.add(Fault.AMENDMENT, name, detail, entry=name)

    def _can_reread(self) -> bool:
        restated = {(each.table, each.sequence) for each in self._manifest.restates}
        return not restated <= self._superseded and all(
            self._found.is_readable(rows.file)
            for table in TASK_TABLES
            for rows in current_rows(self._earlier, table)
        )

    def _reread(self) -> int:
        """Make the renormalisation again, and compare."""
        earlier = self._earlier
        names = {each.manifest.sequence: each.name for each in earlier}
        with open_for_files() as connection, TemporaryDirectory() as folder:
            context = AmendmentContext(connection, earlier, Path(folder))
            expected: dict[Key, Effect] = {}
            for rewrite in plan_rereading(context, Rereading()):
                for sequence, effect in rewrite.effects.items():
                    expected[rewrite.table.name, sequence] = effect
            stated = {(each.table, each.sequence): each for each in self._manifest.restates}
            for key in sorted((stated.keys() | expected.keys()) - self._superseded):
                where = f"{key[0]} of {names.get(key[1], key[1])}"
                if key not in expected:
                    self._add(f"{where}: its records say what the rows said before")
                elif key not in stated:
                    self._add(f"{where}: its records say other rows than it left")
                elif stated[key].rows_changed != expected[key].rows_changed:
                    self._add(
                        f"{where}: it says that it changed {stated[key].rows_changed:,} rows; "
                        f"recomputed: {expected[key].rows_changed:,}"
                    )
            keys = expected.keys() & stated.keys() - self._superseded
            self._compare_digests(connection, keys)
            return sum(expected[key].rows_changed for key in expected.keys() & stated.keys())

    def _compare_digests(self, connection: duckdb.DuckDBPyConnection, keys: set[Key]) -> None:
        loads = {each.manifest.sequence: each for each in self._found.chain}
        for restated in self._manifest.restates:
            if (restated.table, restated.sequence) not in keys:
                continue
            load, load_id = loads[restated.sequence], loads[restated.sequence].load_id
            table = archive_tables.BY_NAME[restated.table]
            made = f"(from restated_{table.name} where _dlt_load_id = {quoted_text(load_id)})"
            digests = digest_by_load(connection, table, made, restated.columns).digests
            if digests.get(load_id, NO_ROWS) != (restated.row_count, restated.rows_sha256):
                self._add(f"{table.name} of {load.name}: rows do not follow from raw")

    def _verify_kept_records(self) -> None:
        """Check that a renormalisation kept every record, where its earlier files are there."""
        restated = {each.sequence for each in self._manifest.restates}
        before, after = (
            self._records(chain, restated)
            for chain in (self._earlier, [*self._earlier, self._entry])
        )
        if before is None or after is None:
            return
        sql = f"select count(*) from (({before}) except all ({after}))"
        (count,) = self._connection.execute(sql).fetchone() or (0,)
        if count:
            self._add(f"{count:,} records of the earlier rows are missing or changed")

    def _records(self, chain: Sequence[ChainEntry], sequences: set[int]) -> str | None:
        """Return SQL for the records of loads, as tasks or rejected; None if a file is gone."""
        parts = []
        for name in _HASHES:
            table = archive_tables.BY_NAME[name]
            rows = [
                each
                for each in current_rows(chain, table)
                if each.load.manifest.sequence in sequences and each.file is not None
            ]
            if not all(self._found.is_readable(each.file) for each in rows):
                return None
            parts += [
                f"select {_RECORD} from ({typed(table, relation)})" for relation in relations(rows)
            ]
        return " union all ".join(parts) or None

    def _verify_records(self) -> int | None:
        """Check each row against its record, and count the redacted ones by load."""
        if self._manifest.kind == _REDACTION:
            self._verify_kept_columns()
        sequences = {each.load_id: each.manifest.sequence for each in loads_of(self._found.chain)}
        redacted: Counter[Key] = Counter()
        for name, hash_column in _HASHES.items():
            path = self._entry.file(name)
            if path is None:
                continue
            problems: dict[str, list[str]] = {}
            table = archive_tables.BY_NAME[name]
            for row in read_rows(self._connection, table, parquet_sql(path)):
                key = (name, sequences.get(row["_dlt_load_id"], 0))
                account = check_row(row, hash_column, is_following=key not in self._superseded)
                redacted[key] += account.is_redacted
                if account.problem is not None:
                    problems.setdefault(account.problem, []).append(str(row["job_id"]))
            for problem, jobs in problems.items():
                self._add(f"{name}: {problem}: {len(jobs):,} rows, such as job_id={jobs[0]}")
        return self._verify_redacted(redacted)

    def _verify_kept_columns(self) -> None:
        """Check that a redaction changed no other columns, where the earlier rows tell a digest."""
        for name in _HASHES:
            path, table = self._entry.file(name), archive_tables.BY_NAME[name]
            if path is None:
                continue
            restated = {each.sequence for each in self._manifest.restates if each.table == name}
            kept = digest_by_load(
                self._connection, table, parquet_sql(path), table.kept_columns
            ).digests
            for before in current_rows(self._earlier, table):
                is_known = before.kept_sha256 is not None and before.columns == table.column_names
                if not is_known or before.load.manifest.sequence not in restated:
                    continue
                if kept.get(before.load_id, NO_ROWS).rows_sha256 != before.kept_sha256:
                    self._add(
                        f"{name} of {before.load.name}: it changed columns that a redaction leaves"
                    )

    def _verify_redacted(self, redacted: Mapping[Key, int]) -> int | None:
        """Compare the number of redacted rows with what this and earlier redactions say."""
        history: dict[Key, list[tuple[str, int, int]]] = {}
        for each in [*self._earlier, self._entry]:
            for restated in each.manifest.restates:
                history.setdefault((restated.table, restated.sequence), []).append(
                    (each.manifest.kind, restated.rows_changed, restated.rows_removed)
                )
        is_certain = True
        for restated in self._manifest.restates:
            key = restated.table, restated.sequence
            if restated.table not in _HASHES:
                continue
            earlier = history[key]
            changes = [changed for kind, changed, _ in earlier if kind == _REDACTION and changed]
            is_only_redacted = all(
                kind == _REDACTION or not (changed or removed) for kind, changed, removed in earlier
            )
            fewest = max(changes, default=0) if is_only_redacted else 0
            if not fewest <= redacted.get(key, 0) <= sum(changes):
                self._add(
                    f"{restated.table} of entry {restated.sequence}: {redacted.get(key, 0):,} rows "
                    f"are redacted; redactions say that they changed {sum(changes):,}"
                )
            is_certain &= len(changes) < 2 and is_only_redacted  # noqa: PLR2004 - more can overlap
        if self._manifest.kind == _REDACTION:
            return sum(redacted.values()) if is_certain else None
        return 0
