"""Edits after which everything fits again: digests, the chain, and the database made from it.

Signatures stay as they were, or are made with the key of a stranger. What is false in itself is
found with nothing; the rest with what an auditor holds from before.
"""

import random
from collections.abc import Mapping
from typing import Final
from unittest.mock import patch

from gaussdb_tasks.archive.amendments import amendment
from gaussdb_tasks.archive.amendments.amendment import Amendment, write_amendment
from gaussdb_tasks.archive.amendments.opening import open_context
from gaussdb_tasks.archive.amendments.rewrites import RowChange, plan_rewrites
from gaussdb_tasks.archive.archive_tables import (
    BY_NAME,
    COVERAGE,
    OBSERVATIONS,
    REJECTED_RECORDS,
    TASK_VERSIONS,
    ArchiveTable,
)
from gaussdb_tasks.archive.manifest import EntryKind
from gaussdb_tasks.archive.signing import KeySigner
from gaussdb_tasks.model.times import DAY
from tests.support.audited_archive import AMENDED_AT, AuditedArchive
from tests.support.forged_archive import Document
from tests.support.tamper.archive_files import change_field
from tests.support.tamper.edits import Evidence, edit
from tests.support.tamper.forgery import Forgery, read_document

ROWS: Final = "forged: rows of loads"
MANIFESTS: Final = "forged: manifests"
AMENDMENTS: Final = "forged: amendments"
_FROM_BEFORE: Final = (Evidence.HEAD, Evidence.KEY)
# Columns that follow from `raw`, and other values of them.
_FOLLOWING: Final[Mapping[str, str]] = {
    "status": "'Running'",
    "task_name": "'DeleteInstance'",
    "progress_percent": "coalesce(progress_percent, 0) + 0.5",
    "fail_reason": "concat(fail_reason, 'x')",
    "ended_at": "coalesce(ended_at, created_at) + interval 1 second",
    "duration_ms": "coalesce(duration_ms, 0) + 1",
    "instance_id": "concat(instance_id, 'x')",
    "instance_name": "concat(instance_name, 'x')",
    "instance_status": "concat(instance_status, 'x')",
    "extra": "'{\"x\": 1}'",
    "raw": "replace(raw, 'orders-prod', 'orders-test')",
    "version_hash": "sha256(version_hash)",
}
_OF_LOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "task_versions": ("status = concat(status, 'x')", "version = version + 1", "raw = raw || ' '"),
    "sightings": ("version_count = version_count + 1", "first_seen_at = created_at"),
    "coverage": ("is_complete = not is_complete", "covered_to = covered_to + interval 1 hour"),
    "load_runs": ("outcome = 'complete ', error = null", "seen_count = seen_count + 1"),
    "rejected_records": ("raw = raw || 'x'", "reason = 'unknown'"),
    "vanished_tasks": ("vanished_at = vanished_at + interval 1 day", "job_id = job_id || 'x'"),
}


def _holding(archive: AuditedArchive, *, is_load: bool) -> list[tuple[int, ArchiveTable]]:
    """Return the entries and tables whose file is there."""
    return [
        (entry.sequence, BY_NAME[name])
        for entry in archive.entries()
        if (entry.kind == "load") == is_load
        for name, held in read_document(entry)["tables"].items()
        if held["file"] is not None and (entry.path / held["file"]).exists()
    ]


@edit(ROWS, *_FROM_BEFORE)
def change_rows_of_a_load(archive: AuditedArchive, rng: random.Random) -> str:
    """Change rows that no amendment has restated."""
    places = [
        (sequence, table)
        for sequence, table in _holding(archive, is_load=True)
        if table.name in _OF_LOADS
    ]
    sequence, table = rng.choice(places)
    change = rng.choice(_OF_LOADS[table.name])
    forgery = Forgery(archive)
    forgery.rows.change_rows(sequence, table, f"update changed_rows set {change}")
    forgery.complete()
    return f"entry {sequence}, {table.name}: {change}"


