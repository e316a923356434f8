"""The command line: ``gaussdb-tasks``. Data goes to stdout, everything else to stderr."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from gaussdb_tasks.cli.group import LazyGroup, Subcommand
from gaussdb_tasks.cli.options import access_options, data_dir_option
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError

_COMMANDS = (
    Subcommand("load", "Copy new and changed tasks into the database."),
    Subcommand("check", "Find out what would keep a load from working."),
    Subcommand("status", "Show what the archive covers, and how long until something is lost."),
    Subcommand("query", "Show a view, or answer a SELECT, read-only."),
    Subcommand("emulator", "Run a local task center with invented data."),
    Subcommand("demo", "Load some invented nights and show the views; no account needed."),
)


@click.group(
    cls=LazyGroup,
    subcommands=_COMMANDS,
    package=__name__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@data_dir_option
@access_options
@click.version_option(package_name="gaussdb-tasks")
def cli(**_common: object) -> None:
    """Keep the task history of GaussDB on Open Telekom Cloud, before its month is over.

    The task center remembers one month. Run `gaussdb-tasks load` every night, and the DuckDB
    database it keeps remembers for good. Options given here hold for every command.

    \b
    Exit codes: 0 done; 1 failed, nothing published, run it again; 2 usage or configuration;
    3 published, but somebody must look; 4 another load holds the lock.
    """


def main() -> NoReturn:
    """Run the command line; a user's mistake is one sentence on stderr, not a traceback."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="gaussdb-tasks", standalone_mode=False)
    except GaussdbTasksError as error:
        _leave(str(error), error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "gaussdb-tasks"
        _leave(f"{error.format_message()} Try: {command} -h", ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        _leave("stopped", 128 + signal.SIGINT)
    except BrokenPipeError:
        # Who reads our output has seen enough, as `head` does. Python would complain at exit.
        sys.stdout = None
        sys.exit(0)
    sys.exit(0)


def _terminate(signal_number: int, _frame: FrameType | None) -> NoReturn:
    _leave("stopped", 128 + signal_number)


def _leave(message: str, exit_code: int) -> NoReturn:
    click.echo(f"gaussdb-tasks: {message}", err=True)
    sys.exit(exit_code)
