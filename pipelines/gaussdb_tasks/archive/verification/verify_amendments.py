"""Verify what amendments say about themselves: recompute which rows they removed and changed.

Nothing that an amendment says is believed where the chain or the files give the answer. The rows
before a redaction or retention are gone; then the rows that are left must account for themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.context import TASK_TABLES
from gaussdb_tasks.archive.amendments.rewrites import Effect, Rewrite, removed_files
from gaussdb_tasks.archive.current_rows import Key, Rows, follow
from gaussdb_tasks.archive.file_queries import open_for_files
from gaussdb_tasks.archive.manifest import LOAD, RemovedFile, Restatement
from gaussdb_tasks.archive.store import DIGEST_NAME, ChainEntry
from gaussdb_tasks.archive.tombstones import Place
from gaussdb_tasks.archive.verification.findings import AmendmentAccount, Fault, Verification


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind of amendment may do."""

    tables: frozenset[str] = frozenset()
    is_removing_rows: bool = False
    is_changing_rows: bool = False
    is_removing_files: bool = False


_VERSIONS: Final = archive_tables.TASK_VERSIONS.name
_REJECTED: Final = archive_tables.REJECTED_RECORDS.name
_OF_TASKS: Final = frozenset(table.name for table in TASK_TABLES)
_KINDS: Final[Mapping[str, _Kind]] = {
    "retention": _Kind(_OF_TASKS, is_removing_rows=True, is_removing_files=True),
    "redaction": _Kind(
        frozenset({_VERSIONS, _REJECTED}), is_changing_rows=True, is_removing_files=True
    ),
    "renormalisation": _Kind(_OF_TASKS, is_changing_rows=True),
}
"""Other kinds remove and change nothing."""


@dataclass(frozen=True, slots=True)
class _Amendment:
    """An amendment, and the rows before it."""

    entry: ChainEntry
    earlier: Sequence[ChainEntry]
    before: Mapping[Key, Rows]

    @property
    def kind(self) -> _Kind:
        """What it may do."""
        return _KINDS.get(self.entry.manifest.kind, _Kind())

    def restatements(self) -> Iterator[tuple[Restatement, Rows]]:
        """Yield each restatement with the rows before it."""
        for restated in self.entry.manifest.restates:
            before = self.before.get((restated.table, restated.sequence))
            if before is not None:
                yield restated, before


def verify_amendments(
    found: Verification, expected_head: str | None, *, is_rereading: bool
) -> None:
    """Recompute what each amendment removed and changed, and list all amendments.

    Amendments after the entry with the expected digest are marked. Without rereading, only the row
    counts of the chain are compared.
    """
    positions = [entry.sha256 for entry in found.chain]
    head = positions.index(expected_head) if expected_head in positions else len(positions)
    is_amended = any(entry.manifest.kind != LOAD for entry in found.chain)
    with open_for_files() if is_rereading and is_amended else nullcontext() as connection:
        before: dict[Key, Rows] = {}
        for position, entry in enumerate(found.chain):
            if entry.manifest.kind != LOAD:
                amendment = _Amendment(entry, found.chain[:position], before)
                is_later = position > head
                account = _verify_amendment(amendment, connection, found, is_later=is_later)
                found.amendments.append(account)
            follow(entry, before, TASK_TABLES)


def _verify_amendment(
    amendment: _Amendment,
    connection: duckdb.DuckDBPyConnection | None,
    found: Verification,
    *,
    is_later: bool,
) -> AmendmentAccount:
    entry = amendment.entry
    problems = list(_problems(amendment))
    for problem in problems:
        found.add_file(entry, DIGEST_NAME, problem, Fault.AMENDMENT)
    changed = None
    if connection is not None and not problems:
        # It reads records as a load does; most archives have no amendment.
        from gaussdb_tasks.archive.verification.verify_amended_rows import (  # noqa: PLC0415
            AmendedRows,
        )

        changed = AmendedRows(connection, found, len(amendment.earlier)).verify()
    return AmendmentAccount(
        entry=entry,
        rows_removed=sum(
            max(before.row_count - restated.row_count, 0)
            for restated, before in amendment.restatements()
        ),
        rows_changed=entry.manifest.rows_changed if changed is None else changed,
        is_recomputed=changed is not None,
        is_later=is_later,
    )


