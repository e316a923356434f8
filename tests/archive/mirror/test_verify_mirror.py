"""A copy is verified where it lies, and compared with the local archive."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gaussdb_tasks.archive.amendments.amendment import Amendment
from gaussdb_tasks.archive.amendments.redaction import redact
from gaussdb_tasks.archive.mirror import object_store
from gaussdb_tasks.archive.mirror.mirror import mirror_entries
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.archive.mirror.verify_mirror import verify_remote
from gaussdb_tasks.archive.verification.findings import Verification
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.model.times import DAY
from tests.support.commands import Command
from tests.support.emulator_client import NOW
from tests.support.object_store import Place

WHOLE = VerifyOptions()
FAST = VerifyOptions(is_fast=True)
BOTH = pytest.mark.parametrize("options", [WHOLE, FAST], ids=["whole", "fast"])
ENTRY_COUNT = 5


@pytest.fixture
def copied(original: Path, store: Place) -> Place:
    """Put the archive of five loads in a place."""
    put(DataDir(original).archive, store)
    return store


@pytest.fixture
def two_entries(copied: Place) -> Place:
    """Leave the first two entries of the copy."""
    later = [
        key for key in copied.bucket.objects if not key.startswith(("tasks/000001", "tasks/000002"))
    ]
    for key in later:
        del copied.bucket.objects[key]
    return copied


@pytest.fixture
def copied_folder(original: Path, tmp_path: Path) -> Path:
    """Copy the archive of five loads to a directory."""
    return Path(shutil.copytree(DataDir(original).archive, tmp_path / "copy"))


@pytest.fixture
def nothing(tmp_path: Path) -> DataDir:
    """Return a data directory without an archive."""
    return DataDir(tmp_path / "nothing")


def put(archive: Path, store: Place) -> None:
    """Put all files of an archive in a place."""
    for path in archive.glob("*/*"):
        store.bucket.objects[f"tasks/{path.parent.name}/{path.name}"] = path.read_bytes()


def found(verification: Verification) -> list[tuple[str, str]]:
    """Return the kind and the place of each finding, sorted."""
    return sorted((each.fault.value, each.where) for each in verification.findings)


def names(data_dir: DataDir) -> list[str]:
    """Return the names of the entries, in order of the chain."""
    return sorted(path.name for path in data_dir.archive.iterdir())


def key_of(store: Place, file: str, entry: int = 0) -> str:
    """Return the key of a file of an entry."""
    keys = sorted(key for key in store.bucket.objects if key.endswith(f"/{file}"))
    return keys[entry]


@BOTH
def test_an_intact_copy_has_no_findings(
    copied: Place, data_dir: DataDir, options: VerifyOptions
) -> None:
    """Only a whole check reads archive tables."""
    verification = verify_remote(Remote(copied.url), options, data_dir)
    assert verification.findings == []
    assert len(verification.chain) == ENTRY_COUNT
    assert "the database was not verified" in verification.notes
    assert f"{copied.url} was compared with {data_dir.archive}" in verification.notes
    read = {key for method, key in copied.bucket.requests if method == "GET" and key}
    assert any(key.endswith(".parquet") for key in read) == (not options.is_fast)


def test_a_command_verifies_a_copy(
    copied: Place, original: Path, command: Command, tmp_path: Path
) -> None:
    """It names the URL, and no temporary folder."""
    arguments = ("verify", "--archive", copied.url)
    run = command(*arguments, "--data-dir", original)
    assert run.exit_code == 0, run.stderr
    assert f"intact: {ENTRY_COUNT} entries" in run.stderr
    copied.bucket.objects[key_of(copied, "coverage.parquet")] = b"x"
    run = command(*arguments, "--fast", "--format", "json", "--data-dir", tmp_path / "nothing")
    assert run.exit_code == 1
    (finding,) = json.loads(run.stdout)["findings"]
    assert finding["where"].endswith("-load/coverage.parquet")
    copied.bucket.objects.clear()
    run = command(*arguments)
    assert run.exit_code == 1
    assert copied.url in run.stdout
    assert "gaussdb-tasks-" not in run.stdout  # as temporary folders are named


def test_changed_bytes_of_a_table_are_found_by_a_whole_check(
    copied: Place, nothing: DataDir
) -> None:
    key = key_of(copied, "coverage.parquet")
    copied.bucket.objects[key] = copied.bucket.objects[key][::-1]
    assert found(verify_remote(Remote(copied.url), FAST, nothing)) == []
    whole = verify_remote(Remote(copied.url), WHOLE, nothing)
    assert ("invalid", key.removeprefix("tasks/")) in found(whole)


CHANGES: dict[str, Callable[[Place], Any]] = {
    "a missing table": lambda p: p.bucket.objects.pop(key_of(p, "coverage.parquet", 1)),
    "a missing manifest": lambda p: p.bucket.objects.pop(key_of(p, "digest.json", 1)),
    "a missing checksum": lambda p: p.bucket.objects.pop(key_of(p, "digest.sha256", 1)),
    "a binary checksum": lambda p: p.bucket.objects.update(
        {key_of(p, "digest.sha256", 1): b"\xff\xfe\x00"}
    ),
    "a short table": lambda p: p.bucket.objects.update({key_of(p, "coverage.parquet", 1): b"PAR1"}),
    "a manifest that is none": lambda p: p.bucket.objects.update(
        {key_of(p, "digest.json", 1): b"[" * 100_000}
    ),
    "a closed manifest": lambda p: p.bucket.closed.add(key_of(p, "digest.json", 1)),
    "a closed checksum": lambda p: p.bucket.closed.add(key_of(p, "digest.sha256", 1)),
    "a huge manifest": lambda p: p.bucket.listed.update({key_of(p, "digest.json", 1): 10**12}),
    "a huge checksum": lambda p: p.bucket.listed.update({key_of(p, "digest.sha256", 1): 10**12}),
    "a huge table": lambda p: p.bucket.listed.update({key_of(p, "coverage.parquet", 1): 10**18}),
    "a file that is listed only": lambda p: p.bucket.listed.update(
        {key_of(p, "digest.json", 1).replace("digest.json", "digest.sig"): 10}
    ),
    "a name of 1,000 characters": lambda p: p.bucket.listed.update({"tasks/" + "x" * 1000: 1}),
    "a long name in an entry": lambda p: p.bucket.listed.update(
        {key_of(p, "digest.json").replace("digest.json", "y" * 5000): 1}
    ),
    "a way out": lambda p: p.bucket.listed.update({"tasks/../../../outside": 1}),
    "a way out of an entry": lambda p: p.bucket.listed.update(
        {key_of(p, "digest.json").replace("digest.json", "../../outside"): 1}
    ),
    "a folder in an entry": lambda p: p.bucket.listed.update(
        {key_of(p, "digest.json").replace("digest.json", "x/digest.json"): 1}
    ),
    "control characters": lambda p: p.bucket.listed.update({"tasks/\x1b[2J\n": 1}),
}


@BOTH
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_hostile_copy_is_a_finding(
    two_entries: Place, nothing: DataDir, change: Callable[[Place], Any], options: VerifyOptions
) -> None:
    """Nothing large is read, and no text of the copy is repeated at length."""
    change(two_entries)
    verification = verify_remote(Remote(two_entries.url), options, nothing)
    assert verification.findings
    assert all(len(each.where) + len(each.detail) < 1_000 for each in verification.findings)
    assert not any(tempfile.gettempdir() in repr(each) for each in verification.findings)


def test_a_million_other_files_are_a_hundred_findings(copied: Place, nothing: DataDir) -> None:
    copied.bucket.listed = {f"tasks/other {number:05}": 1 for number in range(3_000)}
    verification = verify_remote(Remote(copied.url), FAST, nothing)
    assert len(verification.findings) == 101
    assert verification.findings[-1].detail == "2,900 more files and folders are unexpected"


def test_folders_that_a_console_made_are_no_findings(copied: Place, nothing: DataDir) -> None:
    """Consoles of stores list a folder as an empty file."""
    entry = key_of(copied, "digest.json").removesuffix("digest.json")
    copied.bucket.listed = {"tasks/": 0, entry: 0}
    assert found(verify_remote(Remote(copied.url), FAST, nothing)) == []


@pytest.mark.parametrize("listing", ["endless", "empty", "cut"])
def test_a_listing_without_an_end_is_one_sentence(
    copied: Place, nothing: DataDir, listing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "MAX_LISTED", 2_000)
    copied.bucket.listing = listing
    with pytest.raises(MirrorError, match="its listing"):
        verify_remote(Remote(copied.url), FAST, nothing)


def test_a_copy_that_does_not_fit_is_not_read(
    copied: Place, nothing: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tempfile.gettempdir())._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(MirrorError, match=r"100 bytes free.* set TMPDIR or use --fast"):
        verify_remote(Remote(copied.url), WHOLE, nothing)


def in_a_bucket(copied: Place, _folder: Path) -> str:
    """Return the URL of the copy in a bucket."""
    return copied.url


def in_a_folder(_copied: Place, folder: Path) -> str:
    """Return the path of the copy in a directory."""
    return str(folder)


WHERE = pytest.mark.parametrize("where", [in_a_bucket, in_a_folder])
Where = Callable[[Place, Path], str]


@WHERE
def test_a_copy_that_is_behind_is_a_finding(
    copied: Place, copied_folder: Path, data_dir: DataDir, where: Where
) -> None:
    """A chain that ends early is intact in itself."""
    last = names(data_dir)[-1]
    shutil.rmtree(copied_folder / last)
    for key in [key for key in copied.bucket.objects if last in key]:
        del copied.bucket.objects[key]
    url = where(copied, copied_folder)
    verification = verify_remote(Remote(url), FAST, data_dir)
    assert found(verification) == [("missing", last)]
    assert "the next load with --archive-url copies it" in verification.findings[0].detail
    with data_dir.locked():
        verification = verify_remote(Remote(url), FAST, data_dir)
    assert found(verification) == []
    assert any(last in note for note in verification.notes)


@WHERE
def test_a_copy_that_is_ahead_is_a_finding(
    copied: Place, copied_folder: Path, data_dir: DataDir, where: Where
) -> None:
    """The local archive lost entries, or another data directory copies to the same place."""
    last = names(data_dir)[-1]
    shutil.rmtree(data_dir.archive / last)
    url = where(copied, copied_folder)
    verification = verify_remote(Remote(url), FAST, data_dir)
    assert found(verification) == [("extra", last)]
    assert f"rebuild --from {url}" in verification.findings[0].detail


@WHERE
def test_an_entry_with_another_manifest_is_a_finding(
    copied: Place, copied_folder: Path, data_dir: DataDir, where: Where
) -> None:
    """Also if the chain of the copy is consistent in itself: the last entry, written again."""
    last = data_dir.archive / names(data_dir)[-1]
    document = json.loads((last / "digest.json").read_text())
    document["tool_version"] = "9.9.9"
    (last / "digest.json").write_text(json.dumps(document))
    verification = verify_remote(Remote(where(copied, copied_folder)), FAST, data_dir)
    assert found(verification) == [("differs", f"{last.name}/digest.json")]


def test_a_copy_of_another_archive_is_one_finding(copied: Place, data_dir: DataDir) -> None:
    shutil.rmtree(data_dir.archive)
    (data_dir.archive / "000001-20200101T000000Z-load").mkdir(parents=True)
    verification = verify_remote(Remote(copied.url), FAST, data_dir)
    assert found(verification) == [("differs", copied.url)]


def test_a_removal_that_the_copy_does_not_have_yet_is_a_finding(
    copied: Place, data_dir: DataDir
) -> None:
    """The data that was removed is still there; after the next copy it is not."""
    amendment = Amendment("redaction", NOW + 9 * DAY, "x")
    redact(data_dir, ["fail_reason"], [], amendment, is_dry_run=False)
    (finding,) = verify_remote(Remote(copied.url), FAST, data_dir).findings
    assert "the data that it removed is still there" in finding.detail
    mirror_entries(data_dir, Remote(copied.url))
    assert verify_remote(Remote(copied.url), WHOLE, data_dir).is_intact


def test_a_directory_that_does_not_exist_is_a_configuration_error(command: Command) -> None:
    run = command("verify", "--archive", "nowhere")
    assert run.exit_code == 2
    assert "--archive: there is no directory" in run.stderr


def test_a_store_that_is_refused_is_one_line(copied: Place, command: Command) -> None:
    copied.bucket.broken_message = "no\nno"
    run = command("verify", "--archive", copied.url)
    assert run.exit_code == 1
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) == 1
