"""The view ``failure_reasons``: one row per pattern of reasons, with details masked."""

from datetime import timedelta

import pytest

from tests.support.sample_archive import CREATED_AT, at, given, task

NO_REASON = "(no reason given)"


def failed(job_id: str, fail_reason: str | None, **columns: object) -> dict[str, object]:
    """Make a task that failed for this reason."""
    return task(job_id=job_id, status="Failed", fail_reason=fail_reason, **columns)


@pytest.mark.parametrize(
    ("reason", "pattern"),
    [
        ("Timeout", "Timeout"),
        ("  no \t space\n left ", "no space left"),
        (
            "3fa85f64-5717-4562-b3fc-2c963f66afa6, task_3FA85F64-5717-4562-B3FC-2C963F66AFA6",
            "<id>, task_<id>",
        ),
        ("instance 7d4b8f0e1a2c4b6d8e9f0a1b2c3d4e5fin14 is gone", "instance <id> is gone"),
        ("backup 7D4B8F0E1A2C4B6D8E9F0A1B2C3D4E5Fbr14", "backup <id>"),
        ("request 00f1e2d3c4b5a697", "request <id>"),
        ("node 192.168.0.1:8000 in 10.0.0.0/8", "node <address>:<n> in <address>/<n>"),
        ("peer 2001:0db8:0000:0000:0000:ff00:0042:8329.", "peer <address>."),
        ("peer [fe80::1], then FE80::a:b", "peer [<address>], then <address>"),
        ("::1 and ::ffff:10.0.0.1 and 2001:db8::", "<address> and <address> and <address>"),
        ("at 08:15:07 std::vector", "at <n>:<n>:<n> std::vector"),
        ("volume 'data 1' of \"orders\" is full", "volume <name> of <name> is full"),
        ("can't reach it, it doesn't answer", "can't reach it, it doesn't answer"),
        ("can't reach 'orders-1', it's gone", "can't reach <name>, it's gone"),
        ("'a' 'b'", "<name> <name>"),
        ("dn_6001 took 1,024.5 s, not 60", "dn_<n> took <n> s, not <n>"),
        ("14% of 0.5 GB on node2", "<n>% of <n> GB on node<n>"),
        ("DBS.280001: quota 5 of 3.", "DBS.280001: quota <n> of <n>."),
        ("until 2022-08-05T08:15:07+0800 or 2022-08-05", "until <time> or <time>"),
        ("since 2022-08-05 08:15:07.123Z", "since <time>"),
        (None, NO_REASON),
        ("", NO_REASON),
        (" \n ", NO_REASON),
    ],
)
def test_ids_addresses_names_and_numbers_are_masked(reason: str | None, pattern: str) -> None:
    """Words and error codes stay."""
    row = given(tasks=[failed("job-1", reason)]).only_row("failure_reasons")
    assert row["reason_pattern"] == pattern


def test_reasons_with_the_same_pattern_are_one_row() -> None:
    minutes = [CREATED_AT + timedelta(minutes=minute) for minute in range(10)]
    rows = given(
        tasks=[
            failed("job-1", "node 1 is down", created_at=minutes[5], duration_ms=0),
            failed("job-2", "node 22 is  down", created_at=minutes[2], duration_ms=4 * 60_000),
            failed("job-3", "node 3 is down", created_at=minutes[0], duration_ms=60_000),
            failed("job-4", None, created_at=minutes[9], duration_ms=0),
            task(job_id="job-5", fail_reason="node 1 is down"),
            task(job_id="job-6", status="Running", fail_reason="node 1 is down"),
        ]
    ).query("select * from failure_reasons order by failed_count desc")
    assert rows == [
        {
            "reason_pattern": "node <n> is down",
            "failed_count": 3,
            "share": 0.75,
            "first_failed_at": minutes[1],
            "last_failed_at": minutes[6],
            "example": "node 22 is  down",
        },
        {
            "reason_pattern": NO_REASON,
            "failed_count": 1,
            "share": 0.25,
            "first_failed_at": minutes[9],
            "last_failed_at": minutes[9],
            "example": None,
        },
    ]


def test_a_task_without_an_end_failed_at_its_start() -> None:
    row = given(
        tasks=[failed("job-1", "x", created_at=at("2026-01-01 12:00"), duration_ms=None)]
    ).only_row("failure_reasons")
    assert row["first_failed_at"] == row["last_failed_at"] == at("2026-01-01 12:00")


@pytest.mark.parametrize("order", [1, -1])
def test_the_example_does_not_depend_on_the_order_of_rows(order: int) -> None:
    tasks = [failed(f"job-{n}", f"node {n}") for n in range(1, 6)]
    assert given(tasks=tasks[::order]).only_row("failure_reasons")["example"] == "node 5"
