"""``schedule`` names what its user cannot read or write on this machine."""

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gaussdb_tasks.deployment.needed_paths import ServiceUser
from tests.support.commands import Command

ROOT_ID, SERVICE_ID, GROUP_ID = 0, 4_200_001, 4_200_002


@pytest.fixture
def user(tmp_path: Path) -> ServiceUser:
    """A user who owns nothing, and is in one group."""
    return ServiceUser("loader", SERVICE_ID, frozenset({GROUP_ID}), tmp_path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own are closed to others."""
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.mark.parametrize(
    ("mode", "is_readable", "is_writable"),
    [(0o750, False, False), (0o755, True, False), (0o777, True, True), (0o754, False, False)],
)
def test_permissions_of_others(
    user: ServiceUser, open_folder: Path, mode: int, *, is_readable: bool, is_writable: bool
) -> None:
    folder = open_folder / "folder"
    folder.mkdir()
    folder.chmod(mode)
    assert (user.reading_problem(folder) is None) == is_readable
    assert (user.writing_problem(folder) is None) == is_writable


@pytest.mark.parametrize(
    ("mode", "owner_id", "group_id", "is_allowed"),
    [
        (0o400, SERVICE_ID, GROUP_ID, True),
        (0o044, SERVICE_ID, GROUP_ID, False),
        (0o040, ROOT_ID, GROUP_ID, True),
        (0o404, ROOT_ID, GROUP_ID, False),
        (0o004, ROOT_ID, ROOT_ID, True),
    ],
)
def test_the_most_specific_permission_counts(
    user: ServiceUser, mode: int, owner_id: int, group_id: int, *, is_allowed: bool
) -> None:
    """As in the kernel; root can do everything."""
    status = os.stat_result((mode, 0, 0, 1, owner_id, group_id, 0, 0, 0, 0))
    assert user._is_allowed(status, 4) == is_allowed
    assert replace(user, user_id=ROOT_ID)._is_allowed(status, 4)


def test_a_closed_parent_is_named(user: ServiceUser, open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").touch()
    problem = user.reading_problem(closed / "file")
    assert problem is not None
    assert f"{closed} has mode 0700" in problem


Find = Callable[[ServiceUser, Path], str | None]


@pytest.mark.parametrize(
    ("find", "remedy"),
    [
        (ServiceUser.reading_problem, "create it, readable by loader"),
        (ServiceUser.writing_problem, "run: install -d -o loader -m 0750"),
    ],
)
def test_what_does_not_exist(user: ServiceUser, open_folder: Path, find: Find, remedy: str) -> None:
    problem = find(user, open_folder / "missing")
    assert problem is not None
    assert remedy in problem


def test_cron_without_a_readable_secret(command: Command, tmp_path: Path) -> None:
    """The secret of root is of no use to the user of cron."""
    nobody = pwd.getpwnam("nobody").pw_name
    password = tmp_path / "os_password"
    password.touch(mode=0o600)
    options = ("--user", nobody, "--credentials", tmp_path, "--data-dir", tmp_path / "data")
    run = command("schedule", "cron", *options)
    assert run.exit_code == 0
    assert f"{nobody} cannot read {password}" in run.stderr
    assert "nobody cannot write" in run.stderr or "install -d -o nobody" in run.stderr


def test_a_user_who_does_not_exist(command: Command) -> None:
    run = command("schedule", "cron", "--user", "no-such-user")
    assert "there is no user no-such-user on this machine" in run.stderr


@pytest.mark.parametrize("name", ["os_password", "os_secret_key", "secure.yaml"])
def test_a_service_without_a_secret(command: Command, tmp_path: Path, name: str) -> None:
    """systemd does not start it; each file of a sign-in makes the warning go away."""
    options = ("--credentials", tmp_path)
    assert "os_password does not exist" in command("schedule", "systemd", *options).stderr
    (tmp_path / name).touch()
    assert "does not exist, and the service" not in command("schedule", "systemd", *options).stderr
