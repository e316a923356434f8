"""Options that several commands share. Each has a variable GAUSSDB_TASKS_<OPTION>."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, parse_instant, to_datetime

_PREFIX: Final = "GAUSSDB_TASKS_"
_ALL_PERMISSIONS: Final = 0o777
# A clock beyond these is a slip of the pen; it would leave its mark in the archive.
_YEARS: Final = range(2000, 2200)

_F = TypeVar("_F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that its variable, and the group before the command, can set as well."""

    def __init__(self, *args: Any, variable: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        long_name = max(self.opts, key=len).removeprefix("--")
        self.envvar = _PREFIX + (variable or long_name.replace("-", "_").upper())
        self.show_envvar = True

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Take the value given here, else the one given before the command, else click's."""
        value, source = super().consume_value(ctx, opts)
        before = ctx.parent
        if (
            source is not ParameterSource.COMMANDLINE
            and before is not None
            and self.name is not None
            and before.get_parameter_source(self.name) is ParameterSource.COMMANDLINE
        ):
            return before.params[self.name], ParameterSource.COMMANDLINE
        return value, source


def option(*names: str, **attributes: Any) -> Callable[[_F], _F]:
    """Declare an option as ``click.option`` does, with its variable."""
    return click.option(*names, cls=Option, **attributes)


def data_dir_option_with_default(default: Path) -> Callable[[_F], _F]:
    """Declare the option that says where the database is."""
    return option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=default,
        show_default=True,
        help="Directory of the database.",
    )


data_dir_option = data_dir_option_with_default(Path("data"))


def access_options(function: _F) -> _F:
    """Add the options that say what to read."""
    for decorate in (
        option(
            "--os-cloud",
            "os_clouds",
            multiple=True,
            metavar="NAME",
            help="Cloud of clouds.yaml to sign in with; repeatable. Default: that of OS_CLOUD.",
        ),
        option("--region", help="Region, such as eu-de."),
        option(
            "--project-id",
            "project_ids",
            multiple=True,
            metavar="ID",
            help="Project to read; repeatable. Default: the project of the sign-in.",
        ),
        option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Of all projects none whose name or id matches, such as 'eu-nl_*'; repeatable.",
        ),
        option(
            "--include",
            multiple=True,
            metavar="PATTERN",
            help="Of all projects only those whose name or id matches; repeatable.",
        ),
        option(
            "--all-projects",
            is_flag=True,
            help="Read every project that the user may enter, as IAM lists them.",
        ),
        option(
            "--endpoint",
            metavar="URL",
            help="Address of the service. Default: the usual one of the region.",
        ),
    ):
        function = decorate(function)
    return function


def instant_option(name: str, variable: str, description: str) -> Callable[[_F], _F]:
    """Declare an option whose value is a date and time."""
    return option(name, variable, metavar="ISO", callback=_read_instant, help=description)


def _read_instant(_ctx: click.Context, param: click.Parameter, value: str | None) -> Micros | None:
    if value is None:
        return None
    option_name = param.opts[0]
    instant = parse_instant(value, option=option_name)
    if to_datetime(instant).year not in _YEARS:
        message = (
            f"{option_name}: {value!r} is not a time that a task center has seen; mind the year"
        )
        raise ConfigurationError(message)
    return instant


def _read_umask(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    try:
        umask = int(value, base=8)
    except ValueError:
        umask = -1
    if not 0 <= umask <= _ALL_PERMISSIONS:
        message = f"--umask: {value!r} is not an octal mask; write it as 077 or 027"
        raise ConfigurationError(message)
    return umask


umask_option = option(
    "--umask",
    default="077",
    show_default=True,
    metavar="OCTAL",
    callback=_read_umask,
    help="Permissions that new files do not give; 027 lets the group read.",
)

signing_key_option = option(
    "--signing-key",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sign the archive's new entry with this Ed25519 key in PEM.",
)

archive_url_option = option(
    "--archive-url",
    metavar="URL",
    help="Copy the archive there after each load: a directory, or s3://bucket/prefix.",
)

log_format_option = option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to write what it says on stderr; json is an object a line.",
)

metrics_file_option = option(
    "--metrics-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write metrics there in Prometheus' text format, however the load ends.",
)

ping_url_option = option(
    "--ping-url",
    metavar="URL",
    help="Dead-man switch to tell of start (URL/start), success (URL) and failure (URL/fail).",
)

dry_run_option = option("--dry-run", is_flag=True, help="Show what it would do; do nothing.")

now_option = instant_option("--now", "now", "Clock to go by, for drills. Default: the machine's.")


def format_option(
    *formats: str, default: str | None, variable: str = "FORMAT"
) -> Callable[[_F], _F]:
    """Declare the option that says how to write the data on stdout.

    Without a default the command chooses. Commands with formats of their own have a variable of
    their own.
    """
    return option(
        "--format",
        "output_format",
        variable=variable,
        type=click.Choice(formats),
        default=default,
        show_default=True,
        help="How to write the data.",
    )


def invention_options(function: _F) -> _F:
    """Add the options that say what the emulator invents."""
    seed = option("--seed", default=0, show_default=True, help="What the tasks follow from.")
    tasks_per_day = option(
        "--tasks-per-day",
        type=click.IntRange(1, 10_000),
        default=40,
        show_default=True,
        help="Tasks of each project and weekday, about.",
    )
    return seed(tasks_per_day(function))
