"""``gaussdb-tasks query``: a view or a SELECT."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from gaussdb_tasks.cli import output
from gaussdb_tasks.cli.options import data_dir_option, format_option, now_option
from gaussdb_tasks.instants import Micros
from gaussdb_tasks.warehouse.asking import ask, explained, open_to_ask
from gaussdb_tasks.warehouse.datadir import DataDir


@click.command("query")
@click.argument("question", metavar="NAME-OR-SQL")
@data_dir_option
@now_option
@format_option(*output.FORMATS, default="table")
def command(*, question: str, data_dir: Path, now: Micros | None, output_format: str) -> None:
    """Show a view, or answer a SELECT, read-only.

    Works while a load runs, on last night's data. Times are UTC. A query can read the database and
    nothing else: it cannot write, read files or reach the network.

    \b
    Examples:
      gaussdb-tasks query failure_rates_by_name
      gaussdb-tasks query "select * from tasks where is_failed and created_at >= '2026-03-01'"
      gaussdb-tasks query task_durations_by_week --format csv > weeks.csv
    """
    with open_to_ask(DataDir(data_dir).database, now) as connection:

        def answer() -> None:
            with explained(question):
                output.write(ask(connection, question), output_format)

        # In a thread: a signal reaches Python in the main thread only, and not inside DuckDB.
        answering = ThreadPoolExecutor(1).submit(answer)
        try:
            answering.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise
