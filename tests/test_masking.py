"""Credentials in URLs are masked in all output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaussdb_tasks.masking import mask_url_credentials

# All characters except those that end a URL in a text or start another one.
PASSWORDS = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1).filter(
    lambda text: "://" not in f"{text}//" and not any(character.isspace() for character in text)
)
PARAMETER_VALUES = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="&\"'<>"), min_size=1
).filter(lambda text: "://" not in text and not any(character.isspace() for character in text))
SCHEMES = st.sampled_from(["http", "https", "socks5", "socks5h", "s3", "postgresql+psycopg2"])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://user:secret@proxy:3128/", "https://***@proxy:3128/"),
        ("http://token@proxy.example", "http://***@proxy.example"),
        ("socks5://user:a%2Fb%40c@proxy:1080", "socks5://***@proxy:1080"),
        ("s3://id:a/b+c=@bucket/prefix", "s3://***@bucket/prefix"),
        ("postgresql://ada:p@ss:word@db:5432/tasks", "postgresql://***@db:5432/tasks"),
        ("jdbc:postgresql://ada:pass@db/tasks", "jdbc:postgresql://***@db/tasks"),
        ("https://user:a?b#c@proxy", "https://***@proxy"),
        ("https://user:a?token=b@proxy", "https://***@***"),
        ("//user:secret@proxy:3128", "//***@proxy:3128"),
        ("user:secret@proxy:3128", "***@proxy:3128"),
        ("HTTPS_PROXY=user:secret@proxy:3128", "HTTPS_PROXY=***@proxy:3128"),
        ("HTTPS_PROXY=https://user:secret@proxy", "HTTPS_PROXY=https://***@proxy"),
        (
            "http://a:b@one, then 'https://c:d@two' and <ftp://e@three>",
            "http://***@one, then 'https://***@two' and <ftp://***@three>",
        ),
        ("http://a:b@one,http://c:d@two", "http://***@one,http://***@two"),
        ('{"proxy":"user:secret@proxy"}', '{"proxy":"***@proxy"}'),
        ("http://h/?next=https://a:b@two", "http://h/?next=https://***@two"),
    ],
)
def test_userinfo(text: str, masked: str) -> None:
    """Credentials before the host are masked, with and without a scheme."""
    assert mask_url_credentials(text) == masked


@pytest.mark.parametrize(
    "name",
    [
        "token", "access_token", "key", "api-key", "sig", "signature", "secret", "password", "pwd",
        "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "auth",
        "%74oken",
    ],
)  # fmt: skip
def test_secret_parameters(name: str) -> None:
    """Query parameters with secret-looking names lose their value, the others keep it."""
    text = f"GET https://host/path?limit=5&{name}=a/b@c:d=#e&offset=7 failed"
    masked = mask_url_credentials(text)
    assert not any(part in masked for part in ("a/b", "c:d", "#e"))
    assert masked.endswith("&offset=7 failed")
    assert mask_url_credentials(f"url: /path?{name}=abc&b=1") == f"url: /path?{name}=***&b=1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no URL at all: 5 of 7",
        "https://gaussdb.eu-de.otc.t-systems.com/v3/p/tasks?limit=100&offset=0",
        "http://127.0.0.1:8080/v3?count=0&design=1",
        "s3://bucket/prefix and file:///srv/ada@home/data",
        "/srv/gaussdb-tasks and ada@example.com, at 10:30:00",
    ],
)
def test_other_texts(text: str) -> None:
    """Texts without credentials do not change."""
    assert mask_url_credentials(text) == text


@given(SCHEMES, st.sampled_from(["user", "DOMAIN\\user", "a%40b"]), PASSWORDS)
def test_any_password(scheme: str, user: str, password: str) -> None:
    """Any printable password is masked, also one that is not percent-encoded."""
    masked = mask_url_credentials(f"cannot reach {scheme}://{user}:{password}@proxy:3128 (timeout)")
    assert masked in {
        f"cannot reach {scheme}://***@proxy:3128 (timeout)",
        f"cannot reach {scheme}://***@*** (timeout)",
    }


@given(SCHEMES, PASSWORDS)
def test_any_token(scheme: str, token: str) -> None:
    """A token before the host is masked; one that begins with `/` would be a path."""
    text = f"{scheme}://{token.lstrip('/')}x@proxy/path"
    assert mask_url_credentials(text) in {f"{scheme}://***@proxy/path", f"{scheme}://***@***"}


@given(st.sampled_from(["token", "X-Amz-Signature", "sig"]), PARAMETER_VALUES)
def test_any_secret_parameter(name: str, value: str) -> None:
    """Any value of a secret parameter is masked."""
    masked = mask_url_credentials(f"https://host/path?a=1&{name}={value}&b=2")
    assert masked in {f"https://host/path?a=1&{name}=***&b=2", "https://***@***&b=2"}
