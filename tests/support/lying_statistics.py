"""Make the statistics in the footer of a Parquet file lie about its rows."""

from pathlib import Path

from pyarrow import parquet

_TAIL_BYTES = 8
# In Thrift's compact protocol: the field after the last, of 64 bits, and the number 1.
_ONE_NULL = b"\x16\x02"
_NO_NULL = b"\x16\x00"


def claim_other_values(path: Path, value: str) -> None:
    """Claim that no row has a text: replace it in the footer by one that sorts before it."""
    content, start = _footer(path)
    footer = content[start:]
    assert value.encode() in footer
    path.write_bytes(content[:start] + footer.replace(value.encode(), b"!" * len(value)))


def claim_no_nulls(path: Path, column: str) -> None:
    """Claim that no row has a null in a column, where one has."""
    content, start = _footer(path)
    position = content.find(_ONE_NULL, start)
    while position >= 0:
        changed = content[:position] + _NO_NULL + content[position + len(_NO_NULL) :]
        path.write_bytes(changed)
        if _null_count(path, column) == 0:
            return
        position = content.find(_ONE_NULL, position + 1)
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
