"""Replaying keeps the order of the archive's files, which the digests depend on."""

from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.archive_tables import OBSERVATIONS, TASK_VERSIONS, ArchiveTable
from gaussdb_tasks.archive.current_rows import Rows
from gaussdb_tasks.archive.manifest import FORMAT, LoadIdentity, Manifest
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import ChainEntry, Entry
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import DAY
from tests.support.emulator_client import NOW
from tests.support.equal_databases import everything
from tests.support.forged_archive import ForgedArchive
from tests.support.lying_statistics import claim_other_values

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
        Rows(_entry(tmp_path, sequence), amendment, TASK_VERSIONS.name, 1, "", (), None, file)
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


@pytest.mark.parametrize(
    ("table", "is_amended"), [(OBSERVATIONS, False), (TASK_VERSIONS, False), (TASK_VERSIONS, True)]
)
def test_statistics_that_deny_rows_hide_none(
    data_dir: DataDir, table: ArchiveTable, *, is_amended: bool
) -> None:
    """DuckDB skips rows that a filter or a join cannot find, as a file's footer says."""
    if is_amended:
        amendment = Amendment("redaction", NOW + 9 * DAY, "ticket 4711")
        redact(data_dir, ["fail_reason"], [], amendment, is_dry_run=False)
    before = everything(data_dir.database)
    archive = ForgedArchive(data_dir)
    load = archive.entry(2).read().manifest.load
    assert load is not None
    holder = 6 if is_amended else 2
    claim_other_values(archive.entry(holder).path / table.file_name, load.load_id)
    archive.accept_file(holder, table)
    archive.restore_database()
    rows = {name: len(rows) for name, rows in everything(data_dir.database).items()}
    assert rows == {name: len(rows) for name, rows in before.items()}
    assert verify(data_dir, VerifyOptions()).is_intact
