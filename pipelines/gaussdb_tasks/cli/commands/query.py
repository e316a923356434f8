"""``gaussdb-tasks query``: a view, a saved question, or a SELECT."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import duckdb

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.options import data_dir_option, format_option, now_option, option
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import named_queries, open_for_queries, query_errors, run_query
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros

_SECONDS_TO_LEAVE: Final = 5.0


def _read_settings(
    _ctx: click.Context, _param: click.Parameter, settings: Sequence[str]
) -> Mapping[str, str]:
    pairs = [setting.partition("=") for setting in settings]
    for name, equals, _ in pairs:
        if not equals:
            message = f"--set: {name!r} has no value; write it as NAME=VALUE"
            raise ConfigurationError(message)
    return {name.strip(): value for name, _, value in pairs}


@click.command("query")
@click.argument("question", metavar="[NAME-OR-SQL]", required=False)
@data_dir_option
@now_option
@option("--list", "is_list", is_flag=True, help="List the views and the saved questions.")
@option(
    "--set",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_read_settings,
    help="Set what a saved question leaves open, or getvariable('name') in SQL; repeatable.",
)
@format_option(*output.FORMATS, default=None)
@option(
    "--output",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to a file, whole or not at all; its suffix says the format if --format does not.",
)
def command(  # noqa: PLR0913 - one parameter an option
    *,
    question: str | None,
    data_dir: Path,
    now: Micros | None,
    is_list: bool,
    variables: Mapping[str, str],
    output_format: str | None,
    path: Path | None,
) -> None:
    """Show a view, ask a saved question, or answer a SELECT, read-only.

    Works while a load runs, on last night's data. Times are UTC. A query can read the database and
    nothing else: it cannot write, read files or reach the network. - reads the SQL from stdin.

    \b
    Examples:
      gaussdb-tasks query --list
      gaussdb-tasks query failure_rates_by_name
      gaussdb-tasks query is_month_complete --set month=2026-03
      gaussdb-tasks query "select * from tasks where is_failed and created_at >= '2026-03-01'"
      gaussdb-tasks query task_durations_by_week --output weeks.csv
    """
    target = output.Target.of(output_format, path)
    with open_for_queries(DataDir(data_dir).database, now) as connection:
        if is_list:
            output.write_rows(("name", "what_it_answers"), _listed(connection), target)
        else:
            _answer(connection, _read_question(question), variables, target)


def _listed(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    for named in named_queries(connection):
        parameters = (f"--set {name}=...: {what}." for name, what in named.parameters.items())
        yield named.name, " ".join([named.meaning, *parameters])


def _read_question(question: str | None) -> str:
    if question is None:
        message = "Name a view or a saved question (--list shows them), or write a SELECT."
        raise click.UsageError(message)
    return sys.stdin.read() if question == "-" else question


def _answer(
    connection: duckdb.DuckDBPyConnection,
    question: str,
    variables: Mapping[str, str],
    target: output.Target,
) -> None:
    def answer() -> None:
        with query_errors(question):
            output.write(run_query(connection, question, variables), target)

    # In a thread: a signal reaches Python in the main thread only, and not inside DuckDB.
    answering = ThreadPoolExecutor(1).submit(answer)
    try:
        answering.result()
    except KeyboardInterrupt:
        connection.interrupt()
        with suppress(TimeoutError):  # who reads a pipe may keep it waiting for ever
            answering.exception(_SECONDS_TO_LEAVE)
        raise
