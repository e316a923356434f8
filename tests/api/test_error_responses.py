"""What a refusal means: who speaks, whether it passes, and what to do about it."""

import pytest

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.model.times import SECOND, parse_instant

NOW = parse_instant("2026-03-18T02:00:00Z", option="NOW")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error_code":"DBS.280001","error_msg":"Invalid."}', "400 DBS.280001: Invalid."),
        (
            b'{"error_msg":"No token.","error_code":"APIGW.0301","request_id":"7"}',
            "400 APIGW.0301: No token.",
        ),
        (
            b'{"error":{"code":401,"message":"Wrong password.","title":"Unauthorized"}}',
            "400 Unauthorized: Wrong password.",
        ),
        (b"<html><h1>Bad\n gateway</h1>", "400: not JSON: '<html><h1>Bad gateway</h1>'"),
        (b"", "400: an empty answer"),
        (b"[]", "400: not JSON: '[]'"),
        (b"{}", "400"),
    ],
)
def test_every_party_is_understood(body: bytes, expected: str) -> None:
    """Service, gateway, IAM and proxy each say it in their own way; all are shown with words."""
    assert str(error_responses.read_complaint(400, body)) == expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Wed, 18 Mar 2026 02:01:00 GMT", 60.0),
        ("Wed, 18 Mar 2026 01:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds and dates are understood, in the past is now, nonsense is no wish."""
    assert error_responses.read_rest(header, NOW) == seconds


def test_an_http_date_is_read() -> None:
    """The Date header tells the server's clock."""
    assert error_responses.read_http_date("Wed, 18 Mar 2026 02:00:01 GMT") == NOW + SECOND


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "DBS.280015", ["my-project", "GaussDB ReadOnlyAccess", "DBS.280015"]),
        (400, "DBS.216003", ["my-project", "GaussDB ReadOnlyAccess"]),
        (404, None, ["my-project", "--project-id", "--endpoint"]),
        (400, "DBS.280439", ["limit=1000", "DBS.280439"]),
        (302, None, ["redirect", "--endpoint"]),
        (418, None, ["418", "--endpoint"]),
    ],
)
def test_a_lasting_refusal_says_what_to_do(status: int, code: str | None, words: list[str]) -> None:
    """One sentence with the service's code, the thing, and the mend."""
    sentence = error_responses.explain(
        error_responses.ErrorResponse(status, code, "as it is"),
        project_id="my-project",
        endpoint="https://x",
        call="/v3/my-project/tasks?limit=1000",
    )
    assert all(word in sentence for word in words)
    assert "\n" not in sentence
