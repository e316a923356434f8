"""Verify reads the rows of files: they must be those of the manifest, and of the load."""

import struct
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive import parquet_bounds
from gaussdb_tasks.archive.archive_tables import (
    COVERAGE,
    LOAD_RUNS,
    REJECTED_RECORDS,
    TASK_VERSIONS,
    ArchiveTable,
)
from gaussdb_tasks.archive.manifest import sha256
from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.recover import ArchiveError
from gaussdb_tasks.archive.store import CHECKSUM_NAME, MAX_SMALL_FILE_BYTES
from gaussdb_tasks.archive.verification.verify import verify_copy
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.forged_archive import Document, ForgedArchive
from tests.support.lying_statistics import claim_no_nulls

FULL = VerifyOptions()
SECOND = 2


def details(data_dir: DataDir) -> list[str]:
    """Verify the archive alone, and return what was found."""
    return [finding.detail for finding in verify_copy(data_dir.archive, FULL).findings]


@pytest.mark.parametrize(
    ("table", "statement", "expected"),
    [
        (TASK_VERSIONS, "_dlt_load_id = '0.0'", "_dlt_load_id is not that of the load"),
        (TASK_VERSIONS, "observed_at = observed_at + interval 1 day", "observed_at is not that"),
        (TASK_VERSIONS, "observed_at = timestamp 'infinity'", "observed_at is not that"),
        (COVERAGE, "run_id = 'x'", "run_id is not that of the load"),
        (LOAD_RUNS, "load_number = 99", "load_number is not that of the load"),
        (LOAD_RUNS, "seen_count = seen_count + 1", "does not follow from the rows of the load"),
        (COVERAGE, "is_complete = not is_complete", "does not follow from the rows of the load"),
        (COVERAGE, "window_from = null", "its rows lack values"),
        (COVERAGE, "window_to = timestamp 'infinity'", "windows that are not times"),
    ],
)
def test_rows_that_are_not_of_the_load(
    data_dir: DataDir, table: ArchiveTable, statement: str, expected: str
) -> None:
    """Every hash and digest fits."""
    change = f"update changed_rows set {statement}"
    ForgedArchive(data_dir).change_rows(SECOND, table, change)
    found = details(data_dir)
    assert any(expected in detail for detail in found), found


def test_rows_that_differ_from_their_digest(data_dir: DataDir) -> None:
    """The file matches its hash; neither a copy nor a rebuild accepts its rows."""
    archive = ForgedArchive(data_dir)
    honest = archive.entry(SECOND).read().manifest.tables["task_versions"].rows_sha256
    archive.change_rows(SECOND, TASK_VERSIONS, "update changed_rows set status = 'Completed'")
    archive.change_manifest(
        SECOND, lambda d: d["tables"]["task_versions"].update(rows_sha256=honest)
    )
    assert "its rows differ from the digest in the manifest" in details(data_dir)
    with pytest.raises(ArchiveError, match="differ from the digest"):
        rebuild(data_dir, is_replacing=True)


def _project(document: Document) -> Document:
    project: Document = document["projects"][0]
    return project


@pytest.mark.parametrize(
    "change",
    [
        lambda d: _project(d).update(changed_count=7),
        lambda d: _project(d).update(covered=[]),
        lambda d: _project(d).update(outcome="failed"),
        lambda d: d["projects"].pop(),
        lambda d: d["projects"].append(d["projects"][0]),
        lambda d: d["database"].update(task_versions=99),
        lambda d: d["database"].pop("tasks"),
        lambda d: d.update(database={}),
        lambda d: d.update(task_types=None),
        lambda d: d.update(task_types=SECOND),
        lambda d: d["load"].update(load_number=1),
        lambda d: d["load"].update(load_number=99),
        lambda d: d["load"].update(run_id="x"),
    ],
)
def test_what_a_manifest_says_about_its_load(
    data_dir: DataDir, change: Callable[[Document], None]
) -> None:
    """A manifest that says something else than its rows, or than the chain, is a finding."""
    ForgedArchive(data_dir).change_manifest(SECOND, change)
    assert details(data_dir)


