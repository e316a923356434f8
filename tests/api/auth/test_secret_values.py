"""Secrets from a variable, a file or a command; and none of them ever in a message."""

import sys
from pathlib import Path

import pytest

from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError

SECRET = "open sesame, as it were"


def secret_file(folder: Path, mode: int = 0o600, content: str = SECRET + "\n") -> str:
    """Write a secret into a file of a mode."""
    path = folder / "password"
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def test_the_three_ways(tmp_path: Path) -> None:
    """All give the same, without the line break that files and commands end with."""
    command = f"{sys.executable} -c \"print('{SECRET}')\""
    assert read_secret({"OS_PASSWORD": SECRET}, "OS_PASSWORD") == SECRET
    assert read_secret({"OS_PASSWORD_FILE": secret_file(tmp_path)}, "OS_PASSWORD") == SECRET
    assert read_secret({"OS_PASSWORD_COMMAND": command}, "OS_PASSWORD") == SECRET
    assert read_secret({}, "OS_PASSWORD") is None


def test_two_ways_at_once_are_a_mistake(tmp_path: Path) -> None:
    """Which of them counts cannot be guessed."""
    environ = {"OS_TOKEN": SECRET, "OS_TOKEN_FILE": secret_file(tmp_path)}
    with pytest.raises(ConfigurationError, match="OS_TOKEN and OS_TOKEN_FILE"):
        read_secret(environ, "OS_TOKEN")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    with pytest.raises(ConfigurationError, match="chmod 600") as refusal:
        read_secret({"OS_PASSWORD_FILE": secret_file(tmp_path, mode)}, "OS_PASSWORD")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_private_file_is_read(tmp_path: Path, mode: int) -> None:
    """The group may read it: orchestrators let a container's user in that way."""
    assert read_secret({"S_FILE": secret_file(tmp_path, mode)}, "S") == SECRET


def test_files_that_cannot_be(tmp_path: Path) -> None:
    """A missing file, a folder, an empty file: each says which variable named it."""
    empty = secret_file(tmp_path, content="\n")
    for path in (str(tmp_path / "nowhere"), str(tmp_path), empty):
        with pytest.raises(ConfigurationError, match="OS_PASSWORD_FILE"):
            read_secret({"OS_PASSWORD_FILE": path}, "OS_PASSWORD")


@pytest.mark.parametrize(
    "command",
    [
        f"{sys.executable} -c \"print('{SECRET}'); exit(3)\"",
        "no-such-command-anywhere",
        "an 'unfinished quote",
        " ",
        f"{sys.executable} -c ''",
    ],
)
def test_commands_that_fail(command: str) -> None:
    """Said without what they printed."""
    with pytest.raises(ConfigurationError, match="OS_PASSWORD_COMMAND") as refusal:
        read_secret({"OS_PASSWORD_COMMAND": command}, "OS_PASSWORD")
    assert SECRET not in str(refusal.value)
