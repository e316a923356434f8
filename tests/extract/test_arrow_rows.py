"""Tables of a load."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from gaussdb_tasks.extract import arrow_rows


def test_small_tables_are_joined_to_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows stay in their order, and a table is yielded as soon as it is large enough."""
    monkeypatch.setattr(arrow_rows, "_BATCH_BYTES", 8 * 20_000)
    taken = []

    def batches() -> Iterator[pa.Table]:
        for first, count in ((0, 10_000), (10_000, 15_000), (25_000, 5_000), (30_000, 1)):
            taken.append(first)
            yield pa.table({"number": pa.array(range(first, first + count), pa.int64())})

    read = arrow_rows.joined(batches())
    tables = [next(read)]
    assert taken == [0, 10_000]
    tables += read
    assert [table.num_rows for table in tables] == [25_000, 5_001]
    assert pa.concat_tables(tables)["number"].to_pylist() == list(range(30_001))
    assert list(arrow_rows.joined([])) == []
