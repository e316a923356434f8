"""``list --watch``: what changed since the last look, errors on the way, and the end."""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
from rich.text import Text

from gaussdb_tasks.api.responses import parse_record
from gaussdb_tasks.cli.console import Screen
from gaussdb_tasks.cli.watch import Look, Watch, screen_lines
from gaussdb_tasks.emulator import (
    Emulator,
    FixedWorld,
    Script,
    SettableClock,
    answers,
    json_response,
    too_many_requests,
)
from gaussdb_tasks.errors import AccessError, GaussdbTasksError, ServiceError
from gaussdb_tasks.extract.listing import Listing, ProjectListing
from gaussdb_tasks.extract.part import Part
from gaussdb_tasks.model.project_state import ProjectKey
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, iso
from tests.support.commands import token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, job_id, record
from tests.support.hostile_text import HOSTILE, invisible_in
from tests.support.loads import load
from tests.support.watched_terminal import WatchedTerminal

Tasks = Sequence[dict[str, object]]

WATCH = f"{sys.executable} -m gaussdb_tasks list --status Running --watch 1 --now {iso(NOW)}"


def project_of(tasks: Tasks, project_id: str = PROJECT, *, is_whole: bool = True) -> ProjectListing:
    """Make what a project lists."""
    records = tuple(parse_record(json_response(200, task).body.decode()) for task in tasks)
    part = Part(records, len(records), is_whole)
    return ProjectListing(ProjectKey("eu-de", project_id), "", part)


def listing(*projects: ProjectListing, calls: int = 1) -> Listing:
    """Make what all projects list."""
    return Listing(NOW, projects, (), calls)


def looks_at(*answers_: Listing | GaussdbTasksError) -> list[Look]:
    """Return the looks at a list that answers so."""
    left = iter(answers_)

    def read() -> Listing:
        answer = next(left)
        if isinstance(answer, GaussdbTasksError):
            raise answer
        return answer

    return list(islice(Watch(read, 2.0, lambda _seconds: None).looks(), len(answers_)))


def changes(look: Look) -> dict[str, str | None]:
    """Map the end of each job_id to its change."""
    return {row["job_id"][-1]: row["change"] for row in look.rows}


def test_what_changed_since_the_last_look() -> None:
    """New tasks, another status, progress or reason, and tasks that are no longer listed."""
    first = [
        record(1, status="Running", ended_at=None, process="10"),
        record(2, ended_at=None),
        record(3),
        record(4),
        record(5),
    ]
    second = [
        record(1, status="Running", ended_at=None, process="40%"),
        record(2, status="Failed", fail_reason="x"),
        record(3),
        record(4, fail_reason="known now"),
        record(6),
    ]
    before, after, again = looks_at(
        *(listing(project_of(tasks)) for tasks in (first, second, second))
    )
    assert set(changes(before).values()) == {None}
    assert changes(after) == {
        "1": "10 → 40 %",
        "2": "Running → Failed",
        "3": None,
        "4": "changed",
        "6": "new",
    }
    assert [row["job_id"] for row in after.gone] == [job_id(5)]
    assert set(changes(again).values()) == {None}
    assert again.gone == []


def test_a_project_that_was_not_read_loses_no_task() -> None:
    """Nor one whose list changed while it was read; its tasks are compared at the next look."""
    other = project_of([record(2)], OTHER_PROJECT)
    unread, cut, complete = looks_at(
        listing(project_of([record(1)]), other),
        listing(other),
        listing(project_of([], is_whole=False), other),
        listing(project_of([record(1)]), other),
    )[1:]
    assert [unread.gone, cut.gone, complete.gone] == [[], [], []]
    assert changes(complete) == {"1": None, "2": None}


def test_an_error_is_shown_and_the_watch_goes_on() -> None:
    """The rows of the last look stay."""
    first, failed, after = looks_at(
        listing(project_of([record(1)])),
        AccessError("not permitted"),
        listing(project_of([record(1), record(2)])),
    )
    assert failed.errors == ("not permitted",)
    assert failed.rows == first.rows
    assert changes(after) == {"1": None, "2": "new"}


def test_a_first_look_that_cannot_succeed_ends_the_watch() -> None:
    with pytest.raises(AccessError):
        looks_at(AccessError("not permitted"))
    failed, after = looks_at(ServiceError("not now"), listing(project_of([record(1)])))
    assert failed.errors == ("not now",)
    assert changes(after) == {"1": None}


def test_calls_are_rationed() -> None:
    """Looks that take many calls are further apart than requested."""
    few, many = looks_at(listing(project_of([]), calls=0), listing(project_of([]), calls=20))
    assert (few.next_in_seconds, many.next_in_seconds) == (2.0, 60.0)


def test_the_screen_has_what_fits() -> None:
    """Not more lines than the terminal, the number of further tasks, and escaped texts."""
    tasks = [record(n, NOW - HOUR, None, name=HOSTILE) for n in range(30)]
    (look,) = looks_at(listing(project_of(tasks)))
    gone = [{**row, "task_label": HOSTILE} for row in look.rows]
    lines = list(screen_lines(Look(NOW, look.rows, gone, (), 2.0), {HOSTILE: 90.0}, 1000, 20))
    assert len(lines) <= 20
    assert any("more tasks" in line for line in lines)
    assert any("1 min 30 s" in line for line in lines)
    live = Live()
    Screen(live).show(lines)
    assert live.shown == [len(lines)]


def test_a_watch_on_a_terminal(tmp_path: Path) -> None:
    """It shows what is typical, an error of the service, what changed; Ctrl-C ends it with 0."""
    clock = SettableClock(NOW)
    done = record(1, NOW - DAY, NOW - DAY + 8 * MINUTE)
    world = FixedWorld({PROJECT: [done]})
    with Emulator(world, clock=clock) as emulator:
        load(emulator, tmp_path / "data", NOW)
    running = [record(2, NOW - HOUR, None, process="40")]
    world = FixedWorld({PROJECT: running})
    refused = answers(json_response(403, {"error_code": "DBS.280015", "error_msg": "no"}))
    # Each look makes two calls at least; the fourth and later ones are refused for a while.
    faults = [Script(dict.fromkeys(range(4, 6), refused))]
    with (
        Emulator(world, clock=clock, faults=faults) as emulator,
        WatchedTerminal(tmp_path, WATCH, token_env(emulator)) as terminal,
    ):
        terminal.wait_for("8 min")
        terminal.wait_for("ReadOnlyAccess")
        world.replace(PROJECT, record(2, NOW - HOUR, NOW))
        terminal.wait_for("no longer listed")
        assert terminal.interrupt() == 0
    assert "Traceback" not in terminal.written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_ctrl_c_ends_a_watch_that_waits_for_the_service(tmp_path: Path) -> None:
    """At once and with 0, also if calls wait in several threads; the wait was shown."""
    wait = Script(dict.fromkeys(range(1, 9), too_many_requests(retry_after=600)))
    world = FixedWorld({PROJECT: [], OTHER_PROJECT: []})
    with (
        Emulator(world, faults=[wait]) as emulator,
        WatchedTerminal(tmp_path, WATCH, token_env(emulator)) as terminal,
    ):
        terminal.wait_for("waiting 600 s")
        assert terminal.interrupt() == 0
    assert "Traceback" not in terminal.written


class Live:
    """Takes the place of rich's live display."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def update(self, text: Text, *, refresh: bool) -> None:
        """Record the number of lines."""
        assert refresh
        assert invisible_in(text.plain.replace("\n", "")) == set()
        self.shown.append(text.plain.count("\n") + 1)
