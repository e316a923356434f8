"""Axes of the plots: few ticks, in order, inside the axis, with different labels."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from gaussdb_tasks.report.buckets import (
    Bucket,
    ReportPeriod,
    bucket_end,
    bucket_start,
    duration_bucket,
    rate_bucket,
)
from gaussdb_tasks.report.scales import Scale, duration_scale, rate_scale, time_scale

DAYS = st.dates(date(1, 1, 8), date(9999, 12, 24))


def assert_readable(scale: Scale, max_ticks: int = 7) -> None:
    """Check the number, order, range and labels of the ticks."""
    places = [tick.at for tick in scale.ticks]
    assert 1 <= len(places) <= max_ticks
    assert scale.low < scale.high
    assert all(before < after for before, after in pairwise(places))
    assert all(scale.low <= place <= scale.high for place in places)
    labels = [tick.label for tick in scale.ticks]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 10


@forall(one=st.floats(0, 10**8), other=st.floats(0, 10**8))
def test_an_axis_of_durations_includes_all_durations(one: float, other: float) -> None:
    """From 0 to years."""
    scale = duration_scale(min(one, other), max(one, other))
    assert_readable(scale)
    assert scale.low <= min(one, other)
    assert max(one, other) <= scale.high


def test_a_wide_range_has_a_logarithmic_axis() -> None:
    """Equal distances are equal ratios."""
    scale = duration_scale(2, 40_000)
    assert scale.is_logarithmic
    labels = [tick.label.replace("\N{NO-BREAK SPACE}", " ") for tick in scale.ticks]
    assert labels == ["1 s", "1 min", "1 h"]
    assert scale.fraction(600) - scale.fraction(60) == pytest.approx(
        scale.fraction(10_000) - scale.fraction(1_000)
    )
    assert not duration_scale(100, 400).is_logarithmic


@forall(highest=st.floats(0, 1))
def test_an_axis_of_rates_ends_at_100_percent(highest: float) -> None:
    """It starts at 0 and includes the highest rate."""
    scale = rate_scale(highest)
    assert_readable(scale)
    assert scale.low == 0
    assert highest <= scale.high <= 1


@forall(one=DAYS, other=DAYS, bucket=st.sampled_from(Bucket))
def test_an_axis_of_time_includes_its_buckets(one: date, other: date, bucket: Bucket) -> None:
    """From one day to ten thousand years."""
    first, last = (bucket_start(bucket, on) for on in sorted((one, other)))
    scale = time_scale(ReportPeriod(bucket, first, last))
    assert_readable(scale)
    assert scale.low <= first.toordinal()
    assert bucket_end(bucket, last) <= scale.high


@forall(one=st.floats(0, 10**8), other=st.floats(0, 10**8))
def test_longer_durations_are_higher_on_every_axis(one: float, other: float) -> None:
    """Positions go from 0 to 1."""
    low, high = sorted((one, other))
    scale = duration_scale(low, high)
    assert 0 <= scale.fraction(low) <= scale.fraction(high) <= 1
    assert (scale.fraction(scale.low), scale.fraction(scale.high)) == (0, 1)


@pytest.mark.parametrize(
    ("days", "durations", "rates"),
    [
        (1, "day", "day"),
        (14, "day", "day"),
        (15, "day", "week"),
        (62, "day", "week"),
        (63, "week", "week"),
        (190, "week", "week"),
        (191, "week", "month"),
        (420, "week", "month"),
        (421, "month", "month"),
    ],
)
def test_a_longer_period_has_larger_buckets(days: int, durations: str, rates: str) -> None:
    """Rates switch to larger buckets sooner, since they need more tasks."""
    first = date(2024, 1, 1)
    last = first + timedelta(days=days - 1)
    assert duration_bucket(first, last).value == durations
    assert rate_bucket(first, last).value == rates
