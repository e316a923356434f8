"""Collect all states of a task with their proofs: raw records, entries of the archive, digests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from gaussdb_tasks.archive import archive_tables
from gaussdb_tasks.archive.archive_tables import table_sql
from gaussdb_tasks.archive.canonical import canonical_sql
from gaussdb_tasks.archive.current_rows import Rows, current_rows
from gaussdb_tasks.archive.replay import relations
from gaussdb_tasks.archive.store import Archive, file_sha256
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.archive.verification.verify_rows import verify_counts
from gaussdb_tasks.database.upgrades import with_project_name
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.tables import SCHEMA_NAME
from gaussdb_tasks.os_errors import refuse_fault_of_machine

Row = Mapping[str, Any]

_TASKS: Final = f"""
    select * exclude (_dlt_load_id)
    from {SCHEMA_NAME}.tasks
    left join (
        select region, project_id, arg_max(project_name, load_number) as project_name
        from {with_project_name(f"{SCHEMA_NAME}.load_runs")}
        group by all
    ) using (region, project_id)
    where job_id = ?
    order by all
"""
_VERSIONS: Final = f"""
    select * from {SCHEMA_NAME}.task_versions
    where job_id = ? and region = ? and project_id = ? and created_at = ?
    order by version
"""
_VANISHED: Final = f"""
    select vanished_at, reappeared_at from {SCHEMA_NAME}.vanished_tasks
    where job_id = ? and region = ? and project_id = ? and created_at = ?
    order by vanished_at
"""
_REJECTED: Final = f"""
    select region, project_id, observed_at, reason, raw, _dlt_load_id
    from {SCHEMA_NAME}.rejected_records where job_id = ? order by observed_at
"""
# A rejected record has no version, and its text identifies it.
_IDENTITY: Final = ("_dlt_load_id", "region", "project_id", "created_at", "version", "raw")
_NEAR: Final = f"""
    select job_id from {SCHEMA_NAME}.tasks
    where jaro_winkler_similarity(job_id, ?) > 0.8
    group by job_id
    order by jaro_winkler_similarity(job_id, ?) desc, job_id
    limit 3
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """The file that holds a row, and the digest that covers the file.

    Attributes:
        entry_name: the entry that keeps the row.
        observed_by: the entry of the load that saw the state.
        file: None where no file of the archive holds the row.
        mismatches: mismatches; empty if the row is proved.
    """

    entry_name: str
    observed_by: str
    file: Path | None
    file_sha256: str | None
    digest_sha256: str
    mismatches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A row of ``task_versions`` or ``rejected_records``; ``proof`` is None if no entry has it."""

    row: Row
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class TaskEvidence:
    """A task with its latest state, every state, and the times when it was found deleted."""

    task: Row
    states: tuple[ProvedRow, ...]
    vanished: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All tasks and rejected records of a job_id.

    Attributes:
        tasks: usually one; more if several projects have the id or the service reused it.
        rejected: rejected records with the id.
        head: the newest entry's name and digest; None without an archive.
        mismatches: findings about the chain of digests.
    """

    job_id: str
    tasks: tuple[TaskEvidence, ...]
    rejected: tuple[ProvedRow, ...]
    head: tuple[str, str] | None
    mismatches: tuple[str, ...]

    @property
    def is_proved(self) -> bool:
        """Whether an entry covers every row, and everything matches the digests."""
        states = [*self.rejected, *(state for task in self.tasks for state in task.states)]
        return not self.mismatches and all(
            state.proof is not None and not state.proof.mismatches for state in states
        )


