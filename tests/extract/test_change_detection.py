"""Change detection: which observed states are new, and which version."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.api.responses import parse_page
from gaussdb_tasks.extract.change_detection import ChangeDetector, TaskChange
from gaussdb_tasks.model.normalise import normalise
from gaussdb_tasks.model.project_state import KnownTask, ProjectState
from gaussdb_tasks.model.task import Task
from gaussdb_tasks.model.times import DAY, parse_time

NOW = parse_time("2026-03-18T02:00:00Z", option="NOW")


def task(job_id: str = "a", status: str = "Running", created: str = "2026-03-17T00:00:00Z") -> Task:
    """Make a task in some state."""
    fields = {"job_id": job_id, "status": status, "created_at": created}
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


def test_an_unknown_task_is_version_one() -> None:
    version = detector().observe(task())
    assert version is not None
    assert (version.version, version.change, version.first_seen_at) == (1, TaskChange.NEW, NOW)


def test_a_new_state_is_the_next_version() -> None:
    """A state that differs from the last known one is the next version; first_seen_at stays."""
    seen = detector(a=known(task(status="Running"), version=4))
    version = seen.observe(task(status="Failed"))
    assert version is not None
    assert (version.version, version.change) == (5, TaskChange.CHANGED)
    assert (version.first_seen_at, version.last_changed_at) == (NOW - DAY, NOW)
    assert seen.changed_count == 1


def test_each_state_counts_once_in_a_load() -> None:
    """A list may show a task twice, in two states; reading it again adds no versions."""
    seen = detector()
    states = ["Running", "Failed", "Running", "Failed", "Completed"]
    versions = [seen.observe(task(status=status)) for status in states]
    assert [(v.version, v.task.status) for v in versions if v] == [
        (1, "Running"),
        (2, "Failed"),
        (3, "Completed"),
    ]
    assert seen.superseded == {("a", 1), ("a", 2)}
    assert (seen.new_count, seen.changed_count) == (1, 0)


def test_a_finished_task_in_the_known_state_adds_nothing() -> None:
    finished = task(status="Completed")
    assert detector(a=known(finished)).observe(finished) is None


def test_a_task_in_flight_is_confirmed_once() -> None:
    """A task that is still running is recorded once per load."""
    seen = detector(a=known(task()))
    first = seen.observe(task())
    assert first is not None
    assert (first.version, first.change, first.last_changed_at) == (
        1,
        TaskChange.CONFIRMED,
        NOW - DAY,
    )
    assert seen.observe(task()) is None


def test_the_identity_of_a_task_does_not_change() -> None:
    """A created_at that the API corrects is a new state of the same task, not another task."""
    seen = detector(a=known(task()))
    version = seen.observe(task(created="2026-03-17T00:00:01Z"))
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
    assert seen.observe(old) is None
    changed = seen.observe(task(status="Failed", created="2026-01-01T00:00:00Z"))
    assert changed is not None
    assert changed.version == 4
    assert seen.changed_count == 1


def test_a_deleted_record_that_comes_back_is_recorded() -> None:
    """A task was found deleted and is listed again: both are recorded."""
    seen = detector(a=known(task(status="Completed"), vanished_at=NOW - DAY))
    assert list(seen.tasks()) == []
    seen.observe(task(status="Completed"))
    (vanishing,) = seen.vanishings
    assert (vanishing.vanished_at, vanishing.reappeared_at) == (NOW - DAY, NOW)
    assert [job_id for job_id, _ in seen.tasks()] == ["a"]


def test_a_missing_record_is_recorded() -> None:
    """A record found deleted is recorded, and the task no longer counts as listed."""
    seen = detector(a=known(task(status="Completed")))
    seen.mark_missing("a")
    (vanishing,) = seen.vanishings
    assert (vanishing.job_id, vanishing.vanished_at, vanishing.reappeared_at) == ("a", NOW, None)
    assert list(seen.tasks()) == []


@dataclass
class Model:
    """A simple model of the versions: a list of states for each task."""

    states: dict[str, list[str]] = field(default_factory=dict)
    in_load: dict[str, set[str]] = field(default_factory=dict)

    def begin_load(self) -> None:
        """Begin a load: a state that comes back is a new version again."""
        self.in_load = {}

    def observe(self, job_id: str, status: str) -> None:
        """Append a state that differs from the last, unless this load has seen it."""
        states = self.states.setdefault(job_id, [])
        seen = self.in_load.setdefault(job_id, set())
        if status not in seen and (not states or states[-1] != status):
            states.append(status)
        seen.add(status)


loads = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["Running", "Completed", "Failed"])),
        max_size=8,
    ),
    max_size=6,
)


@given(loads=loads)
def test_versions_are_exactly_the_changes(loads: list[list[tuple[str, str]]]) -> None:
    """Over many loads each change of state is one version, numbered without gaps."""
    model = Model()
    tasks: dict[str, KnownTask] = {}
    versions: dict[str, list[str]] = {}
    for number, observations in enumerate(loads):
        seen = ChangeDetector(
            ProjectState(0, tasks), NOW + number * DAY, lambda _job_id, _created_at: None
        )
        model.begin_load()
        for job_id, status in observations:
            model.observe(job_id, status)
            version = seen.observe(task(job_id, status))
            if version is not None and version.change is not TaskChange.CONFIRMED:
                versions.setdefault(job_id, []).append(status)
                assert version.version == len(versions[job_id])
        tasks = dict(seen.known_tasks())
    assert versions == model.states
