"""A page of the API becomes records without losing a byte of any of them."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.responses import BrokenBodyError, parse_page
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.record import content_hash, identity_of
from gaussdb_tasks.model.task import Rejection

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(elements=st.lists(json_values, max_size=6), indent=st.sampled_from([None, 0, 2]))
def test_raw_is_what_was_sent(elements: list[Any], indent: int | None) -> None:
    """Each record's raw text is the sender's own, whatever JSON it is."""
    sent = [json.dumps(element, indent=indent) for element in elements]
    page = parse_page(f'{{"tasks": [ {" , ".join(sent)} ]}}'.encode())
    assert [record.raw for record in page.records] == sent


@given(text=st.text(alphabet=st.characters(), max_size=30))
def test_any_text_can_be_stored(text: str) -> None:
    """Whatever text a field holds, surrogates among it, the decoded field is valid UTF-8."""
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
def test_content_hash_can_be_computed_without_this_program(value: Any) -> None:
    """The hash is SHA-256 of JSON as Python's own library writes it, keys sorted, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert content_hash(value) == hashlib.sha256(text.encode()).hexdigest()


def test_content_hash_ignores_the_order_of_keys() -> None:
    """The same content in another order of keys is the same state."""
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
    """A number, also one written as text, is a count; anything else is none."""
    assert parse_page(f'{{"tasks":[],"total_count":{count}}}'.encode()).total_count == expected


@pytest.mark.parametrize(
    "odd",
    [
        r'{"job_id":"a","name":"\ud800"}',
        '{"job_id":"a","name":"\x01"}',
        '{"job_id":"a","process":NaN}',
        '{"job_id":"a","process":1e999}',
        '{"job_id":"a","process":' + "9" * 5_000 + "}",
    ],
)
def test_one_odd_record_does_not_cost_the_others(odd: str) -> None:
    """What a strict parser refuses in one record leaves its neighbours on the page readable."""
    body = f'{{"total_count":3,"tasks":[{{"job_id":"x"}},{odd},{{"job_id":"y"}}]}}'.encode()
    page = parse_page(body)
    assert [record.identity for record in page.records] == ["x", "a", "y"]
    assert page.records[1].raw == odd
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
        b'{"tasks":[{"a":"\xff"}]}',
        b'{"tasks":[' + b"0," * 10_001 + b"0]}",
        b'{"tasks":[{"x":[' + b"0," * 2_000_001 + b"0]}]}",
    ],
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    """A body that is not the documented JSON is broken, not empty."""
    with pytest.raises(BrokenBodyError):
        parse_page(body)


@pytest.mark.parametrize("depth", [50, 500, 990, 1_500, 100_000])
def test_a_record_that_is_nested_too_deeply_is_kept_as_text(depth: int) -> None:
    """However deep it is, its neighbours are read, and it is a task or rejected, word for word."""
    odd = '{"job_id":"a","created_at":"2022-08-05T08:15:07Z","x":' + "[" * depth + "]" * depth + "}"
    body = f'{{"total_count":3,"tasks":[{{"job_id":"x"}},{odd},{{"job_id":"y]["}}]}}'.encode()
    page = parse_page(body)
    first, deep, last = page.records
    assert (first.identity, last.identity, page.total_count) == ("x", "y][", 3)
    assert deep.raw == odd
    outcome = normalise(deep)
    assert outcome.raw == odd
    if isinstance(outcome, Rejection):
        assert outcome.reason == "the record is nested too deeply"
        assert depth > 50


def test_null_is_an_empty_list() -> None:
    """A service may write null where there is nothing to list."""
    assert parse_page(b'{"tasks":null,"total_count":0}').records == ()


@pytest.mark.parametrize(
    "fields", [{"job_id": ""}, {"job_id": " "}, {"job_id": True}, {}, [], None]
)
def test_a_record_without_a_job_id_is_told_by_its_content(fields: Any) -> None:
    """Without a usable job_id two records are the same if their content is."""
    assert identity_of(fields) == content_hash(fields)


def test_a_number_is_a_job_id_too() -> None:
    """An id that arrives as a number identifies as well as its text."""
    assert identity_of({"job_id": 7}) == identity_of({"job_id": "7"}) == "7"