def collect(connection: duckdb.DuckDBPyConnection, archive: Archive, job_id: str) -> Evidence:
    """Collect the states of a task, and check the file and digest of each.

    So that no state is missing, the rows of each load are counted, too.

    Raises:
        ConfigurationError: no task and no rejected record has the id.
    """
    found = verify_archive(archive, VerifyOptions(is_fast=True))
    verify_counts(connection, found)
    chain = found.chain
    versions, rejections = (
        {rows.load_id: rows for rows in current_rows(chain, table)}
        for table in (archive_tables.TASK_VERSIONS, archive_tables.REJECTED_RECORDS)
    )
    tasks = tuple(
        TaskEvidence(
            task,
            tuple(
                ProvedRow(row, _proof(connection, versions.get(row["_dlt_load_id"]), row))
                for row in _rows(connection, _VERSIONS, job_id, *_key(task))
            ),
            _rows(connection, _VANISHED, job_id, *_key(task)),
        )
        for task in _rows(connection, _TASKS, job_id)
    )
    rejected = tuple(
        ProvedRow(row, _proof(connection, rejections.get(row["_dlt_load_id"]), row))
        for row in _rows(connection, _REJECTED, job_id)
    )
    if not tasks and not rejected:
        raise ConfigurationError(_unknown_task(connection, job_id))
    return Evidence(
        job_id,
        tasks,
        rejected,
        (chain[-1].name, chain[-1].sha256) if chain else None,
        (
            *map(str, found.findings),
            *(problem for task in tasks for problem in _latest_state_problems(task)),
        ),
    )


def _latest_state_problems(evidence: TaskEvidence) -> Iterator[str]:
    """Compare the row of ``tasks``, which no digest covers, with the proved states."""
    task, states = evidence.task, [state.row for state in evidence.states]
    where = f"{SCHEMA_NAME}.tasks, created_at {task['created_at']}"
    numbers = [row["version"] for row in states]
    if (
        not states
        or task["version_count"] != len(states)
        or numbers != [*range(1, len(states) + 1)]
    ):
        yield f"{where}: it counts {task['version_count']} states; the states are {numbers}"
        return
    for name in task.keys() & states[-1].keys():
        if task[name] != states[-1][name]:
            yield f"{where}: {name} is not that of the last state"


def _proof(connection: duckdb.DuckDBPyConnection, rows: Rows | None, row: Row) -> Proof | None:
    """Check that the archive holds a row of the database, and that its file matches its digest."""
    if rows is None:
        return None
    expected = rows.holder.manifest.tables[rows.table].file_sha256
    return Proof(
        rows.holder.name,
        rows.load.name,
        rows.file,
        expected,
        rows.holder.sha256,
        tuple(_mismatches(connection, rows, row, expected)),
    )


def _mismatches(
    connection: duckdb.DuckDBPyConnection, rows: Rows, row: Row, file_hash: str | None
) -> Iterator[str]:
    """Compare a file with its hash, then every value of a row of the database with the file."""
    if rows.file is None or not rows.file.exists():
        yield "the file is missing"
        return
    try:
        is_unchanged = file_sha256(rows.file) == file_hash
    except OSError as error:
        refuse_fault_of_machine(error, rows.file)
        yield f"the file cannot be read: {error}"
        return
    if not is_unchanged:
        yield "the file does not match its digest"
        return
    table = archive_tables.BY_NAME[rows.table]
    form = canonical_sql(table, rows.columns)
    names = [name for name in _IDENTITY if name in row]
    is_same = " and ".join(f"{name} = ?" for name in names)
    sql = f"""
        select count(*) from (select {form} as form from {next(relations([rows]))})
        where form in (select {form} from {table_sql(table)} where {is_same})
    """
    try:
        count = connection.execute(sql, [row[name] for name in names]).fetchone()
    except duckdb.Error as error:  # such as a text that is not UTF-8
        refuse_fault_of_machine(error, rows.file)
        yield f"the file cannot be read: {str(error).partition(chr(10))[0]}"
        return
    if count != (1,):
        yield "the file does not hold this record: the database differs"


def _key(task: Row) -> tuple[Any, ...]:
    return task["region"], task["project_id"], task["created_at"]


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, *values: Any) -> tuple[Row, ...]:
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def _unknown_task(connection: duckdb.DuckDBPyConnection, job_id: str) -> str:
    near = [name for (name,) in connection.execute(_NEAR, [job_id, job_id]).fetchall()]
    suggestion = f"did you mean {' or '.join(near)}?" if near else "the view tasks lists all"
    return f"no task has the job_id {job_id!r}; {suggestion}"
