"""``gaussdb-tasks completion``: the script that lets a shell complete command lines."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.completion import VARIABLE

_SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command("completion")
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the script that lets a shell complete command lines.

    The shell then completes commands, options, views, saved questions, clouds, kinds of task and
    statuses. A completion makes no call to a service.

    \b
    Examples:
      source <(gaussdb-tasks completion bash)
      source <(gaussdb-tasks completion zsh)
      gaussdb-tasks completion fish > ~/.config/fish/completions/gaussdb-tasks.fish
    """
    script = _SHELLS[shell](ctx.find_root().command, {}, "gaussdb-tasks", VARIABLE)
    # Not the method of the class: for bash it runs bash, to see its version.
    console.write_lines(ShellComplete.source(script).splitlines())
