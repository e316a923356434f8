"""Records that are read by columns give the same rows as records that are read one by one."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.client import TaskQuery
from gaussdb_tasks.api.responses import Page, parse_page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.extract.extraction import Extraction
from gaussdb_tasks.extract.project_tables import ProjectSource, Run
from gaussdb_tasks.model.known_tasks import SCHEMA, KnownTasks
from gaussdb_tasks.model.normalise import normalise, read_time
from gaussdb_tasks.model.project_state import KnownTask, ProjectKey, ProjectState
from gaussdb_tasks.model.record import Record, TaskFields, content_hash
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.task_columns import TaskColumns, normalise_documented
from gaussdb_tasks.model.time_columns import read_times
from gaussdb_tasks.model.times import DAY, MINUTE
from gaussdb_tasks.settings import LoadSettings
from tests.support.model_center import NOW, written

PROJECT = ProjectKey("eu-de", "p")
FieldsOfRecord = dict[str, Any]

offsets = st.sampled_from(
    ["Z", "+0000", "+0800", "-03:30", "+08:00", "+2400", "+0860", "+08", "", "z", " Z", "-0000"]
)
fractions = st.sampled_from(["", ".5", ".25", ".123456", ".1234567", ".123456789", ".", ",5"])
usual_times = st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S").zfill(19))
odd_times = st.sampled_from(
    [
        "2026-02-30T10:00:00",
        "2023-02-29T10:00:00",
        "2024-02-29T10:00:00",
        "2016-12-31T23:59:60",
        "2026-05-01T24:00:00",
        "2026-05-01 10:00:00",
        "20260501T100000",
        "2026-W18-5T10:00:00",
        "2026-05-01",
        "1599-12-31T23:59:59",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
        "\u0662\u0660\u0662\u0666-05-01T10:00:00",
        "2026-05-01T10:00:00\n",
        "",
        " ",
        "soon",
    ]
)
times = st.builds("{}{}{}".format, usual_times | odd_times, fractions, offsets) | odd_times


@given(texts=st.lists(times | st.none(), max_size=20))
def test_many_times_are_read_as_each_of_them(texts: list[str | None]) -> None:
    assert read_times(texts) == list(map(read_time, texts))


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+0800",
        "9999-12-31T23:59:59-0800",
        "1599-12-31T23:59:59Z",
        "2026-02-29T00:00:00Z",
        "2026-05-01T10:00:00+1500",
        "2026-05-01T10:00:00Z\n",
    ],
)
def test_a_time_at_the_edge_is_left_to_pendulum(text: str) -> None:
    assert read_times([text, "2026-05-01T10:00:00Z"]) == [
        read_time(text),
        read_time("2026-05-01T10:00:00Z"),
    ]


@pytest.mark.thorough
@given(seed=st.integers(0, 2**32))
def test_millions_of_times_are_read_as_each_of_them(seed: int) -> None:
    """Five thousand examples of 400 times, all of the forms that Arrow reads, or nearly."""
    rng = random.Random(seed)  # noqa: S311 - invented data

    def made() -> str:
        year, month, day = rng.randrange(1590, 3010), rng.randrange(14), rng.randrange(33)
        hour, minute, second = (rng.randrange(most) for most in (25, 61, 61))
        digits = rng.randrange(8)
        fraction = f".{rng.randrange(10**digits):0{digits}}" if digits else ""
        offset = rng.choice(["Z", f"{rng.choice('+-')}{rng.randrange(16):02}{{}}00"])
        moment = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        return moment + fraction + offset.format(rng.choice(["", ":"]))

    texts = [made() for _ in range(400)]
    assert [read_times([text]) for text in texts] == [[read_time(text)] for text in texts]
    assert read_times(texts) == list(map(read_time, texts))


texts = st.sampled_from(["", "x", "\u00fc\u4e2d\U0001f600", "\u2028\x00\x7f", 'a"\\/\b'])
odd_values = (
    st.none()
    | texts
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**400)
    | st.lists(texts, max_size=2)
    | st.dictionaries(texts, texts, max_size=2)
)
recent_times = st.sampled_from(
    [
        *(written(NOW - DAY + minutes * MINUTE) for minutes in (1, 2, 3)),
        "2026-05-17T10:00:00Z",
        "2026-05-17T10:00:00.1234567+08:00",
        "2026-05-17 10:00:00",
    ]
)
documented_values: dict[str, st.SearchStrategy[Any]] = {
    "job_id": st.sampled_from("abcd"),
    "name": texts | st.none(),
    "status": st.sampled_from(["Running", "Completed", "Failed", " failed ", "Odd", "", None]),
    "process": st.sampled_from([None, "", "10", "60 %", "100", "most"]),
    "fail_reason": texts | st.none(),
    "created_at": recent_times,
    "ended_at": recent_times | st.sampled_from([None, "", " ", "soon"]),
    "instance_info": st.none()
    | st.fixed_dictionaries(
        {name: texts | st.none() for name in ("instance_id", "instance_name", "instance_status")}
    ),
}
documented = st.fixed_dictionaries(documented_values)


@st.composite
def odd_records(draw: st.DrawFn) -> str:
    """Make a record that differs a little from a documented one."""
    fields = draw(documented)
    changed = draw(st.sampled_from([*fields, "surprise", "nested"]))
    match draw(st.sampled_from(["value", "missing", "twice", "text", "time"])):
        case "value" if changed == "nested":
            fields["instance_info"] = {"instance_id": draw(odd_values), "surprise": 1}
        case "value":
            fields[changed] = draw(odd_values)
        case "missing":
            fields.pop(changed, None)
        case "time":
            fields[draw(st.sampled_from(["created_at", "ended_at"]))] = draw(times)
        case "twice":
            again = json.dumps({draw(st.sampled_from(list(fields))): draw(odd_values)})
            return json.dumps(fields)[:-1] + ", " + again[1:]
        case _:
            raw = draw(
                st.sampled_from(['"\\ud800"', "1e999", "[]", "NaN", "[" * 3000 + "]" * 3000])
            )
            return json.dumps(fields)[:-1] + f', "name": {raw}}}'
    return json.dumps(fields, indent=draw(st.sampled_from([None, 1])))


listed = st.lists(documented.map(json.dumps) | odd_records(), max_size=12)


def by_columns(page: Page) -> Page:
    """Leave the records as they are parsed."""
    return page


def one_by_one(page: Page) -> Page:
    """Leave no record to be read by columns."""
    return page._replace(
        records=tuple(Record(each.raw, each.fields, each.identity) for each in page.records)
    )


def load(
    records: Sequence[str], state: ProjectState, way: Callable[[Page], Page]
) -> tuple[list[Any], ProjectState]:
    """Load once; return the rows of each table, sorted, and the state that the load leaves."""
    body = f'{{"tasks":[{",".join(records)}],"total_count":{len(records)}}}'
    page = way(parse_page(body.encode("utf-8", "surrogateescape")))

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        wanted = [] if query.status else page.records[offset : offset + limit]
        return page._replace(records=tuple(wanted))

    source = ProjectSource(PROJECT, fetch, lambda: 0, state, lambda _id, _at: None)
    extraction = Extraction(Run("run", 1, "test", LoadSettings(now=NOW), 1), [source])
    rows = [
        sorted(pa.concat_tables(table).to_pylist(), key=repr)
        for table in (
            extraction.task_versions(),
            extraction.tasks(),
            extraction.coverage(),
            extraction.load_runs(),
            extraction.rejected_records(),
            extraction.vanished_tasks(),
        )
    ]
    state_after, summary = extraction.projects[0].state_after(), extraction.projects[0].summary()
    extraction.forget_states()
    assert extraction.projects[0].summary() == summary
    assert extraction.projects[0].state_after().tasks == {}
    return rows, state_after


@given(loads=st.lists(listed, min_size=1, max_size=3))
def test_both_ways_give_the_same_rows_and_the_same_state(loads: list[list[str]]) -> None:
    """Any records in any loads: what is read by columns is what is read one by one."""
    states = [ProjectState(known_from=NOW - 31 * DAY)] * 2
    for records in loads:
        results = [
            load(records, state, way)
            for state, way in zip(states, (by_columns, one_by_one), strict=True)
        ]
        assert results[0] == results[1]
        _, (kept, state) = zip(*results, strict=True)
        states = [replace(kept, tasks=in_columns(kept.tasks)), state]


def in_columns(tasks: Mapping[str, KnownTask]) -> KnownTasks:
    """Return known tasks as the database of a large month returns them."""
    rows = [{"job_id": job_id, **known._asdict()} for job_id, known in tasks.items()]
    return KnownTasks(pa.Table.from_pylist(rows, SCHEMA))


@given(raws=listed)
def test_columns_hold_what_each_record_gives(raws: list[str]) -> None:
    """Each column has the value of the normalised record; no record is lost."""
    records = parse_page(f'{{"tasks":[{",".join(raws)}]}}'.encode()).records
    columns, others = normalise_documented(records)
    assert sorted(map(id, (*columns.records, *others))) == sorted(map(id, records))
    assert rows_of(columns) == [
        normalise(one_by_one(Page((each,), 0)).records[0]) for each in columns.records
    ]
    for record in records:
        if isinstance(record.content, TaskFields):
            assert content_hash(record.content) == content_hash(record.fields)


def rows_of(columns: TaskColumns) -> list[Task]:
    """Return the columns as tasks."""
    values = columns.values()
    return [
        Task(**dict(zip(values, row, strict=True))) for row in zip(*values.values(), strict=True)
    ]


def test_documented_records_are_read_by_columns() -> None:
    """The two ways are not the same way: each is taken."""
    fewest = {"job_id": "b", "created_at": written(NOW), "instance_info": {}}
    page = parse_page(json.dumps({"tasks": [one_task(), fewest]}).encode())
    assert [len(part) for part in normalise_documented(page.records)] == [2, 0]
    assert [len(part) for part in normalise_documented(one_by_one(page).records)] == [0, 2]


def one_task(**changes: Any) -> dict[str, Any]:
    """Return the fields of a documented record of a completed task."""
    fields = {"job_id": "a", "status": "Completed", "created_at": written(NOW - DAY)}
    return dict.fromkeys(documented_values) | fields | changes


def test_the_first_text_of_a_repeated_record_is_kept() -> None:
    """A record that is listed twice with other white space is one state, as first listed."""
    texts = [json.dumps(one_task(), indent=1), json.dumps(one_task())]
    for way in (by_columns, one_by_one):
        (versions, *_), _ = load(texts, ProjectState(known_from=NOW - 31 * DAY), way)
        assert [row["raw"] for row in versions] == texts[:1]


def test_two_states_of_a_task_in_one_reading_are_two_versions() -> None:
    """In the order of the states, however they are listed; the latest one is the task."""
    texts = [json.dumps(one_task()), json.dumps(one_task(status="Running"))]
    (versions, tasks, *_), _ = load(texts, ProjectState(known_from=NOW - 31 * DAY), by_columns)
    assert sorted((row["version"], row["status"]) for row in versions) == [
        (1, "Running"),
        (2, "Completed"),
    ]
    assert [(row["version_count"], row["status"]) for row in tasks] == [(2, "Completed")]


def test_a_deleted_task_that_is_listed_again_is_noticed() -> None:
    """Although its state is the known one."""
    text = json.dumps(one_task())
    _, state = load([text], ProjectState(known_from=NOW - 31 * DAY), by_columns)
    deleted = {"a": state.tasks["a"]._replace(vanished_at=NOW - DAY)}
    rows, _ = load([text], replace(state, tasks=deleted), by_columns)
    assert [row["reappeared_at"] is not None for row in rows[-1]] == [True]


def test_a_task_older_than_the_project_state_is_found() -> None:
    """It is not taken for new because a column holds it."""
    record = json.dumps(one_task())
    version_hash = content_hash(parse_page(f'{{"tasks":[{record}]}}'.encode()).records[0].fields)
    known = KnownTask(NOW - DAY, 3, version_hash, True, NOW - DAY, NOW - DAY)  # noqa: FBT003
    state = ProjectState(known_from=NOW)
    page = parse_page(f'{{"tasks":[{record}],"total_count":1}}'.encode())

    def fetch(query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        return page._replace(records=() if query.status else page.records[offset : offset + limit])

    source = ProjectSource(PROJECT, fetch, lambda: 0, state, lambda _id, _at: known)
    extraction = Extraction(Run("run", 1, "test", LoadSettings(now=NOW), 1), [source])
    assert sum(table.num_rows for table in extraction.task_versions()) == 0