def _replace(data_dir: DataDir, write: Callable[[Path], object]) -> list[str]:
    """Replace a file by anything, with its hash and size in the manifest."""
    archive = ForgedArchive(data_dir)
    path = archive.entry(SECOND).path / "coverage.parquet"
    path.unlink()
    write(path)
    content = path.read_bytes()
    archive.change_manifest(
        SECOND,
        lambda d: d["tables"]["coverage"].update(
            file_bytes=len(content), file_sha256=sha256(content)
        ),
    )
    return details(data_dir)


def _parquet(select: str) -> Callable[[Path], object]:
    return lambda path: duckdb.sql(f"copy ({select}) to '{path}' (format parquet)")


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: path.write_bytes(b""), "not a Parquet file"),
        (lambda path: path.write_bytes(b"PAR1" + bytes(500)), "not a Parquet file"),
        (
            lambda path: path.write_bytes(b"PAR1" + struct.pack("<I", 2**31) + b"PAR1"),
            "its footer has",
        ),
        (_parquet("select 1 as region"), "it has 1 rows; expected"),
        (_parquet("from range(1000000)"), "it has 1,000,000 rows; expected"),
    ],
)
def test_a_file_that_cannot_be_the_rows_is_not_read(
    data_dir: DataDir, write: Callable[[Path], object], expected: str
) -> None:
    """Its footer shows it."""
    found = _replace(data_dir, write)
    assert any(expected in detail for detail in found), found


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("*, 1 as more", "its columns differ from those of the table: more"),
        ("* exclude (reason)", "its columns differ from those of the table: reason"),
        ("* replace (1.5 as distinct_count)", "its columns differ"),
    ],
)
def test_columns_that_are_not_those_of_the_table(
    data_dir: DataDir, tmp_path: Path, columns: str, expected: str
) -> None:
    kept = tmp_path / "kept.parquet"
    path = ForgedArchive(data_dir).entry(SECOND).path / "coverage.parquet"
    kept.write_bytes(path.read_bytes())
    found = _replace(data_dir, _parquet(f"select {columns} from '{kept}'"))
    assert any(expected in detail for detail in found), found


def test_a_small_file_that_claims_many_rows_is_not_read(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_bounds, "_MIN_BYTES", 0)
    monkeypatch.setattr(parquet_bounds, "MAX_ROWS_PER_BYTE", 2)
    repeated = "insert into changed_rows select c.* from changed_rows as c, range(20000)"
    ForgedArchive(data_dir).change_rows(SECOND, COVERAGE, repeated)
    assert any("rows in" in detail for detail in details(data_dir))


def test_a_small_file_that_fills_the_memory_is_not_read(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_bounds, "_MIN_BYTES", 0)
    large = "update changed_rows set reason = repeat('x', 5000000)"
    ForgedArchive(data_dir).change_rows(SECOND, COVERAGE, large)
    assert any("when it is decompressed" in detail for detail in details(data_dir))


def test_a_checksum_of_any_size_is_not_read_into_memory(data_dir: DataDir) -> None:
    path = ForgedArchive(data_dir).entry(SECOND).path / CHECKSUM_NAME
    with path.open("ab") as file:
        file.truncate(10 * 1024**3)
    assert f"{CHECKSUM_NAME} has more than {MAX_SMALL_FILE_BYTES:,} bytes" in details(data_dir)


def test_statistics_that_deny_a_null_are_not_believed(data_dir: DataDir) -> None:
    """DuckDB computes `is null` from the footer alone, unless it is told not to."""
    archive = ForgedArchive(data_dir)
    archive.change_rows(1, REJECTED_RECORDS, "update changed_rows set record_hash = null")
    claim_no_nulls(archive.entry(1).path / REJECTED_RECORDS.file_name, "record_hash")
    archive.accept_file(1, REJECTED_RECORDS)
    found = details(data_dir)
    assert "its rows lack values that every row has" in found, found
