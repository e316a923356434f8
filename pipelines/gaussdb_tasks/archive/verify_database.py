"""Holding the database against the chain: which night, which task, which column."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import (
    ArchiveTable,
    parquet_sql,
    quoted_text,
    table_sql,
)
from gaussdb_tasks.archive.canonical import NO_ROWS, RowsDigest, digest_by_load
from gaussdb_tasks.archive.current_rows import Rows, effective_rows
from gaussdb_tasks.archive.findings import Fault, Verification
from gaussdb_tasks.archive.replay import (
    expected_tasks,
    expected_vanished_tasks,
    make_tables,
    task_types_file,
)
from gaussdb_tasks.archive.store import Link
from gaussdb_tasks.database.connect import read_published, writable_clone
from gaussdb_tasks.database.views import apply_views
from gaussdb_tasks.errors import GaussdbTasksError
from gaussdb_tasks.model.tables import (
    ALL_TABLES,
    LOAD_ID,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    TASKS,
    Column,
)
from gaussdb_tasks.version import VERSION

_APPENDED: Final = tuple(each for each in archive_tables.OF_A_LOAD if each.is_appended)
_TASKS: Final = ArchiveTable(
    TASKS.name,
    TASKS.name,
    TASKS.grain,
    (*TASKS.columns, LOAD_ID),
    TASKS.primary_key,
    False,  # noqa: FBT003
)
_SHOWN_ROWS: Final = 20
_SHOWN_TEXT: Final = 60


def verify_database(path: Path, found: Verification, *, is_fast: bool) -> None:
    """Hold the published database against the chain that was found.

    Args:
        path: the published database.
        found: the archive's verification, which findings are added to.
        is_fast: whether counts are to do in place of rows.
    """
    for check in _FAST if is_fast else _FULL:
        # A broken block ends a connection; what the others can see is still to be looked at.
        try:
            with _opened(path) as connection:
                check(connection, found)
        except GaussdbTasksError as error:
            found.add(Fault.INVALID, path.name, str(error))
            return
        except duckdb.Error as error:
            told = str(error).partition("\n")[0]
            found.add(Fault.INVALID, path.name, f"it cannot be read whole: {told}")


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with TemporaryDirectory() as folder, read_published(path, temp_directory=folder) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def known_sequence(path: Path) -> int:
    """Return the last entry that the database knows; 0 for none.

    Raises:
        GaussdbTasksError: it cannot be opened.
        duckdb.Error: it cannot be read.
    """
    with _opened(path) as connection:
        if _lacks_marks(connection):
            return 0
        return max(_marked(connection), default=0)


def _lacks_marks(connection: duckdb.DuckDBPyConnection) -> bool:
    sql = "select count(*) from duckdb_columns() where schema_name = ? and column_name = ?"
    return connection.execute(sql, [SCHEMA_NAME, "head_digest"]).fetchone() != (2,)


def _marked(connection: duckdb.DuckDBPyConnection) -> dict[int, set[str | None]]:
    marks: dict[int, set[str | None]] = {}
    sql = f"""
        select archive_sequence, head_digest from {SCHEMA_NAME}.load_runs
        union all
        select archive_sequence, head_digest from {SCHEMA_NAME}.archive_acts
    """
    for sequence, digest in connection.execute(sql).fetchall():
        if sequence is not None:
            marks.setdefault(sequence, set()).add(digest)
    return marks


def _verify_shape(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Look for tables and columns that are missing or too many."""
    sql = """
        select table_name, column_name, lower(data_type)
        from duckdb_columns()
        where schema_name = ? and not starts_with(table_name, '_dlt')
    """
    actual: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(sql, [SCHEMA_NAME]).fetchall():
        actual.setdefault(table, {})[column] = data_type
    expected = {table.name: _column_types(table.columns) for table in ALL_TABLES}
    for table in sorted(expected.keys() | actual.keys()):
        where = f"{SCHEMA_NAME}.{table}"
        if table not in actual and table == SCHEMA_VERSIONS.name:
            continue  # a database of the first version, that no load has upgraded yet
        if table not in actual:
            found.add(Fault.MISSING, where, "the table is not there")
        elif table not in expected:
            found.add(Fault.EXTRA, where, "no load makes such a table")
        else:
            _verify_columns(where, expected[table], actual[table], found)
    if SCHEMA_VERSIONS.name in actual:
        _verify_schema_version(connection, found)


