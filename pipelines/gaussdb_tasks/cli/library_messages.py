"""Warnings and log records of libraries, as messages of this program."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gaussdb_tasks.cli import console


class _Handler(logging.Handler):
    """Writes the records of loggers that have no handler, as ``logging.lastResort`` does."""

    def emit(self, record: logging.LogRecord) -> None:
        console.warn(f"{record.name}: {record.getMessage()}", event="library")


@contextmanager
def library_messages() -> Iterator[None]:
    """Write warnings and log records of libraries to the console, which escapes foreign text."""
    last_resort = logging.lastResort
    logging.lastResort = _Handler(logging.WARNING)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
        finally:
            logging.lastResort = last_resort


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    console.warn(f"{category.__name__}: {message}", event="library")
