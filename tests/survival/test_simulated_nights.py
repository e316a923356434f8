"""After any series of loads the archive holds the states visible at each load, and no others."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gaussdb_tasks.extract.project_tables import Outcome
from gaussdb_tasks.model.times import DAY, HOUR
from tests.support.in_memory_archive import InMemoryArchive
from tests.support.model_center import Filter, ModelCenter, Order, Total, Unit
from tests.support.task_lifecycles import BEGIN, Lifecycle
from tests.support.visible_history import VisibleHistory

_DAY: Final = 24 * 60


# More tasks than one page can list.
_BACKGROUND: Final = [
    Lifecycle(
        number=10_001 + number, created=-35 * _DAY + number * 150 + number % 7, duration=number % 90
    )
    for number in range(1_200)
]


def lifecycles(*first_statuses: str, lingers: int = 0) -> st.SearchStrategy[list[Lifecycle]]:
    """Draw some tasks with their lifecycles; some may be listed in two states after their end."""
    lifecycle = st.builds(
        Lifecycle,
        number=st.integers(0, 10_000),
        created=st.integers(-35 * _DAY, 90 * _DAY),
        lag=st.integers(0, 10),
        duration=st.none() | st.integers(0, 45 * _DAY),
        deleted_after=st.none() | st.integers(0, 30 * _DAY),
        progress_interval=st.integers(10, 3 * _DAY),
        end_status=st.sampled_from(["Completed", "Failed"]),
        first_status=st.sampled_from(first_statuses),
        lingers=st.integers(0, lingers),
    )
    return st.lists(lifecycle, max_size=40, unique_by=lambda drawn: drawn.number)


# A task that changes between loads, one that is deleted, and loads too far apart.
_EVENTFUL: Final = [
    Lifecycle(number=1, created=-60, duration=2 * _DAY),
    Lifecycle(number=2, created=-120, duration=30, deleted_after=_DAY // 2),
]
_PAUSES: Final = [DAY, 3 * DAY, 40 * DAY]

pauses = st.lists(st.floats(0, 40).map(lambda days: int(days * DAY) // HOUR * HOUR), max_size=8)
daily = st.lists(st.just(DAY), max_size=8)


@dataclass
class Simulation:
    """A series of loads: the archive, the expected history, and the outcome of each load."""

    archive: InMemoryArchive = field(default_factory=InMemoryArchive)
    expected: VisibleHistory = field(default_factory=VisibleHistory)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return set(self.outcomes) == {Outcome.COMPLETE}

    def run(self, pauses: Sequence[int], tasks: Sequence[Lifecycle], **behaviour: object) -> None:
        """Load once at the start, and once after each pause."""
        now = BEGIN
        for pause in (0, *pauses):
            now += pause
            shown = {
                lifecycle.job_id: lifecycle.at(now)
                for lifecycle in (*_BACKGROUND, *tasks)
                if lifecycle.is_listed(now)
            }
            self.expected.add_load(
                now, {job_id: [each.state() for each in states] for job_id, states in shown.items()}
            )
            # Whether the newer state is listed first differs from task to task.
            records = chain.from_iterable(
                states if states[0].lifecycle.number % 2 else reversed(states)
                for states in shown.values()
            )
            center = ModelCenter(list(records), **behaviour)  # type: ignore[arg-type]
            self.outcomes.append(self.archive.load(center, now))

    def assert_exact(self) -> None:
        """Check that every state and every gap is as in the model."""
        assert self.archive.states() == self.expected.states
        assert self.archive.gaps() == self.expected.gaps()

    def assert_no_false_claim(self) -> None:
        """Check that each state was visible at its load, and a complete load missed none."""
        assert Outcome.FAILED not in self.outcomes
        states = self.archive.states()
        loads = zip(self.expected.loads, self.expected.visible, self.outcomes, strict=True)
        shown = {
            at: {job_id: {s.content for s in states} for job_id, states in visible.items()}
            for at, visible, _ in loads
        }
        for job_id, versions in states.items():
            for at, content in versions:
                assert content in shown[at][job_id]
        for now, visible, outcome in zip(
            self.expected.loads, self.expected.visible, self.outcomes, strict=True
        ):
            if outcome is Outcome.COMPLETE:
                for job_id, shown_states in visible.items():
                    latest = [content for at, content in states[job_id] if at <= now][-1]
                    assert latest in {state.content for state in shown_states}
        vanished = {row["job_id"] for row in self.archive.vanished}
        assert vanished <= self.expected.possibly_deleted


@dataclass
class Tally:
    """Counts of the events in a property's examples: without events they would prove nothing."""

    examples: int = 0
    complete: int = 0
    with_changes: int = 0
    with_gaps: int = 0
    with_deletions: int = 0

    def add(self, simulation: Simulation) -> None:
        expected = simulation.expected
        self.examples += 1
        self.complete += simulation.is_complete
        self.with_changes += any(len(versions) > 1 for versions in expected.states.values())
        self.with_gaps += bool(expected.gaps())
        self.with_deletions += bool(expected.deleted)


