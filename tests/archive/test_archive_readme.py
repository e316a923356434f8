"""The archive's README is correct: its script checks archives, and it describes every file."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.archive_tables import BY_NAME, ArchiveTable
from gaussdb_tasks.archive.canonical import canonical_sql
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import Column
from gaussdb_tasks.model.times import parse_time
from tests.support.archive_script import README, check_by_script


def test_the_script_accepts_an_intact_archive(data_dir: DataDir) -> None:
    """The archive has every kind of file; the printed head is the database's."""
    run = check_by_script(data_dir.archive)
    assert (run.returncode, run.stderr) == (0, "")
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        (head,) = connection.execute("select any_value(head_digest) from archive_status").fetchall()
    assert run.stdout == f"5 entries, 0 findings, head {head[0]}\n"


def test_the_script_accepts_amendments(data_dir: DataDir) -> None:
    """A removed file is not a finding; a missing tombstone is."""
    at = parse_time("2026-09-01", option="at")
    redact(data_dir, ["fail_reason"], [], Amendment("redaction", at, "x"), is_dry_run=False)
    assert check_by_script(data_dir.archive).returncode == 0
    next(data_dir.archive.glob("*/*.removed.json")).unlink()
    assert check_by_script(data_dir.archive).returncode == 1


def _edit_digest(archive: Path) -> None:
    path = next(archive.glob("000002-*/digest.json"))
    digest = json.loads(path.read_text())
    digest["tables"]["coverage"]["row_count"] += 1
    path.write_text(json.dumps(digest))


def _flip(archive: Path) -> None:
    path = next(archive.glob("000002-*/task_versions.parquet"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def _swap(archive: Path) -> None:
    first, second, *_ = sorted(archive.glob("*/coverage.parquet"))
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


@pytest.mark.parametrize(
    "damage",
    [
        _edit_digest,
        _flip,
        _swap,
        lambda archive: shutil.rmtree(next(archive.glob("000003-*"))),
        lambda archive: next(archive.glob("000003-*/load_runs.parquet")).unlink(),
        lambda archive: (next(archive.glob("000003-*")) / "more").write_text("x"),
    ],
)
def test_the_script_finds_damage(data_dir: DataDir, damage: Callable[[Path], object]) -> None:
    """It fails for an edited manifest, a flipped bit, swapped, missing and additional files."""
    damage(data_dir.archive)
    run = check_by_script(data_dir.archive)
    assert run.returncode == 1
    assert "findings" in run.stdout


def test_the_example_of_a_row() -> None:
    """The README's example row has the digest that this program computes."""
    kinds = ("text", "text", "bigint", "double", "bool")
    columns = tuple(Column(f"c{place}", kind, "") for place, kind in enumerate(kinds))
    table = ArchiveTable("example", "example", "", columns, (), is_appended=True)
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
