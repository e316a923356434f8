"""Addresses: what is called, and what never gets a token."""

import pytest

from gaussdb_tasks.api.auth import endpoints
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
def test_an_address_is_brought_into_form(url: str, cleaned: str) -> None:
    """Slashes and the version at the end do not matter."""
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
def test_what_is_no_address_is_refused(url: str) -> None:
    """The sentence names the option and shows a good address."""
    with pytest.raises(ConfigurationError, match=r"--endpoint.*https://gaussdb"):
        endpoints.clean_endpoint(url, source="--endpoint")


@pytest.mark.parametrize(
    "url",
    ["http://gaussdb.eu-de.otc.t-systems.com", "http://10.0.0.1", "http://127.0.0.1.example.com"],
)
def test_a_token_never_travels_in_the_clear(url: str) -> None:
    """Plain http is for this machine only."""
    with pytest.raises(ConfigurationError, match="use https"):
        endpoints.clean_endpoint(url, source="--endpoint")


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    """An address with a password is refused without showing the password."""
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
def test_a_region_has_its_usual_address(region: str, url: str) -> None:
    """A region leads to the address, and the address back to the region."""
    assert endpoints.endpoint_of_region(region) == url
    assert endpoints.region_of_endpoint(url) == region


def test_some_addresses_do_not_show_a_region() -> None:
    """This machine is a region of its own; a strange host shows none."""
    assert endpoints.region_of_endpoint("http://127.0.0.1:1") == "local"
    assert endpoints.region_of_endpoint("https://gaussdb.example.com") is None
