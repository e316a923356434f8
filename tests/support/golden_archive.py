"""The golden archive: a small archive of the first version, which every later version must read.

``python -m tests.support.golden_archive FOLDER`` wrote it. It is never written again, because it
proves that old archives can be read. A new format gets another archive beside it.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.amendments.retention import Holds, retain
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.load import run_load
from gaussdb_tasks.model.times import DAY, HOUR, MINUTE, Micros, parse_time
from tests.support import DATA
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, Record, record
from tests.support.loads import load_request

GOLDEN: Final = DATA / "golden-archive-1"
ANSWERS: Final = GOLDEN.with_suffix(".json")

_QUESTIONS: Final = {
    "tables": """
        select
            (select count(*) from task_center.task_versions) as task_versions,
            (select count(*) from task_center.tasks) as tasks,
            (select count(*) from task_center.coverage) as coverage,
            (select count(*) from task_center.load_runs) as load_runs,
            (select count(*) from task_center.rejected_records) as rejected_records,
            (select count(*) from task_center.vanished_tasks) as vanished_tasks,
            (select count(*) from task_center.archive_acts) as archive_acts
    """,
    "tasks": """
        select job_id, status, fail_reason, created_at, ended_at, instance_name, version_count,
            first_seen_at, last_changed_at, vanished_at
        from main.tasks order by project_id, job_id
    """,
    "task_history": """
        select job_id, version, status, valid_from, valid_to, raw
        from main.task_history order by project_id, job_id, version
    """,
    "failure_rates_by_name": "from main.failure_rates_by_name order by all",
    "coverage_gaps": """
        select region, project_id, gap_from, gap_to, is_lost, gap_seconds
        from main.coverage_gaps order by all
    """,
    "archive_status": """
        select project_id, last_outcome, covered_from, covered_to, task_count, head_digest
        from main.archive_status order by project_id
    """,
}


def answers(database: Path) -> dict[str, Any]:
    """Query a database, and return the rows as plain values."""
    with duckdb.connect(database, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set variable gaussdb_tasks_now = timestamp '2026-09-01 00:00:00'")
        return {
            name: json.loads(json.dumps(connection.execute(sql).fetchall(), default=str))
            for name, sql in _QUESTIONS.items()
        }


def _loads() -> Sequence[tuple[Micros, dict[str, list[Record]]]]:
    old = [
        record(1, NOW - 20 * DAY, NOW - 20 * DAY + HOUR, status="Failed", fail_reason="disk full"),
        record(2, NOW - 10 * DAY, NOW - 10 * DAY + HOUR, colour="überraschend"),
        {**record(3), "created_at": "19 May"},
    ]
    other = [record(9, NOW - DAY, NOW - DAY + MINUTE)]
    return (
        (NOW, {PROJECT: [*old, record(4, NOW - HOUR, None)], OTHER_PROJECT: other}),
        (
            NOW + DAY,
            {PROJECT: [*old[:1], old[2], record(4, NOW - HOUR, NOW)], OTHER_PROJECT: other},
        ),
        (NOW + 2 * DAY, {PROJECT: [*old, record(4, NOW - HOUR, NOW)], OTHER_PROJECT: other}),
        (
            parse_time("2026-08-01T02:00:00Z", option="night"),
            {PROJECT: [record(5, NOW + 130 * DAY, NOW + 130 * DAY + HOUR)], OTHER_PROJECT: []},
        ),
    )


def make(folder: Path) -> None:
    """Run some loads and amendments, and store the archive with the answers."""
    data_dir = DataDir(folder)
    for at, listed in _loads():
        with Emulator(FixedWorld(listed), clock=SettableClock(at)) as emulator:
            run_load(load_request(emulator, folder, at))
    later = parse_time("2026-08-20T02:00:00Z", option="act")
    redact(
        data_dir,
        ["fail_reason"],
        [],
        Amendment("redaction", later, "a test of it"),
        is_dry_run=False,
    )
    held = Holds(instances=[f"{1:032x}in14", f"{3:032x}in14"])
    act = Amendment("retention", later + DAY, "a test of it, too")
    retain(data_dir, NOW + 12 * HOUR, held, act, is_dry_run=False)
    shutil.copytree(data_dir.archive, GOLDEN)
    ANSWERS.write_text(json.dumps(answers(data_dir.database), indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
