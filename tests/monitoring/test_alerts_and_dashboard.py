"""The alert rules and the dashboard: valid, on metrics that exist, and they fire."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gaussdb_tasks.emulator import Emulator, FixedWorld, SettableClock
from gaussdb_tasks.model.times import HOUR, SECOND, iso
from gaussdb_tasks.monitoring.freshness import Thresholds
from tests.support import ROOT
from tests.support.commands import Command, token_env
from tests.support.emulator_client import NOW, OTHER_PROJECT, PROJECT, record

_DEPLOYMENT: Final = ROOT / "pipelines/gaussdb_tasks/deployment"
RULES: Final = _DEPLOYMENT / "prometheus-alerts.yml"
DASHBOARD: Final = _DEPLOYMENT / "grafana-dashboard.json"
POSTGRES_DASHBOARD: Final = _DEPLOYMENT / "grafana-postgres.json"
_METRIC: Final = re.compile(r"\bgaussdb_tasks_\w+")
_VALUE: Final = 'gaussdb_tasks_{}{{region="eu-de",project_id="p"}}'
_DAY_HOURS: Final = 24

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed; it is in Debian's package prometheus",
)


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard."""
    return list(json.loads(DASHBOARD.read_text())["panels"])


def queries() -> Iterator[str]:
    """Yield all expressions of rules, panels and variables."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    yield from (each["query"] for each in variables if each["type"] == "query")


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["promtool", *arguments],  # noqa: S607 - of the system
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def metrics_file(command: Command) -> Path:
    """The metrics of a load of two projects."""
    world = FixedWorld({PROJECT: [record(1)], OTHER_PROJECT: []})
    with Emulator(world, clock=SettableClock(NOW)) as emulator:
        options = ("--now", iso(NOW), "--metrics-file", "g.prom")
        assert command("load", *options, env=token_env(emulator)).exit_code == 0
    return Path("g.prom").absolute()


def test_every_metric_exists(metrics_file: Path) -> None:
    """A rule on a metric that no load writes would never fire."""
    written = set(_METRIC.findall(metrics_file.read_text()))
    used = {name for query in queries() for name in _METRIC.findall(query)}
    assert used <= written
    assert {f"gaussdb_tasks_{name}" for name in ("nights_left", "last_run_exit_code")} <= used


def test_thresholds_are_those_of_the_check(command: Command) -> None:
    """`status --check` and Prometheus agree."""
    shown = command("status", "--help").stdout
    defaults = [int(each) for each in re.findall(r"default:\s+(\d+)", shown)]
    limits = Thresholds(*defaults[:4])
    by_name = {rule["alert"]: rule["expr"] for rule in rules()}
    hours = (limits.warning_hours, limits.critical_hours)
    for name, hour in zip(("GaussdbTasksStale", "GaussdbTasksVeryStale"), hours, strict=True):
        assert by_name[name].endswith(f"> {hour} * {HOUR // SECOND}")
    nights = (limits.warning_nights, limits.critical_nights)
    for name, night in zip(("GaussdbTasksLossAhead", "GaussdbTasksLossNear"), nights, strict=True):
        assert by_name[name].endswith(f"<= {night}")


def test_every_rule_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}


@needs_promtool
def test_prometheus_accepts_rules_and_metrics(metrics_file: Path) -> None:
    ran = promtool("check", "rules", RULES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with metrics_file.open() as file:
        checked = subprocess.run(
            ["promtool", "check", "metrics"],  # noqa: S607
            stdin=file,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (checked.returncode, checked.stderr) == (0, "")


def series(name: str, *values: float, labels: bool = True) -> dict[str, str]:
    """Return a series with a value an hour for two days; the second value holds after a day."""
    full = _VALUE.format(name) if labels else f"gaussdb_tasks_{name}"
    return {"series": full, "values": " ".join(f"{each}x{_DAY_HOURS}" for each in values)}


def named(metric: str, name: str) -> str:
    """Return a series of the project with a name."""
    return _VALUE.format(metric).replace("}", f',project_name="{name}"}}')


_RUN_AT_0: Final = series("last_run_timestamp_seconds", 0, 0, labels=False)
_RAN_LATE: Final = series("last_run_timestamp_seconds", 47 * 3600, 47 * 3600, labels=False)
_CASES: Final[Sequence[tuple[Sequence[dict[str, str]], set[str]]]] = (
    ([], {"GaussdbTasksNoMetrics"}),
    ([_RUN_AT_0], {"GaussdbTasksNotRunning"}),
    ([_RAN_LATE], set()),
    ([_RAN_LATE, series("last_run_exit_code", 1, 1, labels=False)], {"GaussdbTasksFailed"}),
    ([_RAN_LATE, series("last_run_exit_code", 2, 2, labels=False)], {"GaussdbTasksFailed"}),
    ([_RAN_LATE, series("last_run_exit_code", 3, 3, labels=False)], {"GaussdbTasksNeedsAttention"}),
    ([_RAN_LATE, series("last_run_exit_code", 4, 4, labels=False)], set()),
    ([_RAN_LATE, series("last_success_timestamp_seconds", 0, 0)], {"GaussdbTasksStale"}),
    (
        [_RAN_LATE, series("last_success_timestamp_seconds", -32 * 3600, -32 * 3600)],
        {"GaussdbTasksStale", "GaussdbTasksVeryStale"},
    ),
    ([_RAN_LATE, series("tasks", 5, 5)], {"GaussdbTasksNeverComplete"}),
    (
        [
            _RAN_LATE,
            series("tasks", 5, 5),
            series("last_success_timestamp_seconds", 47 * 3600, 47 * 3600),
        ],
        set(),
    ),
    ([_RAN_LATE, series("nights_left", 21, 21)], set()),
    ([_RAN_LATE, series("nights_left", 20, 20)], {"GaussdbTasksLossAhead"}),
    ([_RAN_LATE, series("nights_left", 7, 7)], {"GaussdbTasksLossAhead", "GaussdbTasksLossNear"}),
    ([_RAN_LATE, series("lost_gaps", 1, 1)], set()),
    ([_RAN_LATE, series("lost_gaps", 1, 2)], {"GaussdbTasksLost"}),
    ([_RAN_LATE, series("rejected_records", 0, 3)], {"GaussdbTasksRejected"}),
    *(
        # A renamed project has other series, but the same losses.
        (
            [
                _RAN_LATE,
                {"series": named(metric, "old"), "values": "1x23 stale"},
                {"series": named(metric, "new"), "values": f"_x23 {value}x24"},
            ],
            fired,
        )
        for metric, value, fired in (
            ("lost_gaps", 1, set()),
            ("lost_gaps", 2, {"GaussdbTasksLost"}),
            ("rejected_records", 1, set()),
            ("rejected_records", 2, {"GaussdbTasksRejected"}),
        )
    ),
)


@needs_promtool
def test_each_alert_fires_when_it_should(tmp_path: Path) -> None:
    """After two days of each case, these alerts fire, and no others."""
    assert set().union(*(fired for _, fired in _CASES)) == {rule["alert"] for rule in rules()}
    tests = [_promtool_case(given, fired) for given, fired in _CASES]
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1h", "tests": tests})
    )
    ran = promtool("test", "rules", file)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_an_alert_names_the_project(tmp_path: Path) -> None:
    """The id stands alone if the name is not known."""
    metric = "nights_left"
    given = [
        {"series": named(metric, "eu-de_shop"), "values": "9x2"},
        {"series": _VALUE.format(metric).replace('"p"', '"q"'), "values": "9x2"},
    ]
    action = "Run a load; see which time is not covered with gaussdb-tasks status."
    expected = [
        {
            "exp_labels": {"severity": "warning", "region": "eu-de", **labels},
            "exp_annotations": {
                "summary": f"Project {label}: 9 nights are left until uncovered time is lost.",
                "action": action,
            },
        }
        for label, labels in (
            ("p eu-de_shop", {"project_id": "p", "project_name": "eu-de_shop"}),
            ("q", {"project_id": "q"}),
        )
    ]
    case = {
        "interval": "1h",
        "input_series": given,
        "alert_rule_test": [
            {"alertname": "GaussdbTasksLossAhead", "eval_time": "1h", "exp_alerts": expected}
        ],
    }
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [case]}))
    ran = promtool("test", "rules", file)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _promtool_case(given: Sequence[dict[str, str]], fired: set[str]) -> dict[str, Any]:
    """Return a test of promtool: it compares how many alerts of each name fire after two days."""
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(fired)]
    return {
        "interval": "1h",
        "input_series": list(given),
        "promql_expr_test": [{"expr": firing, "eval_time": "47h", "exp_samples": expected}],
    }


@pytest.mark.parametrize(
    ("file", "source_type"),
    [(DASHBOARD, "prometheus"), (POSTGRES_DASHBOARD, "grafana-postgresql-datasource")],
)
def test_a_dashboard_has_a_sound_structure(file: Path, source_type: str) -> None:
    """Each panel has an id, a place of its own in the 24 columns, and the chosen data source."""
    dashboard = json.loads(file.read_text())
    found, variables = dashboard["panels"], dashboard["templating"]["list"]
    assert variables[0]["query"] == source_type
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["title"]
        assert panel["description"]
    sources = [
        each["datasource"]
        for each in (
            *found,
            *variables[1:],
            *(each for panel in found for each in panel["targets"]),
        )
    ]
    assert all(each == {"type": source_type, "uid": "${datasource}"} for each in sources)
    for one, other in combinations([panel["gridPos"] for panel in found], 2):
        assert not all(
            one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
            for start, size in (("x", "w"), ("y", "h"))
        )
    # Grafana itself has those that begin with two underscores.
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(found)))
    assert used == {each["name"] for each in variables}
