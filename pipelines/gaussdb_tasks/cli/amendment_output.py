"""Create an amendment from options, and report its result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gaussdb_tasks.archive.amendments.amendment import Amendment, AmendmentReport
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock

_NAMES = ("entry", "table", "rows_removed", "rows_changed")


def amendment_of(
    kind: EntryKind, now: Micros | None, reason: str | None, signing_key: Path | None
) -> Amendment:
    """Return an amendment at the given time or now, signed if there is a key."""
    signer = None if signing_key is None else KeySigner(signing_key)
    return Amendment(kind, machine_clock() if now is None else now, reason, signer)


def write_report(report: AmendmentReport, target: output.Target, *, is_dry_run: bool) -> None:
    """Write one row for each entry and table with an effect, then a line with the totals."""
    rows: Sequence[Sequence[Any]] = [
        (entry, table, effect.rows_removed, effect.rows_changed)
        for entry, table, effect in report.rows
    ]
    output.write_rows(_NAMES, iter(rows), target)
    write_totals(report, is_dry_run=is_dry_run)


def write_totals(report: AmendmentReport, *, is_dry_run: bool) -> None:
    """Write the totals to the console, in one line."""
    totals = f"{report.rows_removed:,} rows removed, {report.rows_changed:,} changed"
    if is_dry_run:
        console.info(f"dry run: {totals}; nothing was written")
    elif report.entry_name is None:
        console.info("no row matches; nothing was written")
    else:
        console.info(f"{totals}; entry {report.entry_name}; head {report.head_digest}")
