"""Start-up imports only what a command needs: Arrow or dlt take longer than most commands.

A new command needs a line in both tables, unless it only ever shows its help.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gaussdb_tasks.cli import cli
from tests.support.emulator_client import job_id

HEAVY: Final = frozenset(
    {
        *("botocore", "cryptography", "dlt", "duckdb", "filelock", "fsspec", "jinja2"),
        *("keystoneauth1", "msgspec", "openstack", "pendulum", "prometheus_client"),
        *("pyarrow", "requests", "rfc3161_client", "rich", "s3fs", "sqlglot", "tenacity", "yaml"),
    }
)
"""Libraries that take more than a few milliseconds to import."""

_API: Final = frozenset({"keystoneauth1", "requests", "tenacity", "yaml"})
_ARROW: Final = frozenset({"pyarrow"})
_LOAD: Final = frozenset({"duckdb", "msgspec", "pendulum"}) | _API | _ARROW

FOR_HELP: Final = {
    "load": _LOAD,
    "check": _LOAD,
    "status": {"duckdb"},
    "query": {"duckdb"},
    "list": _LOAD - _ARROW,
    "report": {"duckdb"},
    "verify": {"duckdb", "msgspec"},
    "rebuild": {"duckdb", "msgspec", "pendulum"} | _ARROW,
    "changes": {"duckdb"},
    "evidence": {"duckdb", "msgspec"},
    "retention": {"duckdb", "msgspec"} | _ARROW,
    "redact": {"duckdb", "msgspec", "pendulum"} | _ARROW,
    "keys": set[str](),
    "schedule": {"jinja2"} | _LOAD,
    "config": {"duckdb"},
    "emulator": set[str](),
    "demo": _LOAD,
    "completion": set[str](),
    "views": {"duckdb"},
    "publish": {"duckdb", "msgspec", "tenacity"} | _ARROW,
}
"""The heavy libraries that the help of a command imports: its options come from its module."""

TO_RUN: Final = [
    (("status",), {"duckdb"}),
    (("query", "tasks", "--format", "csv"), {"duckdb"}),
    (("query", "tasks", "--format", "json"), {"duckdb", "msgspec"}),
    (("query", "select 1 as one"), {"duckdb"}),
    (("query", "tasks", "--output", "tasks.parquet"), {"duckdb"} | _ARROW),
    (("report", "report.html"), {"duckdb", "jinja2"}),
    (("verify", "--fast"), {"duckdb", "msgspec"}),
    (("verify",), {"duckdb", "msgspec"} | _ARROW),
    (("changes", "--since", "2020-01-01"), {"duckdb"}),
    (("evidence", job_id(1)), {"duckdb", "msgspec"}),
    (("config", "status"), {"duckdb"}),
    (("emulator", "--help"), set[str]()),
]
"""Commands that only read, and the heavy libraries that they import."""

# A process for each command, without the start of another interpreter.
SCRIPT: Final = """
import os, sys, json, traceback
from gaussdb_tasks.cli import main
for line in sys.stdin:
    child = os.fork()
    if not child:
        names = os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["gaussdb-tasks", *json.loads(line)]
        code = None
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
        print(code or 0, *sorted({each.partition(".")[0] for each in sys.modules}), file=names)
        names.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def imported(folder: Path, commands: Sequence[Sequence[str]]) -> list[tuple[int, frozenset[str]]]:
    """Run each command in a process of its own; return its exit code and heavy libraries."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="\n".join(map(json.dumps, commands)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in run.stdout.splitlines()]
    assert len(lines) == len(commands), run.stderr
    return [(int(code), HEAVY.intersection(names)) for code, *names in lines]


def test_the_help_of_each_command_imports_only_this(tmp_path: Path) -> None:
    """The table has each command; the help of the program itself imports nothing heavy."""
    assert FOR_HELP.keys() == {command.name for command in cli.subcommands}
    commands = [("--help",), ("--version",), *((name, "--help") for name in FOR_HELP)]
    wanted = [set[str](), set[str](), *FOR_HELP.values()]
    found = imported(tmp_path, commands)
    for command, (code, modules), expected in zip(commands, found, wanted, strict=True):
        assert (code, set(modules)) == (0, expected), command


def test_a_command_that_reads_imports_only_this(original: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(original)
    found = imported(tmp_path, [arguments for arguments, _ in TO_RUN])
    for (arguments, expected), (code, modules) in zip(TO_RUN, found, strict=True):
        assert (code, set(modules)) == (0, expected), arguments
