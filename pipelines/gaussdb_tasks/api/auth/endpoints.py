"""Addresses: what may be called, and what must never be called with a token."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gaussdb_tasks.errors import ConfigurationError

_REGION: Final = re.compile(r"(?:^|\.)([a-z]{2}-[a-z]{2}\d?)(?:\.|$)")

_REGION_OF_PROJECT: Final = re.compile(r"([a-z]{2}-[a-z]{2}\d?)(?:_|$)")

# The Swiss region stands alone: another parent domain, other operators.
_SWISS_REGIONS: Final = frozenset({"eu-ch2"})


def clean_endpoint(url: str, *, source: str) -> str:
    """Return the address in the form the client uses: no trailing slash, no ``/v3``.

    Raises:
        ConfigurationError: it is no http(s) address, carries credentials, or is plain http to
            another host than this one.
    """
    parts = checked_url(url, source=source)
    path = re.sub(r"/v3$", "", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def checked_url(url: str, *, source: str) -> SplitResult:
    """Split an address that credentials may be sent to.

    Raises:
        ConfigurationError: as for ``clean_endpoint``.
    """
    if "@" in url:
        # Looked for first, since every other complaint shows the address.
        message = f"{source}: an address must not carry credentials; remove the part before the @"
        raise ConfigurationError(message)
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        message = (
            f"{source}: {url!r} is not an address; "
            "write it like https://gaussdb.eu-de.otc.t-systems.com"
        )
        raise ConfigurationError(message)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        message = (
            f"{source}: {url!r} is plain http, and a token or password never travels unencrypted "
            "to another host; use https"
        )
        raise ConfigurationError(message)
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def endpoint_of_region(region: str) -> str:
    """Return the service's usual address in a region."""
    parent = "sc.otc.t-systems.com" if region in _SWISS_REGIONS else "otc.t-systems.com"
    return f"https://gaussdb.{region}.{parent}"


def iam_of_region(region: str) -> str:
    """Return the usual address of IAM in a region."""
    if region in _SWISS_REGIONS:
        return f"https://iam-pub.{region}.sc.otc.t-systems.com/v3"
    return f"https://iam.{region}.otc.t-systems.com/v3"


def projects_url(iam_url: str) -> str:
    """Return where IAM lists the projects that a user may enter."""
    return f"{re.sub(r'/v3$', '', iam_url.rstrip('/'))}/v3/auth/projects"


def region_of_project(name: str) -> str | None:
    """Read the region from a project's name, such as eu-de or eu-de_shop; None if it shows none."""
    match = _REGION_OF_PROJECT.match(name)
    return match[1] if match else None


def region_of_endpoint(endpoint: str) -> str | None:
    """Read the region from an address; None where the host does not show it."""
    host = urlsplit(endpoint).hostname or ""
    if is_loopback(host):
        return "local"
    match = _REGION.search(host)
    return match[1] if match else None
