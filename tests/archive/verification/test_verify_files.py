"""Verify reports each change of a file in the archive, by its name."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.manifest import decode, encode, sha256
from gaussdb_tasks.archive.store import CHECKSUM_NAME, DIGEST_NAME, Archive, checksum_line
from gaussdb_tasks.archive.verification.verify import verify, verify_copy
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from tests.support import IS_THOROUGH
from tests.support.commands import Command

FULL, FAST = VerifyOptions(), VerifyOptions(is_fast=True)


def entries(data_dir: DataDir) -> list[Path]:
    """Return the folders of the entries."""
    return [entry.path for entry in Archive(data_dir.archive).entries()]


def faults(data_dir: DataDir, options: VerifyOptions = FULL) -> set[tuple[str, str]]:
    """Verify the archive and the database; return the faults and their places."""
    return {(finding.fault.value, finding.where) for finding in verify(data_dir, options).findings}


def file_faults(data_dir: DataDir, options: VerifyOptions = FULL) -> set[tuple[str, str]]:
    """Verify the archive alone, which takes a hundredth of the time."""
    found = verify_archive(Archive(data_dir.archive), options)
    return {(finding.fault.value, finding.where) for finding in found.findings}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_unchanged_archive_is_intact(data_dir: DataDir, command: Command) -> None:
    """Both levels exit with 0, and print the head and what they read."""
    assert {path.name for path in _files(data_dir.archive)} == {
        DIGEST_NAME,
        CHECKSUM_NAME,
        *(f"{name}.parquet" for name in ("task_versions", "sightings", "coverage", "load_runs")),
        *(f"{name}.parquet" for name in ("rejected_records", "vanished_tasks", "task_types")),
    }
    for level in ((), ("--fast",)):
        run = command("verify", "--data-dir", data_dir.path, *level)
        assert run.exit_code == 0
        assert run.stdout == ""
        assert "intact: 5 entries, head " in run.last_line
        assert ("were not read" in run.stderr) == bool(level)


def _copy_first(original: Path, folder: Path, count: int) -> Archive:
    """Copy the first entries, which are an intact archive."""
    for entry in Archive(original / "archive").entries()[:count]:
        shutil.copytree(entry.path, folder / entry.name)
    archive = Archive(folder)
    assert verify_archive(archive, FULL).is_intact
    return archive


def _flip(path: Path, bits: Iterable[int]) -> Iterator[int]:
    """Flip one bit of a file after another, and restore the file in the end."""
    content = path.read_bytes()
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        yield bit
    path.write_bytes(content)


def test_flipped_bits_of_a_small_archive(original: Path, tmp_path: Path) -> None:
    """Samples of each file; thorough: a bit of each byte of text, every bit of one Parquet file."""
    archive = _copy_first(original, tmp_path, 1)
    (entry,) = archive.entries()
    for path in sorted(entry.path.iterdir()):
        bits = path.stat().st_size * 8
        step = 8 if path.suffix != ".parquet" else 1 if path.stem == "task_types" else 8 * 97
        if not IS_THOROUGH:
            step = max(step, bits // 9 | 1)  # odd, so that each bit of a byte is flipped somewhere
        for bit in _flip(path, range(bits % 8, bits, step)):
            assert not verify_archive(archive, FULL).is_intact, (path.name, bit)


def test_flipped_bits_of_a_chain(original: Path, tmp_path: Path) -> None:
    """Samples of every manifest of a longer chain: the fast level finds them all."""
    archive = _copy_first(original, tmp_path, 5)
    for entry in archive.entries():
        for path in (entry.digest_path, entry.path / CHECKSUM_NAME):
            for bit in _flip(
                path, range(5, path.stat().st_size * 8, 1009 if IS_THOROUGH else 4999)
            ):
                assert not verify_archive(archive, FAST).is_intact, (path, bit)


@pytest.mark.parametrize("name", ["task_versions.parquet", "coverage.parquet", DIGEST_NAME])
@pytest.mark.parametrize(
    ("damage", "fault", "is_fast_enough"),
    [
        (lambda path: path.unlink(), "missing", True),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "invalid", True),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "invalid", True),
        (lambda path: path.write_bytes(b""), "invalid", True),
        (lambda path: path.write_bytes(path.read_bytes().swapcase()), "invalid", False),
    ],
    ids=["deleted", "truncated", "appended", "emptied", "same size"],
)
def test_a_changed_file(
    data_dir: DataDir,
    name: str,
    damage: Callable[[Path], object],
    fault: str,
    *,
    is_fast_enough: bool,
) -> None:
    """The full level reports it; the fast level does if a size or a digest differs."""
    path = entries(data_dir)[1] / name
    where = f"{path.parent.name}/{name}"
    damage(path)
    assert (fault, where) in file_faults(data_dir)
    if is_fast_enough or name == DIGEST_NAME:
        assert (fault, where) in file_faults(data_dir, FAST)
    else:
        assert file_faults(data_dir, FAST) == set()


def test_the_fast_level_reports_its_limits(data_dir: DataDir, command: Command) -> None:
    """It does not find bytes that changed in place, and says that it did not read them."""
    path = entries(data_dir)[0] / "task_versions.parquet"
    path.write_bytes(path.read_bytes().swapcase())
    run = command("verify", "--fast", "--data-dir", data_dir.path)
    assert run.exit_code == 0
    assert "these were not read: the bytes of archive files" in run.stderr
    run = command("verify", "--format", "json", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "its bytes differ from those that were written" in run.stdout


@pytest.mark.parametrize("name", ["task_versions.parquet", "load_runs.parquet", DIGEST_NAME])
def test_swapped_files_of_two_loads(data_dir: DataDir, name: str) -> None:
    """Each is reported at its place."""
    first, second = (entry / name for entry in entries(data_dir)[:2])
    contents = second.read_bytes(), first.read_bytes()
    first.write_bytes(contents[0])
    second.write_bytes(contents[1])
    found = file_faults(data_dir)
    assert {("invalid", f"{path.parent.name}/{name}") for path in (first, second)} <= found


def test_swapped_entries(data_dir: DataDir) -> None:
    """A load under another one's name is reported, although its files are intact."""
    first, second, *_ = entries(data_dir)
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    found = file_faults(data_dir, FAST)
    assert ("invalid", f"{first.name}/{DIGEST_NAME}") in found
    assert ("gap", f"{first.name}/{DIGEST_NAME}") in found


