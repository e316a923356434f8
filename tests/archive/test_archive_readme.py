"""The archive's page is true: its script checks archives, and its words lead to every row."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

import gaussdb_tasks.archive
from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.archive_tables import BY_NAME, ArchiveTable
from gaussdb_tasks.archive.canonical import row_digest_sql
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.tables import Column
from gaussdb_tasks.model.times import parse_instant

PAGE = Path(gaussdb_tasks.archive.__file__).with_name("README.md").read_text()


def check(archive: Path) -> "subprocess.CompletedProcess[str]":
    """Run the page's script, in a Python that knows nothing of this package."""
    (script,) = re.findall(r"```python\n(import hashlib.*?)```", PAGE, flags=re.DOTALL)
    return subprocess.run(
        [sys.executable, "-I", "-c", script, archive], capture_output=True, text=True, check=False
    )


def test_the_script_finds_a_whole_archive_whole(data_dir: DataDir) -> None:
    """Every kind of file is in it; the head is the database's."""
    run = check(data_dir.archive)
    assert (run.returncode, run.stderr) == (0, "")
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        (head,) = connection.execute("select any_value(head_digest) from archive_status").fetchall()
    assert run.stdout == f"5 entries, 0 findings, head {head[0]}\n"


def test_the_script_understands_acts(data_dir: DataDir) -> None:
    """What was removed on purpose is no finding; tombstones are expected."""
    at = parse_instant("2026-09-01", option="at")
    redact(data_dir, ["fail_reason"], [], Amendment("redaction", at, "x"), is_dry_run=False)
    assert check(data_dir.archive).returncode == 0
    next(data_dir.archive.glob("*/*.removed.json")).unlink()
    assert check(data_dir.archive).returncode == 1


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
    "harm",
    [
        _edit_digest,
        _flip,
        _swap,
        lambda archive: shutil.rmtree(next(archive.glob("000003-*"))),
        lambda archive: next(archive.glob("000003-*/load_runs.parquet")).unlink(),
        lambda archive: (next(archive.glob("000003-*")) / "more").write_text("x"),
    ],
)
def test_the_script_finds_what_was_done(data_dir: DataDir, harm: Callable[[Path], object]) -> None:
    """An edited digest, a flipped bit, swapped, missing and added files: each makes it fail."""
    harm(data_dir.archive)
    run = check(data_dir.archive)
    assert run.returncode == 1
    assert "findings" in run.stdout


def test_the_example_of_a_row() -> None:
    """The row that the page spells out has the digest that this program gives it."""
    kinds = ("text", "text", "bigint", "double", "bool")
    columns = tuple(Column(f"c{place}", kind, "") for place, kind in enumerate(kinds))
    segment = ArchiveTable("example", "example", "", columns, (), is_appended=True)
    row = "(select 'eu-de' as c0, null as c1, 7 as c2, 0.5::double as c3, true as c4)"
    ((digest,),) = duckdb.execute(f"select {row_digest_sql(segment)} from {row}").fetchall()
    (spelt,) = re.findall(r"^The row .* is `(.*)`\.$", PAGE, flags=re.MULTILINE)
    assert hashlib.sha256(spelt.encode()).hexdigest() == digest


def test_plain_parquet_has_every_row(data_dir: DataDir) -> None:
    """pyarrow and a glob read just what the database holds, in its order."""
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
    """Each column is there in the order and of the type that the page says."""
    file = next(data_dir.archive.glob(f"*/{name}.parquet"))
    (section,) = re.findall(rf"### {name}\.parquet\n(.*?)(?=\n### |\n<!--)", PAGE, flags=re.DOTALL)
    told = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, flags=re.MULTILINE)
    schema = pyarrow.parquet.read_schema(file)
    types = {"timestamp[us]": "timestamp[us], UTC", "date32[day]": "date32"}
    actual = [(field.name, types.get(str(field.type), str(field.type))) for field in schema]
    assert [(column, kind.replace(" (JSON)", "")) for column, kind in told] == actual


def test_retained_time_is_plain(data_dir: DataDir) -> None:
    """The folders' names alone tell order, night and kind."""
    names = [path.name for path in sorted(data_dir.archive.iterdir())]
    assert names == [f"00000{number}-202603{17 + number}T120000Z-load" for number in range(1, 6)]
