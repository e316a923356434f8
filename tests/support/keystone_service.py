"""A real Keystone on this machine, for tests to sign in at; run by its own environment's Python.

Its first argument is the folder of its configuration. It prints the port that it listens on.
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
        """Stay quiet: what is of interest lies in Keystone's own log."""


def main() -> None:
    """Serve until the process is ended."""
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = sys.argv[1]
    sys.argv = sys.argv[:1]  # Keystone reads the rest as options of its own
    from keystone.server import wsgi  # noqa: PLC0415 - reads its configuration when imported

    application: Any = wsgi.initialize_public_application()
    with make_server("127.0.0.1", 0, application, _Server, _Quiet) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
