"""``gaussdb-tasks config``: effective settings and their source."""

import os
import re
from collections.abc import Iterator
from typing import Final

import click

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.cli.settings_file import (
    EffectiveSetting,
    effective_settings,
    with_settings_file,
)
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.masking import mask_url_credentials

_SECRET: Final = re.compile(r"PASSWORD$|TOKEN$|SECRET|PASSCODE|(?<!ACCESS_)KEY$|PING_URL$|ping-url")
_MASK: Final = "***"
_VARIABLES: Final = (
    *("OS_", "AWS_", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    "REQUESTS_CA_BUNDLE",
)
"""Prefixes of the variables that sign-in and HTTP libraries read."""


@click.command("config", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [OPTIONS]]")
@output.target_options(*output.ROW_FORMATS, default="table")
@click.pass_context
def command(ctx: click.Context, *, arguments: tuple[str, ...], target: output.Target) -> None:
    """Show the effective settings of a command and their source.

    The source is an option, a variable, the settings file or the default. COMMAND is load if it is
    not given. OPTIONS are read as COMMAND reads them. The variables of the sign-in follow. Secrets,
    and credentials in URLs, are masked.

    \b
    Examples:
      gaussdb-tasks config
      gaussdb-tasks config load --horizon-days 20
      gaussdb-tasks config status --format json

    \b
    Exit codes: 0 done; 2 a setting is wrong.
    """
    name, *options = arguments or ("load",)
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, LazyGroup) or ctx.parent is None:
        message = "config must be a subcommand of the program"
        raise TypeError(message)
    described = group.get_command(ctx.parent, name)
    if described is None:
        message = f"there is no command {name!r}; there are: {', '.join(group.list_commands(ctx))}"
        raise ConfigurationError(message)
    arguments_of_command = with_settings_file(ctx, options)
    with described.make_context(name, arguments_of_command, parent=ctx.parent) as inner:
        settings = [*effective_settings(inner), *_variables()]
    rows = ((each.name, _masked(each), each.source) for each in settings)
    output.write_rows(["setting", "value", "source"], rows, target)


def _masked(setting: EffectiveSetting) -> str:
    if setting.value and _SECRET.search(setting.name):
        return _MASK
    return mask_url_credentials(setting.value)


def _variables() -> Iterator[EffectiveSetting]:
    for name in sorted(os.environ):
        if name.upper().startswith(_VARIABLES):
            yield EffectiveSetting(name, os.environ[name], "environment")