def _verify_schema_version(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    where = f"{SCHEMA_NAME}.{SCHEMA_VERSIONS.name}"
    versions = [version for (version,) in connection.execute(f"from {where}").fetchall()]
    if versions != [SCHEMA_VERSION]:
        detail = f"it is {versions}, not {SCHEMA_VERSION}"
        found.add(Fault.DIFFERS, where, detail, column="version")


def _column_types(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: column.sql_type for column in columns}


def _verify_columns(
    where: str, expected: Mapping[str, str], actual: Mapping[str, str], found: Verification
) -> None:
    for column in expected.keys() - actual.keys():
        found.add(Fault.MISSING, where, "the column is not there", column=column)
    for column in actual.keys() - expected.keys() - {LOAD_ID.name}:
        found.add(Fault.EXTRA, where, "no load makes such a column", column=column)
    for column in expected.keys() & actual.keys():
        if expected[column] != actual[column]:
            detail = f"its type is {actual[column]}, not {expected[column]}"
            found.add(Fault.DIFFERS, where, detail, column=column)


def _verify_marks(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the entries that the database knows with those of the chain."""
    if _lacks_marks(connection):
        detail = "the database was made before there was an archive, or not by a load"
        found.add(Fault.DIFFERS, f"{SCHEMA_NAME}.load_runs", detail, column="head_digest")
        return
    marks = _marked(connection)
    chain = {link.digest.sequence: link for link in found.chain}
    unread = {
        int(each.entry.partition("-")[0])
        for each in found.findings
        if each.entry is not None and each.fault is not Fault.DIFFERS
    }
    _verify_load_marks(connection, found)
    last = max(chain, default=0)
    for sequence in sorted(marks.keys() - chain.keys() - unread):
        if sequence > last or sequence not in _gaps(found):
            detail = f"the database knows entry {sequence}, and the archive has none"
            found.add(Fault.MISSING, f"entry {sequence}", detail)
    for sequence, link in chain.items():
        if link.digest.load is None and marks.get(sequence, {link.sha256}) != {link.sha256}:
            detail = "the digest in the database is not that of the entry"
            where = f"{SCHEMA_NAME}.archive_acts"
            found.add(Fault.DIFFERS, where, detail, entry=link.entry.name, column="head_digest")
        if sequence not in marks:
            detail = "the database lacks this entry; the next load brings it in"
            where = f"{SCHEMA_NAME}.load_runs"
            found.add(Fault.DIFFERS, where, detail, entry=link.entry.name)
    if marks and max(marks) in chain:
        _verify_totals(connection, chain[max(marks)], found)


def _gaps(found: Verification) -> set[int]:
    """Return the places of the chain that lie before its end and hold no entry."""
    there = {link.digest.sequence for link in found.chain}
    return set(range(1, max(there, default=0))) - there


def _verify_load_marks(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare what each load's rows say of its entry with the entry."""
    where = f"{SCHEMA_NAME}.load_runs"
    sql = f"select distinct _dlt_load_id, archive_sequence, head_digest from {where}"
    marks: dict[str, list[tuple[int | None, str | None]]] = {}
    for load_id, *mark in connection.execute(sql).fetchall():
        marks.setdefault(load_id, []).append((mark[0], mark[1]))
    for link in found.chain:
        load = link.digest.load
        for sequence, digest in marks.get(load.load_id, []) if load is not None else []:
            for column, was, now in (
                ("archive_sequence", link.digest.sequence, sequence),
                ("head_digest", link.sha256, digest),
            ):
                if was != now:
                    found.add(
                        Fault.DIFFERS,
                        where,
                        _change(was, now),
                        entry=link.entry.name,
                        column=column,
                    )


def _verify_totals(connection: duckdb.DuckDBPyConnection, last: Link, found: Verification) -> None:
    for table, expected in last.digest.database.items():
        (actual,) = connection.execute(
            f"select count(*) from {SCHEMA_NAME}.{table}"
        ).fetchone() or (0,)
        if actual != expected:
            detail = f"it has {actual:,} rows, and had {expected:,} after the last entry"
            found.add(Fault.DIFFERS, f"{SCHEMA_NAME}.{table}", detail, entry=last.entry.name)


def _verify_acts(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare what the database says of acts with the chain."""
    sql = f"""
        select archive_sequence, kind, reason, row_count, tool_version, acted_at
        from {SCHEMA_NAME}.archive_acts
    """
    names = ("kind", "reason", "row_count", "tool_version", "acted_at")
    told = {sequence: values for sequence, *values in connection.execute(sql).fetchall()}
    acts = {link.digest.sequence: link for link in found.chain if link.digest.load is None}
    for sequence, link in acts.items():
        if sequence not in told:
            continue  # said already
        digest = link.digest
        at = str(digest.at).removesuffix("Z").replace("T", " ")
        expected = [digest.kind, digest.reason, digest.row_count, digest.tool_version, at]
        actual = [*told[sequence][:-1], str(told[sequence][-1])]
        for name, was, now in zip(names, expected, actual, strict=True):
            if was != now:
                detail = _change(was, now)
                where = f"{SCHEMA_NAME}.archive_acts"
                found.add(Fault.DIFFERS, where, detail, entry=link.entry.name, column=name)


def _verify_counts(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Count the rows of each load."""
    for segment in _APPENDED:
        sql = f"select _dlt_load_id, count(*) from {table_sql(segment)} group by all"
        actual = dict(connection.execute(sql).fetchall())
        for rows in effective_rows(found.chain, segment):
            count = actual.pop(rows.load_id, 0)
            if count != rows.row_count:
                detail = f"it has {count:,} rows of this load, and had {rows.row_count:,}"
                found.add(Fault.DIFFERS, table_sql(segment), detail, entry=rows.load.entry.name)
        _unknown_loads(segment, actual, found)


def _unknown_loads(segment: ArchiveTable, counts: Mapping[str, int], found: Verification) -> None:
    for load_id, count in counts.items():
        detail = f"{count:,} rows of load {load_id!r}, which the archive does not know"
        found.add(Fault.EXTRA, table_sql(segment), detail)


def _verify_rows(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Digest every row of the tables that only grow, night by night."""
    for segment in _APPENDED:
        nights = effective_rows(found.chain, segment)
        actual: dict[str, RowsDigest] = {}
        for columns in {rows.columns for rows in nights} or {segment.column_names}:
            digests, order = digest_by_load(connection, segment, table_sql(segment), columns)
            meant = {rows.load_id for rows in nights if rows.columns == columns}
            strangers = digests.keys() - {rows.load_id for rows in nights}
            actual |= {id_: digests[id_] for id_ in digests if id_ in meant | strangers}
        _verify_order(segment, [rows.load_id for rows in nights], order, found)
        for rows in nights:
            digest = actual.pop(rows.load_id, NO_ROWS)
            if digest != (rows.row_count, rows.rows_sha256):
                _explain(connection, segment, rows, found)
        unknown = {load_id: digest.row_count for load_id, digest in actual.items()}
        _unknown_loads(segment, unknown, found)


def _verify_order(
    segment: ArchiveTable, nights: Sequence[str], order: Sequence[str], found: Verification
) -> None:
    """Look whether the nights lie in the table one after another, as they were appended."""
    places = {load_id: place for place, load_id in enumerate(nights)}
    known = [places[load_id] for load_id in order if load_id in places]
    if any(after <= before for before, after in pairwise(known)):
        detail = "its rows do not lie in the order of the loads that wrote them"
        found.add(Fault.DIFFERS, table_sql(segment), detail)


def _explain(
    connection: duckdb.DuckDBPyConnection, segment: ArchiveTable, rows: Rows, found: Verification
) -> None:
    """Tell which rows of a night are not what they were, by what the segment holds."""
    entry, where = rows.load.entry.name, table_sql(segment)
    if rows.row_count and (rows.file is None or str(rows.file) in found.damaged):
        detail = "the rows of this load are not what they were; the segment cannot say which"
        found.add(Fault.DIFFERS, where, detail, entry=entry)
        return
    expected = (
        segment.select(rows.relation, rows.columns)
        if rows.file is not None
        else segment.select(f"{where} where false", rows.columns)
    )
    actual = segment.select(
        f"{where} where _dlt_load_id = {quoted_text(rows.load_id)}", rows.columns
    )
    if not _compare(
        connection,
        found,
        segment,
        expected=expected,
        actual=actual,
        columns=rows.columns,
        entry=entry,
    ):
        detail = "rows of this load are doubled, or lie in another order"
        found.add(Fault.DIFFERS, where, detail, entry=entry)


def _compare(  # noqa: PLR0913 - what is compared, and as what it is told
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    segment: ArchiveTable,
    *,
    expected: str,
    actual: str,
    columns: Sequence[str] | None = None,
    entry: str | None = None,
) -> int:
    """Compare rows by their keys; note what differs and return in how many rows."""
    is_same = " and ".join(f"e.{name} = a.{name}" for name in segment.key)
    values = [name for name in columns or segment.column_names if name not in segment.key]
    differing = " or ".join(f"e.{name} is distinct from a.{name}" for name in values)
    sql = f"""
        with e as (select *, true as is_there from ({expected})),
        a as (select *, true as is_there from ({actual}))
        select
            {", ".join(f"coalesce(e.{name}, a.{name})" for name in segment.key)},
            e.is_there,
            a.is_there,
            {", ".join(f"e.{name}, a.{name}" for name in values)}
        from e full join a on {is_same}
        where e.is_there is null or a.is_there is null or {differing}
        order by {", ".join(str(place + 1) for place in range(len(segment.key)))}
    """
    cursor = connection.execute(sql)
    count = 0
    while row := cursor.fetchone():
        count += 1
        if count <= _SHOWN_ROWS:
            _tell_row(segment, values, row, entry, found)
    if count > _SHOWN_ROWS:
        detail = f"and {count - _SHOWN_ROWS:,} more rows"
        found.add(Fault.DIFFERS, table_sql(segment), detail, entry=entry)
    return count


def _tell_row(
    segment: ArchiveTable,
    values: Sequence[str],
    row: Sequence[Any],
    entry: str | None,
    found: Verification,
) -> None:
    width = len(segment.key)
    task = ", ".join(f"{name}={value}" for name, value in zip(segment.key, row, strict=False))
    is_expected, is_actual, *pairs = row[width:]
    where = table_sql(segment)
    if not is_actual:
        found.add(Fault.DIFFERS, where, "the row is not there", entry=entry, task=task)
    elif not is_expected:
        detail = "the archive does not know the row"
        found.add(Fault.DIFFERS, where, detail, entry=entry, task=task)
    else:
        for name, was, now in zip(values, pairs[::2], pairs[1::2], strict=True):
            if was != now:
                found.add(
                    Fault.DIFFERS, where, _change(was, now), entry=entry, task=task, column=name
                )


def _change(was: Any, now: Any) -> str:
    return f"it is {_shown(now)}, and was {_shown(was)}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_TEXT else f"{text[: _SHOWN_TEXT - 3]}..."


def _verify_states(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare latest states and tasks found deleted with what follows from the archive."""
    _verify_derived(connection, _TASKS, (archive_tables.SIGHTINGS,), found)
    _verify_derived(
        connection, archive_tables.VANISHED_TASKS, (archive_tables.VANISHED_TASKS,), found
    )
    types, file = archive_tables.TASK_TYPES, task_types_file(found.chain)
    if file is not None and str(file) not in found.damaged:
        expected, actual = types.select(parquet_sql(file)), types.select(table_sql(types))
        _compare(connection, found, types, expected=expected, actual=actual)


def _verify_derived(
    connection: duckdb.DuckDBPyConnection,
    segment: ArchiveTable,
    sources: Sequence[ArchiveTable],
    found: Verification,
) -> None:
    for source in sources:
        files = {str(rows.file) for rows in effective_rows(found.chain, source)}
        if files & found.damaged:
            found.notes.append(
                f"{table_sql(segment)} was not compared: files of {source.name} are damaged"
            )
            return
    if segment is _TASKS:
        expected: str | None = expected_tasks(connection, found.chain)
    else:
        expected = expected_vanished_tasks(connection, found.chain)
    actual = segment.select(table_sql(segment))
    wanted = segment.select(
        f"{table_sql(segment)} where false" if expected is None else f"({expected})"
    )
    _compare(connection, found, segment, expected=wanted, actual=actual)


def _verify_views(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the views with those that this program makes."""
    last = next((link for link in reversed(found.chain) if link.digest.load), None)
    if last is None or last.digest.tool_version != VERSION:
        found.notes.append("the views were not compared: another version of this program made them")
        return
    sql = "select view_name, sql from duckdb_views() where not internal and schema_name = 'main'"
    with TemporaryDirectory() as folder:
        # By way of a file: what DuckDB reads back of a view is not spelt as what it was given.
        path = Path(folder, "views.duckdb")
        with writable_clone(None, path) as fresh:
            make_tables(fresh)
            apply_views(fresh)
        with read_published(path) as fresh:
            expected = _spelt_alike(fresh.execute(sql).fetchall())
    actual = _spelt_alike(connection.execute(sql).fetchall())
    for name, definition in expected.items():
        if name not in actual:
            found.add(Fault.MISSING, f"main.{name}", "the view is not there")
        elif actual[name] != definition:
            found.add(Fault.DIFFERS, f"main.{name}", "it is not the view that a load makes")


def _spelt_alike(views: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return definitions by name; DuckDB spells a cross join in two ways, as it likes."""
    return {name: definition.replace(" CROSS JOIN ", " , ") for name, definition in views}


_FAST: Final = (_verify_shape, _verify_marks, _verify_acts, _verify_counts)
_FULL: Final = (
    _verify_shape,
    _verify_marks,
    _verify_acts,
    _verify_rows,
    _verify_states,
    _verify_views,
)
