"""An archive that has everything in it: years of loads, and what is rare or hostile."""

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Final

from gaussdb_tasks.model.tables import ALL_TABLES
from tests.support.invented_archive import LAST_LOAD
from tests.support.sample_archive import (
    HORIZON,
    Archive,
    Row,
    at,
    load_run,
    rejected_record,
    task,
    vanished_task,
    version,
    window,
)

CLOCK: Final = at("2026-06-10 12:34:56.789012")

_LOADED_AT: Final = LAST_LOAD + timedelta(hours=1, microseconds=123_457)
_MICROSECOND: Final = timedelta(microseconds=1)
# Bytes and languages sort these differently.
_TEXTS: Final = ("B", "a", "_", "ä", "Z", "zz", "a-b", "ab", "'", "\\", '"', "😀", "")
_INSTANCES: Final = (
    *("a.b*(c", "[x]^$|{2}", "back\\slash", "x\\Ey", "größe", "na$1me", "\\1", "🙂🙂🙂", "db"),
    *("O'Hara", 'say "hi"', "a+b?", "C:\\temp\\n", "100%", "a&&b", "#no"),
)
_ID: Final = "0123456789abcdef0123456789abcdef"
# {name} is the name of the instance.
_REASONS: Final = (
    *("{name}", "({name})", "x{name}", "{name}-x", "{name} {name}", "{name}\n", "{name} 1"),
    "\n{name}",
    *("", " ", "\t\n", "\u00a0\u3000padded\u2009", "a \t\r\n b", "vertical\x0btab", "a\u00a0b"),
    *("can't", "can't won't", "'a' and \"b\"", "''", "it's 'x'", "'it''s'", '"it\'s"', "ä'b'ä"),
    *("back\\slash \\d \\1 $1 \\\\", "C:\\dir\\7", "100 % $0 ${{x}}", "tab\\tno", "\\'quoted\\'"),
    *("2026-01-02", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04+01:00"),
    "2026-01-02T03:04:05+0100x",
    *(_ID, _ID + "in14", _ID + "ab12cdef", _ID + "AB12", "x" + _ID + "in1", _ID[:15], _ID[:16]),
    *("12345678-1234-1234-1234-1234567890AB", "12345678-1234-1234-1234-1234567890ab0"),
    *("::", "::1", "a::b", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::9", "x::1"),
    *("fe80::1%eth0", "12:34:56"),
    *("::ffff:1.2.3.4", "10.0.0.1:5432", "1.2.3.4.5", "1.2.3", "a::bcdefg", "ä::1", "1::", "1::2:"),
    *("DBS.280001", "db.280001", "1,234.5", "v1.2.3", "-5", "5.", ".5", "A1B2"),
    *("٣ ۴ 5", "1 2 3", "é9"),
)
_STATUSES: Final = (
    *("Completed", "FAILED", " failed ", "\u00a0Failed\u3000", "\tFailed", "Cancelled", "canceled"),
    *("Running", "running", "Unknown", "", None, "Fa\u0131led", "completed\n"),
)


def everything_archive(invented: Path) -> Archive:
    """Return a database in memory with the rows of the invented archive, and rare ones."""
    archive = Archive()
    archive.connection.execute(f"attach '{invented}' as invented (read_only)")
    for table in ALL_TABLES:
        rows = f"from invented.task_center.{table.name}"
        archive.connection.execute(f"insert into task_center.{table.name} by name {rows}")
    archive.connection.execute("detach invented")
    tasks = [*_failures(), *_states(), *_ties(), *_extremes()]
    archive.insert(
        tasks=tasks,
        task_versions=[*map(_only_version, tasks), *_changed_versions()],
        vanished_tasks=[*_vanished()],
        rejected_records=[rejected_record(region="eu-nl", raw='{"job_id": "\\u0000\\"\\\\"}')],
        load_runs=[*_loads()],
        coverage=[*_windows()],
        archive_acts=[
            {
                "archive_sequence": 10_000 + number,
                "acted_at": _LOADED_AT,
                "kind": kind,
                "reason": 'asked by O\'Hara \\ "legal"',
                "row_count": 1,
                "tool_version": "0.2.0",
                "head_digest": digest,
                "archive_id": archive,
            }
            for number, (kind, digest, archive) in enumerate(
                (("redaction", "b" * 64, "a" * 64), ("retention", "c" * 64, "d" * 64))
            )
        ],
    )
    return archive


def _failures() -> list[Row]:
    """Make a failure for each reason and name."""
    return [
        task(
            region="eu-nl",
            job_id=f"failure-{number}",
            status="Failed",
            created_at=_LOADED_AT - timedelta(hours=number),
            ended_at=None if number % 3 == 0 else _LOADED_AT - timedelta(minutes=number),
            duration_ms=None if number % 3 == 0 else number * 60_000,
            instance_id=f"instance-{number % 17}",
            instance_name=name,
            fail_reason=reason.format(name=name),
        )
        for number, (name, reason) in enumerate(product(_INSTANCES, _REASONS))
    ]


def _states() -> list[Row]:
    """Make tasks in every status, without most of the columns, or with all of them."""
    bare = dict.fromkeys(
        ("task_name", "ended_at", "instance_id", "instance_name", "instance_status")
    )
    states = [
        task(
            region="eu-nl",
            job_id=f"state-{number}-{is_bare}",
            status=status,
            created_at=_LOADED_AT - timedelta(days=number * 4),
            duration_ms=None if is_bare else 1_234_567,
            extra='{"a\\\\b": "it\'s \\"q\\" \\u00e4", "n": null}' if is_bare else None,
            progress_percent=None if is_bare else 33.3,
            last_seen_at=_LOADED_AT - timedelta(days=number),
            **(bare if is_bare else {}),
        )
        for number, status in enumerate(_STATUSES)
        for is_bare in (False, True)
    ]
    return [*states, *(task(region="eu-nl", job_id="?", status="Failed", fail_reason=None),)]


def _ties() -> list[Row]:
    """Make tasks that differ in one text only, so that its order decides."""
    at_once: Row = {"status": "Failed", "created_at": at("2026-05-01"), "duration_ms": 5}
    return [
        task(
            **at_once,
            region="eu-nl",
            job_id=f"tie-{text}",
            instance_id="tied",
            instance_name=None if text == "zz" else f"name {text}",
            fail_reason=f"'{text}' broke",
            task_name=f"Kind {text}",
        )
        for text in _TEXTS
    ] + [
        task(
            **at_once,
            region=f"eu-{text}",
            project_id=f"project {text}",
            job_id="same",
            fail_reason=f'"{text}" broke',
        )
        for text in _TEXTS
    ]


def _extremes() -> list[Row]:
    """Make durations at the limits of ranges, of no time and of years; one kind of two tasks."""
    durations = (0, 1, 999, 1000, 3_599_999, 3_600_000, 460_800_000, 99_999_999_999, 3, 7)
    return [
        task(
            region="eu-nl",
            job_id=f"extreme-{duration}-{kind}",
            task_name=kind,
            created_at=_LOADED_AT - timedelta(days=number * 5),
            ended_at=None,
            duration_ms=duration,
        )
        for number, duration in enumerate(durations)
        for kind in ("Extreme", f"Kind of {duration % 5}")
    ]


def _only_version(state: Row) -> Row:
    names = version().keys() & state.keys()
    return version(
        **{name: state[name] for name in names},
        observed_at=state["first_seen_at"],
        raw=str(state["fail_reason"]),
    )


def _changed_versions() -> list[Row]:
    """Make two more versions of some tasks; a load can observe several at once."""
    return [
        version(
            region="eu-nl",
            job_id=f"state-{number}-False",
            created_at=_LOADED_AT - timedelta(days=number * 4),
            version=later,
            status=_STATUSES[number - later],
            observed_at=_LOADED_AT - timedelta(days=later % 2),
        )
        for number in range(len(_STATUSES))
        for later in (2, 3)
    ]


def _vanished() -> list[Row]:
    """Make tasks that vanished, came back, and vanished again."""
    return [
        vanished_task(
            region="eu-nl",
            job_id=f"failure-{number}",
            created_at=_LOADED_AT - timedelta(hours=number),
            vanished_at=_LOADED_AT - timedelta(hours=hours),
            reappeared_at=None if is_gone else _LOADED_AT - timedelta(hours=hours % 2),
        )
        for number in range(12)
        for hours, is_gone in ((4, False), (number % 2, number % 3 == 0))
    ]


def _loads() -> list[Row]:
    """Make loads of projects: with a name, renamed, failed only, never whole, a clock ahead."""
    digests = {"archive_sequence": 9_000, "head_digest": "a" * 64, "archive_id": "a" * 64}
    return [
        load_run(region="eu-nl", load_number=1, observed_at=_LOADED_AT + timedelta(days=9)),
        load_run(
            region="eu-nl",
            load_number=2,
            observed_at=_LOADED_AT,
            project_name='it\'s "P\\1"',
            **digests,
        ),
        load_run(region="eu-nl", load_number=3, observed_at=CLOCK, outcome="failed", error="no"),
        *(
            load_run(
                region=f"eu-{text}",
                project_id=f"project {text}",
                load_number=number,
                observed_at=_LOADED_AT + number * _MICROSECOND,
                outcome=outcome,
                project_name=name,
                horizon_ms=HORIZON // timedelta(milliseconds=1) + number,
            )
            for text, outcomes in (
                ("B", ("failed", "failed")),
                ("a", ("incomplete", "failed")),
                ("ä", ("complete", "incomplete")),
                ("\\", ("complete",)),
            )
            for number, (outcome, name) in enumerate(zip(outcomes, ("first", None), strict=False))
        ),
    ]


def _windows() -> list[Row]:
    """Make windows that overlap, touch, lie within others, are empty, or are of no known load."""
    days = ((-60, -50), (-55, -45), (-54, -53), (-45, -40), (-35, -20), (-35, -34), (-10, -10))
    projects = (("eu-nl", "project-1"), ("eu-ä", "project ä"), ("eu-none", "no load"))
    return [
        window(
            _LOADED_AT + timedelta(days=first) + number * _MICROSECOND,
            _LOADED_AT + timedelta(days=last),
            region=region,
            project_id=project,
            is_complete=number != 1,
        )
        for region, project in projects
        for number, (first, last) in enumerate((*days, (-9, -3), (-2, 99), (-70, -69)))
    ]
