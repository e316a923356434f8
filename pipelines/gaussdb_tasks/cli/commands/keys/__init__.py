"""``gaussdb-tasks keys``: the keys that sign the archive."""

from typing import Final

import click

from gaussdb_tasks.cli.group import LazyGroup, Subcommand

_COMMANDS: Final = (Subcommand("rotate", "Hand over from the signing key to a new one."),)


@click.group("keys", cls=LazyGroup, subcommands=_COMMANDS, package=__name__)
def command() -> None:
    """Change the key that signs the archive.

    \b
    Examples:
      gaussdb-tasks keys rotate --signing-key old.pem --new-key new.pem
      gaussdb-tasks keys rotate -h
    """
