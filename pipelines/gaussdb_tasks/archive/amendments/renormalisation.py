"""Renormalisation: apply today's normaliser to all records of the archive.

Records are kept as received, so a fixed parser can read them again. Columns change, tasks get
another start, a rejected record becomes a task. The earlier files of the archive stay; the
amendment's file holds the new rows.
"""

from collections.abc import Sequence

from gaussdb_tasks.archive.amendments.amendment import (
    Amendment,
    AmendmentReport,
    report,
    write_amendment,
)
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.amendments.rereading import Difference, Rereading, plan_rereading
from gaussdb_tasks.database.data_dir import DataDir


def renormalise(
    data_dir: DataDir, amendment: Amendment, *, is_dry_run: bool
) -> tuple[AmendmentReport, Sequence[Difference]]:
    """Read every record again, and write the rows that are read differently today.

    Returns:
        the report, and each value that differs.
    """
    with open_context(data_dir) as context:
        rereading = Rereading()
        rewrites = plan_rereading(context, rereading)
        if is_dry_run or not rewrites:
            return report(context, rewrites), rereading.differences
        written = write_amendment(data_dir, context, amendment, rewrites, is_removing=False)
        return written, rereading.differences
