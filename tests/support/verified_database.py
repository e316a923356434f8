"""Change the published database of a data directory, and verify it."""

from typing import Final

import duckdb

from gaussdb_tasks.archive.verification.findings import Finding
from gaussdb_tasks.archive.verification.verify import verify
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir

FULL: Final = VerifyOptions()
FAST: Final = VerifyOptions(is_fast=True)


def edit(data_dir: DataDir, *statements: str) -> None:
    """Change the published database."""
    with duckdb.connect(data_dir.database) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(data_dir: DataDir, options: VerifyOptions = FULL) -> list[Finding]:
    """Verify, and return the findings."""
    return verify(data_dir, options).findings
