"""``--csv-escape-formulas``: a text that a spreadsheet would calculate gets an apostrophe."""

import csv
import io
from pathlib import Path

import pytest

from tests.support.commands import Command


@pytest.mark.parametrize(
    ("sql", "field"),
    [
        ("'=1+1'", "'=1+1"),
        ("'+1'", "'+1"),
        ("'-1'", "'-1"),
        ("'@SUM(A1)'", "'@SUM(A1)"),
        ("e'\\t=1'", "'\t=1"),
        ("e'\\r=1'", "'\r=1"),
        ("'=a,b'", "'=a,b"),
        ("-1", "-1"),
        ("-1.5::double", "-1.5"),
        ("-1.5::decimal(9, 1)", "-1.5"),
        ("'a=1'", "a=1"),
        ("''", ""),
        ("null", ""),
        ("date '2026-03-01'", "2026-03-01"),
    ],
)
def test_csv_for_spreadsheets_escapes_texts_that_are_formulas(
    command: Command, original: Path, sql: str, field: str
) -> None:
    """Numbers stay numbers; without the option, or with a file, each byte stays."""
    line = ("query", f'select {sql} as "=head", 1 as n', "--data-dir", original, "--format", "csv")
    escaped = command(*line, "--csv-escape-formulas")
    assert list(csv.reader(io.StringIO(escaped.stdout, newline=""))) == [
        ["'=head", "n"],
        [field, "1"],
    ]
    plain = command(*line).stdout
    assert plain.startswith("=head,n\n")
    assert "'" not in plain
    by_variable = command(*line, env={"GAUSSDB_TASKS_CSV_ESCAPE_FORMULAS": "1"})
    assert by_variable.stdout == escaped.stdout


def test_the_option_is_for_csv_only(command: Command, original: Path) -> None:
    """As an option; a variable for all commands does not stop those that print a table."""
    line = ("query", "tasks", "--data-dir", original)
    refused = command(*line, "--csv-escape-formulas")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--csv-escape-formulas" in refused.stderr
    env = {"GAUSSDB_TASKS_CSV_ESCAPE_FORMULAS": "1"}
    assert command(*line, env=env).exit_code == 0
    file = command(*line, "--csv-escape-formulas", "--output", "a.csv")
    assert file.exit_code == 0


@pytest.mark.parametrize(
    "name", ["query", "status", "changes", "config", "check", "redact", "retention", "rebuild"]
)
def test_every_command_that_writes_csv_has_the_option(command: Command, name: str) -> None:
    assert "--csv-escape-formulas" in command(name, "-h").stdout
