"""A page of the API as records: each one the very text that was sent, and what it says.

An archive that is to be evidence keeps the sender's words, not a re-encoding of them. msgspec cuts
the array into its elements without touching them. It is strict, though, and one odd record must
not cost the other ninety-nine: what it refuses (lone surrogates, control characters, NaN, numbers
out of range) is read a second time, more slowly and more kindly, by the standard library.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec


class Record(NamedTuple):
    """One element of the list: its text, its decoded fields, and what tells it from others."""

    raw: str
    fields: Any
    identity: str
    """The job_id, or the content's hash where there is none."""


class Listing(NamedTuple):
    """What one answer of the API lists, in the order of the answer."""

    records: tuple[Record, ...]
    total_count: int | None
    """None where the answer has no number that could be a count."""


class BrokenBodyError(ValueError):
    """The body of a successful answer is not the documented JSON."""


class _Envelope(msgspec.Struct):
    tasks: list[msgspec.Raw] | None
    total_count: Any = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_DECODER: Final = msgspec.json.Decoder()
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
_KIND: Final = json.JSONDecoder(strict=False)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def parse_listing(body: bytes) -> Listing:
    """Read the body of an answer.

    Raises:
        BrokenBodyError: it is not a JSON object with an array ``tasks``; null counts as empty.
    """
    try:
        envelope = _ENVELOPE.decode(body)
        parts = [(str(raw, "utf-8"), _DECODER.decode(raw)) for raw in envelope.tasks or ()]
        total_count = envelope.total_count
    except (ValueError, RecursionError):
        parts, total_count = _parse_kindly(body)
    records = tuple(Record(raw, fields, identity_of(fields)) for raw, fields in parts)
    return Listing(records, _count(total_count))


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
    return hashlib.sha256(_CANONICAL.encode(fields)).hexdigest()


def json_text(value: Any) -> str:
    """Write decoded JSON compactly, keys sorted."""
    return _CANONICAL.encode(value).decode()


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def _parse_kindly(body: bytes) -> tuple[list[tuple[str, Any]], Any]:
    try:
        text = body.decode("utf-8")
        members = {key: (begin, value) for key, begin, value in _scan_object(text)}
    except (ValueError, IndexError, RecursionError) as error:
        message = "it is no JSON object"
        raise BrokenBodyError(message) from error
    begin, tasks = members.get("tasks", (0, ""))
    if tasks is not None and not isinstance(tasks, list):
        message = "there is no array tasks in it"
        raise BrokenBodyError(message)
    parts = list(_scan_array(text, begin)) if tasks else []
    return parts, members.get("total_count", (0, None))[1]


def _scan_object(text: str) -> Iterator[tuple[str, int, Any]]:
    """Yield key, start and value of each member of the object that the text is."""
    at = _expect(text, _skip(text, 0), "{")
    while text[at] != "}":
        key, at = _KIND.raw_decode(text, at)
        begin = _expect(text, _skip(text, at), ":")
        value, at = _KIND.raw_decode(text, begin)
        yield key, begin, value
        at = _next(text, at, "}")
    if _skip(text, at + 1) != len(text):
        message = "there is more behind the object"
        raise ValueError(message)


def _scan_array(text: str, begin: int) -> Iterator[tuple[str, Any]]:
    """Yield text and value of each element of the array that begins there."""
    at = _expect(text, begin, "[")
    while text[at] != "]":
        value, end = _KIND.raw_decode(text, at)
        yield text[at:end], _storable(value)
        at = _next(text, end, "]")


def _next(text: str, at: int, closing: str) -> int:
    at = _skip(text, at)
    return at if text[at] == closing else _expect(text, at, ",")


def _expect(text: str, at: int, character: str) -> int:
    if text[at] != character:
        message = f"{character!r} is missing at {at}"
        raise ValueError(message)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _storable(value: Any) -> Any:
    """Replace what no database text or JSON column can hold; the raw text keeps it."""
    match value:
        case str():
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case float() if not math.isfinite(value):
            return str(value)
        case list():
            return [_storable(element) for element in value]
        case dict():
            return {_storable(key): _storable(element) for key, element in value.items()}
    return value
