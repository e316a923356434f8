"""A group whose commands are imported when they are run, so that help is quick."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its name, which is also its module's, and its help in one line."""

    name: str
    short_help: str


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

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in self._subcommands:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        if not isinstance(command, click.Command):
            message = f"{self._package}.{cmd_name}.command is no click command"
            raise TypeError(message)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands' help without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(command.name, command.short_help) for command in self._subcommands.values()]
            )
