"""Check the URLs that credentials are sent to; derive the URLs of a region."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gaussdb_tasks.errors import ConfigurationError

_REGION: Final = re.compile(r"(?:^|\.)([a-z]{2}-[a-z]{2}\d?)(?:\.|$)")

_REGION_OF_PROJECT: Final = re.compile(r"([a-z]{2}-[a-z]{2}\d?)(?:_|$)")

# The Swiss region has its own parent domain and other operators.
_SWISS_REGIONS: Final = frozenset({"eu-ch2"})


def clean_endpoint(url: str, *, source: str) -> str:
    """Return a URL in the form that the client uses: no trailing slash, no ``/v3``.

    Raises:
        ConfigurationError: it is not an http(s) URL, has credentials in it, or is plain http to
            another machine.
    """
    parts = checked_url(url, source=source)
    path = re.sub(r"/v3$", "", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def checked_url(url: str, *, source: str) -> SplitResult:
    """Split a URL that credentials may be sent to.

    Raises:
        ConfigurationError: as for ``clean_endpoint``.
    """
    if "@" in url:
        # Checked first, because the messages below show the URL.
        message = f"{source}: a URL with credentials is not allowed; remove the part before the @"
        raise ConfigurationError(message)
    try:
        parts = urlsplit(url.strip())
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises ValueError if the port is not a number
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment:
        message = (
            f"{source}: {url!r} is not an http(s) URL; "
            "write it like https://gaussdb.eu-de.otc.t-systems.com"
        )
        raise ConfigurationError(message)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        message = (
            f"{source}: {url!r} is plain http; tokens and passwords are only sent encrypted "
            "to another machine; use https"
        )
        raise ConfigurationError(message)
    return parts


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def endpoint_of_region(region: str) -> str:
    """Return the default URL of the service in a region."""
    parent = "sc.otc.t-systems.com" if region in _SWISS_REGIONS else "otc.t-systems.com"
    return f"https://gaussdb.{region}.{parent}"


def iam_of_region(region: str) -> str:
    """Return the default URL of IAM in a region."""
    if region in _SWISS_REGIONS:
        return f"https://iam-pub.{region}.sc.otc.t-systems.com/v3"
    return f"https://iam.{region}.otc.t-systems.com/v3"


def projects_url(iam_url: str) -> str:
    """Return the URL at which IAM lists the projects of a user."""
    return f"{re.sub(r'/v3$', '', iam_url.rstrip('/'))}/v3/auth/projects"


def region_of_project(name: str) -> str | None:
    """Read the region from a project name such as eu-de or eu-de_shop; None if it has none."""
    match = _REGION_OF_PROJECT.match(name)
    return match[1] if match else None


def region_of_endpoint(endpoint: str) -> str | None:
    """Read the region from the host of a URL; None if it has none."""
    host = urlsplit(endpoint).hostname or ""
    if is_loopback(host):
        return "local"
    match = _REGION.search(host)
    return match[1] if match else None
