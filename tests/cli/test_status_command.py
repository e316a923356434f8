"""The command ``status`` for many projects: those that need attention, and the others together."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gaussdb_tasks.cli.status_lines import MAX_PROJECTS, part_of
from gaussdb_tasks.monitoring.freshness import Thresholds
from tests.support.commands import Command
from tests.support.sample_archive import HORIZON, LOADED_AT, Archive, Row, load_run, window

DAY = timedelta(days=1)
PROJECTS = 60
BEFORE = LOADED_AT - DAY
NOW = f"{LOADED_AT + timedelta(hours=8)}Z"
FAILED, NEVER, GAP, EXPIRING = "project-07", "project-41", "project-23", "project-58"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a database of 60 projects, four of which need attention."""
    folder = tmp_path_factory.mktemp("many")
    archive = Archive(str(folder / "gaussdb_tasks.duckdb"))
    ids = [f"project-{number:02}" for number in range(PROJECTS)]
    archive.insert(
        load_runs=[
            *(load_run(project_id=name) for name in ids if name != NEVER),
            load_run(project_id=NEVER, outcome="failed", project_name="billing"),
            load_run(
                project_id=FAILED, outcome="failed", run_id="run-2", observed_at=LOADED_AT + DAY / 8
            ),
        ],
        coverage=[row for name in ids if name != NEVER for row in windows(name)],
    )
    archive.connection.execute("checkpoint")
    archive.connection.close()
    return folder


def windows(project_id: str) -> Iterator[Row]:
    """Yield a project's windows: all have a lost gap, one has a gap that can still be read."""
    start = LOADED_AT - HORIZON
    yield window(start - 3 * DAY, start - 2 * DAY, project_id=project_id)
    if project_id == EXPIRING:  # the gap is read last night only, but begins at the horizon
        yield window(start - DAY, start + 2 * DAY, project_id=project_id)
        yield window(start + 3 * DAY, LOADED_AT, project_id=project_id)
    elif project_id == GAP:
        yield window(start - DAY, LOADED_AT - 13 * DAY, project_id=project_id)
        yield window(LOADED_AT - 12 * DAY, LOADED_AT, project_id=project_id)
    else:
        yield window(start - DAY, LOADED_AT, project_id=project_id)


def test_of_many_projects_those_that_need_attention_are_shown_the_worst_first(
    command: Command, database: Path
) -> None:
    run = command("status", "--data-dir", database, "--now", NOW)
    shown = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("project ")]
    assert shown == ["billing", EXPIRING, GAP, FAILED]
    assert (
        "56 other projects: the last load of each was complete; show them with --all" in run.stdout
    )
    assert "56 gaps, 56 lost" in run.stdout
    table = run.stdout.partition("not covered, and can still be read:\n")[2]
    assert [line.split()[2] for line in table.splitlines()[2:]] == [GAP, EXPIRING]


def test_all_and_the_other_formats_have_every_project(command: Command, database: Path) -> None:
    whole = command("status", "--data-dir", database, "--now", NOW, "--all")
    assert whole.stdout.count("\nproject ") == PROJECTS - 1
    assert whole.stdout.count(" true\n") == PROJECTS - 1  # each lost gap
    rows = json.loads(
        command("status", "--data-dir", database, "--now", NOW, "--format", "json").stdout
    )
    assert len(rows) == PROJECTS
    raw = command("status", "--data-dir", database, "--now", NOW, "--raw")
    assert raw.stdout.count("project-") == PROJECTS


def test_of_many_that_need_attention_the_others_are_counted(
    command: Command, database: Path
) -> None:
    """When no load has run for weeks, neither the lines nor the warnings fill the screen."""
    run = command("status", "--data-dir", database, "--now", f"{LOADED_AT + 40 * DAY}Z")
    assert run.stdout.count("  region ") == MAX_PROJECTS
    assert "40 more projects need attention; show them with --all" in run.stdout
    assert "other projects:" not in run.stdout
    assert run.stderr.count("run a load now") == MAX_PROJECTS
    assert "data loss begins in 39 more projects" in run.stderr


def test_a_few_projects_are_all_shown() -> None:
    rows = [{"project_id": str(number)} for number in range(MAX_PROJECTS)]
    part = part_of(rows, LOADED_AT, Thresholds(30, 78, 20, 7))
    assert part.is_whole
    assert part.shown == rows


def test_a_project_whose_loads_all_failed_is_critical(command: Command, database: Path) -> None:
    run = command("status", "--data-dir", database, "--now", NOW, "--check")
    assert run.exit_code == 3
    assert "project project-41 billing: no load was ever complete" in run.stdout
    assert f"projects={PROJECTS} " in run.stdout


@pytest.mark.parametrize("option", ["--warning-hours", "--critical-hours"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_threshold_is_a_number(command: Command, option: str, value: str) -> None:
    """Nothing is above or below `nan`: the check would be silent for ever."""
    run = command("status", "--check", option, value)
    assert run.exit_code == 2
    assert f"{option}: " in run.stderr
    assert "is not a number from 0" in run.stderr
