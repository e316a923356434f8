"""Copies in stores that behave otherwise than S3: a copy counts only if it can be read back."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from gaussdb_tasks.archive.mirror import object_store
from gaussdb_tasks.archive.mirror import remote as remote_module
from gaussdb_tasks.archive.mirror.fetch import fetch_entries
from gaussdb_tasks.archive.mirror.mirror import mirror_entries
from gaussdb_tasks.archive.mirror.mirror_state import MirrorState, read_mirror_state
from gaussdb_tasks.archive.mirror.remote import MirrorError, Remote
from gaussdb_tasks.database.data_dir import DataDir
from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import DAY, iso
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, PROJECT
from tests.support.object_store import SECRET, Place


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> DataDir:
    """Copy the first two entries of the archive."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.prepare()
    for entry in sorted(DataDir(original).archive.iterdir())[:2]:
        shutil.copytree(entry, data_dir.archive / entry.name)
    return data_dir


def entry_names(data_dir: DataDir) -> list[str]:
    """Return the names of the entries, in order of the chain."""
    return sorted(path.name for path in data_dir.archive.iterdir())


def contents(data_dir: DataDir) -> dict[str, bytes]:
    """Return the files of the archive."""
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in data_dir.archive.glob("*/*")
    }


def copy(data_dir: DataDir, store: Place, *, is_overwriting: bool = False) -> MirrorState:
    """Copy the archive to a place."""
    return mirror_entries(data_dir, Remote(store.url, is_overwriting=is_overwriting))


def is_copied(data_dir: DataDir, store: Place, state: MirrorState) -> bool:
    """Whether all is said to be copied, and is there byte for byte."""
    return (state.waiting, state.error) == (0, None) and store.contents() == contents(data_dir)


def half_copied(data_dir: DataDir, store: Place) -> set[str]:
    """Put some files of the first entry in a place, as a copy that was cut off; return them."""
    entry = entry_names(data_dir)[0]
    files = [name for name in contents(data_dir) if name.startswith(entry) and "digest" not in name]
    for name in files[:3]:
        store.bucket.objects[f"tasks/{name}"] = contents(data_dir)[name]
    return set(files[:3])


@pytest.mark.parametrize("on_condition", ["create", "named", "ignore"])
def test_a_copy_that_was_cut_off_goes_on(
    data_dir: DataDir, store: Place, on_condition: str
) -> None:
    """Existing files are compared and not written, whatever the store thinks of conditions."""
    store.bucket.on_condition = on_condition
    existing = half_copied(data_dir, store)
    assert is_copied(data_dir, store, copy(data_dir, store))
    written = {
        key.removeprefix("tasks/") for method, key in store.bucket.requests if method == "PUT"
    }
    assert written == contents(data_dir).keys() - existing


@pytest.mark.parametrize("on_condition", ["create", "named"])
def test_a_file_that_appears_after_the_listing_is_compared(
    data_dir: DataDir, store: Place, on_condition: str
) -> None:
    """A refused condition means that the file exists, with or without a word of the condition."""
    store.bucket.on_condition = on_condition
    name, content = next(iter(contents(data_dir).items()))
    remote = Remote(store.url)
    store.bucket.objects[f"tasks/{name}"] = content
    remote.put(name, content, exists=False)
    store.bucket.objects[f"tasks/{name}"] = b"other"
    with pytest.raises(MirrorError, match="exists with other content"):
        remote.put(name, content, exists=False)
    assert store.bucket.objects[f"tasks/{name}"] == b"other"


@pytest.mark.parametrize("on_condition", ["create", "ignore", "501"])
def test_a_file_with_other_content_is_never_replaced(
    data_dir: DataDir, store: Place, on_condition: str
) -> None:
    """Also in a store that can only overwrite."""
    store.bucket.on_condition = on_condition
    changed = min(half_copied(data_dir, store))
    store.bucket.objects[f"tasks/{changed}"] = b"other"
    state = copy(data_dir, store, is_overwriting=on_condition == "501")
    assert "exists with other content" in str(state.error)
    assert state.waiting == 2
    assert store.bucket.objects[f"tasks/{changed}"] == b"other"


@pytest.mark.parametrize("on_condition", ["400", "501"])
def test_a_store_that_only_overwrites_needs_the_option(
    data_dir: DataDir, store: Place, on_condition: str
) -> None:
    """Without it the error names it and nothing is written; with it no condition is sent."""
    store.bucket.on_condition = on_condition
    state = copy(data_dir, store)
    assert "--archive-overwrite" in str(state.error)
    assert (state.waiting, store.contents()) == (2, {})
    store.bucket.headers.clear()
    assert is_copied(data_dir, store, copy(data_dir, store, is_overwriting=True))
    assert not any("if-none-match" in headers for headers in store.bucket.headers)


