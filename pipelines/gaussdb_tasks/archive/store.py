"""The archive on disk: a folder of entries; each entry is a folder that is complete or absent."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from gaussdb_tasks.archive.manifest import (
    ENTRY_NAME,
    FILE_NAMES,
    MAX_BYTES,
    Manifest,
    ManifestError,
    decode,
    sha256,
)
from gaussdb_tasks.database import files
from gaussdb_tasks.database.ownership import take_access, take_group
from gaussdb_tasks.errors import ConfigurationError
from gaussdb_tasks.model.times import Micros, parse_time, to_datetime

DIGEST_NAME: Final = "digest.json"
_TOMBSTONE_SUFFIX: Final = ".removed.json"
CHECKSUM_NAME: Final = "digest.sha256"
SIGNATURE_NAME: Final = "digest.sig"
TIMESTAMP_NAME: Final = "digest.tsr"

_READ_SIZE: Final = 1024 * 1024
_SECOND: Final = 2
"""The sequence number of the entry that names the first one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe an entry by the name of its folder; its files are not read."""

    path: Path
    sequence: int
    kind: str

    @property
    def name(self) -> str:
        """The folder's name: sequence number, clock, kind."""
        return self.path.name

    @property
    def digest_path(self) -> Path:
        """The file with the manifest."""
        return self.path / DIGEST_NAME

    @property
    def signature_path(self) -> Path:
        """The file with the signature of the manifest, if it is signed."""
        return self.path / SIGNATURE_NAME

    def read(self) -> "ChainEntry":
        """Read the manifest.

        Raises:
            ManifestError: the file is not a manifest, or it is too large.
            OSError: the file cannot be read.
        """
        content = read_bounded(self.digest_path)
        return ChainEntry(self, decode(content), sha256(content))


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """Join an entry and its manifest; ``sha256`` is the hash of digest.json."""

    entry: Entry
    manifest: Manifest
    sha256: str

    @property
    def name(self) -> str:
        """The name of the entry's folder."""
        return self.entry.name

    @property
    def path(self) -> Path:
        """The entry's folder."""
        return self.entry.path

    @property
    def load_id(self) -> str:
        """The value of ``_dlt_load_id`` in the rows of a load; empty for an amendment."""
        identity = self.manifest.load
        return "" if identity is None else identity.load_id

    def file(self, table: str) -> Path | None:
        """Return the file with the entry's rows of a table; None if there is none."""
        rows = self.manifest.tables.get(table)
        return None if rows is None or rows.file is None else self.path / rows.file

    def without(self, damaged: Container[str]) -> "ChainEntry":
        """Return a copy whose manifest omits the damaged files."""
        intact = {
            table: rows
            for table, rows in self.manifest.tables.items()
            if rows.file is None or str(self.path / rows.file) not in damaged
        }
        return replace(self, manifest=msgspec.structs.replace(self.manifest, tables=intact))


def loads_of(chain: Iterable[ChainEntry]) -> list[ChainEntry]:
    """Return the entries of loads, without the amendments."""
    return [entry for entry in chain if entry.manifest.load is not None]


def archive_id_of(chain: Sequence[ChainEntry]) -> str | None:
    """Return the SHA-256 of the archive's first manifest, which identifies the archive.

    Damaged entries may be left out of the chain.
    """
    first = chain[0] if chain else None
    if first is not None and first.manifest.sequence == _SECOND:
        return first.manifest.previous
    return None if first is None or first.manifest.sequence > _SECOND else first.sha256


