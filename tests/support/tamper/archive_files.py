"""Edits of the archive's files and folders, without and with knowledge of what follows."""

import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from gaussdb_tasks.archive.manifest import sha256
from gaussdb_tasks.archive.store import checksum_line
from tests.support.audited_archive import AuditedArchive
from tests.support.tamper.edits import edit
from tests.support.tamper.forgery import Forgery, write_document

FILES: Final = "archive: files"
FOLDERS: Final = "archive: folders"
MANIFESTS: Final = "archive: manifests"
_Path: TypeAlias = tuple[Any, ...]


def files_of(archive: Path) -> list[Path]:
    """Return the files of the entries but time stamps, of which other edits are made."""
    return [path for path in sorted(archive.glob("*/*")) if path.name != "digest.tsr"]


def exchange(one: Path, other: Path) -> None:
    """Exchange the content of two files."""
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])


def cut_the_end(archive: AuditedArchive, rng: random.Random) -> str:
    """Delete some of the newest entries."""
    entries = archive.entries()
    first = rng.randrange(1, len(entries))
    for entry in entries[first:]:
        shutil.rmtree(entry.path)
    return f"from {entries[first].name} on"


def change_bytes(path: Path, rng: random.Random) -> str:
    """Flip a bit, cut the end, or add to it."""
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    match rng.choice(["flip", "cut", "add", "empty"]):
        case "flip":
            content[place] ^= 1 << rng.randrange(8)
        case "cut":
            del content[place:]
        case "add":
            content += rng.choice([b"\0", b"\n", b" ", b"{}"])
        case _:
            content.clear()
    path.write_bytes(content)
    return f"{path.parent.name}/{path.name} at {place}: {len(content)} bytes"


# Without the key, 64 other bytes may be a signature.
@edit(FILES)
def change_a_file(archive: AuditedArchive, rng: random.Random) -> str:
    files = files_of(archive.data_dir.archive)
    return change_bytes(rng.choice([path for path in files if path.name != "digest.sig"]), rng)


@edit(FILES)
def delete_a_file(archive: AuditedArchive, rng: random.Random) -> str:
    path = rng.choice(files_of(archive.data_dir.archive))
    path.unlink()
    return f"{path.parent.name}/{path.name}"


@edit(FILES)
def add_a_file(archive: AuditedArchive, rng: random.Random) -> str:
    folder = rng.choice(archive.entries()).path
    names = ["notes.txt", ".hidden", "tasks.parquet", "digest.json.bak", "coverage.removed.json"]
    path = folder / rng.choice([name for name in names if not (folder / name).exists()])
    path.write_bytes(rng.choice([b"", b"x", b"PAR1"]))
    return f"{folder.name}/{path.name}"


@edit(FILES)
def rename_a_file(archive: AuditedArchive, rng: random.Random) -> str:
    path = rng.choice(files_of(archive.data_dir.archive))
    target = path.with_name(rng.choice([path.name.upper(), path.name + "2", "tasks.parquet"]))
    path.rename(target)
    return f"{path.parent.name}/{path.name} to {target.name}"


@edit(FILES)
def exchange_two_files(archive: AuditedArchive, rng: random.Random) -> str:
    """Exchange two files with other content."""
    files = [each for each in files_of(archive.data_dir.archive) if each.name != "digest.sig"]
    one = rng.choice(files)
    other = rng.choice([each for each in files if each.read_bytes() != one.read_bytes()])
    exchange(one, other)
    return f"{one.parent.name}/{one.name} and {other.parent.name}/{other.name}"


@edit(FILES)
def link_a_file(archive: AuditedArchive, rng: random.Random) -> str:
    """Put a link in place of a file; its content is the same."""
    path = rng.choice(files_of(archive.data_dir.archive))
    target = archive.folder / "linked"
    path.rename(target)
    path.symlink_to(target)
    return f"{path.parent.name}/{path.name}"


@edit(FILES)
def put_a_pipe_there(archive: AuditedArchive, rng: random.Random) -> str:
    """Put a pipe in place of a file: who opens it waits for ever."""
    path = rng.choice(files_of(archive.data_dir.archive))
    path.unlink()
    os.mkfifo(path)
    return f"{path.parent.name}/{path.name}"


@edit(FILES)
def put_a_removed_file_back(archive: AuditedArchive, rng: random.Random) -> str:
    tombstone = rng.choice(sorted(archive.data_dir.archive.glob("*/*.removed.json")))
    removed = json.loads(tombstone.read_bytes())["removed"]
    other = rng.choice(sorted(archive.data_dir.archive.glob(f"*/{removed}")))
    shutil.copy(other, tombstone.parent / removed)
    return f"{tombstone.parent.name}/{removed}"


@edit(FILES)
def change_a_tombstone(archive: AuditedArchive, rng: random.Random) -> str:
    tombstone = rng.choice(sorted(archive.data_dir.archive.glob("*/*.removed.json")))
    content = json.loads(tombstone.read_bytes())
    name = rng.choice(sorted(content))
    content[name] = other_value(content[name], rng)
    tombstone.write_text(json.dumps(content, indent=2) + "\n")
    return f"{tombstone.parent.name}/{tombstone.name}: {name}"


@edit(FOLDERS)
def delete_an_entry(archive: AuditedArchive, rng: random.Random) -> str:
    entry = rng.choice(archive.entries())
    shutil.rmtree(entry.path)
    return entry.name


