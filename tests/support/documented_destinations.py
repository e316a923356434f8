"""The destinations of the dlt source, as documented in pipelines/README.md; a test tries each."""

from dataclasses import dataclass
from typing import Final

from gaussdb_tasks.model.tables import LOADED_TABLES, TASKS, VANISHED_TASKS

_MERGED: Final = frozenset({TASKS.name, VANISHED_TASKS.name})


@dataclass(frozen=True)
class DocumentedDestination:
    """A destination, with what it needs.

    Attributes:
        name: as the test calls it.
        shown: the destination and the format of its tables.
        requires: the extra of dlt, and other packages.
        merges: whether it can merge; without it two tables are left out.
        table_format: the argument of ``pipeline.run``; empty for the destination's own.
    """

    name: str
    shown: str
    requires: str
    merges: bool = True
    table_format: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that can be loaded."""
        names = (table.name for table in LOADED_TABLES)
        return tuple(name for name in names if self.merges or name not in _MERGED)


DESTINATIONS: Final = (
    DocumentedDestination("duckdb", "`duckdb`", "nothing"),
    DocumentedDestination("postgres", "`postgres` 15", "`dlt[postgres]`"),
    DocumentedDestination(
        "ducklake",
        "`ducklake`",
        "`dlt[ducklake]`, `duckdb-extension-ducklake` in DuckDB's version",
    ),
    DocumentedDestination(
        "filesystem with delta", "`filesystem`, Delta", "`dlt[deltalake]`", table_format="delta"
    ),
    DocumentedDestination(
        "filesystem with iceberg",
        "`filesystem`, Iceberg",
        "`dlt[pyiceberg]`, `sqlalchemy`",
        table_format="iceberg",
    ),
    DocumentedDestination("filesystem", "`filesystem`, Parquet", "nothing", merges=False),
)
