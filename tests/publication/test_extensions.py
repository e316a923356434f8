"""Extensions of DuckDB that are missing, or that are for another version."""

import sys
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.publication.extensions import extension_files


def package(folder: Path, version: str) -> Path:
    """Make a package with an extension for a version of DuckDB."""
    file = folder / "duckdb_extension_invented" / "extensions" / version / "x.duckdb_extension"
    file.parent.mkdir(parents=True)
    file.touch()
    (folder / "duckdb_extension_invented" / "__init__.py").touch()
    return file


def test_a_package_has_the_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    file = package(tmp_path, f"v{duckdb.__version__}")
    assert extension_files("lake", "invented") == {"invented": file}


def test_a_package_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package(tmp_path, "v1.0.0")
    wanted = f"pip install duckdb-extension-invented=={duckdb.__version__}"
    with pytest.raises(ConfigurationError, match=f"is for DuckDB 1.0.0.*{wanted}"):
        extension_files("lake", "invented")


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'gaussdb-tasks\[lake\]'"):
        extension_files("lake", "invented")
