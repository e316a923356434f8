"""Change the published database of a data directory, and verify it."""

from typing import Final

import duckdb

from gaussdb_tasks.archive.verification.findings import Finding
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir

FULL: Final = VerifyOptions()
FAST: Final = VerifyOptions(is_fast=True)
OTHER_VALUE: Final = {
    "text": "coalesce({0}, '') || 'x'",
    "json": "'[1]'::json",
    "bigint": "coalesce({0}, 0) + 1",
    "double": "coalesce({0}, 0) + 0.5",
    "bool": "not coalesce({0}, false)",
    "date": "{0} + 1",
    "timestamp": "coalesce({0}, timestamp '2026-01-01') + interval 1 microsecond",
}
"""SQL for another value than that of a column ``{0}``, by the type of the column."""


def edit(data_dir: DataDir, *statements: str) -> None:
    """Change the published database."""
    with duckdb.connect(data_dir.database) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(data_dir: DataDir, options: VerifyOptions = FULL) -> list[Finding]:
    """Verify, and return the findings."""
    return verify(data_dir, options).findings
