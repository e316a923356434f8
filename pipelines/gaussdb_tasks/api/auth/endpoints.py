"""Check the URLs that credentials are sent to."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from gaussdb_tasks.api.auth import regions
from gaussdb_tasks.errors import ConfigurationError


def clean_endpoint(url: str, *, source: str) -> str:
    """Return a URL in the form that the client uses: no trailing slash, no ``/v3``.

    Raises:
        ConfigurationError: it is not an http(s) URL, has credentials in it, or is plain http to
            another machine.
    """
    parts = checked_url(url, source=source)
    path = parts.path.rstrip("/").removesuffix("/v3")
    return f"{parts.scheme}://{parts.netloc}{path}"


def checked_ping_url(url: str, *, source: str) -> SplitResult:
    """Split the URL of a dead man's switch, which no message shows.

    Raises:
        ConfigurationError: as for ``clean_endpoint``.
    """
    return checked_url(url, source=source, is_secret=True, example="https://hc-ping.com/UUID")


def check_iam_url(url: str, *, source: str) -> None:
    """Check the URL of IAM.

    Raises:
        ConfigurationError: as for ``clean_endpoint``.
    """
    checked_url(url, source=source, example="https://iam.eu-de.otc.t-systems.com/v3")


def checked_url(
    url: str,
    *,
    source: str,
    is_secret: bool = False,
    allows_link_local: bool = False,
    example: str = "https://gaussdb.eu-de.otc.t-systems.com",
) -> SplitResult:
    """Split a URL that credentials may be sent to.

    Args:
        url: the address.
        source: the setting that has it.
        is_secret: whether messages must not show it.
        allows_link_local: whether it may be plain http to the link of this machine.
        example: a right URL, for messages.

    Raises:
        ConfigurationError: as for ``clean_endpoint``.
    """
    if "@" in url:
        # Checked first, because the messages below show the URL.
        message = f"{source}: a URL with credentials is not allowed; remove the part before the @"
        raise ConfigurationError(message)
    parts = split_http_url(url.strip())
    shown = "the address" if is_secret else repr(url)
    if parts is not None and (parts.query or parts.fragment):
        message = f"{source}: a URL with a query is not allowed; write it like {example}"
        raise ConfigurationError(message)
    if parts is None:
        message = f"{source}: {shown} is not an http(s) URL; write it like {example}"
        raise ConfigurationError(message)
    host = parts.hostname or ""
    is_near = is_loopback(host) or (allows_link_local and _is_link_local(host))
    if parts.scheme == "http" and not is_near:
        message = (
            f"{source}: {shown} is plain http; tokens and passwords are only sent encrypted "
            "to another machine; use https"
        )
        raise ConfigurationError(message)
    return parts


def split_http_url(url: str) -> SplitResult | None:
    """Split an http(s) URL with a host; None if it is not one."""
    if " " in url or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if the port is not a number
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def projects_url(iam_url: str) -> str:
    """Return the URL at which IAM lists the projects of a user."""
    return f"{iam_url.rstrip('/').removesuffix('/v3')}/v3/auth/projects"


def region_of_endpoint(endpoint: str) -> str | None:
    """Read the region from the host of a URL; None if it has none."""
    host = urlsplit(endpoint).hostname or ""
    if is_loopback(host):
        return "local"
    return regions.region_of_host(host)
