"""Verify the entries of the archive that the database records."""

from collections.abc import Iterable, Mapping
from typing import Final

import duckdb

from gaussdb_tasks.archive.store import ChainEntry, archive_id_of, loads_of
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.row_comparison import describe_change, shown_sql
from gaussdb_tasks.archive.write import records_entries
from gaussdb_tasks.model.tables import AMENDMENTS, LOAD_RUNS, SCHEMA_NAME

_LOAD_RUNS: Final = f"{SCHEMA_NAME}.{LOAD_RUNS.name}"
_AMENDMENTS: Final = f"{SCHEMA_NAME}.{AMENDMENTS.name}"
_AMENDMENT_COLUMNS: Final = (
    "kind",
    "reason",
    "row_count",
    "tool_version",
    "acted_at",
    "head_digest",
)


def verify_recorded_entries(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the entries that the database records with those of the chain."""
    if not records_entries(connection):
        detail = "the database is older than its archive, or was not created by a load"
        found.add(Fault.DIFFERS, _LOAD_RUNS, detail, column="head_digest")
        return
    sql = f"""
        select archive_sequence from {_LOAD_RUNS} union select archive_sequence from {_AMENDMENTS}
    """
    recorded = {sequence for (sequence,) in connection.execute(sql).fetchall()} - {None}
    chain = {entry.manifest.sequence: entry for entry in found.chain}
    _verify_loads(connection, found)
    _verify_missing_entries(recorded - chain.keys(), found)
    for sequence, entry in chain.items():
        if sequence not in recorded:
            detail = "the database lacks this entry; the next load adds it"
            found.add(Fault.DIFFERS, _LOAD_RUNS, detail, entry=entry.name)
    if recorded and max(recorded) in chain:
        _verify_totals(connection, chain[max(recorded)], found)


def verify_amendments(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the amendments that the database records with the chain."""
    identity = _archive_id(connection, _AMENDMENTS, found)
    names = (*_AMENDMENT_COLUMNS, *identity)
    shown = ", ".join(
        shown_sql(name, "timestamp") if name == "acted_at" else name for name in names
    )
    sql = f"select archive_sequence, {shown} from {_AMENDMENTS} order by all"
    expected = {each.manifest.sequence: each for each in found.chain if not each.manifest.load}
    recorded: set[int | None] = set()
    for sequence, *values in connection.execute(sql).fetchall():
        entry = expected.get(sequence)
        if entry is None or sequence in recorded:
            detail = "the row is there twice" if entry else "no amendment has this number"
            task = f"archive_sequence={sequence}"
            found.add(Fault.EXTRA, _AMENDMENTS, detail, task=task)
            continue
        recorded.add(sequence)
        wanted = (*_recorded_values(connection, entry), *identity.values())
        _compare(_AMENDMENTS, entry, zip(names, wanted, values, strict=True), found)


def _compare(
    table: str,
    entry: ChainEntry,
    values: Iterable[tuple[str, object, object]],
    found: Verification,
) -> None:
    """Compare what the rows of an entry must have with what they have, by column."""
    for column, was, now in values:
        if was != now:
            detail = describe_change(was, now)
            found.add(Fault.DIFFERS, table, detail, entry=entry.name, column=column)


def _archive_id(
    connection: duckdb.DuckDBPyConnection, table: str, found: Verification
) -> Mapping[str, str]:
    """Return the column of a table that names the archive, with the name; none if it is unknown.

    Older databases lack the column: the catalog's check reports that. A chain without its first
    entries shows no name.
    """
    columns = connection.execute(f"from {table} limit 0").description or ()
    archive_id = archive_id_of(found.chain)
    is_there = "archive_id" in {name for name, *_ in columns}
    return {} if archive_id is None or not is_there else {"archive_id": archive_id}


def _recorded_values(
    connection: duckdb.DuckDBPyConnection, entry: ChainEntry
) -> tuple[str | int | None, ...]:
    manifest = entry.manifest
    sql = "select cast(cast(? as timestamp) as varchar)"
    (acted_at,) = connection.execute(sql, [manifest.at]).fetchone() or (None,)
    return (
        manifest.kind,
        manifest.reason,
        manifest.row_count,
        manifest.tool_version,
        acted_at,
        entry.sha256,
    )


def _verify_missing_entries(sequences: set[int], found: Verification) -> None:
    """Report entries that only the database has, unless the archive's findings name them."""
    last = max((entry.manifest.sequence for entry in found.chain), default=0)
    reported = {
        int(each.entry.partition("-")[0])
        for each in found.findings
        if each.entry is not None and each.fault is not Fault.DIFFERS
    }
    for sequence in sorted(sequences - reported):
        if 0 < sequence < last:  # the chain has a gap there, which is reported
            continue
        detail = f"the database contains entry {sequence}, the archive does not"
        found.add(Fault.MISSING, f"entry {sequence}", detail)


def _verify_loads(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Compare the entry that each load's rows record with the chain."""
    identity = _archive_id(connection, _LOAD_RUNS, found)
    names = ("archive_sequence", "head_digest", *identity)
    sql = f"""
        select distinct _dlt_load_id, {", ".join(names)} from {_LOAD_RUNS} order by all
    """
    recorded: dict[str, list[list[int | str | None]]] = {}
    for load_id, *values in connection.execute(sql).fetchall():
        recorded.setdefault(load_id, []).append(values)
    for entry in loads_of(found.chain):
        wanted = (entry.manifest.sequence, entry.sha256, *identity.values())
        for values in recorded.get(entry.load_id, []):
            _compare(_LOAD_RUNS, entry, zip(names, wanted, values, strict=True), found)


def _verify_totals(
    connection: duckdb.DuckDBPyConnection, last: ChainEntry, found: Verification
) -> None:
    for table, expected in last.manifest.database.items():
        sql = f"select count(*) from {SCHEMA_NAME}.{table}"
        (actual,) = connection.execute(sql).fetchone() or (0,)
        if actual != expected:
            detail = f"it has {actual:,} rows; expected after the last entry: {expected:,}"
            found.add(Fault.DIFFERS, f"{SCHEMA_NAME}.{table}", detail, entry=last.name)
