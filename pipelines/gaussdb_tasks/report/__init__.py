"""The report: one page of HTML that says what the archive knows, with plots.

What it needs beyond the rest, matplotlib and jinja2, comes with the extra ``report``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

_SETTINGS_FOLDER: Final = "MPLCONFIGDIR"


@contextmanager
def without_traces() -> Iterator[None]:
    """Let matplotlib be imported without a file left in the user's home, which may not be there.

    Where the user has named a folder for such files, that one is used.
    """
    if os.environ.get(_SETTINGS_FOLDER):
        yield
        return
    with TemporaryDirectory(prefix="gaussdb-tasks-") as folder:
        os.environ[_SETTINGS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_SETTINGS_FOLDER]
