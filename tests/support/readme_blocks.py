"""Generate parts of the pages from real output of the program, for ``make docs``.

Each function prints Markdown. ``make check`` fails if a page has other text.
"""

import atexit
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

import duckdb

from gaussdb_tasks.database.data_dir import DATABASE_NAME
from gaussdb_tasks.database.sql_files import THEMES, view_files
from gaussdb_tasks.emulator import Emulator, InventedWorld, SettableClock
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.model.times import parse_time
from tests.support import DATA
from tests.support.documented_destinations import DESTINATIONS
from tests.support.documented_tools import DOCUMENTED_TOOLS

CLOCK = "2026-03-18T12:00:00Z"
"""Clock of the demo that the pages show."""
_WIDTH = "100"

_LOADS_SHOWN = 2
_ROWS_SHOWN = 3

_EXIT_CODES = {
    ExitCode.DONE: ("Done.", "Nothing."),
    ExitCode.FAILED: (
        "Failed: the service, the disk or a data check. Nothing was published.",
        "Read the last line for the cause. Run the same command again.",
    ),
    ExitCode.USAGE: (
        "An option, a setting, a credential or a permission is wrong.",
        "Fix what the message names. `gaussdb-tasks check` checks everything at once.",
    ),
    ExitCode.NEEDS_ATTENTION: (
        "Published, but a project failed, or records were rejected, not proved or lost.",
        "Read the lines before the last one. The next load reads again what is not proved.",
    ),
    ExitCode.LOCKED: (
        "Another load holds the lock. The message names its process.",
        "Nothing. Schedule loads apart. If that process hangs, stop it.",
    ),
}


@cache
def _demo() -> tuple[str, str, str]:
    """Run the demo once; return its folder, its stderr and its stdout."""
    folder = tempfile.mkdtemp(prefix="gaussdb-tasks-readme-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = _run(folder, "demo", "--now", CLOCK)
    return folder, run.stderr, run.stdout


def demo() -> None:
    """Show the end of the loads and the start of the first view that ``make demo`` prints."""
    _, stderr, stdout = _demo()
    lines = _masked(stderr).splitlines()
    loads = [line for line in lines if line.startswith("night of")][-_LOADS_SHOWN:]
    title, names, rule, *rows = [line for line in stdout.splitlines() if line]
    lines = ["$ make demo", "...", *loads, "", title, "", names, rule, *rows[:_ROWS_SHOWN], "..."]
    _code_block("console", "\n".join(lines))


def _masked(output: str) -> str:
    """Replace seconds and digests, which differ from run to run."""
    same_seconds = re.sub(r"in \d+\.\d s", "in n.n s", output)
    return re.sub(r"\b[0-9a-f]{64}\b", "hhhhhhhhhhhhhhhh...", same_seconds)


def run_on_demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the demo's data."""
    folder, _, _ = _demo()
    return _run(folder, *arguments, "--data-dir", "data/demo")


def answer(*arguments: str, shown_lines: int | None = None) -> None:
    """Show a command on the demo's data with its output, or with the first lines of it."""
    run = run_on_demo(*arguments)
    lines = run.stdout.splitlines()
    if shown_lines is not None and len(lines) > shown_lines:
        run.stdout = "\n".join([*lines[:shown_lines], "..."]) + "\n"
    shown = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    clock_hidden = shown.replace(f" --now {CLOCK}", "")
    _code_block(
        "console", f"$ gaussdb-tasks {clock_hidden} --data-dir data/demo\n{_masked(run.stdout)}"
    )
    print()


def listed(*arguments: str) -> None:
    """Show ``list`` on an invented task center at the demo's clock."""
    clock = SettableClock(parse_time(CLOCK, option="clock"))
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(InventedWorld(tasks_per_day=40), clock=clock) as emulator,
    ):
        env = {
            "GAUSSDB_TASKS_ENDPOINT": emulator.endpoint,
            "OS_PROJECT_ID": emulator.project_ids[0],
            "OS_TOKEN": emulator.token,
        }
        run = _run(folder, "list", *arguments, "--now", CLOCK, env=env)
    _code_block("console", f"$ gaussdb-tasks list {' '.join(arguments)}\n{run.stdout}")


def status() -> None:
    """Show the status of the demo's archive at the demo's clock."""
    answer("status", "--now", CLOCK)


def views() -> None:
    """List the views by theme, with their comments."""
    folder, _, _ = _demo()
    database = Path(folder, "data", "demo", DATABASE_NAME)
    with duckdb.connect(database, read_only=True) as connection:
        sql = "select view_name, comment from duckdb_views() where schema_name = 'main'"
        comments = dict(connection.execute(f"{sql} and not internal").fetchall())
    for theme, files in groupby(
        sorted(view_files(), key=lambda file: THEMES.index(file.theme)), lambda file: file.theme
    ):
        print(f"**{theme}**\n\n| view | what it holds |\n|---|---|")
        for name in (file.name for file in files):
            print(f"| [`{name}`](#{name}) | {comments[name]} |")
        print()


def tools() -> None:
    """List the tools that read the database: command, refresh, tried or not."""
    print("| tool | opens the file read-only with | to see the new load | tried |")
    print("|---|---|---|---|")
    for tool in DOCUMENTED_TOOLS:
        print(f"| {tool.name} | {tool.opens} | {tool.refreshes} | {tool.tried} |")


def exit_codes() -> None:
    """List the exit codes with their meaning and the action to take."""
    print("| code | meaning | action |\n|---|---|---|")
    for code in ExitCode:
        meaning, action = _EXIT_CODES[code]
        print(f"| {code.value} | {meaning} | {action} |")


def own_pipeline() -> None:
    """Show the example of a user's own pipeline, which a test runs."""
    _code_block("toml", (DATA / "own_pipeline.toml").read_text())
    print()
    _example("own_pipeline.py")


def dagster_definitions() -> None:
    """Show the example of a Dagster code location, which a test runs."""
    _example("dagster_definitions.py")


def dlt_destinations() -> None:
    """List the destinations of the dlt source, which a test tries."""
    print("| destination | requires, beside this package | argument of `pipeline.run` | tables |")
    print("|---|---|---|---|")
    for each in DESTINATIONS:
        argument = f'`table_format="{each.table_format}"`' if each.table_format else "none"
        tables = "all" if each.merges else ", ".join(f"`{name}`" for name in each.tables)
        print(f"| {each.shown} | {each.requires} | {argument} | {tables} |")


def _run(
    folder: str, *arguments: str, env: Mapping[str, str] = MappingProxyType({})
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "gaussdb_tasks", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": _WIDTH, **env},
        capture_output=True,
        text=True,
        check=True,
    )


def _example(name: str) -> None:
    _, _, code = (DATA / name).read_text().partition('"""\n\n')
    _code_block("python", code)


def _code_block(language: str, text: str) -> None:
    print(f"```{language}\n{text.rstrip()}\n```")


def written(block: str) -> str:
    """Return the output of a block, for tests."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        globals()[block]()
    return out.getvalue()
