"""A group whose commands are imported when they are run, so that help is quick."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import click

from gaussdb_tasks.cli.settings_file import OPTION, config_option


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its name, which is also its module's, and its help in one line."""

    name: str
    short_help: str
    is_configurable: bool = True
    """Whether the configuration file holds for it."""


class LazyGroup(click.Group):
    """Finds the command ``name`` as the attribute ``command`` of the module ``package.name``."""

    def __init__(
        self,
        *args: Any,
        subcommands: tuple[Subcommand, ...],
        package: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.subcommands = subcommands
        self._subcommands = {command.name: command for command in subcommands}
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """Return the commands in the order of their use."""
        return list(self._subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._subcommands:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        if not isinstance(command, click.Command):
            message = f"{self._package}.{cmd_name}.command is no click command"
            raise TypeError(message)
        has_one = any(param.name == OPTION for param in command.params)
        if self._subcommands[cmd_name].is_configurable and not has_one:
            command.params.append(config_option(self._configurable(ctx), cmd_name))
        return command

    def _configurable(self, ctx: click.Context) -> dict[str, Callable[[], click.Command]]:
        """Return the commands that the configuration file can speak of."""

        def find(name: str) -> click.Command:
            command = self.get_command(ctx, name)
            if command is None:
                raise KeyError(name)
            return command

        return {
            each.name: partial(find, each.name) for each in self.subcommands if each.is_configurable
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands' help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(command.name, command.short_help) for command in self._subcommands.values()]
            )
