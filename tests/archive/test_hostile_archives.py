"""Prepared archives and remotes: findings or one sentence; nothing outside is read or changed."""

import errno
import hashlib
import json
import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.manifest import MAX_BYTES, ManifestError, decode
from gaussdb_tasks.archive.mirror.fetch import fetch_entries
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.rebuild import rebuild
from gaussdb_tasks.archive.verification.verify import verify, verify_copy
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import DAY
from tests.support.commands import Command
from tests.support.emulator_client import NOW

Document = dict[str, Any]

OUTSIDE = "../../outside.parquet"
SQL = "tasks; copy (select 1) to 'outside.parquet'; --"
EARLIER = "000001-20260318T120000Z-load"


def rewrite(entry: Path, change: Callable[[Document], None]) -> None:
    """Change a manifest, and its checksum with it."""
    document = json.loads((entry / "digest.json").read_text())
    change(document)
    content = json.dumps(document).encode()
    (entry / "digest.json").write_bytes(content)
    checksum = f"{hashlib.sha256(content).hexdigest()}  digest.json\n"
    (entry / "digest.sha256").write_text(checksum)


def entries(data_dir: DataDir) -> list[Path]:
    """Return the folders of the entries, in order of the chain."""
    return sorted(data_dir.archive.iterdir())


def rename_table(document: Document) -> None:
    """Name a table that is SQL."""
    document["tables"][SQL] = document["tables"].pop("coverage")


def removal(entry: str, file: str) -> Document:
    """Describe the removal of a file."""
    hashed = {"file_sha256": "0" * 64, "rows_removed": 0, "rows_changed": 0}
    return {"entry": entry, "file": file, **hashed}


def as_amendment(document: Document, **fields: Any) -> None:
    """Make the manifest that of an amendment."""
    document.update({"kind": "redaction", "load": None, "reason": "x", **fields})


