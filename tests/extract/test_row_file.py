"""Rows that wait in a file come back whole and in order."""

from pathlib import Path

import pyarrow as pa
import pytest

from gaussdb_tasks.extract import row_file
from gaussdb_tasks.extract.row_file import RowFile


def numbers(first: int, count: int) -> pa.Table:
    """Make rows with the numbers from a first one on."""
    return pa.table({"number": range(first, first + count)})


@pytest.mark.parametrize("in_memory", [1, 8 * 1024 * 1024])
def test_rows_come_back_with_their_owners(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they stay in memory or not."""
    monkeypatch.setattr(row_file, "_MAX_BYTES_IN_MEMORY", in_memory)
    rows = RowFile(numbers(0, 1).schema)
    rows.write(7, pa.concat_tables([numbers(0, 10_000), numbers(10_000, 15_000)]))
    rows.write(8, numbers(25_000, 5_000))
    rows.write(7, numbers(30_000, 1))
    owners = []

    def without_first(owner: int, table: pa.Table) -> pa.Table:
        owners.append(owner)
        return table.slice(1)

    read = list(rows.read(without_first))
    assert owners == [7, 7, 8, 7]
    assert [table.num_rows for table in read] == [9_999, 14_999, 4_999, 0]
    found = pa.concat_tables(read)["number"].to_pylist()
    assert found == sorted(set(range(30_001)) - {0, 10_000, 25_000, 30_000})


def test_many_rows_are_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing of them remains in the temporary folder, even if a load is killed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(row_file, "_MAX_BYTES_IN_MEMORY", 1)
    rows = RowFile(numbers(0, 1).schema)
    rows.write(0, numbers(0, 100_000))
    assert list(tmp_path.iterdir()) == []
    assert rows._file._rolled  # type: ignore[attr-defined]


def test_no_rows_are_nothing() -> None:
    assert list(RowFile(numbers(0, 1).schema).read(lambda _owner, table: table)) == []
