"""What the commands share that change the archive: how an act is described and told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gaussdb_tasks.archive.amendments.amendment import Amendment, Effects
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.model.times import Micros
from gaussdb_tasks.model.times import now as machine_clock

_NAMES = ("entry", "table", "rows_removed", "rows_changed")


def act_of(
    kind: EntryKind, now: Micros | None, reason: str | None, signing_key: Path | None
) -> Amendment:
    """Describe an act: its clock, its reason, and who signs it."""
    signer = None if signing_key is None else KeySigner(signing_key)
    return Amendment(kind, machine_clock() if now is None else now, reason, signer)


def tell(effects: Effects, output_format: str, *, is_dry_run: bool) -> None:
    """Write what an act did, or would do: a row an entry and table; then say it in a line."""
    rows: Sequence[Sequence[Any]] = [
        (entry, table, effect.rows_removed, effect.rows_changed)
        for entry, table, effect in effects.rows
    ]
    output.write_rows(_NAMES, iter(rows), output.Target(output_format))
    say(effects, is_dry_run=is_dry_run)


def say(effects: Effects, *, is_dry_run: bool) -> None:
    """Say what an act did, or would do, in a line."""
    for name in effects.lost_views:
        console.info(f"note: the view {name} does not work on the new database; it was left out")
    told = f"{effects.rows_removed:,} rows removed, {effects.rows_changed:,} changed"
    if is_dry_run:
        console.info(f"would be: {told}; nothing was done")
    elif effects.entry_name is None:
        console.info("there was nothing to do")
    else:
        console.info(f"{told}; entry {effects.entry_name}; head {effects.head_digest}")
