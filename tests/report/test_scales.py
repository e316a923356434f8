"""Axes: their ticks are few, in order, within, and apart."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from gaussdb_tasks.report.figures import Bucket, Period, duration_bucket, rate_bucket
from gaussdb_tasks.report.scales import Scale, bucket_end, duration_scale, rate_scale, time_scale

DAYS = st.dates(date(1, 1, 8), date(9999, 12, 24))


def assert_sound(scale: Scale, most: int = 7) -> None:
    """Check that an axis can be read."""
    places = [tick.at for tick in scale.ticks]
    assert 1 <= len(places) <= most
    assert scale.low < scale.high
    assert all(before < after for before, after in pairwise(places))
    assert all(scale.low <= place <= scale.high for place in places)
    labels = [tick.label for tick in scale.ticks]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 10


@forall(one=st.floats(0, 10**8), other=st.floats(0, 10**8))
def test_an_axis_of_durations_holds_them(one: float, other: float) -> None:
    """Whatever the range, from nothing to years, both ends lie on the axis."""
    scale = duration_scale(min(one, other), max(one, other))
    assert_sound(scale)
    assert scale.low <= min(one, other)
    assert max(one, other) <= scale.high


def test_a_wide_range_needs_a_logarithmic_axis() -> None:
    """From seconds to hours, equal distances are equal ratios."""
    scale = duration_scale(2, 40_000)
    assert scale.is_logarithmic
    labels = [tick.label.replace("\N{NO-BREAK SPACE}", " ") for tick in scale.ticks]
    assert labels == ["1 s", "1 min", "1 h"]
    assert not duration_scale(100, 400).is_logarithmic


@forall(highest=st.floats(0, 1))
def test_an_axis_of_rates_ends_at_all(highest: float) -> None:
    """It begins at nothing, holds the highest, and shows no more than 100 %."""
    scale = rate_scale(highest)
    assert_sound(scale)
    assert scale.low == 0
    assert highest <= scale.high <= 1


@forall(one=DAYS, other=DAYS, bucket=st.sampled_from(Bucket))
def test_an_axis_of_time_holds_its_buckets(one: date, other: date, bucket: Bucket) -> None:
    """From one day to ten thousand years, the first and the last bucket lie on the axis."""
    first, last = (start_of(bucket, on) for on in sorted((one, other)))
    scale = time_scale(Period(bucket, first, last))
    assert_sound(scale)
    assert scale.low <= first.toordinal()
    assert bucket_end(bucket, last) <= scale.high


def start_of(bucket: Bucket, on: date) -> date:
    """Return the first day of the bucket in which a day lies."""
    match bucket:
        case Bucket.DAY:
            return on
        case Bucket.WEEK:
            return on - timedelta(days=on.weekday())
        case Bucket.MONTH:
            return on.replace(day=1)


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
        (732, "week", "month"),
        (733, "month", "month"),
    ],
)
def test_the_longer_the_time_the_larger_the_buckets(days: int, durations: str, rates: str) -> None:
    """Days, then weeks, then months; of rates sooner, since they need more tasks."""
    first = date(2024, 1, 1)
    last = first + timedelta(days=days - 1)
    assert duration_bucket(first, last).value == durations
    assert rate_bucket(first, last).value == rates
