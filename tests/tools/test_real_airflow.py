"""A real Airflow imports the DAG that ``schedule airflow`` prints."""

import json
import shlex
from pathlib import Path
from typing import Final

from tests.support.commands import Command
from tests.support.tool_environments import AIRFLOW, environment

ODD: Final = "a b$HOME{{ ds }}%d\"'\\x"
_IMPORT: Final = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
(dag,) = bag.dags.values()
(task,) = dag.tasks
task.render_template_fields({"ds": "a template was expanded"})
print(json.dumps({
    "errors": bag.import_errors,
    "schedule": [task.dag.timetable.expression, str(task.dag.timetable.timezone)],
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "command": task.bash_command,
    "retries": [task.retries, task.retry_delay.total_seconds()],
    "skip": task.skip_on_exit_code,
    "variables": sorted(task.env),
}))
"""


def test_airflow_imports_the_dag(command: Command, tmp_path: Path) -> None:
    """Without errors; the command is not a template, and runs once a day in UTC."""
    airflow = environment(AIRFLOW)
    folder = tmp_path / "dags"
    folder.mkdir()
    options = ("--program", "/opt/g/bin/gaussdb-tasks", "--os-cloud", ODD, "--at", "3:05")
    run = command("schedule", "airflow", "--output", folder, *options)
    assert run.exit_code == 0, run.stderr
    printed = airflow.answer(
        _IMPORT,
        tmp_path,
        str(folder),
        AIRFLOW_HOME=str(tmp_path / "home"),
        AIRFLOW__CORE__LOAD_EXAMPLES="false",
    )
    found = json.loads(printed.splitlines()[-1])  # Airflow logs to stdout, too
    words = shlex.split(found.pop("command"))
    assert words[:2] == ["/opt/g/bin/gaussdb-tasks", "load"]
    assert ODD in words
    assert found == {
        "errors": {},
        "schedule": ["5 3 * * *", "UTC"],
        "catchup": False,
        "max_active_runs": 1,
        "retries": [4, 15 * 60],
        "skip": [4],
        "variables": ["OS_CLIENT_CONFIG_FILE", "OS_PASSWORD_FILE"],
    }
