"""The answers of views, in a form in which those of engines can be compared."""

from collections.abc import Iterable
from typing import Any

from tests.support.sample_archive import Archive


def rows_of(archive: Archive, view: str) -> list[tuple[Any, ...]]:
    """Return the rows of a view in DuckDB, sorted."""
    return in_order(archive.connection.execute(f"from main.{view}").fetchall())


def in_order(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Sort rows; engines, and versions of DuckDB, differ after the twelfth digit of percentiles."""
    rounded = (
        tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row)
        for row in rows
    )
    return sorted(rounded, key=repr)
