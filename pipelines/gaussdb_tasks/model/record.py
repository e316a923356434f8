"""Records as the API sent them: text, decoded fields and identity."""

import hashlib
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

_Text: TypeAlias = str | UnsetType | None

_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


class InstanceFields(
    msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True
):
    """The documented fields of an instance; sorted, as they are hashed."""

    instance_id: _Text = UNSET
    instance_name: _Text = UNSET
    instance_status: _Text = UNSET


class TaskFields(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """The fields of a record that has only documented ones, of the documented types.

    They are sorted, as they are hashed. The job_id is not blank. A missing field is ``UNSET``: it
    is false, and is not encoded.
    """

    created_at: str
    ended_at: _Text = UNSET
    fail_reason: _Text = UNSET
    instance_info: InstanceFields | UnsetType | None = UNSET
    job_id: str
    name: _Text = UNSET
    process: _Text = UNSET
    status: _Text = UNSET


class Record(NamedTuple):
    """One element of the list: its text, its decoded content, and its identity."""

    raw: str
    content: Any
    """``TaskFields`` if it is as documented; else the decoded JSON."""
    identity: str
    """The job_id, or the hash of the content if there is none."""

    @property
    def fields(self) -> Any:
        """The decoded JSON."""
        is_documented = isinstance(self.content, TaskFields)
        return msgspec.json.decode(self.raw) if is_documented else self.content


class Undecoded(str):
    """The text of a record whose fields are nested too deeply to be decoded."""

    __slots__ = ()


class Invalid(Undecoded):
    """The text of a record that is not valid JSON or UTF-8."""

    __slots__ = ()


def identity_of(fields: Any) -> str:
    """Return the identity of a record: its job_id, or the hash of its content if unusable."""
    job_id = job_id_of(fields)
    return content_hash(fields) if job_id is None else job_id


def job_id_of(fields: Any) -> str | None:
    """Return the job_id as text; None if it is not a number or a text that is not blank."""
    value = fields.get("job_id") if isinstance(fields, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def content_hash(fields: Any) -> str:
    """Return the SHA-256, in hex, of ``TaskFields`` or JSON, with sorted keys and no white space.

    Records with the same content have the same hash, in any order of their keys.
    """
    content = str(fields) if isinstance(fields, Undecoded) else fields
    return hashlib.sha256(_CANONICAL.encode(content)).hexdigest()


def json_text(value: Any) -> str:
    """Write decoded JSON with sorted keys and no white space."""
    return _CANONICAL.encode(value).decode()
