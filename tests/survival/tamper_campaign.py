"""Edit a data directory in many ways, by knowledge of its format, and check that all are found.

``make tamper-campaign`` prints a table by kind of edit. It fails if `verify` misses an edit, ends
with a traceback, or writes a file. ``EDITS`` and ``SEED`` set the number of edits and their choice.
"""

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import track

from tests.support import audited_archive
from tests.support.audited_archive import AuditedArchive
from tests.support.tamper.auditor import EVERY_EDIT, Auditor, Trial, draw
from tests.support.tamper.edits import Evidence


def main(count: int, seed: int) -> int:
    """Try edits; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        audited_archive.make(Path(folder))
        auditor = Auditor(AuditedArchive(Path(folder)))
        alarms = {each: auditor.try_without_edit(each) for each in Evidence}
        for evidence, fault in alarms.items():
            if fault is not None:
                click.echo(f"without an edit, with {evidence}: {fault}", err=True)
        trials = [
            auditor.try_edit(edit, edit_seed)
            for edit, edit_seed in track(list(draw(count, seed)), "editing")
        ]
    for trial in trials:
        if trial.fault is not None:
            edit = trial.edit
            place = f"{edit.kind}, {edit.name}, with {edit.evidence}: {trial.description}"
            click.echo(f"{place}: {trial.fault}", err=True)
    _print(trials)
    return 1 if any(trial.fault for trial in trials) or any(alarms.values()) else 0


def _print(trials: Sequence[Trial]) -> None:
    by_kind: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_kind[trial.edit.kind].append(trial)
    click.echo("| edits of | ways | edits | found | missed |\n|---|---:|---:|---:|---:|")
    for kind, of_kind in by_kind.items():
        click.echo(_row(kind, of_kind))
    click.echo(_row("**total**", trials))
    click.echo(f"\n{len({edit.name for edit in EVERY_EDIT})} ways to edit; without an edit: intact")


def _row(name: str, trials: Sequence[Trial]) -> str:
    ways = len({trial.edit.name for trial in trials})
    missed = sum(trial.fault is not None for trial in trials)
    return f"| {name} | {ways} | {len(trials):,} | {len(trials) - missed:,} | {missed:,} |"


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("EDITS", "1000")), int(os.environ.get("SEED", "1"))))
