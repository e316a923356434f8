"""Edits of a copy, which is compared with the archive."""

import json
import random
import shutil
from typing import Final

from gaussdb_tasks.archive.store import Archive
from tests.support.audited_archive import AuditedArchive
from tests.support.golden_archive import GOLDEN
from tests.support.tamper.archive_files import change_bytes, change_field, cut_the_end, files_of
from tests.support.tamper.edits import Evidence, edit
from tests.support.tamper.forgery import write_document

KIND: Final = "copy"


@edit(KIND, Evidence.COPY)
def change_a_copied_file(archive: AuditedArchive, rng: random.Random) -> str:
    files = files_of(archive.copy)
    return change_bytes(rng.choice([path for path in files if path.name != "digest.sig"]), rng)


@edit(KIND, Evidence.COPY)
def remove_a_copied_file(archive: AuditedArchive, rng: random.Random) -> str:
    path = rng.choice(files_of(archive.copy))
    path.unlink()
    return f"{path.parent.name}/{path.name}"


@edit(KIND, Evidence.COPY)
def add_a_file_to_the_copy(archive: AuditedArchive, rng: random.Random) -> str:
    folder = rng.choice([archive.copy, *(each.path for each in Archive(archive.copy).entries())])
    path = folder / rng.choice(["notes.txt", "tasks.parquet", ".x", "digest.json.tmp"])
    path.write_bytes(b"x")
    return f"{folder.name}/{path.name}"


@edit(KIND, Evidence.COPY)
def remove_entries_of_the_copy(archive: AuditedArchive, rng: random.Random) -> str:
    """One, or all from one on: such a copy is intact in itself."""
    entries = Archive(archive.copy).entries()
    first = rng.randrange(len(entries))
    last = rng.choice([first + 1, len(entries)])
    for entry in entries[first:last]:
        shutil.rmtree(entry.path)
    return f"entries {first + 1} to {last}"


@edit(KIND, Evidence.COPY)
def put_a_second_chain_there(archive: AuditedArchive, rng: random.Random) -> str:
    """All of it, a part beside this one, or in place of it."""
    if rng.random() < 0.3:
        shutil.rmtree(archive.copy)
    for entry in Archive(GOLDEN).entries()[: rng.randrange(1, 7)]:
        if not (archive.copy / entry.name).exists():
            shutil.copytree(entry.path, archive.copy / entry.name)
    (archive.copy / "000011-20270101T000000Z-load").mkdir(parents=True)
    return f"{len(Archive(archive.copy).entries())} entries"


@edit(KIND, Evidence.COPY)
def change_the_last_manifest_of_the_copy(archive: AuditedArchive, rng: random.Random) -> str:
    """Nothing follows it that would show it."""
    entry = Archive(archive.copy).entries()[-1]
    document = json.loads(entry.digest_path.read_bytes())
    described = change_field(document, rng)
    write_document(entry.path, document)
    return described


@edit(KIND, Evidence.COPY)
def put_a_removed_file_back_there(archive: AuditedArchive, rng: random.Random) -> str:
    tombstone = rng.choice(sorted(archive.copy.glob("*/*.removed.json")))
    target = tombstone.with_name(json.loads(tombstone.read_bytes())["removed"])
    target.write_bytes(b"PAR1")
    if rng.random() < 0.5:
        tombstone.unlink()
    return f"{target.parent.name}/{target.name}"


@edit(KIND, Evidence.COPY)
def cut_the_local_archive(archive: AuditedArchive, rng: random.Random) -> str:
    """The copy still has what was removed here."""
    return cut_the_end(archive, rng)
