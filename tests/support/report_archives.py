"""Archives to report on, with no, one, many and hostile tasks, and their pages."""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.report.page import Origin, make_page
from gaussdb_tasks.report.queries import read_figures
from tests.support.sample_archive import Archive, Row, at, load_run, task, window

NOW: Final = "2026-03-31T12:00:00Z"
LOADED_AT: Final = at("2026-03-31 02:00")
DATABASE: Final = "data/gaussdb_tasks.duckdb"
PAGE_KINDS: Final = ("new", "none", "one", "many", "years", "hostile")

HOSTILE: Final = (
    "<script>document.title = 'taken'</script>",
    '"><img src=x onerror="document.title = 1">',
    "</title></style></svg><iframe src='https://example.com'></iframe>",
    "$\\frac{1}{2}$ _*bold*_ [link](javascript:alert(1)) {{ 7 * 7 }} {% raw %} & &lt;",
    "\x00\x07\x1b[31mred\x7f\x9b \u202egnp.exe\u202c \u2066\u200b\ufeff\ufffe",
    "x" * 10_000,
    "long words " * 100,
    "a\u0301\u0302\u0303" * 300,
    "   ",
    "",
    "\U0001f600 مرحبا שלום 你好",
)


@cache
def page_of_kind(kind: str) -> str:
    """Return the page of an archive of one of ``PAGE_KINDS``."""
    archive = Archive()
    match kind:
        case "none":
            archive.insert(**loaded())
        case "one":
            archive.insert(tasks=[task()], **loaded())
        case "many":
            for project in ("project-1", "project-2"):
                archive.insert(**loaded(project_id=project))
            add_many_tasks(archive, 20_000)
        case "years":
            add_years(archive)
        case "hostile":
            archive.insert(**hostile_rows())
    page = page_of(archive, HOSTILE[1] if kind == "hostile" else DATABASE)
    archive.connection.close()
    return page


def page_of(archive: Archive, database: str = DATABASE) -> str:
    """Return the page of an archive, created at the time of its load."""
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{LOADED_AT}'")
    return make_page(read_figures(archive.connection), Origin([database], LOADED_AT)).decode()


def write_archive(folder: Path, **rows: list[Row]) -> Path:
    """Write a database with these rows; return its data directory."""
    archive = open_archive(folder)
    archive.insert(**rows)
    archive.connection.close()
    return folder


def open_archive(folder: Path) -> Archive:
    """Create a database in a data directory."""
    folder.mkdir(parents=True, exist_ok=True)
    return Archive(str(DataDir(folder).database))


def loaded(**columns: object) -> dict[str, list[Row]]:
    """Return the rows of a load that covers thirty days and found no task."""
    observed_at = LOADED_AT
    return {
        "load_runs": [load_run(observed_at=observed_at, **columns)],
        "coverage": [window(observed_at - timedelta(days=30), observed_at, **columns)],
    }


def hostile_rows() -> dict[str, list[Row]]:
    """Return rows with hostile text as task name, instance, status, reason and project."""
    tasks = [
        task(
            job_id=f"{text}-{n}",
            project_id=HOSTILE[0],
            task_name=text,
            instance_id=text,
            instance_name=text,
            status=("Failed", "Completed", text)[n % 3],
            fail_reason=f"{text} {'once more ' * n}",
            duration_ms=60_000 * (n + 1) * (100 if n == 10 else 1) if n % 3 != 2 else None,
            created_at=LOADED_AT - timedelta(days=place + n / 9),
        )
        for place, text in enumerate(HOSTILE)
        for n in range(12)
    ]
    return {"tasks": tasks, **loaded(project_id=HOSTILE[0])}


def add_many_tasks(
    archive: Archive, count: int, *, end: datetime = LOADED_AT, days: int = 90
) -> None:
    """Insert tasks of five kinds, spread evenly over the days up to a time."""
    archive.connection.execute(
        f"""
        insert into task_center.tasks by name
        select
            'eu-de' as region,
            'project-' || (1 + n % 2) as project_id,
            'job-' || n as job_id,
            ['CreateGaussDBV5Instance', 'Backup', 'Restore', 'Delete', 'Resize'][kind] as task_name,
            case
                when n % 9973 = 0 then 'Running'
                when hash(n) % 40 = 0 then 'Failed'
                else 'Completed'
            end as status,
            case
                when hash(n) % 40 = 0 then 'Node ' || n || ' is ' || chr(cast(65 + n % 20 as int))
            end as fail_reason,
            created_at,
            cast(created_at as date) as created_date,
            case when n % 9973 <> 0 then duration_ms end as duration_ms,
            'instance-' || (n % 50) as instance_id,
            'orders-' || (n % 50) as instance_name,
            1 as version_count,
            'hash' as version_hash,
            created_at as first_seen_at,
            created_at as last_changed_at,
            timestamp '{end}' as last_seen_at
        from (
            select
                n,
                1 + least(n % 7, 4) as kind,
                timestamp '{end}' - to_seconds(n * {days} * 86400 / {count}) as created_at,
                cast(60000 * (1 + n % 7) * exp((hash(n) % 1000) / 300) as bigint) as duration_ms
            from range({count}) as numbers (n)
        )
        """
    )


def add_years(archive: Archive) -> None:
    """Insert three years of loads of two projects with gaps, and tasks with a pause."""
    start = LOADED_AT - timedelta(days=3 * 365)
    gaps = [(40, 52), (300, 301.2), (700, 745)]
    edges = [0.0, *(edge for gap in gaps for edge in gap), 3 * 365 - 20, 3 * 365 - 17, 3 * 365]
    for project in ("project-1", "project-2"):
        ranges = zip(edges[::2], edges[1::2], strict=True) if project == "project-1" else ()
        archive.insert(
            load_runs=[load_run(project_id=project)],
            coverage=[
                window(start + timedelta(days=first), start + timedelta(days=last))
                for first, last in ranges
            ]
            or [window(start + timedelta(days=500), LOADED_AT, project_id=project)],
        )
    add_many_tasks(archive, 40_000, days=3 * 365)
    archive.connection.execute(
        "delete from task_center.tasks"
        " where created_at between timestamp '2024-11-01' and timestamp '2025-01-20'"
    )
