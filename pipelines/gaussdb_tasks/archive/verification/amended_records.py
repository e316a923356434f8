"""Check rows of amendments against the records that they were made from. Pure.

The record of a row is kept as it was received, and its hash beside it. So a row shows by itself
whether it was redacted, and whether its columns follow from its record.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gaussdb_tasks.archive.amendments.redacted_records import REMOVED, REMOVED_JSON
from gaussdb_tasks.archive.amendments.rereading import read_record
from gaussdb_tasks.archive.archive_tables import REDACTABLE
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import DAY

Row = Mapping[str, Any]

_REMOVED: Final = (REMOVED, REMOVED_JSON)


class RowAccount(NamedTuple):
    """What a row shows about itself.

    Attributes:
        is_redacted: whether values of it were replaced.
        problem: why the row is not what its record says; None if it is.
    """

    is_redacted: bool
    problem: str | None = None


def check_row(row: Row, hash_column: str, *, is_following: bool) -> RowAccount:
    """Check a row of ``task_versions`` or ``rejected_records``.

    Args:
        row: times in microseconds since 1970-01-01 UTC, dates in days.
        hash_column: the column with the hash of the record.
        is_following: whether the columns must be those that today's normaliser reads.
    """
    if row["raw"] == REMOVED:  # it was no JSON that could be split, so all of it is gone
        return RowAccount(is_redacted=True)
    read = read_record(row["raw"])
    if read is None:
        return RowAccount(is_redacted=False, problem="raw is not a record")
    record_hash = read.version_hash if isinstance(read, Task) else read.record_hash
    is_redacted = record_hash != row[hash_column]
    if is_redacted and f'"{REMOVED}"' not in row["raw"]:
        return RowAccount(is_redacted=False, problem=f"{hash_column} is not the hash of raw")
    if not is_following:
        return RowAccount(is_redacted)
    return _check_columns(row, _expected(row, read), is_redacted=is_redacted)


def _expected(row: Row, read: Task | Rejection) -> Row:
    if isinstance(read, Rejection):
        # A task stays a task, though today's parser would not read it as one.
        if "version" in row:
            return {}
        return {"reason": read.reason, "job_id": read.job_id, "created_at": read.created_at}
    if "version" not in row:  # it could become a task: a renormalisation would make it one
        return {}
    is_first = row["version"] == 1
    created_at = read.created_at if is_first else row["created_at"]
    columns = read.started_at(created_at)._asdict()
    del columns["is_final"], columns["version_hash"]
    return columns | {"created_date": created_at // DAY}


def _check_columns(row: Row, expected: Row, *, is_redacted: bool) -> RowAccount:
    for name, value in expected.items():
        if row[name] == value:
            continue
        if name not in REDACTABLE or row[name] not in _REMOVED:
            return RowAccount(is_redacted, f"{name} is not what its record says")
        is_redacted = True
    return RowAccount(is_redacted)
