"""The archive's README is correct: its script checks archives, and it describes every file."""

import ast
import hashlib
import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet
import pytest

from gaussdb_tasks.archive.archive_tables import BY_NAME, ArchiveTable
from gaussdb_tasks.archive.canonical import canonical_sql
from gaussdb_tasks.archive.manifest import (
    Handover,
    LoadIdentity,
    Manifest,
    ProjectResult,
    RemovedFile,
    Restatement,
    TableDigest,
)
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import Column
from tests.support.archive_script import README, SCRIPT, check_by_script
from tests.support.audited_archive import FIRST_SIGNED, STAMPED, AuditedArchive
from tests.support.golden_archive import GOLDEN
from tests.support.tamper.auditor import EVERY_EDIT
from tests.support.tamper.edits import Edit, Evidence

NEEDS_OPENSSL = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)
OPTIONS: Mapping[Evidence, Callable[[AuditedArchive], Sequence[str | Path]]] = {
    Evidence.NOTHING: lambda _archive: (),
    Evidence.KEY: lambda archive: ("--public-key", archive.public_key),
    Evidence.AUTHORITY: lambda archive: ("--timestamp-ca", archive.certificates.ca),
}


def test_the_script_accepts_an_intact_archive(data_dir: DataDir) -> None:
    """The archive has every kind of file; the printed head is the database's."""
    run = check_by_script(data_dir.archive)
    assert (run.returncode, run.stderr) == (0, "")
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        (head,) = connection.execute("select any_value(head_digest) from archive_status").fetchall()
    assert run.stdout == f"5 entries, 0 findings, head {head[0]}\n"


@pytest.mark.parametrize("is_golden", [False, True])
def test_the_script_accepts_every_kind_of_entry(
    audited: AuditedArchive, *, is_golden: bool
) -> None:
    """Amendments, tombstones, a rotation and time stamps; and those of version 0.1.0."""
    archive = GOLDEN if is_golden else audited.data_dir.archive
    run = check_by_script(archive)
    assert (run.returncode, ", 0 findings, " in run.stdout) == (0, True), run.stdout


@NEEDS_OPENSSL
def test_the_script_follows_the_keys_and_reads_time_stamps(audited: AuditedArchive) -> None:
    """The second key is trusted through the rotation; the time of each stamp is shown."""
    run = check_by_script(audited.data_dir.archive, *OPTIONS[Evidence.KEY](audited))
    assert run.returncode == 0, run.stdout
    run = check_by_script(audited.data_dir.archive, *OPTIONS[Evidence.AUTHORITY](audited))
    assert run.returncode == 0, run.stdout
    assert run.stderr.count("and all before it existed at") == len(STAMPED)


@NEEDS_OPENSSL
@pytest.mark.parametrize("evidence", [Evidence.KEY, Evidence.AUTHORITY])
def test_the_script_needs_a_signature_or_a_time_stamp_if_asked(
    audited: AuditedArchive, evidence: Evidence
) -> None:
    run = check_by_script(GOLDEN, *OPTIONS[evidence](audited))
    assert (run.returncode, "no entry " in run.stdout) == (1, True)


# One of each kind of rule; `make test-thorough` tries all of the campaign.
_USUAL = frozenset(
    {
        "change_a_file",
        "add_a_file",
        "change_a_manifest_and_chain_again",
        "restate_in_a_load",
        "change_counts_of_an_amendment",
        "remove_rows_of_an_amendment",
        "sign_with_another_key",
        "sign_no_more",
        "exchange_two_stamps",
    }
)
# Only the database, or the parser of this package, shows them.
_NOT_SHOWN = frozenset(
    {
        "delete_the_newest_entries",
        "change_counts_of_a_renormalisation",
        "change_rows_of_an_amendment",
    }
)
_EDITS = [
    each
    for each in EVERY_EDIT
    if each.evidence in OPTIONS
    and each.name not in _NOT_SHOWN
    and each.kind.startswith(("archive", "forged", "signatures", "time stamps"))
]


@NEEDS_OPENSSL
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(
            each,
            id=f"{each.name}-{each.evidence}",
            marks=() if each.name in _USUAL else pytest.mark.thorough,
        )
        for each in _EDITS
    ],
)
def test_the_script_finds_tampering(audited: AuditedArchive, tmp_path: Path, edit: Edit) -> None:
    """It is a finding, never a traceback."""
    archive = audited.copied(tmp_path)
    described = edit.apply(archive, random.Random(edit.name))  # noqa: S311 - edits, not secrets
    run = check_by_script(archive.data_dir.archive, *OPTIONS[edit.evidence](archive))
    assert (run.returncode, "Traceback" in run.stderr) == (1, False), (described, run.stderr)
    assert " findings, head " in run.stdout


