"""Secrets that the settings hold are masked in every form in which a library may show them."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from gaussdb_tasks import known_secrets
from gaussdb_tasks.errors import ConfigurationError, ServiceError, worst_of
from gaussdb_tasks.known_secrets import mask, remember, remember_url_credentials, start_with

SECRET = 'sésame/ouvre "toi"+%\ttoken'


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Start and end without secrets."""
    start_with({})
    yield
    start_with({})


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        repr(SECRET),
        json.dumps(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        f"Invalid header value {SECRET!r}",
    ],
)
def test_forms(shown: str) -> None:
    remember(SECRET)
    assert "token" not in mask(shown)
    assert "***" in mask(shown)


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_around_a_secret_does_not_hide_it(end: str) -> None:
    remember(f"open-sesame{end}")
    for shown in ("open-sesame", f"open-sesame{end}", repr(f"open-sesame{end}")):
        assert "sesame" not in mask(shown)


def test_each_line_of_a_secret_is_masked() -> None:
    remember("first-line\nsecond-line")
    assert mask("a second-line, b'first-line\\nsecond-line'") == "a ***, b'***'"


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    """Inside a word it is left: masking it would garble messages."""
    remember("pass1")
    assert mask("password pass1: 'pass1', pass12") == "password ***: '***', pass12"


def test_a_secret_inside_another_one_leaves_no_rest() -> None:
    remember("abcdefgh")
    remember("abcdefghijklmnop")
    assert mask("abcdefghijklmnop abcdefgh") == "*** ***"


def test_the_password_of_a_url_is_masked_outside_the_url() -> None:
    remember_url_credentials("http://user:p%40ssword@proxy.test:3128")
    assert mask("p%40ssword p@ssword proxy.test") == "*** *** proxy.test"


def test_variables_with_secrets_are_remembered() -> None:
    """References to files and commands, and variables of other programs, are not secrets."""
    start_with(
        {
            "OS_PASSWORD": "secret-one",
            "OS_PASSCODE": "712834",
            "AWS_SESSION_TOKEN": "secret-two",
            "FSSPEC_S3_SECRET": "secret-five",
            "https_proxy": "http://u:secret-three@proxy.test",
            "GAUSSDB_TASKS_PING_URL": "https://ping.test/secret-four",
            "OS_PASSWORD_FILE": "/run/secrets/password",
            "OS_USERNAME": "ada-lovelace",
            "HOME": "/home/ada",
        }
    )
    hidden = "secret-one 712834 secret-two secret-three https://ping.test/secret-four secret-five"
    assert mask(hidden) == "*** *** *** *** *** ***"
    shown = "/run/secrets/password ada-lovelace /home/ada"
    assert mask(shown) == shown


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *[(name, True) for name in ("OS_PASSWORD", "password", "token", "security_token")],
        *[(name, True) for name in ("OS_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "ping-url")],
        *[(name, True) for name in ("application_credential_secret", "passcode")],
        *[(name, False) for name in ("new-key", "lost-key")],
        *[(name, False) for name in ("OS_ACCESS_KEY", "OS_KEY", "key", "signing-key")],
        *[(name, False) for name in ("public-key", "OS_USERNAME", "project_id", "archive-url")],
    ],
)
def test_names_of_secrets(name: str, *, is_secret: bool) -> None:
    """The path of a key file is none: messages show it."""
    assert known_secrets.is_secret_name(name) is is_secret


def test_credentials_in_headers_are_masked() -> None:
    """The Basic scheme encodes a password, so that it is in no form that is known."""
    assert mask("b'Basic dTpzZXNhbWU=' Bearer abcdef.g1") == "b'Basic ***' Bearer ***"
    assert mask("Basic authentication is needed") == "Basic authentication is needed"


def test_an_error_of_the_package_holds_no_secret() -> None:
    """Its text also goes into the database, the metrics and the ping."""
    known_secrets.remember("open-sesame")
    assert str(ConfigurationError("it is open-sesame")) == "it is ***"
    joined = worst_of([ConfigurationError("a"), ServiceError("b", "open-sesame")])
    assert joined.lines == ("a", "b", "***")