@edit(ROWS, *_FROM_BEFORE)
def remove_a_task(archive: AuditedArchive, rng: random.Random) -> str:
    """Remove a state of a task from the load that observed it."""
    sequence = rng.choice(
        [each for each, table in _holding(archive, is_load=True) if table is TASK_VERSIONS]
    )
    forgery = Forgery(archive)
    job_id = "(select job_id from changed_rows order by version, job_id limit 1)"
    for table in (TASK_VERSIONS, OBSERVATIONS):
        statement = f"delete from changed_rows where job_id = {job_id}"
        if table is OBSERVATIONS:
            statement = statement.replace("version,", "version_count,")
        forgery.rows.change_rows(sequence, table, statement)
    forgery.complete()
    return f"of entry {sequence}"


@edit(MANIFESTS, *_FROM_BEFORE)
def change_a_field(archive: AuditedArchive, rng: random.Random) -> str:
    """Change any field of a manifest, but what is made again as it was."""
    last = archive.entries()[-1].digest_path
    before, described = last.read_bytes(), []
    while last.exists() and last.read_bytes() == before:
        sequence = rng.randrange(1, len(archive.entries()) + 1)
        forgery = Forgery(archive)
        forgery.change(sequence, lambda document: described.append(change_field(document, rng)))
        forgery.complete()
    return f"entry {sequence}: {described[-1]}"


@edit(MANIFESTS, *_FROM_BEFORE)
def change_what_nothing_else_shows(archive: AuditedArchive, rng: random.Random) -> str:
    """Change the version of the program, the identity of a load, or the reason of an amendment."""
    sequence = rng.randrange(1, len(archive.entries()) + 1)

    def change(document: Document) -> None:
        document["tool_version"] = rng.choice(["0.0.9", "9.0.0", ""])
        if document["reason"] is not None:
            document["reason"] = rng.choice([None, "", "as agreed"])

    forgery = Forgery(archive)
    forgery.change(sequence, change)
    forgery.complete()
    return f"entry {sequence}"


@edit(MANIFESTS)
def restate_in_a_load(archive: AuditedArchive, rng: random.Random) -> str:
    """A load restates or removes what an earlier one wrote."""
    loads = [each for each in archive.entries() if each.kind == "load"]
    one, other = sorted(rng.sample(loads, 2), key=lambda each: each.sequence)
    held = read_document(one)["tables"]["load_runs"]
    rows = {name: held[name] for name in ("row_count", "rows_sha256", "columns")}
    counts = {"rows_removed": 0, "rows_changed": 0}
    restated = {"sequence": one.sequence, "table": "load_runs", **rows, **counts}
    removed = {"entry": one.name, "file": held["file"], "file_sha256": held["file_sha256"]} | counts
    field, value = rng.choice([("restates", restated), ("removes", removed)])
    forgery = Forgery(archive)
    forgery.change(other.sequence, lambda document: document.update({field: [value]}))
    forgery.complete()
    return f"{other.name} {field} {one.name}"


@edit(AMENDMENTS)
def change_counts_of_an_amendment(archive: AuditedArchive, rng: random.Random) -> str:
    """It says that it removed or changed another number of rows than it did."""
    return _change_counts(archive, rng, "retention", "redaction")


@edit(AMENDMENTS)
def change_counts_of_a_renormalisation(archive: AuditedArchive, rng: random.Random) -> str:
    return _change_counts(archive, rng, "renormalisation")


def _change_counts(archive: AuditedArchive, rng: random.Random, *kinds: str) -> str:
    sequence = rng.choice([each.sequence for each in archive.entries() if each.kind in kinds])
    described = []

    def change(document: Document) -> None:
        place = rng.choice(document[rng.choice(["restates", "removes"])] or document["restates"])
        name = rng.choice(["rows_removed", "rows_changed"])
        place[name] += -1 if place[name] and rng.random() < 0.5 else 1
        described.append(f"{name} = {place[name]}")

    forgery = Forgery(archive)
    forgery.change(sequence, change)
    forgery.complete()
    return f"entry {sequence}: {described[0]}"


