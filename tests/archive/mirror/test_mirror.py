"""Copies elsewhere: nothing overwritten, nothing forgotten, and a lost machine brought back."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.mirror.mirror import copy_entries, copy_state, fetch_entries
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.verify import verify
from gaussdb_tasks.archive.verify_files import Demands
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.load import LoadReport, run_load
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, Record, record
from tests.support.equal_databases import everything
from tests.support.loads import load_request

SECRET = "wJalrXUtnFEMI-not-a-real-key"


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    """Start an S3 server on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(server: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Make an empty bucket, sign in to it, and return a URL inside it."""
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "an-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"audit-{os.urandom(4).hex()}"
    _client().create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return f"s3://{bucket}/tasks"


@pytest.fixture(params=["directory", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a place of each kind."""
    if request.param == "directory":
        return f"file://{tmp_path}/copy"
    return str(request.getfixturevalue("s3"))


def _client() -> Any:
    return boto3.client("s3")


def _night(folder: Path, number: int, url: str | None) -> LoadReport:
    at = NOW + number * DAY
    listed: list[Record] = [
        record(each, NOW + each * DAY - HOUR, NOW + each * DAY - MINUTE)
        for each in range(number + 1)
    ]
    return _load(folder, at, listed, url)


def _load(folder: Path, at: Micros, listed: list[Record], url: str | None) -> LoadReport:
    place = None if url is None else Remote(url)
    with Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(at)) as emulator:
        job = load_request(emulator, folder, at)
        return run_load(type(job)(**{**vars(job), "copy_place": place}))


def _contents(data_dir: DataDir) -> dict[str, bytes]:
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in data_dir.archive.glob("*/*")
    }


def _copied(url: str) -> dict[str, bytes]:
    place = Remote(url)
    return {
        f"{entry}/{name}": place.read(f"{entry}/{name}")
        for entry in place.names()
        for name in place.names(entry)
    }


def test_each_night_is_copied(tmp_path: Path, url: str) -> None:
    """What lies here lies there, byte for byte, and nothing waits."""
    for number in range(3):
        report = _night(tmp_path / "data", number, url)
        assert report.exit_code is ExitCode.DONE
        assert report.copies is not None
        assert (report.copies.waiting, report.copies.error) == (0, None)
    assert _copied(url) == _contents(DataDir(tmp_path / "data"))


def test_copying_again_changes_nothing(tmp_path: Path, url: str) -> None:
    """Also when it is not known any more how far it had come."""
    data_dir = DataDir(tmp_path / "data")
    _night(data_dir.path, 0, url)
    before = _copied(url)
    (data_dir.path / "archive-copies.json").unlink()
    assert copy_entries(data_dir, Remote(url)).waiting == 0
    assert _copied(url) == before


def test_nothing_is_overwritten(tmp_path: Path, url: str) -> None:
    """Where another archive lies, nothing is put, and the load says so."""
    _night(tmp_path / "one", 0, url)
    before = _copied(url)
    report = _night(tmp_path / "other", 0, url)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert report.copies is not None
    assert report.copies.waiting == 1
    assert "another archive lies there" in str(report.copies.error)
    assert {name: content for name, content in _copied(url).items() if name in before} == before


