"""Delta tables in a bucket of an S3 server on this machine."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.publication.lane import PublicationError
from tests.support.delta_lake import SECRET, assert_equal, publish, publish_at_once
from tests.support.object_store import SECRET as KEY


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start an S3 server, in another process: deltalake lets no other thread run while it waits."""
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = (re.search(r"Running on (http://\S+)", line) for line in process.stderr)
        url = next(line[1] for line in lines if line)
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        yield url
        process.kill()
        drain.join()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Make an empty bucket, and sign in to it with a profile, as the mirror does."""
    profile = tmp_path / "credentials"
    profile.write_text(f"[lake]\naws_access_key_id = id\naws_secret_access_key = {KEY}\n")
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_SHARED_CREDENTIALS_FILE": str(profile),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_PROFILE": "lake",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    name = tmp_path.name.replace("_", "-")
    where = {"LocationConstraint": "eu-central-1"}
    boto3.session.Session().client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return f"s3://{name}/lake"


def contents(url: str) -> bytes:
    name = url.split("/")[2]
    objects = boto3.session.Session().resource("s3").Bucket(name).objects.all()
    return b"".join(each.get()["Body"].read() for each in objects)


def test_a_bucket_has_every_night_and_no_redacted_text(
    nights: list[DataDir], redacted: DataDir, bucket: str
) -> None:
    for night in nights[::2]:
        publish(night, bucket)
    assert_equal(bucket, nights[2])
    assert SECRET.encode() in contents(bucket)
    assert publish(redacted, bucket) == (1, True, True)
    assert SECRET.encode() not in contents(bucket)
    assert_equal(bucket, redacted)


def test_archives_that_are_published_at_once(
    nights: list[DataDir], data_dir: DataDir, bucket: str
) -> None:
    publish_at_once(bucket, nights[0], data_dir)
    assert_equal(bucket, nights[0], data_dir)


def test_no_error_shows_a_secret(
    nights: list[DataDir], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PublicationError, match="cannot be reached, read or written") as failed:
        publish(nights[0], f"s3://missing-{bucket.split('/')[2]}/lake")
    assert KEY not in str(failed.value)
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(ConfigurationError, match="there are no credentials for s3://"):
        publish(nights[0], bucket)