def test_bodies_are_plain(data_dir: DataDir, place_over_tls: Place) -> None:
    """So that stores without `aws-chunked` and without checksum headers keep what was sent."""
    store = place_over_tls
    store.bucket.keeps_framing = store.bucket.refuses_checksums = True
    store.bucket.requires_md5 = True
    assert is_copied(data_dir, store, copy(data_dir, store))
    assert fetch_entries(DataDir(data_dir.path.parent / "new"), Remote(store.url)) == 2


def test_framing_that_became_content_is_found(
    data_dir: DataDir, place_over_tls: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put is read back, also if uploads are not plain after all."""
    store = place_over_tls
    monkeypatch.setattr(object_store, "options", dict)
    monkeypatch.setattr(object_store, "upload_arguments", lambda _: {})
    store.bucket.keeps_framing = True
    state = copy(data_dir, store)
    assert "aws-chunked" in store.bucket.headers[0]["content-encoding"]
    (kept,) = store.bucket.objects.values()
    assert b"PAR1" in kept
    assert b"x-amz-checksum" in kept
    assert "reads back with other bytes than were written" in str(state.error)
    assert (state.waiting, state.sequence) == (2, 0)


@pytest.mark.parametrize("fault", ["truncates", "returns_other_bytes"])
def test_what_cannot_be_read_back_does_not_count(
    data_dir: DataDir, store: Place, fault: str
) -> None:
    setattr(store.bucket, fault, True)
    state = copy(data_dir, store)
    assert "reads back with other bytes than were written" in str(state.error)
    assert (state.waiting, state.sequence) == (2, 0)
    assert not any(name.endswith("digest.json") for name in store.contents())


def test_a_conflict_with_another_request_is_tried_once_more(
    data_dir: DataDir, store: Place
) -> None:
    store.bucket.conflicts = 1
    assert is_copied(data_dir, store, copy(data_dir, store))
    entry = entry_names(data_dir)[0]
    store.bucket.objects.clear()
    store.bucket.conflicts = 2
    state = copy(data_dir, store)
    assert f"/{entry}/" in str(state.error)
    assert state.waiting == 2


def test_a_large_file_is_one_request(store: Place) -> None:
    """Parts have no condition of their own, and some stores know none when they are joined."""
    content = bytes(101 * 1024 * 1024)  # s3fs makes parts from 100 MB on
    remote = Remote(store.url)
    remote.put("x", content, exists=False)
    assert [method for method, _ in store.bucket.requests] == ["PUT", "GET"]
    assert "if-none-match" in store.bucket.headers[0]


@pytest.mark.parametrize("own", [None, "000002-20300101T000000Z-load"])
def test_a_place_with_entries_that_this_archive_lacks_gets_nothing(
    data_dir: DataDir, store: Place, own: str | None
) -> None:
    """Be it a later entry, or another entry of the same sequence: names contain the time."""
    copy(data_dir, store)
    first, last = entry_names(data_dir)
    shutil.rmtree(data_dir.archive / last)
    if own is not None:
        shutil.copytree(data_dir.archive / first, data_dir.archive / own)
    before = store.contents()
    state = copy(data_dir, store)
    assert f"holds entries that this archive lacks ({last})" in str(state.error)
    assert f"rebuild --from {store.url}" in str(state.error)
    assert store.contents() == before


def test_an_entry_of_another_machine_that_appears_during_a_copy_stops_it(
    data_dir: DataDir, store: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place is listed again before each manifest, which makes an entry complete."""
    other = "000001-20300101T000000Z-load/digest.json"
    remote = Remote(store.url)
    put = remote.put

    def put_late(name: str, content: bytes, *, exists: bool) -> None:
        store.bucket.objects[f"tasks/{other}"] = b"{}"
        put(name, content, exists=exists)

    monkeypatch.setattr(remote, "put", put_late)
    state = mirror_entries(data_dir, remote)
    assert "holds entries that this archive lacks" in str(state.error)
    assert [name for name in store.contents() if name.endswith("digest.json")] == [other]


def test_a_cut_off_entry_of_a_lost_machine_stops_nobody(data_dir: DataDir, store: Place) -> None:
    """It has no manifest, so that nobody could restore it."""
    store.bucket.objects["tasks/000002-20300101T000000Z-load/coverage.parquet"] = b"x"
    state = copy(data_dir, store)
    assert (state.waiting, state.error) == (0, None)


def test_the_newest_common_entry_is_compared(data_dir: DataDir, store: Place) -> None:
    """Although the state says that all was copied."""
    copy(data_dir, store)
    last = entry_names(data_dir)[-1]
    store.bucket.objects[f"tasks/{last}/digest.json"] = b"{}"
    state = copy(data_dir, store)
    assert "holds another archive" in str(state.error)
    assert (state.waiting, state.is_behind) == (0, True)


def test_entries_that_somebody_removed_there_are_copied_again(
    data_dir: DataDir, store: Place
) -> None:
    copy(data_dir, store)
    for name in [name for name in store.contents() if name.startswith("000001")]:
        del store.bucket.objects[f"tasks/{name}"]
    assert is_copied(data_dir, store, copy(data_dir, store))


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"place": "URL", "sequence": -1}',
        b'{"place": "URL", "sequence": 2, "sha256": "x"}',
        b'{"place": "URL", "sequence": "2"}',
        b'{"place": "URL", "sequence": 1, "error": "' + b"x" * 20_000 + b'"}',
    ],
)
def test_a_damaged_state_is_not_read(data_dir: DataDir, note: bytes) -> None:
    (data_dir.path / "archive-copies.json").write_bytes(note)
    assert read_mirror_state(data_dir) is None


