"""The plots: each value has a mark in the right place, with its title."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from gaussdb_tasks.report import svg
from gaussdb_tasks.report.buckets import Bucket, ReportPeriod
from gaussdb_tasks.report.figures import DurationBin, DurationPoint, RatePoint
from gaussdb_tasks.report.plots import draw_durations, draw_histogram, draw_rates
from gaussdb_tasks.report.scales import duration_scale, rate_scale

PERIOD: Final = ReportPeriod(Bucket.DAY, date(2026, 3, 1), date(2026, 3, 9))
BOTTOM: Final = 148.0


def durations(*days: int, p50: float = 60.0, p95: float = 90.0) -> ET.Element:
    """Draw points on these days of March."""
    points = [DurationPoint("x", date(2026, 3, day), 1, p50, p95, p95) for day in days]
    return parsed(draw_durations(points, PERIOD, duration_scale(p50, p95)))


def rates(*failed_counts: int) -> ET.Element:
    """Draw a point a day, each with this many failures of ten."""
    points = [
        RatePoint("x", date(2026, 3, day), 10, failed, failed / 10, 0.0, 0.9)
        for day, failed in enumerate(failed_counts, start=1)
    ]
    return parsed(draw_rates(points, PERIOD, rate_scale(0.9), 0.1))


def parsed(drawing: str) -> ET.Element:
    """Return a drawing as an element; a drawing that is not well-formed fails."""
    return ET.fromstring(f"<svg>{drawing}</svg>")  # noqa: S314 - drawn by the code under test


def shapes(drawing: ET.Element, css_class: str) -> Sequence[ET.Element]:
    """Return the shapes of a CSS class."""
    return drawing.findall(f".//*[@class='{css_class}']")


def titles(drawing: ET.Element) -> list[str]:
    """Return the titles of the marks, with plain spaces."""
    found = (mark.findtext("title", "") for mark in shapes(drawing, "mark"))
    return [title.replace("\N{NO-BREAK SPACE}", " ") for title in found]


@pytest.mark.parametrize(
    ("days", "lines"),
    [((1, 2, 3), [3]), ((1, 2, 4), [2]), ((1, 2, 4, 5), [2, 2]), ((1, 3, 5), []), ((7,), [])],
)
def test_a_day_without_tasks_is_a_gap_in_the_line(days: tuple[int, ...], lines: list[int]) -> None:
    """The line joins neighbours only, and every point has a circle."""
    drawing = durations(*days)
    assert [len(line.attrib["points"].split()) for line in shapes(drawing, "time-line")] == lines
    assert len(shapes(drawing, "time-point")) == len(days)


def test_many_medians_are_a_line_and_a_single_one_a_circle() -> None:
    """A single median without neighbours would have no line."""
    days = [*range(1, 75), 80]
    points = [
        DurationPoint("x", date.fromordinal(PERIOD.first.toordinal() + day), 1, 60, 90, 90)
        for day in days
    ]
    period = ReportPeriod(Bucket.DAY, points[0].starts_on, points[-1].starts_on)
    drawing = parsed(draw_durations(points, period, duration_scale(60, 90)))
    assert len(shapes(drawing, "time-line")) == len(shapes(drawing, "time-point")) == 1
    assert len(titles(drawing)) == len(days)


def test_the_height_of_a_mark_is_its_duration() -> None:
    """The bar goes from the median to the 95th percentile."""
    drawing = durations(1, p50=60.0, p95=120.0)
    (circle,), (top,) = shapes(drawing, "time-point"), shapes(drawing, "time-edge")
    (bar,) = shapes(drawing, "time-range")
    p50_height = BOTTOM - float(circle.attrib["cy"])
    assert BOTTOM - float(top.attrib["y1"]) == pytest.approx(2 * p50_height, abs=0.02)
    assert float(bar.attrib["height"]) == pytest.approx(p50_height, abs=0.02)


def test_a_point_without_failures_is_hollow() -> None:
    """A rate of 0 differs from a small rate by its shape."""
    drawing = rates(0, 1, 0, 2)
    assert len(shapes(drawing, "fail-point")) == 2
    assert len(shapes(drawing, "fail-none")) == 2


def test_every_bin_has_a_bar() -> None:
    """The last bin has no upper end; the median is a line."""
    bins = [
        DurationBin("x", 0, 1, 1, 0.25),
        DurationBin("x", 1, 2, 0, 0.0),
        DurationBin("x", 2, 4, 2, 0.5),
        DurationBin("x", 4, None, 1, 0.25),
    ]
    drawing = parsed(draw_histogram(bins, 3.0))
    heights = [float(bar.attrib["height"]) for bar in shapes(drawing, "share")]
    assert heights[2] == pytest.approx(2 * heights[0], abs=0.02)
    assert (len(heights), heights[1]) == (4, 0)
    assert titles(drawing) == [
        "less than 1 s: 25.0 % (1 task)",
        "1 s to 2 s: 0.0 % (0 tasks)",
        "2 s to 4 s: 50.0 % (2 tasks)",
        "4 s or longer: 25.0 % (1 task)",
        "median 3 s",
    ]
    (median,) = shapes(drawing, "median")
    left, right = (float(shapes(drawing, "hover")[place].attrib["x"]) for place in (2, 3))
    assert left < float(median.attrib["x1"]) < right


def test_titles_have_the_values_of_their_bucket() -> None:
    """Browsers show them on hover."""
    assert titles(durations(1)) == ["2026-03-01: median 1 min, 95 % within 1 min 30 s (1 task)"]
    assert titles(rates(2)) == ["2026-03-01: 2 of 10 failed, 20.0 % (0.0 % to 90.0 %)"]
    week = ReportPeriod(Bucket.WEEK, date(2026, 3, 2), date(2026, 3, 2))
    point = RatePoint("x", week.first, 10, 0, 0.0, 0.0, 0.3)
    drawing = parsed(draw_rates([point], week, rate_scale(0.3), 0.0))
    assert titles(drawing) == ["week of 2026-03-02: 0 of 10 failed, 0.0 % (0.0 % to 30.0 %)"]


def test_hover_areas_fill_the_plot() -> None:
    """They do not overlap, since only the topmost shows its title; bars are inside them."""
    drawing = durations(*range(1, 10))
    areas = [extent(area) for area in shapes(drawing, "hover")]
    bars = [extent(bar) for bar in shapes(drawing, "time-range")]
    assert areas[0][0] == 50
    assert areas[-1][1] == pytest.approx(318, abs=0.02)
    for (_, right), (left, _) in pairwise(areas):
        assert right == pytest.approx(left, abs=0.02)
    for (left, right), (bar_left, bar_right) in zip(areas, bars, strict=True):
        assert left < bar_left < bar_right < right


def extent(rectangle: ET.Element) -> tuple[float, float]:
    """Return the left and right end of a rectangle."""
    left = float(rectangle.attrib["x"])
    return left, left + float(rectangle.attrib["width"])


def test_text_and_attributes_are_escaped() -> None:
    """Neither can close an element or an attribute."""
    drawing = svg.mark("<b>&", svg.label("</text>", 0, 0, '"middle'))
    (mark,) = parsed(drawing)
    assert mark.findtext("title") == "<b>&"
    assert mark.findtext("text") == "</text>"
