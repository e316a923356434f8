"""Redacted records: which values are replaced, and the text that replaces them. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gaussdb_tasks.api.responses import BrokenBodyError, parse_record
from gaussdb_tasks.archive.archive_tables import REDACTABLE
from gaussdb_tasks.model.normalise import normalise

REMOVED: Final = "[removed]"

_IDENTITY: Final = frozenset({"job_id", "name", "status", "process", "created_at", "ended_at"})
_INSTANCE: Final = "instance_info"
_OF_INSTANCE: Final = frozenset({"instance_id", "instance_name", "instance_status", "extra"})
_EMPTY: Final = frozenset({b"null", b'""', b"{}", b"[]"})
REMOVED_JSON: Final = json.dumps(REMOVED)
"""The value of ``extra`` where a record was replaced completely."""


def without_payload(raw: str, columns: Sequence[str]) -> str:
    """Return a record's text with the fields of columns replaced; the rest stays word for word.

    A text that is not a record is replaced completely.
    """
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        instance = _instance(fields)
    except (msgspec.DecodeError, UnicodeError):
        return REMOVED
    # An instance that is not an object cannot be split into columns.
    is_instance_kept = instance is not None or not _OF_INSTANCE.intersection(columns)
    always = _IDENTITY | {_INSTANCE} if is_instance_kept else _IDENTITY
    redacted: dict[str, Any] = {
        name: value if _is_empty(value) or _stays(name, columns, always) else REMOVED
        for name, value in fields.items()
    }
    if instance is not None:
        redacted[_INSTANCE] = {
            name: value if _is_empty(value) or _stays(name, columns, frozenset()) else REMOVED
            for name, value in instance.items()
        }
    inner = redacted[_INSTANCE].values() if instance is not None else ()
    return (
        raw
        if REMOVED not in (*redacted.values(), *inner)
        else msgspec.json.encode(redacted).decode()
    )


def _is_empty(value: msgspec.Raw) -> bool:
    return bytes(value).strip() in _EMPTY


def _stays(name: str, columns: Sequence[str], always: frozenset[str]) -> bool:
    if name in always:
        return True
    if name in REDACTABLE and name != "extra":
        return name not in columns
    return "extra" not in columns and not (name == _INSTANCE and _OF_INSTANCE & set(columns))


def redacted_extra(raw: str) -> str:
    """Return the ``extra`` that the normaliser makes of a record."""
    try:
        task = normalise(parse_record(raw))
    except BrokenBodyError:
        return REMOVED_JSON
    return getattr(task, "extra", None) or REMOVED_JSON


def _instance(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw] | None:
    if _INSTANCE not in fields or not bytes(fields[_INSTANCE]).lstrip().startswith(b"{"):
        return None
    return msgspec.json.decode(fields[_INSTANCE], type=dict[str, msgspec.Raw])