def test_without_a_readable_state_all_is_compared_again(data_dir: DataDir, store: Place) -> None:
    copy(data_dir, store)
    (data_dir.path / "archive-copies.json").write_bytes(b"\xff")
    store.bucket.requests.clear()
    assert is_copied(data_dir, store, copy(data_dir, store))
    read = {key.removeprefix("tasks/") for method, key in store.bucket.requests if method == "GET"}
    assert contents(data_dir).keys() <= read


def test_a_state_of_entries_that_never_were_is_not_believed(
    data_dir: DataDir, store: Place
) -> None:
    note = {"place": store.url, "sequence": 99, "sha256": "0" * 64}
    (data_dir.path / "archive-copies.json").write_text(json.dumps(note))
    assert is_copied(data_dir, store, copy(data_dir, store))


@pytest.mark.parametrize("damage", ["link", "changed", "missing"])
def test_a_damaged_local_file_is_not_copied(
    data_dir: DataDir, store: Place, tmp_path: Path, damage: str
) -> None:
    """A link could lead to any file of this machine."""
    file = data_dir.archive / entry_names(data_dir)[1] / "coverage.parquet"
    content = file.read_bytes()
    file.unlink()
    if damage == "link":
        (tmp_path / "secret").write_bytes(content)
        file.symlink_to(tmp_path / "secret")
    elif damage == "changed":
        file.write_bytes(content[::-1])
    state = copy(data_dir, store)
    assert "coverage.parquet is missing or damaged in the local archive" in str(state.error)
    assert state.waiting == 1
    assert not any(name.startswith("000002") for name in store.contents())


def test_files_that_no_entry_has_are_not_copied(data_dir: DataDir, store: Place) -> None:
    before = contents(data_dir)
    (data_dir.archive / entry_names(data_dir)[0] / "notes.txt").write_text("private")
    copy(data_dir, store)
    assert store.contents() == before


@pytest.mark.parametrize("listing", ["endless", "empty", "cut"])
def test_a_listing_without_an_end_is_an_error(
    data_dir: DataDir, store: Place, listing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "MAX_LISTED", 1_000)
    copy(data_dir, store)
    store.bucket.listing = listing
    state = copy(data_dir, store)
    assert "its listing" in str(state.error)
    with pytest.raises(MirrorError, match="its listing"):
        fetch_entries(DataDir(data_dir.path.parent / "new"), Remote(store.url))


def test_a_long_listing_is_read_to_its_end(data_dir: DataDir, store: Place) -> None:
    """In pages of a thousand names."""
    copy(data_dir, store)
    store.bucket.listed = {f"tasks/0-{number:05}/x": 1 for number in range(2_500)}
    assert len(Remote(store.url).folders()) == 2_502
    assert fetch_entries(DataDir(data_dir.path.parent / "new"), Remote(store.url)) == 2


def test_an_error_of_a_store_is_one_short_line_without_secrets(
    data_dir: DataDir, store: Place
) -> None:
    store.bucket.broken_message = f"\nno {SECRET}\r\n https://me:{SECRET}@x/ " + "x" * 100_000
    error = str(copy(data_dir, store).error)
    assert "cannot be reached, read or written" in error
    assert SECRET not in error
    assert len(error) < 500
    assert "\n" not in error
    assert "\r" not in error


def test_a_store_that_never_answers_does_not_stop_a_load(
    data_dir: DataDir, store: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "_CALL_SECONDS", 0.1)
    store.bucket.opened = threading.Event()
    try:
        state = copy(data_dir, store)
    finally:
        store.bucket.opened.set()
    assert "it did not answer in time" in str(state.error)
    assert state.waiting == 2


