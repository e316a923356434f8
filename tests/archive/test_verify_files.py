"""Whatever is done to a file of the archive is found, and called by its name."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.archive.manifest import decode, encode, sha256
from gaussdb_tasks.archive.store import CHECKSUM_NAME, DIGEST_NAME, Archive, checksum_line
from gaussdb_tasks.archive.verify import verify, verify_copy
from gaussdb_tasks.archive.verify_files import Demands, verify_archive
from gaussdb_tasks.database.data_dir import DataDir
from tests.support.commands import Command

FULL, FAST = Demands(), Demands(is_fast=True)


def entries(data_dir: DataDir) -> list[Path]:
    """Return the folders of the entries."""
    return [entry.path for entry in Archive(data_dir.archive).entries()]


def faults(data_dir: DataDir, demands: Demands = FULL) -> set[tuple[str, str]]:
    """Verify and return the kinds of faults, and where they are."""
    return {(finding.fault.value, finding.where) for finding in verify(data_dir, demands).findings}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_untouched_archive_is_whole(data_dir: DataDir, command: Command) -> None:
    """Both levels end with 0, and say the head and how much they looked at."""
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


def _alone(original: Path, folder: Path, count: int) -> Archive:
    """Copy the first entries, which are a whole archive as long as nobody expects more."""
    for entry in Archive(original / "archive").entries()[:count]:
        shutil.copytree(entry.path, folder / entry.name)
    archive = Archive(folder)
    assert verify_archive(archive, FULL).is_whole
    return archive


def _flip(path: Path, bits: Iterable[int]) -> Iterator[int]:
    """Flip one bit of a file after another; the file is as it was in the end."""
    content = path.read_bytes()
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        yield bit
    path.write_bytes(content)


def test_every_flipped_bit_of_a_small_archive(original: Path, tmp_path: Path) -> None:
    """One bit of each byte of what is text, every bit of a segment, samples of the others."""
    archive = _alone(original, tmp_path, 1)
    (entry,) = archive.entries()
    for path in sorted(entry.path.iterdir()):
        bits = path.stat().st_size * 8
        step = 8 if path.suffix != ".parquet" else 1 if path.stem == "task_types" else 8 * 97
        for bit in _flip(path, range(bits % 8, bits, step)):
            assert not verify_archive(archive, FULL).is_whole, (path.name, bit)


def test_flipped_bits_of_a_chain(original: Path, tmp_path: Path) -> None:
    """Samples of every digest of a longer chain: the fast level finds them all."""
    archive = _alone(original, tmp_path, 5)
    for entry in archive.entries():
        for path in (entry.digest_path, entry.path / CHECKSUM_NAME):
            for bit in _flip(path, range(5, path.stat().st_size * 8, 1009)):
                assert not verify_archive(archive, FAST).is_whole, (path, bit)


@pytest.mark.parametrize("name", ["task_versions.parquet", "coverage.parquet", DIGEST_NAME])
@pytest.mark.parametrize(
    ("harm", "fault", "is_fast_enough"),
    [
        (lambda path: path.unlink(), "missing", True),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "invalid", True),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "invalid", True),
        (lambda path: path.write_bytes(b""), "invalid", True),
        (lambda path: path.write_bytes(path.read_bytes().swapcase()), "invalid", False),
    ],
    ids=["deleted", "truncated", "appended", "emptied", "same size"],
)
def test_a_file_that_is_not_what_it_was(
    data_dir: DataDir,
    name: str,
    harm: Callable[[Path], object],
    fault: str,
    *,
    is_fast_enough: bool,
) -> None:
    """It is named by the full level, and by the fast one where a size or a digest tells."""
    path = entries(data_dir)[1] / name
    where = f"{path.parent.name}/{name}"
    harm(path)
    assert (fault, where) in faults(data_dir)
    if is_fast_enough or name == DIGEST_NAME:
        assert (fault, where) in faults(data_dir, FAST)
    else:
        assert faults(data_dir, FAST) == set()


def test_what_fast_cannot_see_it_says(data_dir: DataDir, command: Command) -> None:
    """Bytes changed in place pass the fast level, which says that it has not read them."""
    path = entries(data_dir)[0] / "task_versions.parquet"
    path.write_bytes(path.read_bytes().swapcase())
    run = command("verify", "--fast", "--data-dir", data_dir.path)
    assert run.exit_code == 0
    assert "the bytes of archive tables and the rows of the database were not read" in run.stderr
    run = command("verify", "--format", "json", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    assert "its bytes differ from those that were written" in run.stdout


@pytest.mark.parametrize("name", ["task_versions.parquet", "load_runs.parquet", DIGEST_NAME])
def test_files_of_two_nights_swapped(data_dir: DataDir, name: str) -> None:
    """Each is named where it lies."""
    first, second = (entry / name for entry in entries(data_dir)[:2])
    contents = second.read_bytes(), first.read_bytes()
    first.write_bytes(contents[0])
    second.write_bytes(contents[1])
    found = faults(data_dir)
    assert {("invalid", f"{path.parent.name}/{name}") for path in (first, second)} <= found


def test_entries_swapped(data_dir: DataDir) -> None:
    """A night under another's name does not pass, although each of its files is in order."""
    first, second, *_ = entries(data_dir)
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    found = faults(data_dir, FAST)
    assert ("invalid", f"{first.name}/{DIGEST_NAME}") in found
    assert ("gap", f"{first.name}/{DIGEST_NAME}") in found


