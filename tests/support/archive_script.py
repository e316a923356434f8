"""The script of the archive's README, which checks an archive without this package."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import gaussdb_tasks.archive

README: Final = Path(gaussdb_tasks.archive.__file__).with_name("README.md").read_text()


def check_by_script(archive: Path) -> "subprocess.CompletedProcess[str]":
    """Run the README's script, in a Python without this package."""
    (script,) = re.findall(r"```python\n(import hashlib.*?)```", README, flags=re.DOTALL)
    return subprocess.run(
        [sys.executable, "-I", "-c", script, archive], capture_output=True, text=True, check=False
    )
