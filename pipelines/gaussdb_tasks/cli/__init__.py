"""The command line: ``gaussdb-tasks``. Data goes to stdout, everything else to stderr."""

import os
import sys
from typing import NoReturn

import click

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.group import LazyGroup, Subcommand
from gaussdb_tasks.cli.options import access_options, data_dir_option
from gaussdb_tasks.cli.stop_signals import StopSignals
from gaussdb_tasks.errors import ExitCode, GaussdbTasksError

_COMMANDS = (
    Subcommand("load", "Copy new and changed tasks into the database."),
    Subcommand("check", "Find out what would keep a load from working."),
    Subcommand("status", "Show what the archive covers, and how long until something is lost."),
    Subcommand("query", "Show a view, ask a saved question, or answer a SELECT, read-only."),
    Subcommand("report", "Write one page of HTML: durations, failures, slow tasks, coverage."),
    Subcommand("verify", "Check the archive's chain of digests, and the database against it."),
    Subcommand("rebuild", "Rebuild the database from the archive."),
    Subcommand("changes", "Show what the loads of some nights brought, a row a task's state."),
    Subcommand("evidence", "Show everything known of a task, and how to check it."),
    Subcommand(
        "retention", "Remove tasks that no load has seen for longer than a period, on the record."
    ),
    Subcommand("redact", "Remove what must not be kept, on the record."),
    Subcommand("schedule", "Print what a scheduler needs to run the load every night."),
    Subcommand(
        "config",
        "Show what is in force for a command, and whence: option, variable, file or default.",
    ),
    Subcommand("emulator", "Run a local task center with invented data.", is_configurable=False),
    Subcommand(
        "demo",
        "Load some invented nights and show the views; no account needed.",
        is_configurable=False,
    ),
)


@click.group(
    cls=LazyGroup,
    subcommands=_COMMANDS,
    package=f"{__name__}.commands",
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
    stop = StopSignals()
    console.log_as_json(None)
    try:
        cli.main(prog_name="gaussdb-tasks", standalone_mode=False)
    except BaseException as error:
        # Asked to stop, libraries raise what they like; what they were told counts.
        if stop.received is not None:
            _end_at_once(stop.received)
        exit_code = _explain(error)
        if exit_code is None:
            raise
        sys.exit(exit_code)
    sys.exit(0)


def _explain(error: BaseException) -> int | None:
    """Say what went wrong and return the exit code; None for what nobody has foreseen."""
    match error:
        case GaussdbTasksError():
            console.complain(str(error))
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "gaussdb-tasks"
            console.complain(f"{error.format_message()} Try: {command} -h")
            return ExitCode.USAGE
        case BrokenPipeError():
            # Who reads our output has seen enough, as `head` does. Python would complain at exit.
            sys.stdout = None
            return 0
    return None


def _end_at_once(signal_number: int) -> NoReturn:
    """End without waiting for threads whose calls may hang for a minute: they have nothing to do.

    The command has cleaned up on its way here.
    """
    console.complain("stopped; what was published is whole, run the same command again")
    sys.stdout.flush()
    os._exit(128 + signal_number)
