"""The canonical form of rows, from which digests are computed: equal for a table and for a file.

A row is the concatenation of its values. A value is ``<length in bytes>:<text>`` in UTF-8; a null
is ``-``. The text of a number is decimal, of a DOUBLE the shortest that reads back as the same
value, of a boolean ``true`` or ``false``, of a timestamp the microseconds since 1970-01-01 UTC, and
of a date the days since then; an infinite time is ``infinity`` or ``-infinity``. So two values have
the same form only if they are the same. A row's digest is the SHA-256 of these bytes. The digest of
several rows is the SHA-256 of their digests in lower-case hexadecimal, one per line, in the rows'
order.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable
from gaussdb_tasks.database.connect import arrow_batches
from gaussdb_tasks.model.tables import LOAD_ID

if TYPE_CHECKING:
    import pyarrow as pa

LINE_BYTES: Final = 65
"""Length of a line: the digest of a row in hexadecimal, and a line feed."""

FORM: Final = "canonical_form"
"""The column of canonical forms."""

_ROWS_OF_A_BATCH: Final = 10_000

_TEXT_BY_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "{}",
        "json": "cast({} as varchar)",
        "bigint": "cast({} as varchar)",
        # Not a number is one value: its sign has no meaning.
        "double": "case when isnan({0}) then 'nan' else cast({0} as varchar) end",
        "bool": "cast({} as varchar)",
        # The first is null for an infinite time. DuckDB cannot cast every time to a text.
        "date": "coalesce(cast(date_diff('day', date '1970-01-01', {0}) as varchar), "
        "case {0} when date 'infinity' then 'infinity' when date '-infinity' then '-infinity' end)",
        "timestamp": "coalesce(cast(epoch_us({0}) as varchar), case {0} "
        "when timestamp 'infinity' then 'infinity' "
        "when timestamp '-infinity' then '-infinity' end)",
    }
)


class RowsDigest(NamedTuple):
    """The number of rows, and the digest of all of them in their order."""

    row_count: int
    rows_sha256: str


NO_ROWS: Final = RowsDigest(0, hashlib.sha256().hexdigest())


def text_sql(value: str, data_type: str) -> str:
    """Return an SQL expression for the canonical text of a value, null for a null."""
    return _TEXT_BY_TYPE[data_type].format(value)


def canonical_sql(table: ArchiveTable, columns: Sequence[str] | None = None) -> str:
    """Return an SQL expression for the canonical form of a row over the given columns."""
    types = {column.name: column.data_type for column in table.columns}
    wanted = table.column_names if columns is None else columns
    texts = (text_sql(name, types[name]) for name in wanted)
    # concat skips nulls. One call for all values makes no text in between.
    values = ", ".join(
        f"strlen({text}), case when {text} is null then '-' else ':' end, {text}" for text in texts
    )
    return f"concat({values})"


def read_forms(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str] | None = None,
    more: Sequence[str] = (),
) -> Iterator["pa.RecordBatch"]:
    """Read the rows of a relation in batches: the canonical form first, and further columns.

    The form covers the given columns, or all; ``more`` is SQL of the further ones.

    Raises:
        duckdb.Error: the rows cannot be read, also after some of them were.
    """
    selected = ", ".join([f"{canonical_sql(table, columns)} as {FORM}", *more])
    cursor = connection.execute(f"select {selected} from {relation}")
    return arrow_batches(cursor.to_arrow_reader(_ROWS_OF_A_BATCH))


def read_lines(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str] | None = None,
    more: Sequence[str] = (),
) -> Iterator[tuple[bytes, "pa.RecordBatch"]]:
    """Yield the rows of a relation as ``read_forms``, and a line for each row."""
    for batch in read_forms(connection, table, relation, columns, more):
        yield form_lines(batch.column(FORM)), batch


def form_lines(forms: "pa.Array[Any]") -> bytes:
    """Return the digests of canonical forms as lines.

    hashlib uses instructions of the processor for SHA-256. DuckDB does not, and takes much longer.
    """
    if not len(forms):
        return b""
    _, offsets, content = forms.cast("large_string").buffers()  # type: ignore[type-var]  # a name
    texts, bounds = memoryview(content or b""), memoryview(offsets or b"").cast("q")
    ends = bounds[forms.offset : forms.offset + len(forms) + 1].tolist()
    digests = [hashlib.sha256(texts[start:end]).digest() for start, end in pairwise(ends)]
    return b"".join(digests).hex("\n", hashlib.sha256().digest_size).encode() + b"\n"


class RowsByLoad(NamedTuple):
    """The digests of a table's rows, by load.

    Attributes:
        digests: digest of each load's rows, by load id.
        order: load ids in the row order of the table; an id occurs twice if other rows lie between.
    """

    digests: Mapping[str, RowsDigest]
    order: Sequence[str]


def digest_by_load(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str] | None = None,
) -> RowsByLoad:
    """Compute the digest of each load's rows in one pass, in the order of the rows."""
    counts: dict[str, int] = {}
    hashers: dict[str, hashlib._Hash] = {}
    order: list[str] = []
    for lines, batch in read_lines(connection, table, relation, columns, [LOAD_ID.name]):
        start = 0
        for load_id, end in zip(*runs(batch.column(LOAD_ID.name)), strict=True):
            counts[load_id] = counts.get(load_id, 0) + end - start
            hasher = hashers.setdefault(load_id, hashlib.sha256())
            hasher.update(lines[start * LINE_BYTES : end * LINE_BYTES])
            if not order or order[-1] != load_id:
                order.append(load_id)
            start = end
    digests = {
        load_id: RowsDigest(counts[load_id], hasher.hexdigest())
        for load_id, hasher in hashers.items()
    }
    return RowsByLoad(digests, order)


def runs(values: "pa.Array[Any]") -> tuple[list[Any], list[int]]:
    """Return each value that differs from the one before, and the end of each one's run."""
    from pyarrow import compute  # noqa: PLC0415 - slow to import; verify --fast does not need it

    encoded = compute.call_function("run_end_encode", [values])
    return encoded.values.to_pylist(), encoded.run_ends.to_pylist()


def digest_rows(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str] | None = None,
) -> RowsDigest:
    """Compute the digest of all rows of a relation, in their order."""
    count, hasher = 0, hashlib.sha256()
    for lines, batch in read_lines(connection, table, relation, columns):
        count += batch.num_rows
        hasher.update(lines)
    return RowsDigest(count, hasher.hexdigest())
