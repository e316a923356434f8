"""Replaying keeps the order of the archive's files, which the digests depend on."""

from pathlib import Path

import duckdb

from gaussdb_tasks.archive.archive_tables import TASK_VERSIONS
from gaussdb_tasks.archive.current_rows import Rows
from gaussdb_tasks.archive.manifest import FORMAT, LoadIdentity, Manifest
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import ChainEntry, Entry

_LOADS = 12
_ROWS_OF_A_LOAD = 5_000


def _entry(folder: Path, sequence: int) -> ChainEntry:
    identity = LoadIdentity(run_id="run", load_number=sequence, load_id=f"load-{sequence}")
    manifest = Manifest(
        format=FORMAT,
        sequence=sequence,
        kind="load",
        at="2026-03-18T12:00:00Z",
        tool_version="1",
        previous=None,
        load=identity,
    )
    return ChainEntry(Entry(folder, sequence, "load"), manifest, "")


def test_rows_of_many_loads_from_an_amendments_file_stay_in_order(tmp_path: Path) -> None:
    """Several row groups are read by several threads; every second load was amended again."""
    file = tmp_path / "task_versions.parquet"
    amendment = _entry(tmp_path, 99)
    loads = [
        Rows(_entry(tmp_path, sequence), amendment, TASK_VERSIONS.name, 1, "", (), file)
        for sequence in range(0, _LOADS, 2)
    ]
    with duckdb.connect() as connection:
        connection.execute("set threads = 4")
        connection.execute(
            f"copy (select i, 'load-' || i // {_ROWS_OF_A_LOAD} as _dlt_load_id "
            f"from range({_LOADS * _ROWS_OF_A_LOAD}) as t(i)) to '{file}' (row_group_size 2048)"
        )
        (relation,) = relations(loads)
        expected = [i for i in range(_LOADS * _ROWS_OF_A_LOAD) if i // _ROWS_OF_A_LOAD % 2 == 0]
        for _ in range(5):
            connection.execute(f"create or replace table replayed as select i from {relation}")
            assert [i for (i,) in connection.execute("from replayed").fetchall()] == expected
