"""Let DuckDB read and write the files of a bucket, with the credentials that copies use."""

import os
from urllib.parse import urlsplit

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import remember
from gaussdb_tasks.publication.extensions import extension_files


def use_buckets(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the credentials, the region and the endpoint of the AWS variables and files.

    The keys are parameters, so that no message can show them as a part of a statement.

    Raises:
        ConfigurationError: a package is missing, or there are no credentials.
    """
    (file,) = extension_files("lake", "httpfs")
    connection.execute(f"load {quoted_text(str(file))}")
    settings = _settings()
    names = ", ".join(f"{name} ?" for name in settings)
    connection.execute(f"create or replace secret bucket (type s3, {names})", [*settings.values()])


def _settings() -> dict[str, str | bool]:
    try:
        from botocore.session import get_session  # noqa: PLC0415 - an optional package
    except ImportError as error:
        message = "a package for s3:// is not installed; run: pip install 'gaussdb-tasks[s3]'"
        raise ConfigurationError(message) from error
    session = get_session()
    credentials = session.get_credentials()
    if credentials is None:
        message = "there are no credentials for s3://; set AWS_ACCESS_KEY_ID and its secret"
        raise ConfigurationError(message)
    keys = credentials.get_frozen_credentials()
    for secret in (keys.secret_key, keys.token):
        remember(secret)
    endpoint = urlsplit(
        os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    )
    given: dict[str, str | bool | None] = {
        "key_id": keys.access_key,
        "secret": keys.secret_key,
        "session_token": keys.token,
        "region": session.get_config_variable("region") or "us-east-1",
        "endpoint": endpoint.netloc or None,
        "url_style": "path" if endpoint.netloc else None,
        "use_ssl": False if endpoint.scheme == "http" else None,
    }
    return {name: value for name, value in given.items() if value is not None}
