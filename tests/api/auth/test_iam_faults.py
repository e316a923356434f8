"""IAM, or what stands in its place, answers in unexpected ways: one message, and it ends."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gaussdb_tasks.api.auth.sign_in import sign_in
from gaussdb_tasks.api.deadline import Deadline, ends_by
from gaussdb_tasks.errors import (
    AccessError,
    ConfigurationError,
    GaussdbTasksError,
    ServiceError,
    SignInRefusedError,
)
from gaussdb_tasks.settings import AccessRequest

PASSWORD = "a-password-to-hide"


class _Iam(ThreadingHTTPServer):
    daemon_threads = True
    status = 200
    body = b""
    content_type = "text/html"
    calls = 0


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, _Iam)
        server.calls += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(server.status)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    do_GET = do_POST = do_CONNECT = _answer  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Log nothing."""


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Iam]:
    """Serve one answer to every call; waits between attempts take no time."""
    monkeypatch.setattr("gaussdb_tasks.api.deadline.time.sleep", lambda _seconds: None)
    with _Iam(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        environ = {
            "OS_AUTH_URL": f"http://127.0.0.1:{server.server_port}/v3",
            "OS_USERNAME": "user",
            "OS_PASSWORD": PASSWORD,
            "OS_USER_DOMAIN_NAME": "domain",
            "OS_PROJECT_NAME": "project",
            "OS_REGION_NAME": "eu-de",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, b"<html><title>Maintenance</title></html>", ServiceError, "Maintenance"),
        (201, b"<html><p>Please sign in</p></html>", ServiceError, "Please sign in"),
        (200, b'{"unexpected":1}', ServiceError, "unexpected"),
        (200, b"\xff\xfe\x00", ServiceError, "not JSON"),
        (520, b"<html><title>Unknown error</title></html>", ServiceError, "Unknown error"),
        (599, b"", ServiceError, "an empty response"),
        (403, b"<html><p>Blocked</p></html>", AccessError, "Blocked"),
        (401, b'{"error":{"message":"Wrong password","code":401}}', SignInRefusedError, "401"),
        (404, b"<html>nothing here</html>", ConfigurationError, "OS_AUTH_URL"),
        (403, b'{"error_code":"IAM.7","error_msg":"Locked"}', AccessError, "403 IAM.7: Locked"),
        (400, b'\xef\xbb\xbf{"message":"With a BOM"}', AccessError, "400: With a BOM"),
        (400, b'"A text"', AccessError, "400: A text"),
        (407, b"<html><p>Who?</p></html>", ConfigurationError, "the proxy refuses to connect"),
        (302, b"", ConfigurationError, "a portal"),
        (451, b"Blocked by law", AccessError, "a portal in between"),
        (408, b"", ServiceError, "is not available (408"),
        (530, b'{"message":"Origin"}', ServiceError, "is not available (530: Origin)"),
    ],
)
def test_an_answer_that_is_not_from_iam(
    iam: _Iam, status: int, body: bytes, error: type[GaussdbTasksError], words: str
) -> None:
    """Faults of the service end with 1, settings with 2; the first words are shown."""
    iam.status, iam.body = status, body
    with pytest.raises(error) as raised:
        sign_in(AccessRequest(), _environ(iam))
    assert type(raised.value) is error
    assert words in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert iam.calls <= 6


@pytest.mark.parametrize("status", [408, 425, 429, 503, 521, 530, 599])
@pytest.mark.parametrize("path", ["/v3", "/identity/v3", ""])
def test_a_passing_fault_of_iam_is_tried_again(iam: _Iam, status: int, path: str) -> None:
    """Also if the address does not begin with a version, so that IAM is first asked for it."""
    iam.status, iam.body = status, b"<html><title>Back soon</title></html>"
    address = f"http://127.0.0.1:{iam.server_port}{path}"
    with pytest.raises(ServiceError, match=rf"is not available \({status}.*Back soon"):
        sign_in(AccessRequest(), {**_environ(iam), "OS_AUTH_URL": address})
    assert iam.calls >= 4


@pytest.mark.parametrize("status", [403, 407, 418, 451])
def test_a_lasting_refusal_is_not_tried_again(
    iam: _Iam, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The list of projects for an access key is read with the same rules as a sign-in."""
    iam.status, iam.body = status, b"<html><title>Blocked</title></html>"
    for name in ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"):
        monkeypatch.delenv(name)
    keys = {"OS_ACCESS_KEY": "AK0000000000000TEST", "OS_SECRET_KEY": PASSWORD}
    environ = {"OS_AUTH_URL": _environ(iam)["OS_AUTH_URL"], "OS_REGION_NAME": "eu-de", **keys}
    with pytest.raises((AccessError, ConfigurationError), match=f"{status}.*Blocked"):
        sign_in(AccessRequest(all_projects=True), environ)
    assert iam.calls == 1
    iam.status = 503
    with pytest.raises(ServiceError, match="is not available"):
        sign_in(AccessRequest(all_projects=True), environ)
    assert iam.calls == 5


def test_a_refusal_of_the_proxy_is_not_tried_again(
    iam: _Iam, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that does not connect to IAM is a setting; one that is busy is tried again."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{iam.server_port}")
    monkeypatch.setenv("OS_AUTH_URL", "https://iam.test/v3")
    environ = {**_environ(iam), "OS_AUTH_URL": "https://iam.test/v3"}
    for status in (403, 407):
        iam.status, iam.calls = status, 0
        with pytest.raises(ConfigurationError, match=rf"the proxy refuses .* \({status}\)"):
            sign_in(AccessRequest(), environ)
        assert iam.calls <= 2
    iam.status, iam.calls = 503, 0
    with pytest.raises(ServiceError, match="is not available"):
        sign_in(AccessRequest(), environ)
    assert iam.calls >= 4


def test_a_sign_in_ends_with_the_time_of_the_load(iam: _Iam) -> None:
    """After the limit no answer is waited for, and nothing is tried again."""
    iam.status, iam.body = 503, b"busy"
    seconds = [0.0]
    deadline = Deadline(60, monotonic=lambda: seconds[0])
    seconds[0] = 60.0
    with ends_by(deadline), pytest.raises(ServiceError):
        sign_in(AccessRequest(), _environ(iam))
    assert iam.calls <= 2


@pytest.mark.parametrize("proxy", ["foo://u:proxy-password@127.0.0.1:9", "http://"])
def test_the_address_of_a_proxy_is_not_usable(
    iam: _Iam, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A wrong setting is not an IAM that is away."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("OS_AUTH_URL", "https://iam.test/v3")
    environ = {**_environ(iam), "OS_AUTH_URL": "https://iam.test/v3"}
    with pytest.raises(ConfigurationError, match=r"an address is not usable.*HTTPS_PROXY") as error:
        sign_in(AccessRequest(), environ)
    assert "proxy-password" not in str(error.value)


def _environ(iam: _Iam) -> dict[str, str]:
    return {
        "OS_AUTH_URL": f"http://127.0.0.1:{iam.server_port}/v3",
        "OS_USERNAME": "user",
        "OS_PASSWORD": PASSWORD,
        "OS_REGION_NAME": "eu-de",
    }
