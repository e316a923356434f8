"""The data files of a lake in a bucket."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY
from gaussdb_tasks.publication.extensions import extension_files
from gaussdb_tasks.publication.publish import publish_entries, verify_published
from gaussdb_tasks.publication.target import parse_target
from tests.support.emulator_client import NOW


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A bucket of a server on this machine, and its client."""
    try:
        extension_files("lake", "ducklake", "httpfs")
    except ConfigurationError as error:
        pytest.skip(str(error))
    import boto3  # noqa: PLC0415 - slow

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "invented")
    client = boto3.session.Session().client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="lake")
    yield client
    server.stop()


def test_a_lake_keeps_its_files_in_a_bucket(bucket: Any, data_dir: DataDir) -> None:
    """A redaction reaches them there."""
    target = parse_target(f"ducklake:{data_dir.path}/catalogue", "s3://lake/files")
    later = parse_target(f"ducklake:{data_dir.path}/catalogue")

    def texts() -> list[bytes]:
        found = bucket.list_objects_v2(Bucket="lake", Prefix="files/")["Contents"]
        return [bucket.get_object(Bucket="lake", Key=each["Key"])["Body"].read() for each in found]

    with data_dir.locked_with_archive(), data_dir.scratch("publish") as scratch:
        publish_entries(data_dir, target, scratch)
    assert any(b"disk full" in text for text in texts())
    act = Amendment("redaction", NOW + 100 * DAY, "a test")
    redact(data_dir, ["fail_reason"], [], act, is_dry_run=False)
    with data_dir.locked_with_archive(), data_dir.scratch("publish") as scratch:
        publish_entries(data_dir, later, scratch)
    assert not any(b"disk full" in text for text in texts())
    assert verify_published(data_dir, later, VerifyOptions()).findings == []
