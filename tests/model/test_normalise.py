"""A record becomes the columns of a task, or a rejection with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.responses import parse_page
from gaussdb_tasks.model.normalise import normalise, read_time
from gaussdb_tasks.model.record import Record
from gaussdb_tasks.model.task import Rejection, Task
from gaussdb_tasks.model.times import parse_time
from tests.support import DATA

EXAMPLE = json.loads((DATA / "example-response.json").read_text())


def normalised(fields: Any) -> Task | Rejection:
    """Normalise the fields of a record on a page."""
    (record,) = parse_page(json.dumps({"tasks": [fields]}).encode()).records
    return normalise(record)


def task(**fields: Any) -> Task:
    """Normalise a valid record with some fields replaced."""
    outcome = normalised({"job_id": "j", "created_at": "2022-08-05T08:15:07+0800", **fields})
    assert isinstance(outcome, Task)
    return outcome


def micros(text: str) -> int:
    """Read a time independently of the code under test."""
    return parse_time(text, option="test")


def test_the_documented_example() -> None:
    """Each field of the service's own example is in its column."""
    first = normalised(EXAMPLE["tasks"][0])
    assert isinstance(first, Task)
    assert first.job_id == "03bc055a-135c-4245-8bd8-b0bc6d3350b3"
    assert first.task_name == "CreateGaussDBV5Instance"
    assert first.status == "Failed"
    assert first.progress_percent is None
    assert first.fail_reason == "An exception occurs when the ECS processes services."
    assert first.created_at == micros("2022-08-05T00:15:07Z")
    assert first.ended_at == micros("2022-08-08T19:06:52Z")
    assert first.duration_ms == 327_105_000
    assert first.instance_id == "ce2dce50f365430abe161bab79495a6ein14"
    assert first.instance_name == "gauss-6568-zzh"
    assert first.instance_status == "creating"
    assert first.extra is None
    assert json.loads(first.raw) == EXAMPLE["tasks"][0]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2022-08-05T08:15:07+0800", "2022-08-05T00:15:07Z"),
        ("2022-08-05T08:15:07+0000", "2022-08-05T08:15:07Z"),
        ("2022-08-05T08:15:07Z", "2022-08-05T08:15:07Z"),
        ("2022-08-05T08:15:07+08:00", "2022-08-05T00:15:07Z"),
        ("2022-08-05T08:15:07-0330", "2022-08-05T11:45:07Z"),
        ("2022-08-05t08:15:07z", "2022-08-05T08:15:07Z"),
        (" 2022-08-05T08:15:07Z ", "2022-08-05T08:15:07Z"),
        ("2022-08-05 08:15:07+0800", "2022-08-05T00:15:07Z"),
        ("2022-08-05T08:15:07", "2022-08-05T08:15:07Z"),
        ("20220805T081507Z", "2022-08-05T08:15:07Z"),
        ("2022-W31-5T08:15:07Z", "2022-08-05T08:15:07Z"),
        ("2022-10-30T02:30:00+0200", "2022-10-30T00:30:00Z"),
        ("2022-10-30T02:30:00+0100", "2022-10-30T01:30:00Z"),
        ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_times_are_read_in_every_usual_form(text: str, utc: str) -> None:
    """Offsets with and without a colon, Z, and no offset all give the time in UTC."""
    assert read_time(text) == micros(utc)


def test_fractions_are_kept_to_the_microsecond() -> None:
    assert read_time("2022-08-05T08:15:07.25Z") == micros("2022-08-05T08:15:07Z") + 250_000


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "yesterday",
        "2022-08-05",
        "2022-W31-5",
        "08:15:07",
        "P1D",
        "2022-13-05T08:15:07Z",
        "2022-08-05T25:15:07Z",
        "0001-01-01T00:00:00+0800",
        "9999-12-31T23:59:59-0800",
        1659658507000,
        True,
        ["2022-08-05T08:15:07Z"],
    ],
)
def test_other_values_are_not_times(value: Any) -> None:
    """Dates without a time, durations, numbers and other text are not read as times."""
    assert read_time(value) is None


@pytest.mark.parametrize(
    ("process", "percent"),
    [
        (None, None),
        ("", None),
        ("60", 60.0),
        ("14%", 14.0),
        (" 99.5 % ", 99.5),
        (60, 60.0),
        (12.5, 12.5),
        ("half", None),
        ("nan", None),
        ("-1", None),
        ("٣", None),
        ("9" * 400, None),
        (10**400, None),
        (True, None),
        ([60], None),
    ],
)
def test_progress_is_a_number(process: Any, percent: float | None) -> None:
    """Progress is read as sibling services write it; other values give no number."""
    assert task(process=process).progress_percent == percent


@pytest.mark.parametrize("end", ["soon", "2026-13-01T00:00:00Z", 7, ["x"], {"at": "x"}])
def test_an_unreadable_end_is_kept(end: Any) -> None:
    """It is no time, but it is another fact than no end: it is among the extra fields."""
    assert task(ended_at=end).ended_at is None
    assert json.loads(task(ended_at=end).extra or "{}") == {"ended_at": end}


