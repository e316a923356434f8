"""Make the statistics in the footer of a Parquet file lie about its rows."""

import re
from pathlib import Path

from pyarrow import parquet

_TAIL_BYTES = 8
# In Thrift's compact protocol: a field of 64 bits, one or three after the last, and the number 1.
_ONE_NULL = re.compile(rb"[\x16\x36]\x02")


def claim_other_values(path: Path, value: str) -> None:
    """Claim that no row has a text: replace it in the footer by one that sorts before it."""
    content, start = _footer(path)
    footer = content[start:]
    assert value.encode() in footer
    path.write_bytes(content[:start] + footer.replace(value.encode(), b"!" * len(value)))


def claim_no_nulls(path: Path, column: str) -> None:
    """Claim that no row has a null in a column, where one has."""
    content, start = _footer(path)
    for found in _ONE_NULL.finditer(content, start):
        path.write_bytes(content[: found.end() - 1] + b"\0" + content[found.end() :])
        if _null_count(path, column) == 0:
            return
    raise AssertionError(column)


def _footer(path: Path) -> tuple[bytes, int]:
    content = path.read_bytes()
    size = int.from_bytes(content[-_TAIL_BYTES:-4], "little")
    return content, len(content) - _TAIL_BYTES - size


def _null_count(path: Path, column: str) -> int | None:
    try:
        group = parquet.read_metadata(path).row_group(0)
    except (OSError, ValueError):
        return None
    columns = (group.column(number) for number in range(group.num_columns))
    statistics = next(each.statistics for each in columns if each.path_in_schema == column)
    return None if statistics is None else statistics.null_count
