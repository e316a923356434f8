"""A record as the API sent it: its text, its decoded fields, and its identity."""

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


class Record(NamedTuple):
    """One element of the list: its text, its decoded fields, and what tells it from others."""

    raw: str
    fields: Any
    identity: str
    """The job_id, or the content's hash where there is none."""


class Undecoded(str):
    """The text of a record in place of its fields, which are nested too deeply to be read."""

    __slots__ = ()


def identity_of(fields: Any) -> str:
    """Tell what a record is counted as: its job_id, or its content where it has no usable one."""
    job_id = job_id_of(fields)
    return content_hash(fields) if job_id is None else job_id


def job_id_of(fields: Any) -> str | None:
    """Return the record's job_id as text; a number will do, an empty or blank text will not."""
    value = fields.get("job_id") if isinstance(fields, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def content_hash(fields: Any) -> str:
    """Return the SHA-256 of decoded JSON as text with sorted keys and no white space, in hex.

    Two records with the same content have the same hash, whatever the order of their keys.
    """
    content = str(fields) if isinstance(fields, Undecoded) else fields
    return hashlib.sha256(_CANONICAL.encode(content)).hexdigest()


def json_text(value: Any) -> str:
    """Write decoded JSON compactly, keys sorted."""
    return _CANONICAL.encode(value).decode()
