"""A click group that imports a command only when it is used, so that help is fast."""

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from gaussdb_tasks.cli.completion import items, query_names
from gaussdb_tasks.cli.last_handler import debug_option
from gaussdb_tasks.cli.options import PREFIX

_SQL_STARTS: Final = frozenset({"select", "with", "from"})
_LIKENESS_OF_VARIABLES: Final = 0.85
_OPTIONS_OF_THE_PROGRAM: Final = {"help": "-h", "version": "--version"}
_LISTS_OF_QUERIES: Final = frozenset({"queries", "questions", "view", "question", "tables"})


def _variables(command: click.Command) -> set[str]:
    return {str(each.envvar) for each in command.params if each.envvar}


class Subcommand(NamedTuple):
    """The name of a command and its module, and its help in one line."""

    name: str
    short_help: str
    is_configurable: bool = True
    """Whether the settings file applies to it."""


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

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in the order of help."""
        return list(self._subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, if there is one of that name."""
        return self.load(ctx, cmd_name) if cmd_name in self._subcommands else None

    def load(self, ctx: click.Context, name: str) -> click.Command:
        """Import a command; add ``--debug``, and ``--config`` if the settings file applies."""
        from gaussdb_tasks.cli.settings_file import (  # noqa: PLC0415 - help does not need it
            OPTION,
            settings_file_option,
        )

        command: click.Command = import_module(f"{self._package}.{name}").command
        has = {param.name for param in command.params}
        if self._subcommands[name].is_configurable and OPTION not in has:
            command.params.append(settings_file_option(self._configurable(ctx), name))
        if "debug" not in has:
            command.params.append(debug_option(expose_value=False))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name.

        Raises:
            UsageError: its arguments are wrong; the error has the context of the command.
        """
        try:
            return super().invoke(ctx)
        except click.BadOptionUsage as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if error.ctx is None and command is not None:  # click leaves out whose option it was
                error.ctx = click.Context(command, ctx, ctx.invoked_subcommand)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the arguments; suggest another if there is none of that name.

        Raises:
            UsageError: there is none, or a variable of its options is mistyped.
        """
        name = args[0]
        is_option = name.startswith("-")
        if name not in self._subcommands and not is_option and not ctx.resilient_parsing:
            message = f"No such command {name!r}. {self._hint(name)}".rstrip()
            raise click.UsageError(message, ctx)
        found_name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing and not {"-h", "--help"} & set(rest):
            self._refuse_mistyped_variables(ctx, command)
        return found_name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a text, without importing commands."""
        commands = {each.name: each.short_help for each in self.subcommands}
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*items(commands, incomplete), *options]

    def _refuse_mistyped_variables(self, ctx: click.Context, command: click.Command) -> None:
        """Refuse a variable that is almost one of the command's: its value would have no effect."""
        own = _variables(command)
        others = [each for each in os.environ if each.startswith(PREFIX) and each not in own]
        for name in others:
            import difflib  # noqa: PLC0415 - most users have no other variable

            similar = difflib.get_close_matches(
                name.removeprefix(PREFIX),
                [each.removeprefix(PREFIX) for each in own],
                n=1,
                cutoff=_LIKENESS_OF_VARIABLES,
            )
            if similar and name not in self._variables_of_all(ctx):
                message = f"No option has the variable {name}. Did you mean {PREFIX}{similar[0]}?"
                raise click.UsageError(message, ctx)

    def _variables_of_all(self, ctx: click.Context) -> set[str]:
        commands = map(partial(self.get_command, ctx), self._subcommands)
        return {name for each in commands if each is not None for name in _variables(each)}

    def _hint(self, name: str) -> str:
        """Return what the user may have meant: another command, a view or a saved question."""
        wanted = name.lower().replace("-", "_")
        if wanted in _OPTIONS_OF_THE_PROGRAM:
            return f"Did you mean 'gaussdb-tasks {_OPTIONS_OF_THE_PROGRAM[wanted]}'?"
        queries = query_names() if self._has_queries else {}
        if wanted in queries:
            return f"Did you mean 'gaussdb-tasks query {wanted}'?"
        if self._has_queries and wanted in _LISTS_OF_QUERIES:
            return "Did you mean 'gaussdb-tasks query --list'?"
        if self._has_queries and name.partition(" ")[0].lower() in _SQL_STARTS:
            return "Did you mean 'gaussdb-tasks query' with this SQL?"
        lines = {each.name: each.name for each in self.subcommands}
        lines |= {query: f"gaussdb-tasks query {query}" for query in queries}
        import difflib  # noqa: PLC0415 - only an error needs it

        similar = difflib.get_close_matches(name.lower(), lines)
        return (
            f"Did you mean {' or '.join(repr(lines[each]) for each in similar)}?" if similar else ""
        )

    @property
    def _has_queries(self) -> bool:
        return "query" in self._subcommands

    def _configurable(self, ctx: click.Context) -> dict[str, Callable[[], click.Command]]:
        """Return the commands that have a table in the settings file: those of the program."""
        root = ctx.find_root()
        program = root.command if isinstance(root.command, LazyGroup) else self
        return {
            each.name: partial(program.load, root, each.name)
            for each in program.subcommands
            if each.is_configurable
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(command.name, command.short_help) for command in self._subcommands.values()]
            )
