"""The mirror: complete, never overwritten, and enough to replace a lost machine."""

import dataclasses
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
from gaussdb_tasks.archive.mirror.fetch import fetch_entries
from gaussdb_tasks.archive.mirror.mirror import UnknownEntriesError, mirror_entries
from gaussdb_tasks.archive.mirror.mirror_state import read_mirror_state
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.errors import ConfigurationError, ExitCode
from gaussdb_tasks.load import run_load
from gaussdb_tasks.load_report import LoadReport
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE
from tests.support.commands import Command
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.equal_databases import everything
from tests.support.loads import load_request
from tests.support.object_store import SECRET, Place


@pytest.fixture(scope="session")
def server() -> Iterator[ThreadedMotoServer]:
    """Start an S3 server."""
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
    """Return a URL of each kind of remote."""
    if request.param == "directory":
        return f"file://{tmp_path}/copy"
    store: Place = request.getfixturevalue("store")
    return store.url


def _client() -> Any:
    return boto3.session.Session().client("s3")


@pytest.fixture(scope="session")
def two_loads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an archive of two loads, to read only."""
    folder = tmp_path_factory.mktemp("two-loads")
    for number in range(2):
        _load(folder, number, None)
    return folder


@pytest.fixture(scope="session")
def other_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make another archive, of one load, to read only."""
    folder = tmp_path_factory.mktemp("other-load")
    _load(folder, 0, None)
    return folder


@pytest.fixture
def data_dir(two_loads: Path, tmp_path: Path) -> DataDir:
    """Copy the two loads."""
    return DataDir(shutil.copytree(two_loads, tmp_path / "data"))


def _load(folder: Path, number: int, url: str | None) -> LoadReport:
    """Run a load that finds one new task; with a URL, mirror the archive."""
    listed = [
        record(each, NOW + each * DAY - HOUR, NOW + each * DAY - MINUTE, fail_reason="Jane Doe")
        for each in range(number + 1)
    ]
    at = NOW + number * DAY
    remote = None if url is None else Remote(url)
    with Emulator(FixedWorld({PROJECT: listed}), clock=SettableClock(at)) as emulator:
        job = load_request(emulator, folder, at)
        return run_load(dataclasses.replace(job, remote=remote))


def _contents(data_dir: DataDir) -> dict[str, bytes]:
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in data_dir.archive.glob("*/*")
    }


def _mirrored(url: str) -> dict[str, bytes]:
    remote = Remote(url)
    return {name: remote.read(name, size) for name, size in remote.files().items()}


def test_a_load_mirrors_its_entry(data_dir: DataDir, url: str) -> None:
    """The remote is equal byte for byte, and no entry waits."""
    mirror_entries(data_dir, Remote(url))
    assert _mirrored(url) == _contents(data_dir)
    report = _load(data_dir.path, 2, url)
    assert report.exit_code is ExitCode.DONE
    assert report.mirror is not None
    assert (report.mirror.waiting, report.mirror.error) == (0, None)
    assert _mirrored(url) == _contents(data_dir)


def test_mirroring_again_changes_nothing(data_dir: DataDir, url: str) -> None:
    """Also when the note of the progress is lost."""
    mirror_entries(data_dir, Remote(url))
    before = _mirrored(url)
    (data_dir.path / "archive-copies.json").unlink()
    assert mirror_entries(data_dir, Remote(url)).waiting == 0
    assert _mirrored(url) == before


def test_another_archive_gets_nothing(
    data_dir: DataDir, other_load: Path, tmp_path: Path, url: str
) -> None:
    """The load is published and reports it."""
    mirror_entries(data_dir, Remote(url))
    before = _mirrored(url)
    shutil.copytree(other_load, tmp_path / "other")
    report = _load(tmp_path / "other", 0, url)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert report.mirror is not None
    assert report.mirror.waiting == 2
    error = str(report.mirror.error)
    assert "holds entries that this archive lacks (000002-" in error or "another archive" in error
    assert _mirrored(url) == before


