"""Parse a page of the API into records; each keeps the exact text that was sent.

The archive is evidence, so it keeps the sender's text and not a re-encoding.

1. msgspec splits the array into its elements without changing them. It is strict: it rejects lone
   surrogates, control characters, NaN and numbers out of range. A record as documented is decoded
   into a struct, any other into dictionaries.
2. If msgspec rejects the page, the standard library parses it leniently, so that one invalid record
   does not lose the other 99.
3. A value that is nested too deeply for both, or is not valid JSON or UTF-8, is kept as text.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.errors import ResponseTooLargeError
from gaussdb_tasks.model.record import Invalid, Record, TaskFields, Undecoded, identity_of


class Page(NamedTuple):
    """The records of one response, in its order.

    Attributes:
        total_count: None if the response has no valid count.
        begin: position of the first record in the list, as it was requested.
        limit: the number of records that were requested.
        byte_count: size of the response.
    """

    records: tuple[Record, ...]
    total_count: int | None
    begin: int = 0
    limit: int = PAGE_LIMIT
    byte_count: int = 0


class BrokenBodyError(ValueError):
    """The body of a successful response is not the documented JSON."""


class _Envelope(msgspec.Struct):
    tasks: list[msgspec.Raw] | None
    total_count: Any = None


# A page has 100 records of a dozen values. A far larger response must not fill the memory.
_MAX_VALUES: Final = 2_000_000
_MAX_RECORDS: Final = 10_000
_MAX_DIGITS: Final = 4_000
_MAX_COUNT_DIGITS: Final = 18

_ENVELOPE_DECODER: Final = msgspec.json.Decoder(_Envelope)
_TASK_DECODER: Final = msgspec.json.Decoder(TaskFields)
_VALUE_DECODER: Final = msgspec.json.Decoder()
_LENIENT_DECODER: Final = json.JSONDecoder(
    strict=False,
    # Python refuses to parse longer integers; they are kept as text.
    parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else digits,
)
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_TEXT_OR_BRACKET: Final = re.compile(rf"{_TEXT.pattern}|[\[\]{{}}]", re.DOTALL)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WHITESPACE: Final = re.compile(r"[ \t\n\r]*")


def parse_page(body: bytes) -> Page:
    """Parse the body of a response.

    Raises:
        BrokenBodyError: it is not a JSON object with an array ``tasks``. A ``tasks`` of null counts
            as empty.
        ResponseTooLargeError: it has more values or records than a page can have.
    """
    if len(body) > _MAX_VALUES and body.count(b",") > _MAX_VALUES:
        message = f"a response has more than {_MAX_VALUES:,} values"
        raise ResponseTooLargeError(message)
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        envelope = _ENVELOPE_DECODER.decode(body)
        _check_record_count(envelope.tasks or ())
        records = tuple(map(_parse_record, envelope.tasks or ()))
        return Page(records, _count(envelope.total_count), byte_count=len(body))
    except (ValueError, RecursionError):
        return _parse_leniently(body)


def parse_record(raw: str) -> Record:
    """Parse one record from its stored text.

    Raises:
        BrokenBodyError: the text is not one record.
    """
    records = parse_page(b'{"tasks":[' + raw.encode() + b"]}").records
    if len(records) != 1:
        message = f"the text has {len(records)} records instead of one"
        raise BrokenBodyError(message)
    return records[0]


def _parse_record(raw: msgspec.Raw) -> Record:
    try:
        task = _TASK_DECODER.decode(raw)
    except msgspec.ValidationError:
        pass  # valid JSON, but not as documented
    else:
        if task.job_id.strip():
            return Record(str(raw, "utf-8"), task, task.job_id)
    fields = _VALUE_DECODER.decode(raw)
    return Record(str(raw, "utf-8"), fields, identity_of(fields))


def _count(value: Any) -> int | None:
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= _MAX_COUNT_DIGITS
    ):
        value = int(value)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and 0 <= value < 10**_MAX_COUNT_DIGITS
    ):
        return value
    return None


def _check_record_count(records: Sequence[object]) -> None:
    if len(records) > _MAX_RECORDS:
        message = f"a response has {len(records):,} records; at most 100 were requested"
        raise ResponseTooLargeError(message)


def _parse_leniently(body: bytes) -> Page:
    try:
        # No valid JSON contains \\xNN, so the bytes that were sent can be told from it.
        text = body.decode("utf-8", "backslashreplace")
        members = dict(_scan_object(text))
        begin = members.get("tasks", len(text))
        records = () if text.startswith("null", begin) else tuple(_scan_array(text, begin))
        total_count = _scan_value(text, members["total_count"]) if "total_count" in members else 0
    except (ValueError, IndexError) as error:
        message = "it is not a JSON object with an array tasks"
        raise BrokenBodyError(message) from error
    _check_record_count(records)
    return Page(records, _count(total_count), byte_count=len(body))


def _scan_object(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key of the top-level object and the position of its value."""
    at = _expect(text, _skip_whitespace(text, 0), "{")
    while text[at] != "}":
        key, at = _LENIENT_DECODER.raw_decode(text, at)
        begin = _expect(text, _skip_whitespace(text, at), ":")
        yield key, begin
        at = _skip_separator(text, _end_of_value(text, begin), "}")
    if _skip_whitespace(text, at + 1) != len(text):
        message = "there is text after the object"
        raise ValueError(message)


def _scan_array(text: str, begin: int) -> Iterator[Record]:
    """Yield each element of the array at a position."""
    at = _expect(text, begin, "[")
    while text[at] != "]":
        end = _end_of_value(text, at)
        raw = text[at:end]
        yield _record(raw, _scan_value(text, at))
        at = _skip_separator(text, end, "]")


def _record(raw: str, fields: Any) -> Record:
    try:
        return Record(raw, _storable(fields), identity_of(_storable(fields)))
    except RecursionError:
        return Record(raw, Undecoded(raw), identity_of(Undecoded(raw)))


def _scan_value(text: str, begin: int) -> Any:
    """Return the value at a position; if it cannot be decoded, return its text."""
    try:
        return _LENIENT_DECODER.raw_decode(text, begin)[0]
    except RecursionError:
        return Undecoded(text[begin : _end_of_value(text, begin)])
    except ValueError:
        return Invalid(text[begin : _end_of_value(text, begin)])


def _end_of_value(text: str, begin: int) -> int:
    """Return where the value at a position ends, at any depth of nesting."""
    if text[begin] not in "[{":
        try:
            return _LENIENT_DECODER.raw_decode(text, begin)[1]
        except ValueError:
            match = _TEXT.match(text, begin)  # a text may have invalid bytes
            if match is None:
                raise
            return match.end()
    depth = 0
    for match in _TEXT_OR_BRACKET.finditer(text, begin):
        mark = match[0]
        depth += (mark in "[{") - (mark in "]}")
        if depth == 0:
            return match.end()
    message = f"the value at {begin} has no end"
    raise ValueError(message)


def _skip_separator(text: str, at: int, closing: str) -> int:
    at = _skip_whitespace(text, at)
    return at if text[at] == closing else _expect(text, at, ",")


def _expect(text: str, at: int, character: str) -> int:
    if text[at] != character:
        message = f"{character!r} is missing at {at}"
        raise ValueError(message)
    return _skip_whitespace(text, at + 1)


def _skip_whitespace(text: str, at: int) -> int:
    match = _WHITESPACE.match(text, at)
    return match.end() if match else at


def _storable(value: Any) -> Any:
    """Replace values that no text or JSON column can hold; the raw text keeps them."""
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