class Archive:
    """Read and extend the folder of the archive."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries in order of the chain; other files and folders are ignored.

        Raises:
            ConfigurationError: this user cannot read the folder.
        """
        found = self._content().values()
        return tuple(
            sorted(
                (each for each in found if each is not None),
                key=lambda each: (each.sequence, each.name),
            )
        )

    def unexpected_paths(self) -> tuple[Path, ...]:
        """Return files and folders that are not entries."""
        return tuple(path for path, entry in self._content().items() if entry is None)

    def add(self, folder: Path, name: str) -> Entry:
        """Move a finished folder into the archive, and sync it to the disk.

        It gets the group and the permissions of the archive; the first one has those of the umask.

        Raises:
            OSError: the entry exists already, or the disk fails.
        """
        if self.path.exists():
            take_access(folder, self.path)
        else:
            self.path.mkdir()
            take_group(self.path, self.path.parent)
            for path in (folder, *folder.iterdir()):
                take_group(path, self.path)
            files.sync(self.path.parent)
        for path in folder.iterdir():
            files.sync(path)
        files.sync(folder)
        target = self.path / name
        folder.rename(target)  # fails if the target exists and is not empty
        files.sync(self.path)
        entry = _entry(target)
        if entry is None:  # names are made by entry_name
            raise ValueError(name)
        return entry

    def _content(self) -> Mapping[Path, Entry | None]:
        """Return everything in the folder, sorted; what is no entry is None."""
        try:
            paths = sorted(self.path.iterdir()) if self.path.is_dir() else []
            return {path: _entry(path) for path in paths}
        except PermissionError as error:
            message = f"no permission to read {self.path}; fix its owner and mode"
            raise ConfigurationError(message) from error


def entry_name(sequence: int, kind: str, at: Micros) -> str:
    """Return the folder name of an entry: sequence number, clock, kind."""
    return f"{sequence:06}-{to_datetime(at):%Y%m%dT%H%M%SZ}-{kind}"


def entry_name_of(manifest: Manifest) -> str:
    """Return the folder name of the entry that a decoded manifest describes."""
    return entry_name(manifest.sequence, manifest.kind, parse_time(manifest.at, option="at"))


def tombstone_name(file_name: str) -> str:
    """Return the name of the tombstone that replaces a removed file."""
    return file_name.removesuffix(".parquet") + _TOMBSTONE_SUFFIX


KNOWN_NAMES: Final = frozenset(
    {
        *(DIGEST_NAME, CHECKSUM_NAME, SIGNATURE_NAME, TIMESTAMP_NAME),
        *FILE_NAMES,
        *map(tombstone_name, FILE_NAMES),
    }
)
"""The names that files in an entry's folder can have."""


MAX_SMALL_FILE_BYTES: Final = 256 * 1024
"""The size of a checksum, signature, time stamp or tombstone: they have 6 kB at most."""


def size_limit(file_name: str, manifest: Manifest | None = None) -> int:
    """Return how many bytes a file of an entry can have, to check before it is read.

    The manifest of the entry has the sizes of tables; one that it does not name has none.
    """
    if file_name == DIGEST_NAME:
        return MAX_BYTES
    if file_name not in FILE_NAMES:
        return MAX_SMALL_FILE_BYTES
    tables = () if manifest is None else manifest.tables.values()
    return next((table.file_bytes or 0 for table in tables if table.file == file_name), 0)


def read_bounded(path: Path) -> bytes:
    """Read a manifest, checksum, signature or tombstone.

    Raises:
        ManifestError: it is larger than such a file can be.
        OSError: it cannot be read, or is a link, or not a file.
    """
    limit = size_limit(path.name)
    content = read_small_file(path, limit)
    if len(content) > limit:
        message = f"{path.name} has more than {limit:,} bytes"
        raise ManifestError(message)
    return content


def checksum_line(digest_sha256: str) -> str:
    """Return the content of digest.sha256, as ``sha256sum --check`` reads it."""
    return f"{digest_sha256}  {DIGEST_NAME}\n"


def read_small_file(path: Path, max_bytes: int) -> bytes:
    """Read a file of at most some bytes; of a longer one, return one byte more than that.

    Raises:
        FileNotFoundError: it does not exist.
        OSError: it cannot be read, or is a link, or not a file.
    """
    with files.open_regular(path) as file:
        return file.read(max_bytes + 1)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: the file cannot be read, or is a link, or not a file.
    """
    hasher = hashlib.sha256()
    with files.open_regular(path) as file:
        while block := file.read(_READ_SIZE):
            hasher.update(block)
    return hasher.hexdigest()


def _entry(path: Path) -> Entry | None:
    match = ENTRY_NAME.fullmatch(path.name)
    # A link may lead out of the archive.
    if match is None or path.is_symlink() or not path.is_dir():
        return None
    return Entry(path, int(match["sequence"]), match["kind"])
