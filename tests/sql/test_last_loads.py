"""The view ``last_loads``: each project's last load that did not fail."""

from datetime import timedelta

from tests.support.sample_archive import LOADED_AT, at, given, load_run

NEXT_LOAD = LOADED_AT + timedelta(days=1)


def test_the_last_load_that_did_not_fail_counts() -> None:
    archive = given(
        load_runs=[
            load_run(),
            load_run(run_id="run-2", observed_at=NEXT_LOAD, outcome="incomplete"),
            load_run(run_id="run-3", observed_at=NEXT_LOAD + timedelta(days=1), outcome="failed"),
            load_run(region="eu-nl"),
            load_run(project_id="project-2", outcome="failed"),
        ]
    )
    rows = archive.query("select region, project_id, run_id from last_loads order by region")
    assert [tuple(row.values()) for row in rows] == [
        ("eu-de", "project-1", "run-2"),
        ("eu-nl", "project-1", "run-1"),
    ]


def test_the_horizon_is_measured_from_the_clock_of_the_load() -> None:
    row = given(load_runs=[load_run(horizon_ms=31 * 86_400_000 + 1)]).only_row("last_loads")
    assert row["horizon_from"] == at("2026-02-28 01:59:59.999")


def test_the_load_number_determines_the_order_not_the_clock() -> None:
    ahead = load_run(observed_at=LOADED_AT + timedelta(days=400), load_number=1)
    archive = given(load_runs=[load_run(run_id="run-2", load_number=2), ahead])
    assert archive.only_row("last_loads")["run_id"] == "run-2"