def test_an_old_night_replayed(data_dir: DataDir) -> None:
    """A copy of an early entry put at the end is no new night, even with its number changed."""
    first, *_, last = entries(data_dir)
    replayed = last.with_name("000006-20260323T120000Z-load")
    shutil.copytree(first, replayed)
    assert ("invalid", f"{replayed.name}/{DIGEST_NAME}") in faults(data_dir, FAST)
    digest = json.loads((replayed / DIGEST_NAME).read_text())
    digest |= {"sequence": 6, "at": "2026-03-23T12:00:00Z"}
    _write_digest(replayed, json.dumps(digest).encode())
    assert ("gap", f"{replayed.name}/{DIGEST_NAME}") in faults(data_dir, FAST)


def test_a_night_replayed_under_its_own_number(data_dir: DataDir) -> None:
    """A second entry with the same number is one too many."""
    first, *_ = entries(data_dir)
    shutil.copytree(first, first.with_name("000001-20260318T120001Z-load"))
    assert ("extra", "000001-20260318T120001Z-load") in faults(data_dir, FAST)


@pytest.mark.parametrize("place", [0, 2])
def test_an_entry_removed(data_dir: DataDir, place: int) -> None:
    """The chain has a gap, and the gap is told as one."""
    doomed, following = entries(data_dir)[place : place + 2]
    shutil.rmtree(doomed)
    for demands in (FULL, FAST):
        found = verify(data_dir, demands).findings
        assert ("gap", following.name) in {(each.fault.value, each.where) for each in found}
        assert any(f"entry {place + 1} before it: missing" in each.detail for each in found)


def test_the_last_entries_removed(data_dir: DataDir) -> None:
    """The database knows them: they are missing. Without it, a head noted elsewhere tells."""
    head = entries(data_dir)[-1]
    noted = sha256((head / DIGEST_NAME).read_bytes())
    shutil.rmtree(head)
    assert ("missing", "entry 5") in faults(data_dir, FAST)
    assert verify_copy(data_dir.archive, FULL).is_whole
    expecting = Demands(expected_head=noted)
    assert [each.fault.value for each in verify_copy(data_dir.archive, expecting).findings] == [
        "gap"
    ]


