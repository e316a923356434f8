"""Errors of the operating system: one sentence by their cause, and the exit code of their kind."""

import errno
import os
from pathlib import Path

import pytest

from gaussdb_tasks.errors import ExitCode
from gaussdb_tasks.os_errors import errno_in, explain

SETTINGS = [
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.EROFS, errno.EXDEV),
]
FAULTS = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENOMEM]


def error_of(number: int, path: object) -> OSError:
    """Return an error as the system raises it."""
    return OSError(number, os.strerror(number), str(path))


@pytest.mark.parametrize("number", [*SETTINGS, *FAULTS], ids=errno.errorcode.get)
def test_each_kind_has_its_exit_code(tmp_path: Path, number: int) -> None:
    """A setting is to be corrected; another fault may be gone the next time."""
    explained = explain(error_of(number, tmp_path / "file"))
    is_setting = number in SETTINGS
    assert explained.exit_code == (ExitCode.USAGE if is_setting else ExitCode.FAILED)
    assert str(explained).startswith(f"{tmp_path}/file: ")
    assert f"({os.strerror(number)}); " in str(explained)


@pytest.mark.parametrize("number", [*SETTINGS, *FAULTS], ids=errno.errorcode.get)
def test_free_space_is_shown_only_if_it_matters(tmp_path: Path, number: int) -> None:
    """A missing file is no matter of the disk."""
    shown = str(explain(error_of(number, tmp_path / "not" / "there")))
    is_about_space = number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    assert ("check its disk, which has" in shown) is is_about_space


def test_the_setting_is_named() -> None:
    """The user sees which of the paths is meant."""
    explained = explain(error_of(errno.ENOENT, "ca.pem"), setting="OS_CACERT")
    assert str(explained).endswith("check the path (set by OS_CACERT)")


def test_another_path_can_be_named() -> None:
    """That of the setting, not a temporary file."""
    error = error_of(errno.EROFS, "/srv/.file.tmp")
    assert str(explain(error, path="/srv/file")).startswith("/srv/file: ")


def test_an_unknown_number() -> None:
    """The system's own words are shown."""
    assert "Owner died" in str(explain(error_of(errno.EOWNERDEAD, "x")))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_the_number_in_the_words_of_duckdb(number: int) -> None:
    """DuckDB has the description only."""
    text = f'IO Error: Could not write file "x": {os.strerror(number)}'
    assert errno_in(text) == number
    assert errno_in("Binder Error: no such column") is None
