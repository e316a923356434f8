"""``gaussdb-tasks query``: show a view, or run a saved question or a SELECT."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

import click
import duckdb

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.completion import Suggested, query_names
from gaussdb_tasks.cli.data_dir_options import data_dirs_option
from gaussdb_tasks.cli.interrupts import run_interruptibly
from gaussdb_tasks.cli.options import Argument, option, output_file_option
from gaussdb_tasks.cli.table import make_table
from gaussdb_tasks.cli.time_options import now_option
from gaussdb_tasks.cli.usage_errors import similar_options
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.query import (
    NamedQuery,
    named_queries,
    query_errors,
    run_query,
)
from gaussdb_tasks.database.sql_files import THEMES
from gaussdb_tasks.database.together import open_together
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros

_LISTED: Final = ("name", "what_it_answers")


def _read_variables(
    _ctx: click.Context, _param: click.Parameter, assignments: Sequence[str]
) -> Mapping[str, str]:
    pairs = [assignment.partition("=") for assignment in assignments]
    for name, equals, _ in pairs:
        if not equals:
            message = f"--set: {name!r} has no value; write it like NAME=VALUE"
            raise ConfigurationError(message)
    return {name.strip(): value.strip() for name, _, value in pairs}


class _Query(click.Command):
    """Says how a query is written if its words or its filter cannot be read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            UsageError: there is more than one, or an option does not exist.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if similar_options(error):
                raise
            message = f"No such option {error.option_name!r}; choose rows with SQL or --set."
            raise click.UsageError(message, ctx) from error
        except click.UsageError as error:
            if "unexpected extra argument" not in error.message:
                raise
            message = (
                f"{error.message}; a query is one argument: put SQL in quotes, and a parameter "
                "after --set, as in --set days=7."
            )
            raise click.UsageError(message, ctx) from error


@click.command("query", cls=_Query)
@click.argument(
    "question",
    cls=Argument,
    type=Suggested(query_names),
    metavar="[NAME-OR-SQL]",
    required=False,
)
@data_dirs_option
@now_option
@option("--list", "is_list", is_flag=True, help="List the views and saved questions.")
@option(
    "--set",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_read_variables,
    help="Set a parameter of a saved question, or getvariable('name') in SQL; repeatable.",
)
@output.target_options(*output.FORMATS, default=None)
@output_file_option
def command(  # noqa: PLR0913 - one parameter per option or group of options
    *,
    question: str | None,
    data_dirs: Sequence[DataDir],
    now: Micros | None,
    is_list: bool,
    variables: Mapping[str, str],
    target: output.Target,
) -> None:
    """Show a view, or run a saved question or a SELECT, read-only.

    Works during a load, on the data of the previous load. Times are in UTC. A query can only read
    the database: it cannot write, read files or use the network. - reads the SQL from stdin.
    Several directories are read as one database: --data-dir a --data-dir b.

    \b
    Examples:
      gaussdb-tasks query --list
      gaussdb-tasks query failure_rates_by_name
      gaussdb-tasks query is_month_complete --set month=2026-03
      gaussdb-tasks query "select * from tasks where is_failed and created_at >= '2026-03-01'"
      gaussdb-tasks query task_durations_by_week --output weeks.csv

    \b
    Exit codes: 0 done; 1 the database or stdout failed; 2 the query or an option is wrong.
    """
    if is_list and question is not None:
        message = "--list lists all views and saved questions; give it without one, or leave it out"
        raise click.UsageError(message)
    with open_together([each.database for each in data_dirs], now) as connection:
        if is_list and target.output_format == "table":
            output.show_lines(list(_by_theme(named_queries(connection), target)), target)
        elif is_list:
            output.write_rows(_LISTED, map(_listed, named_queries(connection)), target)
        else:
            _answer(connection, _read_question(question), variables, target)


def _by_theme(queries: Sequence[NamedQuery], target: output.Target) -> Iterator[str]:
    """Yield the lines of a table with a heading for each theme: views, then saved questions."""
    width = None if target.path else output.terminal_width()
    ordered = sorted(queries, key=lambda named: THEMES.index(named.theme))
    table = make_table(_LISTED, list(map(_listed, ordered)), width)
    yield from table.head
    rows = zip(ordered, table.rows, strict=True)
    for theme, group in groupby(rows, key=lambda row: row[0].theme):
        yield from ("", theme)
        for _, lines in group:
            yield from lines


def _listed(named: NamedQuery) -> tuple[str, str]:
    parameters = (f"--set {name}=...: {what}." for name, what in named.parameters.items())
    return named.name, " ".join([named.meaning, *parameters])


def _read_question(question: str | None) -> str:
    if question is None:
        message = "Give a view, a saved question (--list shows them) or a SELECT."
        raise click.UsageError(message)
    return sys.stdin.read() if question == "-" else question


def _answer(
    connection: duckdb.DuckDBPyConnection,
    question: str,
    variables: Mapping[str, str],
    target: output.Target,
) -> None:
    def answer() -> Callable[[], None]:
        with query_errors(question):
            return output.prepare(run_query(connection, question, variables), target)

    show = run_interruptibly(connection, answer)
    show()
