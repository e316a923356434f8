"""Error responses: their formats, whether they are transient, and the remedy."""

import pytest

from gaussdb_tasks.api import error_responses
from gaussdb_tasks.model.times import SECOND, parse_time

NOW = parse_time("2026-03-18T02:00:00Z", option="NOW")


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
        (b'\xef\xbb\xbf{"error_code":"DBS.1","error_msg":"With a BOM."}', "400 DBS.1: With a BOM."),
        (b'{"message":"Only a message."}', "400: Only a message."),
        (b'{"code":"X.7","message":"Both."}', "400 X.7: Both."),
        (b'{"error":{"message":"Nested.","code":"X.8"}}', "400 X.8: Nested."),
        (b'{"error":"invalid_request","error_description":"In words."}', "400: In words."),
        (b'{"error":"only a text"}', "400: only a text"),
        (
            b'{"errors":[{"code":7,"detail":"In a list."},{"detail":"Another."}]}',
            "400 7: In a list.",
        ),
        (b'[{"message":"A list."}]', "400: A list."),
        (
            b'{"fault":{"faultstring":"?"}}',
            """400: JSON of another form: '{"fault":{"faultstring":"?"}}'""",
        ),
        (b"<html><h1>Bad\n gateway</h1>", "400: an HTML page: 'Bad gateway'"),
        (
            b"<!DOCTYPE html><title>Sign &amp; in</title><h1>x</h1>",
            "400: an HTML page: 'Sign & in'",
        ),
        (b"<html><script>var x</script><p>Back\tsoon</p>", "400: an HTML page: 'Back soon'"),
        (b"upstream\x1b[31m failed", "400: not JSON: 'upstream\\x1b[31m failed'"),
        (b"", "400: an empty response"),
        (b" \r\n", "400: an empty response"),
        (b'"only a text"', "400: only a text"),
        (b"null", "400: not JSON: 'null'"),
        (b"[]", "400"),
        (b"{}", "400"),
    ],
)
def test_formats(body: bytes, expected: str) -> None:
    """The formats of service, gateway, IAM and proxy are all shown with code and message."""
    assert str(error_responses.parse_error_response(400, body)) == expected


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
    """Seconds and dates are accepted; a past date is 0, an invalid value is None."""
    assert error_responses.read_retry_after(header, NOW) == seconds


def test_http_date() -> None:
    """The Date header is read as a time in microseconds."""
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
def test_permanent_refusals(status: int, code: str | None, words: list[str]) -> None:
    """The message is one line with the code, the project and the remedy."""
    message = error_responses.describe_refusal(
        error_responses.ErrorResponse(status, code, "as it is"),
        project_id="my-project",
        endpoint="https://x",
        call="/v3/my-project/tasks?limit=1000",
    )
    assert all(word in message for word in words)
    assert "\n" not in message
