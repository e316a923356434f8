"""The page that says which test stands for which promise."""

import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
PAGE: Final = (TESTS / "README.md").read_text()
MAKEFILE: Final = (TESTS.parent / "Makefile").read_text()


def named_paths(text: str) -> list[str]:
    """Return the paths of tests that a part of the page names."""
    names = re.findall(r"`([\w/]+(?:\.py|/))`", text)
    return [name for name in names if name not in {"tests/support", "pipelines/gaussdb_tasks/"}]


def test_every_test_that_the_page_names_exists() -> None:
    paths = named_paths(PAGE)
    assert len(paths) > 30
    assert [path for path in paths if not (TESTS / path).exists()] == []


def test_every_target_that_the_page_names_exists() -> None:
    targets = re.findall(r"`make ([\w-]+)`", PAGE)
    assert "test-field" in targets
    assert [each for each in targets if f"\n{each}:" not in f"{MAKEFILE}help:"] == []


def test_test_field_runs_the_drills_that_the_page_names_for_the_field() -> None:
    section = PAGE.partition("## Faults in the field")[2].partition("\n## ")[0]
    (listed,) = re.findall(r"FIELD_TESTS := \$\(addprefix tests/,([^)]*)\)", MAKEFILE)
    folders = {path.rstrip("/") for path in named_paths(section)}
    # The tests of sign-in lie in a folder that is named for the service.
    assert folders - {"api/auth"} == set(listed.replace("\\\n", " ").split())
