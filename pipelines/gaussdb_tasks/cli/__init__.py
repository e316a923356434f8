"""The command line ``gaussdb-tasks``. Data go to stdout, messages to stderr."""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import NoReturn

import click

from gaussdb_tasks import known_secrets
from gaussdb_tasks.cli import completion, console, last_handler
from gaussdb_tasks.cli.access_options import access_options
from gaussdb_tasks.cli.data_dir_options import repeatable_data_dir_option
from gaussdb_tasks.cli.group import LazyGroup, Subcommand
from gaussdb_tasks.cli.stop_signals import StopSignals
from gaussdb_tasks.cli.usage_errors import usage_message
from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.foreign_text import clean
from gaussdb_tasks.known_secrets import is_setting
from gaussdb_tasks.os_errors import refuse_small_address_space

_COMMANDS = (
    Subcommand("load", "Copy new and changed tasks into the database."),
    Subcommand("check", "Check sign-in, API, clock and data directory for a load."),
    Subcommand("status", "Show what is covered, and the nights left before data loss."),
    Subcommand("list", "List the tasks of the task center itself, as it shows them now."),
    Subcommand("query", "Show a view, or run a saved question or a SELECT, read-only."),
    Subcommand("report", "Write one page of HTML: attention, failures, durations, coverage."),
    Subcommand("verify", "Check the archive's chain of digests, and the database against it."),
    Subcommand("rebuild", "Rebuild the database from the archive."),
    Subcommand(
        "publish", "Publish the archive to PostgreSQL, DuckLake or Delta, with the same views."
    ),
    Subcommand("changes", "Show what a range of loads found, one row for each state of a task."),
    Subcommand("evidence", "Show all states of a task, their proof, and how to check it."),
    Subcommand(
        "retention", "Remove tasks that no load has seen for a period, and record the removal."
    ),
    Subcommand("redact", "Remove values that must not be kept, and record the removal."),
    Subcommand("keys", "Change the key that signs the archive.", is_configurable=False),
    Subcommand("schedule", "Print the files that a scheduler needs for a nightly load."),
    Subcommand(
        "views",
        "Print the SQL of the views, for DuckDB or another engine, or describe them for dbt.",
    ),
    Subcommand("config", "Show the effective settings of a command and their source."),
    Subcommand("emulator", "Run a local task center with invented data.", is_configurable=False),
    Subcommand(
        "completion",
        "Print the script that lets a shell complete command lines.",
        is_configurable=False,
    ),
    Subcommand(
        "demo",
        "Load invented data and show the main views, without an account.",
        is_configurable=False,
    ),
)


@click.group(
    cls=LazyGroup,
    subcommands=_COMMANDS,
    package=f"{__name__}.commands",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[last_handler.debug_option(expose_value=True)],
)
@repeatable_data_dir_option
@access_options
@click.version_option(package_name="gaussdb-tasks")
def cli(**_options_of_commands: object) -> None:
    """Keep the task history of GaussDB on Open Telekom Cloud in a DuckDB database.

    The task center lists tasks for one month only. `gaussdb-tasks load`, run every night, copies
    them into a database that keeps them. Options given here apply to the command that follows.

    \b
    Exit codes: 0 done; 1 failed, nothing published, run it again; 2 usage or configuration error;
    3 published, but needs attention; 4 another load holds the lock.
    """
    refuse_small_address_space()


def main() -> NoReturn:
    """Run the command line; report every error in one sentence, without a traceback."""
    if os.environ.get(completion.VARIABLE):
        completion.answer(cli)
    if sys.stdout is None:  # closed, as by `>&-`: a database must not get its number
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - open until the process ends
    console.log_as_json(None)
    _clean_settings(os.environ)
    # numpy's library starts a thread for each core, and sends this process SIGINT if it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    known_secrets.start_with(os.environ)
    with last_handler.libraries_masked(), StopSignals() as stop:
        try:
            cli.main(prog_name="gaussdb-tasks", standalone_mode=False)
        except BaseException as error:
            # After a stop signal libraries may raise any error; the signal sets the exit code.
            if stop.received is not None:
                _exit_now(stop.received)
            if isinstance(error, SystemExit):
                raise
            sys.exit(_report(error))
        if stop.received is not None:  # the command ended as it should
            _end_now(0)
    sys.exit(0)


def _clean_settings(environ: MutableMapping[str, str]) -> None:
    """Strip the variables that are settings; files of variables may have other line ends."""
    for name, value in environ.items():
        if is_setting(name):
            environ[name] = clean(value)


def _report(error: BaseException) -> int:
    """Report an error and return its exit code."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)  # noqa: TID251 - help has many lines
            return ExitCode.USAGE
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "gaussdb-tasks"
            console.error(f"{usage_message(error)} Try: {command} -h")
            return ExitCode.USAGE
        case click.ClickException():
            console.error(error.format_message())
            return error.exit_code
    return last_handler.report(error)


def _exit_now(signal_number: int) -> NoReturn:
    console.error("stopped; the published data are intact; run the same command again")
    _end_now(128 + signal_number)


def _end_now(exit_code: int) -> NoReturn:
    """Exit without waiting for threads, whose calls may block for a minute.

    The command has already cleaned up.
    """
    sys.stdout.flush()
    os._exit(exit_code)
