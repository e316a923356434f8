"""Write a settings file, and read the effective settings from ``gaussdb-tasks config``."""

import json
from pathlib import Path

from tests.support.commands import Command


def write_settings(text: str, path: str = "gaussdb_tasks.toml") -> None:
    """Write a settings file."""
    Path(path).write_text(text)


def effective(
    command: Command, *arguments: str, env: dict[str, str] | None = None
) -> dict[str, list[str]]:
    """Return value and source by the name of the setting."""
    run = command("config", "--format", "json", *arguments, env=env)
    assert run.exit_code == 0, run.stderr
    return {each["setting"]: [each["value"], each["source"]] for each in json.loads(run.stdout)}
