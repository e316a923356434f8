"""Create an amendment from options, and report its result."""

from dataclasses import dataclass
from pathlib import Path

from gaussdb_tasks.archive.amendments.amendment import Amendment, AmendmentReport
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.options import combine, option, signing_key_option, together, umask_option
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock

_NAMES = ("entry", "table", "rows_removed", "rows_changed")


@dataclass(frozen=True, slots=True)
class AmendmentOptions:
    """The options of each command that amends the archive."""

    reason: str | None
    dry_run: bool
    now: Micros | None
    signing_key: Path | None
    target: output.Target

    def amendment(self, kind: EntryKind, usual_reason: str | None = None) -> Amendment:
        """Return an amendment at the given time or now, signed if there is a key."""
        signer = None if self.signing_key is None else KeySigner(self.signing_key)
        at = machine_clock() if self.now is None else self.now
        return Amendment(kind, at, self.reason or usual_reason, signer)

    def write_report(self, report: AmendmentReport) -> None:
        """Write one row for each entry and table with an effect, then a line with the totals."""
        rows = (
            (entry, table, effect.rows_removed, effect.rows_changed)
            for entry, table, effect in report.rows
        )
        output.write_rows(_NAMES, rows, self.target)
        write_totals(report, is_dry_run=self.dry_run)


amendment_options = together(
    option("--dry-run", is_flag=True, help="Show the effects; change nothing."),
    now_option,
    signing_key_option,
    umask_option,
    output.target_options(*output.ROW_FORMATS, default="table"),
    combine("options", AmendmentOptions),
)
"""All options but ``--reason``; the command gets them as one parameter, ``options``."""


def write_totals(report: AmendmentReport, *, is_dry_run: bool) -> None:
    """Write the totals to the console, in one line."""
    totals = f"{report.rows_removed:,} rows removed, {report.rows_changed:,} changed"
    if is_dry_run:
        console.info(f"dry run: {totals}; nothing was written")
    elif report.entry_name is None:
        console.info("no row matches; nothing was written")
    else:
        console.info(f"{totals}; entry {report.entry_name}; head {report.head_digest}")
