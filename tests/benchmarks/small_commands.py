"""What the small commands cost, beside the least that a program like them can cost."""

from pathlib import Path
from typing import Final

from gaussdb_tasks.database.data_dir import DATABASE_NAME
from gaussdb_tasks.model.times import HOUR
from tests.benchmarks.loaders import LOADERS, environ_of, load_night
from tests.benchmarks.processes import Cost, cheapest, measure, python
from tests.benchmarks.task_center import NOW, TaskCenter

SIZE: Final = 10_000
"""The tasks in the database."""
_REPEATS: Final = 5
_CLICK: Final = "import click; click.command()(lambda: None)(['--help'])"
_QUERY: Final = "select * from last_loads"
_DUCKDB: Final = f"""
import duckdb
connection = duckdb.connect('data/{DATABASE_NAME}', read_only=True)
print(connection.execute({_QUERY!r}).fetchall())
"""
_NAME: Final = ("-m", "gaussdb_tasks")
_IN_DATA: Final = ("--data-dir", "data")
_COMMANDS: Final = {
    "click alone, `--help`": ("-c", _CLICK),
    "`--help`": (*_NAME, "--help"),
    "DuckDB alone, a small view": ("-c", _DUCKDB),
    "`query` of the same view": (*_NAME, "query", *_IN_DATA, _QUERY),
    "`status`": (*_NAME, "status", *_IN_DATA),
    "`verify --fast`": (*_NAME, "verify", *_IN_DATA, "--fast"),
}


def measure_small_commands(center: TaskCenter, folder: Path) -> dict[str, Cost]:
    """Load a database, and return the least cost of each command over several runs."""
    LOADERS[0].load(center, folder, SIZE)
    costs: dict[str, list[Cost]] = {name: [] for name in _COMMANDS}
    for _ in range(_REPEATS):
        for name, arguments in _COMMANDS.items():
            costs[name].append(measure(python(*arguments), folder, environ_of()))
    night = "a night without changes"
    costs[night] = [
        load_night(center, folder, NOW + number * HOUR, SIZE) for number in range(1, 1 + _REPEATS)
    ]
    return {name: cheapest(of_name) for name, of_name in costs.items()}
