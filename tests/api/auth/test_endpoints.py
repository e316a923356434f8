"""The URLs that may be called, and those that must not get a token."""

import pytest

from gaussdb_tasks.api.auth import endpoints, regions
from gaussdb_tasks.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://gaussdb.eu-de.otc.t-systems.com", "https://gaussdb.eu-de.otc.t-systems.com"),
        ("https://gaussdb.eu-de.otc.t-systems.com/", "https://gaussdb.eu-de.otc.t-systems.com"),
        ("https://gaussdb.eu-de.otc.t-systems.com/v3/", "https://gaussdb.eu-de.otc.t-systems.com"),
        (" https://h:8443/prefix/v3 ", "https://h:8443/prefix"),
        ("http://127.0.0.1:8280", "http://127.0.0.1:8280"),
        ("http://localhost:8280", "http://localhost:8280"),
        ("http://[::1]:8280/", "http://[::1]:8280"),
    ],
)
def test_clean_endpoint(url: str, cleaned: str) -> None:
    """Spaces, trailing slashes and the version are removed."""
    assert endpoints.clean_endpoint(url, source="--endpoint") == cleaned


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gaussdb.eu-de",
        "ftp://h",
        "https://",
        "https://h:port",
        "https://h?a=1",
        "//h",
        "http://",
    ],
)
def test_invalid_urls(url: str) -> None:
    """The message names the option and shows a valid URL."""
    with pytest.raises(ConfigurationError, match=r"--endpoint.*https://gaussdb"):
        endpoints.clean_endpoint(url, source="--endpoint")


@pytest.mark.parametrize(
    "url",
    ["http://gaussdb.eu-de.otc.t-systems.com", "http://10.0.0.1", "http://127.0.0.1.example.com"],
)
def test_plain_http(url: str) -> None:
    """Plain http is allowed for this machine only."""
    with pytest.raises(ConfigurationError, match="use https"):
        endpoints.clean_endpoint(url, source="--endpoint")


def test_url_with_a_password() -> None:
    """A URL with a password is refused, and the password is not shown."""
    with pytest.raises(ConfigurationError) as refusal:
        endpoints.clean_endpoint("https://user:sesame@h", source="--endpoint")
    assert "sesame" not in str(refusal.value)


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-de", "https://gaussdb.eu-de.otc.t-systems.com"),
        ("eu-nl", "https://gaussdb.eu-nl.otc.t-systems.com"),
        ("eu-ch2", "https://gaussdb.eu-ch2.sc.otc.t-systems.com"),
    ],
)
def test_endpoint_of_region(region: str, url: str) -> None:
    """The endpoint follows from the region, and the region from the endpoint."""
    assert regions.endpoint_of_region(region) == url
    assert endpoints.region_of_endpoint(url) == region


def test_region_of_other_endpoints() -> None:
    """This machine is the region ``local``; another host has no region."""
    assert endpoints.region_of_endpoint("http://127.0.0.1:1") == "local"
    assert endpoints.region_of_endpoint("https://gaussdb.example.com") is None
