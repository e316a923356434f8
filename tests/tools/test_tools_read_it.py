"""Each tool of sql/README.md reads the database with the documented commands."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import readme_blocks
from tests.support.documented_tools import (
    BROWSE_COMMAND,
    CONNECT,
    DATABASE,
    IBIS_CONNECT,
    IBIS_READ,
    PANDAS_READ,
    POLARS_READ,
    QUERY_COMMAND,
)
from tests.support.terminals import Terminal
from tests.support.tool_environments import (
    OTHER_DUCKDBS,
    PINNED,
    TOOLS,
    Environment,
    environment,
    tools_with,
    version,
)

_PANDAS_TYPES = {
    "is_failed": "bool",
    "created_at": "datetime64[us]",
    # pandas has no type for dates; DuckDB gives times at midnight.
    "created_date": "datetime64[us]",
    "duration_ms": "Int64",
    "duration_seconds": "float64",
    "version_count": "int64",
}
_COLUMNS = ["job_id", *_PANDAS_TYPES]
_POLARS_TYPES = {
    "is_failed": "Boolean",
    "created_at": "Datetime(time_unit='us', time_zone=None)",
    "created_date": "Date",
    "duration_ms": "Int64",
    "duration_seconds": "Float64",
    "version_count": "Int64",
}
_IBIS_TYPES = {
    "is_failed": "boolean",
    "created_at": "timestamp(6)",
    "created_date": "date",
    "duration_ms": "int64",
    "duration_seconds": "float64",
    "version_count": "int64",
}

_AS_JSON = """
import json

