"""Compare rows with the archive's by key, and report each difference."""

from collections.abc import Sequence
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable, table_sql
from gaussdb_tasks.archive.canonical import text_sql
from gaussdb_tasks.archive.verification.findings import Fault, Verification

_MAX_REPORTED_ROWS: Final = 20
_MAX_TEXT_LENGTH: Final = 60
# DuckDB cannot cast every time to a text, and 2.0 evaluates both sides of a case.
_SHOWN_TIMES: Final = "between {0} '0001-01-01' and {0} '9999-12-31'"


def compare_rows(  # noqa: PLR0913 - the two sides, and how a difference is reported
    connection: duckdb.DuckDBPyConnection,
    found: Verification,
    table: ArchiveTable,
    *,
    expected: str,
    actual: str,
    columns: Sequence[str] | None = None,
    entry: str | None = None,
) -> int:
    """Compare two relations by the table's key; return the number of rows that differ.

    The first of them become findings. The given columns are compared, or all.
    """
    types = {column.name: column.data_type for column in table.columns}
    is_same = " and ".join(f"e.{name} = a.{name}" for name in table.key)
    values = [name for name in columns or table.column_names if name not in table.key]
    differs = {name: _differs(name, types[name]) for name in values}
    sides = {
        side: {name: shown_sql(f"{side}.{name}", kind) for name, kind in types.items()}
        for side in ("e", "a")
    }
    shown = [f"{differs[name]}, {sides['e'][name]}, {sides['a'][name]}" for name in values]
    key = [f"coalesce({sides['e'][name]}, {sides['a'][name]})" for name in table.key]
    sql = f"""
        with e as (select *, true as is_there from ({expected})),
        a as (select *, true as is_there from ({actual}))
        select {", ".join([*key, "e.is_there", "a.is_there", *shown])}
        from e full join a on {is_same}
        where {" or ".join(["e.is_there is null", "a.is_there is null", *differs.values()])}
        order by all
    """
    cursor = connection.execute(sql)
    count = 0
    while row := cursor.fetchone():
        count += 1
        if count <= _MAX_REPORTED_ROWS:
            _report_row(table, values, row, entry, found)
    if count > _MAX_REPORTED_ROWS:
        detail = f"and {count - _MAX_REPORTED_ROWS:,} more rows"
        found.add(Fault.DIFFERS, table_sql(table), detail, entry=entry)
    return count


def shown_sql(value: str, data_type: str) -> str:
    """Return SQL for a value as it is reported: times as text."""
    if data_type not in {"timestamp", "date"}:
        return value
    text = text_sql(value, data_type)
    is_shown = f"{value} {_SHOWN_TIMES.format(data_type)}"
    return f"coalesce(cast(case when {is_shown} then {value} end as varchar), {text})"


def describe_change(expected: Any, actual: Any) -> str:
    """Describe a value that differs from the archive's."""
    return f"it is {_shortened(actual)}; expected: {_shortened(expected)}"


def _differs(name: str, data_type: str) -> str:
    if data_type == "double":  # DuckDB takes 0.0 and -0.0 for the same value
        expected, actual = text_sql(f"e.{name}", data_type), text_sql(f"a.{name}", data_type)
        return f"{expected} is distinct from {actual}"
    return f"e.{name} is distinct from a.{name}"


def _report_row(
    table: ArchiveTable,
    values: Sequence[str],
    row: Sequence[Any],
    entry: str | None,
    found: Verification,
) -> None:
    width = len(table.key)
    task = ", ".join(f"{name}={value}" for name, value in zip(table.key, row, strict=False))
    is_expected, is_actual, *rest = row[width:]
    where = table_sql(table)
    if not is_actual:
        found.add(Fault.DIFFERS, where, "the row is missing", entry=entry, task=task)
    elif not is_expected:
        detail = "the row is not in the archive"
        found.add(Fault.DIFFERS, where, detail, entry=entry, task=task)
    else:
        triples = zip(values, rest[::3], rest[1::3], rest[2::3], strict=True)
        for name, is_different, expected, actual in triples:
            if is_different:
                detail = describe_change(expected, actual)
                found.add(Fault.DIFFERS, where, detail, entry=entry, task=task, column=name)


def _shortened(value: Any) -> str:
    if value is None:
        return "null"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[: _MAX_TEXT_LENGTH - 3]}..."
