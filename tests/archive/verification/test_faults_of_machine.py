"""A lack of memory or files, a failing disk, a closed file: never a sign of damage."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from gaussdb_tasks.archive import evidence
from gaussdb_tasks.archive.manifest import ManifestError
from gaussdb_tasks.archive.mirror.mirror import refuse_another_digest
from gaussdb_tasks.archive.mirror.remote import Remote
from gaussdb_tasks.archive.rebuild import read_intact_chain, refuse_data_loss
from gaussdb_tasks.archive.recover import ArchiveError, read_chain
from gaussdb_tasks.archive.signing import read_public_keys
from gaussdb_tasks.archive.store import Archive
from gaussdb_tasks.archive.timestamp_trust import TimestampTrust
from gaussdb_tasks.archive.verification.file_rows import FileReader
from gaussdb_tasks.archive.verification.findings import Fault, Verification
from gaussdb_tasks.archive.verification.verify_database import verify_database
from gaussdb_tasks.archive.verification.verify_files import VerifyOptions, verify_archive
from gaussdb_tasks.database import files, untrusted
from gaussdb_tasks.database.query import open_for_queries
from gaussdb_tasks.errors import GaussdbTasksError, ResourceError
from gaussdb_tasks.os_errors import explain_machine
from tests.support import IS_THOROUGH
from tests.support.audited_archive import AuditedArchive


def of_system(number: int) -> OSError:
    """Return an error as the system raises it."""
    return OSError(number, os.strerror(number))


OF_PROCESS: Final = (
    MemoryError(),
    pa.lib.ArrowMemoryError("malloc of size 4096 failed"),
    duckdb.OutOfMemoryException("Out of Memory Error: Failed to allocate block of 9 bytes"),
    duckdb.IOException('IO Error: Cannot open file "x": Too many open files'),
    RuntimeError("can't start new thread"),
    *map(of_system, (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)),
)
OF_FILE: Final = (
    duckdb.IOException('IO Error: Could not read from file "x": Input/output error'),
    *map(of_system, (errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE)),
)
FAULTS: Final = (*OF_PROCESS, *OF_FILE) if IS_THOROUGH else (*OF_PROCESS[1:6:2], *OF_FILE[:2])


ERRORS: Final = (GaussdbTasksError, OSError, MemoryError, RuntimeError, duckdb.Error)


class Faulty:
    """Makes reading fail with an error."""

    def __init__(self, patch: pytest.MonkeyPatch, error: BaseException) -> None:
        """Replace functions until the test ends."""
        self._patch, self.error = patch, error

    def fail(self, *_: object, **__: object) -> Any:
        """Raise the error."""
        raise self.error

    def file(self, name: str) -> None:
        """Fail when a file is opened whose name ends like this."""
        original = files.open_regular

        def open_regular(path: Path) -> Any:
            return self.fail() if path.name.endswith(name) else original(path)

        self._patch.setattr(files, "open_regular", open_regular)

    def folder(self) -> None:
        """Fail when the folder of a load's entry is listed."""
        original = Path.iterdir

        def iterdir(path: Path) -> Any:
            return self.fail() if path.name.endswith("-load") else original(path)

        self._patch.setattr(Path, "iterdir", iterdir)

    def call(self, owner: object, name: str) -> None:
        """Fail when a function is called."""
        self._patch.setattr(owner, name, self.fail)


@pytest.fixture(params=FAULTS, ids=repr)
def faulty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    """Return what makes reading fail, in each way."""
    return Faulty(monkeypatch, request.param)


def verified(audited: AuditedArchive, **options: Any) -> Verification:
    """Verify the archive alone."""
    options = {"is_rereading": False, **options}
    return verify_archive(Archive(audited.data_dir.archive), VerifyOptions(**options))


def verified_database(audited: AuditedArchive) -> Verification:
    """Verify the database alone."""
    found = Verification()
    verify_database(audited.data_dir.database, found, is_fast=True)
    return found


def signed(audited: AuditedArchive) -> Verification:
    """Verify with a key."""
    return verified(audited, is_fast=True, keys=read_public_keys([audited.public_key]))


def stamped(audited: AuditedArchive) -> Verification:
    """Verify with a certificate of an authority."""
    trust = TimestampTrust([audited.certificates.ca])
    return verified(audited, is_fast=True, timestamp_trust=trust)


def fast(audited: AuditedArchive) -> Verification:
    """Verify without reading archive tables."""
    return verified(audited, is_fast=True)


PLACES: Final[Mapping[str, tuple[Callable[[Faulty], None], Callable[[AuditedArchive], Any]]]] = {
    "manifest": (lambda faulty: faulty.file("digest.json"), fast),
    "checksum": (lambda faulty: faulty.file("digest.sha256"), fast),
    "tombstone": (lambda faulty: faulty.file("removed.json"), fast),
    "entry": (lambda faulty: faulty.folder(), fast),
    "bytes": (lambda faulty: faulty.file("coverage.parquet"), verified),
    "footer": (lambda faulty: faulty.call(parquet, "ParquetFile"), verified),
    "rows": (lambda faulty: faulty.call(FileReader, "_read"), verified),
    "signature": (lambda faulty: faulty.file("digest.sig"), signed),
    "time stamp": (lambda faulty: faulty.file("digest.tsr"), stamped),
    "database": (lambda faulty: faulty.call(duckdb, "connect"), verified_database),
    "attached": (lambda faulty: faulty.call(untrusted, "refuse_newer"), verified_database),
}


