"""Turn a record of the API into the columns of a task. Pure.

A record is a task if its job_id and its created_at can be read. All other fields may be missing,
null, empty or of another type than documented. The record itself is kept unchanged beside the
columns, so a value that fits no column is not lost.
"""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from pendulum.parsing import parse_iso8601

from gaussdb_tasks.contract import is_final
from gaussdb_tasks.model.record import (
    Invalid,
    Record,
    TaskFields,
    Undecoded,
    content_hash,
    job_id_of,
    json_text,
)
from gaussdb_tasks.model.task import Rejection, Task, duration_between
from gaussdb_tasks.model.times import DAY, EPOCH, ONE_MICRO, SECOND, Micros

_TASK_FIELDS: Final = frozenset(
    {
        "job_id",
        "name",
        "status",
        "process",
        "fail_reason",
        "created_at",
        "ended_at",
        "instance_info",
    }
)
_INSTANCE_FIELDS: Final = frozenset({"instance_id", "instance_name", "instance_status"})
_PERCENT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", re.ASCII)

# The range of Python's datetime, which every engine that reads the archive can hold.
_MIN_TIME: Final[Micros] = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // ONE_MICRO
_MAX_TIME: Final[Micros] = (datetime.max.replace(tzinfo=UTC) - EPOCH) // ONE_MICRO


def normalise(record: Record) -> Task | Rejection:
    """Turn a record into a task, or into a rejection with the reason."""
    try:
        return _normalise(record)
    except RecursionError:
        return _undecoded(record)


def _normalise(record: Record) -> Task | Rejection:
    fields = record.fields
    record_hash = content_hash(fields)
    if isinstance(fields, Undecoded):
        return _undecoded(record)
    if not isinstance(fields, dict):
        return Rejection("the record is not a JSON object", None, None, record.raw, record_hash)
    job_id = job_id_of(fields)
    created_at = read_time(fields.get("created_at"))
    if job_id is None or created_at is None:
        reason = _rejection_reason("job_id" if job_id is None else "created_at", fields)
        return Rejection(reason, job_id, created_at, record.raw, record_hash)
    instance = fields.get("instance_info")
    instance_fields = instance if isinstance(instance, dict) else {}
    status = _text(fields.get("status"))
    ended_at = read_time(fields.get("ended_at"))
    is_ended = is_final(status)
    return Task(
        job_id=job_id,
        task_name=_text(fields.get("name")),
        status=status,
        progress_percent=read_percent(fields.get("process")),
        fail_reason=_text(fields.get("fail_reason")),
        created_at=created_at,
        ended_at=ended_at,
        instance_id=_text(instance_fields.get("instance_id")),
        instance_name=_text(instance_fields.get("instance_name")),
        instance_status=_text(instance_fields.get("instance_status")),
        extra=_extra(fields, instance, _unreadable(fields, ended_at)),
        raw=record.raw,
        version_hash=record_hash,
        is_final=is_ended,
        duration_ms=duration_between(created_at, ended_at, is_final=is_ended),
    )


def _undecoded(record: Record) -> Rejection:
    record_hash = content_hash(Undecoded(record.raw))
    is_invalid = isinstance(record.fields, Invalid)
    reason = "is not valid JSON or UTF-8" if is_invalid else "is nested too deeply"
    return Rejection(f"the record {reason}", None, None, record.raw, record_hash)


def created_at_of(record: Record) -> Micros | None:
    """Return the created_at of a record without normalising the rest."""
    return read_time(_field(record, "created_at"))


def status_of(record: Record) -> str | None:
    """Return the status of a record, without normalising the rest."""
    return _text(_field(record, "status"))


def _field(record: Record, name: str) -> Any:
    content = record.content
    if isinstance(content, TaskFields):
        return getattr(content, name) or None
    return content.get(name) if isinstance(content, dict) else None


def read_time(value: Any) -> Micros | None:
    """Read an ISO 8601 date and time with any offset; without one it is UTC.

    None if the value is anything else. A date alone is not a time: midnight would be invented.
    """
    parsed = _parse(value) if isinstance(value, str) and value else None
    if not isinstance(parsed, datetime):
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    try:
        passed = parsed - EPOCH
    except ValueError:  # pendulum accepts +2400, which is not an offset
        return None
    time = passed.days * DAY + passed.seconds * SECOND + passed.microseconds
    return time if _MIN_TIME <= time <= _MAX_TIME else None


def _parse(text: str) -> object:
    try:
        return parse_iso8601(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_iso8601(text.strip().upper())
    except (ValueError, OverflowError):
        return None


def _rejection_reason(field: str, fields: dict[str, Any]) -> str:
    value = fields.get(field)
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{field} is missing or empty"
    return f"{field} is not usable: {json_text(value)[:200]}"


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json_text(value)


def read_percent(value: Any) -> float | None:
    """Read a number of per cent, as text or as a number; None if the value is anything else."""
    if value is None or value == "":
        return None
    match = _PERCENT.fullmatch(value if isinstance(value, str) else json_text(value))
    percent = float(match[1]) if match else None
    return percent if percent is not None and math.isfinite(percent) else None


def _unreadable(fields: dict[str, Any], ended_at: Micros | None) -> dict[str, Any]:
    """Return an end that is given but cannot be read: it is another fact than no end."""
    value = fields.get("ended_at")
    is_given = value is not None and not (isinstance(value, str) and not value.strip())
    return {"ended_at": value} if is_given and ended_at is None else {}


def _extra(fields: dict[str, Any], instance: Any, unreadable: dict[str, Any]) -> str | None:
    if (
        not unreadable
        and _TASK_FIELDS.issuperset(fields)
        and (
            instance is None
            or (isinstance(instance, dict) and _INSTANCE_FIELDS.issuperset(instance))
        )
    ):
        return None
    extra = {key: value for key, value in fields.items() if key not in _TASK_FIELDS}
    extra |= unreadable
    if isinstance(instance, dict):
        instance = {key: instance[key] for key in instance if key not in _INSTANCE_FIELDS}
    if instance:
        extra["instance_info"] = instance
    return json_text(extra) if extra else None
