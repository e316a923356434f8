"""Through any series of nights the archive holds what was visible at a load, and nothing else."""

from collections.abc import Sequence
from typing import Final

from hypothesis import given
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


pauses = st.lists(st.floats(0, 40).map(lambda days: int(days * DAY) // HOUR * HOUR), max_size=8)
quiet_nights = st.lists(st.just(DAY), max_size=8)


def through(
    nights: Sequence[int], story: Sequence[Life], **meaning: object
) -> tuple[Notebook, VisibleHistory, list[Outcome]]:
    """Load night after night; return what was kept, what should have been, and how it went."""
    kept, should = Notebook(), VisibleHistory()
    outcomes = []
    now = BEGIN
    for pause in (0, *nights):
        now += pause
        listed = [life.at(now) for life in (*_BACKGROUND, *story) if life.is_listed(now)]
        should.note(now, {each.job_id: each.sight() for each in listed})
        outcomes.append(kept.load(ModelCenter(list(listed), **meaning), now))  # type: ignore[arg-type]
    return kept, should, outcomes


@given(
    nights=pauses | quiet_nights,
    story=lives("Running", "Running", "Pending"),
    order=st.sampled_from(["newest", "oldest", "arbitrary"]),
    unit=st.sampled_from(["records", "pages", "pages from one"]),
)
def test_where_windows_look_at_starts_everything_is_exact(
    nights: list[int], story: list[Life], order: Order, unit: Unit
) -> None:
    """Every state, every gap and every deletion is as the model has it, to the last one."""
    kept, should, outcomes = through(nights, story, order=order, unit=unit)
    assert set(outcomes) == {Outcome.COMPLETE}
    assert kept.states() == should.states
    assert kept.gaps() == should.gaps()
    vanished = {row["job_id"] for row in kept.vanished}
    assert should.deleted <= vanished <= should.perhaps_deleted
    for job_id, states in should.states.items():
        assert kept.tasks[job_id]["version_hash"] == states[-1][1]
        assert kept.tasks[job_id]["version_count"] == len(states)


@given(
    nights=pauses | quiet_nights,
    # A task that waits is listed by no status that can be asked for, and hidden by its missing end.
    story=lives("Running"),
    total=st.sampled_from(["exact", "missing", "page length", "behind"]),
    time_filter=st.sampled_from(["created", "created and ended"]),
    is_inclusive=st.booleans(),
)
def test_whatever_it_means_no_state_is_lost_or_invented(
    nights: list[int],
    story: list[Life],
    total: Total,
    time_filter: Filter,
    is_inclusive: bool,  # noqa: FBT001 - drawn
) -> None:
    """Counts that are none, filters that hide: the states are those that were visible."""
    kept, should, outcomes = through(
        nights, story, total=total, time_filter=time_filter, is_inclusive=is_inclusive
    )
    if set(outcomes) == {Outcome.COMPLETE}:
        assert kept.states() == should.states
        assert kept.gaps() == should.gaps()
    vanished = {row["job_id"] for row in kept.vanished}
    assert vanished <= should.perhaps_deleted
