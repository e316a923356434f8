"""The dashboard over PostgreSQL: every query runs there, and returns what its panel shows."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from gaussdb_tasks.database.dialects import POSTGRES
from gaussdb_tasks.database.views import view_script
from tests.monitoring.test_alerts_and_dashboard import POSTGRES_DASHBOARD
from tests.support import postgres
from tests.support.everything_archive import CLOCK, everything_archive

pytestmark = postgres.needs_postgres

DATABASE: Final = "of_dashboard"
DASHBOARD: Final[dict[str, Any]] = json.loads(POSTGRES_DASHBOARD.read_text())
PANELS: Final[Sequence[dict[str, Any]]] = DASHBOARD["panels"]
TITLES: Final = tuple(panel["title"] for panel in PANELS)
ALWAYS: Final = ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
NEVER: Final = ("1999-01-01T00:00:00Z", "1999-02-01T00:00:00Z")
UNITS: Final = {"seconds": "s", "rate": "percentunit", "low": "percentunit", "high": "percentunit"}

Row = dict[str, Any]


class Grafana:
    """Fills in queries like Grafana, and runs them."""

    def __init__(self, server: postgres.Server) -> None:
        self._server = server
        self.options: dict[str, list[str]] = {}
        for variable in DASHBOARD["templating"]["list"]:
            if variable["type"] == "query":
                rows = self.answer(variable["query"])
                assert all(list(row) == ["__value", "__text"] and all_texts(row) for row in rows)
                self.options[variable["name"]] = [row["__value"] for row in rows]

    def panel(
        self, title: str, time: tuple[str, str] = ALWAYS, **chosen: Sequence[str]
    ) -> list[Row]:
        """Return the rows of a panel; of a variable that is not chosen, all options are."""
        (panel,) = (each for each in PANELS if each["title"] == title)
        (target,) = panel["targets"]
        sql = target["rawSql"]
        for name, options in self.options.items():
            texts = ("'" + text.replace("'", "''") + "'" for text in chosen.get(name, options))
            sql = sql.replace(f"${{{name}:sqlstring}}", ",".join(texts))
        start, end = time
        sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{start}' AND '{end}'", sql)
        sql = sql.replace("$__timeFrom()", f"'{start}'").replace("$__timeTo()", f"'{end}'")
        return self.answer(sql)

    def answer(self, sql: str) -> list[Row]:
        """Return the rows of a query."""
        lines = self._server.run(f"select row_to_json(answer) from ({sql}) as answer", DATABASE)
        return [json.loads(line) for line in lines.splitlines()]


def all_texts(row: Row) -> bool:
    return all(isinstance(value, str) for value in row.values())


@pytest.fixture(scope="module")
def grafana(publish_server: postgres.Server, invented_archive: Path) -> Iterator[Grafana]:
    """It reads an archive that has everything in it; each project was loaded, as always."""
    publish_server.copy(DATABASE, everything_archive(invented_archive).connection)
    loaded = "(select region, project_id from task_center.load_runs)"
    unloaded = f"delete from task_center.tasks where (region, project_id) not in {loaded}"
    publish_server.run(f"{unloaded}; analyze", DATABASE)
    publish_server.run(view_script(POSTGRES), DATABASE)
    publish_server.run(f"alter database {DATABASE} set gaussdb_tasks.now = '{CLOCK}'")
    yield Grafana(publish_server)
    publish_server.run(f"drop database {DATABASE}")


@pytest.mark.parametrize("title", TITLES)
def test_a_query_returns_the_columns_of_its_panel(grafana: Grafana, title: str) -> None:
    """Each column with a unit has it; a series has a time first, and then only numbers."""
    rows = grafana.panel(title)
    assert rows, "no rows prove nothing"
    (panel,) = (each for each in PANELS if each["title"] == title)
    units = {
        each["matcher"]["options"]: each["properties"][0]["value"]
        for each in panel["fieldConfig"]["overrides"]
    }
    columns = list(rows[0])
    assert units.keys() <= set(columns)
    for name in columns:
        if name == "time":
            continue
        values = [row[name] for row in rows if row[name] is not None]
        unit = UNITS.get(name.rpartition("_")[2])
        if name.endswith(("_at", "_from", "_to")):
            unit = "dateTimeAsIso"
        assert unit is None or units[name] == unit
        is_number = all(isinstance(value, (int, float)) for value in values)
        assert is_number or panel["type"] == "table"
    if panel["type"] == "timeseries":
        assert columns[0] == "time"
        assert [row["time"] for row in rows] == sorted({row["time"] for row in rows})


@pytest.mark.parametrize("title", TITLES)
def test_a_panel_shows_the_chosen_projects_only(grafana: Grafana, title: str) -> None:
    every = grafana.panel(title)
    for project in grafana.options["project_id"][:2]:
        rows = grafana.panel(title, project_id=[project])
        if "project_id" in every[0]:
            assert rows == [row for row in every if row["project_id"] == project]
    unknown = grafana.panel(title, project_id=["it's unknown"])
    assert all(not any(row.values()) for row in unknown)


@pytest.mark.parametrize("title", [each for each in TITLES if "rate" in each or "Dur" in each])
def test_a_panel_shows_the_chosen_time_and_kinds_only(grafana: Grafana, title: str) -> None:
    assert grafana.panel(title, NEVER) == []
    assert grafana.panel(title, task_name=["it's unknown"]) == []
    first, *others = grafana.options["task_name"]
    parts = (grafana.panel(title, task_name=names) for names in ([first], others))
    every = grafana.panel(title)
    if "finished_count" in every[0]:
        count = sum(row["finished_count"] for rows in parts for row in rows)
        assert count == sum(row["finished_count"] for row in every)


def test_gaps_are_those_of_the_chosen_time(grafana: Grafana) -> None:
    gap = grafana.panel("Gaps")[0]
    assert gap in grafana.panel("Gaps", (gap["gap_from"], gap["gap_to"]))
    assert gap not in grafana.panel("Gaps", (gap["gap_to"], ALWAYS[1]))
    assert gap not in grafana.panel("Gaps", (ALWAYS[0], gap["gap_from"]))


def test_figures_are_those_of_the_views(grafana: Grafana) -> None:
    """The panels group by project, which the views do not; so the rates are calculated there."""
    view = grafana.answer("select * from main.failure_rates_by_name")
    shown = grafana.panel("Failure rates by kind of task")
    assert sorted(shown, key=repr) == sorted(view, key=repr)
    queries = [panel["targets"][0]["rawSql"] for panel in PANELS if "Fail" in panel["title"]]
    formulas = {sql[sql.index("intervals as (") : sql.index("\nselect\n")] for sql in queries}
    assert (len(queries), len(formulas)) == (3, 1)
    kind = max(view, key=lambda row: row["finished_count"])["task_name"]
    days = "cast(created_date as timestamp) as time, p50_seconds, p95_seconds"
    expected = grafana.answer(
        f"select {days} from main.task_durations_by_day where task_name = '{kind}' order by 1"
    )
    assert grafana.panel("Durations per day", task_name=[kind]) == expected
