"""``gaussdb-tasks list``: what the task center shows now, in each format, and nothing kept."""

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from gaussdb_tasks.contract import TASK_TYPES
from gaussdb_tasks.emulator import (
    Behaviour,
    Emulator,
    FixedWorld,
    Script,
    SettableClock,
    too_many_requests,
)
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, iso
from tests.support.commands import Command, Run, command_named, token_env
from tests.support.emulator_client import (
    NOW,
    OTHER_PROJECT,
    PROJECT,
    Client,
    client_of,
    job_id,
    record,
)
from tests.support.hostile_text import HOSTILE, invisible_in


def creations() -> list[dict[str, object]]:
    """Make 13 creations in each documented status, and one backup in each."""
    tasks = []
    for place, status in enumerate(("Running", "Completed", "Failed")):
        for number in range(14):
            start = NOW - DAY - (20 * place + number) * MINUTE
            name = TASK_TYPES[0].name if number else TASK_TYPES[1].name
            end = None if status == "Running" else start + 10 * MINUTE
            tasks.append(record(100 * place + number, start, end, name=name, status=status))
    return tasks


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """An independent client of a task center with creations."""
    world = FixedWorld({PROJECT: creations()})
    with client_of(Emulator(world, clock=SettableClock(NOW))) as served:
        yield served


def serve(tasks: Sequence[dict[str, object]], behaviour: Behaviour | None = None) -> Emulator:
    """Make a task center with these tasks."""
    world = FixedWorld({PROJECT: list(tasks)})
    return Emulator(world, clock=SettableClock(NOW), behaviour=behaviour or Behaviour())


def run_list(command: Command, emulator: Emulator, *arguments: str) -> Run:
    """Run ``list`` at the clock of the tests."""
    return command("list", "--now", iso(NOW), *arguments, env=token_env(emulator))


def listed(run: Run) -> list[dict[str, Any]]:
    """Return the rows of a run with ``--format json``."""
    rows: list[dict[str, Any]] = json.loads(run.stdout)
    return rows


def examples() -> list[list[str]]:
    """Return the examples of the service's page, as the help shows them."""
    text = command_named("list").help or ""
    lines = re.findall(r"^ *gaussdb-tasks list (.*--offset.*)$", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_help_has_the_three_examples_of_the_services_page() -> None:
    assert [words[1] for words in examples()] == ["Running", "Completed", "Failed"]


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_the_examples_of_the_services_page(
    command: Command, client: Client, words: list[str]
) -> None:
    """One call with just these parameters; the rows are those that another client gets."""
    run = run_list(command, client.emulator, *words, "--format", "json")
    assert run.exit_code == 0, run.stderr
    calls = [call.params for call in client.emulator.calls]
    params = dict(zip([word[2:] for word in words[::2]], words[1::2], strict=True))
    assert {key: calls[-1][key] for key in params} == params
    expected = client.job_ids(**params)
    assert len(expected) == 10
    assert [row["job_id"] for row in listed(run)] == expected
    assert {row["status"] for row in listed(run)} == {params["status"]}
    assert "10 of 13 tasks; for the next page: --offset 11" in run.stderr


@pytest.mark.parametrize(("length", "shown"), [(255, "x" * 255), (256, "")])
def test_a_text_that_cannot_be_a_name_is_no_name(
    command: Command, client: Client, length: int, shown: str
) -> None:
    """As in a load."""
    env = {
        "GAUSSDB_TASKS_ENDPOINT": client.emulator.endpoint,
        "OS_TOKEN": client.emulator.token,
        "OS_PROJECT_ID": PROJECT,
        "OS_PROJECT_NAME": "x" * length,
    }
    run = command("list", "--now", iso(NOW), "--limit", "1", "--format", "json", env=env)
    assert run.exit_code == 0, run.stderr
    assert [row["project_name"] for row in listed(run)] == [shown or None]


BEHAVIOURS = [
    Behaviour(),
    Behaviour(offset_unit="pages"),
    Behaviour(offset_unit="pages_from_one", total_count="missing"),
    Behaviour(time_filter="created_and_ended"),
    Behaviour(required_bounds="always"),
    Behaviour(required_bounds="together", page_cap=30),
    Behaviour(total_count="page_length", order="oldest_first"),
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=str)
def test_by_default_all_pages_of_the_month_are_listed(
    command: Command, behaviour: Behaviour
) -> None:
    """Each task once, whatever the service's page leaves open, running ones included."""
    tasks = [record(n, NOW - 29 * DAY + n * HOUR, NOW - DAY) for n in range(1, 231)]
    tasks += [record(n, NOW - n * MINUTE, None) for n in range(301, 304)]
    with serve(tasks, behaviour) as emulator:
        run = run_list(command, emulator, "--format", "json")
    assert run.exit_code == 0, run.stderr
    assert sorted(row["job_id"] for row in listed(run)) == sorted(str(t["job_id"]) for t in tasks)


def test_a_list_without_an_order_may_not_be_complete(command: Command) -> None:
    """It is said, and the exit code is 3."""
    tasks = [record(n, NOW - n * MINUTE, NOW) for n in range(1, 231)]
    with serve(tasks, Behaviour(order="shuffled")) as emulator:
        run = run_list(command, emulator, "--format", "json")
    assert run.exit_code == 3
    assert "may not be complete" in run.stderr
    assert len({row["job_id"] for row in listed(run)}) == len(listed(run)) > 100


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(required_bounds="always")], ids=str)
def test_running_tasks_are_listed_at_any_age(command: Command, behaviour: Behaviour) -> None:
    """A task older than the default period of a request without times is not left out."""
    tasks = [record(1, NOW - 20 * DAY, None), record(2, NOW - HOUR, None), record(3)]
    with serve(tasks, behaviour) as emulator:
        run = run_list(command, emulator, "--status", "Running", "--format", "json")
    assert {row["job_id"] for row in listed(run)} == {job_id(1), job_id(2)}


