"""Load DuckDB's extensions from their Python packages; nothing is downloaded."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.database import connect
from gaussdb_tasks.errors import ConfigurationError


@contextmanager
def connected_with(files: Iterable[Path], temporary: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory with extensions; what needs much memory is in a folder."""
    with connect.open_empty(temporary) as connection:
        for file in files:
            connection.execute(f"load {quoted_text(str(file))}")
        try:
            yield connection
        finally:
            roll_back(connection)


def roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """End a transaction, if there is one.

    DuckDB aborts the process if a connection is closed in a transaction of a server that is lost.
    """
    with suppress(duckdb.Error):
        connection.execute("rollback")


def extension_files(extra: str, *names: str) -> Sequence[Path]:
    """Return the files of extensions that fit this DuckDB.

    Args:
        extra: the optional dependencies of this program that have them.
        names: of the extensions.

    Raises:
        ConfigurationError: one is not installed, or is for another version of DuckDB.
    """
    return [_file(name, extra) for name in names]


def _file(name: str, extra: str) -> Path:
    package, version = f"duckdb_extension_{name}", duckdb.__version__
    spec = find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = [file for folder in folders for file in Path(folder).rglob("*.duckdb_extension")]
    fitting = next((file for file in found if file.parent.name == f"v{version}"), None)
    if fitting is not None:
        return fitting
    pypi = package.replace("_", "-")
    if found:
        message = (
            f"{pypi} is for DuckDB {found[0].parent.name.removeprefix('v')}, and DuckDB "
            f"{version} is installed; run: pip install {pypi}=={version}"
        )
    else:
        message = f"{pypi} is not installed; run: pip install 'gaussdb-tasks[{extra}]'"
    raise ConfigurationError(message)
