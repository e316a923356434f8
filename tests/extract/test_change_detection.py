"""Change detection: which observed states are new, and which version."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.responses import parse_page
from gaussdb_tasks.extract.change_detection import ChangeDetector, TaskChange, Version
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.times import DAY, parse_time

NOW = parse_time("2026-03-18T02:00:00Z", option="NOW")


def task(
    job_id: str = "a",
    status: str = "Running",
    created: str = "2026-03-17T00:00:00Z",
    process: str | None = None,
) -> Task:
    """Make a task in some state."""
    fields = {"job_id": job_id, "status": status, "created_at": created, "process": process}
    (record,) = parse_page(json.dumps({"tasks": [fields]}).encode()).records
    outcome = normalise(record)
    assert isinstance(outcome, Task)
    return outcome


def known(state: Task, version: int = 1, **changes: Any) -> KnownTask:
    """Make the known state of a task as last seen."""
    before = KnownTask(
        state.created_at, version, state.version_hash, state.is_final, NOW - DAY, NOW - DAY
    )
    return before._replace(**changes)


def detector(**tasks: KnownTask) -> ChangeDetector:
    """Begin a load with some known tasks."""
    return ChangeDetector(
        ProjectState(NOW - 31 * DAY, tasks), NOW, lambda _job_id, _created_at: None
    )


def observe(seen: ChangeDetector, state: Task) -> Version | None:
    """Observe one task in a reading of its own."""
    versions = seen.observe([state])
    assert len(versions) <= 1
    return versions[0] if versions else None


def test_an_unknown_task_is_version_one() -> None:
    version = observe(detector(), task())
    assert version is not None
    assert (version.version, version.change, version.first_seen_at) == (1, TaskChange.NEW, NOW)


def test_a_new_state_is_the_next_version() -> None:
    """A state that differs from the last known one is the next version; first_seen_at stays."""
    seen = detector(a=known(task(status="Running"), version=4))
    version = observe(seen, task(status="Failed"))
    assert version is not None
    assert (version.version, version.change) == (5, TaskChange.CHANGED)
    assert (version.first_seen_at, version.last_changed_at) == (NOW - DAY, NOW)
    assert seen.changed_count == 1


def test_a_finished_task_in_the_known_state_adds_nothing() -> None:
    finished = task(status="Completed")
    assert observe(detector(a=known(finished)), finished) is None


def test_a_task_in_flight_is_confirmed_once() -> None:
    """A task that is still running is recorded once per load."""
    seen = detector(a=known(task()))
    first = observe(seen, task())
    assert first is not None
    assert (first.version, first.change, first.last_changed_at) == (
        1,
        TaskChange.CONFIRMED,
        NOW - DAY,
    )
    assert observe(seen, task()) is None


def test_the_identity_of_a_task_does_not_change() -> None:
    """A created_at that the API corrects is a new state of the same task, not another task."""
    seen = detector(a=known(task()))
    version = observe(seen, task(created="2026-03-17T00:00:01Z"))
    assert version is not None
    assert version.version == 2
    assert version.task.created_at == task().created_at
    assert "00:00:01" in version.task.raw


def test_a_task_older_than_the_project_state_is_looked_up() -> None:
    """A task from before the horizon that is still listed is not taken for new."""
    old = task(status="Completed", created="2026-01-01T00:00:00Z")
    seen = ChangeDetector(
        ProjectState(NOW - 31 * DAY), NOW, lambda _job_id, _created_at: known(old, 3)
    )
    assert observe(seen, old) is None
    changed = observe(seen, task(status="Failed", created="2026-01-01T00:00:00Z"))
    assert changed is not None
    assert changed.version == 4
    assert seen.changed_count == 1


def test_a_deleted_record_that_comes_back_is_recorded() -> None:
    """A task was found deleted and is listed again: both are recorded."""
    seen = detector(a=known(task(status="Completed"), vanished_at=NOW - DAY))
    assert seen.states.count_finals(0) == 0
    observe(seen, task(status="Completed"))
    (vanishing,) = seen.vanishings
    assert (vanishing.vanished_at, vanishing.reappeared_at) == (NOW - DAY, NOW)
    assert seen.states.count_finals(0) == 1


def test_a_missing_record_is_recorded() -> None:
    """A record found deleted is recorded, and the task no longer counts as listed."""
    seen = detector(a=known(task(status="Completed")))
    seen.mark_missing("a")
    (vanishing,) = seen.vanishings
    assert (vanishing.job_id, vanishing.vanished_at, vanishing.reappeared_at) == ("a", NOW, None)
    assert seen.states.count_finals(0) == 0


STATES = {
    "P": ("Pending", None),
    "R": ("Running", None),
    "4": ("Running", "40"),
    "6": ("Running", "60"),
    "C": ("Completed", "100"),
    "F": ("Failed", "60"),
}
FINISHED = {"C", "F"}


class Night:
    """Loads of some tasks; each load has readings, and each reading lists states by letter."""

    def __init__(self) -> None:
        self.state = ProjectState(0)
        self.versions: dict[str, str] = {}
        self.latest: dict[str, str] = {}
        self.rows: list[dict[str, int]] = []

    def load(self, *readings: Sequence[tuple[str, str]]) -> None:
        """Load once."""
        now = NOW + len(self.rows) * DAY
        seen = ChangeDetector(self.state, now, lambda _job_id, _created_at: None)
        letters = {task(status=s, process=p).version_hash: a for a, (s, p) in STATES.items()}
        rows: list[Version] = []
        for reading in readings:
            rows += seen.observe(
                [task(job_id, STATES[a][0], process=STATES[a][1]) for job_id, a in reading]
            )
        rows += seen.settle()
        for row in rows:
            letter = letters[task(status=row.task.status or "", process=_process(row)).version_hash]
            if row.change is not TaskChange.CONFIRMED:
                self.versions[row.task.job_id] = self.versions.get(row.task.job_id, "") + letter
                assert row.version == len(self.versions[row.task.job_id])
        latest = [row for row in rows if (row.task.job_id, row.version) not in seen.superseded]
        self.rows.append({row.task.job_id: row.version for row in latest})
        assert len(self.rows[-1]) == len(latest), "a task has two latest states"
        for job_id, version in self.rows[-1].items():
            assert version == len(self.versions[job_id])
        self.state = ProjectState(0, seen.known_tasks(), earlier_hashes=seen.earlier_hashes())


def _process(row: Version) -> str | None:
    percent = row.task.progress_percent
    return None if percent is None else f"{percent:.0f}"


def versions_after(*loads: Sequence[str]) -> str:
    """Load one task; each load is a list of readings, each reading the states that it lists."""
    night = Night()
    for readings in loads:
        night.load(*([("a", letter) for letter in reading] for reading in readings))
    return night.versions.get("a", "")


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        # within one load
        ([["R", "F"]], "RF"),
        ([["4", "6", "C"]], "46C"),
        ([["R", "F", "R", "F", "C"]], "RFC"),
        ([["FR"]], "RF"),
        ([["C64R"]], "R46C"),
        ([["PR"]], "PR"),
        # states that come back in other loads
        ([["R"], ["F"], ["R"]], "RFR"),
        ([["R"], ["F"], ["R", "C"]], "RFRC"),
        ([["R"], ["R", "F"], ["F"]], "RF"),
        # two states in every load, in one listing or in two readings
        ([["RC"], ["RC"], ["RC"]], "RC"),
        ([["CR"], ["RC"], ["CR"]], "RC"),
        ([["R", "C"], ["R", "C"], ["R", "C"]], "RC"),
        ([["C", "R"], ["C", "R"], ["C", "R"]], "CR"),
        ([["R"], ["RC"], ["RC"], ["RC"]], "RC"),
        ([["R"], ["R", "C"], ["R", "C"], ["R", "C"]], "RC"),
        ([["C"], ["RC"], ["RC"], ["RC"]], "CRC"),
        ([["4"], ["6"], ["46C"], ["46C"], ["4", "C"]], "46C"),
        # one of the two is gone, and comes back
        ([["RC"], ["R"], ["R"]], "RCR"),
        ([["RC"], ["C"], ["C"]], "RC"),
        ([["RC"], ["R"], ["RC"], ["R"], ["RC"]], "RCR"),
        ([["R"], ["4"], ["6"], ["R4"], ["R4"]], "R46R4"),
        ([["RC"], ["R", "F"], ["RF"]], "RCRF"),
        # the service is behind: an old state is read after a new one
        ([["R"], ["C", "R"], ["C"]], "RC"),
        ([["R"], ["4"], ["C", "R", "4"]], "R4C"),
        # the known state is read after a new one that looks older
        ([["F"], ["R", "F"]], "FRF"),
        ([["6"], ["46"]], "646"),
    ],
)
def test_states_of_loads_become_versions(loads: list[list[str]], expected: str) -> None:
    """Every state is a version, in order; states that every load shows are no new versions."""
    assert versions_after(*loads) == expected


def test_a_confirmed_state_gives_no_latest_row_beside_a_new_one() -> None:
    night = Night()
    night.load([("a", "R")])
    night.load([("a", "R"), ("a", "C")])
    assert night.rows == [{"a": 1}, {"a": 2}]


def test_versions_are_looked_up_at_once_and_only_where_they_can_matter() -> None:
    """Tasks with one version, in the known state, or new need no look at the archive."""
    asked: list[set[str]] = []
    earlier = {"other": task("other").version_hash, "third": "another"}

    def find_hashes(wanted: Mapping[str, int]) -> dict[str, frozenset[str]]:
        asked.append(set(wanted))
        return {job_id: frozenset({earlier[job_id]}) for job_id in wanted}

    tasks = {
        "one": known(task("one")),
        "same": known(task("same"), 2),
        "other": known(task("other", "Completed"), 2),
        "third": known(task("third", "Completed"), 2),
    }
    seen = ChangeDetector(
        ProjectState(NOW - 31 * DAY, tasks), NOW, lambda _job_id, _created_at: None, find_hashes
    )
    states = [task("one", "Failed"), task("third", "Failed"), *map(task, ["new", "same", "other"])]
    versions = seen.observe(states)
    assert asked == [{"other", "third"}]
    assert [version.task.job_id for version in versions] == ["one", "third", "new", "same"]
    assert [(v.task.job_id, v.version) for v in seen.settle()] == [("other", 3)]


readings = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("R46CF")), max_size=5), max_size=3
)


@given(loads=st.lists(readings, max_size=6))
def test_versions_follow_a_simple_model(loads: list[list[list[tuple[str, str]]]]) -> None:
    """Any loads give the versions of the model, numbered without gaps."""
    night = Night()
    expected: dict[str, str] = {}
    for load in loads:
        night.load(*load)
        for job_id in {job_id for reading in load for job_id, _ in reading}:
            states = seen_in_order(job_id, load)
            history = expected.get(job_id, "")
            expected[job_id] = history + new_versions(history, states)
        assert night.versions == expected


@given(load=readings, before=st.lists(readings, max_size=4))
def test_the_same_load_again_adds_nothing(
    load: list[list[tuple[str, str]]], before: list[list[list[tuple[str, str]]]]
) -> None:
    """A service that shows the same in each load gives no versions after the second load."""
    night = Night()
    for each in (*before, load, load):
        night.load(*each)
    stable = dict(night.versions)
    for _ in range(3):
        night.load(*load)
    assert night.versions == stable


def seen_in_order(job_id: str, load: list[list[tuple[str, str]]]) -> str:
    """Return the distinct states of a task in a load, in the order of the model."""
    progress = {"R": 0, "4": 40, "6": 60, "C": 100, "F": 60}
    seen = ""
    for reading in load:
        states = [state for each, state in reading if each == job_id]
        for state in sorted(states, key=lambda each: (each in FINISHED, progress[each])):
            seen += state if state not in seen else ""
    return seen


def new_versions(history: str, seen: str) -> str:
    """Return the states that become versions, by the rule of the module."""
    if not history or history[-1] not in seen:
        return seen
    new = ""
    for state in seen:
        is_again = state == history[-1] and new
        is_behind = is_again and new[-1] in FINISHED and state not in FINISHED
        if state not in history or (is_again and not is_behind):
            new += state
    return new
