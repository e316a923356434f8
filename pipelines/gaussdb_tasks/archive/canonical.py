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
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple

import duckdb

from gaussdb_tasks.archive.archive_tables import ArchiveTable

_FETCH_SIZE: Final = 50_000

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


def row_digest_sql(table: ArchiveTable, columns: Sequence[str] | None = None) -> str:
    """Return an SQL expression for the digest of a row over the given columns."""
    types = {column.name: column.data_type for column in table.columns}
    wanted = table.column_names if columns is None else columns
    texts = (text_sql(name, types[name]) for name in wanted)
    # concat skips nulls. One call for all values makes no text in between.
    values = ", ".join(
        f"strlen({text}), case when {text} is null then '-' else ':' end, {text}" for text in texts
    )
    return f"sha256(concat({values}))"


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
    digest = row_digest_sql(table, columns)
    counts: dict[str, int] = {}
    hashers: dict[str, hashlib._Hash] = {}
    order: list[str] = []
    for batch in _batches(connection, f"select _dlt_load_id, {digest} || chr(10) from {relation}"):
        for load_id, group in groupby(batch, key=itemgetter(0)):
            lines = [line for _, line in group]
            counts[load_id] = counts.get(load_id, 0) + len(lines)
            hashers.setdefault(load_id, hashlib.sha256()).update("".join(lines).encode())
            if not order or order[-1] != load_id:
                order.append(load_id)
    digests = {
        load_id: RowsDigest(counts[load_id], hasher.hexdigest())
        for load_id, hasher in hashers.items()
    }
    return RowsByLoad(digests, order)


def digest_rows(
    connection: duckdb.DuckDBPyConnection,
    table: ArchiveTable,
    relation: str,
    columns: Sequence[str] | None = None,
) -> RowsDigest:
    """Compute the digest of all rows of a relation, in their order."""
    count, hasher = 0, hashlib.sha256()
    digest = row_digest_sql(table, columns)
    for batch in _batches(connection, f"select {digest} || chr(10) from {relation}"):
        count += len(batch)
        hasher.update("".join(line for (line,) in batch).encode())
    return RowsDigest(count, hasher.hexdigest())


def _batches(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> Iterator[Sequence[tuple[str, ...]]]:
    cursor = connection.execute(sql)
    while batch := cursor.fetchmany(_FETCH_SIZE):
        yield batch