def test_windows_by_creation_give_the_exact_history() -> None:
    """Every state, gap and deletion is as in the model."""
    tally = Tally()

    @settings(max_examples=settings().max_examples // 2)
    @given(
        intervals=pauses | daily,
        tasks=lifecycles("Running", "Running", "Pending"),
        order=st.sampled_from(["newest", "oldest", "arbitrary"]),
        unit=st.sampled_from(["records", "pages", "pages from one"]),
    )
    @example(intervals=_PAUSES, tasks=_EVENTFUL, order="arbitrary", unit="records")
    def holds(intervals: list[int], tasks: list[Lifecycle], order: Order, unit: Unit) -> None:
        simulation = Simulation()
        simulation.run(intervals, tasks, order=order, unit=unit)
        assert simulation.is_complete
        simulation.assert_exact()
        expected, archive = simulation.expected, simulation.archive
        vanished = {row["job_id"] for row in archive.vanished}
        assert expected.deleted <= vanished <= expected.possibly_deleted
        for job_id, states in expected.states.items():
            assert archive.tasks[job_id]["version_hash"] == states[-1][1]
            assert archive.tasks[job_id]["version_count"] == len(states)
        tally.add(simulation)

    holds()
    assert min(tally.with_changes, tally.with_gaps, tally.with_deletions) > 0, tally
    assert tally.complete == tally.examples


def test_no_behaviour_of_the_api_loses_or_invents_a_state() -> None:
    """With unusable counts and filters that hide tasks, a complete load still misses nothing."""
    tally = Tally()

    @settings(max_examples=settings().max_examples // 2)
    @given(
        intervals=pauses | daily,
        # The status filter cannot select a pending task, and its missing end hides it.
        tasks=lifecycles("Running"),
        total=st.sampled_from(["exact", "missing", "page length", "behind"]),
        time_filter=st.sampled_from(["created", "created and ended"]),
        is_inclusive=st.booleans(),
    )
    @example(_PAUSES, _EVENTFUL, "exact", "created", True)  # noqa: FBT003 - drawn
    @example(_PAUSES, _EVENTFUL, "behind", "created and ended", False)  # noqa: FBT003 - drawn
    def holds(
        intervals: list[int],
        tasks: list[Lifecycle],
        total: Total,
        time_filter: Filter,
        is_inclusive: bool,  # noqa: FBT001 - drawn
    ) -> None:
        simulation = Simulation()
        simulation.run(
            intervals, tasks, total=total, time_filter=time_filter, is_inclusive=is_inclusive
        )
        simulation.assert_no_false_claim()
        if simulation.is_complete:
            simulation.assert_exact()
        tally.add(simulation)

    holds()
    assert min(tally.with_changes, tally.with_gaps, tally.with_deletions) > 0, tally
    assert tally.complete > tally.examples // 2, tally


# Listed in two states for some nights, from the first night on or later.
_LINGERING: Final = [
    Lifecycle(number=1, created=-60, duration=30, lingers=5 * _DAY),
    Lifecycle(number=2, created=-120, duration=_DAY, lingers=3 * _DAY),
]


def test_a_task_listed_in_two_states_has_each_of_them_once() -> None:
    """All states are kept in order, in the night that first shows them, and never again.

    One exception: while the list of running tasks shows a task that was running before, its window
    is not read, so its end may be found when that list no longer shows it.
    """
    tally = Tally()

    @settings(max_examples=settings().max_examples // 2)
    @given(
        intervals=daily | pauses,
        tasks=lifecycles("Running", "Pending", lingers=10 * _DAY),
        order=st.sampled_from(["newest", "oldest", "arbitrary"]),
        total=st.sampled_from(["tasks", "exact", "missing"]),
    )
    @example(intervals=[DAY] * 5, tasks=_LINGERING, order="newest", total="tasks")
    def holds(intervals: list[int], tasks: list[Lifecycle], order: Order, total: Total) -> None:
        simulation = Simulation()
        simulation.run(intervals, tasks, order=order, total=total)
        simulation.assert_no_false_claim()
        expected, archive = simulation.expected, simulation.archive
        found = archive.states()
        assert found.keys() == expected.states.keys()
        for job_id, states in expected.states.items():
            contents = [content for _, content in states]
            shown = [visible[job_id] for visible in expected.visible if job_id in visible]
            if shown[0][-1].is_final:
                assert found[job_id] == states
            elif len(shown[-1]) > 1 and len(found[job_id]) < len(states):
                contents.pop()
            assert [content for _, content in found[job_id]] == contents
            assert archive.tasks[job_id]["version_hash"] == contents[-1]
            assert archive.tasks[job_id]["version_count"] == len(contents)
        tally.add(simulation)

    holds()
    assert min(tally.with_changes, tally.complete) > 0, tally
