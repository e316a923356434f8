"""The canonical form of rows: two rows have the same form only if they have the same values."""

import hashlib
import json
import math
import struct
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussdb_tasks.archive.archive_tables import TASK_TYPES, ArchiveTable, parquet_sql
from gaussdb_tasks.archive.canonical import digest_rows, text_sql
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import Column
from tests.support.archive_script import SCRIPT, check_by_script
from tests.support.commands import Command
from tests.support.emulator_client import job_id

_MAX_64, _MAX_32 = 2**63 - 1, 2**31 - 1
_KINDS: Final = ("text", "json", "bigint", "double", "bool", "date", "timestamp")
_ARROW: Final = {kind: Column("", kind, "").arrow_type for kind in _KINDS}
_NUMBERS: Final[dict[str, pa.DataType]] = {"date": pa.int32(), "timestamp": pa.int64()}
_TEXTS: Final = st.text() | st.sampled_from(["", "-", "1:a", "0:", "\x00", "a\x00", "nan", "NULL"])


def _near(maximum: int) -> st.SearchStrategy[int]:
    """Draw integers of a width, often near its ends; the smallest has no positive."""
    ends = st.sampled_from([maximum, -maximum, -maximum - 1, maximum - 1, 0, -1])
    return ends | st.integers(-maximum - 1, maximum)


_VALUES: Final = {
    "text": _TEXTS,
    "json": st.sampled_from(["null", "{}", '{"a":1}', '{"a": 1}', '"\\u0000"', "[]", '""']),
    "bigint": _near(_MAX_64),
    "double": st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324]),
    "bool": st.booleans(),
    "date": _near(_MAX_32),
    "timestamp": _near(_MAX_64),
}
_ROW: Final = st.tuples(*(st.none() | _VALUES[kind] for kind in _KINDS))
_NAMES: Final = tuple(f"c_{kind}" for kind in _KINDS)
_TABLE: Final = ArchiveTable(
    "example",
    "example",
    "",
    tuple(Column(name, kind, "") for name, kind in zip(_NAMES, _KINDS, strict=True)),
    (),
)


def _arrow(rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Build an Arrow table; times are given as numbers, since Python has not all of them."""
    columns = [
        pa.array([row[place] for row in rows], _NUMBERS.get(kind, _ARROW[kind])).cast(_ARROW[kind])
        for place, kind in enumerate(_KINDS)
    ]
    return pa.Table.from_arrays(columns, names=list(_NAMES))


def _identity(value: Any) -> Any:
    """Return what makes a value the same as another one: 0.0 and -0.0 are not, all nan are."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    return value


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """Open an empty database for all examples."""
    return duckdb.connect()


def _script() -> dict[str, Any]:
    """Return the functions of the README's script."""
    names: dict[str, Any] = {}
    exec(SCRIPT, names)  # noqa: S102 - the published example
    return names


@given(row=_ROW, other=_ROW)
@settings(deadline=timedelta(seconds=20))
def test_equal_forms_mean_equal_values(
    connection: duckdb.DuckDBPyConnection, row: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    """Every type, every pair; a row that shares its values except one differs, too."""
    pairs = [other, *((*row[:place], other[place], *row[place + 1 :]) for place in range(len(row)))]
    connection.register("rows", _arrow([row, *pairs]))
    texts = [
        f"coalesce(strlen({text}) || ':' || {text}, '-')"
        for text in (text_sql(*each) for each in zip(_NAMES, _KINDS, strict=True))
    ]
    forms = connection.execute(f"select concat({', '.join(texts)}) from rows").fetchall()
    for form, each in zip(forms[1:], pairs, strict=True):
        is_same = [_identity(value) for value in row] == [_identity(value) for value in each]
        assert (forms[0] == form) == is_same


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Name a new file for each example: DuckDB keeps parts of files that it has read."""
    folder = tmp_path_factory.mktemp("canonical")
    return (folder / f"{number}.parquet" for number in count())


@given(rows=st.lists(_ROW, min_size=1, max_size=5))
@settings(deadline=timedelta(seconds=20))
def test_the_published_form_is_the_form_of_sql(
    connection: duckdb.DuckDBPyConnection, files: Iterator[Path], rows: list[tuple[Any, ...]]
) -> None:
    """The README's script computes the digest that this program computes, for each value."""
    file = next(files)
    pq.write_table(_arrow(rows), file)
    script = _script()
    expected = script["rows_sha256"](script["read_rows"](pq.ParquetFile(file)), _NAMES)
    assert digest_rows(connection, _TABLE, parquet_sql(file)).rows_sha256 == expected


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "null", None),
        ("text", "''", ""),
        ("double", "'-0'", "-0.0"),
        ("double", "'-nan'", "nan"),
        ("double", "0.1 + 0.2::double", "0.30000000000000004"),
        ("date", "'infinity'", "infinity"),
        ("date", "'-infinity'", "-infinity"),
        ("date", "'1969-12-31'", "-1"),
        ("timestamp", "'infinity'", "infinity"),
        ("timestamp", "'-infinity'", "-infinity"),
        ("timestamp", "'1970-01-01 00:00:01'", "1000000"),
        ("timestamp", "null", None),
    ],
)
def test_forms(
    connection: duckdb.DuckDBPyConnection, kind: str, value: str, text: str | None
) -> None:
    sql_type = Column("c", kind, "").sql_type
    sql = f"select {text_sql('c', kind)} from (select cast({value} as {sql_type}) as c)"
    assert connection.execute(sql).fetchone() == (text,)


