"""HTTP on loopback: requests in, deliveries out, and damage done where it is ordered.

Head and body leave in one send with Nagle's algorithm off; apart, the second would wait for the
client's delayed acknowledgement, 40 ms a call.
"""

import contextlib
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from gaussdb_tasks.emulator.messages import Delivery, Request, Response

if TYPE_CHECKING:
    import ssl

HOST: Final = "127.0.0.1"
_STOP_POLL_SECONDS: Final = 0.01
_FAREWELL_SECONDS: Final = 5.0


class LoopbackServer(ThreadingHTTPServer):
    """Serves `answer` on loopback, a thread for each connection, from a thread of its own.

    What `answer` raises becomes a 500 and is kept in `errors`. `date` gives the Date header.
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
        """Begin to serve, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break the connections that are still open."""
        self.shutdown()
        self._thread.join()
        with self._open_changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(SHUT_RDWR)
            self._open_changed.wait_for(lambda: not self._open, _FAREWELL_SECONDS)
        self.server_close()

    def get_request(self) -> tuple[socket, Any]:
        """Accept a connection; TLS is spoken later, in the connection's own thread."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._open_changed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that is done with."""
        super().shutdown_request(request)
        with self._open_changed:
            self._open.discard(request)
            self._open_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as inherited
        """Keep what went wrong, unless the client just went away."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    """Turns HTTP into requests and deliveries into HTTP."""

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
        """Say nothing: the emulator keeps its calls on record instead."""