@edit(AMENDMENTS)
def change_rows_of_an_amendment(archive: AuditedArchive, rng: random.Random) -> str:
    """Change values that follow from the record."""
    sequence = rng.choice(
        [each for each, table in _holding(archive, is_load=False) if table is TASK_VERSIONS]
    )
    column = rng.choice(sorted(_FOLLOWING))
    forgery = Forgery(archive)
    forgery.rows.change_rows(
        sequence, TASK_VERSIONS, f"update changed_rows set {column} = {_FOLLOWING[column]}"
    )
    forgery.complete()
    return f"entry {sequence}: {column}"


@edit(AMENDMENTS)
def remove_rows_of_an_amendment(archive: AuditedArchive, rng: random.Random) -> str:
    """Leave out or repeat a row."""
    sequence, table = rng.choice(_holding(archive, is_load=False))
    statement = rng.choice(
        [
            "delete from changed_rows where rowid = 0",
            "insert into changed_rows from changed_rows limit 1",
        ]
    )
    forgery = Forgery(archive)
    forgery.rows.change_rows(sequence, table, statement)
    forgery.complete()
    return f"entry {sequence}, {table.name}: {statement}"


def _append(
    archive: AuditedArchive,
    kind: EntryKind,
    changes: Mapping[ArchiveTable, RowChange],
    signer: KeySigner | None,
    *,
    is_removing: bool,
) -> None:
    """Append an amendment with its database; a forger skips the check of the signer."""
    with (
        patch.object(amendment, "check_signer_of_chain"),
        open_context(archive.data_dir) as context,
    ):
        write_amendment(
            archive.data_dir,
            context,
            Amendment(kind, AMENDED_AT + 6 * DAY, "ticket 4717", signer),
            plan_rewrites(context, changes),
            is_removing=is_removing,
        )


_CHANGES: Final[Mapping[str, tuple[EntryKind, Mapping[ArchiveTable, RowChange], bool]]] = {
    "failed tasks removed": (
        "retention",
        {TASK_VERSIONS: RowChange(is_kept="status is distinct from 'Failed'")},
        True,
    ),
    "every status restated": (
        "renormalisation",
        {TASK_VERSIONS: RowChange(replaced={"status": "'Completed'"})},
        False,
    ),
    "a reason redacted": (
        "redaction",
        {TASK_VERSIONS: RowChange(replaced={"instance_name": "'[redacted]'"})},
        True,
    ),
    "coverage changed": (
        "renormalisation",
        {COVERAGE: RowChange(replaced={"is_complete": "true", "distinct_count": "7"})},
        False,
    ),
    "rejected records removed": (
        "retention",
        {REJECTED_RECORDS: RowChange(is_kept="false")},
        True,
    ),
    "tasks removed by a redaction": (
        "redaction",
        {TASK_VERSIONS: RowChange(is_kept="version > 1")},
        True,
    ),
    "seen later": (
        "renormalisation",
        {OBSERVATIONS: RowChange(replaced={"version_count": "version_count + 1"})},
        False,
    ),
}


@edit(AMENDMENTS)
def append_an_amendment(archive: AuditedArchive, rng: random.Random) -> str:
    """Well-formed and with its database, but not signed, or signed with another key."""
    name = rng.choice(sorted(_CHANGES))
    kind, changes, is_removing = _CHANGES[name]
    signer = rng.choice([None, archive.signer("stranger")])
    _append(archive, kind, changes, signer, is_removing=is_removing)
    return f"{name}, {'not signed' if signer is None else 'signed by a stranger'}"


@edit(AMENDMENTS)
def sign_a_false_amendment(archive: AuditedArchive, rng: random.Random) -> str:
    """The owner of the key appends an amendment that its kind does not allow."""
    names = [each for each in sorted(_CHANGES) if each not in _HONEST]
    name = rng.choice(names)
    kind, changes, is_removing = _CHANGES[name]
    _append(archive, kind, changes, archive.signer("second"), is_removing=is_removing)
    return name


_HONEST: Final = frozenset(
    {"failed tasks removed", "rejected records removed", "a reason redacted"}
)
