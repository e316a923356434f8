"""``gaussdb-tasks config``: what is in force, and whence."""

import os
import re
from collections.abc import Iterator
from typing import Final

import click

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.group import LazyGroup
from gaussdb_tasks.cli.options import format_option
from gaussdb_tasks.cli.settings_file import explain, file_in_force
from gaussdb_tasks.errors import ConfigurationError

_SECRET: Final = re.compile(r"PASSWORD$|TOKEN$|SECRET|PASSCODE|(?<!ACCESS_)KEY$|PING_URL$|ping-url")
_HIDDEN: Final = "***"
_FOREIGN: Final = ("OS_", "AWS_", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE")


@click.command("config", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [OPTIONS]]")
@format_option(*output.ROW_FORMATS, default="table")
@click.pass_context
def command(ctx: click.Context, *, arguments: tuple[str, ...], output_format: str) -> None:
    """Show what is in force for a command, and whence: option, variable, file or default.

    The command is load, if none is named; options after it are taken as it would take them.
    Secrets are not shown. The sign-in's variables follow.

    \b
    Example:
      gaussdb-tasks config load --horizon-days 20
    """
    name, *options = arguments or ("load",)
    group = ctx.parent.command if ctx.parent is not None else None
    if not isinstance(group, LazyGroup) or ctx.parent is None:
        message = "config needs the program's commands around it"
        raise TypeError(message)
    explained = group.get_command(ctx.parent, name)
    if explained is None:
        message = f"there is no command {name!r}; there are: {', '.join(group.list_commands(ctx))}"
        raise ConfigurationError(message)
    file = file_in_force(ctx)
    given = options if file is None else ["--config", str(file), *options]
    with explained.make_context(name, list(given), parent=ctx.parent) as inner:
        rows = [*explain(inner), *_variables()]
    shown = (
        (key, _HIDDEN if value and _SECRET.search(key) else value, why) for key, value, why in rows
    )
    output.write_rows(["setting", "value", "source"], shown, output.Target(output_format))


def _shown(key: str, value: str) -> str:
    is_secret = _SECRET.search(key) or "@" in value  # an address with credentials, say of a proxy
    return _HIDDEN if value and is_secret else value


def _variables() -> Iterator[tuple[str, str, str]]:
    for name in sorted(os.environ):
        if name.upper().startswith(_FOREIGN):
            yield name, os.environ[name], "environment"
