"""Shared by all tests: hypothesis profiles, the marker ``thorough``, and common fixtures."""

import gc
import socketserver
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gaussdb_tasks import known_secrets
from tests.support import IS_THOROUGH

# No test may depend on the speed of the machine.
usual = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", usual)
settings.register_profile("thorough", usual, max_examples=5_000)
settings.load_profile("thorough" if IS_THOROUGH else "usual")

_report_error = socketserver.BaseServer.handle_error


def _report_unless_hung_up(server: socketserver.BaseServer, request: Any, address: Any) -> None:
    """Report an error of a server, unless its client hung up: tests make clients that give up.

    The report is written by another thread, so it can stand in the output of another test.
    """
    if not isinstance(sys.exception(), (ConnectionError, ssl.SSLEOFError)):
        _report_error(server, request, address)


socketserver.BaseServer.handle_error = _report_unless_hung_up  # type: ignore[assignment,method-assign]

pytest_plugins = [
    "tests.support.archived_loads",
    "tests.support.audited_archive",
    "tests.support.commands",
    "tests.support.delta_lake",
    "tests.support.invented_archive",
    "tests.support.invented_nights",
    "tests.support.killed_loads",
    "tests.support.loaded_archive",
    "tests.support.object_store",
    "tests.support.other_user",
    "tests.support.publishing",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests marked ``thorough`` to ``make test-thorough``."""
    if IS_THOROUGH:
        return
    skipped = [item for item in items if item.get_closest_marker("thorough")]
    if skipped:
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if item not in skipped]


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules of all tests."""
    gc.freeze()


@pytest.fixture(autouse=True)
def forgotten_secrets() -> Iterator[None]:
    """A secret of one test is not masked in the messages of another one."""
    yield
    known_secrets.start_with({})
