"""Folders and files that a user may not read or write: one sentence, code 2, no traceback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, iso
from tests.support.commands import Command, isolated, run_command, token_env
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.other_user import USER_ID, needs_root, run_as_other_user

READERS = 12345
"""A group without a name."""
PRIVATE_PEM = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A task center with a task."""
    with Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as served:
        yield served


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load once; tests copy the data directory."""
    folder = tmp_path_factory.mktemp("loaded")
    with (
        Emulator(FixedWorld({PROJECT: [record(1)]}), clock=SettableClock(NOW)) as served,
        isolated(folder),
    ):
        run = run_command("load", "--now", iso(NOW), env=token_env(served))
    assert run.exit_code == 0, run.stderr
    return folder / "data"


@pytest.fixture
def data_dir(loaded_once: Path, open_folder: Path) -> Path:
    """A copy of the loaded data directory that other users can reach."""
    return Path(shutil.copytree(loaded_once, open_folder / "data"))


def owners(folder: Path) -> set[tuple[int, int]]:
    """Return the owners and groups of everything in a folder."""
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in folder.rglob("*")}


def give(folder: Path, user_id: int) -> None:
    """Give a folder and everything in it to a user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user_id, user_id, follow_symlinks=False)


COMMANDS = [
    ("status",),
    ("status", "--check"),
    ("query", "select 1"),
    ("verify",),
    ("verify", "--fast"),
    ("check", "--format", "csv"),
    ("changes", "--since", "1"),
    ("evidence", "job"),
    ("report", "-"),
    ("rebuild",),
    ("retention", "--keep", "1y", "--dry-run"),
]


@needs_root
@pytest.mark.parametrize("closed", ["data", "parent", "database"])
def test_an_analyst_outside_the_group(data_dir: Path, closed: str) -> None:
    """Each command names the path and the remedy."""
    path = {
        "data": data_dir,
        "parent": data_dir.parent,
        "database": data_dir / "gaussdb_tasks.duckdb",
    }[closed]
    if closed == "database":
        data_dir.chmod(0o755)
        (data_dir / "archive").chmod(0)
    path.chmod(0o700 if path.is_dir() else 0o600)
    for arguments in COMMANDS:
        run = run_as_other_user(*arguments, "--data-dir", data_dir)
        assert "Traceback" not in run.output
        assert run.exit_code == 2, run
        assert "no permission" in run.output or "not writable" in run.output, run
        assert str(data_dir.parent) in run.output


@needs_root
def test_work_by_root_leaves_nothing_of_root(
    command: Command, emulator: Emulator, data_dir: Path
) -> None:
    """A signed load with a copy, and the rotation of its key: the owner can load the next night."""
    give(data_dir, USER_ID)
    options = ("--data-dir", str(data_dir), "--now", iso(NOW + DAY))
    keys = [data_dir.parent / f"{name}.pem" for name in ("old", "new")]
    for key in keys:
        key.write_bytes(Ed25519PrivateKey.generate().private_bytes(*PRIVATE_PEM))
        key.chmod(0o600)
    signing = ("--signing-key", keys[0])
    copy = ("--archive-url", data_dir.parent / "copy")
    load = command("load", *options, *signing, *copy, env=token_env(emulator))
    assert load.exit_code == 0, load.stderr
    assert len(list((data_dir / "archive").iterdir())) == 2
    assert owners(data_dir) == {(USER_ID, USER_ID)}
    run = run_as_other_user("check", *options[:2], "--format", "csv")
    assert "data directory,ok" in run.stdout
    assert "belongs to" not in run.stdout
    rotation = command("keys", "rotate", *options, *signing, "--new-key", keys[1])
    assert rotation.exit_code == 0, rotation.stderr
    assert (data_dir / "archive-copies.json").exists()
    assert len(list((data_dir / "archive").iterdir())) == 3
    assert owners(data_dir) == {(USER_ID, USER_ID)}


@needs_root
def test_a_load_by_root_is_no_mixture_while_it_runs(data_dir: Path) -> None:
    """It gives everything to the owner at its end; its owner can read who holds the lock."""
    give(data_dir, USER_ID)
    directory = DataDir(data_dir)
    with directory.locked("run"):
        (data_dir / "new").touch()
        assert directory.mixture() is None
        assert (data_dir / ".lock_holder").stat().st_uid == USER_ID
    os.chown(data_dir / "new", 0, 0)
    assert "new belongs to root" in str(directory.mixture())


@needs_root
def test_a_load_by_root_repairs_a_mixture(
    command: Command, emulator: Emulator, data_dir: Path
) -> None:
    """What an earlier load by root has left is given to the owner as well."""
    os.chown(data_dir, USER_ID, USER_ID)
    assert owners(data_dir) == {(0, 0)}
    options = ("--data-dir", str(data_dir), "--now", iso(NOW + DAY))
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert owners(data_dir) == {(USER_ID, USER_ID)}


def access(folder: Path) -> dict[str, set[tuple[int, str]]]:
    """Return the groups and permissions of the folders and of the files below a folder."""
    found: dict[str, set[tuple[int, str]]] = {"folders": set(), "files": set()}
    for path in folder.rglob("*"):
        status = path.lstat()
        kind = "folders" if path.is_dir() else "files"
        found[kind].add((status.st_gid, f"{status.st_mode & 0o7777:04o}"))
    return found


