"""What readers see while a load runs and after it, and what a writer does to the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.emulator.world import Snapshot
from gaussdb_tasks.errors import DatabaseError, ExitCode
from gaussdb_tasks.model.times import DAY, HOUR, Micros
from tests.support.commands import Command
from tests.support.conversations import PYTHON, Conversation, conversation
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.loads import load, rows
from tests.support.shown_tools import (
    ATTACH,
    CONNECT,
    DATABASE,
    DUCKDBS,
    IBIS_CONNECT,
    IBIS_DISCONNECT,
    IBIS_READ,
    REOPEN,
)
from tests.support.tool_environments import PINNED, TOOLS, Environment, environment

COUNT = "select count(*) from tasks"


class WatchedWorld(FixedWorld):
    """One task a night, and somebody who is called whenever a load asks for tasks."""

    def __init__(self) -> None:
        """Begin with one task, unwatched."""
        super().__init__({PROJECT: [record(1, NOW - DAY)]})
        self.watch: Callable[[], None] = lambda: None

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Call whoever watches, then answer."""
        self.watch()
        return super().snapshot(project_id, since=since, now=now)


class Nights:
    """A task center with a folder that its nights are loaded into."""

    def __init__(self, emulator: Emulator, world: WatchedWorld, folder: Path) -> None:
        """Load the first night: one task."""
        self._emulator, self._world, self.folder = emulator, world, folder
        load(emulator, folder / "data", NOW)

    def load_second(self, watch: Callable[[], None] = lambda: None) -> None:
        """Load the second night, two tasks, with somebody watching while it runs."""
        self._world.add(PROJECT, record(2, NOW - HOUR))
        self._world.watch = watch
        load(self._emulator, self.folder / "data", NOW + HOUR)


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    """Load a first night."""
    world = WatchedWorld()
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        yield Nights(emulator, world, tmp_path)


@pytest.fixture(scope="module", params=DUCKDBS)
def python(request: pytest.FixtureRequest) -> Environment:
    """Find a Python with each DuckDB."""
    return environment(request.param)


@pytest.fixture(scope="module")
def tools() -> Environment:
    """Find the tools."""
    return environment(TOOLS)


def counted(program: Conversation, connection: str, table: str = "tasks") -> str:
    """Ask a Python how many tasks a connection of its sees."""
    query = f"{connection}.execute('select count(*) from {table}')"
    return program.ask(f"print({query}.fetchone()[0], flush=True)")


def test_a_program_keeps_its_night(python: Environment, nights: Nights) -> None:
    """It reads the old night during the load and after it, until its last connection is closed."""
    seen = []
    with conversation(python, nights.folder, str(python.python), "-c", PYTHON) as program:
        program.tell(CONNECT)
        assert counted(program, "connection") == "1"
        nights.load_second(watch=lambda: seen.append(counted(program, "connection")))
        assert set(seen) == {"1"}
        assert counted(program, "connection") == "1"
        program.tell(f"first = connection; {CONNECT}")
        assert counted(program, "connection") == "1"
        program.tell(f"first.close(); connection.close(); {CONNECT}")
        assert counted(program, "connection") == "2"


def test_attaching_shows_the_new_night(python: Environment, nights: Nights) -> None:
    """Whoever attaches the file anew sees the new night, beside a connection that does not."""
    with conversation(python, nights.folder, str(python.python), "-c", PYTHON) as program:
        program.tell(CONNECT)
        assert counted(program, "connection") == "1"
        nights.load_second()
        program.tell(f'connection.execute("{ATTACH}")')
        assert counted(program, "connection", "latest.tasks") == "2"
        assert counted(program, "connection", "latest.archive_status") == "1"
        assert counted(program, "connection") == "1"


def test_ibis_keeps_its_night(tools: Environment, nights: Nights) -> None:
    """It reads the old night until it is disconnected and connects again."""
    count = f"print({IBIS_READ}.count().execute(), flush=True)"
    with conversation(tools, nights.folder, str(tools.python), "-c", PYTHON) as program:
        program.tell(f"import ibis; {IBIS_CONNECT}")
        assert program.ask(count) == "1"
        nights.load_second()
        assert program.ask(count) == "1"
        program.tell(f"{IBIS_DISCONNECT}; {IBIS_CONNECT}")
        assert program.ask(count) == "2"


def test_the_command_line_keeps_its_night(tools: Environment, nights: Nights) -> None:
    """It reads the old night during the load and after it, until it opens the file again."""
    seen = []
    command = ("duckdb", "-csv", "-noheader", "-readonly", DATABASE)
    with conversation(tools, nights.folder, *command) as shell:
        assert shell.ask(f"{COUNT};") == "1"
        nights.load_second(watch=lambda: seen.append(shell.ask(f"{COUNT};")))
        assert set(seen) == {"1"}
        assert shell.ask(f"{COUNT};") == "1"
        shell.tell(REOPEN)
        assert shell.ask(f"{COUNT};") == "2"
        assert (
            shell.ask("select readonly from duckdb_databases() where path is not null;") == "true"
        )


def refused_while_written(nights: Nights, command: Command) -> None:
    """Look at what the others say while somebody has the file open for writing."""
    with pytest.raises(DatabaseError, match="open for writing in another program"):
        nights.load_second()
    run = command("query", "tasks", "--data-dir", nights.folder / "data")
    assert run.exit_code == ExitCode.FAILED
    assert "is open for writing in another program; close it there" in run.last_line
    with pytest.raises(duckdb.IOException, match="lock"):
        rows(nights.folder / "data", COUNT)


def test_a_program_that_writes_stops_everybody(nights: Nights, command: Command) -> None:
    """While one has it open for writing nobody can read or load, and all is well afterwards."""
    writer = environment(PINNED)
    with conversation(writer, nights.folder, str(writer.python), "-c", PYTHON) as program:
        program.tell(CONNECT.replace("read_only=True", "read_only=False"))
        assert counted(program, "connection") == "1"
        refused_while_written(nights, command)
    nights.load_second()
    assert rows(nights.folder / "data", COUNT) == [(2,)]


def test_a_command_line_that_writes_stops_everybody(
    tools: Environment, nights: Nights, command: Command
) -> None:
    """So does the command line without its switch, though it only reads."""
    with conversation(tools, nights.folder, "duckdb", "-csv", "-noheader", DATABASE) as shell:
        assert shell.ask(f"{COUNT};") == "1"
        refused_while_written(nights, command)
    nights.load_second()
    assert rows(nights.folder / "data", COUNT) == [(2,)]
