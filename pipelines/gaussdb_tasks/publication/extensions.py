"""Load DuckDB's extensions from their Python packages; nothing is downloaded."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive.archive_tables import quoted_text
from gaussdb_tasks.errors import ConfigurationError

_SETTINGS: Final[dict[str, Any]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}


@contextmanager
def connected_with(files: dict[str, Path], temporary: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory with extensions; what needs much memory is in a folder."""
    config = {**_SETTINGS, "temp_directory": str(temporary)}
    with duckdb.connect(config=config) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for file in files.values():
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


def extension_files(extra: str, *names: str) -> dict[str, Path]:
    """Return the files of extensions that fit this DuckDB, by name.

    Args:
        extra: the optional dependencies of this program that have them.
        names: of the extensions.

    Raises:
        ConfigurationError: one is not installed, or is for another version of DuckDB.
    """
    return {name: _file(name, extra) for name in names}


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
