"""The view ``archive_status``: how recent and complete each project's data are."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.sample_archive import (
    HORIZON,
    LOADED_AT,
    Archive,
    given,
    load_run,
    rejected_record,
    task,
    vanished_task,
    window,
)

DAY = timedelta(days=1)
HORIZON_FROM = LOADED_AT - HORIZON


def set_clock(archive: Archive, now: datetime) -> None:
    """Set the time that views use as the present."""
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{now}'")


def test_a_project_has_these_columns() -> None:
    archive = given(
        tasks=[
            task(job_id="finished"),
            task(job_id="open", status="Running"),
            task(job_id="gone"),
            task(
                job_id="lost",
                status="Running",
                created_at=HORIZON_FROM - DAY,
                last_seen_at=LOADED_AT - DAY,
            ),
        ],
        vanished_tasks=[
            vanished_task(job_id="gone"),
            vanished_task(job_id="open", reappeared_at=LOADED_AT),
        ],
        rejected_records=[rejected_record(), rejected_record(record_hash="hash-2")],
        coverage=[
            window(HORIZON_FROM - 3 * DAY, HORIZON_FROM - 2 * DAY),
            window(HORIZON_FROM - DAY, LOADED_AT),
        ],
        load_runs=[load_run()],
    )
    set_clock(archive, LOADED_AT + timedelta(hours=7))
    assert archive.only_row("archive_status") == {
        "region": "eu-de",
        "project_id": "project-1",
        "project_name": None,
        "last_run_at": LOADED_AT,
        "last_outcome": "complete",
        "last_success_at": LOADED_AT,
        "covered_from": HORIZON_FROM - 3 * DAY,
        "covered_to": LOADED_AT,
        "gap_count": 1,
        "lost_gap_count": 1,
        "loss_begins_at": LOADED_AT + HORIZON,
        "nights_left": 29,
        "task_count": 4,
        "open_task_count": 1,
        "lost_task_count": 1,
        "vanished_count": 1,
        "rejected_count": 2,
        "head_digest": None,
        "archive_id": None,
    }


def test_each_project_has_the_head_of_its_archive() -> None:
    """Several archives can be published to one database; numbers of their entries are the same."""
    entries = (
        ("1", "a", 1, "a1"),
        ("1", "a", 2, "a2"),
        ("2", "b", 1, "b1"),
        ("3", None, None, None),
    )
    archive = given(
        load_runs=[
            load_run(
                project_id=project,
                run_id=str(number),
                load_number=number,
                archive_id=archive_id,
                archive_sequence=sequence,
                head_digest=digest,
            )
            for number, (project, archive_id, sequence, digest) in enumerate(entries)
        ],
        archive_acts=[
            {
                "archive_sequence": 3,
                "acted_at": LOADED_AT,
                "kind": "retention",
                "row_count": 0,
                "tool_version": "0.2.0",
                "head_digest": "b3",
                "archive_id": "b",
            }
        ],
    )
    rows = archive.query(
        "select project_id, archive_id, head_digest from archive_status order by project_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1", "a", "a2"),
        ("2", "b", "b3"),
        ("3", None, None),
    ]


def test_open_tasks_are_the_running_tasks_within_the_horizon() -> None:
    archive = given(
        tasks=[
            task(job_id="1", status="Running"),
            task(job_id="2", status=None),
            task(job_id="3", status="Running", created_at=HORIZON_FROM - DAY),
            task(
                job_id="4",
                status="Running",
                created_at=HORIZON_FROM - DAY,
                last_seen_at=HORIZON_FROM,
            ),
            task(job_id="5", status="Running"),
            task(job_id="6"),
        ],
        vanished_tasks=[vanished_task(job_id="5")],
        load_runs=[load_run()],
    )
    in_sight = archive.query("select job_id from running_tasks where not is_lost_from_sight")
    assert {row["job_id"] for row in in_sight} == {"1", "2", "3"}
    assert archive.only_row("archive_status")["open_task_count"] == 3


def test_projects_with_the_same_id_in_two_regions_are_separate() -> None:
    archive = given(
        tasks=[task(), task(job_id="job-2", region="eu-nl")],
        rejected_records=[rejected_record(region="eu-nl")],
        vanished_tasks=[vanished_task(job_id="job-2", region="eu-nl")],
        coverage=[
            window(HORIZON_FROM, LOADED_AT),
            window(HORIZON_FROM, LOADED_AT - DAY, region="eu-nl"),
            window(LOADED_AT - DAY, LOADED_AT, region="eu-nl", is_complete=False),
        ],
        load_runs=[load_run(), load_run(region="eu-nl", outcome="incomplete")],
    )
    rows = archive.query(
        "select region, last_outcome, last_success_at, covered_to, gap_count, task_count,"
        " vanished_count, rejected_count from archive_status order by region"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("eu-de", "complete", LOADED_AT, LOADED_AT, 0, 1, 0, 0),
        ("eu-nl", "incomplete", None, LOADED_AT - DAY, 1, 1, 1, 1),
    ]


def test_each_project_has_its_own_horizon() -> None:
    covered = {"covered_from": HORIZON_FROM, "covered_to": LOADED_AT}
    archive = given(
        coverage=[window(**covered), window(**covered, project_id="project-2")],
        load_runs=[load_run(), load_run(project_id="project-2", horizon_ms=7 * 86_400_000)],
    )
    rows = archive.query("select project_id, loss_begins_at from archive_status")
    assert {row["project_id"]: row["loss_begins_at"] for row in rows} == {
        "project-1": LOADED_AT + HORIZON,
        "project-2": LOADED_AT + 7 * DAY,
    }


def test_a_project_without_a_successful_load_has_one_row() -> None:
    row = given(load_runs=[load_run(outcome="failed")]).only_row("archive_status")
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {
        "region": "eu-de",
        "project_id": "project-1",
        "last_run_at": LOADED_AT,
        "last_outcome": "failed",
        "gap_count": 0,
        "lost_gap_count": 0,
        "task_count": 0,
        "open_task_count": 0,
        "lost_task_count": 0,
        "vanished_count": 0,
        "rejected_count": 0,
    }


def test_a_failed_load_does_not_hide_the_last_success() -> None:
    row = given(
        load_runs=[
            load_run(run_id="run-3", observed_at=LOADED_AT + 2 * DAY, outcome="failed"),
            load_run(),
            load_run(run_id="run-2", observed_at=LOADED_AT + DAY, outcome="incomplete"),
        ]
    ).only_row("archive_status")
    assert (row["last_outcome"], row["last_run_at"]) == ("failed", LOADED_AT + 2 * DAY)
    assert row["last_success_at"] == LOADED_AT


def test_loss_begins_with_the_earliest_gap_that_can_still_be_read() -> None:
    """A lost gap does not count."""
    windows = [
        window(HORIZON_FROM - 9 * DAY, HORIZON_FROM - 8 * DAY),
        window(HORIZON_FROM - 7 * DAY, HORIZON_FROM + 5 * DAY),
        window(HORIZON_FROM + 6 * DAY, HORIZON_FROM + 10 * DAY),
        window(HORIZON_FROM + 11 * DAY, LOADED_AT),
    ]
    archive = given(coverage=windows, load_runs=[load_run()])
    assert archive.only_row("archive_status")["loss_begins_at"] == LOADED_AT + 5 * DAY
    archive.insert(load_runs=[load_run(run_id="run-2", observed_at=LOADED_AT + 5.5 * DAY)])
    assert archive.only_row("archive_status")["loss_begins_at"] == LOADED_AT + 5.5 * DAY


def test_incomplete_or_empty_windows_cover_nothing() -> None:
    row = given(
        coverage=[
            window(HORIZON_FROM - DAY, HORIZON_FROM - DAY),
            window(HORIZON_FROM, LOADED_AT - DAY),
            window(LOADED_AT, LOADED_AT),
            window(LOADED_AT + DAY, HORIZON_FROM),
        ],
        load_runs=[load_run()],
    ).only_row("archive_status")
    assert (row["covered_from"], row["covered_to"]) == (HORIZON_FROM, LOADED_AT - DAY)


@pytest.mark.parametrize(
    ("elapsed", "nights_left"),
    [
        (timedelta(0), 30),
        (timedelta(microseconds=1), 29),
        (DAY, 29),
        (HORIZON - DAY, 1),
        (HORIZON - timedelta(seconds=1), 0),
        (HORIZON, 0),
        (HORIZON + 90 * DAY, 0),
    ],
)
def test_nights_left_are_whole_days_and_never_below_zero(
    elapsed: timedelta, nights_left: int
) -> None:
    archive = given(coverage=[window(HORIZON_FROM, LOADED_AT)], load_runs=[load_run()])
    set_clock(archive, LOADED_AT + elapsed)
    assert archive.only_row("archive_status")["nights_left"] == nights_left


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
def test_the_clock_is_in_utc_in_every_time_zone(zone: str) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    covered_to = now - HORIZON + 10 * DAY + timedelta(hours=1)
    archive = given(
        coverage=[window(covered_to - DAY, covered_to)], load_runs=[load_run(observed_at=now)]
    )
    archive.connection.execute(f"set TimeZone = '{zone}'")
    assert archive.only_row("archive_status")["nights_left"] == 10