CHANGES: dict[str, Callable[[Document], None]] = {
    "a table that is SQL": rename_table,
    "a table of the database that is SQL": lambda d: d["database"].update({SQL: 1}),
    "a column that is SQL": lambda d: d["tables"]["coverage"].update(columns=[SQL]),
    "a column twice": lambda d: d["tables"]["coverage"].update(columns=["region", "region"]),
    "a file outside": lambda d: d["tables"]["coverage"].update(file=OUTSIDE),
    "a file of another table": lambda d: d["tables"]["coverage"].update(file="load_runs.parquet"),
    "a file with a NUL": lambda d: d["tables"]["coverage"].update(file="coverage\0.parquet"),
    "a file without a hash": lambda d: d["tables"]["coverage"].update(file_sha256=None),
    "a hash with a line end": lambda d: d["tables"]["coverage"].update(rows_sha256="0" * 64 + "\n"),
    "a hash in capitals": lambda d: d["tables"]["coverage"].update(rows_sha256="A" * 64),
    "a negative count": lambda d: d["tables"]["coverage"].update(row_count=-1),
    "a count beyond all tasks": lambda d: d["tables"]["coverage"].update(row_count=10**30),
    "a load that removes": lambda d: d.update(removes=[removal(EARLIER, "coverage.parquet")]),
    "a load without identity": lambda d: d.update(load=None),
    "a removal outside": lambda d: as_amendment(d, removes=[removal(EARLIER, OUTSIDE)]),
    "a removal in another folder": lambda d: as_amendment(
        d, removes=[removal("../../outside", "coverage.parquet")]
    ),
    "a removal in a later entry": lambda d: as_amendment(
        d, removes=[removal("000009-20260318T120000Z-load", "coverage.parquet")]
    ),
    "task types of a later entry": lambda d: d.update(task_types=99),
    "a clock that is not a time": lambda d: as_amendment(d, at="soon"),
    "a clock before the first year in UTC": lambda d: as_amendment(
        d, at="0001-01-01T00:00:00+14:00"
    ),
    "a kind that is unknown": lambda d: d.update(kind="rewrite"),
    "a sequence of zero": lambda d: d.update(sequence=0),
    "a reason of a megabyte": lambda d: as_amendment(d, reason="x" * 1_000_000),
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Put a file beside the data directory; it must stay, alone."""
    path = tmp_path / "outside.parquet"
    path.write_bytes(b"not yours")
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "coverage.parquet").write_bytes(b"not yours")
    yield path
    assert path.read_bytes() == b"not yours"
    assert [each.name for each in folder.iterdir()] == ["coverage.parquet"]
    assert (folder / "coverage.parquet").read_bytes() == b"not yours"
    assert {each.name for each in tmp_path.iterdir()} == {"data", "outside", path.name}


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_prepared_manifest_is_reported(
    data_dir: DataDir, change: Callable[[Document], None]
) -> None:
    entry = entries(data_dir)[-1]
    rewrite(entry, change)
    with pytest.raises(ManifestError):
        decode((entry / "digest.json").read_bytes())
    where = f"{entry.name}/digest.json"
    findings = verify_copy(data_dir.archive, VerifyOptions(is_fast=True)).findings
    assert [finding.where for finding in findings if finding.fault == "invalid"] == [where]


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("name", ["a table that is SQL", "a file outside", "a removal outside"])
def test_a_prepared_archive_ends_a_command_with_1(
    data_dir: DataDir, command: Command, name: str
) -> None:
    """Without a traceback, and with nothing written outside."""
    rewrite(entries(data_dir)[-1], CHANGES[name])
    for arguments in (["verify"], ["rebuild", "--replace"]):
        run = command(*arguments, "--data-dir", data_dir.path)
        assert run.exit_code == 1
        assert "Traceback" not in run.stderr


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_change_of_a_manifest_decodes_or_is_a_manifest_error(
    original: Path, data: st.DataObject
) -> None:
    """A value at a random place is replaced by anything that JSON can hold."""
    entry = entries(DataDir(original))[-1]
    document = json.loads((entry / "digest.json").read_text())
    target: Any = document
    while isinstance(target, dict | list) and target:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or not target[key] or data.draw(st.booleans()):
            anything = st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=4,
            )
            target[key] = data.draw(anything)
            break
        target = target[key]
    content = json.dumps(document).encode("utf-8", "surrogatepass")
    try:
        manifest = decode(content)
    except ManifestError:
        return
    assert msgspec.json.decode(msgspec.json.encode(manifest)) is not None


@pytest.mark.parametrize("content", [b"", b"[" * 200_000, b"{", b"\xff\xfe", b'{"format": 1e999}'])
def test_bytes_that_are_no_manifest(content: bytes) -> None:
    with pytest.raises(ManifestError):
        decode(content)


@pytest.fixture(scope="module")
def redacted_once(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Redact, so that an amendment removes a file and leaves a tombstone."""
    folder = tmp_path_factory.mktemp("redacted") / "data"
    shutil.copytree(original, folder)
    amendment = Amendment("redaction", NOW + 9 * DAY, "x")
    redact(DataDir(folder), ["fail_reason"], [], amendment, is_dry_run=False)
    return folder


@pytest.fixture
def redacted(redacted_once: Path, tmp_path: Path) -> DataDir:
    """Copy the redacted archive, so that a test can change it."""
    return DataDir(Path(shutil.copytree(redacted_once, tmp_path / "data")))


def test_a_removal_of_a_file_that_never_was_removes_nothing(redacted: DataDir) -> None:
    """The manifest is well-formed, but its hash is not that of the file it names."""
    *_, load, amendment = entries(redacted)
    file = load / "coverage.parquet"
    rewrite(amendment, lambda d: d["removes"].append(removal(load.name, file.name)))
    redacted.database.unlink()
    findings = verify(redacted, VerifyOptions()).findings
    details = [finding.detail for finding in findings]
    assert any("never had with this hash" in detail for detail in details), details
    assert file.exists()


def test_a_link_in_place_of_a_file_is_reported(data_dir: DataDir, tmp_path: Path) -> None:
    """Also if it leads to the same bytes."""
    file = entries(data_dir)[0] / "coverage.parquet"
    shutil.move(file, tmp_path / "elsewhere.parquet")
    file.symlink_to(tmp_path / "elsewhere.parquet")
    details = [finding.detail for finding in verify(data_dir, VerifyOptions()).findings]
    assert "it is a link, or not a file; an archive has files only" in details


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("pattern", ["digest.json", "digest.sha256", "*.removed.json"])
def test_small_files_are_no_links_and_no_pipes(redacted: DataDir, pattern: str, kind: str) -> None:
    """A link leads out of the archive; who opens a pipe waits for ever."""
    file = next(redacted.archive.glob(f"*/{pattern}"))
    if kind == "link":
        shutil.move(file, redacted.path / "elsewhere")
        file.symlink_to(redacted.path / "elsewhere")
    else:
        file.unlink()
        os.mkfifo(file)
    found = verify(redacted, VerifyOptions(is_rereading=False)).findings
    assert ("it is a link, or not a file", file.name) in {
        (each.detail, Path(each.where).name) for each in found
    }


def test_a_link_in_place_of_an_entry_is_not_followed(data_dir: DataDir, tmp_path: Path) -> None:
    entry = entries(data_dir)[-1]
    shutil.move(entry, tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    faults = {(f.fault, f.where) for f in verify(data_dir, VerifyOptions()).findings}
    assert ("extra", entry.name) in faults


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "digest.sha256").unlink(),
        lambda entry: (entry / "digest.sha256").write_bytes(b"\xff\xfe\x00"),
        lambda entry: (entry / "notes.txt").write_text("hello"),
        lambda entry: (entry / ("x" * 200)).write_text("hello"),
        lambda entry: rewrite(entry, lambda d: d.update(previous="0" * 64)),
        lambda entry: rewrite(entry, lambda d: d.update(sequence=7)),
        lambda entry: rewrite(entry, lambda d: d.update(at="2026-01-01T00:00:00Z")),
        lambda entry: rewrite(entry, rename_table),
    ],
    ids=["no sum", "binary sum", "file", "long name", "chain", "sequence", "time", "table"],
)
def test_a_prepared_remote_is_refused(
    data_dir: DataDir, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Entries before the damaged one are fetched; it and what follows are not."""
    remote = tmp_path / "remote"
    shutil.copytree(data_dir.archive, remote)
    good, bad, *_ = sorted(remote.iterdir())
    damage(bad)
    target = DataDir(tmp_path / "fetched")
    with pytest.raises(MirrorError) as refusal:
        fetch_entries(target, Remote(str(remote)))
    assert len(str(refusal.value)) < 1_000
    assert [entry.name for entry in entries(target)] == [good.name]
    shutil.rmtree(remote)
    shutil.rmtree(target.path)


def test_folders_of_a_remote_that_are_no_entries_are_ignored(
    data_dir: DataDir, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    shutil.copytree(data_dir.archive, remote)
    shutil.copytree(entries(data_dir)[0], remote / "old copy")
    assert fetch_entries(DataDir(tmp_path / "fetched"), Remote(str(remote))) == 5


def test_an_entry_that_does_not_follow_stops_the_load_before_it_removes_a_file(
    redacted: DataDir, command: Command
) -> None:
    """An amendment that somebody appended has no effect on the files."""
    *_, load, amendment = entries(redacted)
    file = load / "coverage.parquet"
    redacted.database.unlink()
    held = hashlib.sha256(file.read_bytes()).hexdigest()
    described = {**removal(load.name, file.name), "file_sha256": held}

    def forge(document: Document) -> None:
        document["removes"].append(described)
        document["previous"] = "0" * 64

    rewrite(amendment, forge)
    run = command("rebuild", "--data-dir", redacted.path)
    assert run.exit_code == 1
    assert file.exists()


def pipe(path: Path) -> None:
    """Put a pipe in place of a file; whoever opens it gets no bytes, but does not wait for ever."""
    path.unlink()
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.open("wb").close(), daemon=True)
    writer.start()


def link(path: Path) -> None:
    """Put a link to the same bytes in place of a file."""
    elsewhere = path.parents[2] / f"elsewhere.{path.suffix}"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("replace", [pipe, link])
@pytest.mark.parametrize("name", ["digest.json", "digest.sha256", "task_versions.removed.json"])
def test_a_pipe_or_link_in_place_of_a_small_file_is_reported(
    redacted: DataDir, name: str, replace: Callable[[Path], None], *, is_fast: bool
) -> None:
    """A pipe would be waited for; what a link leads to is not part of the archive."""
    path = next(iter(sorted(redacted.archive.glob(f"*/{name}"))))
    replace(path)
    found = verify_copy(redacted.archive, VerifyOptions(is_fast=is_fast)).findings
    where = f"{path.parent.name}/{name}"
    assert ("invalid", where, "it is a link, or not a file") in {
        (each.fault, each.where, each.detail) for each in found
    }


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_an_archive_table_that_is_not_a_file_is_reported(
    data_dir: DataDir, make: Callable[[Path], None], *, is_fast: bool
) -> None:
    """Also if it has the size of the manifest."""
    entry = entries(data_dir)[-1]
    path = entry / "coverage.parquet"
    path.unlink()
    make(path)
    size = path.lstat().st_size
    empty = hashlib.sha256().hexdigest()
    rewrite(entry, lambda d: d["tables"]["coverage"].update(file_bytes=size, file_sha256=empty))
    found = verify_copy(data_dir.archive, VerifyOptions(is_fast=is_fast)).findings
    assert (
        f"{entry.name}/coverage.parquet",
        "it is a link, or not a file; an archive has files only",
    ) in {(each.where, each.detail) for each in found}


def test_a_far_sequence_number_needs_no_memory(data_dir: DataDir) -> None:
    entry = entries(data_dir)[-1]
    far = entry.rename(entry.with_name(entry.name.replace("000005-", "3000000-")))
    rewrite(far, lambda d: d.update(sequence=3_000_000))
    tracemalloc.start()
    found = verify(data_dir, VerifyOptions(is_fast=True)).findings
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MAX_BYTES
    assert any(each.detail.startswith("entries 5 to 2999999 before it") for each in found)


@pytest.mark.usefixtures("outside")
def test_a_tombstone_that_is_a_link_is_not_written_through(redacted: DataDir) -> None:
    tombstone = next(redacted.archive.rglob("*.removed.json"))
    tombstone.unlink()
    target = redacted.path.parent / "created"
    tombstone.symlink_to(target)
    rebuild(redacted, is_replacing=True, is_skipping_damage=True)
    assert not target.exists()
    assert tombstone.is_symlink()


def test_an_archive_that_this_user_cannot_read(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence; the mode of a folder does not stop the superuser, so the error is made."""

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigurationError, match="fix its owner and mode"):
        verify(data_dir, VerifyOptions())
