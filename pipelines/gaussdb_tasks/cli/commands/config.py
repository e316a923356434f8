"""``gaussdb-tasks config``: effective settings and their source."""

import os
from collections.abc import Iterator
from typing import Final, cast

import click

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.settings_file import (
    EffectiveSetting,
    effective_settings,
    with_settings_file,
)
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.known_secrets import is_secret_name, is_setting, mask

_MASK: Final = "***"


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
    root = ctx.find_root()
    group = cast("click.Group", root.command)
    described = group.get_command(root, name)
    if described is None:
        message = f"there is no command {name!r}; there are: {', '.join(group.list_commands(ctx))}"
        raise ConfigurationError(message)
    arguments_of_command = with_settings_file(ctx, options)
    with described.make_context(name, arguments_of_command, parent=root) as inner:
        settings = [*effective_settings(inner), *_variables()]
    rows = ((each.name, _masked(each), each.source) for each in settings)
    output.write_rows(["setting", "value", "source"], rows, target)


def _masked(setting: EffectiveSetting) -> str:
    if setting.value and is_secret_name(setting.name):
        return _MASK
    return mask(setting.value)


def _variables() -> Iterator[EffectiveSetting]:
    for name in sorted(os.environ):
        if is_setting(name) and not name.startswith("GAUSSDB_TASKS_"):
            yield EffectiveSetting(name, os.environ[name], "environment")
