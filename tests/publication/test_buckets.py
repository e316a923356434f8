"""The data files of a lake in a bucket, and the keys to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY
from gaussdb_tasks.publication.buckets import BucketAccess, bucket_access, secret_of_duckdb
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


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of AWS settings, with the only profile there is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_PROFILE", "lake")
    pytest.importorskip("botocore")
    return file


PROFILE = "[profile lake]\naws_access_key_id = id\naws_secret_access_key = invented\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "region = eu-de\nendpoint_url = http://obs.example:81",
            {"endpoint": "obs.example:81", "url_style": "path", "use_ssl": False},
        ),
        (
            "region = eu-central-1",
            {"endpoint": "s3.eu-central-1.amazonaws.com", "url_style": "vhost", "use_ssl": True},
        ),
        (
            "region = cn-north-1",
            {"endpoint": "s3.cn-north-1.amazonaws.com.cn", "url_style": "vhost", "use_ssl": True},
        ),
    ],
)
def test_a_lake_uses_the_profile_of_the_files(
    config: Path, settings: str, expected: dict[str, Any]
) -> None:
    """Also its endpoint, as copies of the archive do."""
    config.write_text(PROFILE + settings)
    region = settings.split()[2]
    keys = {"key_id": "id", "secret": "invented", "region": region}
    assert secret_of_duckdb(bucket_access("s3://lake")) == keys | expected


def test_settings_of_fsspec_prevail(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of copies of the archive, too."""
    from fsspec.config import conf  # noqa: PLC0415 - slow

    config.write_text(PROFILE)
    client = {"region_name": "eu-nl"}
    given = {"key": "other", "secret": "invented", "token": "of a role", "client_kwargs": client}
    monkeypatch.setitem(conf, "s3", given | {"endpoint_url": "https://obs.example"})
    expected = BucketAccess("other", "invented", "of a role", "eu-nl", "https://obs.example")
    assert bucket_access("s3://lake") == expected
    assert secret_of_duckdb(expected)["session_token"] == "of a role"


def test_wrong_settings_are_one_error(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(PROFILE)
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(ConfigurationError, match=r"s3://lake cannot be opened: .*missing"):
        bucket_access("s3://lake")
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(ConfigurationError, match="there are no credentials for s3://lake"):
        bucket_access("s3://lake")


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
