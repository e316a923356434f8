"""``gaussdb-tasks evidence``: show all states of a task, their proof, and how to check it."""

import shlex
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click

from gaussdb_tasks.archive.evidence import Evidence, Proof, ProvedRow, collect
from gaussdb_tasks.archive.store import CHECKSUM_NAME, DIGEST_NAME, Archive
from gaussdb_tasks.cli import console, output
from gaussdb_tasks.cli.data_dir_options import data_dir_option
from gaussdb_tasks.cli.options import Argument, format_option
from gaussdb_tasks.database.catalog import refuse_foreign_objects
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.database.untrusted import read_untrusted
from gaussdb_tasks.errors import ExitCode

_TASK_FIELDS: Final = (
    *("region", "project_id", "project_name", "task_name", "instance_id", "instance_name"),
    *("created_at", "ended_at", "status", "fail_reason", "first_seen_at", "last_seen_at"),
)
_STATE_FIELDS: Final = ("status", "progress_percent", "fail_reason", "ended_at", "version_hash")


@click.command("evidence")
@click.argument("job_id", cls=Argument)
@data_dir_option
@format_option("text", "json", default="text", variable="EVIDENCE_FORMAT")
def command(*, job_id: str, data_dir: Path, output_format: str) -> None:
    """Show all states of a task, their proof, and how to check it.

    Shows the load that saw each state, the raw record, and the archive entry and digest that cover
    it. Checks the files against the digests, and prints commands to check them without this
    program.

    \b
    Examples:
      gaussdb-tasks evidence 2a4bd738-dd24-4a6f-b64f-85f3bde70df4
      gaussdb-tasks evidence 2a4bd738-dd24-4a6f-b64f-85f3bde70df4 --format json

    \b
    Exit codes: 0 everything is proved; 1 something does not match the digests.
    """
    directory = DataDir(data_dir)
    with read_untrusted(directory.database) as connection:
        refuse_foreign_objects(connection, directory.database)
        evidence = collect(connection, Archive(directory.archive), job_id)
    if output_format == "json":
        output.write_json(_as_dict(evidence))
    else:
        console.write_lines(_lines(evidence))
    sys.exit(ExitCode.DONE if evidence.is_proved else ExitCode.FAILED)


def _lines(evidence: Evidence) -> Iterator[str]:
    yield f"task {evidence.job_id}"
    for task in evidence.tasks:
        yield ""
        yield from (f"{name:<15} {_shown(task.task[name])}" for name in _TASK_FIELDS)
        for deletion in task.vanished:
            back = deletion["reappeared_at"]
            yield f"{'found deleted':<15} {_shown(deletion['vanished_at'])}" + (
                "" if back is None else f", listed again {_shown(back)}"
            )
        for state in task.states:
            yield ""
            yield f"state {state.row['version']}, first seen {_shown(state.row['observed_at'])}"
            yield from (f"  {name:<17} {_shown(state.row[name])}" for name in _STATE_FIELDS)
            yield from _proof_lines(state)
    for state in evidence.rejected:
        yield ""
        yield f"rejected record, first seen {_shown(state.row['observed_at'])}"
        yield f"  {'reason':<17} {state.row['reason']}"
        yield from _proof_lines(state)
    yield ""
    if evidence.head is not None:
        yield f"head of the chain: {evidence.head[1]} ({evidence.head[0]})"
    for mismatch in evidence.mismatches:
        yield f"MISMATCH: {mismatch}"
    yield "everything is proved" if evidence.is_proved else "NOT everything is proved"
    yield from _how_to_check(evidence)


def _proof_lines(state: ProvedRow) -> Iterator[str]:
    yield f"  {'raw':<17} {state.row['raw']}"
    proof = state.proof
    if proof is None:
        yield "  NOT COVERED: no entry of the archive holds it"
        return
    yield f"  {'seen by':<17} {proof.observed_by}"
    yield f"  {'kept in':<17} {proof.file or proof.entry_name}"
    yield f"  {'file sha256':<17} {proof.file_sha256}"
    yield f"  {'digest sha256':<17} {proof.digest_sha256}"
    for mismatch in proof.mismatches:
        yield f"  MISMATCH: {mismatch}"


def _how_to_check(evidence: Evidence) -> Iterator[str]:
    """Print shell commands and Python code that make the same checks."""
    proofs = _proofs(evidence)
    if not proofs:
        return
    yield ""
    yield "To check this without gaussdb-tasks, in a shell:"
    for folder in dict.fromkeys(proof.file.parent for proof in proofs if proof.file):
        yield f"  (cd {_quoted(folder.resolve())} && sha256sum --check {CHECKSUM_NAME})"
    for proof in proofs:
        if proof.file is not None:
            path = proof.file.resolve()
            yield f"  echo {_quoted(f'{proof.file_sha256}  {path}')} | sha256sum --check"
            yield f"  grep {proof.file_sha256} {_quoted(path.parent / DIGEST_NAME)}"
    yield "and in Python, with pyarrow:"
    yield "  import pyarrow.parquet"
    for file in dict.fromkeys(proof.file for proof in proofs if proof.file):
        yield f"  rows = pyarrow.parquet.read_table({str(file.resolve())!r}).to_pylist()"
        yield f"  print(*[row['raw'] for row in rows if row['job_id'] == {evidence.job_id!r}])"


def _quoted(text: Path | str) -> str:
    return shlex.quote(str(text))


def _proofs(evidence: Evidence) -> list[Proof]:
    states = [state for task in evidence.tasks for state in task.states]
    proofs = (state.proof for state in (*states, *evidence.rejected))
    return list(dict.fromkeys(proof for proof in proofs if proof is not None))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)


def _as_dict(evidence: Evidence) -> dict[str, Any]:
    return {
        "job_id": evidence.job_id,
        "is_proved": evidence.is_proved,
        "head": None if evidence.head is None else evidence.head[1],
        "troubles": list(evidence.mismatches),
        "tasks": [
            {
                "task": _plain(task.task),
                "vanished": [_plain(row) for row in task.vanished],
                "states": [_state(state) for state in task.states],
            }
            for task in evidence.tasks
        ],
        "rejected": [_state(state) for state in evidence.rejected],
    }


def _state(state: ProvedRow) -> dict[str, Any]:
    proof = state.proof
    return {
        "state": _plain(state.row),
        "proof": None
        if proof is None
        else {
            "seen_by": proof.observed_by,
            "kept_by": proof.entry_name,
            "file": None if proof.file is None else str(proof.file),
            "file_sha256": proof.file_sha256,
            "digest_sha256": proof.digest_sha256,
            "troubles": list(proof.mismatches),
        },
    }


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: _shown(value) if isinstance(value, datetime | date) else value
        for name, value in row.items()
    }
