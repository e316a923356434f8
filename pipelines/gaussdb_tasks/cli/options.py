"""Options that several commands share. Each has a variable ``GAUSSDB_TASKS_<OPTION>``."""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from gaussdb_tasks.cli import url_options
from gaussdb_tasks.cli.usage_errors import origin_of
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.known_secrets import remember_url_credentials

PREFIX: Final = "GAUSSDB_TASKS_"
_ALL_PERMISSIONS: Final = 0o777
_OCTAL: Final = re.compile(r"[0-7]{1,4}")

_F = TypeVar("_F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that can also be set by its variable, or before the name of the command."""

    def __init__(self, *args: Any, variable: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        long_name = max(self.opts, key=len).removeprefix("--")
        self.envvar = PREFIX + (variable or long_name.replace("-", "_").upper())
        self.show_envvar = True

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Return the value given after the command's name, else the one before it, else click's."""
        value, source = super().consume_value(ctx, opts)
        group = ctx.find_root()
        if (
            source is not ParameterSource.COMMANDLINE
            and self.name is not None
            and group.get_parameter_source(self.name) is ParameterSource.COMMANDLINE
        ):
            return group.params[self.name], ParameterSource.COMMANDLINE
        return value, source

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value as the command gets it.

        Raises:
            BadParameter: it is empty, or not valid.
            ConfigurationError: it is not valid; the message says where it was set.
        """
        _refuse_empty(ctx, self, value)
        try:
            return super().process_value(ctx, value)
        except ConfigurationError as error:
            origin = origin_of(ctx, self)
            if not origin or "(set by " in str(error):
                raise
            message = f"{error}{origin}"
            raise ConfigurationError(message) from error

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in the option's type; the password of a URL is masked from then on.

        Raises:
            BadParameter: it is not valid.
        """
        converted = super().type_cast_value(ctx, _with_home_if_path(self, value))
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

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value as the command gets it.

        Raises:
            BadParameter: it is empty, or not valid.
        """
        _refuse_empty(ctx, self, value)
        return super().process_value(ctx, value)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in the argument's type.

        Raises:
            BadParameter: it is not valid.
        """
        return _in_utf8(ctx, self, super().type_cast_value(ctx, _with_home_if_path(self, value)))


def _refuse_empty(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Refuse a text without content, which a shell makes of a variable that is not set.

    Raises:
        BadParameter: a value is empty.
    """
    given = value if isinstance(value, (list, tuple)) else (value,)
    if any(isinstance(each, str) and not each.strip() for each in given):
        name = "" if isinstance(param, click.Option) else f"{param.human_readable_name}: "
        message = f"{name}the value is empty; give one, or leave it out"
        raise click.BadParameter(message, ctx, param)


def _in_utf8(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse a text that is not UTF-8: the database cannot hold it; names of files can be so."""
    for each in _texts(value):
        if not is_utf8(each):
            message = f"{each!r} is not valid UTF-8."
            raise click.BadParameter(message, ctx, param)
    return value


def _with_home_if_path(param: click.Parameter, value: Any) -> Any:
    is_path = isinstance(param.type, (click.Path, url_options.UrlType))
    return _with_home(value) if is_path else value


def _with_home(value: Any) -> Any:
    """Return a path with the home folder for ~, which shells expand only where a word begins."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_with_home, value))
    if not (isinstance(value, str) and value.startswith("~")):
        return value
    try:
        return str(Path(value).expanduser())
    except RuntimeError:  # there is no such user
        return value


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, str):
            yield each


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def option(*names: str, **attributes: Any) -> Callable[[_F], _F]:
    """Declare an option like ``click.option``, with its variable."""
    return click.option(*names, cls=Option, **attributes)


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


def refuse_without(needed: str, value: object, others: Mapping[str, object]) -> None:
    """Refuse options that have an effect only beside another one.

    Args:
        needed: the name of that option.
        value: its value; nothing is refused if it is given.
        others: the values of the options that need it, by name.

    Raises:
        ConfigurationError: one of them is given.
    """
    for name, given in others.items():
        if given and not value:
            message = f"{name} needs {needed}; give both"
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
            message = f'--umask: {value} is not octal; write it in quotes, as in umask = "077"'
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