def test_a_night_whose_copy_fails_is_copied_by_the_next(
    tmp_path: Path, s3: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published all the same, exit 3; status says how many wait; then both are copied."""
    data_dir = DataDir(tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        report = _night(data_dir.path, 0, s3)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert verify(data_dir, Demands()).is_whole
    run = command("status", "--data-dir", data_dir.path)
    assert "copies: 1 entries wait to be copied to s3://audit-" in run.stderr
    assert SECRET not in run.stderr + (data_dir.path / "archive-copies.json").read_text()
    assert _night(data_dir.path, 1, s3).exit_code is ExitCode.DONE
    assert _copied(s3) == _contents(data_dir)
    assert "copies:" not in command("status", "--data-dir", data_dir.path).stderr


def test_the_digest_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is cut off in the middle has no digest yet."""
    data_dir, put = DataDir(tmp_path / "data"), []
    _night(data_dir.path, 0, None)
    place = Remote(str(tmp_path / "copy"))
    monkeypatch.setattr(place, "put", lambda name, _content: put.append(name))
    copy_entries(data_dir, place)
    assert put[-1].endswith("/digest.json")
    assert len(put) == len(_contents(data_dir))


def test_a_lost_machine(tmp_path: Path, url: str, command: Command) -> None:
    """Rebuilt from the copy alone the database is equal, every row, every view; loads go on."""
    for number in range(3):
        _night(tmp_path / "data", number, url)
    lost = everything(DataDir(tmp_path / "data").database)
    shutil.rmtree(tmp_path / "data")
    run = command("rebuild", "--from", url, "--data-dir", tmp_path / "data")
    assert run.exit_code == 0, run.stderr
    assert "3 entries brought back" in run.stderr
    assert everything(DataDir(tmp_path / "data").database) == lost
    report = _night(tmp_path / "data", 3, url)
    assert report.exit_code is ExitCode.DONE
    assert report.entry_name.startswith("000004-")
    assert verify(DataDir(tmp_path / "data"), Demands()).is_whole
    assert _copied(url) == _contents(DataDir(tmp_path / "data"))


def test_damage_does_not_come_back(tmp_path: Path) -> None:
    """A copy that is not what its digest says is refused by name."""
    data_dir = DataDir(tmp_path / "data")
    _night(data_dir.path, 0, str(tmp_path / "copy"))
    path = next((tmp_path / "copy").glob("*/coverage.parquet"))
    path.write_bytes(path.read_bytes().swapcase())
    with pytest.raises(MirrorError, match=r"coverage\.parquet is missing or damaged"):
        fetch_entries(DataDir(tmp_path / "new"), Remote(str(tmp_path / "copy")))


def test_only_what_lacks_is_brought_back(tmp_path: Path) -> None:
    """Entries that are here stay; those of another archive are refused."""
    url = str(tmp_path / "copy")
    for number in range(2):
        _night(tmp_path / "data", number, url)
    data_dir = DataDir(tmp_path / "data")
    before = _contents(data_dir)
    shutil.rmtree(next(data_dir.archive.glob("000002-*")))
    assert fetch_entries(data_dir, Remote(url)) == 1
    assert _contents(data_dir) == before
    _night(tmp_path / "other", 0, None)
    with pytest.raises(MirrorError, match="another archive's"):
        fetch_entries(DataDir(tmp_path / "other"), Remote(url))
    with pytest.raises(MirrorError, match="holds no archive"):
        fetch_entries(data_dir, Remote(str(tmp_path / "nowhere")))


def test_what_was_removed_goes_there_too(tmp_path: Path, url: str) -> None:
    """After a redaction the next load takes the old files away and puts tombstones."""
    data_dir = DataDir(tmp_path / "data")
    listed = [record(1, NOW - DAY, NOW - HOUR, fail_reason="Jane Doe")]
    _load(data_dir.path, NOW, listed, url)
    redact(data_dir, ["fail_reason"], [], Amendment("redaction", NOW, "x"), is_dry_run=False)
    _load(data_dir.path, NOW + DAY, listed, url)
    assert _copied(url) == _contents(data_dir)
    assert not any("task_versions.parquet" in name for name in _copied(url) if "000001" in name)


def test_a_quiet_night_costs_a_call_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many nights lie there already, they are not asked for."""
    data_dir, calls = DataDir(tmp_path / "data"), []
    place = Remote(str(tmp_path / "copy"))
    for name in ("put", "read", "names", "remove"):
        monkeypatch.setattr(
            place, name, lambda *arguments, called=name: calls.append((called, arguments[0]))
        )
    for number in range(3):
        _night(data_dir.path, number, None)
        calls.clear()
        copy_entries(data_dir, place)
    entry = data_dir.archive / f"{calls[0][1].partition('/')[0]}"
    assert [called for called, _ in calls] == ["put"] * len(list(entry.iterdir()))


def test_object_lock_is_asked_for(tmp_path: Path, s3: str, command: Command) -> None:
    """In a bucket that can lock, each file is put with a date until which it cannot go."""
    bucket = s3.split("/")[2] + "-locked"
    _client().create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        ObjectLockEnabledForBucket=True,
    )
    data_dir = DataDir(tmp_path / "data")
    _night(data_dir.path, 0, None)
    state = copy_entries(data_dir, Remote(f"s3://{bucket}/x", NOW + 9_000 * DAY))
    assert (state.waiting, state.error) == (0, None)
    for listed in _client().list_objects_v2(Bucket=bucket)["Contents"]:
        kept = _client().head_object(Bucket=bucket, Key=listed["Key"])
        assert kept["ObjectLockMode"] == "GOVERNANCE"
        assert kept["ObjectLockRetainUntilDate"].year == 2050
    (data_dir.path / "archive-copies.json").unlink()
    state = copy_entries(data_dir, Remote(s3, NOW + 9_000 * DAY))
    assert "has no object lock" in str(state.error)
    run = command("load", "--archive-lock", "1y", env={"OS_TOKEN": "x"})
    assert (run.exit_code, "--archive-url" in run.stderr) == (2, True)


@pytest.mark.parametrize("url", ["carrier-pigeon://loft", "s4://x"])
def test_a_place_that_is_none(url: str) -> None:
    """It is a wrong option, said with what would be right."""
    with pytest.raises(ConfigurationError, match="--archive-url"):
        Remote(url)


def test_secrets_in_an_address_are_not_told(tmp_path: Path) -> None:
    """User and password of a URL stay out of what is noted and said."""
    place = Remote("s3://user:hidden@bucket/prefix?token=hidden")
    assert "hidden" not in place.name
    with pytest.raises(MirrorError) as caught:
        place.read("x")
    assert "hidden" not in str(caught.value)
    assert copy_state(DataDir(tmp_path)) is None
    assert "hidden" not in Remote("s3://user:hid/hidden@bucket/prefix").name
    assert Remote("s3://bucket/a@b").name == "s3://bucket/a@b"


def test_the_note_is_plain(tmp_path: Path) -> None:
    """How far the copy has come can be read by anybody."""
    _night(tmp_path / "data", 0, str(tmp_path / "copy"))
    noted = json.loads((tmp_path / "data" / "archive-copies.json").read_text())
    assert (noted["sequence"], noted["waiting"]) == (1, 0)