def test_the_time_bounds_are_sent(command: Command, client: Client) -> None:
    """Running tasks that are read without times are kept to the bounds, too."""
    start, end = iso(NOW - DAY - 5 * MINUTE), iso(NOW - DAY - 2 * MINUTE)
    run = run_list(command, client.emulator, "--from", start, "--to", end, "--format", "json")
    assert {row["job_id"] for row in listed(run)} == {job_id(n) for n in (2, 3, 4, 5)}


def test_documented_values_can_be_typed_in_any_case(command: Command, client: Client) -> None:
    words = ("--status", "FAILED", "--name", "backupsnapshotGaussDBV5InInstance")
    rows = listed(run_list(command, client.emulator, *words, "--format", "json"))
    assert [(row["job_id"], row["task_label"]) for row in rows] == [(job_id(200), "Manual backup")]


def test_other_values_are_sent_as_they_are(command: Command, client: Client) -> None:
    """The service decides; its refusal shows the request. A similar value is suggested."""
    run = run_list(command, client.emulator, "--status", "Pending")
    assert run.exit_code == 2
    assert "status=Pending" in run.stderr
    assert "mean" not in run.stderr
    run = run_list(command, client.emulator, "--status", "Runing")
    assert "status=Runing" in run.stderr
    assert "did you mean 'Running'?" in run.stderr


@pytest.mark.parametrize("output_format", ["json", "jsonl", "csv", "parquet", "markdown"])
def test_every_format_has_all_tasks(command: Command, client: Client, output_format: str) -> None:
    run = run_list(
        command, client.emulator, "--name", TASK_TYPES[1].name, "--format", output_format
    )
    assert run.exit_code == 0, run.stderr
    match output_format:
        case "parquet":
            found = parquet.read_table(io.BytesIO(run.stdout_bytes))["job_id"].to_pylist()
        case "csv":
            found = [row["job_id"] for row in csv.DictReader(io.StringIO(run.stdout))]
        case "json":
            found = [row["job_id"] for row in listed(run)]
        case _:
            found = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", run.stdout)
    assert found == [job_id(0), job_id(100), job_id(200)]


@pytest.mark.parametrize("width", [60, 100, 200])
def test_a_table_fits_and_breaks_no_id(command: Command, client: Client, width: int) -> None:
    env = {**token_env(client.emulator), "COLUMNS": str(width)}
    run = command("list", "--now", iso(NOW), "--status", "Failed", env=env)
    lines = run.stdout.splitlines()
    assert all(len(line) <= width for line in lines)
    assert lines[0].split()[:2] == ["status", "task_label"]
    assert len(lines) == 2 + 14
    has_ids = "job_id" in lines[0]
    assert has_ids is (width > 60)
    assert (job_id(201) in run.stdout) is has_ids
    assert ("job_id" in run.stderr) is not has_ids


