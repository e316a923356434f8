"""Secrets from a variable, a file or a command; no message shows them."""

import os
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


@pytest.mark.parametrize(
    "around", ["\n", "\r\n", " \t", "\n\n", "\ufeff", "\ufeff\r\n "], ids=ascii
)
def test_line_ends_marks_and_blanks_are_stripped(tmp_path: Path, around: str) -> None:
    """Alike from a variable, a file and a command."""
    text = f"{around}{SECRET}{around}"
    assert read_secret({"S": text}, "S") == SECRET
    file = secret_file(tmp_path, content=text)
    assert read_secret({"S_FILE": f"{file}{around}"}, "S") == SECRET
    command = f"cat {file}"
    assert read_secret({"S_COMMAND": command}, "S") == SECRET


def test_a_secret_is_masked_once_it_is_read(tmp_path: Path) -> None:
    """No message shows it from then on."""
    read_secret({"S_FILE": secret_file(tmp_path, content=f"{SECRET}\n")}, "S")
    assert str(ConfigurationError(f"it is {SECRET!r}")) == "it is '***'"


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_secret_that_kubernetes_mounts(tmp_path: Path, mode: int) -> None:
    """It is a link through ``..data``; its mode is that of the volume."""
    folder = tmp_path / "..2026_03_18_12_00_00.123456789"
    folder.mkdir()
    secret_file(folder, mode)
    (tmp_path / "..data").symlink_to(folder.name)
    (tmp_path / "password").symlink_to("..data/password")
    assert read_secret({"S_FILE": str(tmp_path / "password")}, "S") == SECRET


def test_a_link_is_not_enough(tmp_path: Path) -> None:
    """An open file behind a link of another kind is refused."""
    target = secret_file(tmp_path, 0o644)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ConfigurationError, match="open to other users"):
        read_secret({"S_FILE": str(tmp_path / "link")}, "S")


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_secret_on_a_read_only_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """Its mode cannot be changed: podman and Docker mount secrets like that."""
    status = os.statvfs(tmp_path)
    flags = [*status]
    flags[8] |= os.ST_RDONLY
    monkeypatch.setattr(os, "fstatvfs", lambda _descriptor: os.statvfs_result(flags))
    assert read_secret({"S_FILE": secret_file(tmp_path, mode)}, "S") == SECRET


@pytest.mark.parametrize("name", ["password", "pass word"])
def test_a_secret_that_is_a_mount_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Docker mounts the file of a secret; on a machine without containers no file is a mount."""
    path = Path(secret_file(tmp_path, 0o444)).rename(tmp_path / name)
    mounts = tmp_path / "mountinfo"
    point = str(path).replace(" ", "\\040")
    mounts.write_text(f"22 1 0:5 / {point} rw,relatime - ext4 /dev/vda1 rw\n")
    monkeypatch.setattr("gaussdb_tasks.api.auth.secret_values._MOUNTS", mounts)
    assert read_secret({"S_FILE": str(path)}, "S") == SECRET
    mounts.write_text(f"22 1 0:5 / {tmp_path} rw,relatime - ext4 /dev/vda1 rw\n")
    with pytest.raises(ConfigurationError, match="open to other users"):
        read_secret({"S_FILE": str(path)}, "S")


def test_the_remedy_names_both_ways(tmp_path: Path) -> None:
    """On a machine: chmod; in a container: the mode of the mount."""
    with pytest.raises(ConfigurationError, match=r"chmod 600.*defaultMode: 0400"):
        read_secret({"S_FILE": secret_file(tmp_path, 0o644)}, "S")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_private_file(tmp_path: Path, mode: int) -> None:
    """A private file is read; the group may read it, as orchestrators need it."""
    assert read_secret({"S_FILE": secret_file(tmp_path, mode)}, "S") == SECRET


def test_the_messages_of_a_command_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """They may show the secret, as a traced shell does."""
    with pytest.raises(ConfigurationError, match="run it in a shell"):
        read_secret({"S_COMMAND": f"sh -xc 'true \"{SECRET}\"; exit 3'"}, "S")
    assert SECRET not in "".join(capfd.readouterr())


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """A part of it would be a wrong secret."""
    with pytest.raises(ConfigurationError, match="more than 65,536 bytes"):
        read_secret({"S_FILE": secret_file(tmp_path, content="x" * 65_537)}, "S")


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
