"""The script of the archive's README, which checks an archive without this package."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import gaussdb_tasks.archive

README: Final = Path(gaussdb_tasks.archive.__file__).with_name("README.md").read_text()


(SCRIPT,) = re.findall(r"```python\n(import argparse.*?)```", README, flags=re.DOTALL)


def check_by_script(archive: Path, *options: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the README's script, in a Python without this package."""
    command = [sys.executable, "-I", "-c", SCRIPT, archive, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)
