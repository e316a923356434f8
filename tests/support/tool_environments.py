"""Find the separate environments of the tools that read the database.

``make test-tools`` installs them below the environment of the tests, in the versions of
``tests/tools/requirements``, and fails if one is missing. Other runs skip their tests.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support import ROOT

PINNED: Final = "pinned"
OTHER_DUCKDBS: Final = ("duckdb-1.4", "duckdb-2.0")
TOOLS: Final = "tools"
KEYSTONE: Final = "keystone"
AIRFLOW: Final = "airflow"
SPARK: Final = "spark"
PLAIN: Final = "plain"
DLT: Final = "dlt"

_REQUIREMENTS: Final = ROOT / "tests/tools/requirements"
_PROJECT: Final = ROOT / "pyproject.toml"
_ROOT: Final = Path(sys.prefix)


@dataclass(frozen=True)
class Environment:
    """A Python with its programs, and a folder of packages that take precedence."""

    python: Path
    packages: Path | None = None

    def variables(self, home: Path, **more: str) -> dict[str, str]:
        """Return the variables of its programs, without the machine's settings."""
        packages = {} if self.packages is None else {"PYTHONPATH": str(self.packages)}
        return {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "TERM": "xterm-256color",
            **packages,
            **more,
        }

    def shell(self, line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a shell command in a folder."""
        return self._run(["/bin/sh", "-c", line], folder)

    def answer(self, program: str, folder: Path, *arguments: str, **more: str) -> str:
        """Run a Python program in a folder, and return what it prints.

        Args:
            program: the source text.
            folder: the working directory.
            arguments: the values of ``sys.argv[1:]``.
            more: environment variables.
        """
        run = self._run([str(self.python), "-c", program, *arguments], folder, more)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def _run(
        self, command: list[str], folder: Path, more: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=folder,
            env=self.variables(folder, **(more or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def environment(name: str) -> Environment:
    """Return the environment of tools, of a DuckDB release, or of the tests.

    If it is not installed, the test is skipped; under ``make test-tools`` it fails.
    """
    if name == PINNED:
        return Environment(Path(sys.executable))
    folder = _ROOT / name
    if not (folder / ".installed").exists():
        _skip_or_fail(name)
    if name in {TOOLS, KEYSTONE, AIRFLOW, SPARK, PLAIN, DLT}:
        return Environment(folder / "bin" / "python")
    return Environment(Path(sys.executable), folder)


def tools_with(name: str) -> Environment:
    """Return the tools with another DuckDB instead of their own."""
    return Environment(environment(TOOLS).python, environment(name).packages)


def version(name: str, package: str) -> str:
    """Return the required version of a package in an environment."""
    if name == PINNED:
        lines = tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]
    else:
        lines = (_REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    (found,) = [
        required
        for required_package, _, required in (line.partition("==") for line in lines)
        if required_package.partition("[")[0] == package
    ]
    return str(found)


def _skip_or_fail(name: str) -> None:
    message = f"{name} is not installed; run `make test-tools`, which installs it"
    if os.environ.get("TEST_TOOLS") == "required":
        pytest.fail(message)
    pytest.skip(message)
