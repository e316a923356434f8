"""Shared by tests: how to make, load, change and read a task center and its archive."""

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT / "tests" / "data"

IS_THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
"""Whether campaigns run in full, as `make test-thorough` does."""
