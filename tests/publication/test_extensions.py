"""Extensions of DuckDB that are missing, or that are for another version."""

import sys
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.publication.extensions import extension_files
from gaussdb_tasks.publication.publish import refuse_unusable
from gaussdb_tasks.publication.target import parse_target


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
    assert extension_files("lake", "invented") == [file]


def test_a_package_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package(tmp_path, "v1.0.0")
    wanted = f"pip install duckdb-extension-invented=={duckdb.__version__}"
    with pytest.raises(ConfigurationError, match=f"is for DuckDB 1.0.0.*{wanted}"):
        extension_files("lake", "invented")


@pytest.mark.parametrize(
    ("url", "data_path", "missing"),
    [
        ("postgresql://db.example/tasks", None, "duckdb_extension_postgres_scanner"),
        ("ducklake:lake", None, "duckdb_extension_ducklake"),
        ("ducklake:postgresql://db.example/lake", None, "duckdb_extension_postgres_scanner"),
        ("ducklake:lake", "s3://bucket/lake", "duckdb_extension_httpfs"),
        ("ducklake:lake", "s3://bucket/lake", "s3fs"),
        ("s3://bucket/lake", None, "s3fs"),
    ],
)
def test_a_missing_package_is_found_before_a_load(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    data_path: str | None,
    missing: str,
) -> None:
    """All others are there."""
    pytest.importorskip("deltalake")
    package(tmp_path, f"v{duckdb.__version__}")

    def find(name: str) -> object:
        return None if name == missing else SimpleNamespace(submodule_search_locations=[tmp_path])

    for module in ("extensions", "buckets"):
        monkeypatch.setattr(f"gaussdb_tasks.publication.{module}.find_spec", find)
    named = "s3://" if missing == "s3fs" else missing.replace("_", "-")
    with pytest.raises(ConfigurationError, match=f"{named} is not installed"):
        refuse_unusable(parse_target(url, data_path))


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'gaussdb-tasks\[lake\]'"):
        extension_files("lake", "invented")