@edit(FOLDERS)
def delete_the_newest_entries(archive: AuditedArchive, rng: random.Random) -> str:
    """Cut the end of the chain; the database still has it."""
    return cut_the_end(archive, rng)


@edit(FOLDERS)
def rename_an_entry(archive: AuditedArchive, rng: random.Random) -> str:
    entry = rng.choice(archive.entries())
    other = rng.choice(
        [
            entry.name.replace("T12", "T13"),
            entry.name.rpartition("-")[0] + "-rotations",
            f"{entry.sequence + 100:06}{entry.name[6:]}",
            entry.name + "x",
            entry.name.upper(),
        ]
    )
    entry.path.rename(entry.path.with_name(other))
    return f"{entry.name} to {other}"


@edit(FOLDERS)
def repeat_an_entry(archive: AuditedArchive, rng: random.Random) -> str:
    """Put a copy of an entry under another name."""
    entry = rng.choice(archive.entries())
    sequence = rng.choice([entry.sequence, len(archive.entries()) + 1])
    target = entry.path.with_name(f"{sequence:06}-20270101T000000Z-load")
    shutil.copytree(entry.path, target)
    return target.name


@edit(FOLDERS)
def add_a_folder(archive: AuditedArchive, rng: random.Random) -> str:
    folder = archive.data_dir.archive
    names = ["notes", "000011-20270101T000000Z-load", "000001", ".old", "000005-x-load"]
    target = folder / rng.choice(names)
    target.mkdir()
    return target.name


@edit(FOLDERS)
def exchange_two_entries(archive: AuditedArchive, rng: random.Random) -> str:
    one, other = rng.sample(archive.entries(), 2)
    folder = one.path.with_name("between")
    one.path.rename(folder)
    other.path.rename(one.path)
    folder.rename(other.path)
    return f"{one.name} and {other.name}"


@edit(FOLDERS)
def link_an_entry(archive: AuditedArchive, rng: random.Random) -> str:
    entry = rng.choice(archive.entries())
    target = archive.folder / "linked"
    entry.path.rename(target)
    entry.path.symlink_to(target)
    return entry.name


def leaves(value: Any, path: _Path = ()) -> list[_Path]:
    """Return the paths of all values of a document that have no others in them."""
    items: Sequence[tuple[Any, Any]]
    if isinstance(value, dict) and value:
        items = list(value.items())
    elif isinstance(value, list) and value:
        items = list(enumerate(value))
    else:
        return [path]
    return [leaf for key, each in items for leaf in leaves(each, (*path, key))]


def other_value(value: Any, rng: random.Random) -> Any:
    """Return another value, as somebody would write who knows the format."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, max(value - 1, 0) if value else 2, value + 1000])
    if isinstance(value, str):
        if len(value) == 64:
            return sha256(value.encode())
        return rng.choice([value + "x", "2026-05-01T00:00:00Z", "0.9.0", ""][: 3 + bool(value)])
    return rng.choice(["x", 1, {"x": 1}, [1]])


def change_field(document: Any, rng: random.Random) -> str:
    """Change one value of a manifest, or remove or repeat a part of it."""
    *path, last = rng.choice(leaves(document))
    part = document
    for key in path:
        part = part[key]
    described = ".".join(map(str, (*path, last)))
    if rng.random() < 0.15:
        del part[last]
        return f"without {described}"
    if isinstance(part, list) and rng.random() < 0.3:
        part.append(part[last])
        return f"{described} twice"
    before = part[last]
    part[last] = other_value(before, rng)
    return f"{described}: {before} to {part[last]}"


def _changed(archive: AuditedArchive, rng: random.Random) -> tuple[Path, Any, str]:
    entry = rng.choice(archive.entries())
    document = json.loads(entry.digest_path.read_bytes())
    return entry.path, document, f"{entry.name}: {change_field(document, rng)}"


@edit(MANIFESTS)
def change_a_manifest(archive: AuditedArchive, rng: random.Random) -> str:
    folder, document, described = _changed(archive, rng)
    (folder / "digest.json").write_text(json.dumps(document, indent=2))
    return described


@edit(MANIFESTS)
def change_a_manifest_with_its_checksum(archive: AuditedArchive, rng: random.Random) -> str:
    folder, document, described = _changed(archive, rng)
    write_document(folder, document)
    return described


@edit(MANIFESTS)
def change_a_manifest_and_chain_again(archive: AuditedArchive, rng: random.Random) -> str:
    """The database still has the digests of the chain before."""
    folder, document, described = _changed(archive, rng)
    write_document(folder, document)
    Forgery(archive).chain()
    return described


@edit(MANIFESTS)
def write_a_manifest_in_another_way(archive: AuditedArchive, rng: random.Random) -> str:
    """Other white space, other escapes, or a field twice: the same values in other bytes."""
    entry = rng.choice(archive.entries())
    document = json.loads(entry.digest_path.read_bytes())
    content = rng.choice(
        [
            json.dumps(document).encode(),
            json.dumps(document, indent=2, sort_keys=True).encode(),
            b'{"format": 1, ' + json.dumps(document).encode()[1:],
            json.dumps({**document, "more": 1}).encode(),
        ]
    )
    entry.digest_path.write_bytes(content)
    (entry.path / "digest.sha256").write_text(checksum_line(sha256(content)))
    return entry.name
