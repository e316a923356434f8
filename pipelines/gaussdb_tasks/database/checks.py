"""Run the data checks of ``sql/checks/`` on a database."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import duckdb

from gaussdb_tasks.database.connect import bounded_memory
from gaussdb_tasks.database.sql_files import SqlFile, SqlFileError, check_files
from gaussdb_tasks.errors import CheckFailedError

_SHOWN_ROWS: Final = 5
_FETCH_SIZE: Final = 10_000

_HEAD: Final = re.compile(r"-- severity: (?P<severity>fail|warn)\n-- (?P<meaning>\S.*)\n")


class Severity(StrEnum):
    """The consequence of a finding: FAIL stops the load, WARN is only reported."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """The result of a failed check: the number of offending rows, and the first few as text."""

    check_name: str
    severity: Severity
    meaning: str
    row_count: int
    first_rows: tuple[str, ...]


def run_checks(connection: duckdb.DuckDBPyConnection) -> tuple[CheckFinding, ...]:
    """Run every data check; return the findings, in order of the checks' names.

    Raises:
        SqlFileError: a check has no proper head, or its SQL does not run.
    """
    findings = (_run_in_bounds(connection, file) for file in check_files())
    return tuple(finding for finding in findings if finding.row_count)


def refuse_failed_checks(connection: duckdb.DuckDBPyConnection) -> tuple[CheckFinding, ...]:
    """Run the data checks; return the warnings.

    Raises:
        CheckFailedError: a check found rows that must not be published.
    """
    findings = run_checks(connection)
    failed = [finding for finding in findings if finding.severity is Severity.FAIL]
    if failed:
        reasons = "; ".join(
            f"{finding.check_name}: {finding.meaning} ({finding.row_count} rows, such as "
            f"{finding.first_rows[0]})"
            for finding in failed
        )
        message = (
            f"the data checks stopped the load: {reasons}; if it repeats, keep this message and "
            "report it"
        )
        raise CheckFailedError(message)
    return findings


def _run_in_bounds(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> CheckFinding:
    """Run a check in bounded memory; if it needs more, run it again without the bound."""
    try:
        with bounded_memory(connection):
            return _run_check(connection, file)
    except (SqlFileError, duckdb.OutOfMemoryException) as error:
        if not isinstance(error.__cause__ or error, duckdb.OutOfMemoryException):
            raise
    return _run_check(connection, file)


def _run_check(connection: duckdb.DuckDBPyConnection, file: SqlFile) -> CheckFinding:
    head = _HEAD.match(file.text)
    if head is None:
        message = f"{file.name}.sql does not begin with `-- severity: fail|warn` and its meaning"
        raise SqlFileError(message)
    cursor = file.execute(connection)
    names = [column[0] for column in cursor.description or ()]
    first_rows = cursor.fetchmany(_SHOWN_ROWS)
    return CheckFinding(
        check_name=file.name,
        severity=Severity(head["severity"]),
        meaning=head["meaning"],
        row_count=len(first_rows) + _count_remaining(cursor),
        first_rows=tuple(_row_text(names, row) for row in first_rows),
    )


def _count_remaining(cursor: duckdb.DuckDBPyConnection) -> int:
    batches = iter(lambda: cursor.fetchmany(_FETCH_SIZE), [])
    return sum(len(batch) for batch in batches)


def _row_text(names: Sequence[str], row: Sequence[Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))
