"""``gaussdb-tasks views``: the SQL of all views, for DuckDB and for other engines."""

import click

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.options import option
from gaussdb_tasks.database.dialects import DIALECTS
from gaussdb_tasks.database.views import view_script


@click.command("views")
@option(
    "--dialect",
    type=click.Choice(tuple(DIALECTS)),
    default="duckdb",
    show_default=True,
    help="Engine that shall run the SQL.",
)
def command(*, dialect: str) -> None:
    """Print the SQL of the views, for DuckDB or another engine.

    The SQL reads the tables of the schema task_center, and creates views in the schema main, with
    their comments. The answers are the same in all engines. A load creates the views of its own
    database itself.

    \b
    Examples:
      gaussdb-tasks views --dialect postgres | psql -v ON_ERROR_STOP=1 analytics
      gaussdb-tasks views --dialect spark > views.sql

    \b
    Exit codes: 0 done; 2 usage or configuration error.
    """
    console.write_lines(view_script(DIALECTS[dialect]).splitlines())
