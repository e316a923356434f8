"""HTTP: requests and responses as plain values, error bodies, and a server on loopback.

The server sends head and body in one call, with Nagle's algorithm off. In two calls, the second
one would wait for the client's delayed acknowledgement: 40 ms a request.
"""

import contextlib
import json
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    import ssl

HOST: Final = "127.0.0.1"
_STOP_POLL_SECONDS: Final = 0.01
_CLOSE_TIMEOUT_SECONDS: Final = 5.0
_JSON_TYPE: Final = ("Content-Type", "application/json;charset=UTF-8")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Damage: TypeAlias = Literal["none", "truncated", "broken_off", "dropped"]
Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: the path as it was sent, header names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response; the server adds its length and date."""

    status: int
    body: bytes = b""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response and the damage done to it on the connection.

    `truncated` sends half of the body with a matching Content-Length. `broken_off` announces the
    complete body and closes the connection halfway. `dropped` closes it without an answer.
    """

    response: Response
    damage: Damage = "none"

    @property
    def status(self) -> int | None:
        """The status that the client receives; None if it receives nothing."""
        return None if self.damage == "dropped" else self.response.status


class RefusedError(Exception):
    """A request is refused; carries the error response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def compact_json(value: object) -> bytes:
    """Write JSON as the service does: UTF-8, no spaces, keys in the given order."""
    return _ENCODER.encode(value).encode()


def json_body(status: int, body: bytes, headers: Headers = ()) -> Response:
    """Answer with a body that is JSON already."""
    return Response(status, body, (_JSON_TYPE, *headers))


def json_response(status: int, value: object, headers: Headers = ()) -> Response:
    """Answer with a JSON document."""
    return json_body(status, compact_json(value), headers)


def service_error(status: int, code: str, message: str) -> Response:
    """Answer with an error in the service's format."""
    return json_response(status, {"error_code": code, "error_msg": message})


def gateway_error(status: int, code: str, message: str, headers: Headers = ()) -> Response:
    """Answer with an error in the API gateway's format."""
    body = {"error_msg": message, "error_code": code, "request_id": uuid.uuid4().hex}
    return json_response(status, body, headers)


def identity_error(status: int, title: str, message: str) -> Response:
    """Answer with an error in the identity service's format."""
    error = {"code": status, "message": message, "title": title}
    return json_response(status, {"error": error})


class LoopbackServer(ThreadingHTTPServer):
    """Serve `answer` on loopback from a background thread, with one thread a connection.

    An exception in `answer` becomes a 500 and is kept in `errors`. `date` returns the Date header.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        answer: Callable[[Request], Delivery],
        date: Callable[[], str],
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        super().__init__((HOST, port), _Handler)
        self.answer = answer
        self.date = date
        self.errors: list[BaseException] = []
        self._tls = tls
        self._open: set[socket] = set()
        self._open_changed = threading.Condition()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_STOP_POLL_SECONDS,), daemon=True
        )

    def start(self) -> None:
        """Start to serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close the connections that are still open."""
        self.shutdown()
        self._thread.join()
        with self._open_changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(SHUT_RDWR)
            self._open_changed.wait_for(lambda: not self._open, _CLOSE_TIMEOUT_SECONDS)
        self.server_close()

    def get_request(self) -> tuple[socket, Any]:
        """Accept a connection; its own thread does the TLS handshake."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._open_changed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        super().shutdown_request(request)
        with self._open_changed:
            self._open.discard(request)
            self._open_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as inherited
        """Keep the error, unless the client closed the connection."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    def _serve(self) -> None:
        try:
            delivery = self.server.answer(self._read_request())
        except Exception as error:  # noqa: BLE001 - kept, and raised when the emulator stops
            self.server.errors.append(error)
            delivery = Delivery(Response(500, b"the emulator itself failed"))
        self._send(delivery)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

    def _read_request(self) -> Request:
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=path,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )

    def _send(self, delivery: Delivery) -> None:
        response, damage = delivery.response, delivery.damage
        if damage in {"broken_off", "dropped"}:
            self.close_connection = True
        if damage == "dropped":
            return
        body = response.body
        half = body[: len(body) // 2]
        if damage == "truncated":
            body = half
        head = self._head(response, len(body))
        self.wfile.write(head + (half if damage == "broken_off" else body))

    def _head(self, response: Response, length: int) -> bytes:
        phrase, _ = self.responses.get(response.status, ("Unknown", ""))
        lines = [
            f"{self.protocol_version} {response.status} {phrase}",
            f"Date: {self.server.date()}",
            *(f"{name}: {value}" for name, value in response.headers),
            f"Content-Length: {length}",
            "",
            "",
        ]
        return "\r\n".join(lines).encode("latin-1")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Log nothing: the emulator records its calls instead."""
