"""Options that several commands share. Each has a variable ``GAUSSDB_TASKS_<OPTION>``."""

import inspect
import math
import os
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
from click.core import ParameterSource

from gaussdb_tasks.cli.url_options import UrlType
from gaussdb_tasks.cli.usage_errors import origin_of
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import visible
from gaussdb_tasks.known_secrets import remember_url_credentials

PREFIX: Final = "GAUSSDB_TASKS_"
_ALL_PERMISSIONS: Final = 0o777
_OCTAL: Final = re.compile(r"[0-7]{1,4}")

FILE: Final = click.Path(dir_okay=False, path_type=Path)
"""The name of a file; help shows it as FILE."""

Command: TypeAlias = Callable[..., Any]
"""The function of a command; it has keyword parameters only."""
Decorator: TypeAlias = Callable[[Command], Command]
"""Adds one option, or several."""


class _Checked(click.Parameter):
    """A parameter whose value is not empty and can be stored."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value as the command gets it, unless a shell made it of an unset variable.

        Raises:
            BadParameter: it is empty, or not valid.
            ConfigurationError: it is not valid; the message says where it was set.
        """
        given = value if isinstance(value, (list, tuple)) else (value,)
        if any(isinstance(each, str) and not each.strip() for each in given):
            name = "" if isinstance(self, click.Option) else f"{self.human_readable_name}: "
            message = f"{name}the value is empty; give one, or leave it out"
            raise click.BadParameter(message, ctx, self)
        try:
            return super().process_value(ctx, value)
        except ConfigurationError as error:
            origin = origin_of(ctx, self)
            if not origin or "(set by " in str(error):
                raise
            message = f"{error}{origin}"
            raise ConfigurationError(message) from error

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value in its type; the password of a URL is masked from then on.

        Raises:
            BadParameter: it is not valid, or a text that the database cannot hold; the name of a
                file can be so.
        """
        if isinstance(self.type, (click.Path, UrlType)):
            value = _with_home(value)
        converted = super().type_cast_value(ctx, value)
        if isinstance(converted, float) and not math.isfinite(converted):
            message = f"{converted} is not in the range"
            raise click.BadParameter(message, ctx, self)
        for each in converted if isinstance(converted, tuple) else (converted,):
            if isinstance(each, str):
                remember_url_credentials(each)
                if not is_utf8(each):
                    message = f"{each!r} is not valid UTF-8."
                    raise click.BadParameter(message, ctx, self)
        return converted


class Argument(_Checked, click.Argument):
    """An argument that is checked."""


class Option(_Checked, click.Option):
    """An option that can also be set by its variable, or before the name of the command."""

    def __init__(self, *args: Any, variable: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        long_name = max(self.opts, key=len).removeprefix("--")
        self.envvar = PREFIX + (variable or long_name.replace("-", "_").upper())
        self.show_envvar = True
        self.show_default = "default" in kwargs

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

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's help; a default may come from the settings file."""
        record = super().get_help_record(ctx)
        return None if record is None else (visible(record[0]), visible(record[1]))


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


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def option(*names: str, **attributes: Any) -> Decorator:
    """Declare an option like ``click.option``, with its variable."""
    return click.option(*names, cls=Option, **attributes)


def together(*decorators: Decorator) -> Decorator:
    """Join decorators into one, in the order in which they would stand above a command."""

    def decorate(function: Command) -> Command:
        for each in reversed(decorators):
            function = each(function)
        return function

    return decorate


def combine(name: str, make: Callable[..., Any]) -> Decorator:
    """Pass to a command one parameter ``name`` in place of the options that ``make`` takes."""
    taken = frozenset(inspect.signature(make).parameters)

    def decorate(function: Command) -> Command:
        @wraps(function)
        def call(**values: Any) -> Any:
            arguments = {key: values.pop(key) for key in taken & values.keys()}
            return function(**values, **{name: make(**arguments)})

        return call

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


def umask_option(function: Command) -> Command:
    """Declare ``--umask``, and set it when the command runs."""

    @wraps(function)
    def call(*, umask: Umask, **values: Any) -> Any:
        os.umask(umask)
        return function(**values)

    return option(
        "--umask",
        type=_UmaskType(),
        default="077",
        help="Permissions to remove from new files; 027 lets the group read.",
    )(call)


signing_key_option = option(
    "--signing-key",
    type=FILE,
    help="Sign the new archive entry with this Ed25519 private key in PEM format.",
)

output_file_option = option(
    "--output",
    "output_file",
    type=FILE,
    help="Write to this file, all or nothing. Its suffix sets the format if --format is not given.",
)


def format_option(*formats: str, default: str | None, variable: str = "FORMAT") -> Decorator:
    """Declare ``--format``, the format of the data on stdout.

    Without a default the command chooses. A command with other formats has another variable.
    """
    return option(
        "--format",
        "output_format",
        variable=variable,
        type=click.Choice(formats),
        default=default,
        help="Format of the data.",
    )


invented_data_options = together(
    option("--seed", default=0, help="Seed of the invented tasks."),
    option(
        "--tasks-per-day",
        type=click.IntRange(1, 10_000),
        default=40,
        help="Approximate number of tasks per project on a weekday.",
    ),
)
"""The options for the invented data of the emulator."""