def assert_stopped(stopped: BaseException, faulty: Faulty) -> None:
    """Check that the machine is named, and nothing else."""
    assert isinstance(explain_machine(stopped), ResourceError) is (faulty.error in OF_PROCESS)
    assert not isinstance(stopped, ArchiveError)
    assert "damage" not in str(stopped)


@pytest.mark.parametrize("place", PLACES)
def test_verify_reports_no_damage(audited: AuditedArchive, faulty: Faulty, place: str) -> None:
    """A fault of the process ends it with one sentence; another file may still be read."""
    inject, work = PLACES[place]
    inject(faulty)
    try:
        found = work(audited)
    except ERRORS as caught:
        assert_stopped(caught, faulty)
    else:
        assert faulty.error in OF_FILE
        assert {each.fault for each in found.findings} == {Fault.UNREAD}
        assert all("it was not verified: " in each.detail for each in found.findings)


def evidence_of_a_task(audited: AuditedArchive) -> object:
    """Prove the states of a task."""
    with open_for_queries(audited.data_dir.database) as connection:
        (job_id,) = connection.execute("select min(job_id) from tasks").fetchone() or ("",)
    with duckdb.connect(audited.data_dir.database, read_only=True) as connection:
        return evidence.collect(connection, Archive(audited.data_dir.archive), job_id)


def chain_of_a_rebuild(audited: AuditedArchive) -> object:
    """Read the chain before a rebuild, a redaction or a removal."""
    return read_intact_chain(Archive(audited.data_dir.archive), is_skipping_damage=False)


def comparison_with_a_copy(audited: AuditedArchive) -> None:
    """Compare the manifest of a copy."""
    remote = Remote(str(audited.copy), option="--archive-url")
    refuse_another_digest(remote, audited.entries()[-1])


WORKS: Final[Mapping[str, tuple[Callable[[Faulty], None], Callable[[AuditedArchive], Any]]]] = {
    "evidence": (lambda faulty: faulty.call(evidence, "file_sha256"), evidence_of_a_task),
    "rebuild": (lambda faulty: faulty.file("digest.sha256"), chain_of_a_rebuild),
    "replaced database": (
        lambda faulty: faulty.call(duckdb, "connect"),
        lambda audited: refuse_data_loss(audited.data_dir.database, 1),
    ),
    "load": (
        lambda faulty: faulty.file("digest.json"),
        lambda audited: read_chain(audited.entries()),
    ),
    "copy": (lambda faulty: faulty.file("digest.json"), comparison_with_a_copy),
}


@pytest.mark.parametrize("work", WORKS)
def test_other_works_stop_and_call_nothing_damaged(
    audited: AuditedArchive, faulty: Faulty, work: str
) -> None:
    inject, run = WORKS[work]
    inject(faulty)
    with pytest.raises(ERRORS) as caught:
        run(audited)
    text = str(caught.value)
    assert "damage" not in text
    assert "another archive" not in text
    assert "restore" not in text


LIMITED: Final = """
import resource, sys
import duckdb, pyarrow.parquet
from gaussdb_tasks import cli
from gaussdb_tasks.archive.verification import verify_file_rows
pages = int(open("/proc/self/statm").read().split()[0])
size = pages * resource.getpagesize() + int(sys.argv.pop(1)) * 1024**2
resource.setrlimit(resource.RLIMIT_AS, (size, size))
cli.refuse_small_address_space = lambda: None
cli.main()
"""


@pytest.mark.parametrize("mebibytes", [40, 96, 300])
def test_verify_with_a_real_limit_of_memory(audited: AuditedArchive, mebibytes: int) -> None:
    """Some libraries end the process; the program itself says one sentence."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            LIMITED,
            str(mebibytes),
            "verify",
            "--data-dir",
            audited.folder / "data",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == 0:  # the largest may be enough
        assert (mebibytes, "intact: " in ended.stderr) == (300, True)
    assert ended.stdout == ""  # no finding
    assert "MISMATCH" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", ["Cannot allocate memory", "Input/output error"])
def test_words_in_a_hostile_file_are_no_fault_of_the_machine(words: str) -> None:
    """Who writes a file must not decide that it counts as not read."""
    quoted = f'Invalid Input Error: Invalid string encoding: value "{words}" is not valid UTF8!'
    assert explain_machine(duckdb.InvalidInputException(quoted)) is None
    assert explain_machine(ManifestError(f"unknown table {words}")) is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (
            duckdb.OutOfMemoryException(
                "Out of Memory Error: failed to allocate data of size 16.0 MiB "
                "(1.8 GiB/1.8 GiB used)"
            ),
            Fault.UNREAD,
        ),
        (
            duckdb.InvalidInputException(
                'Invalid Input Error: value "(1.8 GiB/1.8 GiB used)" is not valid UTF8!'
            ),
            Fault.INVALID,
        ),
    ],
)
def test_only_rows_that_need_more_than_the_limit_of_memory_count_as_not_read(
    audited: AuditedArchive, monkeypatch: pytest.MonkeyPatch, error: duckdb.Error, fault: Fault
) -> None:
    Faulty(monkeypatch, error).call(FileReader, "_read")
    assert {each.fault for each in verified(audited).findings} == {fault}