@pytest.fixture
def with_invalid_text(data_dir: DataDir) -> DataDir:
    """Return an archive whose last entry has a text that is not UTF-8, under a right hash."""
    entry = max(data_dir.archive.iterdir())
    path = entry / "task_versions.parquet"
    table = pq.read_table(path)
    offsets = pa.py_buffer(struct.pack(f"<{table.num_rows + 1}i", 0, *[2] * table.num_rows))
    text = pa.StringArray.from_buffers(table.num_rows, offsets, pa.py_buffer(b"\xff\xfe"))
    column = table.schema.get_field_index("raw")
    pq.write_table(table.set_column(column, table.schema.field("raw"), text), path)
    manifest = json.loads((entry / "digest.json").read_text())
    content = path.read_bytes()
    manifest["tables"]["task_versions"] |= {
        "file_bytes": len(content),
        "file_sha256": hashlib.sha256(content).hexdigest(),
    }
    digest = json.dumps(manifest).encode()
    (entry / "digest.json").write_bytes(digest)
    (entry / "digest.sha256").write_text(f"{hashlib.sha256(digest).hexdigest()}  digest.json\n")
    return data_dir


@pytest.mark.parametrize(
    "arguments", [("verify",), ("rebuild", "--replace"), ("evidence", job_id(8))]
)
def test_a_text_that_is_not_utf8(
    with_invalid_text: DataDir, command: Command, arguments: tuple[str, ...]
) -> None:
    """It is a finding or one sentence, not a traceback."""
    run = command(*arguments, "--data-dir", with_invalid_text.path)
    assert run.exit_code == 1
    assert "Traceback" not in run.stderr


def test_the_published_script_finds_a_text_that_is_not_utf8(with_invalid_text: DataDir) -> None:
    run = check_by_script(with_invalid_text.archive)
    assert (run.returncode, run.stderr) == (1, "")
    assert "task_versions.parquet: 'utf-8' codec can't decode" in run.stdout


def test_rows_that_cannot_be_read_after_others() -> None:
    """Arrow reports it as an error of the operating system; callers know those of DuckDB."""
    columns = "'x' as task_label, 'y' as category"
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        relation = (
            "(select if(i = 500000, error('a damaged block'), 'z') as task_name, "
            f"{columns} from range(500001) as numbers(i))"
        )
        with pytest.raises(duckdb.Error, match="a damaged block"):
            digest_rows(connection, TASK_TYPES, relation)
