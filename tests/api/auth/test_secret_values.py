"""Secrets from a variable, a file or a command; no message shows them."""

import sys
from pathlib import Path

import pytest

from gaussdb_tasks.api.auth.secret_values import read_secret
from gaussdb_tasks.errors import ConfigurationError

SECRET = "open sesame, of the test"


def secret_file(folder: Path, mode: int = 0o600, content: str = SECRET + "\n") -> str:
    """Write a secret into a file with a mode."""
    path = folder / "password"
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def test_sources(tmp_path: Path) -> None:
    """All sources give the same secret, without the line break at the end."""
    command = f"{sys.executable} -c \"print('{SECRET}')\""
    assert read_secret({"OS_PASSWORD": SECRET}, "OS_PASSWORD") == SECRET
    assert read_secret({"OS_PASSWORD_FILE": secret_file(tmp_path)}, "OS_PASSWORD") == SECRET
    assert read_secret({"OS_PASSWORD_COMMAND": command}, "OS_PASSWORD") == SECRET
    assert read_secret({}, "OS_PASSWORD") is None


def test_two_sources(tmp_path: Path) -> None:
    """Two sources of one secret are a configuration error."""
    environ = {"OS_TOKEN": SECRET, "OS_TOKEN_FILE": secret_file(tmp_path)}
    with pytest.raises(ConfigurationError, match="OS_TOKEN and OS_TOKEN_FILE"):
        read_secret(environ, "OS_TOKEN")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666])
def test_file_open_to_others(tmp_path: Path, mode: int) -> None:
    """A file that other users can open is refused; the message shows the command to run."""
    with pytest.raises(ConfigurationError, match="chmod 600") as refusal:
        read_secret({"OS_PASSWORD_FILE": secret_file(tmp_path, mode)}, "OS_PASSWORD")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_private_file(tmp_path: Path, mode: int) -> None:
    """A private file is read; the group may read it, as orchestrators need it."""
    assert read_secret({"S_FILE": secret_file(tmp_path, mode)}, "S") == SECRET


def test_unusable_files(tmp_path: Path) -> None:
    """For a missing file, a folder or an empty file the message names the variable."""
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
def test_failing_commands(command: str) -> None:
    """The message does not show the output of the command."""
    with pytest.raises(ConfigurationError, match="OS_PASSWORD_COMMAND") as refusal:
        read_secret({"OS_PASSWORD_COMMAND": command}, "OS_PASSWORD")
    assert SECRET not in str(refusal.value)