def test_a_chain_rewritten_whole(data_dir: DataDir) -> None:
    """Consistent in itself: found against the database, or a head that was noted elsewhere."""
    noted = sha256((entries(data_dir)[-1] / DIGEST_NAME).read_bytes())
    file = entries(data_dir)[0] / "coverage.parquet"
    duckdb.execute(
        f"copy (select * replace ('forged' as purpose) from '{file}') to '{file}' (format parquet)"
    )
    _rewrite_chain(data_dir)
    assert verify_copy(data_dir.archive, FAST).is_whole
    assert not verify_copy(data_dir.archive, Demands(expected_head=noted)).is_whole
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


def test_a_noted_head_stays_right_as_the_chain_grows(data_dir: DataDir) -> None:
    """Any head that was ever noted is found in the chain, and how much came after it is said."""
    for entry in entries(data_dir):
        noted = sha256((entry / DIGEST_NAME).read_bytes())
        found = verify(data_dir, Demands(is_fast=True, expected_head=noted))
        assert found.is_whole
        assert any(entry.name in note for note in found.notes)


def test_strays(data_dir: DataDir) -> None:
    """What is in the archive and was not kept by a load is named, wherever it lies."""
    first, *_ = entries(data_dir)
    (data_dir.archive / "notes.txt").write_text("x")
    (first / "more.parquet").write_text("x")
    (first / "folder").mkdir()
    (data_dir.archive / "000009-load").mkdir()
    for demands in (FULL, FAST):
        assert faults(data_dir, demands) == {
            ("extra", "notes.txt"),
            ("extra", "000009-load"),
            ("extra", f"{first.name}/more.parquet"),
            ("extra", f"{first.name}/folder"),
        }


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"format": 1, "sequence": "one"}']
)
def test_a_digest_that_is_none(data_dir: DataDir, content: bytes) -> None:
    """Whatever lies in its place is a finding and no traceback, and the next entry is looked at."""
    second = entries(data_dir)[1]
    (second / DIGEST_NAME).write_bytes(content)
    (entries(data_dir)[3] / "coverage.parquet").unlink()
    found = faults(data_dir)
    assert ("invalid", f"{second.name}/{DIGEST_NAME}") in found
    assert ("missing", f"{entries(data_dir)[3].name}/coverage.parquet") in found


def test_it_never_stops_at_the_first(data_dir: DataDir) -> None:
    """Faults in several places are all named at once."""
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
    """A database whose archive is gone is not whole; a folder with neither is a wrong option."""
    shutil.rmtree(data_dir.archive)
    assert ("missing", str(data_dir.archive)) in faults(data_dir, FAST)
    run = command("verify", "--data-dir", data_dir.path / "elsewhere")
    assert run.exit_code == 2
    assert "neither a database nor an archive" in run.stderr


def test_findings_as_json(data_dir: DataDir, command: Command) -> None:
    """Machines get every finding with its kind, its place and its night."""
    entry = entries(data_dir)[1]
    (entry / "coverage.parquet").unlink()
    run = command("verify", "--format", "json", "--data-dir", data_dir.path)
    assert run.exit_code == 1
    told = json.loads(run.stdout)
    assert told["is_whole"] is False
    assert {
        "fault": "missing",
        "where": f"{entry.name}/coverage.parquet",
        "detail": "the file is missing",
        "entry": entry.name,
        "task": None,
        "column": None,
    } in told["findings"]


def test_the_chain_is_one(data_dir: DataDir) -> None:
    """Each digest names the one before; the last is what the database calls its head."""
    digests = [(entry / DIGEST_NAME).read_bytes() for entry in entries(data_dir)]
    for before, after in pairwise(digests):
        assert decode(after).previous == sha256(before)
    with duckdb.connect(data_dir.database, read_only=True) as connection:
        heads = connection.execute("select distinct head_digest from archive_status").fetchall()
    assert heads == [(sha256(digests[-1]),)]


@pytest.mark.parametrize("value", ["", "abc", "g" * 64])
def test_an_expected_head_that_is_none(data_dir: DataDir, command: Command, value: str) -> None:
    """It is refused as an option, before anything is read."""
    run = command("verify", "--expect-head", value, "--data-dir", data_dir.path)
    assert run.exit_code == 2
    assert "64 hexadecimal digits" in run.stderr
