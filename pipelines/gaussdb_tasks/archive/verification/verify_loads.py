"""Verify what manifests say about their loads: identities, results of projects, and row counts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.current_rows import Key
from gaussdb_tasks.archive.project_results import project_results
from gaussdb_tasks.archive.store import DIGEST_NAME, ChainEntry
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.model.tables import LOADED_TABLES, TASK_TYPES

if TYPE_CHECKING:
    import pyarrow as pa

    from gaussdb_tasks.archive.verification.file_rows import ResultRows

_OF_LOADS: Final = (archive_tables.LOAD_RUNS, archive_tables.COVERAGE)
_IDENTITY: Final = ("run_id", "load_number", "load_id")


def verify_load_identities(found: Verification) -> None:
    """Check that no two loads share an identity, and that their numbers increase."""
    seen: dict[tuple[str, object], str] = {}
    last_number = -1
    for entry in found.chain:
        load = entry.manifest.load
        if load is None:
            continue
        for name in _IDENTITY:
            other = seen.setdefault((name, getattr(load, name)), entry.name)
            if other != entry.name:
                found.add_file(entry, DIGEST_NAME, f"{other} has the same {name}")
        if load.load_number < last_number:
            found.add_file(entry, DIGEST_NAME, "an earlier load has a higher load_number")
        last_number = max(last_number, load.load_number)


def verify_completeness(found: Verification) -> None:
    """Check that a manifest counts every table, and names an entry with the task types.

    What it omits could not be compared with the database.
    """
    by_sequence = {entry.manifest.sequence: entry for entry in found.chain}
    for entry in found.chain:
        sequence = entry.manifest.task_types
        # A holder that is missing is reported as a gap.
        holder = None if sequence is None else by_sequence.get(sequence)
        has_none = holder is not None and TASK_TYPES.name not in holder.manifest.tables
        if sequence is None or has_none:
            found.add_file(entry, DIGEST_NAME, "task_types: it names no entry with a file of them")
        for table in LOADED_TABLES:
            if table.name not in entry.manifest.database:
                detail = f"database: the number of rows of {table.name} is missing"
                found.add_file(entry, DIGEST_NAME, detail)


def verify_row_counts(found: Verification) -> None:
    """Recompute how many rows the database had after each entry, where files give the number.

    ``tasks`` and ``vanished_tasks`` hold a row for several rows of files. Their number is compared
    with the database, after the last entry.
    """
    if [entry.manifest.sequence for entry in found.chain] != [*range(1, len(found.chain) + 1)]:
        return  # the rows of missing entries are not known
    counts: Counter[Key] = Counter()
    totals: Counter[str] = Counter()
    for entry in found.chain:
        for key, row_count in _row_counts(entry):
            totals[key[0]] += row_count - counts[key]
            counts[key] = row_count
        for table in archive_tables.APPENDED:
            stated, expected = entry.manifest.database.get(table.name), totals[table.name]
            if stated is not None and stated != expected:
                detail = f"database: {table.name} has {stated:,} rows; expected: {expected:,}"
                found.add_file(entry, DIGEST_NAME, detail)


def verify_project_results(rows: "ResultRows", found: Verification) -> None:
    """Recompute the results of projects from each load's own rows; damaged files are skipped."""
    for entry in found.chain:
        is_readable = all(found.is_readable(entry.file(table.name)) for table in _OF_LOADS)
        if entry.manifest.load is None or not is_readable:
            continue
        runs, windows = (_tuples(rows.get((table.name, entry.name))) for table in _OF_LOADS)
        try:
            expected = project_results(runs, windows)
        except (TypeError, ValueError, OverflowError):
            detail = "projects: the rows of the load have windows that are not times"
            found.add_file(entry, DIGEST_NAME, detail)
            continue
        if entry.manifest.projects != expected:
            _report_projects(entry, expected, found)


def _row_counts(entry: ChainEntry) -> Iterator[tuple[Key, int]]:
    """Yield the number of rows that loads have since an entry."""
    manifest = entry.manifest
    for name, table in manifest.tables.items() if manifest.load is not None else ():
        yield (name, manifest.sequence), table.row_count
    for restated in manifest.restates:
        yield (restated.table, restated.sequence), restated.row_count


def _tuples(rows: "pa.Table | None") -> Iterable[tuple[Any, ...]]:
    columns = [] if rows is None else [column.to_pylist() for column in rows.columns]
    return zip(*columns, strict=True)


def _report_projects(entry: ChainEntry, expected: Iterable[Any], found: Verification) -> None:
    stated = {(each.region, each.project_id): each for each in entry.manifest.projects}
    wanted = {(each.region, each.project_id): each for each in expected}
    for key in sorted(stated.keys() | wanted.keys()):
        if stated.get(key) != wanted.get(key):
            project = "/".join(key)
            names = ", ".join(_differing(stated.get(key), wanted.get(key)))
            detail = f"projects: {project} does not follow from the rows of the load ({names})"
            found.add_file(entry, DIGEST_NAME, detail)
            return
    found.add_file(entry, DIGEST_NAME, "projects: they are in another order, or one is repeated")


def _differing(stated: Any, expected: Any) -> Iterator[str]:
    if stated is None or expected is None:
        yield "it is missing" if stated is None else "the load has no row of it"
        return
    for name in stated.__struct_fields__:
        if getattr(stated, name) != getattr(expected, name):
            yield name
