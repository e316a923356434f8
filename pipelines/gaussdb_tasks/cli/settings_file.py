"""The settings file ``gaussdb_tasks.toml``: defaults for options.

A key is the name of an option. A key outside every table applies to each command that has the
option. A key in a table applies to the command that the table is named after. Options override
environment variables, and variables override the file.

The file is separate from dlt's ``.dlt/config.toml``. That one configures dlt's own pipelines and
destinations, and every other pipeline below the same folder reads it too.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import is_secret_name, remember
from gaussdb_tasks.os_errors import explain

FILE_NAME: Final = "gaussdb_tasks.toml"
OPTION: Final = "config_file"
_META: Final = "gaussdb_tasks.settings_file"

_AT_LINE: Final = re.compile(r"(?P<problem>.*) \(at line (?P<line>\d+), column \d+\)", re.DOTALL)
_TABLE: Final = re.compile(r"\s*\[\s*[\"']?(?P<name>[\w-]+)")
_ASSIGNMENT: Final = re.compile(r"\s*[\"']?(?P<name>[\w-]+)[\"']?\s*=")

Commands = Mapping[str, Callable[[], click.Command]]
"""Functions that import a command, by its name."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The values of a file by command; those under the empty name apply to all commands."""

    path: Path | None
    values: Mapping[str, Mapping[str, Any]]
    places: Mapping[tuple[str, str], str]
    """The file and line of each key, by command and key."""

    def defaults_for(self, command: click.Command, name: str) -> dict[str, Any]:
        """Return click's default map of a command: the file's values by parameter name."""
        options = _options(command)
        values = {**self.values.get("", {}), **self.values.get(name, {})}
        return {
            str(options[key].name): _value(options[key], key, value, self.place(name, key))
            for key, value in values.items()
            if key in options
        }

    def place(self, command: str, key: str) -> str:
        """Return the file and line of a key that applies to a command."""
        found = self.places.get((command, key)) or self.places.get(("", key))
        return found or str(self.path)


class EffectiveSetting(NamedTuple):
    """The value of an option and its source: option, variable, file or default."""

    name: str
    value: str
    source: str


def read_settings_file(path: Path | None, commands: Commands) -> SettingsFile:
    """Read a file; None reads ``gaussdb_tasks.toml`` in the current folder, if it exists.

    Raises:
        ConfigurationError: the file cannot be read, or a key is not the name of an option. The
            message suggests the most similar name.
    """
    if path is None:
        path = _file_in_current_folder()
        if path is None:
            return SettingsFile(None, {}, {})
    import tomllib  # noqa: PLC0415 - most users have no file

    try:
        text = path.read_text("utf-8-sig")
        content = tomllib.loads(text)
    except OSError as error:
        raise explain(error, path=path, setting="--config") from error
    except ValueError as error:
        raise ConfigurationError(_syntax_message(path, error)) from error
    places = {where: f"{path}, line {line}" for where, line in _lines(text).items()}
    for_all = {_key(key): each for key, each in content.items() if not isinstance(each, dict)}
    tables = {
        key: {_key(name): value for name, value in each.items()}
        for key, each in content.items()
        if isinstance(each, dict)
    }
    settings_file = SettingsFile(path, {"": for_all, **tables}, places)
    for key in for_all:
        problem = f"{settings_file.place('', key)}: there is no option"
        _refuse_unknown(key, _option_names(commands.values()), problem)
    for name, table in tables.items():
        place = places.get((name, ""), str(path))
        _refuse_unknown(name, commands, f"{place}: there is no command")
        for key in table:
            problem = f"{settings_file.place(name, key)}: [{name}] has no option"
            hint = partial(_owners, commands, key, name)
            _refuse_unknown(key, _option_names([commands[name]]), problem, hint)
    return settings_file


