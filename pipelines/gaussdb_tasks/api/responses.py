"""A page of the API as records: each one the very text that was sent, and what it says.

An archive that is to be evidence keeps the sender's words, not a re-encoding of them. msgspec cuts
the array into its elements without touching them. It is strict, though, and one odd record must
not cost the other ninety-nine: what it refuses (lone surrogates, control characters, NaN, numbers
out of range) is read a second time, more slowly and more kindly, by the standard library. What even
that cannot read, since it is nested too deeply, is kept as text.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gaussdb_tasks.model.record import Record, Undecoded, identity_of


class Page(NamedTuple):
    """What one answer of the API lists, in the order of the answer."""

    records: tuple[Record, ...]
    total_count: int | None
    """None where the answer has no number that could be a count."""


class BrokenBodyError(ValueError):
    """The body of a successful answer is not the documented JSON."""


class _Envelope(msgspec.Struct):
    tasks: list[msgspec.Raw] | None
    total_count: Any = None


# A page has 100 records of a dozen values. What is far more is none, and must not fill the memory.
_MOST_VALUES: Final = 2_000_000
_MOST_RECORDS: Final = 10_000
_MOST_DIGITS: Final = 4_000
_LONG: Final = 18

_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_DECODER: Final = msgspec.json.Decoder()
_KIND: Final = json.JSONDecoder(
    strict=False,
    # Python reads no integer of more digits than that; as text it is as good.
    parse_int=lambda digits: int(digits) if len(digits) <= _MOST_DIGITS else digits,
)
_TEXT_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def parse_page(body: bytes) -> Page:
    """Read the body of an answer.

    Raises:
        BrokenBodyError: it is not a JSON object with an array ``tasks``; null counts as empty.
    """
    if body.count(b",") > _MOST_VALUES:
        message = f"it has more than {_MOST_VALUES:,} values"
        raise BrokenBodyError(message)
    try:
        envelope = _ENVELOPE.decode(body)
        _refuse_flood(envelope.tasks or ())
        parts = [(str(raw, "utf-8"), _DECODER.decode(raw)) for raw in envelope.tasks or ()]
        records = tuple(Record(raw, fields, identity_of(fields)) for raw, fields in parts)
        return Page(records, _count(envelope.total_count))
    except BrokenBodyError:
        raise
    except (ValueError, RecursionError):
        return _parse_kindly(body)


def parse_record(raw: str) -> Record:
    """Read one record again from the text that was kept of it.

    Raises:
        BrokenBodyError: it is not the text of one record.
    """
    records = parse_page(b'{"tasks":[' + raw.encode() + b"]}").records
    if len(records) != 1:
        message = f"it is the text of {len(records)} records"
        raise BrokenBodyError(message)
    return records[0]


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONG:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_LONG:
        return value
    return None


def _refuse_flood(records: Sequence[object]) -> None:
    if len(records) > _MOST_RECORDS:
        message = f"it lists {len(records):,} records, where 100 were asked for"
        raise BrokenBodyError(message)


def _parse_kindly(body: bytes) -> Page:
    try:
        text = body.decode("utf-8")
        members = dict(_scan_object(text))
        begin = members.get("tasks", len(text))
        records = () if text.startswith("null", begin) else tuple(_scan_array(text, begin))
        total_count = _scan_value(text, members["total_count"]) if "total_count" in members else 0
    except (ValueError, IndexError) as error:
        message = "it is no JSON object with an array tasks"
        raise BrokenBodyError(message) from error
    _refuse_flood(records)
    return Page(records, _count(total_count))


def _scan_object(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key of the object that the text is, and where its value begins."""
    at = _expect(text, _skip(text, 0), "{")
    while text[at] != "}":
        key, at = _KIND.raw_decode(text, at)
        begin = _expect(text, _skip(text, at), ":")
        yield key, begin
        at = _next(text, _end_of_value(text, begin), "}")
    if _skip(text, at + 1) != len(text):
        message = "there is more behind the object"
        raise ValueError(message)


def _scan_array(text: str, begin: int) -> Iterator[Record]:
    """Yield each element of the array that begins there."""
    at = _expect(text, begin, "[")
    while text[at] != "]":
        end = _end_of_value(text, at)
        raw = text[at:end]
        yield _record(raw, _scan_value(text, at))
        at = _next(text, end, "]")


def _record(raw: str, fields: Any) -> Record:
    try:
        return Record(raw, _storable(fields), identity_of(_storable(fields)))
    except RecursionError:
        return Record(raw, Undecoded(raw), identity_of(Undecoded(raw)))


def _scan_value(text: str, begin: int) -> Any:
    """Return the value that begins there; one that is nested too deeply as its text."""
    try:
        return _KIND.raw_decode(text, begin)[0]
    except RecursionError:
        return Undecoded(text[begin : _end_of_value(text, begin)])


def _end_of_value(text: str, begin: int) -> int:
    """Return where the value ends that begins there, however deeply it is nested."""
    if text[begin] not in "[{":
        return _KIND.raw_decode(text, begin)[1]
    depth = 0
    for match in _TEXT_OR_BRACKET.finditer(text, begin):
        mark = match[0]
        depth += (mark in "[{") - (mark in "]}")
        if depth == 0:
            return match.end()
    message = f"what begins at {begin} has no end"
    raise ValueError(message)


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
        case Undecoded():
            return value
        case str():
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case float() if not math.isfinite(value):
            return str(value)
        case list():
            return [_storable(element) for element in value]
        case dict():
            return {_storable(key): _storable(element) for key, element in value.items()}
    return value