def test_a_machine_that_lost_its_data_directory_begins_no_second_chain(
    data_dir: DataDir, tmp_path: Path, url: str
) -> None:
    """The load is refused before it reads the task center; the message names the way out."""
    mirror_entries(data_dir, Remote(url))
    with pytest.raises(UnknownEntriesError, match="rebuild --from") as error:
        _load(tmp_path / "other", 0, url)
    assert error.value.exit_code is ExitCode.USAGE
    assert not DataDir(tmp_path / "other").database.exists()
    assert not DataDir(tmp_path / "other").archive.exists()


def test_an_entry_that_could_not_be_mirrored_is_mirrored_by_the_next_load(
    tmp_path: Path, s3: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed load is published and exits with 3; status shows how many entries wait."""
    data_dir = DataDir(tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        report = _load(data_dir.path, 0, s3)
    assert report.exit_code is ExitCode.NEEDS_ATTENTION
    assert verify(data_dir, VerifyOptions()).is_intact
    run = command("status", "--data-dir", data_dir.path)
    assert "copies: 1 entries wait to be copied to s3://audit-" in run.stderr
    assert SECRET not in run.stderr + (data_dir.path / "archive-copies.json").read_text()
    assert _load(data_dir.path, 1, s3).exit_code is ExitCode.DONE
    assert _mirrored(s3) == _contents(data_dir)
    assert "copies:" not in command("status", "--data-dir", data_dir.path).stderr


def test_the_digest_of_an_entry_is_mirrored_last(
    data_dir: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted entry has no digest yet."""
    put: list[str] = []
    remote = Remote(str(tmp_path / "copy"))
    monkeypatch.setattr(remote, "put", lambda name, _content, **_more: put.append(name))
    mirror_entries(data_dir, remote)
    entries = sorted({name.partition("/")[0] for name in put})
    for entry in entries:
        names = [name for name in put if name.startswith(entry)]
        assert names[-1] == f"{entry}/digest.json"
    assert len(entries) == 2
    assert len(put) == len(_contents(data_dir))


@pytest.fixture(scope="session")
def everything_loaded(two_loads: Path) -> dict[str, Any]:
    """Return every row of the tables and views after two loads."""
    return everything(DataDir(two_loads).database)


def test_a_lost_machine_is_replaced_from_the_mirror(
    data_dir: DataDir, everything_loaded: dict[str, Any], url: str, command: Command
) -> None:
    """The rebuilt database is equal in every row and view, and loads continue."""
    mirror_entries(data_dir, Remote(url))
    shutil.rmtree(data_dir.path)
    run = command("rebuild", "--from", url, "--data-dir", data_dir.path)
    assert run.exit_code == 0, run.stderr
    assert "2 entries copied from" in run.stderr
    assert everything(data_dir.database) == everything_loaded
    report = _load(data_dir.path, 2, url)
    assert report.exit_code is ExitCode.DONE
    assert report.entry_name.startswith("000003-")
    assert verify(data_dir, VerifyOptions()).is_intact
    assert _mirrored(url) == _contents(data_dir)


def test_a_damaged_entry_is_not_fetched(data_dir: DataDir, tmp_path: Path) -> None:
    """The error names the file."""
    remote = Remote(str(tmp_path / "copy"))
    mirror_entries(data_dir, remote)
    path = next((tmp_path / "copy").glob("*/coverage.parquet"))
    path.write_bytes(path.read_bytes().swapcase())
    with pytest.raises(MirrorError, match=r"coverage\.parquet is missing or damaged"):
        fetch_entries(DataDir(tmp_path / "new"), remote)


def test_only_missing_entries_of_the_same_archive_are_fetched(
    data_dir: DataDir, other_load: Path, tmp_path: Path
) -> None:
    """Present entries stay; another archive is refused."""
    remote = Remote(str(tmp_path / "copy"))
    mirror_entries(data_dir, remote)
    before = _contents(data_dir)
    shutil.rmtree(next(data_dir.archive.glob("000002-*")))
    assert fetch_entries(data_dir, remote) == 1
    assert _contents(data_dir) == before
    shutil.copytree(other_load, tmp_path / "other")
    with pytest.raises(MirrorError, match="holds another archive"):
        fetch_entries(DataDir(tmp_path / "other"), remote)
    with pytest.raises(MirrorError, match="does not hold an archive"):
        fetch_entries(data_dir, Remote(str(tmp_path / "nowhere")))


def test_a_removal_is_mirrored(data_dir: DataDir, url: str) -> None:
    """After a redaction the old files are replaced by tombstones there too."""
    mirror_entries(data_dir, Remote(url))
    amendment = Amendment("redaction", NOW + DAY, "x")
    redact(data_dir, ["fail_reason"], [], amendment, is_dry_run=False)
    mirror_entries(data_dir, Remote(url))
    mirrored = _mirrored(url)
    assert mirrored == _contents(data_dir)
    assert not any("task_versions.parquet" in name for name in mirrored if "-load" in name)


def test_a_forged_removal_removes_nothing_there(data_dir: DataDir, tmp_path: Path) -> None:
    """It names a file of an earlier entry, but not its hash."""
    amendment = Amendment("redaction", NOW + DAY, "x")
    redact(data_dir, ["fail_reason"], [], amendment, is_dry_run=False)
    load, entry = sorted(data_dir.archive.iterdir())[-2:]
    document = json.loads((entry / "digest.json").read_text())
    document["removes"].append(
        {
            "entry": load.name,
            "file": "coverage.parquet",
            "file_sha256": "0" * 64,
            "rows_removed": 0,
            "rows_changed": 0,
        }
    )
    (entry / "digest.json").write_text(json.dumps(document))
    mirror_entries(data_dir, Remote(str(tmp_path / "copy")))
    assert (tmp_path / "copy" / load.name / "coverage.parquet").exists()


def test_object_lock_is_set_on_each_file(data_dir: DataDir, s3: str, command: Command) -> None:
    """A bucket without object lock is refused; the option needs --archive-url."""
    bucket = s3.split("/")[2] + "-locked"
    _client().create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        ObjectLockEnabledForBucket=True,
    )
    state = mirror_entries(data_dir, Remote(f"s3://{bucket}/x", NOW + 9_000 * DAY))
    assert (state.waiting, state.error) == (0, None)
    for listed in _client().list_objects_v2(Bucket=bucket)["Contents"]:
        kept = _client().head_object(Bucket=bucket, Key=listed["Key"])
        assert kept["ObjectLockMode"] == "GOVERNANCE"
        assert kept["ObjectLockRetainUntilDate"].year == 2050
    (data_dir.path / "archive-copies.json").unlink()
    state = mirror_entries(data_dir, Remote(s3, NOW + 9_000 * DAY))
    assert "has no object lock" in str(state.error)
    for options in (["--archive-lock", "1y"], ["--archive-overwrite"]):
        run = command("load", *options, env={"OS_TOKEN": "x"})
        assert (run.exit_code, f"{options[0]} needs --archive-url" in run.stderr) == (2, True)


