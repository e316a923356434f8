"""Group tasks in plain Python, as the views of durations and failure rates must group them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from tests.support.sample_archive import CREATED_AT, Archive, Row, task

Key: TypeAlias = tuple[Any, ...]
"""The key of a group: the view's columns that are not measures."""


def _by_start(period: Callable[[date], date]) -> Callable[[Row], Key]:
    return lambda row: (period(row["created_date"]), row["task_name"], row["task_name"])


def _monday(day: date) -> date:
    year, week, _ = day.isocalendar()
    return date.fromisocalendar(year, week, 1)


GROUPS: Final[Mapping[str, Callable[[Row], Key]]] = MappingProxyType(
    {
        "by_name": lambda row: (row["task_name"], row["task_name"]),
        "by_instance": lambda row: (
            row["region"],
            row["project_id"],
            None,  # the name: no load is given
            row["instance_id"],
            row["instance_name"],
        ),
        "by_day": _by_start(lambda day: day),
        "by_week": _by_start(_monday),
        "by_month": _by_start(lambda day: day.replace(day=1)),
    }
)
"""Functions from a task to its group, by the suffix of the view's name."""


def group_tasks(group: str, tasks: Iterable[Row]) -> dict[Key, list[Row]]:
    """Return the tasks of each group."""
    groups: dict[Key, list[Row]] = {}
    for row in tasks:
        groups.setdefault(GROUPS[group](row), []).append(row)
    return groups


def shown_groups(archive: Archive, view: str, measures: Collection[str]) -> dict[Key, list[float]]:
    """Return the measures that a view shows, by group."""
    rows = archive.rows(view)
    shown = {
        tuple(value for name, value in row.items() if name not in measures): [
            row[name] for name in measures
        ]
        for row in rows
    }
    assert len(shown) == len(rows), "a group is shown more than once"
    return shown


_STATES: Final = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["Completed", "Failed", " FAILED", "canceled ", "Running", None]),
        "task_name": st.sampled_from(["Create", "Delete", None]),
        "region": st.sampled_from(["eu-de", "eu-nl"]),
        "project_id": st.sampled_from(["project-1", "project-2"]),
        "instance_id": st.sampled_from(["instance-1", "instance-2", None]),
        "duration_ms": st.none() | st.integers(0, 5_000) | st.integers(0, 10**11),
        "created_at": st.integers(0, 60 * 24).map(lambda hour: CREATED_AT + timedelta(hours=hour)),
    }
)


def any_tasks() -> st.SearchStrategy[list[Row]]:
    """Return tasks of a few kinds, projects and instances, in any state, over two months."""
    return st.lists(_STATES, max_size=40).map(
        lambda states: [task(job_id=f"job-{n}", **state) for n, state in enumerate(states)]
    )