@needs_root
@pytest.mark.parametrize("loads_as", ["root", "owner"])
@pytest.mark.parametrize("bits", [0o0750, 0o2750], ids=["plain", "setgid"])
def test_group_and_permissions_follow_the_directory(
    command: Command, emulator: Emulator, open_folder: Path, loads_as: str, bits: int
) -> None:
    """The first load's umask decides; a later load with another one leaves no closed entry."""
    data_dir = open_folder / "data"
    data_dir.mkdir()
    is_root = loads_as == "root"
    # Who is no member of the group cannot give it a file; the folder's bit does.
    os.chown(data_dir, 0 if is_root else USER_ID, READERS if is_root or bits & 0o2000 else USER_ID)
    group = data_dir.stat().st_gid
    data_dir.chmod(bits)
    options = ("load", "--data-dir", str(data_dir), "--now")
    run = command if is_root else run_as_other_user
    first = run(*options, iso(NOW), "--umask", "027", env=token_env(emulator, PROJECT))
    assert first.exit_code == 0, first.stderr
    again = command(*options, iso(NOW + DAY), env=token_env(emulator, PROJECT))
    assert again.exit_code == 0, again.stderr
    archive = access(data_dir / "archive")
    assert archive == {"folders": {(group, f"{bits:04o}")}, "files": {(group, "0640")}}
    assert owners(data_dir) == {(data_dir.stat().st_uid, group)}
    if not is_root:
        last = run_as_other_user(*options, iso(NOW + 2 * DAY), env=token_env(emulator, PROJECT))
        assert last.exit_code == 0, last.stderr


@needs_root
def test_a_hard_link_is_not_given_away(
    command: Command, emulator: Emulator, data_dir: Path
) -> None:
    """Its other name may be a file of the system."""
    secret = data_dir.parent / "of-root"
    secret.touch(mode=0o600)
    give(data_dir, USER_ID)
    os.link(secret, data_dir / "link")
    options = ("--data-dir", str(data_dir), "--now", iso(NOW + DAY))
    assert command("load", *options, env=token_env(emulator)).exit_code == 0
    assert secret.stat().st_uid == 0


@needs_root
@pytest.mark.parametrize("foreign", ["archive", "gaussdb_tasks.duckdb"])
def test_a_mixture_is_seen(command: Command, data_dir: Path, foreign: str) -> None:
    """``status``, its check and ``check`` name the path, both owners and the remedy."""
    give(data_dir, USER_ID)
    os.chown(data_dir / foreign, 0, 0)
    options = ("--data-dir", str(data_dir))
    now = ("--now", iso(NOW))
    remedy = f"chown -R nobody:nogroup {data_dir}"
    status = command("status", *options, *now)
    assert f"{data_dir / foreign} belongs to root" in status.stderr
    assert remedy in status.stderr
    judged = command("status", "--check", *options, *now)
    assert judged.exit_code == 3
    assert judged.stdout.startswith("GAUSSDB_TASKS WARNING: ")
    assert remedy in judged.stdout
    checked = command("check", *options, "--format", "csv")
    assert checked.exit_code == 2
    assert remedy in checked.stdout
    assert (0, 0) in owners(data_dir)  # none of them changes anything


@needs_root
def test_an_archive_of_root_stops_a_load_before_it_reads(
    emulator: Emulator, data_dir: Path
) -> None:
    """The remedy is the right one, and no call is made."""
    give(data_dir, USER_ID)
    os.chown(data_dir / "archive", 0, 0)
    (data_dir / "archive").chmod(0o755)
    calls = len(emulator.calls)
    run = run_as_other_user("load", "--data-dir", data_dir, env=token_env(emulator))
    assert run.exit_code == 2
    assert "archive belongs to root" in run.stderr
    assert "chown -R nobody" in run.stderr
    assert len(emulator.calls) == calls


def test_a_circle_of_links(command: Command, tmp_path: Path) -> None:
    """The path is named, and the option that has it."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    run = command("status", "--data-dir", "a")
    assert run.exit_code == 2
    assert "symbolic links lead in a circle" in run.stderr
    assert "--data-dir" in run.stderr


def test_a_name_that_is_too_long(command: Command) -> None:
    """The name is the fault, not the disk."""
    for name in ("load", "status"):
        run = command(name, "--data-dir", "x" * 300, env={"OS_TOKEN": "t", "OS_PROJECT_ID": "p"})
        assert run.exit_code == 2
        assert "its name is too long" in run.stderr


def test_any_other_name_can_be_read(loaded_once: Path, tmp_path: Path) -> None:
    """Also in a locale without its characters."""
    name = "daten-übung 100% o'brien\nsecond line"
    shutil.copytree(loaded_once, tmp_path / name)
    for arguments in (("status",), ("verify", "--fast")):
        run = subprocess.run(
            [sys.executable, "-m", "gaussdb_tasks", *arguments, "--data-dir", tmp_path / name],
            cwd=tmp_path,
            env={**os.environ, "LANG": "C", "LC_ALL": "C"},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert b"Traceback" not in run.stderr


def test_a_question_mark(command: Command) -> None:
    """DuckDB takes it for the start of options: every command refuses it."""
    for name in ("load", "status", "check", "query"):
        run = command(name, "--data-dir", "what?")
        assert run.exit_code == 2
        assert "question mark" in run.stderr


def test_a_path_that_is_not_text(command: Command) -> None:
    """It is refused at once."""
    name = os.fsdecode(b"bad-\xff")
    for command_name in ("load", "status", "check", "query"):
        run = command(command_name, "--data-dir", name)
        assert run.exit_code == 2
        assert "must be valid UTF-8" in run.stderr
