"""A load keeps every record, with any content: as a task, or as rejected with a reason."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussdb_tasks import load as load_module
from gaussdb_tasks.api.auth.access import ProjectAccess
from gaussdb_tasks.api.auth.identity import TokenIdentity
from gaussdb_tasks.api.client import TaskCenterClient, TaskQuery
from gaussdb_tasks.api.responses import Page, parse_page
from gaussdb_tasks.contract import PAGE_LIMIT
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.record import content_hash
from gaussdb_tasks.model.times import HOUR, Micros
from gaussdb_tasks.settings import LoadSettings
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import rows

UNUSUAL_TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\U0001f9e8",
    "'; drop table tasks; --",
    "x" * 100_000,
    "2022-08-05T08:15:07+2400",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-03-29T02:30:00+0100",
    "2026-10-25T02:30:00",
    "2026-W11-3T10:00:00Z",
    "20260318T100000Z",
    "2026-03-18T24:00:00Z",
    "2026-02-30T10:00:00Z",
]
texts = st.sampled_from(UNUSUAL_TEXTS) | st.text(max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
instance = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("instance_id", "instance_name", "instance_status", "az"), anything)
)
odd_records = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys((*record(1), "surprise", "raw", "_dlt_id", "job_id "), anything),
        "instance_info": anything | instance,
        "created_at": texts | st.just(record(1)["created_at"]),
    },
)
records = st.lists(odd_records | anything, max_size=60)


class ConstantTaskCenter:
    """A task center that lists the same records for every query without a status."""

    clock_ahead = None
    calls_made = 0

    def __init__(self, texts_of_records: list[str]) -> None:
        self.records = texts_of_records

    def fetch_page(self, query: TaskQuery, *, offset: int, limit: int = PAGE_LIMIT) -> Page:
        """Return a page of the records, in the JSON that the API would send."""
        listed = [] if query.status else self.records
        page = ",".join(listed[offset : offset + limit])
        return parse_page(f'{{"tasks":[{page}],"total_count":{len(listed)}}}'.encode())


@pytest.fixture(scope="module")
def access() -> Iterator[ProjectAccess]:
    """Return an access that is not used: the pages come from the test."""
    with requests.Session() as http:
        yield ProjectAccess("http://127.0.0.1:9", "eu-de", PROJECT, TokenIdentity("t"), http)


def load(access: ProjectAccess, folder: Path, center: ConstantTaskCenter, now: Micros) -> None:
    """Load all records of the task center."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskCenterClient, "for_project", lambda *_: center)
        load_module.run_load(
            load_module.LoadRequest(DataDir(folder), [access], LoadSettings(now=now, full=True))
        )


# Each example is a whole load, of many records.
@settings(max_examples=max(settings().max_examples // 16, 3))
@given(drawn=records)
def test_nothing_is_lost(access: ProjectAccess, drawn: list[Any]) -> None:
    """Each distinct record is kept byte for byte: as a version of a task, or as rejected."""
    regular = [record(number, NOW - number * HOUR, NOW) for number in range(1, 4)]
    sent = [json.dumps(each) for each in (*drawn, *regular)]
    center = ConstantTaskCenter(sent)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load(access, folder, center, NOW)
        kept = rows(folder, "select raw, version_hash from task_center.task_versions")
        rejected = rows(folder, "select raw, record_hash from task_center.rejected_records")
        by_hash = {hash_ for _, hash_ in (*kept, *rejected)}
        assert {raw for raw, _ in (*kept, *rejected)} <= set(sent)
        assert by_hash == {content_hash(each.fields) for each in parse(sent)}
        assert len(rejected) == len({hash_ for _, hash_ in rejected})
        assert not {hash_ for _, hash_ in kept} & {hash_ for _, hash_ in rejected}
        latest = rows(folder, "select count(*), count(distinct job_id) from tasks")
        assert latest == [(len({each.identity for each in parse(sent)} & ids(folder)),) * 2]


def ids(folder: Path) -> set[str]:
    """Return the job_ids of all versions."""
    return {job_id for (job_id,) in rows(folder, "select job_id from task_history")}


def parse(sent: list[str]) -> tuple[Any, ...]:
    """Parse records as a page of the API."""
    return parse_page(f'{{"tasks":[{",".join(sent)}]}}'.encode()).records


def test_two_states_of_one_task_on_one_page(access: ProjectAccess, tmp_path: Path) -> None:
    """A list with a task in two states gives two versions, also if it is read repeatedly."""
    twice = [record(1, NOW - HOUR, None), record(1, NOW - HOUR, NOW)]
    load(access, tmp_path, ConstantTaskCenter([json.dumps(each) for each in twice]), NOW)
    states = rows(tmp_path, "select version, status from task_history order by 1")
    assert states == [(1, "Running"), (2, "Completed")]
    assert rows(tmp_path, "select status, version_count from tasks") == [("Completed", 2)]