@pytest.mark.parametrize("end", [None, "", " ", "2026-03-01T00:00:00Z"])
def test_other_ends_are_not_among_the_extra_fields(end: Any) -> None:
    assert task(ended_at=end).extra is None


@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_empty_text_mean_no_value(empty: str | None) -> None:
    outcome = task(fail_reason=empty, ended_at=empty, name=empty, status=empty)
    assert (outcome.fail_reason, outcome.ended_at) == (None, None)
    assert (outcome.task_name, outcome.status) == (None, None)


@pytest.mark.parametrize("instance", [None, [], "gone", 3])
def test_an_instance_can_be_missing(instance: Any) -> None:
    """A task whose instance is null, or not an object, is still a task."""
    outcome = task(instance_info=instance)
    assert (outcome.instance_id, outcome.instance_name, outcome.instance_status) == (None,) * 3


def test_unknown_fields_go_to_extra() -> None:
    """Fields that the API adds later are kept as JSON, at both levels."""
    outcome = task(order="7", instance_info={"instance_id": "i", "az": ["1", "2"]})
    assert outcome.extra is not None
    assert json.loads(outcome.extra) == {"order": "7", "instance_info": {"az": ["1", "2"]}}
    assert outcome.instance_id == "i"


def test_other_types_become_text() -> None:
    """A field of another type than documented is kept as its JSON text."""
    outcome = task(name=5, status={"code": 1}, fail_reason=["a"])
    assert (outcome.task_name, outcome.status, outcome.fail_reason) == ("5", '{"code":1}', '["a"]')


@pytest.mark.parametrize(
    ("status", "ended_at", "duration_ms"),
    [
        ("Completed", "2022-08-05T08:15:08+0800", 1000),
        ("completed", "2022-08-05T00:15:07.5Z", 500),
        ("Failed", "2022-08-05T08:15:07+0800", 0),
        ("Canceled", "2022-08-05T08:15:08+0800", 1000),
        ("Running", "2022-08-05T08:15:08+0800", None),
        ("Pending", "2022-08-05T08:15:08+0800", None),
        (None, "2022-08-05T08:15:08+0800", None),
        ("Completed", "2022-08-05T08:15:06+0800", None),
        ("Completed", None, None),
    ],
)
def test_a_duration_needs_a_real_end(
    status: str | None, ended_at: str | None, duration_ms: int | None
) -> None:
    """Only a final task that ends at or after its start has a duration."""
    assert task(status=status, ended_at=ended_at).duration_ms == duration_ms


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"created_at": "2022-08-05T08:15:07Z"}, "job_id is missing or empty"),
        ({"job_id": " ", "created_at": "2022-08-05T08:15:07Z"}, "job_id is missing or empty"),
        ({"job_id": ["a"], "created_at": "x"}, 'job_id is not usable: ["a"]'),
        ({"job_id": "a"}, "created_at is missing or empty"),
        ({"job_id": "a", "created_at": ""}, "created_at is missing or empty"),
        ({"job_id": "a", "created_at": "soon"}, 'created_at is not usable: "soon"'),
        ("a text", "the record is not a JSON object"),
        (None, "the record is not a JSON object"),
    ],
)
def test_a_record_that_is_not_a_task_is_kept_with_a_reason(fields: Any, reason: str) -> None:
    """A record without a usable job_id or created_at is rejected unchanged, with a reason."""
    outcome = normalised(fields)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert json.loads(outcome.raw) == fields


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields_of_any_type = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*EXAMPLE["tasks"][0], "surprise"), anything),
)


@given(
    moment=st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S")) | st.text(max_size=20),
    offset=st.builds(
        "{}{:02}{}{:02}".format,
        st.sampled_from("+-"),
        st.integers(0, 99),
        st.sampled_from(["", ":"]),
        st.integers(0, 99),
    )
    | st.text(max_size=4),
)
def test_any_text_for_a_time_is_read_or_ignored(moment: str, offset: str) -> None:
    """No text raises, not even one with an impossible offset."""
    time = read_time(moment + offset)
    assert time is None or isinstance(time, int)


@given(fields=fields_of_any_type | anything)
def test_no_record_is_lost_or_raises(fields: Any) -> None:
    """Any JSON gives a task or a rejection, with its raw text."""
    (record,) = parse_page(json.dumps({"tasks": [fields]}).encode()).records
    outcome = normalise(record)
    assert outcome.raw == record.raw == json.dumps(fields)


def test_normalising_is_pure() -> None:
    """The record stays unchanged."""
    fields = {"job_id": "a", "created_at": "2022-08-05T08:15:07Z", "instance_info": {"x": 1}}
    record = Record(json.dumps(fields), json.loads(json.dumps(fields)), "a")
    normalise(record)
    assert record.fields == fields
