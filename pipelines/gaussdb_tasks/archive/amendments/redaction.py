"""Redaction: a column or a task loses what must not be kept, on the record.

What tells tasks apart, when they ran and how they ended stays, so that every figure stays right and
the next load does not take the task for a new one.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gaussdb_tasks.api.responses import BrokenBodyError, parse_record
from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    Effects,
    RowChange,
    perform,
    rewrite,
    told,
    workshop,
)
from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.normalise import normalise

REMOVED: Final = "[removed]"
COLUMNS: Final = (
    "fail_reason",
    "instance_id",
    "instance_name",
    "instance_status",
    "extra",
)
"""The columns that can hold what must not be kept."""

_IDENTITY: Final = frozenset({"job_id", "name", "status", "process", "created_at", "ended_at"})
_INSTANCE: Final = "instance_info"
_OF_INSTANCE: Final = frozenset({"instance_id", "instance_name", "instance_status", "extra"})
_EMPTY: Final = frozenset({b"null", b'""', b"{}", b"[]"})
_REMOVED_JSON: Final = json.dumps(REMOVED)


def redact(
    data_dir: DataDir,
    columns: Sequence[str],
    job_ids: Sequence[str],
    act: Amendment,
    *,
    is_dry_run: bool,
) -> Effects:
    """Remove what columns hold, of all tasks or of some.

    Args:
        data_dir: whose archive and database it is.
        columns: some of ``COLUMNS``; none: all of them.
        job_ids: of which tasks; none: of all.
        act: how it is put on the record.
        is_dry_run: whether to say only what would change.
    """
    wanted = tuple(columns) or COLUMNS
    with workshop(data_dir) as shop:
        shop.connection.create_function(
            "without_payload",
            lambda raw: without_payload(raw, wanted),
            ["varchar"],
            "varchar",
        )
        shop.connection.create_function(
            "extra_without_payload",
            lambda raw: _extra(without_payload(raw, wanted)),
            ["varchar"],
            "varchar",
        )
        shop.connection.execute("create table redacted_tasks (job_id varchar)")
        for job_id in job_ids:
            shop.connection.execute("insert into redacted_tasks values (?)", [job_id])
        rewrites = rewrite(
            shop,
            {
                archive_tables.TASK_VERSIONS: _of_tasks(wanted, job_ids),
                archive_tables.REJECTED_RECORDS: _of_rejected_records(job_ids),
            },
        )
        if is_dry_run or not rewrites:
            return told(shop, rewrites)
        return perform(data_dir, shop, act, rewrites, is_removing=True)


def without_payload(raw: str, columns: Sequence[str]) -> str:
    """Return a record's text without what columns were read from; the rest stays word for word.

    What cannot be read as a record is removed whole.
    """
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        instance = _instance(fields)
    except (msgspec.DecodeError, UnicodeError):
        return REMOVED
    # An instance that is no object cannot be told apart into columns.
    is_instance_kept = instance is not None or not _OF_INSTANCE.intersection(columns)
    always = _IDENTITY | {_INSTANCE} if is_instance_kept else _IDENTITY
    kept: dict[str, Any] = {
        name: value if _is_empty(value) or _stays(name, columns, always) else REMOVED
        for name, value in fields.items()
    }
    if instance is not None:
        kept[_INSTANCE] = {
            name: value if _is_empty(value) or _stays(name, columns, frozenset()) else REMOVED
            for name, value in instance.items()
        }
    inner = kept[_INSTANCE].values() if instance is not None else ()
    return raw if REMOVED not in (*kept.values(), *inner) else msgspec.json.encode(kept).decode()


def _is_empty(value: msgspec.Raw) -> bool:
    return bytes(value).strip() in _EMPTY


def _stays(name: str, columns: Sequence[str], always: frozenset[str]) -> bool:
    if name in always:
        return True
    if name in COLUMNS and name != "extra":
        return name not in columns
    return "extra" not in columns and not (name == _INSTANCE and _OF_INSTANCE & set(columns))


def _extra(raw: str) -> str:
    """Return what the normaliser makes of the fields that have no column."""
    try:
        task = normalise(parse_record(raw))
    except BrokenBodyError:
        return _REMOVED_JSON
    return getattr(task, "extra", None) or _REMOVED_JSON


def _instance(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw] | None:
    if _INSTANCE not in fields or not bytes(fields[_INSTANCE]).lstrip().startswith(b"{"):
        return None
    return msgspec.json.decode(fields[_INSTANCE], type=dict[str, msgspec.Raw])


def _of_tasks(columns: Sequence[str], job_ids: Sequence[str]) -> RowChange:
    is_meant = "job_id in (from redacted_tasks)" if job_ids else "true"
    replaced = {
        name: f"case when {is_meant} and {name} is not null then {quoted_text(REMOVED)} "
        f"else {name} end"
        for name in columns
        if name != "extra"
    }
    replaced["raw"] = f"case when {is_meant} then without_payload(raw) else raw end"
    replaced["extra"] = (
        f"case when {is_meant} and extra is not null then extra_without_payload(raw) else extra end"
    )
    return RowChange(replaced=replaced)


def _of_rejected_records(job_ids: Sequence[str]) -> RowChange:
    is_meant = (
        "exists (from redacted_tasks where redacted_tasks.job_id = kept.job_id"
        " or contains(kept.raw, redacted_tasks.job_id))"
        if job_ids
        else "true"
    )
    # The reason stays: it quotes what tells tasks apart, which redaction leaves.
    replaced = f"case when {is_meant} then without_payload(raw) else raw end"
    return RowChange(replaced={"raw": replaced})
