"""Generate the data dictionary and the saved questions' page for ``make docs``.

Both come from a database that the demo made, so they show what analysts will find.
"""

import json
from collections.abc import Iterable
from itertools import islice

from gaussdb_tasks.database.saved_questions import SavedQuestion, saved_questions
from gaussdb_tasks.database.sql_files import THEMES
from tests.support.readme_blocks import CLOCK, run_on_demo

_SHOWN_ROWS = 8

_OBJECTS = """
    select schema_name, view_name as name, comment, 'view' as kind
    from duckdb_views() where not internal and schema_name = 'main'
    union all
    select schema_name, table_name, comment, 'table'
    from duckdb_tables()
    where schema_name = 'task_center' and not starts_with(table_name, '_dlt')
    order by schema_name, name
"""
_COLUMNS = """
    select schema_name, table_name, column_name, data_type, comment
    from duckdb_columns()
    where not starts_with(column_name, '_dlt')
    order by column_index
"""


def dictionary(kind: str) -> None:
    """Describe every view, or every table: its rows and its columns."""
    columns = _rows(_COLUMNS)
    for described in _rows(_OBJECTS):
        if described["kind"] != kind:
            continue
        full_name = (described["schema_name"], described["name"])
        print(f"### {'.'.join(full_name) if kind == 'table' else full_name[1]}\n")
        print(f"{described['comment']}\n")
        print("| column | type | meaning |\n| --- | --- | --- |")
        for column in columns:
            if (column["schema_name"], column["table_name"]) == full_name:
                meaning = column["comment"].replace("|", "\\|")
                print(f"| `{column['column_name']}` | {column['data_type']} | {meaning} |")
        print()


def contents() -> None:
    """List the questions by theme, each with a link to its answer."""
    for theme in THEMES:
        questions = [each for each in saved_questions() if each.theme == theme]
        if questions:
            print(f"**{theme}**\n")
        for question in questions:
            print(f"- [{question.meaning}](#{question.name})")
        if questions:
            print()


def examples() -> None:
    """Show every question with its SQL and its answer from the demo's data."""
    for question in saved_questions():
        _show(question)


def _show(question: SavedQuestion) -> None:
    print(f"## {question.name}\n\n{question.meaning}\n")
    for name, meaning in question.parameters.items():
        print(f"`--set {name}=...`: {meaning}.\n")
    print(f"```sql\n{question.sql}\n```\n")
    answer = run_on_demo("query", question.name, "--now", CLOCK, "--format", "markdown")
    head, rule, *rows = answer.stdout.splitlines()
    _print_lines([head, rule, *islice(rows, _SHOWN_ROWS)])
    left = len(rows) - _SHOWN_ROWS
    if not rows:
        print("\nNo rows.")
    elif left > 0:
        print(f"\n... and {left} more.")
    print()


def _print_lines(lines: Iterable[str]) -> None:
    print("\n".join(lines))


def _rows(sql: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(run_on_demo("query", sql, "--format", "json").stdout)
    return rows
