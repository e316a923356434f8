"""``gaussdb-tasks views``: the SQL of all views, for DuckDB and other engines, or for dbt."""

import click

from gaussdb_tasks.cli import console
from gaussdb_tasks.cli.options import format_option, option
from gaussdb_tasks.database.dialects import DIALECTS
from gaussdb_tasks.database.views import view_script


@click.command("views")
@option(
    "--dialect",
    type=click.Choice(tuple(DIALECTS)),
    default="duckdb",
    help="Engine that shall run the SQL.",
)
@format_option("sql", "dbt", default="sql", variable="VIEWS_FORMAT")
def command(*, dialect: str, output_format: str) -> None:
    """Print the SQL of the views, for DuckDB or another engine, or describe them for dbt.

    The SQL reads the tables of the schema task_center, and creates views in the schema main, with
    their comments. The answers are the same in all engines. A load creates the views of its own
    database itself. With --format dbt, it prints a sources.yml with the views and tables, whatever
    the engine.

    \b
    Examples:
      gaussdb-tasks views --dialect postgres | psql -v ON_ERROR_STOP=1 analytics
      gaussdb-tasks views --dialect spark > views.sql
      gaussdb-tasks views --format dbt > models/sources.yml

    \b
    Exit codes: 0 done; 2 usage or configuration error.
    """
    if output_format == "dbt":
        from gaussdb_tasks.publication.dbt_sources import dbt_sources  # noqa: PLC0415 - slow

        console.write_lines(dbt_sources().splitlines())
        return
    console.write_lines(view_script(DIALECTS[dialect]).splitlines())
