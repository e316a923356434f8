"""Sign in to the buckets of a target, with the credentials that copies use."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.archive.mirror.object_store import CREDENTIALS_REMEDY
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import in_one_line, remember
from gaussdb_tasks.publication.extensions import extension_files
from gaussdb_tasks.publication.lane import MAX_CAUSE_LENGTH


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """Where buckets are, and the keys to them.

    Attributes:
        endpoint: the URL of the service.
    """

    key_id: str
    secret: str
    token: str | None
    region: str
    endpoint: str


def check_bucket_packages() -> None:
    """Refuse a missing package for buckets.

    Raises:
        ConfigurationError: one is missing.
    """
    if find_spec("botocore") is None or find_spec("s3fs") is None:
        message = "a package for s3:// is not installed; run: pip install 'gaussdb-tasks[s3]'"
        raise ConfigurationError(message)


def bucket_access(name: str) -> BucketAccess:
    """Return the access that botocore and fsspec are set up with.

    Args:
        name: of the bucket or the target, for messages.

    Raises:
        ConfigurationError: a package is missing, or there are no credentials.
    """
    check_bucket_packages()
    import botocore.session  # noqa: PLC0415 - optional, and slow to import
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - likewise
    from fsspec.config import conf  # noqa: PLC0415 - likewise

    given: Mapping[str, Any] = conf.get("s3", {})
    try:
        session = botocore.session.Session(profile=given.get("profile"))
        if "key" in given:
            session.set_credentials(given["key"], given["secret"], given.get("token"))
        found = session.get_credentials()
        client = session.create_client(
            "s3", endpoint_url=given.get("endpoint_url"), **given.get("client_kwargs", {})
        )
    except (BotoCoreError, ValueError) as error:
        message = f"{name} cannot be opened: {in_one_line(str(error), MAX_CAUSE_LENGTH)}"
        raise ConfigurationError(message) from error
    if found is None:
        message = f"there are no credentials for {name}; {CREDENTIALS_REMEDY}"
        raise ConfigurationError(message)
    keys = found.get_frozen_credentials()
    for secret in (keys.secret_key, keys.token):
        remember(secret)
    return BucketAccess(
        keys.access_key,
        keys.secret_key,
        keys.token,
        client.meta.region_name or "us-east-1",
        client.meta.endpoint_url,
    )


def use_buckets(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Let DuckDB read and write the files of buckets.

    The keys are parameters, so that no message can show them as a part of a statement.

    Args:
        connection: the connection that needs them.
        name: of the bucket or the target, for messages.

    Raises:
        ConfigurationError: a package is missing, or there are no credentials.
    """
    (file,) = extension_files("lake", "httpfs")
    connection.execute(f"load {quoted_text(str(file))}")
    settings = secret_of_duckdb(bucket_access(name))
    names = ", ".join(f"{name} ?" for name in settings)
    connection.execute(f"create or replace secret bucket (type s3, {names})", [*settings.values()])


def secret_of_duckdb(access: BucketAccess) -> dict[str, str | bool]:
    """Return the parameters of DuckDB's secret for buckets."""
    endpoint = urlsplit(access.endpoint)
    host = endpoint.hostname or ""
    is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    given = {
        "key_id": access.key_id,
        "secret": access.secret,
        "session_token": access.token,
        "region": access.region,
        "endpoint": endpoint.netloc,
        "url_style": "vhost" if is_aws else "path",  # other stores may have no name per bucket
        "use_ssl": endpoint.scheme == "https",
    }
    return {name: value for name, value in given.items() if value is not None}
