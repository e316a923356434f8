"""Serve a real Keystone on this machine; run it with the Python of Keystone's environment.

The first argument is the folder of the configuration. The program prints its port.
"""

import os
import socketserver
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Print nothing: Keystone has its own log."""


def main() -> None:
    """Serve until the process is ended."""
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = sys.argv[1]
    sys.argv = sys.argv[:1]  # Keystone would read the rest as its own options
    from keystone.server import wsgi  # noqa: PLC0415 - reads its configuration when imported

    application: Any = wsgi.initialize_public_application()
    with make_server("127.0.0.1", 0, application, _Server, _Quiet) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
