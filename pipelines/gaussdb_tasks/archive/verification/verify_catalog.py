"""Verify the catalog of the database: it holds what a load creates, and nothing else."""

import duckdb

from gaussdb_tasks.archive.store import loads_of
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.database.catalog import foreign_objects
from gaussdb_tasks.database.outdated import outdated_objects
from gaussdb_tasks.version import VERSION


def verify_catalog(connection: duckdb.DuckDBPyConnection, found: Verification) -> None:
    """Find objects that no load creates, and tables, views and comments that differ."""
    for fault in foreign_objects(connection):
        found.add(Fault(fault.kind), fault.where, fault.detail, column=fault.column)
    remedy = _remedy(found)
    for fault in outdated_objects(connection):
        found.add(Fault(fault.kind), fault.where, fault.detail + remedy, column=fault.column)
    found.notes.append(
        "the rows of dlt's own tables (_dlt_*) were not verified; no view reads them, and no load "
        "takes a state from them"
    )


def _remedy(found: Verification) -> str:
    """Explain differences of views if another version of this program wrote the last load."""
    versions = [each.manifest.tool_version for each in loads_of(found.chain)]
    if not versions or versions[-1] == VERSION:
        return ""
    return (
        f"; version {versions[-1]} wrote the last load, this is {VERSION}: a load or "
        "gaussdb-tasks rebuild --replace creates it again"
    )