def test_nothing_is_kept(command: Command, client: Client) -> None:
    run_list(command, client.emulator)
    assert list(Path.cwd().iterdir()) == []


def test_a_record_that_is_no_task_is_shown_with_what_is_known(command: Command) -> None:
    """With the reason a load would give; the exit code is 3."""
    tasks = [record(1), {**record(2), "created_at": "yesterday"}, {**record(3), "job_id": None}]
    with serve(tasks) as emulator:
        run = run_list(command, emulator, "--format", "json")
    assert run.exit_code == 3
    assert "records that are not tasks: 2" in run.stderr
    by_id = {row["job_id"]: row for row in listed(run)}
    assert by_id.keys() == {job_id(1), job_id(2), None}
    assert by_id[job_id(1)]["remark"] is None
    assert "created_at" in by_id[job_id(2)]["remark"]
    assert "job_id" in by_id[None]["remark"]
    for row in by_id.values():
        assert row["status"] == "Completed"
        assert row["instance_name"] == "orders-prod"
    assert by_id[None]["created_at"] == "2026-03-18T11:00:00"
    assert by_id[job_id(2)]["created_at"] is by_id[job_id(2)]["duration_seconds"] is None


def test_the_other_projects_are_listed_if_one_fails(command: Command) -> None:
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]})
    clock = SettableClock(NOW)
    with Emulator(world, clock=clock, forbidden_projects=[OTHER_PROJECT]) as emulator:
        run = run_list(command, emulator, "--format", "json")
        env = token_env(emulator, OTHER_PROJECT)
        alone = command("list", "--now", iso(NOW), env=env)
    assert run.exit_code == 3
    assert [row["job_id"] for row in listed(run)] == [job_id(1)]
    assert "GaussDB ReadOnlyAccess" in run.stderr
    assert (alone.exit_code, alone.stdout) == (2, "")


def test_several_projects_are_told_apart(command: Command) -> None:
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: [record(2)]})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        run = run_list(command, emulator)
    assert PROJECT in run.stdout
    assert OTHER_PROJECT in run.stdout


def test_a_rationed_call_is_made_again(command: Command) -> None:
    faults = [Script({1: too_many_requests(retry_after=0)})]
    world = FixedWorld({PROJECT: [record(1)]})
    with Emulator(world, clock=SettableClock(NOW), faults=faults) as emulator:
        run = run_list(command, emulator, "--format", "json")
    assert run.exit_code == 0
    assert len(listed(run)) == 1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--limit", "0"), "--limit"),
        (("--limit", "101"), "--limit"),
        (("--offset", "-1"), "--offset"),
        (("--from", "2026-03-12", "--to", "2026-03-11"), "swap them"),
        (("--from", "2026-03-19"), "in the future"),
        (("--to", "2026-01-19"), "older than"),
        (("--watch", "0"), "--watch"),
        (("--watch", "30"), "on a terminal"),
        (("--watch", "30", "--format", "json"), "on a terminal"),
    ],
)
def test_wrong_options_are_refused_before_any_call(
    command: Command, client: Client, arguments: tuple[str, ...], hint: str
) -> None:
    before = len(client.emulator.calls)
    run = run_list(command, client.emulator, *arguments)
    assert run.exit_code == 2
    assert hint in run.stderr
    assert run.stderr.count("\n") == 1
    assert len(client.emulator.calls) == before


@pytest.mark.parametrize("output_format", ["table", "json", "markdown"])
def test_foreign_texts_are_escaped(command: Command, output_format: str) -> None:
    fields: dict[str, Any] = {"name": HOSTILE, "status": HOSTILE, "fail_reason": HOSTILE}
    with serve([record(1, **fields), {**record(2), "created_at": HOSTILE}]) as emulator:
        run = run_list(command, emulator, "--format", output_format)
    assert run.exit_code == 3
    assert invisible_in(run.stdout + run.stderr) == set()
    assert "[31mred" in run.stdout + run.stderr
