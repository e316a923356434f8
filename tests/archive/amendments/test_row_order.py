"""The order of rows in an amendment, with more threads than the files have row groups."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.context import AmendmentContext
from gaussdb_tasks.archive.amendments.rewrites import RowChange, plan_rewrites
from gaussdb_tasks.archive.archive_tables import VANISHED_TASKS
from gaussdb_tasks.archive.current_rows import current_rows
from gaussdb_tasks.archive.manifest import (
    EntryKind,
    LoadIdentity,
    Manifest,
    Restatement,
    TableDigest,
)
from gaussdb_tasks.archive.replay import number_loads, relations
from gaussdb_tasks.archive.store import ChainEntry, Entry

LOADS: Final = 12
ROWS_PER_LOAD: Final = 20_000
REPEATS: Final = 3
FILE: Final = VANISHED_TASKS.file_name


def _chain_entry(
    folder: Path, sequence: int, kind: EntryKind, restated: range = range(0)
) -> ChainEntry:
    held = TableDigest(
        row_count=ROWS_PER_LOAD,
        rows_sha256="",
        columns=VANISHED_TASKS.column_names,
        file=FILE,
        file_bytes=None,
        file_sha256=None,
    )
    identity = LoadIdentity(run_id="", load_number=sequence, load_id=f"load-{sequence}")
    manifest = Manifest(
        format=1,
        sequence=sequence,
        kind=kind,
        at="2026-03-18T12:00:00Z",
        tool_version="1",
        previous=None,
        load=identity if kind == "load" else None,
        tables={VANISHED_TASKS.name: held},
        restates=tuple(
            Restatement(
                sequence=each,
                table=VANISHED_TASKS.name,
                row_count=ROWS_PER_LOAD,
                rows_sha256="",
                columns=VANISHED_TASKS.column_names,
            )
            for each in restated
        ),
    )
    return ChainEntry(Entry(folder / f"{sequence:06}", sequence, kind), manifest, "")


def _write(connection: duckdb.DuckDBPyConnection, entry: ChainEntry, loads: range) -> None:
    """Write numbered rows of some loads; the number is the job_id, the order descends."""
    entry.entry.path.mkdir()
    count = len(loads) * ROWS_PER_LOAD
    connection.execute(f"""
        copy (
            select
                'eu-de' as region,
                'project' as project_id,
                cast({count} - range as varchar) as job_id,
                timestamp '2026-03-18' as created_at,
                timestamp '2026-03-18' as vanished_at,
                null::timestamp as reappeared_at,
                'run' as run_id,
                'load-' || ({loads.start} + range // {ROWS_PER_LOAD}) as _dlt_load_id
            from range({count})
        ) to '{entry.entry.path / FILE}' (format parquet, row_group_size 2048)
    """)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with many threads."""
    with duckdb.connect(config={"threads": 8}) as connection:
        yield connection


def test_rewritten_rows_keep_the_order_of_loads_and_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Selecting the rows that stay, again and again, gives one order: that of the archive."""
    loads = range(1, LOADS + 1)
    chain = [_chain_entry(tmp_path, sequence, "load") for sequence in loads]
    for entry in chain:
        _write(connection, entry, range(entry.manifest.sequence, entry.manifest.sequence + 1))
    number_loads(connection, chain)
    connection.execute(
        "create table old as select cast(range as varchar) as job_id"
        f" from range({ROWS_PER_LOAD} + 1)"
        " where range % 3 = 0"
    )
    is_kept = "not exists (from old where old.job_id = stored.job_id)"
    context = AmendmentContext(connection, chain, tmp_path)
    (rewrite,) = plan_rewrites(context, {VANISHED_TASKS: RowChange(is_kept=is_kept)})
    expected = [
        (f"load-{load}", str(number))
        for load in loads
        for number in range(ROWS_PER_LOAD, 0, -1)
        if number % 3
    ]
    for _ in range(REPEATS):
        sql = f"select _dlt_load_id, job_id from ({rewrite.relation})"
        assert connection.execute(sql).fetchall() == expected


def test_rows_of_an_amendment_enter_the_database_in_the_order_of_its_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Also where many loads are selected from it, though not all."""
    loads = range(1, LOADS + 1)
    chain = [
        *(_chain_entry(tmp_path, sequence, "load") for sequence in loads),
        _chain_entry(tmp_path, LOADS + 1, "redaction", restated=loads),
    ]
    _write(connection, chain[-1], loads)
    wanted = [each for each in current_rows(chain, VANISHED_TASKS) if each.load_id != "load-5"]
    (relation,) = relations(wanted)
    expected = [
        (str(number),)
        for load in loads
        for number in range((LOADS - load + 1) * ROWS_PER_LOAD, (LOADS - load) * ROWS_PER_LOAD, -1)
        if load != 5
    ]
    for _ in range(REPEATS):
        connection.execute(f"create or replace table entered as select job_id from {relation}")
        assert connection.execute("from entered").fetchall() == expected