def plain(value):
    if repr(value) in ("None", "nan", "NaT", "<NA>"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value

def show(types, rows):
    rows = sorted([plain(value) for value in row] for row in rows)
    print(json.dumps({"types": {name: str(kind) for name, kind in types}, "rows": rows}))
"""

_PYTHON = f"""
import duckdb
{CONNECT}
tasks = connection.execute("select {", ".join(_COLUMNS)} from tasks")
show([], tasks.fetchall())
"""
_PANDAS = f"""
import duckdb
{CONNECT}
tasks = {PANDAS_READ}[{_COLUMNS}]
show(tasks.dtypes.items(), tasks.itertuples(index=False))
"""
_POLARS = f"""
import duckdb
{CONNECT}
tasks = {POLARS_READ}[{_COLUMNS}]
show(tasks.schema.items(), tasks.iter_rows())
"""
_IBIS = f"""
import ibis
{IBIS_CONNECT}
tasks = {IBIS_READ}[{_COLUMNS}]
show(tasks.schema().items(), tasks.to_polars().iter_rows())
"""


@pytest.fixture(scope="session")
def tools() -> Environment:
    """Return the environment of the tools."""
    return environment(TOOLS)


@pytest.fixture(scope="session", params=[TOOLS, OTHER_DUCKDBS[-1]])
def either(request: pytest.FixtureRequest) -> Environment:
    """Return the tools with their own DuckDB, and with DuckDB 2."""
    return tools_with(request.param)


@pytest.fixture(scope="session")
def newest() -> Environment:
    """Return the tools with DuckDB 2."""
    return tools_with(OTHER_DUCKDBS[-1])


@pytest.fixture(scope="session")
def tasks(archive: Path) -> list[list[Any]]:
    """Read the tasks with the pinned DuckDB; all tools must read the same."""
    answer = json.loads(environment(PINNED).answer(_AS_JSON + _PYTHON, archive))
    rows: list[list[Any]] = answer["rows"]
    return rows


def seen(tool: Environment, program: str, archive: Path) -> tuple[dict[str, str], list[list[Any]]]:
    """Run a data-frame program in a time zone far from UTC; return types and rows."""
    answer = json.loads(tool.answer(_AS_JSON + program, archive, TZ="Asia/Kathmandu"))
    types = {name: kind for name, kind in answer["types"].items() if name in _PANDAS_TYPES}
    return types, answer["rows"]


def test_pandas(either: Environment, archive: Path, tasks: list[list[Any]]) -> None:
    """Times are naive and in UTC, days are midnights, counts whole, durations floats."""
    types, rows = seen(either, _PANDAS, archive)
    assert types == _PANDAS_TYPES
    day = _COLUMNS.index("created_date")
    assert rows == [[*row[:day], f"{row[day]}T00:00:00", *row[day + 1 :]] for row in tasks]


def test_polars(either: Environment, archive: Path, tasks: list[list[Any]]) -> None:
    """Times are naive and in UTC, days are dates, counts whole, durations floats."""
    types, rows = seen(either, _POLARS, archive)
    assert types == _POLARS_TYPES
    assert rows == tasks


def test_ibis(tools: Environment, archive: Path, tasks: list[list[Any]]) -> None:
    """Times are naive and in UTC, days are dates, counts whole, durations floats."""
    types, rows = seen(tools, _IBIS, archive)
    assert types == _IBIS_TYPES
    assert rows == tasks


def test_ibis_still_needs_duckdb_1(newest: Environment, archive: Path) -> None:
    """With DuckDB 2 it fails, as documented. If this test fails, update sql/README.md."""
    with pytest.raises(AssertionError, match="fetch_arrow_table"):
        seen(newest, f"{_IBIS}\nconnection.list_tables()", archive)


@pytest.mark.parametrize("open_it", [CONNECT, IBIS_CONNECT])
def test_python_cannot_write(open_it: str, tools: Environment, archive: Path) -> None:
    """A connection as documented refuses to change the database."""
    write = "getattr(connection, 'raw_sql', getattr(connection, 'execute', None))"
    program = f"import duckdb, ibis\n{open_it}\n{write}('drop view tasks')"
    with pytest.raises(AssertionError, match="read-only mode"):
        tools.answer(program, archive)


def test_the_command_line(tools: Environment, archive: Path) -> None:
    """The documented command prints the view."""
    run = tools.shell(QUERY_COMMAND, archive)
    assert run.returncode == 0, run.stderr
    assert "created_week" in run.stdout
    assert "BackupSnapshotGaussDBV5InInstance" in run.stdout


def test_the_command_line_writes_csv(tools: Environment, archive: Path) -> None:
    """Its CSV has the rows of `gaussdb-tasks query`."""
    run = tools.shell(QUERY_COMMAND.replace("-readonly", "-readonly -csv"), archive)
    query = environment(PINNED).shell(
        "python -m gaussdb_tasks query failure_rates_by_week --format csv --data-dir data", archive
    )
    theirs, ours = (sorted(csv.reader(io.StringIO(text.stdout))) for text in (run, query))
    assert len(theirs) > 1
    assert theirs == ours


def test_the_command_line_lists_the_views(tools: Environment, archive: Path) -> None:
    """`show tables` lists exactly the documented views."""
    run = tools.shell(f'duckdb -readonly -noheader -csv {DATABASE} "show tables"', archive)
    documented = re.findall(r"^\| \[`(\w+)`\]\(#\1\)", readme_blocks.written("views"), re.MULTILINE)
    assert sorted(documented) == run.stdout.split()


def test_the_command_line_cannot_write(tools: Environment, archive: Path) -> None:
    """Opened as documented, it refuses to change the database."""
    run = tools.shell(f'duckdb -readonly {DATABASE} "drop view tasks"', archive)
    assert run.returncode == 1
    assert "read-only mode" in run.stderr


def test_harlequin(either: Environment, archive: Path, tasks: list[list[Any]]) -> None:
    """In a terminal, the documented command runs a query and shows the result."""
    screen = Terminal(either, BROWSE_COMMAND, archive)
    try:
        # Pasted: Harlequin's completion sometimes crashes if keys are sent very fast.
        select_all, run = "\x01", "\n"
        query = "\x1b[200~select 'there are ' || count(*) from tasks\x1b[201~"
        screen.press_until(f"{select_all}{query}{run}", f"there are {len(tasks)}")
    finally:
        screen.close()


def test_harlequin_lists_the_views(tools: Environment, archive: Path) -> None:
    """Its catalog, read with `hsql`, has the views."""
    run = tools.shell(
        f"hsql --read-only {DATABASE} --catalog --path gaussdb_tasks.main --csv", archive
    )
    listed = {row["name"] for row in csv.DictReader(io.StringIO(run.stdout))}
    assert {"tasks", "task_history", "running_tasks", "archive_status"} <= listed


def test_harlequin_cannot_write(tools: Environment, archive: Path) -> None:
    """Opened read-only, it refuses to change the database."""
    run = tools.shell(f'hsql --read-only {DATABASE} -c "drop view tasks"', archive)
    assert run.returncode != 0
    assert "read-only mode" in run.stderr


def test_the_installed_versions_are_the_documented_ones(tools: Environment, archive: Path) -> None:
    packages = ("duckdb", "duckdb-cli", "harlequin", "ibis-framework", "pandas", "polars")
    program = (
        f"from importlib.metadata import version\nfor name in {packages}: print(version(name))"
    )
    assert tools.answer(program, archive).split() == [version(TOOLS, name) for name in packages]
