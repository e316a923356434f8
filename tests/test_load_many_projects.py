"""Several projects in one load share a rate limit, and fail independently."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from gaussdb_tasks.api.rate_limit import RateLimiters
from gaussdb_tasks.emulator import (
    Account,
    Emulator,
    FixedWorld,
    RateLimit,
    RealClock,
)
from gaussdb_tasks.model import times
from gaussdb_tasks.model.times import HOUR, MINUTE, SECOND
from tests.support.commands import Command, password_env
from tests.support.emulator_client import record
from tests.support.loads import rows

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815")
IDS: Final = {f"{number:032x}": f"eu-de_team{number}" for number in range(10)}
REFUSED: Final = list(IDS)[8:]


def user(emulator: Emulator) -> Mapping[str, str]:
    """Return the variables of a user who reads all projects."""
    return password_env(
        emulator,
        ACCOUNT,
        GAUSSDB_TASKS_ENDPOINT=emulator.endpoint,
        GAUSSDB_TASKS_ALL_PROJECTS="1",
    )


@pytest.mark.parametrize("connections", [pytest.param("1", marks=pytest.mark.thorough), "8"])
def test_ten_projects_with_a_rate_limit_and_short_lived_tokens(
    command: Command, tmp_path: Path, connections: str
) -> None:
    """With 30 calls per second, 12 calls per token and two refusals, eight are complete."""
    now = times.now()
    tasks = 250
    records = {
        each: [record(n, now - n * HOUR - MINUTE, now - n * HOUR) for n in range(1, tasks + 1)]
        for each in IDS
    }
    with Emulator(
        FixedWorld(records, names=IDS),
        account=ACCOUNT,
        clock=RealClock(),
        token_uses=12,
        forbidden_projects=REFUSED,
        faults=[RateLimit(30, SECOND)],
    ) as emulator:
        run = command("load", "--connections", connections, env=user(emulator))
    assert run.exit_code == 3, run.stderr
    sql = "select project_id, count(*) from tasks group by all order by all"
    assert rows(tmp_path / "data", sql) == [(each, tasks) for each in list(IDS)[:8]]
    outcomes = rows(
        tmp_path / "data",
        "select outcome, count(*), min(call_count) > 0 from task_center.load_runs group by all "
        "order by all",
    )
    assert outcomes == [("complete", 8, True), ("failed", 2, True)]
    for project in IDS:
        assert f"project {project} (local)" in run.stderr or f"project {project} (eu-de)" in (
            run.stderr
        )
    for project in REFUSED:
        assert f"failed: project {project}" in run.stderr


def test_a_rate_limit_belongs_to_one_user_at_one_gateway() -> None:
    """Projects of one user share it; another user or another gateway has its own."""
    limiters = RateLimiters(connections=2)
    shared = limiters.limiter_for("ada", "https://one")
    assert limiters.limiter_for("ada", "https://one") is shared
    others = [
        limiters.limiter_for("bob", "https://one"),
        limiters.limiter_for("ada", "https://two"),
    ]
    assert shared not in others
    assert others[0] is not others[1]


def test_each_of_many_projects_knows_its_own_tasks_the_next_night(
    command: Command, tmp_path: Path
) -> None:
    """No task is taken for new because its project is one of many."""
    now = times.now()
    names = {f"{number:032x}": f"eu-de_team{number}" for number in range(60)}
    records = {
        each: [record(number, now - HOUR - number * MINUTE, now - HOUR)]
        for number, each in enumerate(names)
    }
    world = FixedWorld(records, names=names)
    with Emulator(world, account=ACCOUNT, clock=RealClock()) as emulator:
        for _ in range(2):
            run = command("load", env=user(emulator))
            assert run.exit_code == 0, run.stderr
    assert "60 tasks seen, 0 new, 0 changed" in run.stderr
    sql = "select count(*), count(distinct project_id) from task_center.task_versions"
    assert rows(tmp_path / "data", sql) == [(60, 60)]
