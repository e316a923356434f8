"""The groups of the views of durations and of failure rates."""

from datetime import date, timedelta

import pytest

from tests.support.sample_archive import CREATED_AT, at, given, task, task_type

MEASURES = pytest.mark.parametrize("measure", ["task_durations", "failure_rates"])


@MEASURES
@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("day", ["2026-12-31", "2027-01-01", "2027-01-03", "2027-01-04"]),
        ("week", ["2026-12-28", "2027-01-04"]),
        ("month", ["2026-12-01", "2027-01-01"]),
    ],
)
def test_days_weeks_and_months_around_new_year(
    measure: str, period: str, expected: list[str]
) -> None:
    """A week that spans two years is one week, with the date of its Monday."""
    starts = ["2026-12-31 23:59", "2027-01-01 00:00", "2027-01-03 23:59", "2027-01-04 00:00"]
    archive = given(tasks=[task(job_id=start, created_at=at(start)) for start in starts])
    column = "created_date" if period == "day" else f"created_{period}"
    shown = [row[column] for row in archive.rows(f"{measure}_by_{period}")]
    assert sorted(shown) == [date.fromisoformat(day) for day in expected]


@MEASURES
@pytest.mark.parametrize("group", ["name", "day", "week", "month"])
def test_each_name_has_its_label(measure: str, group: str) -> None:
    """Tasks without a name are a group."""
    archive = given(
        tasks=[task(), task(job_id="job-2", task_name=None), task(job_id="job-3", task_name="X")],
        task_types=[task_type("CreateGaussDBV5Instance", "Create an instance", "create")],
    )
    rows = archive.rows(f"{measure}_by_{group}")
    labels = {row["task_name"]: row["task_label"] for row in rows}
    assert labels == {"CreateGaussDBV5Instance": "Create an instance", None: None, "X": "X"}
    assert len(rows) == len(labels)


@MEASURES
def test_projects_share_a_group_by_name_and_not_by_instance(measure: str) -> None:
    archive = given(
        tasks=[
            task(),
            task(job_id="job-2", project_id="project-2"),
            task(job_id="job-3", region="eu-nl"),
        ]
    )
    assert archive.only_row(f"{measure}_by_name")["finished_count"] == 3
    assert len(archive.rows(f"{measure}_by_instance")) == 3


@MEASURES
def test_an_instance_has_its_latest_name(measure: str) -> None:
    """The latest task with a name counts, also if it is running."""
    later, latest = CREATED_AT + timedelta(days=2), CREATED_AT + timedelta(days=3)
    archive = given(
        tasks=[
            task(job_id="job-1", instance_name="second", status="Running", created_at=later),
            task(job_id="job-2", instance_name="first"),
            task(job_id="job-3", instance_name=None, created_at=latest),
            task(job_id="job-4", instance_name="elsewhere", project_id="project-2"),
        ]
    )
    rows = archive.rows(f"{measure}_by_instance")
    names = {row["project_id"]: (row["instance_name"], row["finished_count"]) for row in rows}
    assert names == {"project-1": ("second", 2), "project-2": ("elsewhere", 1)}


@MEASURES
@pytest.mark.parametrize("order", [1, -1])
def test_the_name_does_not_depend_on_the_order_of_rows(measure: str, order: int) -> None:
    tasks = [task(job_id=f"job-{n}", instance_name=f"name-{n}") for n in range(1, 6)]
    archive = given(tasks=tasks[::order])
    assert archive.only_row(f"{measure}_by_instance")["instance_name"] == "name-5"
