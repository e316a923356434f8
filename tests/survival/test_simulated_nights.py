"""Through any series of loads the archive holds what was visible at each load, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from gaussdb_tasks.extract.project_tables import Outcome
from gaussdb_tasks.model.times import DAY, HOUR
from tests.support.lives import BEGIN, Life
from tests.support.model_center import Filter, ModelCenter, Order, Total, Unit
from tests.support.notebook import Notebook
from tests.support.visible_history import VisibleHistory

_DAY: Final = 24 * 60


# So many tasks that no single page happens to show them all.
_BACKGROUND: Final = [
    Life(number=10_001 + number, created=-35 * _DAY + number * 150 + number % 7, takes=number % 90)
    for number in range(1_200)
]


def lives(*first_statuses: str) -> st.SearchStrategy[list[Life]]:
    """Draw some tasks with their lives."""
    life = st.builds(
        Life,
        number=st.integers(0, 10_000),
        created=st.integers(-35 * _DAY, 90 * _DAY),
        lag=st.integers(0, 10),
        takes=st.none() | st.integers(0, 45 * _DAY),
        deleted_after=st.none() | st.integers(0, 30 * _DAY),
        pace=st.integers(10, 3 * _DAY),
        end_status=st.sampled_from(["Completed", "Failed"]),
        first_status=st.sampled_from(first_statuses),
    )
    return st.lists(life, max_size=40, unique_by=lambda drawn: drawn.number)


# A task that changes between loads, one that is deleted, and loads too far apart.
_EVENTFUL: Final = [
    Life(number=1, created=-60, takes=2 * _DAY),
    Life(number=2, created=-120, takes=30, deleted_after=_DAY // 2),
]
_PAUSES: Final = [DAY, 3 * DAY, 40 * DAY]

pauses = st.lists(st.floats(0, 40).map(lambda days: int(days * DAY) // HOUR * HOUR), max_size=8)
daily = st.lists(st.just(DAY), max_size=8)


@dataclass
class Simulation:
    """A series of loads: what was kept, what had to be kept, and the outcome of each load."""

    kept: Notebook = field(default_factory=Notebook)
    should: VisibleHistory = field(default_factory=VisibleHistory)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_proved(self) -> bool:
        return set(self.outcomes) == {Outcome.COMPLETE}

    def run(self, pauses: Sequence[int], story: Sequence[Life], **meaning: object) -> None:
        """Load once at the beginning, and once after each pause."""
        now = BEGIN
        for pause in (0, *pauses):
            now += pause
            listed = [life.at(now) for life in (*_BACKGROUND, *story) if life.is_listed(now)]
            self.should.note(now, {each.job_id: each.sight() for each in listed})
            center = ModelCenter(list(listed), **meaning)  # type: ignore[arg-type]
            self.outcomes.append(self.kept.load(center, now))

    def assert_exact(self) -> None:
        """Every state and every gap is as the model has it."""
        assert self.kept.states() == self.should.states
        assert self.kept.gaps() == self.should.gaps()

    def assert_honest(self) -> None:
        """Every kept state was visible at its load, and a complete load missed none."""
        assert Outcome.FAILED not in self.outcomes
        states = self.kept.states()
        loads = zip(self.should.loads, self.should.visible, self.outcomes, strict=True)
        shown = {
            at: {job_id: s.content for job_id, s in visible.items()} for at, visible, _ in loads
        }
        for job_id, versions in states.items():
            for at, content in versions:
                assert shown[at][job_id] == content
        for now, visible, outcome in zip(
            self.should.loads, self.should.visible, self.outcomes, strict=True
        ):
            if outcome is Outcome.COMPLETE:
                for job_id, sight in visible.items():
                    latest = [content for at, content in states[job_id] if at <= now][-1]
                    assert latest == sight.content
        vanished = {row["job_id"] for row in self.kept.vanished}
        assert vanished <= self.should.perhaps_deleted


@dataclass
class Tally:
    """What the examples of a property had in them; an example without it proves nothing."""

    examples: int = 0
    proved: int = 0
    with_changes: int = 0
    with_gaps: int = 0
    with_deletions: int = 0

    def add(self, simulation: Simulation) -> None:
        should = simulation.should
        self.examples += 1
        self.proved += simulation.is_proved
        self.with_changes += any(len(versions) > 1 for versions in should.states.values())
        self.with_gaps += bool(should.gaps())
        self.with_deletions += bool(should.deleted)


def test_where_windows_look_at_starts_everything_is_exact() -> None:
    """Every state, every gap and every deletion is as the model has it, to the last one."""
    tally = Tally()

    @given(
        nights=pauses | daily,
        story=lives("Running", "Running", "Pending"),
        order=st.sampled_from(["newest", "oldest", "arbitrary"]),
        unit=st.sampled_from(["records", "pages", "pages from one"]),
    )
    @example(nights=_PAUSES, story=_EVENTFUL, order="arbitrary", unit="records")
    def holds(nights: list[int], story: list[Life], order: Order, unit: Unit) -> None:
        simulation = Simulation()
        simulation.run(nights, story, order=order, unit=unit)
        assert simulation.is_proved
        simulation.assert_exact()
        should, kept = simulation.should, simulation.kept
        vanished = {row["job_id"] for row in kept.vanished}
        assert should.deleted <= vanished <= should.perhaps_deleted
        for job_id, states in should.states.items():
            assert kept.tasks[job_id]["version_hash"] == states[-1][1]
            assert kept.tasks[job_id]["version_count"] == len(states)
        tally.add(simulation)

    holds()
    assert min(tally.with_changes, tally.with_gaps, tally.with_deletions) > 0, tally
    assert tally.proved == tally.examples


def test_whatever_it_means_no_state_is_lost_or_invented() -> None:
    """With unusable counts and filters that hide: a load that says complete missed nothing."""
    tally = Tally()

    @given(
        nights=pauses | daily,
        # No status that can be asked for lists a waiting task, and its missing end hides it.
        story=lives("Running"),
        total=st.sampled_from(["exact", "missing", "page length", "behind"]),
        time_filter=st.sampled_from(["created", "created and ended"]),
        is_inclusive=st.booleans(),
    )
    @example(_PAUSES, _EVENTFUL, "exact", "created", True)  # noqa: FBT003 - drawn
    @example(_PAUSES, _EVENTFUL, "behind", "created and ended", False)  # noqa: FBT003 - drawn
    def holds(
        nights: list[int],
        story: list[Life],
        total: Total,
        time_filter: Filter,
        is_inclusive: bool,  # noqa: FBT001 - drawn
    ) -> None:
        simulation = Simulation()
        simulation.run(
            nights, story, total=total, time_filter=time_filter, is_inclusive=is_inclusive
        )
        simulation.assert_honest()
        if simulation.is_proved:
            simulation.assert_exact()
        tally.add(simulation)

    holds()
    assert min(tally.with_changes, tally.with_gaps, tally.with_deletions) > 0, tally
    assert tally.proved > tally.examples // 2, tally
