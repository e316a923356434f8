"""A wrong password is tried once, however many projects, regions and clouds share it.

IAM locks a user after a few refusals. A project that refuses the user does not stop the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gaussdb_tasks.emulator import Account, Emulator, FixedWorld, RealClock
from tests.support.commands import Command

ACCOUNT: Final = Account(user="ada", password="open sesame", domain="OTC0815", agency="readers")
IDS: Final = {
    **{f"{number:032x}": f"eu-de_team{number}" for number in range(4)},
    f"{9:032x}": "eu-nl_team9",
}
UNKNOWN: Final = "f" * 32


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An IAM with projects in two regions."""
    world = FixedWorld({each: [] for each in IDS}, names=IDS)
    with Emulator(world, clock=RealClock(), account=ACCOUNT) as served:
        yield served


def sign_ins(emulator: Emulator) -> list[int | None]:
    """Return the status of each sign-in."""
    return [call.status for call in emulator.identity_calls if call.path == "/v3/auth/tokens"]


@dataclass
class Clouds:
    """Writes clouds of the account."""

    path: Path
    emulator: Emulator

    def write(self, password: str, *clouds: dict[str, Any]) -> tuple[str, ...]:
        """Write clouds, and return the options that name them all."""
        auth = {
            "auth_url": self.emulator.auth_url,
            "username": ACCOUNT.user,
            "user_domain_name": ACCOUNT.domain,
            "password": password,
        }
        content = {
            f"cloud{number}": {
                "region_name": "eu-de",
                "gaussdb_endpoint_override": self.emulator.endpoint,
                **settings,
                "auth": {**auth, **settings.get("auth", {})},
            }
            for number, settings in enumerate(clouds)
        }
        self.path.write_text(yaml.safe_dump({"clouds": content}))
        return tuple(option for name in content for option in ("--os-cloud", name))


@pytest.fixture
def clouds(
    command: Command,  # noqa: ARG001 - removes the variables of the machine first
    tmp_path: Path,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Clouds:
    """Clouds in the file that the command reads."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    return Clouds(tmp_path / "clouds.yaml", emulator)


def of_projects(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for all projects of a region, by id."""
    ids = [each for each in IDS if IDS[each].startswith("eu-de")]
    projects = [option for each in ids for option in ("--project-id", each)]
    return (*clouds.write(password, {}), *projects)


def of_all_projects(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for all projects that IAM lists."""
    return (*clouds.write(password, {}), "--all-projects", "--region", "eu-de")


def of_regions(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for a cloud with two regions, and a project in each."""
    regions = [
        {"name": name, "values": {"auth": {"project_id": project}}}
        for name, project in (("eu-de", f"{1:032x}"), ("eu-nl", f"{9:032x}"))
    ]
    return clouds.write(password, {"regions": regions})


def of_named_regions(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for projects whose ids IAM has to say."""
    regions = [
        {
            "name": name[:5],
            "values": {"auth": {"project_name": name, "project_domain_name": ACCOUNT.domain}},
        }
        for name in ("eu-de_team1", "eu-nl_team9")
    ]
    return clouds.write(password, {"regions": regions})


def of_clouds(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for three clouds of one account."""
    return clouds.write(password, *({"auth": {"project_id": f"{n:032x}"}} for n in range(3)))


def of_agency(clouds: Clouds, password: str) -> tuple[str, ...]:
    """Return options for projects of an agency that the account assumes."""
    agency = {"agency_name": "readers", "agency_domain_name": ACCOUNT.domain}
    options = clouds.write(password, {"auth": {"project_id": f"{0:032x}"}, **agency})
    return (*options, "--project-id", f"{1:032x}", "--project-id", f"{2:032x}")


WAYS: Final = [
    of_projects,
    of_all_projects,
    of_regions,
    of_named_regions,
    of_clouds,
    of_agency,
]


@pytest.mark.parametrize(
    ("name", "way"), [("check", of_projects), *(("load", way) for way in WAYS)]
)
def test_a_wrong_password_is_tried_once(
    command: Command,
    clouds: Clouds,
    emulator: Emulator,
    name: str,
    way: Callable[[Clouds, str], tuple[str, ...]],
) -> None:
    """By whatever command; the message is one."""
    run = command(name, *way(clouds, "a-wrong-password"))
    assert sign_ins(emulator) == [401]
    assert run.exit_code == 2
    assert (run.stdout + run.stderr).count("refuses the sign-in") >= 1
    assert "a-wrong-password" not in run.stdout + run.stderr


@pytest.mark.parametrize("way", WAYS)
def test_the_right_password(
    command: Command,
    clouds: Clouds,
    emulator: Emulator,
    way: Callable[[Clouds, str], tuple[str, ...]],
) -> None:
    """All projects are read."""
    run = command("load", *way(clouds, ACCOUNT.password))
    assert run.exit_code == 0, run.stderr
    assert set(sign_ins(emulator)) == {201}


def test_one_project_needs_one_sign_in(
    command: Command, clouds: Clouds, emulator: Emulator
) -> None:
    """Nothing is proved where nothing is shared."""
    options = clouds.write(ACCOUNT.password, {"auth": {"project_id": f"{1:032x}"}})
    assert command("load", *options).exit_code == 0
    assert sign_ins(emulator) == [201]


def test_a_project_that_refuses_the_user_stops_no_other(
    command: Command, clouds: Clouds, emulator: Emulator
) -> None:
    """IAM's answer is the same as for a wrong password."""
    options = of_projects(clouds, ACCOUNT.password)
    run = command("load", "--project-id", UNKNOWN, *options)
    assert run.exit_code == 3, run.stderr
    assert sign_ins(emulator).count(401) == 1
    assert "projects" not in emulator.identity_calls[0].path
    assert {call.project_id for call in emulator.calls} == {
        each for each in IDS if IDS[each].startswith("eu-de")
    }
