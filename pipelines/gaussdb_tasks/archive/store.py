"""Where the archive lies: a folder of entries, each a folder that is whole or not there."""

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.archive.manifest import Manifest, decode, sha256
from gaussdb_tasks.database import files
from gaussdb_tasks.model.times import Micros, parse_instant, to_datetime

DIGEST_NAME: Final = "digest.json"
_TOMBSTONE_SUFFIX: Final = ".removed.json"
CHECKSUM_NAME: Final = "digest.sha256"
SIGNATURE_NAME: Final = "digest.sig"

_ENTRY_NAME: Final = re.compile(
    r"(?P<sequence>\d{6,})-(?P<at>\d{8}T\d{6}Z)-(?P<kind>[a-z]+)", re.ASCII
)
_READ_SIZE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the archive as its folder's name tells it; nothing is read yet."""

    path: Path
    sequence: int
    kind: str

    @property
    def name(self) -> str:
        """The folder's name: place in the chain, clock, kind."""
        return self.path.name

    @property
    def digest_path(self) -> Path:
        """The file with the digest."""
        return self.path / DIGEST_NAME

    def read(self) -> "Link":
        """Read the digest.

        Raises:
            DigestError: it cannot be read as one.
            OSError: it cannot be read.
        """
        content = self.digest_path.read_bytes()
        return Link(self, decode(content), sha256(content))


@dataclass(frozen=True, slots=True)
class Link:
    """An entry with its digest, and the hash that names it in the chain."""

    entry: Entry
    digest: Manifest
    sha256: str

    def file(self, table: str) -> Path | None:
        """Return the file with the entry's rows of a table; None if it has none."""
        held = self.digest.tables.get(table)
        return None if held is None or held.file is None else self.entry.path / held.file

    def without(self, damaged: Container[str]) -> "Link":
        """Return the link as if it had kept none of the files that are damaged."""
        kept = {
            table: held
            for table, held in self.digest.tables.items()
            if held.file is None or str(self.entry.path / held.file) not in damaged
        }
        return replace(self, digest=msgspec.structs.replace(self.digest, tables=kept))


class Archive:
    """The entries in the archive's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries in order of the chain; what else lies there is left out."""
        found = (_entry(path) for path in self._content())
        return tuple(
            sorted(
                (each for each in found if each is not None),
                key=lambda each: (each.sequence, each.name),
            )
        )

    def strays(self) -> tuple[Path, ...]:
        """Return what lies in the archive's folder and is no entry."""
        return tuple(path for path in self._content() if _entry(path) is None)

    def head(self) -> Link | None:
        """Read the newest entry.

        Raises:
            DigestError: its digest cannot be read as one.
            OSError: it cannot be read.
        """
        entries = self.entries()
        return entries[-1].read() if entries else None

    def add(self, folder: Path, name: str) -> Entry:
        """Move a finished folder into the archive, durably.

        Raises:
            OSError: there is such an entry already, or the disk fails.
        """
        if not self.path.exists():
            self.path.mkdir()
            files.sync(self.path.parent)
        for path in folder.iterdir():
            files.sync(path)
        files.sync(folder)
        target = self.path / name
        folder.rename(target)  # fails on a folder that is there and not empty
        files.sync(self.path)
        entry = _entry(target)
        if entry is None:  # names are made by entry_name
            raise ValueError(name)
        return entry

    def _content(self) -> Iterator[Path]:
        return iter(sorted(self.path.iterdir())) if self.path.is_dir() else iter(())


def entry_name(sequence: int, kind: str, at: Micros) -> str:
    """Name an entry so that order, night and kind are plain."""
    return f"{sequence:06}-{to_datetime(at):%Y%m%dT%H%M%SZ}-{kind}"


def entry_name_of(digest: Manifest) -> str:
    """Return the name of the entry that a digest is of.

    Raises:
        ConfigurationError: its clock is none.
    """
    return entry_name(digest.sequence, digest.kind, parse_instant(digest.at, option="at"))


def tombstone_name(file_name: str) -> str:
    """Return the name of what stands in the place of a file that was removed on purpose."""
    return file_name.removesuffix(".parquet") + _TOMBSTONE_SUFFIX


def checksum_line(digest_sha256: str) -> str:
    """Return what ``sha256sum --check`` reads."""
    return f"{digest_sha256}  {DIGEST_NAME}\n"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_SIZE):
            hasher.update(block)
    return hasher.hexdigest()


def _entry(path: Path) -> Entry | None:
    match = _ENTRY_NAME.fullmatch(path.name)
    if match is None or not path.is_dir():
        return None
    return Entry(path, int(match["sequence"]), match["kind"])
