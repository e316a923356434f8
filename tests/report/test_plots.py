"""The drawings: gaps are gaps, points can be seen, and nothing but the figures decides."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

import matplotlib as mpl
import pytest

from gaussdb_tasks.report.figures import Bucket, DurationPoint, Period, RatePoint, Step
from gaussdb_tasks.report.plots import draw_durations, draw_rates, draw_steps
from gaussdb_tasks.report.scales import duration_scale, rate_scale

PERIOD: Final = Period(Bucket.DAY, date(2026, 3, 1), date(2026, 3, 9))


def durations(*days: int, p50: float = 60.0, p95: float = 90.0) -> str:
    """Draw points on these days of March."""
    points = [DurationPoint("x", date(2026, 3, day), 1, p50, p95, p95) for day in days]
    return draw_durations("name", points, PERIOD, duration_scale(p50, p95)).body


def rates(*failed_counts: int) -> str:
    """Draw a point a day, each with so many failures of ten."""
    points = [
        RatePoint("x", date(2026, 3, day), 10, failed, failed / 10, 0.0, 0.9)
        for day, failed in enumerate(failed_counts, start=1)
    ]
    return draw_rates("name", points, PERIOD, rate_scale(0.9), 0.1).body


def vertex_counts(body: str, colour: str) -> list[int]:
    """Return how many points each line of a colour goes through."""
    lines = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: none; stroke: var\({colour}\)', body)
    return [len(re.findall("[ML]", line)) for line in lines]


def places(body: str, mark: str) -> Sequence[tuple[str, str]]:
    """Return where marks of a style stand."""
    return re.findall(rf'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*{mark}', body)


@pytest.mark.parametrize(
    ("days", "lines"),
    [((1, 2, 3), [3]), ((1, 2, 4), [2, 1]), ((1, 3, 5), [1, 1, 1]), ((7,), [1])],
)
def test_a_day_without_tasks_is_a_gap(days: tuple[int, ...], lines: list[int]) -> None:
    """A line goes through neighbours only, and every point has its mark."""
    body = durations(*days)
    assert vertex_counts(body, "--time") == lines
    assert len(places(body, r"fill: var\(--time\)")) == len(days)


def test_what_lasts_longer_stands_higher() -> None:
    """The 95th percentile is above the median, by as much as the axis says."""
    body = durations(1, p50=60.0, p95=120.0)
    ((_, median),) = places(body, r"fill: var\(--time\)")
    (top,) = re.findall(r'd="M [\d.]+ ([\d.]+) L[^"]*"[^>]*stroke: var\(--time-edge\)', body)
    ground = 148.0
    assert ground - float(top) == pytest.approx(2 * (ground - float(median)), abs=0.5)


def test_where_nothing_failed_the_point_is_hollow() -> None:
    """A rate of nothing looks another way than a small one, whatever its colour."""
    body = rates(0, 1, 0, 2)
    assert len(places(body, r"fill: var\(--fail\)")) == 2
    assert len(places(body, r"fill: var\(--card\)")) == 2


def test_every_step_has_a_bar() -> None:
    """One bar a step, also where the last has no end; the median is a line."""
    steps = [
        Step("x", 0, 1, 1, 0.25),
        Step("x", 1, 2, 0, 0.0),
        Step("x", 2, 4, 2, 0.5),
        Step("x", 4, None, 1, 0.25),
    ]
    body = draw_steps("name", steps, 3.0).body
    assert len(re.findall(r'style="fill: var\(--spread\)"', body)) == 4
    assert vertex_counts(body, "--ink") == [2]


def test_names_begin_with_the_drawings() -> None:
    """Two drawings on a page do not share an id, and references find theirs."""
    body = durations(1, 2)
    ids = set(re.findall(r'id="([^"]+)"', body))
    assert ids
    assert all(name.startswith("name-") for name in ids)
    assert set(re.findall(r'[("]#([^")]+)', body)) == ids


def test_what_the_user_has_set_changes_nothing() -> None:
    """Settings of the user's matplotlib neither get into a drawing, nor are they changed."""
    before = durations(1, 2, 4)
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "lines.linewidth": 9}):
        mine = dict(mpl.rcParams)
        assert durations(1, 2, 4) == before
        assert dict(mpl.rcParams) == mine