def _syntax_message(path: Path, error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"{path} cannot be read: it is not UTF-8 text; save it as UTF-8"
    found = _AT_LINE.fullmatch(str(error))
    problem, place = (found["problem"], f", line {found['line']},") if found else (str(error), "")
    return (
        f"{path}{place} cannot be read: {problem}; write each name once, and texts in quotes, "
        'as in region = "eu-de"'
    )


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Return the line of each table and key; the key of a table's own line is empty."""
    lines: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if head := _TABLE.match(line):
            table = head["name"]
            lines[table, ""] = number
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault((table, _key(assignment["name"])), number)
    return lines


def settings_file_option(commands: Commands, name: str) -> click.Option:
    """Make the option ``--config`` of a command; the file's values become its defaults."""

    def read(ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
        if ctx.resilient_parsing:  # the shell completes a command line
            return None
        settings_file = read_settings_file(value, commands)
        ctx.default_map = settings_file.defaults_for(ctx.command, name)
        ctx.meta[_META] = settings_file
        return settings_file.path

    return click.Option(
        ["--config", OPTION],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        expose_value=False,
        is_eager=True,  # the defaults of the other options depend on it
        callback=read,
        envvar="GAUSSDB_TASKS_CONFIG",
        show_envvar=True,
        help=f"File with defaults for options. Default: ./{FILE_NAME}, if it exists.",
    )


def effective_settings(ctx: click.Context) -> Iterator[EffectiveSetting]:
    """Yield the effective value of each option of a command, and its source."""
    for param in ctx.command.params:
        if isinstance(param, click.Option) and param.expose_value:
            yield EffectiveSetting(long_name(param), _text(ctx, param), _source(ctx, param))


def settings_file_in_use(ctx: click.Context) -> Path | None:
    """Return the settings file that a command uses, if there is one."""
    settings_file: SettingsFile | None = ctx.meta.get(_META)
    return None if settings_file is None else settings_file.path


def place_of(ctx: click.Context, param: click.Parameter) -> str:
    """Return the file and line that set a parameter; a setting of the file must be in use."""
    settings_file: SettingsFile = ctx.meta[_META]
    name = long_name(param) if isinstance(param, click.Option) else str(param.name)
    return settings_file.place(ctx.command.name or "", name)


def with_settings_file(ctx: click.Context, arguments: Iterable[str]) -> list[str]:
    """Return a command's arguments, with the settings file that this command uses."""
    path = settings_file_in_use(ctx)
    return list(arguments) if path is None else ["--config", str(path), *arguments]


def long_name(option: click.Option) -> str:
    """Return the long name of an option, without its dashes."""
    return max(option.opts, key=len).removeprefix("--")


def _file_in_current_folder() -> Path | None:
    path = Path(FILE_NAME)
    try:
        path.stat()
    except PermissionError as error:
        message = (
            f"{path} cannot be read: no permission for the current directory; "
            "change to another one, such as /"
        )
        raise ConfigurationError(message) from error
    except OSError:
        return None
    return path


def _text(ctx: click.Context, option: click.Option) -> str:
    """Return a value as it is written in its source.

    A list is joined as its variable is: a URL in a list of paths was split at each colon, and its
    credentials are recognised in the complete URL only.
    """
    value = ctx.params.get(str(option.name))
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, tuple):
        is_variable = ctx.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT
        separator = option.type.envvar_list_splitter if is_variable else None
        return (separator or " ").join(map(str, value))
    return str(value)


def _source(ctx: click.Context, option: click.Option) -> str:
    match ctx.get_parameter_source(str(option.name)):
        case ParameterSource.COMMANDLINE:
            return "option"
        case ParameterSource.ENVIRONMENT:
            return f"variable {option.envvar}"
        case ParameterSource.DEFAULT_MAP:
            return f"file {settings_file_in_use(ctx)}"
    return "default"


def _key(key: str) -> str:
    return key.replace("_", "-")


def _options(command: click.Command) -> dict[str, click.Option]:
    return {
        long_name(param): param
        for param in command.params
        if isinstance(param, click.Option) and param.name != OPTION
    }


def _option_names(loads: Iterable[Callable[[], click.Command]]) -> set[str]:
    return {name for load in loads for name in _options(load())}


def _refuse_unknown(
    key: str,
    names: Collection[str],
    problem: str,
    find_hint: Callable[[], str] = lambda: "-h of the command lists its options",
) -> None:
    if key in names:
        return
    import difflib  # noqa: PLC0415 - only an error needs it

    similar = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {similar[0]!r}?" if similar else find_hint()
    message = f"{problem} {key!r}; {hint}"
    raise ConfigurationError(message)


def _owners(commands: Commands, key: str, name: str) -> str:
    """Return a hint with the commands that have an option, or how to see those of a command."""
    owners = [f"[{each}]" for each, load in commands.items() if key in _option_names([load])]
    if owners:
        return f"write it below {' or '.join(owners)}"
    return f"gaussdb-tasks {name} -h lists its options"


def _value(option: click.Option, key: str, value: Any, place: str) -> Any:
    if isinstance(value, date):  # TOML has dates; options parse text
        value = value.isoformat()
    if isinstance(value, str):
        value = clean(value)
        if is_secret_name(key):
            remember(value)
    if option.is_flag:
        if not isinstance(value, bool):
            message = f"{place}: {key} must be true or false, not {value!r}; write {key} = true"
            raise ConfigurationError(message)
        return value
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        return tuple(_single(option, key, each, place) for each in values)
    return _single(option, key, value, place)


def _single(option: click.Option, key: str, value: Any, place: str) -> Any:
    """Return one value of an option that is not a flag."""
    is_number = isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
    if isinstance(value, (list, dict, bool)):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        what, example = ("a number", "1") if is_number else ("one value", '"..."')
        message = f"{place}: {key} takes {what}, not {shown}; write {key} = {example}"
        raise ConfigurationError(message)
    if isinstance(value, float):
        return str(value)  # click would cut a whole number from it
    return clean(value) if isinstance(value, str) else value
