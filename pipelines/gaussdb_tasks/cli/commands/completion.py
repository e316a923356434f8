"""``gaussdb-tasks completion``: the script that lets a shell complete command lines."""

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.completion import VARIABLE

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
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
    found = get_completion_class(shell)
    if found is None:
        message = f"click has no completion for {shell}"
        raise TypeError(message)
    script = found(ctx.find_root().command, {}, "gaussdb-tasks", VARIABLE)
    # Not the method of the class: for bash it runs bash, to see its version.
    console.write_lines(ShellComplete.source(script).splitlines())
