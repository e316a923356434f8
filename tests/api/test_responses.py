"""A page of the API becomes records, and each keeps its exact text."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.responses import BrokenBodyError, parse_page, parse_record
from gaussdb_tasks.errors import ResponseTooLargeError
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import content_hash, identity_of
from gaussdb_tasks.model.task import Rejection

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(elements=st.lists(json_values, max_size=4), indent=st.sampled_from([None, 0, 2]))
def test_raw_text(elements: list[Any], indent: int | None) -> None:
    """The raw text of each record is the text that was sent, for any JSON value."""
    sent = [json.dumps(element, indent=indent) for element in elements]
    body = f'{{"tasks": [ {" , ".join(sent)} ]}}'.encode()
    page = parse_page(body)
    assert [record.raw for record in page.records] == sent
    assert page.byte_count == len(body)


@given(text=st.text(alphabet=st.characters(), max_size=30))
def test_any_text(text: str) -> None:
    """Any text, lone surrogates included, is decoded to valid UTF-8."""
    body = json.dumps({"tasks": [{"job_id": "a", "name": text}]}).encode()
    (record,) = parse_page(body).records
    stored = record.fields["name"]
    assert stored.encode("utf-8").decode("utf-8") == stored


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=plain_values)
def test_content_hash(value: Any) -> None:
    """The hash is the SHA-256 of the JSON of Python's library with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert content_hash(value) == hashlib.sha256(text.encode()).hexdigest()


def test_order_of_keys() -> None:
    """The order of keys does not change the content hash."""
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        ("2", 2),
        ('"2"', 2),
        ("null", None),
        ('""', None),
        ("true", None),
        ("-1", None),
        ("2.5", None),
        ('"two"', None),
        ('"²"', None),
        ("9" * 5_000, None),
        (f'"{"9" * 5_000}"', None),
        ("[2]", None),
    ],
)
def test_total_count(count: str, expected: int | None) -> None:
    """A whole number, also one written as text, is a count; anything else is None."""
    assert parse_page(f'{{"tasks":[],"total_count":{count}}}'.encode()).total_count == expected


@pytest.mark.parametrize(
    "invalid",
    [
        r'{"job_id":"a","name":"\ud800"}',
        '{"job_id":"a","name":"\x01"}',
        '{"job_id":"a","process":NaN}',
        '{"job_id":"a","process":1e999}',
        '{"job_id":"a","process":' + "9" * 5_000 + "}",
    ],
)
def test_invalid_record(invalid: str) -> None:
    """A record that a strict parser rejects does not affect the other records of the page."""
    body = f'{{"total_count":3,"tasks":[{{"job_id":"x"}},{invalid},{{"job_id":"y"}}]}}'.encode()
    page = parse_page(body)
    assert [record.identity for record in page.records] == ["x", "a", "y"]
    assert page.records[1].raw == invalid
    assert page.total_count == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"tasks":{}}',
        b'{"total_count":0}',
        b'{"tasks":[{"a":1}',
        b'{"tasks":[{"a":1} {"b":1}]}',
        b'{"tasks":[]} and more',
        b'{"tasks":["\xff}]}',
    ],
)
def test_broken_bodies(body: bytes) -> None:
    """A body that is not the documented JSON is an error, not an empty page."""
    with pytest.raises(BrokenBodyError):
        parse_page(body)


@pytest.mark.parametrize("depth", [50, 500, 990, 1_500, 100_000])
def test_deep_nesting(depth: int) -> None:
    """A deeply nested record keeps its exact text and does not affect the other records."""
    nested = (
        '{"job_id":"a","created_at":"2022-08-05T08:15:07Z","x":' + "[" * depth + "]" * depth + "}"
    )
    body = f'{{"total_count":3,"tasks":[{{"job_id":"x"}},{nested},{{"job_id":"y]["}}]}}'.encode()
    page = parse_page(body)
    first, deep, last = page.records
    assert (first.identity, last.identity, page.total_count) == ("x", "y][", 3)
    assert deep.raw == nested
    outcome = normalise(deep)
    assert outcome.raw == nested
    if isinstance(outcome, Rejection):
        assert outcome.reason == "the record is nested too deeply"
        assert depth > 50


def test_null_list() -> None:
    """A list that is null is an empty page."""
    assert parse_page(b'{"tasks":null,"total_count":0}').records == ()


@pytest.mark.parametrize(
    "fields", [{"job_id": ""}, {"job_id": " "}, {"job_id": True}, {}, [], None]
)
def test_missing_job_id(fields: Any) -> None:
    """The identity of a record without a usable job_id is its content hash."""
    assert identity_of(fields) == content_hash(fields)


def test_numeric_job_id() -> None:
    """A job_id that is a number has the same identity as its text."""
    assert identity_of({"job_id": 7}) == identity_of({"job_id": "7"}) == "7"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"job_id":"a","name":"M\xfcller"}', r'{"job_id":"a","name":"M\xfcller"}'),
        (
            b'{"job_id":"a","name":"\xed\xa0\x80 \\" ]"}',
            r'{"job_id":"a","name":"\xed\xa0\x80 \" ]"}',
        ),
        (b'{"job_id":"a","name":"\\q"}', r'{"job_id":"a","name":"\q"}'),
        (b'{"job_id":"a","process":0x10}', '{"job_id":"a","process":0x10}'),
        (b'["\xff"]', r'["\xff"]'),
        (b'"\xff"', r'"\xff"'),
    ],
)
def test_a_record_that_is_not_json_or_utf_8(sent: bytes, kept: str) -> None:
    """It is rejected with the bytes that were sent; the others of the page are read."""
    page = parse_page(b'{"tasks":[{"job_id":"x"},' + sent + b',{"job_id":"y"}],"total_count":3}')
    assert [record.raw for record in page.records] == ['{"job_id":"x"}', kept, '{"job_id":"y"}']
    outcome = normalise(page.records[1])
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "the record is not valid JSON or UTF-8"
    assert parse_record(outcome.raw) == page.records[1]
    assert page.total_count == 3


def test_a_response_with_too_many_values_or_records() -> None:
    """Fewer records may be fewer values: it is not a broken body."""
    for body in (
        b'{"tasks":[' + b"0," * 10_001 + b"0]}",
        b'{"tasks":[{"x":[' + b"0," * 2_000_001 + b"0]}]}",
    ):
        with pytest.raises(ResponseTooLargeError):
            parse_page(body)