def _problems(amendment: _Amendment) -> Iterator[str]:
    """Yield what the manifests alone show to be false."""
    manifest, kind = amendment.entry.manifest, amendment.kind
    keys = [(restated.table, restated.sequence) for restated in manifest.restates]
    if len(set(keys)) != len(keys):
        yield "it restates the same rows twice"
    for name in sorted({table for table, _ in keys} - kind.tables):
        yield f"a {manifest.kind} does not change {name}"
    for restated, before in amendment.restatements():
        for problem in _restatement_problems(kind, manifest.kind, restated, before):
            yield f"{restated.table} of {before.load.name}: {problem}"
    if manifest.kind == "renormalisation":
        yield from _record_problems(amendment)
    yield from _table_problems(amendment.entry)
    yield from _removal_problems(amendment)


def _restatement_problems(
    kind: _Kind, name: str, restated: Restatement, before: Rows
) -> Iterator[str]:
    removed = before.row_count - restated.row_count
    if kind.is_removing_files and restated.rows_removed != removed:
        yield (
            f"it says that it removed {restated.rows_removed:,} rows; of {before.row_count:,} "
            f"rows {restated.row_count:,} are left"
        )
    if restated.rows_removed and not kind.is_removing_rows:
        yield f"a {name} does not remove rows"
    if restated.rows_changed and not kind.is_changing_rows:
        yield f"a {name} does not change rows"
    if restated.rows_changed > max(before.row_count, restated.row_count):
        yield f"it says that it changed {restated.rows_changed:,} rows, more than there are"
    is_untouched = not restated.rows_removed and not restated.rows_changed
    if (
        is_untouched
        and restated.columns == before.columns
        and restated.rows_sha256 != before.rows_sha256
    ):
        yield "it says that it changed nothing, but the digest of the rows is another one"


def _record_problems(amendment: _Amendment) -> Iterator[str]:
    """Check that a renormalisation keeps every record: a rejected one may become a task."""
    after = dict(amendment.before)
    follow(amendment.entry, after, TASK_TABLES)
    for sequence in sorted({restated.sequence for restated, _ in amendment.restatements()}):
        versions, rejected, new_versions, new_rejected = (
            0 if rows is None else rows.row_count
            for current in (amendment.before, after)
            for rows in (current.get((name, sequence)) for name in (_VERSIONS, _REJECTED))
        )
        if new_versions + new_rejected != versions + rejected or new_versions < versions:
            yield (
                f"entry {sequence}: of {versions:,} tasks and {rejected:,} rejected records it "
                f"made {new_versions:,} and {new_rejected:,}"
            )


def _table_problems(entry: ChainEntry) -> Iterator[str]:
    """Check that the entry's files hold exactly the rows that it restates."""
    manifest = entry.manifest
    for name in sorted({*manifest.tables} | {each.table for each in manifest.restates}):
        restated = [each for each in manifest.restates if each.table == name]
        table = manifest.tables.get(name)
        expected = sum(each.row_count for each in restated)
        actual = 0 if table is None else table.row_count
        if actual != expected:
            yield f"its file of {name} has {actual:,} rows; it restates {expected:,}"
        if table is not None and any(each.columns != table.columns for each in restated):
            yield f"its file of {name} has other columns than the rows that it restates"


def _removal_problems(amendment: _Amendment) -> Iterator[str]:
    """Recompute which files must go: those with rows that were removed or changed."""
    manifest = amendment.entry.manifest
    expected = _expected_removals(amendment) if amendment.kind.is_removing_files else {}
    stated = {(file.entry, file.file): file for file in manifest.removes}
    if len(stated) != len(manifest.removes):
        yield "it removes a file twice"
    for place in sorted(stated.keys() | expected.keys()):
        where = "/".join(place)
        if place not in expected:
            yield f"it removes {where}, but restates none of its rows"
        elif place not in stated:
            yield f"it keeps {where}, which holds the rows before"
        elif stated[place] != expected[place]:
            yield f"the counts of {where} are not those of the rows that it restates"
    restated = {(each.table, each.sequence) for each in manifest.restates}
    for key, rows in amendment.before.items():
        is_removed = rows.file is not None and (rows.holder.name, rows.file.name) in stated
        if is_removed and key not in restated:
            yield f"it removes the rows of {rows.table} of {rows.load.name} without a word"


def _expected_removals(amendment: _Amendment) -> Mapping[Place, RemovedFile]:
    rewrites = [
        Rewrite(
            table,
            "",
            {
                each.sequence: Effect(each.rows_removed, each.rows_changed)
                for each in amendment.entry.manifest.restates
                if each.table == table.name
            },
        )
        for table in TASK_TABLES
    ]
    files = removed_files(amendment.earlier, rewrites)
    return {(file.entry, file.file): file for file in files}
