"""Redaction: replace values that must not be kept, in columns and in raw records.

Identity, times and result of a task stay. So every figure stays right, and the next load finds the
task unchanged.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    AmendmentReport,
    report,
    write_amendment,
)
from gaussdb_tasks.archive.amendments.context import AmendmentContext
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.amendments.redacted_records import (
    REMOVED,
    redacted_extra,
    without_payload,
)
from gaussdb_tasks.archive.amendments.rewrites import RowChange, plan_rewrites
from gaussdb_tasks.archive.archive_tables import REDACTABLE, ArchiveTable, quoted_text
from gaussdb_tasks.database.connect import registered
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError

_BATCH_SIZE: Final = 10_000
_VERSIONS: Final = archive_tables.TASK_VERSIONS
_REJECTED: Final = archive_tables.REJECTED_RECORDS


def redact(
    data_dir: DataDir,
    columns: Sequence[str],
    job_ids: Sequence[str],
    amendment: Amendment,
    *,
    is_dry_run: bool,
) -> AmendmentReport:
    """Replace the values of columns, of all tasks or of some.

    Without columns, all of ``REDACTABLE`` are meant; without ids, all tasks.

    Raises:
        ConfigurationError: nothing is known of one of the tasks.
    """
    wanted = tuple(columns) or REDACTABLE
    is_selected = _conditions(job_ids)
    with open_context(data_dir) as context:
        context.connection.execute(
            "create table redacted_tasks as select unnest(?::varchar[]) as job_id", [list(job_ids)]
        )
        _refuse_unknown_tasks(context)
        _redact_records(context, wanted, is_selected)
        changes = {
            _VERSIONS: _versions_change(wanted, is_selected[_VERSIONS]),
            # The reason stays: it quotes only fields of a task's identity, which redaction leaves.
            _REJECTED: RowChange(replaced={"raw": _redacted("raw", is_selected[_REJECTED])}),
        }
        rewrites = plan_rewrites(context, changes)
        if is_dry_run or not rewrites:
            return report(context, rewrites)
        return write_amendment(data_dir, context, amendment, rewrites, is_removing=True)


def _refuse_unknown_tasks(context: AmendmentContext) -> None:
    """Refuse a task of which nothing is known: a typing error would leave what must not stay."""
    versions, records = map(context.relation, (_VERSIONS, _REJECTED))
    unknown = context.connection.execute(f"""
        select job_id from redacted_tasks
        where
            job_id not in (select job_id from ({versions}))
            and not exists (
                from ({records}) as stored
                where
                    stored.job_id = redacted_tasks.job_id
                    or contains(stored.raw, redacted_tasks.job_id)
            )
    """).fetchone()
    if unknown is not None:
        message = f"--job-id: no task has the job_id {unknown[0]!r}; the view tasks lists all"
        raise ConfigurationError(message)


def _conditions(job_ids: Sequence[str]) -> dict[ArchiveTable, str]:
    """Return the condition of rows to redact, by table."""
    if not job_ids:
        return {_VERSIONS: "true", _REJECTED: "true"}
    return {
        _VERSIONS: "stored.job_id in (select job_id from redacted_tasks)",
        _REJECTED: "exists (from redacted_tasks where redacted_tasks.job_id = stored.job_id"
        " or contains(stored.raw, redacted_tasks.job_id))",
    }


def _redact_records(
    context: AmendmentContext, columns: Sequence[str], is_selected: dict[ArchiveTable, str]
) -> None:
    """Fill a table with each distinct record to redact, its new text and its new ``extra``.

    Python functions inside SQL would need numpy.
    """
    context.connection.execute(
        "create table redacted_records (raw varchar, redacted_raw varchar, redacted_extra varchar)"
    )
    records = " union ".join(
        f"select raw from ({context.relation(table)}) as stored where {condition}"
        for table, condition in is_selected.items()
    )
    cursor = context.connection.cursor().execute(records)
    while batch := cursor.fetchmany(_BATCH_SIZE):
        raws = [raw for (raw,) in batch]
        redacted = [without_payload(raw, columns) for raw in raws]
        records_batch = pa.table(
            {
                "raw": pa.array(raws, pa.string()),
                "redacted_raw": pa.array(redacted, pa.string()),
                "redacted_extra": pa.array([redacted_extra(raw) for raw in redacted], pa.string()),
            }
        )
        with registered(context.connection, "records_batch", records_batch):
            context.connection.execute("insert into redacted_records from records_batch")


def _versions_change(columns: Sequence[str], is_selected: str) -> RowChange:
    replaced = {
        name: f"case when {is_selected} and {name} is not null then {quoted_text(REMOVED)} "
        f"else {name} end"
        for name in columns
        if name != "extra"
    }
    replaced["raw"] = _redacted("raw", is_selected)
    replaced["extra"] = _redacted("extra", f"{is_selected} and extra is not null")
    return RowChange(replaced=replaced)


def _redacted(column: str, is_selected: str) -> str:
    redacted = (
        f"(select redacted_{column} from redacted_records where redacted_records.raw = stored.raw)"
    )
    return f"case when {is_selected} then {redacted} else {column} end"
