"""Known tasks in columns answer as a dictionary of them does."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.model import known_tasks
from gaussdb_tasks.model.known_tasks import SCHEMA, KnownTasks
from gaussdb_tasks.model.project_state import KnownTask

numbers = st.integers(0, 5)
states = st.builds(
    KnownTask,
    created_at=st.integers(-(2**53), 2**53),
    version=numbers,
    version_hash=st.text("0123456789abcdef", max_size=2),
    is_final=st.booleans(),
    first_seen_at=numbers,
    last_changed_at=numbers,
    vanished_at=st.none() | numbers,
)


@given(
    tasks=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), states),
    asked=st.sets(st.text(st.characters(codec="utf-8"), max_size=3)),
    chunk=st.integers(1, 4),
)
def test_columns_answer_as_a_dictionary(
    tasks: dict[str, KnownTask], asked: set[str], chunk: int
) -> None:
    """In any order and however the columns are cut into chunks."""
    rows = [{"job_id": job_id, **known._asdict()} for job_id, known in tasks.items()]
    table = pa.Table.from_pylist(rows, SCHEMA)
    columns = KnownTasks(pa.Table.from_batches(table.to_batches(max_chunksize=chunk), SCHEMA))
    assert columns == tasks
    assert list(columns) == list(tasks)
    asked |= set(list(tasks)[:2])
    assert {job_id for job_id in asked if job_id in columns} == asked & tasks.keys()
    assert known_tasks.among(columns, asked) == known_tasks.among(tasks, asked)
    assert known_tasks.in_flight(columns) == known_tasks.in_flight(tasks)
    assert list(known_tasks.sorted_starts(columns)) == known_tasks.sorted_starts(tasks)
    for since in (-(2**53), 0):
        starts = list(known_tasks.starts(tasks, since))
        assert list(known_tasks.starts(columns, since)) == starts
        finals = sum(start.is_final for start in starts)
        assert known_tasks.count_finals(columns, since) == finals
        assert known_tasks.count_finals(tasks, since) == finals


def test_job_ids_with_the_same_hash_are_told_apart() -> None:
    """A hash only points at candidates."""
    state = KnownTask(1, 1, "a", True, 1, 1)  # noqa: FBT003 - a column
    rows = [{"job_id": job_id, **state._asdict()} for job_id in ("a", "b")]
    columns = KnownTasks(pa.Table.from_pylist(rows, SCHEMA))
    columns._hashes = memoryview(bytes(16)).cast("q")

    assert columns[SameHash("b")] == state
    assert SameHash("c") not in columns


class SameHash(str):
    """A text whose hash is 0."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 0


def test_a_few_tasks_are_a_dictionary() -> None:
    """It is faster, and thousands of projects have a few tasks each."""
    assert known_tasks.of_columns(SCHEMA.empty_table()) == {}
    state = KnownTask(1, 1, "a", True, 1, 1)  # noqa: FBT003 - a column
    rows = [{"job_id": str(number), **state._asdict()} for number in range(5_000)]
    table = pa.Table.from_pylist(rows, SCHEMA)
    assert isinstance(known_tasks.of_columns(table.slice(1)), dict)
    assert isinstance(known_tasks.of_columns(table), KnownTasks)
