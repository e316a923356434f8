"""The configuration file ``gaussdb_tasks.toml``: an operator's own defaults for options.

A key is an option's name. Above every table it holds for each command that has the option; in a
table named like a command, for that one. Options override variables, variables override the file.

It is a file of this program's, and not dlt's ``.dlt/config.toml``: dlt's would speak of its
pipelines and destinations, which are none of an operator's business here, and be read by every
other pipeline below the same folder.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from gaussdb_tasks.errors import ConfigurationError

FILE_NAME: Final = "gaussdb_tasks.toml"
OPTION: Final = "config_file"
_META: Final = "gaussdb_tasks.configuration"

Commands = Mapping[str, Callable[[], click.Command]]
"""Commands by name, imported when they are asked for."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says, by command; the empty name holds what it says for all of them."""

    path: Path | None
    values: Mapping[str, Mapping[str, Any]]

    def defaults_for(self, command: click.Command, name: str) -> dict[str, Any]:
        """Return click's default map of a command: the file's values by parameter."""
        options = _options(command)
        said = {**self.values.get("", {}), **self.values.get(name, {})}
        return {
            str(options[key].name): _value(options[key], key, value)
            for key, value in said.items()
            if key in options
        }


def read_configuration(path: Path | None, commands: Commands) -> Configuration:
    """Read a file; None for that of the current folder, which need not be there.

    Raises:
        ConfigurationError: it cannot be read, or says something that no option knows; the message
            suggests the near one.
    """
    if path is None:
        path = Path(FILE_NAME)
        if not path.exists():
            return Configuration(None, {})
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise ConfigurationError(message) from error
    everywhere = {_key(key): each for key, each in content.items() if not isinstance(each, dict)}
    tables = {
        key: {_key(name): value for name, value in each.items()}
        for key, each in content.items()
        if isinstance(each, dict)
    }
    for key in everywhere:
        _refuse_unknown(key, partial(_all_options, commands), f"{path}: there is no option")
    for name, table in tables.items():
        _refuse_unknown(name, commands.keys, f"{path}: there is no command")
        for key in table:
            command = commands[name]
            complaint = f"{path}: [{name}] has no option"
            _refuse_unknown(key, partial(_options_of, command), complaint)
    return Configuration(path, {"": everywhere, **tables})


def config_option(commands: Commands, name: str) -> click.Option:
    """Make the option that names the file, for a command; the file's values become its defaults."""

    def read(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
        configuration = read_configuration(value, commands)
        ctx.default_map = configuration.defaults_for(ctx.command, name)
        ctx.meta[_META] = configuration.path
        return configuration.path

    return click.Option(
        ["--config", OPTION],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        expose_value=False,
        is_eager=True,  # the other options' defaults are in it
        callback=read,
        envvar="GAUSSDB_TASKS_CONFIG",
        show_envvar=True,
        help=f"Defaults of options. Default: ./{FILE_NAME}, if it is there.",
    )


def explain(ctx: click.Context) -> Iterator[tuple[str, str, str]]:
    """Yield each option of a command in force: name, value, and whence it is."""
    for param in ctx.command.params:
        if not isinstance(param, click.Option) or param.name is None or param.name == OPTION:
            continue
        value = ctx.params.get(param.name)
        source = ctx.get_parameter_source(param.name)
        if isinstance(value, tuple):
            shown = " ".join(map(str, value))
        else:
            shown = "" if value is None else str(value)
        yield long_name(param), shown, _whence(ctx, param, source)


def file_in_force(ctx: click.Context) -> Path | None:
    """Return the configuration file that a command goes by, if there is one."""
    path: Path | None = ctx.meta.get(_META)
    return path


def long_name(option: click.Option) -> str:
    """Return the name that people know an option by, without its dashes."""
    return max(option.opts, key=len).removeprefix("--")


def _whence(ctx: click.Context, option: click.Option, source: ParameterSource | None) -> str:
    match source:
        case ParameterSource.COMMANDLINE:
            return "option"
        case ParameterSource.ENVIRONMENT:
            return f"variable {option.envvar}"
        case ParameterSource.DEFAULT_MAP:
            return f"file {file_in_force(ctx)}"
    return "default"


def _key(key: str) -> str:
    return key.replace("_", "-")


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        long_name(param): param
        for param in command.params
        if isinstance(param, click.Option) and param.name != OPTION
    }


def _options_of(load: Callable[[], click.Command]) -> set[str]:
    return set(_options(load()))


def _all_options(commands: Commands) -> set[str]:
    return {name for load in commands.values() for name in _options(load())}


def _refuse_unknown(key: str, known: Callable[[], Iterable[str]], complaint: str) -> None:
    names = list(known())
    if key in names:
        return
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see -h of the command for those there are"
    message = f"{complaint} {key!r}; {hint}"
    raise ConfigurationError(message)


def _value(option: click.Option, key: str, value: Any) -> Any:
    if isinstance(value, date):  # a date and time of TOML; options take their text
        value = value.isoformat()
    if option.is_flag:
        if not isinstance(value, bool):
            message = f"{FILE_NAME}: {key} is true or false, not {value!r}"
            raise ConfigurationError(message)
        return value
    if option.multiple:
        return tuple(value) if isinstance(value, list) else (value,)
    if isinstance(value, (list, dict, bool)):
        message = f"{FILE_NAME}: {key} takes one value, not {value!r}"
        raise ConfigurationError(message)
    return value
