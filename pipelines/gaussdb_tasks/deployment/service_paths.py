"""Say which paths a systemd service can write and see.

The service sees the system read-only, and neither home directories nor the machine's temporary
files. What a load needs there is bound into its view.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
"""Hidden by ProtectHome=."""
TEMPORARY: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - names, not files
"""Hidden by PrivateTmp=."""


@dataclass(frozen=True, slots=True)
class ServicePaths:
    """The values of the directives of a unit that are lists of paths, quoted.

    Attributes:
        read_write: of ReadWritePaths=.
        bind: of BindPaths=.
        bind_read_only: of BindReadOnlyPaths=.
        protect_home: of ProtectHome=.
    """

    read_write: Sequence[str]
    bind: Sequence[str]
    bind_read_only: Sequence[str]
    protect_home: str


def service_paths(reads: Iterable[Path], writes: Iterable[Path]) -> ServicePaths:
    """Return the directives that let a service read and write paths.

    Paths that do not exist are ignored by systemd: the load's message says more than its own.
    """
    written = _outermost(writes)
    read = [path for path in _outermost([*reads, *written]) if path not in written]
    bound = [path for path in (*read, *written) if is_hidden(path)]
    at_home = any(_is_below(each, HOMES) for path in bound for each in (path, path.resolve()))
    return ServicePaths(
        read_write=[_quoted(f"-{_escaped(path)}") for path in written if not is_hidden(path)],
        bind=[each for path in written if is_hidden(path) for each in _binds(path)],
        bind_read_only=[each for path in read if is_hidden(path) for each in _binds(path)],
        # An empty file system in place of each home; the paths above are visible in it.
        protect_home="tmpfs" if at_home else "true",
    )


def is_hidden(path: Path) -> bool:
    """Return whether a service does not see a path, or what it links to."""
    hidden = (*HOMES, *TEMPORARY)
    return _is_below(path, hidden) or _is_below(path.resolve(), hidden)


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _binds(path: Path) -> Iterator[str]:
    """Yield the binds that make a path visible, and what it links to."""
    target = path.resolve()
    if _is_below(target, (*HOMES, *TEMPORARY)):
        yield _quoted(f"-{_escaped_bind(target)}")
    if target != path and _is_below(path, (*HOMES, *TEMPORARY)):
        yield _quoted(f"-{_escaped_bind(target)}:{_escaped_bind(path)}")


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are not inside another one of them, each once."""
    given = dict.fromkeys(paths)
    return [path for path in given if given.keys().isdisjoint(path.parents)]


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')


def _escaped_bind(path: Path) -> str:
    return _escaped(path).replace(":", "\\\\:")


def _quoted(text: str) -> str:
    return f'"{text}"'
