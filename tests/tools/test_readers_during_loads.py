"""Readers keep their data during and after a load; a writer locks out readers and loads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.emulator.world import Snapshot
from gaussdb_tasks.errors import DatabaseError, ExitCode
from gaussdb_tasks.model.times import DAY, HOUR, Micros
from tests.support.commands import Command
from tests.support.documented_tools import (
    ATTACH,
    CONNECT,
    DATABASE,
    DUCKDBS,
    IBIS_CONNECT,
    IBIS_DISCONNECT,
    IBIS_READ,
    REOPEN,
)
from tests.support.emulator_client import NOW, PROJECT, record
from tests.support.interactive_programs import PYTHON, InteractiveProgram, running
from tests.support.loads import load, rows
from tests.support.tool_environments import PINNED, TOOLS, Environment, environment

COUNT = "select count(*) from tasks"


class WorldWithHook(FixedWorld):
    """A world that calls a hook whenever a load reads tasks."""

    def __init__(self) -> None:
        """Start with one task and without a hook."""
        super().__init__({PROJECT: [record(1, NOW - DAY)]})
        self.on_call: Callable[[], None] = lambda: None

    def snapshot(self, project_id: str, *, since: Micros, now: Micros) -> Snapshot:
        """Call the hook, then answer."""
        self.on_call()
        return super().snapshot(project_id, since=since, now=now)


class TwoLoads:
    """A task center that is loaded twice into a folder."""

    def __init__(self, emulator: Emulator, world: WorldWithHook, folder: Path) -> None:
        """Load one task."""
        self._emulator, self._world, self.folder = emulator, world, folder
        load(emulator, folder / "data", NOW)

    def load_second(self, on_call: Callable[[], None] = lambda: None) -> None:
        """Load a second task; call a hook during the load."""
        self._world.add(PROJECT, record(2, NOW - HOUR))
        self._world.on_call = on_call
        load(self._emulator, self.folder / "data", NOW + HOUR)


@pytest.fixture
def loads(tmp_path: Path) -> Iterator[TwoLoads]:
    """Run the first load."""
    world = WorldWithHook()
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        yield TwoLoads(emulator, world, tmp_path)


@pytest.fixture(scope="module", params=DUCKDBS)
def python(request: pytest.FixtureRequest) -> Environment:
    """Return a Python with each DuckDB."""
    return environment(request.param)


@pytest.fixture(scope="module")
def tools() -> Environment:
    """Return the environment of the tools."""
    return environment(TOOLS)


def counted(program: InteractiveProgram, connection: str, table: str = "tasks") -> str:
    """Return the number of tasks that a connection of a Python program reads."""
    query = f"{connection}.execute('select count(*) from {table}')"
    return program.ask(f"print({query}.fetchone()[0], flush=True)")


def test_a_python_program_keeps_its_data(python: Environment, loads: TwoLoads) -> None:
    """It reads the old data during and after the load, until its last connection is closed."""
    counts = []
    with running(python, loads.folder, str(python.python), "-c", PYTHON) as program:
        program.send(CONNECT)
        assert counted(program, "connection") == "1"
        loads.load_second(on_call=lambda: counts.append(counted(program, "connection")))
        assert set(counts) == {"1"}
        assert counted(program, "connection") == "1"
        program.send(f"first = connection; {CONNECT}")
        assert counted(program, "connection") == "1"
        program.send(f"first.close(); connection.close(); {CONNECT}")
        assert counted(program, "connection") == "2"


def test_attaching_shows_the_new_load(python: Environment, loads: TwoLoads) -> None:
    """A newly attached file has the new data, while the old connection keeps the old data."""
    with running(python, loads.folder, str(python.python), "-c", PYTHON) as program:
        program.send(CONNECT)
        assert counted(program, "connection") == "1"
        loads.load_second()
        program.send(f'connection.execute("{ATTACH}")')
        assert counted(program, "connection", "latest.tasks") == "2"
        assert counted(program, "connection", "latest.archive_status") == "1"
        assert counted(program, "connection") == "1"


def test_ibis_keeps_its_data(tools: Environment, loads: TwoLoads) -> None:
    """It reads the old data until it disconnects and connects again."""
    count = f"print({IBIS_READ}.count().execute(), flush=True)"
    with running(tools, loads.folder, str(tools.python), "-c", PYTHON) as program:
        program.send(f"import ibis; {IBIS_CONNECT}")
        assert program.ask(count) == "1"
        loads.load_second()
        assert program.ask(count) == "1"
        program.send(f"{IBIS_DISCONNECT}; {IBIS_CONNECT}")
        assert program.ask(count) == "2"


def test_the_command_line_keeps_its_data(tools: Environment, loads: TwoLoads) -> None:
    """It reads the old data during and after the load, until it opens the file again."""
    counts = []
    command = ("duckdb", "-csv", "-noheader", "-readonly", DATABASE)
    with running(tools, loads.folder, *command) as shell:
        assert shell.ask(f"{COUNT};") == "1"
        loads.load_second(on_call=lambda: counts.append(shell.ask(f"{COUNT};")))
        assert set(counts) == {"1"}
        assert shell.ask(f"{COUNT};") == "1"
        shell.send(REOPEN)
        assert shell.ask(f"{COUNT};") == "2"
        assert (
            shell.ask("select readonly from duckdb_databases() where path is not null;") == "true"
        )


def assert_readers_and_loads_are_refused(loads: TwoLoads, command: Command) -> None:
    """Check the errors of a load, a query and a reader while the file is open for writing."""
    with pytest.raises(DatabaseError, match="open for writing in another program"):
        loads.load_second()
    run = command("query", "tasks", "--data-dir", loads.folder / "data")
    assert run.exit_code == ExitCode.FAILED
    assert "is open for writing in another program; close it there" in run.last_line
    with pytest.raises(duckdb.IOException, match="lock"):
        rows(loads.folder / "data", COUNT)


def test_a_writer_locks_out_readers_and_loads(loads: TwoLoads, command: Command) -> None:
    """While a program has the file open for writing, reads and loads fail; later they work."""
    writer = environment(PINNED)
    with running(writer, loads.folder, str(writer.python), "-c", PYTHON) as program:
        program.send(CONNECT.replace("read_only=True", "read_only=False"))
        assert counted(program, "connection") == "1"
        assert_readers_and_loads_are_refused(loads, command)
    loads.load_second()
    assert rows(loads.folder / "data", COUNT) == [(2,)]


def test_a_writable_command_line_locks_out_readers_and_loads(
    tools: Environment, loads: TwoLoads, command: Command
) -> None:
    """The command line without `-readonly` locks the file, even if it only reads."""
    with running(tools, loads.folder, "duckdb", "-csv", "-noheader", DATABASE) as shell:
        assert shell.ask(f"{COUNT};") == "1"
        assert_readers_and_loads_are_refused(loads, command)
    loads.load_second()
    assert rows(loads.folder / "data", COUNT) == [(2,)]
