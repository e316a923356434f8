"""The option ``--data-dir``: one directory, or several that are read as one."""

import os
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from gaussdb_tasks.cli.options import Decorator, combine, is_utf8, option, together
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible

if TYPE_CHECKING:
    from gaussdb_tasks.database.data_dir import DataDir

_DEFAULT_DATA_DIR: Final = Path("data")


class _Directory(click.Path):
    """The path of a data directory; a variable can have several, separated as in ``PATH``."""

    def __init__(self, *, is_list: bool) -> None:
        super().__init__(file_okay=False, readable=False, path_type=Path)
        self._is_list = is_list

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Return the directories of a variable; the path of one may have a colon."""
        is_one = not self._is_list or Path(rv).exists()
        return [rv] if is_one else [each for each in rv.split(os.pathsep) if each]


def data_dir_option_with_default(default: Path) -> Decorator:
    """Declare ``--data-dir`` with a default, for a command that works in one directory."""
    return _data_dir_option("Directory of the database.", _only_directory, default, is_list=False)


def _data_dir_option(
    description: str, check: Callable[..., Any], default: Path, *, is_list: bool
) -> Decorator:
    return option(
        "--data-dir",
        # Otherwise click would take the last of several directories, without a message.
        multiple=True,
        type=_Directory(is_list=is_list),
        default=[default],
        callback=check,
        help=description,
    )


def _data_dirs(data_dir: tuple[Path, ...]) -> "tuple[DataDir, ...]":
    from gaussdb_tasks.database.data_dir import DataDir  # noqa: PLC0415 - help does not need it

    return tuple(map(DataDir, data_dir))


def _only_directory(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> Path:
    paths = _distinct_directories(ctx, param, paths)
    if len(paths) > 1:
        shown = ", ".join(visible(str(path)) for path in paths)
        message = (
            f"--data-dir names {len(paths)} directories ({shown}), but {ctx.command.name} works in "
            "one; name one"
        )
        raise ConfigurationError(message)
    return paths[0]


def _distinct_directories(
    ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Return directories that can be read together; a settings file can name none."""
    if not paths:
        message = "--data-dir names no directory; name one"
        raise ConfigurationError(message)
    is_default = ctx.get_parameter_source(str(param.name)) is ParameterSource.DEFAULT
    if not is_default:  # perhaps only the group's: the command may have another
        for path in paths:
            _refuse_unreachable(path)
    for path, after in combinations(paths, 2):
        if path.resolve() == after.resolve():
            message = f"--data-dir names {visible(str(after))} twice; name each directory once"
            raise ConfigurationError(message)
    return paths


def _refuse_unreachable(path: Path) -> None:
    """Refuse a directory that the user cannot enter, or that DuckDB cannot open."""
    if not is_utf8(str(path.absolute())):
        message = f"the path of the data directory {path} must be valid UTF-8; choose another"
        raise ConfigurationError(message)
    if "?" in str(path.absolute()):
        message = f"--data-dir: {path}: DuckDB opens no path with a question mark; choose another"
        raise ConfigurationError(message)
    try:
        (path / "any").stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # the command reports a directory that does not exist
    except OSError as error:
        from gaussdb_tasks.os_errors import explain  # noqa: PLC0415 - help does not need it

        raise explain(error, path=path, setting="--data-dir") from error


data_dir_option = data_dir_option_with_default(_DEFAULT_DATA_DIR)

repeatable_data_dir_option = _data_dir_option(
    "Directory of the database; query, report and status read several as one.",
    _distinct_directories,
    _DEFAULT_DATA_DIR,
    is_list=True,
)


data_dirs_option = together(repeatable_data_dir_option, combine("data_dirs", _data_dirs))
"""``--data-dir``, repeatable; the command gets the directories: ``data_dirs``."""