@pytest.mark.parametrize("url", ["carrier-pigeon://loft", "s4://x"])
def test_an_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--archive-url"):
        Remote(url)


def test_missing_credentials_come_with_a_remedy(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(MirrorError, match="set AWS_PROFILE or AWS_ACCESS_KEY_ID"):
        Remote(s3).read("x", 1)


def test_secrets_in_a_url_are_hidden(tmp_path: Path) -> None:
    """User, password and query are in no name and no message."""
    remote = Remote("s3://user:hidden@bucket/prefix?token=hidden")
    assert "hidden" not in remote.name
    with pytest.raises(MirrorError) as caught:
        remote.read("x", 1)
    assert "hidden" not in str(caught.value)
    assert read_mirror_state(DataDir(tmp_path)) is None
    assert "hidden" not in Remote("s3://user:hid/hidden@bucket/prefix").name
    Remote("s3://user:caravan%2D78@bucket")
    assert str(MirrorError("wrong key caravan-78")) == "wrong key ***"
    assert Remote("s3://bucket/a@b").name == "s3://bucket/a@b"


def test_the_progress_is_noted_as_json(data_dir: DataDir, tmp_path: Path) -> None:
    mirror_entries(data_dir, Remote(str(tmp_path / "copy")))
    noted = json.loads((data_dir.path / "archive-copies.json").read_text())
    assert noted["place"] == str(tmp_path / "copy")
    assert (noted["sequence"], noted["waiting"]) == (2, 0)
