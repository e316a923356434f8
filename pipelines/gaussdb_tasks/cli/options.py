"""Options that several commands share. Each has a variable ``GAUSSDB_TASKS_<OPTION>``."""

import inspect
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from gaussdb_tasks.cli import url_options
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.known_secrets import remember_url_credentials

if TYPE_CHECKING:
    from gaussdb_tasks.database.data_dir import DataDir
    from gaussdb_tasks.model.time_range import TimeRange
    from gaussdb_tasks.model.times import Micros

_PREFIX: Final = "GAUSSDB_TASKS_"
_DEFAULT_DATA_DIR: Final = Path("data")
_ALL_PERMISSIONS: Final = 0o777
_OCTAL: Final = re.compile(r"[0-7]{1,4}")
# A time outside of these years is a typing error, and the archive would keep it.
_YEARS: Final = range(2000, 2200)

_F = TypeVar("_F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that can also be set by its variable, or before the name of the command."""

    def __init__(self, *args: Any, variable: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        long_name = max(self.opts, key=len).removeprefix("--")
        self.envvar = _PREFIX + (variable or long_name.replace("-", "_").upper())
        self.show_envvar = True

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Return the value given after the command's name, else the one before it, else click's."""
        value, source = super().consume_value(ctx, opts)
        _refuse_empty(ctx, self, value, source)
        group = ctx.find_root()
        if (
            source is not ParameterSource.COMMANDLINE
            and self.name is not None
            and group.get_parameter_source(self.name) is ParameterSource.COMMANDLINE
        ):
            return group.params[self.name], ParameterSource.COMMANDLINE
        return value, source

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in the option's type; the password of a URL is masked from then on.

        Raises:
            BadParameter: it is not valid.
        """
        converted = super().type_cast_value(ctx, value)
        if isinstance(converted, float) and not math.isfinite(converted):
            message = f"{converted} is not in the range"
            raise click.BadParameter(message, ctx, self)
        for each in _texts(converted):
            remember_url_credentials(each)
        return _in_utf8(ctx, self, converted)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's help; a default may come from the settings file."""
        record = super().get_help_record(ctx)
        return None if record is None else (visible(record[0]), visible(record[1]))


class Argument(click.Argument):
    """An argument in UTF-8."""

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Return the value, unless it is empty."""
        value, source = super().consume_value(ctx, opts)
        _refuse_empty(ctx, self, value, source)
        return value, source

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in the argument's type.

        Raises:
            BadParameter: it is not valid.
        """
        return _in_utf8(ctx, self, super().type_cast_value(ctx, value))


def _refuse_empty(
    ctx: click.Context, param: click.Parameter, value: Any, source: ParameterSource
) -> None:
    """Refuse an empty text, which a shell makes of a variable that is not set.

    Raises:
        BadParameter: a value on the command line is empty.
    """
    given = value if isinstance(value, (list, tuple)) else (value,)
    if source is ParameterSource.COMMANDLINE and "" in given:
        name = "" if isinstance(param, click.Option) else f"{param.human_readable_name}: "
        message = f"{name}the value is empty; give one, or leave it out"
        raise click.BadParameter(message, ctx, param)


def _in_utf8(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse a text that is not UTF-8: the database cannot hold it; names of files can be so."""
    for each in _texts(value):
        if not _is_utf8(each):
            message = f"{each!r} is not valid UTF-8."
            raise click.BadParameter(message, ctx, param)
    return value


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, str):
            yield each


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def option(*names: str, **attributes: Any) -> Callable[[_F], _F]:
    """Declare an option like ``click.option``, with its variable."""
    return click.option(*names, cls=Option, **attributes)


class FiniteRange(click.FloatRange):
    """A range of numbers without ``nan``, which is neither above nor below any threshold."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a value."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a valid float.", param, ctx)
        return number


def combine(name: str, make: Callable[..., Any]) -> Callable[[_F], _F]:
    """Pass to a command one parameter ``name`` in place of the options that ``make`` takes."""
    taken = frozenset(inspect.signature(make).parameters)

    def decorate(function: _F) -> _F:
        @wraps(function)
        def call(**values: Any) -> Any:
            arguments = {key: values.pop(key) for key in taken & values.keys()}
            return function(**values, **{name: make(**arguments)})

        return call  # type: ignore[return-value]  # a command has keyword parameters only

    return decorate


class _Directory(click.Path):
    """The path of a data directory; a variable can have several, separated as in ``PATH``."""

    def __init__(self, *, is_list: bool) -> None:
        super().__init__(file_okay=False, readable=False, path_type=Path)
        self._is_list = is_list

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Return the directories of a variable; the path of one may have a colon."""
        is_one = not self._is_list or Path(rv).exists()
        return [rv] if is_one else [each for each in rv.split(os.pathsep) if each]


def data_dir_option_with_default(default: Path) -> Callable[[_F], _F]:
    """Declare ``--data-dir`` with a default, for a command that works in one directory."""
    return option(
        "--data-dir",
        # Without this click would take the last directory of several in silence.
        multiple=True,
        type=_Directory(is_list=False),
        default=[default],
        show_default=True,
        callback=_only_directory,
        help="Directory of the database.",
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
    if not _is_utf8(str(path.absolute())):
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

repeatable_data_dir_option = option(
    "--data-dir",
    multiple=True,
    type=_Directory(is_list=True),
    default=[_DEFAULT_DATA_DIR],
    show_default=True,
    callback=_distinct_directories,
    help="Directory of the database; query, report and status read several as one.",
)


def data_dirs_option(function: _F) -> _F:
    """Declare ``--data-dir``, repeatable; pass the directories to the command: ``data_dirs``."""
    return repeatable_data_dir_option(combine("data_dirs", _data_dirs)(function))


def time_option(name: str, parameter: str, description: str) -> Callable[[_F], _F]:
    """Declare an option whose value is a date or a time."""
    return option(name, parameter, metavar="ISO", callback=_read_time, help=description)


def _read_time(_ctx: click.Context, param: click.Parameter, value: str | None) -> "Micros | None":
    from gaussdb_tasks.model.times import parse_time, to_datetime  # noqa: PLC0415 - help does not need it

    if value is None:
        return None
    option_name = param.opts[0]
    time = parse_time(value, option=option_name)
    if to_datetime(time).year not in _YEARS:
        message = (
            f"{option_name}: {value!r}: the year must be between {_YEARS.start} and {_YEARS[-1]}"
        )
        raise ConfigurationError(message)
    return time


def refuse_impossible(bounds: "TimeRange", listed: "TimeRange") -> None:
    """Refuse values of ``--from`` and ``--to`` that select nothing of the time that is listed.

    Raises:
        ConfigurationError: they select nothing.
    """
    from gaussdb_tasks.model.times import iso  # noqa: PLC0415 - help does not need it

    start, end = bounds
    is_both_given = start != listed.start and end != listed.end
    if start >= end and is_both_given:
        message = f"--from {iso(start)} is not before --to {iso(end)}; swap them"
        raise ConfigurationError(message)
    if start > listed.end:
        message = f"--from {iso(start)} is in the future; use a time in the past"
        raise ConfigurationError(message)
    if end <= listed.start:
        oldest = iso(listed.start)
        message = f"--to {iso(end)} is older than the task center's oldest task: {oldest}"
        raise ConfigurationError(message)
    if start >= end:
        message = f"--from {iso(start)} is not before --to {iso(end)}; use an earlier --from"
        raise ConfigurationError(message)


class Umask(int):
    """A mask of permissions, shown in octal as it is written."""

    def __str__(self) -> str:
        return f"{self:03o}"


class _UmaskType(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.2
    """Reads an octal text; a number would be read as decimal, and 63 would open every file."""

    name = "octal"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> Umask:
        if isinstance(value, Umask):
            return value
        if not isinstance(value, str):
            message = 'umask is a number, which is not octal; put it in quotes: umask = "077"'
            raise ConfigurationError(message)
        if not _OCTAL.fullmatch(value) or int(value, base=8) > _ALL_PERMISSIONS:
            message = f"--umask: {value!r} is not an octal mask; write it like 077 or 027"
            raise ConfigurationError(message)
        return Umask(value, base=8)


umask_option = option(
    "--umask",
    type=_UmaskType(),
    default="077",
    show_default=True,
    metavar="OCTAL",
    help="Permissions to remove from new files; 027 lets the group read.",
)

signing_key_option = option(
    "--signing-key",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sign the new archive entry with this Ed25519 private key in PEM format.",
)

archive_url_option = option(
    "--archive-url",
    metavar="URL",
    type=url_options.COPY,
    help="Copy the archive after the load to this directory or s3://bucket/prefix.",
)

log_format_option = option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Format of the messages on stderr; json writes one object per line.",
)

metrics_file_option = option(
    "--metrics-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write metrics to this file in Prometheus text format, also if the load fails.",
)

ping_url_option = option(
    "--ping-url",
    metavar="URL",
    type=url_options.PING,
    help="Dead-man switch to ping at start (URL/start), success (URL) and failure (URL/fail).",
)

dry_run_option = option("--dry-run", is_flag=True, help="Show the effects; change nothing.")

now_option = time_option("--now", "now", "Current time, for tests. Default: the machine's clock.")

output_file_option = option(
    "--output",
    "output_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, all or nothing. Its suffix sets the format if --format is not given.",
)


def format_option(
    *formats: str, default: str | None, variable: str = "FORMAT"
) -> Callable[[_F], _F]:
    """Declare ``--format``, the format of the data on stdout.

    Without a default the command chooses. A command with other formats has another variable.
    """
    return option(
        "--format",
        "output_format",
        variable=variable,
        type=click.Choice(formats),
        default=default,
        show_default=True,
        help="Format of the data.",
    )


def invented_data_options(function: _F) -> _F:
    """Add the options for the invented data of the emulator."""
    seed = option("--seed", default=0, show_default=True, help="Seed of the invented tasks.")
    tasks_per_day = option(
        "--tasks-per-day",
        type=click.IntRange(1, 10_000),
        default=40,
        show_default=True,
        help="Approximate number of tasks per project on a weekday.",
    )
    return seed(tasks_per_day(function))