def test_an_old_load_at_the_end(data_dir: DataDir) -> None:
    """A copy of an early entry is not accepted as a new load, even with another number."""
    first, *_, last = entries(data_dir)
    replayed = last.with_name("000006-20260323T120000Z-load")
    shutil.copytree(first, replayed)
    assert ("invalid", f"{replayed.name}/{DIGEST_NAME}") in file_faults(data_dir, FAST)
    digest = json.loads((replayed / DIGEST_NAME).read_text())
    digest |= {"sequence": 6, "at": "2026-03-23T12:00:00Z"}
    _write_digest(replayed, json.dumps(digest).encode())
    assert ("gap", f"{replayed.name}/{DIGEST_NAME}") in file_faults(data_dir, FAST)


def test_two_entries_with_one_number(data_dir: DataDir) -> None:
    """The second one is reported as extra."""
    first, *_ = entries(data_dir)
    shutil.copytree(first, first.with_name("000001-20260318T120001Z-load"))
    assert ("extra", "000001-20260318T120001Z-load") in file_faults(data_dir, FAST)


@pytest.mark.parametrize("place", [0, 2])
def test_a_removed_entry(data_dir: DataDir, place: int) -> None:
    """The finding is a gap, and names the missing entry."""
    removed, following = entries(data_dir)[place : place + 2]
    shutil.rmtree(removed)
    for options in (FULL, FAST):
        found = verify_archive(Archive(data_dir.archive), options).findings
        assert ("gap", following.name) in {(each.fault.value, each.where) for each in found}
        assert any(f"entry {place + 1} before it: missing" in each.detail for each in found)


def test_a_removed_last_entry(data_dir: DataDir) -> None:
    """It is found by the database, or by an expected head."""
    head = entries(data_dir)[-1]
    noted = sha256((head / DIGEST_NAME).read_bytes())
    shutil.rmtree(head)
    assert ("missing", "entry 5") in faults(data_dir, FAST)
    assert verify_copy(data_dir.archive, FULL).is_intact
    expecting = VerifyOptions(expected_head=noted)
    assert [each.fault.value for each in verify_copy(data_dir.archive, expecting).findings] == [
        "gap"
    ]


def test_a_completely_rewritten_chain(data_dir: DataDir) -> None:
    """It is consistent in itself; the database or an expected head reveals it."""
    noted = sha256((entries(data_dir)[-1] / DIGEST_NAME).read_bytes())
    file = entries(data_dir)[0] / "coverage.parquet"
    duckdb.execute(
        f"copy (select * replace ('forged' as purpose) from '{file}') to '{file}' (format parquet)"
    )
    _rewrite_chain(data_dir)
    assert verify_copy(data_dir.archive, FAST).is_intact
    assert not verify_copy(data_dir.archive, VerifyOptions(expected_head=noted)).is_intact
    assert {finding[0] for finding in faults(data_dir, FAST)} == {"differs"}


def _rewrite_chain(data_dir: DataDir) -> None:
    previous = None
    for entry in entries(data_dir):
        digest = json.loads((entry / DIGEST_NAME).read_text())
        digest["previous"] = previous
        for held in digest["tables"].values():
            if held["file"] is not None:
                content = (entry / held["file"]).read_bytes()
                held |= {"file_bytes": len(content), "file_sha256": sha256(content)}
        previous = _write_digest(entry, encode(decode(json.dumps(digest).encode())))


