"""What is particular to S3 and to stores that are like it: options, listings, refusals.

Stores differ from S3 in what they refuse. Some answer 412 without naming the condition, some cannot
create on condition, and some keep the framing of `aws-chunked` uploads as content.
"""

import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import md5
from typing import Any, Final

from gaussdb_tasks.errors import ConfigurationError

PROTOCOLS: Final = frozenset({"s3", "s3a"})
CREDENTIALS_REMEDY: Final = "set AWS_PROFILE or AWS_ACCESS_KEY_ID"

# An archive of an hourly load for ten years has some 800,000 files.
MAX_LISTED: Final = 2_000_000
# S3 may answer with a page that is empty and not the last one.
_MAX_EMPTY_PAGES: Final = 20
# A single upload can have up to 5 GB. s3fs splits larger ones than twice this number.
_SINGLE_UPLOAD_BYTES: Final = 5 * 1024**3
_NO_OBJECT_LOCK: Final = "ObjectLockConfigurationNotFoundError"
_CHECKSUM_SETTINGS: Final = ("request_checksum_calculation", "response_checksum_validation")


class ListingError(Exception):
    """A store's listing has no end, or lacks a part."""


def options() -> dict[str, Any]:
    """Return options for s3fs: plain bodies, and one request at a time for a file.

    A user's settings of fsspec and of the AWS variables prevail.
    """
    from fsspec.config import conf  # noqa: PLC0415 - slow, and needed only with a mirror

    given = conf.get("s3", {}).get("config_kwargs", {})
    plain = {
        name: "when_required"
        for name in _CHECKSUM_SETTINGS
        if f"AWS_{name.upper()}" not in os.environ
    }
    return {"config_kwargs": {**plain, **given}, "max_concurrency": 1}


def upload_arguments(content: bytes) -> dict[str, Any]:
    """Return arguments that send a file in one request.

    A bucket with object lock requires a checksum; Content-MD5 is the one that all stores know.
    """
    digest = md5(content, usedforsecurity=False).digest()
    return {
        "chunksize": _SINGLE_UPLOAD_BYTES,
        "ContentMD5": b64encode(digest).decode(),
    }


def list_files(fs: Any, root: str, timeout: float) -> Iterator[tuple[str, int]]:
    """Yield the name, relative to a root, and the size in bytes of each file below the root."""
    bucket, prefix = _bucket_and_prefix(fs, root)
    for page in _pages(fs, bucket, prefix, timeout):
        for listed in page.get("Contents", ()):
            yield str(listed["Key"]).removeprefix(prefix), int(listed["Size"])


def list_folders(fs: Any, root: str, timeout: float) -> Iterator[str]:
    """Yield the names of the folders directly below a root."""
    bucket, prefix = _bucket_and_prefix(fs, root)
    for page in _pages(fs, bucket, prefix, timeout, Delimiter="/"):
        for listed in page.get("CommonPrefixes", ()):
            yield str(listed["Prefix"]).removeprefix(prefix).removesuffix("/")


def _bucket_and_prefix(fs: Any, root: str) -> tuple[str, str]:
    bucket, key, _version = fs.split_path(root)
    return bucket, f"{key.rstrip('/')}/" if key else ""


def _pages(
    fs: Any, bucket: str, prefix: str, timeout: float, **more: str
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of a listing.

    Raises:
        ListingError: the listing has no end, or lacks a part.
    """
    listed_count, empty_count = 0, 0
    while True:
        page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, timeout=timeout, **more)
        yield page
        if not page.get("IsTruncated"):
            return
        length = len(page.get("Contents", ())) + len(page.get("CommonPrefixes", ()))
        listed_count += length
        empty_count += not length
        if listed_count > MAX_LISTED or empty_count > _MAX_EMPTY_PAGES:
            message = f"its listing has no end ({listed_count:,} names so far)"
            raise ListingError(message)
        token = page.get("NextContinuationToken")
        if not token:
            message = "its listing lacks a part: the store does not know ListObjectsV2"
            raise ListingError(message)
        more["ContinuationToken"] = token


def answer_of(error: BaseException) -> tuple[int | None, str]:
    """Return the HTTP status and the code of a store's answer, from what botocore raised."""
    caught: BaseException | None = error
    while caught is not None:
        response = getattr(caught, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return status, str(response.get("Error", {}).get("Code", ""))[:80]
        caught = caught.__cause__
    return None, ""


def lock_arguments(fs: Any, root: str, retain_until: datetime, name: str) -> dict[str, Any]:
    """Return arguments that lock a new file; none if the bucket has a default rule.

    Raises:
        ConfigurationError: the bucket has no object lock.
    """
    bucket = root.partition("/")[0]
    try:
        answer = fs.call_s3("get_object_lock_configuration", Bucket=bucket)
    except Exception as error:
        if _NO_OBJECT_LOCK not in repr(error.__cause__) + repr(error) and not isinstance(
            error, FileNotFoundError
        ):
            raise
        message = f"--archive-lock: the bucket of {name} has no object lock; omit the option"
        raise ConfigurationError(message) from error
    if answer.get("ObjectLockConfiguration", {}).get("Rule"):
        return {}
    # In this mode, users with a special permission can still delete files, as a law may require.
    return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": retain_until}