@pytest.mark.parametrize("file", ["digest.json", "coverage.parquet", "digest.sha256"])
def test_a_file_that_is_larger_than_listed_is_not_read(
    data_dir: DataDir, store: Place, file: str
) -> None:
    """A store that sends more than it listed cannot fill this machine."""
    copy(data_dir, store)
    key = f"tasks/{entry_names(data_dir)[0]}/{file}"
    listed = len(store.bucket.objects[key])
    store.bucket.objects[key] += bytes(10_000_000)
    store.bucket.listed[key] = listed
    with pytest.raises(MirrorError, match=f"{file} is longer than expected"):
        fetch_entries(DataDir(data_dir.path.parent / "new"), Remote(store.url))


def test_a_file_of_a_size_that_it_cannot_have_is_not_read(data_dir: DataDir, store: Place) -> None:
    copy(data_dir, store)
    entry = entry_names(data_dir)[0]
    store.bucket.listed[f"tasks/{entry}/coverage.parquet"] = 10**15
    store.bucket.requests.clear()
    with pytest.raises(MirrorError, match=r"coverage\.parquet is missing or damaged"):
        fetch_entries(DataDir(data_dir.path.parent / "new"), Remote(store.url))
    assert ("GET", f"tasks/{entry}/coverage.parquet") not in store.bucket.requests


def test_a_copy_that_is_ahead_or_behind_is_fetched(data_dir: DataDir, store: Place) -> None:
    """Only the entries that the archive lacks; an archive that is ahead stays as it is."""
    copy(data_dir, store)
    before = contents(data_dir)
    last = entry_names(data_dir)[-1]
    shutil.rmtree(data_dir.archive / last)
    assert fetch_entries(data_dir, Remote(store.url)) == 1
    for name in [name for name in store.contents() if name.startswith(last)]:
        del store.bucket.objects[f"tasks/{name}"]
    assert fetch_entries(data_dir, Remote(store.url)) == 0
    assert contents(data_dir) == before
    assert is_copied(data_dir, store, copy(data_dir, store))


def test_object_lock_needs_a_checksum_that_every_store_knows(
    data_dir: DataDir, store: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 refuses an upload with a lock and without Content-MD5 or a checksum."""
    store.bucket.requires_md5 = True
    remote = Remote(store.url, NOW + 9_000 * DAY)
    monkeypatch.setattr(object_store, "lock_arguments", lambda *_: {"ObjectLockMode": "GOVERNANCE"})
    assert is_copied(data_dir, store, mirror_entries(data_dir, remote))
    assert store.bucket.headers[0]["x-amz-object-lock-mode"] == "GOVERNANCE"


@pytest.mark.parametrize(("options", "exit_code"), [([], 3), (["--archive-overwrite"], 0)])
def test_a_load_copies_to_a_store_that_only_overwrites(
    store: Place, command: Command, tmp_path: Path, options: list[str], exit_code: int
) -> None:
    """With the option; without it the load is published, and its last lines name the option."""
    store.bucket.on_condition = "501"
    with Emulator(FixedWorld({PROJECT: []}), clock=SettableClock(NOW)) as emulator:
        arguments = ("--now", iso(NOW), "--data-dir", tmp_path / "data", "--archive-url", store.url)
        run = command("load", *arguments, *options, env=token_env(emulator, PROJECT))
    assert run.exit_code == exit_code, run.stderr
    assert ("--archive-overwrite" in run.stderr) == (not options)
    assert bool(store.contents()) == bool(options)


def test_a_killed_copy_to_a_directory_can_be_fetched(data_dir: DataDir, tmp_path: Path) -> None:
    """Its temporary file is not a file of the entry."""
    folder = tmp_path / "copy"
    mirror_entries(data_dir, Remote(str(folder)))
    (folder / entry_names(data_dir)[0] / ".abc.half").write_bytes(b"PAR1")
    assert fetch_entries(DataDir(tmp_path / "new"), Remote(str(folder))) == 2


def test_a_link_in_a_directory_is_not_followed(data_dir: DataDir, tmp_path: Path) -> None:
    """Whoever hands over the directory could let it lead to any file of this machine."""
    folder = tmp_path / "copy"
    mirror_entries(data_dir, Remote(str(folder)))
    file = folder / entry_names(data_dir)[0] / "coverage.parquet"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MirrorError, match=r"coverage\.parquet is missing or damaged"):
        fetch_entries(DataDir(tmp_path / "new"), Remote(str(folder)))
    with pytest.raises(MirrorError):
        Remote(str(folder)).read(f"{file.parent.name}/{file.name}", 1_000_000)