def _write_digest(entry: Path, content: bytes) -> str:
    (entry / DIGEST_NAME).write_bytes(content)
    (entry / CHECKSUM_NAME).write_text(checksum_line(sha256(content)))
    return sha256(content)


def test_the_head_of_each_load_stays_in_the_chain(data_dir: DataDir) -> None:
    """Every earlier head is found, and the number of later entries is reported."""
    for entry in entries(data_dir):
        noted = sha256((entry / DIGEST_NAME).read_bytes())
        options = VerifyOptions(is_fast=True, expected_head=noted)
        found = verify_archive(Archive(data_dir.archive), options)
        assert found.is_intact
        assert any(entry.name in note for note in found.notes)


def test_unexpected_files(data_dir: DataDir) -> None:
    """Files and folders that no load wrote are reported, in every place."""
    first, *_ = entries(data_dir)
    (data_dir.archive / "notes.txt").write_text("x")
    (first / "more.parquet").write_text("x")
    (first / "folder").mkdir()
    (data_dir.archive / "000009-load").mkdir()
    for options in (FULL, FAST):
        assert file_faults(data_dir, options) == {
            ("extra", "notes.txt"),
            ("extra", "000009-load"),
            ("extra", f"{first.name}/more.parquet"),
            ("extra", f"{first.name}/folder"),
        }


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"format": 1, "sequence": "one"}']
)
def test_a_file_that_is_not_a_manifest(data_dir: DataDir, content: bytes) -> None:
    """It is a finding, not an error, and the next entries are verified."""
    second = entries(data_dir)[1]
    (second / DIGEST_NAME).write_bytes(content)
    (entries(data_dir)[3] / "coverage.parquet").unlink()
    found = file_faults(data_dir)
    assert ("invalid", f"{second.name}/{DIGEST_NAME}") in found
    assert ("missing", f"{entries(data_dir)[3].name}/coverage.parquet") in found


def test_all_faults_are_reported_at_once(data_dir: DataDir) -> None:
    """Verify continues after the first fault."""
    first, second, third, fourth, fifth = entries(data_dir)
    (first / "coverage.parquet").unlink()
    (second / DIGEST_NAME).write_text("{")
    shutil.rmtree(third)
    (fourth / CHECKSUM_NAME).unlink()
    (fifth / "load_runs.parquet").write_bytes(b"PAR1")
    with duckdb.connect(data_dir.database) as connection:
        connection.execute("update task_center.tasks set status = 'Completed'")
    found = faults(data_dir)
    assert {
        ("missing", f"{first.name}/coverage.parquet"),
        ("invalid", f"{second.name}/{DIGEST_NAME}"),
        ("gap", fourth.name),
        ("missing", f"{fourth.name}/{CHECKSUM_NAME}"),
        ("invalid", f"{fifth.name}/load_runs.parquet"),
    } <= found


def test_no_archive(data_dir: DataDir, command: Command) -> None:
    """A missing archive is a finding; a folder without archive and database is a usage error."""
    shutil.rmtree(data_dir.archive)
    assert ("missing", str(data_dir.archive)) in faults(data_dir, FAST)
    run = command("verify", "--data-dir", data_dir.path / "elsewhere")
    assert run.exit_code == 2
    assert "neither a database nor an archive" in run.stderr


def test_findings_as_json(data_dir: DataDir, command: Command) -> None:
    """JSON contains every finding with its kind, place and entry."""
    entry = entries(data_dir)[1]
    (entry / "coverage.parquet").unlink()
    run = command("verify", "--format", "json", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    report = json.loads(run.stdout)
    assert report["is_whole"] is False
    assert {
        "fault": "missing",
        "where": f"{entry.name}/coverage.parquet",
        "detail": "the file is missing",
        "entry": entry.name,
        "task": None,
        "column": None,
    } in report["findings"]


def test_the_chain_is_one(data_dir: DataDir) -> None:
    """Each manifest has the hash of the previous one; the database has the last one's."""
    digests = [(entry / DIGEST_NAME).read_bytes() for entry in entries(data_dir)]
    for before, after in pairwise(digests):
        assert decode(after).previous == sha256(before)
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        heads = connection.execute("select distinct head_digest from archive_status").fetchall()
    assert heads == [(sha256(digests[-1]),)]


@pytest.mark.parametrize("value", ["abc", "g" * 64])
def test_an_invalid_expected_head(data_dir: DataDir, command: Command, value: str) -> None:
    """It is a usage error, before any file is read."""
    run = command("verify", "--expect-head", value, "--data-dir", data_dir.path)
    assert run.exit_code == 2
    assert "64 hexadecimal digits" in run.stderr
