"""Verify the tables that loads append to: every row of every load, and the order of the loads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import duckdb

from gaussdb_tasks.archive.archive_tables import APPENDED, ArchiveTable, quoted_text, table_sql
from gaussdb_tasks.archive.canonical import NO_ROWS, RowsDigest, digest_by_load
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.row_comparison import compare_rows


def verify_counts(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Count the rows of each load."""
    for table in APPENDED:
        sql = f"select _dlt_load_id, count(*) from {table_sql(table)} group by all order by all"
        actual = dict(connection.execute(sql).fetchall())
        for rows in current_rows(found.chain, table):
            count = actual.pop(rows.load_id, 0)
            if count != rows.row_count:
                detail = f"it has {count:,} rows of this load; expected: {rows.row_count:,}"
                found.add(Fault.DIFFERS, table_sql(table), detail, entry=rows.load.name)
        _report_unknown_loads(table, actual, found)


def verify_rows(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compute the digest of each load's rows, and compare it with the archive's."""
    for table in APPENDED:
        if table.name in found.matched:
            continue  # the rows are those of the files, and these have their digests
        _verify_table(connection, table, current_rows(found.chain, table), found)


def _verify_table(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    loads: Sequence[Rows],
    found: Verification,
) -> None:
    load_ids = [rows.load_id for rows in loads]
    actual: dict[str, RowsDigest] = {}
    # Older loads may lack columns; their digests are over the columns that they had.
    for columns in sorted({rows.columns for rows in loads} or {table.column_names}):
        digests, order = digest_by_load(connection, table, table_sql(table), columns)
        wanted = {rows.load_id for rows in loads if rows.columns == columns}
        wanted |= digests.keys() - set(load_ids)
        actual |= {id_: digest for id_, digest in digests.items() if id_ in wanted}
    _verify_order(table, load_ids, order, found)
    for rows in loads:
        digest = actual.pop(rows.load_id, NO_ROWS)
        if digest != (rows.row_count, rows.rows_sha256):
            _report_rows(connection, table, rows, found)
    _verify_added_columns(connection, table, loads, found)
    unknown = {load_id: digest.row_count for load_id, digest in actual.items()}
    _report_unknown_loads(table, unknown, found)


def _verify_added_columns(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    loads: Sequence[Rows],
    found: Verification,
) -> None:
    """Check the columns that files of loads lack: null, or the number that the manifest has."""
    for name in table.column_names:
        lacking = {rows.load_id: rows.load for rows in loads if name not in rows.columns}
        if not lacking:
            continue
        counts = Counter[str]()
        # An older database lacks the column, too; the catalog's check reports that.
        rows_sql = f"from {table_sql(table)} union all by name select null as {name} where false"
        sql = f"select _dlt_load_id, {name}, count(*) from ({rows_sql}) group by all"
        for load_id, value, count in connection.execute(sql).fetchall():
            load = lacking[load_id].manifest.load if load_id in lacking else None
            expected = load.load_number if load is not None and name == "load_number" else None
            if load_id in lacking and value != expected:
                counts[load_id] += count
        for load_id, count in sorted(counts.items()):
            detail = f"{count:,} rows have a value that the archive does not have"
            entry = lacking[load_id].name
            found.add(Fault.DIFFERS, table_sql(table), detail, entry=entry, column=name)


def _report_unknown_loads(
    table: ArchiveTable, counts: Mapping[str, int], found: Verification
) -> None:
    for load_id, count in counts.items():
        detail = f"{count:,} rows of load {load_id!r}, which is not in the archive"
        found.add(Fault.EXTRA, table_sql(table), detail)


def _verify_order(
    table: ArchiveTable, load_ids: Sequence[str], order: Sequence[str], found: Verification
) -> None:
    """Check that the table's rows are in the order of the loads."""
    positions = {load_id: position for position, load_id in enumerate(load_ids)}
    known = [positions[load_id] for load_id in order if load_id in positions]
    if any(after <= before for before, after in pairwise(known)):
        detail = "its rows are not in the order of the loads that wrote them"
        found.add(Fault.DIFFERS, table_sql(table), detail)


def _report_rows(
    connection: duckdb.DuckDBPyConnection, table: ArchiveTable, rows: Rows, found: Verification
) -> None:
    """Report which rows of a load differ from the archive's file."""
    entry, where = rows.load.name, table_sql(table)
    if rows.row_count and (rows.file is None or not found.is_readable(rows.file)):
        detail = "rows of this load differ; the archive's file is damaged and cannot show which"
        found.add(Fault.DIFFERS, where, detail, entry=entry)
        return
    expected = next(relations([rows])) if rows.file is not None else f"{where} where false"
    actual = table.select(f"{where} where _dlt_load_id = {quoted_text(rows.load_id)}", rows.columns)
    if not compare_rows(
        connection,
        found,
        table,
        expected=table.select(expected, rows.columns),
        actual=actual,
        columns=rows.columns,
        entry=entry,
    ):
        detail = "rows of this load are duplicated, or are in another order"
        found.add(Fault.DIFFERS, where, detail, entry=entry)
