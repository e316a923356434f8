"""Generate layers, modules and make targets of ``pipelines/README.md`` for ``make docs``."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Final

from tests.support import ROOT

PACKAGE: Final = ROOT / "pipelines/gaussdb_tasks"
_LINK_BASE: Final = ROOT / "pipelines"


def layers() -> None:
    """List the layers of the import contract, top first, with the content of each module."""
    print("| layer | module | content |\n|---:|---|---|")
    for number, layer in enumerate(_layers(), start=1):
        for name in layer:
            path = _path_of(name)
            print(f"| {number} | {_link(path, name)} | {_summary(path)} |")


def modules() -> None:
    """List each module of each package with the first sentence of its docstring."""
    packages = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
    for package in packages[1:]:
        print(f"### {package.relative_to(PACKAGE)}\n\n| module | content |\n|---|---|")
        for path in sorted(package.glob("*.py")):
            if path.name != "__init__.py":
                print(f"| {_link(path, path.name)} | {_summary(path)} |")
        print()


def make_targets() -> None:
    """List the targets of the Makefile with their descriptions."""
    print("| command | effect |\n|---|---|")
    makefile = (ROOT / "Makefile").read_text()
    for name, meaning in re.findall(r"^([a-z0-9-]+):.*?## (.*)", makefile, re.MULTILINE):
        print(f"| `make {name}` | {meaning} |")


def _layers() -> list[list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["type"] == "layers"]
    return [re.findall(r"\w+", layer) for layer in contract["layers"]]


def _path_of(name: str) -> Path:
    package = PACKAGE / name / "__init__.py"
    return package if package.exists() else PACKAGE / f"{name}.py"


def _link(path: Path, text: str) -> str:
    target = path.parent if path.name == "__init__.py" else path
    return f"[`{text}`]({target.relative_to(_LINK_BASE)})"


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return docstring.partition("\n")[0].replace("``", "`").replace("|", "\\|")
