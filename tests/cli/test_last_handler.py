"""Errors that no command expects: one masked sentence, and a masked traceback on request."""

import errno
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from gaussdb_tasks.cli.commands import status
from tests.support.commands import Command, Run
from tests.support.config import write_settings

PASSWORD = "open sesame"
PROXY = "http://user:caravan-42@proxy.test:3128"
ENV = {"OS_PASSWORD": PASSWORD, "HTTPS_PROXY": PROXY}


@pytest.fixture
def status_that(command: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run ``status`` with an action in place of opening the database."""

    def run(action: Callable[[], object], *arguments: str, before: tuple[str, ...] = ()) -> Run:
        def act(*_args: object) -> object:
            return action()

        monkeypatch.setattr(status, "open_together", act)
        return command(*before, "status", *arguments, env=ENV)

    return run


def raising(error: BaseException) -> Callable[[], object]:
    """Return an action that raises an error, with a cause that shows a secret too."""

    def act() -> object:
        raise error from KeyError(f"header {PASSWORD!r}")

    return act


UNEXPECTED = [
    ValueError(f"Invalid header value b'{PASSWORD}'"),
    UnicodeEncodeError("latin-1", PASSWORD, 0, 1, "ordinal not in range"),
    RuntimeError(f"cannot connect to {PROXY} with {PASSWORD}\nsecond line"),
    OSError(f"tunnel failed: caravan-42 and {PASSWORD}"),
]


@pytest.mark.parametrize("error", UNEXPECTED)
def test_an_unexpected_error_is_one_masked_sentence(
    status_that: Callable[..., Run], error: BaseException
) -> None:
    run = status_that(raising(error))
    assert run.exit_code == 1
    assert run.stderr.count("\n") == 1
    assert run.stderr.startswith(f"gaussdb-tasks: unexpected error: {type(error).__name__}")
    assert "--debug" in run.stderr
    assert PASSWORD not in run.stderr
    assert "caravan-42" not in run.stderr


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("error", UNEXPECTED)
def test_debug_shows_a_masked_traceback(
    status_that: Callable[..., Run], error: BaseException, place: str
) -> None:
    """The cause of the error is part of it; the option may stand before or after the command."""
    before, after = (("--debug",), ()) if place == "before" else ((), ("--debug",))
    run = status_that(raising(error), *after, before=before)
    assert run.exit_code == 1
    assert "Traceback (most recent call last)" in run.stderr
    assert "KeyError" in run.stderr
    assert PASSWORD not in run.stderr
    assert "caravan-42" not in run.stderr


FORGED = 'boom\nTraceback (most recent call last):\n  File "x.py"\r\x1b[2Jforged \u2028line'


@pytest.mark.parametrize("part", ["text", "cause", "context", "note"])
def test_a_foreign_text_begins_no_line_of_a_traceback(
    status_that: Callable[..., Run], part: str
) -> None:
    """It could look like a part of the traceback, or like a message of its own."""

    def act() -> object:
        if part == "text":
            raise ValueError(FORGED)
        error = RuntimeError("end")
        if part == "note":
            error.add_note(FORGED)
            raise error
        try:
            raise ValueError(FORGED)  # noqa: TRY301 - the first of two errors
        except ValueError as first:
            if part == "cause":
                raise error from first
            raise error  # noqa: B904 - the context is meant

    run = status_that(act, "--debug")
    lines = run.stderr.split("\n")
    assert sum("forged" in line for line in lines) == 1 + (part == "text")
    assert lines.count("Traceback (most recent call last):") == (part in {"cause", "context"})
    assert r"boom\nTraceback (most recent call last):\n" in run.stderr
    assert "\x1b" not in run.stderr
    link = {"cause": "direct cause", "context": "During handling"}.get(part)
    assert link is None or link in run.stderr


def wrapped(error: BaseException) -> BaseException:
    """Return an error of a library that has another one as its cause."""
    outer = RuntimeError("the pipeline failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["plain", "wrapped"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "the memory is not sufficient"),
        (pa.lib.ArrowMemoryError("malloc of size 64 failed"), "the memory is not sufficient"),
        (duckdb.OutOfMemoryException("Out of Memory Error: x"), "the memory is not sufficient"),
        (duckdb.FatalException("Failed to create (bad allocation)"), "the memory is not suff"),
        (ImportError("x.so: failed to map segment from shared object"), "the memory is not suff"),
        (RuntimeError("can't start new thread"), "no thread can be started"),
        (duckdb.InvalidInputException("Failed to launch worker thread"), "no thread can be st"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_lack_of_memory_is_one_sentence(
    status_that: Callable[..., Run],
    error: BaseException,
    words: str,
    wrap: Callable[[BaseException], BaseException],
) -> None:
    """Whatever library notices it; a repeat may succeed, so the code is 1."""

    def act() -> object:
        raise wrap(error)

    run = status_that(act)
    assert run.exit_code == 1
    assert run.stderr.startswith(f"gaussdb-tasks: {words}")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["load", "query", "verify", "rebuild", "report"])
def test_an_address_space_that_is_too_small(name: str) -> None:
    """Libraries would end the process without a message, at a place that depends on chance."""
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (900 * 1024**2,) * 2)\n"
        "from gaussdb_tasks.cli import main\n"
        f"sys.argv = ['gaussdb-tasks', '{name}']\n"
        "main()\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert run.stderr.startswith("gaussdb-tasks: the address space of this process is limited to")
    assert run.stderr.count("\n") == 1


def test_debug_ends_with_the_command(status_that: Callable[..., Run]) -> None:
    assert "Traceback" in status_that(raising(ValueError("x")), "--debug").stderr
    assert "Traceback" not in status_that(raising(ValueError("x"))).stderr


def test_a_variable_sets_debug(command: Command) -> None:
    """Errors of the package have a traceback too."""
    run = command("status", env={"GAUSSDB_TASKS_DEBUG": "1"})
    assert run.exit_code == 2
    assert "Traceback" in run.stderr


def test_a_system_error_is_explained(status_that: Callable[..., Run]) -> None:
    """It is a setting's fault here, so the exit code is 2."""
    error = PermissionError(errno.EACCES, "Permission denied", "/srv/data")
    run = status_that(raising(error))
    assert run.exit_code == 2
    assert run.stderr.startswith("gaussdb-tasks: /srv/data: this user has no permission")


def in_a_thread() -> object:
    thread = threading.Thread(target=raising(ValueError(f"thread shows {PASSWORD}")))
    thread.start()
    thread.join()
    return raising(RuntimeError("end"))()


def in_a_warning() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # catch_warnings of the test's own run replaced the function that shows warnings
        warnings.showwarning(f"warning shows {PASSWORD}", UserWarning, __file__, 1)
    return raising(RuntimeError("end"))()


def in_a_log_record() -> object:
    assert logging.lastResort is not None
    record = logging.LogRecord("lib", logging.WARNING, "", 0, "log shows %s", (PASSWORD,), None)
    logging.lastResort.handle(record)
    return raising(RuntimeError("end"))()


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        (in_a_thread, "thread shows ***"),
        (in_a_warning, "warning shows ***"),
        (in_a_log_record, "log shows ***"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_threads_warnings_and_logs_are_masked(
    status_that: Callable[..., Run], action: Callable[[], object], shown: str
) -> None:
    run = status_that(action)
    assert shown in run.stderr
    assert PASSWORD not in run.stderr


def test_the_hooks_end_with_the_command(command: Command) -> None:
    before = (threading.excepthook, sys.unraisablehook, warnings.showwarning, logging.lastResort)
    command("status")
    after = (threading.excepthook, sys.unraisablehook, warnings.showwarning, logging.lastResort)
    assert after == before


def test_json_messages_are_masked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gaussdb_tasks.cli.commands.load.sign_in", lambda *_: raising(UNEXPECTED[0])()
    )
    run = command("load", "--log-format", "json", "--debug", env=ENV)
    events = [json.loads(line)["event"] for line in run.stderr.splitlines()]
    assert events == ["traceback", "failed"]
    assert PASSWORD not in run.stderr


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_the_password_of_an_address_is_masked_without_the_address(
    command: Command, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """A library's error may show it alone, whatever the source of the address."""
    url = "s3://key:caravan-42@bucket/prefix"
    monkeypatch.setattr(
        "gaussdb_tasks.cli.commands.load.sign_in",
        lambda *_: raising(ValueError("wrong key caravan-42"))(),
    )
    if source == "file":
        write_settings(f'[load]\narchive-url = "{url}"')
    options = ("--archive-url", url) if source == "option" else ()
    env = {"GAUSSDB_TASKS_ARCHIVE_URL": url} if source == "variable" else {}
    run = command("load", *options, env=env)
    assert "wrong key ***" in run.stderr
    assert "caravan-42" not in run.stderr