@pytest.mark.parametrize(
    "content",
    [
        b"\xff{",
        b"[" * 100_000,
        b'{"format": NaN}',
        json.dumps({"kind": "load", "tables": {"\x1b[31m": {}}, "restates": []}).encode(),
    ],
    ids=["no text", "deep", "not a number", "control character"],
)
def test_the_script_survives_a_hostile_manifest(data_dir: DataDir, content: bytes) -> None:
    """It is a finding without control characters."""
    next(data_dir.archive.glob("000002-*/digest.json")).write_bytes(content)
    run = check_by_script(data_dir.archive)
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.replace("\n", "").isprintable()


def test_the_script_knows_every_column() -> None:
    """Its tables have the columns, types and nulls of the archive."""
    source = re.search(r"^TABLES = (\{.*?^\})", SCRIPT, flags=re.DOTALL | re.MULTILINE)
    assert source is not None
    types = {"bigint": "int64", "timestamp": "time", "date": "date32"}
    types |= {"double": "double", "bool": "bool"}
    expected = {
        name: " ".join(
            column.name
            + (f":{types[column.data_type]}" if column.data_type in types else "")
            + ("?" if column.nullable else "")
            for column in table.columns
        )
        for name, table in BY_NAME.items()
    }
    assert ast.literal_eval(source[1]) == expected


@pytest.mark.parametrize(
    ("struct", "place"),
    [
        (Manifest, "## digest.json"),
        (LoadIdentity, "`load`:"),
        (ProjectResult, "Each of `projects`:"),
        (TableDigest, "Each of `tables`:"),
        (Restatement, "Each of `restates`:"),
        (RemovedFile, "Each of `removes`:"),
        (Handover, "`handover`:"),
    ],
)
def test_every_field_is_described(struct: type[msgspec.Struct], place: str) -> None:
    """The tables of fields are those of the manifest, neither more nor less."""
    table = README.partition(f"\n{place}\n")[2].partition("| --- |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
    described = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(described) == sorted(struct.__struct_fields__)


@NEEDS_OPENSSL
def test_the_fingerprint_of_a_key_by_hand(audited: AuditedArchive) -> None:
    """The command of the page gives the `signed_by` of the first signed entry."""
    (command,) = re.findall(r"^openssl pkey -pubin .* \| sha256sum$", README, flags=re.MULTILINE)
    command = command.replace("public.pem", str(audited.public_key))
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - the page's own command
    entry = audited.entries()[FIRST_SIGNED - 1]
    assert run.stdout.split()[0] == entry.read().manifest.signed_by


def test_the_example_of_a_row() -> None:
    """The README's example row has the digest that this program computes."""
    kinds = ("text", "text", "bigint", "double", "bool")
    columns = tuple(Column(f"c{place}", kind, "") for place, kind in enumerate(kinds))
    table = ArchiveTable("example", "example", "", columns, ())
    row = "(select 'eu-de' as c0, null as c1, 7 as c2, 0.5::double as c3, true as c4)"
    ((digest,),) = duckdb.execute(f"select sha256({canonical_sql(table)}) from {row}").fetchall()
    (example,) = re.findall(r"^The row .* is `(.*)`\.$", README, flags=re.MULTILINE)
    assert hashlib.sha256(example.encode()).hexdigest() == digest


def test_plain_parquet_has_every_row(data_dir: DataDir) -> None:
    """pyarrow and a glob read the same rows as the database, in the same order."""
    files = sorted(data_dir.archive.glob("*/task_versions.parquet"))
    tables = [pyarrow.parquet.read_table(file) for file in files]
    kept = [tuple(row.values()) for row in pa.concat_tables(tables).to_pylist()]
    names = ", ".join(tables[0].column_names)
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        rows = connection.execute(f"select {names} from task_center.task_versions").fetchall()
        pattern = data_dir.archive / "*/task_versions.parquet"
        count = connection.execute(f"select count(*) from read_parquet('{pattern}')").fetchone()
    assert kept == rows
    assert count == (len(rows),)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_file_is_described_as_it_is(data_dir: DataDir, name: str) -> None:
    """The file's columns have the order and types of the README."""
    file = next(data_dir.archive.glob(f"*/{name}.parquet"))
    (section,) = re.findall(
        rf"### {name}\.parquet\n(.*?)(?=\n### |\n<!--)", README, flags=re.DOTALL
    )
    described = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, flags=re.MULTILINE)
    schema = pyarrow.parquet.read_schema(file)
    types = {"timestamp[us]": "timestamp[us], UTC", "date32[day]": "date32"}
    actual = [(field.name, types.get(str(field.type), str(field.type))) for field in schema]
    assert [(column, kind.replace(" (JSON)", "")) for column, kind in described] == actual


def test_folder_names(data_dir: DataDir) -> None:
    """They contain the order, the clock and the kind of the entries."""
    names = [path.name for path in sorted(data_dir.archive.iterdir())]
    assert names == [f"00000{number}-202603{17 + number}T120000Z-load" for number in range(1, 6)]
